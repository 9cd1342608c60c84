"""Where rings lie: which one is meant by a name or a path.

Belongs here: what commands and displays share that are told a ring by its name. May not be here: what they do with it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path

from .errors import MissingFileError, RingFileError
from .streams import rings_of
from .system import rings_folder

__all__ = ["is_ring", "located", "rings_in"]

_EXTENSIONS = (".ring", ".stream")
_MOST_NAMED = 10


def is_ring(path: Path) -> bool:
    """Say whether a path is a file, as a ring is, or the folder of a stream, whatever that is called."""
    if not path.is_dir():
        return path.is_file()
    return path.suffix == ".stream" or any(re.fullmatch(r"\d{6,}\.ring", ring.name) for ring in rings_of(path))


def rings_in(folder: Path) -> list[Path]:
    """Give the rings and streams that lie in a folder."""
    return sorted(path for extension in _EXTENSIONS for path in folder.glob(f"*{extension}") if is_ring(path))


def located(name: str) -> Path:
    """Give the ring file or the folder of a stream that is meant: by its path, or a name in the folder for rings.

    MissingFileError, which says what there is, where there is none; RingFileError where it may be one of two.
    """
    path = Path(name)
    is_bare = not os.path.dirname(name)
    found = _found([path, rings_folder() / path] if is_bare else [path])
    if len(found) > 1:
        raise RingFileError(
            f"expected one ring called {name}, found {found[0].absolute()} and {found[1]}: say by its path which one"
        )
    if found:
        return found[0]
    if path.suffix == ".recording" and path.is_dir():
        raise MissingFileError(f"expected a ring, found the recording {name}: save it with `ringacc recover {name}`")
    if path.is_dir():
        raise MissingFileError(f"expected a ring, found the folder {name}: {_said_of(path)}")
    if is_bare:
        raise MissingFileError(
            f"expected a ring, found no {name}, here or in {rings_folder()}: {_said_of(rings_folder())}"
        )
    raise MissingFileError(f"expected a ring, found no {name}: {_said_of(path.parent)}")


def _found(places: Sequence[Path]) -> list[Path]:
    """Give what has one of these names, extension added; a file without one only where there is nothing else."""
    found: list[Path] = []
    for place in places:
        if place.name:
            names = [place, *(place.with_name(place.name + extension) for extension in _EXTENSIONS)]
            found += sorted(filter(is_ring, names), key=lambda path: path.suffix not in _EXTENSIONS)[:1]
    found = list({path.resolve(): path for path in reversed(found)}.values())[::-1]
    return [path for path in found if path.suffix in _EXTENSIONS] or found[:1]


def _said_of(folder: Path) -> str:
    """Say which rings lie in a folder."""
    if not folder.is_dir():
        return f"there is no folder {folder}"
    there = [path.name for path in rings_in(folder)]
    if not there:
        return "there is no ring" if folder == rings_folder() else f"there is no ring in {folder}"
    more = "" if len(there) <= _MOST_NAMED else f", and {len(there) - _MOST_NAMED} more"
    return f"there are {', '.join(there[:_MOST_NAMED])}{more}" if len(there) > 1 else f"there is {there[0]}"
