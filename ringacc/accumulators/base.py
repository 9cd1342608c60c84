"""The base of all accumulators.

Belongs here: what makes a row of what a caller hands in, when a segment begins, when rows may go, and the signals. May
not be here: what is asked of the rows (``answers``), where they come from (``sources``), how they are kept
(``segments``).

While the protocol of the experiment runs, no row is lost. While it does not, the newest ``max_history_if_not_running``
are kept.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

import numpy as np
from psygnal import Signal

from .. import schema
from ..appending import checked_time
from ..block import Array
from ..errors import RecorderError, RowError, RowKindError, RowLengthError, RowTimeError
from ..kernels import capi
from ..kernels.push import Limit, Target, builtin_append
from ..segments import Segment, StoredRows
from .recorded import Policy, RecordedSegment, Recording

__all__ = ["CAPACITY", "Accumulator", "SegmentedAccumulator"]

# Rows of the ring of each segment; what leaves it goes to the history.
CAPACITY = 16_384
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

    Notes
    -----
    Complexity: O(1) to make.
    Allocates: nothing before the first row.
    Valid: ``stored_data`` follows the stream; its rows and ``times`` are copies.
    Threads: one.

    Examples
    --------
    >>> from ringacc import Accumulator
    >>> len(Accumulator(name="empty").stored_data)
    0
    """

    def __init__(self, experiment: Any = None, name: str = "", max_history_if_not_running: int = 1000) -> None:
        self.name = name
        # In a list, so that what holds the list sees it change.
        self._experiment = [_NoExperiment() if experiment is None else experiment]
        self._max_history = _checked_history(max_history_if_not_running)
        self._segment = Segment(_TIME_ONLY, 0)

    @property
    def exp(self) -> Any:
        """The experiment, or what stands for it; may be set, and holds from the next row on."""
        return self._experiment[0]

    @exp.setter
    def exp(self, experiment: Any) -> None:
        self._experiment[0] = experiment

    @property
    def max_history_if_not_running(self) -> int:
        """Rows kept while the protocol does not run; may be set, and holds from the next row on."""
        return self._max_history

    @max_history_if_not_running.setter
    def max_history_if_not_running(self, rows: int) -> None:
        self._max_history = _checked_history(rows)
        self._set_limit()

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
        return self._max_history + self._max_history // 2

    def _set_limit(self) -> bool:
        """Tell the fast append when a trim will be due; give whether it is."""
        self._segment.set_limit(self._rows_allowed())
        return len(self._segment) > self._rows_allowed()

    def _seconds(self, time: Any) -> float:
        """Give a time as seconds since t0."""
        if not isinstance(time, datetime):
            return checked_time(time)
        try:
            start = self.exp.t0
            if time.tzinfo is not None and start.tzinfo is not None:
                # Where both have the same zone, datetimes are subtracted by the clock on the wall, which may be set.
                time, start = time.astimezone(UTC), start.astimezone(UTC)
            return float((time - start).total_seconds())
        except TypeError as error:
            raise RowTimeError(
                f"expected a time that can be compared with the experiment's t0 ({self.exp.t0!r}), found {time!r}: "
                "give both a time zone, or neither"
            ) from error


def _checked_history(rows: int) -> int:
    if rows < 0:
        raise ValueError(f"expected 0 or more rows of history, found {rows}")
    return rows


class SegmentedAccumulator(Accumulator):
    """Takes rows with named columns into segments of the same columns; base of `DataFrameAccumulator`, which has more.

    Parameters
    ----------
    experiment, name, max_history_if_not_running
        As in `Accumulator`.
    monitored_headers
        Columns that displays show by default; kept as ``plot_columns``.
    capacity
        Rows of the ring of each segment.
    record_to, record_policy
        As in `start_recording`.
    """

    sig_acc_reset = Signal()
    sig_acc_init = Signal()

    def __init__(
        self,
        experiment: Any = None,
        name: str = "",
        max_history_if_not_running: int = 1000,
        *,
        monitored_headers: Sequence[str] | None = None,
        capacity: int = CAPACITY,
        record_to: str | os.PathLike[str] | None = None,
        record_policy: Policy = "drop",
    ) -> None:
        super().__init__(experiment, name, max_history_if_not_running)
        if capacity < 1:
            raise ValueError(f"expected a ring of at least 1 row, found {capacity}")
        self._recording: Recording | None = None
        self.plot_columns = monitored_headers
        self.capacity = capacity
        self._older: list[Segment] = []
        # Rows in the older segments, which may be many.
        self._older_rows = 0
        # Whether a row has decided the dtypes of the newest segment.
        self._opened = False
        self._row_type: type | None = None
        self._target = Target()
        # The fast way in, or ``_append_slowly``, which is the definition. One for life: who holds it may keep it.
        self._append: Callable[[Any, Any], Any] = self._append_slowly
        if capi.AVAILABLE:
            limit = Limit(self.trim_data, self._experiment, ("protocol_runner", "running"))
            self._append = builtin_append(self._target, self._append_slowly, "Append a row.", limit)
        if record_to is not None:
            self.start_recording(record_to, record_policy)

    def start_recording(self, path: str | os.PathLike[str], policy: Policy = "drop") -> None:
        """Put every row on the disk as it comes, by a process of its own; no row is kept in memory but the newest.

        The recording becomes the log at `close`, or when this process ends. Then look-ups find older rows on the disk,
        and nothing is trimmed. A reset forgets what is on the disk, too. Of a process that is killed, the recorder
        still saves every row.

        Parameters
        ----------
        path
            The log: its extension says the format. It is not there yet.
        policy
            Where rows come faster than the disk takes them, and the ring, a minute of a stream of 1 kHz, is full of
            them: "drop" the oldest and count them in ``health().missed``, or "block" until there is room.

        Raises
        ------
        SaveError, FormatError, MissingFileError
            There is such a file already, it has no format, or there is no such folder.
        RecorderError
            Rows have come already, or a recording is under way.

        Notes
        -----
        Complexity: O(1); the recorder is ready within a second, and takes the rows that came until then.
        Allocates: a ring file of 65 536 rows, or ``capacity`` where that is more, for each segment.
        Valid: until `close`.
        Threads: one.

        Examples
        --------
        >>> import tempfile
        >>> from collections import namedtuple
        >>> import ringacc
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     log = ringacc.EstimatorLog()
        ...     log.start_recording(folder + "/vigour.feather")
        ...     log.update_list(0.1, namedtuple("Estimate", "vigour")(0.5))
        ...     log.close()
        ...     ringacc.load(folder + "/vigour.feather")
             t  vigour
        0  0.1     0.5
        """
        if self._recording is not None or self._count():
            found = f"one to {self._recording.out}" if self._recording is not None else f"{self._count()} rows"
            raise RecorderError(f"expected to record from the first row on, found {found} already: begin before")
        self._recording = Recording(path, policy, self.capacity)

    @property
    def recording(self) -> Path | None:
        """The log that the rows are recorded to; None where they are not. May be set to where a whole log was moved."""
        return None if self._recording is None else self._recording.out

    @recording.setter
    def recording(self, path: Path) -> None:
        if self._recording is None or not self._recording.is_closed:
            raise RecorderError(f"expected a recording that is closed, whose log was moved to {path}, found none")
        self._recording.out = path

    def close(self) -> None:
        """End the recording, if there is one, and wait until its log is whole: no row can come any more.

        Notes
        -----
        Complexity: O(1), but for a log of another format than feather, or of several segments, O(rows).
        Allocates: nothing.
        Valid: the newest rows can still be looked up; all are in the log.
        Threads: one.

        Examples
        --------
        >>> from ringacc import EstimatorLog
        >>> EstimatorLog().close()
        """
        if self._recording is not None:
            self._recording.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _append_slowly(self, t: Any, data: Any) -> None:
        """Append any row that is one, opening a segment and trimming where needed."""
        if self._opened and self._segment.is_full:
            # What the fast way in declines most often: there is nothing odd about the row.
            self._segment.make_room()
            self._set_limit()
            self._append(t, data)
            return
        time = self._seconds(t)
        columns, values = self._columns_of(data), tuple(data)
        segment = self._segment
        if not self._opened or segment.columns[1:] != columns:
            self._open(schema.opening_dtype(columns, values), time, values, type(data))
        else:
            try:
                segment.append(time, values)
            except RowLengthError:
                raise
            except RowError:
                # The value is a number that its column cannot hold, or ``widened`` says what is wrong with it.
                self._open(schema.widened(segment.dtype, values), time, values, type(data))
            else:
                if type(data) is not self._row_type:
                    self._bind(type(data))
        if self._set_limit():
            self.trim_data()

    def _columns_of(self, data: Any) -> tuple[str, ...]:
        """Give the names of the values in a row that a caller handed in."""
        columns = getattr(data, "_columns", None) or getattr(data, "_fields", None)
        if columns is None or not isinstance(data, tuple):
            raise RowKindError(
                f"expected a namedtuple, whose fields name the columns, found {type(data).__name__}: {data!r}"
            )
        return tuple(columns)

    def _open(self, dtype: np.dtype[Any], time: float, values: tuple[Any, ...], row_type: type) -> None:
        """Open a segment with its first row."""
        segment = self._new_segment(dtype)
        segment.append(time, values)
        self._go_on_in(segment, row_type)

    def _new_segment(self, dtype: np.dtype[Any]) -> Segment:
        """Give a segment for rows of this dtype."""
        if self._recording is None:
            return Segment(dtype, self.capacity)
        return RecordedSegment(dtype, self._recording)

    def _go_on_in(self, segment: Segment, row_type: type | None) -> None:
        """Make a segment, which has its first rows, the newest."""
        self._close()
        self._segment = segment
        self._opened = True
        # All is in place before anybody hears of it: who listens may append the next row.
        self._bind(row_type)
        self.sig_acc_init.emit()

    def _bind(self, row_type: type | None) -> None:
        """Let rows of this type take the fast way into the newest segment; None: let all take the slow one."""
        self._row_type = row_type
        if row_type is None:
            self._target.point_at(None)
        else:
            self._segment.take_from(self._target, row_type)
        self._set_limit()

    def _extend(self, rows: Array) -> None:
        """Append many rows of one dtype, "t" first, opening a segment and trimming where needed."""
        segment = self._segment
        if not len(rows):
            return
        if self._opened and segment.columns == rows.dtype.names:
            try:
                segment.extend(schema.rows_of(segment.dtype, rows))
            except RowTimeError:
                raise
            except RowError:
                if len(rows) > 1:
                    # As one by one: those before the first that does not fit go here.
                    self._extend(rows[: len(rows) // 2])
                    self._extend(rows[len(rows) // 2 :])
                    return
                # Numbers that their column cannot hold: that of the new segment holds both.
                rows = schema.rows_of(schema.united_dtype(segment.dtype, rows.dtype), rows)
                segment = self._segment_of(rows)
        else:
            segment = self._segment_of(rows)
        if segment is not self._segment:
            self._go_on_in(segment, None)
        if self._set_limit():
            self.trim_data()

    def _segment_of(self, rows: Array) -> Segment:
        """Give a new segment that begins with these rows."""
        segment = self._new_segment(rows.dtype)
        segment.extend(rows)
        return segment

    def _declare(self, dtype: np.dtype[Any]) -> None:
        """Make the newest segment one that holds no rows yet; its first row will decide the dtypes."""
        self._target.point_at(None)
        self._segment = Segment(dtype, 0)
        self._opened = False
        self._row_type = None

    def _close(self) -> None:
        """Put the newest segment to the older ones."""
        if len(self._segment):
            self._segment.close()
            self._older.append(self._segment)
            self._older_rows += len(self._segment)

    def _count(self) -> int:
        return self._older_rows + len(self._segment)

    def _set_limit(self) -> bool:
        if self._recording is not None:
            return False
        self._segment.set_limit(self._rows_allowed() - self._older_rows)
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
        if self.exp.protocol_runner.running or self._recording is not None:
            return
        excess = self._count() - self._max_history
        if self._count() > self._rows_allowed():
            while self._older and excess >= len(self._older[0]):
                excess -= len(self._older.pop(0))
            oldest = self._older[0] if self._older else self._segment
            oldest.trim_to(len(oldest) - excess)
            self._older_rows = sum(map(len, self._older))
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
        self._older_rows = 0
        if self._recording is not None:
            self._recording.reset()
        self._declare(_TIME_ONLY)
        self.sig_acc_reset.emit()

    @property
    def segments(self) -> list[Segment]:
        """The segments since the last reset, oldest first; each has ``columns``, ``dtype`` and ``blocks()``."""
        return [*self._older, self._segment]

    def is_empty(self) -> bool:
        """Say whether no row has come since the last reset.

        Notes
        -----
        Complexity: O(segments).
        Allocates: nothing.
        Valid: a plain value.
        Threads: one.

        Examples
        --------
        >>> from ringacc import EstimatorLog
        >>> EstimatorLog().is_empty()
        True
        """
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
