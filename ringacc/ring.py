"""RingBuffer: an array-like deque of any dtype. And ``Ring``, what all rings have in common.

Belongs here: rings whose rows need no time. May not be here: anything that knows what a row's fields mean.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, SupportsIndex, overload

import numpy as np

from . import lookups, schema
from .appending import Appender
from .block import Array, Block
from .errors import RingEmptyError
from .kernels.rows import KEEP, NEVER, OVERWRITE

__all__ = ["Ring", "RingBuffer"]


class Ring:
    """What every ring has: a fixed capacity of rows, of which the newest are kept.

    Made by its subclasses. All of it is for the writer's thread; ``docs/views.md`` has what others may do.
    """

    __slots__ = ("__weakref__", "_appender", "_block")

    _block: Block
    _appender: Appender

    def __len__(self) -> int:
        return len(self._block)

    @property
    def capacity(self) -> int:
        """Rows that the ring holds at most."""
        return self._block.capacity

    @property
    def maxlen(self) -> int:
        """Rows that the ring holds at most, by the name that `collections.deque` has for it."""
        return self._block.capacity

    @property
    def is_full(self) -> bool:
        """Whether the next row takes the place of the oldest."""
        return len(self._block) == self._block.capacity

    @property
    def has_room(self) -> bool:
        """Whether a row can be put in now, without waiting."""
        return self._block.has_room(1)

    @property
    def dtype(self) -> np.dtype[Any]:
        """The dtype of the arrays that the ring gives."""
        dtype: np.dtype[Any] = self._block.rows.dtype
        return dtype

    @property
    def nbytes(self) -> int:
        """Bytes of memory held: each row twice, and 384 bytes of counters."""
        return self._block.nbytes

    @property
    def written(self) -> int:
        """Rows ever put in; the newest row has the sequence ``written - 1``."""
        return self._block.written

    @property
    def trimmed(self) -> int:
        """Rows ever gone; the oldest row that is there has the sequence ``trimmed``."""
        return self._block.trimmed

    def _slot(self, sequence: int) -> int:
        return self._block.slot(sequence)

    def last(self, n: SupportsIndex) -> Array:
        """Give the last ``n`` rows, or all where fewer are there.

        Parameters
        ----------
        n
            How many, 0 or more.

        Returns
        -------
        ndarray
            Shape (min(n, len),) and the element's own, oldest first: a read-only, contiguous view.

        Raises
        ------
        ValueError
            ``n`` is negative.

        Notes
        -----
        Complexity: O(1).
        Allocates: nothing but the view.
        Valid: until ``capacity - n`` more rows were put in; ``.copy()`` is the way to keep it.
        Threads: the writer's.

        Examples
        --------
        >>> from ringacc import RingBuffer
        >>> ring = RingBuffer(3, dtype=int)
        >>> ring.extend([1, 2, 3, 4])
        >>> ring.last(2)
        array([3, 4])
        """
        return lookups.last(self._block, n)

    def since(self, sequence: SupportsIndex) -> tuple[Array, int, int]:
        """Give the rows put in since ``written`` was ``sequence``, and how many of them are already gone.

        Parameters
        ----------
        sequence
            0, or what the last call gave as the next sequence.

        Returns
        -------
        rows : ndarray
            The last ``written - sequence`` rows as far as they are there, oldest first: a read-only view.
        next_sequence : int
            What to ask for the next time.
        missed : int
            Rows that were gone before they were asked for.

        Raises
        ------
        ValueError
            ``sequence`` is negative or greater than ``written``.

        Notes
        -----
        Complexity: O(1).
        Allocates: nothing but the view.
        Valid: until ``capacity - len(rows)`` more rows were put in.
        Threads: the writer's.

        Examples
        --------
        >>> from ringacc import RingBuffer
        >>> ring = RingBuffer(3, dtype=int)
        >>> ring.extend([1, 2])
        >>> rows, seen, missed = ring.since(0)
        >>> ring.extend([3, 4, 5, 6])
        >>> ring.since(seen)
        (array([4, 5, 6]), 6, 1)
        """
        return lookups.since(self._block, sequence)

    def trim_to(self, n: SupportsIndex) -> None:
        """Take away the oldest rows so that at most ``n`` are left.

        Parameters
        ----------
        n
            How many to leave, 0 or more.

        Raises
        ------
        ValueError
            ``n`` is negative.

        Notes
        -----
        Complexity: O(1).
        Allocates: nothing.
        Valid: views taken before stay as they were until new rows overwrite them.
        Threads: the writer's.

        Examples
        --------
        >>> from ringacc import RingBuffer
        >>> ring = RingBuffer(3, dtype=int)
        >>> ring.extend([1, 2, 3])
        >>> ring.trim_to(1)
        >>> ring[:]
        array([3])
        """
        self._check_writer()
        self._block.trim_to(lookups.checked_count(n))

    def clear(self) -> None:
        """Take away all rows; ``written`` stays, so that who follows by ``since`` misses nothing new.

        Notes
        -----
        Complexity: O(1).
        Allocates: nothing.
        Valid: views taken before stay as they were until new rows overwrite them.
        Threads: the writer's.

        Examples
        --------
        >>> from ringacc import RingBuffer
        >>> ring = RingBuffer(3, dtype=int)
        >>> ring.append(1)
        >>> ring.clear()
        >>> len(ring), ring.written
        (0, 1)
        """
        self._check_writer()
        self._block.trim_to(0)

    def _check_writer(self) -> None:
        """Raise where this process may not take rows away."""

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        rows = self._block.last(len(self._block))
        # A view of a ring changes under its holder, so it is given only to who asked for one.
        if copy is False:
            return np.asarray(rows, dtype=dtype, copy=False)
        return np.array(rows, dtype=dtype, copy=True)

    def __reduce__(self) -> tuple[Any, ...]:
        # The rows and the counters, not the block: a copy has memory of its own, and its rows the same sequences.
        block = self._block
        counters, rows = block.counters.copy(), block.last(len(block)).copy()
        return _restored, (type(self), block.capacity, block.dtype, block.keep == OVERWRITE, counters, rows)

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        from . import tables

        return tables.arrow_stream([self._block.last(len(self._block))], requested_schema)


def _restored(
    kind: type[Any], capacity: int, dtype: np.dtype[Any], allow_overwrite: bool, counters: Array, rows: Array
) -> Any:
    """Make a ring of what another has given away to be copied or pickled."""
    ring = kind(capacity, dtype, allow_overwrite)
    ring._block.restore(counters, rows)
    return ring


class RingBuffer(Ring, Sequence[Any]):
    """A deque of a fixed capacity over one dtype, indexed as an array, oldest element first.

    Has the methods of `collections.deque`, numpy_ringbuffer and dvg-ringbuffer.

    Parameters
    ----------
    capacity
        Elements held at most, 0 or more. With 0, elements come and are gone, as in ``deque(maxlen=0)``.
    dtype
        Of one element: a scalar dtype, one with a shape such as ``(float, 2)``, or a structured one.
    allow_overwrite
        Whether an element put into a full ring takes the place of the one at the other end. If not, it is refused.

    Raises
    ------
    CapacityError
        The capacity is negative or no whole number, or (CapacityMemoryError) does not fit in memory.
    SchemaError
        The dtype has no fixed size.

    Notes
    -----
    Complexity: O(capacity) to make, and O(1) for every call but those on many elements.
    Allocates: 2 x capacity x bytes of an element, once; never again.
    Valid: ``[...]``, iteration and ``pop`` give copies; ``last`` and ``since`` give views.
    Threads: one.

    Examples
    --------
    >>> from ringacc import RingBuffer
    >>> ring = RingBuffer(3, dtype=float)
    >>> for value in range(5):
    ...     ring.append(value)
    >>> ring
    RingBuffer([2., 3., 4.], capacity=3)
    >>> float(ring[-1]), ring[:2]
    (4.0, array([2., 3.]))
    """

    __slots__ = ("__dict__",)

    def __init__(self, capacity: int, dtype: Any = float, allow_overwrite: bool = True) -> None:
        self._block = Block(capacity, schema.element_dtype(dtype))
        self._block.counters[KEEP] = OVERWRITE if allow_overwrite else NEVER
        self._appender = Appender(self._block, timed=False)
        if type(self).append is RingBuffer.append:
            fast = self._appender.builtin(self._appender.append_value, RingBuffer.append.__doc__)
            if fast is not None:
                # As an attribute, not by __dict__: that would make every later look-up of one slower.
                self.append = fast  # type: ignore[method-assign]

    @property
    def shape(self) -> tuple[int, ...]:
        """The length, and the shape of an element."""
        return (len(self), *self._block.rows.shape[1:])

    @property
    def current_address(self) -> int:
        """Address of the oldest element; it moves with every append to a full ring."""
        return int(self._block.last(len(self)).ctypes.data)

    @property
    def unwrap_address(self) -> int:
        """Address of the memory that holds the elements; it never changes."""
        return int(self._block.rows.ctypes.data)

    # Putting in -----------------------------------------------------------------------------------------------

    def append(self, value: Any) -> None:
        """Put an element behind the newest.

        Parameters
        ----------
        value
            What fits the dtype without loss, but for rounding to a shorter float; a tuple for a structured dtype.

        Raises
        ------
        RowKindError, RowRangeError, RowLengthError
            It does not fit; nothing is written.
        RingFullError
            There is no room and overwriting is switched off; nothing is written.

        Notes
        -----
        Complexity: O(1).
        Allocates: nothing.
        Valid: nothing is given.
        Threads: one.

        Examples
        --------
        >>> from ringacc import RingBuffer
        >>> ring = RingBuffer(3, dtype=int)
        >>> ring.append(1)
        >>> ring.append(1.5)
        Traceback (most recent call last):
            ...
        ringacc.errors.RowKindError: int64: expected a whole number, found 1.5 (float): round it, or declare the field \
as float
        """
        self._appender.append_value(value)

    def appendleft(self, value: Any) -> None:
        """Put an element before the oldest; in a full ring it takes the place of the newest. Else as `append`.

        Notes
        -----
        Complexity: O(bytes of an element).
        Allocates: nothing.
        Valid: views of the elements that were there stay, but for one that is replaced.
        Threads: the writer's.
        """
        row = schema.row_of(self._block.dtype, value)
        self._appender.make_sure_of_room(1)
        self._block.extend_left(row)

    def extend(self, values: Any) -> None:
        """Put elements behind the newest, in their order; of more than the capacity, the last ones stay.

        Parameters
        ----------
        values
            An array or sequence, shape (n,) and the element's own. All of it fits, or nothing is written.

        Raises
        ------
        RowKindError, RowRangeError, RowLengthError
            A value does not fit.
        RingFullError
            There is no room and overwriting is switched off.

        Notes
        -----
        Complexity: O(n), two copies of the bytes that stay.
        Allocates: a converted copy where ``values`` is not a contiguous array of the dtype.
        Valid: nothing is given.
        Threads: one.

        Examples
        --------
        >>> from ringacc import RingBuffer
        >>> ring = RingBuffer(3, dtype=int)
        >>> ring.extend([1, 2, 3, 4])
        >>> ring[:]
        array([2, 3, 4])
        """
        rows = schema.rows_of(self._block.dtype, values)
        self._appender.make_sure_of_room(len(rows))
        self._block.extend(rows)

    def extendleft(self, values: Any) -> None:
        """Put elements before the oldest, in their order; of more than the capacity, the first ones stay.

        Unlike `collections.deque`, which turns them round, and like numpy_ringbuffer. Else as `extend`.

        Notes
        -----
        Complexity: O(elements).
        Allocates: an array of the elements, unless they are one.
        Valid: views of the elements that were there stay, but for those that are replaced.
        Threads: the writer's.
        """
        rows = schema.rows_of(self._block.dtype, values)
        self._appender.make_sure_of_room(len(rows))
        self._block.extend_left(rows)

    # Taking out -----------------------------------------------------------------------------------------------

    def pop(self) -> Any:
        """Take away the newest element and give it, as a copy. IndexError (RingEmptyError) where there is none.

        Notes
        -----
        Complexity: O(bytes of an element).
        Allocates: the copy.
        Valid: a copy, for ever.
        Threads: the writer's.
        """
        newest = self._element(-1)
        self._block.drop_last()
        return newest

    def popleft(self) -> Any:
        """Take away the oldest element and give it, as a copy. IndexError (RingEmptyError) where there is none.

        Notes
        -----
        Complexity: O(bytes of an element).
        Allocates: the copy.
        Valid: a copy, for ever.
        Threads: the writer's.
        """
        oldest = self._element(0)
        self._block.trim_to(len(self) - 1)
        return oldest

    def _element(self, place: int) -> Any:
        if not len(self):
            raise RingEmptyError("expected an element to take out, found an empty ring: look at len() first")
        return self[place]

    # Reading --------------------------------------------------------------------------------------------------

    @overload
    def __getitem__(self, index: int) -> Any: ...
    @overload
    def __getitem__(self, index: slice) -> Any: ...
    def __getitem__(self, index: Any) -> Any:
        found = self._block.last(len(self._block))[index]
        # NumPy gives plain scalars as they are, copies for lists of indexes, and views for the rest.
        return found.copy() if isinstance(found, np.ndarray | np.void) and found.base is not None else found

    def __iter__(self) -> Iterator[Any]:
        return iter(np.array(self))

    def __repr__(self) -> str:
        body = np.array2string(np.array(self), separator=", ", prefix="RingBuffer(")
        return f"RingBuffer({body}, capacity={self.capacity})"
