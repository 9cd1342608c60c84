"""What is drawn of rows: which pixels, at which scale, in which words. Numbers and text only.

Belongs here: from bins of least and greatest values to pixels, the scale of a trace, a number as text. May not be here:
Qt, and where rows come from.

Traces are painted as pixels with NumPy, not as lines with Qt: a bin is a run of pixels in one column, so a picture of
eight traces is a few operations on an array of bytes, whatever the signal looks like.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from ..block import Array

__all__ = ["LEVELS", "Scale", "Spans", "number", "painted", "percentiles", "spans"]

#: Shades of a trace between the background (0) and its colour: eighths of a pixel.
LEVELS = 8

# Half the thickness of a line, in pixels.
_HALF_LINE = 0.8
# What the scale leaves free above and below, as a share of the range.
_MARGIN = 0.08
# The scale grows at once, and shrinks when the values need less than this share of it.
_SHRINKS_BELOW = 0.6
# Share of the way to the scale that is wanted, that is gone at each redraw.
_EASE = 0.2
# Columns that are as far outside as matters.
_FAR = 2.0**40
# Rows that are this many times further apart than most are not joined by a line.
_GAP_INTERVALS = 8


class Spans(NamedTuple):
    """Which part of each column of pixels a trace covers, in the units of its values.

    Attributes
    ----------
    low
        A row for each trace, a value for each column of pixels; NaN where nothing is drawn.
    high
        The same, not less than ``low``.
    """

    low: Array
    high: Array


def spans(bins: Array, names: Sequence[str], right: float, per_second: float, width: int) -> Spans:
    """Give what each trace covers of ``width`` columns of pixels, the last of which ends at the time ``right``.

    Bins that share a column are drawn together, so that no peak is lost. Columns between two bins are joined by a line,
    but for gaps: NaN, and rows much further apart than the others.
    """
    low, high = (np.full((len(names), width), np.nan) for _ in range(2))
    if not len(bins) or not width or not names:
        return Spans(low, high)
    bins = _in_time_order(bins)
    first = bins["t"][:, 0]
    with np.errstate(over="ignore"):
        places = width + (first - right) * per_second
    # A row at the right edge is in the last column; one far outside is anywhere outside.
    columns = (np.ceil(np.clip(places, -_FAR, _FAR)) - 1).astype(np.int64)
    # What is seen, and the next on either side, where lines go to.
    begin, end = np.searchsorted(columns, [0, width])
    part = slice(max(begin - 1, 0), end + 1)
    bins, columns, first = bins[part], columns[part], first[part]
    starts = np.flatnonzero(np.diff(columns, prepend=columns[0] - 1))
    shown = columns[starts]
    seen = np.arange(width)
    is_gap = _gaps(first, shown, starts, seen)
    inside = (shown >= 0) & (shown < width)
    is_dense = np.count_nonzero(inside) == width
    for row, name in enumerate(names):
        values = bins[name].astype(np.float64)
        # fmin and fmax: a bin of NaN in a column of pixels does not hide the others of the same column.
        for into, known in (
            (low[row], np.fmin.reduceat(values[:, 0], starts)), (high[row], np.fmax.reduceat(values[:, 1], starts)),
        ):  # fmt: skip
            if not is_dense:
                with np.errstate(invalid="ignore"):
                    # A quarter, since from the least to the greatest number is more than there is a number for.
                    into[:] = np.interp(seen, shown, known / 4, left=np.nan, right=np.nan) * 4
                into[is_gap] = np.nan
            into[shown[inside]] = known[inside]
    _join(low, high)
    return Spans(low, high)


def _in_time_order(bins: Array) -> Array:
    """Give bins in the order of their times, which may have gone back."""
    first = bins["t"][:, 0]
    if (first[1:] >= first[:-1]).all():
        return bins
    ordered: Array = bins[np.argsort(first, kind="stable")]
    return ordered


def _gaps(first: Array, shown: Array, starts: Array, seen: Array) -> Array:
    """Say which columns lie between bins whose times are much further apart than most: there were no rows."""
    if len(first) < 3:
        return np.zeros(len(seen), bool)
    steps = np.diff(first)
    is_long = (steps > _GAP_INTERVALS * np.median(steps))[starts[1:] - 1]
    after = np.searchsorted(shown, seen, side="left")  # the first column with a bin, at or after each
    is_empty = (after > 0) & (after < len(shown)) & (shown[np.minimum(after, len(shown) - 1)] != seen)
    is_gap: Array = is_empty & np.append(is_long, False)[np.clip(after - 1, 0, len(is_long))]
    return is_gap


def _join(low: Array, high: Array) -> None:
    """Let the parts of neighbouring columns touch, so that they are one line."""
    with np.errstate(invalid="ignore", over="ignore"):
        rising = low[:, 1:] / 2 + high[:, :-1] / 2  # halved first: their sum may be too great
        falling = high[:, 1:] / 2 + low[:, :-1] / 2
        is_rising = low[:, 1:] > high[:, :-1]
        is_falling = high[:, 1:] < low[:, :-1]
    # A peak of one column is joined on both sides.
    for part, value, where, most in (
        (low[:, 1:], rising, is_rising, np.minimum), (high[:, :-1], rising, is_rising, np.maximum),
        (high[:, 1:], falling, is_falling, np.maximum), (low[:, :-1], falling, is_falling, np.minimum),
    ):  # fmt: skip
        most(part, value, out=part, where=where)


def painted(low: Array, high: Array, bottom: float, top: float, height: int) -> Array:
    """Give how much of each pixel of a lane a trace covers: bytes of 0 to `LEVELS`, the top row first.

    Values beyond the scale are drawn at its edge.
    """
    edge, half = float(LEVELS * height), LEVELS * min(_HALF_LINE, height / 6)
    # Halved first, since the range of two numbers may be greater than any number.
    per_unit = edge / (top / 2 - bottom / 2)
    with np.errstate(over="ignore", invalid="ignore"):
        upper = edge - (high / 2 - bottom / 2) * per_unit
        lower = edge - (low / 2 - bottom / 2) * per_unit
    # NaN goes through both, and a line at the edge is as thick as elsewhere.
    upper = np.minimum(np.maximum(upper - half, 0.0), edge - 2 * half)
    lower = np.maximum(np.minimum(lower + half, edge), 2 * half)
    is_empty = np.isnan(upper + lower)
    upper[is_empty] = lower[is_empty] = 0.0
    pixel = (np.arange(height, dtype=np.int16) * LEVELS)[:, None]
    covered = np.minimum(lower.astype(np.int16), pixel + np.int16(LEVELS))
    covered -= np.maximum(upper.astype(np.int16), pixel)
    np.maximum(covered, 0, out=covered)
    made: Array = covered.astype(np.uint8)
    return made


def percentiles(low: Array, high: Array) -> tuple[float, float]:
    """Give the 0.5 % percentile of the least and the 99.5 % percentile of the greatest values; NaN where none is."""
    least, greatest = low[np.isfinite(low)], high[np.isfinite(high)]
    if not len(least) or not len(greatest):
        return math.nan, math.nan
    # Of values that are there: between two that are far apart, the percentile would be no value at all.
    return (
        float(np.percentile(least, 0.5, method="higher")),
        float(np.percentile(greatest, 99.5, method="lower")),
    )


class Scale:
    """The values at the lower and the upper edge of a lane, which follow what is seen, and stand still otherwise.

    Parameters
    ----------
    is_truth
        Whether the column holds truth values, whose scale is fixed.

    Attributes
    ----------
    bottom
        At the lower edge just now.
    top
        At the upper edge just now.
    """

    __slots__ = ("_wanted", "bottom", "top")

    def __init__(self, is_truth: bool = False) -> None:
        self.bottom, self.top = (-0.2, 1.2) if is_truth else (math.nan, math.nan)
        self._wanted = None if is_truth else (math.nan, math.nan)

    @property
    def range(self) -> float:
        """From the lower to the upper edge; NaN while nothing was seen."""
        return self.top - self.bottom

    def follow(self, low: float, high: float) -> None:
        """See which values there are; the scale is changed where they do not fit, or need much less than there is."""
        if self._wanted is None or math.isnan(low) or math.isnan(high):
            return
        bottom, top = _with_margin(min(low, high), max(low, high))
        before = self._wanted
        is_first = math.isnan(before[0])
        fits = not is_first and before[0] <= low and high <= before[1]
        if fits and top / 2 - bottom / 2 >= _SHRINKS_BELOW * (before[1] / 2 - before[0] / 2):
            return
        self._wanted = (bottom, top)
        if is_first:
            self.bottom, self.top = bottom, top

    def ease(self) -> bool:
        """Go a part of the way to the scale that is wanted; give whether there was any to go."""
        if self._wanted is None or self._wanted == (self.bottom, self.top) or math.isnan(self._wanted[0]):
            return False
        bottom, top = self._wanted
        near = 0.002 * (top / 2 - bottom / 2)
        if abs(bottom / 2 - self.bottom / 2) < near and abs(top / 2 - self.top / 2) < near:
            self.bottom, self.top = bottom, top
        else:
            self.bottom += (bottom - self.bottom) * _EASE
            self.top += (top - self.top) * _EASE
        return True


def _with_margin(low: float, high: float) -> tuple[float, float]:
    """Give the edges of a lane for values; also for one value, and for the greatest numbers there are."""
    most = float(np.finfo(np.float64).max) / 8
    low, high = (min(max(value, -most), most) for value in (low, high))
    margin = (high - low) * _MARGIN
    if not margin > 1e-12 * max(abs(low), abs(high)):
        margin = max(abs(low) * 0.05, 0.5 if low == 0 else 5e-300)
    return low - margin, high + margin


def number(value: Any, range_: float = math.nan) -> str:
    """Give a value as text: whole numbers whole, others with as many digits as the range of a trace calls for."""
    if not isinstance(value, float | np.floating):
        return str(value)
    if not math.isfinite(value):
        return "NaN" if math.isnan(value) else f"{value}"
    size: float = range_ if range_ > 0 else abs(float(value))
    if not size:
        return "0"
    # Also an offset that is great beside the range is told from the next one.
    if 1e-4 <= size < 1e6 and abs(float(value)) < 1e9:
        decimals = max(0, 3 - math.floor(math.log10(size)))
        return f"{round(float(value), decimals) + 0.0:.{decimals}f}"  # + 0.0: no "-0.000"
    return f"{value:.3e}"
