"""What becomes of saved entries, and what the files hold."""

from __future__ import annotations

import json
import math
import os
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from enum import Enum, IntEnum
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ringacc import DataCollector
from ringacc.errors import (
    RestoreWarning,
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
    extra = {"a": {"x": [[1]]}}
    target = {"x": []}
    collector = DataCollector(extra_settings=extra)
    collector.add(target, "a")
    collector.restore_from_saved()
    target["x"][0].append(2)
    assert extra == {"a": {"x": [[1]]}}
    collector.restore_from_saved()
    assert target == {"x": [[1]]}


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
    """Return lists, tuples, dicts and sets of an inner strategy."""
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
