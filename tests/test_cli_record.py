"""``ringacc record``: a log of another process's rows however it ends, or one line that says why not; nothing left."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys

import pytest
from cli_stage import COMMAND, empty_folder, plain, terminals  # noqa: F401 (fixtures)
from recorder_stage import FIELDS, Acknowledged, ring_file, rows_of, saved_numbers, until

import ringacc
from ringacc import TimeRing
from ringacc.cli import main
from ringacc.kernels.rows import OVERWRITE, TAKEN_ONLY
from ringacc.recorder.loop import recording_of

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="uses ptys, and stops processes")


@pytest.fixture(name="rings", autouse=True)
def folder_for_rings(tmp_path, monkeypatch):
    """Have rings by their names in a folder of the test's own."""
    folder = tmp_path / "rings"
    folder.mkdir()
    monkeypatch.setenv("RINGACC_RINGS", str(folder))
    return folder


@pytest.fixture(name="ring")
def ring_by_name(rings):
    """Give a ring of 1000 rows in the folder for rings."""
    made = TimeRing.create("tail", 1000, FIELDS)
    yield made
    made.close(keep=True)


def recording(stage, ring, out, *options):
    """Start ``ringacc record`` and wait until it has the ring."""
    command = stage.start("command", "record", ring.path, out, *options)
    until(lambda: ring.file.block.keep == TAKEN_ONLY, "the recorder")
    return command


def all_taken(ring):
    until(lambda: ring.file.taken == ring.written, "the recorder")


def refusal(capsys, *words):
    """Give the one line of a command that does nothing, with exit code 2."""
    capsys.readouterr()
    try:
        code = main([str(word) for word in words])
    except SystemExit as end:
        code = end.code
    said = capsys.readouterr().err
    assert code == 2
    assert said.startswith("ringacc record: ")
    assert said.count("\n") == 1
    return said


# A clean end ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["log.csv", "log.feather", "log.hdf5", "log.h5", "log.json", "log.parquet"])
def test_every_format_and_nothing_left_behind(stage, rings, tmp_path, name):
    """When the writer closes its ring, OUT has every row, in its format; no file is left where rings and logs lie."""
    out = tmp_path / "logs" / name
    out.parent.mkdir()
    ring = TimeRing.create("tail", 100, {"n": "i8", "half": "f8"})
    command = recording(stage, ring, out, "--quiet")
    for n in range(250):
        until(lambda: ring.has_room, "the recorder")
        ring.append(n / 8, (n, n / 2))
    ring.close()

    assert command.wait() == 0
    table = ringacc.load(out)
    assert list(table.columns) == ["t", "n", "half"]
    assert table["t"].tolist() == [n / 8 for n in range(250)]
    assert table["n"].tolist() == list(range(250))
    assert table["half"].tolist() == [n / 2 for n in range(250)]
    assert os.listdir(rings) == []
    assert os.listdir(out.parent) == [name]
    assert command.errors == ""


def test_what_it_says(stage, ring, tmp_path):
    """In a pipe: lines of how it stands, and at last where the rows are."""
    out = tmp_path / "log.feather"
    ring.extend(rows_of(0, 8))
    command = recording(stage, ring, out)
    all_taken(ring)
    ring.close()

    assert command.wait() == 0
    lines = command.errors.splitlines()
    assert lines[-1] == f"8 rows saved as {out}"
    assert any(line.endswith("missed 0   n 7   inverse 1.84e+19") for line in lines)


def test_without_rows_there_is_no_log(stage, ring, tmp_path):
    """A ring that closes empty: that is said, with exit code 0, and there is no file."""
    command = recording(stage, ring, tmp_path / "log.feather")
    ring.close()

    assert command.wait() == 0
    assert "nothing was recorded" in command.errors
    assert os.listdir(tmp_path) == ["rings"]


def test_a_terminal_is_redrawn_and_ctrl_c_saves(in_terminal, ring, tmp_path):
    """In a terminal: rows, size and the course of two columns; Ctrl-C, twice: exit code 130, no traceback."""
    command = in_terminal("record", str(ring.path), "log.feather", width=60)
    until(lambda: ring.file.block.keep == TAKEN_ONLY, "the recorder")
    ring.extend(rows_of(0, 500))
    command.wait_for(r"ringacc record tail.ring .*rows 500 .*on disk \d.*missed 0.*\nn +499  [^\n]*[▁▂▃▄▅▆▇█]{5}")
    command.press_ctrl_c()
    command.press_ctrl_c()

    assert command.finish() == 130
    assert plain(command.raw).replace("\r", "").endswith("\n500 rows saved as log.feather\n")
    assert "Traceback" not in command.raw
    assert saved_numbers(tmp_path / "log.feather") == list(range(500))


# Other ends -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_signals_save_what_was_recorded(stage, ring, tmp_path, number, code):
    """Ctrl-C and SIGTERM: what was there until then is saved, the exit code says which; the writer goes on alone."""
    out = tmp_path / "log.csv"
    ring.extend(rows_of(0, 300))
    command = recording(stage, ring, out, "--quiet")
    ring.extend(rows_of(300, 700))
    command.kill(number)

    assert command.wait() == code
    assert ringacc.load(out)["n"].tolist() == list(range(700))
    assert ring.file.block.keep == OVERWRITE
    ring.extend(rows_of(700, 2700))
    assert ring.path.exists()
    assert not recording_of(out).exists()


def test_a_writer_that_is_killed_loses_nothing(stage, rings, tmp_path):
    """Every row whose append had returned is in OUT; that the writer has not closed the ring is said; exit code 0."""
    out, path = tmp_path / "log.feather", rings / "tail.ring"
    writer = stage.start("write", path, 1000, tmp_path / "told", "wait")
    ring_file(path)
    command = stage.record(path, out, "--policy", "block")
    told = Acknowledged(tmp_path / "told")
    until(lambda: told.count > 3000, "the writer")
    writer.kill()

    assert command.wait() == 0
    numbers = saved_numbers(out)
    assert numbers == list(range(len(numbers)))
    assert told.count <= len(numbers) <= told.count + 64
    assert command.errors == (
        f"ringacc record: the writer of {path} ended without closing it; all rows that it had put in are saved\n"
    )
    assert os.listdir(rings) == []


def test_ends_with_its_parent(ring, tmp_path):
    """With --with-parent it ends when standard input does, with all rows, as after a clean end."""
    out = tmp_path / "log.feather"
    ring.extend(rows_of(0, 40))
    words = ["record", str(ring.path), str(out), "--with-parent", "--quiet", "--policy", "block"]
    with subprocess.Popen([*COMMAND, *words], stdin=subprocess.PIPE, stderr=subprocess.PIPE) as command:
        until(lambda: ring.file.block.keep == TAKEN_ONLY, "the recorder")
        ring.extend(rows_of(40, 60))
        assert command.communicate(timeout=60)[1] == b""

    assert command.returncode == 0
    assert saved_numbers(out) == list(range(60))


def test_nobody_looks_any_more(ring, tmp_path):
    """When what shows it is closed, recording goes on; all that is lost is the picture."""
    out = tmp_path / "log.feather"
    with subprocess.Popen(
        [*COMMAND, "record", str(ring.path), str(out)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as command:
        until(lambda: ring.file.block.keep == TAKEN_ONLY, "the recorder")
        command.stdout.close()
        ring.extend(rows_of(0, 500))
        until(lambda: "it goes on unseen" in command.stderr.readline(), "the word")
        ring.extend(rows_of(500, 900))
        ring.close()
        assert command.wait(60) == 0
        assert command.stderr.read() == ""

    assert saved_numbers(out) == list(range(900))


# Where it does not keep up ----------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore::ringacc.errors.RecorderWarning")
def test_drop_says_what_was_overwritten(stage, ring, tmp_path):
    """Rows that the ring had no room for are missing, and counted: on stderr, and by exit code 1."""
    out = tmp_path / "log.feather"
    command = recording(stage, ring, out, "--quiet")
    ring.extend(rows_of(0, 10))
    all_taken(ring)
    command.kill(signal.SIGSTOP)
    ring.extend(rows_of(10, 1010))
    ring.extend(rows_of(1010, 1310))
    command.kill(signal.SIGCONT)
    ring.close()

    assert command.wait() == 1
    assert "300 rows overwritten before they could be recorded" in command.errors
    assert ringacc.load(out)["n"].tolist() == [*range(10), *range(310, 1310)]


def test_block_makes_the_writer_wait(stage, ring, tmp_path):
    """With --policy block a full ring has no room until the recorder goes on, and nothing is missing."""
    out = tmp_path / "log.feather"
    command = recording(stage, ring, out, "--quiet", "--policy", "block")
    ring.extend(rows_of(0, 10))
    all_taken(ring)
    command.kill(signal.SIGSTOP)
    ring.extend(rows_of(10, 1010))
    assert not ring.has_room
    command.kill(signal.SIGCONT)
    ring.extend(rows_of(1010, 1310))
    ring.close()

    assert command.wait() == 0
    assert command.errors == ""
    assert saved_numbers(out) == list(range(1310))


# What cannot be done ----------------------------------------------------------------------------------------------


def test_what_is_there_is_not_overwritten(ring, tmp_path, capsys):
    """OUT that is there stays as it is, and the ring is left to others."""
    out = tmp_path / "log.csv"
    out.write_text("mine")

    assert f"{out}: expected no file there yet" in refusal(capsys, "record", ring.path, out)
    assert out.read_text() == "mine"
    assert not ring.file.has_follower()
    assert sorted(os.listdir(tmp_path)) == ["log.csv", "rings"]


@pytest.mark.parametrize(
    ("out", "named"), [("log.xls", ".parquet"), ("log", ".parquet"), ("missing/log.csv", "found no .*missing: make it")]
)
def test_what_can_be_no_log_is_refused(ring, tmp_path, capsys, out, named):
    """OUT without the extension of a format, or in no folder."""
    assert re.search(named, refusal(capsys, "record", ring.path, tmp_path / out))
    assert os.listdir(tmp_path) == ["rings"]


def test_a_second_recorder_is_refused(stage, ring, tmp_path, capsys):
    """While one takes the rows, another one is told so, and disturbs nothing."""
    command = recording(stage, ring, tmp_path / "log.feather", "--quiet")

    assert "found a second" in refusal(capsys, "record", ring.path, tmp_path / "other.feather")
    ring.extend(rows_of(0, 5))
    ring.close()
    assert command.wait() == 0
    assert saved_numbers(tmp_path / "log.feather") == list(range(5))


def test_no_such_ring_says_what_there_is(rings, here, capsys):
    """A name that no ring has: here, in the folder for rings, at a path; each time with what there is instead."""
    assert f"no nope, here or in {rings}: there is no ring\n" in refusal(capsys, "record", "nope", "log.csv")
    for place in range(12):
        TimeRing.create(f"r{place:02}", 1, {"x": "f8"}).close(keep=True)
    said = refusal(capsys, "record", "nope", "log.csv")
    assert "there are r00.ring, r01.ring, " in said
    assert "r09.ring, and 2 more\n" in said
    assert "no ./nope: there is no ring in" in refusal(capsys, "record", "./nope", "log.csv")
    assert "no folder no/such" in refusal(capsys, "record", "no/such/ring", "log.csv")
    assert "found the folder rings: there are r00.ring" in refusal(capsys, "record", "rings", "log.csv")
    assert "expected a ring" in refusal(capsys, "record", "", "log.csv")
    (here / "old.feather.recording").mkdir()
    assert "`ringacc recover old.feather.recording`" in refusal(capsys, "record", "old.feather.recording", "log.csv")
    (here / "text").write_text("no ring, but as long as the head of one " * 200)
    assert "expected a ring file" in refusal(capsys, "record", "text", "log.csv")
    assert sorted(os.listdir(here)) == ["old.feather.recording", "rings", "text"]


def test_a_name_and_a_path(stage, rings, here, capsys):
    """A bare name is that of a ring here or in the folder for rings; where it may be both, a path has to say it."""
    (here / "tail").write_text("a file of another kind does not stand in the way")
    TimeRing.create("tail", 10, {"x": "f8"}).close(keep=True)
    for name in ("tail", "tail.ring", str(rings / "tail")):
        assert main(["record", name, "log.csv", "--quiet"]) == 0  # its writer is gone
        TimeRing.create("tail", 10, {"x": "f8"}).close(keep=True)
    TimeRing.create("./tail.ring", 10, {"x": "f8"}).close(keep=True)
    said = refusal(capsys, "record", "tail", "log.csv")
    assert f"found {here / 'tail.ring'} and {rings / 'tail.ring'}: say by its path" in said
    assert main(["record", "./tail.ring", "log.csv", "--quiet"]) == 0
    assert not (here / "tail.ring").exists()
    assert (rings / "tail.ring").exists()


def test_wrong_words(capsys):
    """Missing and unknown words, and an unknown policy, are one line."""
    assert "RING, OUT" in refusal(capsys, "record")
    assert "OUT" in refusal(capsys, "record", "tail")
    assert "block" in refusal(capsys, "record", "tail", "log.csv", "--policy", "keep")
