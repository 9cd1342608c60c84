"""Rows in: from Python, from a compiled loop, block by block; and out of the ring again.

Belongs here: what puts rows in or trims them. May not be here: single calls (``steadiness``).

Each call of a benchmark goes on where the last one ended, so that times never go back.
"""

from __future__ import annotations

import numpy as np

from .stage import MANY, STEP, feature, filled_log, filling_loop, full_ring, samples


class FromPython:
    """1000 rows of a time and five floats, from Python."""

    def setup(self) -> None:
        self.rows = samples(MANY)
        self.values = [row[0] for row in self.rows]
        self.time = 1.0
        self.ring = full_ring()
        self.ring.append(0.5, self.rows[0])
        self.numbers = feature("ringacc", "RingBuffer")(MANY)
        self.numbers.append(1.0)
        self.log = filled_log(MANY, 5)
        self.log.update_list(self.time, self.rows[0])

    def _put(self, put) -> None:
        time = self.time
        for row in self.rows:
            time += STEP
            put(time, row)
        self.time = time

    def time_ring(self) -> None:
        self._put(self.ring.append)

    def time_log(self) -> None:
        self._put(self.log.update_list)

    def time_numbers(self) -> None:
        put = self.numbers.append
        for value in self.values:
            put(value)


class Compiled:
    """100 000 rows of a time and five floats, from a compiled loop."""

    rows = 100_000

    def setup(self) -> None:
        self.fill = filling_loop()
        self.ring = full_ring()
        self.time = 1.0
        self.time_loop()

    def time_loop(self) -> None:
        self.fill(self.ring.jit, self.time, self.rows)
        self.time += self.rows * STEP


class Block:
    """A block of rows at once."""

    params = (1, 100, 1000)
    param_names = ("rows",)

    def setup(self, rows: int) -> None:
        self.ring = full_ring()
        # All of one time, which goes back nowhere however often it is put in.
        self.block = np.ones(rows, self.ring.dtype)
        self.time_extend(rows)

    def time_extend(self, rows: int) -> None:
        self.ring.extend(self.block)


class Trim:
    """Take the older half of a full ring away."""

    number = 1  # a ring can be trimmed once
    warmup_time = 0.0

    def setup(self) -> None:
        feature("ringacc", "TimeRing.trim_before")
        full_ring(10).trim_before(0.0)
        self.ring = full_ring()
        self.middle = -len(self.ring) // 2 * STEP

    def time_trim_before(self) -> None:
        self.ring.trim_before(self.middle)
