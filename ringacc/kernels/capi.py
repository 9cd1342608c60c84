"""CPython's C API for compiled code, and builtins made of compiled code.

Belongs here: calls into the interpreter by name, and the one place that knows how a Python object lies in memory. May
not be here: what the calls are for.

Python objects are addresses (int64) here. All of it runs with the GIL held, as any builtin does.

Why a builtin: called from Python, a jitted function costs 180-250 ns below numba's dispatcher and 400 ns through it,
before it does anything. A C function of the METH_FASTCALL convention costs 40 ns, and numba compiles C functions.
PyCFunction_NewEx, PyMethodDef and METH_FASTCALL are in CPython's stable ABI (docs.python.org/3/c-api/stable.html).
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from . import memory
from .compile import FLOAT, INT, JIT, inner

__all__ = ["AVAILABLE", "builtin", "load", "load_double", "store", "type_of"]

# PyObject_HEAD ends with the type, and what a float or an int64 scalar holds follows it.
_HEAD = object.__basicsize__
_TYPE_OFFSET = _HEAD - ctypes.sizeof(ctypes.c_void_p)


def _layout_is_known() -> bool:
    """Say whether objects lie in memory as this room assumes; asked of two real objects, not of a version."""
    if not JIT or sys.implementation.name != "cpython" or ctypes.sizeof(ctypes.c_void_p) != 8:
        return False
    numbers = (1.5, np.float64(2.5))
    return all(
        ctypes.c_void_p.from_address(id(number) + _TYPE_OFFSET).value == id(type(number))
        and ctypes.c_double.from_address(id(number) + _HEAD).value == number
        for number in numbers
    )


#: Whether builtins can be made here; where not, callers use their Python functions.
AVAILABLE: bool = _layout_is_known()


class _MethodDefinition(ctypes.Structure):
    """PyMethodDef (docs.python.org/3/c-api/structures.html)."""

    _fields_ = [
        ("name", ctypes.c_char_p),
        ("function", ctypes.c_void_p),
        ("flags", ctypes.c_int),
        ("doc", ctypes.c_char_p),
    ]


_METH_KEYWORDS = 0x0002
_METH_FASTCALL = 0x0080
_DEFINITIONS: dict[tuple[str, str, int], _MethodDefinition] = {}


def builtin(name: str, doc: str, address: int, owner: object) -> Callable[..., Any]:
    """Make a builtin of the C function at ``address``, whose first argument will be ``owner``.

    The function takes (owner, arguments, count, keyword names) and gives a new reference.
    """
    # A definition must outlive its builtins; there is one for each function, kept for the life of the process.
    definition = _DEFINITIONS.setdefault(
        (name, doc, address),
        _MethodDefinition(name.encode(), address, _METH_FASTCALL | _METH_KEYWORDS, doc.encode()),
    )
    new = ctypes.pythonapi.PyCFunction_NewEx
    new.restype = ctypes.py_object
    new.argtypes = [ctypes.c_void_p, ctypes.py_object, ctypes.c_void_p]
    made: Callable[..., Any] = new(ctypes.addressof(definition), owner, None)
    return made


if AVAILABLE:
    from llvmlite import ir
    from numba import types
    from numba.core import cgutils
    from numba.extending import intrinsic

    def _call(name: str, result: Any, *arguments: Any) -> Any:
        """Give an intrinsic that calls a function of the C API."""
        signature = result(*arguments)

        def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            kinds = [context.get_value_type(kind) for kind in arguments]
            function_type = ir.FunctionType(
                ir.VoidType() if result == types.void else context.get_value_type(result), kinds
            )
            function = cgutils.get_or_insert_function(builder.module, function_type, name)
            called = builder.call(function, args)
            return context.get_dummy_value() if result == types.void else called

        typings: dict[int, Callable[..., Any]] = {
            0: lambda typing: (signature, emit),
            1: lambda typing, a: (signature, emit),
            2: lambda typing, a, b: (signature, emit),
            4: lambda typing, a, b, c, d: (signature, emit),
        }
        typing_function = typings[len(arguments)]
        typing_function.__name__ = name
        return intrinsic(typing_function)

    def _memory(kind: Any, result: Any) -> tuple[Any, Any]:
        """Give intrinsics that load and store one kind of number at an address."""

        @intrinsic  # type: ignore[untyped-decorator]
        def load(typing: Any, address: Any) -> Any:
            def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
                return builder.load(builder.inttoptr(args[0], kind.as_pointer()), align=1, typ=kind)

            return result(INT), emit

        @intrinsic  # type: ignore[untyped-decorator]
        def store(typing: Any, address: Any, value: Any) -> Any:
            def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
                builder.store(args[1], builder.inttoptr(args[0], kind.as_pointer()), align=1)
                return context.get_dummy_value()

            return types.void(INT, result), emit

        return load, store

    load, store = _memory(ir.IntType(64), INT)
    load_double, store_double = _memory(ir.DoubleType(), FLOAT)
    _, store_single = _memory(ir.FloatType(), types.float32)
    _, store_int32 = _memory(ir.IntType(32), types.int32)
    _, store_int16 = _memory(ir.IntType(16), types.int16)
    _, store_int8 = _memory(ir.IntType(8), types.int8)

    @intrinsic  # type: ignore[untyped-decorator]
    def copy(typing: Any, target: Any, source: Any, count: Any) -> Any:
        """Copy bytes from one address to another."""

        def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            byte = ir.IntType(8).as_pointer()
            target, source = (builder.inttoptr(address, byte) for address in args[:2])
            cgutils.raw_memcpy(builder, target, source, args[2], 1)
            return context.get_dummy_value()

        return types.void(INT, INT, INT), emit

    @intrinsic  # type: ignore[untyped-decorator]
    def store_release(typing: Any, address: Any, value: Any) -> Any:
        """Store an int64 after everything that was stored before."""

        def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            builder.store_atomic(args[1], builder.inttoptr(args[0], ir.IntType(64).as_pointer()), "release", 8)
            return context.get_dummy_value()

        return types.void(INT, INT), emit

    @intrinsic  # type: ignore[untyped-decorator]
    def load_acquire(typing: Any, address: Any) -> Any:
        """Load an int64; what was written before it was stored can be read after."""

        def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            word = ir.IntType(64)
            return builder.load_atomic(builder.inttoptr(args[0], word.as_pointer()), "acquire", 8, typ=word)

        return INT(INT), emit

    fence_release = memory.fence_release
    float_as_double = _call("PyFloat_AsDouble", FLOAT, INT)
    number_index = _call("PyNumber_Index", INT, INT)
    long_as_int64 = _call("PyLong_AsLongLong", INT, INT)
    long_as_uint64 = _call("PyLong_AsUnsignedLongLong", INT, INT)
    tuple_size = _call("PyTuple_Size", INT, INT)
    tuple_item = _call("PyTuple_GetItem", INT, INT, INT)
    list_size = _call("PyList_Size", INT, INT)
    list_item = _call("PyList_GetItem", INT, INT, INT)
    error_occurred = _call("PyErr_Occurred", INT)
    error_clear = _call("PyErr_Clear", types.void)
    attribute = _call("PyObject_GetAttr", INT, INT, INT)
    increment = _call("Py_IncRef", types.void, INT)
    decrement = _call("Py_DecRef", types.void, INT)
    call = _call("PyObject_Vectorcall", INT, INT, INT, INT, INT)

    @inner
    def type_of(thing: int) -> int:
        """Give the address of an object's type."""
        return load(thing + _TYPE_OFFSET)  # type: ignore[no-any-return]

    @inner
    def content_of(number: int) -> float:
        """Give what a float, or a NumPy float64 scalar, holds."""
        return load_double(number + _HEAD)  # type: ignore[no-any-return]
