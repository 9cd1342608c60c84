"""Rows that begin with a time, as the process that writes them looks at them.

Belongs here: what a ring of timed rows in this process is asked, and what of it is taken away by time. May not be here:
the answers (``lookups``, ``envelopes``), where the rows lie and how they get in (``timering``).
"""

from __future__ import annotations

from typing import SupportsIndex

import numpy as np

from . import lookups
from .block import Array
from .envelopes import Envelope
from .lookups import Health, How
from .ring import Ring

__all__ = ["TimedRows"]


class TimedRows(Ring):
    """A ring whose rows begin with a time "t"; base of `TimeRing`. All of it is for the writer's thread."""

    __slots__ = ("_envelope",)

    _envelope: Envelope | None

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of the columns, "t" first."""
        return self._block.dtype.names or ()

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
        return lookups.window(self._block, seconds)

    def envelope(self, seconds: float, points: SupportsIndex) -> Array:
        """Give the smallest and the largest values of the rows of `window` in bins, for a display of so many points.

        Parameters
        ----------
        seconds
            As in `window`.
        points
            Bins at most, 1 or more.

        Returns
        -------
        ndarray
            Structured, shape (bins, 2), oldest first: ``[:, 0]`` has the minima of each bin, ``[:, 1]`` the maxima.
            It has "t" and all columns of numbers and bools, with their dtypes; others are left out. Bin k has the
            sequences [k * width, (k + 1) * width), and the width is the smallest power of two with which so many rows
            fall in at most ``points`` bins wherever they begin. NaN is passed over; a bin of nothing else is NaN.

        Raises
        ------
        ValueError
            ``seconds`` is negative or NaN, or ``points`` is less than 1.

        Notes
        -----
        Complexity: O(log rows + rows of the window); asked again, O(points + rows that are new).
        Allocates: the array, and once more as much to keep for the next call.
        Valid: a copy.
        Threads: the writer's.

        Examples
        --------
        >>> from ringacc import TimeRing
        >>> track = TimeRing(10, {"x": "f8"})
        >>> track.extend([0.0, 1.0, 2.0, 3.0], [[1], [7], [5], [3]])
        >>> track.envelope(3.0, points=3)["x"]
        array([[1., 7.],
               [3., 5.]])
        """
        if self._envelope is None:
            self._envelope = Envelope(self._block.dtype)
        return self._envelope.of(self._block, seconds, points)

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
        return lookups.between(self._block, t0, t1)

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
        return lookups.at(self._block, t, how, tolerance)

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
        return lookups.fps(self._block, points)

    def __getitem__(self, column: str) -> Array:
        """Give one column of the rows there are, oldest first: a read-only view, valid until the next append."""
        return lookups.column(self._block, column)

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
        return lookups.health(self._block)

    # Taking away ----------------------------------------------------------------------------------------------

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
        self._check_writer()
        self._block.trim_to(lookups.from_time(self._block, t))
