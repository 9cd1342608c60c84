"""RingQueue and NamedTupleQueue when a process is killed at any moment: nothing is lost, twice, or torn; nobody hangs.

Every row says in each of its columns which one it is. The producer notes in shared memory how many puts have returned,
the consumer in a file which rows it has done something with.
"""

from __future__ import annotations

import contextlib
import mmap
import multiprocessing
import os
import pickle
import random
import signal
import time
from collections import namedtuple
from datetime import datetime, timedelta

import numpy as np
import pytest

from ringacc.errors import QueueClosedError, QueueEndedError, RowKindError
from ringacc.queues import NamedTupleQueue, RingQueue
from ringacc.ringfile import RingFile
from ringacc.streams import rings_of

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork: a process for each kill"),
    # Python warns of fork in a process with threads.
    pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning"),
]

PATIENCE = 60.0  # seconds until a test gives up on another process
LONGEST = 0.04  # seconds of load before a kill
RUN = 60  # rows of the same columns, where they change
T0 = datetime(2018, 11, 15, 19, 23, 17, 211777)
QUICK, LONG = range(5), range(5, 50)
ENDLESS = 1 << 40
#: Rows that a queue holds at least: all that come, so that none is overwritten, or so few that the producer waits.
ROOMY = {"steady": 1 << 16, "changing": 1 << 12}
NARROW = {"steady": 256, "changing": 256}

#: What each column holds, by the number of the row.
COLUMNS = {
    "number": lambda number: number,
    "inverse": lambda number: ~number,
    "half": lambda number: number / 2,
    "even": lambda number: number % 2 == 0,
    "text": lambda number: str(number) * (number % 5 + 1),
}
STAGES = [
    namedtuple("Plain", "number inverse half even"),
    namedtuple("Pair", "number half"),
    namedtuple("Text", "number text"),
    namedtuple("Turned", "inverse number"),
]
ALL = STAGES[0]


def row_of(made, number):
    """Return the row of this number."""
    return made._make(COLUMNS[name](number) for name in made._fields)


def changing(number):
    """Return time and row of this number, where columns and the kind of time change."""
    stage = number // RUN
    t = number / 1000 if stage % 8 < 4 else T0 + timedelta(milliseconds=number)
    return t, row_of(STAGES[stage % 4], number)


def steady(number):
    """Return time and row of this number, where nothing changes."""
    return number / 1000, row_of(ALL, number)


def number_of(t, columns, values):
    """Return the number of a row, all of which must be of it."""
    number = values[columns.index("number")]
    assert all(value == COLUMNS[name](number) for name, value in zip(columns, values, strict=True))
    assert t == (T0 + timedelta(milliseconds=number) if isinstance(t, datetime) else number / 1000)
    return number


def numbers_of(rows, t0):
    """Return the numbers of the rows of an array, all of which must be whole."""
    numbers = rows["number"]
    for name in rows.dtype.names[1:]:
        assert np.array_equal(rows[name], COLUMNS[name](numbers))
    since = rows["t"] if t0 is None else rows["t"] + (t0 - T0).total_seconds()
    assert np.array_equal(np.rint(since * 1000), numbers)
    return numbers.tolist()


def numbers_in(folder):
    """Return the numbers of all rows that are in the ring files, taken or not."""
    found = []
    for path in rings_of(folder):
        file = RingFile.open(path)
        rows = file.block.last(len(file.block))
        if file.about.notes["kind"] == "numbers":
            t0 = file.about.notes["t0"]
            found += numbers_of(rows, t0 if t0 is None else datetime.fromisoformat(t0))
        else:
            found += [number_of(*pickle.loads(row)) for row in rows["row"].tolist()]
    return found


# The processes ----------------------------------------------------------------------------------------------------


def produce(rows, maker, first, last, returned):
    """Put rows in at full speed; exit code 3 where the queue says that nobody takes them."""
    put = rows.put
    for number in range(first, last):
        try:
            put(*maker(number))
        except QueueClosedError:
            os._exit(3)
        returned[0] = number + 1


def take_some(rows, way):
    """Return the numbers of the next rows."""
    if way == "drain":
        try:
            block = rows.drain(block=True, timeout=PATIENCE)
            return numbers_of(block, rows.t0)
        except RowKindError:
            pass
    t, row = rows.get(timeout=PATIENCE)
    return [number_of(t, row._fields, row)]


def consume(rows, way, done, is_over):
    """Take rows, and note those that something was done with, until there are no more."""
    number = os.open(done, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    while True:
        try:
            os.write(number, np.array(take_some(rows, way), np.int64).tobytes())
        except QueueEndedError:
            if is_over[0]:
                return
            time.sleep(0.001)


def started(target, *arguments):
    """Start a process, forked: it begins at once."""
    process = multiprocessing.get_context("fork").Process(target=target, args=arguments, daemon=True)
    process.start()
    return process


def ended(process):
    """Return how a process ended; wait for that."""
    process.join(PATIENCE)
    assert process.exitcode is not None, "it hangs"
    return process.exitcode


class Stage:
    """A queue, and what its two processes have noted."""

    def __init__(self, folder, seed, capacities):
        self.random = random.Random(seed)
        kind, self.way = ("steady", "changing")[seed % 2], ("get", "drain")[seed // 2 % 2]
        self.capacity = capacities[kind]
        if kind == "changing":
            self.maker, self.rows = changing, NamedTupleQueue(self.capacity)
        else:
            fields = {"number": "i8", "inverse": "i8", "half": "f8", "even": "?"}
            self.maker, self.rows = steady, RingQueue(fields, self.capacity)
        self.done = folder / f"done-{seed}"
        self.returned, self.is_over = (np.frombuffer(mmap.mmap(-1, mmap.PAGESIZE), np.int64) for _ in range(2))

    def producer(self, first, last):
        """Start the producer of some rows."""
        return started(produce, self.rows, self.maker, first, last, self.returned)

    def consumer(self):
        """Start a consumer."""
        return started(consume, self.rows, self.way, self.done, self.is_over)

    def numbers_done(self):
        """Return the numbers that the consumer has done something with."""
        written = self.done.read_bytes() if self.done.exists() else b""
        return np.frombuffer(written[: len(written) // 8 * 8], np.int64).tolist()

    def wait_under_load(self):
        """Wait until both are at work, and then for a random time."""
        end = time.monotonic() + PATIENCE
        while not (self.returned[0] and self.numbers_done()):
            assert time.monotonic() < end, "nothing comes"
            time.sleep(0.0005)
        time.sleep(self.random.random() ** 2 * LONGEST)

    def take_the_rest(self):
        """Return the numbers of the rows that a successor of the consumer finds; the producer has ended."""
        successor = pickle.loads(pickle.dumps(self.rows))
        found = []
        with contextlib.suppress(QueueEndedError):
            while True:
                found += take_some(successor, self.way)
        successor.close()
        return found


def kill(*processes):
    """Kill processes, at once."""
    for process in processes:
        os.kill(process.pid, signal.SIGKILL)
    for process in processes:
        assert ended(process) in (-signal.SIGKILL, 0)  # 0: it had just done its work


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """Let rings lie in the folder of the test."""
    monkeypatch.setenv("RINGACC_RINGS", str(tmp_path / "rings"))
    return tmp_path


def check_all_are_there(stage, in_files, done, rest):
    """Assert that each row that a put has returned for is somewhere, and that none came twice."""
    returned = int(stage.returned[0])
    assert done == list(range(len(done)))
    first = rest[0] if rest else max([*done, *in_files], default=-1) + 1
    assert rest == list(range(first, first + len(rest)))
    # A row may be in whose put was killed before it returned.
    assert first + len(rest) in (returned, returned + 1)
    # What the consumer had taken when it was killed, and had done nothing with yet.
    assert 0 <= first - len(done) <= (1 if stage.way == "get" else stage.capacity)
    assert set(range(len(done), first)) <= set(in_files)
    assert len(set(in_files)) == len(in_files)


# Kills ------------------------------------------------------------------------------------------------------------

#: Half of them with columns that change, a quarter of each by get and by drain.
SEEDS = pytest.mark.parametrize("seed", [*QUICK, *(pytest.param(seed, marks=pytest.mark.long) for seed in LONG)])


@SEEDS
def test_kill_of_the_consumer_where_there_is_room(folder, seed):
    """The producer goes on; who comes next finds every row but those that the dead one had in its hands."""
    stage = Stage(folder, seed, ROOMY)
    consumer, producer = stage.consumer(), stage.producer(0, stage.capacity)
    stage.wait_under_load()
    kill(consumer)
    assert ended(producer) == 0
    assert stage.returned[0] == stage.capacity
    in_files = numbers_in(stage.rows.path)
    check_all_are_there(stage, in_files, stage.numbers_done(), stage.take_the_rest())
    assert not stage.rows.path.exists()


@SEEDS
def test_kill_of_the_consumer_of_a_full_queue(folder, seed):
    """The producer, which waits for room, learns of it; who comes next finds all rows that it has put in."""
    stage = Stage(folder, seed, NARROW)
    consumer, producer = stage.consumer(), stage.producer(0, ENDLESS)
    stage.wait_under_load()
    kill(consumer)
    assert ended(producer) == 3
    done, rest = stage.numbers_done(), stage.take_the_rest()
    # Where the dead one's rows were is room for new ones.
    check_all_are_there(stage, [*range(len(done), rest[0])], done, rest)
    assert not stage.rows.path.exists()


@SEEDS
def test_kill_of_the_producer(folder, seed):
    """The consumer gets what was put in, learns that no more comes, and goes on with the rows of the next producer."""
    stage = Stage(folder, seed, NARROW)
    consumer, producer = stage.consumer(), stage.producer(0, ENDLESS)
    stage.wait_under_load()
    kill(producer)
    dead_at = int(stage.returned[0])
    if stage.random.random() < 0.5:
        time.sleep(stage.random.random() * 0.3)  # the consumer may notice in between
    assert ended(stage.producer(dead_at + 1, dead_at + 501)) == 0
    stage.is_over[0] = 1
    assert ended(consumer) == 0
    done = stage.numbers_done()
    without = [number for number in done if number != dead_at]
    assert without == [*range(dead_at), *range(dead_at + 1, dead_at + 501)]
    assert done in (without, [*range(dead_at + 501)])
    assert stage.rows.empty()


@SEEDS
def test_kill_of_both(folder, seed):
    """Who comes next finds every row but those that the dead consumer had in its hands, which are in the file."""
    stage = Stage(folder, seed, ROOMY)
    consumer, producer = stage.consumer(), stage.producer(0, stage.capacity)
    stage.wait_under_load()
    kill(*stage.random.sample([consumer, producer], 2))
    in_files = numbers_in(stage.rows.path)
    check_all_are_there(stage, in_files, stage.numbers_done(), stage.take_the_rest())
