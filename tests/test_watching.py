"""What displays are told of a ring, from every source, whatever becomes of its writer."""

from __future__ import annotations

import math
import multiprocessing
import os
import signal
import time
from collections import namedtuple

import numpy as np
import pytest
from ringfile_stage import PATIENCE, numbered

from ringacc import EstimatorLog, NamedTupleQueue, TimeRing
from ringacc.errors import RingFileError, RingFormatError, SourceError
from ringacc.watching import Phase, Watch, is_drawable

X = namedtuple("X", "x")
XY = namedtuple("XY", "x y")


def looked(watch, phase):
    """Look until a watch sees a phase; give the facts."""
    end = time.monotonic() + PATIENCE
    while (facts := watch.look()).phase is not phase:
        assert time.monotonic() < end, facts
        time.sleep(0.01)
    return facts


# What is watched ----------------------------------------------------------------------------------------------


def test_a_ring_in_memory():
    """Its rows, rate and newest row are told, and which columns can be drawn."""
    ring = TimeRing(10, {"x": "f8", "label": "S3", "ok": "?", "pair": ("f8", 2)})
    watch = Watch(ring)
    empty = watch.look()

    ring.extend([0.0, 0.5, 1.0], [(1, b"a", True, (1, 2)), (2, b"b", True, (1, 2)), (3, b"c", False, (1, 2))])
    facts = watch.look()

    assert (empty.phase, empty.rows, empty.last) == (Phase.LIVE, 0, None)
    assert math.isnan(empty.rate)
    assert math.isnan(empty.age)
    assert (facts.rows, facts.written, facts.rate, facts.missed) == (3, 3, 2.0, 0)
    assert facts.last["x"] == 3
    assert facts.age >= 0
    assert (watch.columns, watch.all_columns) == (("x", "ok"), ("x", "label", "ok", "pair"))
    assert watch.units == {"t": "s"}


@pytest.mark.parametrize("how", ["path", "text", "writer", "reader"])
def test_a_ring_file(tmp_path, how):
    """By its path, its writer or its reader, it is one more reader, and sees when it is closed."""
    ring = numbered(tmp_path / "tail", 3, capacity=8, units={"x": "rad"})
    sources = {
        "path": ring.path, "text": str(ring.path), "writer": ring, "reader": TimeRing.open(ring.path),
    }  # fmt: skip
    watch = Watch(sources[how])
    facts = watch.look()

    assert (facts.phase, facts.rows, facts.last["x"]) == (Phase.LIVE, 3, 2)
    assert f"written by process {os.getpid()}" in facts.text
    assert (watch.name, watch.columns, watch.units) == ("tail", ("x", "ok"), {"t": "s", "x": "rad"})
    ring.close()
    assert "closed by" in looked(watch, Phase.ENDED).text


def test_a_name_is_that_of_a_ring_in_the_folder_for_rings(rings):
    """As for the commands."""
    rings.mkdir()
    ring = numbered(rings / "tail", 2)

    assert Watch("tail").look().rows == 2
    ring.close()


def test_the_newest_segment_of_an_accumulator():
    """It waits for a first row, and goes over to other columns when they come."""
    log = EstimatorLog()
    watch = Watch(log)
    waiting = watch.look()

    log.update_list(0.0, X(1.0))
    first, generation = watch.look(), watch.generation
    log.update_list(1.0, XY(1.0, 2.0))
    second = watch.look()

    assert (waiting.phase, waiting.text, watch.name) == (Phase.WAITING, "waiting for a first row", log.name)
    assert (first.phase, first.rows) == (Phase.LIVE, 1)
    assert (second.rows, watch.columns, watch.generation) == (1, ("x", "y"), generation + 1)


def test_the_next_ring_of_a_stream(rings):
    """A stream whose columns change goes on in another file, which is then the one that is watched."""
    queue = NamedTupleQueue()
    watch = Watch(queue.path)
    queue.put(0.0, namedtuple("Eye", "x")(1.0))
    first = looked(watch, Phase.LIVE)
    assert (first.rows, watch.columns) == (1, ("x",))
    generation = watch.generation
    queue.put(0.5, namedtuple("Tail", "y z")(2.0, 3.0))
    end = time.monotonic() + PATIENCE
    while watch.columns != ("y", "z"):
        assert time.monotonic() < end
        watch.look()
    last = watch.look().last
    queue.close()

    assert last.tolist() == (0.5, 2.0, 3.0)
    assert watch.generation == generation + 1


def test_other_things_are_refused(tmp_path):
    """What is no source, a file that is no ring, a name that two rings have."""
    with pytest.raises(SourceError, match=r"expected a ring, an accumulator, or the path .*found int: 3"):
        Watch(3)
    for name in ("", " ", "/"):
        with pytest.raises(SourceError, match="expected the path or the name of a ring, found "):
            Watch(name)
    (tmp_path / "no.ring").write_text("text")
    with pytest.raises(RingFormatError):
        Watch(tmp_path / "no.ring")
    with pytest.raises(TypeError):
        Watch(None)


def test_a_name_of_two_rings_is_refused(rings, tmp_path, monkeypatch):
    """It has to be said which one is meant."""
    rings.mkdir()
    monkeypatch.chdir(tmp_path)
    made = [numbered(folder / "tail", 1) for folder in (rings, tmp_path)]

    with pytest.raises(RingFileError, match="expected one ring called tail"):
        Watch("tail")
    for ring in made:
        ring.close()


# What becomes of the writer -----------------------------------------------------------------------------------


def write_and_wait(path, columns, told):
    """Write a row, say so, and stay."""
    ring = TimeRing.create(path, 10, dict.fromkeys(columns, "f8"))
    ring.append(0.0, (1.0,) * len(columns))
    told.set()
    signal.pause()


def test_a_writer_that_comes_is_killed_and_comes_back(tmp_path):
    """It waits, is live, says that the writer has gone, and goes on with the next one's columns."""
    processes = multiprocessing.get_context("spawn")
    path = tmp_path / "tail.ring"
    watch = Watch(path)
    waiting = watch.look()
    generations = [watch.generation]
    for columns in (("x",), ("speed", "angle")):
        told = processes.Event()
        writer = processes.Process(target=write_and_wait, args=(path, columns, told))
        writer.start()
        assert told.wait(PATIENCE)
        facts = looked(watch, Phase.LIVE)
        assert (watch.columns, facts.rows) == (columns, 1)
        assert f"process {writer.pid}" in facts.text
        writer.kill()
        writer.join()
        assert "has gone without closing it" in looked(watch, Phase.GONE).text
        assert watch.look().rows == 1
        generations.append(watch.generation)
        path.unlink()

    assert (waiting.phase, waiting.text) == (Phase.WAITING, f"waiting for {path}")
    assert generations == sorted(set(generations))


# What is told -------------------------------------------------------------------------------------------------


def test_rows_between_two_looks_are_missed():
    """Those that came and were overwritten before anybody looked."""
    ring = TimeRing(10, {"x": "f8"})
    watch = Watch(ring)
    ring.extend(np.arange(10.0), np.zeros((10, 1)))
    first = watch.look()

    ring.extend(np.arange(10.0, 35.0), np.zeros((25, 1)))
    second = watch.look()

    assert (first.missed, second.missed, second.rows) == (0, 15, 10)


def test_what_was_there_before_is_not_missed():
    """A watch that begins late has missed nothing."""
    ring = TimeRing(10, {"x": "f8"})
    ring.extend(np.arange(35.0), np.zeros((35, 1)))

    assert Watch(ring).look().missed == 0


def test_the_age_is_that_of_the_newest_row():
    """It grows while none comes, and is small again when one does."""
    ring = TimeRing(10, {"x": "f8"})
    watch = Watch(ring)
    ring.append(0.0, (1.0,))
    first = watch.look().age
    while (later := watch.look().age) < first + 0.05:
        assert later >= first
    ring.append(1.0, (1.0,))

    assert watch.look().age < later


def test_columns_are_chosen():
    """Those that are named and there; else the accumulator's, else the first eight that can be drawn."""
    ring = TimeRing(10, {"label": "S3", **{f"c{number}": "f4" for number in range(10)}})
    watch = Watch(ring)
    log = EstimatorLog()
    log.plot_columns = ["y", "gone"]
    log.update_list(0.0, XY(1.0, 2.0))

    assert watch.chosen(None) == tuple(f"c{number}" for number in range(8))
    assert watch.chosen(["c9", "label", "gone", "c1"]) == ("c9", "c1")
    assert watch.chosen(["gone"]) == watch.chosen(None)
    assert Watch(log).chosen(None) == ("y",)
    assert Watch(log).chosen(["x"]) == ("x",)


def test_the_envelope_is_that_of_the_ring():
    """There is none where there is no ring yet."""
    ring = TimeRing(1000, {"x": "f8"})
    ring.extend(np.arange(1000.0), np.arange(1000.0)[:, None])

    found, expected = Watch(ring).envelope(500, 20), ring.envelope(500, 20)

    assert np.array_equal(found, expected)
    assert Watch("no ring of this name").envelope(1, 2) is None


@pytest.mark.parametrize(
    ("dtype", "is_one"), [("f8", True), ("u1", True), ("?", True), ("S3", False), ("c16", False), ("M8[s]", False)]
)
def test_what_can_be_drawn(dtype, is_one):
    """One number, or one truth value, a row."""
    assert is_drawable(np.dtype(dtype)) is is_one
    assert not is_drawable(np.dtype((dtype, 2)))
