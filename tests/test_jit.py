"""The rings inside a user's own jitted loop: the same rows and answers as from Python."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import namedtuple

import numba
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numba import njit
from numba.core.errors import NumbaError

from ringacc.jit import append, fps, last, window
from ringacc.testing import TimeRingModel, check, same, times
from ringacc.timering import TimeRing

REFUSED = (NumbaError, TypeError, ValueError, OverflowError)
Tail = namedtuple("Tail", ["x", "n", "ok"])


@njit
def append_mixed(ring, times, xs, ns, oks):
    """Append rows of a float, an integer and a bool."""
    for k in range(len(times)):
        append(ring, times[k], (xs[k], ns[k], oks[k]))


@njit
def append_named(ring, times, xs, ns, oks):
    """Append rows that are namedtuples."""
    for k in range(len(times)):
        append(ring, times[k], Tail(xs[k], ns[k], oks[k]))


@njit
def append_one(ring, t, row):
    """Append a row."""
    append(ring, t, row)


@njit
def append_numbers(ring, times):
    """Append rows of one number."""
    for k in range(len(times)):
        append(ring, times[k], (k,))


@njit
def last_rows(ring, n):
    """Return the count of the last rows and the sum of their x."""
    rows = last(ring, n)
    total = 0.0
    for k in range(len(rows)):
        total += rows[k]["x"]
    return len(rows), total


@njit
def bounds(ring, seconds):
    """Return the bounds of a window."""
    return window(ring, seconds)


@njit
def rate(ring, points):
    """Return the rate."""
    return fps(ring, points)


@njit
def window_times(ring, seconds):
    """Return the times of the window, read from the rows of the handle."""
    start, stop = window(ring, seconds)
    found = np.empty(stop - start)
    for k in range(start, stop):
        found[k - start] = ring.rows[k]["t"]
    return found


@njit
def closed_loop(ring, count):
    """Append and ask in turn, as a tracking loop does; return the sum of the answers."""
    total = 0
    for k in range(count):
        append(ring, k / 100.0, (k * 0.5, k, k % 3 == 0))
        start, stop = window(ring, 0.05)
        total += stop - start + len(last(ring, 4))
    return total


def mixed(capacity):
    """Return a ring of a float, an integer and a bool."""
    return TimeRing(capacity, {"x": "f8", "n": "i8", "ok": "?"})


def columns(count):
    """Return times, floats, integers and bools."""
    k = np.arange(count)
    return k / 128, k * 0.5, k - 5, k % 3 == 0


@pytest.mark.parametrize("capacity", [0, 1, 3, 7, 100])
@pytest.mark.parametrize("fill", [append_mixed, append_named])
def test_rows_are_those_of_a_python_loop(capacity, fill):
    """A jitted loop writes what append from Python writes, and counts it."""
    one, other = mixed(capacity), mixed(capacity)
    fill(one.jit, *columns(20))
    for t, *row in zip(*columns(20), strict=True):
        other.append(t, tuple(row))
    assert one.last(99).tobytes() == other.last(99).tobytes()
    assert one.health() == other.health()
    assert (one.written, one.trimmed) == (other.written, other.trimmed)
    check(one)


def test_handle_sees_what_python_does_and_the_other_way():
    """The handle that was taken before speaks of the same ring after appends, trims, clear."""
    ring = mixed(5)
    handle = ring.jit
    ring.append(1.0, (0.5, 1, True))
    append_mixed(handle, *columns(2))
    ring.append(2.0, (1.5, 1, True))
    assert ring["x"].tolist() == [0.5, 0.0, 0.5, 1.5]
    assert last_rows(handle, 2) == (2, 2.0)
    ring.trim_to(1)
    assert last_rows(handle, 9) == (1, 1.5)
    ring.clear()
    assert last_rows(handle, 9) == (0, 0.0)
    append_mixed(handle, *columns(3))
    assert ring["n"].tolist() == [-5, -4, -3]
    check(ring)


def test_handle_is_a_plain_namedtuple_of_arrays():
    """Numba takes the handle as it is: a namedtuple of arrays."""
    handle = mixed(5).jit
    assert isinstance(handle, tuple)
    assert handle.rows.shape == (10,)
    assert all(isinstance(part, np.ndarray) for part in handle)


@settings(max_examples=60, deadline=None)
@given(
    ts=times(max_size=14),
    capacity=st.integers(0, 6),
    seconds=st.sampled_from((0.0, 0.002, 1.0, 7.5, 1e9, np.inf)),
    points=st.integers(2, 8),
    n=st.integers(0, 8),
)
def test_answers_are_those_of_the_model(ts, capacity, seconds, points, n):
    """last, window and fps inside a jitted loop answer by their definitions."""
    ring, model = TimeRing(capacity, {"x": "i8"}), TimeRingModel(capacity, {"x": "i8"})
    append_numbers(ring.jit, np.array(ts, float))
    model.extend(ts, [(k,) for k in range(len(ts))])
    assert same(np.asarray(ring), model.rows)
    assert ring.health() == model.health()
    newest = [row[1] for row in model.last(n)]
    assert last_rows(ring.jit, n) == (len(newest), sum(newest))
    assert rate(ring.jit, points) == model.fps(points)
    if model["t"] == sorted(model["t"]):
        start, stop = bounds(ring.jit, seconds)
        assert same(ring.jit.rows[start:stop], model.window(seconds))
        assert same(window_times(ring.jit, seconds), [row[0] for row in model.window(seconds)])
    else:
        with pytest.raises(ValueError, match="order"):
            bounds(ring.jit, seconds)
    check(ring)


def test_closed_loop():
    """Appends and look-ups in turn: five or six rows a window, four a last."""
    ring, model, total = mixed(50), TimeRingModel(50, {"x": "f8", "n": "i8", "ok": "?"}), 0
    for k in range(120):
        model.append(k / 100.0, (k * 0.5, k, k % 3 == 0))
        total += len(model.window(0.05)) + len(model.last(4))
    assert closed_loop(ring.jit, 120) == total
    assert same(np.asarray(ring), model.rows)
    check(ring)


def test_values_take_the_type_of_their_field():
    """Each value is written as its field's type: rounded, widened, exact at the extremes."""
    fields = {"f4": "f4", "f8": "f8", "i2": "i2", "u1": "u1", "u8": "u8", "i8": "i8", "b": "?"}
    ring = TimeRing(4, fields)
    row = (1 / 3, np.float32(0.1), np.int16(-32768), np.uint8(255), np.uint64(2**64 - 1))
    append_one(ring.jit, 0.5, (*row, np.int64(-(2**63)), True))
    append_one(ring.jit, 1, (np.int64(7), 2, np.int8(-3), np.uint8(0), np.uint8(9), True, False))
    want = TimeRing(4, fields)
    want.append(0.5, (*row, -(2**63), True))
    want.append(1.0, (7, 2, -3, 0, 9, 1, False))
    assert same(ring.last(2), want.last(2))
    assert ring.last(2)["i8"].tolist() == [-(2**63), 1]
    assert ring.last(2)["u8"].tolist() == [2**64 - 1, 9]
    check(ring)


BAD = [
    (1.0, 2),
    (1.0, 2, True, 4),
    (),
    (1.0, 2.5, True),
    (1.0, 2, 1.0),
    (1.0, 2, 1),
    ("x", 2, True),
    (1.0, "2", True),
    (1j, 2, True),
    (None, 2, True),
]


@pytest.mark.parametrize("row", BAD, ids=repr)
def test_row_that_does_not_fit_is_refused(row):
    """Another number of values, or of another kind, is an error, and nothing is written."""
    ring = mixed(4)
    append_one(ring.jit, 0.5, (0.5, 1, True))
    before = ring.last(9).tobytes()
    with pytest.raises(REFUSED):
        append_one(ring.jit, 1.0, row)
    assert ring.last(9).tobytes() == before
    assert (ring.written, ring.trimmed) == (1, 0)
    check(ring)


@pytest.mark.parametrize("t", [np.nan, np.inf, -np.inf])
def test_time_that_is_none_is_refused(t):
    """NaN or an infinity as a time is an error, and nothing is written."""
    ring = mixed(4)
    append_one(ring.jit, 0.5, (0.5, 1, True))
    with pytest.raises(ValueError, match="time"):
        append_one(ring.jit, t, (0.5, 1, True))
    assert (ring.written, ring["t"].tolist()) == (1, [0.5])
    check(ring)


@pytest.mark.parametrize(
    ("kind", "value"),
    [("u1", 256), ("u1", -1), ("i2", 40000), ("i4", -(2**31) - 1), ("u8", -1), ("i8", np.uint64(2**63)), ("f4", 1e300)],
)
def test_number_out_of_range_is_refused(kind, value):
    """A number that its field cannot hold is an error, and nothing is written."""
    ring = TimeRing(4, {"first": "f8", "x": kind})
    with pytest.raises(ValueError, match=r".*"):
        append_one(ring.jit, 0.5, (1.0, value))
    assert (ring.written, len(ring)) == (0, 0)
    check(ring)


CACHED = """
import sys
from numba import njit
from ringacc.jit import append, fps
from ringacc.timering import TimeRing

@njit(cache=True)
def fill(ring, count):
    for k in range(count):
        append(ring, k / 100.0, (k * 0.5, k, True))
    return fps(ring, 10)

if __name__ == "__main__":
    ring = TimeRing(5, {"x": "f8", "n": "i8", "ok": "?"})
    rate = fill(ring.jit, 12)
    print(ring["n"].tolist(), round(rate), sum(fill.stats.cache_hits.values()))
"""


@pytest.mark.long
@pytest.mark.skipif(bool(numba.config.DISABLE_JIT), reason="nothing is compiled")
def test_loop_can_be_cached(tmp_path):
    """A loop with cache=True is compiled once, and right when it comes from the cache."""
    script = tmp_path / "cached.py"
    script.write_text(CACHED)
    paths = os.pathsep.join([os.getcwd(), os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path), "PYTHONPATH": paths}
    said = [
        subprocess.run(
            [sys.executable, script], env=environment, capture_output=True, text=True, check=True
        ).stdout.strip()
        for _ in range(2)
    ]
    assert said == ["[7, 8, 9, 10, 11] 100 0", "[7, 8, 9, 10, 11] 100 1"]


def test_look_ups_refuse_what_python_refuses():
    """A negative count, a negative window, a rate over one point: an error."""
    ring = mixed(4)
    append_mixed(ring.jit, *columns(3))
    for ask, wrong in ((last_rows, -1), (bounds, -1.0), (bounds, np.nan), (rate, 1), (rate, -5)):
        with pytest.raises(ValueError, match="expected"):
            ask(ring.jit, wrong)
