"""Rows as bytes: where a sequence lies, and moving rows in and out of a block.

Belongs here: the meaning of the counters, the one modular arithmetic of the package, copies of rows. May not be here:
what is inside a row (only that a row is ``row_bytes`` long).

A block holds each row twice, at its slot and at slot + capacity, so that any run of up to ``capacity`` rows is
contiguous. Counters only grow, but for ``TURNED``:

========== ==================================================================================
WRITTEN    rows ever put in; the newest row has the sequence WRITTEN - 1
TRIMMED    rows ever gone; the oldest row there has the sequence TRIMMED
TURNED     slots by which the numbering is turned; only changes where rows come or go at the
           other end (pop, appendleft), never in a ring that is only appended to
CLEARED    of TRIMMED: taken away on request rather than overwritten
REPEATS    rows whose time equals the one before
BACKWARD   rows whose time lies before the one before
DESCENT    sequence of the last row that was counted as backward
LAST_TIME  time of the row put in last (float64)
GAP        largest step forward between two rows (float64)
TAKEN      rows that the follower has taken: it alone stores this
MISSED     rows that were overwritten before the follower took them; stored by it, too
TROUBLE    what keeps the follower from taking rows: an errno, or 0
KEEP       what becomes of the oldest row of a full ring when one more comes: ``OVERWRITE`` it;
           only if it is ``TAKEN_ONLY``; ``NEVER``
POLICY     what the writer does where it would have to wait for the follower: ``WAIT``, and overwrite
           when it is gone for long; ``DROP`` the oldest row and count it; or wait, and ``REFUSE`` when it is gone
HALTED     not 0: no append is to take the fast way, because there is something to be said first
ENDED      what the writer has said last: 0, ``CLOSED`` or ``CONTINUED`` (in the next ring of a stream)
========== ==================================================================================

Invariant: ``0 <= WRITTEN - TRIMMED <= capacity``. What different processes store lies on cache lines of its own.

A *follower* is the one reader of a ring that misses nothing: the consumer of a queue, the recorder. It takes rows,
puts them where they are safe, and then raises TAKEN.
"""

from __future__ import annotations

from typing import Any

from .compile import BYTES, COUNTERS, INT, VOID, inner, kernel
from .memory import copy_bytes, fence_acquire, fence_release, load_acquire, store_release

__all__ = [
    "BACKWARD",
    "CLEARED",
    "CLOSED",
    "CONTINUED",
    "COUNTERS_LENGTH",
    "DESCENT",
    "DROP",
    "ENDED",
    "GAP",
    "HALTED",
    "KEEP",
    "LAST_TIME",
    "MISSED",
    "NEVER",
    "OVERWRITE",
    "POLICY",
    "REFUSE",
    "REPEATS",
    "TAKEN",
    "TAKEN_ONLY",
    "TRIMMED",
    "TROUBLE",
    "TURNED",
    "WAIT",
    "WRITTEN",
    "copy_rows",
    "extend",
    "extend_left",
    "gone",
    "look",
    "make_room",
    "publish",
    "put_rows",
    "say",
    "slot_of",
    "snapshot",
    "take",
    "write_rows",
]

# Places in the array of counters, in units of 8 bytes; 8 units make a cache line.
WRITTEN = 0
TRIMMED = 8
TURNED = 16
CLEARED = 17
REPEATS = 18
BACKWARD = 19
DESCENT = 20
LAST_TIME = 21
GAP = 22
TAKEN = 32
MISSED = 33
TROUBLE = 34
KEEP = 40
POLICY = 41
HALTED = 42
ENDED = 43
COUNTERS_LENGTH = 48

# Values of KEEP.
OVERWRITE, TAKEN_ONLY, NEVER = range(3)
# Values of POLICY.
WAIT, DROP, REFUSE = range(3)
# Values of ENDED.
CLOSED, CONTINUED = 1, 2

_PIECE_BYTES = 8192
_LOOKS = 4


@inner
def slot_of(counters: Any, capacity: int, sequence: int) -> int:
    """Give the slot, in [0, capacity), of a sequence; capacity > 0."""
    return (sequence + counters[TURNED]) % capacity  # type: ignore[no-any-return]


@inner
def make_room(counters: Any, capacity: int, count: int) -> None:
    """Take away the oldest rows until ``count`` more fit; 0 <= count <= capacity.

    Done before their bytes are overwritten: a reader that finds its rows still counted knows that they were whole.
    """
    excess = counters[WRITTEN] + count - capacity - counters[TRIMMED]
    if excess > 0:
        store_release(counters, TRIMMED, counters[TRIMMED] + excess)
        fence_release()


@inner
def publish(counters: Any, count: int) -> None:
    """Count ``count`` more rows, whose bytes are all written, as there."""
    store_release(counters, WRITTEN, counters[WRITTEN] + count)


@inner
def write_rows(block: Any, capacity: int, row_bytes: int, slot: int, source: Any, start: int, count: int) -> None:
    """Copy ``count`` rows to ``slot`` and on, and to their mirrors; 0 <= slot < capacity, 0 <= count <= capacity."""
    # In pieces that stay in the first-level cache, so that what is written twice is fetched once.
    piece = max(_PIECE_BYTES // row_bytes, 1)
    done = 0
    while done < count:
        some = min(piece, count - done, capacity - slot)
        copy_bytes(block, slot * row_bytes, source, start + done * row_bytes, some * row_bytes)
        copy_bytes(block, (slot + capacity) * row_bytes, source, start + done * row_bytes, some * row_bytes)
        done += some
        slot = (slot + some) % capacity


@inner
def put_rows(counters: Any, block: Any, capacity: int, row_bytes: int, source: Any, count: int) -> None:
    """Put ``count`` rows behind the newest; of more than fit, the last ones."""
    if capacity == 0:
        # As in deque(maxlen=0), rows come and are gone.
        counters[TRIMMED] += count
        publish(counters, count)
        return
    kept = min(count, capacity)
    # Rows that would be overwritten within this very call are counted, but never copied.
    skipped = count - kept
    make_room(counters, capacity, kept)
    if skipped > 0:
        # All rows that are there go: with ``kept`` == capacity nothing of the old is left.
        store_release(counters, TRIMMED, counters[WRITTEN] + skipped)
        fence_release()
    slot = slot_of(counters, capacity, counters[WRITTEN] + skipped)
    write_rows(block, capacity, row_bytes, slot, source, skipped * row_bytes, kept)
    publish(counters, count)


@kernel(VOID, COUNTERS, BYTES, INT, INT, BYTES, INT)
def extend(counters: Any, block: Any, capacity: int, row_bytes: int, source: Any, count: int) -> None:
    """Put ``count`` rows behind the newest, compiled for callers in Python."""
    put_rows(counters, block, capacity, row_bytes, source, count)


@kernel(VOID, COUNTERS, BYTES, INT, INT, BYTES, INT)
def extend_left(counters: Any, block: Any, capacity: int, row_bytes: int, source: Any, count: int) -> None:
    """Put ``count`` rows, in their order, before the oldest; of more than fit, the first ones.

    Rows are numbered from the newest back, so older rows that come and newest rows that go turn the numbering.
    """
    if capacity == 0:
        counters[TRIMMED] += count
        publish(counters, count)
        return
    kept = min(count, capacity)
    gone = max(counters[WRITTEN] - counters[TRIMMED] + kept - capacity, 0) + count - kept
    store_release(counters, TRIMMED, counters[TRIMMED] + gone)
    counters[TURNED] -= gone + kept
    slot = slot_of(counters, capacity, counters[TRIMMED])
    write_rows(block, capacity, row_bytes, slot, source, 0, kept)
    publish(counters, count)


@kernel(VOID, COUNTERS, COUNTERS, INT)
def snapshot(counters: Any, into: Any, floor: int) -> None:
    """Copy the counters of a ring that another thread or process writes, for looking rows up by them.

    All rows that the copy counts were there, and whole, when it was made; those before ``floor`` are left out.
    """
    # The newest row first: of what is loaded later, nothing is older than it. Once more where rows came meanwhile, so
    # that all counters are of one moment, but not for ever.
    for _ in range(_LOOKS):
        into[WRITTEN] = load_acquire(counters, WRITTEN)
        for place in range(1, COUNTERS_LENGTH):
            if place != TRIMMED:
                into[place] = counters[place]
        fence_acquire()
        if load_acquire(counters, WRITTEN) == into[WRITTEN]:
            break
    trimmed = max(load_acquire(counters, TRIMMED), floor)
    into[TRIMMED] = min(trimmed, into[WRITTEN])


@kernel(INT, COUNTERS)
def gone(counters: Any) -> int:
    """Give the number of rows that may have been overwritten before now, by whoever writes."""
    fence_acquire()
    return load_acquire(counters, TRIMMED)  # type: ignore[no-any-return]


@kernel(INT, COUNTERS, BYTES, INT, INT, INT, INT, BYTES)
def copy_rows(counters: Any, block: Any, capacity: int, row_bytes: int, first: int, last: int, target: Any) -> int:
    """Copy the rows [first, last), which were all there, to ``target``; give the first that is whole there."""
    copy_bytes(target, 0, block, slot_of(counters, capacity, first) * row_bytes, (last - first) * row_bytes)
    fence_acquire()
    return min(max(load_acquire(counters, TRIMMED), first), last)  # type: ignore[no-any-return]


@kernel(VOID, COUNTERS, INT, INT)
def take(counters: Any, taken: int, missed: int) -> None:
    """Let the writer have the rows before ``taken``; whatever the follower did with them is done."""
    counters[MISSED] += missed
    fence_release()
    store_release(counters, TAKEN, taken)


@kernel(VOID, COUNTERS, INT, INT)
def say(counters: Any, place: int, value: int) -> None:
    """Store a counter that other processes look at, after everything that was stored before."""
    store_release(counters, place, value)


@kernel(INT, COUNTERS, INT)
def look(counters: Any, place: int) -> int:
    """Load a counter that another process stores; what it was stored after can be read after."""
    return load_acquire(counters, place)  # type: ignore[no-any-return]
