"""Which values of a file are values of a declared type."""

from __future__ import annotations

import math
import typing
from collections import OrderedDict, defaultdict, deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, make_dataclass
from datetime import date, datetime, time
from enum import Enum, Flag, IntEnum, auto
from pathlib import Path, PurePosixPath
from types import MappingProxyType, SimpleNamespace
from typing import Annotated, Any, Final, Literal, NamedTuple, NewType, Optional, TypedDict, Union

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest

from ringacc import DataCollector
from ringacc.errors import RestoreWarning


class Side(Enum):
    """An enum whose values are text."""

    LEFT = "left"
    RIGHT = "right"


class Gain(IntEnum):
    """An enum whose members are numbers."""

    LOW = 1
    HIGH = 2


class Corner(Enum):
    """An enum whose values are tuples."""

    TOP = (0, 1)
    BOTTOM = (0, -1)


class Channels(Flag):
    """An enum whose members are combined."""

    RED = auto()
    GREEN = auto()


class Point(NamedTuple):
    """A tuple with names and types."""

    x: int
    side: Side


class Options(TypedDict):
    """A dict with declared keys."""

    x: int


class Metres(float):
    """A number of a class of the user's."""


Pixels = NewType("Pixels", int)


@dataclass
class Roi:
    """An object within others."""

    width: int = 640
    side: Side = Side.LEFT


class Param:
    """A Param as lightparam has it."""

    def __init__(self, value: Any, limits: Any = None, unit: str = "", loadable: bool = True) -> None:
        self.value = value
        self.limits = limits
        self.unit = unit
        self.loadable = loadable


class Parametrized:
    """An object as lightparam has it: an attribute that is a Param gives and takes its value."""

    def __init__(self, name: str, **params: Param) -> None:
        self.__dict__.update(params)
        self.name = name

    @property
    def params(self) -> SimpleNamespace:
        """Give the Params by name, as lightparam's container does."""
        return SimpleNamespace(items=lambda: {k: v for k, v in self.__dict__.items() if isinstance(v, Param)})

    def __getattribute__(self, name: str) -> Any:
        found = object.__getattribute__(self, name)
        return found.value if isinstance(found, Param) else found

    def __setattr__(self, name: str, value: Any) -> None:
        param = self.__dict__.get(name)
        if isinstance(param, Param):
            param.value = value
        else:
            object.__setattr__(self, name, value)


def restore(obj: Any, saved: dict[str, Any]) -> dict[str, str]:
    """Restore an object from settings at "a", and give the outcome of each entry."""
    collector = DataCollector(extra_settings={"a": saved})
    collector.add(obj, "a")
    return {row.path.removeprefix("a/"): row.outcome for row in collector.restore_from_saved()}


def field_of(hint: Any, default: Any, **metadata: Any) -> Any:
    """Give an object with one field "x" of a type."""
    cls = make_dataclass("Field", [("x", hint, field(default_factory=lambda: default, metadata=metadata))])
    return cls()


def outcome_of(obj: Any, saved: Any) -> str:
    """Restore the parameter "x" of an object, and tell whether it now has the saved value."""
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RestoreWarning)
        (outcome,) = restore(obj, {"x": saved}).values()
    return outcome


# Types ------------------------------------------------------------------------------------------------


def same_kind(one: Any, other: Any) -> bool:
    """Tell whether two values are equal in type and content."""
    if type(one) is not type(other):
        return False
    if isinstance(one, np.ndarray):
        return one.dtype == other.dtype and np.array_equal(one, other)
    if isinstance(one, list | tuple | deque):
        return len(one) == len(other) and all(map(same_kind, one, other))
    return one == other if isinstance(one, dict) else repr(one) == repr(other)


WHEN = datetime(2018, 11, 15, 19, 23, 17, 211777)
TAKEN = [
    # hint, value of now, saved in a file, restored value
    (bool, False, True, True),
    (int, 1, 2, 2),
    (float, 1.0, 2, 2.0),
    (float, 1.0, math.inf, math.inf),
    (float, 1.0, "NaN", math.nan),
    (float, 1.0, "-Infinity", -math.inf),
    (str, "", "é", "é"),
    (Metres, Metres(1), 2.5, Metres(2.5)),
    (Pixels, 1, 2, 2),
    (Final[int], 1, 2, 2),
    (Side, Side.LEFT, "right", Side.RIGHT),
    (Gain, Gain.LOW, 2, Gain.HIGH),
    (Corner, Corner.TOP, [0, -1], Corner.BOTTOM),
    (Channels, Channels.RED, 3, Channels.RED | Channels.GREEN),
    (datetime, WHEN, "2020-01-02T03:04:05.000006", datetime(2020, 1, 2, 3, 4, 5, 6)),
    (date, date(2020, 1, 1), "2020-01-02", date(2020, 1, 2)),
    (time, time(1), "02:03:00.000000", time(2, 3)),
    (Path, Path("a"), "b/c", Path("b/c")),
    (PurePosixPath, PurePosixPath("a"), "b", PurePosixPath("b")),
    (tuple, (), [1, [2]], (1, [2])),
    (tuple[int, str], (1, ""), [2, "b"], (2, "b")),
    (tuple[float, ...], (), [1, 2.5], (1.0, 2.5)),
    (tuple[tuple[int, int], ...], (), [[1, 2], [3, 4]], ((1, 2), (3, 4))),
    (list[tuple[int, Side]], [], [[1, "left"]], [(1, Side.LEFT)]),
    (list, [], [1, "a"], [1, "a"]),
    (set[int], set(), [1, 2], {1, 2}),
    (frozenset[Path], frozenset(), ["a"], frozenset({Path("a")})),
    (deque, deque(maxlen=2), [1, 2], deque([1, 2], maxlen=2)),
    (Sequence[int], (), (1, 2), (1, 2)),
    (Sequence[int], [], [1, 2], [1, 2]),
    (Iterable[int], [], [1, 2], [1, 2]),
    (Point, Point(0, Side.LEFT), [1, "right"], Point(1, Side.RIGHT)),
    (dict[str, tuple[int, ...]], {}, {"a": [1]}, {"a": (1,)}),
    (dict[int, str], {}, {"1": "a", "-2": "b"}, {1: "a", -2: "b"}),
    (dict[Gain, int], {}, {"1": 5}, {Gain.LOW: 5}),
    (Mapping[str, Side], {}, {"a": "left"}, {"a": Side.LEFT}),
    (OrderedDict, OrderedDict(), {"a": 1}, OrderedDict(a=1)),
    (defaultdict, defaultdict(list), {"a": 1}, defaultdict(list, a=1)),
    (Options, {"x": 1}, {"x": 2}, {"x": 2}),
    (Optional[int], 1, None, None),  # noqa: UP045
    (int | None, None, 3, 3),
    (Union[int, str], 1, "a", "a"),  # noqa: UP007
    (float | int, 1.0, 2, 2),
    (int | list[Path], 1, ["a"], [Path("a")]),
    (Literal["a", 1], "a", 1, 1),
    (Annotated[int, "any note"], 1, 2, 2),
    (Any, None, [1, {"a": None}], [1, {"a": None}]),
    (Any, 1, "text", "text"),
    (Any, Side.LEFT, "right", Side.RIGHT),
    (Any, Side.LEFT, "up", "up"),
    (object, None, "x", "x"),
    ("int", 1, 2, 2),
    ("list['Side']", [], ["left"], [Side.LEFT]),
    ("NoSuchName", Side.LEFT, "right", Side.RIGHT),
    (np.ndarray, np.zeros(2), [1.5, 2.5, 3.5], np.array([1.5, 2.5, 3.5])),
    (npt.NDArray[np.float32], np.zeros((1, 1), "f4"), [[1, 2], [3, 4]], np.array([[1, 2], [3, 4]], "f4")),
    (np.ndarray, np.array([1], "i2"), [], np.array([], "i2")),
    (np.int16, np.int16(1), 3, np.int16(3)),
    (np.float64, np.float64(1), 3, np.float64(3)),
    (pd.Timestamp, pd.Timestamp(WHEN), "2020-01-02T00:00:00.000000", pd.Timestamp("2020-01-02")),
]


@pytest.mark.parametrize(("hint", "now", "saved", "restored"), TAKEN, ids=lambda value: f"{value!s:.25}")
def test_declared_types(tmp_path, hint, now, saved, restored):
    """What a file holds becomes a value of the declared type."""
    obj = field_of(hint, now)
    obj.__class__.__module__ = __name__
    assert restore(obj, {"x": saved}) == {"x": "restored"}
    assert same_kind(obj.x, restored)


@pytest.mark.parametrize(("hint", "now", "saved", "restored"), TAKEN, ids=lambda value: f"{value!s:.25}")
@pytest.mark.parametrize("config_format", ["json", "h5"])
def test_declared_types_through_a_file(tmp_path, hint, now, saved, restored, config_format):
    """A value of the declared type is saved, and comes back the same."""
    source, target = field_of(hint, restored), field_of(hint, now)
    for obj in (source, target):
        obj.__class__.__module__ = __name__
    collector = DataCollector(folder_path=tmp_path, config_format=config_format)
    collector.add(source, "a")
    collector.save_config_file()
    collector = DataCollector(folder_path=tmp_path, config_format=config_format)
    collector.add(target, "a")
    assert len(collector.restore_from_saved().restored) == 1
    assert same_kind(target.x, restored)


@pytest.mark.parametrize(
    ("hint", "now", "saved"),
    [
        (bool, False, 1),
        (int, 1, True),
        (int, 1, 2.0),
        (int, 1, "2"),
        (int, 1, None),
        (float, 1.0, "2.0"),
        (float, 1.0, True),
        (float, 1.0, 10**400),
        (str, "", 1),
        (str, "", None),
        (str, "", ["a"]),
        (Metres, Metres(1), "far"),
        (Side, Side.LEFT, "up"),
        (Side, Side.LEFT, "LEFT"),
        (Gain, Gain.LOW, True),
        (Gain, Gain.LOW, 3),
        (Channels, Channels.RED, 64),
        (datetime, WHEN, "yesterday"),
        (datetime, WHEN, 3),
        (date, date(2020, 1, 1), "2020-13-01"),
        (Path, Path("a"), 1),
        (tuple, (), "ab"),
        (tuple, (), {"a": 1}),
        (tuple[int, int], (1, 2), [1]),
        (tuple[int, ...], (), [1, "a"]),
        (list, [], "ab"),
        (list[int], [], [1, 2.5]),
        (list[list[int]], [], [[1], ["a"]]),
        (set[int], set(), {"a": 1}),
        (set, set(), [[1], [2]]),
        (Point, Point(0, Side.LEFT), [1]),
        (Point, Point(0, Side.LEFT), [1, "up"]),
        (dict, {}, [1]),
        (dict[str, int], {}, {"a": "b"}),
        (dict[int, str], {}, {"a": "b"}),
        (int | str, 1, 2.5),
        (Literal["a", 1], "a", True),
        (np.ndarray, np.zeros(2), [[1, 2], [3]]),
        (np.ndarray, np.zeros(2), ["a"]),
        (np.ndarray, np.zeros(2), {"a": 1}),
        (np.ndarray, np.zeros(2, "i2"), [1.5]),
        (np.ndarray, np.zeros(2, "i2"), [2**20]),
        (np.int16, np.int16(1), 2**20),
        (np.ndarray, np.zeros(2, "f4"), [1e300]),
        (np.ndarray, np.array(["ab"]), ["abc"]),
        (pd.DataFrame, pd.DataFrame({"a": [1]}), [1]),
        (Roi, None, 3),
        (bytes, None, [1]),
    ],
    ids=lambda value: f"{value!s:.25}",
)
def test_other_types_are_refused(hint, now, saved):
    """A saved value of another type leaves the parameter as it is, and the reason says what was found."""
    obj = field_of(hint, now)
    with pytest.warns(RestoreWarning, match="a/x: .*expected") as warned:
        assert restore(obj, {"x": saved}) == {"x": "refused"}
    assert len(warned) == 1
    assert obj.x is now


@pytest.mark.parametrize(
    ("now", "saved", "outcome"),
    [
        (1, 2, "restored"),
        (1, 2.5, "refused"),
        (1.0, 2, "restored"),
        (True, 0, "refused"),
        ("a", "b", "restored"),
        ("a", 1, "refused"),
        ((1, 2), [3, 4], "restored"),
        ([1], {"a": 1}, "refused"),
        (None, [1], "restored"),
        (Side.LEFT, "right", "restored"),
        (Side.LEFT, "up", "refused"),
    ],
)
def test_type_of_now_where_none_is_declared(now, saved, outcome):
    """A mapping's item and a Param have the type that they have now."""
    mapping = {"x": now}
    param = Parametrized("p", x=Param(now))
    if outcome == "refused":
        with pytest.warns(RestoreWarning):
            assert restore(mapping, {"x": saved}) == {"x": outcome}
        assert mapping["x"] is now
    else:
        assert restore(mapping, {"x": saved}) == {"x": outcome}
        assert restore(param, {"x": saved}) == {"x": outcome}
        assert type(mapping["x"]) is (type(now) if now is not None else list)
        assert same_kind(mapping["x"], param.x)


def test_items_are_made_like_those_of_now(tmp_path):
    """In a file that notes no kinds, as stytra's, items get the kinds of the items of now, where they can."""
    (tmp_path / "config.json").write_text(
        '{"a": {"rois": [[1, 2], [3, 4]], "sides": ["right"], "paths": {"log": "b"}, "mixed": [1, "b", [2]],'
        '"arrays": [[1, 2]], "scale": [1, 2.5], "set": [3], "when": ["2020-01-02T00:00:00.000000", "soon"]}}'
    )
    obj = {
        "rois": [(0, 0)],
        "sides": [Side.LEFT, Side.LEFT],
        "paths": MappingProxyType({}),
        "mixed": ("a", 1, (0,)),
        "arrays": (np.zeros(2),),
        "scale": (0, 0),
        "set": {1},
        "when": [WHEN],
    }
    obj["paths"] = {"log": Path("a")}
    collector = DataCollector(folder_path=tmp_path)
    collector.add(obj, "a")
    collector.restore_from_saved()
    assert obj["rois"] == [(1, 2), (3, 4)]
    assert obj["sides"] == [Side.RIGHT]
    assert obj["paths"] == {"log": Path("b")}
    assert obj["mixed"] == (1, "b", (2,))
    assert same_kind(obj["arrays"], (np.array([1.0, 2.0]),))
    assert same_kind(obj["scale"], (1, 2.5))
    assert obj["set"] == {3}
    assert obj["when"] == [datetime(2020, 1, 2), "soon"]


def test_own_files_are_exact(tmp_path):
    """In a file of ours, an item is of the kind that it had, whatever there is now."""
    source = {"x": (["a", 1], "b", Side.RIGHT)}
    target = {"x": ((0, 0), Path("c"), Side.LEFT)}
    collector = DataCollector(folder_path=tmp_path)
    collector.add(source, "a")
    collector.save_config_file()
    collector = DataCollector(folder_path=tmp_path)
    collector.add(target, "a")
    collector.restore_from_saved()
    assert target == source


def test_type_alias():
    """An alias stands for its type."""
    namespace: dict[str, Any] = {}
    if hasattr(typing, "TypeAliasType"):
        namespace["Alias"] = typing.TypeAliasType("Alias", tuple[int, int])
        obj = field_of(namespace["Alias"], (1, 2))
        assert outcome_of(obj, [3, 4]) == "restored"
        assert outcome_of(obj, [3]) == "refused"
    variable = typing.TypeVar("variable")
    assert outcome_of(field_of(variable, 1), 2) == "restored"


def test_names_in_type_hints():
    """A type is found where its class was written, also when a field is called as its type, or it is a local one."""

    class Local(Enum):
        A = "a"
        B = "b"

    @dataclass
    class Named:
        date: date | None = None
        local: Local = Local.A

        class Inner(Enum):
            C = "c"
            D = "d"

        inner: Inner | None = None

    obj = Named()
    assert set(restore(obj, {"date": "2020-01-02", "local": "b", "inner": "d"}).values()) == {"restored"}
    assert obj == Named(date(2020, 1, 2), Local.B, Named.Inner.D)
