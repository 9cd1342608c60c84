"""The demo's larva moves as it says, the camera sees it, and the tracker finds it where it is."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ringacc.cli.larva import (
    BASE_X,
    BASE_Y,
    COLUMNS,
    SEGMENT_LENGTH,
    SEGMENTS,
    SIZE,
    Larva,
    tail_sum,
    track,
)

MOMENTS = np.arange(0.0, 3.0, 0.017)


@pytest.fixture(scope="module")
def larva():
    return Larva()


def test_columns_name_the_angles_of_all_segments():
    """A row has the tail sum, an angle for each segment and the number of the frame."""
    assert COLUMNS[0] == "tail_sum"
    assert COLUMNS[1 : SEGMENTS + 1] == tuple(f"theta_{place:02d}" for place in range(SEGMENTS))
    assert COLUMNS[SEGMENTS + 1 :] == ("frame",)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_tracker_finds_the_true_angles(seed):
    """Through rest and bouts, each angle is within 0.1 radians of the true one, and within 0.02 on average."""
    larva = Larva(seed)

    errors = np.array([track(larva.frame(t)) - larva.angles(t) for t in MOMENTS[: 60 if seed else None]])

    assert np.abs(errors).max() < 0.1
    assert np.sqrt((errors**2).mean()) < 0.02


@settings(max_examples=25)
@given(t=st.floats(0.0, 1e4), seed=st.integers(0, 2**32 - 1))
def test_any_larva_is_found_at_any_time(t, seed):
    """Whichever larva at whatever time: the tail is in the frame, and the tracker finds it."""
    larva = Larva(seed)
    x, y = larva.midline(t)

    assert 0 < x.min() <= x.max() < SIZE - 1
    assert 0 < y.min() <= y.max() < SIZE - 1
    assert np.abs(track(larva.frame(t)) - larva.angles(t)).max() < 0.15


def test_angles_are_those_of_the_midline(larva):
    """A segment's angle is the direction from its first point on the midline to its last."""
    for t in MOMENTS[::5]:
        x, y = larva.midline(t)
        lengths = np.hypot(np.diff(x), np.diff(y))
        pieces = round(SEGMENT_LENGTH / lengths[0])
        assert lengths == pytest.approx(SEGMENT_LENGTH / pieces)
        for place, angle in enumerate(larva.angles(t)):
            first, last = place * pieces, (place + 1) * pieces
            assert angle == pytest.approx(math.atan2(y[last] - y[first], x[last] - x[first]))


def test_tail_begins_at_its_base_and_rests_straight(larva):
    """The base never moves, and before the first bout the tail points straight to the right."""
    for t in MOMENTS[::10]:
        x, y = larva.midline(t)
        assert (x[0], y[0]) == (BASE_X, BASE_Y)
    assert larva.angles(0.0).tolist() == [0.0] * SEGMENTS


def test_tail_beats_in_bouts(larva):
    """Bouts of some tenths of a second at 15 to 30 beats a second, with rest between them."""
    times = np.arange(0.0, 60.0, 0.002)
    tips = np.array([larva.angles(t)[-1] for t in times])
    moving = np.abs(tips) > 0.01
    bouts = np.split(np.flatnonzero(moving), np.flatnonzero(np.diff(times[moving]) > 0.1) + 1)

    assert 40 <= len(bouts) <= 80
    assert 0.1 < moving.mean() < 0.5
    for bout in bouts:
        seconds = times[bout[-1]] - times[bout[0]]
        assert 0.1 < seconds < 0.45
    longest = max(bouts, key=len)
    course = tips[longest] - tips[longest].mean()
    beats = np.count_nonzero(np.diff(np.sign(course))) / 2
    assert 12 < beats / (times[longest[-1]] - times[longest[0]]) < 32


def test_wave_runs_from_base_to_tip(larva):
    """In a bout, what the middle of the tail does, the tip does some milliseconds later."""
    angles = np.array([larva.angles(t) for t in np.arange(0.2, 0.6, 0.001)])
    middle, tip = angles[:, SEGMENTS // 2], angles[:, -1]
    lags = range(-15, 16)
    likeness = [np.corrcoef(middle[20:-20], np.roll(tip, -lag)[20:-20])[0, 1] for lag in lags]

    assert 2 <= lags[int(np.argmax(likeness))] <= 14


def test_camera_sees_a_bright_tail_on_dark_ground(larva):
    """Pixels on the midline are bright, pixels far from it are dark and noisy."""
    frame = larva.frame(0.3)
    x, y = larva.midline(0.3)
    rows, columns = np.mgrid[:SIZE, :SIZE]
    distance = np.min([np.hypot(columns - px, rows - py) for px, py in zip(x, y, strict=True)], axis=0)

    assert frame.dtype == np.uint8
    assert frame.shape == (SIZE, SIZE)
    assert frame[distance < 0.7].min() > 100
    assert 20 < frame[distance > 6].mean() < 30
    assert 4 < frame[distance > 6].std() < 8


def test_noise_is_of_the_moment_and_the_larva_of_its_seed():
    """Two frames of one moment differ in their noise; larvae of one seed give the same frames."""
    one, other = Larva(5), Larva(5)
    first, second = one.frame(1.0), one.frame(1.0)

    assert (first != second).mean() > 0.5
    assert (other.frame(1.0) == first).all()
    assert (Larva(6).angles(0.4) != Larva(7).angles(0.4)).any()


def test_tail_that_is_not_there_is_not_found():
    """In a frame without a tail, noisy or not, every angle is NaN."""
    noise = np.random.default_rng(0).normal(24, 6, (SIZE, SIZE)).clip(0, 255).astype(np.uint8)

    assert np.isnan(track(np.zeros((SIZE, SIZE), np.uint8))).all()
    assert np.isnan(track(noise)).all()


def test_tail_is_lost_from_where_it_is_covered(larva):
    """Where the rest of the tail is covered, the angles before are found and those behind are NaN."""
    frame = larva.frame(0.0)
    frame[:, int(BASE_X + 4.5 * SEGMENT_LENGTH) :] = 24

    angles = track(frame)

    assert np.abs(angles[:4]).max() < 0.05
    assert np.isnan(angles[5:]).all()


def test_any_layout_of_a_frame_will_do(larva):
    """A frame that is not contiguous gives the same angles."""
    frame = larva.frame(0.3)
    wide = np.zeros((SIZE, 2 * SIZE), np.uint8)
    wide[:, ::2] = frame

    assert track(wide[:, ::2]).tolist() == track(frame).tolist()


def test_tail_sum_is_that_of_recorded_logs(recordings):
    """The tail sum of recorded angles is the recorded tail sum, to the last bit."""
    log = pd.read_hdf(recordings / "embedded" / "192316_behavior_log.hdf5")
    angles = log[[name for name in log.columns if name.startswith("theta_")]].to_numpy()

    assert [tail_sum(row) for row in angles] == log["tail_sum"].tolist()
