"""Accumulators by where their rows come from: a queue, a stimulus, an estimator, a frame counter.

Belongs here: how each takes its rows. May not be here: what becomes of them (``base``).
"""

from __future__ import annotations

import queue as queues
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Protocol

import numpy as np

from .. import schema
from ..block import Array
from ..errors import QueueEndedError, RowKindError
from ..queues import RingQueue
from ..segments import Segment, StoredRows
from .answers import DataFrameAccumulator
from .base import Accumulator

__all__ = ["DynamicLog", "EstimatorLog", "FramerateAccumulator", "FramerateQueueAccumulator", "QueueDataAccumulator"]


# Items taken at a time where a queue cannot say how many there are.
_AT_A_TIME = 10_000
_MICROSECOND = timedelta(microseconds=1)


class Queue(Protocol):
    """What accumulators take from: `queue.Queue`, `multiprocessing.Queue`, `NamedTupleQueue`."""

    def get(self, block: bool = ...) -> Any:
        """Give the next item; raise `queue.Empty` where there is none and ``block`` is False."""

    def qsize(self) -> int:
        """Give about how many items there are."""


def _waiting(source: Queue) -> Iterator[tuple[Any, Any]]:
    """Take the pairs that are waiting in a queue now, without waiting for more or chasing those that come meanwhile."""
    try:
        count = source.qsize()
    except NotImplementedError:  # as multiprocessing has it on macOS
        count = _AT_A_TIME
    for _ in range(count):
        try:
            item = source.get(block=False)
        except queues.Empty:
            return
        try:
            time, value = item
        except (TypeError, ValueError) as error:
            raise RowKindError(
                f"expected a pair of a time and a value from the queue, found {item!r}, which was dropped"
            ) from error
        yield time, value


class QueueDataAccumulator(DataFrameAccumulator):
    """Rows from a queue of (time, namedtuple), as another process puts them there.

    Parameters
    ----------
    data_queue
        A `NamedTupleQueue`, `multiprocessing.Queue` or `queue.Queue`.
    **kwargs
        As in `DataFrameAccumulator`.

    Notes
    -----
    Complexity: O(1) a row.
    Allocates: as `DataFrameAccumulator`.
    Valid: as `DataFrameAccumulator`.
    Threads: one.

    Examples
    --------
    >>> import queue
    >>> from collections import namedtuple
    >>> from ringacc import QueueDataAccumulator
    >>> tail = namedtuple("Tail", "theta_00 theta_01")
    >>> frames = queue.Queue()
    >>> tracking = QueueDataAccumulator(frames)
    >>> frames.put((0.01, tail(0.1, 0.2)))
    >>> tracking.update_list()
    >>> tracking.columns
    ('t', 'theta_00', 'theta_01')
    """

    def __init__(self, data_queue: Queue, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.data_queue = data_queue

    def update_list(self) -> None:
        """Append all rows that are waiting in the queue now; a row with other columns opens a new segment.

        Raises
        ------
        RowError
            A row is none: it is dropped, what came before it is appended, what comes after it stays in the queue.

        Notes
        -----
        Complexity: O(rows waiting).
        Allocates: as `DataFrameAccumulator`.
        Valid: nothing is given.
        Threads: one.

        Examples
        --------
        >>> import queue
        >>> from ringacc import QueueDataAccumulator
        >>> QueueDataAccumulator(queue.Queue()).update_list()
        """
        if isinstance(self.data_queue, RingQueue):
            self._take_blocks(self.data_queue)
            return
        for time, data in _waiting(self.data_queue):
            self._take(time, data)

    def _take(self, time: Any, data: Any) -> None:
        """Append a row."""
        # The fast way in takes times as numbers only.
        self._append(self._seconds(time) if isinstance(time, datetime) else time, data)

    def _take_blocks(self, queue: RingQueue) -> None:
        """Append all rows that are waiting, many at a time, without chasing those that come meanwhile."""
        waiting = queue.qsize()
        while waiting > 0:
            try:
                taken = queue.take_block()
            except QueueEndedError:
                return
            if taken is None:
                return
            waiting -= len(taken.rows)
            if not taken.is_numbers:
                for time, data in queue.unpacked(taken):
                    self._take(time, data)
                continue
            rows = taken.rows
            if queue.t0 is not None:
                rows["t"] = self._since_t0(queue.t0, rows["t"])
            self._extend(rows)

    def _since_t0(self, start: datetime, seconds: Array) -> Array:
        """Give times that were counted from ``start``, in whole microseconds as datetimes are, as seconds since t0."""
        self._seconds(start)  # or say why the two cannot be compared
        offset = (start - self.exp.t0) // _MICROSECOND
        since: Array = (np.rint(seconds * 1e6).astype(np.int64) + offset) / 1e6
        return since


class EstimatorLog(DataFrameAccumulator):
    """Rows that an estimator of the closed loop hands in; parameters as in `DataFrameAccumulator`.

    Notes
    -----
    Complexity: O(1) a row.
    Allocates: as `DataFrameAccumulator`.
    Valid: as `DataFrameAccumulator`.
    Threads: one.

    Examples
    --------
    >>> from collections import namedtuple
    >>> from ringacc import EstimatorLog
    >>> Estimate = namedtuple("Estimate", "vigour")
    >>> log = EstimatorLog()
    >>> log.update_list(0.1, Estimate(0.5))
    >>> log.stored_data[-1]
    Row(t=0.1, vigour=0.5)
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if type(self).update_list is EstimatorLog.update_list:
            # The same without the frame of the method, which would be a third of the cost of a row.
            self.update_list = self._append  # type: ignore[method-assign, assignment]

    def update_list(self, t: float | datetime, data: Any) -> None:
        """Append a row.

        Parameters
        ----------
        t
            Seconds since t0, or a datetime.
        data
            A namedtuple of numbers; its fields name the columns.

        Raises
        ------
        RowError
            The row is none: nothing is written.

        Notes
        -----
        Complexity: O(columns).
        Allocates: as `DataFrameAccumulator`.
        Valid: nothing is given.
        Threads: one.

        Examples
        --------
        >>> from collections import namedtuple
        >>> from ringacc import EstimatorLog
        >>> EstimatorLog().update_list(0.1, namedtuple("Estimate", "vigour")(0.5))
        """
        self._append(t, data)


class DynamicLog(DataFrameAccumulator):
    """The changing parameters of stimuli, such as the velocity of a grating in closed loop.

    Parameters
    ----------
    stimuli
        Their ``dynamic_parameter_names``, united in order, are the columns; a stimulus without is passed over.
    **kwargs
        As in `DataFrameAccumulator`; ``name`` is "stimulus_params" unless given.

    Attributes
    ----------
    dropped
        Values that were handed in under names that are no column.

    Notes
    -----
    Complexity: O(columns) a row.
    Allocates: as `DataFrameAccumulator`.
    Valid: as `DataFrameAccumulator`.
    Threads: one.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> from ringacc import DynamicLog
    >>> log = DynamicLog([SimpleNamespace(dynamic_parameter_names=["closed loop 1D_vel", "gain"])])
    >>> log.update_list(0.1, {"closed loop 1D_vel": -10.0})
    >>> log.columns
    ('t', 'closed loop 1D_vel', 'gain')
    >>> log["gain"]
    array([nan])
    """

    def __init__(self, stimuli: Iterable[Any], **kwargs: Any) -> None:
        super().__init__(**{"name": "stimulus_params", **kwargs})
        self.dropped = 0
        self._names: tuple[str, ...] = ()
        self.update_stimuli(stimuli)

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of the columns, "t" first; known before the first row."""
        return ("t", *self._names)

    def _columns_of(self, data: Any) -> tuple[str, ...]:
        return self._names

    def update_list(self, time: float | datetime, data: Mapping[str, Any]) -> None:
        """Append a row.

        Parameters
        ----------
        time
            Seconds since t0, or a datetime.
        data
            A number by parameter name. One that is missing is NaN; one that is no column is dropped and counted.

        Raises
        ------
        RowError
            A value is no number, or ``data`` no mapping: nothing is written.

        Notes
        -----
        Complexity: O(columns).
        Allocates: as `DataFrameAccumulator`.
        Valid: nothing is given.
        Threads: one.

        Examples
        --------
        >>> from types import SimpleNamespace
        >>> from ringacc import DynamicLog
        >>> log = DynamicLog([SimpleNamespace(dynamic_parameter_names=["gain"])])
        >>> log.update_list(0.1, {"gain": 1, "phase": 2})
        >>> log.dropped
        1
        """
        if not isinstance(data, Mapping):
            raise RowKindError(f"expected values by parameter name, such as a dict, found {data!r}")
        values = tuple(data.get(name, np.nan) for name in self._names)
        self._append(time, values)
        self.dropped += sum(name not in self._names for name in data)

    def update_stimuli(self, stimuli: Iterable[Any]) -> None:
        """Take the columns from other stimuli from now on: a new segment opens, and earlier rows stay.

        Parameters
        ----------
        stimuli
            Their ``dynamic_parameter_names``, united in order, are the columns; a stimulus without is passed over.

        Raises
        ------
        SchemaError
            A name is "t" or empty: the columns stay as they were.

        Notes
        -----
        Complexity: O(rows of the ring), which move to the history.
        Allocates: the history of those rows.
        Valid: views taken before stay as they were.
        Threads: one.

        Examples
        --------
        >>> from types import SimpleNamespace
        >>> from ringacc import DynamicLog
        >>> log = DynamicLog([])
        >>> log.update_stimuli([SimpleNamespace(dynamic_parameter_names=["gain"])])
        >>> log.columns
        ('t', 'gain')
        """
        given = (getattr(stimulus, "dynamic_parameter_names", None) or () for stimulus in stimuli)
        names = dict.fromkeys(name for names in given for name in names)
        dtype = schema.row_dtype([(name, np.float64) for name in names])
        self._close()
        self._names = tuple(names)
        self._declare(dtype)

    def reset(self, monitored_headers: Sequence[str] | None = None) -> None:
        """Forget all rows, but not the columns, then emit ``sig_acc_reset``; see `DataFrameAccumulator.reset`.

        Notes
        -----
        Complexity: O(columns).
        Allocates: a ring, with the next row.
        Valid: views taken before stay as they were.
        Threads: one.
        """
        super().reset(monitored_headers)
        self._declare(schema.row_dtype([(name, np.float64) for name in self._names]))


class FramerateAccumulator(Accumulator):
    """Frame rates as they are measured; ``stored_data`` has the rates and ``times`` when they were.

    Parameters
    ----------
    experiment, name, max_history_if_not_running
        As in `Accumulator`; the history is bounded whether the protocol runs or not.
    goal_framerate
        The rate that there should be, in Hz, for displays; None: unknown.

    Notes
    -----
    Complexity: O(1) a rate.
    Allocates: a ring, at the first rate.
    Valid: ``stored_data`` and ``times`` follow the stream and are copies.
    Threads: one.

    Examples
    --------
    >>> from ringacc import FramerateAccumulator
    >>> rates = FramerateAccumulator(goal_framerate=300)
    >>> rates.update_list(299.5)
    >>> rates.stored_data
    [299.5]
    """

    def __init__(
        self,
        experiment: Any = None,
        name: str = "",
        max_history_if_not_running: int = 1000,
        *,
        goal_framerate: float | None = None,
    ) -> None:
        super().__init__(experiment, name, max_history_if_not_running)
        self.goal_framerate = goal_framerate
        self.reset()

    @property
    def stored_data(self) -> Sequence[float]:
        """The rates in Hz: a read-only sequence that follows the stream."""
        return StoredRows(self._segment, lambda t, fps: fps)

    def reset(self) -> None:
        """Forget all rates.

        Notes
        -----
        Complexity: O(1).
        Allocates: a ring, with the next rate.
        Valid: copies taken before stay as they were.
        Threads: one.
        """
        self._segment = Segment(schema.row_dtype({"fps": np.float64}), self._rows_allowed() + 1)

    def trim_data(self) -> None:
        """Keep the newest ``max_history_if_not_running`` rates, if there are 1.5 x as many.

        Notes
        -----
        Complexity: O(1).
        Allocates: nothing.
        Valid: nothing is given.
        Threads: one.
        """
        if len(self._segment) > self._rows_allowed():
            self._segment.trim_to(self.max_history_if_not_running)

    def update_list(self, fps: float) -> None:
        """Append a rate in Hz, measured now; a value that is no number is refused (RowError).

        Notes
        -----
        Complexity: O(1).
        Allocates: nothing; a ring, at the first rate.
        Valid: nothing is given.
        Threads: one.
        """
        now = datetime.now(self.exp.t0.tzinfo)
        self._add(self._seconds(now), fps)

    def _add(self, seconds: float, fps: float) -> None:
        self._segment.append(seconds, (fps,))
        self.trim_data()


class FramerateQueueAccumulator(FramerateAccumulator):
    """Frame rates from a queue of (datetime, rate).

    Parameters
    ----------
    *args, **kwargs
        As in `FramerateAccumulator`.
    queue
        Where they come from.

    Notes
    -----
    Complexity: O(1) a rate.
    Allocates: a ring, once.
    Valid: ``stored_data`` and ``times`` follow the stream and are copies.
    Threads: one.

    Examples
    --------
    >>> import queue
    >>> from ringacc import FramerateQueueAccumulator
    >>> measured = queue.Queue()
    >>> rates = FramerateQueueAccumulator(queue=measured)
    >>> measured.put((0.5, 299.5))
    >>> rates.update_list()
    >>> rates.times
    array([0.5])
    """

    def __init__(self, *args: Any, queue: Queue, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.queue = queue

    def update_list(self) -> None:  # type: ignore[override]
        """Append all rates that are waiting in the queue, without waiting for more.

        Notes
        -----
        Complexity: O(rates waiting).
        Allocates: nothing; a ring, at the first rate.
        Valid: nothing is given.
        Threads: one.
        """
        for time, fps in _waiting(self.queue):
            self._add(self._seconds(time), fps)
