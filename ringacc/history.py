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

_MUCH = 1 << 20
_PIECE = 1 << 22


class History:
    """Packed blocks of rows of one dtype; each block knows the range of its times.

    Nothing is kept but the bytes of the rows, and at most 4 MiB for those that come next: 1e6 rows of 48 bytes take
    48 to 52 MB.
    """

    __slots__ = ("_blocks", "_ends", "_gone", "_spare", "_times", "dtype")

    def __init__(self, dtype: np.dtype[Any]) -> None:
        self.dtype = dtype
        self._blocks: list[Array] = []
        self._times: list[tuple[float, float]] = []
        # Rows ever added up to the end of each block, and rows ever gone: what is counted so never has to be shifted.
        self._ends: list[int] = []
        self._gone = 0
        self._spare: Array = np.empty(0, np.uint8)

    def __len__(self) -> int:
        return self._ends[-1] - self._gone if self._ends else 0

    @property
    def nbytes(self) -> int:
        """Bytes that the rows take, and the memory set aside for the next ones."""
        return len(self) * self.dtype.itemsize + self._spare.nbytes

    def add(self, rows: Array, in_order: bool = False) -> None:
        """Keep a copy of rows, behind those that are here; ``in_order``: none lies before the one before it."""
        if len(rows):
            block = self._copied(rows)
            self._blocks.append(block)
            times = block["t"]
            self._times.append((times[0], times[-1]) if in_order else (times.min(), times.max()))
            self._ends.append(self._gone + len(self) + len(block))

    def _copied(self, rows: Array) -> Array:
        """Give a copy of rows; as bytes, which is ten times faster than NumPy's copy of structures field by field."""
        memory = self._memory(rows.nbytes)
        memory[:] = np.frombuffer(rows, np.uint8)
        # What callers are given is a view of it.
        memory.flags.writeable = False
        return memory.view(self.dtype)

    def _memory(self, size: int) -> Array:
        """Give memory for a block: once much is held, a part of a piece that is large enough for huge pages.

        A system that hands memory out in pages of 4 KiB lets the loop wait for each: 30 us for a block of 48 kB here,
        against 4 us. NumPy asks for huge pages from 4 MiB on.
        """
        if len(self) * self.dtype.itemsize < _MUCH or size > _PIECE:
            return np.empty(size, np.uint8)
        if self._spare.nbytes < size:
            self._spare = np.empty(_PIECE, np.uint8)
        memory, self._spare = self._spare[:size], self._spare[size:]
        return memory

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
            self._blocks[0] = self._copied(kept)
