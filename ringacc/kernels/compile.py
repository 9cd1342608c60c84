"""How functions are compiled: the only place that spells numba options.

Belongs here: the decorators that the other kernel rooms use, and the question whether anything is compiled at all.
May not be here: a kernel.

With ``NUMBA_DISABLE_JIT=1`` every decorator returns the plain function, so that the same lines run as Python.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numba
import numpy as np
from numba import types

__all__ = ["BYTES", "COUNTERS", "FLOAT", "INT", "JIT", "VOID", "c_function", "inlined", "inner", "kernel", "pair_of"]

Function = TypeVar("Function", bound=Callable[..., Any])

#: Whether functions are compiled in this process.
JIT: bool = not numba.config.DISABLE_JIT

# numba imports more of NumPy when it first sees an array from Python: 25 ms that the first look-up would wait for.
numba.typeof(np.zeros(0))

# The four types that kernels take. One set of types for every dtype of a ring: a kernel compiles once, ever.
INT = types.int64
FLOAT = types.float64
VOID = types.void
COUNTERS = types.int64[::1]
BYTES = types.uint8[::1]


def pair_of(kind: Any) -> Any:
    """Give the type of a pair of values of one kind."""
    return types.UniTuple(kind, 2)


def kernel(result: Any, *arguments: Any) -> Callable[[Function], Function]:
    """Compile for exactly these types, at import, so that nothing is left to compile in the loop.

    Kept in numba's disk cache where the package's folder or the user's cache folder can be written; without one the
    kernels are compiled again in each process.
    """

    def compile_now(function: Function) -> Function:
        if not JIT:
            return function
        signature = result(*arguments)
        try:
            return numba.njit(signature, cache=True)(function)  # type: ignore[no-any-return]
        except RuntimeError as error:
            if "no locator available" not in str(error):
                raise
            return numba.njit(signature)(function)  # type: ignore[no-any-return]

    return compile_now


def inner(function: Function) -> Function:
    """Make a function callable from kernels and from users' jitted loops; compiled into each of them."""
    return numba.njit(function) if JIT else function


def inlined(function: Function) -> Function:
    """Make a function callable from users' jitted loops, and part of each, however large it is."""
    return numba.njit(forceinline=True)(function) if JIT else function


def c_function(result: Any, *arguments: Any) -> Callable[[Function], int]:
    """Compile to a C function of these types and give its address."""

    def compile_now(function: Function) -> int:
        signature = result(*arguments)
        try:
            compiled = numba.cfunc(signature, cache=True)(function)
        except RuntimeError as error:
            if "no locator available" not in str(error):
                raise
            compiled = numba.cfunc(signature)(function)
        # The compiled code is freed with its wrapper, so every wrapper is kept for the life of the process.
        _KEPT.append(compiled)
        return int(compiled.address)

    return compile_now


_KEPT: list[Any] = []
