"""What becomes of each saved entry at the start of a session.

Belongs here: the four outcomes, their table, and the one pass that sets what fits.
May not be here: whether a value fits (parameters, typefit), files.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any, NamedTuple

from ..errors import EntryValueError, MisfitError
from .parameters import Parameter, accepted
from .tree import Entries, entries_of
from .typefit import described
from .values import EntryPath, joined, same

__all__ = ["Outcome", "RestoreTable", "restored", "unknown_entries"]


class Outcome(NamedTuple):
    """What became of one saved entry.

    Attributes
    ----------
    path : str
        Its name, such as "general/animal/age".
    outcome : str
        "restored", "unchanged", "kept" or "refused".
    reason : str
        Why, for a refused one and for an unchanged one that may not be loaded; else "".
    """

    path: str
    outcome: str
    reason: str = ""


class RestoreTable(tuple[Outcome, ...]):
    """The outcomes of one restore, in the order of the paths; it prints as a table.

    Examples
    --------
    >>> table = RestoreTable([Outcome("camera/gain", "restored"),
    ...                       Outcome("camera/mode", "refused", "expected int, found 'a' (str)")])
    >>> print(table)
    restored  camera/gain
    refused   camera/mode  expected int, found 'a' (str)
    >>> [row.path for row in table.refused]
    ['camera/mode']
    """

    __slots__ = ()

    def _of(self, outcome: str) -> tuple[Outcome, ...]:
        return tuple(row for row in self if row.outcome == outcome)

    @property
    def restored(self) -> tuple[Outcome, ...]:
        """The entries whose parameter was set to the saved value."""
        return self._of("restored")

    @property
    def unchanged(self) -> tuple[Outcome, ...]:
        """The entries whose parameter had that value already, or may not be loaded."""
        return self._of("unchanged")

    @property
    def kept(self) -> tuple[Outcome, ...]:
        """The entries that no object here knows; the next save writes them again."""
        return self._of("kept")

    @property
    def refused(self) -> tuple[Outcome, ...]:
        """The entries that do not fit; their parameter was left as it was."""
        return self._of("refused")

    def __str__(self) -> str:
        """Return one line for each entry: its outcome, its path, the reason."""
        if not self:
            return "no saved entries"
        columns = [max(len(row[column]) for row in self) for column in range(2)]
        return "\n".join(f"{row.outcome:{columns[1]}}  {row.path:{columns[0]}}  {row.reason}".rstrip() for row in self)


def _saved_entries(saved: Mapping[str, Any], known: Collection[EntryPath]) -> Iterator[tuple[EntryPath, Any]]:
    """Yield the saved entries; where a parameter is known, a saved dict is one entry."""
    for name, value in saved.items():
        yield from entries_of(value, (name,), known)


def unknown_entries(saved: Mapping[str, Any], known: Collection[EntryPath], branches: Collection[EntryPath]) -> Entries:
    """Return the saved entries that no object here knows and that do not stand in its way."""
    entries = _saved_entries(saved, known)
    return {path: value for path, value in entries if path not in known and path not in branches}


def restored(
    saved: Mapping[str, Any], known: Mapping[EntryPath, Parameter], branches: Collection[EntryPath], noted: bool
) -> RestoreTable:
    """Set the known parameters to what was saved, where it fits, and tell what became of each.

    Noted: whether the file told the kinds that JSON has no word for.
    """
    rows: dict[EntryPath, Outcome] = {}
    pending: list[tuple[Parameter, Any]] = []
    for path, value in _saved_entries(saved, known):
        if path in known:
            pending.append((known[path], value))
        elif path not in branches:
            rows[path] = Outcome(joined(path), "kept")
        elif value != {}:
            reason = f"expected a branch, since there are parameters below it, found {described(value)}"
            rows[path] = Outcome(joined(path), "refused", reason)
    while pending:
        refused = []
        for parameter, value in pending:
            rows[parameter.path] = _restored_one(parameter, value, noted)
            if rows[parameter.path].outcome == "refused":
                refused.append((parameter, value))
        # An object may take one value only after another, such as a minimum above the old maximum.
        pending = refused if len(refused) < len(pending) else []
    return RestoreTable(rows[path] for path in sorted(rows))


def _restored_one(parameter: Parameter, saved: Any, noted: bool) -> Outcome:
    """Set one parameter if the saved value fits."""
    path = joined(parameter.path)
    if not parameter.declaration.loadable:
        return Outcome(path, "unchanged", "declared loadable=False")
    try:
        if _is_now(parameter, saved):
            return Outcome(path, "unchanged")
        value = accepted(parameter, saved, noted)
        if _is_now(parameter, value):
            return Outcome(path, "unchanged")
        parameter.put(value)
    except MisfitError as error:
        return Outcome(path, "refused", str(error))
    # A validator, a property, a signal of the user's class: whatever it raises is the reason, and
    # one bad value must not keep a session from starting.
    except Exception as error:
        return Outcome(path, "refused", f"{type(error).__name__}: {' '.join(str(error).split())}")
    return Outcome(path, "restored")


def _is_now(parameter: Parameter, value: Any) -> bool:
    """Tell whether a parameter has a value already."""
    try:
        return same(parameter.value, value)
    except EntryValueError:  # it was changed to something that no file can hold
        return False
