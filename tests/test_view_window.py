"""The window as a command, on a screen whose pixels are read: writers come, go and come back, and it ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest
from view_stage import PATIENCE, a_screen, command, has_colour

from ringacc.errors import DisplayError
from ringacc.view import display
from ringacc.view.controls import _DOTS
from ringacc.view.theme import LIGHT
from ringacc.watching import Phase

_WRITER = """
import sys, numpy as np
from ringacc import TimeRing
columns = sys.argv[2].split(",")
ring = TimeRing.create(sys.argv[1], 5000, dict.fromkeys(columns, "f8"))
t = np.arange(2500) / 200
ring.extend(t, np.sin(t)[:, None] * np.ones(len(columns)))
print("written", flush=True)
sys.stdin.read()
"""


@pytest.fixture(scope="module", name="screen")
def screens(tmp_path_factory):
    """Have a screen."""
    with a_screen(tmp_path_factory.mktemp("screen")) as made:
        yield made


def written(path, columns):
    """Start a process that writes a ring of columns and stays; give it when its rows are there."""
    process = subprocess.Popen(
        [sys.executable, "-c", _WRITER, str(path), columns], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "written\n"
    return process


def closed(process):
    """End a process and its pipes."""
    process.kill()
    process.wait()
    for pipe in (process.stdin, process.stdout, process.stderr):
        if pipe is not None:
            pipe.close()


def is_seen(phase, traces):
    """Make what says whether a picture shows a phase, and a number of traces."""

    def seen(image):
        bar = image[:40]
        drawn = [has_colour(image[40:, 95:880], LIGHT.traces[number], 100) for number in range(3)]
        return has_colour(bar, _DOTS[phase]) and drawn == [number < traces for number in range(3)]

    return seen


def test_the_window_sees_a_writer_come_and_go_and_come_back(screen, tmp_path):
    """It waits for the ring, shows it, says when its writer was killed, and shows the next one's columns."""
    window = command("-m", "ringacc", "view", str(tmp_path / "tail.ring"), screen=screen)
    try:
        screen.wait_for(is_seen(Phase.WAITING, 0), window)

        first = written(tmp_path / "tail.ring", "x")
        screen.wait_for(is_seen(Phase.LIVE, 1), window)

        closed(first)
        screen.wait_for(is_seen(Phase.GONE, 1), window)

        (tmp_path / "tail.ring").unlink()
        second = written(tmp_path / "tail.ring", "speed,angle,y")
        screen.wait_for(is_seen(Phase.LIVE, 3), window)

        second.communicate("")  # it ends without closing the ring
        screen.wait_for(is_seen(Phase.GONE, 3), window)
    finally:
        closed(window)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_closes_the_window(screen, tmp_path, number, code):
    """Ctrl-C and SIGTERM end it with the exit codes of the other commands, and nothing is complained of."""
    window = command("-m", "ringacc", "view", str(tmp_path / "tail.ring"), screen=screen)
    try:
        screen.wait_for(is_seen(Phase.WAITING, 0), window)
        window.send_signal(number)
        said = window.communicate(timeout=PATIENCE)
    finally:
        closed(window)

    assert window.returncode == code
    assert said[1] == ""


def test_the_demo_is_watched(screen, tmp_path):
    """Its rows are seen in a window while it records; the window ends with it, and so does its process."""
    rings = tmp_path / "rings"
    demo = command(
        "-m", "ringacc", "demo", "--view", "--seconds", "600", "--rate", "100", "--out", str(tmp_path / "out"),
        screen=screen, rings=rings,
    )  # fmt: skip
    try:
        screen.wait_for(is_seen(Phase.LIVE, 3), demo)
        demo.send_signal(signal.SIGINT)
        said = demo.communicate(timeout=PATIENCE)
    finally:
        closed(demo)

    assert (demo.returncode, said[1]) == (130, "")
    assert (tmp_path / "out").is_dir()
    assert using(rings) == []


def test_the_window_of_a_demo_that_was_killed_ends(screen, tmp_path):
    """Whatever ends the demo, no process stays."""
    rings = tmp_path / "rings"
    demo = command(
        "-m", "ringacc", "demo", "--view", "--seconds", "600", "--rate", "100", "--out", str(tmp_path / "out"),
        screen=screen, rings=rings,
    )  # fmt: skip
    try:
        screen.wait_for(is_seen(Phase.LIVE, 3), demo)
    finally:
        closed(demo)

    end = time.monotonic() + PATIENCE
    while using(rings):
        assert time.monotonic() < end, f"these stay: {using(rings)}"
        time.sleep(0.05)


def using(folder):
    """Give the command lines of the processes that name a folder."""
    listed = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    return [line for line in listed.splitlines() if str(folder) in line]


# What cannot be shown -----------------------------------------------------------------------------------------


def refused(*words, **more):
    """Run a command that is refused; give its exit code and what it says."""
    process = command(*words, **more)
    said = process.communicate(timeout=PATIENCE)[1]
    return process.returncode, said


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="elsewhere there is always a display")
@pytest.mark.parametrize("words", [("view", "tail"), ("demo", "--view", "--out", "out")])
def test_no_display_is_said_before_anything_is_done(tmp_path, words):
    """Qt would abort the process."""
    code, said = refused("-m", "ringacc", *words, cwd=tmp_path)

    assert code == 2
    assert said.startswith(
        f"ringacc {words[0]}: expected a display to open a window on, found none (DISPLAY is not set): "
    )
    assert os.listdir(tmp_path) == []


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="elsewhere there is always a display")
def test_a_display_that_qt_cannot_use_is_said(monkeypatch):
    """So is one that is not there, and a Qt that lacks something: with what Qt says."""
    monkeypatch.delenv("QT_QPA_PLATFORM")
    monkeypatch.setenv("DISPLAY", ":1234567")
    with pytest.raises(DisplayError, match=r"expected that Qt can open a window, found that it cannot: .*xcb"):
        display.checked()
    monkeypatch.setenv("QT_QPA_PLATFORM", "nonsense")
    with pytest.raises(DisplayError, match="nonsense"):
        display.checked()


def test_a_display_that_can_be_used_is_no_error():
    """As here, where Qt needs no screen."""
    display.checked()


def test_a_file_that_is_no_ring_is_said(tmp_path):
    """Before a window is opened."""
    (tmp_path / "no.ring").write_text("text")

    code, said = refused("-m", "ringacc", "view", str(tmp_path / "no.ring"))

    assert code == 2
    assert said.startswith("ringacc view: ")
    assert "no.ring" in said


@pytest.mark.parametrize("missing", ["pyqtgraph", "pyqtgraph.Qt"])
def test_the_missing_extra_is_said(tmp_path, missing):
    """With the command that installs it."""
    hidden = f"import sys; sys.modules[{missing!r}] = None; from ringacc.cli import main; sys.exit(main())"

    code, said = refused("-c", hidden, "view", str(tmp_path / "tail.ring"))

    assert code == 2
    assert "pip install 'ringacc[view]'" in said
