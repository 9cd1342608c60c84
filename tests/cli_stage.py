"""What the tests of the command line stand on: a terminal to run it in, a folder, a log, reading what it prints."""

from __future__ import annotations

import codecs
import contextlib
import fcntl
import itertools
import math
import multiprocessing
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ringacc.cli import terminal

ROOT = Path(__file__).resolve().parents[1]
COMMAND = [sys.executable, "-m", "ringacc"]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT), "TERM": "xterm-256color", "COLUMNS": "", "LINES": ""}


@pytest.fixture(name="here")
def empty_folder(tmp_path, monkeypatch):
    """Work in an empty folder; leave signals and the way processes are started as they were."""
    monkeypatch.chdir(tmp_path)
    before = multiprocessing.get_start_method(allow_none=True)
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield tmp_path
    for number, handler in handlers.items():
        signal.signal(number, handler)
    multiprocessing.set_start_method(before, force=True)
    assert not multiprocessing.active_children()


@pytest.fixture(name="after_some_rows")
def acting(monkeypatch):
    """Have something done when a running command has shown rows for the third time."""

    def arrange(action):
        count = itertools.count()
        monkeypatch.setattr(terminal, "_LINE_SECONDS", 0.02)
        show = terminal.Display.show

        def show_and_act(display, *what):
            show(display, *what)
            if next(count) == 3:
                action()

        monkeypatch.setattr(terminal.Display, "show", show_and_act)

    return arrange


class Terminal:
    """A command in a terminal of its own: what it wrote, and keys for it."""

    def __init__(self, *words, width=80, height=24, cwd):
        self._ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", height, width, 0, 0))
        self.process = subprocess.Popen(
            [sys.executable, "-c", _IN_A_SESSION, *COMMAND, *words],
            stdin=theirs, stdout=theirs, stderr=theirs, cwd=cwd, env=ENVIRONMENT, start_new_session=True,
        )  # fmt: skip
        os.close(theirs)
        self.raw = ""
        self._decoder = codecs.getincrementaldecoder("utf-8")()

    def wait_for(self, pattern):
        """Read on until the text has a pattern; None: until the end."""
        end = time.monotonic() + 120
        while pattern is None or not re.search(pattern, plain(self.raw), re.DOTALL):
            assert time.monotonic() < end, f"expected {pattern!r}, found {self.raw[-2000:]!r}"
            if not select.select([self._ours], [], [], 1.0)[0]:
                continue
            try:
                data = os.read(self._ours, 65536)
            except OSError:  # the other end is closed
                data = b""
            if not data:
                assert pattern is None, f"expected {pattern!r}, found the end after {self.raw[-2000:]!r}"
                break
            self.raw += self._decoder.decode(data)

    def press_ctrl_c(self):
        """Send the key; the terminal makes it a signal to every process of the command."""
        os.write(self._ours, b"\x03")

    def finish(self):
        """Read to the end and give the exit code."""
        self.wait_for(None)
        return self.process.wait(60)

    def close(self):
        """Leave nothing behind, however the test ended."""
        self.process.kill()
        self.process.wait()
        os.close(self._ours)


@pytest.fixture(name="in_terminal")
def terminals(tmp_path):
    """Run commands in terminals, in an empty folder."""
    with contextlib.ExitStack() as stack:

        def run(*words, **size):
            command = Terminal(*words, **size, cwd=tmp_path)
            stack.callback(command.close)
            return command

        yield run


# Makes the terminal the controlling one, as a shell does, so that Ctrl-C reaches the command.
_IN_A_SESSION = (
    "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); os.execv(sys.argv[1], sys.argv[1:])"
)


def all_end(session):
    """Wait until no process of a session is left; give False if one stays for half a minute."""
    end = time.monotonic() + 30
    while subprocess.run(["ps", "-o", "pid=", "-s", str(session)], capture_output=True, check=False).stdout:
        if time.monotonic() > end:
            return False
        select.select([], [], [], 0.05)
    return True


def plain(text):
    """Give text without the codes that move the cursor or colour."""
    return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", text)


def left_on_screen(text):
    """Give the lines that a terminal is left with: what follows a carriage return is written over what was there.

    Codes may come anywhere: numba, while it compiles, may load a package that resets colours at the exit.
    """
    lines = []
    for line in plain(text).replace("\r\n", "\n").split("\n"):
        seen = ""
        for part in line.split("\r"):
            seen = part + seen[len(part) :]
        lines.append(seen.rstrip())
    return lines


def table_in(text):
    """Give the table of what was recorded: label -> cells."""
    labels = ("rows missed", "rows", "seconds", "rate", "largest gap", "file size")
    rows = {}
    for line in plain(text).replace("\r", "").splitlines():
        label = next((label for label in labels if re.match(rf"{label}  ", line)), None)
        if label is not None:
            rows[label] = re.split(r"\s{2,}", line[len(label) :].strip())
    return rows


def odd_log(rows=400):
    """Give a table with everything that a log may have: names, types, NaN, a time in the middle that stands still."""
    rng = np.random.default_rng(3)
    values = rng.normal(size=rows)
    values[::7] = np.nan
    values[1::7] = -0.0
    times = np.round(np.arange(rows) * 0.001, 6)
    times[10:13] = times[10]
    return pd.DataFrame(
        {
            "closed loop 1D_vel": values,
            "class": np.arange(rows, dtype=np.int64) - 2**62,
            "t": times,
            "_1": rng.random(rows) < 0.5,
            "größe; \"µm\"": rng.normal(size=rows),
        }
    )  # fmt: skip


class Line:
    """A line to no command, with a clock that goes as it is told."""

    def __init__(self, stop_after=math.inf, delays=()):
        self.rows, self.moments, self.time = [], [], None
        self._stop_after = stop_after
        self._delays = dict(delays)

    def start(self):
        self.time = 0.0

    def now(self):
        return self.time

    def goes_on_at(self, moment):
        self.moments.append(moment)
        self.time = max(self.time, moment) + self._delays.get(len(self.rows), 0.0)
        return len(self.rows) < self._stop_after

    def put(self, t, row):
        self.rows.append((t, row))
