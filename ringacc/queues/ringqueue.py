"""RingQueue: rows of declared fields from one process to another.

Belongs here: putting rows in and taking them out one by one or many at once, as `multiprocessing.Queue` does, over a
stream. May not be here: how a stream lies in memory (``ringacc.streams``), and what a row looks like (``rows``).
"""

from __future__ import annotations

import os
import pickle
import queue
import time
import weakref
from collections.abc import Iterator
from datetime import datetime, timedelta
from multiprocessing.util import Finalize
from pathlib import Path
from typing import Any, Self

import numpy as np

from .. import schema
from ..appending import Appender
from ..block import Array, checked_capacity
from ..errors import QueueEndedError, RingClosedError, RingFullError, RowKindError, SchemaError
from ..jit import Handle
from ..kernels import capi
from ..kernels.push import Target, builtin_append
from ..kernels.rows import HALTED, TAKEN, say
from ..ringfile import Patience
from ..schema import row_class
from ..streams import NUMBERS, Follower, StreamWriter, Taken, leave_all, remove_if_done, waiting_in
from ..system import rings_folder
from .likeness import Likeness
from .rows import FAR, SECOND, clock_of, moment_of

__all__ = ["CAPACITY", "RingQueue", "new_folder"]

#: Rows that a queue holds by default: a minute of a stream of 1 kHz.
CAPACITY = 65_536

_AT_A_TIME = 1024  # rows that `get` takes ahead
_NAP = 0.0005  # between two looks for rows: some 4 % of a core
_LOOK = 0.25  # between two looks whether the other side is alive


class RingQueue(Likeness):
    """A queue of (time, values) from one process to another, through memory that both map.

    A row is there for the consumer as soon as `put` has returned, and stays there when the producer dies. There is one
    producer and one consumer, each the process that puts, or takes, first; who comes next is refused until that one has
    closed the queue or ended. It can be handed to processes of every start method.

    Parameters
    ----------
    fields
        As in `TimeRing`.
    capacity
        Rows that it holds at least; then `put` waits.

    Notes
    -----
    Complexity: O(fields) a row.
    Allocates: a file of 2 x capacity rows in `rings_folder` with the first row, and where its fields change.
    Valid: what comes out are copies.
    Threads: one that puts and one that takes.

    Examples
    --------
    >>> from ringacc import RingQueue
    >>> frames = RingQueue({"x": "f8", "ok": "?"})
    >>> frames.put(0.01, (1.5, True))
    >>> frames.put(0.02, (2.5, False))
    >>> frames.get()
    (0.01, Row(x=1.5, ok=True))
    >>> frames.drain()["x"]
    array([2.5])
    >>> frames.close()
    """

    def __init__(self, fields: schema.Fields, capacity: int = CAPACITY) -> None:
        self._start(new_folder(), checked_capacity(capacity) or CAPACITY, schema.row_dtype(fields))

    def _start(self, folder: Path, capacity: int, dtype: np.dtype[Any] | None) -> None:
        self._folder = folder
        self._capacity = capacity
        self._dtype = dtype
        self._is_closed = False
        # Where the fast ways lead: ``put`` takes seconds, ``_push`` what the ring has for a time.
        self._target, self._inner_target = Target(), Target()
        self._push: Any = _decline
        if capi.AVAILABLE:
            self._push = builtin_append(self._inner_target, _decline, "")
            # As attributes, without the frame of a method: that would double the cost of a row.
            if type(self).put.__module__.startswith(__package__):
                self.put = builtin_append(  # type: ignore[method-assign]
                    self._target, self._put_slowly, type(self).put.__doc__ or ""
                )
        self._be_nobody()
        _QUEUES.add(self)

    def _be_nobody(self) -> None:
        """Be neither producer nor consumer, yet or, in a forked child, any more."""
        self._writer = StreamWriter(self._folder, self._capacity)
        self._follower: Follower | None = None
        self._target.point_at(None)
        self._inner_target.point_at(None)
        # Of the newest ring: the way in, what its rows are (None: there is none), and the moment that its times are
        # counted from (None: they are seconds as they are).
        self._appender: Appender
        self._kind: str | None = None
        self._clock: datetime | None = None
        self._row_type: type | None = None
        self._ordinal = 0.0  # of rows that are pickled
        self._asked = 0.0
        # Rows that were taken ahead, newest first, and the sequence of the oldest of them.
        self._ahead: list[tuple[Any, Any]] = []
        self._sequence = 0
        self._looked = 0.0
        self._t0: datetime | None = None
        self._taken_dtype: np.dtype[Any] | None = None
        self._ends: list[StreamWriter | Follower] = [self._writer]
        self._ends_in = 0

    def _end_with_this_process(self) -> None:
        """Leave in order when this process ends, or the queue in it; a forked one forgets what its parent asked for."""
        if self._ends_in != os.getpid():
            self._ends_in = os.getpid()
            Finalize(self, leave_all, args=(self._folder, self._ends), exitpriority=10)

    def __reduce__(self) -> tuple[Any, ...]:
        return _attached, (type(self), self._folder, self._capacity, self._dtype)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} in {self._folder}>"

    @property
    def path(self) -> Path:
        """The folder of its ring files, for ``ringacc inspect`` and ``ringacc recover``."""
        return self._folder

    # Putting in -----------------------------------------------------------------------------------------------

    def put(self, t: float | datetime, values: Any, block: bool = True, timeout: float | None = None) -> None:
        """Put a row in.

        Parameters
        ----------
        t
            Its time: seconds, or a datetime.
        values
            A tuple, list, namedtuple or array with one value for each field.
        block
            Whether to wait for room where the queue is full.
        timeout
            Seconds to wait at most; None: for ever.

        Raises
        ------
        queue.Full
            There is no room, or there was none in time.
        QueueClosedError
            (a queue.Full and BrokenPipeError) The consumer has closed the queue, or died and left it full.
        RowError, RingBusyError
            The values do not fit the fields; another live process puts rows in. In all cases nothing is put in.

        Notes
        -----
        Complexity: O(fields); a row of plain numbers costs about as much as `TimeRing.append`.
        Allocates: nothing.
        Valid: the values are copied.
        Threads: one.

        Examples
        --------
        >>> frames = RingQueue({"x": "f8"})
        >>> frames.put(0.01, (1.5,))
        >>> frames.qsize()
        1
        >>> frames.drain()["t"]
        array([0.01])
        """
        self._put_slowly(t, values, block, timeout)

    def begin(self, fields: schema.Fields) -> None:
        """Put in rows of other fields from now on, behind those that are there; parameters as in `TimeRing`.

        Notes
        -----
        Complexity: O(1).
        Allocates: nothing; a file for a ring, with the next row.
        Valid: a handle taken before is for the fields before.
        Threads: the producer's one.
        """
        self._dtype = schema.row_dtype(fields)
        self._kind = None
        self._target.point_at(None)
        self._inner_target.point_at(None)

    @property
    def jit(self) -> Handle:
        """The queue for a user's own ``@njit(nogil=True)`` loop; see `ringacc.jit`. Valid until its fields change."""
        self._check_open()
        if self._kind != NUMBERS or self._clock is not None:
            self._open(None)
        ring = self._writer.ring
        assert ring is not None
        return ring.jit

    def _put_slowly(self, t: Any, values: Any, block: bool = True, timeout: float | None = None) -> None:
        """Put any row in that is one: wait for room first, and then try the fast way again."""
        if self._is_closed:
            self._check_open()
        patience = None
        ring = self._writer.ring
        if ring is not None and not ring.has_room:
            patience = Patience(timeout if block else 0.0)
            self._wait_for_room(patience)
        if self._push(self._seconds(t), values) is False:
            self._append_slowly(t, values, patience or Patience(timeout if block else 0.0))

    def _check_open(self) -> None:
        """Raise where this process has closed the queue."""
        if self._is_closed:
            raise RingClosedError("expected an open queue, found one that this process has closed: nothing was done")

    def _wait_for_room(self, patience: Patience) -> None:
        """Wait until the ring has room, or go on in another one where the queue holds less than it may."""
        file = self._writer.file
        if file.is_writer and self._writer.waiting() < self._capacity:
            self._appender = self._writer.begin(file.about.dtype, file.about.notes).another_appender()
            self._bind(self._row_type)
            return
        try:
            file.make_room(1, patience)
        except RingFullError as error:
            self._look_for_consumer()
            raise queue.Full(str(error)) from error

    def _wait_for_queue(self, patience: Patience) -> None:
        """Wait until the queue as a whole, however many rings it has, holds less than it may."""
        while self._writer.ring is not None and self._writer.waiting() >= self._capacity:
            self._look_for_consumer()
            if not patience.nap():
                raise queue.Full(
                    f"expected room for a row, found {self._writer.waiting()} that wait: nothing was put in"
                )

    def _look_for_consumer(self) -> None:
        """Raise where the consumer has closed the queue, or died; as often as `RingFile.make_room` would look."""
        file = self._writer.file
        if time.monotonic() - self._asked > _LOOK:
            self._asked = time.monotonic()
            if file.has_lost_its_follower():
                say(file.block.counters, HALTED, 1)
        file.check()

    def _seconds(self, t: Any) -> Any:
        """Give a time as the newest ring has it; None where that counts otherwise: numbers, datetimes with a zone."""
        clock = self._clock
        if clock is None or type(t) is not datetime:
            return t if clock is None and not isinstance(t, datetime) else None
        if (t.tzinfo is None) != (clock.tzinfo is None):
            return None
        seconds: float = (t - clock) / SECOND
        return seconds if -FAR < seconds < FAR else None

    def _append_slowly(self, t: Any, values: Any, patience: Patience) -> None:
        """Append a row, for which the ring has room: the definition."""
        if isinstance(t, datetime):
            t = clock_of(t)  # one of pandas, say, has more than a ring has room for
        if self._kind is None or (t is not None and self._seconds(t) is None):
            self._open(t, patience)
        self._appender.append_row(self._seconds(t), values)

    def _open(self, t: Any, patience: Patience | None = None) -> None:
        """Begin a ring for rows of the queue's fields, whose times are of the kind of ``t``."""
        if self._dtype is None:
            raise SchemaError('expected a queue whose fields are known, found none: name them with begin({"x": "f8"})')
        self._begin_ring(self._dtype, t, None, patience=patience)

    def _begin_ring(
        self,
        dtype: np.dtype[Any],
        t: Any,
        row_type: type | None,
        kind: str = NUMBERS,
        patience: Patience | None = None,
    ) -> None:
        """Begin a ring; with ``patience``, once the queue has room."""
        clock = clock_of(t)
        if patience is not None:
            self._wait_for_queue(patience)
        self._end_with_this_process()
        notes = {"kind": kind, "t0": None if clock is None else clock.isoformat()}
        self._appender = self._writer.begin(dtype, notes).another_appender()
        self._clock, self._kind = clock, kind
        self._bind(row_type)

    def _bind(self, row_type: type | None) -> None:
        """Let rows of this type (None: any tuple) take the fast way into the newest ring."""
        self._row_type = row_type
        self._target.point_at(None)
        self._inner_target.point_at(None)
        if self._kind == NUMBERS:
            self._appender.take_from(self._inner_target, row_type)
            if self._clock is None:
                self._appender.take_from(self._target, row_type)

    # Taking out -----------------------------------------------------------------------------------------------

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
            Its values, by the names of their fields; numbers are Python's.

        Raises
        ------
        queue.Empty
            There is no row, or there was none in time.
        QueueEndedError
            (a queue.Empty and EOFError) All rows are taken, and the producer has closed the queue or ended.
        RingBusyError
            Another live process takes the rows.

        Notes
        -----
        Complexity: O(fields).
        Allocates: the row, and up to 1023 that it takes from memory ahead; those count as taken one by one.
        Valid: a copy.
        Threads: one.

        Examples
        --------
        >>> import queue
        >>> frames = RingQueue({"x": "f8"})
        >>> try:
        ...     frames.get(block=False)
        ... except queue.Empty:
        ...     print("nothing there")
        nothing there
        >>> frames.close()
        """
        if not self._ahead:
            self._fetch(block, timeout)
        try:
            item = self._ahead.pop()
        except IndexError:
            self._check_open()  # another thread has closed it just now
            raise
        self._sequence = taken = self._sequence + 1
        # The rows were copied, and a fence has seen to it that this comes after.
        self._counts[TAKEN] = taken
        return item

    def drain(self, block: bool = False, timeout: float | None = None) -> Array:
        """Take out all rows that are there, up to the next change of columns.

        After such a change the next rows may lie in several small rings, and take a call for each.

        Parameters
        ----------
        block
            Whether to wait for a row where there is none.
        timeout
            Seconds to wait at most; None: for ever.

        Returns
        -------
        ndarray
            Structured, "t" first, oldest first, an array of its own; of no rows where none are there.

        Raises
        ------
        QueueEndedError
            All rows are taken, and the producer has closed the queue or ended.
        queue.Empty
            With ``block``, there was none in time.
        RowKindError, RingBusyError
            The next row holds what is no number: `get` gives it. Another live process takes the rows.

        Notes
        -----
        Complexity: O(rows), one copy of their bytes.
        Allocates: the array.
        Valid: a copy. Times that were put in as datetimes are seconds since `t0`.
        Threads: one.

        Examples
        --------
        >>> from ringacc import RingQueue
        >>> frames = RingQueue({"x": "f8"})
        >>> for frame in range(3):
        ...     frames.put(frame / 100, (frame * 2.0,))
        >>> frames.drain()["x"]
        array([0., 2., 4.])
        >>> len(frames.drain())
        0
        >>> frames.close()
        """
        taken = self.take_block(block, timeout)
        if taken is None:
            return np.zeros(0, self._taken_dtype or self._dtype or [("t", np.float64)])
        if not taken.is_numbers:
            self._set_ahead(taken)
            raise RowKindError("expected rows of numbers, found one that holds something else: take it with get()")
        return taken.rows

    @property
    def t0(self) -> datetime | None:
        """The moment that the times of the rows that were taken last are counted from; None: they are as put in."""
        return self._t0

    def take_block(self, block: bool = False, timeout: float | None = None) -> Taken | None:
        """Take out all rows that are there, up to the next change of columns, with the head of their ring; or None."""
        follower = self._taker()
        if self._ahead:
            # Not those that `get` has taken ahead: the ring still has them, where they are in one array.
            self._ahead = []
            follower.rewind(self._sequence)
        taken = self._next_block(block, timeout, self._capacity)
        if taken is not None:
            self._taken_dtype = taken.rows.dtype if taken.is_numbers else self._taken_dtype
            self._t0 = moment_of(taken.about.notes["t0"])
            if taken.is_numbers:
                follower.done()
        return taken

    def _taker(self) -> Follower:
        """Be the consumer."""
        self._check_open()
        if self._follower is None:
            self._end_with_this_process()
            self._follower = Follower(self._folder)
            self._ends.append(self._follower)
        return self._follower

    def _next_block(self, block: bool, timeout: float | None, most: int) -> Taken | None:
        """Give the next rows; QueueEndedError where none will ever come."""
        follower = self._taker()
        patience = Patience(timeout if block else 0.0, _NAP)
        while True:
            now = time.monotonic()
            gone = False
            if now - self._looked > _LOOK:
                self._looked = now
                gone = follower.writer_is_gone()
            taken = follower.take(most)
            if taken is not None:
                return taken
            if gone:
                self._looked = 0.0  # ask again at once
                how = "has closed the queue" if follower.was_closed() else "has ended without closing the queue"
                raise QueueEndedError(f"expected a row, found that all are taken and that the producer {how}")
            if not patience.nap():
                if block:
                    raise queue.Empty("expected a row in time, found none")
                return None

    def _fetch(self, block: bool, timeout: float | None) -> None:
        """Take rows ahead, or raise."""
        taken = self._next_block(block, timeout, _AT_A_TIME)
        if taken is None:
            raise queue.Empty("expected a row, found none")
        self._set_ahead(taken)

    def _set_ahead(self, taken: Taken) -> None:
        notes, rows = taken.about.notes, taken.rows
        if taken.is_numbers:
            names = rows.dtype.names[1:]
            make = row_class(names)
            # NumPy has no structure of no fields that lists as a tuple.
            values = rows[list(names)].tolist() if names else [()] * len(rows)
            times = rows["t"].tolist()
            t0 = self._t0 = moment_of(notes["t0"])
            if t0 is not None:
                times = [t0 + timedelta(seconds=seconds) for seconds in times]
            self._ahead = list(zip(times, map(make._make, values), strict=True))
        else:
            self._ahead = self._unpickle(taken)
        self._ahead.reverse()
        self._sequence = taken.sequence
        self._counts = self._taker().counts

    def _unpickle(self, taken: Taken) -> list[tuple[Any, Any]]:
        """Give the rows of a block up to one that cannot be made again; raise, and drop that one, where it is first."""
        found: list[tuple[Any, Any]] = []
        for sequence, row in enumerate(taken.rows["row"].tolist(), taken.sequence):
            try:
                t, columns, values = pickle.loads(row)
            except Exception as error:  # whatever a class of the user's raises
                follower = self._taker()
                follower.rewind(sequence + (not found))
                if not found:
                    follower.done()
                    raise RowKindError(
                        f"expected a row that can be made again here, found one that cannot: {error!r}; it was dropped"
                    ) from error
                break
            found.append((t, row_class(columns)(*values)))
        return found

    def unpacked(self, taken: Taken) -> Iterator[tuple[Any, Any]]:
        """Give the rows of a block that `take_block` gave one by one, as `get` does; each counts as taken then."""
        self._set_ahead(taken)
        while self._ahead:
            yield self.get()

    def qsize(self) -> int:
        """Give how many rows wait; any process may ask.

        Notes
        -----
        Complexity: O(rings that wait).
        Allocates: nothing.
        Valid: the number of the moment of the call.
        Threads: any, of any process.
        """
        return waiting_in(self._folder)

    # Ending ---------------------------------------------------------------------------------------------------

    def close(self) -> None:
        """End what this process does with the queue.

        The producer promises to put nothing more in: who takes gets the rows that are there, then QueueEndedError. The
        consumer wants nothing more: who puts gets QueueClosedError, and what is in the queue is removed. Rows that
        nobody took, and that no consumer gave up, stay for ``ringacc recover``.

        Notes
        -----
        Complexity: O(1).
        Allocates: nothing.
        Valid: nothing is given.
        Threads: one; a process ends both of its sides at once.

        Examples
        --------
        >>> RingQueue({"x": "f8"}).close()
        """
        if self._is_closed:
            return
        self._is_closed = True
        self._writer.close()
        self._ahead = []
        if self._follower is not None:
            self._follower.refuse()
            self._follower.close(remove=True)
        else:
            remove_if_done(self._folder)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def new_folder() -> Path:
    """Give the folder of a new queue; it is not made here."""
    return rings_folder() / f"queue-{os.getpid()}-{os.urandom(4).hex()}.stream"


def _attached(kind: type[RingQueue], folder: Path, capacity: int, dtype: np.dtype[Any] | None) -> RingQueue:
    """Make the end of a queue in the process that it was handed to."""
    made = kind.__new__(kind)
    made._start(folder, capacity, dtype)
    return made


_QUEUES: weakref.WeakSet[RingQueue] = weakref.WeakSet()


def _forget_roles() -> None:
    """In a forked child: neither the rows that the parent takes nor those that it puts in are the child's."""
    for made in _QUEUES:
        made._be_nobody()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_roles)


def _decline(t: Any, values: Any) -> bool:
    """Say that the fast way does not take a row."""
    return False
