"""What the benchmarks stand on: features that may be missing, seeded rows, rings that have gone round.

Belongs here: what two modules of the suite need. May not be here: a benchmark.
"""

from __future__ import annotations

from collections import namedtuple
from contextlib import suppress
from functools import reduce
from importlib import import_module
from typing import Any

import numpy as np

FIVE = dict.fromkeys("abcde", "f8")
STEP = 0.001
CAPACITY = 10_000
#: Rows, or calls, of one call of a benchmark that would be too short by itself.
MANY = 1000

# asv forks each benchmark from a process that has imported the suite: so the kernels are loaded once, not each time.
# What a commit lacks, or cannot import, is for `feature` to tell.
with suppress(ImportError):
    import_module("ringacc.accumulators")
    import_module("ringacc.timering")

Sample: Any = namedtuple("Sample", FIVE)  # type: ignore[misc]


def feature(module: str, name: str) -> Any:
    """Give what a commit has under a (dotted) name, or tell asv that it is not there yet."""
    try:
        return reduce(getattr, name.split("."), import_module(module))
    except (ImportError, AttributeError) as error:
        # Only a name of the package may be missing: not the package, nor what it stands on.
        if isinstance(error, ImportError) and not (error.name or "").startswith("ringacc."):
            raise
        raise NotImplementedError(f"this commit has no {module}.{name}") from error


def samples(count: int, columns: int = 5) -> list[Any]:
    """Give rows of floats, the same in each run."""
    names = [f"theta_{number:02}" for number in range(columns)]
    make: Any = Sample if columns == 5 else namedtuple("Wide", names)  # type: ignore[misc]
    return [make(*row) for row in np.random.default_rng(1).normal(size=(count, columns)).tolist()]


def full_ring(capacity: int = CAPACITY, **options: Any) -> Any:
    """Give a ring that is full at 1 kHz, has gone round once and a half, and whose newest row has time 0."""
    ring = feature("ringacc", "TimeRing")(capacity, FIVE, **options)
    block = np.zeros(capacity + capacity // 2, ring.dtype)
    block["t"] = np.arange(1 - len(block), 1) * STEP
    ring.extend(block[:capacity].copy())
    ring.extend(block[capacity:].copy())
    return ring


def filled_log(rows: int, columns: int) -> Any:
    """Give a log of an experiment with rows at 1 kHz."""
    log = feature("ringacc", "EstimatorLog")(max_history_if_not_running=10 * rows)
    put = log.update_list
    for number, row in enumerate(samples(rows, columns)):
        put(number * STEP, row)
    return log


def filling_loop() -> Any:
    """Compile a user's loop that appends ``count`` rows of a time and five values, from a time on."""
    from numba import njit

    append = feature("ringacc.jit", "append")

    @njit(nogil=True)  # type: ignore[untyped-decorator]
    def fill(ring: Any, begin: float, count: int) -> None:
        for i in range(count):
            append(ring, begin + i * 0.001, (1.0 * i, 2.0, 3.0, 4.0, 5.0))

    return fill
