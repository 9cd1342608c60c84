"""TimeRing: rows with a time, and what can be asked about them."""

from __future__ import annotations

import gc
import math
import sys
import tracemalloc
import weakref
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ringacc.errors import (
    CapacityError,
    CapacityMemoryError,
    RowError,
    RowNotFoundError,
    RowTimeError,
    UnknownColumnError,
)
from ringacc.testing import TimeRingModel, check, plain, same, times
from ringacc.timering import TimeRing


class Tail(NamedTuple):
    """A row as a class of the user's."""

    x: float
    n: int
    ok: bool


def numbered(capacity, ts):
    """Return a ring of the rows (t, 0), (t, 1), ... at these times."""
    ring = TimeRing(capacity, {"x": "i8"})
    for x, t in enumerate(ts):
        ring.append(t, (x,))
    return ring


def xs(rows):
    """Return the numbers of these rows."""
    return rows["x"].tolist()


# Rows ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("capacity", [0, 1, 2, 5])
@pytest.mark.parametrize("count", [0, 1, 4, 5, 12])
def test_holds_the_newest(capacity, count):
    """After n appends the ring holds the last `capacity` rows."""
    ring = numbered(capacity, range(count))
    want = list(range(count))[max(0, count - capacity) :]
    assert xs(np.asarray(ring)) == want
    assert plain(ring["t"]) == want
    assert len(ring) == len(want)
    assert (ring.written, ring.trimmed) == (count, count - len(want))
    assert ring.maxlen == ring.capacity == capacity
    assert ring.is_full == (len(want) == capacity)
    check(ring)


def test_row_may_come_in_any_form():
    """A tuple, a list, a namedtuple, an array, a structured row and NumPy scalars are rows."""
    ring = TimeRing(10, Tail)
    rows = [
        (1.0, 2, True),
        [1.0, 2, True],
        Tail(1.0, 2, True),
        Tail(np.float32(1), np.int16(2), np.True_),
        np.array([(1.0, 2, True)], [("x", "f8"), ("n", "i8"), ("ok", "?")])[0],
        (1, True + 1, True),
    ]
    for t, row in enumerate(rows):
        ring.append(t, row)
    assert same(ring.last(10), [(float(t), 1.0, 2, True) for t in range(6)])
    numbers = TimeRing(3, {"x": "f8", "y": "f8"})
    numbers.append(np.float32(0.5), np.array([1.5, 2.5]))
    numbers.append(np.int64(1), np.array([1, 2]))
    numbers.append(True, np.array([True, False]))
    assert same(numbers.last(3), [(0.5, 1.5, 2.5), (1.0, 1.0, 2.0), (1.0, 1.0, 0.0)])


def test_row_of_one_field():
    """A row of a single field is a tuple of one."""
    ring = TimeRing(3, {"x": "f8"})
    ring.append(0.0, (1.5,))
    with pytest.raises(RowError):
        ring.append(1.0, 1.5)
    assert plain(ring["x"]) == [1.5]


@pytest.mark.parametrize("size", [0, 1, 3, 4, 5, 9])
@pytest.mark.parametrize("before", [0, 1, 4, 6])
@pytest.mark.parametrize("form", ["block", "array", "rows", "structured", "lists"])
def test_extend_by_any_length(form, before, size):
    """A block in each form, empty, exactly full or longer than the ring, leaves its end."""
    ring = TimeRing(4, {"x": "f8", "y": "f4"})
    for t in range(before):
        ring.append(t, (t, t))
    ts = np.arange(100.0, 100 + size)
    whole = np.zeros(size, ring.dtype)
    for name in ring.columns:
        whole[name] = ts
    forms = {
        "block": (whole,),
        "array": (ts, np.column_stack([ts, ts])),
        "rows": (ts.tolist(), [(t, t) for t in ts]),
        "structured": (ts, whole[["x", "y"]]),
        "lists": (list(ts), np.column_stack([ts, ts]).tolist()),
    }
    ring.extend(*forms[form])
    want = [*map(float, range(before)), *ts.tolist()][-4:]
    assert same(np.asarray(ring), [(t, t, t) for t in want])
    assert ring.written == before + size
    check(ring)


def test_extend_by_its_own_rows():
    """A view of the ring may be appended to it, though its rows are overwritten meanwhile."""
    ring = numbered(4, range(6))
    ring.extend(ring.last(3))
    assert xs(ring.last(4)) == [5, 3, 4, 5]
    assert ring.health().backward == 1
    check(ring)


def test_extend_takes_strided_and_reversed_blocks():
    """A block that is a slice with a step is read as it stands."""
    ring = TimeRing(4, {"x": "i8"})
    block = np.zeros(8, ring.dtype)
    block["t"] = block["x"] = range(8)
    ring.extend(block[::2])
    assert xs(ring.last(9)) == [0, 2, 4, 6]
    ring.extend(block[::-1][:3])
    assert xs(ring.last(9)) == [6, 7, 6, 5]
    values = np.asfortranarray(np.arange(6).reshape(3, 2))
    pairs = TimeRing(4, {"x": "i8", "y": "i8"})
    pairs.extend(np.arange(6.0)[::2], values)
    assert same(pairs.last(9), [(0.0, 0, 1), (2.0, 2, 3), (4.0, 4, 5)])


@pytest.mark.parametrize("capacity", [-1, 1.5, "3", None, np.int64(-5)])
def test_capacity_that_is_none_is_refused(capacity):
    """A capacity that is negative or no whole number is a CapacityError."""
    with pytest.raises(CapacityError):
        TimeRing(capacity, {"x": "f8"})


@pytest.mark.parametrize("capacity", [2**48, 2**62, 10**30])
def test_capacity_beyond_memory_is_refused(capacity):
    """A capacity whose bytes no memory holds is a MemoryError, at once."""
    with pytest.raises(CapacityMemoryError):
        TimeRing(capacity, {"x": "f8"})


def test_overridden_append_is_called():
    """A subclass may replace append and call that of TimeRing; the ring calls no other."""

    class Scaled(TimeRing):
        def append(self, t, values):
            super().append(t, tuple(10 * value for value in values))

    ring = Scaled(4, {"x": "i8"})
    ring.append(0.0, (1,))
    Scaled.append(ring, 1.0, (2,))
    TimeRing.append(ring, 2.0, (3,))
    assert xs(ring.last(4)) == [10, 20, 3]
    check(ring)


def test_bound_append_may_be_kept():
    """A loop may keep `ring.append` in a name, and it keeps the ring alive."""
    append = TimeRing(3, {"x": "i8"}).append
    gc.collect()
    for t in range(5):
        append(t, (t,))
    ring = TimeRing(3, {"x": "i8"})
    append = ring.append
    append(0.0, (1,))
    ring.clear()
    append(1.0, (2,))
    assert xs(ring.last(3)) == [2]
    with pytest.raises(TypeError):
        append(1.0)
    with pytest.raises(TypeError):
        append(1.0, (2,), 3)


def test_arguments_by_name():
    """Each method takes its arguments by name too, and no other."""
    ring = TimeRing(capacity=9, fields={"x": "i8"})
    ring.append(t=0.0, values=(1,))
    ring.append(1.0, values=(2,))
    assert xs(ring.last(n=9)) == [1, 2]
    assert xs(ring.window(seconds=0.5)) == [2]
    assert xs(ring.between(t0=0.0, t1=0.5)) == [1]
    assert ring.at(t=0.0, how="next", tolerance=None)["x"] == 1
    assert ring.fps(points=3) == 1.0
    ring.trim_to(n=5)
    ring.trim_before(t=0.0)
    for call in (
        lambda: ring.append(),
        lambda: ring.append(1.0),
        lambda: ring.append(1.0, (1,), 3),
        lambda: ring.append(1.0, (1,), tag=3),
        lambda: ring.append(1.0, value=(1,)),
    ):
        with pytest.raises(TypeError):
            call()
    assert ring.written == 2


THINGS = st.one_of(
    st.booleans(),
    st.integers(-(2**65), 2**65),
    st.sampled_from([2**63, 2**63 - 1, -(2**63), 2**64, 2**64 - 1, 255, 256, -1, -128, 2**31]),
    st.floats(),
    st.floats(width=32).map(np.float32),
    st.floats(width=16).map(np.float16),
    st.integers(-128, 127).map(np.int8),
    st.integers(0, 2**64 - 1).map(np.uint64),
    st.integers(-(2**63), 2**63 - 1).map(np.int64),
    st.booleans().map(np.bool_),
    st.sampled_from([None, "1", b"1", 1j, (), [1.0], np.array(1.5), np.array([1]), object()]),
)
KINDS = ("f8", "f4", "i8", "i4", "i2", "i1", "u8", "u4", "u2", "u1", "?")
ROWS = st.lists(THINGS, min_size=1, max_size=4)


@settings(max_examples=400, deadline=None)
@given(
    kinds=st.lists(st.sampled_from(KINDS), min_size=1, max_size=3),
    rows=st.lists(st.tuples(THINGS, ROWS | ROWS.map(tuple)), max_size=6),
)
def test_append_of_the_ring_and_of_the_class_agree(kinds, rows):
    """`ring.append` takes and refuses just what `TimeRing.append` does, with the same errors."""
    fields = [(f"x{place}", kind) for place, kind in enumerate(kinds)]
    one, other = TimeRing(3, fields), TimeRing(3, fields)

    def outcome(call, *arguments):
        try:
            return call(*arguments)
        except (TypeError, ValueError, OverflowError) as error:
            return type(error), str(error)

    for t, row in rows:
        assert outcome(one.append, t, row) == outcome(TimeRing.append, other, t, row)
        assert same(one.last(3), other.last(3))
        assert one.health() == other.health()
    check(one)
    check(other)


# Columns ---------------------------------------------------------------------------------------


def test_column_is_a_view():
    """A column of the live rows is a read-only view, oldest first."""
    ring = numbered(4, range(6))
    column = ring["x"]
    assert plain(column) == [2, 3, 4, 5]
    assert column.ndim == 1
    assert np.shares_memory(column, ring._block.rows)
    with pytest.raises(ValueError, match="read-only"):
        column[0] = 1
    assert plain(numbered(4, [])["t"]) == []


@pytest.mark.parametrize("name", ["y", "", "X", 0, None, ("x",)])
def test_unknown_column(name):
    """A column that is not there is a KeyError that names those that are."""
    ring = TimeRing(4, {"x": "f8", "tail_sum": "f8"})
    with pytest.raises(UnknownColumnError) as caught:
        ring[name]
    assert isinstance(caught.value, KeyError)
    for known in ("t", "x", "tail_sum"):
        assert known in str(caught.value)


# Trimming and health ---------------------------------------------------------------------------


def test_trim_to():
    """The last n rows stay; a ring of fewer stays as it is."""
    ring = numbered(5, range(7))
    ring.trim_to(9)
    assert len(ring) == 5
    ring.trim_to(2)
    assert xs(ring.last(9)) == [5, 6]
    assert (ring.written, ring.trimmed) == (7, 5)
    ring.trim_to(0)
    assert len(ring) == 0
    with pytest.raises(ValueError, match="-1"):
        ring.trim_to(-1)
    check(ring)


def test_trim_before():
    """Leading rows go up to the first one whose time is not before: it and all after it stay."""
    ring = numbered(9, [0.0, 1.0, 5.0, 2.0, 6.0])
    ring.trim_before(1.0)
    assert xs(ring.last(9)) == [1, 2, 3, 4]
    ring.trim_before(3.0)
    assert xs(ring.last(9)) == [2, 3, 4]
    ring.trim_before(-math.inf)
    assert len(ring) == 3
    ring.trim_before(math.inf)
    assert len(ring) == 0
    with pytest.raises(ValueError, match=r"(?i)nan"):
        ring.trim_before(math.nan)
    check(ring)


def test_rows_that_were_trimmed_are_gone():
    """No look-up finds a row that was trimmed, though its bytes may still be there."""
    ring = numbered(8, range(8))
    ring.trim_to(3)
    assert xs(ring.window(99)) == [5, 6, 7]
    assert xs(ring.between(0, 99)) == [5, 6, 7]
    assert ring.at(0.0)["x"] == 5
    assert ring.since(2)[2] == 3
    with pytest.raises(RowNotFoundError):
        ring.at(4.0, "previous")


def test_health():
    """Rows, repeats, backward steps, the largest gap and overwritten rows are counted."""
    ring = TimeRing(4, {"x": "f8"})
    assert ring.health() == (0, 0, 0, 0.0, 0, 0)
    ring.append(1.0, (0,))
    assert ring.health() == (1, 0, 0, 0.0, 0, 0)
    ring.extend([1.0, 3.0, 2.5, 2.5], [[0]] * 4)
    assert ring.health() == (5, 2, 1, 2.0, 1, 0)
    ring.trim_to(1)
    ring.append(10.0, (0,))
    health = ring.health()
    assert health == (6, 2, 1, 7.5, 1, 0)
    assert (health.rows, health.repeats, health.backward) == (6, 2, 1)
    assert (health.largest_gap, health.overwritten, health.missed) == (7.5, 1, 0)
    check(ring)


def test_health_of_a_steady_block():
    """A repeat, or a step back, in a block without a new largest gap is counted all the same."""
    ring = numbered(99, [0.0, 10.0])
    ring.extend([11.0, 11.0, 12.0], [[0]] * 3)
    assert ring.health() == (5, 1, 0, 10.0, 0, 0)
    ring.extend([12.0, 13.0], [[0]] * 2)
    assert ring.health() == (7, 2, 0, 10.0, 0, 0)
    ring.extend([13.5, 13.0, 14.0], [[0]] * 3)
    assert ring.health() == (10, 2, 1, 10.0, 0, 0)
    ring.extend([15.0, 25.0, 35.5], [[0]] * 3)
    assert ring.health() == (13, 2, 1, 10.5, 0, 0)


@settings(max_examples=60, deadline=None)
@given(ts=times(max_size=20), capacity=st.integers(0, 6), cut=st.integers(0, 20))
def test_health_does_not_depend_on_how_rows_came(ts, capacity, cut):
    """Appended one by one or in blocks: the same rows, the same health."""
    one, blocks = numbered(capacity, ts), TimeRing(capacity, {"x": "i8"})
    rows = [[x] for x in range(len(ts))]
    blocks.extend(ts[:cut], rows[:cut])
    blocks.extend(ts[cut:], rows[cut:])
    model = TimeRingModel(capacity, {"x": "i8"})
    model.extend(ts, rows)
    assert one.health() == blocks.health() == model.health()
    assert one.last(9).tobytes() == blocks.last(9).tobytes()
    check(one)
    check(blocks)


# Memory ----------------------------------------------------------------------------------------


def test_view_keeps_the_memory_and_not_the_ring():
    """A ring that nobody holds is freed at once; a view of it stays readable."""
    gc.disable()
    try:
        ring = numbered(1000, range(1500))
        alive = weakref.ref(ring)
        held = [ring.last(1000), ring.window(9999), ring.between(0, 9999), ring.since(500)[0]]
        column = ring["x"]
        handle = ring.jit
        del ring
        assert alive() is None
        trash = [numbered(1000, [0.0] * 1000) for _ in range(5)]
        assert all(xs(rows) == list(range(500, 1500)) for rows in held)
        assert plain(column) == list(range(500, 1500))
        assert len(handle.rows) == 2000
        del trash
    finally:
        gc.enable()


def test_append_does_not_outlive_the_memory():
    """The bound append of a ring that is gone still has rows to write to."""
    gc.disable()
    try:
        ring = numbered(1000, range(3))
        append, view = ring.append, ring.last(3)
        del ring
        for t in range(10, 900):
            append(t, (t,))
        assert xs(view) == [0, 1, 2]
    finally:
        gc.enable()


def test_bytes_held():
    """A full ring holds at most 2.1 times the bytes of its rows, and says how many."""
    capacity = 20_000
    dtype = np.dtype([("t", "f8"), ("x", "f8"), ("ok", "?")])
    block = np.zeros(capacity, dtype)
    TimeRing(2, {"x": "f8", "ok": "?"}).extend(block[:1])
    gc.collect()
    tracemalloc.start()
    try:
        ring = TimeRing(capacity, {"x": "f8", "ok": "?"})
        ring.extend(block)
        held = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    rows = capacity * dtype.itemsize
    assert 2 * rows <= ring.nbytes <= 2.1 * rows
    assert held <= 2.1 * rows


@pytest.mark.parametrize("capacity", [4, 20_000])
def test_references_do_not_drift(capacity):
    """10 000 appends, good and refused ones, leave every value with the references it had."""
    ring = TimeRing(capacity, {"x": "f8", "n": "i8", "ok": "?", "name": "U3", "u": "u1"})
    x, n, name, wide = float("1.5e300"), 2**62 + 1, "".join("ab"), 10**400
    rows = [
        (x, n, True, name, 255),
        (x, 2.5, True, name, 255),
        (x, n, n, name, 255),
        (wide, n, True, name, 255),
        (x, wide, True, name, 255),
        (x, n, True, n, 255),
        (x, n, True, name, n),
        (name, n, True, name, 255),
        (x, n, True, name),
        (None, n, True, name, 255),
    ]
    nan = float("nan")
    watched = [x, n, name, wide, nan, *rows, ring.dtype, ring]

    def run(times):
        for t in range(times):
            ring.append(float(t), rows[0])
            ring.append(n, list(rows[0]))
            for bad in rows[1:]:
                try:
                    ring.append(x, bad)
                except RowError:
                    continue
                raise AssertionError("a bad row was taken")
            try:
                ring.append(nan, rows[0])
            except RowError:
                continue
            raise AssertionError("NaN was taken as a time")

    run(10)
    gc.collect()
    before = [sys.getrefcount(value) for value in watched]
    blocks = sys.getallocatedblocks()
    run(2_000)
    gc.collect()
    assert [sys.getrefcount(value) for value in watched] == before
    assert sys.getallocatedblocks() - blocks < 1_000


def test_look_ups_keep_nothing():
    """10 000 look-ups leave the ring and its dtype with the references they had."""
    ring = numbered(50, range(80))

    def run(times):
        for k in range(times):
            ring.last(5)
            ring.window(3.0)
            ring.between(40.0, 50.0 + k)
            ring.at(60.2)
            ring.fps()
            ring.since(70)
            ring["x"]

    run(10)
    gc.collect()
    before = [sys.getrefcount(value) for value in (ring, ring.dtype, ring._block.rows)]
    blocks = sys.getallocatedblocks()
    run(10_000)
    gc.collect()
    after = [sys.getrefcount(value) for value in (ring, ring.dtype, ring._block.rows)]
    assert after == before
    assert sys.getallocatedblocks() - blocks < 1_000


def test_infinite_time_behind_an_infinite_gap():
    """A step between two finite times may be infinite; an infinite time is refused all the same."""
    ring = numbered(8, [-1.7e308, 1.7e308])
    assert ring.health().largest_gap == math.inf
    with pytest.raises(RowTimeError):
        ring.extend([0.0, math.inf], [[0], [0]])
    with pytest.raises(RowTimeError):
        ring.append(math.inf, (0,))
    assert xs(ring.last(8)) == [0, 1]


# The numbers that matter most ------------------------------------------------------------------


def test_whole_numbers_stay_whole():
    """An int64 field holds every integer exactly, one by one and in blocks."""
    big = [2**53 + 1, 2**63 - 1, -(2**63), -(2**53) - 1]
    ring = TimeRing(8, {"x": "i8", "u": "u8"})
    for t, value in enumerate(big):
        ring.append(t, (value, 2**64 - 1))
    ring.extend(range(4), [(value, 2**63 + 1) for value in big])
    assert xs(ring.last(8)) == big * 2
    assert plain(ring["u"]) == [2**64 - 1] * 4 + [2**63 + 1] * 4


def test_nan_is_a_value():
    """NaN and the infinities are values of a float field as any other."""
    ring = TimeRing(4, {"x": "f8", "y": "f4"})
    ring.append(0.0, (math.nan, -math.inf))
    ring.extend([1.0], np.array([[math.inf, math.nan]]))
    assert same(ring.last(4), [(0.0, math.nan, -math.inf), (1.0, math.inf, math.nan)])
