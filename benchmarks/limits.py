"""How far ringacc is from what the machine allows: its work against the least that any such work takes.

Belongs here: each work beside its physical limit, as a ratio. May not be here: other libraries (``peers``), how turns
are taken (``peers/measuring.py``).

    python benchmarks/limits.py [--quick] [--out FOLDER]

Ours and the limit take turns in one process; a ratio is the median of the ratios within a round, its quartiles beside
it. It writes limits.csv and limits.svg to docs/_static. With ``--quick`` it takes few rounds of small work, and writes
only where ``--out`` says.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import numpy as np
from figures import COLORS, STATIC, figure, quantity, run_of, write
from growth import STEP, WINDOW, fill, full_ring
from numba import njit
from peers.measuring import Rounds, take_turns

from ringacc import TimeRing

LINE = 64  # bytes of a cache line
CAPACITY = 10_000


@dataclass(frozen=True)
class Scale:
    """How much is done."""

    rounds: int = 201
    rows: int = 100_000  # of a turn in a compiled loop
    large: int = 1_000_000  # rows of a ring that fits no cache


QUICK = Scale(rounds=15, rows=20_000, large=100_000)


class Ratio(NamedTuple):
    """One line of the table: seconds of ours and of the limit, and the ratio with its quartiles."""

    work: str
    limit: str
    ours: float
    least: float
    ratio: float
    low: float
    high: float


def ratio_of(rounds: Rounds, work: str, limit: str, *, ours: str = "ours", least: str = "least") -> Ratio:
    """Make a line of two things that took turns."""
    ratios = rounds.ratios(ours, least)
    quarter = len(ratios) // 4
    return Ratio(
        work,
        limit,
        rounds.median(ours),
        rounds.median(least),
        statistics.median(ratios),
        ratios[quarter],
        ratios[-1 - quarter],
    )


def repeated(call: Callable[[], object], times: int) -> Callable[[], None]:
    """Make a turn of many calls."""

    def turn() -> None:
        for _ in range(times):
            call()

    return turn


# The works and their limits ------------------------------------------------------------------------------------------


def block_appends(scale: Scale) -> Iterator[Ratio]:
    """Put blocks into a ring, against memcpy of their bytes to where a ring of single rows would have them."""
    for rows in (100, 1000, 5000):
        ring = full_ring(CAPACITY)
        # All of one time, which goes back nowhere however often the block is put in.
        block = np.ones(rows, ring.dtype)
        source, once = block.view(np.uint8), np.zeros(CAPACITY * block.itemsize, np.uint8)
        targets = [once[begin : begin + source.size] for begin in range(0, once.size, source.size)]
        twice = [target.copy() for target in targets]

        def extend(ring: TimeRing = ring, block: Any = block, times: int = len(targets)) -> None:
            for _ in range(times):
                ring.extend(block)

        def copy(source: Any = source, targets: Any = targets) -> None:
            for target in targets:
                np.copyto(target, source)

        def copy_twice(source: Any = source, targets: Any = targets, twice: Any = twice) -> None:
            for target, other in zip(targets, twice, strict=True):
                np.copyto(target, source)
                np.copyto(other, source)

        works = {"ours": extend, "least": copy, "twice": copy_twice}
        rounds = take_turns(works, scale.rounds, len(targets))
        yield ratio_of(rounds, f"extend, {rows:,} rows", "memcpy of their bytes")
        if rows == 1000:
            yield ratio_of(rounds, f"extend, {rows:,} rows", "memcpy to both places", least="twice")


def block_copies(scale: Scale) -> Iterator[Ratio]:
    """Copy rows out of a ring, against memcpy of their bytes."""
    with (
        TemporaryDirectory() as folder,
        TimeRing.create(Path(folder) / "ring", CAPACITY, dict.fromkeys("abcde", "f8")) as file,
    ):
        ring = full_ring(CAPACITY)
        file.extend(ring.last(CAPACITY).copy())
        reader = TimeRing.open(Path(folder) / "ring")
        for rows in (1000, 5000):
            raw = np.zeros(rows * ring.dtype.itemsize, np.uint8)
            works = {
                "ours": repeated(lambda rows=rows: ring.last(rows).copy(), 20),  # type: ignore[misc]
                "reader": repeated(lambda rows=rows: reader.last(rows), 20),  # type: ignore[misc]
                "bytes": repeated(lambda rows=rows: ring.last(rows).view(np.uint8).copy(), 20),  # type: ignore[misc]
                "least": repeated(lambda raw=raw: raw.copy(), 20),  # type: ignore[misc]
            }
            rounds = take_turns(works, scale.rounds, 20)
            yield ratio_of(rounds, f"last({rows:,}).copy()", "memcpy of their bytes")
            yield ratio_of(rounds, f"last({rows:,}).view('u1').copy()", "memcpy of their bytes", ours="bytes")
            yield ratio_of(rounds, f"last({rows:,}), other process's ring", "memcpy of their bytes", ours="reader")
        reader.close()


@njit
def store_lines(memory: Any, first: int, count: int) -> None:
    """Store whole cache lines, one after the other, and go round."""
    lines = len(memory)
    place = first % lines
    for i in range(count):
        for part in range(8):
            memory[place, part] = 1.0 * i
        place += 1
        if place == lines:
            place = 0


def compiled_appends(scale: Scale) -> Iterator[Ratio]:
    """Append in a compiled loop, against one cache line a row at the bandwidth of stores to as much memory."""
    for capacity in (100, CAPACITY, scale.large):
        ring = full_ring(capacity)
        lines = aligned(ring.nbytes // LINE)
        time, stored = 0.0, 0

        def ours(ring: TimeRing = ring) -> None:
            nonlocal time
            fill(ring.jit, time, scale.rows)
            time += scale.rows * STEP

        def least(lines: Any = lines) -> None:
            nonlocal stored
            store_lines(lines, stored, scale.rows)
            stored += scale.rows

        rounds = take_turns({"ours": ours, "least": least}, scale.rounds, scale.rows)
        size = f"{ring.nbytes / 1e6:.3g} MB" if ring.nbytes > 1e5 else f"{ring.nbytes / 1e3:.3g} kB"
        yield ratio_of(rounds, f"append in a compiled loop, ring of {size}", "one cache line stored")


def aligned(lines: int) -> Any:
    """Give memory, touched, that begins with a cache line."""
    raw = np.ones((lines + 1) * LINE, np.uint8)
    begin = -raw.ctypes.data % LINE
    return raw[begin : begin + lines * LINE].view(np.float64).reshape(lines, 8)


@njit
def nothing() -> None:
    """Do nothing."""


@njit
def nothing_of(counters: Any, memory: Any, capacity: int, row_bytes: int, seconds: float) -> tuple[int, int]:
    """Take and give what the kernel of a window does, and do nothing."""
    return capacity, row_bytes


def lookups(scale: Scale) -> Iterator[Ratio]:
    """Ask for a window, against calls of compiled functions that do nothing."""
    ring = full_ring(CAPACITY)
    handle, size, capacity = ring.jit, ring.dtype.itemsize, ring.capacity
    for call in (nothing, lambda: nothing_of(handle.counters, handle.bytes, capacity, size, WINDOW)):
        call()
    works = {
        "ours": repeated(lambda: ring.window(WINDOW), 200),
        "least": repeated(lambda: nothing(), 200),
        "same": repeated(lambda: nothing_of(handle.counters, handle.bytes, capacity, size, WINDOW), 200),
    }
    rounds = take_turns(works, scale.rounds, 200)
    yield ratio_of(rounds, "window(50 ms), Python", "empty compiled call, no arguments")
    yield ratio_of(rounds, "window(50 ms), Python", "empty compiled call, the kernel's arguments", least="same")


# What is shown -------------------------------------------------------------------------------------------------------


def drawn(ratios: Sequence[Ratio]) -> Any:
    """Draw the ratios as points with quartiles, the limit a line at 1."""
    picture = figure(9.2, 0.46 * len(ratios) + 1.3)
    axes = picture.subplots()
    places = range(len(ratios))
    limits = list(dict.fromkeys(kind_of(one) for one in ratios))
    for place, one in zip(places, ratios, strict=True):
        color = COLORS[limits.index(kind_of(one))]
        axes.plot([1, one.ratio], [place, place], color=color, lw=1.2, alpha=0.5)
        axes.plot([one.low, one.high], [place, place], color=color, lw=4, alpha=0.5, solid_capstyle="butt")
        axes.plot(one.ratio, place, "o", color=color, ms=7)
        axes.annotate(
            f"{one.ratio:.2f}",
            (max(one.ratio, one.high), place),
            (8, 0),
            textcoords="offset points",
            va="center",
            color=color,
        )
    axes.axvline(1, color="#444444", lw=1.2)
    axes.set_yticks(places, [f"{one.work}\nagainst {one.limit}" for one in ratios], fontsize=9)
    axes.set(xlabel="time, as a multiple of the limit's (1 is the limit)", xscale="log")
    top = max(2 * max(one.high for one in ratios), 10)
    axes.set_xlim(min(0.5, 0.8 * min(one.low for one in ratios)), top)
    ticks = [tick for tick in (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50) if axes.get_xlim()[0] <= tick <= top]
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.minorticks_off()
    axes.invert_yaxis()
    axes.grid(visible=True, axis="x")
    axes.set_axisbelow(True)
    picture.supxlabel(run_of(), fontsize=8, color="#666666")
    return picture


def kind_of(one: Ratio) -> str:
    """Give the first word of the limit, which has the colour."""
    return one.limit.split()[0]


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and write."""
    parser = argparse.ArgumentParser(description="Measure ringacc against what the machine allows.")
    parser.add_argument("--quick", action="store_true", help="small sizes, in seconds; writes nothing without --out")
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="where limits.csv and limits.svg go")
    options = parser.parse_args(arguments)
    scale = QUICK if options.quick else Scale()
    fill(TimeRing(10, dict.fromkeys("abcde", "f8")).jit, 0.0, 1)
    store_lines(aligned(1), 0, 1)
    ratios, rows = [], []
    heading = ["work", "limit", "ours", "limit's", "ratio", "quartiles"]
    for measure in (block_appends, block_copies, compiled_appends, lookups):
        for one in measure(scale):
            ratios.append(one)
            rows.append(
                [
                    one.work,
                    one.limit,
                    quantity(one.ours),
                    quantity(one.least),
                    f"{one.ratio:.2f}",
                    f"{one.low:.2f} - {one.high:.2f}",
                ]
            )
            print("  ".join(cell.ljust(width) for cell, width in zip(rows[-1], (46, 44, 8, 8, 6, 0), strict=True)))
    if folder := options.out or (None if options.quick else STATIC):
        write(folder, "limits", drawn(ratios), heading, rows)
    return 0


if __name__ == "__main__":
    sys.exit(main())
