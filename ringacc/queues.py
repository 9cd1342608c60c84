"""Queues that carry rows from one process to another.

Belongs here: how a row travels. May not be here: what becomes of it where it arrives.
"""

from __future__ import annotations

import multiprocessing
import pickle
from datetime import datetime
from typing import Any

from .errors import RowKindError, RowLengthError
from .schema import row_class

__all__ = ["NamedTupleQueue"]

# A queue made for spawned processes can be handed to forked ones too; one made for forked ones to no others.
_PROCESSES = multiprocessing.get_context("spawn")


class NamedTupleQueue:
    """A queue of (time, namedtuple) between processes.

    It carries the names of the fields with each row, so that who takes needs no class, and there may be any number of
    processes at both ends, and rows of any columns in turn. A row comes out as a namedtuple of its own class, with
    the names it had; names that are no identifiers are in its ``_columns``.

    Parameters
    ----------
    maxsize
        Rows that it holds at most; 0: as many as there is memory for.

    Notes
    -----
    Complexity: O(fields) a row.
    Allocates: a few hundred bytes a row, until it is taken.
    Valid: what ``get`` gives is a copy.
    Threads: any, of any number of processes.

    Examples
    --------
    >>> from collections import namedtuple
    >>> from ringacc import NamedTupleQueue
    >>> rows = NamedTupleQueue()
    >>> rows.put(0.01, namedtuple("Tail", "theta_00 theta_01")(0.1, 0.2))
    >>> rows.get()
    (0.01, Row(theta_00=0.1, theta_01=0.2))
    """

    def __init__(self, maxsize: int = 0) -> None:
        self._queue: Any = _PROCESSES.Queue(maxsize)

    def put(self, t: float | datetime, obj: Any, block: bool = True, timeout: float | None = None) -> None:
        """Put a row in.

        Parameters
        ----------
        t
            Its time: seconds, or a datetime.
        obj
            A namedtuple.
        block
            Whether to wait for room where the queue is full.
        timeout
            Seconds to wait at most; None: for ever.

        Raises
        ------
        queue.Full
            There is no room, or there was none in time.
        RowKindError
            ``obj`` is no namedtuple, or holds what cannot be sent to another process.
        RowLengthError
            ``obj`` has more or fewer values than names.

        Notes
        -----
        Complexity: O(fields).
        Allocates: the row as bytes, which a thread of the queue's own sends.
        Valid: a copy is sent, so that an array in the row can be written to afterwards.
        Threads: any.

        Examples
        --------
        >>> from collections import namedtuple
        >>> from ringacc import NamedTupleQueue
        >>> rows = NamedTupleQueue()
        >>> rows.put(0.01, namedtuple("Eye", "left right")(1, 2))
        >>> rows.get()[1].right
        2
        """
        columns = getattr(obj, "_columns", None) or getattr(obj, "_fields", None)
        if columns is None or not isinstance(obj, tuple):
            raise RowKindError(
                f"expected a namedtuple, whose fields name the values, found {type(obj).__name__}: {obj!r}"
            )
        if len(columns) != len(obj):
            raise RowLengthError(f"expected {len(columns)} values {columns}, found {len(obj)}: {obj!r}")
        try:
            # Here and not in the queue's thread, where what cannot be pickled would be lost without an error.
            row = pickle.dumps((t, tuple(columns), tuple(obj)), pickle.HIGHEST_PROTOCOL)
        except (pickle.PicklingError, TypeError, AttributeError) as error:
            raise RowKindError(
                f"expected values that can be sent to another process, found {obj!r}: {error}; put in numbers"
            ) from error
        self._queue.put(row, block, timeout)

    def get(self, block: bool = True, timeout: float | None = None) -> tuple[Any, Any]:
        """Take the oldest row out.

        Parameters
        ----------
        block
            Whether to wait for a row where there is none.
        timeout
            Seconds to wait at most; None: for ever.

        Returns
        -------
        t : float or datetime
            Its time, as it was put in.
        row : namedtuple
            With the names it was put in with.

        Raises
        ------
        queue.Empty
            There is no row, or there was none in time.

        Notes
        -----
        Complexity: O(fields).
        Allocates: the row.
        Valid: a copy.
        Threads: any.

        Examples
        --------
        >>> import queue
        >>> from ringacc import NamedTupleQueue
        >>> try:
        ...     NamedTupleQueue().get(block=False)
        ... except queue.Empty:
        ...     print("nothing there")
        nothing there
        """
        t, columns, values = pickle.loads(self._queue.get(block, timeout))
        return t, row_class(columns)(*values)

    def put_nowait(self, t: float | datetime, obj: Any) -> None:
        """Put a row in, or raise `queue.Full` at once."""
        self.put(t, obj, block=False)

    def get_nowait(self) -> tuple[Any, Any]:
        """Take the oldest row out, or raise `queue.Empty` at once."""
        return self.get(block=False)

    def empty(self) -> bool:
        """Say whether there is no row just now."""
        return bool(self._queue.empty())

    def qsize(self) -> int:
        """Give about how many rows there are; NotImplementedError on macOS."""
        return int(self._queue.qsize())

    def close(self) -> None:
        """Promise that this process puts nothing more in; what it has put in is still sent."""
        self._queue.close()

    def join_thread(self) -> None:
        """After ``close``: wait until what this process has put in is sent."""
        self._queue.join_thread()

    def cancel_join_thread(self) -> None:
        """Let this process end without waiting until what it has put in is sent; such rows are lost."""
        self._queue.cancel_join_thread()
