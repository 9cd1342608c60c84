"""Tables as hdf5: one object ``/data`` in pandas' fixed format, written and read.

Belongs here: how pandas lays out that object, and that a file is what was written to it. May not be here: where the
file lies, or that it gets there whole.

The object is a group. ``axis0`` has the names of the columns, ``axis1`` the row numbers. Columns of one dtype make one
block: ``block0_items`` has their names, ``block0_values`` an array of rows x columns; of text it is pickled objects.
"""

from __future__ import annotations

import errno
import os
import threading
import warnings
import zlib
from collections.abc import Iterable, Iterator
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from ..errors import LogFileError
from .arrow import refuse_bytes
from .pieces import BatchPieces

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd
    import pyarrow as pa

    from .columns import Array
    from .pieces import Pieces, Wrote

__all__ = ["read_hdf5", "write_hdf5"]

# PyTables keeps one list of open files for the process, without a lock. The source of a table may read hdf5 itself.
_LOCK = threading.RLock()
# Rows written at a time.
_ROWS = 1 << 16
# Bytes of a piece that is compressed by itself, and of what is read at a time.
_CHUNK = 1 << 17
_READ = 1 << 22


# Writing ------------------------------------------------------------------------------------------


def write_hdf5(pieces: Pieces, file: IO[bytes], wrote: Wrote) -> None:
    """Write pandas' fixed format: its table format is not read by older pandas than wrote it.

    What is in memory becomes a file there first: on a full disk, PyTables closes half a file without an error.
    """
    refuse_bytes(pieces.schema, "hdf5")
    if isinstance(pieces, BatchPieces):
        _write_image(pieces.batch.to_pandas(), file)
    elif (first := next(pieces.pieces(1), None)) is None:
        _write_image(pieces.schema.empty_table().to_pandas(), file)
    else:
        _write_pieces(pieces, first.to_pandas(), file, wrote)
    wrote(pieces.rows)


def _write_image(frame: pd.DataFrame, file: IO[bytes]) -> None:
    """Write a DataFrame by way of memory."""
    in_memory = {"driver": "H5FD_CORE", "driver_core_backing_store": 0}
    # The name is that of no file, but its folder must be one that may be written to.
    with _LOCK, _store(f"{file.name}.image", **in_memory) as store:
        _put(store, frame)
        image = store.root._v_file.get_file_image()
    file.write(image)


def _store(name: str, **driver: Any) -> Any:
    """Open a new file for pandas."""
    import pandas as pd

    return pd.HDFStore(name, mode="w", complib="zlib", complevel=1, **driver)


def _put(store: Any, frame: pd.DataFrame) -> None:
    """Put a DataFrame into a new file."""
    import pandas as pd

    with warnings.catch_warnings():
        # pandas before 3 warns that missing text is slow.
        warnings.simplefilter("ignore", pd.errors.PerformanceWarning)
        store.put("/data", frame, format="fixed", track_times=False)


def _write_pieces(pieces: Pieces, first: pd.DataFrame, file: IO[bytes], wrote: Wrote) -> None:
    """Write a table that need not fit into memory straight to the disk, and read it back; ``first``: its first row."""
    import tables

    failure: Exception | None = None
    with _LOCK:
        try:
            expected = _fill(pieces, first, file.name, wrote)
        except tables.HDF5ExtError as error:
            failure = error
        else:
            try:
                with tables.open_file(file.name, "r") as written:
                    found = _contents(written, {})
            except Exception as error:  # whatever a damaged file makes the library stumble over
                failure = error
            else:
                if found == expected:
                    return
    # HDF5 does not hand on what the system said. It says it again if there is still no room for what is missing.
    try:
        file.seek(0, os.SEEK_END)
        file.write(bytes(1 << 20))
        file.flush()
        os.fsync(file.fileno())
    except OSError as error:
        raise error from failure
    raise OSError(errno.EIO, "what was read back is not what was written") from failure


def _fill(pieces: Pieces, first: pd.DataFrame, name: str, wrote: Wrote) -> dict[str, Any]:
    """Write all rows to a new file, and give the contents that it should have."""
    # pandas lays out a table of one row, whose arrays are then replaced by those of all rows.
    with _store(name) as store:
        _put(store, first)
        file = store.root._v_file
        sums: dict[str, int] = {}
        numbers: dict[Any, list[str] | None] = {}
        for node in file.list_nodes("/data"):
            if node._v_name == "axis1":
                numbers[_lengthened(file, node, pieces.rows)] = None
            elif node._v_name.endswith("_values"):
                path, names = node._v_pathname, _names_in(file, node)
                if node._v_attrs.CLASS == "VLARRAY":
                    sums[path] = _write_objects(file, node, names, pieces)
                else:
                    numbers[_lengthened(file, node, pieces.rows)] = names
        sums |= _write_numbers(numbers, pieces, wrote)
        return _contents(file, sums)


def _names_in(file: Any, node: Any) -> list[str]:
    """Give the names of the columns of a block."""
    items = file.get_node(node._v_pathname.replace("_values", "_items"))
    return [item.decode() for item in items[:].tolist()]


def _lengthened(file: Any, node: Any, rows: int) -> Any:
    """Put an array of so many rows, yet to be written, in the place of one of one row."""
    group, name, atom, cells, filters = node._v_parent, node._v_name, node.atom, node.shape[1:], node.filters
    attributes = _removed(file, node)
    row_bytes = atom.size * int(np.prod(cells, dtype=np.int64))
    # A power of two, as pieces have: no chunk is compressed twice.
    chunk = min(_ROWS, 1 << max(0, (_CHUNK // row_bytes).bit_length() - 1))
    made = file.create_carray(group, name, atom, (rows, *cells), filters=filters, chunkshape=(chunk, *cells))
    _set_attributes(made, attributes)
    return made


def _removed(file: Any, node: Any) -> dict[str, Any]:
    """Remove a node, and give the attributes that pandas gave it."""
    attributes = {name: node._v_attrs[name] for name in node._v_attrs._f_list("user")}
    file.remove_node(node)
    return attributes


def _set_attributes(node: Any, attributes: dict[str, Any]) -> None:
    """Give a node the attributes of the one in whose place it is."""
    for name, value in attributes.items():
        node._v_attrs[name] = value


def _write_numbers(blocks: dict[Any, list[str] | None], pieces: Pieces, wrote: Wrote) -> dict[str, int]:
    """Write arrays piece by piece, and give their sums; None for names: row numbers."""
    sums: dict[str, int] = {}
    start = 0
    for piece in pieces.pieces(_ROWS):
        stop = start + piece.num_rows
        for node, names in blocks.items():
            values = np.arange(start, stop) if names is None else _values(piece, names)
            node[start:stop] = values
            sums[node._v_pathname] = zlib.crc32(values.data, sums.get(node._v_pathname, 0))
        start = stop
        wrote(start)
    return sums


def _values(piece: pa.RecordBatch, names: list[str]) -> Array:
    """Give columns of one dtype as an array of rows x columns."""
    return np.column_stack([piece.column(name).to_numpy(zero_copy_only=False) for name in names])


def _write_objects(file: Any, node: Any, names: list[str], pieces: Pieces) -> int:
    """Write text as pandas has it, a pickled array, in the place of that of one row; give its sum."""
    import tables

    group, name, filters, cells = node._v_parent, node._v_name, node.filters, node[0].shape[1:]
    attributes = _removed(file, node)
    values = np.empty((pieces.rows, *cells), object)
    for place, column in enumerate(names):
        target = values[:, place] if cells else values
        start = 0
        for piece in pieces.pieces(_ROWS, column):
            target[start : start + piece.num_rows] = piece.to_pandas()[column].to_numpy(object)
            start += piece.num_rows
    made = file.create_vlarray(group, name, tables.ObjectAtom(), filters=filters)
    made.append(values)
    _set_attributes(made, attributes)
    return _sum(_letters(values))


# What a file holds --------------------------------------------------------------------------------


def _contents(file: Any, sums: dict[str, int]) -> dict[str, Any]:
    """Give the attributes of all nodes of the table and the sums of its arrays; ``sums`` has those that are known."""
    contents: dict[str, Any] = {}
    for node in file.walk_nodes("/data"):
        path, attributes = node._v_pathname, node._v_attrs
        contents[path] = {name: str(attributes[name]) for name in attributes._f_list("user")}
        if hasattr(node, "shape"):
            contents[path]["/shape"] = tuple(map(int, node.shape))
            contents[path]["/sum"] = sums[path] if path in sums else _sum(_parts(node))
    return contents


def _sum(parts: Iterable[bytes | memoryview]) -> int:
    """Give the checksum of bytes."""
    total = 0
    for part in parts:
        total = zlib.crc32(part, total)
    return total


def _parts(node: Any) -> Iterator[bytes | memoryview]:
    """Give the bytes of an array, a few rows at a time."""
    if node._v_attrs.CLASS == "VLARRAY":
        yield from _letters(node[0])
        return
    step = max(1, _READ // (node.atom.size * int(np.prod(node.shape[1:], dtype=np.int64))))
    for start in range(0, len(node), step):
        yield node[start : start + step].data


def _letters(values: Array) -> Iterator[bytes]:
    """Give text, some of which may be missing, as bytes, a few rows at a time."""
    step = 1 << 12
    for start in range(0, len(values), step):
        yield repr(values[start : start + step].tolist()).encode()


# Reading ------------------------------------------------------------------------------------------


def read_hdf5(path: Path) -> pd.DataFrame:
    """Read the one object of an hdf5 file as a DataFrame."""
    import pandas as pd

    with _LOCK, pd.HDFStore(path, mode="r") as store:
        frame = pd.read_hdf(store)
    if not isinstance(frame, pd.DataFrame):
        raise LogFileError(f"expected a table, found a {type(frame).__name__}")
    # pandas before 3 reads a column called "nan" as one without a name.
    frame.columns = frame.columns.fillna("nan")
    return frame
