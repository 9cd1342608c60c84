"""The accumulators, member by member: what each promises, with values worked out by hand."""

from __future__ import annotations

import math
from datetime import timedelta

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from accumulator_cases import (
    T0,
    Eyes,
    One,
    Tail,
    estimator,
    filled,
    taking,
    xs,
)
from psygnal import EmitLoopError

from ringacc import (
    load,
)
from ringacc.errors import (
    AccumulatorEmptyError,
    FormatError,
    RowKindError,
    RowNotFoundError,
    RowTimeError,
    UnknownColumnError,
)
from ringacc.schema import row_class
from ringacc.testing import check, same

# Empty ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("after_reset", [False, True])
@pytest.mark.parametrize("kind", ["estimator", "queue"])
def test_empty_is_empty(kind, after_reset):
    """Without rows everything has the length 0 and nothing is None; columns alone raise a ValueError."""
    acc, put = taking(kind)
    if after_reset:
        put(0.0, 1.0)
        acc.reset()
    assert acc.is_empty()
    assert not acc.stored_data
    for empty in (acc.stored_data, acc.times, acc.t, acc["t"], acc[:], acc[10:20], acc.get_last_n(), acc.get_last_n(5)):
        assert len(empty) == 0
    for empty in (acc.get_last_t(1.0), acc.get_dataframe(), acc.last(5), acc.window(1.0), acc.between(0, 1)):
        assert len(empty) == 0
    assert acc.get_last_n().ndim == acc.get_last_t(1.0).ndim == 2
    assert acc.get_fps() == 0.0
    assert acc.health().rows == 0
    assert [len(rows) for rows in acc.blocks()] == [0]
    assert len(acc.since(0)[0]) == 0
    assert len(pa.table(acc)) == 0
    for ask in (lambda: acc.columns, lambda: acc.header_dict):
        with pytest.raises(ValueError, match="data type is unknown"):
            ask()
    for ask in (lambda: acc.stored_data[-1], lambda: acc[-1], lambda: acc.values_at_abs_time(T0)):
        with pytest.raises(IndexError):
            ask()


# Signals ----------------------------------------------------------------------------------------------------------


def test_init_is_emitted_once_the_first_row_can_be_read():
    """sig_acc_init follows the first row of each set of columns, which can be read then."""
    log = estimator()
    heard = []
    log.sig_acc_init.connect(lambda: heard.append((log.columns, log.stored_data[-1], log.get_last_n().tolist())))
    log.update_list(0.1, Tail(1.0, 2.0))
    log.update_list(0.2, Tail(3.0, 4.0))
    log.update_list(0.3, One(5.0))
    log.update_list(0.4, One(6.0))
    log.update_list(0.5, Tail(7.0, 8.0))
    assert heard == [
        (("t", "x", "y"), (0.1, 1.0, 2.0), [[0.1, 1.0, 2.0]]),
        (("t", "x"), (0.3, 5.0), [[0.3, 5.0]]),
        (("t", "x", "y"), (0.5, 7.0, 8.0), [[0.5, 7.0, 8.0]]),
    ]


def test_reset_is_emitted_after_the_rows_are_gone():
    """sig_acc_reset finds an empty accumulator; init comes again with the next row."""
    log = filled(3)
    heard = []
    log.sig_acc_init.connect(lambda: heard.append(("init", len(log.stored_data))))
    log.sig_acc_reset.connect(lambda: heard.append(("reset", len(log.stored_data), log.is_empty(), log.plot_columns)))
    log.reset(["x"])
    log.update_list(0.5, Tail(1.0, 2.0))
    assert heard == [("reset", 0, True, ["x"]), ("init", 1)]


def test_a_change_of_columns_resets_nothing():
    """Other columns emit init, but no reset."""
    log = estimator()
    heard = []
    log.sig_acc_reset.connect(lambda: heard.append("reset"))
    log.update_list(0.0, One(1.0))
    log.update_list(0.1, Tail(1.0, 2.0))
    assert heard == []


def test_signals_connect_disconnect_and_emit():
    """A function hears a signal from when it is connected until it is disconnected; each accumulator has its own."""
    log, other = estimator(), estimator()
    heard = []

    def listen():
        heard.append(1)

    for signal in (log.sig_acc_init, log.sig_acc_reset):
        signal.connect(listen)
        signal.emit()
        assert heard.pop() == 1
        signal.disconnect(listen)
        signal.emit()
        assert heard == []
    log.sig_acc_init.connect(listen)
    other.update_list(0.0, One(1.0))
    assert heard == []


def test_a_refused_row_emits_nothing():
    """A row that is refused opens no segment and emits no signal."""
    log = estimator()
    heard = []
    log.sig_acc_init.connect(lambda: heard.append("init"))
    with pytest.raises(RowKindError):
        log.update_list(0.0, One("1"))
    with pytest.raises(RowTimeError):
        log.update_list(math.nan, One(1.0))
    assert heard == []


@pytest.mark.parametrize("act", ["reset", "append", "raise"])
def test_a_listener_may_act(act):
    """A listener of init may reset, append or fail: the accumulator goes on with what is there then."""
    log = estimator()
    calls = []

    def listen():
        calls.append(1)
        if len(calls) == 1 and act == "reset":
            log.reset()
        elif len(calls) == 1 and act == "append":
            log.update_list(0.15, One(1.5))
        elif len(calls) == 1:
            raise RuntimeError("a plot failed")

    log.sig_acc_init.connect(listen)
    if act == "raise":
        with pytest.raises(EmitLoopError):
            log.update_list(0.1, One(1.0))
    else:
        log.update_list(0.1, One(1.0))
    for frame in range(2, 40):
        log.update_list(frame / 10, One(float(frame)))
    first = {"reset": [], "append": [1.0, 1.5], "raise": [1.0]}[act]
    assert log["x"].tolist() == [*first, *map(float, range(2, 40))]


# stored_data and times --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("capacity", [3, 1000])
def test_stored_data_as_callers_use_it(capacity):
    """stored_data has a length, a truth, rows by name and by place, slices and an order."""
    log = filled(100, capacity=capacity)
    rows = log.stored_data
    assert len(rows) == len(log.times) == 100
    assert rows
    assert (rows[-1].t, rows[-1].x, rows[-1].y) == (log.times[-1], 99.0, -99.0)
    assert rows[0] == (0.0, 0.0, 0.0)
    assert xs(rows[-3:]) == [97.0, 98.0, 99.0]
    assert xs(rows[-300:]) == xs(rows) == list(range(100))
    assert xs(rows[::-40]) == [99.0, 59.0, 19.0]
    assert xs(rows[10:4:-2]) == [10.0, 8.0, 6.0]
    assert xs(rows[50:50]) == []
    assert xs(reversed(rows))[:2] == [99.0, 98.0]
    assert (0.05, 5.0, -5.0) in rows
    assert rows.index((0.05, 5.0, -5.0)) == 5
    assert rows.count((0.05, 5.0, -5.0)) == 1
    assert rows[:2] == [(0.0, 0.0, 0.0), (0.01, 1.0, -1.0)]
    for place in (100, -101):
        with pytest.raises(IndexError):
            rows[place]


def test_stored_data_can_only_be_read():
    """Rows come in by update_list only; times are an array of the caller's own."""
    log = filled(3)
    with pytest.raises(TypeError):
        log.stored_data[0] = (1.0, 1.0, 1.0)
    assert not hasattr(log.stored_data, "append")
    log.times[:] = 7.0
    log["x"][:] = 7.0
    log[0:3]["x"][:] = 7.0
    log.get_last_n()[:] = 7.0
    assert log.get_last_n().tolist() == [[0.0, 0.0, 0.0], [0.01, 1.0, -1.0], [0.02, 2.0, -2.0]]


def test_stored_data_follows_the_stream():
    """A stored_data that was taken before has the rows that came since."""
    log = filled(3)
    rows = log.stored_data
    log.update_list(0.03, Tail(3.0, -3.0))
    assert xs(rows) == [0.0, 1.0, 2.0, 3.0]


# a[...] -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("capacity", [7, 1000])
def test_getitem(capacity):
    """A name gives a column, a number a row, a slice rows, and a slice with a name a part of a column."""
    log = filled(30, capacity=capacity)
    assert log["x"].shape == (30,)
    assert log["x"].tolist() == list(range(30))
    assert same(log["t"], [frame / 100 for frame in range(30)])
    assert log[-1] == (0.29, 29.0, -29.0)
    assert log[3].y == -3.0
    assert log[np.int64(3)].y == -3.0
    rows = log[10:20]
    assert rows.dtype.names == ("t", "x", "y")
    assert rows["x"].tolist() == list(range(10, 20))
    assert log[10:20, "y"].tolist() == [-float(frame) for frame in range(10, 20)]
    assert log[-2:, "x"].tolist() == [28.0, 29.0]
    assert log[25:40, "x"].tolist() == [25.0, 26.0, 27.0, 28.0, 29.0]
    assert log[::-10, "x"].tolist() == [29.0, 19.0, 9.0]
    assert log[5, "x"] == 5.0


def test_getitem_refuses_what_is_not_there():
    """An unknown column is a KeyError that names the columns; a row past the end an IndexError."""
    log = filled(3)
    for item in ("z", (slice(0, 2), "z"), (0, "z")):
        with pytest.raises(UnknownColumnError, match=r"'t', 'x', 'y'.*'z'"):
            log[item]
    with pytest.raises(KeyError):
        log["z"]
    for item in (3, -4, (3, "x")):
        with pytest.raises(IndexError):
            log[item]
    for item in (0.5, None):
        with pytest.raises(TypeError):
            log[item]


# Times ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("capacity", [2, 1000])
def test_values_at_abs_time(capacity):
    """The closest row comes as a namedtuple; a tie takes the earlier; "previous" sees nothing later."""
    log = estimator(capacity=capacity)
    for time in (1.0, 2.0, 4.0, 8.0):
        log.update_list(time, One(int(time)))

    def at(seconds, *how):
        return log.values_at_abs_time(T0 + timedelta(seconds=seconds), *how)

    assert at(4.0) == (4.0, 4)
    assert at(4.0)._fields == ("t", "x")
    assert at(2.9).x == 2
    assert at(3.0).x == 2
    assert at(3.1).x == 4
    assert at(6.0).x == 4
    assert at(-100.0).x == at(0.0).x == 1
    assert at(100.0).x == 8
    assert at(3.999, "previous").x == 2
    assert at(4.0, "previous").x == at(7.9, "previous").x == 4
    assert at(100.0, "previous").x == 8
    assert at(2.1, "next").x == 4
    assert at(3.0, "linear") == (3.0, 3.0)
    assert log.values_at_abs_time(3.1) == (4.0, 4)
    for seconds, how in ((0.9, "previous"), (8.1, "next"), (0.5, "linear")):
        with pytest.raises(RowNotFoundError):
            at(seconds, how)
    with pytest.raises(ValueError, match="previous, next, nearest, linear"):
        at(1.0, "closest")


def test_values_at_abs_time_of_nothing():
    """Without rows there is no closest one: an IndexError that says so."""
    with pytest.raises(AccumulatorEmptyError, match="holds none"):
        estimator().values_at_abs_time(T0)
    assert issubclass(AccumulatorEmptyError, IndexError)


@pytest.mark.parametrize("capacity", [2, 1000])
def test_values_at_abs_time_among_times_that_go_back(capacity):
    """The closest row is the closest of all, in whatever order they came."""
    log = estimator(capacity=capacity)
    for x, time in enumerate((5.0, 6.0, 1.0, 2.0, 6.0, 3.0)):
        log.update_list(time, One(x))
    assert [log.values_at_abs_time(time).x for time in (0.0, 1.4, 2.6, 4.4, 9.0)] == [2, 2, 5, 0, 1]
    assert [log.values_at_abs_time(time, "previous").x for time in (1.4, 5.9, 6.0)] == [2, 0, 4]


@pytest.mark.parametrize("capacity", [2, 1000])
def test_values_at_abs_time_finds_a_row_that_left_the_ring(capacity):
    """A row is found where it was closer than those that came later, however long ago it came."""
    log = estimator(capacity=capacity)
    for x, time in enumerate((7.0, 1.0, 9.0)):
        log.update_list(time, One(x))
    assert [log.values_at_abs_time(time).x for time in (7.2, 6.0, 1.5, 8.5)] == [0, 0, 1, 2]
    assert log.values_at_abs_time(8.0, "previous").x == 0


@pytest.mark.parametrize("capacity", [2, 4, 1000])
def test_get_fps(capacity):
    """The rate is (k - 1) / elapsed over the last k = min(fps_calc_points, rows) rows."""
    log = filled(100, hz=300, capacity=capacity)
    assert log.get_fps() == pytest.approx(300, rel=1e-12)
    log = estimator(fps_calc_points=3, capacity=capacity)
    assert log.get_fps() == 0.0
    wanted = [0.0, 1.0, 0.5, 2 / 4, 2 / 10, 2 / 9, 0.0]
    for time, rate in zip((0.0, 1.0, 4.0, 5.0, 14.0, 14.0, 13.0), wanted, strict=True):
        log.update_list(time, One(1))
        assert log.get_fps() == rate


def test_get_fps_without_elapsed_time():
    """Rows of one moment have no rate: 0.0."""
    log = estimator()
    for _ in range(5):
        log.update_list(1.0, One(1))
    assert log.get_fps() == 0.0


# Arrays and tables ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("capacity", [4, 1000])
def test_get_last_n(capacity):
    """The last n rows come as float64 of shape (n, columns), the time first, oldest first."""
    log = filled(10, hz=1, capacity=capacity)
    assert log.get_last_n(2).tolist() == [[8.0, 8.0, -8.0], [9.0, 9.0, -9.0]]
    assert log.get_last_n(2).dtype == np.float64
    assert log.get_last_n(7)[:, 1].tolist() == list(range(3, 10))
    assert log.get_last_n().shape == log.get_last_n(None).shape == log.get_last_n(100).shape == (10, 3)
    for none in (0, -1, -100):
        assert log.get_last_n(none).shape == (0, 3)


def test_get_last_n_of_mixed_numbers():
    """Whole numbers and bools come as float64 too."""
    log = estimator()
    log.update_list(0.5, Eyes(3, 0.25, True))
    log.update_list(1.0, Eyes(-4, math.nan, False))
    assert same(log.get_last_n(), [[0.5, 3.0, 0.25, 1.0], [1.0, -4.0, math.nan, 0.0]])


@pytest.mark.parametrize("capacity", [16, 1000])
def test_get_last_t(capacity):
    """The last t seconds are the rows with a time >= newest - t, however many those are."""
    log = filled(100, hz=128, capacity=capacity)
    assert len(log.get_last_t(0.5)) == 65
    assert same(log.get_last_t(0.5), log.get_last_n(65))
    assert len(log.get_last_t(0.0)) == 1
    assert len(log.get_last_t(1e9)) == len(log.get_last_t(math.inf)) == 100
    log.update_list(60.0, Tail(1.0, 2.0))
    assert log.get_last_t(0.5).tolist() == [[60.0, 1.0, 2.0]]


def test_get_last_t_of_no_length():
    """A window of negative length, or of NaN, is a ValueError, with rows or without."""
    for log in (estimator(), filled(3)):
        for seconds in (-0.5, math.nan):
            with pytest.raises(ValueError, match="expected a window"):
                log.get_last_t(seconds)


def test_get_dataframe_keeps_dtypes():
    """The table has the time first and each column in its own dtype."""
    log = estimator()
    log.update_list(0.5, Eyes(2**53 + 1, 0.1, True))
    log.update_list(1.0, Eyes(-(2**63), math.nan, False))
    frame = log.get_dataframe()
    wanted = pd.DataFrame(
        {"t": [0.5, 1.0], "left": [2**53 + 1, -(2**63)], "right": [0.1, math.nan], "ok": [True, False]}
    )
    pd.testing.assert_frame_equal(frame, wanted)


def test_get_dataframe_unites_segments():
    """Columns of all segments stand in the order of their first appearance; what is missing is NaN."""
    log = estimator()
    log.update_list(0.0, Tail(1, 2.5))
    log.update_list(1.0, Eyes(7, 8, True))
    log.update_list(2.0, One(3))
    nan = math.nan
    wanted = {
        "t": [0.0, 1.0, 2.0],
        "x": [1.0, nan, 3.0],
        "y": [2.5, nan, nan],
        "left": [nan, 7.0, nan],
        "right": [nan, 8.0, nan],
        "ok": [nan, 1.0, nan],
    }
    pd.testing.assert_frame_equal(log.get_dataframe(), pd.DataFrame(wanted))
    pd.testing.assert_frame_equal(pa.table(log).to_pandas(), pd.DataFrame(wanted))
    assert [segment.columns for segment in log.segments] == [
        ("t", "x", "y"),
        ("t", "left", "right", "ok"),
        ("t", "x"),
    ]


def test_everything_else_speaks_of_the_newest_segment():
    """After a change of columns, rows, times and look-ups are those since the change."""
    log = filled(50)
    log.update_list(1.0, One(7))
    log.update_list(2.0, One(8))
    assert log.columns == ("t", "x")
    assert log.times.tolist() == log.t.tolist() == [1.0, 2.0]
    assert log["x"].tolist() == [7, 8]
    assert list(log.stored_data) == [(1.0, 7), (2.0, 8)]
    assert log.get_last_n(10).tolist() == log.get_last_t(100).tolist() == [[1.0, 7.0], [2.0, 8.0]]
    assert log.get_fps() == 1.0
    assert log.values_at_abs_time(0.2) == (1.0, 7)
    assert log.window(100)["x"].tolist() == log.last(100)["x"].tolist() == [7, 8]
    assert log.since(0)[1:] == (2, 0)
    assert log.health().rows == 2
    with pytest.raises(UnknownColumnError):
        log["y"]
    assert len(log.get_dataframe()) == 52


# Reset ------------------------------------------------------------------------------------------------------------


def test_reset():
    """After a reset there are no rows, segments or columns; other rows may come; headers are assigned."""
    log = filled(50, capacity=8, monitored_headers=["y"])
    log.update_list(1.0, One(1))
    assert log.plot_columns == ["y"]
    log.reset()
    assert log.plot_columns == ["y"]
    assert log.is_empty()
    assert len(log.get_dataframe()) == 0
    assert [len(segment) for segment in log.segments] == [0]
    log.reset(monitored_headers=["left"])
    assert log.plot_columns == ["left"]
    log.update_list(2.0, Eyes(1, 2, False))
    assert log.columns == ("t", "left", "right", "ok")
    assert log.get_dataframe()["t"].tolist() == [2.0]
    assert not log.is_empty()


# The closed loop --------------------------------------------------------------------------------------------------


def test_closed_loop_look_ups_are_views_with_names():
    """last, window, between, since are read-only views of the ring, at a copy; all have the names."""
    log = filled(100)
    ring = log.segments[-1].ring
    for view in (log.last(5), log.window(0.045), log.between(0.945, 2.0), log.since(95)[0]):
        assert view["x"].tolist() == [95.0, 96.0, 97.0, 98.0, 99.0]
        assert not view.flags.writeable
        assert np.shares_memory(view, ring.last(100))
    assert log.since(95)[1:] == (100, 0)
    assert float(np.nanstd(log.window(0.045)["x"])) == pytest.approx(math.sqrt(2))
    row = log.at(0.5)
    assert (row["t"], row["x"], row["y"]) == (0.5, 50.0, -50.0)
    assert log.at(0.555, "previous")["x"] == 55.0
    with pytest.raises(RowNotFoundError):
        log.at(0.555, "nearest", 0.001)
    with pytest.raises(AccumulatorEmptyError):
        estimator().at(0.0)
    check(ring)


def test_health_of_the_newest_segment():
    """The health counts the rows, repeats, steps back and the largest gap since the columns changed."""
    log = filled(50)
    assert log.health()[:3] == (50, 0, 0)
    for time in (10.0, 12.5, 12.5, 11.0):
        log.update_list(time, One(1))
    health = log.health()
    assert (health.rows, health.repeats, health.backward, health.largest_gap) == (4, 1, 1, 2.5)


# Files ------------------------------------------------------------------------------------------------------------


def recorded():
    """Return a log of two segments, with all that is awkward to write."""
    log = estimator()
    vel = row_class(("n", "closed loop 1D_vel"))
    log.update_list(0.1, vel(2**53 - 1, 0.1 + 0.2))
    log.update_list(0.2, vel(-3, math.nan))
    log.update_list(0.30000000000000004, row_class(("n", "ok"))(5, True))
    return log


WANTED = pd.DataFrame(
    {
        "t": [0.1, 0.2, 0.30000000000000004],
        "n": [2**53 - 1, -3, 5],
        "closed loop 1D_vel": [0.30000000000000004, math.nan, math.nan],
        "ok": [math.nan, math.nan, 1.0],
    }
)


@pytest.mark.parametrize("form", ["csv", "feather", "hdf5", "json", "parquet"])
@pytest.mark.parametrize("path", ["log", "with.a.dot"])
def test_save_writes_what_load_reads(tmp_path, form, path):
    """Every format brings its extension and gives back the rows, bit for bit; the file's base name is returned."""
    log = recorded()
    assert log.save(tmp_path / path, form) == f"{path}.{form}"
    assert log.save(str(tmp_path / "text"), format=form) == f"text.{form}"
    assert sorted(file.name for file in tmp_path.iterdir()) == sorted([f"{path}.{form}", f"text.{form}"])
    pd.testing.assert_frame_equal(load(tmp_path / f"{path}.{form}"), WANTED, check_exact=True)
    pd.testing.assert_frame_equal(log.get_dataframe(), WANTED, check_exact=True)


def test_saved_files_are_read_as_readers_of_stytra_logs_do(tmp_path):
    """The default is csv, with ";" and an unnamed index; hdf5 has one object; NaN and bools read as numbers."""
    log = recorded()
    assert log.save(tmp_path / "log") == "log.csv"
    lines = (tmp_path / "log.csv").read_text().splitlines()
    assert lines[0] == ";t;n;closed loop 1D_vel;ok"
    assert lines[2] == "1;0.2;-3;;"
    frame = pd.read_csv(tmp_path / "log.csv", sep=";").drop("Unnamed: 0", axis=1)
    pd.testing.assert_frame_equal(frame, WANTED)
    for form, read in (("hdf5", pd.read_hdf), ("feather", pd.read_feather), ("json", pd.read_json)):
        log.save(tmp_path / "log", form)
        pd.testing.assert_frame_equal(read(tmp_path / f"log.{form}"), WANTED)


def test_bools_are_written_as_numbers_in_csv(tmp_path):
    """A column of bools is 1 and 0 in csv."""
    log = estimator()
    log.update_list(0.0, One(True))
    log.update_list(1.0, One(False))
    log.save(tmp_path / "log")
    assert [line.split(";")[2] for line in (tmp_path / "log.csv").read_text().splitlines()] == ["x", "1", "0"]


@pytest.mark.parametrize("form", ["csv", "feather", "hdf5", "json", "parquet"])
def test_save_of_nothing_makes_no_file(tmp_path, form):
    """Without rows save gives None and makes no file."""
    assert estimator().save(tmp_path / "log", form) is None
    log = filled(3)
    log.reset()
    assert log.save(tmp_path / "log", form) is None
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("rows", [0, 3])
def test_save_refuses_an_unknown_format(tmp_path, rows):
    """A format that is none is an error that names the five, and no file is made."""
    with pytest.raises(FormatError, match="csv, feather, hdf5, json, parquet"):
        filled(rows).save(tmp_path / "log", "xlsx")
    assert list(tmp_path.iterdir()) == []


def test_save_into_a_folder_that_is_not_there(tmp_path):
    """A folder that is not there is an OSError, and the rows stay."""
    log = filled(3)
    with pytest.raises(OSError, match="nowhere"):
        log.save(tmp_path / "nowhere" / "log")
    assert len(log.stored_data) == 3
