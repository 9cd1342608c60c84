r"""Ring files: a block whose bytes lie in a file that other processes map.

Belongs here: the format of the file, its one writer, the follower that its writer waits for. May not be here: what a
row means, and anything that only one operating system does (``system``).

The format, version 1. A file is ``head_bytes + 2 * capacity * row_bytes`` bytes long, in the byte order of its machine:

========== =========================================================================================================
byte 0     magic ``\x93RINGACC``, version (uint32), 0x01020304 (uint32, tells the byte order), head_bytes, capacity,
           row_bytes (uint64), length and CRC-32 of the text (uint32), id (16 random bytes)
byte 64    the writer: process (int64), seconds since 1970 when it began (float64), machine (UTF-8)
byte 512   the counters, int64, as ``kernels.rows`` has them
byte 1024  the text: JSON with "dtype" (as in NumPy's npy files), "units" by column, and "notes"
head_bytes the rows, each twice; 4096, or more where the text is longer than a page
========== =========================================================================================================

The head, but for the writer and the counters, never changes. A file is made under another name, written, locked, and
put in place: whoever sees it sees all of it.
"""

from __future__ import annotations

import ast
import json
import os
import stat
import struct
import threading
import time
import warnings
import weakref
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.lib import format as npy

from . import system
from .block import COUNTERS_BYTES, Array, Block, checked_capacity
from .errors import (
    CapacityError,
    MissingFileError,
    QueueClosedError,
    RecorderWarning,
    RingBusyError,
    RingClosedError,
    RingExistsError,
    RingFileError,
    RingFormatError,
    RingFullError,
    RingSpaceError,
    SchemaError,
)
from .kernels import rows as counters_of

__all__ = [
    "Description",
    "Patience",
    "RingFile",
    "dtype_of_text",
    "dtype_text",
    "follower_file",
    "path_of",
    "waiting_in_file",
]

VERSION = 1
_MAGIC = b"\x93RINGACC"
_ORDER = 0x01020304
_HEAD = struct.Struct("=8sIIQQQII16s")
_WRITER = struct.Struct("=qd112s")
_WRITER_AT, _COUNTERS_AT, _TEXT_AT, _PAGE = 64, 512, 1024, 4096

_NAP = 0.0002  # between two looks whether there is room
_LOOK = 0.25  # between two looks whether the follower is alive
_GRACE = 10.0  # that a recorder that has died is waited for: another one is started within two seconds


class Description(NamedTuple):
    """What the head of a ring file says.

    Attributes
    ----------
    dtype
        Of a row, "t" first.
    capacity
        Rows.
    units
        By column; columns without one are left out.
    notes
        What who made it wants known, as JSON has it.
    identity
        Hexadecimal: no two files have the same.
    """

    dtype: np.dtype[Any]
    capacity: int
    units: dict[str, str]
    notes: dict[str, Any]
    identity: str


def path_of(path: str | os.PathLike[str]) -> Path:
    """Give the path of a ring: a bare name is one in the folder for rings, and ".ring" is added."""
    found = Path(path)
    if not found.name:
        raise RingFileError(f"expected the name of a ring file, found {os.fspath(path)!r}")
    if found.parent == Path() and not os.fspath(path).startswith("."):
        found = system.rings_folder() / found
    return found if found.suffix == ".ring" else found.with_name(f"{found.name}.ring")


def follower_file(path: Path, notes: Mapping[str, Any]) -> Path:
    """Give the file that the follower of a ring holds locked; one for all rings of a stream."""
    return path.with_name("follower" if "segment" in notes else f"{path.name}.follower")


class Patience:
    """How long to wait: naps until a time is over."""

    __slots__ = ("_end", "_nap")

    def __init__(self, seconds: float | None = None, nap: float = _NAP) -> None:
        self._end = None if seconds is None else time.monotonic() + seconds
        self._nap = nap

    def nap(self) -> bool:
        """Sleep for a moment; give False, at once, when the time is over."""
        left = self._nap if self._end is None else min(self._nap, self._end - time.monotonic())
        if left <= 0:
            return False
        time.sleep(left)
        return True


def waiting_in_file(path: Path) -> int:
    """Give how many rows of a ring file its follower has not taken; 0 where it is gone.

    From the counters alone. The garbage collector may ask, in the middle of anything: `ast.literal_eval`, which the
    head is read with, must not be called while it runs (https://github.com/python/cpython/issues/106905).
    """
    try:
        number = system.open_file(path, False)
    except FileNotFoundError:
        return 0
    try:
        memory = system.map_bytes(number, _COUNTERS_AT + COUNTERS_BYTES, writable=False)
    finally:
        os.close(number)
    counts = memory[_COUNTERS_AT:].view(np.int64)
    return max(int(counts[counters_of.WRITTEN] - counts[counters_of.TAKEN]), 0)


def dtype_text(dtype: np.dtype[Any]) -> str:
    """Spell a dtype as NumPy's npy files do."""
    return repr(npy.dtype_to_descr(dtype))


def dtype_of_text(text: str) -> np.dtype[Any]:
    """Give the dtype that is spelled so."""
    made: np.dtype[Any] = npy.descr_to_dtype(ast.literal_eval(text))
    return made


# The head ---------------------------------------------------------------------------------------------------------


def _text_of(dtype: np.dtype[Any], units: Mapping[str, str], notes: Mapping[str, Any]) -> bytes:
    names = dtype.names or ()
    if units.get("t", "s") != "s":
        raise SchemaError(f'expected times in seconds, "s", found the unit {units["t"]!r}: convert them')
    for name, unit in units.items():
        if name not in names or not isinstance(unit, str):
            raise SchemaError(f"expected units as text for the columns {names}, found {name!r}: {unit!r}")
    try:
        made = {"dtype": dtype_text(dtype), "units": dict(units), "notes": dict(notes)}
        return json.dumps(made, ensure_ascii=False).encode()
    except ValueError as error:  # fields that overlap or lie out of order, or half a character
        raise SchemaError(f"expected fields one behind the other and units in text, found {error}") from error


def _read_head(memory: Array, path: Path) -> tuple[Description, int]:
    """Give what the first bytes of a file say, and how many of them are the head."""
    magic, version, order, head_bytes, capacity, row_bytes, length, checksum, identity = _HEAD.unpack_from(
        memory[: _HEAD.size].tobytes()
    )
    if magic != _MAGIC:
        raise RingFormatError(f"{path}: expected a ring file, found one of another kind")
    if order != _ORDER:
        raise RingFormatError(f"{path}: expected a ring file of this machine, found one of the other byte order")
    if version != VERSION:
        raise RingFormatError(
            f"{path}: expected a ring file of version {VERSION}, found version {version}: use the version of ringacc "
            "that wrote it"
        )
    text = memory[_TEXT_AT : _TEXT_AT + length].tobytes()
    if len(text) < length or zlib.crc32(text) != checksum:
        raise RingFormatError(f"{path}: expected the head of a ring file, found a damaged one")
    said = json.loads(text)
    dtype = dtype_of_text(said["dtype"])
    if dtype.itemsize != row_bytes:
        raise RingFormatError(f"{path}: expected rows of {row_bytes} bytes, found {dtype}: the head is damaged")
    return Description(dtype, capacity, said["units"], said["notes"], identity.hex()), head_bytes


# Files ------------------------------------------------------------------------------------------------------------


class RingFile:
    """An open ring file; made by `create`, `take_over` (both for its one writer) and `open`.

    Attributes
    ----------
    path
        Where it is.
    about
        What its head says.
    block
        The counters and rows in it.
    is_writer
        Whether this process may write rows.
    when_over
        What is called when it may not any more.
    """

    __slots__ = (
        "__weakref__",
        "_is_lost",
        "_is_watched",
        "_lock",
        "_lost_since",
        "_memory",
        "about",
        "block",
        "is_writer",
        "path",
        "when_over",
    )

    def __init__(self, path: Path, about: Description, memory: Array, head_bytes: int) -> None:
        self.path = path
        self.about = about
        self._memory = memory
        self.block = Block(about.capacity, about.dtype, memory[_COUNTERS_AT:], head_bytes - _COUNTERS_AT)
        self.is_writer = False
        self.when_over: list[weakref.WeakMethod[Callable[[], object]]] = []
        self._is_watched = self._is_lost = False
        self._lost_since: float | None = None
        self._lock: system.Lock | None = None

    def _take_lock(self, path: Path) -> bool:
        """Be the writer of the file that is at a path now, if it is this one and nobody else is.

        The lock is on an open file of its own: the map has one, too, which lives as long as any view.
        """
        self._lock = system.Lock.take(system.open_file(path, True), self._lose)
        self.is_writer = self._lock is not None
        return self.is_writer

    @classmethod
    def create(
        cls,
        path: Path,
        capacity: int,
        dtype: np.dtype[Any],
        units: Mapping[str, str] | None = None,
        notes: Mapping[str, Any] | None = None,
    ) -> RingFile:
        """Make a new file, for this process to write."""
        capacity = checked_capacity(capacity)
        if capacity == 0:
            raise CapacityError("expected a ring file of 1 row or more, found a capacity of 0")
        text = _text_of(dtype, units or {}, notes or {})
        head_bytes = -(-(_TEXT_AT + len(text)) // _PAGE) * _PAGE
        identity = os.urandom(16)
        part = path.with_name(f".{path.name}.{os.getpid()}-{identity[:4].hex()}.part")
        size = head_bytes + 2 * capacity * dtype.itemsize
        try:
            number = system.create(part, size)
        except FileNotFoundError as error:
            raise MissingFileError(f"expected a folder to make a ring in, found no {path.parent}: make it") from error
        except RingSpaceError:
            raise
        except OSError as error:
            raise RingFileError(
                error.errno, f"expected a ring file that can be made: {error.strerror}", str(path)
            ) from error
        head = _HEAD.pack(
            _MAGIC, VERSION, _ORDER, head_bytes, capacity, dtype.itemsize, len(text), zlib.crc32(text), identity
        )
        try:
            try:
                memory = system.map_bytes(number, size, writable=True)
            finally:
                os.close(number)
            _put(memory, 0, head)
            _put(memory, _TEXT_AT, text)
            about = Description(dtype, capacity, dict(units or {}), dict(notes or {}), identity.hex())
            made = cls(path, about, memory, head_bytes)
            made._take_lock(part)
            made._sign()
            system.put_in_place(part, path)
        except BaseException as error:
            system.remove(part)
            if isinstance(error, FileExistsError):
                raise _exists(path) from error
            raise
        return made

    @classmethod
    def open(cls, path: Path, writable: bool = False) -> RingFile:
        """Open a file to read rows; ``writable``: and to be its follower."""
        number = _opened(path, writable)
        try:
            return cls(path, *_mapped(number, path, writable))
        finally:
            os.close(number)

    @classmethod
    def take_over(cls, path: Path) -> RingFile:
        """Open a file whose writer is gone, for this process to write on."""
        made = cls.open(path, writable=True)
        if not made._take_lock(path):
            raise RingBusyError(
                f"{path}: expected a ring that nobody writes, found one whose writer (process {made.writer[0]}) is "
                "alive: open it to read, or end the writer"
            )
        if cls.open(path).about.identity != made.about.identity:  # it was removed, and made anew, just now
            made.close()
            return cls.take_over(path)
        made._repair()
        made._sign()
        return made

    @property
    def units(self) -> dict[str, str]:
        """The units of the columns, that of "t" included."""
        return {"t": "s", **self.about.units}

    def remove(self) -> None:
        """Take the file away, if it is there still, and what a follower that died has left beside it."""
        if not self._is_in_place():
            return
        system.remove(self.path)
        if "segment" not in self.about.notes:
            system.remove(self.follower_file)

    # The writer -----------------------------------------------------------------------------------------------

    @property
    def writer(self) -> tuple[int, float, str]:
        """Process, start (seconds since 1970) and machine of who writes, or wrote last."""
        process, began, machine = _WRITER.unpack(self._memory[_WRITER_AT : _WRITER_AT + _WRITER.size].tobytes())
        return process, began, machine.rstrip(b"\0").decode(errors="replace")

    def is_written(self) -> bool:
        """Say whether a live process writes it."""
        return self.is_writer or (self.ended == 0 and system.is_locked(self.path) and self._is_in_place())

    def _is_in_place(self) -> bool:
        """Say whether its path still names this file, and not one that was made after somebody took this one away."""
        try:
            with open(self.path, "rb") as file:
                head = file.read(_HEAD.size)
        except FileNotFoundError:
            return False
        return head[-16:].hex() == self.about.identity

    @property
    def ended(self) -> int:
        """What the writer has said last: ENDED of ``kernels.rows``."""
        # In order: who hears that no more rows come has to find all that came before.
        return int(counters_of.look(self.block.counters, counters_of.ENDED))

    def end(self, how: int = counters_of.CLOSED) -> None:
        """Say that no more rows come; the last one is in."""
        if self.is_writer:
            counters_of.say(self.block.counters, counters_of.ENDED, how)

    def close(self) -> None:
        """Stop writing; the file stays."""
        if self.is_writer:
            # Compiled loops that still have the ring's handle ask here; who takes it over takes it back.
            counters_of.say(self.block.counters, counters_of.HALTED, 1)
        self._stop()
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    def _lose(self) -> None:
        """Be a file of the parent's, in a forked child."""
        self._is_lost = True
        self._stop()

    def _stop(self) -> None:
        self.is_writer = False
        for reference in self.when_over:
            stop = reference()
            if stop is not None:
                stop()

    def _sign(self) -> None:
        """Say who writes."""
        machine = system.host().encode()[:112]
        _put(self._memory, _WRITER_AT, _WRITER.pack(os.getpid(), time.time(), machine))

    def _repair(self) -> None:
        """Make whole what a writer that was killed in the middle of a row has left."""
        counters = self.block.counters
        counters[counters_of.HALTED] = counters[counters_of.ENDED] = 0
        # Of a block longer than the ring, rows are counted as gone that have not come.
        counters[counters_of.TRIMMED] = min(self.block.trimmed, self.block.written)
        # It may be that of a row that never came. After a NaN, no step is counted.
        newest = self.block.last(1)["t"][0] if len(self.block) else np.nan
        counters.view(np.float64)[counters_of.LAST_TIME] = newest

    # Room -----------------------------------------------------------------------------------------------------

    @property
    def follower_file(self) -> Path:
        """The file that the follower holds locked, and that it takes away when it ends as it should."""
        return follower_file(self.path, self.about.notes)

    def has_lost_its_follower(self) -> bool:
        """Say whether a follower was there, and died.

        One that begins makes its file before it locks it, and notes something in it after; one that ends takes it away
        before it unlocks it.
        """
        token = self.follower_file
        return _size_of(token) > 0 and not system.is_locked(token) and _size_of(token) > 0

    @property
    def is_a_queue(self) -> bool:
        """Whether its rows are for one consumer, and none of them may be lost."""
        return self.block.counts[counters_of.POLICY] == counters_of.REFUSE

    @property
    def taken(self) -> int:
        """Rows that the follower has taken."""
        return self.block.counts[counters_of.TAKEN]

    @property
    def missed(self) -> int:
        """Rows that were overwritten before the follower took them."""
        return self.block.counts[counters_of.MISSED]

    @property
    def trouble(self) -> int:
        """What keeps the follower from putting rows away: an errno, or 0."""
        return self.block.counts[counters_of.TROUBLE]

    def has_follower(self) -> bool:
        """Say whether a live process takes the rows."""
        return system.is_locked(self.follower_file)

    def make_room(self, count: int, patience: Patience | None = None) -> None:
        """Wait until ``count`` more rows have room, or raise; the guard of the ring's appender."""
        patience = Patience() if patience is None else patience
        looked = time.monotonic()
        while not self._may_put(count):
            if self.block.counts[counters_of.POLICY] == counters_of.DROP:
                self._overwrite("does not keep up")
            elif time.monotonic() - looked > _LOOK:
                looked = time.monotonic()
                self._look_for_follower()
            elif not patience.nap():
                raise self._full(count)

    def check(self) -> None:
        """Raise where no row may be put in any more."""
        if not self.is_writer:
            raise RingClosedError(
                f"{self.path}: expected an open ring that this process writes, found "
                f"{'that of the process this one was forked from' if self._is_lost else 'one that is closed'}: nothing "
                "was written"
            )
        if self.block.counts[counters_of.HALTED]:
            raise QueueClosedError(
                "expected somebody who takes the rows, found that nobody does any more: nothing was written; what was "
                f"put in and not taken is in {self.path}"
            )

    def _may_put(self, count: int) -> bool:
        """Say whether rows have room now; raise where they never will."""
        self.check()
        block = self.block
        if block.has_room(count):
            return True
        if block.keep == counters_of.NEVER:
            raise self._full(count)
        return False

    def _full(self, count: int) -> RingFullError:
        return RingFullError(
            f"expected room for {count} more, found {len(self.block)} of {self.block.capacity} slots taken: nothing "
            "was written"
        )

    def _look_for_follower(self) -> None:
        """Do what the policy says where the follower has died."""
        counters = self.block.counters
        if self.block.keep != counters_of.TAKEN_ONLY or not self.has_lost_its_follower():
            self._lost_since = None
        elif self.block.counts[counters_of.POLICY] == counters_of.REFUSE:
            counters_of.say(counters, counters_of.HALTED, 1)
        elif self._lost_since is None:
            self._lost_since = time.monotonic()
        elif time.monotonic() - self._lost_since > _GRACE:
            self._overwrite("has ended")

    def _overwrite(self, reason: str) -> None:
        """Overwrite rows that were not taken from now on, and say so once."""
        counts = self.block.counts
        self.block.counters[counters_of.KEEP] = counters_of.OVERWRITE
        waiting = min(counts[counters_of.WRITTEN] - counts[counters_of.TAKEN], self.block.capacity)
        warnings.warn(
            f"{self.path}: the recorder {reason}: {waiting} rows wait in a ring of {self.block.capacity}, and from now "
            "on the oldest are overwritten; health().missed counts them",
            RecorderWarning,
            stacklevel=2,
        )

    def watch(self) -> None:
        """Look for the follower from a thread, for a compiled loop that waits for room and cannot."""
        if not self._is_watched:
            self._is_watched = True
            threading.Thread(target=_watch, args=(weakref.ref(self),), daemon=True, name="ringacc-watch").start()


def _watch(reference: weakref.ref[RingFile]) -> None:
    """Look for the follower of a file for as long as it is written."""
    while True:
        time.sleep(_LOOK)
        file = reference()
        if file is None or not file.is_writer:
            return
        file._look_for_follower()
        del file


def _size_of(path: Path) -> int:
    """Give the bytes of a file; 0 where it is not there."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _put(memory: Array, at: int, what: bytes) -> None:
    memory[at : at + len(what)] = np.frombuffer(what, np.uint8)


def _opened(path: Path, writable: bool) -> int:
    try:
        return system.open_file(path, writable)
    except FileNotFoundError as error:
        beside = sorted(found.name for found in path.parent.glob("*.ring"))
        there = f"there are {', '.join(beside[:10])}" if beside else "no ring lies there"
        raise MissingFileError(f"expected a ring file, found no {path}: {there}") from error
    except IsADirectoryError as error:
        raise RingFormatError(f"{path}: expected a ring file, found a folder") from error
    except OSError as error:
        raise RingFileError(
            error.errno, f"expected a ring file that can be read: {error.strerror}", str(path)
        ) from error


def _mapped(number: int, path: Path, writable: bool) -> tuple[Description, Array, int]:
    """Give what an open file says it is, its bytes, and the length of its head."""
    about_file = os.fstat(number)
    if stat.S_ISDIR(about_file.st_mode):
        raise RingFormatError(f"{path}: expected a ring file, found a folder")
    size = about_file.st_size
    if size < _PAGE:
        raise RingFormatError(f"{path}: expected a ring file, found {size} bytes")
    memory = system.map_bytes(number, size, writable)
    about, head_bytes = _read_head(memory, path)
    wanted = head_bytes + 2 * about.capacity * about.dtype.itemsize
    if size != wanted:
        raise RingFormatError(f"{path}: expected {wanted} bytes, found {size}: the file has been cut")
    return about, memory, head_bytes


def _exists(path: Path) -> RingExistsError:
    if system.is_locked(path):
        return RingExistsError(
            f"{path}: expected no ring there yet, found one that a live process writes: choose another name"
        )
    return RingExistsError(
        f"{path}: expected no ring there yet, found one whose writer is gone: take it over, save its rows with "
        "`ringacc recover`, or remove it"
    )


assert _COUNTERS_AT + COUNTERS_BYTES <= _TEXT_AT  # what the format's table says
