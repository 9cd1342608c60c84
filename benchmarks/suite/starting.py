"""How long it takes until the first row: imports, compiling, loading what was compiled.

Belongs here: what only a fresh process can tell. May not be here: anything after the first calls.
"""

from __future__ import annotations

import os
import subprocess
import sys
from tempfile import TemporaryDirectory

from .stage import feature

#: Every kernel is compiled, or loaded, by the import; the first calls are there to show that nothing is left.
FIRST_ROW = """
from time import perf_counter
import numba, numpy
begin = perf_counter()
from ringacc import TimeRing
ring = TimeRing(100, {"x": "f8"})
ring.append(0.0, (1.0,))
ring.window(1.0)
print(perf_counter() - begin)
"""


def timeraw_import_ringacc() -> str:
    return "import ringacc"


def timeraw_import_collector() -> str:
    return "from ringacc import DataCollector"


def timeraw_import_timering() -> str:
    return "from ringacc import TimeRing"


for _import in (timeraw_import_ringacc, timeraw_import_collector, timeraw_import_timering):
    _import.number = 1  # type: ignore[attr-defined]  # an interpreter imports once
    _import.repeat = (2, 5, 10.0)  # type: ignore[attr-defined]
timeraw_import_collector.setup = lambda: feature("ringacc", "DataCollector")  # type: ignore[attr-defined]
timeraw_import_timering.setup = lambda: feature("ringacc", "TimeRing")  # type: ignore[attr-defined]


class Compile:
    """Seconds to the first row and window beside the import of numba: numba's cache empty, and filled."""

    timeout = 240
    unit = "s"

    def setup(self) -> None:
        feature("ringacc", "TimeRing")

    def _seconds(self, **variables: str) -> float:
        run = [sys.executable, "-c", FIRST_ROW]
        done = subprocess.run(run, env={**os.environ, **variables}, capture_output=True, text=True, check=True)
        return float(done.stdout)

    def track_cold(self) -> float:
        with TemporaryDirectory() as cache:
            return self._seconds(NUMBA_CACHE_DIR=cache)

    def track_cached(self) -> float:
        self._seconds()
        return min(self._seconds() for _ in range(3))
