"""The smallest and the largest value of each of some bins of rows, for displays.

Belongs here: which rows of a window fall in which bin, what is left of a row's columns in the answer, and what of an
answer still holds for the next. May not be here: the fold itself (``kernels.envelope``), and who asks.

Bins are fixed in the sequence of rows: bin k of a width, a power of two, has the rows [k * width, (k + 1) * width).
So a bin's values only change while rows come into the newest or go from the oldest, and a trace that scrolls does not
flicker. For the same reason the width depends on the number of rows alone, and not on where they begin.

Rows never change once they have a sequence, so neither does a bin that has all its rows: it is kept, and a display that
asks again and again pays for the new rows and the two bins at the ends.
"""

from __future__ import annotations

import math
import operator
from typing import Any, SupportsIndex

import numpy as np

from . import lookups
from .block import Array, Block
from .kernels import envelope

__all__ = ["Envelope", "checked_points"]

# One bin for all rows, whatever their sequences are.
_ONE_BIN = 62


def checked_points(points: SupportsIndex) -> int:
    """Give a number of points as an int, or refuse one that is less than 1."""
    if isinstance(points, bool | np.bool_):  # older NumPy takes its own for a number
        raise TypeError(f"expected a whole number of points, found {points}")
    number = operator.index(points)
    if number < 1:
        raise ValueError(f"expected 1 or more points, found {number}")
    return number


def shift_for(rows: int, points: int) -> int:
    """Give the binary logarithm of the smallest width with which so many rows fall in at most ``points`` bins.

    Wherever they begin: both the first and the last bin may have one row only.
    """
    if rows <= points:
        return 0
    if points == 1:
        return _ONE_BIN
    return (-(-(rows - 1) // (points - 1)) - 1).bit_length()


class Envelope:
    """The envelope of the rows of one ring, asked for again and again.

    Parameters
    ----------
    dtype
        Of the rows.
    """

    __slots__ = ("_known", "_known_first", "_known_shift", "_nothing", "_others", "_plan", "dtype")

    def __init__(self, dtype: np.dtype[Any]) -> None:
        kept = [name for name in dtype.names or () if dtype[name].base.kind in "biuf"]
        #: Of a row of the answer.
        self.dtype = np.dtype([(name, dtype[name]) for name in kept])
        # What no kernel folds: halves and longer floats.
        self._others = [name for name in kept if _code(dtype[name].base) is None]
        folded = [name for name in kept if name not in self._others]
        self._plan = _plan(dtype, self.dtype, folded)
        nothing = np.zeros(2, self.dtype)
        for name in folded:
            nothing[name][0], nothing[name][1] = _extremes(dtype[name].base)
        self._nothing: Array = nothing.view(np.uint8)
        # The bins that had all their rows when they were last asked for.
        self._known: Array = np.empty((0, 2), self.dtype)
        self._known_first = self._known_shift = 0

    def of(self, block: Block, seconds: float, points: SupportsIndex) -> Array:
        """Give the smallest and the largest values of the rows with t >= newest - ``seconds``; `TimeRing.envelope`."""
        count = checked_points(points)
        start, stop = lookups.window_slots(block, seconds)
        if start < 0:
            return self._scattered(block, seconds, count)
        if start == stop:
            return np.empty((0, 2), self.dtype)
        shift, end = shift_for(stop - start, count), block.written
        first = end - (stop - start)
        bins = range(first >> shift, ((end - 1) >> shift) + 1)
        # Those that have all their rows.
        whole = range(-(-first >> shift), end >> shift)
        known = self._known_among(whole, shift)
        made = np.empty((len(bins), 2), self.dtype)
        for part in (range(bins.start, known.start), range(known.stop, bins.stop)) if known else (bins,):
            if part:
                edges = (np.arange(part.start, part.stop + 1) << shift).clip(first, end) - first
                here = made[part.start - bins.start : part.stop - bins.start]
                self._fold(block.visible[start:stop], block.bytes, start * block.row_bytes, edges, here)
        if known:
            here = made[known.start - bins.start : known.stop - bins.start]
            _as_bytes(here)[:] = _as_bytes(self._known[known.start - self._known_first :][: len(known)])
        self._know(made[whole.start - bins.start :][: len(whole)], whole.start, shift)
        return made

    def _know(self, bins: Array, first: int, shift: int) -> None:
        """Keep bins that have all their rows.

        A row that a reader finds half overwritten does no harm here: it is gone, so no window that is asked for later
        has all rows of its bin.
        """
        self._known = np.empty(bins.shape, self.dtype)
        _as_bytes(self._known)[:] = _as_bytes(bins)
        self._known_first, self._known_shift = first, shift

    def _known_among(self, whole: range, shift: int) -> range:
        """Give which of the bins that have all their rows are known; an empty range: none."""
        if shift != self._known_shift:
            return range(0)
        return range(max(whole.start, self._known_first), min(whole.stop, self._known_first + len(self._known)))

    def _scattered(self, block: Block, seconds: float, count: int) -> Array:
        """Give the envelope of rows that are not in time order: those of a window need not be neighbours."""
        places = lookups.window_places(block, seconds)
        if not len(places):  # as where the newest row is overwritten meanwhile, which a reader finds out later
            return np.empty((0, 2), self.dtype)
        rows = block.last(len(block))[places]
        sequences = block.trimmed + places
        bins = sequences >> shift_for(int(sequences[-1] - sequences[0]) + 1, count)
        edges = np.append(np.flatnonzero(np.diff(bins, prepend=-1)), len(rows))
        made = np.empty((len(edges) - 1, 2), self.dtype)
        self._fold(rows, rows.view(np.uint8), 0, edges, made)
        return made

    def _fold(self, rows: Array, memory: Array, start: int, edges: Array, made: Array) -> None:
        """Fold rows, which lie in memory from a byte on, into bins; bin k has the rows [edges[k], edges[k + 1])."""
        envelope.fold_bins(memory, start, rows.dtype.itemsize, edges, self._plan, self._nothing, _as_bytes(made))
        for name in self._others:
            column = rows[name][: edges[-1]]  # the last bin of reduceat goes on to the end
            made[name][:, 0] = np.fmin.reduceat(column, edges[:-1], axis=0)
            made[name][:, 1] = np.fmax.reduceat(column, edges[:-1], axis=0)


def _as_bytes(bins: Array) -> Array:
    """Give the bytes of contiguous bins."""
    return bins.reshape(-1).view(np.uint8)


def _code(kind: np.dtype[Any]) -> int | None:
    """Give the kernel's code of a type of number; None where it has none."""
    return envelope.CODES.get("u1" if kind.kind == "b" else f"{kind.kind}{kind.itemsize}")


def _extremes(kind: np.dtype[Any]) -> tuple[Any, Any]:
    """Give what the minimum and the maximum of no numbers of a type are: any number takes their place."""
    if kind.kind == "f":
        return math.nan, math.nan
    if kind.kind == "b":
        return True, False
    return np.iinfo(kind).max, np.iinfo(kind).min


def _plan(rows: np.dtype[Any], made: np.dtype[Any], names: list[str]) -> Array:
    """Give the kernel's plan for these columns: one run for all neighbours of one type."""
    runs: list[list[int]] = []
    for name in names:
        base, (offset, to) = rows[name].base, (dtype.fields[name][1] for dtype in (rows, made))  # type: ignore[index]
        code, values = _code(base), rows[name].itemsize // base.itemsize
        if runs:
            last = runs[-1]
            behind = last[3] * base.itemsize
            if last[:3] == [code, offset - behind, to - behind]:
                last[3] += values
                continue
        runs.append([code, offset, to, values])  # type: ignore[list-item]
    return np.array(runs, np.int64).reshape(-1)
