"""Values as plain Python objects.

Belongs here: from NumPy to Python, and what a dtype makes of a value. May not be here: rows and times.
"""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["parts_of", "plain", "same", "stored"]


def plain(value: Any) -> Any:
    """Return an array, a row or a value as nested lists and tuples of plain Python objects.

    Notes
    -----
    Complexity: O(values).
    Allocates: the plain values.
    Valid: plain Python, for ever.
    Threads: any.
    """
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    if isinstance(value, list | tuple):
        return type(value)([plain(item) for item in value])
    return value


def same(one: Any, other: Any) -> bool:
    """Return whether two arrays, rows or values are equal; NaN equals NaN, 0.0 is not -0.0.

    Notes
    -----
    Complexity: O(values).
    Allocates: the plain values.
    Valid: plain Python, for ever.
    Threads: any.
    """
    return repr(plain(one)) == repr(plain(other))


def stored(dtype: Any, value: Any) -> Any:
    """Return what a value that fits an item of this dtype reads as once it is stored there.

    Notes
    -----
    Complexity: O(values).
    Allocates: the plain values.
    Valid: plain Python, for ever.
    Threads: any.
    """
    dtype = np.dtype(dtype)
    if dtype.names is not None:
        parts = zip(parts_of(dtype), value, strict=True)
        return tuple(stored(part, item) for part, item in parts)
    if dtype.subdtype is not None:
        return [stored(part, item) for part, item in zip(parts_of(dtype), value, strict=True)]
    return np.array([value], dtype).tolist()[0]


def parts_of(dtype: np.dtype[Any]) -> list[np.dtype[Any]]:
    """Return the dtypes of the items of a structured or sub-array dtype; none for a scalar's."""
    if dtype.subdtype is not None:
        base, shape = dtype.subdtype
        return [np.dtype((base, shape[1:]))] * shape[0]
    return [dtype[name] for name in dtype.names or ()]
