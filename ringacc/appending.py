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
from .errors import RingClosedError, RingFullError, RowKindError, RowTimeError
from .kernels import capi, push
from .kernels.rows import HALTED, OVERWRITE, TAKEN_ONLY
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
    guard
        What is asked, with the number of rows, before rows come that the fast way did not put in. It waits until they
        may, or raises. None: where there is no room, RingFullError.
    """

    __slots__ = ("__weakref__", "_block", "_is_closed", "_plan", "_scratch", "_targets", "_timed", "guard")

    def __init__(self, block: Block, *, timed: bool, guard: Callable[[int], None] | None = None) -> None:
        self._block = block
        self._timed = timed
        self.guard = guard
        self._is_closed = False
        self._targets: list[push.Target] = []
        self._plan: Array | None = None
        self._scratch: Array | None = None
        if capi.AVAILABLE and block.capacity and (fields := self._plain_fields()) is not None:
            kind = push.TIMED_ROW if timed else push.VALUE if block.dtype.names is None else push.ROW
            self._plan, self._scratch = push.make_plan(
                block.counters, block.bytes, block.capacity, block.row_bytes, fields, kind
            )

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
        """Append a contiguous array of rows with their times; all of it or, with a bad time, nothing.

        A ring that waits for its follower takes as many at a time as it has room for.
        """
        capacity = self._block.capacity
        if self._is_free():
            self._put(rows)
            return
        if self._block.keep != TAKEN_ONLY or len(rows) <= capacity:
            self._extend(rows)
            return
        bad = np.flatnonzero(~np.isfinite(rows["t"]))
        if len(bad):
            raise _time_error(rows, bad[0])
        for start in range(0, len(rows), capacity):
            self._extend(rows[start : start + capacity])

    def _extend(self, rows: Array) -> None:
        """Append rows, which fit in the ring together."""
        self.make_sure_of_room(len(rows))
        self._put(rows)

    def _is_free(self) -> bool:
        """Say whether rows need no room and nobody's leave."""
        return self.guard is None and not self._is_closed and self._block.keep == OVERWRITE

    def _put(self, rows: Array) -> None:
        """Append rows, for which there is room; all of them or, with a bad time, none."""
        block = self._block
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
            raise _time_error(rows, bad)

    def make_sure_of_room(self, count: int) -> None:
        """Refuse ``count`` more rows, or wait, where they would overwrite what is to stay."""
        block = self._block
        if self.guard is not None:
            self.guard(count)
        elif self._is_closed:
            raise RingClosedError("expected an open ring, found one that is closed: nothing was written")
        elif not block.has_room(count):
            raise RingFullError(
                f"expected room for {count} more, found {len(block)} of {block.capacity} slots taken and "
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
            if target not in self._targets:
                self._targets.append(target)
        target.point_at(self._plan, self._block, self._scratch, row_type)

    def set_limit(self, rows: int) -> None:
        """Set the number of rows above which the builtin does what its limit says."""
        if self._plan is not None:
            self._plan[push.LIMIT] = rows

    def close(self) -> None:
        """Let no builtin append here any more; each row goes to the definition, and so to the guard."""
        for target in self._targets:
            if target.is_at(self._plan):
                target.point_at(None)
        self._plan = None
        self._is_closed = True
        if self.guard is None:
            # A compiled loop that still has the ring's handle asks here. A file says it for itself.
            self._block.counters[HALTED] = 1


def _time_error(rows: Array, bad: int) -> RowTimeError:
    return RowTimeError(f"expected finite times in seconds, found {rows['t'][bad]} in row {bad}: nothing was written")
