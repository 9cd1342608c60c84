"""Sessions one after another, in any order of adding, changing, saving and restoring, against a dict."""

from __future__ import annotations

import shutil
import tempfile
import warnings
from dataclasses import dataclass, field
from datetime import timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from ringacc import DataCollector
from ringacc.errors import (
    EntryClashError,
)

ROOT = Path(__file__).parents[1]
RECORDINGS = sorted((ROOT / ".." / "shared" / "data").glob("*/*_metadata.json"))
FORMATS = ("json", "h5")


def exact(value: Any) -> Any:
    """Give a value as something that is equal only for values of the same types and bits."""
    if isinstance(value, dict):
        return dict, {(type(key), key): exact(item) for key, item in value.items()}
    if isinstance(value, set | frozenset):
        return type(value), sorted(map(repr, value))
    if isinstance(value, list | tuple):
        return type(value), [exact(item) for item in value]
    return type(value), repr(value)


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
        """Compare the last values with the dict, also those of objects that are not here."""
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
TestSessions.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)
TestSessionsInH5 = SessionsInH5.TestCase
TestSessionsInH5.settings = settings(max_examples=10, stateful_step_count=15, deadline=None)
