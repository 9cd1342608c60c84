"""The most memory that a process holds while it does something; most of it is numba, NumPy and pandas.

Belongs here: peak memory. May not be here: what a ring says it holds (``nbytes``), which the tests check.
"""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from .stage import CAPACITY, filled_log, filling_loop, full_ring


class Peak:
    """Rings, rows and tables."""

    def setup(self) -> None:
        full_ring(10)

    def peakmem_nothing(self) -> None:
        """Hold what there is before: the line to compare the others with."""

    def peakmem_ring_of_a_million_rows(self) -> None:
        full_ring(1_000_000)

    def peakmem_ten_million_rows_through_a_ring(self) -> None:
        filling_loop()(full_ring(CAPACITY).jit, 1.0, 10_000_000)

    def peakmem_log(self) -> None:
        filled_log(50_000, 20)

    def peakmem_get_dataframe(self) -> None:
        filled_log(50_000, 20).get_dataframe()

    def peakmem_save_csv(self) -> None:
        with TemporaryDirectory() as folder:
            filled_log(50_000, 20).save(Path(folder) / "log", "csv")
