"""The values of a row, stored from a tuple inside compiled code.

Belongs here: what is compiled afresh for each dtype, because a user's own loop is. May not be here: anything else; all
other kernels know rows as bytes. Nothing here exists without a compiler.

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

__all__ = ["store_row", "values_fit"]

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


@intrinsic  # type: ignore[untyped-decorator]
def values_fit(typing: Any, rows: Any, values: Any) -> Any:
    """Say whether each number of a tuple is in the range of its field."""
    fields = _fields(rows, values)

    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        checks = []
        for place, ((wanted, _), given) in enumerate(zip(fields, values, strict=True)):
            value = builder.extract_value(args[1], place)
            checks.append(_emit_range_check(builder, wanted, types.unliteral(given), value))
        found = _all(builder, [check for check in checks if check is not None])
        return cgutils.true_bit if found is None else found

    return types.boolean(rows, values), emit


@intrinsic  # type: ignore[untyped-decorator]
def store_row(typing: Any, rows: Any, slot: Any, time: Any, values: Any) -> Any:
    """Store a time and a tuple of values, which fit, in a slot; not checked."""
    fields = _fields(rows, values)

    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        data = make_array(signature.args[0])(context, builder, args[0]).data
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

    return types.void(rows, INT, FLOAT, values), emit
