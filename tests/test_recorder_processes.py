"""A recorder in a process of its own: a disk that is full, a writer that dies, Ctrl-C, memory."""

from __future__ import annotations

import errno
import os
import re
import resource
import signal
import subprocess
import sys
import threading
import time
import warnings

import numpy as np
import pandas as pd
import pytest
from recorder_stage import COMMAND, FIELDS, LIMIT, Acknowledged, ring_file, rows_of, saved_numbers, until

import ringacc
from ringacc import TimeRing, ringfile
from ringacc.cli import main
from ringacc.errors import RecorderWarning
from ringacc.kernels.rows import OVERWRITE, TAKEN_ONLY

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="uses prlimit and /proc")


@pytest.fixture(name="ring")
def ring_in_a_file(tmp_path):
    """Give a ring of 1000 rows in a file."""
    made = TimeRing.create(tmp_path / "tail.ring", 1000, FIELDS)
    yield made
    made.close(keep=True)


def recorded(stage, ring, out, *options):
    """Start a recorder and wait until it has the ring."""
    recorder = stage.record(ring.path, out, *options)
    until(lambda: ring.file.block.keep == TAKEN_ONLY, "the recorder")
    return recorder


def all_taken(ring):
    until(lambda: ring.file.taken == ring.written, "the recorder")


def fill_disk(process, out, room=0):
    """Let a process write no file beyond the size of the part that it has now; give what makes room again."""
    (part,) = out.with_name(f"{out.name}.recording").glob("*.arrow")
    before = resource.prlimit(process, resource.RLIMIT_FSIZE, (part.stat().st_size + room, resource.RLIM_INFINITY))
    return lambda: resource.prlimit(process, resource.RLIMIT_FSIZE, before)


# The disk is full -------------------------------------------------------------------------------------------------


def test_rows_wait_in_the_ring_until_there_is_room(stage, ring, tmp_path):
    """On a full disk nothing is lost while the ring has room, and all is said: to who looks, and on stderr."""
    out = tmp_path / "log.feather"
    recorder = recorded(stage, ring, out, "--policy", "block")
    ring.extend(rows_of(0, 100))
    all_taken(ring)
    make_room = fill_disk(recorder.process, out, room=333)
    ring.extend(rows_of(100, 1000))
    until(lambda: ring.file.trouble == errno.EFBIG, "the trouble")
    assert ring.file.taken == 100
    make_room()
    all_taken(ring)
    until(lambda: ring.file.trouble == 0, "the end of the trouble")
    ring.close()
    assert recorder.wait() == 0
    assert saved_numbers(out) == list(range(1000))
    assert "File too large: rows wait in the ring" in recorder.errors
    assert "there is room again" in recorder.errors


def test_with_block_the_writer_waits_for_room(stage, ring, tmp_path):
    """The row that has no room is in the ring, and its append returns, once there is room on the disk."""
    out = tmp_path / "log.feather"
    recorder = recorded(stage, ring, out, "--policy", "block")
    ring.extend(rows_of(0, 10))
    all_taken(ring)
    make_room = fill_disk(recorder.process, out)
    ring.extend(rows_of(10, 1010))
    until(lambda: ring.file.trouble, "the trouble")
    assert not ring.has_room
    row = rows_of(1010, 1011).tolist()[0]
    late = threading.Thread(target=lambda: ring.append(row[0], row[1:]))
    late.start()
    late.join(0.7)  # longer than a recorder may be gone unnoticed
    assert late.is_alive()
    assert ring.written == 1010
    make_room()
    late.join(LIMIT)
    assert not late.is_alive()
    ring.extend(rows_of(1011, 2000))
    ring.close()
    assert recorder.wait() == 0
    assert saved_numbers(out) == list(range(2000))


def test_with_drop_missed_rows_are_counted_everywhere(stage, ring, tmp_path, capsys):
    """Rows that the ring had no room for are counted: by a warning, health, inspect, and the recorder's exit code."""
    out = tmp_path / "log.feather"
    recorder = recorded(stage, ring, out)
    ring.extend(rows_of(0, 10))
    all_taken(ring)
    make_room = fill_disk(recorder.process, out)
    ring.extend(rows_of(10, 20))
    until(lambda: ring.file.trouble, "the trouble")  # the recorder holds these
    ring.extend(rows_of(20, 1010))
    with pytest.warns(RecorderWarning, match=r"does not keep up: 1000 rows wait in a ring of 1000"):
        ring.extend(rows_of(1010, 1610))
    capsys.readouterr()
    assert main(["inspect", str(ring.path)]) == 0
    assert f"(error {errno.EFBIG})" in capsys.readouterr().out
    make_room()
    all_taken(ring)
    assert ring.health().missed == 590
    assert main(["inspect", str(ring.path)]) == 0
    said = capsys.readouterr().out
    assert "1610 taken, 590 missed" in said
    assert "trouble" not in said
    # The policy holds again.
    assert ring.file.block.keep == TAKEN_ONLY
    ring.extend(rows_of(1610, 1700))
    ring.close()
    assert recorder.wait() == 1
    assert "590 rows overwritten before" in recorder.errors
    assert pd.read_feather(out)["n"].tolist() == [*range(20), *range(610, 1700)]


@pytest.mark.parametrize("ends_by", ["closing", "Ctrl-C"])
def test_an_end_while_the_disk_is_full_loses_nothing(stage, ring, tmp_path, ends_by):
    """A recorder that cannot write its last rows gives up, says so, and a recovery by the ring's name has every row."""
    out = tmp_path / "log.feather"
    recorder = recorded(stage, ring, out, "--policy", "block")
    ring.extend(rows_of(0, 500))
    all_taken(ring)
    fill_disk(recorder.process, out, room=100)
    ring.extend(rows_of(500, 900))
    until(lambda: ring.file.trouble, "the trouble")
    if ends_by == "closing":
        ring.close()
        assert recorder.wait() == 1
    else:
        recorder.kill(signal.SIGINT)
        assert recorder.wait() == 1
        ring.close(keep=True)
    assert f"ringacc recover {ring.path}" in recorder.errors
    assert main(["recover", str(ring.path), str(tmp_path / "recovered.feather")]) == 0
    assert saved_numbers(tmp_path / "recovered.feather") == list(range(900))


def test_a_disk_that_is_full_from_the_start(stage, ring, tmp_path):
    """Where not even the head of a part can be written, nor a word of it to stderr, rows wait as well."""
    out = tmp_path / "log.feather"
    recorder = recorded(stage, ring, out, "--policy", "block")
    before = resource.prlimit(recorder.process, resource.RLIMIT_FSIZE, (5, resource.RLIM_INFINITY))
    ring.extend(rows_of(0, 800))
    until(lambda: ring.file.trouble == errno.EFBIG, "the trouble")
    resource.prlimit(recorder.process, resource.RLIMIT_FSIZE, before)
    ring.close()
    assert recorder.wait() == 0, recorder.errors
    assert saved_numbers(out) == list(range(800))


# Beginning and ending ---------------------------------------------------------------------------------------------


def test_attached_while_rows_come(stage, tmp_path):
    """A recorder that begins under load has every row from one of the ring's on, and counts none as missed."""
    out = tmp_path / "log.feather"
    with TimeRing.create(tmp_path / "tail.ring", 65536, FIELDS) as ring:
        for start in range(0, 100_000, 10_000):
            ring.extend(rows_of(start, start + 10_000))
        ends, number = time.monotonic() + LIMIT, 100_000
        recorder = stage.record(ring.path, out, "--policy", "block")
        began = None
        while began is None or number < began + 20_000:
            assert time.monotonic() < ends
            ring.extend(rows_of(number, number + 50))
            number += 50
            time.sleep(0.0005)
            if began is None and ring.file.block.keep == TAKEN_ONLY:
                began = number
        health = ring.health()
    assert recorder.wait() == 0, recorder.errors
    found = saved_numbers(out)
    assert found == list(range(found[0], number))
    assert found[0] <= began
    assert health.missed == 0
    assert sorted(here.name for here in tmp_path.iterdir()) == ["log.feather"]


def test_ctrl_c_leaves_the_ring_to_the_next(stage, ring, tmp_path):
    """Ctrl-C makes the log whole, with the exit code 130; the ring goes on, waits for nobody, and is recorded again."""
    first, second = tmp_path / "first.feather", tmp_path / "second.csv"
    recorder = recorded(stage, ring, first)
    ring.extend(rows_of(0, 700))
    all_taken(ring)
    recorder.kill(signal.SIGINT)
    recorder.kill(signal.SIGINT)
    assert recorder.wait() == 130
    assert saved_numbers(first) == list(range(700))
    assert not ring.file.has_follower()
    assert not ring.file.has_lost_its_follower()
    assert ring.file.block.keep == OVERWRITE
    for start in range(700, 3700, 500):
        ring.extend(rows_of(start, start + 500))
    recorder = recorded(stage, ring, second)
    ring.extend(rows_of(3700, 3800))
    ring.close()
    assert recorder.wait() == 0, recorder.errors
    assert ringacc.load(second)["n"].tolist() == list(range(2700, 3800))
    assert sorted(here.name for here in tmp_path.iterdir()) == ["first.feather", "second.csv"]


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_writer_that_dies_loses_nothing(stage, tmp_path, number):
    """What a writer had put in when it died is in the log, and that it died is said."""
    path, out = tmp_path / "tail.ring", tmp_path / "log.feather"
    told = Acknowledged(tmp_path / "acknowledged")
    writer = stage.start("write", path, 256, tmp_path / "acknowledged", "wait")
    ring_file(path)
    recorder = stage.record(path, out, "--policy", "block")
    until(lambda: told.count > 2000, "the writer")
    writer.kill(number)
    assert writer.wait() == -number
    assert recorder.wait() == 0, recorder.errors
    assert f"the writer of {path} ended without closing it; all rows that it had put in are saved" in recorder.errors
    found = saved_numbers(out)
    assert told.count <= len(found) <= told.count + 16
    assert found == list(range(len(found)))
    assert not path.exists()


def test_a_writer_goes_on_when_its_recorder_has_died(stage, ring, tmp_path, monkeypatch):
    """A writer whose recorder was killed waits for a while, says so once, and overwrites; the next one counts it."""
    monkeypatch.setattr(ringfile, "_GRACE", 0.3)
    out = tmp_path / "log.feather"
    recorder = recorded(stage, ring, out, "--policy", "block")
    ring.extend(rows_of(0, 10))
    all_taken(ring)
    recorder.kill()
    recorder.wait()
    ring.extend(rows_of(10, 1010))
    with pytest.warns(RecorderWarning, match="has ended: 1000 rows wait in a ring of 1000"):
        ring.extend(rows_of(1010, 1300))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ring.extend(rows_of(1300, 1500))
    recorder = recorded(stage, ring, out, "--policy", "block")
    all_taken(ring)
    assert ring.health().missed == 490
    ring.close()
    assert recorder.wait() == 1
    assert "490 rows overwritten before" in recorder.errors
    assert pd.read_feather(out)["n"].tolist() == [*range(10), *range(500, 1500)]


def test_the_real_command(tmp_path):
    """``ringacc record`` and ``recover`` as users run them, with rings by their names."""
    rings = tmp_path / "rings"
    rings.mkdir()
    environment = {**os.environ, "RINGACC_RINGS": str(rings)}
    with TimeRing.create(rings / "tail", 1000, FIELDS) as ring:
        ring.extend(rows_of(0, 10))
        words = [*COMMAND, "record", "tail", str(tmp_path / "log.parquet")]
        recorder = subprocess.Popen(words, env=environment, stdout=subprocess.PIPE, text=True, cwd=tmp_path)
        all_taken(ring)
        ring.extend(rows_of(10, 600))
    said = recorder.communicate(timeout=LIMIT)[0]
    assert recorder.returncode == 0
    assert "600 rows saved as" in said
    assert pd.read_parquet(tmp_path / "log.parquet")["n"].tolist() == list(range(600))
    with TimeRing.create(rings / "tail", 1000, FIELDS) as ring:
        ring.extend(rows_of(0, 7))
        ring.close(keep=True)
    words = [*COMMAND, "recover", "tail"]
    done = subprocess.run(words, env=environment, capture_output=True, text=True, cwd=tmp_path, check=True)
    assert "7 rows, saved as tail_recovered.feather, none missing" in done.stdout
    assert saved_numbers(tmp_path / "tail_recovered.feather") == list(range(7))
    done = subprocess.run([*COMMAND, "inspect", "--clean"], env=environment, check=True, capture_output=True, text=True)
    assert "taken away" in done.stdout
    assert list(rings.iterdir()) == []


# Memory -----------------------------------------------------------------------------------------------------------


def peak(stage, folder, rows, extension):
    """Give the most memory, in bytes, that a recorder has had for so many rows of 256 bytes, its end included."""
    out = folder / f"log-{rows}.{extension}"
    with TimeRing.create(folder / f"ring-{rows}", 8192, {f"x{place}": "f8" for place in range(31)}) as ring:
        recorder = recorded(stage, ring, out, "--policy", "block")
        block = np.zeros(4096, ring.last(0).dtype)
        for start in range(0, rows, len(block)):
            block["t"] = np.arange(start, start + len(block))
            ring.extend(block[: rows - start])
        all_taken(ring)
    most = 0
    while recorder.poll() is None:
        with open(f"/proc/{recorder.process}/status") as status:
            found = re.search(r"VmHWM:\s+(\d+) kB", status.read())
        most = max(most, int(found[1]) * 1024) if found else most
    assert recorder.wait() == 0, recorder.errors
    assert len(ringacc.load(out)) == rows
    return most


@pytest.mark.parametrize("extension", ["feather", "parquet"])
def test_memory_does_not_grow_with_the_recording(stage, tmp_path, extension):
    """A recorder of ten times as many rows takes no more memory: far less than the 230 MB that those are more."""
    assert peak(stage, tmp_path, 1_000_000, extension) - peak(stage, tmp_path, 100_000, extension) < 60_000_000
