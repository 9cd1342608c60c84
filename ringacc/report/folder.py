"""Which files in a folder are those of a session.

Belongs here: names of files. May not be here: what is in them.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import NamedTuple

from ..errors import FormatError, MissingFileError
from ..tables import format_of

__all__ = ["Files", "find", "short_name"]

_METADATA = "_metadata.json"
# Parameters of the last session, which the next one begins with: no log.
_CONFIGS = ("config", "stytra_last_config")


class Files(NamedTuple):
    """The files of a session.

    Attributes
    ----------
    folder
        Where they lie.
    session_id
        What their names begin with; "" where they have no common beginning.
    logs
        Sorted by name.
    metadata
        None: there are none.
    recordings
        Names of logs that are being recorded, or whose recorder was cut.
    all_ids
        Of the sessions in the folder, the last one last.
    """

    folder: Path
    session_id: str
    logs: tuple[Path, ...]
    metadata: Path | None
    recordings: tuple[str, ...]
    all_ids: tuple[str, ...]


def find(folder: str | os.PathLike[str], session_id: str | None = None) -> Files:
    """Find the files of a session: the one of that id, or the last one, by when its metadata or logs were written.

    MissingFileError where there is no such folder, no log and no metadata in it, or no session of that id.
    """
    folder = Path(folder)
    if not folder.is_dir():
        found = "a file" if folder.exists() else "nothing of that name"
        raise MissingFileError(
            f"expected the folder of a session, found {found}: {folder}; give the folder with its logs"
        )
    entries = sorted(entry for entry in folder.iterdir() if not entry.name.startswith("."))
    # Regular files only: a link to nothing has nothing to say, and who opens a pipe waits for its writer.
    metadata = {
        entry.name.removesuffix(_METADATA): entry
        for entry in entries
        if entry.name.endswith(_METADATA) and entry.is_file()
    }
    logs: dict[str, list[Path]] = {name: [] for name in metadata}
    recordings: dict[str, list[str]] = {}
    for entry in entries:
        if entry.is_dir() and entry.suffix == ".recording":
            name = entry.name.removesuffix(".recording")
            recordings.setdefault(_id_of(name, metadata), []).append(name)
            logs.setdefault(_id_of(name, metadata), [])
        elif entry.is_file() and _is_log(entry):
            logs.setdefault(_id_of(entry.name, metadata), []).append(entry)
    if not logs:
        raise MissingFileError(
            f"expected the logs of a session (csv, feather, hdf5, json or parquet) or its metadata in {folder}, found "
            "none: give the folder that `ringacc demo`, `ringacc replay` or a Session has written"
        )
    ids = sorted(logs, key=lambda name: (_newest(logs[name], metadata.get(name)), _by_number(name)))
    if session_id is None:
        session_id = ids[-1]
    elif session_id not in logs:
        raise MissingFileError(
            f"expected one of the sessions in {folder} ({', '.join(map(repr, ids))}), found {session_id!r}"
        )
    return Files(
        folder,
        session_id,
        tuple(logs[session_id]),
        metadata.get(session_id),
        tuple(recordings.get(session_id, ())),
        tuple(ids),
    )


def short_name(log: str, session_id: str) -> str:
    """Give the name of a log within its session: "192316_behavior_log.hdf5" is "behavior_log"."""
    name = Path(log).stem
    return name.removeprefix(f"{session_id}_") if session_id else name


def _is_log(file: Path) -> bool:
    """Say whether a file may be a log."""
    if file.stem in _CONFIGS or file.name.endswith(_METADATA):
        return False
    try:
        format_of(file)
    except FormatError:
        return False
    return True


def _id_of(name: str, known: dict[str, Path]) -> str:
    """Give the id that a name begins with: one that has metadata, or what "_" ends."""
    ids = [session for session in known if name.startswith(f"{session}_")]
    if ids:
        return max(ids, key=len)
    beginning, mark, _ = name.partition("_")
    return beginning if mark else ""


def _newest(logs: list[Path], metadata: Path | None) -> float:
    """Say when the last file of a session was written."""
    files = logs if metadata is None else [*logs, metadata]
    return max((file.stat().st_mtime for file in files), default=0.0)


def _by_number(name: str) -> list[tuple[int, str]]:
    """Order "192316-2" before "192316-10"."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", name)]
