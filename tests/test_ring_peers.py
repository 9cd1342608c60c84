"""RingBuffer in the place of numpy_ringbuffer and dvg_ringbuffer: the same calls, the same answers."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ringacc.errors import RingFullError
from ringacc.ring import RingBuffer
from ringacc.testing import check, plain

PEERS = ["numpy_ringbuffer", "dvg_ringbuffer"]
VALUES = st.integers(-100, 100)
CALLS = st.one_of(
    st.tuples(st.sampled_from(["append", "appendleft"]), VALUES),
    st.tuples(st.sampled_from(["extend", "extendleft"]), st.lists(VALUES, max_size=9)),
    st.tuples(st.sampled_from(["pop", "popleft"])),
    st.tuples(st.just("__getitem__"), st.integers(-6, 6)),
    st.tuples(st.just("__getitem__"), st.slices(6)),
    st.tuples(st.just("__getitem__"), st.lists(st.integers(-6, 6), min_size=1, max_size=3)),
)


def outcome(ring, call):
    """Return what a call gives, or the builtin of the error that it raises."""
    name, *arguments = call
    try:
        return np.array(getattr(ring, name)(*arguments)).tolist()
    except IndexError:
        return IndexError


@pytest.mark.parametrize("peer", PEERS)
@settings(max_examples=150, deadline=None)
@given(
    capacity=st.integers(0, 5),
    dtype=st.sampled_from([float, int, "f4"]),
    allow_overwrite=st.booleans(),
    calls=st.lists(CALLS, max_size=25),
)
def test_same_calls_same_answers(peer, capacity, dtype, allow_overwrite, calls):
    """A script of calls gives the same with the import changed, but for the peers' faults."""
    theirs = pytest.importorskip(peer).RingBuffer(capacity, dtype, allow_overwrite)
    ours = RingBuffer(capacity, dtype, allow_overwrite)
    for call in calls:
        name, size = call[0], len(ours)
        if peer == "numpy_ringbuffer":
            # It reads past its rows, counts back from the end of its memory unless it is full,
            # and ignores a block that is longer than it while it is empty.
            positions = np.asarray(call[1]) if name == "__getitem__" else np.array([])
            least = -size if ours.is_full else 0
            if positions.dtype == int and not np.all((positions >= least) & (positions < size)):
                continue
            if name.startswith("extend") and size == 0 and len(call[1]) > capacity:
                continue
        assert outcome(ours, call) == outcome(theirs, call), call
        assert plain(np.asarray(ours)) == plain(theirs[:])
        assert list(ours) == list(theirs)
        assert (len(ours), ours.shape, ours.is_full) == (len(theirs), theirs.shape, theirs.is_full)
        assert (ours.maxlen, ours.dtype) == (theirs.maxlen, theirs.dtype)


@pytest.mark.parametrize("peer", PEERS)
@pytest.mark.parametrize("dtype", [(float, 2), (int, (2, 2))], ids=str)
def test_same_answers_for_sub_arrays(peer, dtype):
    """Items of a sub-array dtype behave the same with the import changed."""
    theirs = pytest.importorskip(peer).RingBuffer(4, dtype)
    ours = RingBuffer(4, dtype)
    rows = np.arange(7 * np.prod(np.dtype(dtype).shape)).reshape(7, *np.dtype(dtype).shape)
    for ring in (ours, theirs):
        ring.append(rows[0])
        ring.extend(rows[1:6])
        ring.appendleft(rows[6])
        ring.popleft()
        ring.extendleft(rows[:2])
    for key in (0, -1, slice(1, 3), (0, 1), (slice(None), 0), (slice(None), 0, ...), [0, 2]):
        assert np.array_equal(ours[key], np.array(theirs[key])), key
    assert ours.shape == theirs.shape
    assert ours.dtype == theirs.dtype


@pytest.mark.parametrize("peer", PEERS)
def test_every_public_name_is_there(peer):
    """Whatever a peer's ring has, ours has too."""
    theirs = pytest.importorskip(peer).RingBuffer
    names = {name for name in dir(theirs) if not name.startswith("_")}
    assert names <= set(dir(RingBuffer))


@pytest.mark.parametrize("way", [copy.deepcopy, lambda ring: pickle.loads(pickle.dumps(ring))], ids=["copy", "pickle"])
def test_copies_are_apart(way):
    """A ring that is copied, or pickled on its way to another process, has the rows and none of the memory."""
    ring = RingBuffer(3, [("x", "f8")], allow_overwrite=False)
    ring.extend([(1,), (2,), (3,)])
    ring.popleft()
    other = way(ring)
    assert plain(np.asarray(other)) == [(2.0,), (3.0,)]
    assert (other.written, other.trimmed, other.maxlen) == (3, 1, 3)
    other.append((4,))
    with pytest.raises(RingFullError):
        other.append((5,))
    assert plain(np.asarray(ring)) == [(2.0,), (3.0,)]
    check(other)
