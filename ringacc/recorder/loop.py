"""The recorder: takes rows from a ring, or a stream of them, and puts them on the disk.

Belongs here: when rows are taken, what is done when the disk is full, and what a recording becomes at its end. May not
be here: the files while it lasts (``parts``), and who starts it (``process``, ``cli``).

The order that loses nothing: rows are copied, written, and only then called taken. Killed in between, they are still in
the ring, and the next recorder, or ``recovery``, finds in the file itself how far it came.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from .. import system
from ..errors import LogFileError, RecorderError, RingBusyError, SaveError
from ..ringfile import RingFile
from ..streams import Follower, Taken, rings_of
from ..tables.files import format_of, target_of
from .parts import PartWriter, next_sequences, parts_in
from .rows import RecordedRows, chunks_of, save_objects, save_rows

__all__ = ["Recorder", "checked_out", "recording_of"]

_LOCK = "lock"  # the file in the folder of a recording that its recorder holds locked
_MOST_BYTES = 1 << 22  # of a batch
_SHORTEST_NAP, _LONGEST_NAP = 0.002, 0.25
_SYNC = 1.0  # seconds between two that a power cut can take
_RETRY = 0.5  # seconds between two tries at a disk that is full
_MUCH = 0.2  # share of a ring that is too much for a nap


def recording_of(out: Path) -> Path:
    """Give the folder that a recording lies in until its file is whole."""
    return out.with_name(f"{out.name}.recording")


class Recorder:
    """Records a ring file, or the folder of a stream, until its writer ends or it is told to.

    Parameters
    ----------
    source
        The ring file, or the folder of the stream.
    out
        What the recording becomes at its end: a log in the format that its extension says.
    policy
        What the writer does where the recorder does not keep up: POLICY of ``kernels.rows``.

    Attributes
    ----------
    rows, missed
        Rows on the disk, and rows that were overwritten before they could be taken.
    newest
        The rows that were taken last; None before the first.
    trouble
        Why rows cannot be written just now; None: they can.
    writer_died
        Whether the writer ended without closing the ring.

    Raises
    ------
    SaveError
        There is a file of that name.
    FormatError, MissingFileError
        ``out`` has no extension of a format, or lies in no folder.
    RingBusyError
        Another process takes the rows.
    LogFileError
        There is a recording under way to this file, of another ring.
    """

    def __init__(self, source: Path, out: Path, policy: int) -> None:
        source = source.absolute()
        self.out = checked_out(out)
        self.folder = recording_of(self.out)
        self._lock = self._take_folder()
        try:
            before = parts_in(self.folder)
            _check_origin(before, source)
            self._follower = Follower(
                source, {"recording": str(self.folder.absolute())}, policy=policy, resume=next_sequences(before)
            )
        except BaseException:
            self._give_folder_back()
            raise
        self._should_stop: Callable[[], object] = lambda: False
        self._source = source
        # Behind all that are there: after a reset they do not begin with 0.
        self._next_part = max((int(path.stem) for path in self.folder.glob("[0-9]*.arrow")), default=-1) + 1
        self._generation = max((part.about.notes.get("generation", 0) for part in before), default=0)
        self._part: PartWriter | None = None
        self._synced = time.monotonic()
        self._nap = _SHORTEST_NAP
        self.rows = sum(count for part in before for _, count in part.runs())
        self.missed = 0
        self.newest: Any = None
        self.trouble: OSError | None = None
        #: Called with what a user has to know at once.
        self.report: Callable[[str], object] = lambda text: None
        self.writer_died = False

    def _take_folder(self) -> system.Lock:
        """Be the only recorder of this log."""
        try:
            self.folder.mkdir(exist_ok=True)
            number = os.open(self.folder / _LOCK, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            said = f"expected a folder to record in: {error.strerror}"
            raise SaveError(error.errno, said, str(self.folder)) from error
        lock = system.Lock.take(number)
        if lock is None:
            raise RingBusyError(
                f"{self.folder}: expected a recording that nobody makes, found that another process records to it: "
                "choose another name for the log"
            )
        return lock

    def _give_folder_back(self) -> None:
        """Let others record to this log; leave no folder of no rows behind."""
        self._lock.release()
        if not list(self.folder.glob("*.arrow")):
            system.remove(self.folder / _LOCK)
            with contextlib.suppress(OSError):  # somebody else uses it, or has taken it away
                self.folder.rmdir()

    @property
    def size(self) -> int:
        """Bytes on the disk."""
        return sum(path.stat().st_size for path in self.folder.glob("*.arrow"))

    # While rows come ------------------------------------------------------------------------------------------

    def run(self, should_stop: Callable[[], object], show: Callable[[Recorder], object]) -> None:
        """Record until the writer has ended, or ``should_stop`` says so, and all rows that are there are on the disk.

        ``show`` is called after each taking. RecorderError where the last rows cannot be written.
        """
        self._should_stop = should_stop
        while True:
            ended = self._follower.writer_is_gone() or bool(should_stop())
            share = self._take_all()
            show(self)
            if ended:
                self._put_away()
                return
            time.sleep(self._next_nap(share))

    def _take_all(self) -> float:
        """Take all rows that are there; give which share of the ring they were."""
        share = 0.0
        while (taken := self._take()) is not None:
            share = max(share, len(taken.rows) / taken.about.capacity)
            self._write(taken)
        self._heed(self._follower.notes)
        if self._part is not None and time.monotonic() - self._synced > _SYNC:
            self._part.sync()
            self._synced = time.monotonic()
        return share

    def _take(self) -> Taken | None:
        row_bytes = 64 if self._part is None else self._part.about.dtype.itemsize
        return self._follower.take(max(_MOST_BYTES // row_bytes, 1))

    def _write(self, taken: Taken) -> None:
        """Put rows on the disk, trying again for as long as that takes, and call them taken."""
        self._begin_part(taken)
        assert self._part is not None
        self._part.put(taken.sequence, taken.rows)
        self._flush()
        self._follower.done()
        self.rows += len(taken.rows)
        self.missed += taken.missed
        self.newest = taken.rows

    def _begin_part(self, taken: Taken) -> None:
        """Have a part that is for rows of this ring."""
        if self._part is not None and self._part.about.identity != taken.about.identity:
            self._end_part()
        self._heed(taken.about.notes)
        if self._part is None:
            self._part = self._new_part(taken)
            self._next_part += 1

    def _new_part(self, taken: Taken) -> PartWriter:
        path = self.folder / f"{self._next_part:06}.arrow"
        while True:
            try:
                return PartWriter(path, taken.about._replace(notes={**taken.about.notes, "source": str(self._source)}))
            except FileExistsError as error:
                raise RecorderError(f"{path}: expected no part there yet, found one: it is left as it is") from error
            except OSError as error:
                path.unlink(missing_ok=True)
                self._wait_out(error)

    def _end_part(self) -> None:
        if self._part is not None:
            self._part.end()
            self._flush()
            self._part.sync()
            self._part.close()
            self._part = None

    def _flush(self) -> None:
        """Write what the part holds back."""
        assert self._part is not None
        while True:
            try:
                self._part.flush()
            except OSError as error:
                self._wait_out(error)
            else:
                if self.trouble is not None:
                    self.trouble = None
                    self._follower.tell(0)
                    self._say(f"{self.folder}: there is room again")
                return

    def _wait_out(self, error: OSError) -> None:
        """Wait for room on the disk; give up where it is to end, or no rows come that only this process could save."""
        ends = self._follower.writer_is_gone() or self._should_stop()
        if self.trouble is not None and ends:
            raise RecorderError(
                f"expected to write the last rows to {self.folder}, found {error.strerror}: they are still in "
                f"{self._source}; make room and run `ringacc recover {self._source}`"
            ) from error
        if self.trouble is None:
            self._say(f"{self.folder}: {error.strerror}: rows wait in the ring until there is room")
        self.trouble = error
        self._follower.tell(error.errno or -1)
        time.sleep(_RETRY)

    def _say(self, text: str) -> None:
        try:
            self.report(text)
        except OSError:
            return  # what is said may go to the same disk; the ring says it too

    def _heed(self, notes: Mapping[str, Any]) -> None:
        """Take away the rows of before a reset, where a ring says that there was one."""
        if notes.get("generation", 0) <= self._generation:
            return
        self._generation = notes["generation"]
        if self._part is not None:
            self._part.close()
            self._part = None
        for path in self.folder.glob("*.arrow"):
            path.unlink()
        self.rows = self.missed = 0

    def _next_nap(self, share: float) -> float:
        """Give how long rows may gather: as long as they fill but a small part of the ring."""
        if share > _MUCH:
            self._nap = max(self._nap / 2, _SHORTEST_NAP)
        elif share < _MUCH / 4:
            self._nap = min(self._nap * 1.5, _LONGEST_NAP)
        return self._nap

    # At the end -----------------------------------------------------------------------------------------------

    def _put_away(self) -> None:
        """Make the last part whole, and see to it that all rows outlive the machine."""
        self.writer_died = self._follower.writer_is_gone() and not self._follower.was_closed()
        self._end_part()

    def finish(self, progress: Callable[[int], object] | None = None) -> Path | None:
        """Make the recording a log, and take away what it was made of; None where there were no rows.

        What was recorded stays in its folder where that fails (SaveError, SchemaError). ``progress`` is called with the
        rows converted, where they have to be.
        """
        gone = self._follower.writer_is_gone() or not rings_of(self._source)
        parts = parts_in(self.folder)
        chunks = chunks_of(parts, [])
        as_it_is = len(parts) == 1 and self.out.suffix.lower() == ".feather" and parts[0].is_a_log()
        rows = RecordedRows(chunks)
        save_objects(chunks, self.out)
        if len(rows) and not as_it_is:
            save_rows(rows, self.out, progress)
        made = bool(len(rows))
        # All is in files that are whole: the rings can go, and only then the name of the log be given.
        self._follower.close(remove=gone)
        if made and as_it_is:
            try:
                system.put_in_place(parts[0].path, self.out)
            except OSError as error:
                said = f"{error.strerror}: what was recorded is in {self.folder}"
                raise SaveError(error.errno, said, str(self.out)) from error
        del parts, chunks, rows
        shutil.rmtree(self.folder)
        self._lock.release()
        return self.out if made else None

    def close(self) -> None:
        """Let go of the ring; what was recorded, where it has not become a log, stays, and the ring says where."""
        if self._part is not None:
            self._part.close()
            self._part = None
        if list(self.folder.glob("*.arrow")):
            self._follower.leave()
        else:
            self._follower.close()
        if self._lock.number >= 0:
            self._give_folder_back()


def checked_out(out: Path) -> Path:
    """Give the path of a log that can be written, or refuse it."""
    out = target_of(out, format_of(out))
    if out.exists():
        raise SaveError(f"{out}: expected no file there yet, found one: choose another name, or move it away")
    return out


def _check_origin(parts: Sequence[Any], source: Path) -> None:
    """Refuse to go on with a recording of something else."""
    sources = {part.about.notes.get("source") for part in parts}
    # A stream has many rings, but one ring alone that lies where another one was is not the one that was recorded.
    others = {part.about.identity for part in parts} if source.is_file() else set()
    if others and others == {RingFile.open(source).about.identity}:
        others = set()
    if sources - {str(source)} or others:
        raise LogFileError(
            f"{parts[0].path.parent}: expected no recording there, or one of {source}, found one of another ring, in "
            f"{', '.join(sorted(map(str, sources)))}, that was never made whole: save it with `ringacc recover`, and "
            "remove it"
        )
