"""NamedTupleQueue: rows that bring their fields along.

Belongs here: learning the fields from the rows, and rows that are no numbers. May not be here: how rows get from one
process to the other (``ringqueue``).
"""

from __future__ import annotations

import pickle
from datetime import datetime
from typing import Any

import numpy as np

from .. import schema
from ..block import checked_capacity
from ..errors import RowError, RowKindError, RowLengthError
from ..ringfile import Patience
from ..streams import NUMBERS
from .ringqueue import CAPACITY, RingQueue, new_folder
from .rows import PICKLED, are_columns, is_moment, is_plain

__all__ = ["NamedTupleQueue"]

_SHORTEST_PICKLE = 64


class NamedTupleQueue(RingQueue):
    """A queue of (time, namedtuple) from one process to another: a `RingQueue` that learns its fields from its rows.

    A row comes out as a namedtuple of its own class, with the names it had; names that are no identifiers are in its
    ``_columns``. Columns may change from row to row, in names and kinds; each change takes as long as making a ring.
    Rows of numbers travel fast; a row that holds anything else is pickled.

    Parameters
    ----------
    maxsize
        Rows that it holds at least before `put` waits; 0: 65 536, a minute of a stream of 1 kHz.

    Notes
    -----
    Complexity: O(fields) a row.
    Allocates: a file of 2 x ``maxsize`` rows in `rings_folder` with the first row, and where columns change.
    Valid: what ``get`` gives is a copy.
    Threads: one that puts and one that takes.

    Examples
    --------
    >>> from collections import namedtuple
    >>> from ringacc import NamedTupleQueue
    >>> rows = NamedTupleQueue()
    >>> rows.put(0.01, namedtuple("Tail", "theta_00 theta_01")(0.1, 0.2))
    >>> rows.get()
    (0.01, Row(theta_00=0.1, theta_01=0.2))
    >>> rows.close()
    """

    def __init__(self, maxsize: int = 0) -> None:
        self._start(new_folder(), checked_capacity(max(maxsize, 0)) or CAPACITY, None)

    def put(self, t: float | datetime, obj: Any, block: bool = True, timeout: float | None = None) -> None:
        """Put a row in: as `RingQueue.put`, but ``obj`` is a namedtuple, whose names may be other ones than before.

        Notes
        -----
        Complexity: O(fields).
        Allocates: nothing; a file for a ring where the fields change.
        Valid: the row is with the consumer when it returns.
        Threads: the producer's one.
        """
        self._put_slowly(t, obj, block, timeout)

    def begin(self, fields: schema.Fields) -> None:
        """Declare the fields of the rows that come next, for `jit`; rows that are put in need no such word.

        Notes
        -----
        Complexity: O(capacity), where the fields are other ones.
        Allocates: a file for a ring.
        Valid: until `put` brings other fields.
        Threads: the producer's one.
        """
        self._check_open()
        super().begin(fields)
        self._open(None)

    def _put_slowly(self, t: Any, obj: Any = None, block: bool = True, timeout: float | None = None) -> None:
        """Put any row in: as that of `RingQueue`, under the names that `put` has for its arguments."""
        if obj is None and isinstance(t, tuple):
            raise RowKindError(f"expected put(t, row), found one tuple: {t!r}; give the time and the namedtuple apart")
        RingQueue._put_slowly(self, t, obj, block, timeout)

    def _append_slowly(self, t: Any, obj: Any, patience: Patience) -> None:
        columns = getattr(obj, "_columns", None) or getattr(obj, "_fields", None)
        if columns is None or not isinstance(obj, tuple):
            raise RowKindError(
                f"expected a namedtuple, whose fields name the values, found {type(obj).__name__}: {obj!r}"
            )
        columns = tuple(columns)
        if len(columns) != len(obj):
            raise RowLengthError(f"expected {len(columns)} values {columns}, found {len(obj)}: {obj!r}")
        if not (is_moment(t) and are_columns(columns) and all(map(is_plain, obj))):
            self._append_pickled(t, columns, obj, patience)
            return
        ring = self._writer.ring
        if self._kind != NUMBERS or ring is None or ring.columns[1:] != columns or self._seconds(t) is None:
            self._begin_ring(self._dtype_for(columns, obj), t, type(obj), patience=patience)
        elif type(obj) is not self._row_type:
            self._bind(type(obj))
        try:
            self._appender.append_row(self._seconds(t), obj)
        except RowError:
            # The time was checked, so it is a number that its column cannot hold.
            dtype = schema.widened(self._writer.file.about.dtype, obj)
            self._begin_ring(dtype, t, type(obj), patience=patience)
            self._appender.append_row(self._seconds(t), obj)
        self._dtype = self._writer.file.about.dtype

    def _dtype_for(self, columns: tuple[str, ...], obj: Any) -> np.dtype[Any]:
        """Give the dtype of a ring that begins with a row; where only the times are new, the columns stay as wide."""
        if self._dtype is None or self._dtype.names != ("t", *columns):
            return schema.opening_dtype(columns, obj)
        return schema.widened(self._dtype, obj)

    def _append_pickled(self, t: Any, columns: tuple[str, ...], obj: Any, patience: Patience) -> None:
        """Append a row that holds something else than numbers."""
        try:
            row = pickle.dumps((t, columns, tuple(obj)), pickle.HIGHEST_PROTOCOL)
        except (pickle.PicklingError, TypeError, AttributeError) as error:
            raise RowKindError(
                f"expected values that can be sent to another process, found {obj!r}: {error}; put in numbers"
            ) from error
        if self._kind != PICKLED or self._writer.file.about.dtype["row"].itemsize < len(row):
            width = max(_SHORTEST_PICKLE, 1 << (len(row) - 1).bit_length())
            dtype = np.dtype([("t", np.float64), ("row", f"V{width}")])
            self._begin_ring(dtype, None, None, PICKLED, patience)
        if self._dtype is not None and self._dtype.names != ("t", *columns):
            self._dtype = None
        # The row has its time; the ring wants numbers that are in order.
        self._appender.append_row(self._ordinal, (row,))
        self._ordinal += 1.0
