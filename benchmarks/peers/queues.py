"""Rows from one process to another: queues of ours and of peers with the same two methods, and how they are timed.

Belongs here: the queues, what producer and consumer do, and the time between them. May not be here: a row of a table.

What is between two processes cannot take turns within a millisecond. So ours and theirs run in turn for some tenths of
a second each, round by round, and the ratio is that of a round. Processes are spawned, and have imported and compiled
everything, before the time begins. The consumer's clock decides: from the word to begin to its last row.
"""

from __future__ import annotations

import multiprocessing
import time
from collections import namedtuple
from collections.abc import Callable
from typing import Any

import numpy as np
from inputs import FIVE, STEP, Scale
from measuring import Rounds

from ringacc import TimeRing

PROCESSES = multiprocessing.get_context("spawn")
Sample: Any = namedtuple("Sample", FIVE)  # type: ignore[misc]
FIELDS = dict.fromkeys(FIVE, "f8")

#: Rows of a round: some tenths of a second.
OURS, THEIRS, JITTED = 400_000, 20_000, 20_000_000
QUICK_SHARE = 20


class PeerQueue:
    """A `multiprocessing.Queue` that carries rows as stytra 0.8.34 does: the time and the values, the class once.

    A stand-in, for stytra's own needs the class to be importable at both ends, and raises at once where a get should
    wait. It does less a row than stytra's does.
    """

    def __init__(self) -> None:
        self._queue: Any = PROCESSES.Queue()

    def put(self, t: float, row: tuple[float, ...]) -> None:
        self._queue.put((t, row))

    def get(self) -> tuple[float, Any]:
        t, values = self._queue.get()
        return t, Sample(*values)


class Start:
    """What both processes wait for: that the producer is ready, and then that the time begins."""

    def __init__(self) -> None:
        self._ready, self._go = PROCESSES.Event(), PROCESSES.Event()

    def wait(self) -> None:
        """Say that all is ready, and wait for the word to begin."""
        self._ready.set()
        self._go.wait()

    def wait_for_others(self) -> None:
        """Wait until the producer is ready, and has gone to sleep."""
        self._ready.wait()
        time.sleep(0.01)

    def begin(self) -> None:
        """Give the word."""
        self._go.set()


def put_rows(queue: Any, count: int, start: Any) -> None:
    """Put rows in, from Python."""
    values = Sample(1.0, 2.0, 3.0, 4.0, 5.0)
    put = queue.put
    start.wait()
    for number in range(count):
        put(number * STEP, values)


def put_jitted(queue: Any, count: int, start: Any) -> None:
    """Put rows in, from a compiled loop."""
    from numba import njit

    from ringacc.jit import append

    @njit(nogil=True)  # type: ignore[untyped-decorator]
    def fill(ring: Any, count: int) -> None:
        for number in range(count):
            append(ring, number * STEP, (1.0, 2.0, 3.0, 4.0, 5.0))

    scratch = TimeRing(10, FIELDS)
    fill(scratch.jit, 1)
    handle = queue.jit
    start.wait()
    fill(handle, count)


def one_by_one(queue: Any, count: int) -> None:
    get = queue.get
    for _ in range(count):
        get()


def in_blocks(queue: Any, count: int) -> None:
    while count > 0:
        count -= len(queue.drain(True))


def seconds_a_row(queue: Any, work: Callable[..., None], take: Callable[[Any, int], None], count: int) -> float:
    """Give the seconds a row from the word to begin to the consumer's last row."""
    start = Start()
    producer = PROCESSES.Process(target=work, args=(queue, count, start), daemon=True)
    producer.start()
    start.wait_for_others()
    begin = time.perf_counter()
    start.begin()
    take(queue, count)
    seconds = time.perf_counter() - begin
    producer.join()
    if hasattr(queue, "close"):
        queue.close()
    return seconds / count


def turns_of_processes(scale: Scale, works: dict[str, Callable[[int], float]]) -> Rounds:
    """Let queues take turns, a round of each."""
    share = 1 if scale.save_rounds > 1 else QUICK_SHARE
    taken: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(max(scale.save_rounds, 1)):
        for name, work in works.items():
            taken[name].append(work(share))
    return Rounds(taken)


def put_paced(queue: Any, count: int, start: Any) -> None:
    """Put rows in at 1 kHz; each has the time at which it was put."""
    start.wait()
    begin = time.perf_counter()
    for number in range(count):
        time.sleep(max(begin + number * STEP - time.perf_counter(), 0.0))
        queue.put(time.perf_counter(), Sample(1.0, 2.0, 3.0, 4.0, 5.0))


def delays(queue: Any, count: int) -> tuple[Any, float]:
    """Give the delays from put to get, sorted, and the consumer's share of a core."""
    start = Start()
    producer = PROCESSES.Process(target=put_paced, args=(queue, count, start), daemon=True)
    producer.start()
    start.wait_for_others()
    start.begin()
    queue.get()
    began, used = time.perf_counter(), time.process_time()
    delays = np.zeros(count - 1)
    for number in range(count - 1):
        t, _ = queue.get()
        delays[number] = time.perf_counter() - t
    load = (time.process_time() - used) / (time.perf_counter() - began)
    producer.join()
    if hasattr(queue, "close"):
        queue.close()
    delays.sort()
    return delays, load
