"""The tree of entries: names such as "general/animal/age", and what may stand beside what.

Belongs here: names into paths, trees into entries and back, and the two clashes (two entries at one
path, an entry below a value).
May not be here: where the entries come from, how they are written.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

from ringacc.errors import EntryClashError, EntryNameError
from ringacc.values import EntryPath, joined

__all__ = ["Entries", "entries_of", "entry_path", "is_branch", "merged", "nested"]

Entries = dict[EntryPath, Any]


def entry_path(name: object) -> EntryPath:
    """Return the parts of a name such as "category/name"; EntryNameError for an empty part."""
    if not isinstance(name, str):
        raise EntryNameError(
            f'expected a name such as "category/name", found {name!r} ({type(name).__name__})'
        )
    path = tuple(name.split("/"))
    if not all(path):
        raise EntryNameError(
            f'expected a name such as "category/name" with no empty part, found {name!r}; '
            "remove the slash too many, or give the missing part a name"
        )
    return path


def is_branch(value: object) -> bool:
    """Tell whether a value is a mapping whose items are entries of their own."""
    return isinstance(value, Mapping) and bool(value) and all(isinstance(key, str) for key in value)


def entries_of(
    value: Any, path: EntryPath, whole: Collection[EntryPath] = ()
) -> Iterator[tuple[EntryPath, Any]]:
    """Yield the path and value of each entry in a value; what is at a whole path is one entry."""
    if path not in whole and is_branch(value):
        for name, item in value.items():
            yield from entries_of(item, (*path, name), whole)
    else:
        yield path, value


def merged(sources: Iterable[Entries]) -> Entries:
    """Return the entries of all sources; EntryClashError for two that cannot stand in one tree."""
    entries: Entries = {}
    for source in sources:
        for path, value in source.items():
            if path in entries:
                raise EntryClashError(
                    f"expected one entry at {joined(path)!r}, found two; rename one of them, or "
                    "remove() what was added first"
                )
            entries[path] = value
    for path in entries:
        for length in range(1, len(path)):
            above = entries.get(path[:length], {})
            # An empty dict is a branch with nothing in it yet.
            if not isinstance(above, Mapping) or above:
                raise EntryClashError(
                    f"expected a branch at {joined(path[:length])!r}, since {joined(path)!r} "
                    "stands below it, found a value there; rename one of the two"
                )
    return entries


def nested(entries: Entries) -> dict[str, Any]:
    """Return entries that do not clash as a tree of dicts."""
    tree: dict[str, Any] = {}
    for path in sorted(entries):  # an empty dict comes before what stands below it
        branch = tree
        for part in path[:-1]:
            branch = branch.setdefault(part, {})
        branch[path[-1]] = entries[path]
    return tree
