"""What can only be measured in a process of its own: what an import loads, first calls, memory.

Belongs here: measurements that earlier ones in the same process would spoil; each prints what it found as json. May not
be here: imports of anything but the standard library at the top.

    python fresh.py import | first_calls | ring_rss | ring_traced | history_rss | history_traced | recording
        | recorded_memory [ROWS]
"""

from __future__ import annotations

import gc
import json
import sys
from collections.abc import Callable
from time import perf_counter_ns
from typing import Any, NamedTuple

ROWS = int(sys.argv[2]) if len(sys.argv) > 2 else 1_000_000
KINDS = dict.fromkeys("abcde", "f8")


class Row(NamedTuple):
    """What is put in."""

    a: float = 1.0
    b: float = 2.0
    c: float = 3.0
    d: float = 4.0
    e: float = 5.0


def loaded_by_import() -> dict[str, Any]:
    """Tell what ``import ringacc`` loads from outside the standard library, itself left out, and its seconds."""
    before = set(sys.modules)
    begin = perf_counter_ns()
    import ringacc  # noqa: F401

    seconds = (perf_counter_ns() - begin) * 1e-9
    loaded = set(sys.modules) - before - {"ringacc"}
    outside = sorted(name for name in loaded if name.partition(".")[0] not in sys.stdlib_module_names)
    return {"outside": outside, "seconds": seconds}


def first_calls() -> dict[str, float]:
    """Tell the seconds of the first call of each kind, after the imports and after the rings are made."""
    import numpy as np

    from ringacc import EstimatorLog, RingBuffer, TimeRing

    ring, values, log = TimeRing(10_000, KINDS), RingBuffer(10_000), EstimatorLog()
    block = np.zeros(100, ring.dtype)
    block["t"] = np.arange(100) + 1.0
    row = Row()
    calls: dict[str, Callable[[], object]] = {
        "append": lambda: ring.append(0.0, tuple(row)),
        "window": lambda: ring.window(1.0),
        "fps": lambda: ring.fps(),
        "second append": lambda: ring.append(0.5, row),
        "last": lambda: ring.last(2),
        "since": lambda: ring.since(0),
        "between": lambda: ring.between(0.0, 1.0),
        "at": lambda: ring.at(0.1),
        "column": lambda: ring["a"],
        "extend": lambda: ring.extend(block),
        "trim_before": lambda: ring.trim_before(0.2),
        "health": lambda: ring.health(),
        "RingBuffer.append": lambda: values.append(1.0),
        "EstimatorLog.update_list": lambda: log.update_list(0.0, row),
        "EstimatorLog.get_last_t": lambda: log.get_last_t(1.0),
        "EstimatorLog.get_last_n": lambda: log.get_last_n(10),
        "EstimatorLog.get_fps": lambda: log.get_fps(),
    }
    gc.collect()
    gc.disable()
    taken = {}
    for name, call in calls.items():
        begin = perf_counter_ns()
        call()
        taken[name] = (perf_counter_ns() - begin) * 1e-9
    return taken


def _full_ring(rows: int = ROWS) -> tuple[Any, int, int]:
    """Give a full ring, the bytes that it says it holds, and those of its rows packed."""
    import numpy as np

    from ringacc import TimeRing

    ring = TimeRing(rows, KINDS)
    block = np.ones(1000, ring.dtype)
    while not ring.is_full:
        ring.extend(block)
    return ring, ring.nbytes, rows * ring.dtype.itemsize


def _history(rows: int = ROWS) -> tuple[Any, int, int]:
    """Give a log of many rows that still records, the bytes of its segments, and those of its rows packed."""
    from ringacc import EstimatorLog

    log = EstimatorLog()
    row = Row()
    for number in range(rows):
        log.update_list(number * 0.001, row)
    said = sum(segment.history.nbytes + segment.ring.nbytes for segment in log.segments)
    return log, said, rows * log.segments[-1].dtype.itemsize


def _held_rss(make: Callable[..., tuple[Any, int, int]]) -> dict[str, int]:
    """Tell by how much the memory of the process grew."""
    import psutil  # type: ignore[import-untyped]

    make(1000)
    gc.collect()
    process = psutil.Process()
    before = process.memory_info().rss
    kept, said, packed = make()
    gc.collect()
    held = process.memory_info().rss - before
    del kept
    return {"held": held, "said": said, "packed": packed}


def _held_traced(make: Callable[..., tuple[Any, int, int]]) -> dict[str, int]:
    """Tell how much memory Python and NumPy have allocated and not freed."""
    import tracemalloc

    make(1000)
    gc.collect()
    tracemalloc.start()
    kept, said, packed = make()
    gc.collect()
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    del kept
    return {"held": held, "said": said, "packed": packed}


def recording(rows: int = 100_000) -> dict[str, Any]:
    """Tell how long appends at 10 kHz take while another process records them."""
    import tempfile
    import time
    from pathlib import Path

    import numpy as np

    from ringacc import EstimatorLog, load
    from ringacc.schema import row_class

    row = row_class(tuple(f"c{number:02}" for number in range(20)))(*map(float, range(20)))
    taken = np.zeros(rows, np.int64)
    clock = np.zeros(rows, np.int64)
    with tempfile.TemporaryDirectory() as folder:
        log = EstimatorLog(record_to=Path(folder) / "log.feather")
        update = log.update_list
        for number in range(-2000, 0):  # the recorder starts meanwhile
            update(number * 1e-4, row)
            time.sleep(0.001)
        gc.collect()
        gc.disable()
        begin = perf_counter_ns()
        for number in range(rows):
            due = begin + number * 100_000
            while (now := perf_counter_ns()) < due:
                pass
            before = perf_counter_ns()
            update(number * 1e-4, row)
            taken[number] = perf_counter_ns() - before
            clock[number] = before - now
        log.close()
        missed = log.health().missed
        assert len(load(Path(folder) / "log.feather")) + missed == rows + 2000
    taken.sort()
    return {
        "rows": rows,
        "missed": missed,
        "clock": int(np.median(clock)),
        "p50": taken[rows // 2] * 1e-9,
        "p99.9": taken[rows * 999 // 1000] * 1e-9,
        "worst": taken[-1] * 1e-9,
    }


def recorded_memory(rows: int) -> dict[str, int]:
    """Tell the most memory that a process that records has held, and its recorder."""
    import tempfile
    from pathlib import Path

    from ringacc import EstimatorLog

    with tempfile.TemporaryDirectory() as folder:
        log = EstimatorLog(record_to=Path(folder) / "log.feather", record_policy="block")
        row = Row()
        for number in range(rows):
            log.update_list(number * 0.001, row)
        held = {"writer": _most_memory("self"), "recorder": _most_memory(str(log._recording.process))}
        log.close()
    return held


def _most_memory(process: str) -> int:
    """Give the most bytes that a process has held, by the system's own count."""
    with open(f"/proc/{process}/status") as file:
        line = next(line for line in file if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024


MEASUREMENTS: dict[str, Callable[[], Any]] = {
    "import": loaded_by_import,
    "first_calls": first_calls,
    "ring_rss": lambda: _held_rss(_full_ring),
    "ring_traced": lambda: _held_traced(_full_ring),
    "history_rss": lambda: _held_rss(_history),
    "history_traced": lambda: _held_traced(_history),
    "recording": recording,
    "recording_quick": lambda: recording(5_000),
    "recorded_memory": lambda: recorded_memory(int(sys.argv[2])),
}

if __name__ == "__main__":
    print(json.dumps(MEASUREMENTS[sys.argv[1]]()))
