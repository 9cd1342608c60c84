"""Config files that are whole or not there: written at once, with the one before as a backup.

Belongs here: the atomic write of any small file, the two formats of a config file (JSON, HDF5) as
bytes, and which of config and backup is read.
May not be here: what the entries mean. ``tables`` is imported inside the calls that need it.

A config file holds one document: the tree of the entries, and beside its categories, under the name
"/types" (which no category can have), the kinds that JSON has no word for, by JSON pointer.
In HDF5 each branch of the tree is a group, and the entries in it are one dataset of JSON text,
called "(parameters)". The file is built and read in memory, so that both formats are bytes here and
share the one way to the disk.
"""

from __future__ import annotations

import contextlib
import json
import os
import warnings
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

from ringacc.errors import ConfigWarning, FormatError, MetadataFileError, RingaccError
from ringacc.values import TypeNotes, json_bytes, revive

__all__ = ["CONFIG_FORMATS", "ConfigFile", "write_whole"]

CONFIG_FORMATS = ("json", "h5")

_TYPES = "/types"
_LEAVES = "(parameters)"  # quote() writes no parenthesis as it is: no branch can have this name
# Longer than any write of a small file takes: whoever began this temporary file is gone.
_ABANDONED_SECONDS = 60.0


class _DamagedError(RingaccError, ValueError):
    """A config file that cannot be read; it becomes a warning."""


# Writing -----------------------------------------------------------------------------------------


def write_whole(path: Path, data: bytes) -> None:
    """Write a file at once: readers, and a next start after a crash, find the old or the new.

    The data go to a temporary file in the same folder, which is flushed to the disk and then
    renamed; a missing folder is made. Raises MetadataFileError, with the old file as it was.
    """
    path = Path(os.path.realpath(path))  # through a link, so that the link itself stays one
    temporary = path.with_name(f".{path.name}.{os.getpid()}-{os.urandom(4).hex()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _write_through(temporary, path, data)
    except OSError as error:
        raise MetadataFileError(
            error.errno,
            f"expected to write {path}, found: {error.strerror or error}; what stood there before "
            "is unchanged; free some space or choose a folder that can be written, and save again",
        ) from error


def _write_through(temporary: Path, path: Path, data: bytes) -> None:
    """Write a temporary file, rename it, and flush both to the disk; leave no temporary file."""
    try:
        with open(temporary, "xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        _remove_abandoned(path, temporary)
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):  # the error that is under way says more
            temporary.unlink(missing_ok=True)
        raise
    if os.name == "posix":  # elsewhere a folder cannot be opened, and needs no flush of its own
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _remove_abandoned(path: Path, temporary: Path) -> None:
    """Remove what a killed process left of this file, long ago by the folder's own clock."""
    now = temporary.stat().st_mtime
    for other in path.parent.glob(f".{path.name}.*.tmp"):
        with contextlib.suppress(FileNotFoundError):  # another process may clean up as well
            if now - other.stat().st_mtime > _ABANDONED_SECONDS:
                other.unlink()


# Formats -----------------------------------------------------------------------------------------


def _h5_bytes(document: dict[str, Any]) -> bytes:
    """Return a document as an HDF5 file."""
    import tables

    with warnings.catch_warnings():
        # Any text may name a branch ("tracking+bgsub"); PyTables prefers Python's names.
        warnings.simplefilter("ignore", tables.NaturalNameWarning)
        file = tables.open_file(
            f"config-{os.urandom(8).hex()}.h5",  # PyTables wants a name; nothing is opened
            "w",
            driver="H5FD_CORE",
            driver_core_backing_store=0,
        )
        try:
            _write_group(file, file.root, document)
            return bytes(file.get_file_image())
        finally:
            file.close()


def _write_group(file: Any, group: Any, branch: dict[str, Any]) -> None:
    """Write a branch: its entries as one dataset, each branch in it as a group."""
    branches = {k: v for k, v in branch.items() if isinstance(v, dict) and k != _TYPES}
    leaves = {k: v for k, v in branch.items() if k not in branches}
    file.create_array(group, _LEAVES, obj=json_bytes(leaves))
    for name, inner in branches.items():
        _write_group(file, file.create_group(group, _group_name(name)), inner)


def _group_name(name: str) -> str:
    """Return a name that HDF5 takes: percent signs for a slash, a NUL and the like."""
    quoted = quote(name, safe=" +")
    # PyTables keeps names with a leading underscore for itself, HDF5 the dot; none is empty.
    return f"%{ord(quoted[0]):02X}{quoted[1:]}" if quoted[:1] in ("_", ".") else quoted or "%"


def _branch_name(name: str) -> str:
    """Return the name that a group stands for."""
    return "" if name == "%" else unquote(name)


def _h5_document(data: bytes) -> Any:
    """Return the document in an HDF5 file; whatever is wrong with the file, an Exception."""
    import tables

    file = tables.open_file(
        f"config-{os.urandom(8).hex()}.h5",
        "r",
        driver="H5FD_CORE",
        driver_core_image=data,
        driver_core_backing_store=0,
    )
    try:
        return _read_group(file.root)
    finally:
        file.close()


def _read_group(group: Any) -> dict[str, Any]:
    """Return the branch that a group holds."""
    branch = json.loads(group._f_get_child(_LEAVES).read())
    for name, inner in group._v_groups.items():
        branch[_branch_name(name)] = _read_group(inner)
    return dict(branch)


# The file ----------------------------------------------------------------------------------------


class ConfigFile:
    """A config file and its backup.

    Parameters
    ----------
    path : pathlib.Path
        The file; the backup is the same name with ".bak" after it.
    config_format : str
        "json" or "h5".
    """

    def __init__(self, path: Path, config_format: str) -> None:
        if config_format not in CONFIG_FORMATS:
            raise FormatError(
                f"expected the config format {' or '.join(map(repr, CONFIG_FORMATS))}, found {config_format!r}"
            )
        self.path = path
        self.backup = path.with_name(path.name + ".bak")
        self._format = config_format

    def read(self) -> dict[str, Any]:
        """Return the saved tree; the backup's, with a warning, if the newest cannot be read."""
        try:
            return self._tree(self.path)
        except (_DamagedError, FileNotFoundError) as error:
            newest = error
        try:
            tree = self._tree(self.backup)
        except FileNotFoundError:
            if isinstance(newest, _DamagedError):
                self._warn(f"{newest}; there is no backup, so no saved parameters are used")
            return {}
        except _DamagedError as error:
            self._warn(f"{newest}; {error}; no saved parameters are used")
            return {}
        found = newest if isinstance(newest, _DamagedError) else f"expected {self.path}, found none"
        self._warn(
            f"{found}; the parameters are those of the save before, from {self.backup}; "
            "save once to write a new config, or remove both files to start anew"
        )
        return tree

    def write(self, tree: dict[str, Any], notes: TypeNotes) -> None:
        """Write a plain tree and the notes of its kinds; what was there becomes the backup."""
        document = {**tree, _TYPES: notes} if notes else tree
        data = json_bytes(document) if self._format == "json" else _h5_bytes(document)
        try:
            before = self._bytes(self.path)
        except (_DamagedError, FileNotFoundError):
            before = None
        # A damaged file never takes the place of a backup that can be read.
        if before is not None and (self._is_whole(self.path) or not self._is_whole(self.backup)):
            write_whole(self.backup, before)
        write_whole(self.path, data)

    def _is_whole(self, path: Path) -> bool:
        """Tell whether a file is there and can be read."""
        try:
            self._tree(path)
        except (_DamagedError, FileNotFoundError):
            return False
        return True

    def _tree(self, path: Path) -> dict[str, Any]:
        """Return the tree in a file, with its kinds restored."""
        data = self._bytes(path)
        if self._format == "h5":
            import tables  # noqa: F401  # a missing library is no damaged file
        try:
            document = json.loads(data) if self._format == "json" else _h5_document(data)
            if not isinstance(document, dict):
                raise ValueError(f"it holds a {type(document).__name__}, not a tree of entries")
        except Exception as error:  # a damaged file makes either reader raise anything
            reason = str(error).strip().rpartition("\n")[2] if data else "it is empty"
            raise _DamagedError(
                f"expected a whole config of format {self._format!r} in {path}, "
                f"found one that cannot be read ({reason})"
            ) from error
        notes = document.pop(_TYPES, {})
        return dict(revive(document, notes)) if isinstance(notes, dict) else document

    def _bytes(self, path: Path) -> bytes:
        """Return the bytes of a file; one that may not be read is as good as damaged."""
        try:
            return path.read_bytes()
        except FileNotFoundError:
            raise
        except OSError as error:
            raise _DamagedError(
                f"expected a config in {path}, found one that cannot be read ({error.strerror or error})"
            ) from error

    def _warn(self, message: str) -> None:
        """Warn at the line that asked the collector."""
        warnings.warn(message, ConfigWarning, stacklevel=5)
