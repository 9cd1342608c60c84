"""What a report says of times and values is what a slow, obvious count says."""

from __future__ import annotations

import itertools
import math
import statistics
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from ringacc import TimeRing
from ringacc.report import findings
from ringacc.report.outline import outline

# Steps of whole milliseconds, so that sums are the same in any order but for the last bits.
STEPS = st.lists(st.integers(-3, 40), max_size=60)
VALUES = st.one_of(st.floats(-1e6, 1e6), st.sampled_from([math.nan, math.inf, -math.inf, 0.0, 1e308, -1e308]))


def times_of(steps):
    return np.cumsum([1000, *steps]) / 1000


@given(STEPS)
def test_timing_counts_as_a_ring_does(steps):
    """Repeats, backward steps, the largest gap: as the health of a ring with these times; the rate as its fps."""
    times = times_of(steps)
    ring = TimeRing(100, {"x": "f8"})
    ring.extend(times, [[0.0]] * len(times))
    health = ring.health()

    found = findings.timing(times)

    assert (found.rows, found.repeats, found.backward) == (health.rows, health.repeats, health.backward)
    assert found.largest_gap == health.largest_gap
    assert [times[at + 1] < times[at] for at in found.steps_back] == [True] * health.backward
    if not health.backward:
        assert found.rate == pytest.approx(ring.fps(100))


@given(st.lists(st.integers(1, 40), min_size=1, max_size=60))
def test_gaps_are_far_out_and_three_times_the_usual(steps):
    """A gap is longer than three medians, and than the third quartile and three times the quartiles' distance."""
    times = times_of(steps)
    intervals = [b - a for a, b in itertools.pairwise(times)]
    ordered = sorted(intervals)

    def quantile(share):
        place = share * (len(ordered) - 1)
        below = math.floor(place)
        above = min(below + 1, len(ordered) - 1)
        return ordered[below] + (place - below) * (ordered[above] - ordered[below])

    limit = max(3 * statistics.median(intervals), quantile(0.75) + 3 * (quantile(0.75) - quantile(0.25)))

    found = findings.timing(times)

    assert found.cadence.gap == pytest.approx(limit)
    sure = [at for at, interval in enumerate(intervals) if interval > limit * (1 + 1e-9)]
    perhaps = [at for at, interval in enumerate(intervals) if interval > limit * (1 - 1e-9)]
    assert set(sure) <= set(found.gaps.tolist()) <= set(perhaps)


@given(st.sets(st.integers(20, 480), max_size=12), st.integers(0, 2**32 - 1))
def test_dropped_frames_are_counted_through_jitter(lost, seed):
    """Of 500 frames at 100 Hz with a tenth of a period of jitter, those left out are found, alone or in a row."""
    frames = np.array([frame for frame in range(500) if frame not in lost])
    times = frames / 100 + np.random.default_rng(seed).uniform(-0.0005, 0.0005, len(frames))

    assert findings.dropped(times, findings.cadence(np.diff(times))) == len(lost)


@given(st.integers(20, 400), st.integers(2, 12))
def test_rows_that_are_only_late_are_not_dropped(at, late):
    """A stall after which the rows that waited come at once: a long interval, and nothing missing."""
    times = np.arange(500) / 100
    times[at : at + late] = times[at + late] - 1e-4 * np.arange(late, 0, -1)

    assert findings.dropped(times, findings.cadence(np.diff(times))) == 0


def test_nobody_can_tell_what_is_dropped_of_an_uneven_stream():
    """Rows at random intervals have no pace, so none are said to be missing."""
    times = np.cumsum(np.random.default_rng(1).exponential(0.01, 500))

    pace = findings.cadence(np.diff(times))

    assert not pace.is_regular
    assert findings.dropped(times, pace) == 0


@given(st.lists(st.integers(0, 30), min_size=1, max_size=200))
def test_rates_are_those_of_the_rows_in_each_part(steps):
    """In each part: (k - 1) / elapsed of the rows from the last at its start to the last at its end."""
    times = times_of(steps)

    ends, found = findings.rates(times)

    if times[-1] == times[0]:
        assert len(found) == 0
        return
    starts = [times[0], *ends[:-1]]
    assert ends[-1] == times[-1]
    for start, end, rate in zip(starts, ends, found, strict=True):
        rows = [max(i for i, t in enumerate(times) if t <= edge) for edge in (start, end)]
        elapsed = times[rows[1]] - times[rows[0]]
        assert rate == pytest.approx((rows[1] - rows[0]) / elapsed if elapsed > 0 else 0.0)


@given(st.data())
def test_the_most_active_second_has_the_most_activity(data):
    """No second that begins at a row has a greater sum of shares of the columns' steps."""
    times = times_of(data.draw(st.lists(st.integers(0, 700), max_size=25)))
    values = st.floats(-100, 100) | st.just(math.nan)
    columns = [
        np.array(data.draw(st.lists(values, min_size=len(times), max_size=len(times))))
        for _ in range(data.draw(st.integers(0, 3)))
    ]

    def activity(start):
        total = 0.0
        for column in columns:
            steps = [abs(b - a) if abs(b - a) < math.inf else 0.0 for a, b in itertools.pairwise(column)]
            inside = [s for s, a, b in zip(steps, times[:-1], times[1:], strict=True) if a >= start and b <= start + 1]
            total += sum(inside) / sum(steps) if sum(steps) else 0.0
        return total

    start, end = findings.most_active(times, columns)

    assert start in times
    assert end == min(start + 1, times[-1])
    # Rows of the same time: the answer may begin at the first or a later one.
    assert activity(start) >= max(map(activity, times)) - 1e-6


@given(st.lists(VALUES, max_size=30), st.sampled_from(["f8", "f4"]))
def test_a_column_is_described_by_its_finite_values(values, dtype):
    """Least, greatest, NaN, infinite, constant, empty: by looking at each value."""
    with np.errstate(over="ignore"):
        column = np.array(values, dtype)
    finite = [value for value in column.tolist() if math.isfinite(value)]

    found = findings.describe("x", column)

    assert found.missing == sum(math.isnan(value) for value in column.tolist())
    assert found.infinite == len(column) - len(finite) - found.missing
    assert (found.low, found.high) == ((min(finite), max(finite)) if finite else (None, None))
    # In fractions, since the sum of two large floats may be none.
    assert found.median == (pytest.approx(float(statistics.median(map(Fraction, finite)))) if finite else None)
    assert found.is_empty == (len(column) > 0 and found.missing == len(column))
    assert found.is_constant == (len(column) > 1 and len(finite) == len(column) and len(set(finite)) == 1)


@given(
    st.sampled_from(["f8", "f4", "i8", "i1", "u8", "?"]).flatmap(
        lambda dtype: hnp.arrays(
            dtype, st.integers(1, 30), elements=st.floats(-1e6, 1e6, width=32) if dtype[0] == "f" else None
        )
    )
)
def test_the_median_is_that_of_numpy(column):
    """Of an odd and an even number of values, of each type."""
    with np.errstate(over="ignore"):
        expected = np.median(column.astype(np.float64))

    assert findings.describe("x", column).median == pytest.approx(expected)


def test_a_column_of_no_numbers_says_how_many_different_values_it_has():
    """Text, nothing and several kinds."""
    assert findings.describe("x", np.array(["a", "b", "a", None], object))[1:] == (
        "text", False, 4, 1, 0, None, None, None, 2,
    )  # fmt: skip
    assert findings.describe("x", np.array([None, math.nan], object)).is_empty
    assert findings.describe("x", np.array(["a", "a"], object)).is_constant


def test_a_frame_counter_says_exactly_what_is_missing():
    """Whole numbers that grow by one, but for what is lost; nothing else is a counter."""
    frames = np.array([3, 4, 5, 9, 10, 12, 13])

    assert findings.is_counter("frame", frames)
    assert findings.is_counter("frame_index", frames.astype(float))
    assert findings.skipped(frames).tolist() == [0, 0, 3, 0, 1, 0]
    assert not findings.is_counter("row", frames)
    assert not findings.is_counter("frame", frames[::-1])
    assert not findings.is_counter("frame", frames + 0.5)
    assert not findings.is_counter("frame", np.array([1, 1, 2]))


def test_numbers_that_no_frame_has_are_no_counter():
    """Huge ones and those that are none: no frames are said to be dropped, and nothing overflows."""
    for odd in ([-1e300, 0.0, 1.0, 2.0, 1e300], [0.0, 1.0, math.inf], [0.0, 1.0, math.nan], [-(2**63), 0, 1, 2, 2**62]):
        assert not findings.is_counter("frame", np.array(odd))
    bytes_ = np.array([-100, -99, -98, 120], np.int8)
    assert findings.is_counter("frame", bytes_)
    assert findings.skipped(bytes_).tolist() == [0, 0, 217]


@given(st.lists(st.sampled_from([0.0, 5e-324, 1e-310, 1e-15, 1e-3, 1.0, 3e13]), min_size=1, max_size=60))
def test_intervals_of_any_size_have_finite_findings(intervals):
    """Where times may be seconds, rates and what is dropped are finite numbers, without a warning."""
    times = np.cumsum([0.0, *intervals])
    if findings.not_seconds(times) is not None:
        return

    found = findings.timing(times)

    assert math.isfinite(found.rate)
    assert np.isfinite(findings.rates(times)[1]).all()
    assert findings.dropped(times, found.cadence) >= 0


@given(st.data())
def test_an_outline_has_every_extreme_and_no_more_points_than_pixels(data):
    """Least and greatest of the stretch are on the line; broken at NaN and gaps; bounded whatever the rows."""
    times = times_of(data.draw(st.lists(st.integers(0, 30), max_size=120)))
    values = np.array(data.draw(st.lists(VALUES, min_size=len(times), max_size=len(times))))
    pixels = data.draw(st.integers(1, 20))
    start, end = sorted(data.draw(st.tuples(*[st.floats(0.9, float(times[-1]) + 0.1)] * 2)))
    inside = [v for t, v in zip(times, values, strict=True) if start <= t <= end and math.isfinite(v)]

    x, y = outline(times, values, start, end, pixels, gap=0.0201)

    drawn = y[np.isfinite(y)].tolist()
    assert len(x) == len(y) <= 4 * pixels + 2
    assert ((x >= start) & (x <= end)).all()
    assert (np.diff(x) >= 0).all()
    assert set(drawn) <= set(inside)
    if inside:
        assert (min(drawn), max(drawn)) == (min(inside), max(inside))
    has_all_rows = sum(start <= t <= end for t in times) <= 2 * pixels
    for place in range(len(x) - 1):
        if has_all_rows and np.isfinite(y[place]) and np.isfinite(y[place + 1]):
            assert x[place + 1] - x[place] <= 0.0201
