"""Ring files: their one writer, its end in order or not, and who takes over."""

from __future__ import annotations

import copy
import gc
import json
import multiprocessing
import os
import pickle
import signal
import time

import numpy as np
import pytest
from ringfile_stage import FIELDS, PATIENCE, names, numbered

from ringacc import TimeRing, system
from ringacc import jit as in_loops
from ringacc.errors import (
    MissingFileError,
    RingBusyError,
    RingClosedError,
    RingExistsError,
    RingFullError,
    RowError,
)
from ringacc.kernels import rows as counters_of
from ringacc.testing import check, plain, same

# Python warns of fork in a process with threads.
pytestmark = pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")


@pytest.fixture
def path(tmp_path):
    """Give the path of a ring that is not there yet."""
    return tmp_path / "tail.ring"


@pytest.fixture
def left(path):
    """Give the path of a ring of ten rows whose writer is gone."""
    numbered(path, 10).close(keep=True)
    return path


# Other processes ----------------------------------------------------------------------------------------------------


def talk(connection, path, count):
    """Make a ring of rows in another process, then do what is asked until nobody asks any more."""
    ring = numbered(path, count)
    connection.send(os.getpid())
    while (order := connection.recv()) != "end":
        if order == "append":
            ring.append(ring.written / 4, (ring.written, True))
        connection.send(ring.written)
    ring.close()
    connection.send("ended")


class Writer:
    """Another process that writes a ring."""

    def __init__(self, path, count, method="spawn"):
        context = multiprocessing.get_context(method)
        self.connection, theirs = context.Pipe()
        self.process = context.Process(target=talk, args=(theirs, path, count), daemon=True)
        self.process.start()
        self.pid = self.hear()

    def hear(self):
        """Wait for an answer."""
        assert self.connection.poll(PATIENCE)
        return self.connection.recv()

    def ask(self, order):
        """Let it do something."""
        self.connection.send(order)
        return self.hear()

    def kill(self):
        """End it by SIGKILL."""
        self.process.kill()
        self.process.join(PATIENCE)
        assert self.process.exitcode == -signal.SIGKILL


@pytest.fixture
def elsewhere(path):
    """Give another process that writes a ring of ten rows."""
    writer = Writer(path, 10)
    yield writer
    writer.process.kill()
    writer.process.join(PATIENCE)


def in_child(function):
    """Call a function in a forked child and return what it returns."""
    here, there = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.write(there, json.dumps(function()).encode())
        finally:
            os._exit(0)
    os.close(there)
    with open(here, "rb") as answer:
        said = answer.read()
    os.waitpid(pid, 0)
    return json.loads(said)


# The end --------------------------------------------------------------------------------------------------------------


def refused(ring, append):
    """Assert that no row gets into a ring, in no way, and that nothing changes."""
    before = ring.written, np.array(ring).tobytes()
    rows = np.zeros(2, ring.dtype)
    for put in (
        lambda: ring.append(9.0, (1.0, True)),
        lambda: ring.append(t=9.0, values=(1.0, True)),
        lambda: ring.append(9.0, [1.0, True]),
        lambda: append(9.0, (1.0, True)),
        lambda: TimeRing.append(ring, 9.0, (1.0, True)),
        lambda: ring.extend(rows),
        lambda: ring.extend([9.0], rows[["x", "ok"]][:1]),
    ):
        with pytest.raises(RingClosedError, match="nothing was written"):
            put()
    assert (ring.written, np.array(ring).tobytes()) == before


@pytest.mark.parametrize("keep", [False, True])
def test_nothing_goes_in_after_close(path, keep):
    """Not through a method that was taken before either; rows that are there can still be looked up."""
    ring = numbered(path, 10)
    append, view = ring.append, ring.last(3)
    tail = TimeRing.open(path)
    assert tail.is_written
    ring.close(keep=keep)
    assert not tail.is_written
    refused(ring, append)
    assert names(path.parent) == (["tail.ring"] if keep else [])
    assert same(ring.window(0.5), view)
    assert same(tail.last(3), view)
    ring.close()
    ring.close(keep=True)
    assert names(path.parent) == (["tail.ring"] if keep else [])


def test_closed_ring_in_memory():
    """It ends as one in a file does."""
    ring = TimeRing(4, FIELDS)
    append = ring.append
    ring.append(0.5, (1.0, True))
    ring.close()
    refused(ring, append)
    assert len(ring) == 1


def test_with_block(path):
    """It removes the file at its end, and leaves it where an error ends it."""
    with numbered(path, 3) as ring:
        assert names(path.parent) == ["tail.ring"]
    assert names(path.parent) == []
    with pytest.raises(RowError), numbered(path, 3) as ring:
        ring.append(1.0, ("text", True))
    assert names(path.parent) == ["tail.ring"]
    assert len(TimeRing.open(path)) == 3
    with pytest.raises(RingClosedError):
        ring.append(1.0, (1.0, True))
    with TimeRing.take_over(path):
        pass
    assert names(path.parent) == []


def test_interrupt_leaves_the_file(path):
    """So does Ctrl-C."""
    with pytest.raises(KeyboardInterrupt), numbered(path, 3):
        raise KeyboardInterrupt
    assert len(TimeRing.open(path)) == 3


def test_ring_that_is_dropped(path):
    """It leaves its file, which can be taken over in the same process once it is collected."""
    ring = numbered(path, 3)
    view = ring.last(2)
    del ring
    gc.collect()
    with TimeRing.take_over(path) as ring:
        ring.append(9, (9, True))
        assert plain(view["x"]) == [1.0, 2.0]
        assert plain(ring["x"]) == [0.0, 1.0, 2.0, 9.0]


def test_files_and_memory_are_given_back(path):
    """A ring and its readers leave no descriptor open and no map."""
    maps, descriptors = "/proc/self/maps", "/proc/self/fd"
    if not os.path.exists(maps):
        pytest.skip("needs /proc")

    def held():  # by the folder: the writer maps its file before it has its name
        gc.collect()
        with open(maps) as lines:
            return sum(str(path.parent) in line for line in lines), len(os.listdir(descriptors))

    before = held()
    for _ in range(3):
        ring = numbered(path, 3)
        tails = [TimeRing.open(path) for _ in range(3)]
        assert held()[0] == 4
        with pytest.raises(RingBusyError):
            TimeRing.take_over(path)
        with pytest.raises(RingExistsError):
            TimeRing.create(path, 3, FIELDS)
        ring.close()
        del ring, tails
        assert held() == before


def test_file_that_took_the_place(path):
    """Of two files of one name, one after the other, nobody takes the second for the first."""
    ring = numbered(path, 3)
    tail = TimeRing.open(path)
    path.unlink()
    with numbered(path, 5) as second:
        ring.close()
        assert names(path.parent) == ["tail.ring"]  # the second is not the first one's to remove
        assert TimeRing.open(path).is_written
        assert (len(tail), len(second)) == (3, 5)
    assert names(path.parent) == []
    left = numbered(path, 3)
    tail = TimeRing.open(path)
    left.close(keep=True)
    path.unlink()
    assert not tail.is_written
    with numbered(path, 5):
        assert not tail.is_written
        assert len(tail) == 3


# A full ring ----------------------------------------------------------------------------------------------------------


def test_full_ring_that_may_not_overwrite(path):
    """A row more is refused, in every way that rows come, and taking rows away makes room."""
    ring = numbered(path, 4, capacity=4, allow_overwrite=False)
    append = ring.append
    more = np.zeros(1, ring.dtype)
    for put in (
        lambda: append(9.0, (9.0, True)),
        lambda: TimeRing.append(ring, 9.0, (9.0, True)),
        lambda: ring.extend(more),
        lambda: in_loops.append(ring.jit, 9.0, (9.0, True)),
    ):
        with pytest.raises(RingFullError):
            put()
        assert plain(TimeRing.open(path)["x"]) == [0.0, 1.0, 2.0, 3.0]
    assert ring.health().overwritten == 0
    ring.trim_to(2)
    in_loops.append(ring.jit, 4.0, (4.0, True))
    append(5.0, (5.0, True))
    with pytest.raises(RingFullError):
        append(6.0, (6.0, True))
    ring.close(keep=True)
    with TimeRing.take_over(path) as again:  # the file remembers what it may
        with pytest.raises(RingFullError):
            again.append(6.0, (6.0, True))
        assert plain(again["x"]) == [2.0, 3.0, 4.0, 5.0]
        again.clear()
        with pytest.raises(RingFullError):
            again.extend(np.zeros(5, again.dtype))
        assert len(again) == 0


def test_jitted_append(path):
    """What a jitted loop appends is there for readers, and for the ring."""
    with numbered(path, 3, capacity=4) as ring:
        in_loops.append(ring.jit, 3.0, (3.0, True))
        in_loops.append(ring.jit, 4.0, (4.0, False))
        assert plain(TimeRing.open(path).last(3)) == [(0.5, 2.0, True), (3.0, 3.0, True), (4.0, 4.0, False)]
        check(ring)


# One writer -----------------------------------------------------------------------------------------------------------


def test_second_writer_in_the_same_process(path):
    """It is refused as one in another process is."""
    with numbered(path, 3):
        with pytest.raises(RingBusyError, match=f"process {os.getpid()}"):
            TimeRing.take_over(path)
        with pytest.raises(BlockingIOError):
            TimeRing.take_over(path)


def test_second_writer_in_another_process(path, elsewhere):
    """It is refused while the first lives, and not once that was killed; its rows are all there."""
    tail = TimeRing.open(path)
    assert tail.is_written
    assert tail.writer[0] == elsewhere.pid
    with pytest.raises(RingBusyError, match=f"process {elsewhere.pid}"):
        TimeRing.take_over(path)
    with pytest.raises(RingExistsError, match="live process"):
        TimeRing.create(path, 4, FIELDS)
    assert elsewhere.ask("append") == 11
    elsewhere.kill()
    assert not tail.is_written
    with pytest.raises(RingExistsError, match="writer is gone"):
        TimeRing.create(path, 4, FIELDS)
    with TimeRing.take_over(path) as ring:
        check(ring)
        assert (ring.written, ring.trimmed) == (11, 3)
        ring.append(99.0, (11, False))
        assert tail.is_written
        assert tail.writer[0] == os.getpid()
        assert plain(tail["x"]) == [float(n) for n in range(4, 12)]
    assert names(path.parent) == []


def test_clean_end_elsewhere(path, elsewhere):
    """A reader keeps the rows of a file that another process has removed, and learns that no more come."""
    tail = TimeRing.open(path)
    assert elsewhere.ask("end") == "ended"
    assert names(path.parent) == []
    assert not tail.is_written
    assert plain(tail["x"]) == [float(n) for n in range(2, 10)]
    with pytest.raises(MissingFileError):
        TimeRing.take_over(path)


@needs_fork
def test_forked_child_may_not_write(path):
    """Nor end the ring; the parent's is as it was."""
    ring = numbered(path, 10)
    append = ring.append
    rows = np.zeros(2, ring.dtype)

    def child():
        said = []
        for put in (
            lambda: append(9.0, (9.0, True)),
            lambda: ring.append(9.0, (9.0, True)),
            lambda: TimeRing.append(ring, 9.0, (9.0, True)),
            lambda: ring.extend(rows),
        ):
            try:
                put()
            except RingClosedError as error:
                said.append("forked" in str(error))
        try:
            TimeRing.take_over(path)
        except RingBusyError:
            said.append("busy")
        said.append(plain(ring.last(1)["x"]))
        said.append(plain(TimeRing.open(path).last(1)["x"]))
        ring.close()
        return said

    assert in_child(child) == [True] * 4 + ["busy", [9.0], [9.0]]
    assert names(path.parent) == ["tail.ring"]
    append(2.5, (10, True))
    assert TimeRing.open(path).is_written
    assert plain(ring["x"]) == [float(n) for n in range(3, 11)]
    ring.close()
    assert names(path.parent) == []


@needs_fork
def test_forked_child_does_not_keep_the_lock(path):
    """The lock ends with the writer, though a child that was forked from it lives on."""
    here, there = os.pipe()
    writer = os.fork()
    if writer == 0:
        try:
            ring = numbered(path, 10)
            child = os.fork()
            if child == 0:
                time.sleep(PATIENCE)
                os._exit(0)
            os.write(there, json.dumps([child, ring.written]).encode())
            time.sleep(PATIENCE)
        finally:
            os._exit(1)
    child = 0
    try:
        child, written = json.loads(os.read(here, 100))
        with pytest.raises(RingBusyError):
            TimeRing.take_over(path)
        os.kill(writer, signal.SIGKILL)
        os.waitpid(writer, 0)
        os.kill(child, 0)  # it is alive
        with TimeRing.take_over(path) as ring:
            assert ring.written == written == 10
    finally:
        if child:
            os.kill(child, signal.SIGKILL)
        os.close(here)
        os.close(there)


@needs_fork
def test_file_is_there_whole_or_not_at_all(path):
    """Who opens a ring while another process makes and removes it finds all of it or nothing, also when that dies."""
    maker = os.fork()
    if maker == 0:
        try:
            while True:
                numbered(path, 3, capacity=5000, units={"x": "mm"}).close()
        finally:
            os._exit(1)
    found = missing = 0
    try:
        while min(found, missing) < 200:
            try:
                tail = TimeRing.open(path)
            except MissingFileError:
                missing += 1
                continue
            found += 1
            assert (tail.capacity, tail.units) == (5000, {"t": "s", "x": "mm"})
            there = plain(tail["x"])
            assert there == [0.0, 1.0, 2.0][: len(there)]
    finally:
        os.kill(maker, signal.SIGKILL)
        os.waitpid(maker, 0)
    assert all(name == "tail.ring" or name.startswith(".tail.ring.") for name in names(path.parent))
    if path.exists():
        TimeRing.take_over(path).close()
    numbered(path, 3).close()  # whatever is left is in nobody's way
    assert not path.exists()


@needs_fork
def test_lookers_do_not_take_each_other_for_a_writer(path):
    """Whoever looks whether a writer is alive looks at a lock; another one that looks does not hold it."""
    numbered(path, 1).close(keep=True)

    def looks():
        return any(system.is_locked(path) for _ in range(20_000))

    other = os.fork()
    if other == 0:
        try:
            os._exit(looks())
        finally:
            os._exit(2)
    here = looks()
    assert os.waitstatus_to_exitcode(os.waitpid(other, 0)[1]) == 0
    assert not here


# Taking over ----------------------------------------------------------------------------------------------------------


def test_take_over(left):
    """Rows and sequences stay, in whatever process, and the rows that come go on from there."""
    with TimeRing.take_over(left) as ring:
        assert isinstance(ring, TimeRing)
        check(ring)
        assert (ring.capacity, ring.written, ring.trimmed, ring.columns) == (8, 10, 2, ("t", "x", "ok"))
        assert plain(ring.last(2)) == [(2.0, 8.0, True), (2.25, 9.0, False)]
        for n in range(10, 13):
            ring.append(n / 4, (n, True))
        check(ring)
        assert plain(ring["x"]) == [float(n) for n in range(5, 13)]
        assert ring.health() == (13, 0, 0, 0.25, 5, 0)


def test_take_over_keeps_the_units(path):
    """And a subclass makes one of its own kind."""

    class Track(TimeRing):
        pass

    Track.create(path, 4, FIELDS, units={"x": "mm"}).close(keep=True)
    with Track.take_over(path) as ring:
        assert type(ring) is Track
        assert ring.units == {"t": "s", "x": "mm"}


def test_death_after_a_time_was_counted(path):
    """The time of a row that never came does not count: the next gap is that from the last row there is."""
    ring = numbered(path, 3)
    ring._block.counters.view(np.float64)[counters_of.LAST_TIME] = 1e9
    ring.close(keep=True)
    with TimeRing.take_over(path) as ring:
        ring.append(0.75, (3, True))
        assert ring.health() == (4, 0, 0, 0.25, 0, 0)


# Rows of the number n; large ones, so that a death is likely to come within one.
LARGE = {"n": "i8", "fill": ("i8", 500)}


def large_rows(first, count):
    """Return the rows of consecutive numbers, every value of which is the number."""
    rows = np.zeros(count, [("t", "f8"), ("n", "i8"), ("fill", "i8", 500)])
    rows["t"] = rows["n"] = np.arange(first, first + count)
    rows["fill"] = rows["n"][:, None]
    return rows


def write_for_ever(path, size, began):
    """Write blocks of that many rows until somebody ends this process."""
    ring = TimeRing.create(path, 64, LARGE)
    while True:
        ring.extend(large_rows(ring.written, size))
        began.set()


@needs_fork
@pytest.mark.parametrize("size", [1, 40, 64, 300])
def test_killed_while_it_writes(tmp_path, size):
    """After SIGKILL at any moment, in blocks longer than the ring too, all rows there are whole, and it goes on."""
    context = multiprocessing.get_context("fork")
    random = np.random.default_rng(size)
    for number in range(6):
        path = tmp_path / f"{number}.ring"
        began = context.Event()
        writer = context.Process(target=write_for_ever, args=(path, size, began), daemon=True)
        writer.start()
        assert began.wait(PATIENCE)
        tail = TimeRing.open(path)
        time.sleep(random.uniform(0, 0.01))
        writer.kill()
        writer.join(PATIENCE)
        written = tail.written
        rows, following, missed = tail.since(0)
        assert following == written == len(rows) + missed
        assert rows.tobytes() == large_rows(written - len(rows), len(rows)).tobytes()
        assert not tail.is_written
        with TimeRing.take_over(path) as ring:
            check(ring)
            assert ring.written == written
            assert ring.last(64).tobytes() == rows.tobytes()
            for count in (1, 7, 64, 65):
                ring.extend(large_rows(ring.written, count))
                check(ring)
            assert ring.last(64).tobytes() == large_rows(ring.written - 64, 64).tobytes()
            assert tail.last(64).tobytes() == ring.last(64).tobytes()
            assert ring.health()[1:3] == (0, 0)
        assert not path.exists()


# Copies ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "copied",
    [copy.copy, copy.deepcopy, lambda ring: pickle.loads(pickle.dumps(ring))],
    ids=["copy", "deepcopy", "pickle"],
)
def test_copy_is_a_ring_in_memory(path, copied):
    """With the same rows and sequences, of its own; the file has nothing to do with it."""
    with numbered(path, 10) as ring:
        made = copied(ring)
        assert made.file is None
        assert made.path is None
        check(made)
        assert (made.written, made.trimmed) == (10, 2)
        assert same(np.asarray(made), np.asarray(ring))
        made.append(9.0, (99, True))
        assert ring.written == TimeRing.open(path).written == 10
        made.close()
        assert names(path.parent) == ["tail.ring"]
        ring.append(2.5, (10, True))
        assert ring.written == 11
    assert same(np.asarray(copied(ring)), np.asarray(ring))
    full = numbered(path, 8, allow_overwrite=False)
    with pytest.raises(RingFullError):
        copied(full).append(9.0, (9, True))
    full.close()
