"""The compiled way into an accumulator: who holds it, what it is pointed at, when it asks whether the protocol runs."""

import gc
import sys
import weakref
from collections import namedtuple
from datetime import datetime
from types import SimpleNamespace

import numpy as np
import pytest

from ringacc import EstimatorLog
from ringacc.errors import SchemaError
from ringacc.schema import row_class

Row = namedtuple("Row", "x y")
Other = namedtuple("Other", "z")


def experiment(running):
    return SimpleNamespace(t0=datetime(2026, 1, 1), protocol_runner=SimpleNamespace(running=running))


def test_it_may_be_held_from_before_the_first_row():
    """What was taken as ``update_list`` once goes on working through new columns, wider columns and a reset."""
    log = EstimatorLog(capacity=4)
    update = log.update_list

    for t in range(10):
        update(t, Row(t, 1))
    update(10, Other(5))
    for t in range(11, 20):
        update(t, Row(0.5, t))
    assert log.get_dataframe()["t"].tolist() == list(range(20))
    assert [len(segment) for segment in log.segments] == [10, 1, 9]

    log.reset()
    update(3.0, Row(1, 2))
    assert log.stored_data == [(3.0, 1, 2)]


def test_names_of_arguments_may_be_given():
    """``t`` and ``data`` may be keywords."""
    log = EstimatorLog()

    log.update_list(t=0.5, data=Row(1, 2))
    log.update_list(1.0, data=Row(3, 4))

    assert log["x"].tolist() == [1, 3]


def test_an_overridden_update_is_called():
    """A subclass that has an ``update_list`` of its own is asked every time."""

    class Doubled(EstimatorLog):
        def update_list(self, t, data):
            super().update_list(t, Row(2 * data.x, data.y))

    log = Doubled()
    for t in range(3):
        log.update_list(t, Row(t, 0))

    assert log["x"].tolist() == [0, 2, 4]


def test_another_experiment_holds_from_the_next_row_on():
    """Whether rows may go is asked of the experiment that the accumulator has now."""
    log = EstimatorLog(experiment(running=True), max_history_if_not_running=10)
    for t in range(40):
        log.update_list(t, Row(t, 0))
    assert len(log.stored_data) == 40

    log.exp = experiment(running=False)
    log.update_list(40, Row(40, 0))

    assert log["t"].tolist() == list(range(31, 41))


def test_a_protocol_that_cannot_be_asked_is_an_error_but_loses_nothing():
    """Without ``running`` an AttributeError says so, and the row that came is there."""
    log = EstimatorLog(SimpleNamespace(t0=datetime(2026, 1, 1), protocol_runner=None), max_history_if_not_running=2)
    for t in range(3):
        log.update_list(t, Row(t, 0))

    with pytest.raises(AttributeError, match="running"):
        log.update_list(3, Row(3, 0))

    assert log["t"].tolist() == [0, 1, 2, 3]


def test_nothing_is_kept_or_leaked():
    """Reference counts stay as they were, and an accumulator that nobody holds is freed."""
    exp, row = experiment(running=True), Row(1.5, 2.5)
    log = EstimatorLog(exp, max_history_if_not_running=4, capacity=8)
    log.update_list(0.0, row)
    before = [sys.getrefcount(thing) for thing in (exp, exp.protocol_runner, row, row.x)]
    for _ in range(10_000):
        log.update_list(0.0, row)

    assert [sys.getrefcount(thing) for thing in (exp, exp.protocol_runner, row, row.x)] == before

    gone = weakref.ref(log)
    del log
    gc.collect()
    assert gone() is None


def test_who_listens_may_open_the_next_segment():
    """A row of other columns, appended while the first row of a segment is announced, is not mixed with it."""
    Pair = namedtuple("Pair", "a b")
    log = EstimatorLog()
    heard = []

    def answer():
        heard.append(log.columns)
        if len(heard) == 1:
            log.update_list(0.5, Pair(7, 8))

    log.sig_acc_init.connect(answer)
    log.update_list(0.0, Row(1, 2))
    log.update_list(1.0, Row(3, 4))

    assert heard == [("t", "x", "y"), ("t", "a", "b"), ("t", "x", "y")]
    frame = log.get_dataframe()
    assert frame["x"].dropna().tolist() == [1, 3]
    assert frame["a"].dropna().tolist() == [7]


@pytest.mark.parametrize("name", ["a\0b", "half \ud800"])
def test_a_name_that_no_file_can_hold_is_refused_at_the_first_row(name):
    """A recording that could not be saved at its end does not begin."""
    log = EstimatorLog()

    with pytest.raises(SchemaError, match="found"):
        log.update_list(0.0, row_class((name,))(1.0))

    assert log.is_empty()


def test_a_long_double_opens_a_column_that_can_be_saved(tmp_path):
    """More than 64 bits have no place in any file: they are rounded."""
    log = EstimatorLog()
    log.update_list(0.0, Row(np.longdouble(0.5), 1))

    assert log.get_dataframe()["x"].dtype == np.float64
    assert log.save(tmp_path / "log", "feather") == "log.feather"


def test_what_is_asked_may_reset_the_log():
    """An experiment whose ``running`` runs code of its own does no harm."""

    class Protocol:
        @property
        def running(self):
            log.reset()
            return True

    log = EstimatorLog(
        SimpleNamespace(t0=datetime(2026, 1, 1), protocol_runner=Protocol()), max_history_if_not_running=2
    )
    for t in range(50):
        log.update_list(t, Row(t, 0))

    assert len(log.stored_data) <= 4
