"""The slow, obvious model of an accumulator: rows are (t, dict) in Python lists, every answer is its definition.

Written from the description of the accumulators. NumPy is asked for one thing only: what a value reads as in a column
of some dtype, and which dtype holds the values of two.
"""

from __future__ import annotations

import math
from datetime import datetime
from itertools import pairwise

import numpy as np

from ringacc.errors import AccumulatorEmptyError, RowNotFoundError


def dtype_of(value):
    """Return the dtype of the column that this value opens."""
    if isinstance(value, np.generic):
        return value.dtype
    return np.dtype({bool: "?", int: "i8", float: "f8"}[type(value)])


def holds(dtype, value):
    """Return whether a column of this dtype can hold a number."""
    if dtype.kind == "b":
        return isinstance(value, bool | np.bool_)
    if dtype.kind in "iu":
        whole = isinstance(value, bool | np.bool_ | int | np.integer)
        return whole and np.iinfo(dtype).min <= value <= np.iinfo(dtype).max
    with np.errstate(over="ignore"):
        return math.isinf(value) or not np.isinf(np.array([value], "f8").astype(dtype)[0])


class SegmentModel:
    """Rows of one set of columns; `times` are those of all rows that ever came, trimmed or not."""

    def __init__(self, dtypes):
        self.dtypes = dtypes
        self.rows = []
        self.times = []

    @property
    def columns(self):
        return ("t", *self.dtypes)


class AccumulatorModel:
    """What an accumulator does, said one row after the other.

    `names` are the columns of a log that knows them before the first row. `events` are the signals, with the columns
    and the number of rows that can be read when each is emitted.
    """

    def __init__(self, t0, running=True, max_history=1000, fps_points=10, names=None):
        self.t0, self.running, self.max_history, self.fps_points = t0, running, max_history, fps_points
        self.events = []
        self.declare_all(names)

    def declare_all(self, names):
        self.segments = []
        self.declare(names)

    def declare(self, names):
        """Let the next row open a segment, of these columns if they are known."""
        self.names = names
        self.segments = [segment for segment in self.segments if segment.rows]
        self.segments.append(SegmentModel({name: np.dtype("f8") for name in names or ()}))
        self.opened = False

    # Rows in and out ------------------------------------------------------------------------------------------------

    def seconds(self, time):
        return (time - self.t0).total_seconds() if isinstance(time, datetime) else float(time)

    def append(self, time, values):
        """Append a row of values by name, and trim where that is due."""
        newest = self.segments[-1]
        if not self.opened or list(newest.dtypes) != list(values):
            self._open({name: dtype_of(value) for name, value in values.items()}, time, values)
        elif not all(holds(newest.dtypes[name], value) for name, value in values.items()):
            wider = {
                name: dtype if holds(dtype, values[name]) else np.promote_types(dtype, dtype_of(values[name]))
                for name, dtype in newest.dtypes.items()
            }
            self._open(wider, time, values)
        else:
            self._put(time, values)
        self.trim()

    def _open(self, dtypes, time, values):
        self.segments = [segment for segment in self.segments if segment.rows]
        self.segments.append(SegmentModel(dtypes))
        self.opened = True
        self._put(time, values)
        self.events.append(("init", self.columns, 1))

    def _put(self, time, values):
        newest = self.segments[-1]
        stored = {name: np.array([values[name]], dtype).tolist()[0] for name, dtype in newest.dtypes.items()}
        newest.rows.append((self.seconds(time), stored))
        newest.times.append(self.seconds(time))

    def trim(self):
        """Keep the newest rows of all segments, if idle and too many."""
        count = self.count()
        if self.running or count <= 1.5 * self.max_history:
            return
        for _ in range(count - self.max_history):
            next(segment for segment in self.segments if segment.rows).rows.pop(0)
        self.segments = [segment for segment in self.segments[:-1] if segment.rows] + self.segments[-1:]

    def reset(self):
        self.declare_all(self.names)
        self.events.append(("reset", ("t", *self.names) if self.names is not None else None, 0))

    # Answers --------------------------------------------------------------------------------------------------------

    def count(self):
        return sum(len(segment.rows) for segment in self.segments)

    @property
    def columns(self):
        if not self.opened and self.names is None:
            raise ValueError("unknown")
        return self.segments[-1].columns

    @property
    def stored_data(self):
        """The rows of the newest segment as tuples, the time first."""
        return [(t, *values.values()) for t, values in self.segments[-1].rows]

    @property
    def times(self):
        return [t for t, _ in self.segments[-1].rows]

    def column(self, name):
        return [row[self.segments[-1].columns.index(name)] for row in self.stored_data]

    def last_n(self, n=None):
        rows = [tuple(map(float, row)) for row in self.stored_data]
        return rows if n is None else rows[max(len(rows) - max(n, 0), 0) :]

    def last_t(self, seconds):
        return [tuple(map(float, row)) for row in self.stored_data if row[0] >= self.times[-1] - seconds]

    def fps(self):
        times = self.times[-self.fps_points :]
        elapsed = times[-1] - times[0] if times else 0.0
        return (len(times) - 1) / elapsed if elapsed > 0 else 0.0

    def at(self, time, how="nearest"):
        """Return the row at a moment, as a tuple."""
        moment = self.seconds(time)
        rows = self.stored_data
        if not rows:
            raise AccumulatorEmptyError("none")
        before = max((row[0] for row in rows if row[0] <= moment), default=None)
        after = min((row[0] for row in rows if row[0] >= moment), default=None)
        if how == "nearest":
            wanted = min((abs(t - moment), t) for t in (before, after) if t is not None)[1]
        else:
            wanted = before if how == "previous" else after
        found = [row for row in rows if row[0] == wanted]
        if not found:
            raise RowNotFoundError("none")
        return found[-1] if how == "previous" else found[0]

    def frame(self):
        """Return the table of all segments: the dtype and the values of each column."""
        segments = [segment for segment in self.segments if segment.rows] or self.segments[-1:]
        table = {}
        for name in dict.fromkeys(name for segment in segments for name in segment.columns):
            dtypes = [segment.dtypes.get(name, np.dtype("f8")) for segment in segments]
            dtype = dtypes[0]
            for other in dtypes[1:]:
                dtype = np.promote_types(dtype, other)
            rows = [{"t": t, **values} for segment in segments for t, values in segment.rows]
            table[name] = (dtype, np.array([row.get(name, math.nan) for row in rows], dtype).tolist())
        return table

    def health(self):
        """Return rows, repeats, backward, largest gap, overwritten, missed of the newest segment."""
        steps = [later - earlier for earlier, later in pairwise(self.segments[-1].times)]
        counts = (len(self.segments[-1].times), steps.count(0.0), sum(step < 0 for step in steps))
        return (*counts, max([0.0, *steps]), 0, 0)
