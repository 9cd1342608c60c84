"""One row from Python objects into a block, in one compiled call.

Belongs here: reading the values of a Python tuple or list, and the builtin ``append`` that does so. May not be here:
the definition of what a row may hold (``ringacc.appending`` has it).

The builtin takes only what is plain: a finite time, a tuple or list of the right length, Python and NumPy numbers that
fit their fields just as the definition says. Whatever else comes, it writes nothing and calls the Python function that
holds the definition with the very same arguments. So it is fast without being a second definition.

All that it needs is bound in a *plan*, an int64 array, so that one compiled function serves every dtype.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from . import capi
from .compile import INT, c_function, inner
from .rows import HALTED, KEEP, OVERWRITE, TAKEN, TAKEN_ONLY, TRIMMED, TURNED, WRITTEN
from .times import note_time

__all__ = [
    "CODES",
    "LIMIT",
    "ROW",
    "ROW_TYPE",
    "TIMED_ROW",
    "VALUE",
    "Limit",
    "Target",
    "builtin_append",
    "make_plan",
]

# Kinds of call.
VALUE = 0  # append(value)
ROW = 1  # append((value, ...))
TIMED_ROW = 2  # append(t, (value, ...))

# Places in a plan.
COUNTERS_AT = 0
ROWS_AT = 1
CAPACITY = 2
ROW_BYTES = 3
SCRATCH_AT = 4
KIND = 5
LIMIT = 6  # do what ``Limit`` says where more rows than this are there
ROW_TYPE = 7  # address of the only type of row that is taken, or 0: any tuple, any list
FIELDS = 8
KNOWN_AT = 9
FIRST_FIELD = 10  # then a code and an offset for each field

#: Code of each field type that the builtin takes.
CODES = {name: code for code, name in enumerate("f8 f4 i8 i4 i2 i1 u4 u2 u1 u8 b1".split())}
F8, F4, I8, I4, I2, I1, U4, U2, U1, U8, B1 = range(11)


class Limit(NamedTuple):
    """What to do where more rows than a plan's limit are there, after the row is in.

    Call ``passed``, unless the attribute that a path of names leads to is True, from the one object in ``asked``.
    Asking in compiled code costs a row 40 ns less than asking in a call of Python.
    """

    passed: Callable[[], Any]
    asked: list[Any]
    unless: tuple[str, ...]


class Target:
    """Where a builtin appends: it can be pointed at one plan after another, whoever holds the builtin."""

    __slots__ = ("_keep", "cell")

    def __init__(self) -> None:
        self.cell = np.zeros(1, np.int64)
        self._keep: tuple[Any, ...] = ()

    def point_at(self, plan: np.ndarray[Any, Any] | None, *keep: object) -> None:
        """Let the builtin append by this plan, and keep what the plan points to; None: let it decline everything."""
        self.cell[0] = 0 if plan is None else plan.ctypes.data
        self._keep = (plan, *keep)

    def is_at(self, plan: np.ndarray[Any, Any] | None) -> bool:
        """Say whether the builtin appends by this plan."""
        return plan is not None and self._keep[:1] != () and self._keep[0] is plan


def make_plan(
    counters: np.ndarray[Any, Any],
    rows: np.ndarray[Any, Any],
    capacity: int,
    row_bytes: int,
    fields: list[tuple[str, int]],
    kind: int,
) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Give the plan for a block and the scratch row that it points to; both must be kept while it is used.

    ``fields`` are the (type, offset) of the values, the time left out; each type must be in ``CODES``.
    """
    scratch = np.zeros(row_bytes, np.uint8)
    plan = np.zeros(FIRST_FIELD + 2 * len(fields), np.int64)
    plan[COUNTERS_AT] = counters.ctypes.data
    plan[ROWS_AT] = rows.ctypes.data
    plan[CAPACITY] = capacity
    plan[ROW_BYTES] = row_bytes
    plan[SCRATCH_AT] = scratch.ctypes.data
    plan[KIND] = kind
    plan[LIMIT] = np.iinfo(np.int64).max
    plan[FIELDS] = len(fields)
    plan[KNOWN_AT] = _KNOWN.ctypes.data
    for place, (name, offset) in enumerate(fields):
        plan[FIRST_FIELD + 2 * place] = CODES[name]
        plan[FIRST_FIELD + 2 * place + 1] = offset
    return plan, scratch


def builtin_append(target: Target, declined: Callable[..., Any], doc: str, limit: Limit | None = None) -> Any:
    """Make a builtin that appends a row to ``target``, or calls ``declined`` with the same arguments.

    ``limit`` says what to do where the plan's limit is passed. Only where ``capi.AVAILABLE``.
    """
    passed, asked, names = (None, [], ()) if limit is None else limit
    owner = (target.cell.ctypes.data, declined, passed, asked, names, target)
    return capi.builtin("append", doc, _append, owner)


# Addresses of objects and types that values are compared with. They differ from process to process, so they are data:
# compiled code, which is cached on disk, may not hold them.
_INTS: list[type] = [int, bool, np.int64, np.int32, np.int16, np.int8, np.uint64, np.uint32, np.uint16, np.uint8]
_OBJECTS: list[object] = [None, True, False, np.True_, np.False_, list, float, np.float64]
_KNOWN = np.array([id(thing) for thing in [*_OBJECTS, *_INTS, np.float32, np.float16]], np.int64)
NONE, TRUE, FALSE, NUMPY_TRUE, NUMPY_FALSE, LIST, FLOAT_TYPE, FLOAT64_TYPE = range(8)
INT_TYPE, BOOL_TYPE = 8, 9
INTS_END = INT_TYPE + len(_INTS)
NUMBERS_END = INTS_END + 2

if capi.AVAILABLE:

    @inner
    def _known(plan: int, place: int) -> int:
        return capi.load(capi.load(plan + 8 * KNOWN_AT) + 8 * place)  # type: ignore[no-any-return]

    @inner
    def _is_among(plan: int, kind: int, first: int, last: int) -> bool:
        """Say whether a type is one of the known ones in [first, last)."""
        for place in range(first, last):
            if _known(plan, place) == kind:
                return True
        return False

    @inner
    def _failed() -> bool:
        """Say whether a call of the C API has raised, and forget it."""
        if capi.error_occurred() == 0:
            return False
        capi.error_clear()
        return True

    @inner
    def _as_float(plan: int, thing: int) -> tuple[float, bool]:
        """Give a number as float64, and whether it is one of the known kinds and fits."""
        kind = capi.type_of(thing)
        if kind == _known(plan, FLOAT_TYPE) or kind == _known(plan, FLOAT64_TYPE):
            return capi.content_of(thing), True
        if not _is_among(plan, kind, INT_TYPE, NUMBERS_END):
            return 0.0, False
        value = capi.float_as_double(thing)
        return value, not (value == -1.0 and _failed())

    @inner
    def _as_int(plan: int, thing: int, unsigned: bool) -> tuple[int, bool]:
        """Give a whole number as the 64 bits of an int64 or uint64, and whether it is a known kind and fits."""
        kind = capi.type_of(thing)
        plain = kind == _known(plan, INT_TYPE) or kind == _known(plan, BOOL_TYPE)
        if not plain:
            if not _is_among(plan, kind, BOOL_TYPE + 1, INTS_END):
                return 0, False
            thing = capi.number_index(thing)
        value = capi.long_as_uint64(thing) if unsigned else capi.long_as_int64(thing)
        if not plain:
            capi.decrement(thing)
        return value, not (value == -1 and _failed())

    @inner
    def _store_int(code: int, place: int, value: int) -> bool:
        """Store a whole number in its field of 8, 16 or 32 bits, if it is in the field's range."""
        if code == I4 or code == U4:
            low, high = (-(2**31), 2**31 - 1) if code == I4 else (0, 2**32 - 1)
            if value < low or value > high:
                return False
            capi.store_int32(place, np.int32(value))
        elif code == I2 or code == U2:
            low, high = (-(2**15), 2**15 - 1) if code == I2 else (0, 2**16 - 1)
            if value < low or value > high:
                return False
            capi.store_int16(place, np.int16(value))
        else:
            low, high = (-(2**7), 2**7 - 1) if code == I1 else (0, 2**8 - 1)
            if value < low or value > high:
                return False
            capi.store_int8(place, np.int8(value))
        return True

    @inner
    def _store_value(plan: int, code: int, place: int, thing: int) -> bool:
        """Store one Python value at an address, if it fits its field."""
        if code == F8 or code == F4:
            number, fits = _as_float(plan, thing)
            if code == F8:
                capi.store_double(place, number)
                return fits
            single = np.float32(number)
            capi.store_single(place, single)
            # A finite number that rounds to infinity does not fit.
            return fits and (single - single == 0 or number - number != 0)
        if code == B1:
            true = thing == _known(plan, TRUE) or thing == _known(plan, NUMPY_TRUE)
            capi.store_int8(place, np.int8(1 if true else 0))
            return true or thing == _known(plan, FALSE) or thing == _known(plan, NUMPY_FALSE)
        value, fits = _as_int(plan, thing, code == U8)
        if code == I8 or code == U8:
            capi.store(place, value)
            return fits
        return fits and _store_int(code, place, value)

    @inner
    def _store_row(plan: int, values: int) -> bool:
        """Store the values of a tuple or list in the scratch row, if there are as many as fields and all fit."""
        kind = capi.type_of(values)
        wanted = capi.load(plan + 8 * ROW_TYPE)
        if wanted != 0 and kind != wanted:
            return False
        is_list = kind == _known(plan, LIST)
        count = capi.list_size(values) if is_list else capi.tuple_size(values)
        if count == -1:
            capi.error_clear()
        if count != capi.load(plan + 8 * FIELDS):
            return False
        scratch = capi.load(plan + 8 * SCRATCH_AT)
        for item in range(count):
            field = plan + 8 * (FIRST_FIELD + 2 * item)
            thing = capi.list_item(values, item) if is_list else capi.tuple_item(values, item)
            if not _store_value(plan, capi.load(field), scratch + capi.load(field + 8), thing):
                return False
        return True

    @inner
    def _may_go(counters: int, oldest: int) -> bool:
        """Say whether the oldest row may be overwritten: ``Block.has_room``, on an address."""
        keep = capi.load(counters + 8 * KEEP)
        if keep == OVERWRITE:
            return True
        return keep == TAKEN_ONLY and capi.load_acquire(counters + 8 * TAKEN) > oldest  # type: ignore[no-any-return]

    @inner
    def _push(plan: int, arguments: int, count: int) -> int:
        """Append a row: 0 declined and nothing written, 1 done, 2 done and the limit is passed."""
        kind = capi.load(plan + 8 * KIND)
        if count != (2 if kind == TIMED_ROW else 1):
            return 0
        counters = capi.load(plan + 8 * COUNTERS_AT)
        capacity = capi.load(plan + 8 * CAPACITY)
        written = capi.load(counters + 8 * WRITTEN)
        trimmed = capi.load(counters + 8 * TRIMMED)
        full = written - trimmed == capacity
        if capi.load(counters + 8 * HALTED) != 0 or (full and not _may_go(counters, trimmed)):
            return 0
        scratch = capi.load(plan + 8 * SCRATCH_AT)
        time = 0.0
        if kind == TIMED_ROW:
            time, fits = _as_float(plan, capi.load(arguments))
            if not fits or time - time != 0.0 or not _store_row(plan, capi.load(arguments + 8)):
                return 0
            capi.store_double(scratch, time)
            note_time(counters, written, time)
        elif kind == ROW:
            if not _store_row(plan, capi.load(arguments)):
                return 0
        elif not _store_value(plan, capi.load(plan + 8 * FIRST_FIELD), scratch, capi.load(arguments)):
            return 0
        if full:
            # As in rows.make_room: the oldest row is taken away before its bytes are.
            trimmed += 1
            capi.store_release(counters + 8 * TRIMMED, trimmed)
            capi.fence_release()
        row_bytes = capi.load(plan + 8 * ROW_BYTES)
        slot = (written + capi.load(counters + 8 * TURNED)) % capacity
        place = capi.load(plan + 8 * ROWS_AT) + slot * row_bytes
        capi.copy(place, scratch, row_bytes)
        capi.copy(place + capacity * row_bytes, scratch, row_bytes)
        capi.store_release(counters + 8 * WRITTEN, written + 1)
        return 2 if written + 1 - trimmed > capi.load(plan + 8 * LIMIT) else 1

    @inner
    def _asked(owner: int) -> int:
        """Give a new reference to the attribute that decides whether a passed limit matters, or 0 for an exception."""
        thing, names = capi.list_item(capi.tuple_item(owner, 3), 0), capi.tuple_item(owner, 4)
        capi.increment(thing)
        for place in range(capi.tuple_size(names)):
            found = capi.attribute(thing, capi.tuple_item(names, place))
            capi.decrement(thing)
            thing = found
            if thing == 0:
                break
        return thing  # type: ignore[no-any-return]

    @c_function(INT, INT, INT, INT, INT)
    def _append(owner: int, arguments: int, count: int, names: int) -> int:
        """Append a row as a METH_FASTCALL | METH_KEYWORDS function: give a new reference, or 0 for an exception."""
        plan = capi.load(capi.long_as_int64(capi.tuple_item(owner, 0)))
        done = _push(plan, arguments, count) if plan != 0 and names == 0 else 0
        if done == 0:
            return capi.call(capi.tuple_item(owner, 1), arguments, count, names)  # type: ignore[no-any-return]
        nothing, true = _known(plan, NONE), _known(plan, TRUE)
        if done == 2:
            # From here on the plan may be gone: what is asked may run any code, a reset among it.
            asked = _asked(owner)
            if asked == 0:
                return 0
            capi.decrement(asked)
            if asked != true:
                return capi.call(capi.tuple_item(owner, 2), 0, 0, 0)  # type: ignore[no-any-return]
        capi.increment(nothing)
        return nothing
