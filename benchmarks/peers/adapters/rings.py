"""The rings of NumPy arrays that PyPI has, of rows of six floats.

A row is handed over as an array, which they take fastest; it is made outside the turn.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from situation import COLUMNS, RATE_POINTS

from . import Adapter, Array, FloatAdapter, nearest

_COMPILED = "cannot be called in a compiled loop"


class _ArrayRing(Adapter):
    """What they have in common: elements by number, and all of them by a slice."""

    cannot = {"jitted": _COMPILED}  # noqa: RUF012
    ring: Any

    def ready(self, rows: Array) -> Any:
        return list(rows.copy())

    def append(self, ready: Any) -> None:
        append = self.ring.append
        for row in ready:
            append(row)

    def extend(self, block: Any) -> None:
        self.ring.extend(block)

    def _all(self) -> Any:
        """Give all rows in order."""
        return self.ring[:]

    def last(self, n: int) -> Any:
        return self.ring[-n:]

    def window(self, seconds: float) -> Any:
        rows = self._all()
        times = rows[:, 0]
        return rows[np.searchsorted(times, times[-1] - seconds) :]

    def between(self, t0: float, t1: float) -> Any:
        rows = self._all()
        return rows[np.searchsorted(rows[:, 0], t0) : np.searchsorted(rows[:, 0], t1, "right")]

    def at(self, t: float) -> Any:
        rows = self._all()
        return rows[nearest(rows[:, 0], t)]

    def rate(self) -> Any:
        return (RATE_POINTS - 1) / (self.ring[-1][0] - self.ring[-RATE_POINTS][0])

    def dataframe(self, seconds: float) -> Any:
        return pd.DataFrame(self.window(seconds), columns=COLUMNS)

    def save(self, path: Path, format: str) -> Path:
        return saved(pd.DataFrame(self._all(), columns=COLUMNS), path, format)


class DvgRing(_ArrayRing):
    """dvg-ringbuffer puts all rows in order once after a change; look-ups until the next one are views of that."""

    package = "dvg-ringbuffer"
    _STILL = "nothing was put in since the last call: all rows are in order already"
    notes = dict.fromkeys(("last", "window", "between", "at"), _STILL) | {
        "memory": "each row lies there twice",
    }

    def __init__(self, capacity: int) -> None:
        from dvg_ringbuffer import RingBuffer  # type: ignore[import-untyped]

        super().__init__(capacity)
        self.ring = RingBuffer(capacity, dtype=(float, len(COLUMNS)))


class NumpyRing(_ArrayRing):
    """numpy_ringbuffer copies all rows for each slice."""

    package = "numpy_ringbuffer"

    def __init__(self, capacity: int) -> None:
        from numpy_ringbuffer import RingBuffer  # type: ignore[import-untyped]

        super().__init__(capacity)
        self.ring = RingBuffer(capacity, dtype=(float, len(COLUMNS)))

    def last(self, n: int) -> Any:
        # By number, which copies these rows only, where a slice copies all.
        return self.ring[np.arange(len(self.ring) - n, len(self.ring))]


class CircularNumpy(_ArrayRing):
    """circular-buffer-numpy copies the newest rows; it puts blocks in row by row."""

    package = "circular-buffer-numpy"

    def __init__(self, capacity: int) -> None:
        from circular_buffer_numpy.circular_buffer import CircularBuffer  # type: ignore[import-untyped]

        super().__init__(capacity)
        self.ring = CircularBuffer(shape=(capacity, len(COLUMNS)))
        self.last = self.ring.get_last_N

    def extend(self, block: Any) -> None:
        self.ring.append(block)

    def rate(self) -> Any:
        newest = self.last(RATE_POINTS)
        return (RATE_POINTS - 1) / (newest[-1][0] - newest[0][0])

    def _all(self) -> Any:
        return self.ring.get_last_N(self.capacity)


class DvgFloats(FloatAdapter):
    """dvg-ringbuffer of floats."""

    package = "dvg-ringbuffer"

    def __init__(self, capacity: int) -> None:
        from dvg_ringbuffer import RingBuffer

        super().__init__(capacity)
        self.ring = RingBuffer(capacity)
        self.popleft = self.ring.popleft

    def array(self) -> Array:
        return self.ring[:].copy()  # type: ignore[no-any-return]


class NumpyFloats(FloatAdapter):
    """numpy_ringbuffer of floats."""

    package = "numpy_ringbuffer"

    def __init__(self, capacity: int) -> None:
        from numpy_ringbuffer import RingBuffer

        super().__init__(capacity)
        self.ring = RingBuffer(capacity)
        self.popleft = self.ring.popleft

    def array(self) -> Array:
        return self.ring[:]  # type: ignore[no-any-return]


def saved(frame: pd.DataFrame, path: Path, format: str) -> Path:
    """Save a DataFrame as its user would."""
    path = path.with_suffix(f".{format}")
    if format == "csv":
        frame.to_csv(path)
    else:
        frame.to_feather(path)
    return path


ADAPTERS = {"dvg-ringbuffer": DvgRing, "numpy_ringbuffer": NumpyRing, "circular-buffer-numpy": CircularNumpy}
FLOATS = {"dvg-ringbuffer": DvgFloats, "numpy_ringbuffer": NumpyFloats}
