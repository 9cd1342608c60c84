"""What is asked of an accumulator.

Belongs here: look-ups, tables and files, by the names that stytra gave them and those of the rings. May not be here:
what changes the rows (``base``).
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, SupportsIndex

import numpy as np

from .. import tables
from ..block import Array
from ..errors import AccumulatorEmptyError, FormatError, RowKindError, UnknownColumnError
from ..lookups import Health, How
from ..recorder.rows import RecordedRows
from ..segments import Segment
from .base import CAPACITY, SegmentedAccumulator
from .recorded import Policy, RecordedSegment

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["DataFrameAccumulator"]


class DataFrameAccumulator(SegmentedAccumulator):
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
    record_to
        A log that every row is recorded to as it comes, by a process of its own; see `start_recording`.
    record_policy
        "drop" or "block", where the recorder does not keep up.

    Attributes
    ----------
    sig_acc_reset, sig_acc_init
        Signals: the rows are gone; the first row of a new segment can be read.
    plot_columns
        The columns that displays show by default.

    Notes
    -----
    Complexity: O(1) an append.
    Allocates: a ring for each segment; while running, a block of ``capacity / 16`` rows for as many appends.
    Valid: ``get_*``, ``[...]`` and ``times`` give copies; ``last``, ``window``, ``between`` and ``since`` give views.
    Threads: one.

    Examples
    --------
    >>> from collections import namedtuple
    >>> from ringacc import EstimatorLog
    >>> Eyes = namedtuple("Eyes", "left right")
    >>> log = EstimatorLog(name="eyes")
    >>> for frame in range(100):
    ...     log.update_list(frame / 100, Eyes(frame * 0.5, frame * -0.5))
    >>> log.columns, len(log.stored_data), round(log.get_fps())
    (('t', 'left', 'right'), 100, 100)
    >>> float(log.window(0.05)["left"].mean())
    48.25
    """

    def __init__(
        self,
        experiment: Any = None,
        name: str = "",
        max_history_if_not_running: int = 1000,
        *,
        fps_calc_points: int = 10,
        monitored_headers: Sequence[str] | None = None,
        capacity: int = CAPACITY,
        record_to: str | os.PathLike[str] | None = None,
        record_policy: Policy = "drop",
    ) -> None:
        super().__init__(
            experiment,
            name,
            max_history_if_not_running,
            monitored_headers=monitored_headers,
            capacity=capacity,
            record_to=record_to,
            record_policy=record_policy,
        )
        if fps_calc_points < 2:
            raise ValueError(f"expected at least 2 points for a rate, found {fps_calc_points}")
        self.fps_calc_points = fps_calc_points

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
    def t(self) -> Array:
        """The times of the newest segment in seconds: float64, shape (rows,), an array of its own."""
        return self.times

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

    # Closed loop: views of the newest segment's ring ----------------------------------------------------------------

    def last(self, n: SupportsIndex) -> Array:
        """Give the last ``n`` rows of the ring as a view; see `TimeRing.last`.

        Notes
        -----
        Complexity: O(1).
        Allocates: nothing but the view.
        Valid: as what `TimeRing.last` gives.
        Threads: one.
        """
        return self._segment.ring.last(n)

    def window(self, seconds: float) -> Array:
        """Give the rows of the ring of the last ``seconds`` as a view; see `TimeRing.window`.

        Notes
        -----
        Complexity: O(log rows).
        Allocates: nothing but the view.
        Valid: as what `TimeRing.last` gives.
        Threads: one.
        """
        return self._segment.ring.window(seconds)

    def envelope(self, seconds: float, points: SupportsIndex) -> Array:
        """Give the smallest and the largest values of the rows of `window` in bins; see `TimeRing.envelope`."""
        return self._segment.ring.envelope(seconds, points)

    def between(self, t0: float, t1: float) -> Array:
        """Give the rows of the ring with t0 <= t <= t1 as a view; see `TimeRing.between`.

        Notes
        -----
        Complexity: O(log rows).
        Allocates: nothing but the view.
        Valid: as what `TimeRing.last` gives.
        Threads: one.
        """
        return self._segment.ring.between(t0, t1)

    def at(self, t: float, how: How = "nearest", tolerance: float | None = None) -> np.void:
        """Give the row of the ring at a time as a copy; see `TimeRing.at`.

        Notes
        -----
        Complexity: O(log rows).
        Allocates: the row.
        Valid: a copy, for ever.
        Threads: one.
        """
        return self._not_empty().ring.at(t, how, tolerance)

    def since(self, sequence: SupportsIndex) -> tuple[Array, int, int]:
        """Give the rows put into the ring since a sequence; see `Ring.since`. A new segment begins at 0.

        Notes
        -----
        Complexity: O(1).
        Allocates: nothing but the view.
        Valid: as what `TimeRing.last` gives.
        Threads: one.
        """
        return self._segment.ring.since(sequence)

    def health(self) -> Health:
        """Give what the times of the newest segment say about the stream; see `TimeRing.health`.

        Notes
        -----
        Complexity: O(1).
        Allocates: nothing.
        Valid: a plain value, of the moment of the call.
        Threads: one.
        """
        health = self._segment.ring.health()
        # What has left the ring of a recording is on the disk, but for rows that were missed.
        return health if self._recording is None else health._replace(overwritten=health.missed)

    def _not_empty(self) -> Segment:
        if not len(self._segment):
            raise AccumulatorEmptyError(
                "expected a row, found an accumulator that holds none: look at is_empty() first"
            )
        return self._segment

    # As stytra has it: arrays and rows of their own -----------------------------------------------------------------

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
        """Give the rate over the last ``fps_calc_points`` rows of the newest segment in Hz; see `TimeRing.fps`.

        Notes
        -----
        Complexity: O(1).
        Allocates: nothing.
        Valid: a plain value.
        Threads: one.
        """
        return self._segment.fps(self.fps_calc_points)

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
        if self._recording is not None and self._recording.is_closed and not self.is_empty():
            return tables.load(self._recording.out)
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
        if self._recording is None:
            return tables.save(self.blocks(), path, format).name
        if self._recording.is_closed:
            return tables.save(tables.load(self._recording.out), path, format).name
        files = [segment.file for segment in self.segments if isinstance(segment, RecordedSegment)]
        rows = RecordedRows(self._recording.chunks([file for file in files if file is not None]))
        return tables.save_stream(rows, path, format).name

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
