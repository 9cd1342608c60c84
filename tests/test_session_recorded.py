"""A session whose logs are recorded leaves what one without would, and loses nothing on the way."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import namedtuple
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest

from ringacc import EstimatorLog, Session, load
from ringacc.errors import RecorderError, RecorderWarning, SaveError, SessionSaveError

T0 = datetime(2018, 11, 15, 19, 23, 16, 211777)
EXPERIMENT = SimpleNamespace(t0=T0, protocol_runner=SimpleNamespace(running=True))
Tail = namedtuple("Tail", "tail_sum n")
Vigour = namedtuple("Vigour", "vigour")


@pytest.fixture(name="rings", autouse=True)
def folder_for_rings(tmp_path, monkeypatch):
    """Have rings in a folder of the test's own, where nothing may stay."""
    folder = tmp_path / "rings"
    folder.mkdir()
    monkeypatch.setenv("RINGACC_RINGS", str(folder))
    yield folder
    assert os.listdir(folder) == []


@pytest.fixture(name="home")
def folder_of_the_session(tmp_path):
    """Give a folder that is not there yet."""
    return tmp_path / "session"


def fill(log: EstimatorLog, rows: int, first: int = 0) -> None:
    """Append rows at 100 Hz."""
    for n in range(first, first + rows):
        log.update_list(n / 100, Tail(n / 4, n))


def logged(session: Session, path: str, rows: int = 0) -> EstimatorLog:
    """Give a log of a session, with some rows."""
    log = EstimatorLog(EXPERIMENT)
    session.log(log, path)
    fill(log, rows)
    return log


def metadata_of(folder: Path, session_id: str = "192316") -> dict[str, Any]:
    """Return the metadata of a session."""
    return dict(json.loads((folder / f"{session_id}_metadata.json").read_text(encoding="utf-8")))


def names_in(folder: Path) -> list[str]:
    """Give what lies in a folder, but for the config."""
    return sorted(name for name in os.listdir(folder) if not name.startswith("config.json"))


@pytest.mark.parametrize("log_format", ["csv", "feather", "hdf5", "json", "parquet"])
@pytest.mark.parametrize("is_elsewhere", [False, True])
def test_as_without_recording(home, tmp_path, log_format, is_elsewhere):
    """Files, tables and metadata are those of a session that is not recorded, wherever it is recorded on the way."""
    fast = tmp_path / "fast" / "disk"
    recorded = Session(home, EXPERIMENT, log_format=log_format, record_to=fast if is_elsewhere else True)
    plain = Session(tmp_path / "plain", EXPERIMENT, log_format=log_format)
    for session in (recorded, plain):
        log = logged(session, "behavior/behavior_log", 50)
        log.update_list(0.49, Tail(0.0, 0))  # the time of the row before
        log.update_list(0.47, Tail(0.0, 0))
        log.update_list(0.6, Vigour(0.5))
    written = recorded.save()

    assert [path.name for path in written] == [path.name for path in plain.save()]
    assert (
        names_in(home) == names_in(tmp_path / "plain") == [f"192316_behavior_log.{log_format}", "192316_metadata.json"]
    )
    pd.testing.assert_frame_equal(load(written[0]), load(tmp_path / "plain" / written[0].name))
    found, wanted = (metadata_of(folder)["behavior"] for folder in (home, tmp_path / "plain"))
    assert found == wanted
    assert found["behavior_log_rows"] == 53
    if is_elsewhere:
        assert os.listdir(fast) == []


def test_rows_are_on_the_disk_as_they_come(home):
    """Before any save, what was recorded lies in the session's folder, and there is no log yet."""
    session = Session(home, EXPERIMENT, log_format="feather", record_to=True)
    log = logged(session, "behavior/behavior_log", 100)
    recording = home / "192316_behavior_log.feather.recording"
    end = time.monotonic() + 60
    while not list(recording.glob("*.arrow")):
        assert time.monotonic() < end
        time.sleep(0.01)
    assert os.listdir(home) == [recording.name]
    fill(log, 10, 100)
    session.save()
    assert load(home / "192316_behavior_log.feather")["n"].tolist() == list(range(110))
    assert log.get_last_n(3)[:, 2].tolist() == [107.0, 108.0, 109.0]


def test_two_logs_one_of_them_empty(home):
    """A log without rows has no file, and the metadata say so; the other one is there."""
    session = Session(home, EXPERIMENT, record_to=str(home))
    logged(session, "behavior/behavior_log", 5)
    logged(session, "stimulus/stimulus_log")
    assert [path.name for path in session.save()] == ["192316_behavior_log.hdf5", "192316_metadata.json"]
    assert names_in(home) == ["192316_behavior_log.hdf5", "192316_metadata.json"]
    assert metadata_of(home)["behavior"]["behavior_log"] == "192316_behavior_log.hdf5"
    found = metadata_of(home)["stimulus"]
    assert (found["stimulus_log"], found["stimulus_log_rows"], found["stimulus_log_rate"]) == (None, 0, 0.0)


@pytest.mark.parametrize("is_elsewhere", [False, True])
def test_saved_twice(home, tmp_path, is_elsewhere):
    """A save ends the logs; a second one writes the metadata anew and leaves the logs as they are."""
    session = Session(home, EXPERIMENT, log_format="csv", record_to=tmp_path / "fast" if is_elsewhere else True)
    log = logged(session, "behavior/behavior_log", 5)
    first = session.save()
    content = first[0].read_bytes()
    with pytest.raises(RecorderError):
        log.update_list(9.0, Vigour(0.5))
    session.collector.add({"age": 7}, "general/animal")
    assert session.save() == first
    assert first[0].read_bytes() == content
    assert metadata_of(home)["general"]["animal"] == {"age": 7}
    assert metadata_of(home)["behavior"]["behavior_log_rows"] == 5


# Names ------------------------------------------------------------------------------------------------------------


def test_sessions_of_one_second_share_no_file(home):
    """Sessions that are recorded from one second on, whatever their logs are called, have ids of their own."""
    names = ["a/behavior_log", "a/behavior_log", "b/other_log"]
    sessions = [Session(home, EXPERIMENT, log_format="feather", record_to=True) for _ in names]
    for place, (session, name) in enumerate(zip(sessions, names, strict=True)):
        logged(session, name, place + 1)
    last = Session(home, EXPERIMENT, log_format="feather")
    last.log(EstimatorLog(EXPERIMENT), "c/last_log")
    ids = [session.session_id for session in sessions]
    assert ids == ["192316", "192316-2", "192316-3"]
    assert last.save() == (home / "192316-4_metadata.json",)
    for place, (session, name) in enumerate(zip(sessions, names, strict=True)):
        log, metadata = session.save()
        assert metadata.name == f"{ids[place]}_metadata.json"
        assert log.name == f"{ids[place]}_{name.split('/')[1]}.feather"
        assert len(load(log)) == place + 1
        assert metadata_of(home, ids[place])["general"]["session_id"] == ids[place]
    assert len(names_in(home)) == 7


@pytest.mark.parametrize("is_elsewhere", [False, True])
@pytest.mark.parametrize("there", ["192316_behavior_log.hdf5", "192316_metadata.json"])
def test_ids_that_are_taken(home, tmp_path, there, is_elsewhere):
    """The next free id is taken where there are files of the first, here or where it is recorded."""
    home.mkdir()
    (home / there).write_text("of another one")
    (home / "192316-2_behavior_log.hdf5.recording").mkdir()
    session = Session(home, EXPERIMENT, record_to=tmp_path / "fast" if is_elsewhere else True)
    logged(session, "behavior/behavior_log", 3)
    assert [path.name for path in session.save()] == ["192316-3_behavior_log.hdf5", "192316-3_metadata.json"]
    assert (home / there).read_text() == "of another one"


@pytest.mark.parametrize("is_elsewhere", [False, True])
def test_a_file_in_the_way_of_a_later_log(home, tmp_path, is_elsewhere):
    """When the id is settled, a log whose file is there is refused, leaves nothing, and can be called otherwise."""
    session = Session(home, EXPERIMENT, log_format="csv", record_to=tmp_path / "fast" if is_elsewhere else True)
    logged(session, "behavior/behavior_log", 3)
    home.mkdir(exist_ok=True)
    blocked = home / "192316_stimulus_log.csv"
    blocked.write_text("of another one")
    log = EstimatorLog(EXPERIMENT)
    with pytest.raises(SaveError, match=r"192316_stimulus_log\.csv: expected no file"):
        session.log(log, "stimulus/stimulus_log")
    session.log(log, "stimulus/other_log")
    fill(log, 4)
    assert [path.name for path in session.save()] == [
        "192316_behavior_log.csv", "192316_other_log.csv", "192316_metadata.json"
    ]  # fmt: skip
    assert blocked.read_text() == "of another one"
    assert set(metadata_of(home)["stimulus"]) == {f"other_log{end}" for end in ("", "_rows", "_rate", "_health")}


def test_a_file_that_comes_in_the_way(home, tmp_path):
    """A file that is there only at the end is not written over: the error names it, and the log waits for a save."""
    session = Session(home, EXPERIMENT, log_format="csv", record_to=tmp_path / "fast")
    logged(session, "behavior/behavior_log", 3)
    logged(session, "behavior/other_log", 4)
    home.mkdir()
    blocked = home / "192316_behavior_log.csv"
    blocked.write_text("of another one")
    with pytest.raises(SessionSaveError, match=r"192316_behavior_log\.csv: expected no file there yet"):
        session.save()
    assert blocked.read_text() == "of another one"
    assert len(load(home / "192316_other_log.csv")) == 4
    assert len(load(tmp_path / "fast" / "192316_behavior_log.csv")) == 3
    blocked.unlink()
    assert len(session.save()) == 3
    assert len(load(blocked)) == 3
    assert "behavior_log_error" not in metadata_of(home)["behavior"]
    assert os.listdir(tmp_path / "fast") == []


# Bad input --------------------------------------------------------------------------------------------------------


def test_rows_before_it_is_recorded(home):
    """A log that has rows already is refused, and nothing is left of it but the folder."""
    log = EstimatorLog(EXPERIMENT)
    fill(log, 3)
    session = Session(home, EXPERIMENT, record_to=True)
    with pytest.raises(RecorderError, match="3 rows already"):
        session.log(log, "behavior/behavior_log")
    assert os.listdir(home) == []
    assert "behavior/behavior_log" not in session.collector
    logged(session, "behavior/behavior_log", 2)
    session.save()
    assert len(load(home / "192316_behavior_log.hdf5")) == 2


@pytest.mark.parametrize("policy", ["wait", "", None, "DROP"])
def test_a_bad_policy(home, policy):
    """A policy that there is not is refused at once, recorded or not."""
    for record_to in (True, False):
        with pytest.raises(ValueError, match="'drop' or 'block'"):
            Session(home, EXPERIMENT, record_to=record_to, record_policy=policy)
    assert not home.exists()


@pytest.mark.parametrize("policy", ["drop", "block"])
def test_policies(home, policy):
    """Both policies lose nothing where the disk keeps up."""
    session = Session(home, EXPERIMENT, log_format="feather", record_to=True, record_policy=policy)
    logged(session, "behavior/behavior_log", 2000)
    session.save()
    assert load(home / "192316_behavior_log.feather")["n"].tolist() == list(range(2000))


def test_a_folder_that_cannot_be(home, tmp_path):
    """A file where the folder is to be is named, and the log can be given again once it is gone."""
    (tmp_path / "fast").write_text("")
    session = Session(home, EXPERIMENT, record_to=tmp_path / "fast" / "below")
    log = EstimatorLog(EXPERIMENT)
    with pytest.raises(SaveError, match="expected a folder to record in"):
        session.log(log, "behavior/behavior_log")
    (tmp_path / "fast").unlink()
    session.log(log, "behavior/behavior_log")
    fill(log, 2)
    assert len(session.save()) == 2


def test_objects_that_cannot_be_recorded(home):
    """What has rows to save but cannot be recorded is refused."""
    unfit = SimpleNamespace(save=None, get_fps=None, health=None, segments=[])
    with pytest.raises(TypeError, match="start_recording, close"):
        Session(home, record_to=True).log(unfit, "behavior/behavior_log")


# Crashes ----------------------------------------------------------------------------------------------------------

_MID_SESSION = """
import os, signal, sys
from collections import namedtuple
from ringacc import EstimatorLog, Session
Tail = namedtuple("Tail", "tail_sum n")
session = Session(sys.argv[1], session_id="7", log_format=sys.argv[2], record_to=True)
logs = {name: EstimatorLog() for name in ("behavior_log", "stimulus_log", "empty_log")}
for name, log in logs.items():
    session.log(log, "behavior/" + name)
for n in range(5000):
    logs["behavior_log"].update_list(n / 100, Tail(n / 4, n))
    if n % 10 == 0:
        logs["stimulus_log"].update_list(n / 100, Tail(n / 4, n))
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="kills processes")
@pytest.mark.parametrize("log_format", ["feather", "csv"])
def test_killed_in_mid_session(home, rings, log_format):
    """Of a process that is killed before any save, the recorders still make every log, with every row."""
    home.mkdir()
    done = subprocess.run(
        [sys.executable, "-c", _MID_SESSION, str(home), log_format], capture_output=True, timeout=120, check=False
    )
    assert done.returncode == -signal.SIGKILL
    logs = [f"7_behavior_log.{log_format}", f"7_stimulus_log.{log_format}"]
    end = time.monotonic() + 60
    while sorted(os.listdir(home)) != logs or os.listdir(rings):
        assert time.monotonic() < end, f"found {os.listdir(home)}, {os.listdir(rings)}"
        time.sleep(0.02)
    assert load(home / logs[0])["n"].tolist() == list(range(5000))
    assert load(home / logs[1])["n"].tolist() == list(range(0, 5000, 10))


@pytest.mark.filterwarnings("ignore", category=RecorderWarning)
def test_a_log_that_is_gone_is_missed(home, rings, tmp_path):
    """A log with rows whose file is not there is an error at every save, not a log without rows."""
    session = Session(home, EXPERIMENT, log_format="feather", record_to=True)
    log = logged(session, "behavior/behavior_log", 5)
    log.close()
    log.recording.rename(tmp_path / "elsewhere.feather")
    for _ in range(2):
        with pytest.raises(SessionSaveError, match="found none, though there were rows"):
            session.save()
        assert "RecorderError" in metadata_of(home)["behavior"]["behavior_log_error"]
    (tmp_path / "elsewhere.feather").rename(log.recording)
    assert len(session.save()) == 2
