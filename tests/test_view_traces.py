"""Which pixels a trace covers, against the slow obvious way; scales; numbers as text."""

from __future__ import annotations

import math

import numpy as np
import pytest
import view_stage  # noqa: F401  skips where there is no Qt
from hypothesis import given
from hypothesis import strategies as st

from ringacc.view.controls import span
from ringacc.view.traces import LEVELS, Scale, number, painted, percentiles, spans

STEPS = st.lists(st.floats(0.01, 1.0), min_size=1, max_size=40)
VALUES = st.one_of(st.floats(-100, 100), st.just(math.nan))


@st.composite
def bins(draw):
    """Give bins as an envelope has them: times that grow, least and greatest values."""
    steps = draw(STEPS)
    ends = np.cumsum(np.repeat(steps, 2) / 2)
    made = np.zeros(len(steps), [("t", "f8", 2), ("x", "f8", 2)])
    made["t"] = ends.reshape(-1, 2)
    pairs = draw(st.lists(st.tuples(VALUES, st.floats(0, 10)), min_size=len(steps), max_size=len(steps)))
    made["x"] = [(low, low + more) for low, more in pairs]
    return made


@given(bins=bins(), width=st.integers(1, 60), seconds=st.floats(0.5, 20.0))
def test_each_column_covers_its_bins(bins, width, seconds):
    """No value of a bin that is in sight is left out, and nothing is drawn beyond all values there are."""
    right = bins["t"][-1, 1]

    low, high = (part[0] for part in spans(bins, ["x"], right, width / seconds, width))

    for bin_ in bins:
        place = width + (bin_["t"][0] - right) * (width / seconds)
        column = math.ceil(place) - 1
        if 0 <= column < width and not np.isnan(bin_["x"]).any():
            assert low[column] <= bin_["x"][0]
            assert bin_["x"][1] <= high[column]
    drawn = ~np.isnan(low)
    assert (low[drawn] <= high[drawn]).all()
    if drawn.any():
        assert np.nanmin(bins["x"]) - 1e-9 <= low[drawn].min()
        assert high[drawn].max() <= np.nanmax(bins["x"]) + 1e-9


@given(bins=bins(), width=st.integers(2, 60))
def test_a_line_has_no_holes(bins, width):
    """What is drawn in two columns beside each other touches."""
    low, high = (part[0] for part in spans(bins, ["x"], bins["t"][-1, 1], width / 10, width))

    for left in range(width - 1):
        if not np.isnan(low[left : left + 2]).any():
            assert low[left + 1] <= high[left] + 1e-9
            assert low[left] <= high[left + 1] + 1e-9


@given(
    pairs=st.lists(st.tuples(VALUES, st.floats(0, 50)), min_size=1, max_size=12),
    bottom=st.floats(-100, 50), height=st.integers(8, 200), extent=st.floats(1, 100),
)  # fmt: skip
def test_pixels_are_covered_as_far_as_the_values_go(pairs, bottom, height, extent):
    """Each pixel by as much of it as lies between the least and the greatest value, and the thickness of a line."""
    low = np.array([value for value, _ in pairs])
    high = low + np.array([more for _, more in pairs])
    half = 0.8

    covered = painted(low, high, bottom, bottom + extent, height)

    assert covered.shape == (height, len(pairs))
    for column, (least, greatest) in enumerate(zip(low, high, strict=True)):
        if math.isnan(least):
            assert not covered[:, column].any()
            continue
        down, up = (height * (1 - min(max((value - bottom) / extent, 0), 1)) for value in (least, greatest))
        lower, upper = max(min(down + half, height), 2 * half), min(max(up - half, 0), height - 2 * half)
        for row in range(height):
            share = max(min(lower, row + 1) - max(upper, row), 0)
            assert abs(covered[row, column] / LEVELS - share) <= 2 / LEVELS


def test_nothing_is_drawn_of_nothing():
    """Neither without bins, nor without pixels, nor without columns."""
    empty = np.zeros(0, [("t", "f8", 2), ("x", "f8", 2)])

    assert np.isnan(spans(empty, ["x"], 0.0, 10.0, 5).low).all()
    assert spans(empty, [], 0.0, 10.0, 5).low.shape == (0, 5)


# Scales -------------------------------------------------------------------------------------------------------


def test_the_scale_leaves_outliers_out():
    """The 0.5 % percentile of the least, and the 99.5 % percentile of the greatest values; NaN and inf are none."""
    values = np.concatenate([np.linspace(0, 1, 1000), [1e9, -1e9, np.nan, np.inf, -np.inf]])

    low, high = percentiles(values, values)

    assert 0 <= low < 0.01
    assert 0.99 < high <= 1
    assert np.isnan(percentiles(np.array([np.nan]), np.array([np.nan]))).all()


def test_the_scale_stands_still_while_the_values_fit():
    """It grows at once, shrinks where much less is needed, and otherwise stays, so that a trace does not jitter."""
    scale = Scale()
    scale.follow(-1.0, 1.0)
    first = (scale.bottom, scale.top)
    for share in (0.9, 0.8, 0.95, 1.0):
        scale.follow(-share, share)
        assert not scale.ease()
    assert (scale.bottom, scale.top) == first
    assert first[0] < -1 < 1 < first[1]

    scale.follow(-2.0, 1.0)
    assert scale.ease()
    assert first[0] > scale.bottom > -2.5
    while scale.ease():
        pass
    assert scale.bottom < -2

    scale.follow(0.0, 0.1)
    while scale.ease():
        pass
    assert -0.1 < scale.bottom < 0 < 0.1 < scale.top < 0.2


@given(low=st.floats(allow_nan=False, allow_infinity=False), more=st.floats(0, 1e300))
def test_any_values_have_a_scale(low, more):
    """Also one value, the greatest there are, and those that no number lies between."""
    scale = Scale()

    scale.follow(low, low + more if math.isfinite(low + more) else low)

    assert math.isfinite(scale.range)
    assert scale.range > 0


def test_truth_has_a_scale_of_its_own():
    """False and true are where they always are, whatever is in sight."""
    scale = Scale(is_truth=True)
    before = (scale.bottom, scale.top)

    scale.follow(1.0, 1.0)

    assert not scale.ease()
    assert (scale.bottom, scale.top) == before
    assert before[0] < 0 < 1 < before[1]


# Text ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "range_", "text"),
    [(1.23456, 2.0, "1.235"), (-0.00001, 1.0, "0.000"), (1234.5, 500.0, "1234.5"), (7, 1.0, "7"), (True, 1.4, "True"),
     (np.int64(-3), 1.0, "-3"), (np.bool_(False), 1.4, "False"), (math.nan, 1.0, "NaN"), (math.inf, 1.0, "inf"),
     (1.5e-9, 1e-8, "1.500e-09"), (2e12, 1e12, "2.000e+12"), (0.0, math.nan, "0"), (0.25, math.nan, "0.2500")],
)  # fmt: skip
def test_numbers_as_text(value, range_, text):
    """As many digits as the trace can show, and no more."""
    assert number(value, range_) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(math.nan, "-"), (0.0123, "12 ms"), (1.26, "1.3 s"), (130.0, "2 min 10 s"), (36_000.0, "10.0 h")],
)
def test_spans_of_time_as_text(seconds, text):
    """In the unit that people would use."""
    assert span(seconds) == text
