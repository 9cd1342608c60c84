"""How things are timed side by side, and what one line of the table says.

Belongs here: the interleaving of repeats, the statistics, lines and their verdicts. May not be here: what is measured.

The machine is taken to be noisy. So what is compared takes turns (ours, theirs, ours, theirs, ...) in one process, each
turn is short enough to fall between two interruptions more often than not, a ratio is the median over the rounds of the
ratio within a round, and the garbage collector is off.
"""

from __future__ import annotations

import gc
import json
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter_ns
from typing import Any

__all__ = ["Line", "NoGarbageCollector", "Rounds", "compared", "in_fresh_process", "take_turns"]

_SECONDS_A_CHILD = 300


@dataclass(frozen=True)
class Rounds:
    """Seconds a unit of each thing that took turns, round by round."""

    seconds: Mapping[str, list[float]]

    def median(self, name: str) -> float:
        """Give the median of one thing, in seconds a unit."""
        return statistics.median(self.seconds[name])

    def ratios(self, ours: str, theirs: str) -> list[float]:
        """Give the ratio of two things in each round, sorted."""
        return sorted(a / b for a, b in zip(self.seconds[ours], self.seconds[theirs], strict=True))


@dataclass(frozen=True)
class Line:
    """One line of the table.

    ``ours`` and ``theirs`` are in ``unit`` ("s", "B", or "" for a count). ``value`` is what the target is about: their
    ratio, or ``ours`` itself where there is no peer; ``low`` and ``high`` are its quartiles over the rounds.
    """

    row: str
    work: str
    against: str
    unit: str
    ours: float
    theirs: float | None = None
    value: float | None = None
    low: float | None = None
    high: float | None = None
    target: float | None = None
    note: str = ""

    @property
    def met(self) -> bool | None:
        """Whether the target is met; None where there is none."""
        if self.target is None:
            return None
        return (self.ours if self.value is None else self.value) <= self.target


class NoGarbageCollector:
    """A context without the garbage collector; what there is to collect is collected before."""

    def __enter__(self) -> None:
        gc.collect()
        self._was_on = gc.isenabled()
        gc.disable()

    def __exit__(self, *exception: object) -> None:
        if self._was_on:
            gc.enable()


def take_turns(
    works: Mapping[str, Callable[[], object]],
    repeats: int,
    units: int | Mapping[str, int] = 1,
    *,
    warm: int = 3,
    prepare: Callable[[], None] | None = None,
) -> Rounds:
    """Time each work once a round, in turn.

    Parameters
    ----------
    works
        What is timed, by name.
    repeats
        Rounds that count, after ``warm`` rounds that do not.
    units
        How much of something each work does, or each by name; what is given is seconds for one.
    prepare
        Called before each round, not timed.
    """
    taken: dict[str, list[float]] = {name: [] for name in works}
    many = dict.fromkeys(works, units) if isinstance(units, int) else units
    with NoGarbageCollector():
        for turn in range(warm + repeats):
            if prepare is not None:
                prepare()
            for name, work in works.items():
                begin = perf_counter_ns()
                kept = work()
                end = perf_counter_ns()
                # What the work gave is freed here, not within the next turn.
                del kept
                if turn >= warm:
                    taken[name].append((end - begin) * 1e-9 / many[name])
    return Rounds(taken)


def compared(
    rounds: Rounds,
    ours: str,
    theirs: str,
    *,
    row: str,
    work: str,
    against: str,
    target: float | None = None,
    note: str = "",
) -> Line:
    """Make a line of two things that took turns."""
    ratios = rounds.ratios(ours, theirs)
    quarter = len(ratios) // 4
    return Line(
        row=row,
        work=work,
        against=against,
        unit="s",
        ours=rounds.median(ours),
        theirs=rounds.median(theirs),
        value=statistics.median(ratios),
        low=ratios[quarter],
        high=ratios[-1 - quarter],
        target=target,
        note=note,
    )


def in_fresh_process(what: str, times: int = 1, rows: int | None = None) -> Iterator[Any]:
    """Run one of the measurements of ``fresh.py`` in new interpreters, one after the other; give what each found."""
    command = [sys.executable, str(Path(__file__).with_name("fresh.py")), what, *([] if rows is None else [str(rows)])]
    for _ in range(times):
        done = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS_A_CHILD, check=False)
        if done.returncode:
            raise RuntimeError(f"{' '.join(command)} failed:\n{done.stderr}")
        yield json.loads(done.stdout)
