"""The recorder in the test's own process: logs, cuts, going on after a kill, what is refused, resets, recovery."""

from __future__ import annotations

import gc
import pickle
import re
from collections import namedtuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from recorder_stage import FIELDS, rows_of, saved_numbers

import ringacc
from ringacc import NamedTupleQueue, TimeRing
from ringacc.cli import main
from ringacc.errors import LogFileError, RecorderWarning, RingBusyError, SaveError, SchemaError
from ringacc.kernels.rows import DROP, WAIT
from ringacc.recorder import Recorder, RecorderProcess, logs_in, recover
from ringacc.recorder.parts import PartWriter, parts_in
from ringacc.recorder.rows import RecordedRows
from ringacc.streams import StreamWriter


@pytest.fixture(autouse=True)
def _rings(tmp_path, monkeypatch):
    """Have rings in a folder of the test's own."""
    monkeypatch.setenv("RINGACC_RINGS", str(tmp_path / "rings"))


@pytest.fixture(name="ring")
def ring_in_a_file(tmp_path):
    """Give a ring of 1000 rows in a file."""
    made = TimeRing.create(tmp_path / "tail.ring", 1000, FIELDS, units={"half": "mm"})
    yield made
    made.close()


def take(recorder, ends=True):
    """Let a recorder take what is there."""
    recorder.run(lambda: ends, lambda _: None)


def record(source, out, policy=WAIT):
    """Give a recorder that has taken what was there."""
    recorder = Recorder(source, out, policy)
    take(recorder)
    return recorder


def die(recorder):
    """Be gone as if killed: nothing is put away, and nobody is told."""
    if recorder._part is not None:
        recorder._part.close()
    recorder._follower.leave()
    recorder._lock.release()


def close(ring):
    """Close a ring that is recorded."""
    ring.close()
    gc.collect()


# The log --------------------------------------------------------------------------------------------------------------


def test_any_reader_of_feather_opens_the_finished_file(ring, tmp_path):
    """Pandas, polars and ringacc read the log; its units are those of the ring."""
    recorder = Recorder(ring.path, tmp_path / "log.feather", WAIT)
    take(recorder)
    ring.extend(rows_of(0, 700))
    close(ring)
    take(recorder)
    made = recorder.finish()
    recorder.close()
    assert made == tmp_path / "log.feather"
    assert saved_numbers(made) == list(range(700))
    assert len(ringacc.load(made)) == 700
    polars = pytest.importorskip("polars")
    assert polars.read_ipc(made)["n"].to_list() == list(range(700))
    with pa.ipc.open_file(made) as file:
        assert file.schema.field("half").metadata == {b"unit": b"mm"}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["log.feather"]


# Cut anywhere -----------------------------------------------------------------------------------------------------


def cut_parts(folder, whole, lengths):
    """Give each cut of a part in its last two batches and behind, and how many batches are whole in it."""
    data = whole.read_bytes()
    for length in range(lengths[-3], len(data) + 1):
        (folder / "000000.arrow").write_bytes(data[:length])
        yield length, sum(end <= length for end in lengths)


def test_cut_at_every_byte_the_batches_before_are_read(ring, tmp_path):
    """A recording that was cut at any byte of its last two batches has all before, and the ring's tail has the rest."""
    ring.extend(rows_of(0, 60))
    rows = ring.last(60).copy()
    folder = tmp_path / "log.feather.recording"
    folder.mkdir()
    whole = tmp_path / "whole.arrow"
    writer = PartWriter(whole, ring.file.about._replace(notes={"source": str(ring.path)}))
    lengths = []
    for first in range(0, 50, 10):
        writer.put(first, rows[first : first + 10])
        writer.flush()
        lengths.append(writer.size)
    writer.end()
    writer.flush()
    writer.close()
    (ring.path.with_name("tail.ring.follower")).write_text(f'{{"recording": "{folder}"}}')
    ring.close(keep=True)
    counts = set()
    for length, batches in cut_parts(folder, whole, lengths):
        (part,) = parts_in(folder)
        assert part.runs() == [(10 * place, 10) for place in range(batches)]
        assert b"".join(block.tobytes() for _, block in part.blocks()) == rows[: 10 * batches].tobytes()
        (log,) = logs_in(ring.path)
        chunks = log.chunks()
        assert [(chunk.first, chunk.last) for chunk in chunks] == [(0, 10 * batches), (10 * batches, 60)]
        table = RecordedRows(chunks)
        assert len(table) == 60
        assert b"".join(block.tobytes() for block in table) == rows.tobytes()
        if length % 101 == 0:
            out = tmp_path / f"recovered-{length}.feather"
            assert recover(log, out)[1:3] == (60, 0)
            assert saved_numbers(out) == list(range(60))
        counts.add(batches)
        del part, log, chunks, table
    assert counts == {3, 4, 5}


@pytest.mark.parametrize("length", [0, 1, 7, 8, 9, 100, 400])
def test_cut_in_its_head_a_part_has_no_rows(ring, tmp_path, length):
    """A part that was cut before its first row is as none, and a recording goes on behind it."""
    ring.extend(rows_of(0, 20))
    recorder = record(ring.path, tmp_path / "log.feather")
    die(recorder)
    part = tmp_path / "log.feather.recording" / "000000.arrow"
    part.write_bytes(part.read_bytes()[:length])
    ring.file.block.counters[32] = 0  # TAKEN: it was killed before it had said so
    if length <= 400:
        assert parts_in(part.parent) == []
    again = record(ring.path, tmp_path / "log.feather")
    again.finish()
    again.close()
    assert saved_numbers(tmp_path / "log.feather") == list(range(20))


# Going on ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("torn", [0, 1, 300])
@pytest.mark.parametrize("extension", ["feather", "parquet"])
def test_the_next_recorder_goes_on_where_one_died(ring, tmp_path, torn, extension):
    """Three recorders, two of which died in a batch or just after it, make one log of every row."""
    out = tmp_path / f"log.{extension}"
    for start in (0, 300):
        recorder = Recorder(ring.path, out, WAIT)
        take(recorder)
        ring.extend(rows_of(start, start + 150))
        taken = recorder._take()
        recorder._write(taken)
        ring.extend(rows_of(start + 150, start + 300))
        recorder._begin_part(taken := recorder._take())
        recorder._part.put(taken.sequence, taken.rows)
        recorder._part._sink.to_disk()  # and is killed before it says that they are taken
        path, size = recorder._part.path, recorder._part.size
        die(recorder)
        with path.open("r+b") as file:
            file.truncate(size - torn)
    last = Recorder(ring.path, out, WAIT)
    assert last.rows == (600 if torn == 0 else 450)
    ring.extend(rows_of(600, 900))
    close(ring)
    take(last)
    assert last.finish() == out
    last.close()
    table = pd.read_feather(out) if extension == "feather" else pd.read_parquet(out)
    assert table["n"].tolist() == list(range(900))
    assert last.missed == 0


def test_sub_arrays_go_on_and_are_recovered(tmp_path):
    """Rows with several values in a cell become a feather file also of two parts, and of a ring's tail."""
    path, out = tmp_path / "tail.ring", tmp_path / "log.feather"
    with TimeRing.create(path, 100, {"grid": ("i4", (2, 2)), "ok": "?"}) as ring:
        rows = np.zeros(30, ring.last(0).dtype)
        rows["t"], rows["grid"], rows["ok"] = np.arange(30), np.arange(120).reshape(30, 2, 2), np.arange(30) % 3 == 0
        ring.extend(rows[:10])
        die(record(path, out))
        ring.extend(rows[10:20])
        die(record(path, out))
        ring.extend(rows[20:])
        ring.close(keep=True)
    with pytest.raises(SchemaError, match="sub-array"):
        recover(logs_in(path)[0], tmp_path / "recovered.csv")
    recover(logs_in(path)[0], tmp_path / "recovered.feather")
    recorder = record(path, out)
    recorder.finish()
    recorder.close()
    for made in (out, tmp_path / "recovered.feather"):
        table = pa.ipc.open_file(made).read_all()
        assert table["t"].to_pylist() == rows["t"].tolist()
        assert table["grid"].to_pylist() == rows["grid"].tolist()
        assert table["ok"].to_pylist() == rows["ok"].tolist()


# Refused ----------------------------------------------------------------------------------------------------------


def test_what_is_there_is_not_overwritten(ring, tmp_path):
    """A log that is there already is refused, and stays; also one that came while rows were recorded."""
    out = tmp_path / "log.feather"
    out.write_bytes(b"an older log")
    with pytest.raises(SaveError, match="choose another name"):
        Recorder(ring.path, out, WAIT)
    assert not ring.file.has_follower()
    out.unlink()
    ring.extend(rows_of(0, 5))
    recorder = record(ring.path, out)
    out.write_bytes(b"a newer log")
    with pytest.raises(SaveError, match="what was recorded is in"):
        recorder.finish()
    recorder.close()
    assert out.read_bytes() == b"a newer log"
    ring.close(keep=True)
    assert recover(logs_in(tmp_path / "log.feather.recording")[0], tmp_path / "other.feather").rows == 5


def test_the_recording_of_another_ring_is_refused(ring, tmp_path):
    """What one ring has left is not mixed with rows of another, whatever it is called."""
    out = tmp_path / "log.feather"
    ring.extend(rows_of(0, 5))
    die(record(ring.path, out))
    with TimeRing.create(tmp_path / "other.ring", 10, {"x": "f8"}) as other, pytest.raises(LogFileError, match="tail"):
        Recorder(other.path, out, WAIT)
    ring.close()
    with TimeRing.create(ring.path, 1000, FIELDS) as again:
        again.extend(rows_of(100, 200))
        with pytest.raises(LogFileError, match="another ring"):
            Recorder(again.path, out, WAIT)
        assert recover(logs_in(tmp_path / "log.feather.recording")[0], out).rows == 5
        assert saved_numbers(out) == list(range(5))


def test_a_second_recorder_is_refused(ring, tmp_path):
    """Two cannot take the same rows; nothing of the second is left."""
    first = Recorder(ring.path, tmp_path / "log.feather", WAIT)
    with pytest.raises(RingBusyError):
        Recorder(ring.path, tmp_path / "other.feather", WAIT)
    ring.extend(rows_of(0, 5))
    take(first)
    with pytest.raises(RingBusyError, match="writes or records it"):
        recover(logs_in(ring.path)[0], tmp_path / "recovered.feather")
    first.finish()
    first.close()
    assert not (tmp_path / "other.feather.recording").exists()


@pytest.mark.parametrize("name", ["log", "log.xlsx", "no folder/log.csv"])
def test_what_can_be_no_log_is_refused(ring, tmp_path, name):
    """A name without a format that is known, and a folder that is not there, are refused before the first row."""
    with pytest.raises(ValueError if "folder" not in name else FileNotFoundError, match="expected"):
        Recorder(ring.path, tmp_path / name, WAIT)
    assert not ring.file.has_follower()


# At the end -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("extension", ["csv", "feather", "hdf5", "json", "parquet"])
def test_the_log_has_the_format_of_its_name(tmp_path, extension):
    """Every format has every row, of two parts as well as of one."""
    path, out = tmp_path / "tail.ring", tmp_path / f"log.{extension}"
    with TimeRing.create(path, 500, {"n": "i8", "x": "f8"}) as ring:
        wanted = [(k / 8, 2**62 - k, k * 0.1) for k in range(400)]
        ring.extend(np.array(wanted[:150], ring.last(0).dtype))
        die(record(path, out))
        recorder = Recorder(path, out, WAIT)
        ring.extend(np.array(wanted[150:], ring.last(0).dtype))
        close(ring)
        take(recorder)
        recorder.finish()
        recorder.close()
    found = ringacc.load(out)
    assert [str(kind) for kind in found.dtypes] == ["float64", "int64", "float64"]
    assert list(found.itertuples(index=False, name=None)) == wanted
    assert sorted(here.name for here in tmp_path.iterdir()) == [out.name]


def test_a_log_that_its_format_cannot_hold_stays_a_recording(tmp_path):
    """Where a format has no place for a column, all rows stay, and go into one that has, also from the ring's name."""
    path = tmp_path / "tail.ring"
    with TimeRing.create(path, 100, {"raw": "S4"}) as ring:
        ring.extend(np.array([(0.5, b"\x80"), (1.0, b"")], ring.last(0).dtype))
        recorder = record(path, tmp_path / "log.csv")
        ring.extend(np.array([(1.5, b"abcd")], ring.last(0).dtype))
        ring.close(keep=True)
    with pytest.raises(SchemaError, match="bytes"):
        recorder.finish()
    recorder.close()
    assert recover(logs_in(path)[0], tmp_path / "log.feather")[1:3] == (3, 0)
    assert pd.read_feather(tmp_path / "log.feather")["raw"].tolist() == [b"\x80", b"", b"abcd"]


def test_without_rows_there_is_no_log(ring, tmp_path):
    """Of a ring that had no row nothing is left but the word that there was none."""
    recorder = record(ring.path, tmp_path / "log.feather")
    close(ring)
    take(recorder)
    assert recorder.finish() is None
    recorder.close()
    assert list(tmp_path.iterdir()) == []


# Streams: segments and resets -------------------------------------------------------------------------------------


def begin(writer, generation=0, **fields):
    return writer.begin(np.dtype([("t", "f8"), *fields.items()]), {"generation": generation})


@pytest.mark.parametrize("extension", ["feather", "parquet"])
def test_segments_unite(tmp_path, extension):
    """Rows of several rings become one table, in order, missing values as NaN; also after a kill in between."""
    folder, out = tmp_path / "log.stream", tmp_path / f"log.{extension}"
    writer = StreamWriter(folder, 100, WAIT)
    recorder = Recorder(folder, out, WAIT)
    begin(writer, x="f8").extend([0.0, 1.0], [[1.0], [2.0]])
    take(recorder)
    begin(writer, x="f8", y="i8").extend([2.0], [[3.0, 4]])
    die(recorder)
    begin(writer, y="f4").extend([3.0, 4.0], [[5.5], [6.5]])
    recorder = Recorder(folder, out, WAIT)
    writer.close()
    take(recorder)
    recorder.finish()
    recorder.close()
    found = ringacc.load(out)
    assert found["t"].tolist() == [0.0, 1.0, 2.0, 3.0, 4.0]
    assert np.array_equal(found["x"], [1.0, 2.0, 3.0, np.nan, np.nan], equal_nan=True)
    assert np.array_equal(found["y"], [np.nan, np.nan, 4.0, 5.5, 6.5], equal_nan=True)
    assert sorted(here.name for here in tmp_path.iterdir()) == [out.name]


@pytest.mark.parametrize("when", ["alive", "dead", "never"])
def test_a_reset_forgets(tmp_path, when):
    """Rows of before a reset are in no log: a recorder saw it, the next one did, or the recovery does."""
    folder, out = tmp_path / "log.stream", tmp_path / "log.feather"
    writer = StreamWriter(folder, 100, WAIT)
    recorder = Recorder(folder, out, WAIT)
    begin(writer, x="f8").extend([0.0, 1.0], [[1.0], [2.0]])
    take(recorder)
    if when != "alive":
        die(recorder)
    begin(writer, 1)
    if when == "alive":
        take(recorder)
        assert recorder.rows == 0
        assert list((tmp_path / "log.feather.recording").glob("*.arrow")) == []
    begin(writer, 1, x="f8").extend([2.0], [[3.0]])
    if when == "alive":
        # Killed, and its next parts may take the place of none that is there.
        for time in (3.0, 4.0, 5.0):
            take(recorder)
            die(recorder)
            recorder = Recorder(folder, out, WAIT)
            writer.ring.extend([time], [[time + 1.0]])
        begin(writer, 1, x="f8", y="f8").extend([6.0], [[7.0, 8.0]])
    elif when == "dead":
        recorder = Recorder(folder, out, WAIT)
    writer.close()
    if when == "never":
        (log,) = logs_in(tmp_path / "log.stream")
        recover(log, out)
    else:
        take(recorder)
        recorder.finish()
        recorder.close()
    found = pd.read_feather(out)
    assert found["t"].tolist() == ([2.0, 3.0, 4.0, 5.0, 6.0] if when == "alive" else [2.0])
    assert found["x"].tolist() == ([3.0, 4.0, 5.0, 6.0, 7.0] if when == "alive" else [3.0])


Odd = namedtuple("Odd", "what")


def test_rows_that_are_no_numbers_are_kept_beside_the_log(tmp_path):
    """Of a queue that somebody records, rows that no table holds are pickled, and none is dropped."""
    rows = NamedTupleQueue()
    out = tmp_path / "log.feather"
    for t in range(3):
        rows.put(float(t), Odd(t * 2.0))
    rows.put(3.0, Odd(["a", None]))
    recorder = record(rows._folder, out)
    rows.close()
    take(recorder)
    recorder.finish()
    recorder.close()
    assert pd.read_feather(out)["what"].tolist() == [0.0, 2.0, 4.0]
    assert pickle.loads((tmp_path / "log.objects.pickle").read_bytes()) == [(3.0, ("what",), (["a", None],))]


# Rows that were not taken -----------------------------------------------------------------------------------------


def test_rows_from_before_the_recorder_are_not_missed(ring, tmp_path):
    """A ring that wraps already gives what is there, and nothing counts as missed."""
    ring.extend(rows_of(0, 1000))
    ring.extend(rows_of(1000, 1700))
    recorder = record(ring.path, tmp_path / "log.feather", DROP)
    assert (recorder.rows, recorder.missed, ring.health().missed) == (1000, 0, 0)
    ring.extend(rows_of(1700, 2600))
    close(ring)
    take(recorder)
    recorder.finish()
    recorder.close()
    assert saved_numbers(tmp_path / "log.feather") == list(range(700, 2600))


def test_recorded_again_to_another_file(ring, tmp_path):
    """A recorder that ends lets the ring go on, without waiting for anybody; the next one has what comes then."""
    ring.extend(rows_of(0, 10))
    first = record(ring.path, tmp_path / "first.feather")
    assert first.finish() == tmp_path / "first.feather"
    first.close()
    for start in range(10, 5010, 1000):
        ring.extend(rows_of(start, start + 1000))
    second = record(ring.path, tmp_path / "second.feather")
    assert (second.rows, second.missed) == (1000, 0)
    close(ring)
    take(second)
    second.finish()
    second.close()
    assert saved_numbers(tmp_path / "first.feather") == list(range(10))
    assert saved_numbers(tmp_path / "second.feather") == list(range(4010, 5010))


def test_what_a_dead_recorder_missed_is_counted(ring, tmp_path):
    """Rows that were overwritten between two recorders of one log are counted by the second, and by the recovery."""
    out = tmp_path / "log.feather"
    ring.extend(rows_of(0, 100))
    die(record(ring.path, out, DROP))
    ring.file.block.counters[40] = 0  # OVERWRITE: what the writer does once it has seen that it is dead
    for start in range(100, 2100, 1000):
        ring.extend(rows_of(start, start + 1000))
    second = record(ring.path, out, DROP)
    assert (second.rows, second.missed) == (1100, 1000)
    assert ring.health().missed == 1000
    die(second)
    ring.close(keep=True)
    found = recover(logs_in(ring.path)[0], tmp_path / "recovered.feather")
    assert found[1:3] == (1100, 1000)
    assert pd.read_feather(found.out)["n"].tolist() == [*range(100), *range(1100, 2100)]


# Recovery ---------------------------------------------------------------------------------------------------------


def test_everything_in_a_folder_is_recovered(tmp_path, monkeypatch, capsys):
    """Each ring, stream and recording is found by its folder's name, saved under its own, and then known to be safe."""
    rings, here = tmp_path / "rings", tmp_path / "here"
    rings.mkdir()
    here.mkdir()
    monkeypatch.chdir(here)
    for name, count in (("left", 10), ("right", 20)):
        with TimeRing.create(rings / f"{name}.ring", 100, FIELDS) as ring:
            ring.extend(rows_of(0, count))
            ring.close(keep=True)
    writer = StreamWriter(rings / "eyes.stream", 100, WAIT)
    die_of = Recorder(rings / "eyes.stream", here / "eyes.feather", WAIT)
    begin(writer, **FIELDS).extend(rows_of(0, 30))
    take(die_of)
    writer.ring.extend(rows_of(30, 35))
    die(die_of)
    writer.close()
    assert main(["inspect", "--clean", str(rings)]) == 1
    assert main(["recover", str(rings), str(tmp_path / "saved")]) == 0
    assert {path.name: len(saved_numbers(path)) for path in (tmp_path / "saved").iterdir()} == {
        "left_recovered.feather": 10,
        "right_recovered.feather": 20,
        "eyes_recovered.feather": 35,
    }
    assert main(["inspect", "--clean", str(rings)]) == 0
    assert list(rings.iterdir()) == []
    assert re.search(r"kept, for 5 rows that nobody has saved", capsys.readouterr().out)


def test_nothing_to_recover_is_said(tmp_path):
    """A folder without rings, and none, are refused."""
    with pytest.raises(FileNotFoundError, match="found none in"):
        logs_in(tmp_path)
    with pytest.raises(FileNotFoundError, match="found no"):
        logs_in(tmp_path / "nowhere")


def for_each(ring, numbers):
    """Append a row for each number."""
    for number in numbers:
        ring.append(float(number), (0.0,))


def test_one_log_has_one_recorder(tmp_path):
    """Two rings cannot be recorded to one log, at once or one after the other was killed; the first goes on."""
    out = tmp_path / "log.feather"
    first, second = StreamWriter(tmp_path / "a.stream", 100, WAIT), StreamWriter(tmp_path / "b.stream", 100, WAIT)
    begin(first, x="f8").extend([0.0], [[1.0]])
    begin(second, x="f8").extend([0.0], [[2.0]])
    recorder = Recorder(tmp_path / "a.stream", out, WAIT)
    with pytest.raises(RingBusyError, match="another process records to it"):
        Recorder(tmp_path / "b.stream", out, WAIT)
    take(recorder)
    die(recorder)
    with pytest.raises(LogFileError, match=r"found one of .*a\.stream"):
        Recorder(tmp_path / "b.stream", out, WAIT)
    with pytest.raises(SaveError, match="expected no recording there yet"):
        RecorderProcess(tmp_path / "c.stream", out, "drop")
    recorder = Recorder(tmp_path / "a.stream", out, WAIT)
    first.close()
    take(recorder)
    recorder.finish()
    recorder.close()
    assert pd.read_feather(out)["x"].tolist() == [1.0]


def test_rows_that_went_before_a_recorder_of_a_stream_came_were_missed(tmp_path):
    """A stream is recorded from its first row on: what was dropped before the recorder was ready is counted."""
    writer = StreamWriter(tmp_path / "a.stream", 100, DROP)
    ring = begin(writer, x="f8")
    with pytest.warns(RecorderWarning, match="100 rows wait in a ring of 100"):
        for_each(ring, range(250))
    recorder = Recorder(tmp_path / "a.stream", tmp_path / "log.feather", DROP)
    take(recorder)
    assert (recorder.rows, recorder.missed, ring.health().missed) == (100, 150, 150)
    writer.close()
    recorder.finish()
    recorder.close()


def test_rows_between_a_log_that_is_whole_and_a_ring_are_missing(tmp_path):
    """Recorded to a log, let go, and gone round since: the recovery says that there is a gap."""
    ring = TimeRing.create(tmp_path / "tail", 100, {"x": "f8"})
    ring.extend(np.arange(10.0), np.zeros((10, 1)))
    recorder = Recorder(ring.path, tmp_path / "log.feather", DROP)
    take(recorder)
    recorder.finish()
    recorder.close()
    for_each(ring, range(10, 150))
    ring.close(keep=True)
    (log,) = logs_in(ring.path)
    found = recover(log, tmp_path / "rest.feather")
    assert (found.rows, found.missed) == (100, 40)
