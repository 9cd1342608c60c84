"""TimeRing: rows that begin with a time, in memory or in a file.

Belongs here: the life of a ring that its own process writes: it is made, taken over, filled and ended. May not be here:
how rows get in or where they lie, and what is asked about them (``timed``).
"""

from __future__ import annotations

import os
import weakref
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self, overload

import numpy as np

from . import schema
from .appending import Appender
from .block import Array, Block
from .errors import RowKindError
from .jit import Handle, handle_of
from .kernels.rows import KEEP, NEVER, OVERWRITE
from .reader import RingReader
from .ringfile import RingFile, path_of
from .timed import TimedRows

__all__ = ["TimeRing"]


class TimeRing(TimedRows):
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
        self._begin(Block(capacity, schema.row_dtype(fields)), None)
        self._block.counters[KEEP] = OVERWRITE if allow_overwrite else NEVER

    def _begin(self, block: Block, file: RingFile | None) -> None:
        """Be a ring over a block, which may lie in a file."""
        self._block = block
        self._envelope = None
        self._file = file
        self._appenders: list[Appender] = []
        self._appender = self.another_appender()
        if type(self).append is TimeRing.append:
            fast = self._appender.builtin(self._appender.append_row, TimeRing.append.__doc__)
            if fast is not None:
                # As an attribute, not by __dict__: that would make every later look-up of one slower.
                self.append = fast  # type: ignore[method-assign]

    # Ring files -----------------------------------------------------------------------------------------------

    @classmethod
    def create(
        cls,
        path: str | os.PathLike[str],
        capacity: int,
        fields: schema.Fields,
        *,
        units: Mapping[str, str] | None = None,
        allow_overwrite: bool = True,
    ) -> Self:
        """Make a ring whose rows lie in a file, so that other processes can watch them, and they outlive this one.

        Parameters
        ----------
        path
            Where. A name without a folder is one in `rings_folder`; ".ring" is added unless it is there.
        capacity, fields, allow_overwrite
            As in `TimeRing`.
        units
            Of the columns, for who reads the file: ``{"x": "mm"}``. That of "t" is the second.

        Returns
        -------
        TimeRing
            Of which this process is the one writer. `close` it at the end: that removes the file.

        Raises
        ------
        RingExistsError, RingSpaceError, MissingFileError
            (OSErrors) A ring is there, which may hold rows that nobody has saved; no room for it; no such folder.
        CapacityError, SchemaError
            As in `TimeRing`.

        Notes
        -----
        Complexity: O(capacity).
        Allocates: a file of 4096 + 2 x capacity x bytes of a row, all of it at once.
        Valid: until `close`. A forked child may not write to it.
        Threads: the writer's.

        Examples
        --------
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     with TimeRing.create(folder + "/tail", 1000, {"x": "f8"}, units={"x": "mm"}) as track:
        ...         track.append(0.5, (1.0,))
        ...         TimeRing.open(folder + "/tail").last(1)["x"]
        array([1.])
        """
        file = RingFile.create(path_of(path), capacity, schema.row_dtype(fields), units)
        file.block.counters[KEEP] = OVERWRITE if allow_overwrite else NEVER
        return cls.over(file)

    @classmethod
    def take_over(cls, path: str | os.PathLike[str]) -> Self:
        """Write on in a ring file whose writer is gone; the rows in it, and their sequences, stay.

        Parameters
        ----------
        path
            As in `create`.

        Raises
        ------
        RingBusyError, MissingFileError, RingFormatError
            Its writer is alive (a BlockingIOError); as `open`.

        Notes
        -----
        Complexity: O(1).
        Allocates: nothing.
        Valid: until `close`.
        Threads: the writer's.

        Examples
        --------
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     track = TimeRing.create(folder + "/tail", 1000, {"x": "f8"})
        ...     track.append(0.5, (1.0,))
        ...     track.close(keep=True)
        ...     with TimeRing.take_over(folder + "/tail") as track:
        ...         track.append(0.6, (2.0,))
        ...         len(track)
        2
        """
        return cls.over(RingFile.take_over(path_of(path)))

    @staticmethod
    def open(path: str | os.PathLike[str]) -> RingReader:
        """Open a ring file that any process writes, or has written, to look at its rows.

        Parameters
        ----------
        path
            As in `create`.

        Returns
        -------
        RingReader
            With the look-ups of `TimeRing`, as copies.

        Raises
        ------
        MissingFileError, RingFormatError
            It is not there (a FileNotFoundError); it is no ring file, or cut, or of a newer version.

        Notes
        -----
        Complexity: O(1).
        Allocates: nothing but the map of the file.
        Valid: as long as it is held, also when the file is gone.
        Threads: any; each thread opens one for itself.

        Examples
        --------
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     with TimeRing.create(folder + "/tail", 1000, {"x": "f8"}):
        ...         len(TimeRing.open(folder + "/tail"))
        0
        """
        return RingReader(RingFile.open(path_of(path)))

    @classmethod
    def over(cls, file: RingFile) -> Self:
        """Make a ring over a file that this process writes."""
        made = cls.__new__(cls)
        made._begin(file.block, file)
        return made

    def another_appender(self) -> Appender:
        """Give a way in beside the ring's own, for rows of a type and with a limit."""
        made = Appender(self._block, timed=True, guard=None if self._file is None else self._file.make_room)
        self._appenders.append(made)
        if self._file is not None:
            self._file.when_over.append(weakref.WeakMethod(made.close))
        return made

    @property
    def file(self) -> RingFile | None:
        """The ring file; None for a ring in memory."""
        return self._file

    @property
    def path(self) -> Path | None:
        """Where the ring file is; None for a ring in memory."""
        return None if self._file is None else self._file.path

    @property
    def units(self) -> dict[str, str]:
        """The units of the columns, as they were given to `create`, and that of "t"."""
        return {"t": "s"} if self._file is None else self._file.units

    def close(self, keep: bool = False) -> None:
        """End the ring: no row can be put in any more, and who reads it learns that none will come.

        A ring file is removed, by its recorder once all rows are on the disk where there is one. An end without this
        call, with or without an error, leaves the file to be taken over or recovered. A ring in memory only ends.

        Parameters
        ----------
        keep
            Leave the file.

        Notes
        -----
        Complexity: O(1).
        Allocates: nothing.
        Valid: views taken before stay as they are.
        Threads: the writer's.

        Examples
        --------
        >>> track = TimeRing(10, {"x": "f8"})
        >>> track.close()
        >>> track.append(0.5, (1.0,))
        Traceback (most recent call last):
            ...
        ringacc.errors.RingClosedError: expected an open ring, found one that is closed: nothing was written
        """
        file, is_writer = self._file, self._file is not None and self._file.is_writer
        for appender in self._appenders:
            appender.close()
        if file is None or not is_writer:
            return
        if not keep:
            file.end()
        followed = file.has_follower()
        file.close()
        if not keep and not followed:
            file.remove()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        self.close(keep=kind is not None)

    @property
    def jit(self) -> Handle:
        """The ring for a user's own ``@njit`` loop; see `ringacc.jit`. Valid while this process writes the ring."""
        self._check_writer()
        if self._file is not None:
            self._file.watch()
        return handle_of(self._block)

    def _check_writer(self) -> None:
        if self._file is not None:
            self._file.check()

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
        >>> track = TimeRing(10, {"x": "f8"})
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
