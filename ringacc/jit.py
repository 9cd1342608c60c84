"""Rings inside a user's own ``@njit`` loop.

Belongs here: the handle that such a loop takes, and the operations on it. May not be here: kernels for callers in
Python (``kernels`` has them).

The handle is a plain namedtuple of arrays, which numba takes as it is: loops that take one can be cached. It is valid
as long as its ring, and shares all counters with it: what the loop appends is there for the ring's look-ups, and the
other way round. With ``NUMBA_DISABLE_JIT=1`` the same functions run as Python.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from . import schema
from .block import Array, Block
from .errors import QueueClosedError, RingFullError, RowRangeError, RowTimeError
from .kernels import times as _times
from .kernels.compile import JIT, inner
from .kernels.memory import load_acquire, pause
from .kernels.rows import (
    DROP,
    HALTED,
    KEEP,
    NEVER,
    OVERWRITE,
    POLICY,
    TRIMMED,
    WRITTEN,
    has_room,
    make_room,
    publish,
    slot_of,
)

if JIT:
    from .kernels.fields import store_row, values_fit
else:

    def values_fit(rows: Array, values: Any) -> bool:
        """Refuse values that do not fit the fields after the time."""
        names = list(rows.dtype.names or ())[1:]
        schema.row_of(rows.dtype[names], values)
        return True

    def store_row(rows: Array, slot: int, time: float, values: Any) -> None:
        """Store a time and values, which fit, in a slot."""
        rows[slot] = (time, *values)


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
    """

    rows: Array
    bytes: Array
    counters: Array


def handle_of(block: Block) -> Handle:
    """Give the handle of a block."""
    return Handle(block.rows, block.bytes, block.counters)


@inner
def _wait_for_room(counters: Array, capacity: int) -> None:
    """Wait until the oldest row may be overwritten; `RingFile.make_room` for a loop that has no Python.

    A thread of the ring file's sees to it that this ends when who takes the rows is gone.
    """
    while True:
        if load_acquire(counters, HALTED) != 0:
            raise QueueClosedError("expected somebody who takes rows, found that nobody does any more")
        if has_room(counters, capacity, 1):
            return
        if counters[KEEP] == NEVER:
            raise RingFullError("expected room for a row, found a full ring with allow_overwrite=False")
        if counters[POLICY] == DROP:
            counters[KEEP] = OVERWRITE
        pause()


@inner
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
    RowTimeError
        The time is NaN or infinite.
    RowRangeError
        A number is out of its field's range.
    RingFullError
        There is no room, and the ring may not overwrite.
    QueueClosedError
        Of a queue's ring: nobody takes its rows any more. In all these cases nothing is written.
    numba.core.errors.TypingError
        Too few or too many values, or one of another kind than its field's: the loop does not compile.

    Notes
    -----
    Complexity: O(fields); a few nanoseconds. On a full queue, it waits until there is room.
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
    time = float(t)
    if not time - time == 0.0:
        raise RowTimeError("expected a finite time in seconds, found NaN or infinity: nothing was written")
    if not values_fit(ring.rows, values):
        raise RowRangeError("expected values in the range of their fields: declare wider fields; nothing was written")
    counters = ring.counters
    capacity = len(ring.rows) // 2
    if counters[HALTED] != 0 or not has_room(counters, capacity, 1):
        _wait_for_room(counters, capacity)
    _times.note_time(counters, time)
    if capacity == 0:
        counters[TRIMMED] += 1
        counters[WRITTEN] += 1
        return
    slot = slot_of(counters, capacity, counters[WRITTEN])
    make_room(counters, capacity, 1)
    store_row(ring.rows, slot, time, values)
    store_row(ring.rows, slot + capacity, time, values)
    publish(counters, 1)


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
