"""Measure the envelope of a minute at 10 kHz: 600 000 rows of a time and 20 float64, in at most 1000 bins.

Run it as ``python benchmarks/envelope.py`` from the repository. What is compared takes turns in one process; times are
medians, ratios the medians of the ratios within a round:

- ``envelope``: of a ring that has not been asked before (target: at most 1/20 of NumPy's);
- NumPy's ``minimum.reduceat`` and ``maximum.reduceat`` of each column of the same rows, and the same bins; once with
  ``fmin`` and ``fmax``, which pass over NaN as the envelope does;
- a plain read of the same bytes (all words xored, compiled), below which nothing can be, and NumPy's copy of them;
- ``envelope`` of a ring that was asked a 60th of a second before, as a display does.
"""

from __future__ import annotations

import argparse
import gc
import platform
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba
import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from ringacc import TimeRing  # noqa: E402 - from this repository, installed or not
from ringacc.envelopes import Envelope  # noqa: E402

RATE = 10_000
SECONDS = 60.0
COLUMNS = 20
POINTS = 1000
TARGET = 1 / 20
REDRAW = RATE // 60


@numba.njit
def read(words: Any) -> int:
    """Read all words, as fast as one core can."""
    found = 0
    for word in words:
        found ^= word
    return found


def filled() -> TimeRing:
    """Return a ring that has gone round, and holds a little more than the window."""
    ring = TimeRing(int(RATE * SECONDS * 1.1), {f"c{number:02}": "f8" for number in range(COLUMNS)})
    random = np.random.default_rng(0)
    rows = np.zeros(RATE * 10, ring.dtype)
    while ring.written < 2 * ring.capacity:
        for name in ring.columns[1:]:
            rows[name] = random.normal(size=len(rows))
        append(ring, rows)
    return ring


def append(ring: TimeRing, rows: np.ndarray[Any, Any]) -> None:
    """Append rows at the rate."""
    rows["t"] = (ring.written + np.arange(len(rows))) / RATE
    ring.extend(rows)


def reduced(rows: np.ndarray[Any, Any], starts: np.ndarray[Any, Any], least: Any, most: Any) -> list[Any]:
    """Return minima and maxima of each column by NumPy."""
    return [(least.reduceat(rows[name], starts), most.reduceat(rows[name], starts)) for name in rows.dtype.names]


def checked(ring: TimeRing, rows: np.ndarray[Any, Any], starts: np.ndarray[Any, Any]) -> None:
    """Assert that both say the same."""
    bins = ring.envelope(SECONDS, POINTS)
    for name, (least, most) in zip(bins.dtype.names, reduced(rows, starts, np.minimum, np.maximum), strict=True):
        assert np.array_equal(bins[name][:, 0], least)
        assert np.array_equal(bins[name][:, 1], most)


def timed(call: Callable[[], object]) -> float:
    """Return the seconds that a call takes."""
    begin = time.perf_counter()
    call()
    return time.perf_counter() - begin


def measure(rounds: int) -> int:
    """Print what each takes; return whether the target is missed."""
    ring = filled()
    rows = ring.window(SECONDS)
    first = ring.written - len(rows)
    width = int(
        ring.envelope(SECONDS, POINTS)["t"][1, 1] * RATE - ring.envelope(SECONDS, POINTS)["t"][1, 0] * RATE + 1.5
    )
    starts = np.arange(first // width, (ring.written - 1) // width + 1) * width - first
    starts[0] = 0
    checked(ring, rows, starts)
    words = np.frombuffer(rows, np.int64)
    target = np.empty_like(words)
    block = ring._block
    calls: dict[str, Callable[[], object]] = {
        "envelope": lambda: Envelope(ring.dtype).of(block, SECONDS, POINTS),
        "NumPy reduceat": lambda: reduced(rows, starts, np.minimum, np.maximum),
        "NumPy reduceat, NaN passed over": lambda: reduced(rows, starts, np.fmin, np.fmax),
        "plain read": lambda: read(words),
        "NumPy copy": lambda: np.copyto(target, words),
    }
    found: dict[str, list[float]] = {name: [] for name in calls}
    for call in calls.values():
        call()
    gc.disable()
    for _ in range(rounds):
        for name, call in calls.items():
            found[name].append(timed(call))
    print(f"{len(rows)} rows of {len(ring.columns)} float64, {rows.nbytes / 1e6:.0f} MB, {len(starts)} bins of {width}")
    for name, seconds in found.items():
        ratio = statistics.median(ours / other for ours, other in zip(found["envelope"], seconds, strict=True))
        shown = "" if name == "envelope" else f"   envelope is {ratio:6.3f} of it"
        if name.startswith("NumPy reduceat"):
            shown += f" (1/{1 / ratio:.1f})"
        print(f"{name:<34} {statistics.median(seconds) * 1e3:8.2f} ms{shown}")
    ratio = statistics.median(a / b for a, b in zip(found["envelope"], found["NumPy reduceat"], strict=True))
    floor = statistics.median(a / b for a, b in zip(found["plain read"], found["NumPy reduceat"], strict=True))
    verdict = "ok" if ratio <= TARGET else "above"
    print(f"target 1/{1 / TARGET:.0f} of NumPy reduceat: {verdict}; the plain read alone is 1/{1 / floor:.1f} of it")
    new = np.zeros(REDRAW, ring.dtype)
    again = []
    for _ in range(60):
        append(ring, new)
        again.append(timed(lambda: ring.envelope(SECONDS, POINTS)))
    print(f"{f'envelope again, {REDRAW} rows later':<34} {statistics.median(again) * 1e3:8.2f} ms")
    return int(ratio > TARGET)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=25)
    parser.add_argument("--quick", action="store_true", help="three rounds, to see that it runs; nothing is judged")
    options = parser.parse_args()
    print(f"Python {platform.python_version()}, NumPy {np.__version__}, {platform.system()} {platform.machine()}")
    missed = measure(3 if options.quick else options.rounds)
    sys.exit(0 if options.quick else missed)
