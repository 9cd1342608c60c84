"""The situation in which all peers are measured, and what is the right answer in it.

Belongs here: the rows that everybody is given, and the obvious model that every answer is held against before it is
timed. May not be here: a library of ours or of a peer but NumPy.

A stream of 1 kHz, give or take a tenth; a row is a time and five floats; a ring of 10,000 rows that is full and has
gone round once and a half.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

__all__ = ["CAPACITY", "COLUMNS", "FIVE", "STEP", "Model", "WrongAnswerError", "blocks_of", "stream"]

FIVE = tuple("abcde")
COLUMNS = ("t", *FIVE)
CAPACITY = 10_000
STEP = 0.001

#: What is asked for.
LAST, WINDOW, SPAN, TABLE, RATE_POINTS = 50, 0.050, 1.0, 5.0, 10


class WrongAnswerError(AssertionError):
    """A peer did not answer as the model does; what it takes for that is not worth knowing."""


def stream(count: int, begin: float = 0.0, seed: int = 1) -> np.ndarray[Any, Any]:
    """Give rows at 1 kHz, a matrix with the time first."""
    random = np.random.default_rng(seed)
    rows = random.normal(size=(count, len(COLUMNS)))
    rows[:, 0] = begin + np.cumsum(random.uniform(0.9 * STEP, 1.1 * STEP, count))
    return rows


def blocks_of(count: int, begin: float) -> Iterator[np.ndarray[Any, Any]]:
    """Give blocks of rows whose times go on and on."""
    block = stream(count)
    length = float(block[-1, 0])
    while True:
        moved = block.copy()
        moved[:, 0] += begin
        yield moved
        begin += length


class Model:
    """The newest rows in a matrix, and the definitions of all answers."""

    def __init__(self, rows: np.ndarray[Any, Any], capacity: int = CAPACITY) -> None:
        self.rows = rows[-capacity:]
        self.times = self.rows[:, 0]

    def last(self, n: int) -> np.ndarray[Any, Any]:
        """Give the newest n rows."""
        return self.rows[-n:]

    def window(self, seconds: float) -> np.ndarray[Any, Any]:
        """Give the rows that are no older than the newest by more than some seconds."""
        return self.rows[self.times >= self.times[-1] - seconds]

    def between(self, t0: float, t1: float) -> np.ndarray[Any, Any]:
        """Give the rows from one time to another."""
        return self.rows[(self.times >= t0) & (self.times <= t1)]

    def at(self, t: float) -> np.ndarray[Any, Any]:
        """Give the row whose time is nearest."""
        return self.rows[[int(np.argmin(np.abs(self.times - t)))]]

    def rate(self) -> float:
        """Give the rows a second, from the newest ten."""
        return float((RATE_POINTS - 1) / (self.times[-1] - self.times[-RATE_POINTS]))

    @property
    def span(self) -> tuple[float, float]:
        """A second in the middle of the ring."""
        middle = float(self.times[len(self.times) // 2])
        return middle, middle + SPAN

    @property
    def moment(self) -> float:
        """A time a little after a row in the middle, so that the row before is also the nearest."""
        return float(self.times[len(self.times) // 3]) + 0.2 * STEP
