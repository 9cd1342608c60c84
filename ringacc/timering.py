"""TimeRing: rows that begin with a time, and looking them up by it.

Belongs here: everything that answers by time. May not be here: how rows get in or where they lie.
"""

from __future__ import annotations

import math
import operator
from typing import Any, Literal, NamedTuple, SupportsIndex, overload

import numpy as np

from . import schema
from .appending import Appender, checked_time
from .block import Array, Block
from .errors import RowKindError, RowNotFoundError, UnknownColumnError
from .jit import Handle, handle_of
from .kernels import rows as counters_of
from .kernels import times
from .ring import Ring, checked_count

__all__ = ["Health", "How", "TimeRing", "find"]

How = Literal["previous", "next", "nearest", "linear"]
_HOWS = ("previous", "next", "nearest", "linear")


class Health(NamedTuple):
    """What the times of a stream say about it.

    Attributes
    ----------
    rows
        Rows ever put in.
    repeats
        Rows whose time equals the one before.
    backward
        Rows whose time lies before the one before.
    largest_gap
        Largest step forward from one row to the next, in seconds; 0.0 while there is none.
    overwritten
        Rows that were replaced by newer ones.
    missed
        Rows that a reader asked for too late.
    """

    rows: int
    repeats: int
    backward: int
    largest_gap: float
    overwritten: int
    missed: int


class TimeRing(Ring):
    """The newest rows of a stream; each begins with a time "t" in float64 seconds.

    Parameters
    ----------
    capacity
        Rows held at most, 0 or more.
    fields
        What follows "t": a mapping of names to dtypes, (name, dtype) pairs, a structured dtype, or a NamedTuple class.
    allow_overwrite
        Whether a row put into a full ring takes the place of the oldest. If not, it is refused (RingFullError).

    Raises
    ------
    CapacityError
        The capacity is negative or no whole number, or (CapacityMemoryError) does not fit in memory.
    SchemaError
        A name is there twice or is "t", or a dtype has no fixed size.

    Notes
    -----
    Complexity: O(capacity) to make; look-ups O(log rows), or O(rows) while a time that goes back is in the ring.
    Allocates: 2 x capacity x bytes of a row, once; never again.
    Valid: look-ups give read-only views of the ring, each valid until the rows it shows are overwritten.
    Threads: one writer, which may look up too.

    Examples
    --------
    >>> from ringacc import TimeRing
    >>> track = TimeRing(1000, {"x": "f8", "ok": "?"})
    >>> for frame in range(5):
    ...     track.append(frame / 100, (frame * 2.0, True))
    >>> track.window(0.02)["x"]
    array([4., 6., 8.])
    >>> round(track.fps())
    100
    """

    __slots__ = ("__dict__",)

    def __init__(self, capacity: int, fields: schema.Fields, allow_overwrite: bool = True) -> None:
        self._block = Block(capacity, schema.row_dtype(fields))
        self._appender = Appender(self._block, timed=True, overwrite=allow_overwrite)
        if type(self).append is TimeRing.append:
            fast = self._appender.builtin(self._appender.append_row, TimeRing.append.__doc__)
            if fast is not None:
                # As an attribute, not by __dict__: that would make every later look-up of one slower.
                self.append = fast  # type: ignore[method-assign]

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of the columns, "t" first."""
        return self._block.dtype.names or ()

    @property
    def jit(self) -> Handle:
        """The ring for a user's own ``@njit`` loop; see `ringacc.jit`."""
        return handle_of(self._block)

    def __repr__(self) -> str:
        return f"<TimeRing of {len(self)} of {self.capacity} rows {self.columns}>"

    # Putting in -----------------------------------------------------------------------------------------------

    def append(self, t: float, values: Any) -> None:
        """Put a row behind the newest.

        Parameters
        ----------
        t
            Time in seconds. It may repeat or go back; that is counted (`health`), and look-ups still answer right.
        values
            One value for each field after "t": a tuple (fastest), list, namedtuple or array of shape (k,).

        Raises
        ------
        RowTimeError
            The time is NaN or infinite.
        RowKindError, RowRangeError, RowLengthError
            A value does not fit its field, or there are too few or too many. In every case nothing is written.

        Notes
        -----
        Complexity: O(fields), about the cost of one and a half ``list.append``.
        Allocates: nothing.
        Valid: nothing is given.
        Threads: the writer's.

        Examples
        --------
        >>> from ringacc import TimeRing
        >>> track = TimeRing(10, {"x": "f8"})
        >>> track.append(0.5, (1.0,))
        >>> track.append(0.6, (None,))
        Traceback (most recent call last):
            ...
        ringacc.errors.RowKindError: field 'x' (float64): expected a number, found None (NoneType): convert it, or \
declare the field otherwise
        """
        self._appender.append_row(t, values)

    @overload
    def extend(self, rows: Array, /) -> None: ...
    @overload
    def extend(self, times: Any, values: Any, /) -> None: ...
    def extend(self, times: Any, values: Any = None, /) -> None:
        """Put many rows behind the newest; of more than the capacity, the last ones stay.

        Parameters
        ----------
        times
            Alone: a structured array of the ring's dtype, shape (n,). With ``values``: the times, shape (n,).
        values
            Shape (n, k) for the k fields after "t", or a structured array of them, or a sequence of n rows.

        Raises
        ------
        RowTimeError
            A time is NaN or infinite.
        RowKindError, RowRangeError, RowLengthError
            A value does not fit its field, or the shapes do not fit. In every case nothing is written.

        Notes
        -----
        Complexity: O(n), two copies of the bytes that stay.
        Allocates: nothing for a contiguous, writeable array of the ring's dtype, else one array of rows.
        Valid: nothing is given.
        Threads: the writer's.

        Examples
        --------
        >>> from ringacc import TimeRing
        >>> track = TimeRing(10, {"x": "f8", "y": "f8"})
        >>> track.extend([0.0, 0.1], [[1, 2], [3, 4]])
        >>> track["y"]
        array([2., 4.])
        """
        if values is not None:
            rows = schema.timed_rows(self._block.dtype, times, values)
        elif isinstance(times, np.ndarray) and times.dtype.names is not None:
            rows = schema.rows_of(self._block.dtype, times)
        else:
            raise RowKindError(
                f"expected a structured array of {self._block.dtype}, found {type(times).__name__}: "
                "give the times and the values apart"
            )
        self._appender.extend_rows(rows)

    # Looking up -----------------------------------------------------------------------------------------------

    def window(self, seconds: float) -> Array:
        """Give the rows with t >= newest - ``seconds``, where newest is the time of the row put in last.

        Parameters
        ----------
        seconds
            Length of the window, 0 or more. One that reaches past the oldest row gives all rows.

        Returns
        -------
        ndarray
            Structured, shape (n,), in the order they were put in: a read-only, contiguous view. While a time that goes
            back is in the ring, a copy.

        Raises
        ------
        ValueError
            ``seconds`` is negative or NaN.

        Notes
        -----
        Complexity: O(log rows); O(rows) while a time that goes back is in the ring.
        Allocates: nothing but the view.
        Valid: until ``capacity - n`` more rows were put in; ``.copy()`` is the way to keep it.
        Threads: the writer's.

        Examples
        --------
        >>> from ringacc import TimeRing
        >>> track = TimeRing(10, {"x": "f8"})
        >>> track.extend([0.0, 1.0, 2.0], [[1], [2], [3]])
        >>> track.window(1.0)["t"]
        array([1., 2.])
        """
        if not seconds >= 0:
            raise ValueError(f"expected a window of 0 or more seconds, found {seconds}")
        block = self._block
        start, stop = times.window_bounds(block.counters, block.bytes, block.capacity, block.row_bytes, seconds)
        if start < 0:
            rows = block.last(len(block))
            return _frozen(rows[rows["t"] >= rows["t"][-1] - seconds])
        return block.visible[start:stop]

    def between(self, t0: float, t1: float) -> Array:
        """Give the rows with t0 <= t <= t1; none where t0 > t1.

        Parameters
        ----------
        t0, t1
            Times in seconds, both included; infinite ones are fine.

        Returns
        -------
        ndarray
            Structured, shape (n,), in the order they were put in: a read-only, contiguous view. While a time that goes
            back is in the ring, a copy.

        Raises
        ------
        ValueError
            A time is NaN.

        Notes
        -----
        Complexity: O(log rows); O(rows) while a time that goes back is in the ring.
        Allocates: nothing but the view.
        Valid: until the oldest row of it is overwritten; ``.copy()`` is the way to keep it.
        Threads: the writer's.

        Examples
        --------
        >>> from ringacc import TimeRing
        >>> track = TimeRing(10, {"x": "f8"})
        >>> track.extend([0.0, 1.0, 2.0], [[1], [2], [3]])
        >>> track.between(0.5, 1.5)["x"]
        array([2.])
        """
        if t0 != t0 or t1 != t1:
            raise ValueError(f"expected two times in seconds, found {t0} and {t1}")
        block = self._block
        start, stop = times.between_bounds(block.counters, block.bytes, block.capacity, block.row_bytes, t0, t1)
        if start < 0:
            rows = block.last(len(block))
            return _frozen(rows[(rows["t"] >= t0) & (rows["t"] <= t1)])
        return block.visible[start:stop]

    def at(self, t: float, how: How = "nearest", tolerance: float | None = None) -> np.void:
        """Give the row at a time.

        Parameters
        ----------
        t
            Time in seconds.
        how
            "previous": the row with the greatest time <= t, of equal times the one put in last. "next": the row with
            the smallest time >= t, of equal times the one put in first. "nearest": the nearer of the two; in a tie the
            earlier one. "linear": on the straight line between the two; numbers come as float64, bools and text are
            those of the previous row.
        tolerance
            Largest distance in seconds from ``t`` to the row; for "linear", to both rows. None: any.

        Returns
        -------
        numpy.void
            One structured row, "t" included: a copy.

        Raises
        ------
        RowNotFoundError
            No row fits; a LookupError that says what is there.
        ValueError
            ``how`` is unknown, ``t`` is not finite, or ``tolerance`` is negative.

        Notes
        -----
        Complexity: O(log rows); O(rows) while a time that goes back is in the ring.
        Allocates: the row.
        Valid: a copy.
        Threads: the writer's.

        Examples
        --------
        >>> from ringacc import TimeRing
        >>> track = TimeRing(10, {"x": "f8"})
        >>> track.extend([0.0, 1.0], [[10], [20]])
        >>> float(track.at(0.4)["x"]), float(track.at(0.25, how="linear")["x"])
        (10.0, 12.5)
        """
        block = self._block
        rows = block.last(len(block))
        moment = _checked_question(t, how, tolerance)
        start, stop = times.between_bounds(block.counters, block.bytes, block.capacity, block.row_bytes, moment, moment)
        if start < 0:
            return find(rows, moment, how, tolerance)
        oldest = block.slot(block.trimmed) if len(rows) else 0
        return _pick(rows, start - oldest, stop - oldest - 1, moment, how, tolerance)

    def fps(self, points: SupportsIndex = 10) -> float:
        """Give the rate over the last ``points`` rows: (k - 1) / (their last time - their first).

        Parameters
        ----------
        points
            How many rows, 2 or more; k is that, or the rows there are.

        Returns
        -------
        float
            In rows a second (Hz); 0.0 with less than two rows, or where no time has elapsed.

        Raises
        ------
        ValueError
            ``points`` is less than 2.

        Notes
        -----
        Complexity: O(1).
        Allocates: nothing.
        Valid: a plain value.
        Threads: the writer's.

        Examples
        --------
        >>> from ringacc import TimeRing
        >>> track = TimeRing(10, {"x": "f8"})
        >>> track.extend([0.0, 0.5, 1.0], [[1], [2], [3]])
        >>> track.fps()
        2.0
        """
        number = operator.index(points)
        if number < 2:
            raise ValueError(f"expected at least 2 points for a rate, found {number}")
        block = self._block
        return float(times.fps(block.counters, block.bytes, block.capacity, block.row_bytes, number))

    def __getitem__(self, column: str) -> Array:
        """Give one column of the rows there are, oldest first: a read-only view, valid until the next append."""
        if column not in self.columns:
            raise UnknownColumnError(f"expected one of the columns {self.columns}, found {column!r}")
        return self._block.last(len(self))[column]

    def health(self) -> Health:
        """Give what the times of all rows ever put in say about the stream.

        Returns
        -------
        Health
            Counts of rows, repeats, backward steps, overwritten and missed rows, and the largest gap in seconds.

        Notes
        -----
        Complexity: O(1).
        Allocates: nothing but the tuple.
        Valid: a plain value.
        Threads: the writer's.

        Examples
        --------
        >>> from ringacc import TimeRing
        >>> track = TimeRing(2, {"x": "f8"})
        >>> track.extend([0.0, 0.5, 0.5, 0.25], [[1], [2], [3], [4]])
        >>> track.health()
        Health(rows=4, repeats=1, backward=1, largest_gap=0.5, overwritten=2, missed=0)
        """
        counts = self._block.counts
        return Health(
            rows=counts[counters_of.WRITTEN],
            repeats=counts[counters_of.REPEATS],
            backward=counts[counters_of.BACKWARD],
            largest_gap=float(self._block.counters.view(np.float64)[counters_of.GAP]),
            overwritten=counts[counters_of.TRIMMED] - counts[counters_of.CLEARED],
            missed=0,
        )

    # Taking away ----------------------------------------------------------------------------------------------

    def trim_to(self, n: SupportsIndex) -> None:
        """Take away the oldest rows so that at most ``n`` are left.

        Parameters
        ----------
        n
            How many to leave, 0 or more.

        Raises
        ------
        ValueError
            ``n`` is negative.

        Notes
        -----
        Complexity: O(1).
        Allocates: nothing.
        Valid: views taken before stay as they were until new rows overwrite them.
        Threads: the writer's.

        Examples
        --------
        >>> from ringacc import TimeRing
        >>> track = TimeRing(10, {"x": "f8"})
        >>> track.extend([0.0, 0.5, 1.0], [[1], [2], [3]])
        >>> track.trim_to(1)
        >>> track["t"]
        array([1.])
        """
        self._block.trim_to(checked_count(n))

    def trim_before(self, t: float) -> None:
        """Take away the oldest rows up to the first one with a time >= ``t``; all where there is none.

        Parameters
        ----------
        t
            Time in seconds; infinite ones are fine.

        Raises
        ------
        ValueError
            ``t`` is NaN.

        Notes
        -----
        Complexity: O(log rows); O(rows) while a time that goes back is in the ring.
        Allocates: nothing.
        Valid: views taken before stay as they were until new rows overwrite them.
        Threads: the writer's.

        Examples
        --------
        >>> from ringacc import TimeRing
        >>> track = TimeRing(10, {"x": "f8"})
        >>> track.extend([0.0, 0.5, 1.0], [[1], [2], [3]])
        >>> track.trim_before(0.4)
        >>> track["t"]
        array([0.5, 1. ])
        """
        if t != t:
            raise ValueError(f"expected a time in seconds, found {t}")
        block = self._block
        start, stop = times.between_bounds(block.counters, block.bytes, block.capacity, block.row_bytes, t, math.inf)
        if start < 0:
            late = np.flatnonzero(block.last(len(block))["t"] >= t)
            start, stop = (int(late[0]) if len(late) else len(block)), len(block)
        block.trim_to(stop - start)


def find(rows: Array, t: float, how: How = "nearest", tolerance: float | None = None) -> np.void:
    """Give the row at a time of any structured rows with "t", in whatever order; as `TimeRing.at`, in O(n log n)."""
    moment = _checked_question(t, how, tolerance)
    rows = rows[np.argsort(rows["t"], kind="stable")]
    stamps = rows["t"]
    return _pick(
        rows,
        int(np.searchsorted(stamps, moment, "left")),
        int(np.searchsorted(stamps, moment, "right")) - 1,
        moment,
        how,
        tolerance,
    )


def _checked_question(t: float, how: str, tolerance: float | None) -> float:
    if how not in _HOWS:
        raise ValueError(f"expected how to be one of {', '.join(_HOWS)}, found {how!r}")
    if tolerance is not None and not tolerance >= 0:
        raise ValueError(f"expected a tolerance of 0 or more seconds, found {tolerance}")
    return checked_time(t)


def _pick(rows: Array, after: int, before: int, moment: float, how: str, tolerance: float | None) -> np.void:
    """Choose between the first row with t >= ``moment`` and the last with t <= it; rows in time order."""
    reach = math.inf if tolerance is None else tolerance
    stamps = rows["t"]
    has_before = before >= 0 and moment - stamps[before] <= reach
    has_after = after < len(rows) and stamps[after] - moment <= reach
    if how == "nearest" and (has_before or has_after):
        if has_after and (not has_before or stamps[after] - moment < moment - stamps[before]):
            return _copy(rows, after)
        while before > 0 and stamps[before - 1] == stamps[before]:
            before -= 1
        return _copy(rows, before)
    if how == "previous" and has_before:
        return _copy(rows, before)
    if how == "next" and has_after:
        return _copy(rows, after)
    if how == "linear" and has_before and has_after:
        return _on_the_line(rows[before], rows[after], moment)
    within = "" if tolerance is None else f" within {tolerance} s"
    wanted = f"expected a row ({how}) for t = {moment}{within}"
    if not len(rows):
        raise RowNotFoundError(f"{wanted}, found no rows at all: append some first")
    raise RowNotFoundError(
        f"{wanted}, found {len(rows)} rows from {stamps[0]} to {stamps[-1]} s: ask within that range, or with another "
        "how or tolerance"
    )


def _frozen(rows: Array) -> Array:
    rows.flags.writeable = False
    return rows


def _copy(rows: Array, place: int) -> np.void:
    row: np.void = rows[place].copy()
    return row


def _on_the_line(before: np.void, after: np.void, moment: float) -> np.void:
    """Give the row at ``moment`` on the straight line between two rows."""
    names = before.dtype.names or ()
    kinds = [(name, np.float64 if before.dtype[name].base.kind in "iuf" else before.dtype[name].base) for name in names]
    made: np.void = np.zeros(1, [(name, kind, before.dtype[name].shape) for name, kind in kinds])[0]
    elapsed = after["t"] - before["t"]
    share = (moment - before["t"]) / elapsed if elapsed > 0 else 0.0
    for name, kind in kinds:
        first, second = before[name], after[name]
        if kind != np.float64 or share == 0.0:
            made[name] = first
        elif share == 1.0:
            made[name] = second
        else:
            made[name] = np.float64(first) + (np.float64(second) - np.float64(first)) * share
    made["t"] = moment
    return made
