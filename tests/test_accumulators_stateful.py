"""Accumulators driven by hypothesis against the slow model: after every step they answer alike."""

from __future__ import annotations

import math
import queue
from collections import namedtuple
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import numpy as np
import pytest
from accumulator_model import AccumulatorModel
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from ringacc import DynamicLog, EstimatorLog, QueueDataAccumulator
from ringacc.errors import AccumulatorEmptyError, RowError, RowNotFoundError, SchemaError, UnknownColumnError
from ringacc.schema import row_class
from ringacc.testing import check, same

T0 = datetime(2018, 11, 15, 19, 23, 17, 211777)
COLUMNS = (("x",), ("x", "y"), ("y", "x"), ("closed loop 1D_vel", "x"), ("count", "index"), ())
FLOATS = (0.5, -0.0, 3.0, math.nan, math.inf, 1e300, np.float64(2.5), np.float32(0.25))
INTS = (0, 1, -7, 300, 2**53 + 1, -(2**63), np.int16(-3), np.uint8(200))
BOOLS = (True, False, np.True_)
STEPS = (0.002, 0.0, 1 / 3, 1e-9, 1.0, 7.5, 1e6, -0.002, -1.0)
NO_VALUES = ("5", None, 1j, object(), [1.0], np.array([1.0, 2.0]), np.datetime64("2018-11-15"))
NO_TIMES = (math.nan, math.inf, "0.5", None, T0.replace(tzinfo=UTC))
WINDOWS = (0.0, 1e-9, 0.01, 1.0, 1e9, math.inf)


def numbers():
    """Draw numbers of a row: of one kind mostly, so that segments are more than a row long."""
    kinds = (st.sampled_from(FLOATS) | st.floats(), st.sampled_from(INTS) | st.integers(-(2**63), 2**63 - 1))
    return st.sampled_from((kinds[0], kinds[0], kinds[1], st.sampled_from(BOOLS), kinds[0] | kinds[1]))


class Machine(RuleBasedStateMachine):
    """An accumulator and its model that get the same rows and are asked the same questions."""

    @initialize(
        data=st.data(),
        capacity=st.sampled_from((1, 2, 3, 5, 20, 64)),
        max_history=st.sampled_from((0, 1, 3, 10, 50)),
        points=st.sampled_from((2, 3, 10)),
        running=st.booleans(),
    )
    def build(self, data, capacity, max_history, points, running):
        """Make the two."""
        self.exp = SimpleNamespace(t0=T0, protocol_runner=SimpleNamespace(running=running))
        self.model = AccumulatorModel(T0, running, max_history, points)
        self.acc = self.made(
            data,
            experiment=self.exp,
            max_history_if_not_running=max_history,
            fps_calc_points=points,
            capacity=capacity,
        )
        self.newest = 0.0
        self.names = COLUMNS[0]
        self.events = []
        self.acc.sig_acc_init.connect(lambda: self.heard("init"))
        self.acc.sig_acc_reset.connect(lambda: self.heard("reset"))

    def heard(self, signal):
        """Keep a signal and what can be read when it is emitted."""
        try:
            columns = self.acc.columns
        except ValueError:
            columns = None
        self.events.append((signal, columns, len(self.acc.stored_data)))

    # Rows -----------------------------------------------------------------------------------------------------------

    def some_time(self, data):
        """Draw the time of a row, as a float, a datetime, or another number."""
        t = self.newest + data.draw(st.sampled_from(STEPS), "step")
        if abs(t) > 1e9 or data.draw(st.integers(0, 9)) == 9:
            t = data.draw(st.floats(-1e9, 1e9))
        form = data.draw(st.sampled_from((float, float, np.float64, round, "datetime")), "form")
        time = T0 + timedelta(seconds=t) if form == "datetime" else form(t)
        self.newest = self.model.seconds(time)
        return time

    @rule(data=st.data(), count=st.sampled_from((1, 1, 2, 9)), change=st.booleans())
    def append(self, data, count, change):
        """Append rows, of other columns now and then."""
        if change:
            self.names = data.draw(st.sampled_from(COLUMNS), "columns")
        kind = data.draw(numbers())
        for _ in range(count):
            row = data.draw(st.tuples(*[kind] * len(self.names)), "row")
            self.put(self.some_time(data), dict(zip(self.names, row, strict=True)))
        self.taken()

    @rule(count=st.sampled_from((3, 17, 40)))
    def tick(self, count):
        """Append rows as a camera gives them."""
        for frame in range(count):
            self.newest += 0.01
            self.put(self.newest, {name: float(frame) for name in self.names})
        self.taken()

    @rule(data=st.data())
    def refuse(self, data):
        """Offer what is no row: it is refused, and what comes after it is taken."""
        row = data.draw(st.tuples(*[st.sampled_from(FLOATS)] * len(self.names)), "row")
        time = self.newest
        if row and data.draw(st.booleans()):
            place = data.draw(st.integers(0, len(row) - 1))
            row = (*row[:place], data.draw(st.sampled_from(NO_VALUES)), *row[place + 1 :])
        else:
            time = data.draw(st.sampled_from(NO_TIMES))
        with pytest.raises(RowError):
            self.offer(time, dict(zip(self.names, row, strict=True)))

    # The protocol ---------------------------------------------------------------------------------------------------

    @rule()
    def start_or_stop(self):
        """Let the protocol start or stop."""
        self.model.running = self.exp.protocol_runner.running = not self.model.running

    @rule(max_history=st.sampled_from((0, 2, 30)))
    def allow(self, max_history):
        """Allow another number of rows while idle."""
        self.acc.max_history_if_not_running = self.model.max_history = max_history

    @rule()
    def trim(self):
        """Trim, where it is due."""
        self.acc.trim_data()
        self.model.trim()

    @rule(headers=st.none() | st.just(["x"]))
    def reset(self, headers):
        """Forget all."""
        self.acc.reset(headers)
        self.model.reset()

    # Answers --------------------------------------------------------------------------------------------------------

    @rule(data=st.data())
    def index(self, data):
        """Ask for rows and columns by place and name."""
        rows, columns = self.model.stored_data, self.model.segments[-1].columns
        bounds = st.none() | st.integers(-len(rows) - 2, len(rows) + 2)
        some = slice(data.draw(bounds), data.draw(bounds), data.draw(st.sampled_from((None, 1, 2, -1, -3))))
        name = data.draw(st.sampled_from(columns))
        assert same(self.acc[some], rows[some])
        assert same(list(map(tuple, self.acc.stored_data[some])), rows[some])
        assert same(self.acc[some, name], self.model.column(name)[some])
        place = data.draw(st.integers(-len(rows) - 2, len(rows) + 2))
        if -len(rows) <= place < len(rows):
            assert same(tuple(self.acc[place]), rows[place])
            assert same(self.acc[place, name], self.model.column(name)[place])
        else:
            for ask in (self.acc.__getitem__, self.acc.stored_data.__getitem__):
                with pytest.raises(IndexError):
                    ask(place)

    @invariant()
    def rows_agree(self):
        """Compare the rows, times and columns of the newest segment, by all their names."""
        acc, rows = self.acc, self.model.stored_data
        columns = self.model.segments[-1].columns
        assert len(acc.stored_data) == len(rows)
        assert same(list(map(tuple, acc.stored_data)), rows)
        assert bool(acc.stored_data) == bool(rows)
        if rows:
            assert same(tuple(acc.stored_data[-1]), rows[-1])
            assert same(tuple(acc[-1]), rows[-1])
        assert same(acc[10:20], rows[10:20])
        assert same(acc[10:20, columns[-1]], self.model.column(columns[-1])[10:20])
        for name in columns:
            assert same(acc[name], self.model.column(name))
            assert name == "t" or acc[name].dtype == self.model.segments[-1].dtypes[name]
        for times in (acc.times, acc.t):
            assert times.dtype == np.float64
            assert same(times, self.model.times)
        with pytest.raises(UnknownColumnError):
            acc["none of them"]

    @invariant()
    def columns_agree(self):
        """Compare the columns, or what is said where there are none."""
        try:
            want = self.model.columns
        except ValueError:
            with pytest.raises(ValueError, match="unknown"):
                self.acc.columns  # noqa: B018
            return
        assert self.acc.columns == want
        assert self.acc.header_dict == {name: place for place, name in enumerate(want)}

    @invariant()
    def arrays_agree(self):
        """Compare the last rows and the last seconds."""
        acc, width = self.acc, len(self.model.segments[-1].columns)
        count = len(self.model.times)
        for n in (None, -1, 0, 1, 2, count, count + 3):
            got, want = acc.get_last_n(n), self.model.last_n(n)
            assert (got.dtype, got.shape) == (np.float64, (len(want), width))
            assert same(list(map(tuple, got)), want)
        for seconds in WINDOWS:
            got, want = acc.get_last_t(seconds), self.model.last_t(seconds)
            assert (got.dtype, got.shape) == (np.float64, (len(want), width))
            assert same(list(map(tuple, got)), want)
        assert acc.get_fps() == self.model.fps()

    @invariant()
    def moments_agree(self):
        """Compare the row at a moment: on a row, beside one, between two, before and after all."""
        times = self.model.times or [0.0]
        middle = times[len(times) // 2]
        moments = [times[0] - 0.004, times[0], middle, math.nextafter(middle, math.inf), times[-1], times[-1] + 2.0]
        for moment in (*moments, (times[0] + times[-1]) / 2, T0 + timedelta(seconds=middle + 1e-4)):
            for how in ("nearest", "previous", "next"):
                try:
                    want = self.model.at(moment, how)
                except (AccumulatorEmptyError, RowNotFoundError) as error:
                    with pytest.raises(type(error)):
                        self.acc.values_at_abs_time(moment, how)
                    continue
                got = self.acc.values_at_abs_time(moment, how)
                assert same(tuple(got), want)

    @invariant()
    def tables_agree(self):
        """Compare the table of all segments, its dtypes, and what is said of the segments."""
        acc, model = self.acc, self.model
        table, frame = model.frame(), acc.get_dataframe()
        assert list(frame.columns) == list(table)
        for name, (dtype, values) in table.items():
            assert frame[name].dtype == dtype
            assert same(frame[name].to_numpy(), values)
        wanted = [(segment.columns, len(segment.rows)) for segment in model.segments]
        assert [(segment.columns, len(segment)) for segment in acc.segments] == wanted
        blocks = [tuple(row) for block in acc.blocks() for row in block.tolist()]
        assert same(blocks, [(t, *values.values()) for segment in model.segments for t, values in segment.rows])
        assert acc.is_empty() is (model.count() == 0)

    @invariant()
    def ring_is_sound(self):
        """Check the ring of the newest segment, which holds the newest rows: those that the closed loop sees."""
        ring, rows = self.acc.segments[-1].ring, self.model.stored_data
        check(ring)
        held = rows[len(rows) - len(ring) :]
        assert len(held) >= min(len(rows), ring.capacity - max(ring.capacity // 16, 1))
        assert same(self.acc.last(1000), held)
        assert same(self.acc.last(2), held[-2:])
        assert same(self.acc.window(1.0), [row for row in held if row[0] >= held[-1][0] - 1.0])
        assert same(self.acc.envelope(1.0, 4), ring.envelope(1.0, 4))
        assert same(self.acc.between(-1.0, 5.0), [row for row in held if -1.0 <= row[0] <= 5.0])
        assert same(self.acc.since(0)[0], held)
        assert self.acc.health() == self.model.health()

    @invariant()
    def signals_agree(self):
        """Compare the signals: each was emitted once, when what it says could be read."""
        assert self.events == self.model.events


class EstimatorMachine(Machine):
    """Rows handed in one by one."""

    def made(self, data, **settings):
        """Make the accumulator."""
        self.held = []
        return EstimatorLog(**settings)

    def row(self, values):
        """Make a namedtuple, of a class that is new or was there before."""
        names = tuple(values)
        if all(name.isidentifier() for name in names) and len(self.model.times) % 13 == 7:
            return namedtuple("Fresh", names)(**values)
        return row_class(names)(*values.values())

    def put(self, time, values):
        """Hand in a row, by a method that was taken some rows ago."""
        self.held = [*self.held[-3:], self.acc.update_list]
        self.held[0](time, self.row(values))
        self.model.append(time, values)

    offer = put

    def taken(self):
        """Do nothing: all rows are in."""


class QueueMachine(EstimatorMachine):
    """Rows that wait in a queue."""

    def made(self, data, **settings):
        """Make the accumulator."""
        self.queue = queue.Queue()
        return QueueDataAccumulator(self.queue, **settings)

    def put(self, time, values):
        """Let a row wait."""
        self.queue.put((time, self.row(values)))
        self.model.append(time, values)

    def offer(self, time, values):
        """Let a row that is none wait, with good ones before and after it; take up to the bad one."""
        good = dict.fromkeys(self.names, 1.0)
        self.put(self.newest, good)
        self.queue.put((time, self.row(values)))
        self.queue.put((self.newest, self.row(good)))
        try:
            self.acc.update_list()
        finally:
            self.rows_agree()
            self.model.append(self.newest, good)
            self.taken()

    def taken(self):
        """Take all that wait."""
        self.acc.update_list()
        assert self.queue.empty()


class DynamicMachine(Machine):
    """Rows as dicts, of columns that are known before."""

    def made(self, data, **settings):
        """Make the accumulator, with its first stimuli."""
        self.dropped = 0
        self.names = data.draw(st.sampled_from(COLUMNS))
        self.model.declare_all(self.names)
        return DynamicLog(self.stimuli(), **settings)

    def stimuli(self):
        """Make stimuli that have these columns between them, and one without any."""
        names = [SimpleNamespace(dynamic_parameter_names=list(self.names[: place + 1])) for place in range(2)]
        return [SimpleNamespace(name="pause"), *names]

    @rule(names=st.sampled_from(COLUMNS))
    def update_stimuli(self, names):
        """Take other stimuli."""
        self.names = names
        self.acc.update_stimuli(self.stimuli())
        self.model.declare(names)

    @rule()
    def refuse_stimuli(self):
        """Offer stimuli with a column that cannot be one: the columns stay."""
        with pytest.raises(SchemaError):
            self.acc.update_stimuli([SimpleNamespace(dynamic_parameter_names=["x", "t"])])

    def put(self, time, values):
        """Hand in a row; what a change of columns in the data means here: some are missing, some unknown."""
        known = self.model.names
        given = {name: value for name, value in values.items() if name in known}
        self.acc.update_list(time, values)
        self.model.append(time, {name: given.get(name, math.nan) for name in known})
        self.dropped += len(values) - len(given)

    def offer(self, time, values):
        """Hand in what is no row."""
        if not set(values) <= set(self.model.names) or not values:
            time = math.nan
        self.acc.update_list(time, values)

    def taken(self):
        """Do nothing: all rows are in."""

    @invariant()
    def dropped_are_counted(self):
        """Compare the count of values under unknown names."""
        assert self.acc.dropped == self.dropped


QUIET = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]
MACHINES = [EstimatorMachine, QueueMachine, DynamicMachine]
EXAMPLES = 40


@pytest.mark.parametrize("machine", MACHINES)
def test_accumulators_agree_with_the_model(machine):
    """Whatever rows come while the protocol starts and stops, every answer is its definition."""
    run_state_machine_as_test(
        machine,
        settings=settings(max_examples=EXAMPLES, stateful_step_count=20, deadline=None, suppress_health_check=QUIET),
    )


@pytest.mark.long
@pytest.mark.parametrize("machine", MACHINES)
def test_accumulators_agree_with_the_model_for_long(machine):
    """The same over many and longer histories."""
    run_state_machine_as_test(
        machine,
        settings=settings(max_examples=1000, stateful_step_count=60, deadline=None, suppress_health_check=QUIET),
    )
