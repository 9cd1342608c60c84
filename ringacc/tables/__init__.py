"""Tables of rows: to and from DataFrame, Arrow, csv, feather, hdf5, json and parquet.

One file a concern: ``columns`` unites blocks of rows into one array a column, ``arrow`` shows
columns to Arrow, ``text`` writes and reads csv and json, ``files`` saves and loads. Belongs here:
only their public names. May not be here: anything that knows a ring or an accumulator; they hand
over blocks.

pyarrow, pandas and tables are imported by the calls that need them.
"""

from __future__ import annotations

from .arrow import arrow_stream, to_arrow
from .columns import columns_of, to_frame
from .files import FORMATS, load, save

__all__ = ["FORMATS", "arrow_stream", "columns_of", "load", "save", "to_arrow", "to_frame"]
