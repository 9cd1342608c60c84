"""The smallest and the largest value of each of some bins of rows, for displays.

Belongs here: which rows of a window fall in which bin, and what is left of a row's columns in the answer. May not be
here: the fold itself (``kernels.envelope``), and who asks.

Bins are fixed in the sequence of rows: bin k of a width, a power of two, has the rows [k * width, (k + 1) * width).
So a bin's values only change while rows come into the newest or go from the oldest, and a trace that scrolls does not
flicker. For the same reason the width depends on the number of rows alone, and not on where they begin.
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
    if isinstance(points, bool):
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
    """The envelope of rows of one dtype.

    Parameters
    ----------
    dtype
        Of the rows.
    """

    __slots__ = ("_nothing", "_others", "_plan", "dtype")

    def __init__(self, dtype: np.dtype[Any]) -> None:
        kept = [name for name in dtype.names or () if dtype[name].base.kind in "biuf"]
        #: Of a row of the answer.
        self.dtype = np.dtype([(name, dtype[name]) for name in kept])
        # What no kernel folds: halves and longer floats.
        self._others = [name for name in kept if _code(dtype[name].base) is None]
        folded = [name for name in kept if name not in self._others]
        self._plan = _plan(dtype, self.dtype, folded)
        extremes = np.zeros(2, self.dtype)
        for name in folded:
            extremes[name][0], extremes[name][1] = _extremes(dtype[name].base)
        self._nothing: Array = extremes.view(np.uint8)

    def of(self, block: Block, seconds: float, points: SupportsIndex) -> Array:
        """Give the smallest and the largest values of the rows with t >= newest - ``seconds``; `TimeRing.envelope`."""
        count = checked_points(points)
        start, stop = lookups.window_slots(block, seconds)
        if start < 0:
            # Rows that are not in time order need not be neighbours either.
            places = lookups.window_places(block, seconds)
            rows = block.last(len(block))[places]
            sequences = block.trimmed + places
            bins = sequences >> shift_for(int(sequences[-1] - sequences[0]) + 1, count)
            edges = np.append(np.flatnonzero(np.diff(bins, prepend=-1)), len(rows))
            return self._folded(rows, rows.view(np.uint8), 0, edges)
        if start == stop:
            return np.empty((0, 2), self.dtype)
        edges = _edges(block.written - (stop - start), block.written, shift_for(stop - start, count))
        return self._folded(block.visible[start:stop], block.bytes, start * block.row_bytes, edges)

    def _folded(self, rows: Array, memory: Array, start: int, edges: Array) -> Array:
        """Give the envelope of rows that lie in memory from a byte on; bin k has the rows [edges[k], edges[k + 1])."""
        made = np.empty((len(edges) - 1, 2), self.dtype)
        envelope.fold_bins(
            memory, start, rows.dtype.itemsize, edges, self._plan, self._nothing, made.reshape(-1).view(np.uint8)
        )
        for name in self._others:
            made[name][:, 0] = np.fmin.reduceat(rows[name], edges[:-1], axis=0)
            made[name][:, 1] = np.fmax.reduceat(rows[name], edges[:-1], axis=0)
        return made


def _edges(first: int, end: int, shift: int) -> Array:
    """Give where the bins of the sequences [first, end) begin, counted from ``first``, and where the last one ends."""
    edges = (np.arange(first >> shift, ((end - 1) >> shift) + 2) << shift) - first
    edges[0], edges[-1] = 0, end - first
    return edges


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
