"""The smallest and the largest value of each bin of rows, of all columns in one pass over memory.

Belongs here: folding rows into minima and maxima. May not be here: which rows fall in which bin, and what a column is
called.

Which columns there are is data, a *plan*: (code, offset in a row, offset in a row of the answer, number of values) for
each run of neighbouring values of one type. So the kernel is compiled once, for every dtype. Rows are taken in pieces
that stay in the first-level cache while one run after the other is folded. A run is folded ``LANES`` values at a time,
whose minima and maxima stay in vector registers; what is left at its end is folded together with values that were
folded before, which changes nothing.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .compile import BYTES, COUNTERS, INT, JIT, VOID, inner, kernel
from .memory import copy_bytes

__all__ = ["CODES", "PLAN_ITEMS", "fold_bins"]

#: Code of each type of value that is folded here; a bool is the byte that it is.
CODES = {name: code for code, name in enumerate("f8 f4 i8 i4 i2 i1 u8 u4 u2 u1".split())}
F8, F4, I8, I4, I2, I1, U8, U4, U2, U1 = range(10)
#: Numbers in a plan for each run.
PLAN_ITEMS = 4

LANES = 8
_PIECE_BYTES = 8192

if JIT:
    from llvmlite import ir
    from numba import types
    from numba.core import cgutils
    from numba.extending import intrinsic
    from numba.np.arrayobj import make_array
    from numba.np.numpy_support import from_dtype

    def _vector(kind: Any, lanes: int) -> Any:
        """Give the machine's type of that many values."""
        one = {"f8": ir.DoubleType(), "f4": ir.FloatType()}.get(kind, ir.IntType(8 * int(kind[1])))
        return ir.VectorType(one, lanes)

    def _is_less(builder: Any, kind: str, one: Any, other: Any) -> Any:
        """Emit where values are less than others; NaN never is."""
        compare = {"f": builder.fcmp_ordered, "i": builder.icmp_signed, "u": builder.icmp_unsigned}[kind[0]]
        return compare("<", one, other)

    def _at(context: Any, builder: Any, array: Any, offset: Any, vector: Any) -> Any:
        """Emit the address of values in an array of bytes."""
        data = make_array(BYTES)(context, builder, array).data
        return builder.bitcast(builder.gep(data, [offset]), vector.as_pointer())

    def _fold_of(kind: str, lanes: int) -> Any:
        """Make a function that folds the same few values of each row into their minima and maxima."""
        vector = _vector(kind, lanes)

        def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            block, start, stride, rows, out, low, high = args
            places = [_at(context, builder, out, offset, vector) for offset in (low, high)]
            least, most = (cgutils.alloca_once_value(builder, builder.load(p, align=1, typ=vector)) for p in places)
            with cgutils.for_range(builder, rows) as loop:
                offset = builder.add(start, builder.mul(loop.index, stride))
                value = builder.load(_at(context, builder, block, offset, vector), align=1, typ=vector)
                lower, upper = builder.load(least), builder.load(most)
                builder.store(builder.select(_is_less(builder, kind, value, lower), value, lower), least)
                builder.store(builder.select(_is_less(builder, kind, upper, value), value, upper), most)
            for place, found in zip(places, (least, most), strict=True):
                builder.store(builder.load(found), place, align=1)
            return context.get_dummy_value()

        @intrinsic  # type: ignore[untyped-decorator]
        def fold(typing: Any, block: Any, start: Any, stride: Any, rows: Any, out: Any, low: Any, high: Any) -> Any:
            """Fold the values at ``start`` in a number of rows into those at ``low`` and ``high`` of ``out``."""
            return types.void(BYTES, INT, INT, INT, BYTES, INT, INT), emit

        return fold

    def _settle_of(kind: str) -> Any:
        """Make a function that says NaN where there was nothing but NaN."""
        number = from_dtype(np.dtype(kind))
        vector = _vector(kind, 1)

        def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            out, low, high = args
            places = [_at(context, builder, out, offset, vector) for offset in (low, high)]
            lower, upper = (builder.load(place, align=1, typ=vector) for place in places)
            nothing = ir.Constant(vector, [context.get_constant(number, np.nan)])
            is_empty = _is_less(builder, kind, upper, lower)
            for place, value in zip(places, (lower, upper), strict=True):
                builder.store(builder.select(is_empty, nothing, value), place, align=1)
            return context.get_dummy_value()

        @intrinsic  # type: ignore[untyped-decorator]
        def settle(typing: Any, out: Any, low: Any, high: Any) -> Any:
            """Put NaN for a minimum and a maximum that nothing was folded into."""
            return types.void(BYTES, INT, INT), emit

        return settle

else:

    def _fold_of(kind: str, lanes: int) -> Any:
        """Make a function that folds the same few values of each row into their minima and maxima."""
        size = lanes * int(kind[1])

        def fold(block: Any, start: int, stride: int, rows: int, out: Any, low: int, high: int) -> None:
            """Fold the values at ``start`` in a number of rows into those at ``low`` and ``high`` of ``out``."""
            lower, upper = (out[place : place + size].view(kind) for place in (low, high))
            for row in range(rows):
                values = block[start + row * stride :][:size].view(kind)
                lower[values < lower] = values[values < lower]
                upper[values > upper] = values[values > upper]

        return fold

    def _settle_of(kind: str) -> Any:
        """Make a function that says NaN where there was nothing but NaN."""
        size = int(kind[1])

        def settle(out: Any, low: int, high: int) -> None:
            """Put NaN for a minimum and a maximum that nothing was folded into."""
            lower, upper = (out[place : place + size].view(kind) for place in (low, high))
            if upper[0] < lower[0]:
                lower[:] = upper[:] = np.nan

        return settle


def _run_of(kind: str) -> Any:
    """Make a function that folds a run of values of one type."""
    size, step = int(kind[1]), LANES * int(kind[1])
    one, many = _fold_of(kind, 1), _fold_of(kind, LANES)

    @inner
    def run(block: Any, start: int, stride: int, rows: int, out: Any, low: int, high: int, values: int) -> None:
        """Fold ``values`` neighbouring values of each row."""
        if values < LANES:
            for value in range(values):
                one(block, start + value * size, stride, rows, out, low + value * size, high + value * size)
            return
        for place in range(0, values // LANES * step, step):
            many(block, start + place, stride, rows, out, low + place, high + place)
        if values % LANES != 0:
            place = (values - LANES) * size
            many(block, start + place, stride, rows, out, low + place, high + place)

    return run


_f8, _f4 = _run_of("f8"), _run_of("f4")
_i8, _i4, _i2, _i1 = _run_of("i8"), _run_of("i4"), _run_of("i2"), _run_of("i1")
_u8, _u4, _u2, _u1 = _run_of("u8"), _run_of("u4"), _run_of("u2"), _run_of("u1")
_settle_f8, _settle_f4 = _settle_of("f8"), _settle_of("f4")


@inner
def _fold_run(
    code: int, block: Any, start: int, stride: int, rows: int, out: Any, low: int, high: int, values: int
) -> None:
    """Fold ``values`` neighbouring values of each row, by their type."""
    if code == F8:
        _f8(block, start, stride, rows, out, low, high, values)
    elif code == F4:
        _f4(block, start, stride, rows, out, low, high, values)
    elif code == I8:
        _i8(block, start, stride, rows, out, low, high, values)
    elif code == I4:
        _i4(block, start, stride, rows, out, low, high, values)
    elif code == I2:
        _i2(block, start, stride, rows, out, low, high, values)
    elif code == I1:
        _i1(block, start, stride, rows, out, low, high, values)
    elif code == U8:
        _u8(block, start, stride, rows, out, low, high, values)
    elif code == U4:
        _u4(block, start, stride, rows, out, low, high, values)
    elif code == U2:
        _u2(block, start, stride, rows, out, low, high, values)
    else:
        _u1(block, start, stride, rows, out, low, high, values)


@inner
def _settle_run(code: int, out: Any, low: int, high: int, values: int) -> None:
    """Put NaN where nothing else was found; whole numbers were."""
    if code == F8:
        for value in range(values):
            _settle_f8(out, low + 8 * value, high + 8 * value)
    elif code == F4:
        for value in range(values):
            _settle_f4(out, low + 4 * value, high + 4 * value)


@kernel(VOID, BYTES, INT, INT, COUNTERS, COUNTERS, BYTES, BYTES)
def fold_bins(block: Any, start: int, row_bytes: int, edges: Any, plan: Any, nothing: Any, out: Any) -> None:
    """Fold rows into bins; bin k has the rows [edges[k], edges[k + 1]), one or more, from the byte ``start`` on.

    ``out`` has a row of minima and one of maxima for each bin; ``nothing`` is what they are before any row is folded
    into them: of each type the largest and the smallest value.
    """
    piece = max(_PIECE_BYTES // row_bytes, 1)
    pair = len(nothing)
    for place in range(len(edges) - 1):
        low, high = place * pair, place * pair + pair // 2
        copy_bytes(out, low, nothing, 0, pair)
        for first in range(edges[place], edges[place + 1], piece):
            rows = min(piece, edges[place + 1] - first)
            begin = start + first * row_bytes
            for run in range(0, len(plan), PLAN_ITEMS):
                code, source, to, values = plan[run], plan[run + 1], plan[run + 2], plan[run + 3]
                _fold_run(code, block, begin + source, row_bytes, rows, out, low + to, high + to, values)
        for run in range(0, len(plan), PLAN_ITEMS):
            code, to, values = plan[run], plan[run + 2], plan[run + 3]
            _settle_run(code, out, low + to, high + to, values)
