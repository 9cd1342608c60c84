"""``ringacc inspect``: what a ring holds, who writes it, and which rings nobody uses any more.

Belongs here: what is said of rings, and taking away stale ones. May not be here: rows.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from ..errors import MissingFileError, RingBusyError, RingFormatError
from ..kernels import rows as counters_of
from ..places import is_ring, located, rings_in
from ..reader import RingReader
from ..recorder import Stale, clean, stale_in
from ..ringfile import RingFile
from ..streams import NUMBERS, follower_notes, rings_of, waiting_in
from ..system import rings_folder
from .interrupt import Interrupt
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

    def __init__(self, ring: str | None, take_away: bool, force: bool) -> None:
        self._ring, self._folder = _meant(ring)
        self._take_away = take_away
        self._force = force
        self._console = Console(highlight=False)
        if take_away and self._ring is not None and not self._stale():
            raise RingBusyError(
                f"{self._ring}: expected a ring that nobody uses, found one that a process writes or takes "
                "rows from: end that process"
            )

    def run(self, interrupt: Interrupt) -> int:
        """Say what there is, and take away what is to be; give the exit code: 1 where stale rings stay."""
        if self._take_away:
            return self._clean(self._stale())
        if self._ring is not None:
            self._describe(self._ring, interrupt)
        else:
            self._list(self._folder)
        return interrupt.exit_code if interrupt else 0

    def _list(self, folder: Path) -> None:
        """Say which rings there are, and which of them nobody uses."""
        stale = {found.path: found for found in stale_in(folder)}
        lines = [line for path in rings_in(folder) if (line := _line(path, stale.get(path))) is not None]
        self._say(f"{folder}: {count(len(lines), 'ring')}")
        if lines:
            widest = max(len(state) for _, _, state in lines)
            lines = [[name, rows, state.ljust(widest)] for name, rows, state in lines]
            print_table(self._console, [["", "rows", "state".ljust(widest)], *lines])
        if stale:
            parts = sum(path.suffix == ".part" for path in stale)
            things = [f"{count(len(stale) - parts, 'ring')} that nobody uses"] if len(stale) > parts else []
            things += [f"{count(parts, 'file')} of no ring"] if parts else []
            self._say(
                f"\n{' and '.join(things)}: `ringacc recover` saves rows, `ringacc inspect --clean` takes them away"
            )

    def _stale(self) -> list[Stale]:
        """Give the rings, among those that were asked for, that nobody uses."""
        if self._ring is None:
            return stale_in(self._folder)
        ring = self._ring.resolve()
        return [found for found in stale_in(self._ring.parent) if found.path.resolve() == ring]

    def _clean(self, stale: Sequence[Stale]) -> int:
        """Take away rings that nobody uses, but for those with rows that would be lost."""
        kept = 0
        for found in stale:
            reason = "" if self._force else _reason_to_keep(found)
            if reason:
                self._say(f"{found.path}: kept, {reason}")
                kept += 1
            else:
                clean(found)
                self._say(f"{found.path}: taken away")
        if not stale:
            self._say(f"{self._folder}: no ring that nobody uses")
        return int(kept > 0)

    def _describe(self, path: Path, interrupt: Interrupt) -> None:
        """Say all about a ring, or the rings of a stream."""
        rings = rings_of(path)
        if path.is_dir():
            self._say(f"{path}: {count(len(rings), 'ring')}, {count(waiting_in(path), 'row')} not taken")
        for ring in rings:
            if path.is_dir():
                self._say("")
            try:
                self._describe_ring(ring, interrupt)
            except MissingFileError:
                if not path.is_dir():
                    raise
                self._say(f"{ring}: all its rows were taken just now")

    def _describe_ring(self, path: Path, interrupt: Interrupt) -> None:
        """Say all about a ring."""
        file = RingFile.open(path)
        reader = RingReader(file)
        rate, age = _pace(reader, interrupt)
        health = reader.health()
        process, began, machine = reader.writer
        written = f" since {began:%Y-%m-%d %H:%M:%S}" if isinstance(began, datetime) else ""
        facts = {
            "ring": str(path),
            "rows": f"{len(reader)} of {reader.capacity}, {reader.written} written, {health.overwritten} overwritten",
            "rate": f"{reader.fps(1000):.1f} Hz by their times{rate}",
            "last row": f"t = {reader.last(1)['t'][0]:.6f} s{age}" if len(reader) else "none",
            "times": f"{health.repeats} repeated, {health.backward} backward, largest gap {health.largest_gap:.6f} s",
            "writer": f"{_writer_state(file)}: process {process} on {machine}{written}",
            "recorder or consumer": _follower_state(file),
        }
        if file.about.notes.get("kind", NUMBERS) != NUMBERS:
            for label in ("rate", "last row", "times"):  # the times are in the bytes
                del facts[label]
            facts["columns"] = "none: the rows are objects, each as the bytes that pickle makes of it"
        if file.trouble:
            said = os.strerror(file.trouble) if file.trouble > 0 else "no reason is known"
            facts["trouble"] = f"rows cannot be written to the disk: {said} (error {file.trouble})"
        for label, text in facts.items():
            self._say(f"{label:<21} {text}")
        if "columns" in facts:
            return
        units = reader.units
        rows = [["column", "dtype", "unit"]]
        rows += [[name, _dtype_text(reader.dtype[name]), units.get(name, "")] for name in reader.columns]
        print_table(self._console, rows)

    def _say(self, text: str) -> None:
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)


def _meant(name: str | None) -> tuple[Path | None, Path]:
    """Give the ring that is meant, or None, and the folder that it lies in, or that is meant."""
    if name is None:
        return None, rings_folder()
    folder = Path(name)
    if folder.is_dir() and not is_ring(folder) and folder.suffix != ".recording":
        ring = None
        if not os.path.dirname(name):  # a ring may be called like any folder here
            with suppress(MissingFileError):
                ring = located(name)
        if ring is None:
            return None, folder
    else:
        ring = located(name)
    return ring, ring.parent


def _reason_to_keep(stale: Stale) -> str:
    """Say why a ring that nobody uses is not to be taken away; "" where it may be."""
    if stale.untaken:
        rows = count(stale.untaken, "row")
        return f"for {rows} that nobody has saved: use `ringacc recover {stale.path}`, or add --force"
    try:
        for ring in rings_of(stale.path) if is_ring(stale.path) and stale.path.suffix in (".ring", ".stream") else []:
            RingFile.open(ring)
    except RingFormatError as error:
        return f"since nobody can tell what is in it ({_without_path(error)}): add --force"
    return ""


def _writer_state(file: RingFile) -> str:
    """Say what has become of the writer."""
    if file.is_written():
        return "alive"
    if file.ended == counters_of.CLOSED:
        return "gone, it has closed the ring"
    if file.ended == counters_of.CONTINUED:
        return "in the next ring"
    return "gone, without closing the ring"


def _follower_state(file: RingFile) -> str:
    """Say who takes the rows."""
    counts = f"{file.taken} taken, {file.missed} missed"
    if not file.has_follower():
        return f"{'died' if file.has_lost_its_follower() else 'none'}, {counts}"
    notes = follower_notes(file.path.parent if "segment" in file.about.notes else file.path) or {}
    process = f": process {notes['process']}" if "process" in notes else ""
    return f"alive, {counts}{process}{' to ' + notes['recording'] if 'recording' in notes else ''}"


def _pace(reader: RingReader, interrupt: Interrupt) -> tuple[str, str]:
    """Look for a moment how fast rows come, and when the last one came; "" where no more come."""
    if not reader.is_written:
        return "", ""
    began = time.monotonic()
    first = newest = reader.written
    came = None
    while (now := time.monotonic()) - began < _LOOK_SECONDS and not interrupt:
        written = reader.written
        if written != newest:
            newest, came = written, now
        time.sleep(_NAP)
    if came is None:
        return ", 0.0 Hz just now", f", more than {1000 * (now - began):.0f} ms ago"
    now = time.monotonic()
    return f", {(newest - first) / (now - began):.1f} Hz just now", f", {1000 * (now - came):.0f} ms ago"


def _dtype_text(dtype: np.dtype[Any]) -> str:
    """Spell the dtype of a column, several values in a cell included."""
    base, shape = dtype.base, dtype.shape
    return f"{base} x {' x '.join(map(str, shape))}" if shape else str(base)


def _line(path: Path, stale: Stale | None) -> list[str] | None:
    """Describe a ring in a line; None where it is gone just now."""
    try:
        files = [RingFile.open(ring) for ring in rings_of(path)]
        rows = str(sum(len(RingReader(file)) for file in files))
    except MissingFileError:
        return None
    except RingFormatError as error:
        return [path.name, "-", _without_path(error)]
    if stale is not None:
        return [path.name, rows, f"nobody uses it, {count(stale.untaken, 'row')} not saved"]
    uses = ["written"] if any(file.is_written() for file in files) else []
    notes = follower_notes(path) or {} if any(file.has_follower() for file in files) else None
    if notes is not None:
        uses.append("recorded" if "recording" in notes else "read by a consumer")
    return [path.name, rows, f"in use: {' and '.join(uses) or 'begun'}"]


def _without_path(error: RingFormatError) -> str:
    return str(error).split(": ", 1)[-1]
