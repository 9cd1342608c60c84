"""A ring and the values of a row as a user's own compiled loop has them.

Belongs here: what is compiled afresh for each dtype, because such a loop is. May not be here: anything else; all
other kernels know rows as bytes. Nothing here exists without a compiler.

All of it takes the handle, never an array from it. An array that is taken out of a tuple is counted as one more
reference, and numba drops the counting only where little comes between: with it, a row takes 40 ns instead of 4. For
the same reason nothing here raises or branches, and nothing is called that is not compiled into the loop.

Which kinds of value go into which kinds of field is decided while numba types the loop, by the rule of
``ringacc.schema``: bool -> int -> float -> complex. Whether a number is in range is only known in the loop.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.errors import TypingError
from numba.extending import intrinsic
from numba.np.arrayobj import make_array

from .compile import FLOAT, INT

__all__ = [
    "capacity_of",
    "counters_at",
    "relax",
    "store_row",
    "values_fit",
]

_FAMILIES = (types.Boolean, types.Integer, types.Float, types.Complex)


def _rank(kind: Any) -> int:
    """Give the place of a type in bool -> int -> float -> complex, or -1."""
    kind = types.unliteral(kind)
    return next((rank for rank, family in enumerate(_FAMILIES) if isinstance(kind, family)), -1)


def _fields(rows: Any, values: Any) -> list[tuple[Any, int]]:
    """Give type and offset of the fields after the time, or say which does not take its value."""
    fields = list(rows.dtype.fields.items())[1:]
    if not isinstance(values, types.BaseTuple):
        raise TypingError(f"append(ring, t, values): expected a tuple of values, found {values}")
    if len(values) != len(fields):
        names = tuple(name for name, _ in fields)
        raise TypingError(f"append(ring, t, values): expected {len(fields)} values {names}, found {len(values)}")
    for (name, field), value in zip(fields, values, strict=True):
        wanted, given = _rank(field.type), _rank(value)
        if given < 0 or wanted < given:
            raise TypingError(
                f"append(ring, t, values): field {name!r} ({field.type}) does not take {value}: convert the value, or "
                "declare the field otherwise"
            )
    return [(field.type, field.offset) for _, field in fields]


def _int_limits(kind: Any) -> tuple[int, int]:
    if kind.signed:
        return -(2 ** (kind.bitwidth - 1)), 2 ** (kind.bitwidth - 1) - 1
    return 0, 2**kind.bitwidth - 1


def _emit_range_check(builder: Any, wanted: Any, given: Any, value: Any) -> Any:
    """Emit whether a value is in the range of its field; None where its type already is."""
    if isinstance(wanted, types.Integer) and isinstance(given, types.Integer):
        low, high = _int_limits(wanted)
        least, most = _int_limits(given)
        compare = builder.icmp_signed if given.signed else builder.icmp_unsigned
        checks = []
        if least < low:
            checks.append(compare(">=", value, ir.Constant(value.type, low)))
        if most > high:
            checks.append(compare("<=", value, ir.Constant(value.type, high)))
        return _all(builder, checks)
    if wanted == types.float32 and given == types.float64:
        # Rounding is fine; a finite number that becomes infinite is not.
        single = builder.fpext(builder.fptrunc(value, ir.FloatType()), ir.DoubleType())
        difference, itself = builder.fsub(single, single), builder.fsub(value, value)
        finite = builder.fcmp_ordered("==", difference, ir.Constant(ir.DoubleType(), 0.0))
        was_not = builder.fcmp_unordered("!=", itself, ir.Constant(ir.DoubleType(), 0.0))
        return builder.or_(finite, was_not)
    return None


def _all(builder: Any, checks: list[Any]) -> Any:
    if not checks:
        return None
    result = checks[0]
    for check in checks[1:]:
        result = builder.and_(result, check)
    return result


def _array(context: Any, builder: Any, ring: Any, handle: Any, name: str) -> tuple[Any, Any]:
    """Emit an array of a handle; give its type and its structure."""
    place = ring.fields.index(name)
    return ring.types[place], make_array(ring.types[place])(context, builder, builder.extract_value(handle, place))


def _rows(ring: Any) -> Any:
    """Give the type of the rows of a handle."""
    if not isinstance(ring, types.NamedTuple) or "rows" not in ring.fields:
        raise TypingError(f"expected a ring as TimeRing.jit gives it, found {ring}")
    return ring.types[ring.fields.index("rows")]


@intrinsic  # type: ignore[untyped-decorator]
def counters_at(typing: Any, ring: Any) -> Any:
    """Give the address of the counters of a ring."""
    _rows(ring)

    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.ptrtoint(_array(context, builder, ring, args[0], "counters")[1].data, ir.IntType(64))

    return INT(ring), emit


@intrinsic  # type: ignore[untyped-decorator]
def capacity_of(typing: Any, ring: Any) -> Any:
    """Give how many rows a ring holds."""
    _rows(ring)

    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.ashr(_array(context, builder, ring, args[0], "rows")[1].nitems, ir.Constant(ir.IntType(64), 1))

    return INT(ring), emit


@intrinsic  # type: ignore[untyped-decorator]
def values_fit(typing: Any, ring: Any, values: Any) -> Any:
    """Say whether each number of a tuple is in the range of its field."""
    fields = _fields(_rows(ring), values)

    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        checks = []
        for place, ((wanted, _), given) in enumerate(zip(fields, values, strict=True)):
            value = builder.extract_value(args[1], place)
            checks.append(_emit_range_check(builder, wanted, types.unliteral(given), value))
        found = _all(builder, [check for check in checks if check is not None])
        return cgutils.true_bit if found is None else found

    return types.boolean(ring, values), emit


@intrinsic  # type: ignore[untyped-decorator]
def store_row(typing: Any, ring: Any, slot: Any, time: Any, values: Any) -> Any:
    """Store a time and a tuple of values, which fit, in a slot; not checked."""
    rows = _rows(ring)
    fields = _fields(rows, values)

    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        data = _array(context, builder, ring, args[0], "rows")[1].data
        data = builder.bitcast(data, ir.IntType(8).as_pointer())
        row = builder.gep(data, [builder.mul(args[1], ir.Constant(ir.IntType(64), rows.dtype.size))])
        builder.store(args[2], builder.bitcast(row, ir.DoubleType().as_pointer()), align=1)
        for place, ((wanted, offset), given) in enumerate(zip(fields, values, strict=True)):
            value = builder.extract_value(args[3], place)
            value = context.cast(builder, value, types.unliteral(given), wanted)
            target = builder.gep(row, [ir.Constant(ir.IntType(64), offset)])
            target = builder.bitcast(target, context.get_data_type(wanted).as_pointer())
            context.pack_value(builder, wanted, value, target, align=1)
        return context.get_dummy_value()

    return types.void(ring, INT, FLOAT, values), emit


@intrinsic  # type: ignore[untyped-decorator]
def relax(typing: Any) -> Any:
    """Tell the processor that this is a loop that waits."""

    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        triple = builder.module.triple
        nothing = ir.FunctionType(ir.VoidType(), [])
        if "86" in triple:
            builder.call(cgutils.get_or_insert_function(builder.module, nothing, "llvm.x86.sse2.pause"), [])
        elif "aarch64" in triple or "arm64" in triple:
            hint = ir.FunctionType(ir.VoidType(), [ir.IntType(32)])
            yields = ir.Constant(ir.IntType(32), 1)
            builder.call(cgutils.get_or_insert_function(builder.module, hint, "llvm.aarch64.hint"), [yields])
        return context.get_dummy_value()

    return types.void(), emit
