"""What is written by hand: an array that is rolled, an array with an index, a DataFrame that is concatenated."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from situation import COLUMNS, FIVE, RATE_POINTS

from . import Adapter, Array, nearest
from .rings import saved


class Roll(Adapter):
    """All rows move by one for each that comes, and so lie in order: look-ups are views."""

    package = "numpy"
    notes = {  # noqa: RUF012
        "last": "a slice of an array: nothing to find",
        "window": "a bisection and a slice",
        "memory": "and as much again while rows move",
    }
    cannot = {"jitted": "moves all rows for each: see `append`"}  # noqa: RUF012

    def __init__(self, capacity: int) -> None:
        super().__init__(capacity)
        self.array = np.zeros((capacity, len(COLUMNS)))

    def fill(self, rows: Array) -> None:
        self.array[:] = rows[-self.capacity :]

    def ready(self, rows: Array) -> Any:
        return list(rows.copy())

    def append(self, ready: Any) -> None:
        for row in ready:
            self.array = np.roll(self.array, -1, axis=0)
            self.array[-1] = row

    def extend(self, block: Any) -> None:
        self.array = np.roll(self.array, -len(block), axis=0)
        self.array[-len(block) :] = block

    def last(self, n: int) -> Any:
        return self.array[-n:]

    def window(self, seconds: float) -> Any:
        times = self.array[:, 0]
        return self.array[times.searchsorted(times[-1] - seconds) :]

    def between(self, t0: float, t1: float) -> Any:
        times = self.array[:, 0]
        return self.array[times.searchsorted(t0) : times.searchsorted(t1, "right")]

    def at(self, t: float) -> Any:
        return self.array[nearest(self.array[:, 0], t)]

    def rate(self) -> Any:
        return (RATE_POINTS - 1) / (self.array[-1, 0] - self.array[-RATE_POINTS, 0])

    def dataframe(self, seconds: float) -> Any:
        return pd.DataFrame(self.window(seconds), columns=COLUMNS)

    def save(self, path: Path, format: str) -> Path:
        return saved(pd.DataFrame(self.array, columns=COLUMNS), path, format)


class Indexed(Adapter):
    """A row goes where the oldest is; rows lie in order but for one cut."""

    package = "numpy"
    notes = {  # noqa: RUF012
        "append": "no check of what is put in",
        "jitted": "no check of what is put in, no count of it",
    }

    def __init__(self, capacity: int) -> None:
        super().__init__(capacity)
        self.array = np.zeros((capacity, len(COLUMNS)))
        self.count = 0

    def fill(self, rows: Array) -> None:
        for part in np.array_split(rows, 1 + len(rows) // self.capacity):
            self.extend(part)

    def ready(self, rows: Array) -> Any:
        return list(rows.copy())

    def append(self, ready: Any) -> None:
        for row in ready:
            self.array[self.count % self.capacity] = row
            self.count += 1

    def extend(self, block: Any) -> None:
        begin = self.count % self.capacity
        fits = min(self.capacity - begin, len(block))
        self.array[begin : begin + fits] = block[:fits]
        self.array[: len(block) - fits] = block[fits:]
        self.count += len(block)

    def _times(self) -> Array:
        cut = self.count % self.capacity
        return np.concatenate((self.array[cut:, 0], self.array[:cut, 0]))

    def _rows(self, begin: int, end: int) -> Array:
        """Give rows by their places from the oldest."""
        return self.array[np.arange(self.count + begin, self.count + end) % self.capacity]  # type: ignore[no-any-return]

    def last(self, n: int) -> Any:
        return self._rows(self.capacity - n, self.capacity)

    def window(self, seconds: float) -> Any:
        times = self._times()
        return self._rows(int(times.searchsorted(times[-1] - seconds)), self.capacity)

    def between(self, t0: float, t1: float) -> Any:
        times = self._times()
        return self._rows(int(times.searchsorted(t0)), int(times.searchsorted(t1, "right")))

    def at(self, t: float) -> Any:
        place = nearest(self._times(), t)
        return self.array[(self.count + place) % self.capacity]

    def rate(self) -> Any:
        newest = self.array[(self.count - 1) % self.capacity, 0]
        return (RATE_POINTS - 1) / (newest - self.array[(self.count - RATE_POINTS) % self.capacity, 0])

    def dataframe(self, seconds: float) -> Any:
        return pd.DataFrame(self.window(seconds), columns=COLUMNS)

    def save(self, path: Path, format: str) -> Path:
        return saved(pd.DataFrame(self._rows(0, self.capacity), columns=COLUMNS), path, format)

    def jitted(self, columns: list[Array]) -> None:
        self.count = _loop()(self.array, self.count % self.capacity, *columns)


_LOOPS: list[Any] = []


def _loop() -> Any:
    """Compile the loop that somebody would write who has no ring, once."""
    if not _LOOPS:
        from numba import njit

        @njit  # type: ignore[untyped-decorator]
        def loop(array: Any, place: int, times: Any, a: Any, b: Any, c: Any, d: Any, e: Any) -> int:
            for i in range(len(times)):
                array[place, 0] = times[i]
                array[place, 1] = a[i]
                array[place, 2] = b[i]
                array[place, 3] = c[i]
                array[place, 4] = d[i]
                array[place, 5] = e[i]
                place += 1
                if place == len(array):
                    place = 0
            return place

        _LOOPS.append(loop)
    return _LOOPS[0]


class Concat(Adapter):
    """A DataFrame with the time as its index, and `pandas.concat` for each row (`DataFrame.append` is gone)."""

    package = "pandas"
    notes = {"append": "a DataFrame of one row that is there"}  # noqa: RUF012
    cannot = {"jitted": "cannot be used in a compiled loop"}  # noqa: RUF012

    def __init__(self, capacity: int) -> None:
        super().__init__(capacity)
        self.table = self.block(np.zeros((0, len(COLUMNS))))

    def fill(self, rows: Array) -> None:
        self.table = self.block(rows[-self.capacity :])

    def ready(self, rows: Array) -> Any:
        return [self.block(rows[place : place + 1]) for place in range(len(rows))]

    def block(self, rows: Array) -> Any:
        return pd.DataFrame(rows[:, 1:].copy(), index=pd.Index(rows[:, 0].copy(), name="t"), columns=FIVE)

    def append(self, ready: Any) -> None:
        for row in ready:
            self.extend(row)

    def extend(self, block: Any) -> None:
        self.table = pd.concat([self.table, block]).iloc[-self.capacity :]

    def last(self, n: int) -> Any:
        return self.table.iloc[-n:]

    def window(self, seconds: float) -> Any:
        return self.table.loc[self.table.index[-1] - seconds :]

    def between(self, t0: float, t1: float) -> Any:
        return self.table.loc[t0:t1]  # type: ignore[misc]

    def at(self, t: float) -> Any:
        return self.table.iloc[self.table.index.get_indexer([t], method="nearest")]

    def rate(self) -> Any:
        return (RATE_POINTS - 1) / (self.table.index[-1] - self.table.index[-RATE_POINTS])

    def dataframe(self, seconds: float) -> Any:
        return self.window(seconds).reset_index()

    def save(self, path: Path, format: str) -> Path:
        return saved(self.table.reset_index(), path, format)

    def rows(self, answer: Any) -> Array:
        return (answer if "t" in answer.columns else answer.reset_index()).to_numpy()  # type: ignore[no-any-return]


ADAPTERS = {"array and index": Indexed, "np.roll": Roll, "pandas.concat": Concat}
