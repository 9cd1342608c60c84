"""What the tests of queues stand on: a folder for rings of their own, processes, and waiting for them."""

from __future__ import annotations

import multiprocessing
import pickle
import time
from collections import namedtuple
from datetime import datetime, timedelta

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from ringacc.errors import QueueEndedError
from ringacc.queues import NamedTupleQueue
from ringacc.schema import row_class

PATIENCE = 60.0  # seconds until a test gives up on another process
T0 = datetime(2018, 11, 15, 19, 23, 17, 211777)
MICROSECOND = timedelta(microseconds=1)
One = namedtuple("One", "x")
Pair = namedtuple("Pair", "x y")
Turned = namedtuple("Turned", "y x")
Nothing = namedtuple("Nothing", ())
FIELDS = {"number": "i8", "half": "f8"}

START_METHODS = multiprocessing.get_all_start_methods()
EVERY_START = pytest.mark.parametrize("method", START_METHODS)
NEEDS_FORK = pytest.mark.skipif("fork" not in START_METHODS, reason="needs fork")
# Python warns of fork in a process with threads.
pytestmark = pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
# The folder of a test may have rings of many queues.
ONE_FOLDER = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)


def left_in(rings):
    """Return the names of all that is left in the folder of rings."""
    return sorted(path.name for path in rings.rglob("*"))


def started(method, target, *arguments):
    """Start a process."""
    process = multiprocessing.get_context(method).Process(target=target, args=arguments, daemon=True)
    process.start()
    return process


def ended(process):
    """Return how a process ended; wait for that."""
    process.join(PATIENCE)
    assert process.exitcode is not None, "it hangs"
    return process.exitcode


def wait_for(condition):
    """Wait until a condition holds."""
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, "it never happens"
        time.sleep(0.001)


def everything(rows, timeout=PATIENCE):
    """Return all rows of a queue until its producer has ended."""
    found = []
    while True:
        try:
            found.append(rows.get(timeout=timeout))
        except QueueEndedError:
            return found


def ends():
    """Return the two ends of one queue."""
    rows = NamedTupleQueue(8)
    return rows, pickle.loads(pickle.dumps(rows))


def take_and_end(rows, count):
    """Take some rows, and end without closing the queue."""
    for _ in range(count):
        rows.get(timeout=PATIENCE)


def take_until_killed(rows, at_work):
    """Take some rows, say so, and wait for the end."""
    for _ in range(5):
        rows.get(timeout=PATIENCE)
    at_work.set()
    time.sleep(PATIENCE)


def rows_of(values):
    """Draw namedtuples of these values, of several columns."""
    return st.one_of(
        st.builds(One, values),
        st.builds(Pair, values, values),
        st.builds(Turned, values, values),
        st.just(Nothing()),
        st.builds(row_class(("closed loop 1D_vel", "θ")), values, values),
        st.builds(row_class(("t", "x")), values, values),
    )


class Unmade:
    """Can be pickled, and not be made again."""

    def __reduce__(self):
        return int, ("no number",)
