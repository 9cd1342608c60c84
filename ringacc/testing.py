"""What tests of code that uses the rings need: the invariant checker, the slow model, strategies.

Belongs here: ``check``; models that keep rows in a Python list and answer every question by its
definition, one row after the other; hypothesis strategies for dtypes, rows and times. May not be
here: anything taken from the rings' own modules (a model that shared their code would share their
faults), and anything that the package needs at run time. hypothesis is imported when the first
strategy is made, so that the rest works without it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from ringacc import errors

__all__ = [
    "RingModel",
    "TimeRingModel",
    "blocks",
    "check",
    "dtypes",
    "fields",
    "misfits",
    "plain",
    "same",
    "stored",
    "time_after",
    "times",
    "values",
]

Row: TypeAlias = tuple[Any, ...]


# Values as plain Python objects -----------------------------------------------------------------


def plain(value: Any) -> Any:
    """Return an array, a row or a value as nested lists and tuples of plain Python objects.

    Notes
    -----
    Complexity: O(values).
    Allocates: the plain values.
    Valid: plain Python, for ever.
    Threads: any.
    """
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    if isinstance(value, list | tuple):
        return type(value)([plain(item) for item in value])
    return value


def same(one: Any, other: Any) -> bool:
    """Return whether two arrays, rows or values are equal; NaN equals NaN, 0.0 is not -0.0.

    Notes
    -----
    Complexity: O(values).
    Allocates: the plain values.
    Valid: plain Python, for ever.
    Threads: any.
    """
    return repr(plain(one)) == repr(plain(other))


def stored(dtype: Any, value: Any) -> Any:
    """Return what a value that fits an item of this dtype reads as once it is stored there.

    Notes
    -----
    Complexity: O(values).
    Allocates: the plain values.
    Valid: plain Python, for ever.
    Threads: any.
    """
    dtype = np.dtype(dtype)
    if dtype.names is not None:
        parts = zip(_parts(dtype), value, strict=True)
        return tuple(stored(part, item) for part, item in parts)
    if dtype.subdtype is not None:
        return [stored(part, item) for part, item in zip(_parts(dtype), value, strict=True)]
    return np.array([value], dtype).tolist()[0]


def _parts(dtype: np.dtype[Any]) -> list[np.dtype[Any]]:
    """Return the dtypes of the items of a structured or sub-array dtype; none for a scalar's."""
    if dtype.subdtype is not None:
        base, shape = dtype.subdtype
        return [np.dtype((base, shape[1:]))] * shape[0]
    return [dtype[name] for name in dtype.names or ()]


# The models -------------------------------------------------------------------------------------


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


# The invariants ---------------------------------------------------------------------------------


def check(ring: Any) -> None:
    """Assert every invariant of a RingBuffer or a TimeRing; an empty ring has them too.

    Counters: ``0 <= written - trimmed == len <= capacity``. Block: every live row is there twice,
    with the same bytes, `capacity` slots apart, in consecutive slots. Views: read-only,
    contiguous, in the block itself, and byte for byte the live rows. Health of a TimeRing: its
    counts cover the rows that are left.

    Parameters
    ----------
    ring : RingBuffer or TimeRing
        Left as it is.

    Raises
    ------
    AssertionError
        Names the invariant that is broken.

    Notes
    -----
    Complexity: O(len).
    Allocates: a few copies of the live rows.
    Valid: a plain value, None.
    Threads: the writer's only.

    Examples
    --------
    >>> from ringacc import RingBuffer
    >>> from ringacc.testing import check
    >>> ring = RingBuffer(3)
    >>> ring.extend([1, 2, 3, 4])
    >>> check(ring)
    """
    live = ring.written - ring.trimmed
    assert ring.trimmed >= 0, f"trimmed is {ring.trimmed}"
    assert 0 <= live <= ring.capacity, f"{live} live rows in a capacity of {ring.capacity}"
    assert len(ring) == live, f"len is {len(ring)}, but written - trimmed is {live}"
    assert ring.maxlen == ring.capacity, f"maxlen {ring.maxlen}, capacity {ring.capacity}"
    assert ring.is_full == (live == ring.capacity), f"is_full is {ring.is_full} at {live} rows"
    _check_mirror(ring)
    _check_views(ring)
    if hasattr(ring, "health"):
        _check_health(ring)


def _check_mirror(ring: Any) -> None:
    """Assert that live rows lie in consecutive slots, the same bytes in both halves."""
    rows, live = ring._block.rows, np.asarray(ring)
    assert len(rows) == 2 * ring.capacity, f"the block has {len(rows)} slots"
    assert live.shape == (len(ring), *rows.shape[1:]), f"live rows of shape {live.shape}"
    assert live.dtype == rows.dtype, f"live rows of dtype {live.dtype}, block of {rows.dtype}"
    for position in range(len(ring)):
        slot = ring._slot(ring.trimmed + position)
        expected = (ring._slot(ring.trimmed) + position) % ring.capacity
        assert slot == expected, f"row {position} is in slot {slot}, not {expected}"
        left, right = rows[slot : slot + 1], rows[slot + ring.capacity :][:1]
        assert left.tobytes() == right.tobytes(), f"slot {slot}: {left}, its mirror: {right}"
        read = live[position : position + 1]
        assert left.tobytes() == read.tobytes(), f"slot {slot}: {left}, read as {read}"


def _check_views(ring: Any) -> None:
    """Assert that the view of all rows is one read-only piece of the block."""
    view = ring.last(ring.capacity)
    assert len(view) == len(ring), f"last(capacity) has {len(view)} rows, the ring {len(ring)}"
    assert not view.flags.writeable, "a view can be written to"
    assert view.flags.c_contiguous, "a view is not contiguous"
    assert len(view) == 0 or np.shares_memory(view, ring._block.rows), "a view is a copy"
    assert view.tobytes() == np.asarray(ring).tobytes(), "a view and a copy differ"
    rows, following, missed = ring.since(ring.trimmed)
    assert (following, missed) == (ring.written, 0), f"since: {following}, missed {missed}"
    assert rows.tobytes() == view.tobytes(), "since(trimmed) is not all live rows"


def _check_health(ring: Any) -> None:
    """Assert that times are finite and that the health counts the steps that are still there."""
    times = np.asarray(ring)["t"].tolist()
    gaps = [later - earlier for earlier, later in pairwise(times)]
    health = ring.health()
    assert all(map(math.isfinite, times)), f"a time is not finite: {times}"
    assert health.rows == ring.written, f"health counts {health.rows} of {ring.written} rows"
    assert gaps.count(0.0) <= health.repeats, f"repeats: {health.repeats} of {times}"
    assert sum(gap < 0 for gap in gaps) <= health.backward, f"backward: {health.backward}"
    assert max(gaps, default=0.0) <= health.largest_gap, f"largest_gap: {health.largest_gap}"
    assert health.repeats + health.backward <= max(0, ring.written - 1), f"steps: {health}"
    assert 0 <= health.overwritten <= ring.trimmed, f"overwritten: {health.overwritten}"


# Strategies -------------------------------------------------------------------------------------


class _Strategies:
    """Stands for ``hypothesis.strategies``, which it imports when the first one is asked for."""

    def __getattr__(self, name: str) -> Any:
        try:
            from hypothesis import strategies
        except ImportError as error:
            raise ImportError(
                "expected hypothesis, which the strategies of ringacc.testing are made of, "
                "found none: pip install 'ringacc[test]'"
            ) from error
        return getattr(strategies, name)


if TYPE_CHECKING:
    from hypothesis import strategies as st

    Strategy: TypeAlias = st.SearchStrategy[Any]
else:
    st = _Strategies()

SCALARS = ("f8", "f4", "i8", "i4", "i2", "u1", "u8", "?")
TEXTS = ("U5", "S4")
STEPS = (0.002, 0.0, 1 / 3, 1e-9, 2.0**-30, 1.0, 7.5, 1e6, -0.002, -1.0)
STARTS = (0.0, -5.0, 1.5e9, 2.0**52, -1e15)


def _letters() -> st.SearchStrategy[str]:
    """Draw a character that NumPy's texts keep: a NUL at their end is dropped."""
    return st.characters(codec="utf-8", exclude_characters="\0")


def fields(max_size: int = 4) -> Strategy:
    """Draw fields of a TimeRing: one to `max_size` pairs of a free name and a dtype's name.

    Notes
    -----
    Complexity: O(size of the example).
    Allocates: the example.
    Valid: a strategy of hypothesis.
    Threads: any.
    """
    known = st.sampled_from(("x", "y", "tail_sum", "closed loop 1D_vel", "θ"))
    names = known | st.text(_letters(), min_size=1, max_size=6).filter(lambda name: name != "t")
    pairs = st.tuples(names, st.sampled_from(SCALARS + TEXTS))
    return st.lists(pairs, min_size=1, max_size=max_size, unique_by=lambda pair: pair[0])


def dtypes() -> Strategy:
    """Draw the dtype of a RingBuffer: of a scalar, a text, a sub-array or a structure.

    Notes
    -----
    Complexity: O(size of the example).
    Allocates: the example.
    Valid: a strategy of hypothesis.
    Threads: any.
    """
    shapes = st.sampled_from(((2,), (3,), (2, 2), (1,)))
    sub_arrays = st.tuples(st.sampled_from(SCALARS), shapes)
    return (st.sampled_from(SCALARS + TEXTS) | sub_arrays | fields()).map(np.dtype)


def values(dtype: Any) -> Strategy:
    """Draw a value that fits: Python objects and NumPy scalars, in a list or tuple if need be.

    Notes
    -----
    Complexity: O(size of the example).
    Allocates: the example.
    Valid: a strategy of hypothesis.
    Threads: any.
    """
    dtype = np.dtype(dtype)
    if _parts(dtype):
        rows = st.tuples(*map(values, _parts(dtype)))
        return rows if dtype.names else rows.map(list)
    if dtype.kind == "U":
        own: Strategy = st.text(_letters(), max_size=dtype.itemsize // 4)
    elif dtype.kind == "S":
        own = st.lists(st.integers(1, 255), max_size=dtype.itemsize).map(bytes)
    elif dtype.kind == "f":
        own = st.floats(width=32 if dtype.itemsize == 4 else 64)
    elif dtype.kind == "b":
        own = st.booleans()
    else:
        low, high = int(np.iinfo(dtype).min), int(np.iinfo(dtype).max)
        own = st.integers(low, high) | st.sampled_from((low, high, min(high, 2**53 + 1)))
    own |= own.map(dtype.type)
    if dtype.kind == "f":
        own |= st.floats(-3e38, 3e38) | st.integers(-(2**53), 2**53)
    return own | st.booleans() if dtype.kind in "fiu" else own


def misfits(dtype: Any) -> Strategy:
    """Draw a pair: a row or value that no item of this dtype holds, and its error's class.

    Notes
    -----
    Complexity: O(size of the example).
    Allocates: the example.
    Valid: a strategy of hypothesis.
    Threads: any.
    """
    dtype = np.dtype(dtype)
    if not _parts(dtype):
        wrong = (None, 1j, object(), 5 if dtype.kind in "US" else "5")
        return st.tuples(st.sampled_from(wrong), st.just(errors.RowKindError))
    positions = st.integers(0, len(_parts(dtype)) - 1)
    make: Any = tuple if dtype.names else list

    def spoil(at: int) -> Strategy:
        """Replace one of the values."""
        return st.tuples(values(dtype), misfits(_parts(dtype)[at])).map(
            lambda pair: (make([*pair[0][:at], pair[1][0], *pair[0][at + 1 :]]), pair[1][1])
        )

    short = values(dtype).map(lambda row: (make(row[:-1]), errors.RowLengthError))
    long = values(dtype).map(lambda row: (make([*row, row[-1]]), errors.RowLengthError))
    return positions.flatmap(spoil) | short | long


def time_after(previous: float) -> Strategy:
    """Draw a time to follow `previous`: a tick later, the same, earlier, or any finite one.

    Notes
    -----
    Complexity: O(size of the example).
    Allocates: the example.
    Valid: a strategy of hypothesis.
    Threads: any.
    """
    steps = st.sampled_from(STEPS).map(lambda step: previous + step)
    return steps | steps | st.floats(allow_nan=False, allow_infinity=False)


def times(min_size: int = 0, max_size: int = 12) -> Strategy:
    """Draw a list of finite times: ticks, repeats, steps back, large clocks, any floats.

    Notes
    -----
    Complexity: O(size of the example).
    Allocates: the example.
    Valid: a strategy of hypothesis.
    Threads: any.
    """
    size: Any = {"min_size": min_size, "max_size": max_size}
    steps = st.lists(st.sampled_from(STEPS), **size)
    walks = st.tuples(st.sampled_from(STARTS), steps).map(lambda walk: list(accumulate(walk[1], initial=walk[0]))[1:])
    wild = st.lists(st.floats(allow_nan=False, allow_infinity=False), **size)
    return walks | walks.map(sorted) | wild


def blocks(dtype: Any, max_size: int = 12) -> Strategy:
    """Draw a structured array of a TimeRing's dtype, the time first, of up to `max_size` rows.

    Notes
    -----
    Complexity: O(size of the example).
    Allocates: the example.
    Valid: a strategy of hypothesis.
    Threads: any.
    """
    dtype = np.dtype(dtype)
    rest = st.tuples(*map(values, _parts(dtype)[1:]))

    def with_rows(ts: list[float]) -> Strategy:
        return st.lists(rest, min_size=len(ts), max_size=len(ts)).map(
            lambda rows: np.array([(t, *row) for t, row in zip(ts, rows, strict=True)], dtype)
        )

    return times(max_size=max_size).flatmap(with_rows)
