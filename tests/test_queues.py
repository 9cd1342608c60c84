"""NamedTupleQueue: rows from one process to another, with nothing known there of their classes."""

from __future__ import annotations

import multiprocessing
import queue
import threading
from collections import namedtuple
from datetime import datetime, timedelta
from types import SimpleNamespace

import numpy as np
import pytest
from naming import named

from ringacc.errors import QueueEndedError, RowKindError, RowLengthError
from ringacc.queues import NamedTupleQueue
from ringacc.schema import row_class
from ringacc.testing import same

T0 = datetime(2018, 11, 15, 19, 23, 17, 211777)
Tail = namedtuple("Tail", "theta_00 theta_01")
Eyes = namedtuple("Eyes", "left right ok")
Empty = namedtuple("Empty", ())
PATIENCE = 60.0  # seconds until a test gives up on another process
ROWS = 3000

EVERY_START = pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
# Python warns of fork in a process with threads.
pytestmark = pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")


def row(number):
    """Return the row of this number: the columns change in mid-stream, and back."""
    stage = number * 5 // ROWS
    if stage == 1:
        return row_class(("closed loop 1D_vel", "θ", "class"))(number, -0.5, True)
    if stage == 2:
        return Empty()
    if stage == 3:
        return Eyes(number, None, np.arange(number % 7))
    return Tail(float(number), number)


def produce(rows, first, last):
    """Put rows into the queue, in another process."""
    for number in range(first, last):
        rows.put(T0 + timedelta(milliseconds=number), row(number))


def started(method, target, *arguments):
    """Start a process."""
    process = multiprocessing.get_context(method).Process(target=target, args=arguments, daemon=True)
    process.start()
    return process


def ended(process):
    """Wait for the end of a process."""
    process.join(PATIENCE)
    assert process.exitcode == 0


@pytest.fixture
def rows():
    """Give a queue, and close it."""
    made = NamedTupleQueue()
    yield made
    made.close()
    made.cancel_join_thread()
    made.join_thread()


# Between processes ------------------------------------------------------------------------------------------------


@EVERY_START
def test_all_rows_come_in_order_with_their_names(rows, method):
    """Another process, however it was started, hands over every row in order, whatever its columns."""
    producer = started(method, produce, rows, 0, ROWS)
    for number in range(ROWS):
        t, taken = rows.get(timeout=PATIENCE)
        want = row(number)
        assert t == T0 + timedelta(milliseconds=number)
        assert taken._fields == want._fields
        assert taken._columns == getattr(want, "_columns", want._fields)
        assert same(list(taken), list(want))
        assert [type(value) for value in taken] == [type(value) for value in want]
    ended(producer)
    with pytest.raises(QueueEndedError, match="has closed"):
        rows.get(timeout=PATIENCE)


def test_an_accumulator_takes_from_it(rows):
    """A QueueDataAccumulator takes the rows of another process, and no row is lost where the columns change."""
    from ringacc import QueueDataAccumulator

    exp = SimpleNamespace(t0=T0, protocol_runner=SimpleNamespace(running=True))
    acc = QueueDataAccumulator(rows, experiment=exp, capacity=64)
    stage = ROWS // 5
    producer = started("spawn", produce, rows, 0, 3 * stage)
    while producer.is_alive():
        acc.update_list()
    ended(producer)
    acc.update_list()
    assert [(segment.columns, len(segment)) for segment in acc.segments] == [
        (("t", "theta_00", "theta_01"), stage),
        (("t", "closed loop 1D_vel", "θ", "class"), stage),
        (("t",), stage),
    ]
    frame = acc.get_dataframe()
    assert frame["t"].tolist() == [number / 1000 for number in range(3 * stage)]
    assert frame["theta_00"][:stage].tolist() == list(range(stage))
    assert frame["closed loop 1D_vel"][stage : 2 * stage].tolist() == list(range(stage, 2 * stage))
    assert frame["θ"].isna().sum() == 2 * stage


# In one process ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("t", [0.5, 3, T0, None])
def test_get_gives_what_was_put(rows, t):
    """A time and a namedtuple come out equal, with the names they had."""
    rows.put(t, Tail(0.1, -2))
    assert rows.get(timeout=PATIENCE) == (t, (0.1, -2))
    rows.put(t, Tail(0.1, -2))
    taken = rows.get(timeout=PATIENCE)[1]
    assert (taken.theta_00, taken.theta_01) == (0.1, -2)


def test_names_that_are_no_identifiers(rows):
    """Names that no attribute can have come out as they went in, and the values by place."""
    names = ("closed loop 1D_vel", "class", "x", "_hidden")
    rows.put(0.0, row_class(names)(1, 2, 3, 4))
    taken = rows.get(timeout=PATIENCE)[1]
    assert taken._columns == names
    assert taken == (1, 2, 3, 4)
    assert taken.x == 3


def test_rows_of_the_same_columns_have_one_class(rows):
    """The class of what comes out depends on the names alone."""
    for maker in (Tail, namedtuple("Other", "theta_00 theta_01"), row_class(("theta_00", "theta_01"))):
        rows.put(0.0, maker(1, 2))
    assert len({type(rows.get(timeout=PATIENCE)[1]) for _ in range(3)}) == 1


def test_a_field_may_hold_an_array(rows):
    """An array comes out equal; it may be written to once it was put in."""
    frame = np.arange(6.0).reshape(2, 3)
    for number in range(50):
        frame[0, 0] = number
        rows.put(0.0, Eyes(frame, number, False))
    for number in range(50):
        taken = rows.get(timeout=PATIENCE)[1]
        assert taken.left.tolist() == [[number, 1.0, 2.0], [3.0, 4.0, 5.0]]
        assert taken.right == number


@pytest.mark.parametrize("take", ["get", "get_nowait", "timeout", "no time"])
def test_empty(rows, take):
    """Where there is no row, get raises queue.Empty: at once, or when its time is over."""
    ask = {
        "get": lambda: rows.get(block=False),
        "get_nowait": rows.get_nowait,
        "timeout": lambda: rows.get(timeout=0.01),
        "no time": lambda: rows.get(True, 0.0),
    }[take]
    assert rows.empty()
    with pytest.raises(queue.Empty):
        ask()
    rows.put(0.0, Tail(1, 2))
    assert rows.get(timeout=PATIENCE) == (0.0, (1, 2))


@pytest.mark.parametrize("give", ["put", "put_nowait", "timeout", "no time"])
def test_full(give):
    """Where there is no room, put raises queue.Full: at once, or when its time is over; nothing is put in."""
    rows = NamedTupleQueue(2)
    row = Tail(9, 9)
    ask = {
        "put": lambda: rows.put(0.0, row, block=False),
        "put_nowait": lambda: rows.put_nowait(0.0, row),
        "timeout": lambda: rows.put(0.0, row, timeout=0.01),
        "no time": lambda: rows.put(0.0, row, True, 0.0),
    }[give]
    for number in range(2):
        rows.put_nowait(0.0, Tail(number, number))
    assert rows.qsize() == 2
    with pytest.raises(queue.Full):
        ask()
    assert [rows.get(timeout=PATIENCE)[1].theta_00 for _ in range(2)] == [0, 1]
    assert rows.empty()
    rows.put(0.0, row)
    assert rows.get(timeout=PATIENCE)[1] == (9, 9)
    rows.close()
    rows.join_thread()


NO_ROWS = [None, 5, "row", (), (1.0, 2.0), [1.0], {"x": 1.0}, np.array([1.0]), object(), Tail]


@pytest.mark.parametrize("bad", NO_ROWS, ids=named)
def test_what_is_no_namedtuple_is_refused(rows, bad):
    """What has no names is an error where it is put in, and the queue goes on."""
    with pytest.raises(RowKindError, match="namedtuple"):
        rows.put(0.0, bad)
    rows.put(0.0, Tail(1, 2))
    assert rows.get(timeout=PATIENCE)[1] == (1, 2)
    assert rows.empty()


@pytest.mark.parametrize("value", [lambda: None, threading.Lock(), (x for x in ())], ids=named)
def test_what_cannot_be_sent_is_refused(rows, value):
    """A value that no other process can be given is an error where it is put in, and the queue goes on."""
    with pytest.raises(RowKindError, match="another process"):
        rows.put(0.0, Tail(1, value))
    with pytest.raises(RowKindError, match="another process"):
        rows.put(value, Tail(1, 2))
    rows.put(0.0, Tail(1, 2))
    assert rows.get(timeout=PATIENCE)[1] == (1, 2)


def test_a_row_of_another_length_than_its_names_is_refused(rows):
    """More or fewer values than names are an error where they are put in."""

    class Torn(tuple):
        """Say that there are two values."""

        _fields = ("x", "y")

    for values in ((), (1,), (1, 2, 3)):
        with pytest.raises(RowLengthError, match="expected 2 values"):
            rows.put(0.0, Torn(values))
    assert rows.empty()


def test_qsize(rows):
    """The number of rows that wait is known from when they were put in."""
    assert rows.qsize() == 0
    for number in range(3):
        rows.put(0.0, Tail(number, number))
    assert rows.qsize() == 3
    rows.get(timeout=PATIENCE)
    assert rows.qsize() == 2


def test_nothing_goes_in_once_it_is_closed():
    """After close nothing can be put in."""
    rows = NamedTupleQueue()
    rows.put(0.0, Tail(1, 2))
    assert rows.get(timeout=PATIENCE)[1] == (1, 2)
    rows.close()
    rows.join_thread()
    with pytest.raises(ValueError, match="closed"):
        rows.put(0.0, Tail(1, 2))
