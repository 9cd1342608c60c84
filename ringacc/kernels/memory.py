"""Loads, stores and copies of bytes, and the ordered loads and stores that publish them.

Belongs here: what becomes one machine instruction or one memcpy, each with its twin in Python for the lane without a
compiler. May not be here: what a counter or a byte means.

What ends in ``_at`` takes the address of the counters; in the lane without a compiler, the counters themselves.

Offsets are bytes and are not checked: callers state why theirs are in range. Nothing needs to be aligned but the
counters.

Publishing: the bytes of a row are written first, then its counter is stored with *release*; a reader loads the counter
with *acquire* first and reads the bytes after. On x86 both are plain moves, on ARM they are ``stlr`` and ``ldar``.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .compile import BYTES, COUNTERS, FLOAT, INT, JIT

__all__ = [
    "copy_bytes",
    "fence_acquire",
    "fence_release",
    "load_acquire",
    "load_at",
    "load_float",
    "load_real",
    "load_real_at",
    "store_at",
    "store_real",
    "store_real_at",
    "store_release",
]

if JIT:
    from llvmlite import ir
    from numba import types
    from numba.core import cgutils
    from numba.extending import intrinsic
    from numba.np.arrayobj import make_array

    _INT64 = ir.IntType(64)
    _DOUBLE = ir.DoubleType()

    def _place(context: Any, builder: Any, kind: Any, array: Any, offset: Any) -> Any:
        """Emit the address of an element of an array."""
        return builder.gep(make_array(kind)(context, builder, array).data, [offset])

    def _emit_load_double(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        place = _place(context, builder, signature.args[0], *args)
        return builder.load(builder.bitcast(place, _DOUBLE.as_pointer()), align=1, typ=_DOUBLE)

    @intrinsic  # type: ignore[untyped-decorator]
    def load_acquire(typing: Any, counters: Any, index: Any) -> Any:
        """Load a counter; what was written before it was stored can be read after."""

        def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            place = _place(context, builder, signature.args[0], *args)
            return builder.load_atomic(place, "acquire", 8, typ=_INT64)

        return INT(COUNTERS, INT), emit

    @intrinsic  # type: ignore[untyped-decorator]
    def store_release(typing: Any, counters: Any, index: Any, value: Any) -> Any:
        """Store a counter after everything that was written before."""

        def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            builder.store_atomic(args[2], _place(context, builder, signature.args[0], *args[:2]), "release", 8)
            return context.get_dummy_value()

        return types.void(COUNTERS, INT, INT), emit

    @intrinsic  # type: ignore[untyped-decorator]
    def fence_release(typing: Any) -> Any:
        """Keep the stores before this point before the stores after it."""

        def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            builder.fence("release")
            return context.get_dummy_value()

        return types.void(), emit

    @intrinsic  # type: ignore[untyped-decorator]
    def fence_acquire(typing: Any) -> Any:
        """Keep the loads before this point before what comes after it."""

        def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            builder.fence("acquire")
            return context.get_dummy_value()

        return types.void(), emit

    @intrinsic  # type: ignore[untyped-decorator]
    def load_float(typing: Any, block: Any, offset: Any) -> Any:
        """Load the float64 at a byte offset."""
        return FLOAT(BYTES, INT), _emit_load_double

    @intrinsic  # type: ignore[untyped-decorator]
    def load_real(typing: Any, counters: Any, index: Any) -> Any:
        """Load a counter that is a float64."""
        return FLOAT(COUNTERS, INT), _emit_load_double

    @intrinsic  # type: ignore[untyped-decorator]
    def store_real(typing: Any, counters: Any, index: Any, value: Any) -> Any:
        """Store a counter that is a float64."""

        def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            place = _place(context, builder, signature.args[0], *args[:2])
            builder.store(args[2], builder.bitcast(place, _DOUBLE.as_pointer()), align=8)
            return context.get_dummy_value()

        return types.void(COUNTERS, INT, FLOAT), emit

    @intrinsic  # type: ignore[untyped-decorator]
    def copy_bytes(typing: Any, target: Any, to: Any, source: Any, start: Any, count: Any) -> Any:
        """Copy bytes between two blocks that do not overlap."""

        def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            destination = _place(context, builder, signature.args[0], *args[:2])
            origin = _place(context, builder, signature.args[2], *args[2:4])
            cgutils.raw_memcpy(builder, destination, origin, args[4], 1)
            return context.get_dummy_value()

        return types.void(BYTES, INT, BYTES, INT, INT), emit

    # Counters by their address, for code that must not hold the array.

    def _word(builder: Any, args: Any, kind: Any) -> Any:
        return builder.gep(builder.inttoptr(args[0], kind.as_pointer()), [args[1]])

    @intrinsic  # type: ignore[untyped-decorator]
    def load_at(typing: Any, at: Any, place: Any) -> Any:
        """Load a counter; what was written before it was stored can be read after."""

        def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            return builder.load_atomic(_word(builder, args, _INT64), "acquire", 8, typ=_INT64)

        return INT(INT, INT), emit

    @intrinsic  # type: ignore[untyped-decorator]
    def store_at(typing: Any, at: Any, place: Any, value: Any) -> Any:
        """Store a counter after everything that was written before."""

        def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            builder.store_atomic(args[2], _word(builder, args, _INT64), "release", 8)
            return context.get_dummy_value()

        return types.void(INT, INT, INT), emit

    @intrinsic  # type: ignore[untyped-decorator]
    def load_real_at(typing: Any, at: Any, place: Any) -> Any:
        """Load a counter that is a float64."""

        def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            return builder.load(_word(builder, args, _DOUBLE), align=8, typ=_DOUBLE)

        return FLOAT(INT, INT), emit

    @intrinsic  # type: ignore[untyped-decorator]
    def store_real_at(typing: Any, at: Any, place: Any, value: Any) -> Any:
        """Store a counter that is a float64."""

        def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            builder.store(args[2], _word(builder, args, _DOUBLE), align=8)
            return context.get_dummy_value()

        return types.void(INT, INT, FLOAT), emit

else:

    def load_acquire(counters: Any, index: int) -> int:
        """Load a counter; what was written before it was stored can be read after."""
        return int(counters[index])

    def store_release(counters: Any, index: int, value: int) -> None:
        """Store a counter after everything that was written before."""
        counters[index] = value

    def fence_release() -> None:
        """Keep the stores before this point before the stores after it."""

    def fence_acquire() -> None:
        """Keep the loads before this point before what comes after it."""

    def load_float(block: Any, offset: int) -> float:
        """Load the float64 at a byte offset."""
        return float(block[offset : offset + 8].view(np.float64)[0])

    def load_real(counters: Any, index: int) -> float:
        """Load a counter that is a float64."""
        return float(counters[index : index + 1].view(np.float64)[0])

    def store_real(counters: Any, index: int, value: float) -> None:
        """Store a counter that is a float64."""
        counters[index : index + 1].view(np.float64)[0] = value

    def copy_bytes(target: Any, to: int, source: Any, start: int, count: int) -> None:
        """Copy bytes between two blocks that do not overlap."""
        target[to : to + count] = source[start : start + count]

    def load_at(counters: Any, place: int) -> int:
        """Load a counter; what was written before it was stored can be read after."""
        return int(counters[place])

    def store_at(counters: Any, place: int, value: int) -> None:
        """Store a counter after everything that was written before."""
        counters[place] = value

    load_real_at, store_real_at = load_real, store_real
