"""Tables of rows: to and from DataFrame, Arrow, csv, feather, hdf5, json and parquet.

One file a concern: ``columns`` unites blocks of rows into one array a column, ``arrow`` shows
columns to Arrow, ``pieces`` shows tables to writers, ``text`` writes and reads csv and json, ``hdf5``
hdf5, ``files`` saves and loads, ``streams`` saves what does not fit in memory. Belongs here: only their
public names. May not be here: anything that knows a ring or an accumulator; they hand over blocks.

pyarrow, pandas and tables are imported by the calls that need them.
"""

from __future__ import annotations

from .arrow import arrow_stream, to_arrow
from .columns import columns_of, to_frame
from .files import FORMATS, format_of, load, save
from .streams import BlockSource, save_stream

__all__ = [
    "FORMATS",
    "BlockSource",
    "arrow_stream",
    "columns_of",
    "format_of",
    "load",
    "save",
    "save_stream",
    "to_arrow",
    "to_frame",
]
