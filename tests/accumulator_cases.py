"""What the tests of the accumulators begin with: an experiment, kinds of rows, and logs that hold some."""

from __future__ import annotations

import queue
from collections import namedtuple
from datetime import datetime
from types import SimpleNamespace

import pytest

from ringacc import DynamicLog, EstimatorLog, QueueDataAccumulator

T0 = datetime(2018, 11, 15, 19, 23, 17, 211777)
Tail = namedtuple("Tail", "x y")
Eyes = namedtuple("Eyes", "left right ok")
One = namedtuple("One", "x")


def experiment(running=True, t0=T0):
    """Return what an accumulator wants to know of an experiment."""
    return SimpleNamespace(t0=t0, protocol_runner=SimpleNamespace(running=running))


def estimator(running=True, **settings):
    """Return an empty EstimatorLog."""
    return EstimatorLog(experiment(running), **settings)


def filled(count, hz=100.0, **settings):
    """Return a log of the rows (0, 0, 0), (1 / hz, 1, -1), (2 / hz, 2, -2), ..."""
    log = estimator(**settings)
    for frame in range(count):
        log.update_list(frame / hz, Tail(float(frame), -float(frame)))
    return log


def queued(running=True, **settings):
    """Return an empty QueueDataAccumulator and its queue."""
    rows = queue.Queue()
    return QueueDataAccumulator(rows, experiment=experiment(running), **settings), rows


def stimulus(*names):
    """Return a stimulus with these dynamic parameters."""
    return SimpleNamespace(dynamic_parameter_names=list(names))


def xs(rows):
    """Return the numbers of these rows."""
    return [row.x for row in rows]


def state(acc):
    """Return all that can be seen of an accumulator."""
    return repr(
        (
            [(segment.columns, segment.dtype, len(segment)) for segment in acc.segments],
            [block.tolist() for block in acc.blocks()],
            list(acc.stored_data),
            acc.times.tolist(),
            acc.health(),
            acc.get_fps(),
            acc.is_empty(),
            acc.plot_columns,
        )
    )


def taking(kind, running=True, **settings):
    """Return an accumulator of one kind and a function that hands it a row (time, x)."""
    if kind == "queue":
        acc, rows = queued(running, **settings)

        def put(time, x):
            rows.put((time, One(x)))
            acc.update_list()
    elif kind == "dynamic":
        acc = DynamicLog([stimulus("x")], experiment=experiment(running), **settings)

        def put(time, x):
            acc.update_list(time, {"x": x})
    else:
        acc = estimator(running, **settings)

        def put(time, x):
            acc.update_list(time, One(x))

    return acc, put


KINDS = pytest.mark.parametrize("kind", ["estimator", "queue", "dynamic"])
