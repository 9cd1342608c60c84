"""The process that rows come from: starting it, its pace, stopping it.

Belongs here: both ends of what binds the two processes. May not be here: what the rows are.

Rows travel through the queue, everything else through a pipe: the producer says when its clock starts and, at its end,
what it has done; the command says when to stop. A pipe that breaks says it too, so that no producer outlives its
command, however that ended.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import signal
import time
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Any, Self

from ..accumulators import QueueDataAccumulator
from ..errors import RingaccError
from ..queues import NamedTupleQueue
from .interrupt import Interrupt

__all__ = ["Line", "Producer", "ProducerError", "clock"]

# The clock of both processes: the same for all processes of a machine.
clock = time.perf_counter

_TICK_SECONDS = 0.001  # between two takings of rows
_LOOK_SECONDS = 0.02  # between two looks whether to stop
_STOP_SECONDS = 5.0  # that a producer has for its end


class ProducerError(RingaccError, RuntimeError):
    """The process that rows come from ended before it was done."""


class Line:
    """The producer's end of the pipe: its clock, its pace, whether to go on.

    Parameters
    ----------
    pipe
        To the command.
    queue
        Where the rows go.
    """

    __slots__ = ("_next_look", "_pipe", "_queue", "_sent", "_start")

    def __init__(self, pipe: Connection, queue: NamedTupleQueue) -> None:
        self._pipe = pipe
        self._queue = queue
        self._sent = 0
        self._start = 0.0
        self._next_look = 0.0

    def start(self) -> None:
        """Let the time begin now."""
        self._start = clock()
        self._pipe.send(self._start)

    def now(self) -> float:
        """Give the seconds since the start."""
        return clock() - self._start

    def goes_on_at(self, moment: float) -> bool:
        """Wait until ``moment`` seconds after the start; give False as soon as it is time to stop."""
        wait = moment - self.now()
        if wait > 2 * _LOOK_SECONDS:
            # The pipe waits in whole milliseconds, so the last stretch is left to the clock.
            if self._told_to_stop(wait - _LOOK_SECONDS):
                return False
            wait = moment - self.now()
        elif self.now() >= self._next_look:
            self._next_look = self.now() + _LOOK_SECONDS
            if self._told_to_stop(0.0):
                return False
        if wait > 0:
            time.sleep(wait)
        return True

    def put(self, t: float, row: Any) -> None:
        """Send a row."""
        self._queue.put(t, row)
        self._sent += 1

    def _told_to_stop(self, wait: float) -> bool:
        if not self._pipe.poll(wait):
            return False
        try:
            self._pipe.recv()
        except (EOFError, ConnectionError):
            self.let_go()
        return True

    def end(self, report: Any) -> None:
        """Say what was done."""
        self._pipe.send((self._sent, report))

    def let_go(self) -> None:
        """Let the process end though nobody takes its rows any more."""
        self._queue.cancel_join_thread()


def _produce(work: Callable[..., Any], pipe: Connection, queue: NamedTupleQueue, arguments: tuple[Any, ...]) -> None:
    """Run the work in the producer's process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    line = Line(pipe, queue)
    try:
        line.end(work(line, *arguments))
    except ConnectionError:
        line.let_go()


@contextlib.contextmanager
def _signals_held() -> Iterator[None]:
    """Hold back Ctrl-C; a process that is started now does so for its whole life.

    A terminal sends Ctrl-C to every process of a command, and one that is just starting would end with a traceback.
    """
    if not hasattr(signal, "pthread_sigmask"):  # Windows, where a process has to help itself
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


class Producer:
    """The command's end: a process that puts rows into ``queue`` until it is done or told to stop.

    Parameters
    ----------
    work
        A function of a module, called in the process with a `Line` and ``arguments``; what it gives is the report.
    *arguments
        What pickle takes; little, since starting waits until the process has read it.

    Attributes
    ----------
    queue
        Where to take the rows from, for a `QueueDataAccumulator`.
    start
        The clock when the producer's time began; None before.
    sent
        How many rows it put in; None before its end.
    report
        What ``work`` gave; None before its end.
    """

    def __init__(self, work: Callable[..., Any], *arguments: Any) -> None:
        # The same way on every system; and no copy of this process's threads and locks.
        processes = multiprocessing.get_context("spawn")
        self.queue = NamedTupleQueue()
        self.report: Any = None
        self.sent: int | None = None
        self.start: float | None = None
        self._is_silent = False
        self._pipe, theirs = processes.Pipe()
        self._process = processes.Process(
            target=_produce, args=(work, theirs, self.queue, arguments), name="producer", daemon=True
        )
        with _signals_held():
            self._process.start()
        theirs.close()

    def __enter__(self) -> Self:
        """Give the producer."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the process, whatever it is doing, and wait for its end."""
        self._pipe.close()
        if self.start is None:
            self._process.terminate()  # it has nothing to finish, and may be busy compiling
        self._process.join(_STOP_SECONDS)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()
        self.queue.close()

    def wait_for_start(self, interrupt: Interrupt) -> float | None:
        """Wait until the producer's time begins and give the clock then; None where an interrupt came before."""
        while self.start is None and not interrupt:
            self._listen(_LOOK_SECONDS)
            if self._is_silent:
                raise self._died()
        return self.start

    def drain(self, accumulator: QueueDataAccumulator, interrupt: Interrupt) -> Iterator[None]:
        """Take the rows as they come, giving control after each taking, until the last one has come.

        An interrupt makes the process stop; the rows that it has put in until then still come. `ProducerError`, after
        the last row, where the process died.
        """
        told = False
        taken = 0
        while True:
            # A process ends when all that it has put in is sent: what is not there after its end never comes.
            ended = not self._process.is_alive()
            while self._listen():
                pass
            before = taken
            accumulator.update_list()
            taken = sum(map(len, accumulator.segments))
            yield
            if taken == self.sent or (ended and taken == before):
                break
            if interrupt and not told:
                told = True
                self._stop()
            time.sleep(_TICK_SECONDS)
        if self.sent is None:
            raise self._died()

    def _stop(self) -> None:
        with contextlib.suppress(BrokenPipeError):  # it has just ended
            self._pipe.send("stop")

    def _listen(self, wait: float = 0.0) -> bool:
        """Take what the process has to say, first its start, then its report; give whether there was anything."""
        if self.sent is not None or self._is_silent or not self._pipe.poll(wait):
            return False
        try:
            message = self._pipe.recv()
        except (EOFError, ConnectionError):  # it died
            self._is_silent = True
            return False
        if self.start is None:
            self.start = message
        else:
            self.sent, self.report = message
        return True

    def _died(self) -> ProducerError:
        """Say that the process ended without a report."""
        self._process.join(_STOP_SECONDS)
        return ProducerError(
            f"expected the process that rows come from to report, found that it ended (exit code "
            f"{self._process.exitcode}): what it wrote above says why"
        )
