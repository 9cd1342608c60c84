"""Strategies for hypothesis: dtypes, rows and times.

Belongs here: what is drawn. May not be here: what is expected of it. hypothesis is imported when it is first asked for.
"""

from __future__ import annotations

from itertools import accumulate
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from ringacc import errors

from .natives import parts_of

__all__ = ["blocks", "dtypes", "fields", "misfits", "time_after", "times", "values"]


class _Strategies:
    """Stands for ``hypothesis.strategies``, which it imports when the first one is asked for."""

    def __getattr__(self, name: str) -> Any:
        try:
            from hypothesis import strategies
        except ImportError as error:
            raise ImportError(
                "expected hypothesis, which the strategies of ringacc.testing are made of, "
                "found none: pip install 'ringacc[test]'"
            ) from error
        return getattr(strategies, name)


if TYPE_CHECKING:
    from hypothesis import strategies as st

    Strategy: TypeAlias = st.SearchStrategy[Any]
else:
    st = _Strategies()

SCALARS = ("f8", "f4", "i8", "i4", "i2", "u1", "u8", "?")
TEXTS = ("U5", "S4")
STEPS = (0.002, 0.0, 1 / 3, 1e-9, 2.0**-30, 1.0, 7.5, 1e6, -0.002, -1.0)
STARTS = (0.0, -5.0, 1.5e9, 2.0**52, -1e15)


def _letters() -> st.SearchStrategy[str]:
    """Draw a character that NumPy's texts keep: a NUL at their end is dropped."""
    return st.characters(codec="utf-8", exclude_characters="\0")


def fields(max_size: int = 4) -> Strategy:
    """Draw fields of a TimeRing: one to `max_size` pairs of a free name and a dtype's name.

    Notes
    -----
    Complexity: O(size of the example).
    Allocates: the example.
    Valid: a strategy of hypothesis.
    Threads: any.
    """
    known = st.sampled_from(("x", "y", "tail_sum", "closed loop 1D_vel", "θ"))
    names = known | st.text(_letters(), min_size=1, max_size=6).filter(lambda name: name != "t")
    pairs = st.tuples(names, st.sampled_from(SCALARS + TEXTS))
    return st.lists(pairs, min_size=1, max_size=max_size, unique_by=lambda pair: pair[0])


def dtypes() -> Strategy:
    """Draw the dtype of a RingBuffer: of a scalar, a text, a sub-array or a structure.

    Notes
    -----
    Complexity: O(size of the example).
    Allocates: the example.
    Valid: a strategy of hypothesis.
    Threads: any.
    """
    shapes = st.sampled_from(((2,), (3,), (2, 2), (1,)))
    sub_arrays = st.tuples(st.sampled_from(SCALARS), shapes)
    return (st.sampled_from(SCALARS + TEXTS) | sub_arrays | fields()).map(np.dtype)


def values(dtype: Any) -> Strategy:
    """Draw a value that fits: Python objects and NumPy scalars, in a list or tuple if need be.

    Notes
    -----
    Complexity: O(size of the example).
    Allocates: the example.
    Valid: a strategy of hypothesis.
    Threads: any.
    """
    dtype = np.dtype(dtype)
    if parts_of(dtype):
        rows = st.tuples(*map(values, parts_of(dtype)))
        return rows if dtype.names else rows.map(list)
    if dtype.kind == "U":
        own: Strategy = st.text(_letters(), max_size=dtype.itemsize // 4)
    elif dtype.kind == "S":
        own = st.lists(st.integers(1, 255), max_size=dtype.itemsize).map(bytes)
    elif dtype.kind == "f":
        own = st.floats(width=32 if dtype.itemsize == 4 else 64)
    elif dtype.kind == "b":
        own = st.booleans()
    else:
        low, high = int(np.iinfo(dtype).min), int(np.iinfo(dtype).max)
        own = st.integers(low, high) | st.sampled_from((low, high, min(high, 2**53 + 1)))
    own |= own.map(dtype.type)
    if dtype.kind == "f":
        own |= st.floats(-3e38, 3e38) | st.integers(-(2**53), 2**53)
    return own | st.booleans() if dtype.kind in "fiu" else own


def misfits(dtype: Any) -> Strategy:
    """Draw a pair: a row or value that no item of this dtype holds, and its error's class.

    Notes
    -----
    Complexity: O(size of the example).
    Allocates: the example.
    Valid: a strategy of hypothesis.
    Threads: any.
    """
    dtype = np.dtype(dtype)
    if not parts_of(dtype):
        wrong = (None, 1j, object(), 5 if dtype.kind in "US" else "5")
        return st.tuples(st.sampled_from(wrong), st.just(errors.RowKindError))
    positions = st.integers(0, len(parts_of(dtype)) - 1)
    make: Any = tuple if dtype.names else list

    def spoil(at: int) -> Strategy:
        """Replace one of the values."""
        return st.tuples(values(dtype), misfits(parts_of(dtype)[at])).map(
            lambda pair: (make([*pair[0][:at], pair[1][0], *pair[0][at + 1 :]]), pair[1][1])
        )

    short = values(dtype).map(lambda row: (make(row[:-1]), errors.RowLengthError))
    long = values(dtype).map(lambda row: (make([*row, row[-1]]), errors.RowLengthError))
    return positions.flatmap(spoil) | short | long


def time_after(previous: float) -> Strategy:
    """Draw a time to follow `previous`: a tick later, the same, earlier, or any finite one.

    Notes
    -----
    Complexity: O(size of the example).
    Allocates: the example.
    Valid: a strategy of hypothesis.
    Threads: any.
    """
    steps = st.sampled_from(STEPS).map(lambda step: previous + step)
    return steps | steps | st.floats(allow_nan=False, allow_infinity=False)


def times(min_size: int = 0, max_size: int = 12) -> Strategy:
    """Draw a list of finite times: ticks, repeats, steps back, large clocks, any floats.

    Notes
    -----
    Complexity: O(size of the example).
    Allocates: the example.
    Valid: a strategy of hypothesis.
    Threads: any.
    """
    size: Any = {"min_size": min_size, "max_size": max_size}
    steps = st.lists(st.sampled_from(STEPS), **size)
    walks = st.tuples(st.sampled_from(STARTS), steps).map(lambda walk: list(accumulate(walk[1], initial=walk[0]))[1:])
    wild = st.lists(st.floats(allow_nan=False, allow_infinity=False), **size)
    return walks | walks.map(sorted) | wild


def blocks(dtype: Any, max_size: int = 12) -> Strategy:
    """Draw a structured array of a TimeRing's dtype, the time first, of up to `max_size` rows.

    Notes
    -----
    Complexity: O(size of the example).
    Allocates: the example.
    Valid: a strategy of hypothesis.
    Threads: any.
    """
    dtype = np.dtype(dtype)
    rest = st.tuples(*map(values, parts_of(dtype)[1:]))

    def with_rows(ts: list[float]) -> Strategy:
        return st.lists(rest, min_size=len(ts), max_size=len(ts)).map(
            lambda rows: np.array([(t, *row) for t, row in zip(ts, rows, strict=True)], dtype)
        )

    return times(max_size=max_size).flatmap(with_rows)
