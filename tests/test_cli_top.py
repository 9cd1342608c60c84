"""``ringacc top``: what is said of a ring that real processes write, in terminals of all sizes and in a pipe."""

from __future__ import annotations

import fcntl
import math
import os
import re
import signal
import struct
import subprocess
import sys
import termios

import numpy as np
import pytest
from cli_stage import COMMAND, ENVIRONMENT, plain, terminals  # noqa: F401 (a fixture)

from ringacc import TimeRing
from ringacc.cli import main

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="kills processes")

# Writes rows, and stays until it is told to close the ring, or killed: name, rows and columns are given.
_WRITER = """
import sys
from ringacc import TimeRing
name, rows, *columns = sys.argv[1:]
ring = TimeRing.create(name, 1000, {column: "f8" for column in columns}, units={columns[0]: "mm"})
ring.extend([n / 100 for n in range(int(rows))], [(n,) * len(columns) for n in range(int(rows))])
print("there", flush=True)
sys.stdin.readline()
ring.close()
"""


@pytest.fixture(autouse=True)
def folder_for_rings(rings, monkeypatch):
    """Have rings by their names in a folder of the test's own, for every process."""
    rings.mkdir()
    monkeypatch.setitem(ENVIRONMENT, "RINGACC_RINGS", str(rings))
    return rings


@pytest.fixture(name="write")
def writers():
    """Start processes that write rings; leave none."""
    started = []

    def write(name, rows, *columns):
        process = subprocess.Popen(
            [sys.executable, "-c", _WRITER, name, str(rows), *columns],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=ENVIRONMENT, text=True,
        )  # fmt: skip
        started.append(process)
        assert process.stdout.readline() == "there\n"
        return process

    yield write
    for process in started:
        process.kill()
        process.communicate()


def pictures(raw):
    """Give the pictures that were drawn, each as its lines: every one begins where the terminal does."""
    drawn = raw.split("\x1b[?1049l")[0].split("\x1b[H")[1:-1]
    return [[line.rstrip() for line in plain(picture).replace("\r", "").split("\n")] for picture in drawn]


def resize(command, width, height):
    """Give the terminal of a command another size."""
    fcntl.ioctl(command._ours, termios.TIOCSWINSZ, struct.pack("HHHH", height, width, 0, 0))


def end(command):
    """Press Ctrl-C, and see that the terminal is as it was before, with the last picture in it."""
    command.press_ctrl_c()
    assert command.finish() == 130
    assert "\x1b[?1049l" in command.raw
    assert command.raw.rindex("\x1b[?25h") > command.raw.rfind("\x1b[?25l")


def test_top_waits_follows_and_goes_on_with_other_columns(in_terminal, write):
    """The monitor starts before the ring, shows it, says that its writer was killed, and shows the next ring."""
    command = in_terminal("top", "rig", "--seconds", "2")
    command.wait_for("waiting for rig")

    first = write("rig", 301, "depth", "angle")
    command.wait_for(rf"live .*written by process {first.pid} on .*depth +300 mm +100 \.\. 300")
    first.kill()
    first.wait()
    command.wait_for(rf"process {first.pid} on \S+, has gone without closing it.*depth")
    picture = next(picture for picture in pictures(command.raw) if any("depth " in line for line in picture))
    text = "\n".join(picture)
    assert re.search(r"rate 100\.0 Hz +newest \S+( m?s ago)?\s+rows 301\s+missed 0", text)
    # 201 values that rise, in as many stretches as there are characters: each level is seen, in order.
    (course,) = re.findall(r"depth +300 mm +100 \.\. 300 +([▁▂▃▄▅▆▇█ ]+)$", text, re.MULTILINE)
    levels = course.replace(" ", "")
    assert sorted(levels) == list(levels)
    assert len(set(levels)) == 8

    os.unlink(f"{ENVIRONMENT['RINGACC_RINGS']}/rig.ring")
    second = write("rig", 5, "speed")
    command.wait_for(rf"live .*written by process {second.pid} on .*speed +4 mm")
    end(command)
    last = plain(command.raw.rsplit("\x1b[?1049l", 1)[-1])
    assert "speed" in last
    assert "depth" not in last


def test_top_says_that_the_writer_has_closed_the_ring(in_terminal, write):
    """A ring that was closed stays in sight, and it is said who closed it."""
    writer = write("rig", 5, "depth")
    command = in_terminal("top", "rig")
    command.wait_for("written by")
    writer.communicate("end\n")
    command.wait_for(rf"closed by process {writer.pid} .*depth +4 mm +0 \.\. 4")
    end(command)


def test_top_fits_itself_to_its_terminal(in_terminal, rings):
    """No picture is wider or higher than the terminal, also when that changes, and what is left out is counted."""
    with TimeRing.create("many", 100, {f"column_{n:03d}": "f8" for n in range(200)}) as ring:
        ring.extend([n / 10 for n in range(50)], [tuple(np.arange(200.0) + n) for n in range(50)])
        command = in_terminal("top", "many", width=80, height=24)
        command.wait_for("and 179 more")
        for width, height in ((40, 12), (20, 5), (120, 40)):
            resize(command, width, height)
            fitting = []
            while not fitting:  # wait_for gives up where nothing is drawn any more
                command.raw = ""
                command.wait_for(r"(and \d+ more.*){3}")
                fitting = [picture for picture in pictures(command.raw) if len(picture) == height]
            picture = fitting[-1]
            assert max(map(len, picture)) <= width
            assert picture[0].startswith("ringacc top many")
            columns = [line for line in picture if line.startswith("column_")]
            assert columns
            assert picture[-1] == f"and {200 - len(columns)} more"
        end(command)


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([], r"rate - .*rows 0 .*x +-\s+label +-"),
        ([(0.0, (1.5, b"one"))], r"rate - .*rows 1 .*x +\+1\.500 +\+1\.500 \.\. \+1\.500.*label +one"),
        ([(n / 4, (math.nan, b"a\x1b[2Jb")) for n in range(9)], r"rate 4\.0 Hz .*x +\+nan\s+label +a·\[2Jb"),
    ],
    ids=["none", "one", "only NaN, and text that would clear the terminal"],
)
def test_top_of_few_rows(in_terminal, rows, expected):
    """A ring of no rows, of one, or of no numbers is shown as it is; text is shown without a trace."""
    with TimeRing.create("few", 10, {"x": "f8", "label": "S8"}) as ring:
        for t, values in rows:
            ring.append(t, values)
        command = in_terminal("top", "few", "--seconds", "1000")
        command.wait_for(expected)
        assert "\x1b[2Jb" not in command.raw
        end(command)


def test_top_in_a_pipe_is_a_plain_line_a_second(write):
    """Without a terminal the monitor writes lines without codes, until it is interrupted."""
    writer = write("rig", 11, "depth", "angle")
    command = subprocess.Popen(
        [*COMMAND, "top", "rig", "--columns", "angle"], stdout=subprocess.PIPE, env=ENVIRONMENT, text=True
    )
    lines = []
    while len(lines) < 3:
        lines.append(command.stdout.readline())
    writer.communicate("end\n")
    while "closed by" not in lines[-1]:
        lines.append(command.stdout.readline())
    assert command.poll() is None
    command.send_signal(signal.SIGINT)
    rest = command.communicate(timeout=60)[0]

    assert command.returncode == 130
    facts = r"   rate 100\.0 Hz   newest -   rows 11   missed 0   "
    who = rf" by process {writer.pid} on \S+   angle 10\n"
    assert re.fullmatch("live" + facts + "written" + who, lines[1])
    assert re.fullmatch("ended" + facts + "closed" + who, lines[-1])
    assert "\x1b" not in "".join(lines) + rest


def test_top_refuses_a_column_that_is_not_there(rings, capsys):
    """Where the ring is there, an unknown column is an error that says which there are."""
    with TimeRing.create("rig", 10, {"x": "f8", "y": "f8"}):
        assert main(["top", "rig", "--columns", "x,z"]) == 2
    assert "expected columns among 'x', 'y', found 'z'" in capsys.readouterr().err


def test_top_refuses_a_file_that_is_no_ring(tmp_path, capsys):
    """A file of something else is an error, and nothing is shown."""
    (tmp_path / "log.ring").write_bytes(b"t;x\n" * 5000)
    assert main(["top", str(tmp_path / "log.ring")]) == 2
    assert "ringacc top: " in capsys.readouterr().err


def test_top_says_which_column_a_later_ring_does_not_have(in_terminal, write):
    """A column that was asked for before the ring came, and is not there, is said in the display."""
    command = in_terminal("top", "rig", "--columns", "angle,nose")
    command.wait_for("waiting for rig")
    write("rig", 5, "depth", "angle")
    command.wait_for("no column 'nose'.*angle +4 ")
    assert "depth" not in plain(command.raw)
    end(command)
