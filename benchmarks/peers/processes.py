"""The rows of the table that take two processes: queues, ring files, recording.

Belongs here: what each process does, and what of it becomes a line. May not be here: how a line is printed.

What is between two processes cannot take turns within a millisecond. So ours and theirs run in turn for some tenths of
a second each, round by round, and the ratio is that of a round. Processes are spawned, and have imported and compiled
everything, before the time begins. The consumer's clock decides: from the word to begin to its last row.
"""

from __future__ import annotations

import json
import multiprocessing
import subprocess
import sys
import tempfile
import time
from collections import namedtuple
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from measuring import Line, Rounds, compared, in_fresh_process, take_turns
from rows import CAPACITY, FIVE, ROWS, STEP, TURN, Scale, Stream, row

from ringacc import NamedTupleQueue, RingQueue, TimeRing

__all__ = ["ROWS"]

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


def _put_rows(queue: Any, count: int, start: Any) -> None:
    """Put rows in, from Python."""
    values = Sample(1.0, 2.0, 3.0, 4.0, 5.0)
    put = queue.put
    start.wait()
    for number in range(count):
        put(number * STEP, values)


def _put_jitted(queue: Any, count: int, start: Any) -> None:
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


def _one_by_one(queue: Any, count: int) -> None:
    get = queue.get
    for _ in range(count):
        get()


def _in_blocks(queue: Any, count: int) -> None:
    while count > 0:
        count -= len(queue.drain(True))


def _seconds(queue: Any, work: Callable[..., None], take: Callable[[Any, int], None], count: int) -> float:
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


def _rounds(scale: Scale, works: dict[str, Callable[[int], float]]) -> Rounds:
    """Let queues take turns, a round of each."""
    share = 1 if scale.save_rounds > 1 else QUICK_SHARE
    taken: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(max(scale.save_rounds, 1)):
        for name, work in works.items():
            taken[name].append(work(share))
    return Rounds(taken)


@row("queue")
def queue_rows(scale: Scale) -> Iterator[Line]:
    """Rows through a queue, from Python and from a compiled loop."""
    rounds = _rounds(
        scale,
        {
            "blocks": lambda share: _seconds(NamedTupleQueue(), _put_rows, _in_blocks, OURS // share),
            "one by one": lambda share: _seconds(NamedTupleQueue(), _put_rows, _one_by_one, OURS // share),
            "jitted": lambda share: _seconds(RingQueue(FIELDS), _put_jitted, _in_blocks, JITTED // share),
            "peer": lambda share: _seconds(PeerQueue(), _put_rows, _one_by_one, THEIRS // share),
        },
    )
    against = "multiprocessing.Queue, put and get"
    for name, work, target in (
        ("blocks", "row through a queue: put, drained in blocks", 1 / 10),
        ("one by one", "row through a queue: put, get", 1 / 6),
        ("jitted", "row through a queue: @njit producer, drained", 1 / 300),
    ):
        line = compared(rounds, name, "peer", row="queue", work=work, against=against, target=target)
        yield Line(**{**line.__dict__, "note": f"{1 / line.ours / 1e6:.3g} million rows/s"})


@row("ring file")
def ring_file(scale: Scale) -> Iterator[Line]:
    """Compare an append to a ring in a file with one to a ring in memory."""
    stream = Stream(TURN)
    with (
        tempfile.TemporaryDirectory() as folder,
        TimeRing.create("benchmark", CAPACITY, FIELDS) as shared,
        TimeRing.create(Path(folder) / "disk", CAPACITY, FIELDS) as on_disk,
    ):
        rings = {"memory": TimeRing(CAPACITY, FIELDS), "shared": shared, "disk": on_disk}

        def filled(ring: TimeRing) -> None:
            append = ring.append
            for t, values in zip(stream.times, stream.rows, strict=True):
                append(t, values)

        works = {name: (lambda ring=ring: filled(ring)) for name, ring in rings.items()}
        rounds = take_turns(works, scale.rounds, TURN, prepare=stream.advance)
    for name, where, target in (("shared", "memory file system", 1.3), ("disk", "disk", None)):
        yield compared(
            rounds,
            name,
            "memory",
            row="ring file",
            work=f"append to a ring file ({where}), 5 values",
            against="append to a ring in memory",
            target=target,
        )


# Waiting ----------------------------------------------------------------------------------------------------------


def _put_paced(queue: Any, count: int, start: Any) -> None:
    """Put rows in at 1 kHz; each has the time at which it was put."""
    start.wait()
    begin = time.perf_counter()
    for number in range(count):
        time.sleep(max(begin + number * STEP - time.perf_counter(), 0.0))
        queue.put(time.perf_counter(), Sample(1.0, 2.0, 3.0, 4.0, 5.0))


def _delays(queue: Any, count: int) -> tuple[Any, float]:
    """Give the delays from put to get, sorted, and the consumer's share of a core."""
    start = Start()
    producer = PROCESSES.Process(target=_put_paced, args=(queue, count, start), daemon=True)
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


@row("delay")
def delay(scale: Scale) -> Iterator[Line]:
    """How long a row of a stream of 1 kHz is on its way, and what waiting for it costs."""
    count = 5000 if scale.save_rounds > 1 else 500
    ours, our_load = _delays(NamedTupleQueue(), count)
    theirs, their_load = _delays(PeerQueue(), count)
    against = "multiprocessing.Queue"
    for name, share in (("p50", 0.5), ("p99", 0.99)):
        place = int(share * len(ours))
        yield Line("delay", f"delay of a row at 1 kHz, {name}", against, "s", float(ours[place]), float(theirs[place]),
                   float(ours[place] / theirs[place]))  # fmt: skip
    yield Line("delay", "processor time of the consumer at 1 kHz, % of a core", "8 %", "", round(100 * our_load, 2),
               target=8.0, note=f"multiprocessing.Queue: {100 * their_load:.1f} %")  # fmt: skip


# Recording --------------------------------------------------------------------------------------------------------


@row("while recording")
def while_recording(scale: Scale) -> Iterator[Line]:
    """Append at 10 kHz while another process records the rows."""
    name = "recording" if scale.save_rounds > 1 else "recording_quick"
    (found,) = in_fresh_process(name)
    note = f"{found['rows']} rows, {found['missed']} missed, all in the log; a call of the clock: {found['clock']} ns"
    yield Line("while recording", "append at 10 kHz, 20 columns, recorded: p99.9", "0.5 ms", "s", found["p99.9"],
               target=0.0005, note=note)  # fmt: skip
    for key in ("p50", "worst"):
        yield Line("while recording", f"append at 10 kHz, 20 columns, recorded: {key}", "", "s", found[key])


@row("recorded memory")
def recorded_memory(scale: Scale) -> Iterator[Line]:
    """Tell the memory of a process that records, and of its recorder, as rows go up tenfold."""
    many, few = (10_000_000, 1_000_000) if scale.save_rounds > 1 else (400_000, 200_000)
    found = {}
    for rows in (few, many):
        done = subprocess.run(
            [sys.executable, str(Path(__file__).with_name("fresh.py")), "recorded_memory", str(rows)],
            capture_output=True, text=True, check=False, timeout=600,
        )  # fmt: skip
        if done.returncode:
            raise RuntimeError(done.stderr)
        found[rows] = json.loads(done.stdout)
    for who in ("writer", "recorder"):
        ours, theirs = found[many][who], found[few][who]
        yield Line("recorded memory", f"memory of the {who}, recording {many:,} rows", f"the same, {few:,} rows", "B",
                   ours, theirs, ours / theirs, target=1.1)  # fmt: skip
