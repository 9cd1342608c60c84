"""The accumulators, row by row: what is a row, what its columns are, what is kept and for how long."""

from __future__ import annotations

import gc
import math
import queue
import sys
import tracemalloc
import weakref
from collections import namedtuple
from datetime import UTC, datetime, timedelta
from fractions import Fraction

import numba
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from accumulator_cases import (
    KINDS,
    T0,
    One,
    Tail,
    estimator,
    experiment,
    filled,
    state,
    taking,
    xs,
)
from naming import named

from ringacc import (
    Accumulator,
    DataFrameAccumulator,
    EstimatorLog,
    FramerateAccumulator,
    QueueDataAccumulator,
)
from ringacc.errors import (
    RowError,
    RowKindError,
    RowLengthError,
    RowRangeError,
    RowTimeError,
    SchemaError,
)
from ringacc.schema import row_class
from ringacc.testing import check, same

MANY = 5_000 if numba.config.DISABLE_JIT else 100_000


# The experiment ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [Accumulator, DataFrameAccumulator, EstimatorLog, FramerateAccumulator])
def test_attributes(kind):
    """The first three parameters are the experiment, the name and the history, and can be read again."""
    exp = experiment()
    acc = kind(exp, "tail", 50)
    assert (acc.exp, acc.name, acc.max_history_if_not_running) == (exp, "tail", 50)
    acc = kind(exp)
    assert (acc.name, acc.max_history_if_not_running) == ("", 1000)
    assert len(acc.stored_data) == len(acc.times) == 0
    assert acc.times.dtype == np.float64


def test_without_an_experiment_time_begins_now_and_every_row_counts():
    """An experiment that is None means: t0 is the moment of creation, and the accumulator counts as running."""
    before = datetime.now()
    log = EstimatorLog(max_history_if_not_running=2)
    assert before <= log.exp.t0 <= datetime.now()
    assert log.exp.protocol_runner.running
    for frame in range(10):
        log.update_list(log.exp.t0 + timedelta(seconds=frame), One(frame))
    assert log.times.tolist() == list(range(10))


def test_t0_is_read_when_a_row_comes():
    """A protocol that starts anew sets t0, and later rows are counted from there."""
    log = estimator()
    log.update_list(T0 + timedelta(seconds=5), One(1))
    log.exp.t0 = T0 + timedelta(seconds=60)
    log.update_list(T0 + timedelta(seconds=62), One(2))
    assert log.times.tolist() == [5.0, 2.0]


@pytest.mark.parametrize("form", [float, np.float64, np.float32, Fraction, "datetime", "aware", "timestamp"])
@KINDS
def test_a_time_is_a_number_or_a_datetime(kind, form):
    """A time is seconds since t0 in any number, or a datetime; all are kept as float64 seconds."""
    acc, put = taking(kind)
    seconds = 1.25
    if form == "aware":
        acc.exp.t0 = T0.replace(tzinfo=UTC)
        time = acc.exp.t0 + timedelta(seconds=seconds)
    elif form == "datetime":
        time = T0 + timedelta(seconds=seconds)
    elif form == "timestamp":
        time = pd.Timestamp(T0) + pd.Timedelta(seconds=seconds)
    else:
        time = form(seconds)
    for _ in range(3):
        put(time, 1.0)
    assert acc.times.dtype == np.float64
    assert acc.times.tolist() == [1.25] * 3
    assert acc.get_last_n(1).tolist() == [[1.25, 1.0]]


@pytest.mark.parametrize("aware", ["t0", "time"])
@KINDS
def test_a_time_zone_on_one_side_only_is_refused(kind, aware):
    """A datetime with a time zone and a t0 without, or the reverse, is an error that says so."""
    acc, put = taking(kind)
    put(0.0, 1.0)
    before = state(acc)
    time = T0
    if aware == "t0":
        acc.exp.t0 = T0.replace(tzinfo=UTC)
    else:
        time = T0.replace(tzinfo=UTC)
    with pytest.raises(RowTimeError, match="time zone"):
        put(time, 2.0)
    with pytest.raises(RowTimeError, match="time zone"):
        acc.values_at_abs_time(time)
    assert state(acc) == before


@pytest.mark.parametrize("time", [math.nan, math.inf, -math.inf, np.float64("nan"), None, "0.5", [1.0], 1j])
@pytest.mark.parametrize("rows", [0, 3])
@KINDS
def test_what_is_no_time_is_refused(kind, rows, time):
    """A time that is no finite number is an error, nothing is written, and good rows go on."""
    acc, put = taking(kind)
    for frame in range(rows):
        put(frame / 10, 1.0)
    before = state(acc)
    with pytest.raises(RowError):
        put(time, 2.0)
    assert state(acc) == before
    put(9.0, 3.0)
    assert acc.times.tolist() == [*(frame / 10 for frame in range(rows)), 9.0]


def test_times_may_repeat_and_go_back():
    """A time that repeats or goes back is kept and counted."""
    log = estimator()
    for time in (0.0, 1.0, 1.0, 0.5, 3.0):
        log.update_list(time, One(time))
    assert log.times.tolist() == [0.0, 1.0, 1.0, 0.5, 3.0]
    health = log.health()
    assert (health.rows, health.repeats, health.backward, health.largest_gap) == (5, 1, 1, 2.5)
    assert (health.overwritten, health.missed) == (0, 0)


# Columns and dtypes -----------------------------------------------------------------------------------------------


@KINDS
def test_column_0_is_t_everywhere(kind):
    """The time is the first column of every array, table, row and name list."""
    acc, put = taking(kind)
    put(0.5, 7.0)
    assert acc.columns == ("t", "x")
    assert acc.header_dict == {"t": 0, "x": 1}
    assert acc.stored_data[-1] == (0.5, 7.0)
    assert acc.stored_data[-1]._fields == ("t", "x")
    assert acc[-1] == acc.values_at_abs_time(0.5) == (0.5, 7.0)
    assert acc.get_last_n().tolist() == acc.get_last_t(1.0).tolist() == [[0.5, 7.0]]
    assert list(acc.get_dataframe().columns) == ["t", "x"]
    for rows in (acc[0:1], acc.last(1), acc.window(1), acc.between(0, 1), acc.since(0)[0], acc.at(0.5), *acc.blocks()):
        assert rows.dtype.names == ("t", "x")
    assert pa.table(acc).column_names == ["t", "x"]


@pytest.mark.parametrize(
    ("value", "dtype"),
    [(0.5, "f8"), (3, "i8"), (True, "?"), (Fraction(1, 2), "f8"), (-(2**63), "i8"), (math.nan, "f8")]
    + [(np.dtype(name).type(1), name) for name in ("f8", "f4", "i8", "i4", "i2", "i1", "u8", "u4", "u2", "u1", "?")],
)
@KINDS
def test_the_first_row_fixes_the_dtype(kind, value, dtype):
    """Python's numbers open float64, int64 and bool columns; NumPy's keep their own dtype, in tables too."""
    acc, put = taking(kind)
    put(0.0, value)
    put(0.1, value)
    assert acc["x"].dtype == acc.get_dataframe()["x"].dtype == np.dtype(dtype)
    assert same(acc["x"], [np.dtype(dtype).type(value)] * 2)
    assert acc["t"].dtype == acc.get_dataframe()["t"].dtype == np.float64
    assert len(acc.segments) == 1


@pytest.mark.parametrize(
    ("first", "second", "wide", "united"),
    [
        (1, 0.5, "f8", "f8"),
        (1, 3.0, "f8", "f8"),
        (1, math.nan, "f8", "f8"),
        (1, np.float32(0.5), "f8", "f8"),
        (True, 7, "i8", "i8"),
        (True, 0.5, "f8", "f8"),
        (np.int16(1), 40_000, "i8", "i8"),
        (np.uint8(1), -1, "i8", "i8"),
        (np.float32(0.5), 1e300, "f8", "f8"),
        (1, 2**63, "f8", "f8"),
    ],
)
@KINDS
def test_a_number_too_wide_for_its_column_opens_a_segment(kind, first, second, wide, united):
    """A number that its column cannot hold opens a segment of the wider type; the table unites both."""
    acc, put = taking(kind)
    heard = []
    acc.sig_acc_init.connect(lambda: heard.append(acc["x"].tolist()))
    put(0.0, first)
    put(0.1, second)
    put(0.2, first)
    assert [len(segment) for segment in acc.segments] == [1, 2]
    assert acc["x"].dtype == np.dtype(wide)
    assert same(acc["x"], np.array([second, first], wide))
    assert acc.columns == ("t", "x")
    frame = acc.get_dataframe()
    assert frame["x"].dtype == np.dtype(united)
    assert same(frame["x"].to_numpy(), np.array([first, second, first], united))
    assert same(heard, [[np.array([first]).tolist()[0]], np.array([second], wide).tolist()])


@pytest.mark.parametrize(
    ("first", "second"),
    [(0.5, 1), (0.5, True), (0.5, 2**53 + 1), (1, True), (1, np.int8(3)), (np.int8(1), 100), (np.float32(1), 0.1)],
)
def test_a_number_that_fits_opens_no_segment(first, second):
    """A number that its column can hold is cast to it."""
    log = estimator()
    log.update_list(0.0, One(first))
    log.update_list(0.1, One(second))
    assert len(log.segments) == 1
    dtype = np.array([first]).dtype
    assert log["x"].dtype == dtype
    assert same(log["x"], np.array([first, second]).astype(dtype))


NO_NUMBERS = ["5", b"5", None, 1j, object(), [1.0], (1.0,), np.array([1.0, 2.0]), np.datetime64("2018-11-15"), {}]


@pytest.mark.parametrize("value", NO_NUMBERS, ids=named)
@pytest.mark.parametrize("known", [None, 0.5, 3, True, np.float32(1.0)])
@KINDS
def test_a_value_that_is_no_number_is_refused(kind, known, value):
    """What is no number is an error that names the column, nothing is written, and good rows go on."""
    acc, put = taking(kind)
    if known is not None:
        put(0.0, known)
        put(0.1, known)
    before = state(acc)
    with pytest.raises(RowKindError, match="'x'"):
        put(0.2, value)
    assert state(acc) == before
    put(0.3, 2.5)
    assert acc["x"][-1] == 2.5
    assert len(acc.get_dataframe()) == (1 if known is None else 3)


@pytest.mark.parametrize("known", [None, 1, 0.5])
def test_a_whole_number_of_too_many_bits_is_refused(known):
    """An int that fits no number type is an error, and nothing is written."""
    log = estimator()
    if known is not None:
        log.update_list(0.0, One(known))
    before = state(log)
    with pytest.raises(RowRangeError):
        log.update_list(0.1, One(10**400))
    assert state(log) == before


@pytest.mark.parametrize("row", [(1.0,), [1.0], {"x": 1.0}, 1.0, None, np.array([1.0]), One, "x"], ids=repr)
@pytest.mark.parametrize("rows", [0, 2])
@pytest.mark.parametrize("kind", ["estimator", "queue"])
def test_a_row_without_names_is_refused(kind, rows, row):
    """What is no namedtuple is an error that says so, and nothing is written."""
    acc, put = taking(kind)
    for frame in range(rows):
        put(frame / 10, 1.0)
    before = state(acc)
    given = (0.5, row)
    if kind == "queue":
        acc.data_queue.put(given)
        given = ()
    with pytest.raises(RowKindError, match="namedtuple"):
        acc.update_list(*given)
    assert state(acc) == before
    put(0.7, 1.0)
    assert len(acc.stored_data) == rows + 1


@pytest.mark.parametrize("values", [(), (1.0,), (1.0, 2.0, 3.0)])
@pytest.mark.parametrize("rows", [0, 2])
def test_a_row_with_too_few_or_too_many_values_is_refused(rows, values):
    """A row whose values are more or fewer than its names is an error, and nothing is written."""

    class Torn(tuple):
        """Say that there are two values."""

        _fields = ("x", "y")

    log = filled(rows)
    before = state(log)
    with pytest.raises(RowLengthError, match="expected 2 values"):
        log.update_list(0.5, Torn(values))
    assert state(log) == before


@pytest.mark.parametrize("names", [("x", "t"), ("t",), ("x", "x"), ("",)])
@pytest.mark.parametrize("rows", [0, 2])
def test_names_that_cannot_be_columns_are_refused(rows, names):
    """A column called "t", one of no name, or two of one name: an error, and nothing is written."""
    log = filled(rows)
    before = state(log)
    with pytest.raises(SchemaError):
        log.update_list(0.5, row_class(names)(*map(float, range(len(names)))))
    assert state(log) == before


def test_names_that_are_no_identifiers():
    """Any text may name a column: it is reached by its name, and in rows by its place."""
    names = ("closed loop 1D_vel", "θ", "class")
    log = estimator()
    for frame in range(3):
        log.update_list(frame, row_class(names)(frame + 0.25, frame + 0.5, frame))
    assert log.columns == ("t", *names)
    assert log["closed loop 1D_vel"].tolist() == [0.25, 1.25, 2.25]
    assert log[1:, "θ"].tolist() == [1.5, 2.5]
    assert log.stored_data[-1] == log[-1] == (2.0, 2.25, 2.5, 2)
    assert log.last(1)["class"].tolist() == [2]
    assert list(log.get_dataframe().columns) == ["t", *names]


def test_a_row_may_have_no_values_but_its_time():
    """An empty namedtuple is a row with a time only."""
    log = estimator()
    for frame in range(3):
        log.update_list(frame, namedtuple("Empty", ())())
    assert log.columns == ("t",)
    assert log.get_last_n().tolist() == [[0.0], [1.0], [2.0]]
    assert list(log.stored_data) == [(0.0,), (1.0,), (2.0,)]


# No row is lost; idle is bounded ----------------------------------------------------------------------------------


@pytest.mark.parametrize("capacity", [1, 2, 300])
@KINDS
def test_no_row_is_lost_while_the_protocol_runs(kind, capacity):
    """However many rows come while the protocol runs, all are there in order, whatever the ring holds."""
    count = MANY if capacity == 300 else MANY // 50
    acc, put = taking(kind, max_history_if_not_running=10, capacity=capacity)
    for frame in range(count):
        put(frame / 1000, frame)
    assert len(acc.stored_data) == len(acc.times) == acc.health().rows == count
    assert np.array_equal(acc["x"], np.arange(count))
    assert np.array_equal(acc.times, np.arange(count) / 1000)
    assert np.array_equal(acc.get_dataframe()["x"], np.arange(count))
    assert acc.health().overwritten == 0
    check(acc.segments[-1].ring)


@pytest.mark.parametrize("capacity", [1, 7, 12, 1000])
@KINDS
def test_idle_history_is_bounded(kind, capacity):
    """While the protocol does not run, rows are trimmed to the newest max_history above 1.5 x as many."""
    acc, put = taking(kind, running=False, max_history_if_not_running=10, capacity=capacity)
    kept = []
    for frame in range(100):
        put(frame / 10, float(frame))
        kept = [*kept, float(frame)]
        kept = kept[-10:] if len(kept) > 15 else kept
        assert acc["x"].tolist() == kept
    assert acc.times.tolist() == [x / 10 for x in kept]


def test_idle_history_is_bounded_while_a_long_queue_is_taken():
    """A backlog that is taken at once while idle is trimmed on the way, and the newest rows stay."""

    class Watched(queue.Queue):
        """Look at the rows that are kept whenever one is taken."""

        def get(self, block=True, timeout=None):
            most.append(len(acc.stored_data))
            return super().get(block, timeout)

    rows, most = Watched(), []
    acc = QueueDataAccumulator(rows, experiment=experiment(running=False), max_history_if_not_running=20)
    for frame in range(1000):
        rows.put((frame / 10, One(frame)))
    acc.update_list()
    assert max(most) == 30
    assert 20 <= len(acc.stored_data) <= 30
    assert acc["x"].tolist() == list(range(1000))[-len(acc.stored_data) :]


@pytest.mark.parametrize("running", [True, 1, np.True_, False, 0, np.False_, None], ids=repr)
@KINDS
def test_whether_the_protocol_runs_is_asked_for_each_row(kind, running):
    """What counts is the experiment, its runner and what that says, true or false, at the moment of each row."""
    acc, put = taking(kind, max_history_if_not_running=10)

    def rows_after(more):
        first = len(acc.stored_data)
        for frame in range(more):
            put(first + frame, 1.0)
        return len(acc.stored_data)

    assert rows_after(30) == 30
    acc.exp.protocol_runner.running = running
    assert rows_after(1) == (31 if running else 10)
    acc.exp.protocol_runner = experiment(True).protocol_runner
    assert rows_after(60) == (91 if running else 70)
    acc.exp.protocol_runner = experiment(running).protocol_runner
    assert rows_after(1) == (92 if running else 10)
    acc.exp = experiment(True)
    assert rows_after(30) == (122 if running else 40)
    acc.exp = experiment(running, T0 - timedelta(seconds=100))
    assert rows_after(1) == (123 if running else 10)
    put(T0, 1.0)
    assert acc.times[-1] == 100.0


@pytest.mark.parametrize("running", [True, False])
@KINDS
def test_an_experiment_may_act_when_it_is_asked(kind, running):
    """An experiment that resets the accumulator while it is asked whether it runs finds it reset, and rows go on."""
    acc, put = taking(kind, max_history_if_not_running=2)
    asked = []

    class Runner:
        """Reset when asked for the third time."""

        @property
        def running(self):
            asked.append(1)
            if len(asked) == 3:
                acc.reset()
            return running or len(asked) < 3

    acc.exp.protocol_runner = Runner()
    for frame in range(50):
        put(frame, 1.0)
    first = 50 - len(acc.times)
    assert acc.times.tolist() == list(range(first, 50))
    assert first == 6 if running else first >= 47


@pytest.mark.parametrize("running", [True, False])
@KINDS
def test_handing_in_rows_holds_on_to_nothing(kind, running):
    """No reference is kept to a row, a time, the experiment or what that says, however many rows came."""
    acc, put = taking(kind, running, max_history_if_not_running=10)
    time, value = 123.5, 678.25
    said = weakref.WeakSet()

    class Runner:
        """Say whether it runs by an object that is nobody else's."""

        @property
        def running(self):
            answer = type("Answer", (), {"__bool__": lambda _: running})()
            said.add(answer)
            return answer

    acc.exp.protocol_runner = Runner()
    for _ in range(50):
        put(time, value)
    things = (time, value, acc.exp, acc.exp.protocol_runner, acc)
    before = [sys.getrefcount(thing) for thing in things]
    for _ in range(500):
        put(time, value)
    assert [sys.getrefcount(thing) for thing in things] == before
    gc.collect()
    assert len(said) == 0


def test_a_change_of_columns_gives_the_memory_of_the_ring_back():
    """However often the columns change, there is one ring, beside the rows."""
    log = estimator(capacity=10_000)
    tracemalloc.start()
    try:
        for frame in range(50):
            log.update_list(frame, (One, Tail)[frame % 2](*[1.0] * (1 + frame % 2)))
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(log.segments) == 50
    assert held < 2 * (2 * 10_000 * 24)


@KINDS
def test_an_accumulator_is_forgotten_with_its_last_reference(kind):
    """What an accumulator holds is free again once nobody holds the accumulator."""
    acc, put = taking(kind, capacity=16)
    for frame in range(100):
        put(frame, 1.0)
    gone = weakref.ref(acc)
    del acc, put
    gc.collect()
    assert gone() is None


def test_rows_of_a_run_are_trimmed_when_it_has_stopped():
    """The first row after the protocol has stopped trims what it recorded; until then all is there."""
    log = filled(500, max_history_if_not_running=10)
    log.exp.protocol_runner.running = False
    assert len(log.stored_data) == 500
    log.update_list(5.0, Tail(500.0, 0.0))
    assert xs(log.stored_data) == list(range(491, 501))
    log.exp.protocol_runner.running = True
    for frame in range(501, 600):
        log.update_list(frame / 100, Tail(float(frame), 0.0))
    assert xs(log.stored_data) == list(range(491, 600))


def test_trim_counts_the_rows_of_all_segments():
    """Idle, the oldest rows go first, whatever segment they are in; a segment without rows goes too."""
    log = estimator(running=False, max_history_if_not_running=4)
    for frame in range(3):
        log.update_list(frame, One(frame))
    for frame in range(3, 6):
        log.update_list(frame, Tail(frame, frame))
    assert log.get_dataframe()["x"].tolist() == [0, 1, 2, 3, 4, 5]
    log.update_list(6, Tail(6, 6))
    assert log.get_dataframe()["x"].tolist() == [3, 4, 5, 6]
    assert [segment.columns for segment in log.segments] == [("t", "x", "y")]
    log.update_list(7, One(7))
    log.update_list(8, One(8))
    log.update_list(9, One(9))
    assert [(segment.columns, len(segment)) for segment in log.segments] == [(("t", "x", "y"), 1), (("t", "x"), 3)]


def test_trim_data():
    """trim_data keeps all while running and up to 1.5 x max_history, and the last max_history above."""
    log = filled(15, max_history_if_not_running=10)
    log.trim_data()
    assert len(log.stored_data) == 15
    log.exp.protocol_runner.running = False
    log.trim_data()
    assert len(log.stored_data) == 15
    log.exp.protocol_runner.running = True
    log.update_list(0.15, Tail(15.0, 0.0))
    assert len(log.stored_data) == 16
    log.exp.protocol_runner.running = False
    log.trim_data()
    assert xs(log.stored_data) == list(range(6, 16))


def test_the_history_may_be_set():
    """Another max_history_if_not_running holds from the next row on."""
    log = estimator(running=False, max_history_if_not_running=10)
    for frame in range(12):
        log.update_list(frame, One(frame))
    log.max_history_if_not_running = 3
    log.update_list(12, One(12))
    assert xs(log.stored_data) == [10, 11, 12]
    log.max_history_if_not_running = 100
    for frame in range(13, 100):
        log.update_list(frame, One(frame))
    assert xs(log.stored_data) == list(range(10, 100))
    with pytest.raises(ValueError, match="history"):
        log.max_history_if_not_running = -1


def test_no_history_at_all():
    """With a history of 0 nothing stays while idle, but the columns are known."""
    log = estimator(running=False, max_history_if_not_running=0)
    for frame in range(5):
        log.update_list(frame, One(frame))
        assert log.is_empty()
    assert log.columns == ("t", "x")
    assert log.get_last_n().shape == (0, 2)


@pytest.mark.parametrize(
    "bad",
    [{"max_history_if_not_running": -1}, {"fps_calc_points": 1}, {"capacity": 0}, {"capacity": -5}],
)
def test_settings_that_make_no_sense_are_refused(bad):
    """A negative history, a rate over less than two rows, a ring without rows: a ValueError at once."""
    with pytest.raises(ValueError, match="expected"):
        estimator(**bad)
