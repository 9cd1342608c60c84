"""What grows with the capacity of a ring (nothing may), and with the rows that go through it (the total, evenly).

Belongs here: the two sweeps, the slopes, and what they may be. May not be here: how turns are taken
(``peers/measuring.py``).

    python benchmarks/growth.py [--quick] [--out FOLDER]

It measures the time of one append and of one window in rings of 100 to 10 000 000 rows, and the time of a compiled loop
over 10 000 to 100 000 000 rows; it fits a line to each in a log-log plot, and writes growth.csv and growth.svg to
docs/_static. Its slope is the power with which the time grows: 0 is flat, 1 proportional. It ends with 1 where a slope
is not what it should be. With ``--quick`` it stops at a hundredth of these sizes, ends with 0, and writes only where
``--out`` says.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from time import process_time_ns
from typing import Any, NamedTuple

import numpy as np
from figures import COLORS, STATIC, figure, quantity, run_of, write
from numba import njit
from peers.measuring import Rounds, take_turns

from ringacc import TimeRing
from ringacc.jit import append, window

FIELDS = dict.fromkeys("abcde", "f8")
STEP = 0.001
WINDOW = 0.050  # of 1 kHz: 51 rows, in a ring of any size here
#: Rows of a turn from Python, and in a compiled loop: about a millisecond.
PYTHON_ROWS, COMPILED_ROWS, LOOKS = 2000, 100_000, 500

#: How far a slope may be from what is expected. A cost that is proportional to the capacity has 1, one that grows with
#: its root 0.5. What memory alone adds, where a ring fits no cache any more, is some 0.05. Short sweeps may be
#: 0.25 off.
TOLERANCE = 0.1


@dataclass(frozen=True)
class Scale:
    """How much is done."""

    capacities: Sequence[int] = tuple(10**power for power in range(2, 8))
    totals: Sequence[int] = tuple(10**power for power in range(4, 9))
    rounds: int = 61
    total_rounds: int = 9
    tolerance: float = TOLERANCE


QUICK = Scale(
    capacities=(100, 1000, 10_000, 100_000),
    totals=(10_000, 100_000, 1_000_000),
    rounds=15,
    total_rounds=15,
    tolerance=0.25,
)


class Series(NamedTuple):
    """One line of the plot: seconds by size, and the slope that it should have."""

    work: str
    seconds: dict[int, float]
    expected: float
    tolerance: float

    @property
    def slope(self) -> float:
        """Fit a line through the logarithms."""
        return float(np.polyfit(np.log10(list(self.seconds)), np.log10(list(self.seconds.values())), 1)[0])

    @property
    def holds(self) -> bool:
        """Whether the slope is what it should be."""
        return abs(self.slope - self.expected) <= self.tolerance


# The work ------------------------------------------------------------------------------------------------------------


def full_ring(capacity: int) -> TimeRing:
    """Make a ring that is full, so that its memory has been touched, and whose newest row has time 0."""
    ring = TimeRing(capacity, FIELDS)
    size = min(capacity, 100_000)
    block = np.zeros(size, ring.dtype)
    for begin in range(-capacity, 0, size):
        block["t"] = np.arange(begin + 1, begin + 1 + size) * STEP
        ring.extend(block)
    return ring


@njit
def fill(ring: Any, begin: float, count: int) -> None:
    """Append rows in a compiled loop."""
    for i in range(count):
        append(ring, begin + (i + 1) * STEP, (1.0 * i, 2.0, 3.0, 4.0, 5.0))


@njit
def look(ring: Any, seconds: float, count: int) -> int:
    """Ask for a window in a compiled loop."""
    rows = 0
    for i in range(count):
        # Not the same question each time, which the compiler could ask once.
        start, stop = window(ring, seconds - (i & 1) * 1e-4)
        rows += stop - start
    return rows


@njit
def store(memory: Any, first: int, count: int) -> None:
    """Store what a row takes, at two places as far apart as its slots, and nothing else: what the memory allows."""
    capacity = len(memory) // 2
    for i in range(first, first + count):
        slot = i % capacity
        for place in range(6):
            memory[slot, place] = 1.0 * i
        for place in range(6):
            memory[slot + capacity, place] = 1.0 * i


class Bench:
    """A ring of one size, and where its time has got to."""

    def __init__(self, capacity: int) -> None:
        self.ring = full_ring(capacity)
        self.memory = np.ones((2 * capacity, 6))
        self.time = 0.0
        self.stored = 0

    def append_from_python(self) -> None:
        put, time, values = self.ring.append, self.time, (1.0, 2.0, 3.0, 4.0, 5.0)
        for _ in range(PYTHON_ROWS):
            time += STEP
            put(time, values)
        self.time = time

    def append_compiled(self) -> None:
        fill(self.ring.jit, self.time, COMPILED_ROWS)
        self.time += COMPILED_ROWS * STEP

    def store(self) -> None:
        store(self.memory, self.stored, COMPILED_ROWS)
        self.stored += COMPILED_ROWS

    def window_from_python(self) -> None:
        ask = self.ring.window
        for _ in range(LOOKS):
            ask(WINDOW)

    def window_compiled(self) -> None:
        look(self.ring.jit, WINDOW, 20 * LOOKS)


#: What is measured by capacity: the name, the work, and how many of it a turn has.
BY_CAPACITY: tuple[tuple[str, Callable[[Bench], None], int], ...] = (
    ("window(50 ms), Python", Bench.window_from_python, LOOKS),
    ("append, Python", Bench.append_from_python, PYTHON_ROWS),
    ("window(50 ms), compiled loop", Bench.window_compiled, 20 * LOOKS),
    ("append, compiled loop", Bench.append_compiled, COMPILED_ROWS),
    ("stores of the same bytes, no ring", Bench.store, COMPILED_ROWS),
)
TOTAL = "append, compiled loop: total"


def seconds_of(rounds: Rounds) -> dict[int, float]:
    """Give the lower quartile by size: interruptions only ever add, and more to a turn that is longer."""
    return {int(size): statistics.quantiles(taken, n=4)[0] for size, taken in rounds.seconds.items()}


def by_capacity(scale: Scale) -> list[Series]:
    """Measure one append and one window in rings of all sizes, in turn."""
    benches = {str(capacity): Bench(capacity) for capacity in scale.capacities}
    found = []
    for name, work, units in BY_CAPACITY:
        works = {size: partial(work, bench) for size, bench in benches.items()}
        rounds = take_turns(works, scale.rounds, units)
        found.append(Series(name, seconds_of(rounds), 0.0, scale.tolerance))
    return found


def by_rows(scale: Scale) -> Series:
    """Measure how long many rows take to go through a ring of 10 000."""
    ring = full_ring(10_000)
    time = 0.0

    def run(count: int, times: int) -> None:
        nonlocal time
        for _ in range(times):
            fill(ring.jit, time, count)
            time += count * STEP

    # A short loop right after a long one finds its caches and predictions cold; many make that one of many.
    times = {count: max(1, 200_000 // count) for count in scale.totals}
    taken: dict[str, list[float]] = {str(count): [] for count in scale.totals}
    for _ in range(scale.total_rounds):
        for count, many in times.items():
            # The processor's time: a long loop is interrupted in each round, a short one is not.
            begin = process_time_ns()
            run(count, many)
            taken[str(count)].append((process_time_ns() - begin) * 1e-9 / many)
    return Series(TOTAL, seconds_of(Rounds(taken)), 1.0, scale.tolerance)


# What is shown -------------------------------------------------------------------------------------------------------


def drawn(flat: Sequence[Series], total: Series) -> Any:
    """Draw both sweeps, slopes beside the lines."""
    picture = figure(9.2, 4.6)
    left, right = picture.subplots(1, 2, width_ratios=(1.75, 1))
    for series, color in zip(flat, COLORS, strict=True):
        sizes, nanoseconds = list(series.seconds), [second * 1e9 for second in series.seconds.values()]
        is_reference = series is flat[-1]
        left.plot(sizes, nanoseconds, "--" if is_reference else "o-", color=color, lw=1.6, ms=5)
        left.annotate(
            f"{series.work}\nslope {series.slope:+.3f}",
            (sizes[0], nanoseconds[0]),
            (0, -7 if is_reference else 7),
            textcoords="offset points",
            va="top" if is_reference else "bottom",
            color=color,
            fontsize=9.5,
        )
    left.set(xscale="log", yscale="log", xlabel="capacity of the ring (rows)", ylabel="time of one (ns)")
    left.set(title="One append, one window: flat", ylim=(1, 6000))
    sizes, milliseconds = list(total.seconds), [second * 1e3 for second in total.seconds.values()]
    right.plot(sizes, milliseconds, "o-", color=COLORS[3], lw=1.6, ms=5)
    right.set(xscale="log", yscale="log", xlabel="rows appended in a compiled loop", ylabel="total time (ms)")
    right.set_title(f"The total: slope {total.slope:.3f}")
    for axes in (left, right):
        axes.grid(visible=True, which="major")
        axes.set_axisbelow(True)
        axes.minorticks_off()
        axes.title.set_size(12)
    picture.supxlabel(run_of(), fontsize=8, color="#666666")
    return picture


def rows_of(series: Sequence[Series]) -> tuple[list[str], list[list[str]]]:
    """Give the table: a column a size, the slope, and what it may be."""
    sizes = sorted({size for one in series for size in one.seconds})
    heading = ["time of", *(f"10^{len(str(size)) - 1}" for size in sizes), "slope", "allowed", "holds"]
    rows = []
    for one in series:
        cells = [quantity(one.seconds[size]) if size in one.seconds else "" for size in sizes]
        allowed = f"{one.expected:g} ± {one.tolerance:g}"
        rows.append([one.work, *cells, f"{one.slope:+.3f}", allowed, "yes" if one.holds else "NO"])
    return heading, rows


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, write and judge; give the exit code."""
    parser = argparse.ArgumentParser(description="Measure what grows with capacity and with rows.")
    parser.add_argument("--quick", action="store_true", help="small sizes, in seconds; writes nothing without --out")
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="where growth.csv and growth.svg go")
    options = parser.parse_args(arguments)
    scale = QUICK if options.quick else Scale()
    fill(TimeRing(10, FIELDS).jit, 0.0, 1)
    flat, total = by_capacity(scale), by_rows(scale)
    series = [*flat, total]
    heading, rows = rows_of(series)
    widths = [max(map(len, column)) for column in zip(heading, *rows, strict=True)]
    for row in (heading, *rows):
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    if folder := options.out or (None if options.quick else STATIC):
        write(folder, "growth", drawn(flat, total), heading, rows)
    bad = [one for one in series if not one.holds]
    for one in bad:
        print(f"{one.work}: expected a slope of {one.expected:g} ± {one.tolerance:g}, found {one.slope:+.3f}")
    # A machine that is busy with a test suite says nothing about slopes of sweeps that take a moment.
    return 1 if bad and not options.quick else 0


if __name__ == "__main__":
    sys.exit(main())
