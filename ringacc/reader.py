"""RingReader: a ring that another process writes, seen from here.

Belongs here: look-ups that give consistent copies while rows come. May not be here: what is looked up (``lookups``),
and anything that keeps the writer waiting (``streams``).

How a copy is consistent: the counters are copied first, the newest row before all else. The question is answered from
that copy, the rows are copied, and then the ring is asked which rows may have been overwritten since. If any of those
was looked at, the question is asked again of the rows behind them, with more to spare each time. A ring that goes round
in less than an answer takes is copied first, as far as that can be done.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Concatenate, ParamSpec, Self, SupportsIndex, TypeVar

import numpy as np

from . import lookups
from .block import Array, Block
from .envelopes import Envelope
from .errors import RingaccError
from .kernels import rows as counters_of
from .lookups import Health, How
from .ringfile import RingFile

__all__ = ["RingReader"]

#: Looks at the newest rows until it is accepted that all are overwritten before they can be copied.
_TRIES = 100

Answer = TypeVar("Answer")
Question = ParamSpec("Question")


class RingReader:
    """The rows of a ring file, looked up while its writer goes on; made by `TimeRing.open`.

    All arrays that it gives are copies of rows that were there, whole, when the call returned; a row that is being
    overwritten is never among them. Any number of readers may look at one ring, and the writer notices none of them.

    Parameters
    ----------
    file
        The open file.

    Notes
    -----
    Complexity: that of the same call of `TimeRing`, and O(rows given) for the copy.
    Allocates: what it gives.
    Valid: copies; the reader itself also when the file is removed.
    Threads: one; each thread opens one for itself.

    Examples
    --------
    >>> import tempfile
    >>> from ringacc import TimeRing
    >>> folder = tempfile.TemporaryDirectory()
    >>> track = TimeRing.create(folder.name + "/tail", 1000, {"x": "f8"})
    >>> track.extend([0.0, 0.5, 1.0], [[1], [2], [3]])
    >>> tail = TimeRing.open(folder.name + "/tail")            # in any process
    >>> tail.window(0.5)["x"], tail.fps(), tail.is_written
    (array([2., 3.]), 2.0, True)
    >>> track.close()
    >>> tail.is_written, len(tail)
    (False, 3)
    >>> folder.cleanup()
    """

    __slots__ = ("__weakref__", "_envelope", "_file", "_missed", "_seen")

    def __init__(self, file: RingFile) -> None:
        self._file = file
        # The rows of the file, with counters that stand still while a question is answered.
        self._seen: Block = file.block.with_counters_of_its_own()
        self._envelope: Envelope | None = None
        self._missed = 0

    def _look(self, floor: int = 0) -> Block:
        """Give the rows that are there now, from the sequence ``floor`` on."""
        counters_of.snapshot(self._file.block.counters, self._seen.counters, floor)
        return self._seen

    def _ask(
        self, question: Callable[Concatenate[Block, Question], Answer], *args: Question.args, **kwargs: Question.kwargs
    ) -> Answer:
        """Answer a question from rows that stay there until it is answered."""
        floor = spare = 0
        while True:
            seen = self._look(floor)
            failure, answer = None, None
            try:
                answer = question(seen, *args, **kwargs)
                if isinstance(answer, np.ndarray):
                    answer = _copy(answer)  # type: ignore[assignment]
            except RingaccError as error:
                failure = error
            gone = counters_of.gone(self._file.block.counters)
            if gone <= seen.trimmed:
                if failure is not None:
                    raise failure
                return answer  # type: ignore[return-value]
            # More to spare each time, or a writer that is a little faster each time would keep this going.
            spare = 2 * spare + gone - seen.trimmed
            floor = gone + spare
            if floor >= self._file.block.written:
                made = question(self._copied(), *args, **kwargs)
                return _copy(made) if isinstance(made, np.ndarray) else made  # type: ignore[return-value]

    def _copied(self) -> Block:
        """Give a copy of all rows that can be had, of a ring that is overwritten faster than it answers."""
        rows = self.last(self.capacity)
        self._seen.counters[counters_of.TRIMMED] = self._seen.written - len(rows)
        made = Block(len(rows), self.dtype)
        made.restore(self._seen.counters, rows)
        return made

    # What it is -----------------------------------------------------------------------------------------------

    @property
    def path(self) -> Path:
        """Where the file is, or was."""
        return self._file.path

    @property
    def capacity(self) -> int:
        """Rows that the ring holds at most."""
        return self._file.about.capacity

    @property
    def dtype(self) -> np.dtype[Any]:
        """The dtype of the arrays that the ring gives."""
        return self._file.about.dtype

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of the columns, "t" first."""
        return self.dtype.names or ()

    @property
    def units(self) -> dict[str, str]:
        """The units of the columns, those that were given, and that of "t"."""
        return self._file.units

    @property
    def is_written(self) -> bool:
        """Whether the writer is alive and has not closed the ring; a look at a lock."""
        return self._file.is_written()

    @property
    def writer(self) -> tuple[int, datetime, str]:
        """The process that writes, or wrote last, when it began (local time), and its machine."""
        process, began, machine = self._file.writer
        return process, datetime.fromtimestamp(began), machine

    def __len__(self) -> int:
        return len(self._look())

    @property
    def written(self) -> int:
        """Rows ever put in; the newest row has the sequence ``written - 1``."""
        return self._look().written

    @property
    def trimmed(self) -> int:
        """Rows ever gone; the oldest row that is there has the sequence ``trimmed``."""
        return self._look().trimmed

    def __repr__(self) -> str:
        return f"<RingReader of {len(self)} of {self.capacity} rows {self.columns} in {self.path}>"

    # Looking up -----------------------------------------------------------------------------------------------

    def last(self, n: SupportsIndex) -> Array:
        """Give the last ``n`` rows, or all where fewer are there, as a copy; see `TimeRing.last`.

        Notes
        -----
        Complexity: O(n).
        Allocates: the copy.
        Valid: a copy, for ever.
        Threads: one; each thread opens a reader for itself.
        """
        count = lookups.checked_count(n)
        for _ in range(_TRIES):
            rows = self._from(self._look().written - count)[0]
            if len(rows) or not min(count, len(self._seen)):
                break
        return rows

    def since(self, sequence: SupportsIndex) -> tuple[Array, int, int]:
        """Give the rows put in since a sequence, the next one, and how many rows were missed; see `TimeRing.since`.

        Rows that were gone, or went while they were copied, are missed; `health` counts those of all calls.

        Notes
        -----
        Complexity: O(rows given).
        Allocates: the copy.
        Valid: a copy, for ever.
        Threads: one; each thread opens a reader for itself.
        """
        rows, end, missed = lookups.since(self._look(), sequence)
        rows, lost = self._from(end - len(rows))
        self._missed += missed + lost
        return rows, end, missed + lost

    def _from(self, sequence: int) -> tuple[Array, int]:
        """Give a copy of the rows from a sequence on, as the last look found them, and how many went meanwhile."""
        seen, shared = self._seen, self._file.block
        first = max(sequence, seen.trimmed)
        rows = np.empty(seen.written - first, self.dtype)
        if not len(rows):
            return rows, 0
        whole = counters_of.copy_rows(
            shared.counters, shared.bytes, self.capacity, shared.row_bytes, first, seen.written, rows.view(np.uint8)
        )
        return rows[whole - first :], whole - first

    def window(self, seconds: float) -> Array:
        """Give the rows with t >= newest - ``seconds`` as a copy; see `TimeRing.window`.

        Notes
        -----
        Complexity: O(log rows + rows given).
        Allocates: the copy.
        Valid: a copy, for ever.
        Threads: one; each thread opens a reader for itself.
        """
        return self._ask(lookups.window, seconds)

    def envelope(self, seconds: float, points: SupportsIndex) -> Array:
        """Give the smallest and the largest values of the rows of `window` in bins; see `TimeRing.envelope`."""
        if self._envelope is None:
            self._envelope = Envelope(self.dtype)
        return self._ask(self._envelope.of, seconds, points)

    def between(self, t0: float, t1: float) -> Array:
        """Give the rows with t0 <= t <= t1 as a copy; see `TimeRing.between`.

        Notes
        -----
        Complexity: O(log rows + rows given).
        Allocates: the copy.
        Valid: a copy, for ever.
        Threads: one; each thread opens a reader for itself.
        """
        return self._ask(lookups.between, t0, t1)

    def at(self, t: float, how: How = "nearest", tolerance: float | None = None) -> np.void:
        """Give the row at a time; see `TimeRing.at`.

        Notes
        -----
        Complexity: O(log rows).
        Allocates: the row.
        Valid: a copy, for ever.
        Threads: one; each thread opens a reader for itself.
        """
        return self._ask(lookups.at, t, how, tolerance)

    def fps(self, points: SupportsIndex = 10) -> float:
        """Give the rate over the last ``points`` rows in Hz; see `TimeRing.fps`.

        Notes
        -----
        Complexity: O(1).
        Allocates: nothing.
        Valid: a plain value.
        Threads: one; each thread opens a reader for itself.
        """
        return self._ask(lookups.fps, points)

    def __getitem__(self, column: str) -> Array:
        """Give one column of the rows there are, oldest first, as a copy."""
        return self._ask(lookups.column, column)

    def health(self) -> Health:
        """Give what the times of all rows ever put in say, and what this reader missed; see `TimeRing.health`.

        Notes
        -----
        Complexity: O(1).
        Allocates: nothing.
        Valid: a plain value, of the moment of the call.
        Threads: one; each thread opens a reader for itself.
        """
        return lookups.health(self._look())._replace(missed=self._missed)

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        from . import tables

        return tables.arrow_stream([self.last(self.capacity)], requested_schema)

    # Ending ---------------------------------------------------------------------------------------------------

    def close(self) -> None:
        """Do nothing: the map of the file goes with the reader. For ``with``, and for symmetry.

        Notes
        -----
        Complexity: O(1).
        Allocates: nothing.
        Valid: what was given stays valid.
        Threads: any.
        """

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _copy(rows: Array) -> Array:
    """Give a copy of rows; as bytes where they are contiguous, ten times faster than NumPy's, field by field."""
    if not rows.flags.c_contiguous:
        return rows.copy()
    made = np.empty(rows.shape, rows.dtype)
    made.view(np.uint8).reshape(-1)[:] = rows.view(np.uint8).reshape(-1)
    return made
