"""RingBuffer: an array-like deque, and a replacement for numpy_ringbuffer and dvg_ringbuffer."""

from __future__ import annotations

import gc
import sys
import tracemalloc
import warnings
import weakref
from collections.abc import Sequence

import numpy as np
import pytest

from ringacc.errors import CapacityError, CapacityMemoryError, RingEmptyError, RingFullError, RowError
from ringacc.ring import RingBuffer
from ringacc.testing import check, plain, same

DAY = np.datetime64("2024-05-06T07:08:09.123456", "us")
SOME = {
    "f8": [0.5, -0.0, np.inf, 1e-300, 3.0],
    "f4": [0.5, -0.0, np.inf, 1e-30, 3.0],
    "f2": [0.5, -0.0, np.inf, 6e-8, 3.0],
    ">f8": [0.5, -0.0, np.inf, 1e-300, 3.0],
    "c16": [1j, 0.5, 2 - 1j, 0, -1],
    "M8[us]": [DAY + np.timedelta64(step, "us") for step in range(5)],
    "m8[ns]": [np.timedelta64(step, "ns") for step in range(5)],
    "U4": ["a", "tail", "", "θ", "b c"],
    "S3": [b"a", b"", b"abc", b"\xff", b"x"],
    (float, 2): [[step, -step] for step in range(5)],
    ("i4", (2, 3)): [[[step, 1, 2], [3, 4, -step]] for step in range(5)],
    (("x", "f8"), ("ok", "?"), ("n", "i2")): [(step / 4, step > 2, -step) for step in range(5)],
    (("p", "f4", (2,)), ("name", "U3")): [([step, -step], "abcde"[step]) for step in range(5)],
    (("inner", (("x", "i4"), ("y", "f4"))), ("z", "u8")): [((step, step / 2), 2**64 - 1 - step) for step in range(5)],
}


def dtype_of(key):
    """Return the dtype that a key of the table stands for."""
    if isinstance(key, tuple) and isinstance(key[0], tuple):
        return np.dtype([(name, dtype_of(kind), *shape) for name, kind, *shape in key])
    return np.dtype(key)


def filled(capacity, count, dtype=float):
    """Return a ring after the appends of 0, 1, 2, ..."""
    ring = RingBuffer(capacity, dtype)
    for value in range(count):
        ring.append(value)
    return ring


# What it holds ---------------------------------------------------------------------------------


@pytest.mark.parametrize("count", range(12))
@pytest.mark.parametrize("capacity", [0, 1, 2, 3, 5])
def test_holds_the_newest(capacity, count):
    """After n appends the ring holds the last `capacity` of them, oldest first."""
    ring = filled(capacity, count)
    want = list(range(count))[max(0, count - capacity) :]
    assert plain(np.asarray(ring)) == want
    assert len(ring) == len(want)
    assert ring.shape == (len(want),)
    assert ring.maxlen == ring.capacity == capacity
    assert ring.is_full == (len(want) == capacity)
    assert (ring.written, ring.trimmed) == (count, count - len(want))
    check(ring)


@pytest.mark.parametrize("size", [0, 1, 3, 4, 5, 9])
@pytest.mark.parametrize("before", [0, 1, 4, 6])
def test_extend_by_any_length(before, size):
    """A block that is empty, fits, fills the ring exactly or is longer than it leaves its end."""
    ring = filled(4, before)
    ring.extend(np.arange(100.0, 100 + size))
    want = [*range(before), *range(100, 100 + size)][-4:]
    assert plain(np.asarray(ring)) == want
    assert ring.written == before + size
    check(ring)


def test_extendleft_keeps_the_given_order():
    """The block stands at the left as it was given; of a longer one its first values stay."""
    ring = RingBuffer(3, int)
    ring.extendleft([1])
    ring.extendleft([3, 2])
    assert plain(np.asarray(ring)) == [3, 2, 1]
    ring.extendleft([7, 6, 5, 4])
    assert plain(np.asarray(ring)) == [7, 6, 5]
    assert (ring.written, ring.trimmed) == (7, 4)
    check(ring)


def test_extend_takes_any_sequence():
    """A list, a tuple, a range, an array, a strided or read-only array, another ring, itself."""
    ring = RingBuffer(20, int)
    frozen = np.arange(2)
    frozen.flags.writeable = False
    for block in ([0, 1], (0, 1), range(2), np.arange(2), np.arange(4)[::2] // 2, frozen):
        ring.extend(block)
    assert plain(np.asarray(ring)) == [0, 1] * 6
    other = RingBuffer(3, int)
    other.extend([7, 8])
    ring.extend(other)
    assert plain(ring[-3:]) == [1, 7, 8]
    other.extend(other)
    assert plain(np.asarray(other)) == [8, 7, 8]
    check(other)


def test_extend_by_its_own_view():
    """A view of the ring may be appended to it, though its rows are overwritten meanwhile."""
    for size in (1, 3, 5):
        ring = filled(5, 8)
        ring.extend(ring.last(size))
        assert plain(np.asarray(ring)) == [3, 4, 5, 6, 7, *range(8 - size, 8)][-5:]
        ring.extendleft(ring.last(2))
        check(ring)


@pytest.mark.parametrize(("key", "rows"), SOME.items(), ids=map(str, SOME))
def test_any_dtype_of_fixed_size(key, rows):
    """Items of any dtype come back byte for byte, in native byte order, from either end."""
    dtype = dtype_of(key)
    block = np.zeros(5, dtype)
    for position, row in enumerate(rows):
        block[position] = row
    ring = RingBuffer(4, dtype)
    ring.extend(block)
    block = block.astype(block.dtype.newbyteorder("="))
    assert ring.dtype == block.dtype
    assert np.asarray(ring).tobytes() == block[1:].tobytes()
    ring.append(rows[0])
    ring.appendleft(rows[1])
    ring.append(block[0])
    assert ring.shape == (4, *block.shape[1:])
    assert np.asarray(ring).tobytes() == block[[2, 3, 4, 0]].tobytes()
    assert same(ring.pop(), block[0])
    assert same(ring.popleft(), block[2])
    ring.extend(rows[:3])
    assert np.asarray(ring).tobytes() == block[[4, 0, 1, 2]].tobytes()
    check(ring)


@pytest.mark.parametrize("align", [False, True])
def test_padding_does_not_matter(align):
    """A structured dtype with gaps between its fields, or in another order, holds its values."""
    fields = {"names": ["a", "b"], "formats": ["u1", "f8"], "offsets": [16, 0], "itemsize": 24}
    dtype = np.dtype([("a", "u1"), ("b", "f8")], align=True) if align else np.dtype(fields)
    ring = RingBuffer(3, dtype)
    ring.append((1, 0.5))
    ring.extend([(2, 1.5), (3, 2.5), (4, 3.5)])
    assert plain(np.asarray(ring)) == [(2, 1.5), (3, 2.5), (4, 3.5)]
    check(ring)


def test_capacity_zero_takes_everything_and_holds_nothing():
    """As deque(maxlen=0): appends vanish, and are counted."""
    ring = RingBuffer(0, (float, 2))
    ring.append([1, 2])
    ring.appendleft([1, 2])
    ring.extend([[1, 2]] * 3)
    ring.extendleft([[1, 2]] * 3)
    assert (len(ring), ring.written, ring.trimmed) == (0, 8, 8)
    assert ring.shape == (0, 2)
    assert ring.is_full
    assert ring.last(3).shape == (0, 2)
    with pytest.raises(RowError):
        ring.append([1, "x"])
    check(ring)


@pytest.mark.parametrize("capacity", [-1, 1.5, "3", None, np.float64(2), np.int64(-5), [1]])
def test_capacity_that_is_none_is_refused(capacity):
    """A capacity that is negative or no whole number is a CapacityError, a ValueError."""
    with pytest.raises(CapacityError) as caught:
        RingBuffer(capacity)
    assert isinstance(caught.value, ValueError)


@pytest.mark.parametrize("capacity", [2**48, 2**62, 2**63 - 1, 2**64, 10**30])
def test_capacity_beyond_memory_is_refused(capacity):
    """A capacity whose bytes no memory holds is a MemoryError, at once."""
    with pytest.raises(CapacityMemoryError) as caught:
        RingBuffer(capacity)
    assert isinstance(caught.value, MemoryError)
    assert isinstance(caught.value, ValueError)


def test_capacity_may_be_a_numpy_int():
    """Whatever Python takes as an index is a capacity."""
    assert RingBuffer(np.uint8(3)).maxlen == 3


def test_pop_of_nothing():
    """An empty ring has nothing to pop: an IndexError."""
    ring = RingBuffer(3)
    for pop in (ring.pop, ring.popleft):
        with pytest.raises(RingEmptyError) as caught:
            pop()
        assert isinstance(caught.value, IndexError)
    check(ring)


def test_popped_rows_are_copies():
    """A row that was popped stays as it was when its slot is written again."""
    ring = RingBuffer(2, [("x", "f8")])
    ring.extend([(1.0,), (2.0,)])
    right, left = ring.pop(), ring.popleft()
    ring.extend([(8.0,), (9.0,), (10.0,)])
    assert (plain(left), plain(right)) == ((1.0,), (2.0,))


def test_without_overwrite_nothing_is_lost():
    """A ring that may not overwrite refuses what has no room, whole, and takes what has."""
    ring = RingBuffer(3, int, allow_overwrite=False)
    ring.extend([1, 2])
    for call in (lambda: ring.extend([3, 4]), lambda: ring.extendleft([3, 4]), lambda: ring.extend([1, 2, 3, 4])):
        with pytest.raises(RingFullError) as caught:
            call()
        assert isinstance(caught.value, IndexError)
    assert plain(np.asarray(ring)) == [1, 2]
    ring.append(3)
    for call in (ring.append, ring.appendleft):
        with pytest.raises(RingFullError):
            call(4)
    ring.extend([])
    assert plain(np.asarray(ring)) == [1, 2, 3]
    assert (ring.written, ring.trimmed) == (3, 0)
    ring.popleft()
    ring.append(4)
    assert plain(np.asarray(ring)) == [2, 3, 4]
    check(ring)


# Sequences -------------------------------------------------------------------------------------


def test_since_counts_what_a_reader_missed():
    """A reader gets what is new, the number to go on from, and how many rows are gone."""
    ring = filled(4, 3)
    rows, following, missed = ring.since(1)
    assert (plain(rows), following, missed) == ([1, 2], 3, 0)
    ring.extend([3, 4, 5, 6, 7])
    rows, following, missed = ring.since(following)
    assert (plain(rows), following, missed) == ([4, 5, 6, 7], 8, 1)
    rows, following, missed = ring.since(following)
    assert (plain(rows), following, missed) == ([], 8, 0)


def test_since_after_a_pop():
    """Rows are numbered from the newest back: after a pop, older ones count as newer by one."""
    ring = filled(4, 4)
    ring.pop()
    assert (ring.written, ring.trimmed) == (4, 1)
    rows, following, missed = ring.since(2)
    assert (plain(rows), following, missed) == ([1, 2], 4, 0)


@pytest.mark.parametrize("sequence", [-1, 4, 10**30])
def test_since_a_number_that_never_was(sequence):
    """A sequence number that no row has had, or will have next, is a ValueError."""
    with pytest.raises(ValueError, match=str(sequence)):
        filled(4, 3).since(sequence)


@pytest.mark.parametrize("n", [1.5, "1", None])
def test_counts_are_whole_numbers(n):
    """A number of rows that is no whole number is a TypeError."""
    ring = filled(4, 3)
    with pytest.raises(TypeError):
        ring.last(n)
    with pytest.raises(TypeError):
        ring.since(n)


def test_last_of_a_negative_number():
    """A negative number of rows is a ValueError."""
    with pytest.raises(ValueError, match="-1"):
        filled(4, 3).last(-1)


# Views -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [1, 3, 5, 7, 12])
@pytest.mark.parametrize("n", [0, 1, 3, 5, 99])
def test_last_is_a_view(count, n):
    """The last rows are one contiguous, read-only piece of the ring's own memory."""
    ring = filled(5, count)
    view = ring.last(n)
    want = list(range(count))[max(0, count - min(n, 5)) :]
    assert plain(view) == want
    assert view.flags.c_contiguous
    assert not view.flags.writeable
    if want:
        assert np.shares_memory(view, ring._block.rows)
        with pytest.raises(ValueError, match="read-only"):
            view[0] = 5


@pytest.mark.parametrize("count", [2, 7, 10, 11])
@pytest.mark.parametrize("n", [1, 2, 6, 7])
def test_view_stays_right_for_capacity_less_n_appends(count, n):
    """A view of n rows is unchanged by `capacity - n` more appends."""
    ring = filled(7, count)
    view = ring.last(n)
    rows = plain(view)
    for value in range(7 - len(rows)):
        ring.append(100 + value)
        assert plain(view) == rows
    other = ring.last(n)
    rows = plain(other)
    ring.extend(range(200, 200 + 7 - len(rows)))
    assert plain(other) == rows


def test_view_keeps_the_memory_and_not_the_ring():
    """A ring that nobody holds is freed at once; a view of it stays readable."""
    gc.disable()
    try:
        ring = filled(1000, 1500)
        alive = weakref.ref(ring)
        view = ring.last(1000)
        following = ring.since(700)[0]
        array = np.array(ring, copy=False)
        del ring
        assert alive() is None
        trash = [filled(1000, 1000, float) for _ in range(20)]
        assert plain(view) == list(range(500, 1500))
        assert plain(following) == list(range(700, 1500))
        assert plain(array) == list(range(500, 1500))
        del trash
    finally:
        gc.enable()


# NumPy -----------------------------------------------------------------------------------------


def test_array_with_dtype_and_copy():
    """np.asarray and np.array give copies, of another dtype too; copy=False a read-only view."""
    ring = filled(3, 5)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        copies = [
            np.asarray(ring),
            np.array(ring),
            np.array(ring, copy=True),
            np.asarray(ring, dtype="f4"),
            np.array(ring, dtype=int),
        ]
        view = np.array(ring, copy=False)
        with pytest.raises(ValueError, match="copy"):
            np.array(ring, dtype="f4", copy=False)
    for copy in copies:
        assert plain(copy) == [2, 3, 4]
        assert copy.flags.writeable
        assert not np.shares_memory(copy, ring._block.rows)
    assert [copy.dtype for copy in copies] == ["f8", "f8", "f8", "f4", "i8"]
    assert plain(view) == [2, 3, 4]
    assert np.shares_memory(view, ring._block.rows)
    assert not view.flags.writeable


def test_numpy_functions_take_it():
    """A ring stands where NumPy takes an array."""
    ring = filled(3, 5)
    assert np.mean(ring) == 3.0
    assert plain(np.add(ring, 1)) == [3, 4, 5]
    assert plain(np.concatenate([ring, ring])) == [2, 3, 4, 2, 3, 4]


@pytest.mark.parametrize("key", [3, -4, 100, -100, np.int64(3), [0, 3], [-4], (3,), [[0, 5]]])
@pytest.mark.parametrize("count", [0, 3, 8])
def test_index_out_of_range(count, key):
    """Every index is checked against the rows there are, never against the memory."""
    ring = RingBuffer(5)
    ring.extend(range(count))
    while len(ring) > 3:
        ring.popleft()
    with pytest.raises(IndexError):
        ring[key]


@pytest.mark.parametrize("key", [1.0, "x", np.float64(1), [1.0], np.array([0.5]), object()])
def test_index_of_another_kind(key):
    """An index that is no integer is a TypeError or an IndexError."""
    with pytest.raises((TypeError, IndexError)):
        filled(5, 3)[key]


def test_index_as_numpy_does():
    """Integers, slices, lists, arrays, masks and tuples give copies of the logical array."""
    ring = RingBuffer(4, (float, 2))
    ring.extend([[value, -value] for value in range(7)])
    array = np.array([[3, -3], [4, -4], [5, -5], [6, -6]], float)
    indexes = np.array([0, -1, 2])
    keys = [
        0,
        -1,
        np.uint8(2),
        slice(1, 3),
        slice(None, None, -2),
        [0, 2],
        [],
        indexes,
        np.array([[0, 1], [2, 3]]),
        array[:, 0] > 4,
        [True, False, True, False],
        (slice(None), 1),
        (0, 1),
        ([0, 1], [1, 0]),
        (..., 0),
        (),
        ...,
        None,
    ]
    for key in keys:
        got = ring[key]
        assert same(got, array[key]), key
        assert np.shape(got) == array[key].shape
        assert not np.shares_memory(got, ring._block.rows)
    assert plain(indexes) == [0, -1, 2]
    assert np.isscalar(filled(3, 3)[0])
    with pytest.raises(IndexError):
        ring[[True, False]]


def test_index_by_name():
    """A ring of a structured dtype gives one field, or several, by name."""
    ring = RingBuffer(3, [("x", "f8"), ("n", "i4")])
    ring.extend([(0.5, 1), (1.5, 2)])
    assert plain(ring["x"]) == [0.5, 1.5]
    assert plain(ring[["n"]]) == [(1,), (2,)]


def test_items_cannot_be_assigned():
    """Rows are appended, never replaced: assignment and deletion are TypeErrors."""
    ring = filled(3, 3)
    with pytest.raises(TypeError):
        ring[0] = 5
    with pytest.raises(TypeError):
        del ring[0]


# Sequence --------------------------------------------------------------------------------------


def test_is_a_sequence():
    """A ring is a collections.abc.Sequence of its rows."""
    ring = filled(4, 6)
    assert isinstance(ring, Sequence)
    assert list(ring) == [2, 3, 4, 5]
    assert list(reversed(ring)) == [5, 4, 3, 2]
    assert 3 in ring
    assert 1 not in ring
    assert ring.index(4) == 2
    assert ring.index(4, 1) == 2
    assert ring.count(5) == 1
    with pytest.raises(ValueError, match=r".*"):
        ring.index(99)
    assert "2., 3., 4., 5." in repr(ring)
    assert "RingBuffer" in repr(ring)


def test_iteration_is_over_the_rows_at_its_start():
    """Rows appended while a loop runs neither change nor lengthen it."""
    ring = filled(3, 5)
    seen = []
    for value in ring:
        ring.append(value + 100)
        seen.append(value)
    assert seen == [2, 3, 4]


def test_addresses():
    """current_address is that of the oldest row, unwrap_address that of the block: it stays."""
    ring = filled(4, 2)
    fixed = ring.unwrap_address
    for value in range(9):
        ring.append(value)
        assert ring.unwrap_address == fixed
        view = ring.last(4)
        assert ring.current_address == view.__array_interface__["data"][0]
    assert fixed == ring._block.rows.__array_interface__["data"][0]


def test_overridden_append_is_called():
    """A subclass may replace append and appendleft, and call those of RingBuffer."""

    class Doubling(RingBuffer):
        def append(self, value):
            super().append(2 * value)

        def appendleft(self, value):
            super().appendleft(3 * value)

    ring = Doubling(4)
    ring.append(1)
    ring.appendleft(1)
    Doubling.append(ring, 5)
    assert plain(np.asarray(ring)) == [3, 2, 10]
    check(ring)


def test_arguments_by_name():
    """Each method takes its argument by name too, and no other."""
    ring = RingBuffer(capacity=9, dtype=int, allow_overwrite=True)
    ring.append(value=1)
    ring.appendleft(value=2)
    ring.extend(values=[3])
    ring.extendleft(values=[4])
    assert plain(ring.last(n=9)) == [4, 2, 1, 3]
    assert plain(ring.since(sequence=3)[0]) == [3]
    for call in (lambda: ring.append(), lambda: ring.append(1, 2), lambda: ring.append(t=1)):
        with pytest.raises(TypeError):
            call()
    assert ring.written == 4


# Memory ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["f8", (float, 6), [("t", "f8"), ("ok", "?")]], ids=str)
def test_bytes_held(dtype):
    """A full ring holds at most 2.1 times the bytes of its rows, and says how many."""
    capacity = 20_000
    row = np.zeros(1, dtype).nbytes
    block = np.ones(capacity, dtype)
    RingBuffer(2, dtype).extend(block[:1])
    gc.collect()
    tracemalloc.start()
    try:
        ring = RingBuffer(capacity, dtype)
        ring.extend(block)
        held = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert 2 * capacity * row <= ring.nbytes <= 2.1 * capacity * row
    assert held <= 2.1 * capacity * row


@pytest.mark.parametrize("capacity", [4, 20_000])
def test_references_do_not_drift(capacity):
    """10 000 appends, good and refused ones, leave every value with the references it had."""
    ring = RingBuffer(capacity)
    rows = RingBuffer(capacity, [("x", "f8"), ("n", "i8")])
    good, bad = float("1.5e300"), 10**400
    whole, number, text = (good, 2**62 + 1), 2**62 + 3, "".join(["1", "2", "x"])
    wrong, short = (good, text), (good,)
    watched = [good, bad, whole, number, text, wrong, short, ring.dtype, rows.dtype]

    def run(times):
        for _ in range(times):
            ring.append(good)
            ring.append(number)
            rows.append(whole)
            ring.appendleft(good)
            for target, value in ((ring, bad), (ring, text), (rows, wrong), (rows, short)):
                try:
                    target.append(value)
                except RowError:
                    continue
                raise AssertionError("a bad row was taken")

    run(10)
    gc.collect()
    before = [sys.getrefcount(value) for value in watched]
    blocks = sys.getallocatedblocks()
    run(10_000)
    gc.collect()
    assert [sys.getrefcount(value) for value in watched] == before
    assert sys.getallocatedblocks() - blocks < 2_000


# Where numpy_ringbuffer and dvg_ringbuffer go wrong --------------------------------------------------------------


def test_rows_do_not_change_under_the_caller():
    """What was read from a full ring stays as it was read (dvg_ringbuffer's is rewritten)."""
    ring = filled(3, 5)
    held = [np.asarray(ring), ring[:], ring[0:2], ring[()], ring[...], iter(ring)]
    ring.extend([100, 101, 102])
    assert [plain(rows) for rows in held[:5]] == [[2, 3, 4], [2, 3, 4], [2, 3], *[[2, 3, 4]] * 2]
    assert list(held[5]) == [2, 3, 4]


def test_never_shows_memory_that_was_not_written():
    """Nothing can be read of a ring that is empty, or beyond its rows, or after a clear."""
    for ring in (RingBuffer(4), filled(4, 9)):
        ring.clear()
        assert plain(ring[:]) == []
        assert list(ring) == []
        for key in (0, -1, [0], np.array([-1])):
            with pytest.raises(IndexError):
                ring[key]
