"""Rows that left the ring while recording.

Belongs here: rows of one dtype in compact blocks, oldest first, and finding them again. May not be here: when rows come
or go.
"""

from __future__ import annotations

from bisect import bisect_right
from typing import Any

import numpy as np

from .block import Array

__all__ = ["History"]


class History:
    """Packed blocks of rows of one dtype; each block knows the range of its times.

    Nothing is kept but the bytes of the rows: 1e6 rows of 48 bytes are 48 MB.
    """

    __slots__ = ("_blocks", "_ends", "_gone", "_times", "dtype")

    def __init__(self, dtype: np.dtype[Any]) -> None:
        self.dtype = dtype
        self._blocks: list[Array] = []
        self._times: list[tuple[float, float]] = []
        # Rows ever added up to the end of each block, and rows ever gone: what is counted so never has to be shifted.
        self._ends: list[int] = []
        self._gone = 0

    def __len__(self) -> int:
        return self._ends[-1] - self._gone if self._ends else 0

    @property
    def nbytes(self) -> int:
        """Bytes that the rows take."""
        return sum(block.nbytes for block in self._blocks)

    def add(self, rows: Array) -> None:
        """Keep a copy of rows, behind those that are here."""
        if len(rows):
            # As bytes, which is five times faster than NumPy's copy of a structured array, field by field.
            block: Array = np.frombuffer(rows.tobytes(), rows.dtype)
            self._blocks.append(block)
            self._times.append((float(block["t"].min()), float(block["t"].max())))
            self._ends.append(self._gone + len(self) + len(block))

    def rows(self, start: int, stop: int) -> list[Array]:
        """Give the rows [start, stop) in blocks, oldest first, not to be written to; 0 <= start <= stop <= len."""
        first, last = self._gone + start, self._gone + stop
        found = []
        for place in range(bisect_right(self._ends, first), len(self._blocks)):
            block, end = self._blocks[place], self._ends[place]
            begin = end - len(block)
            if begin >= last:
                break
            found.append(block[max(first - begin, 0) : last - begin])
        return found

    def since_time(self, time: float) -> list[Array]:
        """Give the rows with t >= ``time`` in blocks, in the order they came."""
        found = []
        for block, (first, last) in zip(self._blocks, self._times, strict=True):
            if first >= time:
                found.append(block)
            elif last >= time:
                found.append(block[block["t"] >= time])
        return found

    def trim_to(self, count: int) -> None:
        """Take away the oldest rows, so that at most ``count`` are left."""
        excess = len(self) - count
        if excess <= 0:
            return
        self._gone += excess
        whole = bisect_right(self._ends, self._gone)
        del self._blocks[:whole], self._times[:whole], self._ends[:whole]
        if self._blocks:
            # A copy, so that the rows that are gone do not stay in memory behind a view.
            kept = self._blocks[0][-(self._ends[0] - self._gone) :]
            self._blocks[0] = np.frombuffer(kept.tobytes(), self.dtype)
