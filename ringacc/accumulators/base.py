"""The base of all accumulators.

Belongs here: what makes a row of what a caller hands in, when a segment begins, when rows may go, the signals, and what
an accumulator answers. May not be here: where rows come from (``sources``), how they are kept (``segments``) or written
to files (``tables``).

While the protocol of the experiment runs, no row is lost. While it does not, the newest ``max_history_if_not_running``
are kept.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, SupportsIndex

import numpy as np
from psygnal import Signal

from .. import schema, tables
from ..appending import checked_time
from ..block import Array
from ..errors import (
    AccumulatorEmptyError,
    FormatError,
    RowError,
    RowKindError,
    RowLengthError,
    RowTimeError,
    UnknownColumnError,
)
from ..segments import Segment, StoredRows
from ..timering import Health, How

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Accumulator", "DataFrameAccumulator"]

# Rows of the ring of each segment; what leaves it goes to the history.
_CAPACITY = 16_384
# Of rows whose columns no row has named yet.
_TIME_ONLY = np.dtype([("t", np.float64)])


class _Protocol:
    """The protocol of no experiment: it runs."""

    running = True


class _NoExperiment:
    """What an accumulator without an experiment belongs to: time begins now, and every row counts."""

    def __init__(self) -> None:
        self.t0 = datetime.now()
        self.protocol_runner = _Protocol()


class Accumulator:
    """Base of all accumulators: time-stamped rows that belong to an experiment.

    Parameters
    ----------
    experiment
        Has ``t0`` (datetime), from which times are counted, and ``protocol_runner.running`` (bool). None: times are
        counted from now, and the protocol runs.
    name
        What the accumulator is called in a session.
    max_history_if_not_running
        Rows kept while the protocol does not run; trimmed to when there are half as many again.

    Attributes
    ----------
    exp
        The experiment, or what stands for it.
    """

    def __init__(self, experiment: Any = None, name: str = "", max_history_if_not_running: int = 1000) -> None:
        if max_history_if_not_running < 0:
            raise ValueError(f"expected 0 or more rows of history, found {max_history_if_not_running}")
        self.name = name
        self.exp = _NoExperiment() if experiment is None else experiment
        self.max_history_if_not_running = max_history_if_not_running
        self._segment = Segment(_TIME_ONLY, 0)

    @property
    def stored_data(self) -> Sequence[Any]:
        """The rows of the newest segment as namedtuples, "t" first: a read-only sequence that follows the stream."""
        return StoredRows(self._segment)

    @property
    def times(self) -> Array:
        """The times of the newest segment in seconds: float64, shape (rows,), an array of its own."""
        return self._segment.column("t")

    def _rows_allowed(self) -> int:
        """Give the number of rows above which a trim is due: 1.5 x the history."""
        return self.max_history_if_not_running + self.max_history_if_not_running // 2

    def _seconds(self, time: Any) -> float:
        """Give a time as seconds since t0."""
        if not isinstance(time, datetime):
            return checked_time(time)
        try:
            return float((time - self.exp.t0).total_seconds())
        except TypeError as error:
            raise RowTimeError(
                f"expected a time that can be compared with the experiment's t0 ({self.exp.t0!r}), found {time!r}: give "
                "both a time zone, or neither"
            ) from error


class DataFrameAccumulator(Accumulator):
    """Rows with named columns, in segments of the same columns; base of those that say where rows come from.

    Attributes speak of the newest segment, but for `get_dataframe`, `save`, `blocks`, `segments` and `is_empty`, which
    speak of all since the last reset.

    Parameters
    ----------
    experiment, name, max_history_if_not_running
        As in `Accumulator`.
    fps_calc_points
        Rows over which the rate is calculated, 2 or more.
    monitored_headers
        Columns that displays show by default; kept as ``plot_columns``.
    capacity
        Rows of the ring of each segment: how far back the zero-copy look-ups reach.

    Attributes
    ----------
    sig_acc_reset, sig_acc_init
        Signals: the rows are gone; the first row of a new segment can be read.
    plot_columns
        The columns that displays show by default.

    Notes
    -----
    Complexity: O(1) an append.
    Allocates: a ring for each segment; while the protocol runs, one block of ``capacity / 16`` rows for as many appends.
    Valid: ``get_*``, ``[...]`` and ``times`` give copies; ``last``, ``window``, ``between`` and ``since`` give views.
    Threads: one.
    """

    sig_acc_reset = Signal()
    sig_acc_init = Signal()

    def __init__(
        self,
        experiment: Any = None,
        name: str = "",
        max_history_if_not_running: int = 1000,
        *,
        fps_calc_points: int = 10,
        monitored_headers: Sequence[str] | None = None,
        capacity: int = _CAPACITY,
    ) -> None:
        super().__init__(experiment, name, max_history_if_not_running)
        if fps_calc_points < 2:
            raise ValueError(f"expected at least 2 points for a rate, found {fps_calc_points}")
        if capacity < 1:
            raise ValueError(f"expected a ring of at least 1 row, found {capacity}")
        self.plot_columns = monitored_headers
        self.fps_calc_points = fps_calc_points
        self.capacity = capacity
        self._older: list[Segment] = []
        # Whether a row has decided the dtypes of the newest segment.
        self._opened = False
        # The fast way in, or ``_append_slowly``, which is the definition. Gives True where a trim is due.
        self._append: Callable[[Any, Any], Any] = self._append_slowly

    # Rows in ------------------------------------------------------------------------------------------------------

    def _append_slowly(self, t: Any, data: Any) -> bool:
        """Append any row that is one, opening a segment where needed; give whether a trim is due."""
        if self._opened and self._segment.ring.is_full:
            # What the fast way in declines most often: there is nothing odd about the row.
            self._segment.make_room()
            self._set_limit()
            return bool(self._append(t, data))
        time = self._seconds(t)
        columns, values = self._columns_of(data), tuple(data)
        segment = self._segment
        if not self._opened or segment.columns[1:] != columns:
            self._open(schema.opening_dtype(columns, values), time, values)
        else:
            try:
                segment.append(time, values)
            except RowLengthError:
                raise
            except RowError:
                # The value is a number that its column cannot hold, or ``widened`` says what is wrong with it.
                self._open(schema.widened(segment.dtype, values), time, values)
        self._append = self._segment.fast_append(self._append_slowly, type(data))
        return self._set_limit()

    def _columns_of(self, data: Any) -> tuple[str, ...]:
        """Give the names of the values in a row that a caller handed in."""
        columns = getattr(data, "_columns", None) or getattr(data, "_fields", None)
        if columns is None or not isinstance(data, tuple):
            raise RowKindError(
                f"expected a namedtuple, whose fields name the columns, found {type(data).__name__}: {data!r}"
            )
        return tuple(columns)

    def _open(self, dtype: np.dtype[Any], time: float, values: tuple[Any, ...]) -> None:
        """Open a segment with its first row."""
        segment = Segment(dtype, self.capacity)
        segment.append(time, values)
        self._close()
        self._segment = segment
        self._opened = True
        self.sig_acc_init.emit()

    def _declare(self, dtype: np.dtype[Any]) -> None:
        """Make the newest segment one that holds no rows yet; its first row will decide the dtypes."""
        self._segment = Segment(dtype, 0)
        self._opened = False
        self._append = self._append_slowly

    def _close(self) -> None:
        """Put the newest segment to the older ones."""
        if len(self._segment):
            self._segment.close()
            self._older.append(self._segment)

    def _count(self) -> int:
        return sum(map(len, self.segments))

    def _set_limit(self) -> bool:
        """Tell the fast append when a trim will be due; give whether it is."""
        self._segment.set_limit(self._rows_allowed() - sum(map(len, self._older)))
        return self._count() > self._rows_allowed()

    def trim_data(self) -> None:
        """Keep the newest ``max_history_if_not_running`` rows, if the protocol does not run and 1.5 x as many are here.

        Notes
        -----
        Complexity: O(1) where nothing is due.
        Allocates: nothing, or a copy of one block.
        Valid: views taken before stay as they were until new rows overwrite them.
        Threads: one.

        Examples
        --------
        >>> from ringacc import EstimatorLog
        >>> log = EstimatorLog()
        >>> log.trim_data()
        """
        if self.exp.protocol_runner.running:
            return
        excess = self._count() - self.max_history_if_not_running
        if self._count() > self._rows_allowed():
            while self._older and excess >= len(self._older[0]):
                excess -= len(self._older.pop(0))
            oldest = self._older[0] if self._older else self._segment
            oldest.trim_to(len(oldest) - excess)
        self._set_limit()

    def reset(self, monitored_headers: Sequence[str] | None = None) -> None:
        """Forget all rows and columns, then emit ``sig_acc_reset``.

        Parameters
        ----------
        monitored_headers
            Columns that displays show by default from now on; None: as before.

        Notes
        -----
        Complexity: O(blocks of the history).
        Allocates: nothing.
        Valid: views taken before stay as they were.
        Threads: one.

        Examples
        --------
        >>> from collections import namedtuple
        >>> from ringacc import EstimatorLog
        >>> log = EstimatorLog()
        >>> log.update_list(0.1, namedtuple("Estimate", "vigour")(0.5))
        >>> log.reset()
        >>> log.is_empty()
        True
        """
        if monitored_headers is not None:
            self.plot_columns = monitored_headers
        self._older = []
        self._declare(_TIME_ONLY)
        self.sig_acc_reset.emit()

    # What is there --------------------------------------------------------------------------------------------------

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of the columns, "t" first; ValueError while no row has said what they are."""
        if not self._opened:
            raise ValueError(
                "expected a first row, whose fields name the columns, found none: the data type is unknown"
            )
        return self._segment.columns

    @property
    def header_dict(self) -> dict[str, int]:
        """The place of each column, "t" at 0; ValueError while no row has said what they are."""
        return {name: place for place, name in enumerate(self.columns)}

    @property
    def segments(self) -> list[Segment]:
        """The segments since the last reset, oldest first: each has ``columns``, ``dtype``, ``len`` and ``blocks()``."""
        return [*self._older, self._segment]

    @property
    def t(self) -> Array:
        """The times of the newest segment in seconds: float64, shape (rows,), an array of its own."""
        return self.times

    def is_empty(self) -> bool:
        """Say whether no row has come since the last reset."""
        return not any(map(len, self.segments))

    def blocks(self) -> list[Array]:
        """Give every row since the last reset, as structured arrays, "t" first.

        Returns
        -------
        list of ndarray
            Oldest first, one or more for each segment, so that dtypes may differ; not to be written to.

        Notes
        -----
        Complexity: O(blocks).
        Allocates: the list.
        Valid: the last one is a view of the ring; the others stay as they are.
        Threads: one.

        Examples
        --------
        >>> from ringacc import EstimatorLog
        >>> [len(block) for block in EstimatorLog().blocks()]
        [0]
        """
        found = [block for segment in self.segments for block in segment.blocks() if len(block)]
        return found or self._segment.blocks()

    def __getitem__(self, item: Any) -> Any:
        """Give a column by name, a row by number (namedtuple), rows by slice (structured), or ``[rows, name]``."""
        if isinstance(item, str):
            return self._column(item, slice(None))
        if isinstance(item, tuple) and len(item) == 2 and isinstance(item[1], str):
            return self._column(item[1], item[0])
        if isinstance(item, slice):
            return self._segment.last(len(self._segment))[item].copy()
        return self.stored_data[item]

    def _column(self, name: str, rows: Any) -> Any:
        if name not in self._segment.columns:
            raise UnknownColumnError(f"expected one of the columns {self._segment.columns}, found {name!r}")
        return self._segment.column(name)[rows]

    # Closed loop: views of the newest segment's ring -------------------------------------------------------------------

    def last(self, n: SupportsIndex) -> Array:
        """Give the last ``n`` rows of the ring as a view; see `TimeRing.last`."""
        return self._segment.ring.last(n)

    def window(self, seconds: float) -> Array:
        """Give the rows of the ring of the last ``seconds`` as a view; see `TimeRing.window`."""
        return self._segment.ring.window(seconds)

    def between(self, t0: float, t1: float) -> Array:
        """Give the rows of the ring with t0 <= t <= t1 as a view; see `TimeRing.between`."""
        return self._segment.ring.between(t0, t1)

    def at(self, t: float, how: How = "nearest", tolerance: float | None = None) -> np.void:
        """Give the row of the ring at a time as a copy; see `TimeRing.at`."""
        return self._not_empty().ring.at(t, how, tolerance)

    def since(self, sequence: SupportsIndex) -> tuple[Array, int, int]:
        """Give the rows put into the ring since a sequence; see `Ring.since`. A new segment begins at 0."""
        return self._segment.ring.since(sequence)

    def health(self) -> Health:
        """Give what the times of the newest segment say about the stream; see `TimeRing.health`."""
        return self._segment.ring.health()

    def _not_empty(self) -> Segment:
        if not len(self._segment):
            raise AccumulatorEmptyError(
                "expected a row, found an accumulator that holds none: look at is_empty() first"
            )
        return self._segment

    # As stytra has it: arrays and rows of their own -------------------------------------------------------------------

    def get_last_n(self, n: int | None = None) -> Array:
        """Give the last ``n`` rows of the newest segment as one array of numbers.

        Parameters
        ----------
        n
            How many; None: all; 0 or less: none.

        Returns
        -------
        ndarray
            float64, shape (min(n, rows), columns), "t" first, oldest first: an array of its own.

        Raises
        ------
        RowKindError
            A column holds no numbers.

        Notes
        -----
        Complexity: O(n).
        Allocates: the array.
        Valid: a copy.
        Threads: one.

        Examples
        --------
        >>> from collections import namedtuple
        >>> from ringacc import EstimatorLog
        >>> log = EstimatorLog()
        >>> log.update_list(0.1, namedtuple("Estimate", "vigour")(0.5))
        >>> log.get_last_n(10)
        array([[0.1, 0.5]])
        """
        count = len(self._segment) if n is None else max(n, 0)
        return _matrix(self._segment.last(count))

    def get_last_t(self, t: float) -> Array:
        """Give the rows of the newest segment with a time >= newest - ``t`` as one array of numbers.

        Parameters
        ----------
        t
            Length of the window in seconds, 0 or more.

        Returns
        -------
        ndarray
            float64, shape (rows, columns), "t" first, oldest first: an array of its own.

        Raises
        ------
        ValueError
            ``t`` is negative or NaN.
        RowKindError
            A column holds no numbers.

        Notes
        -----
        Complexity: O(log rows + rows given).
        Allocates: the array.
        Valid: a copy.
        Threads: one.

        Examples
        --------
        >>> from collections import namedtuple
        >>> from ringacc import EstimatorLog
        >>> log, Estimate = EstimatorLog(), namedtuple("Estimate", "vigour")
        >>> for t in range(5):
        ...     log.update_list(t, Estimate(t * 0.5))
        >>> log.get_last_t(1.0)
        array([[3. , 1.5],
               [4. , 2. ]])
        """
        return _matrix(self._segment.window(t))

    def get_fps(self) -> float:
        """Give the rate over the last ``fps_calc_points`` rows of the newest segment in Hz; see `TimeRing.fps`."""
        return self._segment.ring.fps(self.fps_calc_points)

    def values_at_abs_time(self, time: datetime | float, how: How = "nearest") -> Any:
        """Give the row of the newest segment at a moment.

        Parameters
        ----------
        time
            A datetime, or seconds since t0.
        how
            As in `TimeRing.at`: the nearest row (of two the earlier), or "previous" for an overlay that must not show
            what came later.

        Returns
        -------
        namedtuple
            The row, "t" first.

        Raises
        ------
        AccumulatorEmptyError
            There are no rows; an IndexError.
        RowNotFoundError
            No row fits ``how``; a LookupError.

        Notes
        -----
        Complexity: O(log rows); O(rows) for a time before the oldest row of the ring.
        Allocates: the row.
        Valid: a copy.
        Threads: one.

        Examples
        --------
        >>> from collections import namedtuple
        >>> from ringacc import EstimatorLog
        >>> log = EstimatorLog()
        >>> log.update_list(0.1, namedtuple("Estimate", "vigour")(0.5))
        >>> log.values_at_abs_time(3.0)
        Row(t=0.1, vigour=0.5)
        """
        segment = self._not_empty()
        return segment.make_row(*segment.at(self._seconds(time), how).item())

    def get_dataframe(self) -> pd.DataFrame:
        """Give all rows since the last reset as a DataFrame.

        Returns
        -------
        pandas.DataFrame
            "t" first, one row a row; dtypes are kept. The columns of several segments are united: NaN where a segment
            lacks one.

        Notes
        -----
        Complexity: O(rows x columns).
        Allocates: the table.
        Valid: a copy.
        Threads: one.

        Examples
        --------
        >>> from collections import namedtuple
        >>> from ringacc import EstimatorLog
        >>> log = EstimatorLog()
        >>> log.update_list(0.1, namedtuple("Estimate", "vigour")(0.5))
        >>> log.get_dataframe()
             t  vigour
        0  0.1     0.5
        """
        return tables.to_frame(self.blocks())

    def save(self, path: str | os.PathLike[str], format: str = "csv") -> str | None:
        """Write all rows since the last reset to a file, whole or not at all.

        Parameters
        ----------
        path
            Where, without the extension, which the format brings.
        format
            "csv", "feather", "hdf5", "json" or "parquet".

        Returns
        -------
        str or None
            The name of the file without its folder; None, and no file, where there are no rows.

        Raises
        ------
        FormatError
            The format is none of these.
        OSError
            The file cannot be written; an older one of its name stays as it was.

        Notes
        -----
        Complexity: O(rows x columns).
        Allocates: about the table twice.
        Valid: the file is whole once the call returns.
        Threads: one.

        Examples
        --------
        >>> from ringacc import EstimatorLog
        >>> EstimatorLog().save("estimator_log") is None
        True
        """
        if format not in tables.FORMATS:
            raise FormatError(f"expected one of the formats {', '.join(tables.FORMATS)}, found {format!r}")
        if self.is_empty():
            return None
        return tables.save(self.blocks(), path, format).name

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return tables.arrow_stream(self.blocks(), requested_schema)


def _matrix(rows: Array) -> Array:
    """Give structured rows of numbers as a float64 array of shape (rows, columns)."""
    dtype = rows.dtype
    kinds = [dtype[name] for name in dtype.names or ()]
    if all(kind == np.float64 for kind in kinds) and dtype.itemsize == 8 * len(kinds):
        return rows.view(np.float64).reshape(len(rows), len(kinds)).copy()
    matrix = np.empty((len(rows), len(kinds)))
    for place, (name, kind) in enumerate(zip(dtype.names or (), kinds, strict=True)):
        if kind.kind not in "biuf":
            raise RowKindError(f"expected columns of numbers, found {name!r} of {kind}: take it by its name")
        matrix[:, place] = rows[name]
    return matrix
