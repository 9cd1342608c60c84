"""How long the slow ones among many single calls take.

Belongs here: percentiles of single calls, as tracked values. May not be here: means.

The time of the clock, some 40 ns, is in all of them.
"""

from __future__ import annotations

import gc
from collections.abc import Callable
from time import perf_counter_ns
from typing import Any

import numpy as np

from .stage import STEP, filled_log, full_ring, samples


class Single:
    """Nanoseconds of the slowest in a hundred, and in a thousand, of 100 000 calls."""

    calls = 100_000
    unit = "ns"

    def setup(self) -> None:
        self.ring, self.log = full_ring(), filled_log(1000, 5)
        self.log.update_list(1.0, samples(1)[0])
        self._percentile(self.ring.append, 50, 1000)

    def _percentile(self, put: Callable[[float, Any], None], percent: float, calls: int = calls) -> float:
        """Time each call; the times go on from the last row there is."""
        rows, begin = samples(1000), 2.0 if calls == self.calls else 1.0
        taken = np.zeros(calls, np.int64)
        gc.disable()
        for number in range(calls):
            row, time = rows[number % 1000], begin + number * STEP
            before = perf_counter_ns()
            put(time, row)
            taken[number] = perf_counter_ns() - before
        gc.enable()
        return float(np.percentile(taken, percent))

    def track_ring_append_p99(self) -> float:
        return self._percentile(self.ring.append, 99)

    def track_ring_append_p999(self) -> float:
        return self._percentile(self.ring.append, 99.9)

    def track_log_update_p99(self) -> float:
        return self._percentile(self.log.update_list, 99)

    def track_log_update_p999(self) -> float:
        return self._percentile(self.log.update_list, 99.9)
