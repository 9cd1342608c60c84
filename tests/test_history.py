"""History: rows in compact blocks, oldest first, against a Python list of the same rows."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringacc import TimeRing
from ringacc.history import History
from ringacc.testing import blocks, same

DTYPE = np.dtype([("t", "f8"), ("x", "i8"), ("ok", "?")])


def rows_at(*times):
    """Return rows of these times, numbered by x."""
    return np.array([(t, x, x % 2 == 0) for x, t in enumerate(times)], DTYPE)


def flat(found):
    """Return the rows of some blocks as one list of tuples."""
    return [row for block in found for row in block.tolist()]


def holding(count, size=3):
    """Return a history of rows at 0.0, 1.0, ... in blocks of some size."""
    history, rows = History(DTYPE), rows_at(*map(float, range(count)))
    for start in range(0, count, size):
        history.add(rows[start : start + size])
    return history, rows.tolist()


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("add"), blocks(DTYPE, 6)),
        st.tuples(st.just("trim"), st.integers(0, 20)),
    ),
    max_size=12,
)


@given(steps=STEPS, data=st.data())
def test_agrees_with_a_list(steps, data):
    """Whatever is added and trimmed, every range of rows and every time finds what a list has there."""
    history, model = History(DTYPE), []
    for step, what in steps:
        if step == "add":
            stamps = what["t"].tolist()
            history.add(what, in_order=stamps == sorted(stamps))
            model += what.tolist()
        else:
            history.trim_to(what)
            model = model[max(len(model) - what, 0) :]
        assert len(history) == len(model)
        assert history.nbytes == len(model) * DTYPE.itemsize
        assert same(flat(history.rows(0, len(model))), model)
    start = data.draw(st.integers(0, len(model)))
    stop = data.draw(st.integers(start, len(model)))
    assert same(flat(history.rows(start, stop)), model[start:stop])
    known = [row[0] for row in model] or [0.0]
    time = data.draw(st.sampled_from(known) | st.floats(allow_nan=False))
    assert same(flat(history.since_time(time)), [row for row in model if row[0] >= time])


def test_empty():
    """Without rows it is empty, and adding no rows or trimming changes nothing."""
    history = History(DTYPE)
    history.add(rows_at())
    history.trim_to(0)
    assert (len(history), history.nbytes) == (0, 0)
    assert history.rows(0, 0) == history.since_time(0.0) == []


def test_keeps_a_copy():
    """What is added stays as it was, though the ring that it came from is overwritten."""
    ring = TimeRing(2, [("x", "i8"), ("ok", "?")])
    ring.extend(rows_at(0.0, 1.0))
    history = History(ring.dtype)
    history.add(ring.last(2))
    ring.extend(rows_at(5.0, 6.0))
    assert flat(history.rows(0, 2)) == [(0.0, 0, True), (1.0, 1, False)]


def test_rows_cannot_be_written_to():
    """The blocks that are given are read-only."""
    history, _ = holding(6)
    history.trim_to(5)
    for found in (history.rows(0, 5), history.since_time(0.0)):
        for block in found:
            with pytest.raises(ValueError, match="read-only"):
                block["x"] = 7


@pytest.mark.parametrize("count", [0, 1, 3, 4, 6, 10, 11, 50])
def test_trim_to(count):
    """The newest rows stay, and only their bytes."""
    history, rows = holding(11)
    taken = history.rows(2, 9)
    history.trim_to(count)
    kept = rows[max(11 - count, 0) :]
    assert len(history) == len(kept)
    assert flat(history.rows(0, len(kept))) == kept
    assert history.nbytes == len(kept) * DTYPE.itemsize
    assert flat(taken) == rows[2:9]


def test_since_time_among_times_that_go_back():
    """Rows with a time at or after the one asked for come in the order in which they were added."""
    history = History(DTYPE)
    history.add(rows_at(5.0, 1.0, 3.0))
    history.add(rows_at(0.0, 2.0))
    history.add(rows_at(3.0, 4.0))
    assert [row[:2] for row in flat(history.since_time(3.0))] == [(5.0, 0), (3.0, 2), (3.0, 0), (4.0, 1)]
    assert history.since_time(5.5) == []
    assert len(flat(history.since_time(-np.inf))) == 7


@pytest.mark.parametrize("blocks_of", [16, 1024])
def test_rows_take_little_more_than_their_bytes(blocks_of):
    """A million rows of 48 bytes take at most 1.2 x their bytes, 1.5 x in blocks of a small ring's."""
    block = np.zeros(1024, [("t", "f8"), *((name, "f8") for name in "abcde")])[:blocks_of]
    count = 1_000_000 // blocks_of
    tracemalloc.start()
    try:
        history = History(block.dtype)
        for _ in range(count):
            history.add(block)
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(history) == count * blocks_of
    assert history.nbytes <= 1.2 * count * block.nbytes
    assert held <= (1.2 if blocks_of == 1024 else 1.5) * count * block.nbytes
