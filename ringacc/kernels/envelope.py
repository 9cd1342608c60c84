"""The smallest and the largest value of each bin of rows, of all columns in one pass over memory.

Belongs here: folding rows into minima and maxima. May not be here: which rows fall in which bin, and what a column is
called.

Which columns there are is data, a *plan*: (code, offset in a row, offset in a row of the answer, number of values) for
each run of neighbouring values of one type. So the kernel is compiled once, for every dtype. Rows are taken in pieces
that stay in the first-level cache while one run after the other is folded, a few values at a time, whose minima and
maxima stay in vector registers.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .compile import BYTES, COUNTERS, INT, JIT, VOID, kernel
from .memory import copy_bytes

__all__ = ["CODES", "PLAN_ITEMS", "fold_bins"]

#: Code of each type of value that is folded here; a bool is the byte that it is.
CODES = {name: code for code, name in enumerate("f8 f4 i8 i4 i2 i1 u8 u4 u2 u1".split())}
#: Numbers in a plan for each run.
PLAN_ITEMS = 4

_PIECE_BYTES = 8192
# Values that are folded together: as many as there are, then fewer. More than 16 float64 do not fit in the registers; a
# third step for whole numbers would take half as long again to compile.
_LANES = {"f": (16, 4, 1), "i": (8, 1), "u": (8, 1)}

if JIT:
    from llvmlite import ir
    from numba import types
    from numba.core import cgutils
    from numba.extending import intrinsic
    from numba.np.arrayobj import make_array

    _INT64 = ir.IntType(64)
    _NUMBERS = {"f8": ir.DoubleType(), "f4": ir.FloatType()}

    def _is_less(builder: Any, kind: str, one: Any, other: Any) -> Any:
        """Emit which of some values are less than others; NaN never is."""
        compare = {"f": builder.fcmp_ordered, "i": builder.icmp_signed, "u": builder.icmp_unsigned}[kind[0]]
        return compare("<", one, other)

    def _start(context: Any, builder: Any, array: Any, offset: Any) -> Any:
        """Emit the address of a byte of an array."""
        return builder.gep(make_array(BYTES)(context, builder, array).data, [offset])

    def _emit_fold(builder: Any, kind: str, lanes: int, places: list[Any], stride: Any, rows: Any) -> None:
        """Emit the fold of the same few values of each row into their minima and maxima."""
        vector = ir.VectorType(_NUMBERS.get(kind, ir.IntType(8 * int(kind[1]))), lanes)
        source, low, high = places
        low, high = (builder.bitcast(place, vector.as_pointer()) for place in (low, high))
        lower, upper = (builder.load(place, align=1, typ=vector) for place in (low, high))
        if kind[0] == "f":
            # Nothing but NaN so far: any number takes its place.
            is_nan = builder.fcmp_unordered("uno", lower, lower)
            lower = builder.select(is_nan, ir.Constant(vector, [math.inf] * lanes), lower)
            upper = builder.select(is_nan, ir.Constant(vector, [-math.inf] * lanes), upper)
        least, most = cgutils.alloca_once_value(builder, lower), cgutils.alloca_once_value(builder, upper)
        with cgutils.for_range(builder, rows) as loop:
            place = builder.gep(source, [builder.mul(loop.index, stride)])
            value = builder.load(builder.bitcast(place, vector.as_pointer()), align=1, typ=vector)
            lower, upper = builder.load(least), builder.load(most)
            builder.store(builder.select(_is_less(builder, kind, value, lower), value, lower), least)
            builder.store(builder.select(_is_less(builder, kind, upper, value), value, upper), most)
        lower, upper = builder.load(least), builder.load(most)
        if kind[0] == "f":
            is_nan, nan = _is_less(builder, kind, upper, lower), ir.Constant(vector, [math.nan] * lanes)
            lower, upper = builder.select(is_nan, nan, lower), builder.select(is_nan, nan, upper)
        builder.store(lower, low, align=1)
        builder.store(upper, high, align=1)

    def _emit_run(builder: Any, kind: str, places: list[Any], stride: Any, rows: Any, values: Any) -> None:
        """Emit the fold of all values of a run, as many of them at a time as can be."""
        done = _INT64(0)
        for lanes in _LANES[kind[0]]:
            count = builder.udiv(builder.sub(values, done), _INT64(lanes))
            with cgutils.for_range(builder, count) as loop:
                value = builder.add(done, builder.mul(loop.index, _INT64(lanes)))
                offset = builder.mul(value, _INT64(int(kind[1])))
                here = [builder.gep(place, [offset]) for place in places]
                _emit_fold(builder, kind, lanes, here, stride, rows)
            done = builder.add(done, builder.mul(count, _INT64(lanes)))

    @intrinsic  # type: ignore[untyped-decorator]
    def _fold_run(
        typing: Any,
        code: Any,
        block: Any,
        start: Any,
        stride: Any,
        rows: Any,
        out: Any,
        low: Any,
        high: Any,
        values: Any,
    ) -> Any:
        """Fold ``values`` neighbouring values, at ``start``, of a number of rows into those at ``low`` and ``high``."""

        def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            code, block, start, stride, rows, out, low, high, values = args
            places = [_start(context, builder, array, at) for array, at in ((block, start), (out, low), (out, high))]
            behind = builder.append_basic_block("folded")
            choice = builder.switch(code, behind)
            for kind, number in CODES.items():
                own = builder.append_basic_block(kind)
                choice.add_case(_INT64(number), own)
                with builder.goto_block(own):
                    _emit_run(builder, kind, places, stride, rows, values)
                    builder.branch(behind)
            builder.position_at_end(behind)
            return context.get_dummy_value()

        return types.void(INT, BYTES, INT, INT, INT, BYTES, INT, INT, INT), emit

else:

    def _fold_run(
        code: int, block: Any, start: int, stride: int, rows: int, out: Any, low: int, high: int, values: int
    ) -> None:
        """Fold ``values`` neighbouring values, at ``start``, of a number of rows into those at ``low`` and ``high``."""
        kind = list(CODES)[code]
        size = values * int(kind[1])
        lower, upper = (out[place : place + size].view(kind) for place in (low, high))
        for row in range(rows):
            folded = block[start + row * stride :][:size].view(kind)
            # What is NaN so far is neither: any number takes its place.
            np.copyto(lower, folded, where=~(lower <= folded) & (folded == folded))
            np.copyto(upper, folded, where=~(folded <= upper) & (folded == folded))


@kernel(VOID, BYTES, INT, INT, COUNTERS, COUNTERS, BYTES, BYTES)
def fold_bins(block: Any, start: int, row_bytes: int, edges: Any, plan: Any, nothing: Any, out: Any) -> None:
    """Fold rows into bins; bin k has the rows [edges[k], edges[k + 1]), one or more, from the byte ``start`` on.

    ``out`` has a row of minima and one of maxima for each bin; ``nothing`` is what they are before any row is folded
    into them: NaN, or of whole numbers the largest and the smallest.
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
