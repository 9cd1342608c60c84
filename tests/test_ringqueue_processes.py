"""Queues between two real processes."""

from __future__ import annotations

import itertools
import multiprocessing
import os
import pickle
import queue
import signal
import time
from datetime import timedelta

import pytest
from queue_stage import (
    EVERY_START,
    FIELDS,
    NEEDS_FORK,
    PATIENCE,
    T0,
    One,
    Pair,
    Turned,
    ended,
    ends,
    everything,
    started,
    take_and_end,
    take_until_killed,
    wait_for,
)

from ringacc import TimeRing, streams
from ringacc.errors import (
    QueueClosedError,
    RingBusyError,
    RowKindError,
)
from ringacc.kernels.rows import CONTINUED, ENDED
from ringacc.queues import NamedTupleQueue, RingQueue
from ringacc.ringfile import RingFile
from ringacc.streams import Follower, rings_of

pytestmark = pytest.mark.usefixtures("rings")

# Between processes ------------------------------------------------------------------------------------------------


def put_numbers(rows, first, last, kind):
    """Put rows in; in another process."""
    for number in range(first, last):
        t = number / 1000 if number // 100 % 2 else T0 + timedelta(milliseconds=number)
        rows.put(t, row(number, kind), timeout=PATIENCE)


def row(number, kind):
    """Return the row of this number."""
    if kind == "fixed":
        return (number, number / 2)
    return (One(number), Pair(number, 0.5), Turned(number, None))[number // 250 % 3]


def put_and_exit(rows, *arguments):
    """Put rows in, and end at once, as a process that is killed."""
    put_numbers(rows, *arguments)
    os._exit(0)


def get_numbers(rows, count, way, answer):
    """Take rows out, slowly, and say that they are right; in another process."""
    found = []
    while len(found) < count:
        if way == "drain" and len(found) % 3:
            try:
                found += rows.drain(block=True, timeout=PATIENCE)["number"].tolist()
            except RowKindError:
                found.append(rows.get(timeout=PATIENCE)[1].x)
        else:
            found.append(rows.get(timeout=PATIENCE)[1][0])
        if len(found) % 40 == 0:
            time.sleep(0.001)
    answer.put(found)
    answer.close()
    answer.join_thread()


@EVERY_START
@pytest.mark.parametrize("kind", ["fixed", "changing"])
def test_a_slow_consumer_gets_everything(method, kind):
    """The producer waits for room again and again, and every row arrives, in order."""
    capacity, count = 64, 2000
    rows = RingQueue(FIELDS, capacity) if kind == "fixed" else NamedTupleQueue(capacity)
    answer = multiprocessing.get_context(method).Queue()
    consumer = started(method, get_numbers, rows, count, "drain" if kind == "fixed" else "get", answer)
    producer = started(method, put_numbers, rows, 0, count, kind)
    assert answer.get(timeout=PATIENCE) == [row(number, kind)[0] for number in range(count)]
    assert ended(producer) == ended(consumer) == 0
    wait_for(lambda: not rows.path.exists())


@EVERY_START
@pytest.mark.parametrize("used", ["unused", "put", "taken", "closed"])
def test_handed_over_before_and_after_its_first_use(method, used):
    """What a process has done with a queue is not done by the child that it hands the queue to."""
    rows = RingQueue(FIELDS)
    if used != "unused":
        rows.put(T0, (0, 0.0))
    if used == "taken":
        assert rows.get()[1].number == 0
    if used == "closed":
        rows.close()
        rows = RingQueue(FIELDS)
    if used in ("put", "taken"):
        # The parent is the producer: a child can only take.
        answer = multiprocessing.get_context(method).Queue()
        put_numbers(rows, 1, 500, "fixed")
        if used == "taken":
            rows._follower.close()
        consumer = started(method, get_numbers, rows, 500 - (used == "taken"), "get", answer)
        assert answer.get(timeout=PATIENCE) == [*range(used == "taken", 500)]
        assert ended(consumer) == 0
    else:
        producer = started(method, put_numbers, rows, 0, 500, "fixed")
        assert [item[1].number for item in everything(rows)] == [*range(500)]
        assert ended(producer) == 0
    rows.close()


def try_both(rows, answer):
    """Put and take in a process that is one too many; say what came of it."""
    found = []
    for call in (lambda: rows.put(1.0, (1, 1.0)), lambda: rows.get(block=False), rows.drain, rows.take_block):
        try:
            found.append(call())
        except RingBusyError:
            found.append("busy")
    answer.put(found)
    answer.close()
    answer.join_thread()


@EVERY_START
def test_a_second_process_is_refused(method):
    """One process puts and one takes; nobody else can, and nothing of what they do is disturbed."""
    with RingQueue(FIELDS) as rows:
        for number in range(10):
            rows.put(number, (number, 0.0))
        assert rows.get()[1].number == 0
        answer = multiprocessing.get_context(method).Queue()
        process = started(method, try_both, rows, answer)
        assert answer.get(timeout=PATIENCE) == ["busy"] * 4
        assert ended(process) == 0
        rows.put(10, (10, 0.0))
        assert [rows.get()[1].number for _ in range(10)] == [*range(1, 11)]
        # Nor can another end in the same process.
        other = pickle.loads(pickle.dumps(rows))
        with pytest.raises(RingBusyError, match="found a second"):
            other.put(0.0, (0, 0.0))
        with pytest.raises(RingBusyError, match="found a second"):
            other.get(block=False)
        other.close()
        rows.put(11, (11, 0.0))
        assert rows.get()[1].number == 11


@NEEDS_FORK
def test_producers_one_after_the_other():
    """Each goes on behind the rows of the one before, whether that closed the queue, ended, or was killed."""
    rows = NamedTupleQueue()
    for producer, (first, last) in zip(
        (put_numbers, put_and_exit, put_and_exit, put_numbers), itertools.pairwise(range(0, 1001, 200)), strict=False
    ):
        assert ended(started("fork", producer, rows, first, last, "changing")) == 0
    assert [item[1][0] for item in everything(rows)] == [*range(800)]
    rows.close()


def test_a_producer_killed_between_two_rings(rings):
    """One that had made the next ring, but not said so in the one before, is gone on from."""
    rows = NamedTupleQueue()
    rows.put(0, One(0))
    rows.put(1, Pair(1, 1))
    before = RingFile.open(rings_of(rows.path)[0], writable=True)
    assert before.ended == CONTINUED
    rows._writer.ring.file.close()  # its lock goes, as that of a process does
    before.block.counters[ENDED] = 0
    with pickle.loads(pickle.dumps(rows)) as successor:
        successor.put(2, One(2))
        assert [successor.get()[0] for _ in range(3)] == [0, 1, 2]


def test_a_second_producer_while_the_first_changes_rings(monkeypatch):
    """One that takes the first's ring for that of a dead producer leaves it as it was, and is refused."""
    first, second = ends()
    first.put(0, One(0))
    take_over = TimeRing.take_over.__func__

    def change_before(cls, path):
        monkeypatch.undo()
        first.put(1, Pair(1, 1))
        return take_over(cls, path)

    monkeypatch.setattr(TimeRing, "take_over", classmethod(change_before))
    with pytest.raises(RingBusyError, match="found a second"):
        second.put(9, One(9))
    first.put(2, One(2))
    first.close()
    assert [item[0] for item in everything(second)] == [0, 1, 2]
    second.close()


def test_a_consumer_comes_while_another_process_cleans_up(rings, monkeypatch):
    """The folder may go away under it at any moment."""
    rows = NamedTupleQueue()
    take_lock = Follower._take_lock

    def clean_before(follower):
        monkeypatch.setattr(Follower, "_take_lock", take_lock)
        rows.path.rmdir()
        return take_lock(follower)

    monkeypatch.setattr(Follower, "_take_lock", clean_before)
    with pytest.raises(queue.Empty):
        rows.get(block=False)
    rows.put(0, One(0))
    assert rows.get() == (0, (0,))
    rows.close()


def test_a_producer_comes_while_another_process_cleans_up(monkeypatch):
    """What it puts in stays."""
    rows, idle = ends()
    rows.path.mkdir(parents=True)
    is_in_use = streams._is_in_use

    def put_after(path):
        found = is_in_use(path)
        monkeypatch.setattr(streams, "_is_in_use", is_in_use)
        rows.put(0, One(0))
        return found

    monkeypatch.setattr(streams, "_is_in_use", put_after)
    idle.close()
    assert rows.get() == (0, (0,))
    rows.close()


@NEEDS_FORK
@pytest.mark.parametrize("ask", [{}, {"timeout": 0.01}, {"block": False}], ids=str)
def test_a_consumer_is_killed(ask):
    """A full queue says so to its producer, however it asks; the next consumer gets every row that is left."""
    rows = RingQueue(FIELDS, 32)
    at_work = multiprocessing.get_context("fork").Event()
    for number in range(10):
        rows.put(number, (number, 0.0))
    consumer = started("fork", take_until_killed, rows, at_work)
    assert at_work.wait(PATIENCE)
    os.kill(consumer.pid, signal.SIGKILL)
    assert ended(consumer) == -signal.SIGKILL
    put = 10

    def put_next():
        """Say whether the next row was refused for good."""
        nonlocal put
        try:
            rows.put(put, (put, 0.0), **ask)
        except queue.Full as error:
            return isinstance(error, QueueClosedError)
        put += 1
        return False

    wait_for(put_next)
    assert put == 37
    successor = pickle.loads(pickle.dumps(rows))
    assert [successor.get()[1].number for _ in range(32)] == [*range(5, 37)]
    rows.put(37, (37, 0.0))
    assert successor.get()[1].number == 37
    successor.close()


@EVERY_START
def test_a_consumer_that_ends_without_closing(method):
    """The producer of a full queue learns of it, and does not wait for ever; the rows are kept."""
    rows = RingQueue(FIELDS, 32)
    for number in range(10):
        rows.put(number, (number, 0.0))
    assert ended(started(method, take_and_end, rows, 5)) == 0
    for number in range(10, 37):
        rows.put(number, (number, 0.0))
    with pytest.raises(QueueClosedError):
        rows.put(37, (37, 0.0), timeout=PATIENCE)
    assert [rows.get()[1].number for _ in range(32)] == [*range(5, 37)]
    rows.close()
