"""TimeRing: what can be asked about rows by their time: windows, one row, the rate."""

from __future__ import annotations

import math
from itertools import product

import numpy as np
import pytest

from ringacc.errors import RowNotFoundError
from ringacc.testing import TimeRingModel, plain
from ringacc.timering import TimeRing


def numbered(capacity, ts):
    """Return a ring of the rows (t, 0), (t, 1), ... at these times."""
    ring = TimeRing(capacity, {"x": "i8"})
    for x, t in enumerate(ts):
        ring.append(t, (x,))
    return ring


def xs(rows):
    """Return the numbers of these rows."""
    return rows["x"].tolist()


# Every small ring ----------------------------------------------------------------------------------------------------


def answer(ring, name, *arguments):
    """Return what a look-up gives as plain rows, or that no row fits."""
    try:
        return plain(getattr(ring, name)(*arguments))
    except RowNotFoundError:
        return None


@pytest.mark.parametrize("capacity", [1, 2, 3, 5])
@pytest.mark.parametrize("blocks", [False, True])
def test_every_order_of_few_times(capacity, blocks):
    """Whatever the order of four times out of three, each look-up answers by its definition."""
    moments = (-0.5, 0.0, 0.25, 0.5, 1.0, 1.75, 2.0, 2.5)
    questions = [("window", seconds) for seconds in (0.0, 0.5, 1.0, 2.0)]
    questions += [("between", t0, t1) for t0 in moments for t1 in moments[::3]]
    questions += [("at", t, how) for t in moments for how in ("previous", "next", "nearest", "linear")]
    questions += [("fps", points) for points in (2, 3)]
    for ts in product((0.0, 1.0, 2.0), repeat=4):
        ring, model = numbered(capacity, [] if blocks else ts), TimeRingModel(capacity, {"x": "i8"})
        if blocks:
            ring.extend(ts[:2], [[0], [1]])
            ring.extend(ts[2:], [[2], [3]])
        model.extend(ts, [(x,) for x in range(4)])
        assert ring.health() == model.health()
        for question in questions:
            assert answer(ring, *question) == answer(model, *question), (ts, question)
        for t in moments:
            ring, model = numbered(capacity, ts), TimeRingModel(capacity, {"x": "i8"})
            model.extend(ts, [(x,) for x in range(4)])
            ring.trim_before(t)
            model.trim_before(t)
            assert plain(ring.last(9)) == model.last(9)


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


@pytest.mark.parametrize(("how", "t"), [("previous", 0.9), ("next", 8.1), ("linear", 0.9), ("linear", 8.1)])
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
        with pytest.raises(RowNotFoundError, match=r"empty|no row"):
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
    """The rate counts the k - 1 intervals between k rows: 300 Hz is 300 Hz."""
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
