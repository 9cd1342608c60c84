"""One row from Python into a block: what is accepted, and the fast way for what is plain.

Belongs here: ``Appender``, which holds the definition of an append in Python and makes the compiled builtin that takes
the plain cases. May not be here: what a ring offers beyond putting rows in.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from . import schema
from .block import Array, Block
from .errors import RingFullError, RowKindError, RowTimeError
from .kernels import capi, push
from .kernels.times import extend_timed

__all__ = ["Appender", "checked_time"]


def checked_time(time: Any) -> float:
    """Give a time as float64, or refuse what is no finite number."""
    try:
        number = float(schema.row_of(np.dtype(np.float64), time)[0])
    except RowKindError as error:
        raise RowKindError(f"expected a time in seconds, found {time!r} ({type(time).__name__})") from error
    if not np.isfinite(number):
        raise RowTimeError(f"expected a finite time in seconds, found {number}: nothing was written")
    return number


class Appender:
    """Puts rows into a block, one at a time.

    Parameters
    ----------
    block
        Where to put them.
    timed
        Whether a row is a time and a sequence of values, or one value.
    overwrite
        Whether the oldest row makes room where there is none.
    """

    __slots__ = ("_block", "_plan", "_scratch", "_timed", "overwrite")

    def __init__(self, block: Block, *, timed: bool, overwrite: bool = True) -> None:
        self._block = block
        self._timed = timed
        self.overwrite = overwrite
        self._plan: Array | None = None
        self._scratch: Array | None = None
        if capi.AVAILABLE and block.capacity and (fields := self._plain_fields()) is not None:
            kind = push.TIMED_ROW if timed else push.VALUE if block.dtype.names is None else push.ROW
            self._plan, self._scratch = push.make_plan(
                block.counters, block.bytes, block.capacity, block.row_bytes, fields, kind
            )
            self._plan[push.OVERWRITE] = overwrite

    def _plain_fields(self) -> list[tuple[str, int]] | None:
        """Give type and offset of each value of a row, or None where the builtin does not know a type."""
        dtype = self._block.dtype
        if dtype.names is None:
            fields = [(dtype, 0)]
        else:
            names = dtype.names[1:] if self._timed else dtype.names
            fields = [dtype.fields[name][:2] for name in names]  # type: ignore[index]
        if any(kind.str[1:] not in push.CODES or kind.subdtype for kind, _ in fields):
            return None
        return [(kind.str[1:], offset) for kind, offset in fields]

    def append_value(self, value: Any) -> None:
        """Append one element: the definition for rings without a time."""
        row = schema.row_of(self._block.dtype, value)
        self.make_sure_of_room(1)
        self._block.extend(row)

    def append_row(self, t: Any, values: Any) -> None:
        """Append a time and its values: the definition for rings with a time."""
        dtype = self._block.dtype
        time = checked_time(t)
        names = dtype.names[1:]  # type: ignore[index]
        row = np.zeros(1, dtype)
        if names or len(values):
            row[list(names)] = schema.row_of(dtype[list(names)], values)
        row["t"] = time
        self.extend_rows(row)

    def extend_rows(self, rows: Array) -> None:
        """Append a contiguous array of rows with their times; all of it or, with a bad time, nothing."""
        block = self._block
        if not self.overwrite:
            self.make_sure_of_room(len(rows))
        if not len(rows):
            return
        bad = extend_timed(
            block.counters,
            block.bytes,
            block.capacity,
            block.row_bytes,
            block.bytes_of(rows),
            len(rows),
        )
        if bad >= 0:
            raise RowTimeError(
                f"expected finite times in seconds, found {rows['t'][bad]} in row {bad}: nothing was written"
            )

    def make_sure_of_room(self, count: int) -> None:
        """Refuse ``count`` more rows where they would overwrite and may not."""
        if not self.overwrite and len(self._block) + count > self._block.capacity:
            raise RingFullError(
                f"expected room for {count} more, found {len(self._block)} of {self._block.capacity} slots taken and "
                "allow_overwrite=False: nothing was written"
            )

    def builtin(self, declined: Callable[..., Any], doc: str | None) -> Any:
        """Give the compiled append, which calls ``declined`` for what is not plain; None where there is none."""
        if self._plan is None:
            return None
        target = push.Target()
        self.take_from(target)
        return push.builtin_append(target, declined, doc or "")

    def take_from(self, target: push.Target, row_type: type | None = None) -> None:
        """Let the builtin of a target append here, rows of exactly ``row_type`` where one is given."""
        if self._plan is not None:
            self._plan[push.ROW_TYPE] = 0 if row_type is None else id(row_type)
        target.point_at(self._plan, self._block, self._scratch, row_type)

    def set_limit(self, rows: int) -> None:
        """Set the number of rows above which the builtin does what its limit says."""
        if self._plan is not None:
            self._plan[push.LIMIT] = rows
