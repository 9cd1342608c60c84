"""Looking up rows of a block by their time.

Belongs here: the answers to all questions that a ring of timed rows is asked, as functions of its block. May not be
here: who asks (``timering`` for the writer's views, ``reader`` for copies from a ring that another process writes).
"""

from __future__ import annotations

import math
import operator
from typing import Literal, NamedTuple, SupportsIndex

import numpy as np

from .appending import checked_time
from .block import Array, Block
from .errors import RowNotFoundError, UnknownColumnError
from .kernels import rows as counters_of
from .kernels import times

__all__ = [
    "Health",
    "How",
    "at",
    "between",
    "checked_count",
    "column",
    "find",
    "fps",
    "from_time",
    "health",
    "last",
    "since",
    "window",
    "window_places",
    "window_slots",
]

How = Literal["previous", "next", "nearest", "linear"]
_HOWS = ("previous", "next", "nearest", "linear")


class Health(NamedTuple):
    """What the times of a stream say about it.

    Attributes
    ----------
    rows
        Rows ever put in.
    repeats
        Rows whose time equals the one before.
    backward
        Rows whose time lies before the one before.
    largest_gap
        Largest step forward from one row to the next, in seconds; 0.0 while there is none.
    overwritten
        Rows that were replaced by newer ones.
    missed
        Rows that a reader asked for too late.

    Notes
    -----
    Complexity: O(1).
    Allocates: a tuple.
    Valid: of the moment when it was asked for.
    Threads: any.
    """

    rows: int
    repeats: int
    backward: int
    largest_gap: float
    overwritten: int
    missed: int


def checked_count(count: SupportsIndex, what: str = "rows") -> int:
    """Give a count as an int, or refuse one that is negative."""
    number = operator.index(count)
    if number < 0:
        raise ValueError(f"expected 0 or more {what}, found {number}")
    return number


def last(block: Block, n: SupportsIndex) -> Array:
    """Give the last ``n`` rows, or all where fewer are there: a view."""
    return block.last(min(checked_count(n), len(block)))


def since(block: Block, sequence: SupportsIndex) -> tuple[Array, int, int]:
    """Give the rows put in since ``written`` was ``sequence``, ``written`` now, and how many rows are gone."""
    number = operator.index(sequence)
    written, trimmed = block.written, block.trimmed
    if not 0 <= number <= written:
        raise ValueError(f"expected a sequence from 0 to {written}, found {number}: take what since() gave last")
    missed = max(trimmed - number, 0)
    return block.last(written - number - missed), written, missed


def window(block: Block, seconds: float) -> Array:
    """Give the rows with t >= newest - ``seconds``: a view, or a copy while a time that goes back is in the block."""
    # As in window_slots, without the call: this is the look-up of closed loops.
    if not seconds >= 0:
        raise _no_window(seconds)
    start, stop = times.window_bounds(block.counters, block.bytes, block.capacity, block.row_bytes, seconds)
    if start < 0:
        return _frozen(block.last(len(block))[window_places(block, seconds)])
    return block.visible[start:stop]


def window_slots(block: Block, seconds: float) -> tuple[int, int]:
    """Give the slots [start, stop) of the rows with t >= newest - ``seconds``; (-1, -1): they are not in time order."""
    if not seconds >= 0:
        raise _no_window(seconds)
    start, stop = times.window_bounds(block.counters, block.bytes, block.capacity, block.row_bytes, seconds)
    return int(start), int(stop)


def window_places(block: Block, seconds: float) -> Array:
    """Give which of the rows there are have t >= newest - ``seconds``, in whatever order they are."""
    stamps = block.last(len(block))["t"]
    # As floats of Python: see _pick.
    return np.flatnonzero(stamps >= float(stamps[-1]) - float(seconds))


def _no_window(seconds: float) -> ValueError:
    return ValueError(f"expected a window of 0 or more seconds, found {seconds}")


def between(block: Block, t0: float, t1: float) -> Array:
    """Give the rows with t0 <= t <= t1: a view, or a copy while a time that goes back is in the block."""
    if t0 != t0 or t1 != t1:
        raise ValueError(f"expected two times in seconds, found {t0} and {t1}")
    start, stop = times.between_bounds(block.counters, block.bytes, block.capacity, block.row_bytes, t0, t1)
    if start < 0:
        rows = block.last(len(block))
        return _frozen(rows[(rows["t"] >= t0) & (rows["t"] <= t1)])
    return block.visible[start:stop]


def at(block: Block, t: float, how: How = "nearest", tolerance: float | None = None) -> np.void:
    """Give the row at a time, a copy; see `TimeRing.at`."""
    rows = block.last(len(block))
    moment = _checked_question(t, how, tolerance)
    start, stop = times.between_bounds(block.counters, block.bytes, block.capacity, block.row_bytes, moment, moment)
    if start < 0:
        return find(rows, moment, how, tolerance)
    oldest = block.slot(block.trimmed) if len(rows) else 0
    return _pick(rows, start - oldest, stop - oldest - 1, moment, how, tolerance)


def fps(block: Block, points: SupportsIndex = 10) -> float:
    """Give the rate over the last ``points`` rows in Hz."""
    number = operator.index(points)
    if number < 2:
        raise ValueError(f"expected at least 2 points for a rate, found {number}")
    return float(times.fps(block.counters, block.bytes, block.capacity, block.row_bytes, number))


def column(block: Block, name: str) -> Array:
    """Give one column of the rows there are: a view."""
    names = block.dtype.names or ()
    if name not in names:
        raise UnknownColumnError(f"expected one of the columns {names}, found {name!r}")
    return block.last(len(block))[name]


def health(block: Block) -> Health:
    """Give what the times of all rows ever put in say about the stream."""
    counts = block.counts
    return Health(
        rows=counts[counters_of.WRITTEN],
        repeats=counts[counters_of.REPEATS],
        backward=counts[counters_of.BACKWARD],
        largest_gap=float(block.counters.view(np.float64)[counters_of.GAP]),
        overwritten=counts[counters_of.TRIMMED] - counts[counters_of.CLEARED],
        missed=counts[counters_of.MISSED],
    )


def from_time(block: Block, t: float) -> int:
    """Give how many rows there are from the first one with a time >= ``t`` on."""
    if t != t:
        raise ValueError(f"expected a time in seconds, found {t}")
    start, stop = times.between_bounds(block.counters, block.bytes, block.capacity, block.row_bytes, t, math.inf)
    if start < 0:
        late = np.flatnonzero(block.last(len(block))["t"] >= t)
        return len(block) - int(late[0]) if len(late) else 0
    return int(stop - start)


def find(rows: Array, t: float, how: How = "nearest", tolerance: float | None = None) -> np.void:
    """Give the row at a time of any structured rows with "t", in whatever order; as `TimeRing.at`, in O(n log n)."""
    moment = _checked_question(t, how, tolerance)
    rows = rows[np.argsort(rows["t"], kind="stable")]
    stamps = rows["t"]
    return _pick(
        rows,
        int(np.searchsorted(stamps, moment, "left")),
        int(np.searchsorted(stamps, moment, "right")) - 1,
        moment,
        how,
        tolerance,
    )


def _checked_question(t: float, how: str, tolerance: float | None) -> float:
    if how not in _HOWS:
        raise ValueError(f"expected how to be one of {', '.join(_HOWS)}, found {how!r}")
    if tolerance is not None and not tolerance >= 0:
        raise ValueError(f"expected a tolerance of 0 or more seconds, found {tolerance}")
    return checked_time(t)


def _pick(rows: Array, after: int, before: int, moment: float, how: str, tolerance: float | None) -> np.void:
    """Choose between the first row with t >= ``moment`` and the last with t <= it; rows in time order."""
    reach = math.inf if tolerance is None else tolerance
    stamps = rows["t"]
    # As floats of Python, which overflow to infinity without a warning.
    since = moment - float(stamps[before]) if before >= 0 else math.inf
    until = float(stamps[after]) - moment if after < len(rows) else math.inf
    has_before = before >= 0 and since <= reach
    has_after = after < len(rows) and until <= reach
    if how == "nearest" and (has_before or has_after):
        if has_after and (not has_before or until < since):
            return _copy(rows, after)
        while before > 0 and stamps[before - 1] == stamps[before]:
            before -= 1
        return _copy(rows, before)
    if how == "previous" and has_before:
        return _copy(rows, before)
    if how == "next" and has_after:
        return _copy(rows, after)
    if how == "linear" and has_before and has_after:
        return _on_the_line(rows[before], rows[after], moment)
    within = "" if tolerance is None else f" within {tolerance} s"
    wanted = f"expected a row ({how}) for t = {moment}{within}"
    if not len(rows):
        raise RowNotFoundError(f"{wanted}, found no rows at all: append some first")
    raise RowNotFoundError(
        f"{wanted}, found {len(rows)} rows from {stamps[0]} to {stamps[-1]} s: ask within that range, or with another "
        "how or tolerance"
    )


def _frozen(rows: Array) -> Array:
    rows.flags.writeable = False
    return rows


def _copy(rows: Array, place: int) -> np.void:
    row: np.void = rows[place].copy()
    return row


def _on_the_line(before: np.void, after: np.void, moment: float) -> np.void:
    """Give the row at ``moment`` on the straight line between two rows."""
    names = before.dtype.names or ()
    kinds = [(name, np.float64 if before.dtype[name].base.kind in "iuf" else before.dtype[name].base) for name in names]
    made: np.void = np.zeros(1, [(name, kind, before.dtype[name].shape) for name, kind in kinds])[0]
    elapsed = float(after["t"]) - float(before["t"])
    share = (moment - float(before["t"])) / elapsed if elapsed > 0 else 0.0
    for name, kind in kinds:
        first, second = before[name], after[name]
        if kind != np.float64 or share == 0.0:
            made[name] = first
        elif share == 1.0:
            made[name] = second
        else:
            with np.errstate(over="ignore", invalid="ignore"):  # values may be infinite, or nearly so
                made[name] = np.float64(first) + (np.float64(second) - np.float64(first)) * share
    made["t"] = moment
    return made
