"""Columns as Arrow arrays, and rows as a stream that any Arrow library takes.

Belongs here: which NumPy dtype is which Arrow type. May not be here: files, and pandas.

Arrays are made with ``pa.Array.from_buffers`` throughout: the first ``pa.array`` or ``pa.scalar``
of a process imports pandas, which would stall a running experiment for half a second.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import SchemaError
from .columns import Array, Blocks, Columns, united

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = [
    "arrow_array",
    "arrow_batch",
    "arrow_stream",
    "refuse_bytes",
    "refuse_mixed",
    "rows_of_batch",
    "text_array",
    "to_arrow",
]

_NUMBERS = frozenset(
    f"{kind}{bits}"
    for kind, widths in {"int": (8, 16, 32, 64), "uint": (8, 16, 32, 64), "float": (16, 32, 64)}.items()
    for bits in widths
)


def to_arrow(blocks: Blocks) -> pa.Table:
    """Give blocks of rows as an Arrow table, columns united as columns_of does; NaN stays NaN.

    Bools, signed and unsigned integers, and float16 to float64 have the Arrow type of the same
    name; fixed-width text is string, fixed-width bytes are binary, a sub-array field is a
    fixed-size list. Only text and bytes that are missing are null.

    Parameters
    ----------
    blocks : sequence of ndarray, or ndarray
        Structured arrays of one dimension, of possibly different dtypes; or a single one.

    Returns
    -------
    pyarrow.Table
        Rows in the order of the blocks; a copy of theirs.

    Raises
    ------
    SchemaError
        Blocks that do not unite (see columns_of), or a field that Arrow has no type for: complex,
        long double, dates, nested records.

    Notes
    -----
    Complexity: O(rows x columns).
    Allocates: the result; bools, text and bytes once more.
    Valid: a copy.
    Threads: any, while no other thread writes to the blocks.

    Examples
    --------
    >>> import numpy as np
    >>> table = to_arrow([np.array([(0.0, "a")], [("t", "f8"), ("state", "U8")])])
    >>> table.to_pylist()
    [{'t': 0.0, 'state': 'a'}]
    """
    import pyarrow as pa

    return pa.Table.from_batches([arrow_batch(united(blocks))])


def arrow_stream(blocks: Blocks, requested_schema: object = None) -> Any:
    """Give blocks of rows as the PyCapsule of an Arrow C stream, for ``__arrow_c_stream__``.

    The protocol: https://arrow.apache.org/docs/format/CDataInterface/PyCapsuleInterface.html.

    Parameters
    ----------
    blocks : sequence of ndarray, or ndarray
        Structured arrays of one dimension, of possibly different dtypes; or a single one.
    requested_schema : PyCapsule, optional
        The schema that the consumer would rather have; pyarrow casts to it.

    Returns
    -------
    PyCapsule
        Named "arrow_array_stream", rows in the order of the blocks; holds a copy of theirs.

    Raises
    ------
    SchemaError
        What to_arrow raises.

    Notes
    -----
    Complexity: O(rows x columns).
    Allocates: what to_arrow does.
    Valid: a copy, for one consumer.
    Threads: any, while no other thread writes to the blocks.

    Examples
    --------
    >>> import numpy as np, pyarrow as pa
    >>> class Rows:
    ...     def __arrow_c_stream__(self, requested_schema=None):
    ...         return arrow_stream([np.array([(0.5,)], [("t", "f8")])], requested_schema)
    >>> pa.table(Rows()).to_pylist()
    [{'t': 0.5}]
    """
    table: Any = to_arrow(blocks)
    return table.__arrow_c_stream__(requested_schema)


def arrow_batch(columns: Columns, kinds: Mapping[str, Any] | None = None) -> pa.RecordBatch:
    """Give columns as an Arrow record batch that shares the memory of their numbers.

    ``kinds`` are the Arrow types of columns whose cells alone do not say it: those of objects, in a part of a table.
    """
    import pyarrow as pa

    kinds = kinds or {}
    arrays = [arrow_array(name, column, kind=kinds.get(name)) for name, column in columns.items()]
    schema = pa.schema([pa.field(name, array.type) for name, array in zip(columns, arrays, strict=True)])
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def rows_of_batch(batch: pa.RecordBatch, dtype: np.dtype[Any]) -> Array:
    """Give an Arrow record batch as rows of the dtype that it was made of; a copy. SchemaError where it was not."""
    rows = np.zeros(batch.num_rows, dtype)
    names = dtype.names or ()
    if tuple(batch.schema.names) != names:
        raise SchemaError(f"expected the columns {names}, found {tuple(batch.schema.names)}")
    for name, column in zip(names, batch.columns, strict=True):
        shape = dtype[name].shape
        for _ in shape:
            column = column.flatten()
        if dtype[name].base.kind in "US":
            values: Any = np.array(column.to_pylist(), dtype[name].base)
        else:
            values = column.to_numpy(zero_copy_only=False)
        rows[name] = values.reshape(len(rows), *shape)
    return rows


def arrow_array(name: str, column: Array, valid: Array | None = None, kind: Any = None) -> pa.Array[Any]:
    """Give one column as an Arrow array; where ``valid`` is False, the value is null.

    ``kind`` says of a column of objects whether it is string or binary; None: what its cells are.
    """
    import pyarrow as pa

    if column.dtype.kind in "USO" and column.ndim == 1:
        return _text_or_bytes(name, column, kind)
    if column.dtype.name in _NUMBERS:
        values = np.ascontiguousarray(column).reshape(-1)
        kind = getattr(pa, column.dtype.name)()
    elif column.dtype.kind == "b":
        values = np.packbits(column.reshape(-1), bitorder="little")
        kind = pa.bool_()
    else:
        raise SchemaError(
            f"expected bools, integers, floats up to 64 bits, text or bytes in column {name!r}, "
            f"found {column.dtype}: convert it to one of these"
        )
    array = pa.Array.from_buffers(kind, column.size, [_bitmap(valid), pa.py_buffer(values.data)])
    for axis in range(column.ndim - 1, 0, -1):
        kind = pa.list_(array.type, column.shape[axis])
        length = math.prod(column.shape[:axis])
        array = pa.Array.from_buffers(kind, length, [None], children=[array])
    return array


def refuse_bytes(schema: pa.Schema, format: str) -> None:
    """Refuse columns of bytes, which a format of text and numbers would give back as something else."""
    import pyarrow as pa

    for field in schema:
        if pa.types.is_binary(field.type) or pa.types.is_large_binary(field.type):
            raise SchemaError(
                f"expected bools, numbers or text for {format}, found bytes in column "
                f"{field.name!r}: decode them, or save as feather or parquet"
            )


def refuse_mixed(name: str, found: Collection[type], wanted: type) -> None:
    """Refuse a column of objects that has values of the types ``found`` where it should have one."""
    if not all(issubclass(kind, wanted) for kind in found):
        raise SchemaError(
            f"expected text, bytes or None in column {name!r}, found values of the types "
            f"{', '.join(sorted(kind.__name__ for kind in found))}: convert them to one dtype"
        )


def _bitmap(valid: Array | None) -> pa.Buffer | None:
    """Give a mask as Arrow's validity bitmap, least significant bit first."""
    import pyarrow as pa

    if valid is None or valid.all():
        return None
    return pa.py_buffer(np.packbits(valid, bitorder="little").data)


def _text_or_bytes(name: str, column: Array, kind: Any) -> pa.Array[Any]:
    """Give the cells of a column as string or binary; they are all str or all bytes, or None."""
    import pyarrow as pa

    cells = column.tolist()
    kinds = set(map(type, cells)) - {type(None)}
    if column.dtype.kind == "S" or (kinds == {bytes} and kind is None):
        kind = pa.binary()
    refuse_mixed(name, kinds, bytes if kind == pa.binary() else str)
    if kind == pa.binary():
        return _variable(kind, cells)
    try:
        return text_array(cells)
    except UnicodeEncodeError as error:
        raise SchemaError(
            f"expected text in column {name!r} that UTF-8 can hold, found {error.object!r}: "
            "replace the half of a surrogate pair in it"
        ) from error


def text_array(cells: Sequence[str | None]) -> pa.Array[Any]:
    """Give text as an Arrow array of strings; None is null."""
    import pyarrow as pa

    return _variable(pa.string(), [cell if cell is None else cell.encode() for cell in cells])


def _variable(kind: Any, cells: Sequence[bytes | None]) -> pa.Array[Any]:
    """Give cells of different lengths as an Arrow array: a validity bitmap, offsets, the bytes."""
    import pyarrow as pa

    offsets = np.zeros(len(cells) + 1, np.int64)
    np.cumsum([len(cell or b"") for cell in cells], out=offsets[1:])
    width: Any = np.int32
    if offsets[-1] > np.iinfo(np.int32).max:
        width, kind = np.int64, pa.large_string() if kind == pa.string() else pa.large_binary()
    valid = np.array([cell is not None for cell in cells], bool)
    data = b"".join(cell for cell in cells if cell)
    buffers = [_bitmap(valid), pa.py_buffer(offsets.astype(width).data), pa.py_buffer(data)]
    return pa.Array.from_buffers(kind, len(cells), buffers)
