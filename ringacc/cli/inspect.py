"""``ringacc inspect``: what a ring holds, who writes it, and which rings nobody uses any more.

Belongs here: what is said of rings, and taking away stale ones. May not be here: rows.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from rich.console import Console

from ..errors import RingFormatError
from ..reader import RingReader
from ..recorder import Stale, clean, stale_in
from ..ringfile import RingFile
from ..streams import rings_of, waiting_in
from ..system import rings_folder
from .interrupt import Interrupt
from .rings import located
from .terminal import count, print_table

__all__ = ["Inspect"]

_LOOK_SECONDS = 0.5
_NAP = 0.01


class Inspect:
    """A run of ``ringacc inspect``.

    Parameters
    ----------
    ring
        A ring file, the folder of a stream, a folder with some, or the name of one; None: the folder for rings.
    take_away
        Whether to take away what nobody uses any more and nobody misses.
    force
        Whether to take it away also where it has rows that nobody has saved.

    Notes
    -----
    Complexity: O(rings).
    Allocates: nothing.
    Valid: for one run.
    Threads: the main thread.
    """

    def __init__(self, ring: Path | None, take_away: bool, force: bool) -> None:
        folder = rings_folder() if ring is None else ring
        self._folder = folder if folder.is_dir() and not rings_of(folder) and folder.suffix != ".stream" else None
        self._ring = None if self._folder is not None else located(folder)
        self._take_away = take_away
        self._force = force
        self._console = Console(highlight=False)

    def run(self, interrupt: Interrupt) -> int:
        """Say what there is, and take away what is to be; give the exit code: 1 where stale rings stay."""
        stale = self._stale()
        if self._take_away:
            return self._clean(stale)
        if self._ring is not None:
            self._describe(self._ring, interrupt)
            return 0
        assert self._folder is not None
        there = sorted([*self._folder.glob("*.ring"), *self._folder.glob("*.stream")])
        self._say(f"{self._folder}: {count(len(there), 'ring')}")
        if there:
            unused = {found.path: found for found in stale}
            print_table(self._console, [["", "rows", "state"], *(_line(path, unused.get(path)) for path in there)])
        if stale:
            unused_rings = count(len(stale), "ring")
            self._say(
                f"\n{unused_rings} that nobody uses: `ringacc recover` saves rows, `ringacc inspect --clean` cleans"
            )
        return 0

    def _stale(self) -> list[Stale]:
        """Give the rings, among those that were asked for, that nobody uses."""
        if self._folder is not None:
            return stale_in(self._folder)
        assert self._ring is not None
        return [found for found in stale_in(self._ring.parent) if found.path == self._ring]

    def _clean(self, stale: Sequence[Stale]) -> int:
        """Take away rings that nobody uses, but for those with rows that would be lost."""
        kept = [found for found in stale if found.untaken and not self._force]
        for found in stale:
            if found not in kept:
                clean(found)
                self._say(f"{found.path}: taken away")
        for found in kept:
            rows = count(found.untaken, "row")
            self._say(f"{found.path}: kept, for {rows} that nobody has saved: use `ringacc recover`, or add --force")
        if not stale:
            self._say("no ring that nobody uses")
        return int(bool(kept))

    def _describe(self, path: Path, interrupt: Interrupt) -> None:
        """Say all about a ring, or the rings of a stream."""
        rings = rings_of(path)
        if path.is_dir():
            self._say(f"{path}: {count(len(rings), 'ring')}, {count(waiting_in(path), 'row')} not taken\n")
        for place, ring in enumerate(rings):
            if place:
                self._say("")
            self._describe_ring(ring, interrupt)

    def _describe_ring(self, path: Path, interrupt: Interrupt) -> None:
        file = RingFile.open(path)
        reader = RingReader(file)
        rate, age = _pace(reader, interrupt)
        health = reader.health()
        process, began, machine = reader.writer
        is_alive = reader.is_written
        written = f"since {began:%Y-%m-%d %H:%M:%S}" if isinstance(began, datetime) else ""
        follower = "none"
        if file.has_follower():
            follower = "alive"
        elif file.has_lost_its_follower():
            follower = "died"
        facts = {
            "ring": str(path),
            "rows": f"{len(reader)} of {reader.capacity}, {reader.written} written, {health.overwritten} overwritten",
            "rate": f"{reader.fps(1000):.1f} Hz by their times, {rate:.1f} Hz just now",
            "last row": age if len(reader) == 0 else f"t = {reader.last(1)['t'][0]:.6f} s, {age}",
            "times": f"{health.repeats} repeated, {health.backward} backward, largest gap {health.largest_gap:.6f} s",
            "writer": f"process {process} on {machine} {written}: {'alive' if is_alive else 'gone'}",
            "recorder or consumer": f"{follower}, {file.taken} taken, {file.missed} missed",
        }
        if file.trouble:
            facts["trouble"] = f"rows cannot be written to the disk (error {file.trouble})"
        for label, text in facts.items():
            self._say(f"{label:<21} {text}")
        units = reader.units
        dtypes = {name: str(reader.dtype[name]) for name in reader.columns}
        print_table(
            self._console,
            [["column", "dtype", "unit"], *([name, dtype, units.get(name, "")] for name, dtype in dtypes.items())],
        )

    def _say(self, text: str) -> None:
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)


def _pace(reader: RingReader, interrupt: Interrupt) -> tuple[float, str]:
    """Look for a moment how fast rows come, and when the last one came."""
    if not reader.is_written:
        return 0.0, "no more come"
    began = time.monotonic()
    first = newest = reader.written
    came = None
    while (now := time.monotonic()) - began < _LOOK_SECONDS and not interrupt:
        written = reader.written
        if written != newest:
            newest, came = written, now
        time.sleep(_NAP)
    if came is None:
        return 0.0, f"none came for {_LOOK_SECONDS} s"
    return (newest - first) / _LOOK_SECONDS, f"{1000 * (time.monotonic() - came):.0f} ms ago"


def _line(path: Path, stale: Stale | None) -> list[str]:
    """Describe a ring in a line."""
    try:
        rows = sum(len(RingReader(RingFile.open(ring))) for ring in rings_of(path))
    except RingFormatError as error:
        return [path.name, "-", str(error).split(": ", 1)[-1]]
    if stale is None:
        return [path.name, str(rows), "in use"]
    return [path.name, str(rows), f"nobody uses it, {count(stale.untaken, 'row')} not saved"]
