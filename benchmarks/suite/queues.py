"""Rows through queues, within a process and from one process to another.

Belongs here: ``RingQueue`` and ``NamedTupleQueue``. May not be here: ring files that are only watched.
"""

from __future__ import annotations

import multiprocessing
import sys
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Any

from .stage import FIVE, MANY, STEP, feature, filling_loop, samples

PROCESSES = multiprocessing.get_context("spawn")


class OneProcess:
    """1000 rows in and out again, by one process: what it costs beside waiting."""

    params = ("RingQueue", "NamedTupleQueue")
    param_names = ("queue",)

    def setup(self, queue: str) -> None:
        kind = feature("ringacc", queue)
        self.queue = kind(FIVE) if queue == "RingQueue" else kind()
        self.rows, self.time = samples(MANY), 0.0
        self.time_put_get(queue)
        self.time_put_drain(queue)

    def teardown(self, queue: str) -> None:
        if hasattr(self, "queue"):
            self.queue.close()

    def _put(self) -> None:
        put, time = self.queue.put, self.time
        for row in self.rows:
            time += STEP
            put(time, row)
        self.time = time

    def time_put_get(self, queue: str) -> None:
        self._put()
        get = self.queue.get
        for _ in range(MANY):
            get()

    def time_put_drain(self, queue: str) -> None:
        self._put()
        self.queue.drain()


def put_from_python(queue: Any, count: int, ready: Any, go: Any) -> None:
    """Produce, one row at a time."""
    values = tuple(range(5))
    ready.set()
    go.wait()
    for number in range(count):
        queue.put(number * STEP, values)


def put_compiled(queue: Any, count: int, ready: Any, go: Any) -> None:
    """Produce, from a compiled loop."""
    fill, handle = filling_loop(), queue.jit
    fill(feature("ringacc", "TimeRing")(10, FIVE).jit, 0.0, 1)
    ready.set()
    go.wait()
    fill(handle, 0.0, count)


class TwoProcesses:
    """Nanoseconds a row from a producer of its own process to a consumer that drains, by the consumer's clock."""

    rows = 500_000
    unit = "ns/row"

    def setup(self) -> None:
        self.make = partial(feature("ringacc", "RingQueue"), FIVE)
        # asv finds the suite in a way of its own; a spawned process looks where this one says.
        sys.path.append(str(Path(__file__).parents[1]))

    def _seconds(self, produce: Any) -> float:
        ready, go = PROCESSES.Event(), PROCESSES.Event()
        with self.make() as queue:
            producer = PROCESSES.Process(target=produce, args=(queue, self.rows, ready, go), daemon=True)
            producer.start()
            if not ready.wait(60):
                raise RuntimeError("expected a producer that is ready within a minute, found none")
            go.set()
            begin, left = perf_counter(), self.rows
            while left > 0:
                left -= len(queue.drain(True))
            seconds = perf_counter() - begin
            producer.join()
        return seconds / self.rows * 1e9

    def track_from_python(self) -> float:
        return self._seconds(put_from_python)

    def track_compiled(self) -> float:
        return self._seconds(put_compiled)
