"""The widget on rows that come, in a real Qt without a screen: what is drawn is read back from its picture."""

from __future__ import annotations

import importlib
import re
import textwrap
from collections import namedtuple
from pathlib import Path

import numpy as np
import pytest
from view_stage import (
    PATIENCE,
    RATE,
    QtCore,
    QtGui,
    QtTest,
    QtWidgets,
    application,
    command,
    is_trace,
    lane_of,
    middles,
    pixels,
    settled,
    shown,
    wave,
    wave_ring,
    waves,
)

from ringacc import EstimatorLog, TimeRing
from ringacc.errors import RingFormatError, SaveError, SourceError, UnknownColumnError
from ringacc.view import StreamPlot
from ringacc.watching import Phase

X = namedtuple("X", "x")
XY = namedtuple("XY", "skipped x")


@pytest.fixture(autouse=True)
def _closed():
    """Leave no widget behind."""
    yield
    for widget in application().topLevelWidgets():
        widget.close()
        widget.deleteLater()
    application().processEvents()


def assert_shows_waves(plot, newest, turns=(0.5, 1.0)):
    """Assert that each trace is where its curve is, over the whole width."""
    for number, turn in enumerate(turns):
        values = middles(plot, number)
        width = len(values)
        t = newest - (width - 0.5 - np.arange(width)) / width * plot.seconds
        scale = plot._lanes[number].scale
        pixel = (scale.top - scale.bottom) / (len(lane_of(plot, number)) - 4)
        slope = 2 * np.pi * turn * plot.seconds / width  # a column of pixels is so much of a turn
        assert np.nanmax(np.abs(values - wave(t, turn))) < 3 * pixel + 1.5 * slope
        assert np.count_nonzero(np.isnan(values)) <= 3


# What is drawn ------------------------------------------------------------------------------------------------


def test_a_ring_is_drawn_where_its_rows_are():
    """A known sine is where it should be, in the picture of the widget."""
    ring = wave_ring()

    plot = shown(ring, seconds=10)

    assert_shows_waves(plot, ring.last(1)["t"][0])


def test_a_ring_file_is_drawn_where_its_rows_are(tmp_path):
    """So is one that is read from a file, by its reader or its path."""
    with TimeRing.create(tmp_path / "tail", 10_000, {"x": "f4", "y": "f8"}) as ring:
        waves(ring, 12.0)
        for source in (tmp_path / "tail", TimeRing.open(tmp_path / "tail"), ring):
            assert_shows_waves(shown(source, seconds=10), ring.last(1)["t"][0])


def test_an_accumulator_is_drawn_where_its_rows_are():
    """So is the newest segment of an accumulator, and its plot_columns are chosen."""
    log = EstimatorLog(None)
    log.plot_columns = ["x"]
    t = np.arange(0, 12, 1 / RATE)
    for moment in t.tolist():
        log.update_list(moment, XY(0.0, float(wave(moment))))

    plot = shown(log, seconds=10)

    assert plot.columns == ("x",)
    assert_shows_waves(plot, t[-1], (0.5,))


def test_rows_that_come_are_drawn():
    """Rows that come while it is shown are at the right edge."""
    ring = wave_ring(seconds=5.0)
    plot = shown(ring, seconds=4)

    waves(ring, 3.0, 5.0)
    settled(plot)

    assert_shows_waves(plot, ring.last(1)["t"][0])


def test_a_gap_stays_a_gap():
    """NaN, and a stretch of time without rows, are not bridged by a line."""
    ring = TimeRing(10_000, {"x": "f8"})
    t = np.arange(2000) / RATE
    rows = np.zeros(2000, ring.dtype)
    rows["t"], rows["x"] = t, wave(t)
    rows["x"][(t > 3) & (t < 4)] = np.nan
    ring.extend(rows[(t < 6) | (t > 7)])

    plot = shown(ring, seconds=t[-1])
    values = middles(plot, 0)

    at = (np.arange(len(values)) + 0.5) / len(values) * t[-1]
    assert np.isnan(values[((at > 3.05) & (at < 3.95)) | ((at > 6.05) & (at < 6.95))]).all()
    assert not np.isnan(values[((at > 0.1) & (at < 2.95)) | ((at > 4.05) & (at < 5.95)) | (at > 7.05)]).any()


def test_a_peak_of_one_row_is_seen():
    """One row of many in a column of pixels is not lost, wherever it is."""
    ring = TimeRing(100_000, {"x": "f8"})
    values = np.zeros(50_000)
    peaks = np.arange(500, 50_000, 500)
    values[peaks] = 1.0
    ring.extend(np.arange(50_000) / 5000, values[:, None])

    lane = is_trace(lane_of(plot := shown(ring, seconds=10), 0), plot, 0)

    assert 95 <= np.count_nonzero(np.diff(lane[len(lane) // 2].astype(int), prepend=0) == 1) <= len(peaks)


def test_a_few_rows_are_joined_by_lines():
    """Where there are fewer rows than pixels, a line goes from one to the next."""
    ring = TimeRing(10, {"x": "f8"})
    ring.extend([0.0, 1.0, 2.0], [[0.0], [1.0], [0.0]])

    values = middles(shown(ring, seconds=2), 0)

    at = (np.arange(len(values)) + 0.5) / len(values) * 2
    assert np.nanmax(np.abs(values - np.interp(at, [0, 1, 2], [0, 1, 0]))) < 0.05


def test_an_outlier_does_not_set_the_scale():
    """One value of a thousand that is far off leaves the others to be seen."""
    ring = TimeRing(10_000, {"x": "f8"})
    t = np.arange(5000) / 500
    values = wave(t)
    values[2500] = 1e6
    ring.extend(t, values[:, None])

    plot = shown(ring, seconds=10)

    assert plot._lanes[0].scale.top < 1.5


# Pause, zoom, columns, picture --------------------------------------------------------------------------------


def test_a_paused_picture_stands_still():
    """Rows that come while it is paused change nothing, and are there when it goes on."""
    ring = wave_ring(seconds=5.0)
    plot = shown(ring, seconds=4)
    QtTest.QTest.keyClick(plot, QtCore.Qt.Key.Key_Space)
    settled(plot)
    before = lane_of(plot, 0)

    waves(ring, 1.3, 5.0)
    settled(plot)
    during = lane_of(plot, 0)
    QtTest.QTest.keyClick(plot, QtCore.Qt.Key.Key_Space)
    settled(plot)

    assert np.array_equal(before, during)
    assert not plot.is_paused
    assert_shows_waves(plot, ring.last(1)["t"][0])


def test_a_ring_may_go_round_while_it_is_paused():
    """What is seen in a pause is the widget's own."""
    ring = TimeRing(1000, {"x": "f8"})
    waves(ring, 5.0)
    plot = shown(ring, seconds=4)
    plot.pause()
    newest = ring.last(1)["t"][0]

    ring.extend(np.arange(2000) + 10.0, np.full((2000, 1), 7.0))
    settled(plot)

    assert_shows_waves(plot, newest, (0.5,))


def wheel(plot, notches, share):
    """Turn the wheel over the traces, at a share of their width."""
    place = plot._picture.sceneBoundingRect()
    port = plot._scene.viewport()
    at = QtCore.QPointF(place.left() + share * place.width(), place.center().y())
    event = QtGui.QWheelEvent(
        at, QtCore.QPointF(port.mapToGlobal(at.toPoint())), QtCore.QPoint(), QtCore.QPoint(0, 120 * notches),
        QtCore.Qt.MouseButton.NoButton, QtCore.Qt.KeyboardModifier.NoModifier, QtCore.Qt.ScrollPhase.NoScrollPhase,
        False,
    )  # fmt: skip
    application().sendEvent(port, event)
    settled(plot)


def test_the_wheel_zooms_in_time():
    """The newest rows stay in sight while it is live; in a pause, what is under the mouse does."""
    ring = wave_ring()
    plot = shown(ring, seconds=10)
    newest = ring.last(1)["t"][0]

    wheel(plot, 2, 0.3)
    live = plot.seconds
    assert_shows_waves(plot, newest)
    plot.pause()
    wheel(plot, 2, 0.0)

    assert live == pytest.approx(10 * 0.8**2)
    assert plot.seconds == pytest.approx(10 * 0.8**4)
    assert_shows_waves(plot, newest - (live - plot.seconds))  # the left edge is where it was


def test_the_mouse_moves_in_time():
    """Drawing the picture to the right shows what was before, and pauses it."""
    ring = wave_ring()
    plot = shown(ring, seconds=10)
    plot.seconds = 4
    plot._move(0.25)
    settled(plot)

    assert plot.is_paused
    # What was before the pause is there as far as it was seen, with half a window to spare.
    assert 0 < plot._offset <= 2
    plot.reset_zoom()
    assert (plot.seconds, plot._offset) == (10.0, 0.0)


def test_columns_are_chosen():
    """By default the first eight; then those that are named, in that order; one that is not there is refused."""
    plot = shown(wave_ring([f"c{number}" for number in range(12)]))

    assert plot.columns == tuple(f"c{number}" for number in range(8))
    plot.columns = ["c11", "c2"]
    settled(plot)
    assert plot.columns == ("c11", "c2")
    with pytest.raises(UnknownColumnError, match=r"expected columns of c0, c1, .*found 'd'"):
        plot.columns = ["d"]
    with pytest.raises(UnknownColumnError, match=r"found 'nosuch'"):
        StreamPlot(wave_ring(), columns=["nosuch"])
    plot.columns = ["c3", "c3"]
    assert plot.columns == ("c3",)
    plot.columns = None
    assert len(plot.columns) == 8


def test_columns_are_chosen_from_a_list():
    """What is ticked is drawn; where nothing is ticked, what was drawn stays."""
    plot = shown(wave_ring(["x", "y", "z"]), columns=["x"])
    QtTest.QTest.keyClick(plot, QtCore.Qt.Key.Key_C)
    application().processEvents()
    (choice,) = plot.findChildren(QtWidgets.QDialog)
    items = choice.findChild(QtWidgets.QListWidget)

    assert [items.item(row).checkState() == QtCore.Qt.CheckState.Checked for row in range(3)] == [True, False, False]
    items.item(2).setCheckState(QtCore.Qt.CheckState.Checked)
    assert plot.columns == ("x", "z")
    choice.findChild(QtWidgets.QLineEdit).setText("Y")
    all_, none = choice.findChildren(QtWidgets.QPushButton)[:2]
    all_.click()
    assert plot.columns == ("x", "y", "z")
    choice.findChild(QtWidgets.QLineEdit).clear()
    none.click()
    assert plot.columns == ("x", "y", "z")


def test_the_picture_is_saved(tmp_path):
    """The file has what is seen; one that cannot be written is an error, and nothing is there."""
    plot = shown(wave_ring())
    plot.pause()
    settled(plot)

    plot.save_picture(tmp_path / "seen.png")

    saved = pixels(QtGui.QImage(str(tmp_path / "seen.png")))
    place = plot._picture.sceneBoundingRect().toRect().adjusted(3, 3, -3, -3)
    inside = (
        slice(plot._scene.y() + place.top(), plot._scene.y() + place.bottom()),
        slice(place.left(), place.right()),
    )
    assert np.array_equal(saved[inside], pixels(plot.grab().toImage())[inside])
    with pytest.raises(SaveError, match=r"expected to write .*nowhere"):
        plot.save_picture(tmp_path / "nowhere" / "seen.png")


def test_values_rate_and_misses_are_said():
    """The facts of the watch are in the bar, and the newest values, with units, beside the traces."""
    ring = wave_ring(seconds=1.0)
    plot = shown(ring)

    said = plot._bar._facts.text()

    assert "200.0 Hz" in said
    assert ">missed<" in said
    assert plot._values._value(plot._lanes[0]) == f"{ring.last(1)['x'][0]:.3f}"


def test_a_dark_desktop_has_a_dark_picture():
    """The ground of the traces follows the colours of the desktop."""
    plot = shown(wave_ring())
    light = lane_of(plot, 0)[3, 3].sum()

    palette = plot.palette()
    palette.setColor(QtGui.QPalette.ColorRole.Window, QtGui.QColor(20, 20, 20))
    plot.setPalette(palette)
    settled(plot)

    assert light > 600
    assert lane_of(plot, 0)[3, 3].sum() < 150


def test_what_is_not_seen_costs_nothing():
    """A hidden widget is not redrawn."""
    plot = shown(wave_ring())

    plot.hide()
    count = plot.redraws
    plot._watch.ring.append(99.0, (1.0, 1.0))

    assert not plot._timer.isActive()
    assert plot.redraws == count


# Columns and writers that change ------------------------------------------------------------------------------


def test_an_accumulator_may_change_its_columns():
    """A row of other columns opens a segment, and its columns are drawn."""
    log = EstimatorLog(None)
    log.update_list(0.0, X(1.0))
    plot = shown(log)
    assert plot.columns == ("x",)

    log.update_list(1.0, XY(1.0, 2.0))
    settled(plot)

    assert plot.columns == ("skipped", "x")


def test_it_starts_before_the_ring_is_there(tmp_path):
    """It says what it waits for, draws the ring when it comes, and says when the writer has closed it."""
    plot = shown(tmp_path / "tail.ring")
    assert "waiting for" in plot._picture.message
    assert plot.columns == ()

    ring = TimeRing.create(tmp_path / "tail.ring", 10_000, {"x": "f8", "y": "f8"})
    waves(ring, 12.0)
    while plot.facts.phase is not Phase.LIVE:
        settled(plot)
    settled(plot)
    assert plot._picture.message == ""
    assert_shows_waves(plot, ring.last(1)["t"][0])

    ring.close()
    while plot.facts.phase is Phase.LIVE:
        settled(plot)
    assert plot.facts.phase is Phase.ENDED
    assert_shows_waves(plot, ring.last(1)["t"][0])


# Bad input ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("times", "values"),
    [([], []), ([1.0], [2.0]), ([0.0, 1.0], [np.nan] * 2), ([0.0, 1.0], [np.inf, -np.inf]), ([0.0, 1.0], [3.0, 3.0]),
     ([0.0, 1.0, 0.5, 2.0], [1.0, 2.0, 3.0, 4.0]), ([5.0] * 3, [1.0, 2.0, 3.0]), ([0.0, 1.0], [-1.7e308, 1.7e308]),
     ([0.0, 1e300], [0.0, 1.0]), ([-1e300, 1e300], [5e-324, 0.0])],
    ids=["no rows", "one row", "only NaN", "infinite", "constant", "back", "no time passes", "greatest", "far",
         "farthest"],
)  # fmt: skip
@pytest.mark.parametrize("seconds", [1e-3, 10.0, 1e9])
def test_any_rows_are_drawn(times, values, seconds):
    """Whatever the rows are, it is drawn without an error, and the window may be longer than the ring."""
    ring = TimeRing(100, {"x": "f8"})
    ring.extend(np.array(times, float), np.array(values, float)[:, None])

    plot = shown(ring, seconds=seconds)
    drawn = np.count_nonzero(is_trace(lane_of(plot, 0), plot, 0))

    assert plot._picture.message == ("" if times else "waiting for a first row")
    assert not times or (drawn > 0) == bool(np.isfinite(values).any())
    plot.pause()
    wheel(plot, 3, 0.5)
    plot.pause(False)
    settled(plot)


def test_a_column_of_text_is_not_drawn():
    """Where there is nothing to draw, it is said which columns there are."""
    ring = TimeRing(100, {"label": "S3"})
    ring.append(0.0, (b"abc",))

    assert shown(ring)._picture.message == "nothing to draw: expected a column of numbers, found label"


def test_200_columns_are_drawn():
    """Each has a lane, and there are names beside as many as there is room for."""
    names = [f"c{number:03d}" for number in range(200)]
    ring = wave_ring(names, seconds=2.0)

    plot = shown(ring, size=(900, 900), seconds=2, columns=names)

    assert plot.columns == tuple(names)
    drawn = [is_trace(lane_of(plot, number), plot, number).any() for number in (0, 100, 199)]
    assert drawn == [True, True, True]


def test_small_and_large_sizes_are_drawn():
    """No size is too small for it, and what is drawn follows its size."""
    plot = shown(wave_ring())

    for size in ((1, 1), (200, 90), (1500, 900)):
        plot.resize(*size)
        settled(plot)

    assert_shows_waves(plot, plot.facts.last["t"])


def test_what_cannot_be_watched_is_refused(tmp_path):
    """Something that is no source, a file that is no ring, seconds that are none."""
    application()
    (tmp_path / "no.ring").write_text("text")
    with pytest.raises(SourceError, match="expected a ring"):
        StreamPlot(3)
    with pytest.raises(RingFormatError):
        StreamPlot(tmp_path / "no.ring")
    for seconds in (0, -1.0, float("nan"), float("inf")):
        with pytest.raises(ValueError, match="expected seconds greater than 0"):
            StreamPlot(wave_ring(), seconds=seconds)


def test_a_file_that_becomes_no_ring_is_said(tmp_path):
    """What is wrong is shown in the place of the traces, and it goes on when a ring is there."""
    plot = shown(tmp_path / "tail.ring")
    (tmp_path / "tail.ring").write_text("text")

    while "waiting for" in plot._picture.message:
        settled(plot)
    assert "no ring" in plot._picture.message or "expected" in plot._picture.message

    (tmp_path / "tail.ring").unlink()
    ring = TimeRing.create(tmp_path / "tail.ring", 10_000, {"x": "f8", "y": "f8"})
    waves(ring, 12.0)
    while not plot.columns:
        settled(plot)
    settled(plot)
    assert_shows_waves(plot, ring.last(1)["t"][0])


# The page -----------------------------------------------------------------------------------------------------


def test_the_widget_in_a_program_of_its_own(tmp_path, monkeypatch):
    """The example of the page is run: its rows are drawn, and its button pauses."""
    text = (Path(__file__).resolve().parents[1] / "docs" / "tutorials" / "live-window.md").read_text(encoding="utf-8")
    (program,) = re.findall(r"```python\n(# rig_window\.py\n.*?)```", text, re.DOTALL)
    (tmp_path / "rig_window.py").write_text(program, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    application()
    rig = importlib.import_module("rig_window").Rig()
    rig.timer.stop()
    rig.resize(900, 600)
    rig.show()

    for _ in range(1200):
        rig.measure()
    settled(rig.plot)

    assert rig.plot.columns == ("vigour", "tail_sum")
    assert rig.plot.facts.written == 1200
    drawn = [is_trace(lane_of(rig.plot, lane), rig.plot, lane).any(axis=0) for lane in range(2)]
    assert np.mean(drawn) > 0.98
    rig.findChild(QtWidgets.QPushButton).click()
    assert rig.plot.is_paused


def test_a_widget_without_an_application_is_refused():
    """Qt would end the process."""
    script = """
        from ringacc import TimeRing
        from ringacc.errors import DisplayError
        from ringacc.view import StreamPlot
        try:
            StreamPlot(TimeRing(10, {"x": "f8"}))
        except DisplayError as error:
            print(error)
    """
    done = command("-c", textwrap.dedent(script)).communicate(timeout=PATIENCE)
    assert done == ("expected a QApplication, found none: make one first, and keep it: QApplication([])\n", "")
