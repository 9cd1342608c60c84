"""Where a ring's bytes live.

Belongs here: the memory of a ring (its counters and its mirrored rows) and the translation of sequences into views of
it. May not be here: what a row means, or how a row is made.
"""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

from .errors import CapacityError, CapacityMemoryError
from .kernels import rows as counters_of

__all__ = ["COUNTERS_BYTES", "Block", "checked_capacity"]

Array = np.ndarray[Any, Any]

#: Bytes of the counters at the start of a block.
COUNTERS_BYTES = 8 * counters_of.COUNTERS_LENGTH
_CACHE_LINE = 64


class Block:
    """The counters and the mirrored rows of one ring, in the memory of this process or in bytes that it is given.

    ``counters`` is int64, laid out as ``kernels.rows`` says. ``rows`` holds ``2 * capacity`` rows of ``dtype``, row i
    again at i + capacity; ``bytes`` is the same memory as bytes, and ``visible`` the same as a read-only view.
    """

    __slots__ = ("_in_buffer", "bytes", "capacity", "counters", "counts", "dtype", "row_bytes", "rows", "visible")

    def __init__(self, capacity: int, dtype: np.dtype[Any], memory: Array | None = None, offset: int = 0) -> None:
        """``memory``: bytes to lie in, the counters at byte 0 and the rows at ``offset``; None: of the block's own."""
        self.capacity = checked_capacity(capacity)
        self.dtype = dtype
        self.row_bytes = dtype.itemsize
        self._in_buffer = _in_buffer(dtype)
        size = 2 * self.capacity * self.row_bytes
        if memory is None:
            offset = COUNTERS_BYTES
            # A ring of no rows has the memory of one, which compiled loops write to rather than ask.
            memory = _zeros(offset + max(size, self.row_bytes), self.capacity, dtype)
        self.counters = memory[:COUNTERS_BYTES].view(np.int64)
        # A Python int from a memoryview costs a third of one from an array.
        self.counts = self.counters.data
        self._see(memory[offset : offset + size])

    def _see(self, rows: Array) -> None:
        """Use these bytes for the rows."""
        self.bytes = rows
        base, shape = self.dtype.subdtype if self.dtype.subdtype is not None else (self.dtype, ())
        self.rows: Array = self.bytes.view(base).reshape(2 * self.capacity, *shape)
        self.visible: Array = self.rows.view()
        self.visible.flags.writeable = False

    def with_counters_of_its_own(self) -> Block:
        """Give a block over the same rows, whose counters are a copy in the memory of this process."""
        made = Block(0, self.dtype)
        made.capacity = self.capacity
        made._see(self.bytes)
        return made

    def __len__(self) -> int:
        counts = self.counts
        return counts[counters_of.WRITTEN] - counts[counters_of.TRIMMED]

    @property
    def written(self) -> int:
        """Rows ever put in."""
        return self.counts[counters_of.WRITTEN]

    @property
    def trimmed(self) -> int:
        """Rows ever gone: the sequence of the oldest row that is there."""
        return self.counts[counters_of.TRIMMED]

    @property
    def keep(self) -> int:
        """What becomes of the oldest row when there is no room: KEEP of ``kernels.rows``."""
        return self.counts[counters_of.KEEP]

    def has_room(self, count: int) -> bool:
        """Say whether ``count`` more rows can come without overwriting what is to stay; right for the writer."""
        counts = self.counts
        excess = counts[counters_of.WRITTEN] + count - self.capacity
        keep = counts[counters_of.KEEP]
        if excess <= counts[counters_of.TRIMMED] or keep == counters_of.OVERWRITE:
            return True
        # In order: the follower has read the rows before they are overwritten.
        return keep == counters_of.TAKEN_ONLY and bool(counters_of.look(self.counters, counters_of.TAKEN) >= excess)

    @property
    def nbytes(self) -> int:
        """Bytes held."""
        return self.counters.nbytes + self.bytes.nbytes

    def slot(self, sequence: int) -> int:
        """Give the slot, in [0, capacity), of a sequence; capacity > 0."""
        return (sequence + self.counts[counters_of.TURNED]) % self.capacity

    def last(self, count: int) -> Array:
        """Give a read-only view of the last ``count`` rows; 0 <= count <= len."""
        if count == 0:
            return self.visible[:0]
        start = self.slot(self.written - count)
        return self.visible[start : start + count]

    def trim_to(self, count: int) -> None:
        """Take away the oldest rows, so that ``count`` are left; does nothing where fewer are there."""
        excess = len(self) - count
        if excess > 0:
            self.counters[counters_of.CLEARED] += excess
            self.counters[counters_of.TRIMMED] += excess

    def drop_last(self) -> None:
        """Take away the newest row; older rows count as newer by one. len > 0."""
        self.counters[counters_of.TURNED] -= 1
        self.trim_to(len(self) - 1)

    def restore(self, counters: Array, rows: Array) -> None:
        """Take over the counters and the rows of another block of the same capacity and dtype."""
        keep = self.counts[counters_of.KEEP]
        self.counters[:] = counters
        self.counters[counters_of.WRITTEN] -= len(rows)
        # What is said between processes is not said of the copy.
        self.counters[counters_of.TAKEN :] = 0
        self.counters[counters_of.KEEP] = keep
        self.extend(rows)

    def extend(self, source: Array) -> None:
        """Put the rows of a contiguous array of the block's dtype behind the newest."""
        self._put(counters_of.extend, source)

    def extend_left(self, source: Array) -> None:
        """Put the rows of a contiguous array of the block's dtype, in their order, before the oldest."""
        self._put(counters_of.extend_left, source)

    def bytes_of(self, source: Array) -> Array:
        """Give the bytes of a contiguous array of the block's dtype as kernels take them."""
        return _as_bytes(source, self._in_buffer)

    def _put(self, kernel: Any, source: Array) -> None:
        if len(source):
            kernel(self.counters, self.bytes, self.capacity, self.row_bytes, self.bytes_of(source), len(source))


def _as_bytes(source: Array, in_buffer: bool) -> Array:
    """Give the bytes of a C-contiguous array as kernels take them; ``in_buffer``: its dtype is in the buffer protocol.

    What is read-only is copied: numba holds it for another type, and a view of a ring may be the very rows that are
    about to be overwritten.
    """
    if not source.flags.writeable:
        source = source.copy()
    if in_buffer:
        # Half the cost of a view, which NumPy checks field by field.
        return np.frombuffer(source, np.uint8)
    return source.reshape(-1).view(np.uint8)


def _in_buffer(dtype: np.dtype[Any]) -> bool:
    """Say whether arrays of a dtype can be seen as a buffer; those with dates cannot."""
    if dtype.names is not None:
        return all(_in_buffer(dtype[name]) for name in dtype.names)
    return dtype.base.kind not in "mM" and (dtype.base.names is None or _in_buffer(dtype.base))


def checked_capacity(capacity: Any) -> int:
    """Give a capacity as an int, or refuse one that is none."""
    try:
        number = operator.index(capacity)
    except TypeError as error:
        raise CapacityError(f"expected a capacity in whole rows, found {capacity!r}") from error
    if number < 0:
        raise CapacityError(f"expected a capacity of 0 or more rows, found {number}")
    return number


def _zeros(size: int, capacity: int, dtype: np.dtype[Any]) -> Array:
    """Give that many bytes, all zero, the first one at the start of a cache line."""
    try:
        memory = np.zeros(size + _CACHE_LINE, np.uint8)
        start = -memory.ctypes.data % _CACHE_LINE
        return memory[start : start + size]
    except (MemoryError, ValueError, OverflowError) as error:
        raise CapacityMemoryError(
            f"expected a ring that fits in memory, found {capacity} rows of {dtype.itemsize} bytes, each held twice "
            f"({size / 2**30:.1f} GiB): use a smaller capacity"
        ) from error
