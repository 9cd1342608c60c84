"""What a row may be, and which values its fields take."""

from __future__ import annotations

import math
from enum import IntEnum
from fractions import Fraction
from typing import NamedTuple

import numpy as np
import pytest
from naming import named

from ringacc.errors import RowError, RowKindError, RowLengthError, RowRangeError, RowTimeError, SchemaError
from ringacc.ring import RingBuffer
from ringacc.testing import check, plain, same
from ringacc.timering import TimeRing


class Metres(float):
    """A float of a class of the user's."""


class Stage(IntEnum):
    """An integer of a class of the user's."""

    SECOND = 2


class Tail(NamedTuple):
    """A row as a class of the user's."""

    x: float
    n: int
    ok: bool


# Descriptions of a row ------------------------------------------------------------------------

TAIL = np.dtype([("t", "f8"), ("x", "f8"), ("n", "i8"), ("ok", "?")])


@pytest.mark.parametrize(
    "fields",
    [
        {"x": "f8", "n": "i8", "ok": "?"},
        {"x": float, "n": int, "ok": bool},
        {"x": np.float64, "n": np.dtype("i8"), "ok": np.bool_},
        [("x", "f8"), ("n", "i8"), ("ok", "?")],
        np.dtype([("x", "f8"), ("n", "i8"), ("ok", "?")]),
        TAIL,
        Tail,
    ],
    ids=["dict", "types", "numpy", "pairs", "dtype", "dtype with t", "namedtuple"],
)
def test_every_description_gives_the_same_row(fields):
    """A dict, pairs, a dtype with or without t, and a NamedTuple class describe one row."""
    ring = TimeRing(4, fields)
    assert ring.dtype == TAIL
    assert tuple(ring.columns) == ("t", "x", "n", "ok")
    ring.append(0.5, Tail(1.5, 2, True))
    assert plain(ring.last(1)) == [(0.5, 1.5, 2, True)]


@pytest.mark.parametrize(
    "fields",
    [
        {"t": "f8"},
        {"": "f8"},
        [("x", "f8"), ("x", "i4")],
        [("x", "f8"), ("t", "f8")],
        {"x": object},
        {"x": "O"},
        {"x": "no such type"},
        {"x": "U"},
        {1: "f8"},
        np.dtype([("t", "f4"), ("x", "f8")]),
        np.dtype("f8"),
        5,
        None,
    ],
    ids=str,
)
def test_what_is_no_description_is_refused(fields):
    """A field called t, without a name, named twice, or of no fixed size: a SchemaError."""
    with pytest.raises(SchemaError) as caught:
        TimeRing(4, fields)
    assert isinstance(caught.value, TypeError)
    assert isinstance(caught.value, ValueError)


@pytest.mark.parametrize("dtype", [object, "O", [("x", "O")], "no such type", "U", "S"], ids=str)
def test_dtype_without_a_fixed_size_is_refused(dtype):
    """A buffer of Python objects, or of texts of any length, is a SchemaError."""
    with pytest.raises(SchemaError):
        RingBuffer(4, dtype)


def test_names_are_free_text():
    """A column may have spaces, non-ASCII letters or a keyword as its name."""
    names = ("closed loop 1D_vel", "θ", "class", "_x", "1", "Fish/velocity.x")
    ring = TimeRing(2, dict.fromkeys(names, "f8"))
    ring.append(0.0, range(6))
    assert tuple(ring.columns) == ("t", *names)
    assert [plain(ring[name]) for name in names] == [[0.0], [1.0], [2.0], [3.0], [4.0], [5.0]]


# Values that fit -------------------------------------------------------------------------------

BIG = 2**53 + 1
FLOAT32_THIRD = 0.3333333432674408  # 1/3 in IEEE 754 binary32: 0x3EAAAAAB

FITS = [
    ("f8", 1, 1.0),
    ("f8", True, 1.0),
    ("f8", np.True_, 1.0),
    ("f8", np.float32(0.5), 0.5),
    ("f8", np.int64(3), 3.0),
    ("f8", np.uint8(255), 255.0),
    ("f8", math.inf, math.inf),
    ("f8", -0.0, -0.0),
    ("f8", Metres(0.5), 0.5),
    ("f4", Metres(0.5), 0.5),
    ("f8", Stage.SECOND, 2.0),
    ("f8", Fraction(1, 4), 0.25),
    ("f8", np.float16(0.5), 0.5),
    ("f8", np.longdouble(0.5), 0.5),
    ("i8", Stage.SECOND, 2),
    ("u1", Stage.SECOND, 2),
    ("f8", 5e-324, 5e-324),
    ("f4", 1 / 3, FLOAT32_THIRD),
    ("f4", np.float64(1 / 3), FLOAT32_THIRD),
    ("f4", 2**24 + 1, 2.0**24),
    ("f4", math.nan, math.nan),
    ("f4", -math.inf, -math.inf),
    ("f4", 3.4028234663852886e38, 3.4028234663852886e38),
    ("f4", 3.40282350e38, 3.4028234663852886e38),
    ("f4", 1e-60, 0.0),
    ("i8", BIG, BIG),
    ("i8", np.int64(BIG), BIG),
    ("i8", 2**63 - 1, 2**63 - 1),
    ("i8", -(2**63), -(2**63)),
    ("i8", False, 0),
    ("i8", np.uint64(2**63 - 1), 2**63 - 1),
    ("u8", 2**64 - 1, 2**64 - 1),
    ("u8", np.uint64(2**64 - 1), 2**64 - 1),
    ("u8", np.int8(5), 5),
    ("u1", 0, 0),
    ("u1", 255, 255),
    ("u1", np.int64(255), 255),
    ("u1", True, 1),
    ("i1", -128, -128),
    ("i2", -32768, -32768),
    ("i2", np.uint64(32767), 32767),
    ("i4", 2**31 - 1, 2**31 - 1),
    ("u4", 2**32 - 1, 2**32 - 1),
    ("u2", 65535, 65535),
    ("?", True, True),
    ("?", np.False_, False),
    ("U5", "tail", "tail"),
    ("U5", "θθθθθ", "θθθθθ"),
    ("U5", "", ""),
    ("U5", np.str_("fish"), "fish"),
    ("S4", b"tail", b"tail"),
    ("S4", np.bytes_(b"fi"), b"fi"),
]


@pytest.mark.parametrize(("dtype", "value", "want"), FITS, ids=repr)
def test_value_that_fits_is_kept(dtype, value, want):
    """A value of the field's kind is stored, exactly or rounded to the field's precision."""
    buffer = RingBuffer(8, dtype)
    buffer.append(value)
    buffer.appendleft(value)
    buffer.extend([value])
    buffer.extendleft([value])
    assert same(np.asarray(buffer), [want] * 4)

    ring = TimeRing(8, {"pad": "u1", "x": dtype, "end": "f8"})
    ring.append(0.0, (7, value, 0.25))
    ring.append(1.0, [7, value, 0.25])
    ring.extend([2.0], [(7, value, 0.25)])
    assert same(ring.last(8), [(t, 7, want, 0.25) for t in (0.0, 1.0, 2.0)])
    check(buffer)
    check(ring)


# Values that do not fit ------------------------------------------------------------------------

HUGE = 10**400

MISFITS = [
    *[("f8", value, RowKindError) for value in ("5", "", b"5", None, 1j, object(), {})],
    *[("f8", value, RowError) for value in ([], (1, 2), [[1.0]])],
    *[("f8", value, RowRangeError) for value in (HUGE, -HUGE)],
    *[("f4", value, RowKindError) for value in ("nan", None, 1j, np.str_("5"))],
    *[("f4", value, RowRangeError) for value in (1e300, -1e39, 10**39, np.float64(1e39), HUGE)],
    ("f4", 3.4028236e38, RowRangeError),
    *[("i8", value, RowKindError) for value in (5.5, math.nan, math.inf, 1e300, "5", None, 1j)],
    *[("i8", value, RowKindError) for value in (np.float64(5.5), np.float32(0.5), b"5")],
    ("i8", [5, 6], RowError),
    *[("i8", value, RowRangeError) for value in (2**63, -(2**63) - 1, np.uint64(2**63), HUGE)],
    *[("u8", value, RowRangeError) for value in (2**64, -1, np.int8(-1))],
    *[("u1", value, RowRangeError) for value in (256, -1, np.int64(256), np.int8(-1), HUGE)],
    ("u1", 0.5, RowKindError),
    ("u1", "1", RowKindError),
    *[("i2", value, RowRangeError) for value in (32768, -32769, np.uint16(32768))],
    *[("i4", value, RowRangeError) for value in (2**31, -(2**31) - 1, np.int64(2**31))],
    *[("?", value, RowKindError) for value in (1, 0, 1.0, "True", None, np.int64(1), HUGE)],
    *[("U5", value, RowKindError) for value in (5, 1.5, None, True, np.float64(2))],
    ("U5", "longer", RowError),
    *[("S4", value, RowKindError) for value in (5, 1.5, None, True)],
    ("S4", b"longer", RowError),
]


def state(ring):
    """Return all that a refused row may not change."""
    health = ring.health() if isinstance(ring, TimeRing) else None
    return np.asarray(ring).tobytes(), ring.written, ring.trimmed, health


def refuses(error, ring, call):
    """Assert the error of a call, that its message helps, and that nothing is written."""
    before = state(ring)
    with pytest.raises(error) as caught:
        call()
    assert state(ring) == before
    check(ring)
    message = str(caught.value)
    assert "expected" in message.lower()
    assert "found" in message.lower()
    return message


@pytest.mark.parametrize(("dtype", "value", "error"), MISFITS, ids=named)
def test_buffer_refuses_value_of_another_kind(dtype, value, error):
    """A value that the items of a buffer cannot hold is an error, and nothing is written."""
    ring = RingBuffer(4, dtype)
    good = np.zeros((), dtype)[()]
    ring.append(good)
    refuses(error, ring, lambda: ring.append(value))
    refuses(error, ring, lambda: ring.appendleft(value))
    refuses(error, ring, lambda: ring.extend([good, value]))
    refuses(error, ring, lambda: ring.extendleft([value, good]))


@pytest.mark.parametrize(("dtype", "value", "error"), MISFITS, ids=named)
def test_timering_refuses_value_of_another_kind(dtype, value, error):
    """A value that a field cannot hold is an error that names the field; nothing is written."""
    ring = TimeRing(4, {"first": "f8", "the field": dtype, "last": "u1"})
    good = np.zeros((), dtype)[()]
    ring.append(0.0, (1.0, good, 1))
    bad = (2.0, value, 2)
    assert "the field" in refuses(error, ring, lambda: ring.append(1.0, bad))
    assert "the field" in refuses(error, ring, lambda: ring.append(1.0, list(bad)))
    refuses(error, ring, lambda: ring.extend([1.0, 2.0], [(1.0, good, 1), bad]))


@pytest.mark.parametrize("error", [RowKindError, RowRangeError, RowLengthError, RowTimeError])
def test_errors_of_a_row_are_value_errors(error):
    """Whoever catches ValueError catches every error about a row."""
    assert issubclass(error, ValueError)
    assert issubclass(error, RowError)
    assert issubclass(RowKindError, TypeError)
    assert issubclass(RowRangeError, OverflowError)


@pytest.mark.parametrize("row", [(), (1.0,), (1.0, 2), (1.0, 2, True, 4), [1.0], np.array([1.0, 2.0])], ids=repr)
def test_row_of_another_length_is_refused(row):
    """Too few or too many values: RowLengthError that counts both; nothing is written."""
    ring = TimeRing(4, Tail)
    ring.append(0.0, (1.0, 2, True))
    message = refuses(RowLengthError, ring, lambda: ring.append(1.0, row))
    assert "3" in message
    assert str(len(row)) in message
    refuses(RowLengthError, ring, lambda: ring.extend([1.0], [row]))


@pytest.mark.parametrize("row", [5, 1.5, None, "abc", b"abc", {"x": 1}, {1.0, 2, 3}], ids=repr)
def test_what_is_no_row_is_refused(row):
    """A number, None or a text in place of a row is an error; nothing is written."""
    ring = TimeRing(4, Tail)
    refuses(RowError, ring, lambda: ring.append(1.0, row))


@pytest.mark.parametrize(
    "t", [math.nan, math.inf, -math.inf, np.float64("nan"), np.float32("-inf"), None, "1", 1j, [1.0]], ids=repr
)
def test_what_is_no_time_is_refused(t):
    """NaN, an infinity or no number as a time is a ValueError; nothing is written."""
    ring = TimeRing(4, Tail)
    ring.append(0.0, (1.0, 2, True))
    refuses(ValueError, ring, lambda: ring.append(t, (1.0, 2, True)))
    refuses(ValueError, ring, lambda: ring.extend([1.0, t], [(1.0, 2, True)] * 2))
    if isinstance(t, float):
        block = np.zeros(3, ring.dtype)
        block["t"][1] = t
        refuses(RowTimeError, ring, lambda: ring.extend(block))


@pytest.mark.parametrize(
    ("dtype", "value", "error"),
    [
        ((float, 2), [1.0], RowLengthError),
        ((float, 2), [1.0, 2.0, 3.0], RowLengthError),
        ((float, 2), [], RowLengthError),
        ((float, 2), 5.0, RowError),
        ((float, 2), "ab", RowError),
        ((float, 2), [1.0, "b"], RowKindError),
        ((float, 2), [1.0, None], RowKindError),
        ((float, 2), [[1.0, 2.0]], RowError),
        ((float, 2), np.ones((2, 2)), RowError),
        ((int, 2), [1, 0.5], RowKindError),
        ((int, 2), np.array([1.0, 2.5]), RowKindError),
        (("u1", 2), [1, 256], RowRangeError),
        (("u1", 2), np.array([1, 256]), RowRangeError),
        ((float, (2, 2)), [[1.0, 2.0], [3.0]], RowLengthError),
        ([("x", "f8"), ("n", "i4")], (1.0,), RowLengthError),
        ([("x", "f8"), ("n", "i4")], (1.0, 2, 3), RowLengthError),
        ([("x", "f8"), ("n", "i4")], (1.0, 2.5), RowKindError),
        ([("x", "f8"), ("n", "i4")], (1.0, 2**31), RowRangeError),
        ([("x", "f8"), ("n", "i4")], 5.0, RowError),
        ([("x", "f8"), ("n", "i4")], None, RowError),
        ([("p", "f8", (2,)), ("n", "i4")], ([1.0], 2), RowLengthError),
        ([("p", "f8", (2,)), ("n", "i4")], ([1.0, "x"], 2), RowKindError),
    ],
    ids=repr,
)
def test_buffer_refuses_row_of_another_shape(dtype, value, error):
    """An item of another length or with one bad part is an error, and nothing is written."""
    ring = RingBuffer(4, dtype)
    ring.append(np.zeros(1, dtype)[0])
    refuses(error, ring, lambda: ring.append(value))
    refuses(error, ring, lambda: ring.appendleft(value))
    refuses(error, ring, lambda: ring.extend([value]))


@pytest.mark.parametrize(
    ("dtype", "block", "error"),
    [
        ("f8", [1.0, "x"], RowKindError),
        ("f8", np.array(["1", "2"]), RowKindError),
        ("f8", np.array([1j]), RowKindError),
        ("f8", np.array([None, 1.0]), RowKindError),
        ("i8", np.array([1.0, 2.5]), RowKindError),
        ("u1", np.array([1, 256]), RowRangeError),
        ("u1", np.array([-1]), RowRangeError),
        ("f4", np.array([1.0, 1e300]), RowRangeError),
        ("?", np.array([0, 1]), RowKindError),
        ("f8", np.ones((3, 2)), RowError),
        ((float, 2), np.ones(3), RowError),
        ((float, 2), np.ones((3, 4)), RowLengthError),
        ("f8", 5.0, RowError),
        ("f8", None, RowError),
    ],
    ids=repr,
)
def test_buffer_refuses_block_as_a_whole(dtype, block, error):
    """One value that does not fit refuses the block, wherever it stands."""
    ring = RingBuffer(2, dtype)
    ring.append(np.zeros(1, dtype)[0])
    refuses(error, ring, lambda: ring.extend(block))
    refuses(error, ring, lambda: ring.extendleft(block))


MIXED = [
    ("u8", [0, 2**64 - 1], [0, 2**64 - 1]),
    ("u8", [np.int8(1), np.uint64(2**63)], [1, 2**63]),
    ("i8", [np.uint64(1), -(2**63), True], [1, -(2**63), 1]),
    ("i8", [2**63 - 1, np.uint8(3), np.False_], [2**63 - 1, 3, 0]),
    ("f8", [True, 2, 0.5, np.float32(0.25)], [1.0, 2.0, 0.5, 0.25]),
    ("f8", [2**70, 1, 0.5], [2.0**70, 1.0, 0.5]),
    ("?", [True, np.False_], [True, False]),
    ("U5", ["a", np.str_("tail"), ""], ["a", "tail", ""]),
]


@pytest.mark.parametrize(("dtype", "block", "want"), MIXED, ids=repr)
@pytest.mark.parametrize("form", [list, tuple])
def test_block_of_mixed_values_that_fit_is_kept(form, dtype, block, want):
    """Each value of a sequence is taken by itself, not as NumPy would unite them all."""
    buffer = RingBuffer(8, dtype)
    buffer.extend(form(block))
    buffer.extendleft(form(block))
    assert same(np.asarray(buffer), want * 2)
    ring = TimeRing(8, {"first": "f8", "x": dtype})
    ring.extend(range(len(block)), form([(0.5, value) for value in block]))
    assert same(ring["x"], want)


def test_bad_value_in_front_of_those_that_stay_refuses_the_block():
    """A block longer than the capacity is checked as a whole, not only the rows that would stay."""
    buffer = RingBuffer(2, int)
    refuses(RowKindError, buffer, lambda: buffer.extend([0.5, 1, 2, 3]))
    refuses(RowKindError, buffer, lambda: buffer.extendleft([1, 2, 3, 0.5]))
    ring = TimeRing(2, {"x": "i8"})
    refuses(RowKindError, ring, lambda: ring.extend([0, 1, 2, 3], [[0.5], [1], [2], [3]]))
    refuses(RowTimeError, ring, lambda: ring.extend([math.nan, 1, 2, 3], [[0], [1], [2], [3]]))


@pytest.mark.parametrize(
    ("times", "rows"),
    [
        ([0.0, 1.0], [(1.0, 2, True)]),
        ([0.0], [(1.0, 2, True)] * 2),
        (0.0, [(1.0, 2, True)]),
        ([0.0], 5),
        ([0.0], None),
        ([[0.0]], [(1.0, 2, True)]),
        ([0.0], np.ones((1, 2))),
        ([0.0], np.ones((1, 3))),
        ([0.0], np.ones((1, 3, 1))),
        ([0.0, 1.0], np.ones(3)),
        ([0.0], np.zeros(1, [("x", "f8"), ("n", "i8")])),
        ([0.0], np.zeros(1, [("x", "U5"), ("n", "i8"), ("ok", "?")])),
        (np.array(["a"]), [(1.0, 2, True)]),
    ],
    ids=repr,
)
def test_times_and_values_that_do_not_match_are_refused(times, rows):
    """Times and values of other lengths, shapes or kinds are an error; nothing is written."""
    ring = TimeRing(4, Tail)
    ring.append(0.0, (1.0, 2, True))
    refuses(ValueError, ring, lambda: ring.extend(times, rows))


@pytest.mark.parametrize(
    "block",
    [
        np.zeros(2, [("t", "f8"), ("x", "f8")]),
        np.zeros(2, [("x", "f8"), ("n", "i8"), ("ok", "?")]),
        np.zeros(2, [("t", "f8"), ("y", "f8"), ("n", "i8"), ("ok", "?")]),
        np.zeros(2, [("t", "f8"), ("x", "U5"), ("n", "i8"), ("ok", "?")]),
        np.zeros((2, 2), TAIL),
        np.zeros(2),
        [1.0, 2.0],
        5,
        None,
    ],
    ids=repr,
)
def test_block_of_another_dtype_is_refused(block):
    """A block that is no array of the ring's rows is an error; nothing is written."""
    ring = TimeRing(4, Tail)
    ring.append(0.0, (1.0, 2, True))
    refuses(ValueError, ring, lambda: ring.extend(block))
