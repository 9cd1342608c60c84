"""What every operating system does in its own way: files that are mapped, locked, and put in place.

Belongs here: the folder that rings lie in, files of a fixed size that exist whole or not at all, maps of them, locks
that end with their process, and what is to happen in a forked child. May not be here: what is in a file. Standard
library and NumPy only; everything that was run on Linux alone is in this room.
"""

from __future__ import annotations

import contextlib
import errno
import mmap
import os
import socket
import tempfile
import time
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from .errors import RingFileError, RingSpaceError

__all__ = [
    "Lock",
    "create",
    "host",
    "is_locked",
    "is_same_file",
    "map_bytes",
    "open_file",
    "put_in_place",
    "remove",
    "rings_folder",
]

_MEMORY_FOLDER = Path("/dev/shm")
_O_BINARY = getattr(os, "O_BINARY", 0)
_PIECE = 1 << 20
# A look at a lock takes it for a microsecond, so one that is refused is asked for again.
_LOCK_TRIES = 20
_LOCK_PAUSE = 0.002


def rings_folder() -> Path:
    """Give the folder that ring files lie in by default, making it where it is not there.

    It is in a memory file system where the platform has one, so that the tracking loop never waits for a disk: a folder
    of the user's own in ``/dev/shm`` on Linux, else in the folder for temporary files. The environment variable
    ``RINGACC_RINGS`` names another.

    Returns
    -------
    pathlib.Path
        The folder; only its owner may look into it.

    Raises
    ------
    RingFileError
        The folder belongs to somebody else, or cannot be made.

    Notes
    -----
    Complexity: O(1).
    Allocates: nothing.
    Valid: a plain value.
    Threads: any.

    Examples
    --------
    >>> import ringacc
    >>> ringacc.rings_folder().is_dir()
    True
    """
    named = os.environ.get("RINGACC_RINGS")
    if named:
        folder = Path(named)
    else:
        user = str(os.getuid()) if hasattr(os, "getuid") else os.environ.get("USERNAME", "user")
        in_memory = _MEMORY_FOLDER.is_dir() and os.access(_MEMORY_FOLDER, os.W_OK)
        folder = (_MEMORY_FOLDER if in_memory else Path(tempfile.gettempdir())) / f"ringacc-{user}"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not named and hasattr(os, "getuid") and folder.stat().st_uid != os.getuid():
            raise PermissionError(errno.EPERM, "it belongs to another user")
    except OSError as error:
        raise RingFileError(
            f"expected a folder for rings that can be written to, found {folder}: {error.strerror or error}; name "
            "another with the environment variable RINGACC_RINGS"
        ) from error
    return folder


# Files ------------------------------------------------------------------------------------------------------------


def create(path: Path, size: int) -> int:
    """Make a new file of ``size`` bytes, all zero and all on the device, and give its descriptor.

    A device without the room gives RingSpaceError here, where a file with holes would end the process with SIGBUS at
    some later row. FileExistsError, or another OSError, where the file cannot be made.
    """
    number = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | _O_BINARY, 0o600)
    try:
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(number, 0, size)
        else:  # pragma: no cover - macOS and Windows: not run here
            missing = size
            while missing > 0:  # a device that is nearly full takes a part, and refuses the rest
                missing -= os.write(number, bytes(min(_PIECE, missing)))
    except BaseException as error:
        os.close(number)
        path.unlink()
        # OverflowError: more bytes than any file has.
        why = errno.EFBIG if isinstance(error, OverflowError) else getattr(error, "errno", None)
        if why in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.ENOMEM):
            raise RingSpaceError(
                why,
                f"expected room for a ring file of {size / 2**20:.1f} MiB, found {os.strerror(why)}: nothing was made; "
                "use a smaller capacity, or make room",
                str(path),
            ) from error
        raise
    return number


def put_in_place(part: Path, path: Path) -> None:
    """Give a file that is whole its name; FileExistsError where the name is taken."""
    if hasattr(os, "link"):
        try:
            os.link(part, path)
        except OSError as error:
            if error.errno not in (errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS):
                raise
        else:
            part.unlink()
            return
    if os.name != "nt" and path.exists():  # where files have no links, as on FAT
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path))
    part.rename(path)  # on Windows, an error where the name is taken


def remove(path: Path) -> None:
    """Take away a file, if it is there; who has it open keeps what is in it."""
    try:
        path.unlink(missing_ok=True)
    except PermissionError:
        # Windows does not remove what somebody has open. It is listed as stale, and cleaned, later.
        if os.name != "nt":
            raise


class _Readable:
    """Memory that nobody here writes to, as what kernels take: an array that says it may be written to."""

    def __init__(self, memory: np.ndarray[Any, Any]) -> None:
        self._memory = memory
        self.__array_interface__ = {
            "data": (memory.ctypes.data, False),
            "shape": memory.shape,
            "typestr": "|u1",
            "version": 3,
        }


def map_bytes(number: int, size: int, writable: bool) -> np.ndarray[Any, Any]:
    """Give the bytes of an open file as an array, shared with every process that maps it.

    An array that is not ``writable`` says that it is, for the kernels' sake: to write to it ends the process. The map
    lives as long as any view of it. The file must be ``size`` bytes long.
    """
    if hasattr(mmap, "MAP_SHARED"):
        protection = mmap.PROT_READ | (mmap.PROT_WRITE if writable else 0)
        # All pages now, where the system can: the loop would wait a microsecond for each.
        populate = getattr(mmap, "MAP_POPULATE", 0) if writable else 0
        memory = mmap.mmap(number, size, flags=mmap.MAP_SHARED | populate, prot=protection)
    else:  # pragma: no cover - Windows: not run here
        memory = mmap.mmap(number, size, access=mmap.ACCESS_WRITE if writable else mmap.ACCESS_READ)
    # Not np.ndarray(buffer=...), which would not keep the map from being closed under it.
    found = np.frombuffer(memory, np.uint8)
    return found if writable else np.asarray(_Readable(found))


def host() -> str:
    """Give the name of this machine."""
    return socket.gethostname()


# Locks ------------------------------------------------------------------------------------------------------------


def _try_lock(number: int, shared: bool = False) -> bool:
    """Lock an open file for this process alone, if nobody else has; ``shared``: with others that look."""
    try:
        if os.name == "nt":  # pragma: no cover - not run here
            import msvcrt

            # A byte that no file is long enough to have: on Windows nobody else can read what is locked.
            os.lseek(number, 0x7FFFFFF0, os.SEEK_SET)
            msvcrt.locking(number, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
        else:
            import fcntl

            # Not a lock of fcntl's own: any close of the file in the same process would end that one.
            fcntl.flock(number, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return False
    return True


class Lock:
    """A lock on a file that its holder keeps until it releases it or its process ends, however it ends.

    A child that is forked does not hold it, nor keep it when the parent is gone.

    Parameters
    ----------
    number
        The descriptor of the open file, which the lock owns from now on.
    lost
        What to call in a forked child, which does not hold the lock.
    """

    __slots__ = ("__weakref__", "_lost", "number")

    def __init__(self, number: int, lost: Callable[[], None] | None = None) -> None:
        self.number = number
        # Not the object that holds the lock, which would then live as long.
        self._lost = None if lost is None else weakref.WeakMethod(lost)

    @classmethod
    def take(cls, number: int, lost: Callable[[], None] | None = None) -> Lock | None:
        """Lock an open file; None, and the file is closed, where somebody else holds it."""
        for _ in range(_LOCK_TRIES):
            if _try_lock(number):
                lock = cls(number, lost)
                _HELD.add(lock)
                return lock
            time.sleep(_LOCK_PAUSE)
        os.close(number)
        return None

    def release(self) -> None:
        """Give the lock back."""
        if self.number >= 0:
            os.close(self.number)
            self.number = -1

    def _forget(self) -> None:
        """In a forked child: let go of the descriptor, which alone does not end the parent's lock."""
        self.release()
        lost = None if self._lost is None else self._lost()
        if lost is not None:
            lost()

    def __del__(self) -> None:
        self.release()


_HELD: weakref.WeakSet[Lock] = weakref.WeakSet()


def _forget_locks() -> None:
    for lock in list(_HELD):
        if lock.number >= 0:
            lock._forget()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_locks)


def is_locked(path: Path) -> bool:
    """Say whether a live process holds the lock on a file; False where the file is not there."""
    try:
        number = os.open(path, os.O_RDONLY | _O_BINARY)
    except FileNotFoundError:
        return False
    try:
        # Shared, or two that look at the same moment would take each other for a holder.
        return not _try_lock(number, shared=True)
    finally:
        os.close(number)


def open_file(path: Path, writable: bool) -> int:
    """Open a file that is there."""
    return os.open(path, (os.O_RDWR if writable else os.O_RDONLY) | _O_BINARY)


def is_same_file(number: int, path: Path) -> bool:
    """Say whether a path still names the open file."""
    with contextlib.suppress(FileNotFoundError):
        return os.path.samestat(os.fstat(number), os.stat(path))
    return False
