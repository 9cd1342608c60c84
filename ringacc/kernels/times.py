"""Times: what a row's time says about the stream, and finding rows by time.

Belongs here: all that reads the float64 time at the start of a row. May not be here: any other field.

Searches run over the slots ``[start, stop)`` of a block, ``stop - start`` <= capacity and ``start`` < capacity, which
are contiguous because of the mirrors. They are right where the rows are in time order; ``in_order`` says in O(1)
whether they are.
"""

from __future__ import annotations

from typing import Any

from .compile import BYTES, COUNTERS, FLOAT, INT, inner, kernel, pair_of
from .memory import load_at, load_float, load_real, load_real_at, store_at, store_real, store_real_at
from .rows import BACKWARD, DESCENT, GAP, LAST_TIME, REPEATS, TRIMMED, WRITTEN, put_rows, slot_of

__all__ = [
    "between_bounds",
    "extend_timed",
    "first_after",
    "first_from",
    "fps",
    "in_order",
    "note_time",
    "window_bounds",
]

OUT_OF_ORDER = -1


@inner
def note_time(at: Any, written: int, time: float) -> None:
    """Count the time of the row that comes next, behind ``written`` others."""
    if written > 0:
        step = time - load_real_at(at, LAST_TIME)
        if step == 0.0:
            store_at(at, REPEATS, load_at(at, REPEATS) + 1)
        elif step < 0.0:
            store_at(at, BACKWARD, load_at(at, BACKWARD) + 1)
            store_at(at, DESCENT, written)
        elif step > load_real_at(at, GAP):
            store_real_at(at, GAP, step)
    store_real_at(at, LAST_TIME, time)


@inner
def _all_as_before(counters: Any, row_bytes: int, source: Any, count: int) -> bool:
    """Say whether every time lies after the one before, by no more than the largest gap so far.

    That is the usual case, and needs no branch in the loop and no counter changed. NaN and infinity are never so.
    """
    gap = load_real(counters, GAP)
    step = load_float(source, 0) - load_real(counters, LAST_TIME)
    odd = 1 if counters[WRITTEN] == 0 or not 0.0 < step <= gap else 0
    for row in range(1, count):
        step = load_float(source, row * row_bytes) - load_float(source, (row - 1) * row_bytes)
        odd += 0 if (step > 0.0) & (step <= gap) else 1
    return odd == 0 and gap - gap == 0.0


@inner
def _note_times(counters: Any, row_bytes: int, source: Any, count: int) -> int:
    """Count the times of rows that come next, and give -1, or give the first that is NaN or infinite."""
    for row in range(count):
        time = load_float(source, row * row_bytes)
        if time - time != 0.0:
            return row
    written = counters[WRITTEN]
    first = load_float(source, 0)
    last = load_real(counters, LAST_TIME) if written > 0 else first
    counters[REPEATS] -= 0 if written > 0 else 1  # the very first row, counted below, repeats nothing
    for row in range(count):
        time = load_float(source, row * row_bytes)
        step = time - last
        last = time
        if step == 0.0:
            counters[REPEATS] += 1
        elif step < 0.0:
            counters[BACKWARD] += 1
            counters[DESCENT] = written + row
        elif step > load_real(counters, GAP):
            store_real(counters, GAP, step)
    return -1


@kernel(INT, COUNTERS, BYTES, INT, INT, BYTES, INT)
def extend_timed(counters: Any, block: Any, capacity: int, row_bytes: int, source: Any, count: int) -> int:
    """Put ``count`` > 0 rows behind the newest and count their times.

    Give -1, or the first row whose time is NaN or infinite: then nothing was written.
    """
    last = load_float(source, (count - 1) * row_bytes)
    if not _all_as_before(counters, row_bytes, source, count):
        bad = _note_times(counters, row_bytes, source, count)
        if bad >= 0:
            return bad
    store_real(counters, LAST_TIME, last)
    put_rows(counters, block, capacity, row_bytes, source, count)
    return -1


@inner
def in_order(counters: Any) -> bool:
    """Say whether no row that is there has a later one before it."""
    return counters[DESCENT] <= counters[TRIMMED]  # type: ignore[no-any-return]


@inner
def first_from(block: Any, row_bytes: int, start: int, stop: int, time: float) -> int:
    """Give the first slot in [start, stop] with a time >= ``time``; ``stop`` where there is none."""
    while start < stop:
        middle = (start + stop) >> 1
        if load_float(block, middle * row_bytes) < time:
            start = middle + 1
        else:
            stop = middle
    return start


@inner
def first_after(block: Any, row_bytes: int, start: int, stop: int, time: float) -> int:
    """Give the first slot in [start, stop] with a time > ``time``; ``stop`` where there is none."""
    while start < stop:
        middle = (start + stop) >> 1
        if load_float(block, middle * row_bytes) <= time:
            start = middle + 1
        else:
            stop = middle
    return start


@kernel(pair_of(INT), COUNTERS, BYTES, INT, INT, FLOAT)
def window_bounds(counters: Any, block: Any, capacity: int, row_bytes: int, seconds: float) -> tuple[int, int]:
    """Give the slots [start, stop) of the rows from ``seconds`` before the newest on; (-1, -1): not in time order."""
    length = counters[WRITTEN] - counters[TRIMMED]
    if length == 0:
        return 0, 0
    if not in_order(counters):
        return OUT_OF_ORDER, OUT_OF_ORDER
    start = slot_of(counters, capacity, counters[TRIMMED])
    stop = start + length
    newest = load_float(block, (stop - 1) * row_bytes)
    return first_from(block, row_bytes, start, stop, newest - seconds), stop


@kernel(pair_of(INT), COUNTERS, BYTES, INT, INT, FLOAT, FLOAT)
def between_bounds(
    counters: Any, block: Any, capacity: int, row_bytes: int, first: float, last: float
) -> tuple[int, int]:
    """Give the slots [start, stop) of the rows with first <= time <= last; (-1, -1): not in time order."""
    length = counters[WRITTEN] - counters[TRIMMED]
    if length == 0:
        return 0, 0
    if not in_order(counters):
        return OUT_OF_ORDER, OUT_OF_ORDER
    oldest = slot_of(counters, capacity, counters[TRIMMED])
    stop = oldest + length
    start = first_from(block, row_bytes, oldest, stop, first)
    return start, first_after(block, row_bytes, start, stop, last)


@kernel(FLOAT, COUNTERS, BYTES, INT, INT, INT)
def fps(counters: Any, block: Any, capacity: int, row_bytes: int, points: int) -> float:
    """Give the rate over the last ``points`` rows, in rows a second: (k - 1) / elapsed, or 0.0."""
    length = min(points, counters[WRITTEN] - counters[TRIMMED])
    if length < 2:
        return 0.0
    start = slot_of(counters, capacity, counters[WRITTEN] - length)
    elapsed = load_float(block, (start + length - 1) * row_bytes) - load_float(block, start * row_bytes)
    if elapsed > 0.0:
        return (length - 1) / elapsed  # type: ignore[no-any-return]
    return 0.0
