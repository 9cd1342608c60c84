"""Segments: a ring and the history behind it seen as one run of rows, against a Python list of the same rows."""

from __future__ import annotations

import math
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringacc.errors import RowKindError, RowLengthError, RowNotFoundError, RowTimeError
from ringacc.segments import Segment, StoredRows
from ringacc.testing import TimeRingModel, check, same, times

FIELDS = [("x", "i8"), ("ok", "?")]
DTYPE = np.dtype([("t", "f8"), *FIELDS])
CAPACITIES = (1, 2, 3, 16, 33, 80)
EVERY_CAPACITY = pytest.mark.parametrize("capacity", CAPACITIES)


def holding(capacity, stamps):
    """Return a segment of rows at these times, numbered by x, and the model that never forgets."""
    segment, model = Segment(DTYPE, capacity), TimeRingModel(10_000, FIELDS)
    for x, t in enumerate(stamps):
        segment.append(t, (x, x % 2 == 0))
        model.append(t, (x, x % 2 == 0))
    return segment, model


def flat(found):
    """Return the rows of some blocks as one list of tuples."""
    return [row for block in found for row in block.tolist()]


@given(
    stamps=times(max_size=60).filter(lambda stamps: all(abs(t) < 1e300 for t in stamps)),
    capacity=st.sampled_from(CAPACITIES),
    kept=st.none() | st.integers(0, 60),
    more=st.integers(0, 20),
    data=st.data(),
)
def test_answers_as_a_ring_that_never_forgets(stamps, capacity, kept, more, data):
    """Whatever the ring holds, every answer is that of one ring with all rows."""
    segment, model = holding(capacity, stamps)
    if kept is not None:
        segment.trim_to(kept)
        model.trim_to(kept)
        for x in range(more):
            segment.append(x / 2, (x, True))
            model.append(x / 2, (x, True))
    rows = model.rows
    assert len(segment) == len(rows)
    check(segment.ring)
    assert same(flat(segment.blocks()), rows)
    start = data.draw(st.integers(0, len(rows)))
    stop = data.draw(st.integers(start, len(rows)))
    assert same(flat(segment.rows(start, stop)), rows[start:stop])
    count = data.draw(st.integers(0, len(rows) + 3))
    assert same(segment.last(count), model.last(count))
    seconds = data.draw(st.sampled_from((0.0, 0.002, 1.0, 1e6, math.inf)))
    assert same(segment.window(seconds), model.window(seconds))
    points = data.draw(st.integers(2, 40))
    assert segment.fps(points) == model.fps(points)
    for name in ("t", "x", "ok"):
        assert same(segment.column(name), model[name])
    t = data.draw(st.sampled_from(model["t"] or [0.0]) | st.floats(-1e16, 1e16))
    how = data.draw(st.sampled_from(("previous", "next", "nearest")))
    try:
        want = model.at(t, how)
    except RowNotFoundError:
        with pytest.raises(RowNotFoundError):
            segment.at(t, how)
    else:
        assert same(segment.at(t, how), want)


@EVERY_CAPACITY
def test_no_row_is_lost(capacity):
    """All rows are there in order, those that left the ring in the history; the ring keeps most of its room."""
    segment, model = holding(capacity, map(float, range(500)))
    assert flat(segment.blocks()) == model.rows
    assert len(segment.history) + len(segment.ring) == 500
    assert capacity - max(capacity // 16, 1) <= len(segment.ring) <= capacity
    assert segment.ring.health().overwritten == 0
    assert segment.columns == ("t", "x", "ok")
    assert "500 rows" in repr(segment)


@EVERY_CAPACITY
def test_extend_is_many_appends(capacity):
    """A block goes in as its rows would one by one, longer than the ring too."""
    segment, model = Segment(DTYPE, capacity), TimeRingModel(10_000, FIELDS)
    for size in (0, 1, 2, 7, 16, 50, 3):
        block = np.array([(len(model) + x, x, x > 2) for x in range(size)], DTYPE)
        segment.extend(block)
        model.extend(block.tolist())
        check(segment.ring)
        assert flat(segment.blocks()) == model.rows
    assert segment.ring.health() == model.health()


@EVERY_CAPACITY
@pytest.mark.parametrize("rows", [0, 1, 16, 33, 40])
def test_a_bad_row_changes_no_answer(capacity, rows):
    """A row that is refused, of a full ring too, leaves every answer as it was."""
    segment, model = holding(capacity, map(float, range(rows)))
    for bad, error in (((1.5, True), RowKindError), ((1,), RowLengthError), (("1", True), RowKindError)):
        with pytest.raises(error):
            segment.append(99.0, bad)
    with pytest.raises(RowTimeError):
        segment.append(math.nan, (1, True))
    assert flat(segment.blocks()) == model.rows
    assert same(segment.window(2.0), model.window(2.0))
    assert segment.fps(5) == model.fps(5)
    if rows:
        assert same(segment.at(rows / 2 + 0.1), model.at(rows / 2 + 0.1))
    segment.append(100.0, (7, False))
    assert segment.last(1).tolist() == [(100.0, 7, False)]
    assert len(segment) == rows + 1


def test_last_and_window_are_views_where_the_ring_has_all():
    """What lies in the ring is not copied; what reaches into the history is, and is as long."""
    segment, _ = holding(16, map(float, range(40)))
    for rows in (segment.last(5), segment.last(len(segment.ring))):
        assert not rows.flags.owndata
        assert not rows.flags.writeable
    for rows in (segment.last(40), segment.window(100.0)):
        assert rows.flags.owndata
        assert len(rows) == 40
    segment.trim_to(5)
    assert not segment.window(100.0).flags.owndata


def test_window_finds_a_late_row_among_earlier_ones():
    """A row of the window is found in the history though those on both sides of it are too old."""
    segment, model = holding(64, [1.0, 9.0, 2.0, 3.0, *[4.0] * 70, 10.0])
    assert len(segment.history) >= 4
    assert segment.window(2.0)["t"].tolist() == [9.0, 10.0]
    assert same(segment.window(6.5), model.window(6.5))


def test_close_gives_the_ring_back():
    """After close all rows are there, in the history, and a ring of no room is left."""
    segment, model = holding(16, map(float, range(40)))
    view = segment.ring.last(3)
    segment.close()
    assert segment.ring.capacity == 0
    assert flat(segment.blocks()) == model.rows
    assert segment.last(40).tolist() == model.rows
    assert view.tolist() == model.last(3)
    segment.trim_to(7)
    assert flat(segment.blocks()) == model.last(7)


def test_close_gives_the_memory_of_the_ring_back():
    """A closed segment holds little more than its rows."""
    tracemalloc.start()
    try:
        segment, _ = holding(20_000, [0.0, 1.0])
        assert tracemalloc.get_traced_memory()[0] > 40_000 * DTYPE.itemsize
        segment.close()
        assert tracemalloc.get_traced_memory()[0] < 20_000
    finally:
        tracemalloc.stop()
    assert len(segment) == 2


@pytest.mark.parametrize("kept", [0, 1, 5, 15, 16, 17, 30, 39, 40, 100])
def test_trim_to(kept):
    """The newest rows stay, first of the ring and then of the history."""
    segment, model = holding(16, map(float, range(40)))
    segment.trim_to(kept)
    assert flat(segment.blocks()) == model.last(kept)
    check(segment.ring)


def test_column_is_a_copy():
    """A column may be written to."""
    segment, _ = holding(16, map(float, range(40)))
    segment.column("x")[:] = 0
    assert segment.column("x").tolist() == list(range(40))


@given(count=st.integers(0, 40), start=st.integers(-45, 45), stop=st.integers(-45, 45), step=st.integers(-7, 7))
def test_stored_rows_index_as_a_list(count, start, stop, step):
    """Every index and slice gives what a list of the rows gives."""
    segment, model = holding(3, map(float, range(count)))
    rows = StoredRows(segment)
    assert len(rows) == count
    assert list(rows) == rows[:] == model.rows
    assert rows == model.rows
    assert rows != [*model.rows, 1]
    piece = slice(start or None, stop or None, step or None)
    assert rows[piece] == model.rows[piece]
    if -count <= start < count:
        assert rows[start] == model.rows[start]
        assert rows[start]._fields == ("t", "x", "ok")
    else:
        with pytest.raises(IndexError):
            rows[start]


def test_stored_rows_of_something_else():
    """What is made of each row is the caller's to say; without a segment there are no rows."""
    segment, _ = holding(3, [0.0, 1.0, 2.0, 3.0])
    rows = StoredRows(segment, lambda t, x, ok: x * 10)
    assert list(rows) == [0, 10, 20, 30]
    assert rows == (0, 10, 20, 30)
    assert repr(rows) == "[0, 10, 20, 30]"
    assert rows != "text"
    segment.append(4.0, (4, True))
    assert rows[-1] == 40
    nothing = StoredRows(None)
    assert len(nothing) == 0
    assert list(nothing) == nothing[:] == []
    with pytest.raises(TypeError, match="unhashable"):
        hash(rows)
