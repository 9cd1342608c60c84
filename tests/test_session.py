"""A session leaves its logs and the metadata that belong to them, as stytra's readers look for them."""

from __future__ import annotations

import json
import os
from collections import namedtuple
from datetime import datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from ringacc import DataCollector, EstimatorLog, FramerateAccumulator, Session, load
from ringacc.errors import (
    EntryClashError,
    EntryNameError,
    FormatError,
    MetadataFileError,
    RingaccError,
    SessionSaveError,
)

T0 = datetime(2018, 11, 15, 19, 23, 16, 211777)
EXPERIMENT = SimpleNamespace(t0=T0, protocol_runner=SimpleNamespace(running=True))
Tail = namedtuple("Tail", "tail_sum n")
Vigour = namedtuple("Vigour", "vigour")


def log_of(rows: int, rate: float = 100.0) -> EstimatorLog:
    """Return a log of some rows at a rate in Hz."""
    log = EstimatorLog(EXPERIMENT)
    for n in range(rows):
        log.update_list(n / rate, Tail(np.sin(n), n))
    return log


def metadata_of(folder: Path) -> dict[str, Any]:
    """Return the metadata as bouter finds them: the one file of that name."""
    (path,) = folder.glob("*metadata.json")
    return dict(json.loads(path.read_text(encoding="utf-8")))


def test_as_stytras_readers_read_it(tmp_path):
    """The metadata name the session, and each log of the session is found by its name and opens with pandas."""
    session = Session(tmp_path, EXPERIMENT)
    logs = {"behavior_log": log_of(300, 300.0), "stimulus_log": log_of(20, 60.0), "estimator_log": log_of(300, 300.0)}
    session.log(logs["behavior_log"], "tracking/behavior_log")
    session.log(logs["estimator_log"], "tracking/estimator_log")
    session.log(logs["stimulus_log"], "stimulus/stimulus_log")
    session.collector.add({"age": 7, "genotype": "TL"}, "general/animal")
    written = session.save()
    assert [path.name for path in written] == [
        "192316_behavior_log.hdf5",
        "192316_estimator_log.hdf5",
        "192316_stimulus_log.hdf5",
        "192316_metadata.json",
    ]
    (path,) = tmp_path.glob("*metadata.json")
    session_id = path.name.split("_")[0]
    metadata = metadata_of(tmp_path)
    assert metadata["general"]["session_id"] == session_id == session.session_id == "192316"
    assert metadata["general"]["animal"] == {"age": 7, "genotype": "TL"}
    assert datetime.strptime(metadata["general"]["t_protocol_start"], "%Y-%m-%dT%H:%M:%S.%f") == T0
    assert datetime.strptime(metadata["general"]["t_protocol_end"], "%Y-%m-%dT%H:%M:%S.%f") > T0
    for category, name in (
        ("tracking", "behavior_log"),
        ("tracking", "estimator_log"),
        ("stimulus", "stimulus_log"),
    ):
        (found,) = tmp_path.glob(f"{session_id}_{name}.*")
        assert metadata[category][name] == found.name
        pd.testing.assert_frame_equal(pd.read_hdf(found), logs[name].get_dataframe())


def test_what_the_metadata_tell_of_a_log(tmp_path):
    """Beside its file name, a log's category has its rows, its rate and its health."""
    log = log_of(50, 100.0)
    log.update_list(0.49, Tail(0.0, 0))  # the time of the row before
    log.update_list(0.47, Tail(0.0, 0))
    session = Session(tmp_path, EXPERIMENT)
    session.log(log, "behavior/behavior_log")
    session.save()
    found = metadata_of(tmp_path)["behavior"]
    assert found["behavior_log"] == "192316_behavior_log.hdf5"
    assert found["behavior_log_rows"] == 52
    assert found["behavior_log_rate"] == pytest.approx(log.get_fps())
    assert found["behavior_log_health"] == {
        "rows": 52,
        "repeats": 1,
        "backward": 1,
        "largest_gap": pytest.approx(0.01),
        "overwritten": 0,
        "missed": 0,
    }


def test_rows_of_all_segments(tmp_path):
    """The rows are those of the file, also where the columns changed on the way."""
    log = log_of(10)
    for n in range(5):
        log.update_list(1.0 + n, Vigour(0.5))
    session = Session(tmp_path, EXPERIMENT)
    session.log(log, "behavior/estimator_log")
    path, _ = session.save()
    assert metadata_of(tmp_path)["behavior"]["estimator_log_rows"] == 15 == len(load(path))


@pytest.mark.parametrize("log_format", ["csv", "feather", "hdf5", "json", "parquet"])
def test_formats(tmp_path, log_format):
    """Logs are written in the format that was asked for."""
    session = Session(tmp_path, EXPERIMENT, log_format=log_format)
    log = log_of(10)
    session.log(log, "behavior/behavior_log")
    path, _ = session.save()
    assert path == tmp_path / f"192316_behavior_log.{log_format}"
    pd.testing.assert_frame_equal(load(path), log.get_dataframe())


def test_log_without_rows(tmp_path):
    """A log without rows has no file, and the metadata say so."""
    session = Session(tmp_path, EXPERIMENT)
    session.log(EstimatorLog(EXPERIMENT), "behavior/estimator_log")
    assert [path.name for path in session.save()] == ["192316_metadata.json"]
    found = metadata_of(tmp_path)["behavior"]
    assert (found["estimator_log"], found["estimator_log_rows"], found["estimator_log_rate"]) == (None, 0, 0.0)


def test_nothing_before_the_first_save(tmp_path):
    """A session writes nothing before it is saved, and makes its folder then."""
    session = Session(tmp_path / "a" / "b", EXPERIMENT)
    session.log(log_of(3), "behavior/behavior_log")
    assert list(tmp_path.iterdir()) == []
    session.save()
    assert len(list((tmp_path / "a" / "b").iterdir())) == 3


def test_logs_are_written_before_the_metadata(tmp_path):
    """When the metadata are written, every log is there."""
    seen = []

    class Watching(DataCollector):
        def save(self, output_path: str | os.PathLike[str] = "") -> None:
            seen.append(sorted(os.listdir(tmp_path)))
            super().save(output_path)

    session = Session(tmp_path, EXPERIMENT, collector=Watching(folder_path=tmp_path / "config"))
    session.log(log_of(3), "behavior/behavior_log")
    session.log(log_of(3), "stimulus/stimulus_log")
    session.save()
    assert seen == [["192316_behavior_log.hdf5", "192316_stimulus_log.hdf5"]]
    assert (tmp_path / "config" / "config.json").is_file()


def test_saving_again_writes_the_same_files(tmp_path):
    """A second save has what came since, in the same files."""
    session = Session(tmp_path, EXPERIMENT)
    log = log_of(3)
    session.log(log, "behavior/behavior_log")
    first = session.save()
    log.update_list(9.0, Tail(0.0, 0))
    assert session.save() == first
    assert len(load(first[0])) == metadata_of(tmp_path)["behavior"]["behavior_log_rows"] == 4


def test_sessions_of_one_second_share_no_file(tmp_path):
    """A session never writes over another one's files."""
    ids = []
    for rows in (1, 2, 3):
        session = Session(tmp_path, EXPERIMENT)
        session.log(log_of(rows), "behavior/behavior_log")
        path, metadata = session.save()
        assert metadata.name.split("_")[0] == session.session_id
        ids.append(session.session_id)
        assert len(load(path)) == rows
    assert ids == ["192316", "192316-2", "192316-3"]
    for number, name in enumerate(ids, 1):
        saved = json.loads((tmp_path / f"{name}_metadata.json").read_text())
        assert saved["general"]["session_id"] == name
        assert saved["behavior"]["behavior_log_rows"] == number


def test_session_without_an_experiment(tmp_path):
    """Without an experiment, a session begins when it is created."""
    before = datetime.now()
    session = Session(tmp_path)
    session.save()
    start = datetime.fromisoformat(metadata_of(tmp_path)["general"]["t_protocol_start"])
    assert before - timedelta(seconds=1) < start <= datetime.now()
    assert session.session_id == start.strftime("%H%M%S")


def test_entries_that_somebody_else_has_said(tmp_path):
    """What the program says about its session itself stays as it says it."""
    collector = DataCollector(("mine", "general/session_id"), folder_path=tmp_path)
    collector.add({"t_protocol_end": "never"}, "general")
    Session(tmp_path, EXPERIMENT, collector=collector).save()
    found = metadata_of(tmp_path)["general"]
    assert (found["session_id"], found["t_protocol_end"]) == ("mine", "never")
    assert found["t_protocol_start"] == "2018-11-15T19:23:16.211777"


def test_parameters_come_back_in_the_next_session(tmp_path):
    """Sessions in one folder share its config."""
    animal = {"age": 7}
    session = Session(tmp_path, EXPERIMENT)
    session.collector.add(animal, "general/animal")
    animal["age"] = 8
    session.save()
    animal["age"] = 7
    session = Session(tmp_path, EXPERIMENT)
    session.collector.add(animal, "general/animal")
    session.collector.restore_from_saved()
    assert animal == {"age": 8}


# Bad input ------------------------------------------------------------------------------------------------


def test_one_log_that_fails_keeps_no_other(tmp_path):
    """What can be written is written, the metadata name the failure, and the error names it too."""
    session = Session(tmp_path, EXPERIMENT)
    session.log(log_of(3), "behavior/behavior_log")
    session.log(log_of(4), "stimulus/stimulus_log")
    blocked = tmp_path / "192316_behavior_log.hdf5"

    class Failing(EstimatorLog):
        def save(self, path: Any, format: str = "csv") -> str | None:
            raise OSError(28, "No space left on device")

    session.log(Failing(EXPERIMENT), "behavior/estimator_log")
    with pytest.raises(SessionSaveError, match=r"behavior/estimator_log: OSError: .*No space") as raised:
        session.save()
    assert isinstance(raised.value, OSError)
    assert isinstance(raised.value.__cause__, OSError)
    assert len(load(blocked)) == 3
    metadata = metadata_of(tmp_path)
    assert metadata["stimulus"]["stimulus_log_rows"] == 4
    assert metadata["behavior"]["estimator_log"] is None
    assert "No space" in metadata["behavior"]["estimator_log_error"]


def test_failure_that_is_gone(tmp_path):
    """Once the cause is gone, saving again writes all of it, and tells of no failure."""
    (tmp_path / "file").write_text("here")
    session = Session(tmp_path / "file", EXPERIMENT, session_id="1")
    session.log(log_of(3), "behavior/behavior_log")
    with pytest.raises(SessionSaveError, match="metadata") as raised:
        session.save()
    assert "behavior/behavior_log" in str(raised.value)
    (tmp_path / "file").unlink()
    assert len(session.save()) == 2
    assert set(metadata_of(tmp_path / "file")["behavior"]) == {
        "behavior_log",
        "behavior_log_rows",
        "behavior_log_rate",
        "behavior_log_health",
    }
    assert issubclass(SessionSaveError, RingaccError)
    assert issubclass(MetadataFileError, OSError)


def test_bad_metadata_keep_no_log(tmp_path):
    """Metadata that have become unfit for a file keep no log from being written."""
    settings = {"x": 1}
    session = Session(tmp_path, EXPERIMENT)
    session.collector.add(settings, "a")
    session.log(log_of(3), "behavior/behavior_log")
    settings["x"] = b"no"
    with pytest.raises(SessionSaveError, match="'a/x'"):
        session.save()
    assert [path.name for path in tmp_path.iterdir()] == ["192316_behavior_log.hdf5"]


@pytest.mark.parametrize("obj", [None, 3, [1], pd.DataFrame(), FramerateAccumulator(EXPERIMENT), EstimatorLog])
def test_objects_that_are_no_log(obj):
    """Only an accumulator with columns can be a log."""
    with pytest.raises(TypeError, match="accumulator"):
        Session("folder").log(obj, "behavior/behavior_log")


def test_bad_names_of_logs():
    """A log's name has no empty part and can be a file's name; two logs have two names."""
    session = Session("folder", EXPERIMENT)
    for name in ("", "/a", "a//b", "a/", None, 'a/b"c', "a/b:c", "a/b\x00"):
        with pytest.raises(EntryNameError):
            session.log(log_of(1), name)
    session.log(log_of(1), "behavior/log")
    session.collector.add_static_data(1, "stimulus/other_rows")
    for name in ("behavior/log", "stimulus/log", "general/metadata", "stimulus/other", "behavior/log/more"):
        with pytest.raises(EntryClashError):
            session.log(log_of(1), name)
    found = session.collector.get_clean_dict()
    assert set(found["behavior"]) == {"log", "log_rows", "log_rate", "log_health"}
    assert found["stimulus"] == {"other_rows": 1}


def test_bad_arguments():
    """A session id that cannot begin a file's name, and an unknown format, are errors at the call."""
    for session_id in ("", "a_b", "a/b", "a:b"):
        with pytest.raises(EntryNameError):
            Session("folder", session_id=session_id)
    with pytest.raises(FormatError, match="hdf5"):
        Session("folder", log_format="xlsx")
