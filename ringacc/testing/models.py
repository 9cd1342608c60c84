"""Models of the rings, which keep rows in a Python list and answer every question by its definition, row after row.

Belongs here: the definitions. May not be here: anything that is fast, and anything of the rings.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from typing import Any, TypeAlias

import numpy as np

from ringacc import errors

from .natives import stored

__all__ = ["RingModel", "TimeRingModel"]

Row: TypeAlias = tuple[Any, ...]


class _Model:
    """A list of rows, oldest first, and the two counters."""

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.rows: list[Any] = []
        self.written = 0
        self.trimmed = 0

    def __len__(self) -> int:
        return len(self.rows)

    def _write(self, row: Any) -> bool:
        """Write a row as the newest and return whether one had to leave for it."""
        self.rows.append(row)
        self.written += 1
        if len(self.rows) <= self.capacity:
            return False
        self._drop_oldest(1)
        return True

    def _drop_oldest(self, count: int) -> None:
        del self.rows[:count]
        self.trimmed += count

    def last(self, n: int) -> list[Any]:
        """Return the newest n rows, oldest first."""
        if n < 0:
            raise ValueError(f"expected n >= 0, found {n}")
        return self.rows[max(0, len(self.rows) - n) :]

    def since(self, sequence: int) -> tuple[list[Any], int, int]:
        """Return the rows from a sequence number on, the next number, and how many are gone."""
        if not 0 <= sequence <= self.written:
            raise ValueError(f"expected a sequence up to {self.written}, found {sequence}")
        missed = max(0, self.trimmed - sequence)
        return self.last(self.written - sequence), self.written, missed

    def clear(self) -> None:
        """Drop every row."""
        self._drop_oldest(len(self.rows))


class RingModel(_Model):
    """The obvious twin of ``RingBuffer``: the same methods over a Python list.

    Rows are plain Python objects; ``same`` compares them with the ring's arrays.

    Notes
    -----
    Complexity: O(rows) for each call.
    Allocates: a Python list of the rows, and one of their times.
    Valid: what it gives is plain Python, for ever.
    Threads: one.

    Examples
    --------
    >>> from ringacc.testing import RingModel
    >>> model = RingModel(2, int)
    >>> model.extend([1, 2, 3])
    >>> model.rows, model.written, model.trimmed
    ([2, 3], 3, 1)
    """

    def __init__(self, capacity: int, dtype: Any = float, allow_overwrite: bool = True) -> None:
        super().__init__(capacity)
        self.dtype = np.dtype(dtype)
        self.allow_overwrite = allow_overwrite

    def _make_room_for(self, count: int) -> None:
        if not self.allow_overwrite and len(self.rows) + count > self.capacity:
            raise errors.RingFullError(f"expected room for {count} more")

    def append(self, value: Any) -> None:
        """Put a value at the right end; the leftmost leaves when there is no room."""
        self._make_room_for(1)
        self._write(stored(self.dtype, value))

    def appendleft(self, value: Any) -> None:
        """Put a value at the left end; the rightmost leaves when there is no room."""
        self._make_room_for(1)
        self.rows.insert(0, stored(self.dtype, value))
        self.written += 1
        if len(self.rows) > self.capacity:
            self.rows.pop()
            self.trimmed += 1

    def extend(self, values: Sequence[Any]) -> None:
        """Put values at the right end, one after the other."""
        self._make_room_for(len(values))
        for value in values:
            self.append(value)

    def extendleft(self, values: Sequence[Any]) -> None:
        """Put values at the left end, so that they stand there in the given order."""
        self._make_room_for(len(values))
        for value in reversed(values):
            self.appendleft(value)

    def _take(self, position: int) -> Any:
        if not self.rows:
            raise errors.RingEmptyError("expected a row, found none")
        self.trimmed += 1
        return self.rows.pop(position)

    def pop(self) -> Any:
        """Take the rightmost value."""
        return self._take(-1)

    def popleft(self) -> Any:
        """Take the leftmost value."""
        return self._take(0)


class TimeRingModel(_Model):
    """The obvious twin of ``TimeRing``: each look-up by its definition over a list of tuples.

    Rows are tuples of plain Python objects, the time first; ``same`` compares them with arrays.

    Notes
    -----
    Complexity: O(rows) for each call.
    Allocates: a Python list of the rows, and one of their times.
    Valid: what it gives is plain Python, for ever.
    Threads: one.

    Examples
    --------
    >>> from ringacc.testing import TimeRingModel
    >>> model = TimeRingModel(3, {"x": "f8"})
    >>> model.extend([0.0, 0.5, 1.0, 1.5], [[1], [2], [3], [4]])
    >>> model.window(0.5)
    [(1.0, 3.0), (1.5, 4.0)]
    >>> model.at(0.75, "linear")
    (0.75, 2.5)
    """

    def __init__(self, capacity: int, fields: Mapping[str, Any] | Iterable[tuple[str, Any]]) -> None:
        super().__init__(capacity)
        pairs = fields.items() if isinstance(fields, Mapping) else fields
        self.dtype = np.dtype([("t", "f8"), *pairs])
        self.columns = self.dtype.names or ()
        self.repeats = self.backward = self.overwritten = 0
        self.largest_gap = 0.0
        self.newest_time: float | None = None

    def __getitem__(self, name: str) -> list[Any]:
        """Return one column."""
        return [row[self.columns.index(name)] for row in self.rows]

    def append(self, t: float, values: Sequence[Any]) -> None:
        """Write one row."""
        row: Row = stored(self.dtype, (t, *values))
        if self.newest_time is not None:
            self.repeats += row[0] == self.newest_time
            self.backward += row[0] < self.newest_time
            self.largest_gap = max(self.largest_gap, row[0] - self.newest_time)
        self.newest_time = row[0]
        self.overwritten += self._write(row)

    def extend(self, times: Iterable[Any], values: Iterable[Any] | None = None) -> None:
        """Write rows one after the other: whole rows, or their times and the other values."""
        rows = times if values is None else zip(times, *zip(*values, strict=True), strict=True)
        for row in rows:
            self.append(row[0], tuple(row)[1:])

    def health(self) -> tuple[int, int, int, float, int, int]:
        """Return rows, repeats, backward, largest_gap, overwritten, missed."""
        counts = (self.written, self.repeats, self.backward)
        return (*counts, self.largest_gap, self.overwritten, 0)

    def window(self, seconds: float) -> list[Row]:
        """Return the rows whose time is at least that of the newest row less these seconds."""
        if not seconds >= 0:
            raise ValueError(f"expected seconds >= 0, found {seconds}")
        return [row for row in self.rows if row[0] >= self.rows[-1][0] - seconds]

    def envelope(self, seconds: float, points: int) -> list[list[Row]]:
        """Return the least and the greatest values of the window's rows in each bin of sequence numbers."""
        if points < 1:
            raise ValueError(f"expected points >= 1, found {points}")
        if not self.window(seconds):
            return []
        limit = self.rows[-1][0] - seconds
        numbers = [self.trimmed + place for place, row in enumerate(self.rows) if row[0] >= limit]
        length = numbers[-1] - numbers[0] + 1
        width = 1
        while points > 1 and _bins_at_most(length, width) > points:
            width *= 2
        bins: dict[int, list[Row]] = {}
        for number in numbers:
            bins.setdefault(number // width if points > 1 else 0, []).append(self.rows[number - self.trimmed])
        kept = [place for place, name in enumerate(self.columns) if self.dtype[name].base.kind in "biuf"]
        columns = [
            [[row[place] for row in rows if row[place] == row[place]] for place in kept] for rows in bins.values()
        ]
        return [[tuple(least(values, default=math.nan) for values in held) for least in (min, max)] for held in columns]

    def between(self, t0: float, t1: float) -> list[Row]:
        """Return the rows with t0 <= time <= t1."""
        if math.isnan(t0) or math.isnan(t1):
            raise ValueError("expected two times, found NaN")
        return [row for row in self.rows if t0 <= row[0] <= t1]

    def at(self, t: float, how: str = "nearest", tolerance: float | None = None) -> Row:
        """Return the row at a time; sorting is stable, so equal times stay as appended."""
        ordered = sorted(self.rows, key=lambda row: row[0])
        previous = [row for row in ordered if row[0] <= t][-1:]
        following = [row for row in ordered if row[0] >= t][:1]
        pair = previous + following
        distances = [(abs(row[0] - t), row[0]) for row in pair]
        nearest = [row for row in ordered if row[0] == min(distances)[1]][:1]
        answers = {"previous": previous, "next": following, "nearest": nearest}
        found = pair if how == "linear" else answers[how]
        if len(found) < (2 if how == "linear" else 1):
            raise errors.RowNotFoundError(f"expected a row {how} to {t}, found none")
        if tolerance is not None and any(abs(row[0] - t) > tolerance for row in found):
            raise errors.RowNotFoundError(f"expected a row {how} to {t} within {tolerance}, found none")
        return _on_line(t, found[0], found[1]) if how == "linear" else found[0]

    def fps(self, points: int = 10) -> float:
        """Return the rate over the newest rows, in Hz."""
        if points < 2:
            raise ValueError(f"expected points >= 2, found {points}")
        times = [row[0] for row in self.last(points)]
        if len(times) < 2 or times[-1] - times[0] <= 0:
            return 0.0
        return float((len(times) - 1) / (times[-1] - times[0]))

    def trim_to(self, n: int) -> None:
        """Drop all but the newest n rows."""
        self._drop_oldest(len(self.rows) - len(self.last(n)))

    def trim_before(self, t: float) -> None:
        """Drop rows from the oldest on until one has a time of at least t."""
        while self.rows and self.rows[0][0] < t:
            self._drop_oldest(1)


def _bins_at_most(length: int, width: int) -> int:
    """Return the number of bins that so many rows fall in where they begin at the worst place."""
    return max(len({number // width for number in range(start, start + length)}) for start in range(width))


def _on_line(t: float, one: Row, other: Row) -> Row:
    """Return the row at t on the line through two rows, in fractions: nothing is rounded twice."""

    def value(a: Any, b: Any) -> Any:
        if isinstance(a, bool | str | bytes):
            return a
        if one[0] == t:
            return float(a)
        if not (math.isfinite(a) and math.isfinite(b)):
            return math.nan
        start, stop, low, high = map(Fraction, (one[0], other[0], a, b))
        return float(low + (high - low) * (Fraction(t) - start) / (stop - start))

    return (t, *map(value, one[1:], other[1:]))
