"""Every work item between processes, by every queue that can do it: checked, then timed in turns.

Belongs here: the queues of peers, with the two methods of ours, and which work items they do. May not be here: how they
are timed (``queues``).
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from inputs import QUICK as QUICK_SCALE
from inputs import STEP, Scale
from matrix import OURS, QUICK, Cell, Effort, LeftOut, Work, cells_of
from queues import (
    OURS as OUR_ROWS,
)
from queues import (
    PROCESSES,
    THEIRS,
    PeerQueue,
    Sample,
    delays,
    in_blocks,
    one_by_one,
    put_rows,
    seconds_a_row,
    turns_of_processes,
)
from situation import WrongAnswerError

from ringacc import NamedTupleQueue

__all__ = ["measured_queues"]

_ONE = Work("queue_one", "one row to another process, one by one", "get")
_MANY = Work("queue_many", "one row to another process, all there are", "drain")
_DELAY = Work("queue_delay", "how long a row is on its way, at 1 kHz", "delay")
_CHECKED = 100
_ROOM = 50_000_000


class Pipe:
    """`multiprocessing.Pipe`: one at each end, and no thread between."""

    def __init__(self) -> None:
        self._out, self._in = PROCESSES.Pipe(duplex=False)

    def put(self, t: float, row: tuple[float, ...]) -> None:
        self._in.send((t, row))

    def get(self) -> tuple[float, Any]:
        return self._out.recv()  # type: ignore[no-any-return]


class FasterFifo:
    """faster-fifo, whose rows are pickled into shared memory; `get_many` takes all that are there."""

    def __init__(self) -> None:
        from faster_fifo import Queue  # type: ignore[import-untyped]

        self._queue = Queue(max_size_bytes=_ROOM)

    def put(self, t: float, row: tuple[float, ...]) -> None:
        self._queue.put((t, row))

    def get(self) -> tuple[float, Any]:
        return self._queue.get()  # type: ignore[no-any-return]

    def drain(self, block: bool) -> list[Any]:
        return self._queue.get_many(max_messages_to_get=100_000)  # type: ignore[no-any-return]


_QUEUES: dict[str, Callable[[], Any]] = {
    OURS: NamedTupleQueue,
    "multiprocessing.Queue": PeerQueue,
    "multiprocessing.Pipe": Pipe,
    "faster-fifo": FasterFifo,
}
_PACKAGES = {OURS: "ringacc", "multiprocessing.Queue": None, "multiprocessing.Pipe": None, "faster-fifo": "faster-fifo"}
_ALONE = "has no call that takes all rows that are there"


def measured_queues(names: tuple[str, ...], effort: Effort) -> dict[str, Callable[[], list[Cell | LeftOut]]]:
    """Give what is to be called for each work item between processes; each gives its cells."""
    queues = {name: make for name, make in _QUEUES.items() if name in names}
    scale = QUICK_SCALE if effort is QUICK else Scale()
    return {
        _ONE.name: partial(_transfer, _ONE, queues, scale),
        _MANY.name: partial(_transfer, _MANY, queues, scale),
        _DELAY.name: partial(_delay, queues, scale),
    }


#: All queues, ours first.
QUEUE_NAMES = tuple(_QUEUES)


def _transfer(work: Work, queues: Mapping[str, Callable[[], Any]], scale: Scale) -> list[Cell | LeftOut]:
    """Time rows from one process to another."""
    able = {name: make for name, make in queues.items() if work is _ONE or hasattr(make, "drain")}
    take = one_by_one if work is _ONE else in_blocks
    for name, make in able.items():
        _check(name, make(), work)
    works = {
        name: (
            lambda share, name=name, make=make: seconds_a_row(
                make(), put_rows, take, (OUR_ROWS if name == OURS else THEIRS) // share
            )
        )
        for name, make in able.items()
    }
    left = [LeftOut(name, work.title, _ALONE) for name in queues if name not in able]
    notes = {OURS: "NamedTupleQueue.get" if work is _ONE else "NamedTupleQueue.drain gives an array"}
    return left + cells_of(work, turns_of_processes(scale, works), {name: _PACKAGES[name] for name in able}, notes)


def _check(name: str, queue: Any, work: Work) -> None:
    """See that what comes out is what was put in, in order."""
    sent = [(number * STEP, Sample(1.0, 2.0, 3.0, 4.0, number + 0.5)) for number in range(_CHECKED)]
    for t, row in sent:
        queue.put(t, row)
    came: list[tuple[float, ...]] = []
    while len(came) < _CHECKED:
        taken = [queue.get()] if work is not _MANY else [_pair(row) for row in queue.drain(True)]
        came += [(t, *row) for t, row in taken]
    if came != [(t, *row) for t, row in sent]:
        raise WrongAnswerError(f"{name}, {work.title}: expected the {_CHECKED} rows put in, found {came[:3]}, ...")
    if hasattr(queue, "close"):
        queue.close()


def _pair(row: Any) -> tuple[float, tuple[float, ...]]:
    """Give a time and the values of what a drain gave: a row of an array, or what was put in."""
    t, *values = row.item() if hasattr(row, "item") else (row[0], *row[1])
    return t, tuple(values)


def _delay(queues: Mapping[str, Callable[[], Any]], scale: Scale) -> list[Cell | LeftOut]:
    """Time how long a row is on its way: the median of the rows, the medians of the rounds."""
    full = scale.save_rounds > 1
    found: dict[str, list[float]] = {name: [] for name in queues}
    loads: dict[str, list[float]] = {name: [] for name in queues}
    for _ in range(3 if full else 1):
        for name, make in queues.items():
            _check(name, make(), _DELAY)
            times, load = delays(make(), 2000 if full else 200)
            found[name].append(float(times[len(times) // 2]))
            loads[name].append(load)
    ours = found[OURS]
    return [
        Cell(
            _DELAY,
            name,
            _PACKAGES[name],
            statistics.median(times),
            statistics.median(theirs / our for theirs, our in zip(times, ours, strict=True)),
            f"median; waiting takes {100 * statistics.median(loads[name]):.1f} % of a core",
        )
        for name, times in found.items()
    ]
