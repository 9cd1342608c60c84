"""What was measured, as the tables that the docs show.

Belongs here: the columns of `peers.csv`, `peers_left_out.csv` and `targets.csv`, and how figures are spelled. May not
be here: a measurement, a plot.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path

from matrix import OURS, Cell, LeftOut
from measuring import Line
from releases import release

__all__ = ["quantity", "ratio", "write_left_out", "write_peers", "write_targets"]

_COMMAND = "python benchmarks/peers/compare.py --row {}"

#: Peers that no work item has, and why. Each was tried.
_NEVER = (
    ("stytra NamedTupleQueue", "its multiprocessing.Queue belongs to forked processes; that queue is measured itself"),
    ("pandas DataFrame.append", "is gone since pandas 2.0; pandas.concat is what is left"),
    ("ancb", "0.1.2 wants numpy < 2"),
    ("NumCircBuf", "1.3.0 holds single numbers for running statistics: no rows, no element by its number"),
)


def write_peers(cells: Iterable[Cell], path: Path) -> None:
    """Write what each peer takes for each work item, the fastest first."""
    lines = []
    by_work: dict[str, list[Cell]] = {}
    for cell in cells:
        by_work.setdefault(cell.work.title, []).append(cell)
    for title, found in by_work.items():
        for cell in sorted(found, key=lambda cell: cell.value):
            faster = cell.ratio < 1 and cell.peer != OURS
            better = "smaller" if cell.work.unit == "B" else "faster"
            note = "; ".join(filter(None, [f"{better} than ringacc" if faster else "", cell.note]))
            version, date = release(cell.package)
            lines.append(
                (title, cell.peer, version, date, quantity(cell.value, cell.work.unit), f"{cell.ratio:.3g}", note)
            )
    _write(path, ("work", "peer", "version", "release date", "median time", "ratio to ringacc", "note"), lines)


def write_left_out(left: Iterable[LeftOut], path: Path) -> None:
    """Write who cannot do what, and why; work items of one peer that share their reason in one line."""
    works: dict[tuple[str, str], list[str]] = {}
    for one in left:
        works.setdefault((one.peer, one.reason), []).append(one.work)
    lines = [(peer, "; ".join(dict.fromkeys(titles)), reason) for (peer, reason), titles in works.items()]
    lines += [(peer, "all", reason) for peer, reason in _NEVER]
    _write(path, ("peer", "work", "why it is left out"), lines)


def write_targets(lines: Iterable[Line], path: Path) -> None:
    """Write each target beside what was measured."""
    rows = []
    for line in lines:
        if line.target is None:
            continue
        is_ratio = line.theirs is not None
        rows.append(
            (
                f"{line.work} : {line.against}" if is_ratio else line.work,
                "at most " + (ratio(line.target) if is_ratio else quantity(line.target, line.unit)),
                (ratio(line.value) if is_ratio else quantity(line.ours, line.unit)) + ("" if line.met else ", missed"),
                _COMMAND.format(f"'{line.row}'" if " " in line.row else line.row),
            )
        )
    _write(path, ("work", "target", "measured", "command"), rows)


def _write(path: Path, heading: Sequence[str], lines: Iterable[Sequence[str]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(heading)
        writer.writerows(lines)


def ratio(value: float | None) -> str:
    """Spell a ratio: 1/23 where it is small."""
    if value is None:
        return ""
    return f"{value:.2f}" if value >= 0.5 or value <= 0 else f"1/{1 / value:.3g}"


def quantity(value: float | None, unit: str) -> str:
    """Spell seconds, bytes or a count with three figures."""
    if value is None:
        return ""
    if unit == "B":
        return f"{value / 1e6:.4g} MB" if value >= 1e5 else f"{value:.3g} B"
    if unit == "s":
        for factor, name in ((1.0, "s"), (1e-3, "ms"), (1e-6, "us")):
            if value >= factor:
                return f"{value / factor:.3g} {name}"
        return f"{value * 1e9:.3g} ns"
    return f"{value:g}"
