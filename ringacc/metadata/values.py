"""What a file of metadata may hold, and how it stands in JSON without forgetting what it was.

Belongs here: the one walk from a Python value to plain JSON values (``plain``), the notes of the
kinds that JSON has no word for (tuple, datetime, ...), and the way back (``revive``).
May not be here: files, parameters and what is declared about them; any import of NumPy, pandas or
another library: their values are recognised by their type's name and methods.
"""

from __future__ import annotations

import json
import math
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from datetime import date, datetime, time
from enum import Enum
from pathlib import Path, PurePath
from typing import Any, NamedTuple

from ..errors import EntryValueError

__all__ = [
    "DEEPEST",
    "ELIMINATED",
    "FILE",
    "NOT_FINITE",
    "TEXT_KINDS",
    "EntryPath",
    "Style",
    "TypeNotes",
    "as_saved",
    "fields_of",
    "joined",
    "json_bytes",
    "plain",
    "revive",
    "same",
]

EntryPath = tuple[str, ...]
TypeNotes = dict[str, str]

# Python itself neither reads nor writes longer integers as text (sys.set_int_max_str_digits).
_INTEGER_BOUND = 10**4300
# Deeper than any metadata, and well above Python's own recursion limit: a value that holds itself.
DEEPEST = 100
_AS_THEY_ARE = frozenset({type(None), bool, str})
_TABLES = {
    "pandas": ("DataFrame",),
    "polars": ("DataFrame",),
    "pyarrow": ("Table", "RecordBatch"),
}

NOT_FINITE = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}

# Marks a table that was left out; a value of its own, since None is a value like any other.
ELIMINATED: Any = object()


class TextKind(NamedTuple):
    """A kind of value that stands in JSON as text."""

    name: str
    type: type
    write: Callable[[Any], str]
    read: Callable[[str], Any]


# datetime before date, of which it is a subclass. Microseconds always: readers of stytra's metadata
# parse these texts with one fixed format.
TEXT_KINDS = (
    TextKind("datetime", datetime, lambda t: t.isoformat(timespec="microseconds"), datetime.fromisoformat),
    TextKind("date", date, lambda t: t.isoformat(), date.fromisoformat),
    TextKind("time", time, lambda t: t.isoformat(timespec="microseconds"), time.fromisoformat),
    TextKind("path", PurePath, str, Path),
)


class Style(NamedTuple):
    """How ``plain`` writes: the defaults are those of a file that is only read."""

    notes: TypeNotes | None = None  # filled with the kinds that JSON has no word for
    convert_datetime: bool = True
    convert_not_finite: bool = True
    eliminate_df: bool = False


FILE = Style()


# Names -------------------------------------------------------------------------------------------


def joined(path: Iterable[object]) -> str:
    """Return a path as people write it: "category/name"."""
    return "/".join(map(str, path))


def _pointer(path: EntryPath) -> str:
    """Return a path as a JSON pointer (RFC 6901), which can hold any name."""
    return "".join("/" + part.replace("~", "~0").replace("/", "~1") for part in path)


def _parts(pointer: str) -> list[str]:
    """Return the names in a JSON pointer."""
    return [part.replace("~1", "/").replace("~0", "~") for part in pointer.split("/")[1:]]


# Recognising -------------------------------------------------------------------------------------


def fields_of(cls: type) -> dict[str, Any] | None:
    """Return the declared fields of a pydantic, attrs or dataclass class, None for any other."""
    pydantic = getattr(cls, "__pydantic_fields__", None)
    if pydantic is None and hasattr(cls, "__pydantic_validator__"):  # a model of pydantic before 2.10
        pydantic = getattr(cls, "model_fields", None)
    if pydantic is not None:
        return {name: field for name, field in pydantic.items() if not field.exclude}
    attrs = getattr(cls, "__attrs_attrs__", None)
    if attrs is not None:
        return {field.name: field for field in attrs}
    if hasattr(cls, "__dataclass_fields__"):
        import dataclasses  # loaded already by whoever wrote that class

        return {field.name: field for field in dataclasses.fields(cls)}
    return None


def _table_library(value: object) -> str | None:
    """Return the library of a DataFrame or Arrow table, None for anything else."""
    for cls in type(value).__mro__:
        library = cls.__module__.partition(".")[0]
        if cls.__name__ in _TABLES.get(library, ()):
            return library
    return None


def _columns(table: Any, library: str) -> dict[object, Any]:
    """Return the columns of a table as lists; ValueError for two of one name."""
    if library == "pyarrow":
        columns = dict(table.to_pydict())
    elif library == "polars":
        columns = dict(table.to_dict(as_series=False))
    else:
        columns = {name: table[name].tolist() for name in table.columns if table.columns.is_unique}
    if len(columns) != table.shape[1]:
        raise ValueError("two of its columns have one name")
    return columns


# Writing -----------------------------------------------------------------------------------------


def plain(value: Any, path: EntryPath, style: Style = FILE) -> Any:
    """Return a value as JSON can hold it; tuples stay tuples, which JSON writes as arrays.

    Raises EntryValueError, which names the path, for a value that JSON cannot hold.
    """
    kind = type(value)
    if kind in _AS_THEY_ARE:
        return value
    if kind is float:
        return value if math.isfinite(value) else _not_finite(value, path, style)
    if kind is int:
        if -_INTEGER_BOUND < value < _INTEGER_BOUND:
            return value
        raise _refusal(path, "an integer of more than 4300 digits", "store it as text")
    if len(path) > DEEPEST:
        raise _refusal(path, "a value that is nested too deep, or that holds itself", "flatten it")
    if isinstance(value, Enum):
        return plain(value.value, path, style)
    if isinstance(value, list | tuple | deque):
        return _plain_sequence(value, path, style)
    if isinstance(value, set | frozenset):
        _note(style, path, "frozenset" if isinstance(value, frozenset) else "set")
        return _plain_items(_ordered(value), path, style)
    if isinstance(value, Mapping):
        return _plain_mapping(value, path, style)
    for text in TEXT_KINDS:
        if isinstance(value, text.type):
            if text.name != "path" and not style.convert_datetime:
                return value
            _note(style, path, text.name)
            return text.write(value)
    for base in (str, int, float):
        if isinstance(value, base):
            # The base's own method: a subclass may print itself in another way.
            exact = str.__str__(value) if base is str else base(value)
            return plain(exact, path, style)
    return _plain_foreign(value, path, style)


def _note(style: Style, path: EntryPath, kind: str) -> None:
    """Note the kind of the value at a path, where notes are taken."""
    if style.notes is not None:
        style.notes[_pointer(path)] = kind


def _refusal(path: EntryPath, found: str, remedy: str) -> EntryValueError:
    """Return the error about a value that JSON cannot hold."""
    return EntryValueError(
        f"{joined(path)!r}: expected a value that JSON can hold (None, numbers, text, dates, "
        f"paths, enums, arrays, tables, and lists, tuples, sets, dicts of these); "
        f"found {found}; {remedy}"
    )


def _not_finite(value: float, path: EntryPath, style: Style) -> Any:
    """Return NaN or an infinity as the text that float() reads; JSON has no number for them."""
    if not style.convert_not_finite:
        return value
    _note(style, path, "float")
    if math.isnan(value):
        return "NaN"
    return "Infinity" if value > 0 else "-Infinity"


def _plain_sequence(value: Any, path: EntryPath, style: Style) -> Any:
    """Return a list or a deque as a list, and a tuple of any kind as a tuple."""
    items = _plain_items(value, path, style)
    if not isinstance(value, tuple):
        return items
    _note(style, path, "tuple")
    return tuple(items)


def _plain_items(items: Iterable[Any], path: EntryPath, style: Style) -> list[Any]:
    """Return the items as JSON can hold them, without the tables if these are eliminated."""
    items = list(items)
    kinds = set(map(type, items))
    # A long list of one kind (a log, an array) is not walked item by item.
    if kinds <= _AS_THEY_ARE or (kinds == {float} and all(map(math.isfinite, items))):
        return items
    if kinds == {int} and max(abs(min(items)), max(items)) < _INTEGER_BOUND:
        return items
    found = (plain(item, (*path, str(i)), style) for i, item in enumerate(items))
    return [item for item in found if item is not ELIMINATED]


def _ordered(values: Iterable[Any]) -> list[Any]:
    """Return the members of a set in an order that does not depend on their hashes."""
    try:
        return sorted(values)
    except TypeError:
        return sorted(values, key=lambda value: (type(value).__name__, repr(value)))


def _plain_mapping(value: Mapping[Any, Any], path: EntryPath, style: Style) -> dict[str, Any]:
    """Return a mapping as a dict with text as keys; whole numbers as keys are noted."""
    keys = {key: _plain_key(key, path) for key in value}
    whole = [key for key in keys.values() if type(key) is int]
    if whole and len(whole) < len(keys):
        raise _refusal(path, "a mapping with both text and numbers as keys", "use one of the two")
    if whole:
        _note(style, path, "dict[int]")
    written = {str(keys[key]): plain(item, (*path, str(keys[key])), style) for key, item in value.items()}
    if len(written) < len(keys):
        raise _refusal(path, "a mapping with two keys that are the same as text", "rename one")
    return {key: item for key, item in written.items() if item is not ELIMINATED}


def _plain_key(key: Any, path: EntryPath) -> str | int:
    """Return a mapping's key as text or a whole number."""
    if isinstance(key, Enum):
        key = key.value
    if hasattr(key, "tolist"):
        key = key.tolist()
    if isinstance(key, str):
        return str.__str__(key)
    if isinstance(key, int) and not isinstance(key, bool):
        return int(key)
    raise _refusal(path, f"a mapping with the key {key!r} ({type(key).__name__})", "use text as keys")


def _plain_foreign(value: Any, path: EntryPath, style: Style) -> Any:
    """Return a table, an array, a NumPy scalar or an object with fields as JSON can hold it."""
    library = _table_library(value)
    if library is not None and style.eliminate_df:
        return ELIMINATED
    if library is not None:
        try:
            return _plain_mapping(_columns(value, library), path, style)
        except ValueError as error:
            if isinstance(error, EntryValueError):
                raise
            raise _refusal(path, f"a table that cannot be one: {error}", "rename them") from error
    if type(value).__name__ == "NAType":  # pandas' missing value
        return None
    fields = fields_of(type(value))
    if fields is not None:
        return _plain_mapping({name: getattr(value, name) for name in fields}, path, style)
    # Times of NumPy become bare integers, and a long double stays one: no value that JSON has.
    if getattr(getattr(value, "dtype", None), "kind", "") not in ("M", "m"):
        for listing in ("tolist", "to_list"):
            listed = getattr(value, listing, None)
            if callable(listed) and not isinstance(value, type) and type(found := listed()) is not type(value):
                return plain(found, path, style)
    kind = type(value)
    raise _refusal(path, f"{_short(value)} ({kind.__module__}.{kind.__qualname__})", "convert it first")


def _short(value: object) -> str:
    """Return a value's repr, cut to the length of a line."""
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def json_bytes(tree: Any) -> bytes:
    """Return a plain tree as UTF-8 JSON: keys sorted, no NaN tokens, one line."""
    try:
        text = json.dumps(tree, sort_keys=True, ensure_ascii=False, allow_nan=False)
        return text.encode("utf-8") + b"\n"
    except UnicodeEncodeError:
        # Half a surrogate pair, as in the name of a file that is no UTF-8: only an escape holds it.
        return json.dumps(tree, sort_keys=True, allow_nan=False).encode("ascii") + b"\n"


# Reading back ------------------------------------------------------------------------------------


def _reader(expected: type, read: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Return a reader that leaves a value of another kind than expected as it is."""
    return lambda value: read(value) if type(value) is expected else value


_READERS: dict[str, Callable[[Any], Any]] = {
    "tuple": _reader(list, tuple),
    "set": _reader(list, set),
    "frozenset": _reader(list, frozenset),
    "dict[int]": _reader(dict, lambda items: {int(key): item for key, item in items.items()}),
    "float": lambda value: NOT_FINITE.get(value, value) if type(value) is str else value,
    **{kind.name: _reader(str, kind.read) for kind in TEXT_KINDS},
}


def revive(tree: Any, notes: TypeNotes) -> Any:
    """Return a plain tree with the noted kinds restored; a note that does not fit is ignored."""
    branches: dict[Any, Any] = {}
    for pointer, kind in notes.items():
        branch = branches
        for part in _parts(pointer):
            branch = branch.setdefault(part, {})
        branch[None] = kind
    return _revived(tree, branches)


def as_saved(value: Any) -> Any:
    """Return a copy of a value as it would come back from a file."""
    notes: TypeNotes = {}
    written = json_bytes(plain(value, (), Style(notes)))
    return revive(json.loads(written), notes)


def _revived(value: Any, branch: dict[Any, Any]) -> Any:
    """Return a value with the kinds noted in a branch restored, the inner ones first."""
    for part, inner in branch.items():
        if type(value) is dict and part in value:
            value[part] = _revived(value[part], inner)
        elif type(value) is list and part is not None and part.isdecimal() and int(part) < len(value):
            value[int(part)] = _revived(value[int(part)], inner)
    reader = _READERS.get(branch.get(None, ""))
    if reader is None:
        return value
    try:
        return reader(value)
    except (TypeError, ValueError):  # edited by hand: what is declared decides whether it fits
        return value


# Comparing ---------------------------------------------------------------------------------------


def same(one: Any, other: Any) -> bool:
    """Tell whether two values are equal in kind and content; NaN is the same as NaN."""
    kind = type(one)
    if kind is not type(other):
        return False
    if kind in _AS_THEY_ARE or kind is int:
        return bool(one == other)
    if kind is float:  # as text, since NaN equals nothing and -0.0 equals 0.0
        return repr(one) == repr(other)
    if kind is list or kind is tuple:
        return len(one) == len(other) and all(map(same, one, other))
    if kind is dict:
        return one.keys() == other.keys() and all(same(item, other[key]) for key, item in one.items())
    return _portrait(one) == _portrait(other)


def _portrait(value: Any) -> tuple[bytes, TypeNotes]:
    """Return a value as the text and the notes that a file would hold."""
    notes: TypeNotes = {}
    return json_bytes(plain(value, (), Style(notes))), notes
