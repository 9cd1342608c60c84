"""What a collector collects, writes and gives back, and what it refuses."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta, timezone
from enum import Enum, IntEnum
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from ringacc import DataCollector
from ringacc.errors import (
    EntryClashError,
    EntryNameError,
    EntryNotFoundError,
    EntryValueError,
    FormatError,
    ParametersError,
    RingaccError,
)

ROOT = Path(__file__).parents[1]
RECORDINGS = sorted((ROOT / ".." / "shared" / "data").glob("*/*_metadata.json"))
FORMATS = ("json", "h5")


class Side(Enum):
    """An enum whose values are text."""

    LEFT = "left"
    RIGHT = "right"


class Gain(IntEnum):
    """An enum whose members are numbers."""

    LOW = 1
    HIGH = 2


class Point(NamedTuple):
    """A tuple with names."""

    x: int
    y: int


@dataclass
class Animal:
    """An object as a lab has it."""

    genotype: str = "TL"
    age: int = field(default=7, metadata={"limits": (0, 30), "unit": "dpf"})


def strict_json(data: bytes) -> Any:
    """Read JSON as RFC 8259 has it: no NaN tokens, UTF-8."""

    def refuse(token: str) -> None:
        raise AssertionError(f"{token} is no JSON")

    return json.loads(data.decode("utf-8"), parse_constant=refuse)


def keys_are_sorted(tree: Any) -> bool:
    """Tell whether the keys of each dict stand in order."""
    if isinstance(tree, dict):
        return list(tree) == sorted(tree) and all(map(keys_are_sorted, tree.values()))
    return all(map(keys_are_sorted, tree)) if isinstance(tree, list) else True


def exact(value: Any) -> Any:
    """Give a value as something that is equal only for values of the same types and bits."""
    if isinstance(value, dict):
        return dict, {(type(key), key): exact(item) for key, item in value.items()}
    if isinstance(value, set | frozenset):
        return type(value), sorted(map(repr, value))
    if isinstance(value, list | tuple):
        return type(value), [exact(item) for item in value]
    return type(value), repr(value)


# Nothing until asked ------------------------------------------------------------------------------


def test_import_loads_no_large_library():
    """The module loads neither NumPy nor any other library outside the standard one."""
    code = (
        "import sys; before = set(sys.modules); import ringacc.collector; "
        "loaded = {name.partition('.')[0] for name in set(sys.modules) - before}; "
        "print(sorted(loaded - set(sys.stdlib_module_names) - {'ringacc'}))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert found.stdout.strip() == "[]"


def test_arrays_are_recognised_without_their_libraries():
    """Handing over values of one library loads no other."""
    code = (
        "import sys, numpy; from ringacc.collector import DataCollector; "
        "print(DataCollector((numpy.arange(2), 'a'), (numpy.float32(0.5), 'b')).get_clean_dict(), "
        "[name for name in ('pandas', 'pyarrow', 'polars', 'tables', 'numba') if name in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert found.stdout.strip() == "{'a': [0, 1], 'b': 0.5} []"


def test_constructor_touches_no_file(tmp_path, monkeypatch):
    """A new collector makes no folder, and neither does it look into the home folder."""

    def refuse(*args: Any) -> None:
        raise AssertionError("the home folder was asked for")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(Path, "home", refuse)
    DataCollector()
    DataCollector(folder_path=tmp_path / "new", extra_settings={"a": 1}, instance_number=3)
    assert list(tmp_path.iterdir()) == []


def test_nothing_saved_restores_nothing(tmp_path):
    """Without a config, restoring changes nothing, warns of nothing and makes no folder."""
    animal = Animal()
    collector = DataCollector(folder_path=tmp_path / "new")
    collector.add(animal, "animal")
    assert tuple(collector.restore_from_saved()) == ()
    assert animal == Animal()
    assert not (tmp_path / "new").exists()


def test_default_folder_is_the_current_one_of_the_moment(tmp_path, monkeypatch):
    """The default folder is where the process is when it saves."""
    collector = DataCollector()
    monkeypatch.chdir(tmp_path)
    collector.save()
    assert sorted(os.listdir(tmp_path)) == ["config.json", "metadata.json"]


# Static data ----------------------------------------------------------------------------------------


def test_static_data_are_nested():
    """A name's parts are the branches of the tree."""
    collector = DataCollector()
    collector.add_static_data(7, "animal/age")
    collector.add_static_data("x.png", "animal/screening/image")
    collector.add_static_data({"x": {"y": 1}}, "stimulus")
    collector.add_static_data(2, "stimulus/x/z")
    collector.add_static_data("alone")
    assert collector.get_clean_dict() == {
        "animal": {"age": 7, "screening": {"image": "x.png"}},
        "stimulus": {"x": {"y": 1, "z": 2}},
        "unspecified_entry": "alone",
    }


def test_same_name_replaces_static_data():
    """Static data of a name that is there replace what was there."""
    collector = DataCollector(([1, 2], "stimulus/log"))
    collector.add_static_data("log.hdf5", "stimulus/log")
    assert collector.get_clean_dict() == {"stimulus": {"log": "log.hdf5"}}


def test_static_data_are_read_when_asked_for():
    """A list that grows after it was added is written as it is at the end."""
    log: list[int] = []
    collector = DataCollector((log, "stimulus/log"))
    log.append(1)
    assert collector.get_clean_dict() == {"stimulus": {"log": [1]}}


def test_data_tuples_are_static_data():
    """The constructor takes static data as stytra's does: (entry, name), or (entry,)."""
    collector = DataCollector((7, "animal/age"), ("alone",))
    assert collector.get_clean_dict() == {"animal": {"age": 7}, "unspecified_entry": "alone"}


@pytest.mark.parametrize(
    ("entry", "written"),
    [
        (None, None),
        (True, True),
        (3, 3),
        ("é", "é"),
        ((1, (2, None)), (1, (2, None))),
        (np.float32(0.5), 0.5),
        (np.int64(2**40), 2**40),
        (np.bool_(True), True),
        (np.arange(6).reshape(2, 3), [[0, 1, 2], [3, 4, 5]]),
        (np.array(3.5), 3.5),
        (np.array([], dtype="f8"), []),
        ([np.float64(0.1), np.str_("a")], [0.1, "a"]),
        ({3, 1, 2}, [1, 2, 3]),
        (frozenset({"b", "a"}), ["a", "b"]),
        (set(), []),
        (Path("a") / "b", str(Path("a") / "b")),
        (Side.LEFT, "left"),
        (Gain.HIGH, 2),
        (Point(1, 2), (1, 2)),
        ({"a": {1: "x"}}, {"a": {"1": "x"}}),
        (Animal(), {"genotype": "TL", "age": 7}),
        (pd.Series([1.5, 2.5]), [1.5, 2.5]),
        (pd.DataFrame({"t": [0.5, 1.0], "ok": [True, False]}), {"t": [0.5, 1.0], "ok": [True, False]}),
        (pa.table({"t": [1, None]}), {"t": [1, None]}),
        (pd.DataFrame({"n": pd.array([1, None], dtype="Int64")}), {"n": [1, None]}),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_values_are_cleaned(entry, written):
    """Values of NumPy, pandas and the like become plain ones; nothing becomes 0."""
    found = DataCollector((entry, "a/b")).get_clean_dict()["a"]["b"]
    assert exact(found) == exact(written)


def test_polars_frames_are_cleaned():
    """A DataFrame of polars becomes a dict of columns, and its Series a list."""
    polars = pytest.importorskip("polars")
    frame = polars.DataFrame({"t": [0.5, 1.0], "name": ["a", None]})
    collector = DataCollector((frame, "frame"), (frame["t"], "series"))
    assert collector.get_clean_dict() == {"frame": {"t": [0.5, 1.0], "name": ["a", None]}, "series": [0.5, 1.0]}
    assert collector.get_clean_dict(eliminate_df=True) == {"series": [0.5, 1.0]}


def test_arrays_of_every_width_are_cleaned():
    """Numbers of every width come back as the numbers they are."""
    for dtype in ("i1", "u8", "f2", "f4", "f8", "?"):
        values = np.array([0, 1, 1], dtype=dtype)
        assert DataCollector((values, "a")).get_clean_dict() == {"a": values.tolist()}


def test_not_finite_numbers_stay_in_the_dict_and_are_named_in_the_file(tmp_path):
    """NaN and infinities are floats in the dict, and in the file the texts that float() reads."""
    collector = DataCollector(([math.nan, math.inf, -math.inf, 1.0], "a/b"))
    found = collector.get_clean_dict()["a"]["b"]
    assert [repr(value) for value in found] == ["nan", "inf", "-inf", "1.0"]
    collector.save_json_log(tmp_path / "log.json")
    written = strict_json((tmp_path / "log.json").read_bytes())["a"]["b"]
    assert written == ["NaN", "Infinity", "-Infinity", 1.0]
    assert [repr(float(value)) for value in written] == ["nan", "inf", "-inf", "1.0"]


def test_datetimes_are_converted_when_asked():
    """Dates and times stay, or are ISO text with microseconds always."""
    moments = {
        "whole": datetime(2018, 11, 15, 19, 23, 17),
        "zone": datetime(2018, 11, 15, 19, 23, 17, 5, tzinfo=timezone(timedelta(hours=1))),
        "day": date(2018, 11, 15),
        "hour": time(19, 23),
    }
    collector = DataCollector((moments, "general"))
    assert collector.get_clean_dict() == {"general": moments}
    assert collector.get_clean_dict(convert_datetime=True)["general"] == {
        "whole": "2018-11-15T19:23:17.000000",
        "zone": "2018-11-15T19:23:17.000005+01:00",
        "day": "2018-11-15",
        "hour": "19:23:00.000000",
    }


def test_tables_are_eliminated_when_asked():
    """Without its tables, the tree has all else."""
    table = pd.DataFrame({"t": [1.0]})
    collector = DataCollector((table, "a/table"), ({"x": table, "y": 1}, "b"), ([table, 2], "c"))
    assert collector.get_clean_dict(eliminate_df=True) == {"b": {"y": 1}, "c": [2]}
    assert collector.get_clean_dict()["a"] == {"table": {"t": [1.0]}}


def test_membership():
    """A path is in the collector if something stands at it or below it."""
    collector = DataCollector((1, "a/b/c"))
    collector.add(Animal(), "animal")
    assert all(path in collector for path in ("a", "a/b", "a/b/c", "animal", "animal/age"))
    assert not any(path in collector for path in ("b", "a/c", "a/b/c/d", "animal/name"))


def test_clean_dict_is_a_copy():
    """Changing the dict changes nothing that was added."""
    entry = {"list": [1], "dict": {"x": 1}}
    collector = DataCollector((entry, "a"))
    found = collector.get_clean_dict()
    found["a"]["list"].append(2)
    found["a"]["dict"]["y"] = 3
    found["a"]["new"] = 4
    assert entry == {"list": [1], "dict": {"x": 1}}
    assert collector.get_clean_dict() == {"a": entry}


# Bad input ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["", "/", "/a", "a/", "a//b", "a/b/"])
def test_name_with_an_empty_part(name):
    """A name with an empty part is refused wherever a name is taken."""
    collector = DataCollector()
    for call in (
        lambda: collector.add_static_data(1, name),
        lambda: collector.add(Animal(), name),
        lambda: collector.get_last_value(name),
        lambda: collector.remove(name),
        lambda: DataCollector((1, name)),
        lambda: DataCollector(extra_settings={name: 1}),
    ):
        with pytest.raises(EntryNameError, match="expected"):
            call()
    assert collector.get_clean_dict() == {}


@pytest.mark.parametrize("name", [None, 3, b"a/b", ("a", "b"), Path("a/b")])
def test_name_that_is_no_text(name):
    """A name is text."""
    collector = DataCollector()
    with pytest.raises(EntryNameError, match="category/name"):
        collector.add_static_data(1, name)
    with pytest.raises(TypeError):
        collector.get_last_value(name)


@pytest.mark.parametrize(
    ("first", "second"),
    [("a", "a/b"), ("a/b", "a"), ("a", "a/b/c"), ("a/b/c", "a"), ("a/b", "a/b/c/d")],
)
def test_value_below_a_value(first, second):
    """A value below another is refused at the call, in either order, and the first stays."""
    collector = DataCollector((1, first))
    before = collector.get_clean_dict()
    with pytest.raises(EntryClashError, match=f"'{second}'|'{first}'"):
        collector.add_static_data(2, second)
    with pytest.raises(EntryClashError):
        collector.add({first.removeprefix(f"{second}/").partition("/")[0]: 1}, second)
    assert collector.get_clean_dict() == before


def test_two_objects_under_one_path():
    """A path has one object; the same one again changes nothing, and a removed one makes room."""
    collector = DataCollector()
    animal = Animal()
    collector.add(animal, "animal")
    collector.add(animal, "animal")
    with pytest.raises(EntryClashError, match="animal"):
        collector.add(Animal(), "animal")
    collector.remove("animal")
    collector.add({"age": 3}, "animal")
    assert collector.get_clean_dict() == {"animal": {"age": 3}}


def test_parameter_and_static_data_at_one_path():
    """An object and static data may share a branch, and no entry of it."""
    collector = DataCollector((1, "animal/id"))
    collector.add(Animal(), "animal")
    assert collector.get_clean_dict() == {"animal": {"id": 1, "genotype": "TL", "age": 7}}
    for name in ("animal/age", "animal/age/days", "animal"):
        with pytest.raises(EntryClashError):
            collector.add_static_data(2, name)
    with pytest.raises(EntryClashError):
        collector.add({"days": 1}, "animal/age")
    with pytest.raises(EntryClashError):
        collector.add({"animal": {"id": 2}}, "animal/id")
    assert collector.get_clean_dict() == {"animal": {"id": 1, "genotype": "TL", "age": 7}}


class Holder:
    """Neither a mapping nor anything with fields."""


HOLDS_ITSELF: list[Any] = []
HOLDS_ITSELF.append(HOLDS_ITSELF)


@pytest.mark.parametrize(
    ("value", "path"),
    [
        (b"bytes", "a/b"),
        (Holder(), "a/b"),
        (Holder, "a/b"),
        (np.ndarray, "a/b"),
        (1 + 2j, "a/b"),
        (np.complex128(1), "a/b"),
        (np.datetime64("2020-01-01"), "a/b"),
        (np.array([1 + 2j]), "a/b/0"),
        (timedelta(1), "a/b"),
        (lambda: 1, "a/b"),
        (10**5000, "a/b"),
        ({"x": [1, {"y": b""}]}, "a/b/x/1/y"),
        ({1.5: 2}, "a/b"),
        ({None: 2}, "a/b"),
        ({("a", 1): 2}, "a/b"),
        ({1: 1, "x": 2}, "a/b"),
        ({1: 1, "1": 2}, "a/b"),
        ({Side.LEFT: 1, "left": 2}, "a/b"),
        (HOLDS_ITSELF, "a/b/0/0"),
        (pd.DataFrame({"x": [b"y"]}), "a/b/x/0"),
        (pd.DataFrame([[1, 2]], columns=["x", "x"]), "a/b"),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_value_that_json_cannot_hold(value, path):
    """A value that JSON cannot hold is refused at the call that adds it, by its path."""
    collector = DataCollector((1, "kept"))
    for call in (
        lambda: collector.add_static_data(value, "a/b"),
        lambda: collector.add({"b": [value]}, "a"),
        lambda: DataCollector((value, "a/b")),
        lambda: DataCollector(extra_settings={"a": {"b": value}}),
    ):
        with pytest.raises(EntryValueError, match="JSON"):
            call()
    with pytest.raises(EntryValueError, match=f"^'{path}"):
        collector.add_static_data(value, "a/b")
    assert collector.get_clean_dict() == {"kept": 1}


def test_mapping_that_holds_itself():
    """Static data that hold themselves are refused."""
    circle: dict[str, Any] = {"x": 1}
    circle["circle"] = circle
    with pytest.raises(EntryValueError, match="itself"):
        DataCollector().add_static_data(circle, "a")
    with pytest.raises(EntryValueError, match="itself"):
        DataCollector(extra_settings=circle)


@pytest.mark.parametrize("obj", [3, "animal", None, [1], (1,), {1, 2}, Holder(), Animal, Holder, np.arange(3)])
def test_object_of_no_kind(obj):
    """An object without parameters is refused with the kinds that have some."""
    collector = DataCollector()
    for path in ("a", None):
        with pytest.raises(ParametersError, match="dataclass"):
            collector.add(obj, path)
    assert collector.get_clean_dict() == {}


def test_object_without_a_path():
    """Only an object that brings its own path needs none."""
    with pytest.raises(EntryNameError, match="general/animal"):
        DataCollector().add(Animal())


@pytest.mark.parametrize("number", [-2, -100])
def test_instance_number_too_low(number):
    """Instances are -1, the only one, or 0 and above."""
    with pytest.raises(ValueError, match="instance_number"):
        DataCollector(instance_number=number)


@pytest.mark.parametrize("number", [None, 1.0, "1", True])
def test_instance_number_of_another_kind(number):
    """An instance number is an int."""
    with pytest.raises(TypeError, match="instance_number"):
        DataCollector(instance_number=number)


def test_other_bad_arguments():
    """Each is an error at the call that says what was expected."""
    with pytest.raises(FormatError, match="json"):
        DataCollector(config_format="yaml")
    for extra in ([1], "ab", 7):
        with pytest.raises(TypeError, match="extra_settings"):
            DataCollector(extra_settings=extra)
    for given_data in (7, "ab", (), (1, "a", "b")):
        with pytest.raises(TypeError, match="entry, name"):
            DataCollector(given_data)
    with pytest.raises(EntryNotFoundError, match="none yet"):
        DataCollector().remove("a")


def test_errors_are_also_the_builtin_ones():
    """Whoever never heard of the package catches what they would expect."""
    assert issubclass(EntryNameError, ValueError)
    assert issubclass(EntryClashError, ValueError)
    assert issubclass(EntryValueError, TypeError | ValueError)
    assert issubclass(ParametersError, TypeError)
    assert issubclass(EntryNotFoundError, KeyError)
    assert all(issubclass(e, RingaccError) for e in (EntryNameError, EntryClashError, EntryValueError, ParametersError))


def test_a_value_that_goes_bad_is_found_when_saving(tmp_path):
    """What became unfit for a file after it was added is named at the save, and no file changes."""
    settings_ = {"x": 1}
    collector = DataCollector(folder_path=tmp_path)
    collector.add(settings_, "a/b")
    collector.save(tmp_path / "log.json")
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    settings_["x"] = b"no"
    for call in (collector.save, collector.save_config_file, collector.get_clean_dict):
        with pytest.raises(EntryValueError, match="'a/b/x'"):
            call()
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_paths_of_another_kind():
    """A pure path is a path too."""
    assert DataCollector((PurePosixPath("/a"), "p")).get_clean_dict() == {"p": "/a"}
