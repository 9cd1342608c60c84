"""TimeRing driven by hypothesis against the slow model, step by step."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from ringacc.errors import RowNotFoundError, RowTimeError
from ringacc.testing import TimeRingModel, blocks, check, fields, misfits, plain, same, time_after, times, values
from ringacc.timering import TimeRing

CAPACITIES = (0, 1, 2, 3, 8)
SECONDS = st.sampled_from((0.0, 1e-9, 0.002, 0.5, 1.0, 7.5, 1e9, math.inf)) | st.floats(min_value=0)
ANY_TIME = st.floats(allow_nan=False, allow_infinity=False)
NO_TIMES = (math.nan, math.inf, -math.inf, np.float64("nan"), np.float32("inf"))
SMOOTH = 1e300  # above it, differences of two finite floats may not be finite


def close(got, want, before, after):
    """Return whether an interpolated row is the exact one up to a few roundings of its terms."""
    if isinstance(want, bool | str | bytes):
        return same(got, want)
    if math.isnan(want):
        return not math.isfinite(got) if math.isnan(before + after) else True
    size = max(abs(before), abs(after))
    return size > SMOOTH or abs(got - want) <= 1e-13 * size + 1e-300


class TimeRingMachine(RuleBasedStateMachine):
    """A ring and its model that get the same rows and are asked the same questions."""

    @initialize(pairs=fields(), capacity=st.sampled_from(CAPACITIES), shape=st.integers(0, 2))
    def build(self, pairs, capacity, shape):
        """Make the two; the ring from one of the descriptions of the same row."""
        given = (pairs, dict(pairs), np.dtype(pairs))[shape]
        self.ring = TimeRing(capacity, given)
        self.model = TimeRingModel(capacity, pairs)
        self.dtype = self.model.dtype
        self.rest = np.dtype(pairs)
        self.newest = 0.0
        self.views = []

    def keep(self, view, rows):
        """Keep the view of the newest rows for as long as it is valid."""
        if rows and rows == self.model.rows[-len(rows) :] and not view.flags.owndata:
            self.views.append((view, rows, self.model.capacity - len(rows)))

    def spend(self, appends):
        """Keep the views that stay valid through so many more appends."""
        self.views = [(view, rows, left - appends) for view, rows, left in self.views]
        self.views = [kept for kept in self.views if kept[2] >= 0]

    def some_time(self, data):
        """Draw a time to look for: on a row, next to one, between two, or anywhere."""
        known = [row[0] for row in self.model.rows] or [0.0]
        one, other = data.draw(st.sampled_from(known)), data.draw(st.sampled_from(known))
        near = (one, math.nextafter(one, math.inf), math.nextafter(one, -math.inf))
        ideas = st.sampled_from((*near, one / 2 + other / 2, one + 0.25, one - 0.25))
        return data.draw(ideas.filter(math.isfinite) | ANY_TIME, "time")

    @rule(data=st.data(), form=st.sampled_from((tuple, list)))
    def append(self, data, form):
        """Append a row."""
        t = data.draw(time_after(self.newest), "t")
        if not math.isfinite(t):
            return
        row = data.draw(values(self.rest), "row")
        assert self.ring.append(t, form(row)) is None
        self.model.append(t, row)
        self.newest = t
        self.spend(1)

    @rule(data=st.data(), form=st.sampled_from(("block", "rows", "structured")))
    def extend(self, data, form):
        """Extend by a block, longer than the capacity too, in each of its forms."""
        if form == "block":
            block = data.draw(blocks(self.dtype, 2 * self.model.capacity + 2), "block")
            ts, rows = plain(block["t"]), plain(block)
            self.ring.extend(block)
            self.model.extend(rows)
        else:
            ts = data.draw(times(max_size=2 * self.model.capacity + 2), "times")
            rows = data.draw(st.lists(values(self.rest), min_size=len(ts), max_size=len(ts)), "rows")
            given = rows if form == "rows" else np.array(rows, self.rest)
            self.ring.extend(ts if form == "rows" else np.array(ts, float), given)
            self.model.extend(ts, rows)
        self.newest = ts[-1] if ts else self.newest
        self.spend(len(ts))

    @rule(data=st.data())
    def refuse(self, data):
        """Offer a row that does not fit, or has no time, alone and in a block: both are refused."""
        good = data.draw(values(self.rest), "good")
        bad, error = data.draw(misfits(self.rest), "bad")
        t = data.draw(st.sampled_from(NO_TIMES))
        with pytest.raises(error):
            self.ring.append(0.0, bad)
        with pytest.raises(RowTimeError):
            self.ring.append(t, good)
        with pytest.raises(error):
            self.ring.extend([0.0, 1.0], [good, bad])
        with pytest.raises(RowTimeError):
            self.ring.extend([0.0, t], [good, good])

    @rule(n=st.integers(0, 9))
    def last(self, n):
        """Ask for the newest n rows."""
        view, rows = self.ring.last(n), self.model.last(n)
        assert same(view, rows)
        self.keep(view, rows)

    @rule(seconds=SECONDS)
    def window(self, seconds):
        """Ask for the newest seconds."""
        view, rows = self.ring.window(seconds), self.model.window(seconds)
        assert same(view, rows)
        assert not view.flags.writeable
        self.keep(view, rows)

    @rule(seconds=SECONDS, points=st.integers(1, 9) | st.just(10**30))
    def envelope(self, seconds, points):
        """Ask for the least and the greatest values in bins, and write to what is given."""
        bins = self.ring.envelope(seconds, points)
        assert same(bins, self.model.envelope(seconds, points))
        assert bins.dtype.names == tuple(name for name in self.model.columns if self.dtype[name].kind in "biuf")
        bins.view(np.uint8)[:] = 1  # a copy

    @rule(data=st.data())
    def between(self, data):
        """Ask for the rows between two times."""
        t0, t1 = self.some_time(data), self.some_time(data)
        view = self.ring.between(t0, t1)
        assert same(view, self.model.between(t0, t1))
        assert not view.flags.writeable

    @rule(
        data=st.data(),
        how=st.sampled_from(("previous", "next", "nearest", "linear")),
        tolerance=st.none() | st.sampled_from((0.0, 1e-9, 0.25, 1.0, 1e9, math.inf)),
    )
    def at(self, data, how, tolerance):
        """Ask for the row at a time."""
        t = self.some_time(data)
        try:
            want = self.model.at(t, how, tolerance)
        except RowNotFoundError:
            with pytest.raises(RowNotFoundError):
                self.ring.at(t, how, tolerance)
            return
        got = self.ring.at(t, how, tolerance)
        assert isinstance(got, np.void)
        if how != "linear":
            assert got.dtype == self.dtype
            assert same(got, want)
            return
        before, after = self.model.at(t, "previous"), self.model.at(t, "next")
        if max(abs(before[0]), abs(after[0])) < SMOOTH:
            ends = zip(before, before if before[0] == t else after, strict=True)
            pairs = zip(plain(got), want, ends, strict=True)
            assert all(close(value, exact, *both) for value, exact, both in pairs)

    @rule(data=st.data())
    def since(self, data):
        """Read on from a sequence number."""
        sequence = data.draw(st.integers(0, self.model.written), "sequence")
        rows, following, missed = self.ring.since(sequence)
        want = self.model.since(sequence)
        assert same(rows, want[0])
        assert (following, missed) == want[1:]

    @rule(points=st.integers(2, 12))
    def fps(self, points):
        """Ask for the rate."""
        assert self.ring.fps(points) == self.model.fps(points)

    @rule(n=st.integers(0, 9))
    def trim_to(self, n):
        """Keep the newest n rows."""
        self.ring.trim_to(n)
        self.model.trim_to(n)

    @rule(data=st.data())
    def trim_before(self, data):
        """Drop the leading rows before a time."""
        t = self.some_time(data)
        self.ring.trim_before(t)
        self.model.trim_before(t)

    @rule()
    def clear(self):
        """Drop all."""
        self.ring.clear()
        self.model.clear()
        self.views = []

    @invariant()
    def agree(self):
        """Both hold the same, valid views are unchanged, and the ring is sound."""
        check(self.ring)
        assert same(np.asarray(self.ring), self.model.rows)
        assert (self.ring.written, self.ring.trimmed) == (self.model.written, self.model.trimmed)
        assert self.ring.health() == self.model.health()
        assert tuple(self.ring.columns) == self.model.columns
        for name in self.model.columns:
            assert same(self.ring[name], self.model[name])
        for view, rows, _ in self.views:
            assert same(view, rows)


QUIET = [HealthCheck.too_slow, HealthCheck.data_too_large]


def test_timering_agrees_with_the_model():
    """Whatever rows it gets, every look-up answers by its definition."""
    run_state_machine_as_test(
        TimeRingMachine,
        settings=settings(max_examples=120, stateful_step_count=30, deadline=None, suppress_health_check=QUIET),
    )


@pytest.mark.long
def test_timering_agrees_with_the_model_for_long():
    """The same over many and longer histories."""
    run_state_machine_as_test(
        TimeRingMachine,
        settings=settings(max_examples=3000, stateful_step_count=100, deadline=None, suppress_health_check=QUIET),
    )
