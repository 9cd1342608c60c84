"""What the times and values of a saved log say, as numbers.

Belongs here: intervals, gaps, dropped frames, rates, the most active second, what is in a column. May not be here:
sentences (``odd``), drawing (``figures``), files (``folder``).

Times are looked at in the order of the rows where it counts (backward steps, intervals), and sorted elsewhere.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

__all__ = [
    "Cadence",
    "Column",
    "Timing",
    "cadence",
    "describe",
    "dropped",
    "is_counter",
    "most_active",
    "not_seconds",
    "rates",
    "skipped",
    "timing",
]

Array = np.ndarray[Any, Any]

# Numbers that a counter may have, up and down.
_COUNTED = 2**53
# Beyond, times and paces are no longer those of seconds, and sums and quotients of them may be no numbers.
_LATEST, _SHORTEST = 1e14, 1e-12
# Rows over which jitter evens out.
_EVEN = 10
# Numbers whose sum may be none: they are halved first, which would lose the last bit of the least ones.
_LARGE = 1e300
# Parts of a log's time in which the rate is given, at most.
_PARTS = 150


class Cadence(NamedTuple):
    """How rows follow each other.

    Attributes
    ----------
    period
        Seconds from row to row, jitter evened out: the median of a tenth of ten intervals.
    is_regular
        Whether rows come at an even pace, so that a missing one can be told.
    gap
        Seconds above which an interval is a gap: three times the median, and far out among the intervals by Tukey's
        rule (the third quartile and three times the quartiles' distance).
    """

    period: float
    is_regular: bool
    gap: float


class Timing(NamedTuple):
    """What the times of a log say.

    Attributes
    ----------
    rows, untimed
        Rows, and those of them whose time is no finite number; the rest is said of the others.
    start, end
        The least and the greatest time.
    rate
        (rows - 1) / (end - start) in Hz; 0.0 with less than two rows, or where no time has elapsed.
    repeats, backward
        Rows with the time of the row before, or an earlier one.
    largest_gap
        The largest interval.
    cadence
        How rows follow each other.
    intervals
        Seconds from row to row, in the order of the rows.
    gaps, steps_back
        Where intervals are gaps, or negative: the numbers of the rows before.
    """

    rows: int
    untimed: int
    start: float
    end: float
    rate: float
    repeats: int
    backward: int
    largest_gap: float
    cadence: Cadence
    intervals: Array
    gaps: Array
    steps_back: Array


class Column(NamedTuple):
    """What is in a column.

    Attributes
    ----------
    name, dtype
        As in the log.
    is_number
        Whether it can be drawn.
    rows, missing, infinite
        Rows; those that are NaN or nothing; those that are inf or -inf.
    low, median, high
        Of the finite numbers; None where there are none.
    different
        Values that are different from each other, of a column that holds no numbers; else None.
    """

    name: str
    dtype: str
    is_number: bool
    rows: int
    missing: int
    infinite: int
    low: int | float | None
    median: float | None
    high: int | float | None
    different: int | None

    @property
    def is_empty(self) -> bool:
        """Whether there are rows, and no value in any."""
        return 0 < self.rows == self.missing

    @property
    def is_constant(self) -> bool:
        """Whether there are two rows or more, all of one value."""
        if self.rows < 2 or self.missing or self.infinite:
            return False
        return self.low == self.high if self.is_number else self.different == 1


def cadence(intervals: Array) -> Cadence:
    """Find the pace of rows from the intervals between them, oldest first."""
    forward = intervals[intervals > 0]
    if not len(forward):
        return Cadence(0.0, False, np.inf)
    low, median, high = np.quantile(forward, [0.25, 0.5, 0.75])
    span = min(_EVEN, len(forward))
    ends = np.concatenate([[0.0], np.cumsum(forward)])
    low_even, period, high_even = np.quantile((ends[span:] - ends[:-span]) / span, [0.25, 0.5, 0.75])
    is_regular = high - low <= 0.5 * period and high_even - low_even <= 0.1 * period
    return Cadence(
        float(period), bool(is_regular and period >= _SHORTEST), float(max(3 * median, high + 3 * (high - low)))
    )


def not_seconds(times: Array) -> str | None:
    """Say why times can hardly be seconds: too large, or too close together; None: they can."""
    known = times[np.isfinite(times)]
    if not len(known):
        return None
    low, high = float(known.min()), float(known.max())
    if max(-low, high) > _LATEST:
        return f"from {low:.3g} to {high:.3g}; nanoseconds are to be divided by 1e9"
    if 0 < high - low < (len(known) - 1) * _SHORTEST:
        return f"{len(known)} rows within {high - low:.3g}"
    return None


def timing(times: Array) -> Timing:
    """Describe the times of a log, in the order of its rows."""
    known = times[np.isfinite(times)]
    intervals = np.diff(known)
    start, end = (float(known.min()), float(known.max())) if len(known) else (np.nan, np.nan)
    pace = cadence(intervals)
    return Timing(
        rows=len(times),
        untimed=len(times) - len(known),
        start=start,
        end=end,
        rate=(len(known) - 1) / (end - start) if end > start else 0.0,
        repeats=int(np.count_nonzero(intervals == 0)),
        backward=int(np.count_nonzero(intervals < 0)),
        largest_gap=float(intervals.max(initial=0.0)),
        cadence=pace,
        intervals=intervals,
        gaps=np.flatnonzero(intervals > pace.gap),
        steps_back=np.flatnonzero(intervals < 0),
    )


def dropped(times: Array, pace: Cadence) -> int:
    """Estimate how many rows are missing in times that are in order and finite, from the intervals alone.

    Nothing is missing where rows are only late, and others follow in quick succession until the pace is made up.
    0 where rows do not come at an even pace, since nobody can tell.
    """
    if not pace.is_regular:
        return 0
    intervals = np.diff(times)
    wide = np.flatnonzero(intervals >= 1.5 * pace.period)
    if not len(wide):
        return 0
    periods = _whole(intervals[wide] / pace.period)
    # As far as it takes to make it up at twice the pace, unless another wide interval comes first.
    until = np.minimum(wide + 1 + _EVEN + 2 * periods, np.append(wide[1:], len(times) - 1))
    until = np.maximum(until, wide + 1)
    behind = _whole((times[until] - times[wide]) / pace.period) - (until - wide)
    return sum(np.clip(behind, 0, periods - 1).tolist())


def _whole(numbers: Array) -> Array:
    """Round to integers, those that are too large to the largest counted."""
    return np.rint(np.minimum(numbers, _COUNTED)).astype(np.int64)


def is_counter(name: str, values: Array) -> bool:
    """Say whether a column counts frames: called so, of whole numbers that only grow, mostly by one."""
    if "frame" not in name.lower() or values.dtype.kind not in "iuf" or len(values) < 2:
        return False
    if values.dtype.kind == "f" and not (np.isfinite(values).all() and (values == np.floor(values)).all()):
        return False
    # Beyond, floats are no longer all of the whole numbers, and differences do not fit an int64.
    if values.min().item() < -_COUNTED or values.max().item() > _COUNTED:
        return False
    steps = np.diff(values.astype(np.int64))
    return bool((steps > 0).all() and np.median(steps) == 1)


def skipped(counter: Array) -> Array:
    """Give for each row but the first how many numbers of a counter are missing before it."""
    return np.diff(counter.astype(np.int64)) - 1


def rates(times: Array) -> tuple[Array, Array]:
    """Give the rate over time of times that are in order and finite: the ends of parts of equal length, and Hz.

    In a part from a to b it is (k - 1) / elapsed, of the k rows from the last one at a or before to the last one at b
    or before; 0 where there is no new one; what is elapsed is a picosecond at least. A part is long enough for ten rows
    at the mean rate.
    """
    if len(times) < 2 or times[-1] <= times[0]:
        return np.empty(0), np.empty(0)
    parts = int(min(max((len(times) - 1) // _EVEN, 1), _PARTS))
    edges = np.linspace(times[0], times[-1], parts + 1)
    edges[-1] = times[-1]
    newest = np.searchsorted(times, edges, side="right") - 1
    elapsed = np.diff(times[newest])
    found = np.zeros(parts)
    np.divide(np.diff(newest), np.maximum(elapsed, _SHORTEST), out=found, where=elapsed > 0)
    return edges[1:], found


def most_active(times: Array, columns: list[Array], seconds: float = 1.0) -> tuple[float, float]:
    """Give the start and the end of the ``seconds`` in which most happens; times are in order and finite.

    What happens in a column from row to row is the absolute difference as a share of all such differences in the
    column; NaN and infinite values count for nothing. All columns count alike. The first such stretch, from a row on.
    """
    activity = np.zeros(len(times))
    for column in columns:
        with np.errstate(over="ignore", invalid="ignore"):
            steps = np.abs(np.diff(column))
        steps[~np.isfinite(steps)] = 0.0
        most = steps.max(initial=0.0)
        if most > 0:
            steps /= most  # so that the sum of huge ones is finite
            activity[1:] += steps / steps.sum()
    total = np.cumsum(activity)
    last = np.searchsorted(times, times + seconds, side="right") - 1
    start = float(times[int(np.argmax(total[last] - total))])
    return start, min(start + seconds, float(times[-1]))


def describe(name: str, values: Array) -> Column:
    """Describe a column."""
    if values.dtype.kind not in "biuf":
        present = [value for value in values.tolist() if not _is_missing(value)]
        different = len({repr(value) for value in present})
        missing = len(values) - len(present)
        return Column(name, _kind(values), False, len(values), missing, 0, None, None, None, different)
    missing = infinite = 0
    numbers = values
    if values.dtype.kind == "f":
        missing = int(np.count_nonzero(np.isnan(values)))
        infinite = int(np.count_nonzero(np.isinf(values)))
        if missing or infinite:
            numbers = values[np.isfinite(values)]
    if not len(numbers):
        return Column(name, str(values.dtype), True, len(values), missing, infinite, None, None, None, None)
    low, high = numbers.min().item(), numbers.max().item()
    middle = [(len(numbers) - 1) // 2, len(numbers) // 2]
    below, above = np.partition(numbers, middle)[middle].tolist()
    median = below / 2 + above / 2 if abs(below) > _LARGE or abs(above) > _LARGE else (below + above) / 2
    return Column(name, str(values.dtype), True, len(values), missing, infinite, low, median, high, None)


def _kind(values: Array) -> str:
    """Name what is in a column of no numbers."""
    kinds = {type(value).__name__ for value in values.tolist() if not _is_missing(value)}
    if not kinds:
        return "nothing"
    return "text" if kinds == {"str"} else ", ".join(sorted(kinds))


def _is_missing(value: Any) -> bool:
    """Say whether a value of a column of no numbers is nothing: None, NaN, NaT or pandas' NA."""
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return True
    return isinstance(value, float) and value != value
