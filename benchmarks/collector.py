"""Measure the collector: restoring and saving 1000 parameters, and importing the module.

Run it as ``python benchmarks/collector.py`` from the repository. It prints medians of interleaved runs:

- save and restore of a tree of 1000 parameters (20 dataclass objects in 6 categories; numbers, text, bools, tuples),
  apart from the fsync, which has a line of its own: on the clock, and the processor's time, which other programs on the
  machine do not stretch (target: the latter below 20 ms each);
- the import of ``ringacc.collector`` and of ``json``, ``pathlib`` and ``dataclasses`` together, each in interpreters of
  their own, with compiled files in place as after an installation (target: at most 1.5 x).
"""

from __future__ import annotations

import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import field, make_dataclass
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from ringacc.collector import DataCollector  # noqa: E402 - from this repository, installed or not

KINDS: list[tuple[str, type, Any, Any]] = [
    ("rate", float, 1.5, 2.5),
    ("count", int, 3, 4),
    ("name", str, "TL", "WT"),
    ("paused", bool, True, False),
    ("roi", tuple, (0, 0, 640, 480), (1, 2, 3, 4)),
]
Settings = make_dataclass(
    "Settings", [(f"{name}_{i}", hint, field(default=now)) for i in range(10) for name, hint, now, _ in KINDS]
)
CATEGORIES = ("general", "animal", "stimulus", "imaging", "behavior", "camera")
BASELINE = "import json, pathlib, dataclasses"
OURS = "import ringacc.collector"


def new_collector(folder: str, config_format: str) -> tuple[DataCollector, list[Any]]:
    """Return a collector with 1000 parameters, and the objects that have them."""
    collector = DataCollector(folder_path=folder, config_format=config_format)
    objects = [Settings() for _ in range(20)]
    for number, obj in enumerate(objects):
        collector.add(obj, f"{CATEGORIES[number % 6]}/object_{number}")
    return collector, objects


class Times(NamedTuple):
    """What a call took in ms: on the clock and on the processor without its fsyncs, and these on the clock."""

    clock: float
    processor: float
    fsync: float


def measured(call: Callable[[], object]) -> Times:
    """Return what a call takes."""
    really = os.fsync
    flushes = [0.0, 0.0]

    def timed(descriptor: int) -> None:
        clock, processor = time.perf_counter(), time.process_time()
        really(descriptor)
        flushes[0] += time.perf_counter() - clock
        flushes[1] += time.process_time() - processor

    os.fsync = timed  # type: ignore[assignment]
    try:
        clock, processor = time.perf_counter(), time.process_time()
        call()
        clock, processor = time.perf_counter() - clock, time.process_time() - processor
    finally:
        os.fsync = really
    return Times((clock - flushes[0]) * 1e3, (processor - flushes[1]) * 1e3, flushes[0] * 1e3)


def measure_files(repeats: int) -> None:
    """Print what saving and restoring takes, in each format."""
    for config_format in ("json", "h5"):
        found: dict[str, list[Times]] = {"save": [], "restore": []}
        with tempfile.TemporaryDirectory() as folder:
            source, objects = new_collector(folder, config_format)
            for obj in objects:
                for i in range(10):
                    for name, _, _, changed in KINDS:
                        setattr(obj, f"{name}_{i}", changed)
            source.save_config_file()
            for _ in range(repeats):
                found["save"].append(measured(source.save_config_file))
                target, _ = new_collector(folder, config_format)
                found["restore"].append(measured(target.restore_from_saved))
            assert len(new_collector(folder, config_format)[0].restore_from_saved().restored) == 1000
        for what, times in found.items():
            clock, processor, fsync = (statistics.median(column) for column in zip(*times, strict=True))
            verdict = "ok" if processor < 20 else "above"
            name = f"{what} 1000 parameters, config.{config_format}"
            print(f"{name:<38} {clock:8.2f} ms   processor {processor:6.2f} ms, target < 20 ms: {verdict}")
            if fsync:
                print(f"{'  and on top, four fsyncs':<38} {fsync:8.2f} ms")


def measure_import(repeats: int) -> None:
    """Print what importing the module takes, against the three modules of the standard library."""
    code = (
        "import sys, time; sys.path.insert(0, sys.argv[1]); t = time.perf_counter(); {}; print(time.perf_counter() - t)"
    )
    times: dict[str, list[float]] = {BASELINE: [], OURS: []}
    with tempfile.TemporaryDirectory() as compiled:
        environment = {**os.environ, "PYTHONPYCACHEPREFIX": compiled}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        for number in range(repeats + 1):
            for statement, found in times.items():
                run = subprocess.run(
                    [sys.executable, "-c", code.format(statement), str(ROOT)],
                    capture_output=True,
                    text=True,
                    check=True,
                    env=environment,
                )
                if number:  # the first run compiles
                    found.append(float(run.stdout) * 1e3)
    baseline, ours = (statistics.median(times[statement]) for statement in (BASELINE, OURS))
    ratio = ours / baseline
    print(f"{BASELINE:<38} {baseline:8.2f} ms")
    verdict = "ok" if ratio <= 1.5 else "above"
    print(f"{OURS:<38} {ours:8.2f} ms   {ratio:.2f} x, target <= 1.5 x: {verdict}")


if __name__ == "__main__":
    print(f"Python {platform.python_version()}, {platform.system()} {platform.machine()}, medians of interleaved runs")
    measure_files(repeats=25)
    measure_import(repeats=15)
