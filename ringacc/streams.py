"""Streams: rows from one process to another, none of which is lost.

Belongs here: the folder of ring files, one after the other, that a stream is; who writes it; the follower, who takes
its rows and misses none. May not be here: what becomes of the rows (``queues``, ``recorder``), and what a ring file is.

A stream is a folder with the ring files ``000000.ring``, ``000001.ring``, ... Each has rows of one dtype; when the rows
change, the next file is made whole and put in place, and then the one before says that it is continued. The follower
removes each file that it has taken all rows from. A ring file alone, as `TimeRing.create` makes it, is followed in the
same way.

Rows count as taken when the follower says so, which it does when they are where they are to be. So a follower that is
killed leaves the rows that it was busy with to the next one.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from . import system
from .block import Array
from .errors import MissingFileError, QueueClosedError, RingBusyError, RingExistsError, RingFileError
from .kernels import rows as counters_of
from .ringfile import Description, RingFile, follower_file, waiting_in_file
from .timering import TimeRing

__all__ = [
    "NUMBERS",
    "Follower",
    "StreamWriter",
    "Taken",
    "follower_notes",
    "leave_all",
    "remove_folder",
    "remove_if_done",
    "rings_of",
    "waiting_in",
]

#: The "kind" in the notes of a ring whose rows are what their dtype says.
NUMBERS = "numbers"
_SMALLEST = 64
_DIGITS = 6  # of the number of a ring in a stream, at least


def rings_of(path: Path) -> list[Path]:
    """Give the ring files of a stream in their order, or the one ring file that the path is of."""
    if path.is_file():
        return [path]
    there = [found for found in path.glob("[0-9]*.ring") if found.stem.isdecimal() and len(found.stem) >= _DIGITS]
    # By length first: 1000000 comes after 999999.
    return sorted(there, key=lambda found: (len(found.name), found.name))


class StreamWriter:
    """The one process that puts rows into a stream.

    Parameters
    ----------
    folder
        Of the stream; made when the first rows are to come.
    capacity
        Rows of a ring.
    policy
        What happens where rows would be overwritten that were not taken: POLICY of ``kernels.rows``.
    """

    __slots__ = ("_before", "_capacity", "_folder", "_next", "_policy", "ring")

    def __init__(self, folder: Path, capacity: int, policy: int = counters_of.REFUSE) -> None:
        self._folder = folder
        self._capacity = capacity
        self._policy = policy
        self._next = 0
        # The rings before the newest one that may still be there, oldest first, and the rows in each.
        self._before: deque[tuple[Path, int]] = deque()
        self.ring: TimeRing | None = None

    def begin(self, dtype: np.dtype[Any], notes: Mapping[str, Any] | None = None) -> TimeRing:
        """Give a ring for rows of this dtype, which follow those of the ring before."""
        before = self.ring if self.ring is not None else self._of_a_dead_writer()
        if before is not None:
            before.file.check()  # type: ignore[union-attr]
            self._next = int(before.path.stem) + 1  # type: ignore[union-attr]
        file = self._created(dtype, {**(notes or {}), "segment": self._next})
        file.block.counters[counters_of.POLICY] = self._policy
        file.block.counters[counters_of.KEEP] = counters_of.TAKEN_ONLY
        if before is not None:
            self._leave(before, file)
        self.ring = TimeRing.over(file)
        return self.ring

    def _leave(self, before: TimeRing, file: RingFile) -> None:
        """Say in a ring that another one continues it."""
        try:
            # Again: a consumer that closes the queue says so first, and then takes away the rings that it finds.
            before.file.check()  # type: ignore[union-attr]
        except QueueClosedError:
            file.close()
            file.remove()
            remove_folder(self._folder)
            raise
        self._before.append((before.path, before.written))  # type: ignore[arg-type]
        before.file.end(counters_of.CONTINUED)  # type: ignore[union-attr]
        before.close(keep=True)

    def _created(self, dtype: np.dtype[Any], notes: Mapping[str, Any]) -> RingFile:
        """Make the next ring file, and the folder where it is not there."""
        path, capacity = self._folder / f"{self._next:0{_DIGITS}}.ring", self._next_capacity()
        while True:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            try:
                return RingFile.create(path, capacity, dtype, notes=notes)
            except RingExistsError as error:
                raise _two_writers(self._folder) from error
            except MissingFileError:  # another process has just cleaned up
                continue

    def _next_capacity(self) -> int:
        """Give the rows of the next ring: the rings that wait to be read halve it, so that all are no more than two."""
        others = len(rings_of(self._folder)) - 1
        return max(self._capacity >> max(others, 0), min(self._capacity, _SMALLEST))

    def _of_a_dead_writer(self) -> TimeRing | None:
        """Give the last ring of a writer that is gone, to be continued."""
        while there := rings_of(self._folder):
            try:
                last = TimeRing.take_over(there[-1])
            except RingBusyError as error:
                raise _two_writers(self._folder) from error
            except MissingFileError:  # its rows have just been taken
                continue
            if rings_of(self._folder)[-1:] == there[-1:]:
                self._join(there[:-1])
                return last
            # A writer that is alive has just left it for the next one.
            last.file.end(counters_of.CONTINUED)  # type: ignore[union-attr]
            last.close(keep=True)
        return None

    def _join(self, paths: list[Path]) -> None:
        """Say in the rings before the last that they are continued: a writer that was killed may not have done so."""
        for path in paths:
            with contextlib.suppress(MissingFileError):  # its rows have just been taken
                block = RingFile.open(path, writable=True).block
                counters_of.say(block.counters, counters_of.ENDED, counters_of.CONTINUED)
                self._before.append((path, block.written))

    def waiting(self) -> int:
        """Give how many rows were put in and not taken; a ring must have begun."""
        before, counts = self._before, self.file.block.counts
        while before and not before[0][0].exists():
            before.popleft()
        waiting = counts[counters_of.WRITTEN] - counts[counters_of.TAKEN]
        if before:
            # Rings are taken one after the other: all rows of those behind the first wait.
            waiting += waiting_in_file(before[0][0]) + sum(rows for _, rows in before) - before[0][1]
        return waiting

    @property
    def file(self) -> RingFile:
        """The newest ring file; one must have begun."""
        return self.ring.file  # type: ignore[union-attr, return-value]

    def close(self) -> None:
        """Say that no more rows come."""
        if self.ring is not None:
            self.ring.file.end()  # type: ignore[union-attr]
            self.ring.close(keep=True)


def _two_writers(folder: Path) -> RingBusyError:
    return RingBusyError(
        f"{folder}: expected one process that puts rows in, found a second: give each a queue of its own, or close it "
        "in the first"
    )


def waiting_in(path: Path) -> int:
    """Give how many rows of a stream, or of a ring file, were not taken."""
    return sum(map(waiting_in_file, rings_of(path)))


class Taken(NamedTuple):
    """Rows that a follower took.

    Attributes
    ----------
    about
        The ring file that they were in.
    sequence
        Of the first of them.
    rows
        Structured, 1 or more: an array of its own.
    missed
        How many rows before them were overwritten before they could be taken.
    """

    about: Description
    sequence: int
    rows: Array
    missed: int

    @property
    def is_numbers(self) -> bool:
        """Whether the rows are what their dtype says, and not objects that a queue has made bytes of."""
        return bool(self.about.notes.get("kind", NUMBERS) == NUMBERS)


class Follower:
    """The one reader of a stream, or of a ring file, that misses nothing: the writer waits for it.

    Parameters
    ----------
    path
        The folder of the stream, which need not be there yet, or a ring file.
    notes
        What others may want to know of it, as JSON has it.
    policy
        What the writer does where it would have to wait; None: what it does anyway.
    resume
        For ring files by their identity, the sequence to begin with; others begin with what was not taken.
    """

    __slots__ = (
        "__weakref__",
        "_file",
        "_is_fresh",
        "_keep_without",
        "_lock",
        "_missed",
        "_next",
        "_policy",
        "_resume",
        "_token",
        "path",
    )

    def __init__(
        self,
        path: Path,
        notes: Mapping[str, Any] | None = None,
        *,
        policy: int | None = None,
        resume: Mapping[str, int] | None = None,
    ) -> None:
        self.path = path
        self._policy = policy
        self._resume = resume or {}
        self._file: RingFile | None = None
        self._next = 0
        self._missed = 0
        self._is_fresh = False
        # What becomes of the oldest row when nobody follows.
        self._keep_without = counters_of.OVERWRITE
        if path.is_file() or path.suffix == ".ring":
            alone = RingFile.open(path)
            self._token = alone.follower_file
        else:
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._token = path / "follower"
        self._lock = self._take_lock()
        os.ftruncate(self._lock.number, 0)
        os.pwrite(self._lock.number, json.dumps({"process": os.getpid(), **(notes or {})}).encode(), 0)

    def _take_lock(self) -> system.Lock:
        """Be the only follower."""
        while True:
            try:
                number = os.open(self._token, os.O_RDWR | os.O_CREAT, 0o600)
            except FileNotFoundError:  # another process has just cleaned up
                self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
                continue
            lock = system.Lock.take(number)
            if lock is None:
                raise RingBusyError(
                    f"{self.path}: expected one process that takes the rows, found a second: only one can, since each "
                    "row is taken once"
                )
            if system.is_same_file(lock.number, self._token):
                return lock
            lock.release()

    # Rows -----------------------------------------------------------------------------------------------------

    def take(self, most: int) -> Taken | None:
        """Give the oldest rows that were not taken, ``most`` at most, all of one ring; None: there are none now.

        They count as taken when `done` is called.
        """
        while True:
            file = self._file if self._file is not None else self._open_next()
            if file is None:
                return None
            # First what is said, then what is there: all rows come before the word that no more do.
            ended = file.ended
            found = self._rows(file, most)
            if found is not None:
                return found
            if ended != counters_of.CONTINUED:
                return None
            self._leave(file)

    def _rows(self, file: RingFile, most: int) -> Taken | None:
        block = file.block
        while (written := counters_of.look(block.counters, counters_of.WRITTEN)) > self._next:
            first = max(self._next, block.trimmed)
            last = min(written, first + most)
            if last <= first:  # all of it was overwritten just now
                continue
            rows = np.empty(last - first, block.dtype)
            whole = counters_of.copy_rows(
                block.counters, block.bytes, block.capacity, block.row_bytes, first, last, rows.view(np.uint8)
            )
            missed = 0 if self._is_fresh else whole - self._next
            if whole < last:
                self._is_fresh = False
                self._next, self._missed = last, self._missed + missed
                return Taken(file.about, whole, rows[whole - first :], missed)
        return None

    def done(self, sequence: int | None = None) -> None:
        """Let the writer have the rows that were given; ``sequence``: only those before it."""
        file = self._file
        if file is None:
            return
        counters_of.take(file.block.counters, self._next if sequence is None else sequence, self._missed)
        self._missed = 0
        if self._sets_policy(file) and file.block.keep == counters_of.OVERWRITE:
            # Nobody followed before, or it had fallen behind, or was taken for dead.
            file.block.counters[counters_of.KEEP] = counters_of.TAKEN_ONLY

    def _sets_policy(self, file: RingFile) -> bool:
        """Say whether the follower decides what the writer does; never that of a queue, which loses nothing."""
        return self._policy is not None and file.block.counts[counters_of.POLICY] != counters_of.REFUSE

    @property
    def notes(self) -> dict[str, Any]:
        """What the writer has noted in the ring that rows are taken from now."""
        return {} if self._file is None else self._file.about.notes

    @property
    def counts(self) -> memoryview:
        """The counters of the ring that rows were taken from last; for who says one by one that they are taken."""
        return self._file.block.counts  # type: ignore[union-attr]

    def rewind(self, sequence: int) -> None:
        """Give the rows from a sequence on again; they were not called done."""
        self._next = sequence

    def tell(self, trouble: int) -> None:
        """Say what keeps rows from being taken: an errno, or 0."""
        if self._file is not None:
            self._file.block.counters[counters_of.TROUBLE] = trouble

    def _open_next(self) -> RingFile | None:
        """Open the oldest ring that is there."""
        for path in rings_of(self.path):
            file = RingFile.open(path, writable=True)
            counters = file.block.counters
            start = self._resume.get(file.about.identity, counters_of.look(counters, counters_of.TAKEN))
            if not file.ended:
                counters[counters_of.HALTED] = 0  # of a follower before this one
            keep_before = file.block.keep
            if self._policy is not None and self._sets_policy(file):
                if file.block.keep != counters_of.TAKEN_ONLY:
                    self._keep_without = file.block.keep
                counters[counters_of.POLICY] = self._policy
                counters_of.take(counters, start, 0)
                if file.block.trimmed <= start:
                    counters[counters_of.KEEP] = counters_of.TAKEN_ONLY
            # Rows that went before anybody followed were not missed; those of a stream wait from the first one on.
            is_alone = "segment" not in file.about.notes and file.about.identity not in self._resume
            self._is_fresh = is_alone and keep_before == counters_of.OVERWRITE
            self._file, self._next = file, start
            return file
        return None

    def _leave(self, file: RingFile) -> None:
        """Take away a ring that all rows were taken from."""
        self.done()
        file.remove()
        self._file = None

    # Ending ---------------------------------------------------------------------------------------------------

    def writer_is_gone(self) -> bool:
        """Say whether no more rows come: the writer has closed the stream, or died. Ask before `take` finds nothing."""
        file = self._file
        if file is None:
            there = rings_of(self.path)
            return bool(there) and not any(map(system.is_locked, there)) and _ended(there[-1])
        return file.ended != counters_of.CONTINUED and not file.is_written()

    def was_closed(self) -> bool:
        """Say whether the writer ended by closing."""
        return self._file is not None and self._file.ended == counters_of.CLOSED

    def refuse(self) -> None:
        """Let the writer know that nobody takes rows any more."""
        for path in rings_of(self.path):
            with contextlib.suppress(MissingFileError):
                counters_of.say(RingFile.open(path, writable=True).block.counters, counters_of.HALTED, 1)

    def leave(self) -> None:
        """Take no more rows, like one that died: a writer that has to wait learns that nobody takes them."""
        self._file = None
        self._lock.release()

    def close(self, remove: bool = False) -> None:
        """Take no more rows; ``remove``: take away the rings, too."""
        if self._lock.number < 0:
            return
        if self._file is not None and self._sets_policy(self._file):
            self._file.block.counters[counters_of.KEEP] = self._keep_without
        self._file = None
        if remove:
            for path in rings_of(self.path):
                system.remove(path)
        system.remove(self._token)
        self._lock.release()
        if remove:
            remove_folder(self.path)


def remove_if_done(path: Path) -> None:
    """Take away what is left of a stream that nobody uses any more, unless there are rows that nobody took."""
    if not path.is_dir() or _is_in_use(path):
        return
    was_followed = (path / "follower").exists()
    try:
        last = Follower(path)
    except RingBusyError:
        return
    # Once more: a ring is locked from when it can be seen, so none that was just begun is taken away.
    if not _is_in_use(path):
        last.close(remove=True)
    elif was_followed:
        last.leave()
    else:
        last.close()


def _is_in_use(path: Path) -> bool:
    """Say whether a stream has rows that nobody took, or may get some."""
    return any(map(system.is_locked, rings_of(path))) or waiting_in(path) > 0


def _ended(path: Path) -> bool:
    try:
        return not RingFile.open(path).is_written()
    except MissingFileError:
        return False


def remove_folder(path: Path) -> None:
    """Take away the folder of a stream that has nothing in it any more."""
    try:
        path.rmdir()
    except (FileNotFoundError, NotADirectoryError):
        return
    except OSError as error:
        # Somebody has put a ring there meanwhile.
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
            raise RingFileError(error.errno, f"expected a folder to take away: {error.strerror}", str(path)) from error


def follower_notes(path: Path) -> dict[str, Any] | None:
    """Give what the follower of a stream or of a ring file has noted; None where there was none."""
    there = rings_of(path)
    token = (
        path / "follower" if path.is_dir() else follower_file(path, RingFile.open(path).about.notes if there else {})
    )
    try:
        text = token.read_text()
    except FileNotFoundError:
        return None
    found: dict[str, Any] = json.loads(text) if text else {}
    return found


def leave_all(folder: Path, ends: list[StreamWriter | Follower]) -> None:
    """Leave nothing behind at the end of a process, or of its queue, but rows that nobody took."""
    for end in ends:
        if isinstance(end, Follower):
            end.leave()
        else:
            end.close()
    remove_if_done(folder)
