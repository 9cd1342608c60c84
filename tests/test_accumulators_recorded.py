"""Accumulators that are recorded: they answer as those that are not, and the log has every row, however it ends."""

from __future__ import annotations

import errno
import gc
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import textwrap
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from accumulator_cases import KINDS, Eyes, One, Tail, estimator, filled, taking
from hypothesis import settings
from hypothesis.stateful import invariant, precondition, rule, run_state_machine_as_test
from recorder_stage import until
from test_accumulators_stateful import QUIET, EstimatorMachine, QueueMachine

import ringacc
from ringacc.accumulators import recorded
from ringacc.errors import FormatError, RecorderError, RecorderWarning, SaveError
from ringacc.recorder import logs_in, recover
from ringacc.system import rings_folder

ROOT = Path(__file__).resolve().parents[1]
FORMATS = ["csv", "feather", "hdf5", "json", "parquet"]
#: A process that nobody reads from ends.
_RINGS = "RINGACC_RINGS"


@pytest.fixture(autouse=True)
def small_rings(tmp_path, monkeypatch):
    """Have rings that rows really leave, in a folder of the test's own; nothing may be left there."""
    monkeypatch.setenv(_RINGS, str(tmp_path / "rings"))
    monkeypatch.setattr(recorded, "CAPACITY", 16)
    yield
    gc.collect()


def rings():
    """Give what lies in the folder for rings."""
    return sorted(path.name for path in rings_folder().iterdir())


def recording(path, **settings):
    """Return an empty log that is recorded and waits for its recorder."""
    return estimator(record_to=path, record_policy="block", capacity=16, **settings)


def put(log, first, last):
    """Append the rows of `filled`."""
    for frame in range(first, last):
        log.update_list(frame / 100.0, Tail(float(frame), -float(frame)))


# Answers ----------------------------------------------------------------------------------------------------------


class Recorded:
    """What is different: nothing is trimmed, only the newest rows are in memory, and in the end there is a log."""

    capacity = 16

    def settings(self, given):
        self.folder = Path(tempfile.mkdtemp(dir=os.environ[_RINGS]))
        # The recorded ring may be larger than the one that was asked for.
        self.model.trim = lambda: None
        return given | {"record_to": self.folder / "log.feather", "record_policy": "block"}

    @invariant()
    def memory_is_bounded(self):
        """No row is in memory but those in a ring."""
        assert all(segment.history.nbytes == 0 for segment in self.acc.segments)

    @rule()
    @precondition(lambda self: not self.acc.is_empty())
    def save(self):
        """Save what is there so far."""
        name = self.acc.save(self.folder / "so far", "parquet")
        self.compare(ringacc.load(self.folder / name))

    def compare(self, found):
        """Compare a table with that of the model."""
        wanted = self.model.frame()
        assert list(found.columns) == list(wanted)
        for name, (dtype, values) in wanted.items():
            assert found[name].dtype == dtype
            assert np.array_equal(found[name].to_numpy(), np.array(values, dtype), equal_nan=True)

    def teardown(self):
        """Close, and compare the log."""
        if not hasattr(self, "acc"):
            return
        self.acc.close()
        if self.model.count():
            self.compare(ringacc.load(self.folder / "log.feather"))
            self.compare(self.acc.get_dataframe())
            self.compare(ringacc.load(self.folder / self.acc.save(self.folder / "closed", "feather")))
        else:
            assert not (self.folder / "log.feather").exists()
        assert not (self.folder / "log.feather.recording").exists()
        shutil.rmtree(self.folder)
        assert rings() == []


class RecordedEstimatorMachine(Recorded, EstimatorMachine):
    def made(self, data, **settings):
        return super().made(data, **self.settings(settings))


class RecordedQueueMachine(Recorded, QueueMachine):
    def made(self, data, **settings):
        return super().made(data, **self.settings(settings))


MACHINES = pytest.mark.parametrize("machine", [RecordedEstimatorMachine, RecordedQueueMachine])


@MACHINES
def test_answers_are_those_of_an_accumulator_that_is_not_recorded(machine):
    """Whatever is asked between rows, the answer is as if all of them were in memory; so is the log."""
    rings_folder()
    few = settings(max_examples=3, stateful_step_count=10, deadline=None, suppress_health_check=QUIET)
    run_state_machine_as_test(machine, settings=few)


@pytest.mark.long
@MACHINES
def test_answers_are_those_of_an_accumulator_that_is_not_recorded_for_long(machine):
    """The same over many histories."""
    rings_folder()
    many = settings(max_examples=25, stateful_step_count=25, deadline=None, suppress_health_check=QUIET)
    run_state_machine_as_test(machine, settings=many)


def answers(log):
    """Return what is asked of a log of many rows."""
    return repr(
        (
            [tuple(row) for row in log.stored_data],
            list(map(tuple, log.stored_data[5:300:7])),
            log.times.tolist(),
            log.get_last_n(250).tolist(),
            log.get_last_t(3.0).tolist(),
            log.get_fps(),
            [tuple(log.values_at_abs_time(moment)) for moment in (-1.0, 0.004, 1.5, 2.994, 99.0)],
            np.concatenate(log.blocks()).tolist(),
            log.get_dataframe().to_numpy().tolist(),
            log.header_dict,
            log.health(),
            log[100:200, "x"].tolist(),
            [(segment.columns, len(segment)) for segment in log.segments],
        )
    )


def test_rows_that_left_the_ring_are_looked_up_on_the_disk(tmp_path):
    """Of 300 rows, 284 are on the disk; every question has the answer that it has of rows in memory."""
    log = recording(tmp_path / "log.feather", fps_calc_points=50)
    put(log, 0, 300)
    assert len(log._segment.ring) == 16
    assert answers(log) == answers(filled(300, fps_calc_points=50))
    log.close()
    assert ringacc.load(tmp_path / "log.feather")["x"].tolist() == [float(frame) for frame in range(300)]


@pytest.mark.parametrize("extension", FORMATS)
def test_saved_in_every_format(tmp_path, extension):
    """What is saved on the way, after the end, and what the recording becomes, is what is saved of rows in memory."""
    log = recording(tmp_path / f"log.{extension}")
    put(log, 0, 100)
    assert log.save(tmp_path / "so far", extension) == f"so far.{extension}"
    filled(100).save(tmp_path / "memory", extension)
    log.close()
    log.save(tmp_path / "closed", extension)
    wanted = ringacc.load(tmp_path / f"memory.{extension}")
    assert len(wanted) == 100
    for name in ("so far", "closed", "log"):
        pd.testing.assert_frame_equal(ringacc.load(tmp_path / f"{name}.{extension}"), wanted, check_exact=True)
    assert rings() == []


def test_columns_change_and_widen(tmp_path):
    """Each set of columns, and each dtype, goes to a ring of its own; the log unites them."""
    log, twin = recording(tmp_path / "log.parquet"), estimator()
    for each in (log, twin):
        for frame in range(40):
            each.update_list(frame / 100, One(frame))
        each.update_list(0.4, One(0.5))  # no integer any more
        for frame in range(41, 80):
            each.update_list(frame / 100, Eyes(frame * 0.5, frame, frame % 2 == 0))
    assert [segment.dtype for segment in log.segments] == [segment.dtype for segment in twin.segments]
    pd.testing.assert_frame_equal(log.get_dataframe(), twin.get_dataframe())
    wanted, found = ([np.concatenate(segment.blocks()) for segment in each.segments] for each in (twin, log))
    assert [rows.tolist() for rows in found] == [rows.tolist() for rows in wanted]
    log.close()
    pd.testing.assert_frame_equal(ringacc.load(tmp_path / "log.parquet"), twin.get_dataframe())


@KINDS
def test_a_reset_forgets_what_is_on_the_disk(tmp_path, kind):
    """After a reset there are no rows, and only those that come then are in the log."""
    log, give = taking(kind, record_to=tmp_path / "log.feather", record_policy="block", capacity=16)
    for frame in range(50):
        give(frame / 100, float(frame))
    log.reset()
    assert log.is_empty()
    assert len(log.get_dataframe()) == 0
    for frame in range(100, 140):
        give(frame / 100, float(frame))
    assert log.get_dataframe()["x"].tolist() == [float(frame) for frame in range(100, 140)]
    log.close()
    assert ringacc.load(tmp_path / "log.feather")["x"].tolist() == [float(frame) for frame in range(100, 140)]


def test_a_reset_at_the_end_leaves_no_log(tmp_path):
    """Where all rows were forgotten there is nothing to be saved."""
    log = recording(tmp_path / "log.feather")
    put(log, 0, 40)
    log.reset()
    log.close()
    assert len(log.get_dataframe()) == 0
    assert [path.name for path in tmp_path.iterdir()] == ["rings"]
    assert rings() == []


def test_an_idle_protocol_trims_nothing(tmp_path):
    """What is recorded stays, whether the protocol runs or not: it takes no memory."""
    log = estimator(
        False, record_to=tmp_path / "log.feather", record_policy="block", capacity=16, max_history_if_not_running=10
    )
    put(log, 0, 60)
    log.trim_data()
    assert len(log.stored_data) == 60
    log.close()
    assert len(ringacc.load(tmp_path / "log.feather")) == 60


# Beginning and ending ---------------------------------------------------------------------------------------------


def test_closed_once_and_for_all(tmp_path):
    """A second close does nothing; no row can come, and what was there can still be looked up."""
    log = recording(tmp_path / "log.feather")
    assert log.recording == tmp_path / "log.feather"
    put(log, 0, 50)
    log.close()
    log.close()
    with pytest.raises(ValueError, match="nothing was written"):
        log.update_list(1.0, Tail(0.0, 0.0))
    with pytest.raises(RecorderError, match="closed"):
        log.update_list(1.0, One(0.0))
    assert log.stored_data[-1] == (0.49, 49.0, -49.0)
    assert len(log.get_dataframe()) == 50
    assert len(ringacc.load(tmp_path / "log.feather")) == 50


def test_older_rows_of_a_log_that_was_converted(tmp_path):
    """Of a log that is closed, in another format than rows are recorded in, the newest are there; others are in it."""
    log = recording(tmp_path / "log.parquet")
    put(log, 0, 50)
    log.close()
    assert log.last(16)["x"].tolist() == [float(frame) for frame in range(34, 50)]
    assert log.window(0.05)["x"].tolist() == [44.0, 45.0, 46.0, 47.0, 48.0, 49.0]
    assert log.get_last_n(3)[:, 1].tolist() == [47.0, 48.0, 49.0]
    for ask in (lambda: log.get_last_n(17), lambda: log.blocks(), lambda: list(log.stored_data)):
        with pytest.raises(RecorderError, match=r"load .*log\.parquet"):
            ask()
    assert log.get_dataframe()["x"].tolist() == [float(frame) for frame in range(50)]


def test_a_log_without_rows_leaves_nothing(tmp_path):
    """A recording that no row came to ends without a file, of any kind."""
    log = recording(tmp_path / "log.feather")
    log.close()
    assert len(log.get_dataframe()) == 0
    assert log.save(tmp_path / "closed") is None
    assert [path.name for path in tmp_path.iterdir()] == ["rings"]
    assert rings() == []


def test_recorded_from_the_first_row_on(tmp_path):
    """A recording that would lack the first rows, and a second one, are refused."""
    log = filled(3)
    with pytest.raises(RecorderError, match="found 3 rows already"):
        log.start_recording(tmp_path / "log.feather")
    log = recording(tmp_path / "log.feather")
    with pytest.raises(RecorderError, match=r"one to .*log\.feather"):
        log.start_recording(tmp_path / "other.feather")
    log.close()


def test_what_can_be_no_log_is_refused_at_once(tmp_path):
    """No process is started for a log that cannot be."""
    (tmp_path / "there.csv").write_text("older")
    for name, error in (("log.xlsx", FormatError), ("none/log.csv", FileNotFoundError), ("there.csv", SaveError)):
        with pytest.raises(error):
            estimator(record_to=tmp_path / name)
    with pytest.raises(ValueError, match="'wait'"):
        estimator(record_to=tmp_path / "log.csv", record_policy="wait")
    assert rings() == []


def test_garbage_leaves_the_log(tmp_path):
    """A log that nobody holds any more is whole on the disk."""
    log = recording(tmp_path / "log.feather")
    put(log, 0, 50)
    del log
    gc.collect()
    assert len(ringacc.load(tmp_path / "log.feather")) == 50
    assert rings() == []


def test_dropped_rows_are_said_to_be_missing(tmp_path):
    """Where the policy is to drop, rows that the recorder was too late for are counted, and the end says so, too."""
    log = estimator(record_to=tmp_path / "log.feather", capacity=16)
    put(log, 0, 16)
    until(lambda: log._segment.file.taken == 16)
    os.kill(log._recording.process, signal.SIGSTOP)
    with pytest.warns(RecorderWarning, match="does not keep up"):
        put(log, 16, 116)
    assert len(log.stored_data) == len(list(log.stored_data)) == 32
    os.kill(log._recording.process, signal.SIGCONT)
    until(lambda: log._segment.file.taken == 116)
    assert log.health().missed == log.health().overwritten == 84
    frames = [*range(16), *range(100, 116)]
    assert [row.x for row in log.stored_data] == frames
    with pytest.warns(RecorderWarning, match="exit code 1"):
        log.close()
    assert ringacc.load(tmp_path / "log.feather")["x"].tolist() == frames


@pytest.mark.skipif(sys.platform != "linux", reason="uses prlimit")
def test_a_disk_that_is_full_until_the_end(tmp_path, monkeypatch):
    """Where the last rows cannot be written, the end raises, and a recovery has every row: no call waits for ever."""
    monkeypatch.setattr(recorded, "CAPACITY", 4096)
    log = recording(tmp_path / "log.feather")
    put(log, 0, 100)
    until(lambda: log._segment.file.taken == 100)
    limit = (1000, resource.RLIM_INFINITY)
    resource.prlimit(log._recording.process, resource.RLIMIT_FSIZE, limit)
    put(log, 100, 900)
    until(lambda: log._segment.file.trouble == errno.EFBIG)
    assert log.stored_data[-1].x == 899.0
    with pytest.raises(RecorderError, match=r"exit code 1\).*ringacc recover"):
        log.close()
    (left,) = logs_in(rings_folder())
    assert recover(left, tmp_path / "recovered.feather")[1:3] == (900, 0)
    assert ringacc.load(tmp_path / "recovered.feather")["x"].tolist() == [float(frame) for frame in range(900)]


# Kills ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("extension", ["feather", "csv"])
def test_another_recorder_goes_on(tmp_path, monkeypatch, extension):
    """A recorder that is killed in mid-stream is followed by another, and the log has every row."""
    monkeypatch.setattr(recorded, "CAPACITY", 65_536)
    log = recording(tmp_path / f"log.{extension}")
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        for start in (0, 1000):
            put(log, start, start + 700)
            until(lambda: log._segment.file.taken > start)  # noqa: B023
            killed = log._recording.process
            os.kill(killed, signal.SIGKILL)
            put(log, start + 700, start + 1000)
            until(lambda: len(said) > start // 1000)  # noqa: B023
            assert log._recording.process != killed
    assert [warning.category for warning in said] == [RecorderWarning, RecorderWarning]
    assert all(re.search(r"exit code -9\): another one goes on", str(warning.message)) for warning in said)
    put(log, 2000, 2100)
    log.close()
    found = ringacc.load(tmp_path / f"log.{extension}")
    assert found["x"].tolist() == [float(frame) for frame in range(2100)]
    assert rings() == []


def test_a_recorder_that_is_killed_at_the_end(tmp_path):
    """One that dies while its log is awaited, or just before, is followed by another as well."""
    log = recording(tmp_path / "log.feather")
    put(log, 0, 16)
    until(lambda: log._segment.file.taken == 16)
    os.kill(log._recording.process, signal.SIGSTOP)
    put(log, 16, 30)
    kill = f"import os, time; time.sleep(0.5); os.kill({log._recording.process}, 9)"
    ending = subprocess.Popen([sys.executable, "-c", kill])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RecorderWarning)
        log.close()
    ending.wait()
    assert ringacc.load(tmp_path / "log.feather")["x"].tolist() == [float(frame) for frame in range(30)]
    assert rings() == []


ENDS = {
    "ends": "",
    "raises": "raise RuntimeError('the experiment failed')",
    "exits": "sys.exit(3)",
    "is killed": "os.kill(os.getpid(), 9)",
}


@pytest.mark.parametrize("how", ENDS)
@pytest.mark.parametrize("extension", ["feather", "parquet"])
def test_however_the_process_ends_the_log_is_whole(tmp_path, how, extension):
    """Of a process that just ends, raises, exits or is killed, the log has every row, and no ring is left."""
    script = f"""
        import os, sys
        from collections import namedtuple
        from ringacc import EstimatorLog
        Row = namedtuple("Row", "x")
        log = EstimatorLog(record_to="log.{extension}")
        for frame in range(5000):
            log.update_list(frame / 1000, Row(frame))
        print(log._recording.process, flush=True)
        {ENDS[how]}
    """
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)],
        cwd=tmp_path, env=environment, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == {"ends": 0, "raises": 1, "exits": 3, "is killed": -9}[how]
    assert ("ended without closing" in done.stderr) == (how == "is killed")
    assert ringacc.load(tmp_path / f"log.{extension}")["x"].tolist() == list(range(5000))
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"log.{extension}", "rings"]
    assert rings() == []


def test_a_forked_child_keeps_no_recorder(tmp_path):
    """A log without rows ends although a child, forked while it was recorded, lives on."""
    script = """
        import os, signal
        from ringacc import EstimatorLog
        log = EstimatorLog(record_to="log.feather")
        child = os.fork()
        if not child:
            signal.pause()
        log.close()
        print("closed", os.waitpid(child, os.WNOHANG))
        os.kill(child, signal.SIGKILL)
    """
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    words = [sys.executable, "-c", textwrap.dedent(script)]
    done = subprocess.Popen(words, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, text=True)
    assert done.stdout.readline() == "closed (0, 0)\n"
    assert done.wait(60) == 0
    done.stdout.close()
    assert rings() == []


def test_both_killed_at_once(tmp_path):
    """Of a process and its recorder that are killed together, a recovery has every row, of every set of columns."""
    script = """
        import os
        from collections import namedtuple
        from ringacc import EstimatorLog
        from ringacc.accumulators import recorded
        recorded.CAPACITY = 64
        log = EstimatorLog(record_to="log.feather", record_policy="block", capacity=64)
        One, Two = namedtuple("One", "x"), namedtuple("Two", "x y")
        for frame in range(1000):
            log.update_list(frame / 1000, One(frame) if frame < 500 else Two(frame, -frame))
        os.kill(log._recording.process, 9)
        os.kill(os.getpid(), 9)
    """
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    words = [sys.executable, "-c", textwrap.dedent(script)]
    done = subprocess.run(words, cwd=tmp_path, env=environment, check=False, timeout=60)
    assert done.returncode == -9
    until(lambda: not logs_in(rings_folder())[0].is_alive())
    (log,) = logs_in(rings_folder())
    found = recover(log, tmp_path / "recovered.feather")
    assert found[1:3] == (1000, 0)
    table = pd.read_feather(found.out)
    assert table["x"].tolist() == list(range(1000))
    assert np.array_equal(table["y"], [np.nan] * 500 + [float(-frame) for frame in range(500, 1000)], equal_nan=True)
