"""Tables that are written piece by piece.

Belongs here: what a writer of files sees of a table, be it in memory or not. May not be here: formats, and where the
pieces of a table that is not in memory come from.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Protocol, TypeAlias

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["BatchPieces", "Pieces", "Wrote"]

# What a writer calls with the number of rows that it has written.
Wrote: TypeAlias = Callable[[int], object]


class Pieces(Protocol):
    """A table as a writer sees it: the schema, the number of rows, and the rows in pieces, as often as it likes."""

    @property
    def schema(self) -> pa.Schema:
        """The Arrow types of the columns."""
        ...

    @property
    def rows(self) -> int:
        """Rows in all."""
        ...

    def pieces(self, most: int, name: str | None = None) -> Iterator[pa.RecordBatch]:
        """Give the rows, or those of the column ``name``, in pieces of at most ``most``; none is empty.

        All but the last have the same number of rows: ``most``, or a power of two below it.
        """
        ...


class BatchPieces:
    """A table in memory."""

    def __init__(self, batch: pa.RecordBatch) -> None:
        self.batch = batch
        self.schema = batch.schema
        self.rows: int = batch.num_rows

    def pieces(self, most: int, name: str | None = None) -> Iterator[pa.RecordBatch]:
        """Give slices of the table, or of one column."""
        batch = self.batch if name is None else self.batch.select([name])
        for start in range(0, self.rows, most):
            yield batch.slice(start, most)
