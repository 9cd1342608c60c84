"""Rows to tables and files.

Belongs here: ``get_dataframe``, ``save`` and ``load``. May not be here: the recorder.
"""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from .stage import feature, filled_log

ROWS, COLUMNS = 5_000, 20


class DataFrame:
    """A DataFrame of a log of 5 000 rows of 20 columns."""

    def setup(self) -> None:
        self.log = filled_log(ROWS, COLUMNS)
        self.time_get_dataframe()

    def time_get_dataframe(self) -> None:
        self.log.get_dataframe()


class Files:
    """The same log to a file of each format, fsync and all, and back."""

    params = ("csv", "feather", "hdf5", "json", "parquet")
    param_names = ("format",)

    def setup(self, format: str) -> None:
        self.folder = TemporaryDirectory()
        self.load = feature("ringacc", "load")
        self.log = filled_log(ROWS, COLUMNS)
        self.written = Path(self.folder.name) / self.log.save(Path(self.folder.name) / "before", format)
        self.time_load(format)

    def teardown(self, format: str) -> None:
        self.folder.cleanup()

    def time_save(self, format: str) -> None:
        self.log.save(Path(self.folder.name) / "log", format)

    def time_load(self, format: str) -> None:
        self.load(self.written)
