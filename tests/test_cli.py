"""The command line records, says what cannot be done, and leaves cleanly however it ends."""

from __future__ import annotations

import json
import multiprocessing
import os
import re
import signal
import subprocess
import sys
from collections import deque
from multiprocessing import Pipe
from pathlib import Path

import numpy as np
import pytest
from cli_stage import COMMAND, ENVIRONMENT, Line, acting, all_end, empty_folder, odd_log, plain, table_in, terminals  # noqa: F401 (fixtures)

from ringacc import tables
from ringacc.cli import demo, main, producer, recording
from ringacc.cli.larva import COLUMNS, SEGMENTS, Larva
from ringacc.errors import SaveError

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
    from ringacc.cli.parser import FORMATS

    assert FORMATS == tables.FORMATS


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
