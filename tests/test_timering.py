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


# Windows ---------------------------------------------------------------------------------------


def test_window_is_closed_at_its_far_end():
    """Rows with time >= newest - seconds, however many there are."""
    ring = numbered(100, [(k - 199) / 128 for k in range(200)])
    assert xs(ring.window(0.0)) == [199]
    assert xs(ring.window(1 / 128)) == [198, 199]
    assert xs(ring.window(math.nextafter(1 / 128, 0))) == [199]
    assert xs(ring.window(0.5)) == list(range(135, 200))
    assert xs(ring.window(99)) == xs(ring.window(math.inf)) == list(range(100, 200))


def test_window_after_a_pause():
    """A window counts from the newest row: what is older than a pause is not in it."""
    ring = numbered(10, [0.0, 0.1, 0.2, 7.0])
    assert xs(ring.window(1.0)) == [3]


def test_window_of_times_that_go_back():
    """Every row whose time is in the window is in the answer, in the order of the appends."""
    ring = numbered(10, [0.0, 5.0, 4.0, 1.0, 4.5])
    assert xs(ring.window(0.5)) == [1, 2, 4]
    assert xs(ring.between(0.5, 4.2)) == [2, 3]
    assert not ring.window(0.5).flags.writeable


def test_windows_are_views_again_when_the_step_back_has_left():
    """Rows in time order answer with views, whatever was there before them."""
    ring = numbered(4, [0.0, 5.0, 1.0, 2.0, 3.0, 4.0])
    assert np.shares_memory(ring.window(9.0), ring._block.rows)
    assert xs(ring.window(1.5)) == [4, 5]
    cleared = numbered(4, [9.0, 1.0])
    cleared.clear()
    cleared.append(2.0, (7,))
    assert np.shares_memory(cleared.window(0.0), cleared._block.rows)


def test_between_is_closed():
    """Rows with t0 <= time <= t1; none when t0 > t1."""
    ring = numbered(10, [1.0, 2.0, 2.0, 3.0])
    assert xs(ring.between(2.0, 2.0)) == [1, 2]
    assert xs(ring.between(1.0, 2.5)) == [0, 1, 2]
    assert xs(ring.between(-math.inf, math.inf)) == [0, 1, 2, 3]
    assert xs(ring.between(2.5, 1.0)) == []
    assert xs(ring.between(2.1, 2.9)) == []
    assert xs(ring.between(9.0, 10.0)) == []


@pytest.mark.parametrize("ts", [range(20), [*range(17), 3, 4, 5]], ids=["in order", "not"])
def test_windows_are_of_the_rings_dtype_and_read_only(ts):
    """Every window is a structured, contiguous, read-only array; views where rows are in order."""
    ring = numbered(8, ts)
    for rows in (ring.last(3), ring.window(2.0), ring.between(3, 5), ring.since(18)[0]):
        assert rows.dtype == ring.dtype
        assert rows.flags.c_contiguous
        assert not rows.flags.writeable
        with pytest.raises(ValueError, match="read-only"):
            rows["x"] = 1
    if list(ts) == sorted(ts):
        assert np.shares_memory(ring.window(2.0), ring._block.rows)
        assert np.shares_memory(ring.between(13, 15), ring._block.rows)


@pytest.mark.parametrize("n", [1, 3, 7, 8])
def test_view_stays_right_for_capacity_less_n_appends(n):
    """A view of n rows is unchanged by `capacity - n` more appends."""
    for written in (8, 11, 16):
        ring = numbered(8, range(written))
        views = [ring.last(n), ring.window(n - 1), ring.between(written - n, written)]
        columns = [ring["x"]] if n == 8 else []
        want = list(range(written - n, written))
        for value in range(8 - n):
            ring.append(written + value, (99,))
            assert [xs(view) for view in views] == [want] * 3
        assert [plain(column) for column in columns] == [want] * len(columns)


@pytest.mark.parametrize("seconds", [-1.0, -1e-300, math.nan, -math.inf])
def test_window_of_no_length(seconds):
    """A negative or NaN window is a ValueError, of an empty ring too."""
    for ring in (numbered(4, range(6)), numbered(4, [])):
        with pytest.raises(ValueError, match=r"seconds"):
            ring.window(seconds)


@pytest.mark.parametrize("bounds", [(math.nan, 1.0), (1.0, math.nan)])
def test_between_needs_times(bounds):
    """NaN as a bound is a ValueError."""
    with pytest.raises(ValueError, match=r"(?i)nan"):
        numbered(4, range(6)).between(*bounds)


@pytest.mark.parametrize("wrong", ["1", None, 1j, [1.0]])
def test_times_to_look_for_are_numbers(wrong):
    """A look-up with something else than a number is a TypeError."""
    ring = numbered(4, range(6))
    for call in (
        lambda: ring.window(wrong),
        lambda: ring.between(wrong, 1.0),
        lambda: ring.at(wrong),
        lambda: ring.trim_before(wrong),
        lambda: ring.last(wrong),
        lambda: ring.fps(wrong),
        lambda: ring.trim_to(wrong),
    ):
        with pytest.raises(TypeError):
            call()


# One row ---------------------------------------------------------------------------------------

REPEATED = [1.0, 2.0, 2.0, 4.0, 4.0, 8.0]


@pytest.mark.parametrize(
    ("how", "t", "want"),
    [
        ("previous", 1.0, 0),
        ("previous", 1.9, 0),
        ("previous", 2.0, 2),
        ("previous", 3.9, 2),
        ("previous", 99.0, 5),
        ("next", 0.5, 0),
        ("next", 1.1, 1),
        ("next", 2.0, 1),
        ("next", 2.1, 3),
        ("next", 8.0, 5),
        ("nearest", -99.0, 0),
        ("nearest", 1.4, 0),
        ("nearest", 1.5, 0),
        ("nearest", 1.6, 1),
        ("nearest", 2.0, 1),
        ("nearest", 3.0, 1),
        ("nearest", 3.1, 3),
        ("nearest", 6.0, 3),
        ("nearest", 99.0, 5),
    ],
)
def test_row_at_a_time(how, t, want):
    """Previous: of equals the last; next and nearest: the first; a tie: the earlier time."""
    row = numbered(9, REPEATED).at(t, how)
    assert isinstance(row, np.void)
    assert row["x"] == want
    assert row["t"] == REPEATED[want]


def test_nearest_is_the_default():
    """Without `how`, the nearest row."""
    assert numbered(4, [0.0, 1.0]).at(0.6)["x"] == 1


def test_row_is_a_copy():
    """A row that was looked up stays as it was when its slot is written again."""
    ring = numbered(2, [0.0, 1.0])
    for how in ("previous", "next", "nearest"):
        row = ring.at(1.0, how)
        ring.extend([2.0, 3.0], [[8], [9]])
        assert plain(row) == (1.0, 1)
        ring = numbered(2, [0.0, 1.0])


def test_linear():
    """Numbers lie on the line as float64, bool and text are the earlier row's; t is as asked."""
    fields = {"x": "f4", "n": "i8", "u": "u1", "ok": "?", "name": "U3"}
    ring = TimeRing(4, fields)
    ring.append(1.0, (0.5, -(2**40), 255, True, "a"))
    ring.append(3.0, (1.5, 2**40, 0, False, "b"))
    row = ring.at(1.5, "linear")
    assert plain(row) == (1.5, 0.75, -(2.0**39), 191.25, True, "a")
    kinds = [row.dtype[name].kind + str(row.dtype[name].itemsize) for name in fields]
    assert kinds == ["f8", "f8", "f8", "b1", "U12"]
    assert row.dtype.names == ring.columns
    assert plain(ring.at(1.0, "linear")) == (1.0, 0.5, -(2.0**40), 255.0, True, "a")
    assert plain(ring.at(3.0, "linear")) == (3.0, 1.5, 2.0**40, 0.0, False, "b")


def test_linear_at_a_repeated_time():
    """An exact hit gives a row of that time, and never a division by no time at all."""
    ring = numbered(9, REPEATED)
    assert ring.at(2.0, "linear")["x"] in (1.0, 2.0)
    assert ring.at(3.0, "linear")["x"] == 2.5
    assert ring.at(6.0, "linear")["x"] == 4.5


@pytest.mark.parametrize(
    ("how", "t"), [("previous", 0.9), ("next", 8.1), ("linear", 0.9), ("linear", 8.1)]
)
def test_no_row_fits(how, t):
    """Before the first or after the last row: a LookupError that says what is there."""
    with pytest.raises(RowNotFoundError) as caught:
        numbered(9, REPEATED).at(t, how)
    assert isinstance(caught.value, LookupError)
    assert "1.0" in str(caught.value) or "8.0" in str(caught.value)
    assert str(t) in str(caught.value)


@pytest.mark.parametrize("how", ["previous", "next", "nearest", "linear"])
def test_no_row_at_all(how):
    """An empty ring has no row at any time."""
    for ring in (numbered(4, []), numbered(0, [1.0])):
        with pytest.raises(RowNotFoundError, match="empty|no row"):
            ring.at(1.0, how)


def test_tolerance():
    """A row is given up to the tolerance and not beyond it."""
    ring = numbered(4, [0.0, 1.0, 5.0])
    assert ring.at(1.5, tolerance=0.5)["x"] == 1
    assert ring.at(1.0, tolerance=0.0)["x"] == 1
    assert ring.at(3.0, "previous", tolerance=2.0)["x"] == 1
    assert ring.at(3.0, "next", tolerance=math.inf)["x"] == 2
    for how in ("previous", "next", "nearest", "linear"):
        with pytest.raises(RowNotFoundError, match=r"1\.9"):
            ring.at(3.0, how, tolerance=1.9)
    with pytest.raises(RowNotFoundError):
        ring.at(1.5, tolerance=math.nextafter(0.5, 0))


@pytest.mark.parametrize("tolerance", [-1.0, math.nan])
def test_tolerance_that_is_none(tolerance):
    """A negative or NaN tolerance is a ValueError."""
    with pytest.raises(ValueError, match="tolerance"):
        numbered(4, [0.0]).at(0.0, tolerance=tolerance)


@pytest.mark.parametrize("how", ["Nearest", "", "after", None, 1])
def test_unknown_how(how):
    """A way to look up that does not exist is a ValueError that names the four, never a row."""
    for ring in (numbered(4, [0.0]), numbered(4, [])):
        with pytest.raises(ValueError, match="previous") as caught:
            ring.at(0.0, how)
        for known in ("previous", "next", "nearest", "linear"):
            assert known in str(caught.value)


@pytest.mark.parametrize("t", [math.nan, math.inf, -math.inf])
def test_row_at_no_time(t):
    """NaN and the infinities are near to nothing: a ValueError."""
    with pytest.raises(ValueError, match=str(t)):
        numbered(4, [0.0]).at(t)


# Rate ------------------------------------------------------------------------------------------


def test_fps_counts_intervals():
    """k rows span k - 1 intervals: 300 Hz is 300 Hz."""
    ring = numbered(100, [k / 300 for k in range(50)])
    assert ring.fps() == pytest.approx(300, rel=1e-12)
    assert ring.fps(2) == pytest.approx(300, rel=1e-12)
    assert ring.fps(1000) == pytest.approx(300, rel=1e-12)
    assert isinstance(ring.fps(), float)


@pytest.mark.parametrize("ts", [[], [1.0], [1.0, 1.0], [2.0, 1.0]])
def test_fps_without_elapsed_time(ts):
    """Fewer than two rows, or no time between them: 0.0."""
    assert numbered(4, ts).fps() == 0.0
    assert numbered(0, ts).fps() == 0.0
    assert numbered(1, ts).fps() == 0.0


@pytest.mark.parametrize("points", [1, 0, -5])
def test_fps_needs_two_points(points):
    """A rate over fewer than two rows is a ValueError."""
    with pytest.raises(ValueError, match="points"):
        numbered(4, [0.0, 1.0]).fps(points)


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


# The numbers that matter most ------------------------------------------------------------------


@pytest.mark.parametrize("origin", [0.0, 1.5e9, -1e15, 2.0**52])
def test_clocks_of_large_magnitude(origin):
    """Times are compared as float64, and no look-up loses a row to rounding."""
    step = 0.25 if origin < 1e12 else 1.0
    ts = [origin + k * step for k in range(40)]
    ring = numbered(16, ts)
    for k in range(24, 40):
        assert ring.at(ts[k])["x"] == k
        assert xs(ring.between(ts[k], ts[-1])) == list(range(k, 40))
    assert ring.fps() == pytest.approx(1 / step)


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
