"""The checker finds what is broken, and the models answer as worked out by hand."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from ringacc.errors import RowNotFoundError
from ringacc.ring import RingBuffer
from ringacc.testing import RingModel, TimeRingModel, check, plain, same, stored
from ringacc.timering import TimeRing


class Liar:
    """A ring that answers as another one does, but for what it is told to say."""

    def __init__(self, ring, **lies):
        self.ring = ring
        self.lies = lies

    def __getattr__(self, name):
        """Return the lie, or the truth."""
        return self.lies[name] if name in self.lies else getattr(self.ring, name)

    def __len__(self):
        """Return the number of rows."""
        return self.lies.get("length", len(self.ring))

    def __array__(self, dtype=None, copy=None):
        """Return the rows."""
        return np.array(self.lies.get("array", self.ring), dtype)


def sound():
    """Return a ring that has wrapped around."""
    ring = TimeRing(4, {"x": "f8"})
    ring.extend(np.arange(6.0), np.arange(6.0)[:, None])
    check(ring)
    return ring


LIES = [
    {"trimmed": -1},
    {"trimmed": 3},
    {"written": 7},
    {"capacity": 3},
    {"maxlen": 5},
    {"is_full": False},
    {"length": 3},
    {"_slot": lambda sequence: sequence % 3},
    {"_slot": lambda sequence: 3 - sequence % 4},
    {"_slot": lambda sequence: (sequence + 1) % 4},
    {"last": lambda n: sound().last(3)},
    {"last": lambda n: sound().last(4)},
    {"since": lambda sequence: (sound().last(4), 7, 0)},
    {"since": lambda sequence: (sound().last(3), 6, 0)},
    {"health": lambda: sound().health()._replace(rows=5)},
    {"health": lambda: sound().health()._replace(largest_gap=0.5)},
    {"health": lambda: sound().health()._replace(backward=6)},
    {"health": lambda: sound().health()._replace(overwritten=3)},
]


@pytest.mark.parametrize("lies", LIES, ids=lambda lies: next(iter(lies)))
def test_check_finds_a_lie(lies):
    """Whatever does not agree with the rest is an AssertionError."""
    with pytest.raises(AssertionError):
        check(Liar(sound(), **lies))


@pytest.mark.parametrize("slot", range(8))
def test_check_finds_a_changed_byte(slot):
    """A row that differs from its mirror is found in each of the two halves."""
    ring = sound()
    rows = ring._block.rows.view("u1").reshape(8, -1)
    rows[slot, -1] ^= 1
    with pytest.raises(AssertionError, match="mirror"):
        check(ring)


def test_check_finds_a_time_that_is_none():
    """NaN among the times is found."""
    ring = sound()
    ring._block.rows["t"][...] = np.nan
    with pytest.raises(AssertionError, match="finite"):
        check(ring)


def test_check_takes_both_rings():
    """A ring that is empty, full, or of no capacity is sound."""
    for capacity in (0, 1, 3):
        for ring in (RingBuffer(capacity), TimeRing(capacity, {"x": "f8"})):
            check(ring)


def test_model_of_a_ring():
    """The model of RingBuffer holds the newest, numbered from the newest back."""
    model = RingModel(3, "i8")
    model.extend([1, 2, 3, 4])
    assert (model.rows, model.since(0)) == ([2, 3, 4], ([2, 3, 4], 4, 1))
    model.pop()
    model.appendleft(9)
    assert (model.rows, model.written, model.trimmed) == ([9, 2, 3], 5, 2)
    model.extendleft([5, 6])
    assert model.rows == [5, 6, 9]


def test_model_of_a_timering():
    """The model of TimeRing answers for times that repeat and go back."""
    model = TimeRingModel(5, {"x": "f4"})
    model.extend([0.0, 1.0, 1.0, 3.0, 2.0, 2.5], [[x] for x in range(6)])
    assert [row[1] for row in model.rows] == [1, 2, 3, 4, 5]
    assert model["t"] == [1.0, 1.0, 3.0, 2.0, 2.5]
    assert [row[1] for row in model.window(0.5)] == [3, 4, 5]
    assert [row[1] for row in model.between(2.0, 2.5)] == [4, 5]
    wanted = {
        ("previous", 1.5): 2,
        ("previous", 1.0): 2,
        ("next", 1.0): 1,
        ("next", 1.5): 4,
        ("next", 2.75): 3,
        ("nearest", 1.5): 1,
        ("nearest", 1.75): 4,
        ("nearest", 99.0): 3,
        ("nearest", -99.0): 1,
        ("linear", 1.5): 3.0,
        ("linear", 1.0): 2.0,
        ("linear", 2.625): 4.5,
    }
    assert {(how, t): model.at(t, how)[1] for how, t in wanted} == wanted
    for how, t in (("previous", 0.5), ("next", 3.5), ("linear", 3.5)):
        with pytest.raises(RowNotFoundError):
            model.at(t, how)
    with pytest.raises(RowNotFoundError):
        model.at(1.5, "nearest", 0.25)
    assert model.health() == (6, 1, 1, 2.0, 1, 0)
    assert model.fps(3) == 0.0
    assert model.fps(2) == 2.0
    model.trim_before(2.5)
    assert [row[1] for row in model.rows] == [3, 4, 5]


def test_same_tells_zeros_apart_and_takes_nan_for_nan():
    """Rows are compared as they read: 0.0 is not -0.0, 1 is not 1.0, NaN is NaN."""
    assert same(np.array([np.nan, 1.0]), [np.nan, 1.0])
    assert not same(np.array([0.0]), [-0.0])
    assert not same(np.array([1]), [1.0])
    assert plain(np.zeros(1, [("p", "f8", (2,)), ("n", "i4")])) == [([0.0, 0.0], 0)]


def test_stored_rounds_as_the_field_does():
    """A value reads as its field holds it, in structures and sub-arrays too."""
    assert stored([("p", "f4", (2,)), ("n", "i4")], ((1 / 3, True), 7)) == ([0.3333333432674408, 1.0], 7)
    assert stored((float, 2), [1, np.True_]) == [1.0, 1.0]


def test_works_without_hypothesis():
    """Only the strategies need hypothesis, and say so."""
    code = (
        "import sys; sys.modules['hypothesis'] = None\n"
        "from ringacc.testing import RingModel, TimeRingModel, check, times\n"
        "RingModel(3).append(1)\n"
        "try:\n    times()\n"
        "except ImportError as error:\n    assert 'ringacc[test]' in str(error)\n"
        "else:\n    raise SystemExit('no error')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
