"""`collections.deque` of tuples, time first."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import deque
from itertools import islice
from operator import itemgetter
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from situation import COLUMNS, RATE_POINTS

from . import Adapter, Array, FloatAdapter
from .rings import saved

_time = itemgetter(0)


class Deque(Adapter):
    """A deque keeps what it is handed: a pointer to each tuple."""

    notes = {  # noqa: RUF012
        "append": "a pointer to a tuple that is there",
        "memory": "the tuples and floats that are handed over",
    }
    cannot = {"jitted": "cannot be used in a compiled loop"}  # noqa: RUF012

    def __init__(self, capacity: int) -> None:
        super().__init__(capacity)
        self.deque: deque[tuple[float, ...]] = deque(maxlen=capacity)

    def append(self, ready: Any) -> None:
        append = self.deque.append
        for row in ready:
            append(row)

    def block(self, rows: Array) -> Any:
        return self.ready(rows)

    def extend(self, block: Any) -> None:
        self.deque.extend(block)

    def _newest(self, seconds: float) -> list[tuple[float, ...]]:
        begin = self.deque[-1][0] - seconds
        rows = []
        for row in reversed(self.deque):
            if row[0] < begin:
                break
            rows.append(row)
        rows.reverse()
        return rows

    def last(self, n: int) -> Any:
        rows = list(islice(reversed(self.deque), n))
        rows.reverse()
        return np.array(rows)

    def window(self, seconds: float) -> Any:
        return np.array(self._newest(seconds))

    def between(self, t0: float, t1: float) -> Any:
        begin, end = bisect_left(self.deque, t0, key=_time), bisect_right(self.deque, t1, key=_time)
        return np.array(list(islice(self.deque, begin, end)))

    def at(self, t: float) -> Any:
        place = bisect_left(self.deque, t, key=_time)
        around = [self.deque[i] for i in (place - 1, place) if 0 <= i < len(self.deque)]
        return min(around, key=lambda row: abs(row[0] - t))

    def rate(self) -> Any:
        return (RATE_POINTS - 1) / (self.deque[-1][0] - self.deque[-RATE_POINTS][0])

    def dataframe(self, seconds: float) -> Any:
        return pd.DataFrame(np.array(self._newest(seconds)), columns=COLUMNS)

    def save(self, path: Path, format: str) -> Path:
        return saved(pd.DataFrame(np.array(self.deque), columns=COLUMNS), path, format)


class DequeFloats(FloatAdapter):
    """A deque of floats."""

    def __init__(self, capacity: int) -> None:
        super().__init__(capacity)
        self.ring: deque[float] = deque(maxlen=capacity)
        self.popleft = self.ring.popleft


ADAPTERS = {"collections.deque": Deque}
FLOATS = {"collections.deque": DequeFloats}
