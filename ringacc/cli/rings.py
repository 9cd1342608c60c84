"""Rings on the command line: which one is meant.

Belongs here: what ``record``, ``recover`` and ``inspect`` share. May not be here: what those commands do.
"""

from __future__ import annotations

from pathlib import Path

from ..errors import MissingFileError
from ..streams import rings_of
from ..system import rings_folder

__all__ = ["located"]


def located(name: Path) -> Path:
    """Give the ring file or the folder of a stream that is meant: by its path, or a name in the folder for rings."""
    places = [name] if name.parent != Path() else [name, rings_folder() / name]
    for place in places:
        for found in (place, place.with_name(f"{place.name}.ring"), place.with_name(f"{place.name}.stream")):
            if found.is_file() or (found.suffix == ".stream" and found.is_dir()) or rings_of(found):
                return found
    folder = places[-1].parent
    there = sorted([*folder.glob("*.ring"), *folder.glob("*.stream")])
    beside = f"there are {', '.join(path.name for path in there[:10])}" if there else "none lies there"
    raise MissingFileError(f"expected a ring, found no {name} in {folder}: {beside}")
