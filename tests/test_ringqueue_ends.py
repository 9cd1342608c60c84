"""How queues end: closed, killed, collected, forgotten."""

from __future__ import annotations

import ast
import gc
import pickle
import queue
import subprocess
import sys
from pathlib import Path

import pytest
from queue_stage import (
    FIELDS,
    PATIENCE,
    T0,
    One,
    Pair,
    ends,
    everything,
    left_in,
)

from ringacc.errors import (
    QueueClosedError,
    QueueEndedError,
    RingClosedError,
)
from ringacc.queues import NamedTupleQueue, RingQueue
from ringacc.ringfile import RingFile
from ringacc.streams import rings_of

pytestmark = pytest.mark.usefixtures("rings")


# Ends -------------------------------------------------------------------------------------------------------------


def test_the_producer_closes(rings):
    """The consumer gets what is there, then learns that no more comes; and nothing is left."""
    producer, consumer = ends()
    for number in range(3):
        producer.put(number, One(number))
    assert consumer.get() == (0, (0,))
    producer.close()
    producer.close()
    assert [consumer.get() for _ in range(2)] == [(1, (1,)), (2, (2,))]
    for ask in (consumer.get, consumer.get, lambda: consumer.drain(block=True), lambda: consumer.get(timeout=PATIENCE)):
        with pytest.raises(QueueEndedError, match="has closed"):
            ask()
    consumer.close()
    assert left_in(rings) == []


@pytest.mark.parametrize("is_full", [False, True])
@pytest.mark.parametrize("other", [One(9), Pair(9, 9), One(0.5), One("text")], ids=repr)
def test_the_consumer_closes(rings, is_full, other):
    """Whatever the producer puts then is refused; what was there is gone, and nothing is left."""
    producer, consumer = ends()
    for number in range(8 if is_full else 3):
        producer.put(number, One(number))
    assert consumer.empty() is False
    if not is_full:
        consumer.get()
    else:
        consumer.take_block()
        for number in range(8):
            producer.put(number, One(number))
    consumer.close()
    consumer.close()
    for _ in range(2):
        with pytest.raises(QueueClosedError, match="nobody does"):
            producer.put(9, other)
        with pytest.raises(queue.Full):
            producer.put(T0, other, timeout=PATIENCE)
        with pytest.raises(BrokenPipeError):
            producer.put_nowait(9, other)
    producer.close()
    assert left_in(rings) == []


@pytest.mark.parametrize("when", ["before", "after"])
def test_the_consumer_closes_while_the_columns_change(rings, monkeypatch, when):
    """A ring that the producer makes at the very moment is taken away, and the producer learns of it."""
    producer, consumer = ends()
    producer.put(0, One(0))
    consumer.get()
    create = RingFile.create.__func__

    def create_and_close(cls, *arguments, **options):
        if when == "before":
            consumer.close()
            rings.joinpath(producer.path.name).mkdir()  # or there would be no place for the ring
        made = create(cls, *arguments, **options)
        if when == "after":
            consumer.close()
        return made

    monkeypatch.setattr(RingFile, "create", classmethod(create_and_close))
    with pytest.raises(QueueClosedError):
        producer.put(1, Pair(1, 1))
    monkeypatch.undo()
    with pytest.raises(QueueClosedError):
        producer.put(1, Pair(1, 1))
    producer.close()
    assert left_in(rings) == []


@pytest.mark.parametrize("make", [lambda: RingQueue({"x": "f8"}), NamedTupleQueue], ids=["rows", "named tuples"])
@pytest.mark.parametrize("use", ["none", "put", "get", "both"])
def test_use_after_close(rings, make, use):
    """Nothing works once this end is closed; closing it again does no harm to who has it then."""
    rows = make()
    other = pickle.loads(pickle.dumps(rows))
    if use in ("put", "both"):
        rows.put(0.0, One(1.5))
    if use in ("get", "both"):
        with pytest.raises(queue.Empty):
            rows.get(timeout=0) if use == "get" else (rows.get(), rows.get(timeout=0))
    with rows:
        pass
    for call in (
        lambda: rows.put(1.0, One(1.5)),
        lambda: rows.put_nowait(1.0, One(1.5)),
        lambda: rows.put(T0, One(1.5)),
        lambda: rows.jit,
        rows.get,
        rows.get_nowait,
        rows.drain,
        rows.take_block,
    ):
        with pytest.raises(RingClosedError, match="has closed"):
            call()
    if use == "none":
        other.put(1.0, One(2.5))
        assert other.get() == (1.0, (2.5,))
        rows.close()
        other.put(2.0, One(3.5))
        assert other.get() == (2.0, (3.5,))
    if use == "put":
        assert other.get() == (0.0, (1.5,))
    other.close()
    assert left_in(rings) == []


# What is left behind ----------------------------------------------------------------------------------------------

SCRIPT = """
import sys
from collections import namedtuple
from ringacc import {kind}
One = namedtuple("One", "x")
rows = {make}
for number in range(5):
    rows.put(number / 100, One(number))
for number in range({takes}):
    assert rows.get()[1].x == number
print(rows.path)
{end}
"""
KINDS = pytest.mark.parametrize(
    ("kind", "make"), [("RingQueue", "RingQueue({'x': 'f8'})"), ("NamedTupleQueue", "NamedTupleQueue()")]
)


@KINDS
@pytest.mark.parametrize("end", ["", "del rows", "raise SystemExit(0)", "held = [rows]; held.append(held); del rows"])
@pytest.mark.parametrize("takes", [0, 3, 5])
def test_the_end_of_a_process(rings, kind, make, end, takes):
    """It leaves nothing where all rows were taken, and the rows that nobody took."""
    made = subprocess.run(
        [sys.executable, "-c", SCRIPT.format(kind=kind, make=make, takes=takes, end=end)],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert (made.returncode, made.stderr) == (0, "")
    folder = Path(made.stdout.strip())
    assert folder.parent == rings
    if takes == 5:
        assert left_in(rings) == []
        return
    (ring,) = rings_of(folder)
    block = RingFile.open(ring).block
    assert block.last(5 - takes)["x"].tolist() == [*range(takes, 5)]


@pytest.mark.parametrize("takes", [0, 3, 5])
def test_garbage(rings, takes):
    """A queue that nobody holds any more leaves what the end of its process would leave."""
    rows = NamedTupleQueue()
    for number in range(5):
        rows.put(number, One(number))
    for _ in range(takes):
        rows.get()
    folder, rest = rows.path, pickle.dumps(rows)
    del rows
    gc.collect()
    if takes == 5:
        assert left_in(rings) == []
        return
    assert len(rings_of(folder)) == 1
    rows = pickle.loads(rest)
    assert [item[0] for item in everything(rows)] == [*range(takes, 5)]
    rows.close()
    assert left_in(rings) == []


def test_garbage_in_the_middle_of_anything(rings):
    """The garbage collector may take a queue at any moment, such as when Python reads a literal."""
    before = gc.get_threshold()
    gc.set_threshold(50, 2, 2)
    try:
        for _ in range(100):
            rows = RingQueue(FIELDS, 8)
            rows.put(0.0, (1, 1.0))
            rows.drain()
            rows = None
            for _ in range(20):
                assert ast.literal_eval("[('t', 'f8'), ('x', ('f8', (2,))), {1: 2, 3: [4, 5, (6, 7)]}]")[0] == (
                    "t",
                    "f8",
                )
    finally:
        gc.set_threshold(*before)
    gc.collect()
    assert left_in(rings) == []
