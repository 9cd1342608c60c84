"""``ringacc inspect`` and ``ringacc recover``: what is there is said, what a crash has left is saved, the rest goes."""

from __future__ import annotations

import os
import pickle
import re
import shutil
import signal
import subprocess
import sys
from collections import namedtuple
from pathlib import Path

import pytest
from cli_stage import COMMAND, ENVIRONMENT, empty_folder, left_on_screen, terminals  # noqa: F401 (fixtures)
from recorder_stage import FIELDS, numbers_in, rows_of, saved_numbers, until

import ringacc
from ringacc import NamedTupleQueue, TimeRing
from ringacc.cli import inspect as inspect_module
from ringacc.cli import main
from ringacc.cli import recover as recover_module
from ringacc.errors import SaveError
from ringacc.kernels.rows import TAKEN_ONLY

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="kills processes")

Eye = namedtuple("Eye", "x y")

# What a process leaves that is killed: a ring, and a queue whose rows are numbers, then are not, then are again.
_CRASH = """
import os, signal
from collections import namedtuple
from recorder_stage import FIELDS, rows_of
from ringacc import NamedTupleQueue, TimeRing
Eye, Word = namedtuple("Eye", "x y"), namedtuple("Word", "text found")
ring = TimeRing.create("killed", 200, FIELDS, units={"half": "mm"})
ring.extend(rows_of(0, 250))
queue = NamedTupleQueue()
for n in range(30):
    queue.put(n / 8, Eye(n, n / 2))
for n in range(3):
    queue.put(4 + n / 8, Word("abc"[n], {"n": n}))
for n in range(10):
    queue.put(5 + n / 8, Eye(n, n / 2))
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture(name="crashed", scope="module")
def left_by_a_crash(tmp_path_factory):
    """Give the folder for rings of a process that was killed."""
    folder = tmp_path_factory.mktemp("crashed")
    paths = os.pathsep.join([ENVIRONMENT["PYTHONPATH"], str(Path(__file__).parent)])
    environment = {**ENVIRONMENT, "RINGACC_RINGS": str(folder), "PYTHONPATH": paths}
    done = subprocess.run([sys.executable, "-c", _CRASH], env=environment, timeout=120, check=False)
    assert done.returncode == -signal.SIGKILL
    return folder


@pytest.fixture(name="rings", autouse=True)
def folder_for_rings(here, monkeypatch):
    """Have rings by their names in a folder of the test's own, below the one that it works in."""
    folder = here / "rings"
    folder.mkdir()
    monkeypatch.setenv("RINGACC_RINGS", str(folder))
    return folder


@pytest.fixture(name="killed")
def what_the_crash_has_left(crashed, rings):
    """Have rings there whose process was killed."""
    shutil.copytree(crashed, rings, dirs_exist_ok=True)
    return rings / "killed.ring"


def stream_in(rings):
    (found,) = rings.glob("*.stream")
    return found


@pytest.fixture(name="run")
def running(capsys):
    """Run a command and give its exit code, and what it prints, errors behind."""

    def run(*words):
        capsys.readouterr()
        try:
            code = main([str(word) for word in words])
        except SystemExit as end:
            code = end.code
        printed = capsys.readouterr()
        if code == 2:
            assert printed.err.count("\n") == 1
            assert printed.err.startswith(f"ringacc {words[0]}: ")
        return code, printed.out + printed.err

    return run


def facts_in(text):
    """Give the lines of ``inspect``: label -> what is said, of the first ring."""
    pairs = [re.match(r"(\S.{0,20}?)\s{2,}(.*)$", line) for line in text.splitlines()]
    found = {}
    for pair in pairs:
        if pair:
            found.setdefault(pair[1], pair[2])
    return found


def test_help_loads_nothing_but_the_standard_library():
    """The help of each command is there at once, in 80 columns, with every option."""
    code = (
        "import sys\nfrom ringacc.cli import main\n"
        "for word in ('record', 'recover', 'inspect'):\n"
        "    try: main([word, '--help'])\n    except SystemExit as end: assert end.code == 0\n"
        "print([name for name in ('numpy', 'numba', 'pandas', 'pyarrow', 'rich') if name in sys.modules])"
    )
    environment = {**ENVIRONMENT, "COLUMNS": "80"}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment, timeout=120, check=True
    )

    assert done.stdout.splitlines()[-1] == "[]"
    for word in ("--policy", "--quiet", "--with-parent", "--clean", "--force", "RING", "OUT", "RINGACC_RINGS", "130"):
        assert word in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 80


# recover ----------------------------------------------------------------------------------------------------------


def test_recover_by_name_and_clean(killed, here, run):
    """A ring by its name, to a file here; not twice to one file; then it is cleaned, as nobody misses its rows."""
    done = subprocess.run([*COMMAND, "recover", "killed"], capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"{killed}: 200 rows, saved as killed_recovered.feather, none missing\n"
    assert saved_numbers(here / "killed_recovered.feather") == list(range(50, 250))

    code, said = run("recover", "killed")
    assert code == 2
    assert "killed_recovered.feather: expected no file there yet" in said
    assert run("recover", "killed", "again.feather")[0] == 0
    assert saved_numbers(here / "again.feather") == list(range(50, 250))
    assert run("inspect", "--clean", "killed") == (0, f"{killed}: taken away\n")
    assert not killed.exists()
    assert run("recover", "killed", "more.feather")[0] == 2


@pytest.mark.parametrize("extension", ["csv", "feather", "hdf5", "h5", "json", "parquet"])
def test_recover_to_every_format(killed, here, run, extension):
    """The extension of OUT says the format; folders are made."""
    out = Path("new") / f"log.{extension}"
    assert run("recover", killed, out)[0] == 0
    table = ringacc.load(out)
    assert table["n"].tolist() == list(range(50, 250))
    assert table["half"].tolist() == [n / 2 for n in range(50, 250)]
    assert os.listdir("new") == [out.name]


def test_recover_a_queue(killed, rings, here, run):
    """Rows of a queue that are numbers are a log, all others a pickle beside it."""
    stream = stream_in(rings)
    code, said = run("recover", stream.name, "log.csv")
    assert code == 0
    assert f"{stream}: 40 rows, saved as log.csv, rows that are no numbers saved as log.objects.pickle, none" in said
    table = ringacc.load("log.csv")
    assert table["x"].tolist() == [*range(30), *range(10)]
    assert table["t"].tolist() == [*(n / 8 for n in range(30)), *(5 + n / 8 for n in range(10))]
    objects = pickle.loads(Path("log.objects.pickle").read_bytes())
    assert [(t, *values) for t, _, values in objects] == [(4 + n / 8, "abc"[n], {"n": n}) for n in range(3)]
    assert stream.is_dir()
    assert run("inspect", "--clean", rings)[0] == 1  # the other ring
    assert not stream.exists()


def test_recover_a_folder(killed, rings, here, run):
    """Everything in a folder, each with its own file; what is alive is left out and said, with exit code 1."""
    alive = TimeRing.create("alive", 10, FIELDS)
    alive.extend(rows_of(0, 3))
    code, said = run("recover", rings, "saved")
    assert code == 1
    assert f"ringacc recover: {alive.path}: expected what a crash has left, found a process" in said
    files = {f"{stream_in(rings).stem}_recovered.{kind}" for kind in ("feather", "objects.pickle")}
    assert set(os.listdir("saved")) == {"killed_recovered.feather", *files}
    assert saved_numbers("saved/killed_recovered.feather") == list(range(50, 250))
    alive.close()
    code, said = run("recover", rings, "all.csv")
    assert code == 2
    assert "expected a folder, for 2 logs" in said
    Path("file").write_text("")
    assert run("recover", rings, "file")[0] == 2
    assert run("recover", rings)[0] == 0
    assert saved_numbers("killed_recovered.feather") == list(range(50, 250))
    assert sorted(os.listdir(rings)) == sorted([killed.name, stream_in(rings).name])


def test_one_that_cannot_be_saved_keeps_no_other(killed, rings, monkeypatch, run):
    """The others are saved, and the exit code is 1."""
    real = recover_module.recover

    def failing(log, out, progress):
        if log.name == "killed":
            raise SaveError(28, "No space left on device", str(out))
        return real(log, out, progress)

    monkeypatch.setattr(recover_module, "recover", failing)
    code, said = run("recover", rings, "saved")
    assert code == 1
    assert re.search(r"^ringacc recover: killed: .*No space left.*$", said, re.MULTILINE)
    assert f"{stream_in(rings).stem}_recovered.feather" in os.listdir("saved")
    code, said = run("recover", "killed")
    assert code == 1
    assert re.search(r"^ringacc recover: .*No space left.*$", said, re.MULTILINE)


def test_a_recording_whose_recorder_was_killed(stage, rings, here, run):
    """By its folder, by the file that it was to become, and by its ring: the rows on the disk and those in the ring."""
    ring = TimeRing.create("tail", 500, FIELDS)
    recorder = stage.record(ring.path, here / "log.feather")
    until(lambda: ring.file.block.keep == TAKEN_ONLY, "the recorder")
    ring.extend(rows_of(0, 400))
    until(lambda: ring.file.taken == 400, "the recorder")
    recorder.kill()
    recorder.wait()
    ring.extend(rows_of(400, 800))
    code, said = run("recover", "tail")
    assert code == 2
    assert f"{ring.path}: expected what a crash has left" in said
    assert "died, 400 taken" in run("inspect", "tail")[1]
    ring.close(keep=True)
    for place, name in enumerate(["log.feather.recording", "log.feather", "tail", rings]):
        assert run("recover", name, f"{place}.feather")[0] == 0
        assert saved_numbers(here / f"{place}.feather") == list(range(800))
    assert run("recover", "log.feather")[1].startswith(f"log.feather.recording and {ring.path}: 800 rows")
    assert saved_numbers(here / "log_recovered.feather") == list(range(800))
    # The ring alone has its newest rows only; the recording alone those that were on the disk.
    ring.path.unlink()
    assert run("recover", "log.feather", "disk.feather")[0] == 0
    assert saved_numbers(here / "disk.feather") == list(range(400))


def test_what_cannot_be_recovered(killed, here, run):
    """A ring that is written, no ring, a whole log, no format: exit code 2, one line, no file."""
    alive = TimeRing.create("alive", 10, FIELDS)
    Path("log.csv").write_text(";t;x\n0;0.0;1\n")
    Path("folder").mkdir()
    for words, named in [
        (["alive"], "end that one"),
        (["nope"], "there are alive.ring, killed.ring, "),
        (["log.csv"], "whole as it is"),
        (["folder"], "found the folder folder"),
        (["./folder"], "found none in folder"),
        (["killed", "log.xls"], ".parquet"),
        (["killed", "log"], ".parquet"),
        ([], "RING"),
    ]:
        code, said = run("recover", *words)
        assert (code, words) == (2, words)
        assert named in said
    assert sorted(os.listdir(here)) == ["folder", "log.csv", "rings"]
    alive.close()


def test_ctrl_c_while_recovering(killed, monkeypatch, run):
    """Exit code 130; a file that is half written is not left; what it was made from is."""
    real = recover_module.recover

    def interrupted(log, out, progress):
        os.kill(os.getpid(), signal.SIGINT)
        return real(log, out, progress)

    monkeypatch.setattr(recover_module, "recover", interrupted)
    code, said = run("recover", "killed", "log.csv")
    assert code == 130
    assert (
        said
        == "ringacc recover: log.csv: not saved, because of an interrupt: what it was to be made from is still there\n"
    )
    assert os.listdir() == ["rings"]
    assert killed.exists()


# inspect ----------------------------------------------------------------------------------------------------------


def test_inspect_a_ring_that_was_killed(killed, run):
    """Columns with types and units, rows and what has become of them, times, and that its writer is gone."""
    code, said = run("inspect", "killed")
    facts = facts_in(said)
    assert code == 0
    assert facts["ring"] == str(killed)
    assert facts["rows"] == "200 of 200, 250 written, 50 overwritten"
    assert facts["rate"] == "1024.0 Hz by their times"
    assert facts["last row"] == f"t = {249 / 1024:.6f} s"
    assert facts["times"] == f"0 repeated, 0 backward, largest gap {1 / 1024:.6f} s"
    assert facts["writer"].startswith("gone, without closing the ring: process ")
    assert facts["recorder or consumer"] == "none, 0 taken, 0 missed"
    table = [line.split() for line in said.splitlines()[said.splitlines().index(next(
        line for line in said.splitlines() if line.startswith("column"))) :]]  # fmt: skip
    assert table[0] == ["column", "dtype", "unit"]
    assert table[1:] == [
        ["t", "float64", "s"], ["n", "int64"], ["inverse", "uint64"], ["half", "float32", "mm"], ["odd", "bool"],
        ["name", "<U9"],
    ]  # fmt: skip


def test_inspect_a_ring_that_is_written(stage, here, run, monkeypatch):
    """The writer's process, rows just now, the age of the last one, and who takes them."""
    ring = TimeRing.create("tail", 100, {"x": ("f4", (2, 3)), "n": "i8"})
    nap = inspect_module.time.sleep
    facts = facts_in(run("inspect", "tail")[1])
    assert facts["rows"] == "0 of 100, 0 written, 0 overwritten"
    assert facts["last row"] == "none"
    numbers = iter(range(10_000))

    def append(seconds):
        n = next(numbers)
        ring.append(n / 4, ([[n] * 3] * 2, n))
        nap(seconds)

    monkeypatch.setattr(inspect_module.time, "sleep", append)
    said = run("inspect", "tail")[1]
    monkeypatch.undo()
    monkeypatch.setenv("RINGACC_RINGS", str(here / "rings"))
    facts = facts_in(said)
    assert re.fullmatch(r"4\.0 Hz by their times, \d+\.\d Hz just now", facts["rate"])
    assert ", 0.0 Hz" not in facts["rate"]
    assert re.fullmatch(rf"t = {(ring.written - 1) / 4:.6f} s, \d+ ms ago", facts["last row"])
    assert re.match(rf"alive: process {os.getpid()} on \S+ since \d{{4}}-\d\d-\d\d \d\d:\d\d:\d\d$", facts["writer"])
    assert re.search(r"^x +float32 x 2 x 3$", said, re.MULTILINE)
    recorder = stage.record(ring.path, here / "log.feather")
    until(lambda: ring.file.taken == ring.written, "the recorder")
    facts = facts_in(run("inspect", "tail")[1])
    assert facts["last row"].split(", ")[1].startswith("more than 5")
    assert facts["recorder or consumer"] == (
        f"alive, {ring.written} taken, 0 missed: process {recorder.process} to {here / 'log.feather.recording'}"
    )
    assert "in use: written and recorded" in run("inspect")[1]
    recorder.kill(signal.SIGSTOP)
    ring.close()
    assert facts_in(run("inspect", "tail")[1])["writer"].startswith("gone, it has closed the ring: process ")
    assert "in use: recorded" in run("inspect")[1]
    recorder.kill(signal.SIGCONT)
    assert recorder.wait() == 0


def test_inspect_a_stream(killed, rings, run):
    """The rings of a queue one after the other; rows that are objects have no columns."""
    code, said = run("inspect", stream_in(rings))
    assert code == 0
    assert said.startswith(f"{stream_in(rings)}: 3 rings, 43 rows not taken\n")
    rows = re.findall(r"^rows +(\d+) of", said, re.MULTILINE)
    states = re.findall(r"^writer +(.*?): process", said, re.MULTILINE)
    assert rows == ["30", "3", "10"]
    assert states == ["in the next ring", "in the next ring", "gone, without closing the ring"]
    assert said.count("none: the rows are objects") == 1
    assert len(re.findall(r"^y +float64$", said, re.MULTILINE)) == 2


def test_inspect_lists(killed, rings, run):
    """All rings in the folder, which are in use and how, and how many rows of the others nobody has saved."""
    alive = TimeRing.create("7", 10, FIELDS)  # its name is that of no ring of a stream
    alive.extend(rows_of(0, 3))
    queue = NamedTupleQueue()
    queue.put(0.5, Eye(1, 2.0))
    queue.put(0.75, Eye(2, 3.0))
    assert queue.get()[0] == 0.5
    code, said = run("inspect")
    lines = {line.split()[0]: line.split(maxsplit=2)[1:] for line in said.splitlines()[1:] if ".ring " in line}
    streams = sorted(line.split(maxsplit=1)[1] for line in said.splitlines() if line.startswith("queue-"))
    assert code == 0
    assert said.startswith(f"{rings}: 4 rings\n")
    assert lines == {"7.ring": ["3", "in use: written"], "killed.ring": ["200", "nobody uses it, 200 rows not saved"]}
    assert streams == [" 2  in use: written and read by a consumer".strip(), "43  nobody uses it, 43 rows not saved"]
    assert said.endswith(
        "\n2 rings that nobody uses: `ringacc recover` saves rows, `ringacc inspect --clean` takes them away\n"
    )
    assert run("inspect", rings)[1] == said
    queue.get()
    queue.close()
    alive.close()
    shutil.rmtree(stream_in(rings))
    killed.unlink()
    assert run("inspect") == (0, f"{rings}: 0 rings\n")
    assert os.listdir(rings) == []


def test_clean_keeps_what_nobody_has_saved(killed, rings, run):
    """Rings with rows that nobody has saved stay, exit code 1, unless --force; one in use stays anyway, exit code 2."""
    alive = TimeRing.create("alive", 10, FIELDS)
    empty = TimeRing.create("empty", 10, FIELDS)
    empty.close(keep=True)
    code, said = run("inspect", "--clean")
    assert code == 1
    assert f"{killed}: kept, for 200 rows that nobody has saved: use `ringacc recover {killed}`, or add --force" in said
    assert f"{empty.path}: taken away" in said
    assert sorted(os.listdir(rings)) == sorted(["alive.ring", "killed.ring", stream_in(rings).name])
    code, said = run("inspect", "--clean", "--force", "alive")
    assert code == 2
    assert "end that process" in said
    assert run("inspect", "--force")[0] == 2
    assert run("inspect", "--clean", "--force")[0] == 0
    assert os.listdir(rings) == ["alive.ring"]
    assert run("inspect", "--clean") == (0, f"{rings}: no ring that nobody uses\n")
    alive.close()


def test_what_is_no_ring_any_more(rings, run):
    """A damaged file is listed as what it is and kept but for --force; what was to be a ring is taken away."""
    (rings / "bad.ring").write_bytes(b"junk" * 5000)
    part = rings / ".tail.ring.1-0.part"
    part.write_bytes(b"")
    os.utime(part, (1.0, 1.0))
    code, said = run("inspect")
    assert code == 0
    assert re.search(r"^bad.ring +- +expected a ring file, found one of another kind$", said, re.MULTILINE)
    assert "\n1 ring that nobody uses and 1 file of no ring: " in said
    assert run("inspect", "bad")[0] == 1
    code, said = run("inspect", "--clean")
    assert code == 1
    assert "kept, since nobody can tell what is in it (expected a ring file, found one of another kind)" in said
    assert os.listdir(rings) == ["bad.ring"]
    assert run("inspect", "--clean", "--force", "bad")[0] == 0
    assert os.listdir(rings) == []


def test_no_ring_to_inspect(rings, here, run):
    """What is not there, or is a recording, is said with what there is; a folder of no ring is listed as such."""
    (here / "log.csv.recording").mkdir()
    assert "there is no ring\n" in run("inspect", "nope")[1]
    assert run("inspect", "no/such")[0] == 2
    assert "`ringacc recover log.csv.recording`" in run("inspect", "log.csv.recording")[1]
    assert run("inspect", ".") == (0, ".: 0 rings\n")


def test_ctrl_c_while_inspecting(run, monkeypatch):
    """Exit code 130."""
    ring = TimeRing.create("tail", 10, FIELDS)
    monkeypatch.setattr(inspect_module.time, "sleep", lambda seconds: os.kill(os.getpid(), signal.SIGINT))
    assert run("inspect", "tail")[0] == 130
    ring.close()


def test_in_a_terminal(in_terminal, killed):
    """In a terminal what is said is not cut at its width, and the word that it loads is wiped."""
    command = in_terminal("recover", str(killed), "log.feather", width=40)
    assert command.finish() == 0
    lines = left_on_screen(command.raw)  # of a display, too, where it takes more than a second
    assert lines[-2:] == [f"{killed}: 200 rows, saved as log.feather, none missing", ""]
    assert not [line for line in lines if "loading" in line]
    assert numbers_in(ringacc.load(killed.parents[1] / "log.feather")).tolist() == list(range(50, 250))
