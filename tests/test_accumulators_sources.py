"""The accumulators by where their rows come from: a queue, a camera, a stimulus, an estimator."""

from __future__ import annotations

import math
import queue
from collections import namedtuple
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import numpy as np
import pytest
from accumulator_cases import (
    T0,
    Eyes,
    One,
    Tail,
    estimator,
    experiment,
    queued,
    state,
    stimulus,
)
from naming import named

from ringacc import (
    DynamicLog,
    EstimatorLog,
    FramerateAccumulator,
    FramerateQueueAccumulator,
    QueueDataAccumulator,
    load,
)
from ringacc.errors import (
    RowError,
    RowKindError,
    RowTimeError,
    SchemaError,
)
from ringacc.schema import row_class
from ringacc.testing import same

# QueueDataAccumulator ---------------------------------------------------------------------------------------------


def test_queue_takes_all_that_waits():
    """update_list takes everything that waits, and takes nothing where nothing does."""
    acc, rows = queued()
    acc.update_list()
    assert acc.is_empty()
    for frame in range(1000):
        rows.put((T0 + timedelta(milliseconds=frame), Tail(float(frame), 0.0)))
    acc.update_list()
    assert rows.empty()
    assert acc["x"].tolist() == list(range(1000))
    assert acc.times.tolist() == [frame / 1000 for frame in range(1000)]
    acc.update_list()
    assert len(acc.stored_data) == 1000
    assert acc.data_queue is rows


def test_queue_is_never_waited_for():
    """update_list asks the queue not to block."""

    class Impatient(queue.Queue):
        """Refuse to wait."""

        def get(self, block=True, timeout=None):
            assert not block
            return super().get(block, timeout)

    rows = Impatient()
    rows.put((0.0, One(1)))
    for acc in (
        QueueDataAccumulator(rows, experiment=experiment()),
        FramerateQueueAccumulator(experiment(), queue=Impatient()),
    ):
        acc.update_list()
    assert rows.empty()


def test_queue_keeps_earlier_rows_when_the_columns_change():
    """A row with other columns opens a segment, in mid-protocol too, and no row is lost; init follows each."""
    acc, rows = queued(capacity=16)
    heard = []
    acc.sig_acc_init.connect(lambda: heard.append(acc.columns))
    acc.sig_acc_reset.connect(lambda: heard.append("reset"))
    makers = [Tail, Eyes, Tail]
    for frame in range(90):
        maker = makers[frame // 30]
        rows.put((frame / 100, maker(*[float(frame)] * len(maker._fields))))
    acc.update_list()
    assert heard == [("t", "x", "y"), ("t", "left", "right", "ok"), ("t", "x", "y")]
    assert [(segment.columns[1:], len(segment)) for segment in acc.segments] == [
        (("x", "y"), 30),
        (("left", "right", "ok"), 30),
        (("x", "y"), 30),
    ]
    frame = acc.get_dataframe()
    assert list(frame.columns) == ["t", "x", "y", "left", "right", "ok"]
    assert same(frame["t"].to_numpy(), [frame / 100 for frame in range(90)])
    nothing = [math.nan] * 30
    assert same(frame["x"].to_numpy(), [*map(float, range(30)), *nothing, *map(float, range(60, 90))])
    assert same(frame["ok"].to_numpy(), [*nothing, *map(float, range(30, 60)), *nothing])
    assert acc.columns == ("t", "x", "y")
    assert acc["x"].tolist() == list(range(60, 90))


def test_queue_compares_columns_and_not_classes():
    """Rows of other classes with the same fields belong to one segment; the same fields in another order do not."""
    acc, rows = queued()
    for frame in range(30):
        rows.put((frame, namedtuple(f"Row{frame % 3}", "x y")(frame, -frame)))
    rows.put((30, row_class(("x", "y"))(30, -30)))
    acc.update_list()
    assert [len(segment) for segment in acc.segments] == [31]
    assert acc["x"].tolist() == list(range(31))
    rows.put((31, namedtuple("Row", "y x")(-31, 31)))
    acc.update_list()
    assert [len(segment) for segment in acc.segments] == [31, 1]
    assert acc.columns == ("t", "y", "x")
    assert acc.get_dataframe()["x"].tolist() == list(range(32))


NO_PAIRS = [5, None, (1.0,), (0.5, One(1), 3), (), "row", object()]


@pytest.mark.parametrize("item", [*NO_PAIRS, (math.nan, One(1)), (0.5, One("1")), (0.5, None)], ids=named)
def test_queue_drops_what_is_no_row_and_goes_on(item):
    """What is no row is an error; what waited before it is there, what waits behind it is taken by the next call."""
    acc, rows = queued()
    for waiting in ((0.0, One(1)), (0.1, One(2)), item, (0.2, One(3)), (0.3, One(4))):
        rows.put(waiting)
    with pytest.raises(RowError, match="expected"):
        acc.update_list()
    assert acc["x"].tolist() == [1, 2]
    acc.update_list()
    assert acc["x"].tolist() == [1, 2, 3, 4]
    assert len(acc.segments) == 1


def test_queue_takes_the_settings_of_all():
    """Everything but the queue is given by keyword, as for the others."""
    acc = QueueDataAccumulator(
        queue.Queue(),
        experiment=experiment(),
        name="tracking",
        max_history_if_not_running=7,
        fps_calc_points=5,
        monitored_headers=["x"],
    )
    assert (acc.name, acc.max_history_if_not_running) == ("tracking", 7)
    assert (acc.fps_calc_points, acc.plot_columns) == (5, ["x"])


# Framerates -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("tz", [None, UTC])
def test_framerates_are_bare_and_stamped_now(tz):
    """stored_data holds the rates as floats; times when each was handed in."""
    t0 = datetime.now(tz) - timedelta(seconds=100)
    rates = FramerateAccumulator(experiment(t0=t0), goal_framerate=300)
    assert rates.goal_framerate == 300
    assert FramerateAccumulator(experiment()).goal_framerate is None
    before = (datetime.now(tz) - t0).total_seconds()
    rates.update_list(299.5)
    rates.update_list(300)
    rates.update_list(np.float32(0.25))
    after = (datetime.now(tz) - t0).total_seconds()
    assert list(rates.stored_data) == [299.5, 300.0, 0.25]
    assert [type(rate) for rate in rates.stored_data] == [float] * 3
    assert rates.stored_data[-1] == 0.25
    assert rates.stored_data[-2:] == [300.0, 0.25]
    assert before <= rates.times[0] <= rates.times[1] <= rates.times[2] <= after


@pytest.mark.parametrize("running", [True, False])
@pytest.mark.parametrize("history", [0, 1, 3, 10])
@pytest.mark.parametrize("source", ["call", "queue"])
def test_framerates_are_trimmed_always(source, history, running):
    """Above 1.5 x max_history rates the newest max_history stay, whether the protocol runs or not."""
    exp, waiting = experiment(running), queue.Queue()
    settings = {"experiment": exp, "max_history_if_not_running": history}
    rates = FramerateAccumulator(**settings)
    if source == "queue":
        rates = FramerateQueueAccumulator(**settings, queue=waiting)
    kept = []
    for fps in range(50):
        if source == "queue":
            waiting.put((T0 + timedelta(seconds=fps), fps))
            rates.update_list()
        else:
            rates.update_list(fps)
        kept.append(float(fps))
        if len(kept) > 1.5 * history:
            kept = kept[len(kept) - history :]
        assert list(rates.stored_data) == kept
        assert len(rates.times) == len(kept)
    if source == "queue":
        assert rates.times.tolist() == kept


def test_framerates_reset_and_trim():
    """A reset forgets all rates; trim_data alone takes none away that may stay."""
    rates = FramerateAccumulator(experiment(), "camera", 10)
    for fps in range(12):
        rates.update_list(fps)
    rates.trim_data()
    assert len(rates.stored_data) == 12
    rates.max_history_if_not_running = 5
    rates.trim_data()
    assert list(rates.stored_data) == [7.0, 8.0, 9.0, 10.0, 11.0]
    rates.max_history_if_not_running = 100
    for fps in range(140):
        rates.update_list(fps)
    assert len(rates.stored_data) == 145
    rates.reset()
    assert len(rates.stored_data) == len(rates.times) == 0
    rates.update_list(5)
    assert list(rates.stored_data) == [5.0]


@pytest.mark.parametrize("fps", ["300", None, [300.0], 1j])
def test_framerates_refuse_what_is_no_number(fps):
    """A rate that is no number is an error, and nothing is written."""
    rates = FramerateAccumulator(experiment())
    rates.update_list(1.0)
    with pytest.raises(RowKindError):
        rates.update_list(fps)
    assert list(rates.stored_data) == [1.0]


@pytest.mark.parametrize("item", [*NO_PAIRS, (math.nan, 3.0), (T0.replace(tzinfo=UTC), 3.0), (T0, "3")], ids=named)
def test_framerates_of_a_queue(item):
    """(datetime, rate) pairs are taken all at once; one that is none is dropped with an error."""
    waiting = queue.Queue()
    rates = FramerateQueueAccumulator(experiment(), queue=waiting, goal_framerate=30)
    assert (rates.queue, rates.goal_framerate) == (waiting, 30)
    rates.update_list()
    assert len(rates.stored_data) == 0
    for pair in ((T0 + timedelta(seconds=1), 30.5), (1.5, 31), item, (T0 + timedelta(seconds=2), 29.5)):
        waiting.put(pair)
    with pytest.raises(RowError, match="expected"):
        rates.update_list()
    assert list(rates.stored_data) == [30.5, 31.0]
    rates.update_list()
    assert list(rates.stored_data) == [30.5, 31.0, 29.5]
    assert rates.times.tolist() == [1.0, 1.5, 2.0]


# DynamicLog -------------------------------------------------------------------------------------------------------


def dynamic(*stimuli, **settings):
    """Return an empty DynamicLog of these stimuli."""
    return DynamicLog(stimuli, experiment=experiment(), **settings)


def test_dynamic_columns_are_the_ordered_union():
    """Columns are the names of all stimuli in the order of their first appearance, known before the first row."""
    log = dynamic(
        stimulus("vel", "closed loop 1D_vel"),
        SimpleNamespace(name="pause"),
        SimpleNamespace(dynamic_parameter_names=None),
        stimulus(),
        stimulus("gain", "vel"),
    )
    assert log.columns == ("t", "vel", "closed loop 1D_vel", "gain")
    assert log.header_dict == {"t": 0, "vel": 1, "closed loop 1D_vel": 2, "gain": 3}
    assert log.is_empty()
    assert log.get_last_n().shape == (0, 4)
    assert len(log["gain"]) == len(log.get_dataframe()) == 0
    assert list(log.get_dataframe().columns) == ["t", "vel", "closed loop 1D_vel", "gain"]


def test_dynamic_values_by_name():
    """A missing value is NaN, one of an unknown name is dropped and counted; the order of the dict does not matter."""
    log = dynamic(stimulus("closed loop 1D_vel", "gain"))
    assert log.dropped == 0
    log.update_list(0.0, {"gain": 2.0, "closed loop 1D_vel": -10.0})
    log.update_list(T0 + timedelta(seconds=1), {"gain": 3.0})
    log.update_list(2.0, {"phase": 1.0, "closed loop 1D_vel": 5.0, "other": None})
    log.update_list(3.0, {})
    nan = math.nan
    wanted = [[0.0, -10.0, 2.0], [1.0, nan, 3.0], [2.0, 5.0, nan], [3.0, nan, nan]]
    assert same(log.get_last_n(), wanted)
    assert log.dropped == 2
    assert log.columns == ("t", "closed loop 1D_vel", "gain")
    assert len(log.segments) == 1


def test_dynamic_name():
    """The name is "stimulus_params" unless another is given."""
    assert dynamic().name == "stimulus_params"
    assert dynamic(name="grating").name == "grating"


def test_dynamic_init_follows_the_first_row():
    """sig_acc_init waits for the first row of the stimuli."""
    log = dynamic(stimulus("x"))
    heard = []
    log.sig_acc_init.connect(lambda: heard.append((log.columns, len(log.stored_data))))
    log.update_stimuli([stimulus("y")])
    assert heard == []
    log.update_list(0.0, {"y": 1.0})
    log.update_list(0.1, {"y": 1.0})
    log.update_stimuli([stimulus("x")])
    assert heard == [(("t", "y"), 1)]
    log.update_list(0.2, {"x": 1.0})
    assert heard == [(("t", "y"), 1), (("t", "x"), 1)]


def test_update_stimuli_opens_a_segment():
    """Other stimuli bring other columns; the rows before stay in the table."""
    log = dynamic(stimulus("x"), capacity=4)
    for frame in range(10):
        log.update_list(frame, {"x": float(frame)})
    log.update_stimuli([stimulus("x", "gain")])
    assert log.columns == ("t", "x", "gain")
    assert len(log.stored_data) == 0
    assert not log.is_empty()
    assert log.get_dataframe()["x"].tolist() == list(range(10))
    log.update_list(10, {"gain": 0.5})
    assert [(segment.columns, len(segment)) for segment in log.segments] == [(("t", "x"), 10), (("t", "x", "gain"), 1)]
    frame = log.get_dataframe()
    assert same(frame["x"].to_numpy(), [*map(float, range(10)), math.nan])
    assert same(frame["gain"].to_numpy(), [*[math.nan] * 10, 0.5])
    log.update_stimuli([stimulus("x", "gain")])
    log.update_list(11, {"gain": 0.5})
    assert [len(segment) for segment in log.segments] == [10, 1, 1]


def test_rows_are_saved_though_the_new_stimuli_have_none(tmp_path):
    """The rows of earlier stimuli are written before the first row of the new ones has come."""
    log = dynamic(stimulus("x"))
    log.update_list(0.5, {"x": 1.5})
    log.update_stimuli([stimulus("gain")])
    assert log.save(tmp_path / "log", "feather") == "log.feather"
    assert load(tmp_path / "log.feather").to_numpy().tolist() == [[0.5, 1.5]]


@pytest.mark.parametrize("name", ["t", "", 5])
def test_update_stimuli_refuses_names_that_cannot_be_columns(name):
    """A parameter called "t", one of no name, one that is no text: an error, and the columns stay as they were."""
    log = dynamic(stimulus("x"))
    log.update_list(0.0, {"x": 1.0})
    before = state(log)
    with pytest.raises(SchemaError):
        log.update_stimuli([stimulus("gain", name)])
    with pytest.raises(SchemaError):
        dynamic(stimulus(name))
    assert state(log) == before
    log.update_list(0.1, {"x": 2.0, "gain": 1.0})
    assert log["x"].tolist() == [1.0, 2.0]
    assert log.dropped == 1


def test_dynamic_without_parameters():
    """Stimuli without any dynamic parameter leave the time alone."""
    log = dynamic()
    assert log.columns == ("t",)
    log.update_list(0.5, {"vel": 1.0})
    log.update_list(1.0, {})
    assert log.get_last_n().tolist() == [[0.5], [1.0]]
    assert log.dropped == 1


@pytest.mark.parametrize("data", [None, 5, (1.0,), [("x", 1.0)], One(1.0), {"x": "1"}, {"x": None}], ids=repr)
@pytest.mark.parametrize("rows", [0, 2])
def test_dynamic_refuses_what_is_no_row(rows, data):
    """What is no dict of numbers is an error; nothing is written or counted."""
    log = dynamic(stimulus("x"))
    for frame in range(rows):
        log.update_list(frame, {"x": 1.0})
    before = state(log)
    with pytest.raises(RowKindError, match="expected"):
        log.update_list(5.0, data)
    with pytest.raises(RowTimeError):
        log.update_list(math.nan, {"x": 1.0, "y": 1.0})
    assert state(log) == before
    assert log.dropped == 0


def test_dynamic_reset_keeps_the_columns():
    """A reset forgets the rows of all stimuli, and the columns of the last ones stay."""
    log = dynamic(stimulus("x"))
    log.update_list(0.0, {"x": 1})
    log.update_stimuli([stimulus("gain")])
    log.update_list(1.0, {"gain": 1})
    heard = []
    log.sig_acc_reset.connect(lambda: heard.append((log.is_empty(), log.columns)))
    log.reset(["gain"])
    assert heard == [(True, ("t", "gain"))]
    assert log.plot_columns == ["gain"]
    assert [(segment.columns, len(segment)) for segment in log.segments] == [(("t", "gain"), 0)]
    log.update_list(2.0, {"gain": 0.5})
    assert log.get_dataframe().to_numpy().tolist() == [[2.0, 0.5]]


# EstimatorLog -----------------------------------------------------------------------------------------------------


def test_estimator_log():
    """update_list takes a time and a namedtuple; init follows the first row; idle rows are trimmed."""
    log = EstimatorLog(experiment(running=False), name="vigour", max_history_if_not_running=4)
    heard = []
    log.sig_acc_init.connect(lambda: heard.append(log.stored_data[-1]))
    for frame in range(9):
        log.update_list(T0 + timedelta(seconds=frame), Tail(frame / 2, frame))
    assert heard == [(0.0, 0.0, 0)]
    assert log.get_last_n(2).tolist() == [[7.0, 3.5, 7.0], [8.0, 4.0, 8.0]]
    assert 4 <= len(log.stored_data) <= 6


@pytest.mark.parametrize("taken", ["before the first row", "after the first row"])
def test_estimator_log_by_a_method_that_was_taken_before(taken):
    """An update_list that somebody holds puts rows where they belong, whatever has happened since."""
    log = estimator(capacity=8, max_history_if_not_running=6)
    put = log.update_list
    put(0.0, Tail(0, 0))
    if taken == "after the first row":
        put = log.update_list
    for frame in range(1, 20):
        put(frame, Tail(frame, 0))
    log.update_list(20, One(20))
    put(21, One(21))
    put(22, Tail(22, 0))
    put(23, Tail(0.5, 0))
    put(24, Tail(24, 0))
    with pytest.raises(RowKindError):
        put(25, Tail("25", 0))
    assert [len(segment) for segment in log.segments] == [20, 2, 1, 2]
    assert log.get_dataframe()["x"].tolist() == [*map(float, range(23)), 0.5, 24.0]
    log.exp.protocol_runner.running = False
    put(25, Tail(25, 0))
    assert log.get_dataframe()["t"].tolist() == [20, 21, 22, 23, 24, 25]
    log.reset()
    put(26, Tail(26, 0))
    assert log.get_last_n().tolist() == [[26, 26, 0]]
    assert log.health().rows == 1


def test_estimator_log_with_an_update_list_of_its_own():
    """A class that says itself what an update is has the last word, from the first row to the last."""

    class Doubled(EstimatorLog):
        """Double what comes."""

        def update_list(self, t, data):
            super().update_list(t, One(2 * data.x))

    log = Doubled(experiment())
    for frame in range(5):
        log.update_list(frame, One(frame))
    assert log["x"].tolist() == [0, 2, 4, 6, 8]
