"""Loads, stores and copies of bytes, and the ordered loads and stores that publish them.

Belongs here: what becomes one machine instruction or one memcpy, each with its twin in Python for the lane without a
compiler. May not be here: what a counter or a byte means.

Offsets are bytes, not checked: callers state why theirs are in range. Nothing needs to be aligned but the counters.

Publishing: the bytes of a row are written first, then its counter is stored with *release*; a reader loads the counter
with *acquire* first and reads the bytes after. On x86 both are plain moves, on ARM they are ``stlr`` and ``ldar``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .compile import BYTES, COUNTERS, FLOAT, INT, JIT

__all__ = [
    "copy_bytes",
    "fence_release",
    "load_acquire",
    "load_float",
    "load_real",
    "store_real",
    "store_release",
]


def _load_acquire(counters: Any, index: int) -> int:
    """Load a counter; what was written before it was stored can be read after."""
    return int(counters[index])


def _store_release(counters: Any, index: int, value: int) -> None:
    """Store a counter after everything that was written before."""
    counters[index] = value


def _fence_release() -> None:
    """Keep the stores before this point before the stores after it."""


def _load_float(block: Any, offset: int) -> float:
    """Load the float64 at a byte offset."""
    return float(block[offset : offset + 8].view(np.float64)[0])


def _load_real(counters: Any, index: int) -> float:
    """Load a counter that is a float64."""
    return float(counters[index : index + 1].view(np.float64)[0])


def _store_real(counters: Any, index: int, value: float) -> None:
    """Store a counter that is a float64."""
    counters[index : index + 1].view(np.float64)[0] = value


def _copy_bytes(target: Any, target_offset: int, source: Any, source_offset: int, count: int) -> None:
    """Copy bytes between two blocks that do not overlap."""
    target[target_offset : target_offset + count] = source[source_offset : source_offset + count]


def _intrinsics() -> dict[str, Callable[..., Any]]:
    """Build the compiled twins of the functions above."""
    from llvmlite import ir
    from numba import types
    from numba.core import cgutils
    from numba.extending import intrinsic
    from numba.np.arrayobj import make_array

    def pointer(context: Any, builder: Any, kind: Any, array: Any, offset: Any) -> Any:
        return builder.gep(make_array(kind)(context, builder, array).data, [offset])

    @intrinsic  # type: ignore[untyped-decorator]
    def load_acquire(typing: Any, counters: Any, index: Any) -> Any:
        def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            place = pointer(context, builder, signature.args[0], args[0], args[1])
            return builder.load_atomic(place, "acquire", 8, typ=ir.IntType(64))

        return INT(COUNTERS, INT), emit

    @intrinsic  # type: ignore[untyped-decorator]
    def store_release(typing: Any, counters: Any, index: Any, value: Any) -> Any:
        def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            place = pointer(context, builder, signature.args[0], args[0], args[1])
            builder.store_atomic(args[2], place, "release", 8)
            return context.get_dummy_value()

        return types.void(COUNTERS, INT, INT), emit

    @intrinsic  # type: ignore[untyped-decorator]
    def fence_release(typing: Any) -> Any:
        def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            builder.fence("release")
            return context.get_dummy_value()

        return types.void(), emit

    @intrinsic  # type: ignore[untyped-decorator]
    def load_float(typing: Any, block: Any, offset: Any) -> Any:
        def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            place = pointer(context, builder, signature.args[0], args[0], args[1])
            return builder.load(builder.bitcast(place, ir.DoubleType().as_pointer()), align=1, typ=ir.DoubleType())

        return FLOAT(BYTES, INT), emit

    @intrinsic  # type: ignore[untyped-decorator]
    def load_real(typing: Any, counters: Any, index: Any) -> Any:
        def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            place = pointer(context, builder, signature.args[0], args[0], args[1])
            return builder.load(builder.bitcast(place, ir.DoubleType().as_pointer()), align=8, typ=ir.DoubleType())

        return FLOAT(COUNTERS, INT), emit

    @intrinsic  # type: ignore[untyped-decorator]
    def store_real(typing: Any, counters: Any, index: Any, value: Any) -> Any:
        def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            place = pointer(context, builder, signature.args[0], args[0], args[1])
            builder.store(args[2], builder.bitcast(place, ir.DoubleType().as_pointer()), align=8)
            return context.get_dummy_value()

        return types.void(COUNTERS, INT, FLOAT), emit

    @intrinsic  # type: ignore[untyped-decorator]
    def copy_bytes(typing: Any, target: Any, to: Any, source: Any, start: Any, count: Any) -> Any:
        def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            destination = pointer(context, builder, signature.args[0], args[0], args[1])
            origin = pointer(context, builder, signature.args[2], args[2], args[3])
            cgutils.raw_memcpy(builder, destination, origin, args[4], 1)
            return context.get_dummy_value()

        return types.void(BYTES, INT, BYTES, INT, INT), emit

    return {
        "load_acquire": load_acquire,
        "store_release": store_release,
        "fence_release": fence_release,
        "load_float": load_float,
        "load_real": load_real,
        "store_real": store_real,
        "copy_bytes": copy_bytes,
    }


load_acquire: Callable[[Any, int], int] = _load_acquire
store_release: Callable[[Any, int, int], None] = _store_release
fence_release: Callable[[], None] = _fence_release
load_float: Callable[[Any, int], float] = _load_float
load_real: Callable[[Any, int], float] = _load_real
store_real: Callable[[Any, int, float], None] = _store_real
copy_bytes: Callable[[Any, int, Any, int, int], None] = _copy_bytes
if JIT:
    globals().update(_intrinsics())
