"""``ringacc replay``: a recorded log sent through the package again, and compared with what comes out.

Belongs here: which logs can be replayed, sending their rows at their times, the comparison. May not be here: the
process that sends them (``producer``), how files are read (``tables``).
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..accumulators import QueueDataAccumulator
from ..errors import LogFileError, SaveError, SchemaError
from ..schema import check_names, row_class
from ..tables import format_of, load
from .interrupt import Interrupt
from .producer import Line, Producer, ProducerError, clock
from .recording import Log, folder_for, table_of
from .terminal import Display, count, print_table

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Difference", "Replay", "first_difference", "send"]

Array = np.ndarray[Any, Any]

# Formats that say of what type a column is; the others have numbers only.
_TYPED = ("feather", "hdf5", "parquet")
_CHUNK = 4096  # rows that are made Python objects at a time


class Replay:
    """A replay of a log, with all that can be wrong about it found before it runs.

    Parameters
    ----------
    log
        The file.
    speed
        1.0: at the times in the log; inf: as fast as it goes.
    format
        Of what is saved; None: that of the log.
    out
        The folder to save to; None: a new one.

    Raises
    ------
    RingaccError
        The log cannot be read, or not be replayed, or the folder not be written to.

    Notes
    -----
    Complexity: O(rows) to make.
    Allocates: the log's columns.
    Valid: for one run.
    Threads: the main thread.
    """

    def __init__(self, log: Path, speed: float, format: str | None, out: Path | None) -> None:
        frame = load(log)
        self._columns = _replayable(frame, log)
        self._notes = _notes(frame)
        self._log = log
        self._speed = speed
        self._format = format_of(log) if format is None else format
        self._folder = folder_for("replay", out)
        target = self._folder / f"{log.stem}.{self._format}"
        if target.exists() and target.samefile(log):
            raise SaveError(f"{target}: expected another file than the log itself: choose another --out or --format")

    def run(self, interrupt: Interrupt) -> int:
        """Replay the log, save what comes out, compare it, and give the exit code."""
        display = Display(f"ringacc replay {self._log.name}")
        with Producer(send, self._log, self._speed) as producer:
            replayed = QueueDataAccumulator(producer.queue, name=self._log.stem)
            failure = None
            try:
                with display:
                    self._watch(display, producer, replayed, interrupt)
            except ProducerError as error:
                failure = error
            finally:
                saved = self._save(replayed)
        if saved is not None:
            display.say("")
            print_table(display.console, table_of([Log("replayed", replayed, producer.sent, saved)]))
            display.say(f"\nsaved as {saved}")
        if failure is not None:
            raise failure
        if saved is None:
            display.say("ended before the first row: nothing was recorded")
            return interrupt.exit_code
        return self._judge(display, saved, len(replayed.times), interrupt)

    def _save(self, replayed: QueueDataAccumulator) -> Path | None:
        """Save what came, if anything did."""
        if replayed.is_empty():
            return None
        self._folder.mkdir(parents=True, exist_ok=True)
        name = replayed.save(self._folder / self._log.stem, self._format)
        return None if name is None else self._folder / name

    def _watch(
        self, display: Display, producer: Producer, replayed: QueueDataAccumulator, interrupt: Interrupt
    ) -> None:
        """Take the rows as they come and show how far it is."""
        rows = len(self._columns["t"])
        display.show({"": "starting"}, 0.0)
        if producer.wait_for_start(interrupt) is None:
            return
        for _ in producer.drain(replayed, interrupt):
            if not replayed.is_empty() and display.is_due():
                display.show(*_status(producer, replayed, rows))
        if display.in_place:
            display.show(*_status(producer, replayed, rows))

    def _judge(self, display: Display, saved: Path, rows: int, interrupt: Interrupt) -> int:
        """Compare what was saved with the log, say so, and give the exit code."""
        total = len(self._columns["t"])
        expected = {name: column[:rows] if interrupt else column for name, column in self._columns.items()}
        difference = first_difference(expected, load(saved), typed=self._format in _TYPED)
        for note in self._notes:
            display.say(f"note: {note}")
        if difference is not None:
            display.say(f"differs: {difference}")
            return 1
        extent = f"{count(rows, 'row')} x {count(len(expected), 'column')}"
        if interrupt and rows < total:
            display.say(f"identical so far: {extent}, of {count(total, 'row')}, bit for bit")
        else:
            display.say(f"identical: {extent}, bit for bit")
        return interrupt.exit_code if interrupt else 0


def _status(producer: Producer, replayed: QueueDataAccumulator, rows: int) -> tuple[dict[str, str], float]:
    """Describe how far the replay is."""
    done = sum(map(len, replayed.segments))
    seconds = 0.0 if producer.start is None else clock() - producer.start
    rate = done / seconds if seconds > 0 else 0.0
    status = {"rows": f"{done} of {rows}", "": f"{100 * done // rows} %", "rate": f"{rate:.0f} rows/s"}
    return status, done / rows


def _replayable(frame: pd.DataFrame, log: Path) -> dict[str, Array]:
    """Give the columns of a log as arrays, or say why it cannot be replayed."""
    columns = _arrays(frame)
    if "t" not in columns:
        raise LogFileError(
            f'{log}: expected a column "t" with the times of the rows, found {", ".join(map(str, columns))}'
        )
    try:
        check_names(name for name in columns if name != "t")
    except SchemaError as error:
        raise LogFileError(f"{log}: {error}") from error
    if not len(frame):
        raise LogFileError(f"{log}: expected rows, found a log of {count(len(columns), 'column')} without any")
    for name, column in columns.items():
        if column.dtype.kind not in "biuf" or column.dtype.itemsize > 8:
            raise LogFileError(
                f"{log}: expected numbers, found column {name!r} of {frame[name].dtype}: leave it out of the log"
            )
    bad = np.flatnonzero(~np.isfinite(columns["t"]))
    if len(bad):
        raise LogFileError(
            f"{log}: expected finite times in seconds, found {columns['t'][bad[0]]} in row {bad[0]}: mend the log"
        )
    return columns


def _arrays(frame: pd.DataFrame) -> dict[str, Array]:
    """Give the columns of a table as arrays in this machine's byte order."""
    arrays = {str(name): frame[name].to_numpy() for name in frame.columns}
    return {name: array.astype(array.dtype.newbyteorder("="), copy=False) for name, array in arrays.items()}


def _notes(frame: pd.DataFrame) -> list[str]:
    """Say in what a saved log is other than the log that was replayed, identical or not."""
    notes = []
    names = list(frame.columns)
    if names[0] != "t":
        place = f"{names.index('t') + 1} of {len(names)}"
        notes.append(f"t is column {place} in LOG, and the first in what was saved")
    if frame["t"].dtype != np.float64:
        notes.append(f"t is {frame['t'].dtype} in LOG; times are float64")
    return notes


# In the other process ---------------------------------------------------------------------------------------------


def send(line: Line, log: Path, speed: float) -> None:
    """Send the rows of a log, each at its time, until the last one or until told to stop.

    Parameters
    ----------
    line
        To the command.
    log
        The file. The first row is sent at once, the others as much later as their times say.
    speed
        How many of the log's seconds pass in one; inf: as fast as it goes.

    Notes
    -----
    Complexity: O(rows x columns).
    Allocates: the log, Python objects for 4096 rows, and what waits in the queue.
    Valid: nothing is given.
    Threads: one.
    """
    columns = _arrays(load(log))
    times = columns.pop("t").astype(np.float64)
    row = row_class(tuple(columns))
    first = float(times[0])
    line.start()
    for time, values in zip(_objects(times), _rows(list(columns.values())), strict=False):
        if not line.goes_on_at((time - first) / speed):
            break
        line.put(time, row(*values))


def _objects(column: Array) -> Iterator[Any]:
    """Give the values of a column as what an accumulator makes a column of the same type of."""
    plain = column.dtype in (np.dtype(np.float64), np.dtype(np.int64), np.dtype(np.bool_))
    for start in range(0, len(column), _CHUNK):
        chunk = column[start : start + _CHUNK]
        yield from chunk.tolist() if plain else chunk


def _rows(columns: Sequence[Array]) -> Iterator[tuple[Any, ...]]:
    """Give the rows of columns; without columns, empty ones for ever."""
    return zip(*map(_objects, columns), strict=True) if columns else itertools.repeat(())


# The comparison ---------------------------------------------------------------------------------------------------


class Difference(NamedTuple):
    """Where two logs differ first."""

    place: str
    expected: str
    found: str

    def __str__(self) -> str:
        """Say it in one line."""
        return f"{self.place}: expected {self.expected}, found {self.found}"


def first_difference(expected: dict[str, Array], found: pd.DataFrame, *, typed: bool) -> Difference | None:
    """Compare a table with the columns it should have, by name and bit by bit; NaN is NaN whatever its bits.

    Parameters
    ----------
    expected
        Columns by name, shape (n,) each.
    found
        The table; the order of its columns does not count.
    typed
        Whether types count too, "t" excepted, whose type is given. If not, a value is compared as the type it should
        have.

    Returns
    -------
    Difference or None
        The first one, in the order of ``expected``; None: there is none.

    Notes
    -----
    Complexity: O(rows x columns).
    Allocates: a few arrays of a column's size.
    Valid: plain values.
    Threads: any.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from ringacc.cli.replay import first_difference
    >>> first_difference({"x": np.array([0.5])}, pd.DataFrame({"x": [0.5]}), typed=True) is None
    True
    >>> print(first_difference({"x": np.array([0.5])}, pd.DataFrame({"x": [0.25]}), typed=True))
    column 'x', row 0: expected 0.5, found 0.25
    """
    arrays = _arrays(found)
    names = list(arrays)
    if sorted(names) != sorted(expected):
        missing = [name for name in expected if name not in names]
        more = [name for name in names if name not in expected]
        return Difference("columns", _listed(missing, "more"), _listed(more, "others"))
    for name, column in expected.items():
        values = arrays[name]
        if len(values) != len(column):
            return Difference(f"column {name!r}", count(len(column), "row"), count(len(values), "row"))
        if typed and name != "t" and values.dtype != column.dtype:
            return Difference(f"column {name!r}", str(column.dtype), str(values.dtype))
        unequal = np.flatnonzero(~_same(column, values))
        if len(unequal):
            row = int(unequal[0])
            return Difference(
                f"column {name!r}, row {row}", *(repr(side[row : row + 1].tolist()[0]) for side in (column, values))
            )
    return None


def _listed(names: list[str], none: str) -> str:
    return ", ".join(map(repr, names)) if names else f"no {none}"


def _same(column: Array, values: Array) -> Array:
    """Say for each row whether it holds the same value, as the first array's type."""
    if column.dtype.kind == "b" or values.dtype.kind not in "biuf":
        return np.asarray(column == values, np.bool_)
    with np.errstate(invalid="ignore", over="ignore"):
        cast = values.astype(column.dtype)
    bits = np.dtype(f"u{column.dtype.itemsize}")
    same: Array = column.view(bits) == cast.view(bits)
    if column.dtype.kind == "f":
        same |= np.isnan(column) & np.isnan(cast)
    return same
