"""The command line records, replays and compares, shows it well everywhere, and leaves cleanly."""

from __future__ import annotations

import codecs
import contextlib
import fcntl
import io
import itertools
import json
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
from collections import deque
from multiprocessing import Pipe
from pathlib import Path
from queue import Empty, SimpleQueue

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from ringacc import tables
from ringacc.cli import demo, main, producer, recording, replay, terminal
from ringacc.cli.larva import COLUMNS, SEGMENTS, Larva
from ringacc.errors import SaveError

ROOT = Path(__file__).resolve().parents[1]
COMMAND = [sys.executable, "-m", "ringacc"]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT), "TERM": "xterm-256color", "COLUMNS": "", "LINES": ""}


# What the tests stand on ------------------------------------------------------------------------------------------


@pytest.fixture
def here(tmp_path, monkeypatch):
    """Work in an empty folder; leave signals and the way processes are started as they were."""
    monkeypatch.chdir(tmp_path)
    before = multiprocessing.get_start_method(allow_none=True)
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield tmp_path
    for number, handler in handlers.items():
        signal.signal(number, handler)
    multiprocessing.set_start_method(before, force=True)
    assert not multiprocessing.active_children()


@pytest.fixture
def after_some_rows(monkeypatch):
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


@pytest.fixture
def in_terminal(tmp_path):
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


def plain(text):
    """Give text without the codes that move the cursor or colour."""
    return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", text)


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


# The command as such ----------------------------------------------------------------------------------------------


def test_help_loads_nothing_but_the_standard_library():
    """``ringacc --help`` and that of each command are there at once: no numpy, numba, pandas or rich is loaded."""
    code = (
        "import sys\nfrom ringacc.cli import main\n"
        "for words in (['--help'], ['demo', '--help'], ['replay', '--help'], ['--version']):\n"
        "    try: main(words)\n    except SystemExit as end: assert end.code == 0\n"
        "print([name for name in ('numpy', 'numba', 'pandas', 'pyarrow', 'rich') if name in sys.modules])"
    )

    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=ENVIRONMENT, timeout=120, check=True
    )

    assert done.stdout.splitlines()[-1] == "[]"
    for word in ("demo", "replay", "--seconds", "--rate", "--speed", "--format", "--out", "Ctrl-C", "default"):
        assert word in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 80


def test_module_is_the_command():
    """``python -m ringacc`` is ``ringacc``."""
    done = subprocess.run(
        [*COMMAND, "--version"], capture_output=True, text=True, env=ENVIRONMENT, timeout=120, check=True
    )

    assert re.fullmatch(r"ringacc \d+\.\d+\S*\n", done.stdout)


def test_formats_offered_are_those_there_are():
    """The parser, which loads no tables, knows the formats that tables have."""
    from ringacc.cli import _FORMATS

    assert _FORMATS == tables.FORMATS


BAD = [
    ([], "demo"),
    (["record"], "record"),
    (["demo", "--rate", "0"], "'0'"),
    (["demo", "--rate", "-5"], "'-5'"),
    (["demo", "--rate", "fast"], "'fast'"),
    (["demo", "--seconds", "nan"], "'nan'"),
    (["demo", "--seconds", "inf"], "'inf'"),
    (["demo", "--format", "xls"], "csv, feather, hdf5, json, parquet"),
    (["demo", "--out", "file.txt"], "file.txt"),
    (["demo", "--out", "file.txt/below"], "--out"),
    (["demo", "--fps", "5"], "--fps"),
    (["replay"], "LOG"),
    (["replay", "missing.csv"], "missing.csv"),
    (["replay", "log.csv", "--speed", "0"], "max"),
    (["replay", "log.csv", "--speed", "quick"], "max"),
    (["replay", "log.csv", "--format", "xls"], "csv, feather, hdf5, json, parquet"),
    (["replay", "log.csv", "--out", "."], "log itself"),
    (["replay", "log.csv", "--out", "file.txt"], "file.txt"),
    (["replay", "file.txt"], "file.txt"),
    (["replay", "empty.csv"], "empty"),
    (["replay", "norows.csv"], "without any"),
    (["replay", "notime.csv"], '"t"'),
    (["replay", "nantime.csv"], "row 1"),
    (["replay", "text.csv"], "'name'"),
    (["replay", "wrong.feather"], "csv"),
]


@pytest.mark.parametrize(("words", "named"), BAD, ids=lambda value: " ".join(value) if isinstance(value, list) else "")
def test_what_cannot_be_done_is_one_line_and_nothing_is_started(words, named, here, monkeypatch, capsys):
    """Bad options, logs and folders end with exit code 2 and a line that names them, with no process and no file."""
    files = {
        "file.txt": "no log",
        "log.csv": ";t;x\n0;0.0;1\n",
        "empty.csv": "",
        "norows.csv": ";t;x\n",
        "notime.csv": ";x\n0;1\n",
        "nantime.csv": ";t;x\n0;0.0;1\n1;;2\n",
        "text.csv": ';t;name\n0;0.0;"a"\n',
        "wrong.feather": ";t;x\n0;0.0;1\n",
    }
    for name, text in files.items():
        Path(name).write_text(text)
    monkeypatch.setattr(multiprocessing.Process, "start", lambda self: pytest.fail("a process was started"))

    try:
        code = main(words)
    except SystemExit as end:
        code = end.code

    complaint = capsys.readouterr().err
    assert code == 2
    assert complaint.startswith("ringacc")
    assert complaint.count("\n") == 1
    assert named in complaint
    assert {path.name for path in here.iterdir()} == set(files)


# What ends it early -----------------------------------------------------------------------------------------------

LASTING = [["demo", "--seconds", "100", "--rate", "40"], ["replay", "log.feather", "--speed", "0.1"]]


@pytest.mark.parametrize(
    ("words", "number", "code"),
    [(LASTING[0], signal.SIGINT, 130), (LASTING[1], signal.SIGTERM, 143)],
    ids=["demo", "replay"],
)
def test_interrupted_command_saves_what_it_has(words, number, code, here, after_some_rows, capsys):
    """Ctrl-C, and SIGTERM, save the rows until then, show their table, and say the signal by the exit code."""
    tables.save(odd_log(20_000), here / "log", "feather")
    after_some_rows(lambda: os.kill(os.getpid(), number))

    assert main(words) == code

    printed = capsys.readouterr()
    (log,) = [*here.glob("ringacc_*/*behavior_log.feather"), *here.glob("ringacc_*/log.feather")]
    saved = tables.load(log)
    assert printed.err == ""
    assert len(saved) > 0
    assert table_in(printed.out)["rows"][0] == str(len(saved))
    assert table_in(printed.out)["rows missed"][0] == "0"
    if words[0] == "replay":
        assert f"\nidentical so far: {len(saved)} rows x 5 columns, of 20000 rows, bit for bit\n" in printed.out


@pytest.mark.parametrize("words", LASTING, ids=["demo", "replay"])
def test_rows_are_saved_though_their_process_dies(words, here, after_some_rows, capsys):
    """When the process that rows come from is killed, what came is saved; exit code 1 and one line say so."""
    tables.save(odd_log(20_000), here / "log", "feather")
    after_some_rows(lambda: [child.kill() for child in multiprocessing.active_children()])

    assert main(words) == 1

    printed = capsys.readouterr()
    (log,) = [*here.glob("ringacc_*/*behavior_log.feather"), *here.glob("ringacc_*/log.feather")]
    assert printed.err.count("\n") == 1
    assert "exit code -9" in printed.err
    assert table_in(printed.out)["rows"][0] == str(len(tables.load(log)))
    assert table_in(printed.out)["rows missed"][0] == "unknown"


@pytest.mark.parametrize("words", LASTING, ids=["demo", "replay"])
def test_interrupted_before_the_first_row_leaves_nothing(words, here, monkeypatch, capsys):
    """Ctrl-C while the other process starts: exit code 130, no folder, and a line that says so."""
    tables.save(odd_log(), here / "log", "feather")
    wait = producer.Producer.wait_for_start

    def interrupted(waiting, interrupt):
        os.kill(os.getpid(), signal.SIGINT)
        return wait(waiting, interrupt)

    monkeypatch.setattr(producer.Producer, "wait_for_start", interrupted)

    assert main(words) == 130
    assert "nothing was recorded" in capsys.readouterr().out
    assert [path.name for path in here.iterdir()] == ["log.feather"]


def test_process_that_dies_at_its_start_is_one_line(here, monkeypatch, capsys):
    """When the process that rows come from does not come up: exit code 1 and one line, at once."""
    wait = producer.Producer.wait_for_start

    def killed(waiting, interrupt):
        for child in multiprocessing.active_children():
            child.kill()
        return wait(waiting, interrupt)

    monkeypatch.setattr(producer.Producer, "wait_for_start", killed)

    assert main(["demo"]) == 1
    assert re.fullmatch(r"ringacc demo: .*exit code -9.*\n", capsys.readouterr().err)
    assert not list(here.iterdir())


def test_interrupted_while_loading_starts_nothing(here, monkeypatch):
    """Ctrl-C while the package loads is noted, though libraries may catch what interrupts their imports."""
    from ringacc import cli

    monkeypatch.setattr(cli, "_command", lambda options: os.kill(os.getpid(), signal.SIGINT))

    assert main(["demo"]) == 130
    assert not list(here.iterdir())


def test_log_that_cannot_be_saved_is_one_line(here, after_some_rows, capsys):
    """When the folder is gone wrong meanwhile: exit code 1 and one line that names it."""
    log = tables.save(odd_log(), here / "log", "feather")
    after_some_rows(lambda: Path("out").write_text(""))

    assert main(["replay", str(log), "--out", "out"]) == 1
    assert re.fullmatch("ringacc replay: .*out.*\n", capsys.readouterr().err)


# demo -------------------------------------------------------------------------------------------------------------


def assert_tracked(behavior, estimates):
    """Assert that the angles are those that the larva had at those times, and the vigour that of the last 50 ms."""
    larva = Larva()
    assert list(behavior.columns) == ["t", *COLUMNS]
    for row in behavior.itertuples(index=False):
        assert np.abs(np.array(row[2 : 2 + SEGMENTS]) - larva.angles(row.t)).max() < 0.15
    assert list(estimates.columns) == ["t", "vigour", "delay"]
    for t, vigour in zip(estimates["t"], estimates["vigour"], strict=True):
        window = behavior["tail_sum"][(behavior["t"] <= t) & (behavior["t"] >= t - 0.05)]
        assert vigour == pytest.approx(window.std(ddof=0), abs=1e-12)


def test_demo_records_what_the_larva_does(here, capsys):
    """A session of the demo: every frame in the log, the estimates right, and the table says what the files hold."""
    code = main(["demo", "--seconds", "1.5", "--rate", "40", "--out", "session", "--format", "hdf5"])

    printed = capsys.readouterr().out
    files = {re.sub(r"^[^_]*_", "", path.name): path for path in Path("session").iterdir()}
    behavior, estimates = tables.load(files["behavior_log.hdf5"]), tables.load(files["estimator_log.hdf5"])
    metadata = json.loads(files["metadata.json"].read_text())
    lost = metadata["camera"]["demo"]["lost"]
    shown = table_in(printed)
    assert code == 0
    assert_tracked(behavior, estimates)
    assert len(behavior) + lost == 60
    assert behavior["frame"].iloc[0] == 0
    assert np.diff(behavior["frame"]).sum() == 59
    assert (np.diff(behavior["frame"]) >= 1).all()
    assert (behavior["t"] >= behavior["frame"] / 40).all()
    assert shown["rows"] == [str(len(behavior)), str(len(estimates))]
    assert shown["rows missed"] == ["0", "0"]
    for place, log in enumerate((behavior, estimates)):
        seconds = log["t"].iloc[-1] - log["t"].iloc[0]
        assert shown["seconds"][place] == f"{seconds:.3f}"
        assert shown["rate"][place] == f"{(len(log) - 1) / seconds:.1f} Hz"
        assert shown["largest gap"][place] == f"{1000 * np.diff(log['t']).max():.1f} ms"
    for name in ("behavior_log.hdf5", "estimator_log.hdf5", "metadata.json"):
        assert files[name].name in printed
    assert re.search(r"of 1.5 s   rate .* Hz   rows \d+   delay .* ms   tail_sum .*   vigour ", printed)
    assert "\x1b" not in printed


def test_demo_leaves_cleanly_on_ctrl_c(in_terminal, tmp_path):
    """Ctrl-C, twice, in a narrow terminal: exit code 130, what was recorded is saved and shown, no traceback."""
    command = in_terminal("demo", "--seconds", "60", "--rate", "40", width=40)
    command.wait_for("tail_sum.*[▁▂▃▄▅▆▇█]{4}.*vigour")
    command.press_ctrl_c()
    command.press_ctrl_c()

    code = command.finish()

    (folder,) = tmp_path.iterdir()
    files = {path.name.partition("_")[2]: path for path in folder.iterdir()}
    behavior, estimates = tables.load(files["behavior_log.feather"]), tables.load(files["estimator_log.feather"])
    assert code == 130
    assert folder.name.startswith("ringacc_demo_")
    assert_tracked(behavior, estimates)
    assert table_in(command.raw)["rows"] == [str(len(behavior)), str(len(estimates))]
    assert table_in(command.raw)["rows missed"] == ["0", "0"]
    assert files["metadata.json"].name in plain(command.raw)
    assert "Traceback" not in command.raw
    assert all_end(command.process.pid)


def all_end(session):
    """Wait until no process of a session is left; give False if one stays for half a minute."""
    end = time.monotonic() + 30
    while subprocess.run(["ps", "-o", "pid=", "-s", str(session)], capture_output=True, check=False).stdout:
        if time.monotonic() > end:
            return False
        select.select([], [], [], 0.05)
    return True


@pytest.mark.long
@pytest.mark.parametrize("after", ["loading", "starting", r"rows \d", r"rows \d\d\d"])
@pytest.mark.parametrize("words", [("demo", "--seconds", "20"), ("replay", "log.csv")])
@pytest.mark.parametrize("times", [1, 3])
def test_ctrl_c_at_any_moment(words, after, times, in_terminal, tmp_path):
    """Whenever Ctrl-C comes, and however often: exit code 130, no traceback, no process left."""
    tables.save(odd_log(20_000), tmp_path / "log.csv")
    command = in_terminal(*words)
    command.wait_for(after)
    for _ in range(times):
        command.press_ctrl_c()

    assert command.finish() == 130
    assert "Traceback" not in command.raw
    assert all_end(command.process.pid)


@pytest.mark.long
def test_producer_ends_with_its_command(in_terminal):
    """When the command is killed, the process that rows come from ends by itself."""
    command = in_terminal("demo", "--seconds", "600")
    command.wait_for(r"rows \d\d")
    command.process.kill()
    command.process.wait()

    assert all_end(command.process.pid)


def test_film_makes_up_for_late_frames():
    """Frames that are late but still in the camera's buffer are all rendered, in order, and counted as late."""
    line = Line(delays={5: 0.055})

    counts = demo.film(line, 100.0, 0.2)

    frames = [row.frame for _, row in line.rows]
    assert frames == list(range(20))
    assert [t for t, _ in line.rows[:5]] == [0.0, 0.01, 0.02, 0.03, 0.04]
    assert line.rows[5][0] == pytest.approx(0.105)
    # Frame 5 is 55 ms late, 6: 45, 7: 35, 8: 25, 9: 15; frame 10 is only 5 ms late.
    assert (counts.late, counts.lost) == (5, 0)


def test_film_loses_what_the_buffer_does_not_hold():
    """After a stall of more than the camera's buffer, frames are missing in the numbers, and counted."""
    line = Line(delays={5: 0.5})

    counts = demo.film(line, 100.0, 1.0)

    frames = [row.frame for _, row in line.rows]
    assert frames == [*range(5), *range(55, 100)]
    assert counts.lost == 50


def test_film_stops_when_told():
    """A film that is told to stop has the frames until then."""
    line = Line(stop_after=7)

    demo.film(line, 100.0, 10.0)

    assert [row.frame for _, row in line.rows] == list(range(7))


# replay -----------------------------------------------------------------------------------------------------------


def test_replay_is_identical_whatever_the_log_holds(here, capsys):
    """Odd names, 64-bit numbers, bools, NaN, -0.0, times that repeat and stand in the middle: identical."""
    log = tables.save(odd_log(), here / "log", "parquet")

    code = main(["replay", str(log), "--speed", "max", "--format", "csv", "--out", "again"])

    printed = capsys.readouterr()
    saved = tables.load(here / "again" / "log.csv")
    assert code == 0
    assert printed.err == ""
    assert printed.out.endswith("\nidentical: 400 rows x 5 columns, bit for bit\n")
    assert "t is column 3 of 5 in LOG" in printed.out
    assert table_in(printed.out)["rows missed"] == ["0"]
    for name in odd_log().columns:
        assert repr(saved[name].astype(odd_log()[name].dtype).tolist()) == repr(odd_log()[name].tolist())


def test_replay_shows_its_progress_in_a_terminal(in_terminal, tmp_path):
    """In a terminal: a bar redrawn in place, at the times of the log; then the verdict."""
    tables.save(odd_log(700), tmp_path / "log", "feather")
    command = in_terminal("replay", "log.feather", width=60)

    code = command.finish()

    shown = plain(command.raw).replace("\r", "")
    assert code == 0
    assert "rows 700 of 700" in shown
    assert "100 %" in shown
    assert "━" * 59 in shown
    assert "identical: 700 rows x 5 columns, bit for bit" in shown
    assert "\x1b[1A" in command.raw


def test_replay_says_where_a_saved_log_differs(here, monkeypatch, capsys):
    """When what was saved is not the log: exit code 1 and the first value that differs."""
    log = tables.save(odd_log(50), here / "log", "feather")
    loaded = []

    def load(path):
        frame = tables.load(path)
        if loaded:
            frame.loc[30, "class"] = 7
        loaded.append(path)
        return frame

    monkeypatch.setattr(replay, "load", load)

    code = main(["replay", str(log), "--speed", "max"])

    assert code == 1
    assert capsys.readouterr().out.endswith(f"differs: column 'class', row 30: expected {30 - 2**62}, found 7\n")


RECORDINGS = [
    ("embedded/192316_behavior_log.hdf5", "feather"),
    ("embedded/192316_estimator_log.hdf5", "json"),
    ("embedded/192316_stimulus_log.hdf5", "csv"),
    ("freely_swimming/162934_behavior_log.hdf5", "hdf5"),
    ("freely_swimming/162934_stimulus_log.hdf5", "parquet"),
]


@pytest.mark.parametrize(("log", "format"), RECORDINGS)
def test_recordings_replay_identically(log, format, recordings, here, capsys):
    """Real recordings come out as they went in."""
    code = main(["replay", str(recordings / log), "--speed", "max", "--format", format])

    frame = tables.load(recordings / log)
    assert code == 0
    assert f"identical: {len(frame)} rows x {len(frame.columns)} columns" in capsys.readouterr().out


@pytest.mark.long
@pytest.mark.parametrize("speed", ["1", "max"])
@pytest.mark.parametrize("format", tables.FORMATS)
@pytest.mark.parametrize("log", [log for log, _ in RECORDINGS])
def test_recordings_replay_identically_in_every_way(log, format, speed, recordings, here, capsys):
    """Real recordings in all formats, from that format to that format, at their times and as fast as it goes."""
    converted = tables.save(tables.load(recordings / log), here / "log", format)

    assert main(["replay", str(converted), "--speed", speed, "--out", "again"]) == 0
    assert (here / "again" / f"log.{format}").is_file()
    assert "\nidentical: " in capsys.readouterr().out


def test_rows_are_sent_at_their_times(here):
    """Each row is sent as much after the first as its time says, by the speed, with the log's own types."""
    log = tables.save(odd_log(), here / "log", "parquet")
    line = Line()

    replay.send(line, log, 4.0)

    frame = odd_log()
    assert line.moments == [(t - frame["t"][0]) / 4.0 for t in frame["t"]]
    assert [t for t, _ in line.rows] == frame["t"].tolist()
    assert repr([tuple(row) for _, row in line.rows]) == repr(
        list(frame.drop(columns="t").itertuples(index=False, name=None))
    )
    assert line.rows[0][1]._columns == ("closed loop 1D_vel", "class", "_1", 'größe; "µm"')


def test_rows_are_sent_until_told_to_stop(here):
    """A replay that is told to stop has sent the rows until then; at full speed none of them waits."""
    log = tables.save(odd_log(), here / "log", "feather")
    line = Line(stop_after=123)

    replay.send(line, log, math.inf)

    assert len(line.rows) == 123
    assert set(line.moments) == {0.0}


def test_log_of_times_alone_is_sent(here):
    """A log may have no column but t."""
    log = tables.save(pd.DataFrame({"t": [0.5, 1.5]}), here / "log", "csv")
    line = Line()

    replay.send(line, log, 1.0)

    assert [(t, tuple(row)) for t, row in line.rows] == [(0.5, ()), (1.5, ())]
    assert line.moments == [0.0, 1.0]


numbers = {
    "f8": st.floats(width=64),
    "f4": st.floats(width=32),
    "i8": st.integers(-(2**63), 2**63 - 1),
    "u1": st.integers(0, 255),
    "?": st.booleans(),
}


@st.composite
def columns(draw):
    """Give columns by name, of any of the types and a common length of at least one row."""
    names = draw(st.lists(st.text(min_size=1, max_size=5), min_size=1, max_size=4, unique=True))
    rows = draw(st.integers(1, 6))
    made = {}
    for name in names:
        kind = draw(st.sampled_from(sorted(numbers)))
        made[name] = np.array(draw(st.lists(numbers[kind], min_size=rows, max_size=rows)), kind)
    return made


def spelled(value):
    """Spell a value so that equal texts are equal values: NaN is NaN, 0.0 is not -0.0."""
    return repr(value.item())


@given(expected=columns(), data=st.data())
def test_comparison_finds_the_first_value_that_differs(expected, data):
    """A table is identical to its columns in any order; with one value changed, that very one is named."""
    shuffled = data.draw(st.permutations(list(expected)))
    found = {name: expected[name].copy() for name in shuffled}
    assert replay.first_difference(expected, pd.DataFrame(found), typed=True) is None

    name = data.draw(st.sampled_from(shuffled))
    row = data.draw(st.integers(0, len(expected[name]) - 1))
    found[name][row] = data.draw(numbers[found[name].dtype.str[1:] if found[name].dtype != bool else "?"])
    difference = replay.first_difference(expected, pd.DataFrame(found), typed=True)

    if spelled(found[name][row]) == spelled(expected[name][row]):
        assert difference is None
    else:
        assert difference is not None
        assert difference.place == f"column {name!r}, row {row}"
        assert difference.expected == spelled(expected[name][row])


@pytest.mark.parametrize(
    ("expected", "found", "typed", "place"),
    [
        ({"x": [1.0]}, {"y": [1.0]}, True, "columns"),
        ({"x": [1.0]}, {"x": [1.0], "y": [1.0]}, True, "columns"),
        ({"x": [1.0, 2.0]}, {"x": [1.0]}, True, "column 'x'"),
        ({"x": [1]}, {"x": [1.0]}, True, "column 'x'"),
        ({"x": [1]}, {"x": [1.0]}, False, None),
        ({"x": [2**53 + 1]}, {"x": [2.0**53]}, False, "column 'x', row 0"),
        ({"x": [True, False]}, {"x": [1, 0]}, False, None),
        ({"x": [True, False]}, {"x": [7, 0]}, False, "column 'x', row 0"),
        ({"x": [1.5]}, {"x": ["1.5"]}, False, "column 'x', row 0"),
        ({"x": [math.inf]}, {"x": [math.nan]}, False, "column 'x', row 0"),
        ({"t": [1]}, {"t": [1.0]}, True, None),
    ],
)
def test_comparison_counts_types_where_a_format_has_them(expected, found, typed, place):
    """Names, lengths and types differ first; t is float64 always; a format without types is compared by value."""
    arrays = {name: np.array(values) for name, values in expected.items()}

    difference = replay.first_difference(arrays, pd.DataFrame(found), typed=typed)

    assert (None if difference is None else difference.place) == place


# Between the processes --------------------------------------------------------------------------------------------


class Queue(deque):
    """What a line puts rows into."""

    let_go = False

    def put(self, t, row):
        self.append((t, row))

    def cancel_join_thread(self):
        self.let_go = True


def test_line_waits_and_stops_when_told():
    """A producer never goes on before its time, and stops at the first word, also while it waits long."""
    ours, theirs = Pipe()
    line = producer.Line(theirs, Queue())
    line.start()
    for moment in (0.0, 0.01, 0.06):
        assert line.goes_on_at(moment)
        assert line.now() >= moment
    ours.send("stop")

    assert not line.goes_on_at(3600.0)
    assert line.now() < 3600.0


def test_line_stops_when_its_command_is_gone():
    """A producer whose command has died stops, and does not wait for its rows to be taken."""
    ours, theirs = Pipe()
    queue = Queue()
    line = producer.Line(theirs, queue)
    line.start()
    ours.close()

    assert not line.goes_on_at(3600.0)
    assert queue.let_go


def test_report_to_a_command_that_is_gone_is_no_error():
    """A producer that is done after its command has died ends quietly."""
    ours, theirs = Pipe()
    queue = Queue()
    ours.close()

    producer._produce(lambda line: "report", theirs, queue, ())

    assert queue.let_go


@given(arrivals=st.lists(st.sampled_from([0, 1, 2, 500, 999, 1000, 1001, 2500]), max_size=8))
def test_queue_gives_way_now_and_then(arrivals):
    """One taking ends after 1000 rows however many are waiting, takes all where they are fewer, and keeps the order."""
    waiting, taken = SimpleQueue(), []
    turns = producer.Turns(waiting)
    numbers = itertools.count()
    for arriving in [*arrivals, *[0] * len(arrivals) * 3]:
        for _ in range(arriving):
            waiting.put(next(numbers))
        expected = len(taken) + min(waiting.qsize(), 1000)
        with contextlib.suppress(Empty):
            while True:
                taken.append(turns.get(block=False))
        assert len(taken) == expected

    assert taken == list(range(sum(arrivals)))


# What is shown ----------------------------------------------------------------------------------------------------


class Screen(io.StringIO):
    """A terminal's file."""

    def isatty(self):
        return True


def traces(count):
    """Give traces to draw."""
    times = np.arange(0.0, 3.0, 0.01)
    return [(f"theta_{place:02d}", times, np.sin(times * (place + 1))) for place in range(count)]


STATUS = {"": "3.0 of 10 s", "rate": "500.0 Hz", "rows": "1500", "delay": "0.8 ms"}


@pytest.mark.parametrize("width", [40, 80, 200])
@pytest.mark.parametrize("height", [6, 24])
def test_display_fits_its_terminal(width, height):
    """On any terminal no line is wider and no picture higher than it; all of the status is there, with the traces."""
    screen = Screen()
    console = Console(file=screen, force_terminal=True, width=width, height=height)
    with terminal.Display("ringacc demo", console) as display:
        display.show(STATUS, 0.3, traces(12))
        lines = plain(screen.getvalue()).replace("\r", "").split("\n")

    assert max(map(len, lines)) <= width
    assert len([line for line in lines if line.strip()]) < height
    for text in ("3.0 of 10 s", "rate 500.0 Hz", "rows 1500", "delay 0.8 ms"):
        assert sum(text in line for line in lines) == 1
    drawn = [line for line in lines if line.startswith("theta_")]
    assert len(drawn) == min(12, height - 1 - lines.index(drawn[0]))
    assert all(re.match(r"theta_\d\d +[+-]\d\.\d{3}  [▁▂▃▄▅▆▇█]+$", line) for line in drawn)
    assert len(drawn[0]) == min(width, 8 + 12 + 120)


def test_display_writes_lines_where_there_is_no_terminal():
    """In a pipe a display is a line, without codes, with the status and the last values of the first two traces."""
    file = io.StringIO()
    with terminal.Display("ringacc demo", Console(file=file)) as display:
        display.show(STATUS, 0.3, traces(3))

    values = "   ".join(f"theta_{place:02d} {math.sin(2.99 * (place + 1)):+.3f}" for place in range(2))
    assert file.getvalue() == f"3.0 of 10 s   rate 500.0 Hz   rows 1500   delay 0.8 ms   {values}\n"


def test_display_does_without_unicode():
    """Where the terminal has no block characters, the traces are drawn with others."""
    buffer = io.BytesIO()
    screen = io.TextIOWrapper(buffer, encoding="ascii")
    screen.isatty = lambda: True
    with terminal.Display("ringacc demo", Console(file=screen, force_terminal=True, width=60)) as display:
        display.show(STATUS, 0.3, traces(2))
    screen.flush()

    assert re.search(r"theta_00 +\S+  [_.=+*%#-]{20}", plain(buffer.getvalue().decode()))


def test_display_is_due_now_and_then(monkeypatch):
    """A display is due at once, then at an even pace; after a stall it is due once, not for each time it missed."""
    moments = iter([0.0, 0.3, 1.0, 1.1, 7.0, 7.1, 8.0])
    monkeypatch.setattr(time, "monotonic", lambda: next(moments))
    display = terminal.Display("ringacc demo", Console(file=io.StringIO()))

    assert [display.is_due() for _ in range(7)] == [True, False, True, False, True, False, True]


@given(
    values=st.lists(st.one_of(st.floats(-10, 10), st.just(math.nan)), max_size=30),
    cells=st.integers(1, 40),
    now=st.floats(0.0, 5.0),
)
def test_sparkline_shows_the_farthest_value_of_each_stretch(values, cells, now):
    """Each character is the value of its stretch of time that is farthest from the middle; none, or NaN: a space."""
    times = np.linspace(0.0, now, len(values)) if values else np.zeros(0)
    finite = [value for value in values if not math.isnan(value)]
    low, high = min(finite, default=0.0), max(finite, default=0.0)

    drawn = terminal.sparkline(times, np.array(values), now, cells, low, high)

    stretch = terminal.TRACE_SECONDS / cells
    assert len(drawn) == cells
    for place, character in enumerate(drawn):
        number = math.floor(now / stretch) - cells + 1 + place
        here = [v for t, v in zip(times, values, strict=True) if math.floor(t / stretch) == number and v == v]
        if not here:
            assert character == " "
            continue
        level = "▁▂▃▄▅▆▇█".index(character)
        farthest = max(abs(value - (low + high) / 2) for value in here)
        shares = (
            [(v - low) / (high - low) for v in here if abs(v - (low + high) / 2) == farthest] if high > low else [0.5]
        )
        assert any(min(int(share * 8), 7) == level for share in shares)


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0.0, "0"),
        (-12.0, "-12"),
        (3e9, "3.00e+09"),
        (0.1234567, "+0.123"),
        (-1234.5678, "-1234.568"),
        (0.00012345, "+1.2e-04"),
        (123456.789, "+1.2e+05"),
        (math.nan, "+nan"),
        (-math.inf, "-inf"),
    ],
)
def test_values_take_little_room(number, text):
    """A value is spelled in nine characters at most."""
    assert terminal._value(number).replace("nan", "nan") == text
    assert len(text) <= 9


# Where it is saved ------------------------------------------------------------------------------------------------


def test_folder_is_a_new_one_unless_one_is_asked_for(here):
    """Without --out a folder that is not there yet is named after command and time; with it, that one."""
    first = recording.folder_for("demo", None)
    first.mkdir()
    second = recording.folder_for("demo", None)

    assert re.fullmatch(r"ringacc_demo_\d{8}_\d{6}", first.name)
    assert second != first
    assert not second.exists()
    assert recording.folder_for("demo", Path("a/b")) == Path("a/b")
    assert not Path("a").exists()


@pytest.mark.parametrize("out", ["file", "file/below"])
def test_folder_that_cannot_be_written_to_is_an_error(out, here):
    """What is no folder, or lies below what is none, is named before anything begins."""
    Path("file").write_text("")

    with pytest.raises(SaveError, match=rf"{out}: expected a folder"):
        recording.folder_for("demo", Path(out))
