"""The tree of entries: names such as "general/animal/age", and what may stand beside what.

Belongs here: names into paths, trees into entries and back, and the two clashes (two entries at one
path, an entry below a value).
May not be here: where the entries come from, how they are written.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

from ..errors import EntryClashError, EntryNameError
from .values import DEEPEST, EntryPath, joined

__all__ = ["Entries", "entries_of", "entry_path", "merged", "near", "nested", "overlaid"]

Entries = dict[EntryPath, Any]


def entry_path(name: object) -> EntryPath:
    """Return the parts of a name such as "category/name"; EntryNameError for an empty part."""
    if not isinstance(name, str):
        raise EntryNameError(f'expected a name such as "category/name", found {name!r} ({type(name).__name__})')
    path = tuple(name.split("/"))
    if not all(path):
        raise EntryNameError(
            f'expected a name such as "category/name" with no empty part, found {name!r}; '
            "remove the slash too many, or give the missing part a name"
        )
    return path


def _is_branch(value: object) -> bool:
    """Tell whether a value is a mapping whose items are entries of their own."""
    # A type first: most values are a number or text, and an abstract class is slow to ask.
    if type(value) in (int, float, str, bool) or not isinstance(value, Mapping):
        return False
    return bool(value) and all(isinstance(key, str) for key in value)


def entries_of(value: Any, path: EntryPath, whole: Collection[EntryPath] = ()) -> Iterator[tuple[EntryPath, Any]]:
    """Yield the path and value of each entry in a value; what is at a whole path is one entry."""
    # A value that holds itself ends here, and is refused where it is written.
    if path not in whole and len(path) < DEEPEST and _is_branch(value):
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
    above = {path[:length]: path for path in entries for length in range(1, len(path))}
    for branch, path in above.items():
        value = entries.get(branch, {})
        # An empty dict is a branch with nothing in it yet.
        if not isinstance(value, Mapping) or value:
            raise EntryClashError(
                f"expected a branch at {joined(branch)!r}, since {joined(path)!r} stands below it, found a value "
                "there; rename one of the two"
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


def overlaid(lower: dict[str, Any], upper: dict[str, Any]) -> dict[str, Any]:
    """Return two trees as one; where both have an entry, the upper one's."""
    tree = {**lower, **upper}
    for name in lower.keys() & upper.keys():
        if isinstance(lower[name], dict) and isinstance(upper[name], dict):
            tree[name] = overlaid(lower[name], upper[name])
    return tree


def near(name: str, tree: dict[str, Any]) -> str:
    """Return a few words that name the entries of a tree with names like this one."""
    import difflib  # only for a message

    names = [joined(path) for top in tree for path, _ in entries_of(tree[top], (top,))]
    last = name.rpartition("/")[2]
    found = difflib.get_close_matches(name, names, n=3, cutoff=0.4)
    found += [other for other in names if other.rpartition("/")[2] == last and other not in found]
    return f"the nearest are {', '.join(map(repr, found[:5] or sorted(names)[:5]))}"
