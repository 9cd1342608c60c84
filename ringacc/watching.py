"""Watching a ring from beside it: what a display has to know, however the rows come and whatever becomes of the writer.

Belongs here: which ring is looked at just now (it may not be there yet, end, come back with other columns, or go on in
the next file of a stream), and the facts that the window and the monitor both show. May not be here: how they are shown
(``view``, ``cli.top``), and what is looked up (the rings).

A watch only reads: the process that writes does not notice it.
"""

from __future__ import annotations

import enum
import math
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from .accumulators import DataFrameAccumulator
from .block import Array
from .errors import MissingFileError, SourceError, UnknownColumnError
from .kernels import rows as counters_of
from .places import located
from .reader import RingReader
from .ringfile import RingFile
from .streams import rings_of
from .timering import TimeRing

__all__ = ["Facts", "Phase", "Source", "Watch", "is_drawable"]

#: What can be watched: a ring, an accumulator, or a ring file or stream by its path or name.
Source = TimeRing | RingReader | DataFrameAccumulator | str | os.PathLike[str]

_FIRST_COLUMNS = 8
# How often it is asked whether the writer is alive, and whether another file is in place: these are system calls.
_LOOK_SECONDS = 0.2
# Rows that a rate is taken over, as ``ringacc inspect`` does.
_RATE_ROWS = 1000


class Phase(enum.Enum):
    """How it stands with the rows that are watched.

    Attributes
    ----------
    WAITING
        There is no ring yet, or no row has said which columns there are.
    LIVE
        Rows may come at any moment.
    ENDED
        The writer has closed the ring: no row comes any more, unless another ring takes its place.
    GONE
        The writer has ended without closing the ring.
    """

    WAITING = "waiting"
    LIVE = "live"
    ENDED = "ended"
    GONE = "gone"


class Facts(NamedTuple):
    """What a display says of a ring beside its traces.

    Attributes
    ----------
    phase
        How it stands.
    text
        The same in words: what is waited for, who writes, or wrote.
    rows
        Rows that are there.
    written
        Rows ever put in.
    rate
        Hz, over the times of the last 1000 rows; NaN where there are fewer than two.
    age
        Seconds since the newest row was seen to be new; NaN where none has come since the watch began.
    missed
        Rows that came and went between two looks, so that no display could show them.
    last
        The newest row; None where there is none.
    """

    phase: Phase
    text: str
    rows: int
    written: int
    rate: float
    age: float
    missed: int
    last: np.void | None


class _Memory:
    """The ring of this process that is looked at: one for life, or the newest of an accumulator.

    Parameters
    ----------
    source
        The ring or the accumulator.
    """

    def __init__(self, source: TimeRing | DataFrameAccumulator) -> None:
        self._source = source
        self.name = source.name if isinstance(source, DataFrameAccumulator) else ""
        self.ring: TimeRing | None = None
        self.phase, self.text = Phase.WAITING, ""
        self.find()

    def find(self) -> None:
        """See which ring it is just now."""
        if isinstance(self._source, TimeRing):
            self.ring, self.phase, self.text = self._source, Phase.LIVE, "in this process"
        elif self._source.is_empty():
            self.ring, self.phase, self.text = None, Phase.WAITING, "waiting for a first row"
        else:
            self.ring, self.phase, self.text = self._source.segments[-1].ring, Phase.LIVE, "in this process"

    def preferred(self) -> Sequence[str]:
        """Give the columns that displays are to show by default."""
        return getattr(self._source, "plot_columns", None) or ()


class _Files:
    """The ring file that is looked at: that of a path or a name, whenever it comes, and the newest where several come.

    Parameters
    ----------
    name
        As for the commands: a path, or the name of a ring in the folder for rings.
    """

    def __init__(self, name: str) -> None:
        self.name = Path(name).stem
        self._named = name
        self._file: RingFile | None = None
        self.ring: RingReader | None = None
        self.phase, self.text = Phase.WAITING, ""
        self._next_look = -math.inf
        self.find()

    def find(self) -> None:
        """See, not too often, what has become of the ring."""
        now = time.monotonic()
        if now < self._next_look:
            return
        self._next_look = now + _LOOK_SECONDS
        if self._file is not None and self._file.is_written():
            self.phase, self.text = Phase.LIVE, _writer_of(self._file, "written by")
            return
        if self._open_another():
            self._next_look = -math.inf  # what has become of this one is asked at once
            self.find()
        elif self._file is None:
            self.phase, self.text = Phase.WAITING, f"waiting for {self._named}"
        elif self._file.ended == counters_of.CLOSED:
            self.phase, self.text = Phase.ENDED, _writer_of(self._file, "closed by")
        elif self._file.ended == counters_of.CONTINUED:
            self.phase, self.text = Phase.LIVE, "in the next ring of the stream"
        else:
            self.phase, self.text = Phase.GONE, f"{_writer_of(self._file, 'the writer,')}, has gone without closing it"

    def _open_another(self) -> bool:
        """Open the newest ring file that the name stands for, if that is another one; give whether it is."""
        try:
            rings = rings_of(located(self._named))
            if not rings:
                return False
            file = RingFile.open(rings[-1])
        except MissingFileError:
            return False
        if self._file is not None and file.about.identity == self._file.about.identity:
            return False
        self._file, self.ring = file, RingReader(file)
        return True

    def preferred(self) -> Sequence[str]:
        """Give the columns that displays are to show by default: a file does not say."""
        return ()


class Watch:
    """One more reader of rows, for a display: finds the ring, and says how it stands with it.

    Parameters
    ----------
    source
        A ring or an accumulator of this process; a `RingReader`; or the path or the name of a ring file or stream, as
        ``ringacc inspect`` takes it, which need not be there yet.

    Attributes
    ----------
    generation
        Grows whenever other columns are there than before, or another ring: what was drawn is to be forgotten.

    Raises
    ------
    SourceError
        The source is none of these.
    RingFormatError
        The file is no ring.
    RingFileError
        The name may be that of two rings.

    Notes
    -----
    Complexity: O(1) to make, and for each look.
    Allocates: nothing.
    Valid: for as long as it is asked.
    Threads: one; for a ring or an accumulator in memory, the thread that appends to it.

    Examples
    --------
    >>> from ringacc import TimeRing
    >>> from ringacc.watching import Watch
    >>> ring = TimeRing(100, {"x": "f8", "label": "S3"})
    >>> watch = Watch(ring)
    >>> ring.extend([0.0, 0.5, 1.0], [(1, b"a"), (2, b"b"), (3, b"c")])
    >>> facts = watch.look()
    >>> facts.phase.value, facts.written, facts.rate, watch.columns
    ('live', 3, 2.0, ('x',))
    """

    def __init__(self, source: Source) -> None:
        self._place = _place_of(source)
        self.generation = 0
        self._ring: TimeRing | RingReader | None = None
        self._written = 0
        self._missed = 0
        self._came = math.nan
        self._follow()

    @property
    def name(self) -> str:
        """What the ring or the accumulator is called; "" for a ring in memory."""
        return self._place.name

    @property
    def ring(self) -> TimeRing | RingReader | None:
        """The ring that was looked at last; None where there is none yet."""
        return self._ring

    @property
    def all_columns(self) -> tuple[str, ...]:
        """The names of all columns but "t", in the order of the ring."""
        return () if self._ring is None else self._ring.columns[1:]

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of the columns that can be drawn: one number, or one truth value, a row."""
        return () if self._ring is None else tuple(filter(self._is_drawable, self.all_columns))

    @property
    def units(self) -> dict[str, str]:
        """The units of the columns, those that were given."""
        return {} if self._ring is None else self._ring.units

    def _is_drawable(self, name: str) -> bool:
        return self._ring is not None and is_drawable(self._ring.dtype[name])

    def chosen(self, names: Sequence[str] | None) -> tuple[str, ...]:
        """Give those of the named columns that can be drawn just now.

        Where none is named, or none of them is there: the accumulator's ``plot_columns``, else the first eight.
        """
        for wanted in (names or (), self._place.preferred()):
            there = tuple(name for name in wanted if name in self.columns)
            if there:
                return there
        return self.columns[:_FIRST_COLUMNS]

    def checked(self, names: Sequence[str]) -> tuple[str, ...]:
        """Give the names of columns to draw, each once.

        UnknownColumnError where the ring is there, and has no column of such a name that can be drawn.
        """
        unknown = [name for name in names if self._ring is not None and name not in self.columns]
        if unknown:
            raise UnknownColumnError(
                f"expected columns of {', '.join(self.columns)}, found {', '.join(map(repr, unknown))}: choose among "
                "those"
            )
        return tuple(dict.fromkeys(names))

    def look(self) -> Facts:
        """Say how it stands just now."""
        self._follow()
        ring, place = self._ring, self._place
        if ring is None:
            return Facts(place.phase, place.text, 0, 0, math.nan, math.nan, self._missed, None)
        now, written, rows = time.monotonic(), ring.written, len(ring)
        if written != self._written:
            # Rows that are not there any more were never seen.
            self._missed += max(written - self._written - rows, 0)
            self._written, self._came = written, now
        last = ring.last(1)
        rate = ring.fps(_RATE_ROWS) if rows > 1 else math.nan
        return Facts(
            place.phase, place.text, rows, written, rate, now - self._came, self._missed,
            last[0] if len(last) else None,
        )  # fmt: skip

    def envelope(self, seconds: float, points: int) -> Array | None:
        """Give the least and the greatest value of each bin of the last seconds; None where there is no ring yet."""
        return None if self._ring is None else self._ring.envelope(seconds, points)

    def _follow(self) -> None:
        """Go over to the ring that is the one just now."""
        self._place.find()
        if self._place.ring is not self._ring:
            self._ring = self._place.ring
            self.generation += 1
            # What came before the first look was there for others.
            self._written = 0 if self._ring is None else self._ring.written
            self._came = math.nan


def is_drawable(dtype: np.dtype[Any]) -> bool:
    """Say whether a column has one number, or one truth value, a row."""
    return dtype.shape == () and dtype.kind in "biuf"


def _place_of(source: Source) -> _Memory | _Files:
    """Give the way to find the ring that is meant."""
    if isinstance(source, DataFrameAccumulator):
        return _Memory(source)
    if isinstance(source, TimeRing | RingReader):
        # A file is read as any other process reads it, so that this may be done in any thread.
        return _Memory(source) if source.path is None else _Files(os.fspath(source.path))
    if isinstance(source, str | os.PathLike):
        if not Path(source).name.strip():
            raise SourceError(f"expected the path or the name of a ring, found {os.fspath(source)!r}: give one")
        return _Files(os.fspath(source))
    raise SourceError(
        f"expected a ring, an accumulator, or the path or name of a ring file, found {type(source).__name__}: "
        f"{source!r}; give one of those"
    )


def _writer_of(file: RingFile, how: str) -> str:
    """Say which process writes, or wrote."""
    process, _, machine = file.writer
    return f"{how} process {process} on {machine}"
