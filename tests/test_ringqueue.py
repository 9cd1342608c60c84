"""RingQueue and NamedTupleQueue beside the slow, obvious model: a deque."""

from __future__ import annotations

import itertools
import math
import pickle
import queue
from collections import deque
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from fractions import Fraction
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from queue_stage import (
    FIELDS,
    MICROSECOND,
    ONE_FOLDER,
    T0,
    One,
    Pair,
    Turned,
    Unmade,
    rows_of,
)

from ringacc.errors import (
    RowError,
    RowKindError,
    RowTimeError,
)
from ringacc.queues import CAPACITY, NamedTupleQueue, RingQueue
from ringacc.ringfile import RingFile
from ringacc.schema import row_class
from ringacc.streams import rings_of

pytestmark = pytest.mark.usefixtures("rings")

# Against a deque --------------------------------------------------------------------------------------------------

NAIVE = st.datetimes(datetime(1900, 1, 1), datetime(2150, 1, 1))
ZONES = st.sampled_from([UTC, timezone(timedelta(hours=-7, minutes=-30)), ZoneInfo("Europe/Berlin")])
WIDE = st.datetimes(datetime(2, 1, 1), datetime(9998, 1, 1))
MOMENTS = (
    NAIVE
    | WIDE
    | st.builds(lambda moment, zone: moment.replace(tzinfo=zone), NAIVE, ZONES)
    # In the hour that comes twice, and around the one that never comes.
    | st.builds(
        lambda minutes, fold: (
            datetime(2018, 10, 28, 0, tzinfo=ZoneInfo("Europe/Berlin"), fold=fold) + timedelta(minutes=minutes)
        ),
        st.integers(0, 300),
        st.integers(0, 1),
    )
)
TIMES = st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(2**53), 2**53) | MOMENTS
FLOATS = st.floats(-1e300, 1e300) | st.just(math.inf)
NUMBERS = (
    FLOATS
    | st.integers(-(2**53), 2**53)
    | st.booleans()
    | st.integers(-128, 127).map(np.int8)
    | st.integers(0, 2**32 - 1).map(np.uint32)
    | st.integers(0, 65535).map(np.uint16)
    | st.booleans().map(np.bool_)
    | FLOATS.map(np.float64)
)
OBJECTS = st.one_of(
    st.none(),
    st.text(max_size=90),
    st.binary(max_size=9).map(lambda some: some + b"\0"),
    st.lists(st.integers(), max_size=3),
    st.fractions().filter(lambda one: one.denominator > 1),
    st.builds(np.timedelta64, st.integers(0, 9), st.sampled_from(["s", "ns", "Y"])),
    st.complex_numbers(allow_nan=False),
)


CALLS = st.one_of(
    st.tuples(st.just("put"), TIMES, rows_of(NUMBERS)),
    st.tuples(st.just("put"), TIMES, rows_of(NUMBERS)),
    st.tuples(st.just("put"), TIMES, rows_of(NUMBERS | OBJECTS)),
    st.tuples(st.just("several"), st.floats(-1e6, 1e6), st.integers(1, 9), rows_of(NUMBERS)),
    st.tuples(st.sampled_from(["get", "drain", "take_block", "unpacked"])),
)


def is_number(value):
    """Say whether a row of such values is one of numbers."""
    return isinstance(value, bool | int | float | np.bool_ | np.number) and not isinstance(
        value, complex | np.timedelta64 | Fraction | Decimal
    )


def check_row(got, want):
    """Assert that a row came out as it was put in: equal, under its names, at the very microsecond."""
    (t, row), (want_t, want_row) = got, want
    if isinstance(want_t, datetime) and want_t.tzinfo is not None:
        t, want_t = t.astimezone(UTC), want_t.astimezone(UTC)
    assert t == want_t
    assert isinstance(t, datetime) == isinstance(want_t, datetime)
    assert row._columns == getattr(want_row, "_columns", want_row._fields)
    assert list(row) == list(want_row)
    for value, want_value in zip(row, want_row, strict=True):
        assert is_number(want_value) or type(value) is type(want_value)


def rows_in(block, t0):
    """Return the rows of an array that a queue gave, as get would."""
    make = row_class(block.dtype.names[1:])
    times = block["t"].tolist()
    if t0 is not None:
        times = [t0 + timedelta(seconds=seconds) for seconds in times]
    values = [tuple(block[name][place].item() for name in make._columns) for place in range(len(block))]
    return [(t, make._make(row)) for t, row in zip(times, values, strict=True)]


def take(rows, model, how):
    """Take rows out in one of the ways, and compare them with those of the model."""
    if how == "get":
        if model:
            check_row(rows.get(block=False), model.popleft())
        else:
            with pytest.raises(queue.Empty):
                rows.get(block=False)
        return
    if how == "drain":
        try:
            block = rows.drain()
        except RowKindError:
            assert not all(map(is_number, model[0][1])) or "t" in model[0][1]._columns
            check_row(rows.get(block=False), model.popleft())
            return
        found = rows_in(block, rows.t0)
        assert bool(found) == bool(model)
        assert block.dtype.names[0] == "t"
        assert block.flags.writeable
    else:
        taken = rows.take_block()
        assert (taken is None) == (not model)
        if taken is None:
            return
        assert taken.missed == 0
        found = rows_in(taken.rows, rows.t0) if taken.is_numbers else list(rows.unpacked(taken))
    for got in found:
        check_row(got, model.popleft())


@ONE_FOLDER
@given(calls=st.lists(CALLS, max_size=40))
def test_named_tuples_come_as_from_a_deque(calls):
    """Rows of any columns, times and values come out in order, as they went in, however they are taken."""
    model = deque()
    with NamedTupleQueue(500) as rows:
        for name, *arguments in calls:
            if name == "put":
                rows.put(*arguments)
                model.append(tuple(arguments))
            elif name == "several":
                t, count, row = arguments
                for place in range(count):
                    rows.put(t + place, row)
                    model.append((t + place, row))
            else:
                take(rows, model, name)
            assert rows.qsize() == len(model)
            assert rows.empty() == (not model)
        while model:
            take(rows, model, "get")
        with pytest.raises(queue.Empty):
            rows.get_nowait()


FIXED = {"x": "f8", "n": "i4", "ok": "?", "text": "U3"}
FIXED_ROWS = st.tuples(
    FLOATS | st.integers(-(2**53), 2**53),
    st.integers(-(2**31), 2**31 - 1) | st.integers(-128, 127).map(np.int8),
    st.booleans(),
    st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=3),
)
OTHER_ROWS = st.tuples(st.integers(0, 255), st.floats(-1e9, 1e9))
RING_CALLS = st.one_of(
    st.tuples(st.just("put"), TIMES, FIXED_ROWS, OTHER_ROWS),
    st.tuples(st.just("put"), TIMES, FIXED_ROWS, OTHER_ROWS),
    st.tuples(st.sampled_from(["get", "drain", "take_block", "begin", "bad"])),
)


@ONE_FOLDER
@given(calls=st.lists(RING_CALLS, max_size=40))
def test_rows_come_as_from_a_deque(calls):
    """Rows of declared fields, which change in mid-stream by begin, come out in order, as they went in."""
    model, is_other = deque(), False
    classes = row_class(tuple(FIXED)), row_class(("a", "b"))
    with RingQueue(FIXED, 50) as rows:
        for name, *arguments in calls:
            if name == "put":
                row = arguments[1 + is_other]
                rows.put(arguments[0], row)
                model.append((arguments[0], classes[is_other](*row)))
            elif name == "begin":
                is_other = not is_other
                rows.begin({"a": "u1", "b": "f8"} if is_other else FIXED)
            elif name == "bad":
                for bad in ((), (1.5,), ("x", "y"), (1.0, 2**40, 5, "long text"), None):
                    with pytest.raises(RowError):
                        rows.put(0.5, bad)
                for bad in (None, "now", math.nan, math.inf):
                    with pytest.raises(RowError):
                        rows.put(bad, (1, 1.0) if is_other else (1.0, 1, True, ""))
            else:
                take(rows, model, name)
            assert rows.qsize() == len(model)
        while model:
            take(rows, model, "get")


@pytest.mark.parametrize("zone", [None, UTC, ZoneInfo("America/St_Johns")], ids=str)
def test_a_moment_is_exact_to_the_microsecond(zone):
    """Far from the first moment, before and after it, no microsecond is lost; and it is one ring for a lifetime."""
    first = datetime(2000, 2, 29, 23, 59, 59, 999999, tzinfo=zone)
    moments = [first + days * timedelta(days=1) + micros * MICROSECOND for days in (0, 1, -1, 365, -40000, 40000)
               for micros in (0, 1, -1, 333333)]  # fmt: skip
    with NamedTupleQueue() as rows:
        for moment in moments:
            rows.put(moment, One(1))
        assert len(rings_of(rows.path)) == 1
        for moment in moments:
            check_row(rows.get(block=False), (moment, One(1)))


def test_a_moment_across_a_change_of_the_clocks():
    """What counts is the moment, not the clock on the wall: local times in one zone, and in several."""
    berlin = ZoneInfo("Europe/Berlin")
    walls = [datetime(2024, 3, 31, 1, tzinfo=berlin), datetime(2024, 3, 31, 3, 30, tzinfo=berlin)]
    walls += [datetime(2024, 10, 27, 2, 30, tzinfo=berlin, fold=fold) for fold in (0, 1)]
    walls.append(datetime(2024, 10, 27, 1, 30, tzinfo=UTC))
    with RingQueue({"x": "f8"}) as rows:
        for wall in walls:
            rows.put(wall, (0.5,))
        assert [rows.get()[0].timestamp() for _ in walls] == [wall.timestamp() for wall in walls]


def test_what_is_no_moment_is_refused():
    """A datetime class's own NaN is an error where it is put in; a moment with nanoseconds comes out as it was."""
    import pandas as pd

    moment = pd.Timestamp("2018-11-15T19:23:17.211777123")
    with RingQueue({"x": "f8"}) as rows:
        for _ in range(2):
            with pytest.raises(RowTimeError):
                rows.put(pd.NaT, (0.5,))
            rows.put(T0, (0.5,))
        assert rows.qsize() == 2
        rows.put(moment, (0.5,))
        assert [rows.get()[0] for _ in range(3)] == [T0, T0, moment.to_pydatetime(warn=False)]
    with NamedTupleQueue() as rows:
        for t in (moment, T0, moment):
            rows.put(t, One(0.5))
        assert [rows.get()[0] for _ in range(3)] == [moment, T0, moment]


def test_columns_widen():
    """A value that its column cannot hold widens it, and what comes later is at least as exact as a float64."""
    values = [True, 2, np.int8(3), 2**40, 0.5, 7, np.uint8(200), -1e300]
    with NamedTupleQueue() as rows:
        for value in values:
            rows.put(0.0, One(value))
        got = [rows.get()[1].x for _ in values]
    assert got == values
    assert [type(value) for value in got] == [bool, int, int, int, float, float, float, float]


def test_an_integer_beyond_64_bits_is_refused():
    """It is an error where it is put in, whatever the column holds."""
    with NamedTupleQueue() as rows:
        for before in (1, 2.5):
            rows.put(0.0, One(before))
            with pytest.raises(RowError, match="64 bits"):
                rows.put(0.0, One(2**64)) if before == 1 else rows.put(0.0, Pair(1, 2**70))
        assert rows.qsize() == 2


def test_a_row_that_cannot_be_made_again():
    """It raises when it is taken, and alone is dropped."""
    with NamedTupleQueue() as rows:
        for number in range(3):
            for value in ("before", Unmade(), "after"):
                rows.put(number, One(value))
        for number in range(3):
            assert rows.get() == (number, ("before",))
            with pytest.raises(RowKindError, match="made again"):
                rows.get()
            assert rows.get() == (number, ("after",))
        assert rows.empty()


def test_what_is_drained_may_be_written_to_and_stays():
    """An array that was given is nobody else's."""
    with RingQueue({"x": "f8"}, 4) as rows:
        for number in range(4):
            rows.put(number, (number,))
        found = rows.drain()
        for _ in range(4):
            rows.put(9, (9,))
        assert found["x"].tolist() == [0, 1, 2, 3]
        found["x"] = 7
        assert rows.drain()["x"].tolist() == [9, 9, 9, 9]


def test_drain_after_get_gives_what_get_took_ahead():
    """Rows that get has taken ahead are not lost to the other ways."""
    with RingQueue(FIELDS) as rows:
        for number in range(10):
            rows.put(number, (number, number / 2))
        assert rows.get()[1].number == 0
        assert rows.take_block().rows["number"].tolist() == [*range(1, 10)]
        with pytest.raises(queue.Empty):
            rows.get_nowait()
        assert len(rows.drain()) == 0
        with pytest.raises(queue.Empty):
            rows.drain(block=True, timeout=0.01)


@pytest.mark.parametrize("name", ["values", "obj"])
def test_arguments_by_name(name):
    """The names of put's arguments are those of its signature, in every lane."""
    rows = RingQueue({"x": "f8"}) if name == "values" else NamedTupleQueue()
    with rows:
        rows.put(t=0.5, **{name: One(1.5)}, block=False, timeout=None)
        rows.put(1.0, **{name: One(2.5)})
        assert [rows.get() for _ in range(2)] == [(0.5, (1.5,)), (1.0, (2.5,))]


def test_a_subclass_may_have_a_put_of_its_own():
    """What a subclass does with a row is done in every lane."""

    class Doubled(RingQueue):
        def put(self, t, values, block=True, timeout=None):
            super().put(t, [2 * value for value in values], block, timeout)

    with Doubled({"x": "f8"}) as rows:
        for number in range(3):
            rows.put(number, (number,))
        assert rows.drain()["x"].tolist() == [0, 2, 4]


# Room -------------------------------------------------------------------------------------------------------------


def test_a_minute_of_1_khz_has_room():
    """By default, 60 000 rows go in at once."""
    for rows in (RingQueue({"x": "f8"}), NamedTupleQueue()):
        with rows:
            for number in range(60_000):
                rows.put(number / 1000, One(number), block=False)
            assert rows.qsize() == 60_000 <= CAPACITY
            assert rows.drain()["x"].tolist() == [*range(60_000)]


@pytest.mark.parametrize("ask", [{"block": False}, {"timeout": 0}, {"timeout": 0.01}], ids=str)
@pytest.mark.parametrize("change", ["none", "columns", "times", "widened", "pickled"])
def test_full(ask, change):
    """A full queue takes nothing, also where the columns change with the row; and goes on where it was."""
    other = {
        "none": (9, One(9)),
        "columns": (9, Pair(9, 9)),
        "times": (T0, One(9)),
        "widened": (9, One(9.5)),
        "pickled": (9, One("nine")),
    }[change]
    with NamedTupleQueue(3) as rows:
        for number in range(3):
            rows.put(number, One(number), block=False)
        for _ in range(2):
            with pytest.raises(queue.Full):
                rows.put(*other, **ask)
        with pytest.raises(queue.Full):
            rows.put_nowait(*other)
        assert rows.qsize() == 3
        assert rows.get() == (0, (0,))
        rows.put(*other, **ask)
        assert [rows.get() for _ in range(3)] == [(1, (1,)), (2, (2,)), other]


@pytest.mark.parametrize("changes", [2, 3, 40])
def test_the_queue_as_a_whole_is_what_is_full(changes):
    """Columns that change all the time do not let more in than it may hold, and what it may hold goes in."""
    capacity, count = 2000, 0
    with NamedTupleQueue(capacity) as rows:
        while count < 10 * capacity:
            row = (One(count), Pair(count, count), Turned(count, count))[count // (capacity // changes) % 3]
            try:
                rows.put(count, row, block=False)
            except queue.Full:
                break
            count += 1
        assert capacity <= count <= 2 * capacity
        assert rows.qsize() == count
        assert [rows.get()[0] for _ in range(count)] == [*range(count)]


def test_many_changes_without_a_consumer():
    """Nothing is lost, and each ring that waits halves the next one."""
    with NamedTupleQueue(1 << 14) as rows:
        for number in range(300):
            rows.put(number, (One(number), Pair(number, -number))[number % 2])
        capacities = [RingFile.open(path).about.capacity for path in rings_of(rows.path)]
        assert len(capacities) == 300
        assert capacities[0] == 1 << 14
        assert all(later in (before, before // 2) for before, later in itertools.pairwise(capacities))
        assert capacities[-1] == 64
        assert [rows.get()[1].x for _ in range(300)] == [*range(300)]
        assert len(rings_of(rows.path)) == 1


def test_a_small_ring_that_is_full_is_not_the_queue():
    """A ring that was made small goes on in another one while the queue holds less than it may."""
    with NamedTupleQueue(1 << 10) as rows:
        for number in range(20):
            rows.put(T0 if number % 2 else 0.0, One(number))
        assert RingFile.open(rings_of(rows.path)[-1]).about.capacity < 500
        for number in range(20, 1 << 10):
            rows.put(0.0, One(number), block=False)
        assert [rows.get()[1].x for _ in range(1 << 10)] == [*range(1 << 10)]


def test_rings_stay_in_order_beyond_their_digits(rings):
    """The ring after number 999999 comes behind it."""
    rows = NamedTupleQueue()
    rows.put(0, One(0))
    (first,) = rings_of(rows.path)
    rows._writer.close()
    first.rename(first.with_name("999998.ring"))
    with pickle.loads(pickle.dumps(rows)) as successor:
        for number in range(1, 5):
            successor.put(number, (One(number), Pair(number, number))[number % 2])
        assert [path.stem for path in rings_of(rows.path)][-2:] == ["1000001", "1000002"]
        assert [successor.get()[0] for _ in range(5)] == [*range(5)]
