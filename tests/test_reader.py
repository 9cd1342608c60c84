"""RingReader: what a reader of a ring file is answered, on a quiet ring and while another process writes it."""

from __future__ import annotations

import math
import multiprocessing
import tempfile
import threading
from itertools import count

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ringacc import TimeRing, lookups
from ringacc import jit as in_loops
from ringacc.errors import RowNotFoundError, UnknownColumnError
from ringacc.kernels.compile import JIT
from ringacc.testing import TimeRingModel, blocks, fields, plain, same

PATIENCE = 60.0  # seconds until a test gives up on another process
HOWS = ("previous", "next", "nearest", "linear")


@pytest.fixture
def path(tmp_path):
    """Give the path of a ring that is not there yet."""
    return tmp_path / "tail.ring"


# A quiet ring ---------------------------------------------------------------------------------------------------------


def answer(asked, name, *arguments):
    """Return what a look-up gives, or the kind of its error."""
    try:
        return getattr(asked, name)(*arguments)
    except (RowNotFoundError, ValueError) as error:
        return type(error)


@given(data=st.data(), pairs=fields(), capacity=st.sampled_from((1, 2, 3, 8)))
@settings(max_examples=100)
def test_answers_are_those_of_the_model(data, pairs, capacity):
    """Whatever lies in the file, every look-up answers by its definition, to readers that came before and after."""
    model = TimeRingModel(capacity, pairs)
    with tempfile.TemporaryDirectory() as folder, TimeRing.create(folder + "/tail", capacity, pairs) as ring:
        early = TimeRing.open(ring.path)
        for block in data.draw(st.lists(blocks(model.dtype, 2 * capacity + 2), max_size=3), "blocks"):
            ring.extend(block)
            model.extend(plain(block))
        late = TimeRing.open(ring.path)
        known = [row[0] for row in model.rows] or [0.0]
        moments = st.sampled_from(known) | st.floats(allow_nan=False, allow_infinity=False)
        t0, t1 = data.draw(moments, "t0"), data.draw(moments, "t1")
        sequence = data.draw(st.integers(0, model.written), "sequence")
        seconds = data.draw(st.sampled_from((0.0, 0.002, 1.0, math.inf)) | st.floats(min_value=0), "seconds")
        tolerance = data.draw(st.sampled_from((None, 0.0, 0.25, math.inf)), "tolerance")
        number = data.draw(st.integers(0, 9), "number")
        for tail in (early, late):
            questions = [("last", number), ("window", seconds), ("between", t0, t1), ("fps", number + 2)]
            questions += [("envelope", seconds, points) for points in (number + 1, 1, 10, number)]
            questions += [("at", t0, how, tolerance) for how in HOWS[:3]]
            for question in questions:
                assert same(answer(tail, *question), answer(model, *question)), question
            # What is on the line is rounded; the ring's own answer is tested against the model elsewhere.
            assert same(answer(tail, "at", t0, "linear", tolerance), answer(ring, "at", t0, "linear", tolerance))
            rows, following, missed = tail.since(sequence)
            want = model.since(sequence)
            assert same(rows, want[0])
            assert (following, missed) == want[1:]
            assert tail.health() == (*model.health()[:5], missed)
            for name in model.columns:
                assert same(tail[name], model[name])
            assert (len(tail), tail.written, tail.trimmed) == (len(model), model.written, model.trimmed)
            assert (tail.columns, tail.dtype, tail.capacity) == (model.columns, model.dtype, capacity)


def test_bad_questions(path):
    """They are refused as a ring in memory refuses them."""
    with TimeRing.create(path, 4, {"x": "f8"}) as ring:
        ring.extend(range(6), [[n] for n in range(6)])
        tail = TimeRing.open(path)
        for name, *arguments in (
            ("last", -1),
            ("window", -1.0),
            ("window", math.nan),
            ("envelope", -1.0, 10),
            ("envelope", math.nan, 10),
            ("envelope", 1.0, 0),
            ("between", math.nan, 1.0),
            ("at", math.nan),
            ("at", 1.0, "soon"),
            ("at", 1.0, "next", -1.0),
            ("fps", 1),
            ("since", -1),
            ("since", 7),
        ):
            with pytest.raises(ValueError, match=r"expected"):
                getattr(tail, name)(*arguments)
            with pytest.raises(ValueError, match=r"expected"):
                getattr(ring, name)(*arguments)
        with pytest.raises(UnknownColumnError, match="'y'"):
            tail["y"]
        with pytest.raises(RowNotFoundError, match=r"from 2\.0 to 5\.0 s"):
            tail.at(9.0, "next")
        assert tail.health().missed == 0


def test_answers_are_copies(path):
    """They stay as they are whatever the writer does, and may be written to without its notice."""
    with TimeRing.create(path, 4, {"x": "f8"}) as ring, TimeRing.open(path) as tail:
        ring.extend(range(4), [[n] for n in range(4)])
        answers = [tail.last(4), tail.window(9.0), tail.between(0, 9), tail.since(0)[0], tail.at(0.0), tail["x"]]
        before = [plain(rows) for rows in answers]
        ring.extend(range(4, 8), [[n] for n in range(4, 8)])
        assert [plain(rows) for rows in answers] == before
        for rows in answers[:4]:
            assert rows.flags.owndata or rows.base is not None
            rows["x"] = -1.0
        answers[5][:] = -1.0
        assert plain(ring["x"]) == plain(tail["x"]) == [4.0, 5.0, 6.0, 7.0]
        # Of times that go back too, where the ring has to look at each row.
        ring.append(0.5, (8.0,))
        rows = tail.window(1.0)
        assert plain(rows) == [(5.0, 5.0), (6.0, 6.0), (7.0, 7.0), (0.5, 8.0)]
        rows["x"] = -1.0
        assert plain(tail["x"]) == [5.0, 6.0, 7.0, 8.0]


def test_since_and_health_count_what_was_missed(path):
    """Each reader counts for itself, over all its calls."""
    with TimeRing.create(path, 4, {"x": "f8"}) as ring:
        one, other = TimeRing.open(path), TimeRing.open(path)
        ring.extend(range(10), [[n] for n in range(10)])
        assert one.since(0)[1:] == (10, 6)
        ring.extend(range(10, 15), [[n] for n in range(10, 15)])
        rows, following, missed = one.since(10)
        assert (plain(rows["x"]), following, missed) == ([11.0, 12.0, 13.0, 14.0], 15, 1)
        assert one.since(15)[1:] == (15, 0)
        assert other.since(9)[2] == 2
        assert (one.health().missed, other.health().missed, ring.health().missed) == (7, 2, 0)
        assert one.health() == (15, 0, 0, 1.0, 11, 7)
        ring.clear()  # taken away, not overwritten
        assert one.since(12)[1:] == (15, 3)
        assert one.health() == (15, 0, 0, 1.0, 11, 10)


def test_times_that_are_too_far_apart_to_subtract(path):
    """They are infinitely far apart, in an order that goes back as in one that does not, without a warning."""
    far = 1.7e308
    for t0, t1 in ((far, -far), (-far, far)):
        with TimeRing.create(path, 4, {"x": "f8"}) as ring:
            ring.extend([t0, t1], [[1], [2]])
            tail = TimeRing.open(path)
            for seen in (ring, tail):
                assert plain(seen.window(math.inf)["x"]) == [1.0, 2.0]
                assert plain(seen.window(far)["x"]) == ([1.0, 2.0] if t1 < 0 else [2.0])
                assert seen.at(-1e308)["t"] == seen.at(1e308, "previous")["t"] == -far
                assert seen.at(-1e308, "next")["t"] == seen.at(1e308)["t"] == far
                assert seen.fps() == 0.0


def test_look_at_what_it_is(path):
    """A reader says what it reads."""
    with TimeRing.create(path, 4, {"x": "f8"}, units={"x": "mm"}) as ring:
        ring.append(0.5, (1.0,))
        tail = TimeRing.open(path)
        assert repr(tail) == f"<RingReader of 1 of 4 rows ('t', 'x') in {path}>"
        assert (tail.path, tail.units, tail.is_written) == (path, {"t": "s", "x": "mm"}, True)
        assert not hasattr(tail, "append")


# A ring that is overwritten while it is asked, step by step -----------------------------------------------------------


def rows_while_asked(monkeypatch, path, capacity, numbers):
    """Give a ring and a reader; while each window is looked up, the next of these numbers of rows is put in."""
    ring = TimeRing.create(path, capacity, {"n": "i8"})
    ring.extend(np.arange(capacity, dtype=float), [(n,) for n in range(capacity)])
    asked, look_up = [], lookups.window
    numbers = iter(numbers)

    def window(block, seconds):
        found = look_up(block, seconds).copy()
        asked.append(len(block))
        for _ in range(next(numbers, 0)):
            ring.append(ring.written, (ring.written,))
        return found

    monkeypatch.setattr(lookups, "window", window)
    return ring, TimeRing.open(path), asked


@pytest.mark.parametrize("steps", [(5,), (3, 4, 3, 4, 3, 4), (1, 2, 3, 4, 5, 6, 7, 8), (1, 9, 1, 9, 1, 9, 1, 9)])
def test_rows_that_went_are_not_in_the_answer(monkeypatch, path, steps):
    """The question is asked again of what is there now, a few times only, also of a writer that is never as slow."""
    numbers = (steps[place % len(steps)] for place in count())
    ring, tail, asked = rows_while_asked(monkeypatch, path, 200, numbers)
    rows = tail.window(math.inf)
    assert 2 <= len(asked) <= 8
    assert len(rows) > 100
    assert rows["n"].tolist() == list(range(rows["n"][0], rows["n"][0] + len(rows)))
    assert same(rows["t"], rows["n"].astype(float))
    # They were all there when the last question was asked, and are there still.
    assert rows["n"][0] >= ring.trimmed
    ring.close()


@pytest.mark.parametrize("capacity", [1, 2, 5, 100])
@pytest.mark.parametrize("laps", [1, 2, 50])
def test_ring_that_goes_round_in_less_than_an_answer_takes(monkeypatch, path, capacity, laps):
    """Even then there is an answer, of rows that were there together, and not of none."""
    ring, tail, asked = rows_while_asked(monkeypatch, path, capacity, (laps * capacity for _ in count()))
    rows = tail.window(math.inf)
    assert len(asked) <= 3
    assert len(rows) == capacity
    assert rows["n"].tolist() == list(range(rows["n"][0], rows["n"][0] + capacity))
    rows["n"] = 0  # a copy
    assert TimeRing.open(path).last(1)["n"] == ring.written - 1
    ring.close()


def test_refusal_of_rows_that_went(monkeypatch, path):
    """An error that was found in rows that went is no answer either."""
    ring = TimeRing.create(path, 10, {"n": "i8"})
    ring.extend(np.arange(10.0), [(n,) for n in range(10)])
    tail, asked, look_up = TimeRing.open(path), [], lookups.at

    def at(block, *arguments):
        asked.append(len(block))
        if len(asked) == 1:
            ring.append(10.0, (10,))
            raise RowNotFoundError("found in a row that is being overwritten")
        return look_up(block, *arguments)

    monkeypatch.setattr(lookups, "at", at)
    assert plain(tail.at(10.0)) == (10.0, 10)
    assert len(asked) == 2
    with pytest.raises(RowNotFoundError, match=r"from 1\.0 to 10\.0"):
        tail.at(0.0, "previous")
    ring.close()


# While another process writes -----------------------------------------------------------------------------------------

STEP = 2.0**-7
# 33 bytes, so that rows lie across words and cache lines.
NUMBERED = {"n": "i8", "less": "i8", "half": "f8", "low": "u1"}
ROW = np.dtype([("t", "f8"), *NUMBERED.items()])


def moments(numbers, back=False):
    """Give the times of the rows of these numbers; ``back``: each eighth lies before the four before it."""
    return (numbers - 5 * (numbers % 8 == 7) * back) * STEP


def rows_of(numbers, back=False):
    """Return the rows of these numbers: all that is in a row follows from its number."""
    n = np.asarray(numbers, np.int64)
    rows = np.zeros(len(n), ROW)
    rows["t"], rows["n"], rows["less"], rows["half"], rows["low"] = moments(n, back), n, -n, n / 2, n % 251
    return rows


def rows_from(first, number, back=False):
    """Return that many rows of consecutive numbers."""
    return rows_of(np.arange(first, first + number), back)


if JIT:
    from numba import njit

    @njit
    def fill(ring, first, last):
        for n in range(first, last):
            in_loops.append(ring, n * 2.0**-7, (n, -n, n / 2, n % 251))

else:

    def fill(ring, first, last):
        for n in range(first, last):
            in_loops.append(ring, n * 2.0**-7, (n, -n, n / 2, n % 251))


def write(path, capacity, form, began, enough):
    """Write rows at full speed until it is enough."""
    with TimeRing.create(path, capacity, NUMBERED) as ring:
        handle = ring.jit
        sizes = {"a jitted loop": 5000 if JIT else 50, "blocks": 1 + capacity // 3, "long blocks": 3 * capacity + 1}
        size = sizes.get(form, 50)
        while not enough.is_set():
            n = ring.written
            if form == "a jitted loop":
                fill(handle, n, n + size)
            elif form.endswith("blocks"):
                for _ in range(50):
                    ring.extend(rows_from(ring.written, size))
            else:
                for row in rows_from(n, size, form == "times that go back").tolist():
                    ring.append(row[0], row[1:])
            if n > 3 * capacity:
                began.set()


@pytest.fixture
def busy(path):
    """Give a function that lets another process write a ring, and opens it when it has gone round."""
    context = multiprocessing.get_context("spawn")
    enough = context.Event()
    writers = []

    def start(capacity, form):
        began = context.Event()
        writers.append(context.Process(target=write, args=(path, capacity, form, began, enough), daemon=True))
        writers[0].start()
        assert began.wait(PATIENCE)
        return TimeRing.open(path)

    def stop():
        enough.set()
        writers[0].join(PATIENCE)
        assert writers[0].exitcode == 0

    yield start, stop
    enough.set()
    for writer in writers:
        writer.join(PATIENCE)
        writer.kill()


def whole(rows, back, consecutive=True):
    """Assert that no row is torn, and that they are in the order they were put in, without a gap."""
    assert rows.tobytes() == rows_of(rows["n"], back).tobytes()
    steps = np.diff(rows["n"])
    assert (steps == 1).all() if consecutive else (steps > 0).all()


def bins_are_whole(tail, seconds, points, back):
    """Assert that an envelope is that of rows none of which is torn: what is in a row follows from its number."""
    bins = tail.envelope(seconds, points)
    assert len(bins) <= points
    low, high = bins[:, 0], bins[:, 1]
    assert (high["less"] == -low["n"]).all()
    assert (low["less"] == -high["n"]).all()
    assert (low["half"] == low["n"] / 2).all()
    assert (high["half"] == high["n"] / 2).all()
    if not back:
        assert (low["t"] == moments(low["n"])).all()
        assert (high["t"] == moments(high["n"])).all()
        assert (low["n"][1:] == high["n"][:-1] + 1).all()
        assert not len(bins) or high["t"][-1] - low["t"][0] <= seconds
    # A bin has the numbers from one multiple of its width to the next.
    inner = high["n"][1:-1] - low["n"][1:-1] + 1
    assert back or len(set(inner.tolist())) <= 1
    assert back or (low["n"][1:-1] % inner == 0).all()
    few = low["n"] // 251 == high["n"] // 251
    assert back or (low["low"][few] == low["n"][few] % 251).all()


def ask_all(tail, capacity, back, random):
    """Ask each question once, about rows that are about to be overwritten, and check the answers by definition.

    Return whether no row at all was found.
    """
    whole(tail.last(random.integers(0, 2 * capacity)), back)
    seconds = random.integers(0, capacity) * STEP
    rows = tail.window(seconds)
    whole(rows, back, consecutive=not back)
    assert (rows["t"] >= rows["t"][-1:] - seconds).all()
    bins_are_whole(tail, seconds, int(random.integers(1, 40)), back)
    # From before the oldest row to behind the newest.
    near = (tail.trimmed + int(random.integers(-2, capacity + 2))) * STEP
    rows = tail.between(near, near + seconds)
    whole(rows, back, consecutive=not back)
    assert ((near <= rows["t"]) & (rows["t"] <= near + seconds)).all()
    for name, sign, step in (("n", 1, 1), ("less", -1, 1), ("half", 1, 0.5)):
        column = tail[name]
        assert len(column) <= capacity
        assert (np.diff(column) == sign * step).all()
    if not back:
        assert tail.fps(int(random.integers(2, 12))) in (0.0, 1 / STEP)
    return ask_at(tail, back, random, near)


def ask_at(tail, back, random, near):
    """Ask for rows at a time, which are there, are gone, or have not come; return whether no row at all was found."""
    was_empty = False
    for how in HOWS:
        t = near + float(random.choice((0.0, 0.25, 0.75))) * STEP
        oldest, newest = tail.trimmed, tail.written - 1
        try:
            row = tail.at(t, how)
        except RowNotFoundError as error:
            was_empty |= "found no rows" in str(error)
            continue
        if how == "linear":
            assert row["t"] == t
            assert back or (row["n"], row["less"], row["half"]) == (t / STEP, -t / STEP, t / STEP / 2)
            continue
        whole(np.array([row], ROW), back)
        assert row["t"] <= t or how != "previous"
        assert row["t"] >= t or how != "next"
        if not back:
            # It is the one next to that time; or that one had not come; or it went, or was about to, meanwhile.
            want = {"previous": math.floor, "next": math.ceil, "nearest": round}[how](t / STEP)
            going = tail.trimmed + 3 * (tail.trimmed - oldest)
            assert row["n"] == want or newest <= row["n"] < want or want < min(row["n"], going)
    return was_empty


@pytest.mark.parametrize(
    ("form", "capacity"),
    [
        ("a row", 16),
        ("a row", 1000),
        ("a jitted loop", 16),
        ("a jitted loop", 1000),
        ("blocks", 300),
        ("long blocks", 16),
        ("times that go back", 16),
        ("times that go back", 300),
    ],
)
def test_rows_of_a_busy_ring_are_whole(busy, form, capacity):
    """Whatever is asked while a ring goes round and round, no row is torn, and since() counts each one."""
    start, stop = busy
    tail, random, back = start(capacity, form), np.random.default_rng(capacity), form == "times that go back"
    cursor = total = missed = 0
    for _ in range(100):
        rows, following, lost = tail.since(cursor)
        whole(rows, back)
        assert len(rows) + lost == following - cursor
        assert not len(rows) or rows["n"][-1] == following - 1
        cursor, total, missed = following, total + len(rows), missed + lost
        assert 0 <= len(tail) <= capacity
        # A block as long as the ring empties it first; and 16 rows of a jitted loop are gone before they are copied.
        assert not ask_all(tail, capacity, back, random) or (
            form in ("a jitted loop", "long blocks") and capacity == 16
        )
        health = tail.health()
        assert health.rows >= cursor
        assert health.missed == missed
    stop()
    rows, following, lost = tail.since(cursor)
    assert following == tail.written == total + missed + len(rows) + lost
    assert tail.health().missed == missed + lost > 0
    assert len(tail.last(capacity)) == capacity
    whole(tail.last(capacity), back)
    assert not tail.is_written
    assert plain(rows_from(following - 1, 1, back)) == plain(tail.last(1))


def test_many_readers_of_one_ring(busy, path):
    """Each thread that opens a reader of its own sees whole rows, and each row once."""
    start, stop = busy
    start(64, "a row")
    failures, sums = [], []

    def follow():
        try:
            tail, cursor, seen = TimeRing.open(path), 0, 0
            for _ in range(300):
                rows, following, lost = tail.since(cursor)
                whole(rows, False)
                seen, cursor = seen + len(rows) + lost, following
            sums.append(seen == cursor > 0)
        except BaseException as error:
            failures.append(error)

    readers = [threading.Thread(target=follow) for _ in range(3)]
    for reader in readers:
        reader.start()
    for reader in readers:
        reader.join(PATIENCE)
    stop()
    assert failures == []
    assert sums == [True] * 3
