"""What a collector collects, writes and gives back, and what it refuses."""

from __future__ import annotations

import doctest
import json
import math
import os
import subprocess
import shutil
import sys
import tempfile
import warnings
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta, timezone
from enum import Enum, IntEnum
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from ringacc import DataCollector
from ringacc.errors import (
    EntryClashError,
    EntryNameError,
    EntryNotFoundError,
    EntryValueError,
    FormatError,
    ParametersError,
    RestoreWarning,
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
        (pl.DataFrame({"t": [0.5, 1.0]}), {"t": [0.5, 1.0]}),
        (pa.table({"t": [1, None]}), {"t": [1, None]}),
        (pd.DataFrame({"n": pd.array([1, None], dtype="Int64")}), {"n": [1, None]}),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_values_are_cleaned(entry, written):
    """Values of NumPy, pandas and the like become plain ones; nothing becomes 0."""
    found = DataCollector((entry, "a/b")).get_clean_dict()["a"]["b"]
    assert exact(found) == exact(written)


def test_large_arrays_are_cleaned():
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


# Restoring --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("config_format", FORMATS)
def test_table_of_outcomes(tmp_path, config_format):
    """Each saved entry is restored, unchanged, kept or refused with the reason; one warning tells of the refused."""

    @dataclass
    class Then:
        age: int = 3
        genotype: str = "TL"
        gone: int = 1
        screened: Any = "not"
        session: int = 5

    @dataclass
    class Now:
        age: int = field(default=7, metadata={"limits": (0, 30)})
        genotype: str = "TL"
        screened: bool = False
        session: int = field(default=6, metadata={"loadable": False})
        new: float = 1.0

    def collector_of(obj: Any) -> DataCollector:
        collector = DataCollector(folder_path=tmp_path, config_format=config_format)
        collector.add(obj, "general/animal")
        return collector

    collector_of(Then()).save_config_file()
    now = Now()
    collector = collector_of(now)
    with pytest.warns(RestoreWarning) as warned:
        table = collector.restore_from_saved()
    assert {row.path: row.outcome for row in table} == {
        "general/animal/age": "restored",
        "general/animal/genotype": "unchanged",
        "general/animal/gone": "kept",
        "general/animal/screened": "refused",
        "general/animal/session": "unchanged",
    }
    assert now == Now(age=3)
    assert [row.path for row in table.restored] == ["general/animal/age"]
    assert [row.path for row in table.kept] == ["general/animal/gone"]
    assert [row.reason for row in table.refused] == ["expected bool, found 'not' (str)"]
    assert len(table.unchanged) == 2
    assert len(str(table).splitlines()) == len(table)
    assert len(warned) == 1
    assert "general/animal/screened" in str(warned[0].message)
    assert warned[0].filename == __file__

    now.age = 4
    collector.save_config_file()
    assert DataCollector(folder_path=tmp_path, config_format=config_format).get_last_value("general") == {
        "animal": {"age": 4, "genotype": "TL", "gone": 1, "screened": False, "session": 6, "new": 1.0}
    }


def test_kept_entries_survive_sessions_that_do_not_know_them(tmp_path):
    """An object that is away for a while finds its values when it comes back."""
    for names in (["a", "b"], ["b"], [], ["b"]):
        collector = DataCollector(folder_path=tmp_path)
        for name in names:
            collector.add({"x": name, "y": ({1, 2}, Path("p"))}, name)
        collector.save_config_file()
    back = {"x": "", "y": ()}
    collector = DataCollector(folder_path=tmp_path)
    collector.add(back, "a")
    collector.restore_from_saved()
    assert back == {"x": "a", "y": ({1, 2}, Path("p"))}


def test_value_where_a_branch_is_now(tmp_path):
    """A saved value in the place of a branch, and a saved branch in the place of a value, are refused."""
    collector = DataCollector(folder_path=tmp_path)
    collector.add({"one": 1, "two": {"x": 1}}, "a")
    collector.save_config_file()
    now = {"one": {"x": 2}, "two": 2}
    collector = DataCollector(folder_path=tmp_path)
    collector.add(now, "a")
    with pytest.warns(RestoreWarning):
        table = collector.restore_from_saved()
    assert {row.path: row.outcome for row in table} == {"a/one": "refused", "a/two": "refused"}
    assert now == {"one": {"x": 2}, "two": 2}
    collector.save_config_file()
    assert DataCollector(folder_path=tmp_path).get_last_value("a") == now


def test_extra_settings_count_where_nothing_is_saved(tmp_path):
    """Extra settings are restored and kept as if saved; the config's own entries go before them."""
    extra = {"a": {"x": 10, "y": (1, 2), "unknown": Side.LEFT}, "other": {"when": datetime(2020, 1, 1)}}
    first = {"x": 1, "y": ()}
    collector = DataCollector(folder_path=tmp_path, extra_settings=extra)
    collector.add(first, "a")
    collector.restore_from_saved()
    assert first == {"x": 10, "y": (1, 2)}
    first["x"] = 5
    collector.save_config_file()
    second = {"x": 1, "y": ()}
    collector = DataCollector(folder_path=tmp_path, extra_settings=extra)
    collector.add(second, "a")
    table = collector.restore_from_saved()
    assert second == {"x": 5, "y": (1, 2)}
    assert {row.path for row in table.kept} == {"a/unknown", "other/when"}
    assert collector.get_last_value("other/when") == datetime(2020, 1, 1)
    assert extra["a"] == {"x": 10, "y": (1, 2), "unknown": Side.LEFT}


def test_extra_settings_are_copied():
    """What a program does with restored values does not change the settings."""
    extra = {"a": {"x": [1]}}
    target = {"x": []}
    collector = DataCollector(extra_settings=extra)
    collector.add(target, "a")
    collector.restore_from_saved()
    target["x"].append(2)
    assert extra == {"a": {"x": [1]}}
    collector.restore_from_saved()
    assert target == {"x": [1]}


def test_last_value(tmp_path):
    """The last saved value, with its type, and not the value of now."""
    settings_ = {"roi": (1, 2), "sub": {"when": datetime(2020, 1, 1), "nan": math.nan}}
    collector = DataCollector(folder_path=tmp_path)
    collector.add(settings_, "camera")
    with pytest.raises(KeyError, match="nothing is saved"):
        collector.get_last_value("camera/roi")
    collector.save_config_file()
    settings_["roi"] = (3, 4)
    assert collector.get_last_value("camera/roi") == (1, 2)
    assert collector.get_last_value("camera/sub/when") == datetime(2020, 1, 1)
    assert math.isnan(collector.get_last_value("camera/sub/nan"))
    assert set(collector.get_last_value("camera")) == {"roi", "sub"}
    with pytest.raises(KeyError, match="'camera/roi'"):
        collector.get_last_value("camera/rio")
    with pytest.raises(KeyError, match="'camera/sub/when'"):
        collector.get_last_value("when")
    with pytest.raises(KeyError, match="none at"):
        collector.get_last_value("camera/roi/0")


def test_instances_have_files_of_their_own(tmp_path):
    """Each instance restores what it saved itself, and the files of the others stay as they are."""
    for number in (-1, 0, 1, 10):
        collector = DataCollector(folder_path=tmp_path, instance_number=number)
        collector.add({"number": number}, "a")
        collector.save()
        collector.save()
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {
        f"{name}{number}.json{end}"
        for number in ("", "_0", "_1", "_10")
        for name, end in (("config", ""), ("config", ".bak"), ("metadata", ""))
    }
    for number in (-1, 0, 1, 10):
        collector = DataCollector(folder_path=tmp_path, instance_number=number)
        assert collector.get_last_value("a/number") == number


def test_one_value_that_needs_another_first(tmp_path):
    """Values that only fit together are all restored, whatever their order."""

    @dataclass
    class Checked:
        a_low: int = 0
        b_high: int = 3

        def __setattr__(self, key: str, value: Any) -> None:
            low = value if key == "a_low" else getattr(self, "a_low", 0)
            high = value if key == "b_high" else getattr(self, "b_high", 3)
            if low >= high:
                raise ValueError("low must be below high")
            object.__setattr__(self, key, value)

    checked = Checked()
    collector = DataCollector(extra_settings={"r": {"a_low": 5, "b_high": 9}})
    collector.add(checked, "r")
    assert len(collector.restore_from_saved().restored) == 2
    assert (checked.a_low, checked.b_high) == (5, 9)

    checked = Checked()
    collector = DataCollector(extra_settings={"r": {"a_low": 5}})
    collector.add(checked, "r")
    with pytest.warns(RestoreWarning, match="low must be below high"):
        assert len(collector.restore_from_saved().refused) == 1
    assert (checked.a_low, checked.b_high) == (0, 3)


# Files ------------------------------------------------------------------------------------------------


def test_files_are_valid_sorted_json(tmp_path):
    """Both files are JSON with sorted keys, in UTF-8 with the letters as they are."""
    collector = DataCollector(({"ß": math.nan, "a": [{"z": 1, "b": -math.inf}]}, "zebra"), folder_path=tmp_path)
    collector.add({"ü": math.inf, "10": 1, "9": Path("é")}, "fisch")
    collector.save(tmp_path / "log.json")
    for name in ("log.json", "config.json"):
        data = (tmp_path / name).read_bytes()
        assert keys_are_sorted(strict_json(data))
        assert "ü".encode() in data


def test_half_a_surrogate_pair_is_kept(tmp_path):
    """The name of a file that is no UTF-8, as Python gives it, comes back as it was."""
    odd = os.fsdecode(b"\xff.png")
    settings_ = {"name": odd, "path": Path(odd)}
    collector = DataCollector((odd, "image"), folder_path=tmp_path)
    collector.add(settings_, "a")
    collector.save(tmp_path / "log.json")
    assert strict_json((tmp_path / "log.json").read_bytes())["image"] == odd
    back = {"name": "", "path": Path()}
    collector = DataCollector(folder_path=tmp_path)
    collector.add(back, "a")
    collector.restore_from_saved()
    assert back == settings_


def test_save_makes_missing_folders(tmp_path):
    """Folders are made when the first file is written."""
    collector = DataCollector((1, "a"), folder_path=tmp_path / "x" / "y")
    collector.save(tmp_path / "z" / "log.json")
    assert (tmp_path / "x" / "y" / "config.json").is_file()
    assert (tmp_path / "z" / "log.json").is_file()


OFFSETS = st.none() | st.integers(-1439, 1439).map(lambda minutes: timezone(timedelta(minutes=minutes)))
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    # ISO text has no place for the fold of an hour that a clock shows twice.
    | st.datetimes(timezones=OFFSETS).map(lambda moment: moment.replace(fold=0))
    | st.dates()
    | st.times().map(lambda moment: moment.replace(fold=0))
    | st.text(alphabet="ab.é", min_size=1, max_size=4).map(Path)
)
HASHABLE = st.integers() | st.text(max_size=4) | st.tuples(st.integers(), st.text(max_size=2))


def containers(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Lists, tuples, dicts and sets."""
    return (
        st.lists(inner, max_size=4)
        | st.lists(inner, max_size=4).map(tuple)
        | st.dictionaries(st.text(max_size=6), inner, max_size=4)
        | st.dictionaries(st.integers(), inner, max_size=3)
        | st.sets(HASHABLE, max_size=3)
        | st.frozensets(HASHABLE, max_size=3)
    )


TREES = st.recursive(SCALARS, containers, max_leaves=20)
JSON_TREES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=9), inner, max_size=4),
    max_leaves=20,
)


@dataclass
class Anything:
    """A parameter of any type."""

    value: Any = None


@pytest.mark.parametrize("config_format", FORMATS)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(value=TREES)
def test_any_value_comes_back_as_it_was(tmp_path, config_format, value):
    """Whatever a file can hold is restored with its types and bits, through JSON and through HDF5."""
    collector = DataCollector(folder_path=tmp_path, config_format=config_format)
    collector.add(Anything(value), "a/b")
    collector.save_config_file()
    back = Anything(object())
    collector = DataCollector(folder_path=tmp_path, config_format=config_format)
    back.value = None
    collector.add(back, "a/b")
    collector.restore_from_saved()
    assert exact(back.value) == exact(value)
    if config_format == "json":
        assert keys_are_sorted(strict_json((tmp_path / "config.json").read_bytes()))


@pytest.mark.parametrize("config_format", FORMATS)
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(tree=st.dictionaries(st.text(max_size=6), JSON_TREES, max_size=5), name=st.text(min_size=1))
def test_any_tree_of_settings_comes_back(tmp_path, config_format, tree, name):
    """A mapping of any shape, below any category, is saved and restored into one that has other values."""

    def other(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: other(item) for key, item in value.items()}
        return None if value is None else type(value)()

    name = name.replace("/", "|")
    collector = DataCollector(folder_path=tmp_path, config_format=config_format)
    collector.add(tree, name)
    collector.save_config_file()
    back = other(tree)
    collector = DataCollector(folder_path=tmp_path, config_format=config_format)
    collector.add(back, name)
    assert not collector.restore_from_saved().kept
    assert exact(back) == exact(tree)
    for path in tmp_path.iterdir():
        path.unlink()


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    tree=st.dictionaries(st.text(min_size=1).filter(lambda name: "/" not in name), JSON_TREES, min_size=1, max_size=4)
)
def test_any_static_tree_is_written(tmp_path, tree):
    """Static data of any shape stand in the file as they are."""
    collector = DataCollector(*((value, name) for name, value in tree.items()))
    collector.save_json_log(tmp_path / "log.json")
    assert exact(strict_json((tmp_path / "log.json").read_bytes())) == exact(tree)
    assert exact(collector.get_clean_dict()) == exact(tree)


# Real recordings ----------------------------------------------------------------------------------------


@pytest.mark.skipif(not RECORDINGS, reason="needs the recordings beside the repository")
@pytest.mark.parametrize("path", RECORDINGS, ids=lambda path: path.stem)
class TestRecordings:
    """The metadata that stytra wrote."""

    def test_written_anew(self, tmp_path, path):
        """As static data, a real file is written with the same content."""
        tree = json.loads(path.read_text())
        collector = DataCollector(*((value, name) for name, value in tree.items()))
        collector.save_json_log(tmp_path / "log.json")
        assert json.loads((tmp_path / "log.json").read_text()) == tree
        assert collector.get_clean_dict() == tree

    def test_times_have_the_readers_format(self, tmp_path, path):
        """Times that go out as datetimes are the very texts that stytra wrote."""
        tree = json.loads(path.read_text())
        text = tree["general"]["t_protocol_start"]
        moment = datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%f")
        DataCollector((moment, "general/t_protocol_start")).save_json_log(tmp_path / "log.json")
        assert json.loads((tmp_path / "log.json").read_text())["general"]["t_protocol_start"] == text

    @pytest.mark.parametrize("config_format", FORMATS)
    def test_restored(self, tmp_path, path, config_format):
        """As a config, a real file restores every entry, tuples included, and unknown ones are kept."""
        tree = json.loads(path.read_text())
        if config_format == "json":
            (tmp_path / "config.json").write_text(path.read_text())
        else:
            source = DataCollector(folder_path=tmp_path, config_format="h5", extra_settings=tree)
            source.save_config_file()
        camera = {
            name: tuple(0 for _ in value) if isinstance(value, list) else type(value)()
            for name, value in tree["camera_params"].items()
        }
        animal = Animal(genotype="", age=0)
        collector = DataCollector(folder_path=tmp_path, config_format=config_format)
        collector.add(camera, "camera_params")
        collector.add(animal, "general/animal")
        table = collector.restore_from_saved()
        assert not table.refused
        expected = {k: tuple(v) if isinstance(v, list) else v for k, v in tree["camera_params"].items()}
        assert exact(camera) == exact(expected)
        assert animal == Animal(tree["general"]["animal"]["genotype"], tree["general"]["animal"]["age"])
        camera["replay_limits"] = (0.0, 1.0)
        collector.save_config_file()
        tree["camera_params"]["replay_limits"] = (0.0, 1.0)
        for category, value in tree.items():
            assert collector.get_last_value(category) == value


# Any interleaving -----------------------------------------------------------------------------------------


@dataclass
class Early:
    """One version of a program's parameters."""

    number: int = field(default=1, metadata={"limits": (0, 10)})
    place: tuple = ()
    free: Any = None
    old: str = "x"


@dataclass
class Late:
    """The next one: a type has changed, one parameter is gone and another one is not to be loaded."""

    number: str = "one"
    place: tuple = ()
    free: Any = None
    fixed: int = field(default=0, metadata={"loadable": False})


VERSIONS = {Early: ("number", "place", "free", "old"), Late: ("number", "place", "free", "fixed")}
SMALL = st.recursive(SCALARS, containers, max_leaves=5)
VALUES = {
    "number": st.integers(-5, 15) | st.text(max_size=3),
    "place": st.lists(SMALL, max_size=3).map(tuple),
    "free": SMALL,
    "old": st.text(max_size=3),
    "fixed": st.integers(0, 9),
}


def fits(version: type, name: str, value: Any) -> bool:
    """Tell whether a value fits, as the two classes above have it."""
    if (version, name) == (Early, "number"):
        return type(value) is int and 0 <= value <= 10
    if name in ("number", "old"):
        return type(value) is str
    return name == "free" or type(value) is tuple


class Sessions(RuleBasedStateMachine):
    """Sessions one after another, against a dict of what was saved last."""

    config_format = "json"

    @initialize()
    def begin(self) -> None:
        """Begin with an empty folder."""
        self.folder = tempfile.mkdtemp(prefix="ringacc_sessions_")
        self.saved: dict[str, Any] = {}
        self.restart()

    @rule()
    def restart(self) -> None:
        """Start the program anew."""
        self.collector = DataCollector(folder_path=self.folder, config_format=self.config_format)
        self.objects: dict[str, Any] = {}

    @rule(path=st.sampled_from(["a", "a/b", "c/d"]), version=st.sampled_from(list(VERSIONS)))
    def add(self, path: str, version: type) -> None:
        """Add an object, or find its path taken."""
        obj = version()
        if path in self.objects:
            with pytest.raises(EntryClashError):
                self.collector.add(obj, path)
        else:
            self.collector.add(obj, path)
            self.objects[path] = obj

    @rule(path=st.sampled_from(["s", "a/static", "c/d/static"]), entry=SMALL)
    def add_static(self, path: str, entry: Any) -> None:
        """Add static data, which never reach the config."""
        self.collector.add_static_data(entry, path)

    @precondition(lambda self: self.objects)
    @rule(data=st.data())
    def change(self, data: st.DataObject) -> None:
        """Change a parameter as a program does, limits or not."""
        path = data.draw(st.sampled_from(sorted(self.objects)))
        obj = self.objects[path]
        name = data.draw(st.sampled_from(VERSIONS[type(obj)]))
        setattr(obj, name, data.draw(VALUES[name]))

    @rule()
    def save(self) -> None:
        """Save the config."""
        self.collector.save_config_file()
        for path, obj in self.objects.items():
            for name in VERSIONS[type(obj)]:
                self.saved[f"{path}/{name}"] = getattr(obj, name)

    @rule()
    def restore(self) -> None:
        """Restore, and compare each outcome and value with those that the dict says."""
        expected: dict[str, str] = {}
        values = {}
        for path, obj in self.objects.items():
            for name in VERSIONS[type(obj)]:
                key = f"{path}/{name}"
                now = getattr(obj, name)
                values[key] = now
                if key in self.saved:
                    saved = self.saved[key]
                    if name == "fixed" or exact(saved) == exact(now):
                        expected[key] = "unchanged"
                    elif fits(type(obj), name, saved):
                        expected[key] = "restored"
                        values[key] = saved
                    else:
                        expected[key] = "refused"
        with warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("always")
            table = self.collector.restore_from_saved()
        found = {row.path: row.outcome for row in table if row.outcome != "kept"}
        assert found == expected
        assert len(warned) == ("refused" in expected.values())
        for path, obj in self.objects.items():
            for name in VERSIONS[type(obj)]:
                assert exact(getattr(obj, name)) == exact(values[f"{path}/{name}"])

    @invariant()
    def file_holds_what_was_saved(self) -> None:
        """The last values are those of the dict, also of objects that are not here."""
        for key, value in getattr(self, "saved", {}).items():
            if value != {}:  # an empty dict and an empty branch are one
                assert exact(self.collector.get_last_value(key)) == exact(value)

    def teardown(self) -> None:
        """Leave no folder."""
        shutil.rmtree(self.folder)


class SessionsInH5(Sessions):
    """The same with config.h5."""

    config_format = "h5"


TestSessions = Sessions.TestCase
TestSessions.settings = settings(max_examples=15, stateful_step_count=20, deadline=None)
TestSessionsInH5 = SessionsInH5.TestCase
TestSessionsInH5.settings = settings(max_examples=4, stateful_step_count=15, deadline=None)


# Documentation --------------------------------------------------------------------------------------------


def test_documentation():
    """Every example on the page does what it shows."""
    failed, tried = doctest.testfile(str(ROOT / "docs" / "collector.md"), module_relative=False)
    assert tried > 0
    assert failed == 0


def test_paths_of_another_kind():
    """A pure path is a path too."""
    assert DataCollector((PurePosixPath("/a"), "p")).get_clean_dict() == {"p": "/a"}
