"""Config files, with the one before as a backup.

Belongs here: the two formats of a config file (JSON, HDF5) as bytes, and which of config and backup is read. May not be
here: how a file gets to its place (``ringacc.whole``), what the entries mean. ``tables`` is imported inside the calls
that need it.

A config file holds one document: the tree of the entries, and beside its categories, under the name "/types" (which
no category can have), the kinds that JSON has no word for, by JSON pointer. In HDF5 each category, and the types, is
one dataset of JSON text at the root. The file is built and read in memory, so that both formats are bytes here and
share the one way to the disk.
"""

from __future__ import annotations

import json
import os
import warnings
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote, unquote

from ..errors import ConfigWarning, MetadataFileError
from ..whole import replacing
from .values import TypeNotes, json_bytes, revive

__all__ = ["CONFIG_FORMATS", "SavedConfig", "read_config", "write_config", "write_whole"]

CONFIG_FORMATS = ("json", "h5")

_TYPES = "/types"
_MISSING = "none"


# Writing -----------------------------------------------------------------------------------------


def write_whole(path: Path, data: bytes) -> None:
    """Write a file at once: readers, and a next start after a crash, find the old or the new.

    A missing folder is made. Raises MetadataFileError; the file there is whole.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as file:
            file.write(data)
    except OSError as error:
        raise MetadataFileError(
            error.errno,
            f"expected to write {path}, found: {error.strerror or error}; nothing is half-written there; free some "
            "space or choose a folder that can be written, and save again",
        ) from error


# Formats -----------------------------------------------------------------------------------------


def _h5_bytes(document: dict[str, Any]) -> bytes:
    """Return a document as an HDF5 file."""
    import tables

    with warnings.catch_warnings():
        # Any text may name a category ("tracking+bgsub"); PyTables prefers Python's names.
        warnings.simplefilter("ignore", tables.NaturalNameWarning)
        file = _h5_file(tables, "w")
        try:
            for category, branch in document.items():
                file.create_array(file.root, _node_name(category), obj=json_bytes(branch))
            return bytes(file.get_file_image())
        finally:
            file.close()


def _h5_document(data: bytes) -> dict[str, Any]:
    """Return the document in an HDF5 file; whatever is wrong with the file, an Exception."""
    import tables

    file = _h5_file(tables, "r", driver_core_image=data)
    try:
        nodes = file.root._v_children
        return {unquote(name): json.loads(node.read()) for name, node in nodes.items()}
    finally:
        file.close()


def _h5_file(tables: Any, mode: str, **image: bytes) -> Any:
    """Open an HDF5 file in memory; PyTables wants a name, and one that no open file has."""
    name = f"config-{os.urandom(8).hex()}.h5"
    return tables.open_file(name, mode, driver="H5FD_CORE", driver_core_backing_store=0, **image)


def _node_name(category: str) -> str:
    """Return a category as a name that HDF5 and PyTables take, with percent signs for the rest."""
    # A leading dot is HDF5's own; where a name ends in one, PyTables finds no node at all in the file.
    name = quote(category, safe=" +").replace(".", "%2E")
    # A leading underscore is PyTables' own.
    return f"%5F{name[1:]}" if name[0] == "_" else name


# The file ---------------------------------------------------------------------------------------------------------


class SavedConfig(NamedTuple):
    """What was read of a config file."""

    tree: dict[str, Any]
    noted: bool  # whether the file tells the kinds that JSON has no word for; stytra's do not
    before: bytes | None  # what the next save keeps as the backup


class _Loaded(NamedTuple):
    """One file as it was found; without a tree, the fault says why."""

    data: bytes | None
    tree: dict[str, Any] | None
    noted: bool
    fault: str


def read_config(path: Path, config_format: str) -> SavedConfig:
    """Return the saved tree; the backup's, with a warning, if the newest cannot be read."""
    newest = _loaded(path, config_format)
    if newest.tree is not None:
        return SavedConfig(newest.tree, newest.noted, newest.data)
    backup = _loaded(_backup(path), config_format)
    if newest.fault == backup.fault == _MISSING:
        return SavedConfig({}, True, None)
    found = f"expected a config in {path}, found {newest.fault}"
    if backup.tree is not None:
        _warn(
            f"{found}; what is used is the config of the save before, {_backup(path)}; save once to write a new one, "
            "or remove both files to start anew"
        )
        return SavedConfig(backup.tree, backup.noted, None)  # the backup that can be read stays the backup
    _warn(f"{found}, and as its backup {backup.fault}; no saved parameters are used")
    return SavedConfig({}, True, newest.data)


def write_config(path: Path, config_format: str, tree: dict[str, Any], notes: TypeNotes, before: bytes | None) -> None:
    """Write a plain tree and the notes of its kinds, after the backup; neither file is ever half there."""
    document = {**tree, _TYPES: notes}
    data = json_bytes(document) if config_format == "json" else _h5_bytes(document)
    if before is not None:
        write_whole(_backup(path), before)
    write_whole(path, data)


def _backup(path: Path) -> Path:
    """Return the path of a config's backup."""
    return path.with_name(path.name + ".bak")


def _loaded(path: Path, config_format: str) -> _Loaded:
    """Return a file's bytes and the tree in it, with the kinds restored, or what is wrong with it."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return _Loaded(None, None, False, _MISSING)
    except OSError as error:  # one that may not be read is as good as damaged
        return _Loaded(None, None, False, f"one that cannot be read ({error.strerror or error})")
    if config_format == "h5":
        import tables  # noqa: F401 - a library that is not there is no damaged file
    try:
        document = json.loads(data) if config_format == "json" else _h5_document(data)
        if not isinstance(document, dict):
            raise TypeError(f"it holds a {type(document).__name__}, not a tree of entries")
        notes = document.pop(_TYPES, None)
        return _Loaded(data, revive(document, notes or {}), notes is not None, "")
    except Exception as error:  # a damaged file makes a reader raise anything
        reason = str(error).strip().rpartition("\n")[2] if data else "it is empty"
        return _Loaded(data, None, False, f"one that cannot be read ({type(error).__name__}: {reason})")


def _warn(message: str) -> None:
    """Warn at the line that called the collector."""
    warnings.warn(message, ConfigWarning, stacklevel=5)
