"""Rings inside a user's own ``@njit`` loop.

Belongs here: the handle that such a loop takes, and the operations on it. May not be here: kernels for callers in
Python (``kernels`` has them).

The handle is a plain namedtuple of arrays, which numba takes as it is: loops that take one can be cached. It is valid
as long as its ring, and shares all counters with it: what the loop appends is there for the ring's look-ups, and the
other way round. With ``NUMBA_DISABLE_JIT=1`` the same functions run as Python.
"""

from __future__ import annotations

import time
from typing import Any, NamedTuple

from . import schema
from .block import Array, Block
from .errors import AppendRefusedError
from .kernels import times as _times
from .kernels.compile import JIT, inlined, inner
from .kernels.memory import fence_release, load_at, store_at
from .kernels.rows import (
    DROP,
    HALTED,
    KEEP,
    NEVER,
    POLICY,
    TAKEN,
    TAKEN_ONLY,
    TRIMMED,
    TURNED,
    WRITTEN,
    slot_of,
)

if JIT:
    from .kernels.fields import (
        capacity_of,
        counters_at,
        relax,
        store_row,
        values_fit,
    )
else:
    # The same as Python: what is an address there is the array here.

    def counters_at(ring: Handle) -> Array:
        """Give the counters of a ring."""
        return ring.counters

    def capacity_of(ring: Handle) -> int:
        """Give how many rows a ring holds."""
        return len(ring.rows) // 2

    def values_fit(ring: Handle, values: Any) -> bool:
        """Refuse values that do not fit the fields after the time."""
        names = list(ring.rows.dtype.names or ())[1:]
        schema.row_of(ring.rows.dtype[names], values)
        return True

    def store_row(ring: Handle, slot: int, time: float, values: Any) -> None:
        """Store a time and values, which fit, in a slot."""
        ring.rows[slot : slot + 1] = [(time, *values)] if len(ring.rows) else []

    def relax() -> None:
        """Let others have the processor for a moment."""
        time.sleep(2e-5)


__all__ = ["Handle", "append", "fps", "handle_of", "last", "window"]


class Handle(NamedTuple):
    """A ring as numba takes it.

    Attributes
    ----------
    rows
        Structured, shape (2 * capacity,): slot i again at i + capacity. Bounds that `window` gives index it.
    bytes
        The same memory, uint8.
    counters
        The ring's counters, int64; ``ringacc.kernels.rows`` has their meaning.

    Notes
    -----
    Complexity: O(1).
    Allocates: nothing: the arrays are the ring's.
    Valid: as long as the ring.
    Threads: the writer's; the GIL is not needed.
    """

    rows: Array
    bytes: Array
    counters: Array


def handle_of(block: Block) -> Handle:
    """Give the handle of a block."""
    return Handle(block.rows, block.bytes, block.counters)


@inner
def _must_wait(at: Any, oldest: int) -> bool:
    """Say whether the oldest row of a full ring has yet to be taken; what `RingFile.make_room` waits for.

    A thread of the ring file's sees to it that this ends when who takes the rows is gone.
    """
    is_kept = (load_at(at, KEEP) == TAKEN_ONLY) & (load_at(at, TAKEN) <= oldest) & (load_at(at, HALTED) == 0)
    return is_kept & (load_at(at, POLICY) != DROP)  # type: ignore[no-any-return]


@inlined
def append(ring: Handle, t: float, values: Any) -> None:
    """Put a row behind the newest.

    Parameters
    ----------
    ring
        What ``TimeRing.jit`` gives.
    t
        Time in seconds.
    values
        A tuple with one number for each field after "t"; their types may differ.

    Raises
    ------
    AppendRefusedError
        The time is NaN or infinite (a RowTimeError), a number out of its field's range (a RowRangeError), the ring full
        and not to be overwritten (a RingFullError), or nobody takes the rows of a queue any more (a QueueClosedError).
        Nothing is written. It is all of these in one, since a loop with more errors than one takes ten times as long.
    numba.core.errors.TypingError
        Too few or too many values, or one of another kind than its field's: the loop does not compile.

    Notes
    -----
    Complexity: O(fields); a few nanoseconds. On a full queue it waits, awake, until there is room.
    Allocates: nothing.
    Valid: nothing is given.
    Threads: the writer's; the GIL is not needed.

    Examples
    --------
    >>> from numba import njit
    >>> from ringacc import TimeRing
    >>> from ringacc.jit import append
    >>> @njit
    ... def fill(ring, n):
    ...     for i in range(n):
    ...         append(ring, i * 0.01, (i * 2.0, i % 2 == 0))
    >>> track = TimeRing(100, {"x": "f8", "even": "?"})
    >>> fill(track.jit, 3)
    >>> track["x"]
    array([0., 2., 4.])
    """
    at, capacity, seconds = counters_at(ring), capacity_of(ring), float(t)
    written = load_at(at, WRITTEN)
    is_full = load_at(at, TRIMMED) <= written - capacity
    is_refused = False
    if (load_at(at, HALTED) | load_at(at, KEEP)) != 0:
        while is_full & _must_wait(at, written - capacity):
            relax()
        is_refused = (load_at(at, HALTED) != 0) | (is_full & (load_at(at, KEEP) == NEVER))
    if is_refused | (not seconds - seconds == 0.0) | (not values_fit(ring, values)):
        raise AppendRefusedError(
            "expected a finite time, values in the range of their fields, room in a ring that may not overwrite, and "
            "somebody who takes the rows of a queue; found that one of these is not so: nothing was written"
        )
    _times.note_time(at, written, seconds)
    if is_full:
        # As in kernels.rows.make_room: the oldest row is taken away before its bytes are.
        store_at(at, TRIMMED, written + 1 - capacity)
        fence_release()
    # A ring of no rows has the memory of one, so that there is no branch here.
    slot = (written + load_at(at, TURNED)) % max(capacity, 1)
    store_row(ring, slot, seconds, values)
    store_row(ring, slot + capacity, seconds, values)
    store_at(at, WRITTEN, written + 1)


@inner
def last(ring: Handle, n: int) -> Array:
    """Give the last ``n`` rows, or all where fewer are there.

    Parameters
    ----------
    ring
        What ``TimeRing.jit`` gives.
    n
        How many, 0 or more.

    Returns
    -------
    ndarray
        Structured, shape (min(n, len),), oldest first: a view of ``ring.rows``, which may be written to but should not.

    Raises
    ------
    ValueError
        ``n`` is negative.

    Notes
    -----
    Complexity: O(1).
    Allocates: nothing.
    Valid: until ``capacity - n`` more rows were put in.
    Threads: the writer's; the GIL is not needed.

    Examples
    --------
    >>> from ringacc import TimeRing
    >>> from ringacc.jit import last
    >>> track = TimeRing(100, {"x": "f8"})
    >>> track.extend([0.0, 0.1], [[1], [2]])
    >>> last(track.jit, 1)["x"]
    array([2.])
    """
    if n < 0:
        raise ValueError("expected 0 or more rows")
    counters = ring.counters
    count = min(n, counters[WRITTEN] - counters[TRIMMED])
    if count == 0:
        return ring.rows[:0]
    start = slot_of(counters, len(ring.rows) // 2, counters[WRITTEN] - count)
    return ring.rows[start : start + count]


@inner
def window(ring: Handle, seconds: float) -> tuple[int, int]:
    """Give the bounds, in ``ring.rows``, of the rows with t >= newest - ``seconds``.

    Parameters
    ----------
    ring
        What ``TimeRing.jit`` gives.
    seconds
        Length of the window, 0 or more.

    Returns
    -------
    start, stop : int
        ``ring.rows[start:stop]`` are the rows, oldest first.

    Raises
    ------
    ValueError
        ``seconds`` is negative or NaN, or a time that goes back is in the ring, so that the rows are not contiguous.

    Notes
    -----
    Complexity: O(log rows).
    Allocates: nothing.
    Valid: until ``capacity - (stop - start)`` more rows were put in.
    Threads: the writer's; the GIL is not needed.

    Examples
    --------
    >>> from ringacc import TimeRing
    >>> from ringacc.jit import window
    >>> track = TimeRing(100, {"x": "f8"})
    >>> track.extend([0.0, 1.0, 2.0], [[1], [2], [3]])
    >>> start, stop = window(track.jit, 1.0)
    >>> track.jit.rows[start:stop]["x"]
    array([2., 3.])
    """
    if not seconds >= 0.0:
        raise ValueError("expected a window of 0 or more seconds")
    capacity = len(ring.rows) // 2
    bounds = _times.window_bounds(ring.counters, ring.bytes, capacity, ring.rows.itemsize, seconds)
    if bounds[0] < 0:
        raise ValueError("expected rows in time order, found a time that goes back: trim it away, or look up in Python")
    return bounds


@inner
def fps(ring: Handle, points: int) -> float:
    """Give the rate over the last ``points`` rows: (k - 1) / (their last time - their first).

    Parameters
    ----------
    ring
        What ``TimeRing.jit`` gives.
    points
        How many rows, 2 or more; k is that, or the rows there are.

    Returns
    -------
    float
        In rows a second (Hz); 0.0 with less than two rows, or where no time has elapsed.

    Raises
    ------
    ValueError
        ``points`` is less than 2.

    Notes
    -----
    Complexity: O(1).
    Allocates: nothing.
    Valid: a plain value.
    Threads: the writer's; the GIL is not needed.

    Examples
    --------
    >>> from ringacc import TimeRing
    >>> from ringacc.jit import fps
    >>> track = TimeRing(100, {"x": "f8"})
    >>> track.extend([0.0, 0.5, 1.0], [[1], [2], [3]])
    >>> float(fps(track.jit, 10))
    2.0
    """
    if points < 2:
        raise ValueError("expected at least 2 points for a rate")
    return _times.fps(ring.counters, ring.bytes, len(ring.rows) // 2, ring.rows.itemsize, points)
