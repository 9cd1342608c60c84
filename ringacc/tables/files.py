"""Tables as files: saved whole or not at all, loaded with a clear word where they are not what they say.

Belongs here: names and extensions of the formats, what is wrong with a file that cannot be read, and the formats that a
library writes as they are (feather, parquet). May not be here: how rows become columns, how text is spelled, or how
hdf5 is laid out.
"""

from __future__ import annotations

import codecs
import os
import re
import sys
from collections.abc import Callable, Collection
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, cast

from ..errors import FormatError, LogFileError, MissingFileError, RingaccError, SaveError, SchemaError
from ..whole import replacing
from .arrow import arrow_batch
from .columns import Blocks, Columns, check_column_names, columns_of, frame_columns, frame_of
from .hdf5 import read_hdf5, write_hdf5
from .pieces import BatchPieces, Pieces, Wrote
from .text import read_csv, read_json, write_csv, write_json

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["FORMATS", "load", "refuse_no_columns", "save", "target_of", "write"]

FORMATS = ("csv", "feather", "hdf5", "json", "parquet")

_EXTENSIONS = {".csv": "csv", ".feather": "feather", ".hdf5": "hdf5", ".h5": "hdf5"}
_EXTENSIONS |= {".json": "json", ".parquet": "parquet"}

# What files begin with, by the definitions of their formats.
_BEGINNINGS = (
    (b"\x89HDF\r\n\x1a\n", "hdf5"),
    (b"ARROW1", "feather"),
    (b"FEA1", "feather"),
    (b"PAR1", "parquet"),
    (b"\xff\xff\xff\xff", "an Arrow stream"),
    (b"PK\x03\x04", "a zip archive (xlsx, npz, zip)"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"\x93NUMPY", "a NumPy array (npy)"),
)


def save(data: Blocks | pd.DataFrame, path: str | os.PathLike[str], format: str = "csv") -> Path:
    r"""Save rows as a file: whole, or not at all with what stood there before untouched.

    - csv: ``;`` between cells, first an unnamed column of row numbers, bools as 1 and 0, NaN empty.
    - feather: an Arrow file, compressed with lz4.
    - hdf5: one object ``/data`` in pandas' fixed format, compressed with zlib. h5py and pandas
      since 2.1 open it.
    - json: column -> {row number: value}. NaN and missing text are null; inf and -inf, which json has
      no word for, are 1e999 and -1e999, which every reader takes for them.
    - parquet: compressed with zstd.

    Every value comes back to the last bit, but for the payload of a NaN in csv and json. Dtypes come back from
    feather, hdf5 and parquet; csv and json have numbers of 64 bits, csv has no bools. Bytes go into feather and parquet
    only. Rows are numbered from 0: the numbers in the index of a DataFrame are not kept.

    Parameters
    ----------
    data : sequence of ndarray, ndarray, or pandas.DataFrame
        Structured arrays of one dimension, united as columns_of does; or a table.
    path : str or PathLike
        Where to; the extension of the format is added unless the name has it.
    format : {"csv", "feather", "hdf5", "json", "parquet"}
        What to write.

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
        No columns, two columns of one name, a dtype that the format has no place for.
    SaveError
        A file that could not be written, such as on a full disk.

    Notes
    -----
    Complexity: O(rows x columns).
    Allocates: the columns, and for hdf5 the columns once more and the compressed file twice.
    Valid: a plain value.
    Threads: any; hdf5 files are written one after the other. A process that is killed while it
    saves leaves a hidden file that ends in ``.part``.

    Examples
    --------
    >>> import tempfile, numpy as np
    >>> rows = np.array([(0.0, True), (0.1, False)], [("t", "f8"), ("ok", "?")])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = save([rows], folder + "/log", "csv")
    ...     path.name, path.read_text()
    ('log.csv', ';t;ok\n0;0.0;1\n1;0.1;0\n')
    """
    target = target_of(path, format)
    return write(BatchPieces(arrow_batch(_columns(data))), target, format)


def format_of(path: str | os.PathLike[str]) -> str:
    """Give the format that the extension of a log's name says; FormatError where it says none."""
    format = _EXTENSIONS.get(Path(path).suffix.lower())
    if format is None:
        raise FormatError(
            f"expected a log of one of the formats {', '.join(FORMATS)}, by its extension "
            f"({', '.join(_EXTENSIONS)}), found {Path(path).name!r}"
        )
    return format


def target_of(path: str | os.PathLike[str], format: str) -> Path:
    """Give the path of the file to write, extension included; refuse unknown formats and folders that are not there."""
    if format not in FORMATS:
        raise FormatError(f"expected one of the formats {', '.join(FORMATS)}, found {format!r}")
    target = Path(path)
    if _EXTENSIONS.get(target.suffix.lower()) != format:
        target = target.with_name(f"{target.name}.{format}")
    if not target.parent.is_dir():
        raise MissingFileError(f"expected a folder to save to, found no {target.parent}: make it")
    return target


def write(pieces: Pieces, target: Path, format: str, wrote: Wrote = lambda rows: None) -> Path:
    """Write a table to ``target``, whole or not at all, and give that path."""
    try:
        with replacing(target) as file:
            _WRITERS[format](pieces, file, wrote)
    except RingaccError:  # says by itself what is wrong
        raise
    except OSError as error:
        raise SaveError(
            error.errno,
            f"{error.strerror or error}: the file was not written, and what stood there before is "
            "untouched; make room or choose another folder, and save again",
            str(target),
        ) from error
    return target


def _columns(data: Blocks | pd.DataFrame) -> Columns:
    """Give what save was handed as columns, without importing pandas to find out."""
    pandas = sys.modules.get("pandas")
    if pandas is not None and isinstance(data, pandas.DataFrame):
        columns = frame_columns(data)
    else:
        columns = columns_of(cast("Blocks", data))
    refuse_no_columns(columns)
    return columns


def refuse_no_columns(columns: Collection[str]) -> None:
    """Refuse a table without columns."""
    if not columns:
        raise SchemaError("expected at least one column, found none: there is nothing to save")


def _write_feather(pieces: Pieces, file: IO[bytes], wrote: Wrote) -> None:
    """Write an Arrow file, which is what feather has been since its version 2."""
    import pyarrow as pa

    # Not pyarrow.feather, which imports pandas.
    options = pa.ipc.IpcWriteOptions(compression="lz4")
    rows = 0
    with pa.ipc.new_file(cast(Any, file), pieces.schema, options=options) as writer:
        for piece in pieces.pieces(1 << 16):
            writer.write_batch(piece)
            rows += piece.num_rows
            wrote(rows)


def _write_parquet(pieces: Pieces, file: IO[bytes], wrote: Wrote) -> None:
    """Write parquet; without dictionaries, which measured values only fill in vain."""
    import pyarrow.parquet as pq

    rows = 0
    with pq.ParquetWriter(file, pieces.schema, compression="zstd", use_dictionary=False) as writer:
        for piece in pieces.pieces(1 << 20):
            writer.write_batch(piece, row_group_size=piece.num_rows)
            rows += piece.num_rows
            wrote(rows)


_WRITERS: dict[str, Callable[[Pieces, IO[bytes], Wrote], None]] = {
    "csv": write_csv,
    "feather": _write_feather,
    "hdf5": write_hdf5,
    "json": write_json,
    "parquet": _write_parquet,
}


def load(path: str | os.PathLike[str]) -> pd.DataFrame:
    """Load a log that save wrote, or stytra, by its extension; rows are numbered from 0.

    A csv file that has been cut exactly between two rows cannot be told from a whole one.

    Parameters
    ----------
    path : str or PathLike
        A file whose name ends in .csv, .feather, .hdf5, .h5, .json or .parquet. Open hdf5 only from
        people you trust: text in it is pickled.

    Returns
    -------
    pandas.DataFrame
        Columns and rows in the order in which they were saved; csv and json without the row numbers.

    Raises
    ------
    FormatError
        An extension that is none of these.
    MissingFileError
        No such file.
    LogFileError
        A file that is empty, cut, of another format than its name says, or not a table.

    Notes
    -----
    Complexity: O(rows x columns).
    Allocates: the table; csv the file and its cells as text as well, json a Python object a cell.
    Valid: a copy.
    Threads: any; hdf5 files are read one after the other.

    Examples
    --------
    >>> import tempfile, numpy as np
    >>> rows = np.array([(0.0, 7), (0.1, 8)], [("t", "f8"), ("x", "i8")])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     load(save([rows], folder + "/log", "feather"))
         t  x
    0  0.0  7
    1  0.1  8
    """
    path = Path(path)
    format = format_of(path)
    if not path.exists():
        beside = sorted(p.name for p in path.parent.glob("*") if p.suffix.lower() in _EXTENSIONS)
        raise MissingFileError(
            f"expected a log, found no file {path}: "
            f"{'there are ' + ', '.join(beside[:10]) if beside else 'no log lies in that folder'}"
        )
    _check_beginning(path, format)
    try:
        frame: pd.DataFrame = _READERS[format](path)
        check_column_names(frame.columns)
    except MemoryError:
        raise
    except (LogFileError, SchemaError) as error:
        raise LogFileError(f"{path}: {error}") from error
    except Exception as error:
        # On a damaged file the readers raise whatever they stumble over.
        *_, reason = f"{type(error).__name__}: {error}".strip().splitlines()
        raise LogFileError(
            f"{path}: expected a whole table in {format}, found one that has been cut or damaged "
            f"({reason}): take another copy of it, or save it again"
        ) from error
    index = frame.index
    if index.nlevels == 1 and index.name is None and index.dtype.kind in "iu":
        frame = frame.reset_index(drop=True)
    return frame


def _check_beginning(path: Path, format: str) -> None:
    """Refuse a file that is empty or begins as another format does."""
    with path.open("rb") as file:
        beginning = file.read(64)
    if not beginning:
        raise LogFileError(f"{path}: expected {format}, found an empty file: save it again")
    if any(name == format and start.startswith(beginning) for start, name in _BEGINNINGS):
        return  # cut within its first bytes: that is for the reader to say
    found = _looks_like(beginning)
    if found != format:
        remedy = f"name it .{found}" if found in FORMATS else "save the log again"
        raise LogFileError(f"{path}: expected {format}, found what looks like {found}: {remedy}")


def _looks_like(beginning: bytes) -> str:
    """Name the format of a file by its first bytes."""
    for start, name in _BEGINNINGS:
        if beginning.startswith(start):
            return name
    if re.match(rb'\s*(\{\s*["}]|\[\s*[\[{"\d-])', beginning):
        return "json"
    try:
        text = codecs.getincrementaldecoder("utf-8")().decode(beginning)
    except UnicodeDecodeError:
        text = "\0"
    return "data of no known format" if re.match(r"[\0-\x08\x0e-\x1f]", text) else "csv"


def _read_csv(path: Path) -> pd.DataFrame:
    """Read csv as a DataFrame."""
    return frame_of(read_csv(path))


def _read_feather(path: Path) -> pd.DataFrame:
    """Read feather of either version as a DataFrame."""
    import pandas as pd

    return pd.read_feather(path)


def _read_json(path: Path) -> pd.DataFrame:
    """Read json as a DataFrame."""
    return frame_of(read_json(path))


def _read_parquet(path: Path) -> pd.DataFrame:
    """Read parquet as a DataFrame."""
    import pandas as pd

    return pd.read_parquet(path, engine="pyarrow")


_READERS: dict[str, Callable[[Path], pd.DataFrame]] = {
    "csv": _read_csv,
    "feather": _read_feather,
    "hdf5": read_hdf5,
    "json": _read_json,
    "parquet": _read_parquet,
}
