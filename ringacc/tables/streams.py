"""Tables that do not fit in memory, saved block by block.

Belongs here: how blocks that come one after the other become the pieces that writers take. May not be here: formats,
how a block's columns unite with those of others, and where blocks come from.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from ..errors import SaveError, SchemaError
from .arrow import arrow_batch, refuse_mixed
from .columns import Array, Columns, allocated, check_blocks, fill, refuse_sub_arrays, united_dtypes
from .files import refuse_no_columns, target_of, write

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["BlockSource", "save_stream"]

# Bytes of a piece, at most, unless a single row has more.
_PIECE = 1 << 24


class BlockSource(Protocol):
    """Rows that can be gone through again and again, a block at a time; the same rows every time."""

    @property
    def dtypes(self) -> Sequence[np.dtype[Any]]:
        """The different structured dtypes of the blocks that hold rows, in order of first appearance.

        Without rows: those whose columns the empty table should have.
        """
        ...

    def __len__(self) -> int:
        """Rows in all."""
        ...

    def __iter__(self) -> Iterator[Array]:
        """Give the rows as structured arrays of one dimension, oldest first, each of bounded size.

        A block need not be valid any more once the next is given.
        """
        ...


def save_stream(
    source: BlockSource,
    path: str | os.PathLike[str],
    format: str = "feather",
    progress: Callable[[int], object] | None = None,
) -> Path:
    r"""Save rows that need not fit in memory as save does: whole, or not at all with what stood there untouched.

    Whoever reads the file finds what ``save([*source], path, format)`` would have written; blocks without rows count
    for nothing.

    Parameters
    ----------
    source : BlockSource
        The rows. It is gone through once, for json once a column, for hdf5 a moment longer and once more for each
        column of text; should a field be of objects, once more.
    path : str or PathLike
        Where to; the extension of the format is added unless the name has it.
    format : {"csv", "feather", "hdf5", "json", "parquet"}
        What to write.
    progress : callable, optional
        Called with the number of rows written so far, again and again; json counts so many cells as whole rows have.
        What it raises ends the save.

    Returns
    -------
    pathlib.Path
        The path of the file, extension included.

    Raises
    ------
    FormatError
        A format that is none of the five.
    MissingFileError
        A folder that is not there.
    SchemaError
        No columns, blocks that do not unite, a dtype that the format has no place for, or a block of a dtype that
        ``source.dtypes`` does not name.
    SaveError
        A file that could not be written, such as on a full disk, or a source of more or fewer rows than its len.
    Exception
        Whatever the source raises; an OSError becomes a SaveError unless it is an error of this package.

    Notes
    -----
    Complexity: O(rows x columns); hdf5 is read once to see that the disk has it.
    Allocates: a few blocks, whatever the number of rows; for hdf5 a column of text, one at a time, is gathered whole
    (pandas keeps it as one pickled object), and with pandas before 3 all of them together.
    Valid: the source may not change meanwhile.
    Threads: any; hdf5 files are written one after the other. A process that is killed while it saves leaves a hidden
    file that ends in ``.part``.

    Examples
    --------
    >>> import tempfile, numpy as np
    >>> class Squares:
    ...     dtypes = [np.dtype([("n", "i8"), ("square", "f8")])]
    ...     def __len__(self):
    ...         return 3
    ...     def __iter__(self):
    ...         for n in range(3):
    ...             yield np.array([(n, n * n)], self.dtypes[0])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save_stream(Squares(), folder + "/log", "csv", progress=print).read_text()
    3
    ';n;square\n0;0;0.0\n1;1;1.0\n2;2;4.0\n'
    """
    target = target_of(path, format)
    pieces = _StreamPieces(source)
    return write(pieces, target, format, progress or (lambda rows: None))


class _StreamPieces:
    """A table as a writer sees it, made of the blocks of a source while they come."""

    def __init__(self, source: BlockSource) -> None:
        layouts = list(source.dtypes)
        check_blocks(np.empty(0, layout) for layout in layouts)
        self.rows = len(source)
        self._source = source
        self._layouts = [_fields(layout) for layout in layouts]
        self._dtypes = united_dtypes(layouts, layouts if self.rows else [])
        refuse_sub_arrays({name: dtype.shape for name, dtype in self._dtypes.items()})
        refuse_no_columns(self._dtypes)
        self._kinds = self._kinds_of_objects(layouts)
        self.schema = arrow_batch(allocated(self._dtypes, 0), self._kinds).schema
        row = sum(dtype.itemsize for dtype in self._dtypes.values())
        row = max(row, *(layout.itemsize for layout in layouts))
        # A power of two, so that pieces and the chunks of hdf5 end together.
        self._most = 1 << max(0, (_PIECE // max(1, row)).bit_length() - 1)

    def pieces(self, most: int, name: str | None = None) -> Iterator[pa.RecordBatch]:
        """Give the rows, small blocks together and large ones in parts."""
        dtypes = self._dtypes if name is None else {name: self._dtypes[name]}
        most = min(most, self._most)
        seen = 0
        columns: Columns = {}
        room = held = 0
        for block in self._blocks():
            seen += len(block)
            if seen > self.rows:
                raise self._miscounted(f"at least {seen}")
            while len(block):
                if not room:
                    room, held = min(most, self.rows - (seen - len(block))), 0
                    columns = allocated(dtypes, room)
                part = block[:room]
                fill(columns, held, part)
                room, held, block = room - len(part), held + len(part), block[len(part) :]
                if not room:
                    yield arrow_batch(columns, self._kinds)
        if seen != self.rows:
            raise self._miscounted(str(seen))

    def _blocks(self) -> Iterator[Array]:
        """Give the blocks that hold rows; refuse those that were not announced."""
        known: Any = None
        for block in self._source:
            check_blocks([block])
            if len(block) and block.dtype is not known:
                if _fields(block.dtype) not in self._layouts:
                    raise SchemaError(
                        f"expected blocks of the dtypes that the source names, found one of {block.dtype}: "
                        "name all that hold rows"
                    )
                known = block.dtype
            yield block

    def _kinds_of_objects(self, layouts: Sequence[np.dtype[Any]]) -> dict[str, Any]:
        """Give the Arrow type of every column of objects: string, unless all that is there is bytes."""
        import pyarrow as pa

        # Of fixed-width text and bytes the dtype says it; objects have to be looked at.
        found: dict[str, set[type]] = {name: set() for name, dtype in self._dtypes.items() if dtype.kind == "O"}
        of_objects = False
        for layout in layouts:
            for name in found.keys() & set(layout.names or ()):
                kind = layout[name].kind
                of_objects |= kind == "O"
                found[name] |= {str} if kind == "U" else {bytes} if kind == "S" else set()
        for block in self._blocks() if of_objects else ():
            for name in found.keys() & set(block.dtype.names or ()):
                found[name] |= set(map(type, block[name].tolist())) - {type(None)}
        for name, kinds in found.items():
            refuse_mixed(name, kinds, bytes if kinds == {bytes} else str)
        return {name: pa.binary() if kinds == {bytes} else pa.string() for name, kinds in found.items()}

    def _miscounted(self, found: str) -> SaveError:
        """Make the error about a source whose rows are not as many as it says."""
        return SaveError(
            f"expected a source of {self.rows} rows, as its len says, found {found}: the file was not written, and "
            "what stood there before is untouched; save when no rows come or go"
        )


def _fields(layout: np.dtype[Any]) -> list[tuple[str, np.dtype[Any]]]:
    """Give the names and dtypes of the fields, wherever in a row they lie."""
    return [(name, layout[name]) for name in layout.names or ()]
