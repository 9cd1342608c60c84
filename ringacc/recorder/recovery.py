"""Recovery: what a crash has left, put together.

Belongs here: finding the rings and recordings of one log, saving their rows, and taking away what is left. May not be
here: how rows are told apart (``rows``).
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from .. import system
from ..errors import MissingFileError, RingBusyError, RingFormatError
from ..kernels import rows as counters_of
from ..ringfile import RingFile
from ..streams import follower_notes, rings_of
from .loop import checked_out
from .parts import parts_in
from .rows import Chunk, RecordedRows, chunks_of, save_objects, save_rows

# Longer than it takes to make a ring file: whoever began this one is gone.
_ABANDONED_SECONDS = 60.0

__all__ = ["Log", "Recovered", "Stale", "clean", "logs_in", "recover", "stale_in"]


class Log(NamedTuple):
    """What is there of one log.

    Attributes
    ----------
    name
        What it is called.
    rings
        The ring file, or the folder of the stream; None where it is gone.
    recording
        The folder that it was recorded in; None where it was not.
    """

    name: str
    rings: Path | None
    recording: Path | None

    def is_alive(self) -> bool:
        """Say whether a process writes or records it."""
        if self.rings is None:
            return False
        files = [RingFile.open(path) for path in rings_of(self.rings)]
        return any(file.is_written() or file.has_follower() for file in files)

    def chunks(self) -> list[Chunk]:
        """Give its rows, each once, in order; those of before a reset are forgotten."""
        rings = [] if self.rings is None else [RingFile.open(path) for path in rings_of(self.rings)]
        found = chunks_of([] if self.recording is None else parts_in(self.recording), rings)
        heads = [chunk.about for chunk in found] + [ring.about for ring in rings]
        newest = max((head.notes.get("generation", 0) for head in heads), default=0)
        return [chunk for chunk in found if chunk.about.notes.get("generation", 0) == newest]


class Recovered(NamedTuple):
    """What was saved of a log.

    Attributes
    ----------
    out
        The file; None where there were no rows.
    rows, missed
        Rows in it, and rows that were overwritten before they were recorded.
    t0
        The moment that times are counted from, where they were put in as datetimes.
    objects
        A pickle of rows that are no numbers, as a list of (time, columns, values); None where there are none.
    """

    out: Path | None
    rows: int
    missed: int
    t0: datetime | None
    objects: Path | None


def logs_in(path: Path) -> list[Log]:
    """Give the logs that lie in a folder; or the one that a ring file, a stream or a recording is of.

    MissingFileError where there is none.
    """
    if path.is_file():
        return [_of_ring(path)]
    if path.suffix == ".recording":
        return [_of_recording(path)]
    if rings_of(path):
        return [_of_ring(path)]
    if not path.is_dir():
        raise MissingFileError(f"expected a ring, a recording, or a folder with some, found no {path}")
    rings = [*path.glob("*.ring"), *(folder for folder in path.glob("*.stream") if folder.is_dir())]
    found = [_of_ring(ring) for ring in sorted(rings)]
    known = {log.recording for log in found}
    found += [log for log in map(_of_recording, sorted(path.glob("*.recording"))) if log.recording not in known]
    if not found:
        raise MissingFileError(f"expected a ring, a recording, or a folder with some, found none in {path}")
    return found


def _of_ring(path: Path) -> Log:
    """Give the log of a ring or a stream, whose follower has noted where it records."""
    try:
        notes = follower_notes(path) or {}
    except RingFormatError:
        notes = {}  # damaged: its recovery says so, and that of what lies beside it goes on
    recording = Path(notes["recording"]) if "recording" in notes else None
    if recording is not None and not recording.is_dir():
        recording = None
    name = path.stem if recording is None else _stem(recording)
    return Log(name, path, recording)


def _of_recording(path: Path) -> Log:
    """Give the log of a recording, whose parts say which ring they are of."""
    parts = parts_in(path)
    sources = {part.about.notes.get("source") for part in parts} - {None}
    source = Path(str(sources.pop())) if len(sources) == 1 else None
    if source is not None and not _is_still(source, {part.about.identity for part in parts}):
        source = None
    return Log(_stem(path), source, path)


def _is_still(source: Path, identities: set[str]) -> bool:
    """Say whether a stream is there, or one of these rings, and not another one where it was."""
    return RingFile.open(source).about.identity in identities if source.is_file() else bool(rings_of(source))


def _stem(recording: Path) -> str:
    return Path(recording.stem).stem


def recover(log: Log, out: Path, progress: Callable[[int], object] | None = None) -> Recovered:
    """Save every row of a log that was appended, once, in order; what it is put together from stays.

    Its rings know then that their rows are safe. RingBusyError where it is still being written or recorded.
    """
    if log.is_alive():
        raise RingBusyError(
            f"{log.rings}: expected what a crash has left, found a process that writes or records it: end that one, or "
            "record it with `ringacc record`"
        )
    out = checked_out(out)
    chunks = log.chunks()
    rows = RecordedRows(chunks)
    missed = sum(chunk.count for chunk in chunks if chunk.blocks is None)
    made = save_rows(rows, out, progress) if len(rows) else None
    beside = save_objects(chunks, out)
    if log.rings is not None:
        _call_taken(log.rings)
    return Recovered(made, len(rows), missed, rows.t0, beside)


def _call_taken(path: Path) -> None:
    for ring in rings_of(path):
        file = RingFile.open(ring, writable=True)
        counters_of.take(file.block.counters, file.block.written, 0)


class Stale(NamedTuple):
    """A ring or stream that no process uses.

    Attributes
    ----------
    path
        Where it is.
    untaken
        Rows in it that nobody has taken or recovered.
    """

    path: Path
    untaken: int


def stale_in(folder: Path) -> list[Stale]:
    """Give the rings and streams in a folder that no process uses any more, and files that were never made whole."""
    now = time.time()
    found = [Stale(part, 0) for part in folder.glob(".*.part") if now - part.stat().st_mtime > _ABANDONED_SECONDS]
    for path in sorted([*folder.glob("*.ring"), *folder.glob("*.stream")]):
        try:
            log = Log(path.stem, path, None)
            if not log.is_alive() and not (path.is_dir() and system.is_locked(path / "follower")):
                found.append(Stale(path, _untaken(path)))
        except RingFormatError:
            found.append(Stale(path, 0))
        except MissingFileError:
            continue  # its owner has just cleaned up
    return found


def _untaken(path: Path) -> int:
    """Give how many rows of a ring or a stream are not known to be safe."""
    total = 0
    for ring in rings_of(path):
        block = RingFile.open(ring).block
        total += max(block.written - max(block.trimmed, block.counts[counters_of.TAKEN]), 0)
    return total


def clean(stale: Stale) -> None:
    """Take away what a process has left."""
    path = stale.path
    if path.is_dir():
        for inside in path.iterdir():
            system.remove(inside)
        os.rmdir(path)
    else:
        system.remove(path)
        system.remove(path.with_name(f"{path.name}.follower"))
