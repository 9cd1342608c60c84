"""ringacc as its user would use it."""

from __future__ import annotations

from collections import namedtuple
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from situation import COLUMNS, FIVE

import ringacc
from ringacc import RingBuffer, TimeRing

from . import Adapter, Array, FloatAdapter

_FIELDS = dict.fromkeys(FIVE, "f8")
_Row: Any = namedtuple("_Row", FIVE)  # type: ignore[misc]


class Ringacc(Adapter):
    """`TimeRing`; where a file is written, `ringacc.save`."""

    package = "ringacc"
    notes = {  # noqa: RUF012
        "append": "TimeRing.append, times checked and counted",
        "last": "a view; checks each call",
        "save_csv": "on disk (fsync) when the call returns; the others' may not be",
        "save_feather": "on disk (fsync) when the call returns; the others' may not be",
        "memory": "each row lies there twice",
        "jitted": "ringacc.jit.append; times checked and counted",
    }

    def __init__(self, capacity: int) -> None:
        super().__init__(capacity)
        self.ring = TimeRing(capacity, _FIELDS)
        self.last, self.window = self.ring.last, self.ring.window
        self.between, self.at, self.rate = self.ring.between, self.ring.at, self.ring.fps

    def fill(self, rows: Array) -> None:
        for part in np.array_split(rows, 1 + len(rows) // self.capacity):
            self.extend(self.block(part))

    def ready(self, rows: Array) -> Any:
        return [(row[0], _Row(*row[1:])) for row in rows.tolist()]

    def append(self, ready: Any) -> None:
        append = self.ring.append
        for t, values in ready:
            append(t, values)

    def block(self, rows: Array) -> Any:
        return np.ascontiguousarray(rows).view(self.ring.dtype).reshape(-1)

    def extend(self, block: Any) -> None:
        self.ring.extend(block)

    def dataframe(self, seconds: float) -> Any:
        return pd.DataFrame(self.ring.window(seconds))

    def save(self, path: Path, format: str) -> Path:
        return ringacc.save([self.ring.last(self.capacity)], path, format)

    def jitted(self, columns: list[Array]) -> None:
        _loop()(self.ring.jit, *columns)

    def rows(self, answer: Any) -> Array:
        if isinstance(answer, pd.DataFrame):
            return answer[list(COLUMNS)].to_numpy()
        return np.atleast_1d(answer).copy().view(float).reshape(-1, len(COLUMNS))


class RingaccFloats(FloatAdapter):
    """`RingBuffer`."""

    package = "ringacc"

    def __init__(self, capacity: int) -> None:
        super().__init__(capacity)
        self.ring = RingBuffer(capacity)
        self.popleft = self.ring.popleft


_LOOPS: list[Any] = []


def _loop() -> Any:
    """Compile a user's loop, once."""
    if not _LOOPS:
        from numba import njit

        from ringacc.jit import append

        @njit  # type: ignore[untyped-decorator]
        def loop(ring: Any, times: Any, a: Any, b: Any, c: Any, d: Any, e: Any) -> None:
            for i in range(len(times)):
                append(ring, times[i], (a[i], b[i], c[i], d[i], e[i]))

        _LOOPS.append(loop)
    return _LOOPS[0]


ADAPTERS = {"ringacc": Ringacc}
FLOATS = {"ringacc": RingaccFloats}
