"""Blocks of rows to columns, and columns to and from a DataFrame.

Belongs here: how blocks of different dtypes unite into one array a column, and what may be a column.
May not be here: Arrow, files.

A table has one value in a cell. Its columns are NumPy arrays; text that may be missing is an object
array of str and None.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from ..errors import SchemaError

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "Array",
    "Blocks",
    "Columns",
    "Dtypes",
    "allocated",
    "check_blocks",
    "check_column_names",
    "columns_of",
    "fill",
    "frame_columns",
    "frame_of",
    "refuse_sub_arrays",
    "to_frame",
    "united",
    "united_dtypes",
]

Array: TypeAlias = np.ndarray[Any, Any]
Blocks: TypeAlias = Array | Sequence[Array]
Columns: TypeAlias = dict[str, Array]
Dtypes: TypeAlias = dict[str, np.dtype[Any]]

_MISSING = {"f": np.nan, "c": np.nan, "M": "NaT", "m": "NaT", "O": None}


def columns_of(blocks: Blocks) -> Columns:
    """Unite blocks of rows into one array a column, rows in the order of the blocks.

    Columns stand in the order in which they first appear. The kinds of a column unite as NumPy
    promotes them (int64 and float64 give float64, bool and int64 give int64). Rows of a block
    without the column get NaN there, and the column is float64; text and bytes get None, and the
    column is of objects; dates get NaT.

    Parameters
    ----------
    blocks : sequence of ndarray, or ndarray
        Structured arrays of one dimension, of possibly different dtypes; or a single one.

    Returns
    -------
    dict of str to ndarray
        Arrays of one dimension and one length, in native byte order; contiguous copies. The columns
        of one dtype are rows of one array.

    Raises
    ------
    SchemaError
        A block that is no structured array of one dimension, a field that holds several values, or
        a column that is a number in one block and something else in another.

    Notes
    -----
    Complexity: O(rows x columns).
    Allocates: the result, and nothing else that grows with the rows.
    Valid: a copy.
    Threads: any, while no other thread writes to the blocks.

    Examples
    --------
    >>> import numpy as np
    >>> first = np.array([(0.0, 1)], [("t", "f8"), ("x", "i8")])
    >>> second = np.array([(0.1, 0.5, True)], [("t", "f8"), ("x", "f8"), ("ok", "?")])
    >>> {name: column.tolist() for name, column in columns_of([first, second]).items()}
    {'t': [0.0, 0.1], 'x': [1.0, 0.5], 'ok': [nan, 1.0]}
    """
    columns = united(blocks)
    refuse_sub_arrays({name: column.shape[1:] for name, column in columns.items()})
    return columns


def to_frame(blocks: Blocks) -> pd.DataFrame:
    """Give blocks of rows as a DataFrame, rows numbered from 0; the dtypes are those of columns_of.

    Parameters
    ----------
    blocks : sequence of ndarray, or ndarray
        Structured arrays of one dimension, of possibly different dtypes; or a single one.

    Returns
    -------
    pandas.DataFrame
        Columns in the order in which they first appear, rows in the order of the blocks, a
        RangeIndex; a copy. Numbers and bools keep their dtypes; text gets the one that pandas has
        for it.

    Raises
    ------
    SchemaError
        What columns_of raises.

    Notes
    -----
    Complexity: O(rows x columns).
    Allocates: the result, and for text columns once more.
    Valid: a copy.
    Threads: any, while no other thread writes to the blocks.

    Examples
    --------
    >>> import numpy as np
    >>> to_frame([np.array([(0.0, 1), (0.1, 2)], [("t", "f8"), ("x", "i4")])])
         t  x
    0  0.0  1
    1  0.1  2
    """
    return frame_of(columns_of(blocks))


def frame_of(columns: Columns) -> pd.DataFrame:
    """Give columns as a DataFrame that shares their memory where it can."""
    import pandas as pd

    rows = len(next(iter(columns.values()), ()))
    return pd.DataFrame(columns, index=pd.RangeIndex(rows), copy=False)


def united(blocks: Blocks) -> Columns:
    """Unite blocks as columns_of does, sub-array fields included (arrays of more dimensions)."""
    blocks = [blocks] if isinstance(blocks, np.ndarray) else list(blocks)
    check_blocks(blocks)
    # Blocks mostly share one dtype object, and hashing one costs as much as copying a block.
    layouts = {id(block.dtype): block.dtype for block in blocks}
    filled = {id(block.dtype): block.dtype for block in blocks if len(block)}
    columns = allocated(united_dtypes(layouts.values(), filled.values()), sum(map(len, blocks)))
    start = 0
    # Block by block, so that each is read from memory once and from the cache for every column.
    for block in filter(len, blocks):
        fill(columns, start, block)
        start += len(block)
    return columns


def fill(columns: Columns, start: int, block: Array) -> None:
    """Put the rows of a block into columns of united dtypes, from row ``start`` on."""
    stop = start + len(block)
    present = block.dtype.fields or {}
    for name, column in columns.items():
        column[start:stop] = block[name] if name in present else _MISSING[column.dtype.kind]


def check_blocks(blocks: Iterable[Any]) -> None:
    """Refuse what is no structured array of one dimension."""
    for block in blocks:
        if not isinstance(block, np.ndarray) or block.dtype.names is None or block.ndim != 1:
            found = (
                f"an array of dtype {block.dtype} and shape {block.shape}"
                if isinstance(block, np.ndarray)
                else f"{type(block).__name__}"
            )
            raise SchemaError(
                "expected blocks that are structured arrays of one dimension, "
                f"found {found}: name the fields, such as [('t', 'f8'), ('x', 'f8')]"
            )


def refuse_sub_arrays(shapes: Mapping[str, tuple[int, ...]]) -> None:
    """Refuse columns with several values in a cell; ``shapes``: of a cell, by column."""
    for name, shape in shapes.items():
        if shape:
            raise SchemaError(
                f"expected one value in a cell, found the sub-array field {name!r} of shape "
                f"{shape}: give each of its values a field of its own, or use to_arrow"
            )


def united_dtypes(layouts: Iterable[np.dtype[Any]], filled: Iterable[np.dtype[Any]]) -> Dtypes:
    """Give the dtype of every column of the table, in order of first appearance.

    ``layouts`` are the structured dtypes of its blocks, ``filled`` those of blocks that hold rows.
    """
    dtypes: Dtypes = {}
    for layout in layouts:
        for name in layout.names or ():
            dtypes[name] = _promoted(name, dtypes.get(name, layout[name]), layout[name])
    check_column_names(dtypes)
    present = [layout.names or () for layout in filled]
    for name, dtype in dtypes.items():
        if any(name not in names for names in present):
            dtypes[name] = _with_missing(dtype)
    return dtypes


def _promoted(name: str, one: np.dtype[Any], other: np.dtype[Any]) -> np.dtype[Any]:
    """Give the dtype, in native byte order, that holds the values of both."""
    if one.base.kind == "V":
        raise SchemaError(
            f"expected one value in a cell, found the field {name!r} of dtype {one}: "
            "give each of its values a field of its own"
        )
    families = ["number" if dtype.base.kind in "biufc" else dtype.base.kind for dtype in (one, other)]
    if families[0] != families[1] or one.shape != other.shape:
        raise SchemaError(
            f"expected values of one kind in column {name!r}, found {one} in one block and {other} "
            "in another: rename one of them, or convert its values"
        )
    return np.dtype((np.promote_types(one.base, other.base), one.shape))


def _with_missing(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """Give the dtype that holds the values of this one and missing ones."""
    if dtype.base.kind in "US":
        return np.dtype((object, dtype.shape))
    if dtype.base.kind in "Mm":
        return dtype
    return np.dtype((np.promote_types(dtype.base, np.float64), dtype.shape))


def allocated(dtypes: Dtypes, rows: int) -> Columns:
    """Give uninitialised columns, those of one dtype as the rows of one array.

    One large array gets huge pages from the system where many small ones do not: for 300 000 rows
    of 20 float64 that halves the time of columns_of.
    """
    groups: dict[np.dtype[Any], list[str]] = {}
    for name, dtype in dtypes.items():
        groups.setdefault(dtype, []).append(name)
    made: Columns = {}
    for dtype, names in groups.items():
        made.update(zip(names, np.empty((len(names), rows), dtype), strict=True))
    return {name: made[name] for name in dtypes}


def check_column_names(names: Iterable[Any]) -> None:
    """Refuse names of columns that are no text, empty, twice there, or that files cannot hold."""
    seen = set()
    for name in names:
        if not isinstance(name, str) or not name:
            raise SchemaError(f"expected text as the name of a column, found {name!r}: name it")
        if "\0" in name or any("\ud800" <= letter <= "\udfff" for letter in name):
            raise SchemaError(
                f"found a column called {name!r}: no file holds a NUL or half a surrogate pair; rename it"
            )
        if name in seen:
            raise SchemaError(f"found two columns called {name!r}: rename one of them")
        seen.add(name)


def frame_columns(frame: pd.DataFrame) -> Columns:
    """Give a DataFrame as columns; refuse what would be lost (an index that says more than a number)."""
    index = frame.index
    if index.nlevels > 1 or index.name is not None or index.dtype.kind not in "iu":
        raise SchemaError(
            f"expected rows that are numbered, found an index called {index.name!r} of dtype "
            f"{index.dtype}: make it a column with frame.reset_index()"
        )
    check_column_names(frame.columns)
    return {str(name): _frame_column(name, column) for name, column in frame.items()}


def _frame_column(name: Any, column: pd.Series[Any]) -> Array:
    """Give one column of a DataFrame as an array; missing text is None."""
    import pandas as pd

    dtype = column.dtype
    if isinstance(dtype, np.dtype) and dtype.kind != "O":
        return column.to_numpy()
    if isinstance(dtype, np.dtype | pd.StringDtype):
        values: Array = column.to_numpy(dtype=object).copy()
        values[column.isna().to_numpy()] = None
        return values
    raise SchemaError(
        f"expected numbers, bools or text in column {name!r}, found the pandas dtype {dtype}: "
        'convert it, such as with frame.astype({name: "float64"})'
    )
