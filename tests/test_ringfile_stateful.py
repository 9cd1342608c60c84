"""A ring file with its writer and several readers, driven by hypothesis against the slow model, step by step."""

from __future__ import annotations

import math
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from ringacc import TimeRing
from ringacc.errors import (
    MissingFileError,
    RingBusyError,
    RingClosedError,
    RingExistsError,
    RingFullError,
    RowError,
    RowNotFoundError,
)
from ringacc.testing import TimeRingModel, blocks, check, fields, misfits, plain, same, time_after, values

CAPACITIES = (1, 2, 3, 8)
SECONDS = st.sampled_from((0.0, 0.002, 1.0, 7.5, math.inf)) | st.floats(min_value=0)
ANY_TIME = st.floats(allow_nan=False, allow_infinity=False)


class Seen:
    """A reader, the model of the file that it has open, and what it was told to be next and missed."""

    def __init__(self, tail, model):
        self.tail = tail
        self.model = model
        self.sequence = 0
        self.missed = 0


class RingFileMachine(RuleBasedStateMachine):
    """One file after the other; of each, one writer at a time, readers that come and go, and their common model."""

    @initialize()
    def build(self):
        """Begin in an empty folder."""
        self.folder = tempfile.TemporaryDirectory()
        self.path = Path(self.folder.name, "tail.ring")
        self.ring = self.model = None
        self.is_there = False
        self.readers = []
        self.endings = []

    def teardown(self):
        """Let go of all."""
        if self.ring is not None:
            self.ring.close()
        self.folder.cleanup()

    def is_written(self):
        """Say whether somebody writes."""
        return self.ring is not None

    # The writer -----------------------------------------------------------------------------------------------------

    @precondition(lambda self: not self.is_there)
    @rule(pairs=fields(), capacity=st.sampled_from(CAPACITIES), may_overwrite=st.sampled_from((True, True, False)))
    def create(self, pairs, capacity, may_overwrite):
        """Make a file."""
        self.units = {pairs[0][0]: "mm"}
        self.ring = TimeRing.create(self.path, capacity, pairs, units=self.units, allow_overwrite=may_overwrite)
        self.model = TimeRingModel(capacity, pairs)
        self.rest = np.dtype(pairs)
        self.newest = 0.0
        self.may_overwrite = may_overwrite
        self.is_there = True
        self.open()

    @precondition(lambda self: self.is_there)
    @rule()
    def make_it_again(self):
        """Try to make a file where one is."""
        with pytest.raises(RingExistsError, match="live process" if self.is_written() else "writer is gone"):
            TimeRing.create(self.path, 3, {"x": "f8"})

    def puts(self, count):
        """Say whether so many rows may be put in."""
        return self.may_overwrite or len(self.model) + count <= self.model.capacity

    @precondition(is_written)
    @rule(data=st.data())
    def append(self, data):
        """Append a row."""
        t = data.draw(time_after(self.newest).filter(math.isfinite), "t")
        row = data.draw(values(self.rest), "row")
        if not self.puts(1):
            with pytest.raises(RingFullError):
                self.ring.append(t, row)
            return
        self.ring.append(t, row)
        self.model.append(t, row)
        self.newest = t

    @precondition(is_written)
    @rule(data=st.data())
    def extend(self, data):
        """Extend by a block, longer than the ring too."""
        block = data.draw(blocks(self.model.dtype, 2 * self.model.capacity + 2), "block")
        if not self.puts(len(block)):
            with pytest.raises(RingFullError):
                self.ring.extend(block)
            return
        self.ring.extend(block)
        self.model.extend(plain(block))
        self.newest = float(block["t"][-1]) if len(block) else self.newest

    @precondition(is_written)
    @rule(data=st.data())
    def refuse(self, data):
        """Offer a row that does not fit."""
        bad, error = data.draw(misfits(self.rest), "bad")
        with pytest.raises(error):
            self.ring.append(0.0, bad)

    @precondition(is_written)
    @rule(n=st.integers(0, 9))
    def trim_to(self, n):
        """Keep the newest n rows."""
        self.ring.trim_to(n)
        self.model.trim_to(n)

    @precondition(is_written)
    @rule(data=st.data())
    def trim_before(self, data):
        """Drop the leading rows before a time."""
        t = data.draw(st.sampled_from([row[0] for row in self.model.rows] or [0.0]))
        self.ring.trim_before(t)
        self.model.trim_before(t)

    @precondition(is_written)
    @rule()
    def write_twice(self):
        """Try to write a file that is written."""
        with pytest.raises(RingBusyError):
            TimeRing.take_over(self.path)

    @precondition(is_written)
    @rule(how=st.sampled_from(("keep", "keep", "error", "end", "with")))
    def close(self, how):
        """Close the ring, and leave the file or not."""
        ring, self.ring = self.ring, None
        if how == "error":
            with pytest.raises(RowError), ring:
                ring.append(0.0, (object(),) * (len(ring.columns) - 1))
        elif how == "with":
            with ring:
                pass
        else:
            ring.close(keep=how == "keep")
        self.is_there = how in ("keep", "error")
        self.endings.append((ring, ring.append))
        assert self.path.exists() == self.is_there

    @precondition(lambda self: self.is_there and not self.is_written())
    @rule()
    def take_over(self):
        """Write on."""
        self.ring = TimeRing.take_over(self.path)
        if not self.model.rows:
            # Nobody knows the time of the row before.
            self.model.newest_time = None

    @precondition(lambda self: self.endings)
    @rule(data=st.data())
    def write_after_the_end(self, data):
        """Try to put rows into a ring that was closed, whoever writes its file now."""
        ring, append = data.draw(st.sampled_from(self.endings))
        rows = np.zeros(2, ring.dtype)
        for put in (
            lambda: append(0.0, tuple(rows[0])[1:]),
            lambda: ring.append(0.0, tuple(rows[0])[1:]),
            lambda: ring.extend(rows),
        ):
            with pytest.raises(RingClosedError):
                put()
        ring.close()

    # Readers --------------------------------------------------------------------------------------------------------

    @rule()
    def open(self):
        """Open the file, if it is there."""
        if not self.is_there:
            with pytest.raises(MissingFileError):
                TimeRing.open(self.path)
            with pytest.raises(MissingFileError):
                TimeRing.take_over(self.path)
            return
        tail = TimeRing.open(self.path)
        assert (tail.capacity, tail.dtype, tail.columns) == (self.model.capacity, self.model.dtype, self.model.columns)
        assert tail.units == {"t": "s", **self.units}
        self.readers.append(Seen(tail, self.model))

    def some_reader(self, data):
        """Draw a reader, rather a new one; an old one may have open what is not there any more."""
        return data.draw(st.sampled_from(self.readers[::-1]), "reader")

    @precondition(lambda self: len(self.readers) > 3)
    @rule(data=st.data())
    def drop(self, data):
        """Let a reader go."""
        reader = self.some_reader(data)
        reader.tail.close()
        self.readers.remove(reader)

    @precondition(lambda self: self.readers)
    @rule(data=st.data())
    def read_on(self, data):
        """Follow the rows from where the reader was."""
        for reader in (self.readers[-1], self.some_reader(data)):
            rows, following, missed = reader.tail.since(reader.sequence)
            want = reader.model.since(reader.sequence)
            assert same(rows, want[0])
            assert (following, missed) == want[1:]
            assert len(rows) + missed == following - reader.sequence
            reader.sequence, reader.missed = following, reader.missed + missed

    @precondition(lambda self: self.readers)
    @rule(data=st.data())
    def read_from_anywhere(self, data):
        """Follow the rows from some sequence, or from one that is none."""
        reader = self.some_reader(data)
        sequence = data.draw(st.integers(-1, reader.model.written + 1), "sequence")
        if not 0 <= sequence <= reader.model.written:
            with pytest.raises(ValueError, match="expected a sequence"):
                reader.tail.since(sequence)
            return
        rows, following, missed = reader.tail.since(sequence)
        want = reader.model.since(sequence)
        assert same(rows, want[0])
        assert (following, missed) == want[1:]
        reader.missed += missed

    @precondition(lambda self: self.readers)
    @rule(data=st.data(), n=st.integers(0, 9), seconds=SECONDS, points=st.integers(2, 12))
    def newest_rows(self, data, n, seconds, points):
        """Ask for rows by their number, for a window, and for the rate."""
        reader = self.some_reader(data)
        for got, want in (
            (reader.tail.last(n), reader.model.last(n)),
            (reader.tail.window(seconds), reader.model.window(seconds)),
        ):
            assert got.dtype == reader.model.dtype
            assert same(got, want)
            got[:] = np.zeros((), got.dtype)  # a copy: what is there stays as it is
        assert reader.tail.fps(points) == reader.model.fps(points)

    @precondition(lambda self: self.readers)
    @rule(
        data=st.data(),
        how=st.sampled_from(("previous", "next", "nearest")),
        tolerance=st.sampled_from((None, 0.0, 0.25, 1e9, math.inf)),
    )
    def rows_at_times(self, data, how, tolerance):
        """Ask for the row at a time, and for those between two."""
        reader = self.some_reader(data)
        known = st.sampled_from([row[0] for row in reader.model.rows] or [0.0])
        t0, t1 = data.draw(known | ANY_TIME, "t0"), data.draw(known | ANY_TIME, "t1")
        assert same(reader.tail.between(t0, t1), reader.model.between(t0, t1))
        try:
            want = reader.model.at(t0, how, tolerance)
        except RowNotFoundError:
            with pytest.raises(RowNotFoundError):
                reader.tail.at(t0, how, tolerance)
            return
        assert same(reader.tail.at(t0, how, tolerance), want)

    # What is always so ------------------------------------------------------------------------------------------------

    @invariant()
    def agree(self):
        """Writer, readers and model hold the same, the ring is sound, and no file lies there that should not."""
        there = {self.path.name} if self.is_there else set()
        assert {found.name for found in self.path.parent.iterdir()} == there
        if self.is_written():
            check(self.ring)
            assert same(np.asarray(self.ring), self.model.rows)
            assert self.ring.health() == self.model.health()
        for reader in self.readers:
            tail, model = reader.tail, reader.model
            assert tail.is_written == (self.is_written() and model is self.model)
            assert (len(tail), tail.written, tail.trimmed) == (len(model), model.written, model.trimmed)
            assert tail.health() == (*model.health()[:5], reader.missed)
            for name in model.columns:
                assert same(tail[name], model[name])


QUIET = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]


def test_ring_files_agree_with_the_model():
    """Whatever is written, closed, left and taken over, each reader is answered by the definitions."""
    run_state_machine_as_test(
        RingFileMachine,
        settings=settings(max_examples=120, stateful_step_count=40, deadline=None, suppress_health_check=QUIET),
    )


@pytest.mark.long
def test_ring_files_agree_with_the_model_for_long():
    """The same over many and longer histories."""
    run_state_machine_as_test(
        RingFileMachine,
        settings=settings(max_examples=1500, stateful_step_count=100, deadline=None, suppress_health_check=QUIET),
    )
