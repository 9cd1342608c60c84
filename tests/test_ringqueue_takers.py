"""Queues at both ends of the loop: compiled producers, accumulators that take."""

from __future__ import annotations

import itertools
import multiprocessing
import queue
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta, timezone
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from queue_stage import (
    EVERY_START,
    FIELDS,
    NEEDS_FORK,
    ONE_FOLDER,
    PATIENCE,
    START_METHODS,
    T0,
    One,
    Pair,
    Unmade,
    ended,
    ends,
    everything,
    rows_of,
    started,
    take_and_end,
    take_until_killed,
)

from ringacc import QueueDataAccumulator
from ringacc.errors import (
    QueueClosedError,
    RowKindError,
    SchemaError,
)
from ringacc.queues import NamedTupleQueue, RingQueue
from ringacc.testing import same

pytestmark = pytest.mark.usefixtures("rings")

# Jitted producers -------------------------------------------------------------------------------------------------


def loop():
    """Return a loop that puts rows in, compiled for a thread that does not hold the GIL."""
    from numba import njit

    from ringacc.jit import append

    @njit(nogil=True)
    def fill(ring, first, last):
        for number in range(first, last):
            append(ring, number * 0.001, (number, number * 0.5))

    return fill


def fill_and_close(rows, count):
    """Put rows in by a compiled loop; in another process."""
    loop()(rows.jit, 0, count)
    rows.close()


def take_slowly(rows, count):
    """Take rows out in another process, with pauses."""
    found = []
    while len(found) < count:
        found += rows.drain(block=True, timeout=PATIENCE)["number"].tolist()
        time.sleep(0.002)
    assert found == [*range(count)]


def take_and_close(rows, count):
    """Take rows out in another process, and close the queue."""
    take_and_end(rows, count)
    rows.close()


def test_jit_between_rows():
    """Rows of a compiled loop, of put, of other fields and of other times come in the order they were put in."""
    fill = loop()
    with RingQueue(FIELDS) as rows:
        fill(rows.jit, 0, 3)
        rows.put(0.5, (3, 0.25))
        fill(rows.jit, 4, 6)
        rows.put(T0, (6, 0.25))
        fill(rows.jit, 7, 9)
        rows.begin({"place": "f4", "share": "f4"})
        fill(rows.jit, 9, 10)
        got = [rows.get() for _ in range(10)]
        assert [item[1].number for item in got[:9]] == [*range(9)]
        assert got[6][0] == T0
        assert [item[0] for item in got[7:]] == [7 * 0.001, 8 * 0.001, 9 * 0.001]
        assert got[9][1] == (9, 4.5)
        assert got[9][1]._fields == ("place", "share")


def test_jit_of_named_tuples():
    """A queue that learns its fields from its rows must know them before a loop can put rows in."""
    with NamedTupleQueue() as rows:
        with pytest.raises(SchemaError, match="begin"):
            rows.jit  # noqa: B018
        rows.begin(FIELDS)
        loop()(rows.jit, 0, 2)
        rows.put(0.5, One("text"))
        loop_of_one = rows.begin(FIELDS) or rows.jit
        loop()(loop_of_one, 2, 3)
        assert [rows.get()[1][0] for _ in range(4)] == [0, 1, "text", 2]


@EVERY_START
def test_jit_waits_for_a_slow_consumer(method):
    """A full queue makes the loop wait, and every row arrives."""
    rows = RingQueue(FIELDS, 50)
    consumer = started(method, take_slowly, rows, 2000)
    loop()(rows.jit, 0, 2000)
    assert ended(consumer) == 0
    rows.close()


@pytest.mark.parametrize("method", [method for method in START_METHODS if method != "forkserver"])
def test_jit_in_another_process(method):
    """The loop may be the child's."""
    rows = RingQueue(FIELDS, 50)
    producer = started(method, fill_and_close, rows, 1000)
    assert [item[1].number for item in everything(rows)] == [*range(1000)]
    assert ended(producer) == 0
    rows.close()


@NEEDS_FORK
@pytest.mark.parametrize("how", [take_and_close, take_and_end, "kill"], ids=["close", "end", "kill"])
def test_jit_learns_that_nobody_takes(how):
    """A loop that waits in compiled code raises when the consumer closes, ends, or is killed."""
    rows = RingQueue(FIELDS, 32)
    ring, fill = rows.jit, loop()
    fill(ring, 0, 10)
    if how == "kill":
        at_work = multiprocessing.get_context("fork").Event()
        consumer = started("fork", take_until_killed, rows, at_work)
        assert at_work.wait(PATIENCE)
        # From another process, when the loop waits.
        killer = subprocess.Popen(
            [sys.executable, "-c", f"import os, time; time.sleep(0.3); os.kill({consumer.pid}, 9)"]
        )
    else:
        consumer, killer = started("fork", how, rows, 5), None
    with pytest.raises(QueueClosedError):
        fill(ring, 10, 1_000_000)
    assert ended(consumer) == (0 if killer is None else -signal.SIGKILL)
    if killer is not None:
        assert killer.wait(PATIENCE) == 0
    rows.close()


# Into an accumulator ----------------------------------------------------------------------------------------------

NEAR = st.datetimes(datetime(1950, 1, 1), datetime(2080, 1, 1))
WIDTHS = st.one_of(
    st.integers(-(2**63), 2**64 - 1),
    st.integers(-128, 127).map(np.int8),
    st.integers(-300, 300),
    st.booleans(),
    st.floats(width=32, allow_nan=False).map(np.float32),
    st.floats(allow_nan=False),
    st.integers(0, 255).map(np.uint8),
    st.integers(0, 2**64 - 1).map(np.uint64),
    st.floats(-6e4, 6e4).map(np.float16),
)
ITEMS = st.tuples(
    st.floats(-1e6, 1e6) | NEAR,
    st.one_of(rows_of(WIDTHS), st.builds(One, WIDTHS), st.builds(Pair, WIDTHS, WIDTHS)).filter(
        lambda made: "t" not in getattr(made, "_columns", ())
    )
    | st.builds(One, st.fractions(-(10**6), 10**6)),
)


def contents(acc):
    """Return columns, dtype and rows of each segment, to the bit."""
    return [
        (segment.dtype, [block.tobytes() for block in [np.concatenate(segment.blocks())]]) for segment in acc.segments
    ]


@ONE_FOLDER
@given(
    batches=st.lists(st.lists(ITEMS, max_size=12), max_size=5),
    capacity=st.integers(1, 9),
    zone=st.sampled_from([None, UTC, timezone(timedelta(hours=5, minutes=30))]),
)
def test_an_accumulator_takes_blocks_as_rows(batches, capacity, zone):
    """Rows of a ring queue make the same segments, of the same dtypes and bytes, as those of a queue.Queue."""
    exp = SimpleNamespace(t0=T0.replace(tzinfo=zone), protocol_runner=SimpleNamespace(running=True))
    plain = queue.Queue()
    with NamedTupleQueue() as rows:
        by_row, by_block = (QueueDataAccumulator(source, experiment=exp, capacity=capacity) for source in (plain, rows))
        for batch in batches:
            for t, made in batch:
                moment = t.replace(tzinfo=zone) if isinstance(t, datetime) else t
                rows.put(moment, made)
                plain.put((moment, made))
            for acc in (by_row, by_block):
                acc.update_list()
        assert contents(by_block) == contents(by_row)


def test_an_accumulator_refuses_a_row_and_goes_on():
    """A row of no numbers is dropped with an error, what came before is there, and what comes after comes later."""
    with NamedTupleQueue() as rows:
        acc = QueueDataAccumulator(rows)
        for number, value in enumerate([1, 2, "text", None, 3, Unmade(), 4]):
            rows.put(number, One(value))
        refused = 0
        for _ in range(5):
            try:
                acc.update_list()
            except RowKindError:
                refused += 1
        assert refused == 3
        assert acc["t"].tolist() == [0, 1, 4, 6]
        rows.put(9, One(9))
        acc.update_list()
        assert same(acc["x"].tolist(), [1, 2, 3, 4, 9])


@pytest.mark.parametrize("other", [Pair("x", "y"), Pair(None, 0), One("x")], ids=repr)
def test_a_value_that_its_column_cannot_hold_in_a_block(other):
    """The rows of a block before the first that does not fit go where they would go one by one."""
    plain = queue.Queue()
    with NamedTupleQueue() as rows:
        by_row, by_block = QueueDataAccumulator(plain), QueueDataAccumulator(rows)
        for number, made in enumerate([One(np.int8(1)), other, One(5), One(6), One(300), One(7)]):
            plain.put((number, made))
            rows.put(number, made)
        for acc in (by_row, by_block):
            with pytest.raises(RowKindError):
                acc.update_list()
            acc.update_list()
        assert contents(by_block) == contents(by_row)
        assert [len(segment) for segment in by_block.segments] == [3, 2]


@pytest.mark.parametrize("sizes", [(1, 64), (1, 63, 2, 64), (64, 64), (200, 1, 64)], ids=str)
def test_blocks_as_long_as_the_ring(sizes):
    """A block may need all the room that a segment's ring has."""
    with NamedTupleQueue() as rows:
        acc = QueueDataAccumulator(rows, capacity=64)
        for number in range(sum(sizes)):
            rows.put(number, One(number))
            if number + 1 in itertools.accumulate(sizes):
                acc.update_list()
        assert acc["x"].tolist() == [*range(sum(sizes))]


def test_an_accumulator_of_a_queue_that_has_ended():
    """What was put in before the producer closed is there, and the end itself is no error."""
    producer, consumer = ends()
    acc = QueueDataAccumulator(consumer)
    for number in range(8):
        producer.put(number, One(number))
    producer.close()
    for _ in range(3):
        acc.update_list()
    assert acc["x"].tolist() == [*range(8)]
    consumer.close()
