"""Files that are whole or not there.

Belongs here: the one way in which the package puts a file on the disk. May not be here: what is in the file. Standard
library only.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import IO

__all__ = ["replacing"]

# Longer than anybody pauses between two writes: whoever began this temporary file is gone.
_ABANDONED_SECONDS = 60.0


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[IO[bytes]]:
    """Open a new file that takes the place of ``path`` once all of it is on the disk, or vanishes.

    Readers, and a next start after a crash, find the old file or the new one. Of a process that is killed meanwhile, a
    hidden file that ends in ``.part`` is left, which the next write of the same file removes. Raises OSError.
    """
    # A link stays a link: what it points to is replaced.
    path = Path(os.path.realpath(path))
    part = path.with_name(f".{path.name}.{os.getpid()}-{os.urandom(4).hex()}.part")
    try:
        with open(part, "xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        _remove_abandoned(path, part)
        os.replace(part, path)
    except BaseException:
        with contextlib.suppress(OSError):  # the error that is under way says more
            part.unlink(missing_ok=True)
        raise
    if os.name == "posix":  # elsewhere a folder cannot be opened, and needs no flush of its own
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _remove_abandoned(path: Path, part: Path) -> None:
    """Remove what killed processes left of this file, long ago by the folder's own clock."""
    now = part.stat().st_mtime
    with os.scandir(path.parent) as entries:
        others = [entry for entry in entries if _is_part_of(entry.name, path.name)]
    for other in others:
        with contextlib.suppress(OSError):  # another process cleans up as well, or it is not ours to remove
            if now - other.stat().st_mtime > _ABANDONED_SECONDS:
                os.unlink(other)


def _is_part_of(name: str, whole: str) -> bool:
    """Say whether a file is a temporary one of another: its name, a process and a random number."""
    return name.startswith(f".{whole}.") and name.endswith(".part") and "." not in name[len(whole) + 2 : -len(".part")]
