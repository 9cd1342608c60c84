"""RingBuffer driven by hypothesis against collections.deque and the slow model, step by step."""

from __future__ import annotations

from collections import deque

import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from ringacc.errors import RingEmptyError, RingFullError
from ringacc.ring import RingBuffer
from ringacc.testing import RingModel, check, dtypes, misfits, plain, same, stored, values

CAPACITIES = (0, 1, 2, 3, 7)
WITHIN = st.integers(-9, 9)
SLICES = st.slices(8) | st.slices(3)


def array_of(rows, dtype):
    """Return rows of plain objects as an array, filled one row at a time."""
    array = np.zeros(len(rows), dtype)
    for position, row in enumerate(rows):
        array[position] = row
    return array


def keys(length):
    """Draw what NumPy takes between brackets, in and out of range."""
    inside = st.integers(-length, length - 1) if length else WITHIN
    positions = st.lists(inside, max_size=5) | st.lists(WITHIN, max_size=3)
    arrays = st.builds(np.array, positions, dtype=st.sampled_from(("i8", "i4")))
    masks = st.lists(st.booleans(), min_size=length, max_size=length).map(lambda mask: np.array(mask, bool))
    whole = st.sampled_from(((), ..., None, (..., 0), (slice(None), None)))
    return st.one_of(WITHIN, WITHIN.map(np.int64), SLICES, positions, arrays, masks, whole, st.tuples(SLICES))


class RingMachine(RuleBasedStateMachine):
    """Three rings that must agree: ours, a deque, the model; and the views that are still valid."""

    @initialize(
        dtype=dtypes(), capacity=st.sampled_from(CAPACITIES), allow_overwrite=st.sampled_from((True, True, False))
    )
    def build(self, dtype, capacity, allow_overwrite):
        """Make the three."""
        self.dtype = dtype
        self.allow_overwrite = allow_overwrite
        self.ring = RingBuffer(capacity, dtype, allow_overwrite)
        self.deque = deque(maxlen=capacity)
        self.model = RingModel(capacity, dtype, allow_overwrite)
        self.views = []

    def room_for(self, count):
        """Return whether the ring may take so many more."""
        return self.allow_overwrite or len(self.deque) + count <= self.deque.maxlen

    def spend(self, appends):
        """Keep the views that stay valid through so many more appends."""
        self.views = [(view, rows, left - appends) for view, rows, left in self.views]
        self.views = [kept for kept in self.views if kept[2] >= 0]

    @rule(data=st.data())
    def append(self, data):
        """Append a value."""
        value = data.draw(values(self.dtype), "append")
        if not self.room_for(1):
            with pytest.raises(RingFullError):
                self.ring.append(value)
            return
        assert self.ring.append(value) is None
        self.deque.append(stored(self.dtype, value))
        self.model.append(value)
        self.spend(1)

    @rule(data=st.data())
    def append_left(self, data):
        """Append a value on the left."""
        value = data.draw(values(self.dtype), "appendleft")
        if not self.room_for(1):
            with pytest.raises(RingFullError):
                self.ring.appendleft(value)
            return
        self.ring.appendleft(value)
        self.deque.appendleft(stored(self.dtype, value))
        self.model.appendleft(value)
        self.views = []

    @rule(data=st.data(), left=st.booleans(), as_array=st.booleans())
    def extend(self, data, left, as_array):
        """Extend by a block, longer than the capacity too, as a list or as an array."""
        size = 2 * self.deque.maxlen + 2
        block = data.draw(st.lists(values(self.dtype), max_size=size), "extend")
        rows = [stored(self.dtype, value) for value in block]
        given = array_of(rows, self.dtype) if as_array else block
        extend = self.ring.extendleft if left else self.ring.extend
        if not self.room_for(len(block)):
            with pytest.raises(RingFullError):
                extend(given)
            return
        extend(given)
        if left:
            self.deque.extendleft(reversed(rows))
            self.model.extendleft(block)
            self.views = []
        else:
            self.deque.extend(rows)
            self.model.extend(block)
            self.spend(len(block))

    @rule(left=st.booleans())
    def pop(self, left):
        """Pop from either end."""
        pop = self.ring.popleft if left else self.ring.pop
        if not self.deque:
            with pytest.raises(RingEmptyError):
                pop()
            return
        got = pop()
        want = self.deque.popleft() if left else self.deque.pop()
        assert same(got, want)
        assert same(self.model.popleft() if left else self.model.pop(), want)
        if not left:
            self.views = []

    @rule()
    def clear(self):
        """Drop all."""
        self.ring.clear()
        self.deque.clear()
        self.model.clear()
        self.views = []

    @rule(data=st.data(), how=st.sampled_from(("append", "appendleft", "extend", "extendleft")))
    def refuse(self, data, how):
        """Offer a value that no field holds, alone or behind a good one: nothing is written."""
        if not self.room_for(2):
            return
        bad, error = data.draw(misfits(self.dtype), how)
        good = data.draw(values(self.dtype), "good")
        with pytest.raises(error):
            getattr(self.ring, how)([good, bad] if how.startswith("extend") else bad)

    @rule(data=st.data())
    def get_item(self, data):
        """Index as NumPy would index the logical array."""
        array = array_of(list(self.deque), self.dtype)
        key = data.draw(keys(len(array)), "key")
        before = key.copy() if isinstance(key, np.ndarray) else None
        try:
            want = array[key]
        except IndexError:
            with pytest.raises(IndexError):
                self.ring[key]
        else:
            got = self.ring[key]
            assert same(got, want)
            assert np.shape(got) == np.shape(want)
            assert not np.shares_memory(got, self.ring.last(len(self.ring)))
        if before is not None:
            assert np.array_equal(key, before)

    @rule(data=st.data())
    def search(self, data):
        """Look for a value that is there, or any value; of items that are scalars."""
        if np.dtype(self.dtype).subdtype is not None or np.dtype(self.dtype).names is not None:
            return
        live = [plain(row) for row in self.ring]
        row = data.draw(st.sampled_from(live) if live else values(self.dtype), "value")
        row = stored(self.dtype, row)
        assert (row in self.ring) == any(row == other for other in self.deque)
        assert self.ring.count(row) == sum(row == other for other in self.deque)
        if row in live:
            assert self.ring.index(row) == live.index(row)
        elif row == row:
            with pytest.raises(ValueError, match=r".*"):
                self.ring.index(row)

    @rule(n=st.integers(0, 9))
    def last(self, n):
        """Take a view of the newest rows and keep it for as long as it is valid."""
        view = self.ring.last(n)
        rows = list(self.deque)[max(0, len(self.deque) - n) :]
        assert same(view, rows)
        if rows:
            self.views.append((view, rows, self.deque.maxlen - len(rows)))

    @rule(data=st.data())
    def since(self, data):
        """Read on from a sequence number."""
        sequence = data.draw(st.integers(0, self.model.written), "sequence")
        rows, following, missed = self.ring.since(sequence)
        want = self.model.since(sequence)
        assert same(rows, want[0])
        assert (following, missed) == want[1:]
        with pytest.raises(ValueError, match="sequence"):
            self.ring.since(self.model.written + 1)

    @invariant()
    def agree(self):
        """All three hold the same, valid views are unchanged, and the ring is sound."""
        check(self.ring)
        assert same(np.asarray(self.ring), list(self.deque))
        assert same(list(self.ring), list(self.deque))
        assert self.model.rows == list(self.deque) or same(self.model.rows, list(self.deque))
        assert (self.ring.written, self.ring.trimmed) == (self.model.written, self.model.trimmed)
        for view, rows, _ in self.views:
            assert same(view, rows)


QUIET = [HealthCheck.too_slow, HealthCheck.data_too_large]


def test_ring_agrees_with_deque_and_model():
    """Whatever is done to it, the ring holds what a deque of its length would hold."""
    run_state_machine_as_test(
        RingMachine,
        settings=settings(max_examples=120, stateful_step_count=30, deadline=None, suppress_health_check=QUIET),
    )


@pytest.mark.long
def test_ring_agrees_with_deque_and_model_for_long():
    """The same over many and longer histories."""
    run_state_machine_as_test(
        RingMachine,
        settings=settings(max_examples=3000, stateful_step_count=100, deadline=None, suppress_health_check=QUIET),
    )
