"""Segments: the rows of one set of columns, none of which is lost.

Belongs here: a ring and the history behind it, seen as one run of rows. May not be here: what decides that a segment
begins or that rows may go.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, overload

import numpy as np

from .block import Array
from .history import History
from .kernels.push import Target
from .lookups import How, find
from .schema import row_class
from .timering import TimeRing

__all__ = ["Segment", "StoredRows"]

# A part of the ring moves to the history at a time: small enough not to be felt (1024 rows of 21 columns: 0.1 ms).
_PARTS = 16


class Segment:
    """Rows of one dtype: the newest in a ring, those before in a history.

    Parameters
    ----------
    dtype
        Of a row, "t" first.
    capacity
        Rows of the ring, 1 or more.
    """

    __slots__ = ("_appender", "dtype", "history", "make_row", "ring")

    def __init__(self, dtype: np.dtype[Any], capacity: int) -> None:
        self.dtype = dtype
        self.history = History(dtype)
        self.make_row = row_class(self.columns)
        self._use(TimeRing(capacity, dtype, allow_overwrite=False))

    def _use(self, ring: TimeRing) -> None:
        """Put rows in this ring from now on."""
        self.ring = ring
        # Beside the ring's own, because it has a row type and a limit.
        self._appender = ring.another_appender()

    def __len__(self) -> int:
        return len(self.history) + len(self.ring)

    def __repr__(self) -> str:
        return f"<Segment of {len(self)} rows {self.columns}>"

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of the columns, "t" first."""
        return self.dtype.names or ()

    @property
    def is_full(self) -> bool:
        """Whether rows have to be moved before one more can come."""
        return self.ring.is_full

    def append(self, t: float, values: Any) -> None:
        """Put a row behind the newest, moving older ones to the history where the ring is full."""
        if self.is_full:
            self.make_room()
        self.ring.append(t, values)

    def take_from(self, target: Target, row_type: type) -> None:
        """Let the builtin of a target append plain rows of this type here, as long as the ring is not full."""
        self._appender.take_from(target, row_type)

    def set_limit(self, rows: int) -> None:
        """Set the number of rows, of history and ring, above which the builtin does what its limit says."""
        self._appender.set_limit(rows - len(self.history))

    def extend(self, rows: Array) -> None:
        """Put many rows behind the newest, moving older ones to the history as needed."""
        capacity = self.ring.capacity
        for start in range(0, len(rows), capacity):
            part = rows[start : start + capacity]
            while len(self.ring) + len(part) > capacity:
                self.make_room()
            self.ring.extend(part)

    def make_room(self) -> None:
        """Move the oldest part of the ring to the history."""
        ring, length = self.ring, len(self.ring)
        count = min(max(ring.capacity // _PARTS, 1), length)
        self.history.add(ring.last(length)[:count], in_order=not ring.health().backward)
        ring.trim_to(length - count)

    def close(self) -> None:
        """Move all rows to the history and give the ring's memory back; nothing can be put in any more."""
        self.history.add(self.ring.last(len(self.ring)))
        self._use(TimeRing(0, self.dtype, allow_overwrite=False))

    def blocks(self) -> list[Array]:
        """Give all rows in blocks, oldest first."""
        return self.rows(0, len(self))

    def rows(self, start: int, stop: int) -> list[Array]:
        """Give the rows [start, stop) in one or more blocks, not to be written to; 0 <= start <= stop <= len."""
        gone = len(self.history)
        older = self.history.rows(start, min(stop, gone)) if start < gone else []
        ring = self.ring.last(len(self.ring))
        return [*older, ring[max(start - gone, 0) : max(stop - gone, 0)]]

    def last(self, count: int) -> Array:
        """Give the last ``count`` rows: a view where the ring has them all, else a copy."""
        if count <= len(self.ring):
            return self.ring.last(count)
        return np.concatenate(self.rows(max(len(self) - count, 0), len(self)))

    def window(self, seconds: float) -> Array:
        """Give the rows with t >= newest - ``seconds``: a view where the ring has them all, else a copy."""
        rows = self.ring.window(seconds)
        if not len(self.history):
            return rows
        older = self.history.since_time(float(self.last(1)["t"][0]) - seconds)
        return np.concatenate([*older, rows]) if older else rows

    def fps(self, points: int) -> float:
        """Give the rate over the last ``points`` rows in Hz; as `TimeRing.fps`."""
        if points <= len(self.ring) or not len(self.history):
            return self.ring.fps(points)
        stamps = self.last(points)["t"]
        elapsed = float(stamps[-1]) - float(stamps[0])
        return (len(stamps) - 1) / elapsed if elapsed > 0 else 0.0

    def at(self, t: float, how: How = "nearest") -> np.void:
        """Give the row at a time."""
        if not len(self.history):
            return self.ring.at(t, how)
        if len(self.ring) and not self.ring.health().backward:
            oldest = self.ring["t"][0]
            if t > oldest and (row := self.ring.at(t, how))["t"] > oldest:
                return row
        return find(self.last(len(self)), t, how)

    def column(self, name: str) -> Array:
        """Give one column of all rows, as an array of its own."""
        return np.concatenate([block[name] for block in self.blocks()])

    def trim_to(self, count: int) -> None:
        """Take away the oldest rows, so that at most ``count`` are left."""
        self.history.trim_to(max(count - len(self.ring), 0))
        self.ring.trim_to(count)


class StoredRows(Sequence[Any]):
    """The rows of a segment as a read-only sequence of what ``make`` makes of each.

    Parameters
    ----------
    segment
        Whose rows; None for no rows.
    make
        Takes the values of a row, the time first.
    """

    __slots__ = ("_make", "_segment")

    def __init__(self, segment: Segment | None, make: Callable[..., Any] | None = None) -> None:
        self._segment = segment
        self._make = make if make is not None or segment is None else segment.make_row

    def __len__(self) -> int:
        return 0 if self._segment is None else len(self._segment)

    @overload
    def __getitem__(self, index: int) -> Any: ...
    @overload
    def __getitem__(self, index: slice) -> list[Any]: ...
    def __getitem__(self, index: Any) -> Any:
        places = range(len(self))[index]
        if isinstance(places, int):
            return next(self._made(places, places + 1))
        if not places:
            return []
        first, last = min(places[0], places[-1]), max(places[0], places[-1])
        # Runs from ``first`` or back from ``last``: slicing with the step alone begins at the right end.
        return list(self._made(first, last + 1))[:: places.step]

    def _made(self, start: int, stop: int) -> Iterator[Any]:
        for block in self._segment.rows(start, stop) if self._segment is not None else ():
            for row in block.tolist():
                yield self._make(*row)  # type: ignore[misc]

    def __iter__(self) -> Iterator[Any]:
        return self._made(0, len(self))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and not isinstance(other, str) and self[:] == list(other)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return repr(self[:])
