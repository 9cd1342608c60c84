"""Parts: the files of a recording that is under way.

Belongs here: rows of one ring as an Arrow file that grows, and reading such a file, whole or cut. May not be here:
where rows come from, and when.

A recording to ``log.feather`` lies in the folder ``log.feather.recording`` until it is whole: ``000000.arrow``,
``000001.arrow``, ... Each part has rows of one ring file. It is an Arrow IPC file, which begins as an Arrow stream does
but for its first 8 bytes, and ends with a list of its batches; cut anywhere, all batches before the cut can be read. In
the metadata of its schema, "ringacc" has JSON: what the ring's head says. The metadata of each batch has "sequence":
that of its first row. Format: https://arrow.apache.org/docs/format/Columnar.html#ipc-file-format.
"""

from __future__ import annotations

import json
import mmap
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..block import Array
from ..errors import LogFileError
from ..ringfile import Description, dtype_of_text, dtype_text
from ..streams import NUMBERS
from ..tables.arrow import arrow_batch, rows_of_batch
from ..tables.columns import united

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Part", "PartWriter", "next_sequences", "parts_in"]

_MAGIC = b"ARROW1\0\0"
_KEY = b"ringacc"
_SEQUENCE = b"sequence"
_MUCH = 1 << 24


class _Sink:
    """What pyarrow writes to: bytes that wait until they are on the disk, so that a full disk is tried again."""

    closed = False

    def __init__(self, path: Path) -> None:
        self.number = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o666)
        self.size = 0
        self.waiting = bytearray()

    def write(self, data: Any) -> int:
        self.waiting += memoryview(data).cast("B")
        return len(memoryview(data).cast("B"))

    def tell(self) -> int:
        return self.size + len(self.waiting)

    def writable(self) -> bool:
        return True

    def readable(self) -> bool:
        return False

    def seekable(self) -> bool:
        return False

    def flush(self) -> None:
        """Leave that to `to_disk`."""

    def close(self) -> None:
        """Leave that to the writer of the part."""

    def to_disk(self) -> None:
        """Write what waits; OSError, and all of it still waits, where that cannot be.

        What was written of it stays, to be written over: who has mapped the file would die of a page that is cut off.
        """
        done = 0
        os.lseek(self.number, self.size, os.SEEK_SET)
        while done < len(self.waiting):
            done += os.write(self.number, memoryview(self.waiting)[done:])
        self.size += done
        self.waiting = bytearray()


class PartWriter:
    """Writes rows of one ring to a new part.

    Parameters
    ----------
    path
        Of the file, which is not there yet.
    about
        The head of the ring.
    """

    def __init__(self, path: Path, about: Description) -> None:
        import pyarrow as pa

        self.path = path
        self.about = about
        self.rows = 0
        schema = _schema(about)
        self._sink = _Sink(path)
        self._writer = pa.ipc.new_file(pa.PythonFile(self._sink, mode="w"), schema)
        self._schema = schema

    @property
    def size(self) -> int:
        """Bytes on the disk."""
        return self._sink.size

    def put(self, sequence: int, rows: Array) -> None:
        """Add a batch, for `flush` to write."""
        batch = arrow_batch(united([rows.view(_storable(rows.dtype))])).cast(self._schema)
        self._writer.write_batch(batch, custom_metadata={_SEQUENCE: str(sequence).encode()})
        self.rows += len(rows)

    def flush(self) -> None:
        """Write what was added: it outlives this process once this has returned. OSError: call it again."""
        self._sink.to_disk()

    def sync(self) -> None:
        """Have all that was written outlive the machine."""
        os.fsync(self._sink.number)

    def end(self) -> None:
        """Add the list of batches that makes the file whole, for `flush` to write."""
        self._writer.close()

    def close(self) -> None:
        """Close the file as it is."""
        os.close(self._sink.number)


def _storable(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """Give a dtype of the same bytes for which Arrow has types: a row that a queue has made bytes of as numbers."""
    fields = [(name, dtype[name]) for name in dtype.names or ()]
    return np.dtype([(name, (np.uint8, (kind.itemsize,)) if kind.kind == "V" else kind) for name, kind in fields])


def _schema(about: Description) -> pa.Schema:
    """Give the Arrow schema of rows of a ring; SchemaError where Arrow has no type for a field."""
    schema = arrow_batch(united([np.zeros(0, _storable(about.dtype))])).schema
    units = {"t": "s", **about.units}
    fields = [
        field.with_metadata({"unit": units[field.name]}) if field.name in units else field
        for field in (schema.field(place) for place in range(len(schema)))
    ]
    said = about._asdict() | {"dtype": dtype_text(about.dtype)}
    import pyarrow as pa

    return pa.schema(fields, metadata={_KEY: json.dumps(said).encode()})


class Part:
    """A part, whole or cut.

    Parameters
    ----------
    path
        Of the file.

    Attributes
    ----------
    path
        Of the file.
    about
        The head of the ring that its rows are from.

    Raises
    ------
    LogFileError
        It is not, or not even the beginning of, a part.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        # As long as it is now: batches that come later are left out.
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            if size <= len(_MAGIC):
                raise LogFileError(f"{path}: expected the part of a recording, found {size} bytes: it was cut at once")
            self._memory = mmap.mmap(file.fileno(), size, access=mmap.ACCESS_READ)
        if self._memory[: len(_MAGIC)] != _MAGIC:
            raise LogFileError(f"{path}: expected the part of a recording, found a file of another kind")
        import pyarrow as pa

        try:
            schema = pa.ipc.open_stream(self._source()).schema
        except (pa.ArrowInvalid, OSError) as error:
            raise LogFileError(f"{path}: expected the part of a recording, found one cut in its head") from error
        said = (schema.metadata or {}).get(_KEY)
        if said is None:
            raise LogFileError(f"{path}: expected the part of a recording, found an Arrow file of something else")
        found = json.loads(said)
        self.about = Description(**found | {"dtype": dtype_of_text(found["dtype"])})

    def _source(self) -> pa.BufferReader:
        import pyarrow as pa

        return pa.BufferReader(pa.py_buffer(memoryview(self._memory)[len(_MAGIC) :]))

    def _batches(self) -> Iterator[tuple[int, Any]]:
        """Give sequence and rows of each batch that is whole."""
        import pyarrow as pa

        source = self._source()
        stream = pa.ipc.open_stream(source)
        behind = 0
        while True:
            try:
                batch, metadata = stream.read_next_batch_with_custom_metadata()
            except StopIteration:
                return
            except (pa.ArrowInvalid, OSError):  # it was cut here
                return
            if batch is None or metadata is None:
                return
            yield int(metadata[_SEQUENCE]), batch
            if source.tell() - behind > _MUCH and hasattr(mmap, "MADV_DONTNEED"):
                # Or a long recording that is gone through would count as memory of this process, all of it.
                here = source.tell() // _MUCH * _MUCH
                self._memory.madvise(mmap.MADV_DONTNEED, behind, here - behind)
                behind = here

    def is_a_log(self) -> bool:
        """Say whether the file, once whole, is a log as it is."""
        notes = self.about.notes
        return notes.get("kind", NUMBERS) == NUMBERS and notes.get("t0") is None

    def runs(self) -> list[tuple[int, int]]:
        """Give first sequence and number of rows of each batch that is whole."""
        return [(sequence, batch.num_rows) for sequence, batch in self._batches()]

    def blocks(self, first: int = 0, last: int | None = None) -> Iterator[tuple[int, Array]]:
        """Give sequence and rows, copies, of the rows with a sequence in [first, last), batch by batch."""
        for sequence, batch in self._batches():
            end = sequence + batch.num_rows
            start, stop = max(first, sequence), end if last is None else min(last, end)
            if start < stop:
                yield start, self._rows(batch.slice(start - sequence, stop - start))

    def _rows(self, batch: pa.RecordBatch) -> Array:
        dtype = self.about.dtype
        return rows_of_batch(batch, _storable(dtype)).view(dtype)


def parts_in(folder: Path) -> list[Part]:
    """Give the parts of a recording in their order; those that were cut before their first row are left out."""
    found = []
    for path in sorted(folder.glob("[0-9]*.arrow")):
        try:
            found.append(Part(path))
        except FileNotFoundError:
            continue  # given up just now
        except LogFileError:
            if path.stat().st_size > len(_MAGIC) and not _begins_as_one(path):
                raise
    return found


def _begins_as_one(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(len(_MAGIC)) == _MAGIC


def next_sequences(parts: Sequence[Part]) -> dict[str, int]:
    """Give for each ring in a recording, by its identity, the sequence of the first row that is not in it."""
    found: dict[str, int] = {}
    for part in parts:
        runs = part.runs()
        if runs:
            found[part.about.identity] = sum(runs[-1])
    return found
