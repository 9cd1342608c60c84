"""Envelopes: the least and the greatest values of bins that are fixed in the sequence of rows."""

from __future__ import annotations

import math
from collections import namedtuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ringacc import EstimatorLog, TimeRing, lookups
from ringacc.envelopes import shift_for
from ringacc.kernels.compile import JIT
from ringacc.kernels.envelope import fold_bins
from ringacc.testing import TimeRingModel, plain, same, stored

KINDS = ("f8", "f4", "f2", "g", "i8", "i4", "i2", "i1", "u8", "u4", "u2", "u1", "?")
WIDTH = 4  # of the bins of 16 rows in six points, wherever they begin


def numbered(capacity, number, first=0, **more):
    """Return a ring of the rows (n, n, -n), and the fields that ``more`` says, with values of zero."""
    ring = TimeRing(capacity, {"x": "f8", "y": "i8", **more})
    rows = np.zeros(number, ring.dtype)
    rows["t"] = rows["x"] = np.arange(first, first + number)
    rows["y"] = -rows["x"]
    ring.extend(rows)
    return ring


# Which bins there are -------------------------------------------------------------------------------------------------


@given(rows=st.integers(1, 300), points=st.integers(2, 40), first=st.integers(0, 300))
def test_there_are_never_more_bins_than_points(rows, points, first):
    """The width is the smallest with which that is so wherever rows begin."""
    width = 2 ** shift_for(rows, points)

    def bins(start, width):
        return (start + rows - 1) // width - start // width + 1

    assert bins(first, width) <= points
    assert width == 1 or max(bins(start, width // 2) for start in range(width)) > points


def test_bins_are_those_worked_out_by_hand():
    """Rows 3 to 12 in four points: bins of four rows, of which the first and the last have one each."""
    ring = numbered(10, 13)
    bins = ring.envelope(math.inf, 4)

    assert bins.shape == (4, 2)
    assert plain(bins["x"]) == [[3, 3], [4, 7], [8, 11], [12, 12]]
    assert plain(bins["y"]) == [[-3, -3], [-7, -4], [-11, -8], [-12, -12]]
    assert plain(bins["t"]) == plain(bins["x"])
    assert plain(ring.envelope(4.0, 5)["x"]) == [[n, n] for n in range(8, 13)]
    assert plain(ring.envelope(math.inf, 1)["x"]) == [[3, 12]]


def test_trace_that_scrolls_does_not_flicker():
    """While rows come and go, a bin only changes as it is filled and as it falls off the old end."""
    ring, seen = numbered(16, 16), {}
    for n in range(16, 500):
        ring.append(n, (n, -n))
        bins = ring.envelope(math.inf, 6)["x"].astype(int)
        assert len(bins) in (4, 5)
        for low, high in bins[1:-1]:
            assert (low % WIDTH, high) == (0, low + WIDTH - 1)
            assert seen.setdefault(low // WIDTH, (low, high)) == (low, high)
        assert bins[0, 0] == n - 15
        assert bins[-1, 1] == n
    assert len(seen) > 100


def test_rows_that_are_far_apart_leave_bins_out():
    """While a time that goes back is in the ring, a bin without a row of the window is not there."""
    ring = numbered(100, 64)
    ring.extend([2.0] * 20, [(n, -n) for n in range(64, 84)])
    ring.append(63.0, (84, -84))

    # Of rows 63 and 84 in bins of eight, those of 64 to 79 are not there.
    assert plain(ring.envelope(0.5, 4)["x"]) == [[63, 63], [84, 84]]
    model = TimeRingModel(100, {"x": "f8", "y": "i8"})
    model.extend(plain(ring.last(100)))
    for seconds in (0.0, 1.0, 20.0, 1e9):
        for points in (1, 2, 3, 70):
            assert same(ring.envelope(seconds, points), model.envelope(seconds, points))


# What is in them ------------------------------------------------------------------------------------------------------


def values_of(kind, number, random):
    """Return values of a type, its extremes among them, and NaN."""
    dtype = np.dtype(kind)
    if dtype.kind == "b":
        return random.integers(0, 2, number).astype(bool)
    if dtype.kind == "f":
        values = random.normal(size=number).astype(dtype)
        special = [math.nan, math.inf, -math.inf, 0.0, math.nan]
        chosen = random.integers(0, 25, number)
        return np.where(chosen < 5, np.array(special, dtype)[chosen % 5], values).astype(dtype)
    limits = np.iinfo(dtype)
    values = random.integers(limits.min, limits.max, number, dtype, endpoint=True)
    values[random.integers(0, number, 4)] = limits.max
    values[random.integers(0, number, 4)] = limits.min
    return values


def expected(column, width, first=0):
    """Return minima and maxima of a column whose first row has a sequence, value by value."""
    found = []
    for number in range(first // width, (first + len(column) - 1) // width + 1):
        begin, end = max(number * width - first, 0), (number + 1) * width - first
        held = [value for value in column[begin:end].tolist() if value == value]
        found.append([min(held, default=math.nan), max(held, default=math.nan)])
    return np.array(found, column.dtype)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("columns", [1, 3, 5, 21])
def test_every_type_of_number(kind, columns):
    """Any number of columns of any type, beside text and other types, across the end of the block."""
    random = np.random.default_rng(columns)
    fields = {"at": "u1", **{f"c{n}": kind for n in range(columns)}, "note": "U3", "on": "?"}
    ring = TimeRing(50, fields)
    rows = np.zeros(73, ring.dtype)
    rows["t"], rows["note"], rows["on"], rows["at"] = np.arange(73) / 8, "abc", True, np.arange(73)
    for n in range(columns):
        rows[f"c{n}"] = values_of(kind, 73, random)
    ring.extend(rows)
    for points, width in ((50, 1), (30, 2), (5, 16), (1, 100)):
        bins = ring.envelope(math.inf, points)
        assert bins.dtype == np.dtype([(name, ring.dtype[name]) for name in ring.columns if name != "note"])
        for name in bins.dtype.names:
            assert same(bins[name], expected(rows[name][23:], width, 23))


def test_many_columns_in_no_order():
    """200 columns of all types in turn."""
    random = np.random.default_rng(0)
    ring = TimeRing(300, {f"c{n}": KINDS[(n * n) % len(KINDS)] for n in range(200)})
    rows = np.zeros(300, ring.dtype)
    rows["t"] = np.arange(300)
    for name in ring.columns[1:]:
        rows[name] = values_of(ring.dtype[name], 300, random)
    ring.extend(rows)
    bins = ring.envelope(math.inf, 10)
    assert bins.shape == (5, 2)
    for name in ring.columns:
        assert same(bins[name], expected(rows[name], 64))


def test_sub_arrays():
    """A column of several values has as many minima."""
    ring = TimeRing(8, {"eye": ("f4", (2, 2)), "half": ("f2", (3,)), "when": "M8[us]", "z": "c16"})
    for n in range(5):
        ring.append(n, ([[n, -n], [math.nan, 1]], [n, -n, 2 * n], np.datetime64("2020-01-01"), 1j))
    bins = ring.envelope(9.0, 1)
    assert bins.dtype.names == ("t", "eye", "half")
    assert same(bins["eye"][0, 0], [[0.0, -4.0], [math.nan, 1.0]])
    assert same(bins["half"][0], [[0.0, -4.0, 0.0], [4.0, 0.0, 8.0]])


def test_columns_that_lie_apart():
    """A dtype with holes between its fields: neighbours by name need not be so in memory."""
    layout = np.dtype([("t", "f8"), ("a", "u1"), ("b", "f8"), ("c", "u1"), ("d", "f4"), ("e", "f4")], align=True)
    ring = TimeRing(8, layout)
    rows = np.zeros(8, ring.dtype)
    for place, name in enumerate(ring.columns):
        rows[name] = np.arange(8) + 10 * place
    ring.extend(rows)
    assert ring.dtype.itemsize > sum(ring.dtype[name].itemsize for name in ring.columns)
    assert plain(ring.envelope(9.0, 1)) == [[(0, 10, 20, 30, 40, 50), (7, 17, 27, 37, 47, 57)]]
    ring.append(1.0, (11, 21, 31, 41, 51))
    assert plain(ring.envelope(9.0, 1)) == [[(1, 11, 21, 31, 41, 51), (7, 17, 27, 37, 47, 57)]]


def test_gaps_stay_gaps():
    """NaN is passed over beside numbers; a bin of nothing else is NaN, and so is one of one such row."""
    ring = TimeRing(8, {"x": "f8", "y": "f4"})
    ring.extend(
        range(8), [[n, math.nan if n != 5 else math.inf] for n in (math.nan, 1, math.nan, math.nan, 4, 5, 6, 7)]
    )
    assert same(ring.envelope(9.0, 5)["x"], [[1.0, 1.0], [math.nan] * 2, [4.0, 5.0], [6.0, 7.0]])
    assert same(ring.envelope(9.0, 5)["y"], [[math.nan] * 2, [math.nan] * 2, [math.inf] * 2, [math.nan] * 2])
    assert same(ring.envelope(0.0, 5)["y"], [[math.nan] * 2])


# Few rows, and bad questions ------------------------------------------------------------------------------------------


def everywhere(tmp_path):
    """Give a ring, a reader of a ring file, and an accumulator, each without rows."""
    ring, file = TimeRing(4, {"x": "f8"}), TimeRing.create(tmp_path / "tail", 4, {"x": "f8"})
    return ring, TimeRing.open(file.path), EstimatorLog()


@pytest.mark.parametrize("capacity", [0, 1, 4])
def test_no_rows(capacity):
    """No bins, of all columns that have an envelope."""
    ring = TimeRing(capacity, {"x": "f8", "note": "U4"})
    bins = ring.envelope(1.0, 10)
    assert bins.shape == (0, 2)
    assert bins.dtype.names == ("t", "x")
    ring.append(0.0, (1.0, "a"))
    ring.clear()
    assert ring.envelope(1.0, 10).shape == (0, 2)


def test_one_row_and_nothing_but_text():
    """A bin of one row; a ring of text has an envelope of its times."""
    ring = TimeRing(4, {"note": "U4"})
    ring.append(0.5, ("a",))
    assert plain(ring.envelope(0.0, 1)) == [[(0.5,), (0.5,)]]
    ring.append(0.7, ("b",))
    assert plain(ring.envelope(1.0, 1)) == [[(0.5,), (0.7,)]]


@pytest.mark.parametrize("wrong", [0, -1, -(10**30)])
def test_points_are_at_least_one(tmp_path, wrong):
    """Fewer is a ValueError that says so."""
    for source in everywhere(tmp_path):
        with pytest.raises(ValueError, match=f"expected 1 or more points, found {wrong}"):
            source.envelope(1.0, wrong)


@pytest.mark.parametrize("wrong", [True, np.True_, 10.0, "10", None, [10]])
def test_points_are_a_whole_number(tmp_path, wrong):
    """Anything else is a TypeError."""
    for source in everywhere(tmp_path):
        with pytest.raises(TypeError):
            source.envelope(1.0, wrong)


def test_seconds_are_those_of_a_window(tmp_path):
    """What no window can have is refused, of no rows, too."""
    for source in everywhere(tmp_path):
        for wrong in (-1.0, math.nan):
            with pytest.raises(ValueError, match="expected a window of 0 or more seconds"):
                source.envelope(wrong, 10)
        for wrong in ("1", None, 1j):
            with pytest.raises(TypeError):
                source.envelope(wrong, 10)


def test_points_of_any_type_of_whole_number():
    """NumPy's are fine, and one more than there can be rows."""
    ring = numbered(8, 8)
    assert same(ring.envelope(9.0, np.uint8(8)), ring.envelope(9.0, 2**70))


# Again and again ------------------------------------------------------------------------------------------------------


def test_answer_is_a_copy():
    """It may be written to, which the next answer does not know, and stays as it is."""
    ring = numbered(64, 64)
    bins = ring.envelope(math.inf, 10)
    before = plain(bins)
    again = ring.envelope(math.inf, 10)
    again["x"] = math.nan
    ring.extend(np.zeros(64, ring.dtype))
    assert plain(bins) == before
    assert plain(numbered(64, 64).envelope(math.inf, 10)) == before


@given(data=st.data())
@settings(max_examples=40)
def test_earlier_answers_do_not_show(data):
    """A ring that is asked again and again answers as one that is asked for the first time."""
    ring, model = TimeRing(64, {"x": "f4", "n": "i2"}), TimeRingModel(64, {"x": "f4", "n": "i2"})
    steps = st.sampled_from(("extend", "extend", "extend", "trim", "back"))
    for step in data.draw(st.lists(steps, min_size=1, max_size=12)):
        if step == "trim":
            left = data.draw(st.integers(0, 64), "left")
            ring.trim_to(left)
            model.trim_to(left)
        else:
            number = data.draw(st.integers(1, 100), "number") if step == "extend" else 1
            first = ring.written - 20 * (step == "back")
            x = data.draw(st.lists(st.sampled_from((math.nan, 0.5, -1.0, 7.0)), min_size=number, max_size=number))
            rows = [(stored("f4", value), (first + place) % 999) for place, value in enumerate(x)]
            ring.extend(np.arange(first, first + number, dtype=float), rows)
            model.extend(np.arange(first, first + number, dtype=float), rows)
        for _ in range(2):
            seconds = data.draw(st.sampled_from((math.inf, 40.0, 39.0, 10.0)), "seconds")
            points = data.draw(st.sampled_from((6, 7, 20)), "points")
            assert same(ring.envelope(seconds, points), model.envelope(seconds, points))


@pytest.mark.parametrize("numbers", [(150, 40), (3,), (1, 1, 1), (7, 300), (64, 1)])
def test_rows_that_go_meanwhile_are_in_no_answer(monkeypatch, tmp_path, numbers):
    """Bins that were folded from rows that are being overwritten are not there, nor are they kept for the next."""
    ring = TimeRing.create(tmp_path / "tail", 200, {"n": "i8"})
    ring.extend(np.arange(200.0), [(n,) for n in range(200)])
    tail, look_up, left = TimeRing.open(ring.path), lookups.window_slots, []

    def window_slots(block, seconds):
        found = look_up(block, seconds)
        for _ in range(left.pop(0) if left else 0):
            ring.append(ring.written, (ring.written,))
        return found

    monkeypatch.setattr(lookups, "window_slots", window_slots)
    for coming in (numbers, (), numbers, numbers, ()):
        left[:] = coming
        bins = tail.envelope(math.inf, 30)
        left.clear()
        assert same(bins["t"], bins["n"].astype(float))
        assert (bins["n"][1:, 0] == bins["n"][:-1, 1] + 1).all()
        assert bins["n"][0, 0] >= ring.trimmed
        assert same(TimeRing.open(ring.path).envelope(math.inf, 30), tail.envelope(math.inf, 30))
    ring.close()


def test_accumulators_answer_as_their_ring():
    """Of the newest segment, from its first row on."""
    log, One, Two = EstimatorLog(capacity=64), namedtuple("One", "x"), namedtuple("Two", "y on")
    for n in range(100):
        log.update_list(float(n), One(float(n)))
    bins = log.envelope(20.0, 7)
    assert len(bins) <= 7
    assert (bins["x"][0, 0], bins["x"][-1, 1]) == (79.0, 99.0)
    log.update_list(100.0, Two(-1.0, True))
    assert plain(log.envelope(20.0, 7)) == [[(100.0, -1.0, True)] * 2]


@pytest.mark.skipif(not JIT, reason="nothing is compiled")
def test_nothing_is_compiled_for_a_question():
    """There is one kernel for all dtypes and numbers of points."""
    compiled = list(fold_bins.signatures)
    for kind in KINDS:
        ring = TimeRing(8, {"x": kind})
        ring.append(0.0, (1,) if kind != "?" else (True,))
        for points in (1, 2, 1000):
            ring.envelope(1.0, points)
    assert fold_bins.signatures == compiled
    assert len(compiled) == 1
