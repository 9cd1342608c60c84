"""What the tests of the window stand on: Qt without a screen, a screen that is read back, rings with known curves.

Where pyqtgraph or a Qt binding is missing, or does not work with this Python, importing this skips the tests.
"""

from __future__ import annotations

import contextlib
import functools
import os
import shutil
import struct
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from ringacc import TimeRing
from ringacc.errors import MissingExtraError

os.environ["QT_QPA_PLATFORM"] = "offscreen"

try:
    from ringacc.view import StreamPlot
except MissingExtraError as missing:
    pytest.skip(str(missing), allow_module_level=True)

from pyqtgraph.functions import ndarray_from_qimage
from pyqtgraph.Qt import QtCore, QtGui, QtTest, QtWidgets

PATIENCE = 180.0  # seconds until a test gives up on another process
RATE = 200.0


@functools.cache  # PyQt ends it where nobody keeps it
def application():
    """Give Qt's application, of which a process has one."""
    return QtWidgets.QApplication.instance() or QtWidgets.QApplication(["tests"])


def shown(source, size=(900, 500), **more):
    """Show a widget, and give it when it is painted."""
    application()
    plot = StreamPlot(source, **more)
    plot.resize(*size)
    plot.show()
    settled(plot)
    return plot


def settled(plot):
    """Let Qt work until a widget has looked again, and its scales stand still."""
    count, end = plot.redraws, time.monotonic() + PATIENCE
    for _ in range(2):
        plot._refresh()
        while plot.redraws == count or any(lane.scale.ease() for lane in plot._lanes):
            assert time.monotonic() < end, "nothing is painted"
            application().processEvents(QtCore.QEventLoop.ProcessEventsFlag.AllEvents, 20)
        count = plot.redraws


def pixels(image):
    """Give an image as an array of height, width, and red, green, blue."""
    image = image.convertToFormat(QtGui.QImage.Format.Format_RGB32)
    return ndarray_from_qimage(image)[:, :, 2::-1].astype(int)


def lane_of(plot, number):
    """Give the pixels of a lane as a person would see them: from a picture of the whole widget."""
    seen = pixels(plot.grab().toImage())
    place = plot._picture.sceneBoundingRect()
    left = round(place.left())
    top = plot._scene.y() + round(place.top())
    height, count = int(place.height()), len(plot.columns)
    edges = [round(height * n / count) for n in range(count + 1)]
    return seen[top + edges[number] : top + edges[number + 1], left : left + int(place.width())]


def is_trace(lane, plot, number):
    """Say which pixels of a lane are of its trace: nearer to its colour than to what is behind it."""
    theme = plot._picture.theme
    front, back = np.array(theme.traces[number % len(theme.traces)]), np.array(theme.back)
    along = (lane - back) @ (front - back) / ((front - back) @ (front - back))
    return along > 0.5


def middles(plot, number):
    """Give the middle of what is drawn of a trace, in each column of pixels, as a value; NaN where nothing is."""
    lane = lane_of(plot, number)
    drawn = is_trace(lane, plot, number)
    height = len(lane)
    rows = np.arange(height)[:, None] + 0.5
    with np.errstate(invalid="ignore"):
        places = (rows * drawn).sum(axis=0) / drawn.sum(axis=0)
    scale = plot._lanes[number].scale
    # A lane has a border of two pixels.
    return scale.top - (places - 2) / (height - 4) * (scale.top - scale.bottom)


def wave(t, turns=0.5):
    """Give the value of the known curve at a time."""
    return np.sin(2 * np.pi * turns * np.asarray(t))


def waves(ring, seconds, start=0.0):
    """Put the known curves into a ring: column k does (k + 1) / 2 turns a second."""
    t = start + np.arange(round(seconds * RATE)) / RATE
    rows = np.zeros(len(t), ring.dtype)
    rows["t"] = t
    for number, name in enumerate(ring.columns[1:]):
        rows[name] = wave(t, (number + 1) / 2)
    ring.extend(rows)
    return t


def wave_ring(columns=("x", "y"), seconds=12.0):
    """Give a ring in memory of known curves."""
    ring = TimeRing(10_000, dict.fromkeys(columns, "f8"))
    waves(ring, seconds)
    return ring


class Screen:
    """A screen that nobody looks at, whose pixels are read from the server's own memory.

    Parameters
    ----------
    folder
        Where its memory lies.
    size
        Pixels from left to right, and from top to bottom.
    """

    def __init__(self, folder: Path, size: tuple[int, int] = (1100, 800)) -> None:
        ours, theirs = os.pipe()
        self._server = subprocess.Popen(
            ["Xvfb", "-displayfd", str(theirs), "-screen", "0", "{}x{}x24".format(*size), "-fbdir", str(folder)],
            pass_fds=[theirs], stderr=subprocess.DEVNULL,
        )  # fmt: skip
        os.close(theirs)
        with os.fdopen(ours) as told:
            self.name = ":" + told.readline().strip()
        self._memory = folder / "Xvfb_screen0"

    def pixels(self):
        """Give what is on it, as an array of height, width, and red, green, blue."""
        raw = self._memory.read_bytes()
        head = struct.unpack(">25I", raw[:100])  # the header of an XWD file
        size, width, height, line, colours = head[0], head[4], head[5], head[12], head[19]
        start = size + 12 * colours
        image = np.frombuffer(raw, np.uint8, line * height, start).reshape(height, line // 4, 4)
        return image[:, :width, 2::-1].astype(int)

    def wait_for(self, seen, process=None):
        """Wait until what is on it is as ``seen`` says; give it."""
        end = time.monotonic() + PATIENCE
        while True:
            now = self.pixels()
            if seen(now):
                return now
            assert process is None or process.poll() is None, "the window has ended"
            assert time.monotonic() < end, "this is not seen"
            time.sleep(0.02)

    def close(self):
        """End it."""
        self._server.terminate()
        self._server.wait()


@contextlib.contextmanager
def a_screen(folder):
    """Have a screen; skip where there is no server for one, or Qt cannot use it."""
    if shutil.which("Xvfb") is None:
        pytest.skip("needs Xvfb")
    screen = Screen(folder)
    try:
        tried = command("-c", "from pyqtgraph.Qt import QtWidgets; QtWidgets.QApplication([])", screen=screen)
        said = tried.communicate(timeout=PATIENCE)[1]
        if tried.returncode:
            pytest.skip(f"needs a Qt that can use a screen: {said}")
        yield screen
    finally:
        screen.close()


def command(*words, screen=None, rings=None, cwd=None):
    """Start Python with a screen, or without any."""
    environment = {
        name: value
        for name, value in os.environ.items()
        if name not in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM")
    }
    if screen is not None:
        environment["DISPLAY"] = screen.name
    if rings is not None:
        environment["RINGACC_RINGS"] = str(rings)
    home = str(Path(__file__).resolve().parents[1])
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, [home, environment.get("PYTHONPATH")]))
    return subprocess.Popen(
        [sys.executable, *words], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=cwd
    )


def has_colour(image, colour, least=20):
    """Say whether there are some pixels of a colour."""
    return np.count_nonzero((np.abs(image - np.array(colour)) < 12).all(axis=-1)) >= least


__all__ = ["QtCore", "QtGui", "QtTest", "QtWidgets"]
