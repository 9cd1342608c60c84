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

__all__ = ["Block"]

Array = np.ndarray[Any, Any]

_CACHE_LINE = 64


class Block:
    """The counters and the mirrored rows of one ring, in the memory of this process.

    ``counters`` is int64, laid out as ``kernels.rows`` says. ``rows`` holds ``2 * capacity`` rows of ``dtype``, row i
    again at i + capacity; ``bytes`` is the same memory as bytes, and ``visible`` the same as a read-only view.
    """

    __slots__ = ("_in_buffer", "bytes", "capacity", "counters", "counts", "dtype", "row_bytes", "rows", "visible")

    def __init__(self, capacity: int, dtype: np.dtype[Any]) -> None:
        self.capacity = _checked_capacity(capacity, dtype)
        self.dtype = dtype
        self.row_bytes = dtype.itemsize
        self._in_buffer = _in_buffer(dtype)
        header = counters_of.COUNTERS_LENGTH * 8
        memory = _zeros(header + 2 * self.capacity * self.row_bytes + _CACHE_LINE, capacity, dtype)
        start = -memory.ctypes.data % _CACHE_LINE
        self.counters = memory[start : start + header].view(np.int64)
        # A Python int from a memoryview costs a third of one from an array.
        self.counts = self.counters.data
        self.bytes = memory[start + header : start + header + 2 * self.capacity * self.row_bytes]
        base, shape = dtype.subdtype if dtype.subdtype is not None else (dtype, ())
        self.rows: Array = self.bytes.view(base).reshape(2 * self.capacity, *shape)
        self.visible: Array = self.rows.view()
        self.visible.flags.writeable = False

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
        self.counters[:] = counters
        self.counters[counters_of.WRITTEN] -= len(rows)
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


def _checked_capacity(capacity: Any, dtype: np.dtype[Any]) -> int:
    try:
        number = operator.index(capacity)
    except TypeError as error:
        raise CapacityError(f"expected a capacity in whole rows, found {capacity!r}") from error
    if number < 0:
        raise CapacityError(f"expected a capacity of 0 or more rows, found {number}")
    return number


def _zeros(size: int, capacity: int, dtype: np.dtype[Any]) -> Array:
    try:
        return np.zeros(size, np.uint8)
    except (MemoryError, ValueError, OverflowError) as error:
        raise CapacityMemoryError(
            f"expected a ring that fits in memory, found {capacity} rows of {dtype.itemsize} bytes, each held twice "
            f"({size / 2**30:.1f} GiB): use a smaller capacity"
        ) from error
