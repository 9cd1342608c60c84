"""Questions about the rows that are there: each asked 1000 times of a full ring.

Belongs here: look-ups of rings and of accumulators, from Python and from a compiled loop. May not be here: tables.
"""

from __future__ import annotations

from typing import Any

from .stage import MANY, STEP, feature, filled_log, full_ring


class Ring:
    """Look-ups of a TimeRing, in rings of several sizes."""

    params = (100, 10_000, 1_000_000)
    param_names = ("capacity",)

    def setup(self, capacity: int) -> None:
        self.ring = full_ring(capacity)
        ring, middle = self.ring, -capacity // 2 * STEP
        self.middle, self.later = middle, middle + 0.050
        self.sequence = ring.since(0)[1] - 50
        for call in (ring.fps, ring.health):
            call()
        for look in (ring.last, ring.window, ring.at):
            look(1)
        ring.between(middle, self.later)

    def time_last(self, capacity: int) -> None:
        for _ in range(MANY):
            self.ring.last(50)

    def time_window(self, capacity: int) -> None:
        for _ in range(MANY):
            self.ring.window(0.050)

    def time_between(self, capacity: int) -> None:
        for _ in range(MANY):
            self.ring.between(self.middle, self.later)

    def time_at(self, capacity: int) -> None:
        for _ in range(MANY):
            self.ring.at(self.middle)

    def time_fps(self, capacity: int) -> None:
        for _ in range(MANY):
            self.ring.fps()

    def time_since(self, capacity: int) -> None:
        for _ in range(MANY):
            self.ring.since(self.sequence)

    def time_column(self, capacity: int) -> None:
        for _ in range(MANY):
            self.ring["a"]


class Compiled:
    """Bounds of a window, 1000 times in a compiled loop."""

    def setup(self) -> None:
        from numba import njit

        window = feature("ringacc.jit", "window")

        @njit  # type: ignore[untyped-decorator]
        def look(ring: Any, count: int) -> int:
            rows = 0
            for i in range(count):
                start, stop = window(ring, 0.050 + i * 1e-6)
                rows += stop - start
            return rows

        self.look, self.ring = look, full_ring()
        self.time_window()

    def time_window(self) -> None:
        self.look(self.ring.jit, MANY)


class Log:
    """What an accumulator of 20 000 rows of 20 columns answers, 10 times."""

    def setup(self) -> None:
        self.log = filled_log(20_000, 20)
        self.time_get_last_n()
        self.time_get_last_t()
        self.time_get_fps()

    def time_get_last_n(self) -> None:
        for _ in range(10):
            self.log.get_last_n(1000)

    def time_get_last_t(self) -> None:
        for _ in range(10):
            self.log.get_last_t(1.0)

    def time_get_fps(self) -> None:
        for _ in range(10):
            self.log.get_fps()
