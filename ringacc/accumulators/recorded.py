"""Segments whose rows a recorder puts on the disk while they come.

Belongs here: the stream of ring files that an accumulator fills, its recorder, and finding rows again that have left
the ring. May not be here: how a recorder works, and when a segment begins.
"""

from __future__ import annotations

import os
import weakref
from collections.abc import Iterator, Sequence
from multiprocessing.util import Finalize
from pathlib import Path
from typing import Any, Literal

import numpy as np

from ..block import Array
from ..errors import LogFileError, RecorderError
from ..recorder import POLICIES, RecorderProcess
from ..recorder.loop import recording_of
from ..recorder.parts import Part, parts_in
from ..recorder.rows import Chunk, chunks_of
from ..ringfile import RingFile
from ..segments import Segment
from ..streams import StreamWriter
from ..system import rings_folder
from ..timering import TimeRing

__all__ = ["Policy", "RecordedSegment", "Recording"]

Policy = Literal["drop", "block"]

#: Rows of a ring that is recorded: a minute of a stream of 1 kHz, should the disk stall.
CAPACITY = 65_536

_NOTHING = np.dtype([("t", np.float64)])


class Recording:
    """A stream of ring files that a recorder puts on the disk.

    Parameters
    ----------
    out
        What the recording becomes at its end.
    policy
        "drop" or "block": what is done with a row that comes while the ring is full of rows that are not on the disk.
    capacity
        Rows of a ring.

    Attributes
    ----------
    out
        The path of the log.
    is_closed
        Whether it is over.
    """

    def __init__(self, out: str | os.PathLike[str], policy: Policy, capacity: int) -> None:
        if policy not in POLICIES:
            raise ValueError(f"expected a policy of {' or '.join(POLICIES)}, found {policy!r}")
        name = f"{Path(out).stem}-{os.getpid()}-{os.urandom(4).hex()}.stream"
        folder = rings_folder() / name
        self._process = RecorderProcess(folder, Path(out), policy)
        self.out = self._process.out
        self._writer = StreamWriter(folder, max(capacity, CAPACITY), POLICIES[policy])
        self._generation = 0
        self.is_closed = False
        self._segments: weakref.WeakSet[RecordedSegment] = weakref.WeakSet()
        # A process that ends in order, with or without an error, leaves the log.
        self._end = Finalize(self, _end, args=(self._writer, self._process), exitpriority=10)

    @property
    def process(self) -> int:
        """The number of the recorder's process."""
        return self._process.process

    def begin(self, segment: RecordedSegment, dtype: np.dtype[Any]) -> TimeRing:
        """Give a ring for the rows of a segment."""
        if self.is_closed:
            raise RecorderError(f"expected a recording that goes on, found that of {self.out} closed")
        for older in list(self._segments):
            older.release()
        self._segments.add(segment)
        return self._begin(dtype)

    def _begin(self, dtype: np.dtype[Any]) -> TimeRing:
        return self._writer.begin(dtype, {"generation": self._generation})

    def reset(self) -> None:
        """Forget all rows so far, on the disk too."""
        self._generation += 1
        self._begin(_NOTHING)

    def chunks(self, files: Sequence[RingFile] = ()) -> list[Chunk]:
        """Give where all rows since the last reset are: on the disk, or in one of these files."""
        found = chunks_of(self._parts(), files)
        return [chunk for chunk in found if chunk.about.notes.get("generation", 0) == self._generation]

    def _parts(self) -> list[Part]:
        if not self.is_closed:
            folder = recording_of(self.out)
            return parts_in(folder) if folder.is_dir() else []
        try:
            return [Part(self.out)]
        except (LogFileError, FileNotFoundError) as error:
            raise RecorderError(
                f"expected rows in memory or in a recording that goes on, found that it is closed: load {self.out}"
            ) from error

    def close(self) -> None:
        """End the stream and wait until the log is whole."""
        if not self.is_closed:
            self.is_closed = True
            self._end()


def _end(writer: StreamWriter, process: RecorderProcess) -> None:
    writer.close()
    process.end()


class RecordedSegment(Segment):
    """Rows of one dtype: the newest in a ring file, those before on the disk.

    Parameters
    ----------
    dtype
        Of a row, "t" first.
    recording
        Where they go.
    """

    __slots__ = ("__weakref__", "_end", "_missed", "file", "identity", "recording")

    def __init__(self, dtype: np.dtype[Any], recording: Recording) -> None:
        self.recording = recording
        # Of a ring that was given back: the sequence behind its last row, and rows that are in no place.
        self._end: int | None = None
        self._missed = 0
        super().__init__(dtype, 0)
        self._use(recording.begin(self, dtype))
        self.file = self.ring.file
        self.identity = self.file.about.identity  # type: ignore[union-attr]
        self.history = OnDisk(self)  # type: ignore[assignment]

    @property
    def is_full(self) -> bool:
        """Whether rows have to be moved before one more can come: never, as the ring overwrites what is on the disk."""
        return False

    @property
    def end(self) -> int:
        """The sequence behind the last row that is on the disk alone."""
        return self.ring.trimmed if self._end is None else self._end

    @property
    def missed(self) -> int:
        """Rows that were overwritten before they were on the disk."""
        if self.file is None:
            return self._missed
        # The recorder counts those that it missed when it takes rows again.
        return self.file.missed + max(self.ring.trimmed - self.file.taken, 0)

    def extend(self, rows: Array) -> None:
        """Put many rows behind the newest."""
        self.ring.extend(rows)

    def set_limit(self, rows: int) -> None:
        """Do nothing: what is recorded is not trimmed."""

    def trim_to(self, count: int) -> None:
        """Do nothing: what is recorded is not trimmed."""

    def close(self) -> None:
        """Leave the rows where they are."""

    def release(self) -> None:
        """Give the ring's memory back once all rows of a segment that is closed are on the disk."""
        file = self.file
        if file is not None and file.ended and file.taken == self.ring.written:
            self._end, self._missed = self.ring.written, self.missed
            self.file = None
            self._use(TimeRing(0, self.dtype))


class OnDisk:
    """The rows of a segment that have left its ring: a `History` that holds no row in memory.

    Parameters
    ----------
    segment
        Whose rows.
    """

    __slots__ = ("_segment",)

    def __init__(self, segment: RecordedSegment) -> None:
        self._segment = segment

    def __len__(self) -> int:
        return self._segment.end - self._segment.missed

    @property
    def nbytes(self) -> int:
        """Bytes that the rows take in memory."""
        return 0

    def _blocks(self) -> Iterator[Array]:
        """Give the rows in blocks, oldest first."""
        segment = self._segment
        identity, end = segment.identity, segment.end
        for chunk in segment.recording.chunks() if end else ():
            if chunk.about.identity == identity and chunk.blocks is not None:
                left = end - chunk.first
                for rows in chunk.blocks():
                    yield rows[: max(left, 0)]
                    left -= len(rows)

    def rows(self, start: int, stop: int) -> list[Array]:
        """Give the rows [start, stop) in blocks, oldest first."""
        found, begin = [], 0
        for rows in self._blocks():
            found.append(rows[max(start - begin, 0) : max(stop - begin, 0)])
            begin += len(rows)
        return [rows for rows in found if len(rows)]

    def since_time(self, time: float) -> list[Array]:
        """Give the rows with t >= ``time`` in blocks, in the order they came."""
        ring = self._segment.ring
        if len(ring) and ring["t"][0] < time and not ring.health().backward:
            return []
        return [rows[rows["t"] >= time] for rows in self._blocks()]
