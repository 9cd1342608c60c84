"""Rows that lie on the disk, in rings, or both, as one table.

Belongs here: which rows of a ring are where, each of them once and in order. May not be here: files and rings as such.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import tables
from ..block import Array
from ..reader import RingReader
from ..ringfile import Description, RingFile
from ..streams import NUMBERS
from ..tables.arrow import arrow_batch
from ..tables.columns import united
from ..tables.files import write
from ..whole import replacing
from .parts import Part

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Chunk", "RecordedRows", "chunks_of", "save_objects", "save_rows"]

_AT_A_TIME = 65_536


@dataclass(frozen=True)
class Chunk:
    """Rows of one ring that lie in one place, or that are missing.

    Attributes
    ----------
    about
        The ring that they were put into.
    first, last
        Their sequences are in [first, last).
    blocks
        Gives them, a block at a time; None: they were overwritten before they could be recorded.
    """

    about: Description
    first: int
    last: int
    blocks: Callable[[], Iterator[Array]] | None

    @property
    def count(self) -> int:
        """Rows."""
        return self.last - self.first

    @property
    def is_table(self) -> bool:
        """Whether the rows are there, and are what their dtype says."""
        return self.blocks is not None and self.about.notes.get("kind", NUMBERS) == NUMBERS


def chunks_of(parts: Sequence[Part], rings: Sequence[RingFile]) -> list[Chunk]:
    """Give the rows of all rings that are on the disk or still in a ring, each once, in the order they were put in."""
    rings_by_identity = {ring.about.identity: ring for ring in rings}
    parts_by_identity: dict[str, list[Part]] = {}
    for part in parts:
        parts_by_identity.setdefault(part.about.identity, []).append(part)
    heads = [part.about for part in parts] + [ring.about for ring in rings]
    ordered = sorted({head.identity: head for head in heads}.values(), key=lambda head: head.notes.get("segment", 0))
    found = []
    for head in ordered:
        found += _of_ring(head, parts_by_identity.get(head.identity, []), rings_by_identity.get(head.identity))
    return found


def _of_ring(about: Description, parts: Sequence[Part], ring: RingFile | None) -> list[Chunk]:
    """Give the rows of one ring: those on the disk, then those that only the ring has."""
    found: list[Chunk] = []
    done: int | None = None
    for part in parts:
        for first, count in part.runs():
            start = first if done is None else max(first, done)
            found += _missing(about, done, start)
            if start < first + count:
                found.append(Chunk(about, start, first + count, _Reading(part, start, first + count)))
                done = first + count
    if ring is not None:
        reader = RingReader(ring)
        written, trimmed = reader.written, reader.trimmed
        if done is None and ring.taken and not ring.is_a_queue:
            # They were recorded up to there, to a log that is elsewhere now.
            done = min(ring.taken, trimmed)
        start = trimmed if done is None else max(done, trimmed)
        found += _missing(about, done, min(start, written))
        if start < written:
            found.append(Chunk(about, start, written, _Tail(reader, start, written)))
    return _merged(found)


def _missing(about: Description, done: int | None, start: int) -> list[Chunk]:
    return [] if done is None or start <= done else [Chunk(about, done, start, None)]


def _merged(chunks: Sequence[Chunk]) -> list[Chunk]:
    """Make one of neighbours in the same part, of which there may be thousands."""
    made: list[Chunk] = []
    for chunk in chunks:
        before = made[-1] if made else None
        if (
            before is not None
            and isinstance(before.blocks, _Reading)
            and isinstance(chunk.blocks, _Reading)
            and before.blocks.part is chunk.blocks.part
            and before.last == chunk.first
        ):
            made[-1] = replace(before, last=chunk.last, blocks=_Reading(chunk.blocks.part, before.first, chunk.last))
        else:
            made.append(chunk)
    return made


@dataclass(frozen=True)
class _Reading:
    """Gives the rows [first, last) of a part."""

    part: Part
    first: int
    last: int

    def __call__(self) -> Iterator[Array]:
        return (rows for _, rows in self.part.blocks(self.first, self.last))


@dataclass(frozen=True)
class _Tail:
    """Gives the rows [first, last) of a ring."""

    reader: RingReader
    first: int
    last: int

    def __call__(self) -> Iterator[Array]:
        rows = self.reader.since(self.first)[0][: self.last - self.first]
        return (rows[start : start + _AT_A_TIME] for start in range(0, len(rows), _AT_A_TIME))


class RecordedRows:
    """Chunks as one table: a `tables.BlockSource`.

    Parameters
    ----------
    chunks
        Those that are no table are left out.
    """

    def __init__(self, chunks: Sequence[Chunk]) -> None:
        self._chunks = [chunk for chunk in chunks if chunk.is_table]
        moments = [_moment(chunk.about.notes) for chunk in self._chunks]
        #: The moment that times are counted from, where they were put in as datetimes.
        self.t0: datetime | None = next((moment for moment in moments if moment is not None), None)
        self._offsets = [0.0 if moment is None else (moment - self.t0).total_seconds() for moment in moments]  # type: ignore[operator]

    @property
    def dtypes(self) -> list[np.dtype[Any]]:
        """The different dtypes of the rows, in order of first appearance."""
        return list(dict.fromkeys(chunk.about.dtype for chunk in self._chunks))

    def __len__(self) -> int:
        return sum(chunk.count for chunk in self._chunks)

    def __iter__(self) -> Iterator[Array]:
        for chunk, offset in zip(self._chunks, self._offsets, strict=True):
            assert chunk.blocks is not None
            for rows in chunk.blocks():
                if offset:
                    rows["t"] = (np.rint(rows["t"] * 1e6) + round(offset * 1e6)) / 1e6
                yield rows


def save_rows(rows: RecordedRows, out: Path, progress: Callable[[int], object] | None = None) -> Path:
    """Save rows as a log; feather has room for several values in a cell, which no table of the others has."""
    format = tables.format_of(out)
    dtypes = rows.dtypes
    if format == "feather" and len(dtypes) == 1 and any(dtypes[0][name].shape for name in dtypes[0].names or ()):
        return write(_AsTheyAre(rows, dtypes[0]), out, format, progress or (lambda count: None))
    return tables.save_stream(rows, out, format, progress)


class _AsTheyAre:
    """Rows of one dtype as a writer of files sees them, sub-arrays included."""

    def __init__(self, rows: RecordedRows, dtype: np.dtype[Any]) -> None:
        self.rows = len(rows)
        self.schema = arrow_batch(united([np.zeros(0, dtype)])).schema
        self._source = rows

    def pieces(self, most: int, name: str | None = None) -> Iterator[pa.RecordBatch]:
        """Give the rows, at most so many at a time."""
        for block in self._source:
            for start in range(0, len(block), most):
                yield arrow_batch(united([block[start : start + most]]))


def save_objects(chunks: Sequence[Chunk], out: Path) -> Path | None:
    """Save rows that are no numbers as a pickle beside a log; None where there are none."""
    objects = objects_of(chunks)
    if not objects:
        return None
    beside = out.with_suffix(".objects.pickle")
    with replacing(beside) as file:
        pickle.dump(objects, file)
    return beside


def objects_of(chunks: Sequence[Chunk]) -> list[Any]:
    """Give the (time, columns, values) of rows that a queue has made bytes of, because they are no numbers."""
    found = []
    for chunk in chunks:
        if chunk.blocks is not None and not chunk.is_table:
            found += [pickle.loads(row) for rows in chunk.blocks() for row in rows["row"].tolist()]
    return found


def _moment(notes: dict[str, Any]) -> datetime | None:
    text = notes.get("t0")
    return None if text is None else datetime.fromisoformat(text)
