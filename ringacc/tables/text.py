r"""Tables as text: csv and json, written and read.

Belongs here: how a cell is spelled, and what a spelled cell is read back as. May not be here: where
the file lies, or that it gets there whole.

csv, as the readers of stytra logs expect it: ``;`` between cells, ``\n`` after a row, UTF-8; first an
unnamed column of row numbers; bools as 1 and 0, NaN and missing text as an empty cell, text always
in quotes (``"`` doubled), so that it is not taken for a number. json: an object of columns, each an
object of row number to value (pandas' ``orient="columns"``).

Floats are spelled by Arrow's cast to text: the shortest decimal that reads back as the same float,
in a tenth of the time of ``repr``.
"""

from __future__ import annotations

import io
import json
import os
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import accumulate, islice
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from ..errors import LogFileError
from .arrow import arrow_array, refuse_bytes, text_array
from .columns import check_column_names

if TYPE_CHECKING:
    from pathlib import Path

    import pyarrow as pa

    from .columns import Array, Columns
    from .pieces import Pieces, Wrote

__all__ = ["read_csv", "read_json", "write_csv", "write_json"]

# Cells of csv spelled at a time: few enough for memory, enough that the calls do not count.
_CELLS = 1 << 19
# Threads that spell csv; Arrow leaves the interpreter to others meanwhile.
_THREADS = min(4, os.cpu_count() or 1)
# Rows of a column of json spelled at a time.
_ROWS = 1 << 16
# Bytes at the beginning of a csv file in which read_csv looks for quotes.
_HEAD = 1 << 20
# One cell and what ends it; no match where the cell itself has no end.
_CELL = re.compile(rb'("(?:[^"]|"")*"|[^";\r\n][^;\r\n]*|)(;|\r?\n)')


# Writing ------------------------------------------------------------------------------------------


def write_csv(pieces: Pieces, file: IO[bytes], wrote: Wrote) -> None:
    """Write a table as csv: row numbers first, floats to the last bit, text in quotes."""
    schema = pieces.schema
    refuse_bytes(schema, "csv")
    names = [_quoted(name) if re.search(r'[;"\r\n]', name) else name for name in schema.names]
    file.write(";".join(["", *names]).encode())
    parts = pieces.pieces(max(1, _CELLS // (len(names) + 1)))
    start = 0
    with ThreadPoolExecutor(_THREADS) as pool:
        # A few pieces at a time: the text of a long recording need not fit into memory.
        while some := list(islice(parts, 2 * _THREADS)):
            starts = list(accumulate((part.num_rows for part in some), initial=start))
            for text, start in zip(pool.map(_csv_rows, some, starts[:-1]), starts[1:], strict=True):
                file.write(text)
                wrote(start)
    file.write(b"\n")


def _csv_rows(piece: pa.RecordBatch, start: int) -> memoryview:
    """Spell rows of csv, each after the end of the line before; ``start`` is the number of the first."""
    cells = [_joined([_text("\n"), _row_numbers(start, piece.num_rows), _text("")])]
    # Infinity is spelled as pandas reads it.
    cells += [_spelled(column, _quoted, ("1", "0"), "inf") for column in piece.columns]
    return _bytes(_joined([*cells, _text(";")]))


def write_json(pieces: Pieces, file: IO[bytes], wrote: Wrote) -> None:
    """Write a table as json: column -> {row number: value}; NaN and missing text are null.

    Infinity, for which json has no word, is a number too large for any float: valid json, and read back as infinity.
    """
    names = pieces.schema.names
    refuse_bytes(pieces.schema, "json")
    for place, name in enumerate(names):
        file.write(f"{',' if place else '{'}{json.dumps(name)}:{{".encode())
        start = 0
        for piece in pieces.pieces(_ROWS, name):
            written = _json_cells(piece.column(0), start)
            file.write(written if start else written[1:])
            start += piece.num_rows
            # As many cells as so many whole rows have.
            wrote((place * pieces.rows + start) // len(names))
        file.write(b"}")
    file.write(b"}\n")


def _json_cells(part: pa.Array[Any], start: int) -> memoryview:
    """Spell cells of one column of json, each after a comma; ``start`` is the row number of the first."""
    values = _spelled(part, json.dumps, ("true", "false"), "1e999")
    rows = _row_numbers(start, len(part))
    cells = [_text(',"'), rows, _text('":'), values, _text("")]
    return _bytes(_joined(cells, missing="null"))


def _spelled(
    column: pa.Array[Any],
    quote: Callable[[str], str],
    truths: tuple[str, str],
    infinity: str,
) -> pa.Array[Any]:
    """Spell the cells of a column; null for NaN and for missing text."""
    import pyarrow as pa
    import pyarrow.compute as pc

    spelled: pa.Array[Any]
    if pa.types.is_boolean(column.type):
        spelled = pc.if_else(column, _text(truths[0]), _text(truths[1]))
    elif pa.types.is_integer(column.type):
        spelled = pc.cast(column, pa.string())
    elif pa.types.is_floating(column.type):
        if pa.types.is_float16(column.type):
            column = pc.cast(column, pa.float32())
        spelled = pc.cast(column, pa.string())
        if pc.any(pc.equal(column, pc.trunc(column))).as_py():
            # Arrow spells 620.0 as 620, and a column of those would be read back as integers.
            spelled = pc.replace_substring_regex(spelled, r"^(-?[0-9]+)$", r"\1.0")
        if not pc.all(pc.is_finite(column), min_count=0).as_py():
            signed = pc.if_else(pc.less(column, pc.negate(column)), _text(f"-{infinity}"), _text(infinity))
            spelled = pc.if_else(pc.is_inf(column), signed, spelled)
            spelled = pc.if_else(pc.is_nan(column), _text(None), spelled)
    else:
        spelled = text_array([None if cell is None else quote(cell) for cell in column.to_pylist()])
    return spelled


def _quoted(text: str) -> str:
    """Quote a csv cell."""
    return '"' + text.replace('"', '""') + '"'


def _row_numbers(start: int, rows: int) -> pa.Array[Any]:
    """Spell the numbers of rows."""
    import pyarrow as pa
    import pyarrow.compute as pc

    return pc.cast(arrow_array("", np.arange(start, start + rows)), pa.string())


def _text(text: str | None) -> pa.Scalar[Any]:
    """Give text as an Arrow scalar without ``pa.scalar``, which imports pandas."""
    constant: pa.Scalar[Any] = text_array([text])[0]
    return constant


def _joined(cells: list[Any], missing: str = "") -> pa.Array[Any]:
    """Join the cells of each row; the last of ``cells`` is what stands between them."""
    import pyarrow.compute as pc

    joined: pa.Array[Any] = pc.binary_join_element_wise(*cells, null_handling="replace", null_replacement=missing)
    return joined


def _bytes(array: Any) -> memoryview:
    """Give the cells of an Arrow array of strings one after the other, without a copy."""
    _, offsets, data = array.buffers()
    first, last = np.frombuffer(offsets, np.int32)[[array.offset, array.offset + len(array)]]
    return memoryview(data)[first:last]


# Reading ------------------------------------------------------------------------------------------


def read_csv(path: Path) -> Columns:
    """Read columns from csv: a column is int64 (or uint64), else float64, else text.

    Text is what stands in quotes, and what is no number; an empty cell is NaN, or missing text. csv
    cannot tell bools from integers, nor the width of a number, nor the dtype of a column without a
    value (float64).
    """
    import pyarrow as pa
    import pyarrow.csv

    data = path.read_bytes()
    quoted = _quoted_columns(data[:_HEAD])
    if len(quoted) < 2:
        raise LogFileError(f"expected cells with ';' between them, found {data[:60]!r}")
    if not data.endswith(b"\n") or data.count(b'"') % 2:
        raise LogFileError("expected an end of the last row, found none: the file has been cut")
    # All as text, and the header as a row: pyarrow's own guesses take text for dates.
    as_text = {f"f{number}": pa.string() for number in range(len(quoted))}
    table = pyarrow.csv.read_csv(
        io.BytesIO(data),
        read_options=pyarrow.csv.ReadOptions(autogenerate_column_names=True, block_size=1 << 24),
        parse_options=pyarrow.csv.ParseOptions(delimiter=";", newlines_in_values=True),
        convert_options=pyarrow.csv.ConvertOptions(
            column_types=as_text,
            null_values=[""],
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
        ),
    )
    names = [column[0].as_py() or "" for column in table.columns]
    first = 0 if names[0] else 1
    check_column_names(names[first:])
    columns = [_column_of_texts(cells.slice(1), text) for cells, text in zip(table.columns, quoted, strict=True)]
    return dict(zip(names[first:], columns[first:], strict=True))


def _quoted_columns(head: bytes) -> list[bool]:
    """Tell of each column whether its first cell that is not empty stands in quotes."""
    firsts: list[bytes] = []
    column, position, in_header = 0, 0, True
    while cell := _CELL.match(head, position):
        content, end = cell.groups()
        if in_header:
            firsts.append(b"")
        elif column < len(firsts):
            firsts[column] = firsts[column] or content[:1]
        column, position = column + 1, cell.end()
        if end != b";":
            column, in_header = 0, False
            if all(firsts):
                break
    return [first == b'"' for first in firsts]


def _column_of_texts(cells: Any, quoted: bool) -> Array:
    """Give cells of csv as the narrowest of int64, uint64, float64 and text that holds them all."""
    import pyarrow as pa
    import pyarrow.compute as pc

    kinds: list[Any] = [pa.int64(), pa.uint64()] if len(cells) > cells.null_count == 0 else []
    for kind in [] if quoted else [*kinds, pa.float64()]:
        try:
            numbers: Array = pc.cast(cells, kind).to_numpy()
        except pa.ArrowInvalid:
            continue
        return numbers
    return _objects(cells.to_pylist())


def read_json(path: Path) -> Columns:
    """Read columns from json: bool, int64 (uint64), float64 (null is NaN) or text (null is None)."""
    document = json.loads(path.read_bytes(), object_pairs_hook=_object)
    if not isinstance(document, dict) or not all(isinstance(c, dict) for c in document.values()):
        raise LogFileError(
            "expected a table, an object of columns that are objects of row number to value, found other json"
        )
    rows: list[str] | None = None
    for name, cells in document.items():
        rows = list(cells) if rows is None else rows
        if list(cells) != rows:
            raise LogFileError(f"expected the same rows in every column, found others in {name!r}")
    return {name: _column_of_values(name, [*cells.values()]) for name, cells in document.items()}


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Give a json object as a dict; refuse one that has a name twice."""
    made = dict(pairs)
    if len(made) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in made if names.count(name) > 1)
        raise LogFileError(f"expected every name once in a json object, found {twice!r} twice")
    return made


def _column_of_values(name: str, values: list[Any]) -> Array:
    """Give the values of a column of json as an array of the one dtype that holds them all."""
    kinds = set(map(type, values))
    if str in kinds and kinds <= {str, type(None)}:
        return _objects(values)
    if not kinds <= {bool, int, float, type(None)}:
        raise LogFileError(
            f"expected numbers, true and false, or text in column {name!r}, found values of the "
            f"types {', '.join(sorted(kind.__name__ for kind in kinds))}"
        )
    if kinds == {int}:
        # NumPy by itself makes float64 of numbers on both sides of the end of int64.
        return np.array(values, np.int64 if max(values) <= np.iinfo(np.int64).max else np.uint64)
    return np.array(values, bool if kinds == {bool} else np.float64)


def _objects(values: list[Any]) -> Array:
    """Give text that may be missing as a column."""
    column = np.empty(len(values), object)
    column[:] = values
    return column
