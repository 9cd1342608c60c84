"""ringacc beside its peers: print the tables of speed and memory, and write them for the docs, from one run.

Belongs here: the command line, and how the tables are printed. May not be here: what is measured (``rows``, ``matrix``)
or how (``measuring``), what is written (``publish``, ``plots``).

    python benchmarks/peers/compare.py [--quick] [--row NAME] [--json FILE] [--out FOLDER]

Two tables: the targets, each against one peer; and all work items by all peers that can do them. Ends with 0 where
all targets are met, 1 where one is missed (not with ``--quick``), 2 where a row cannot be measured, or a peer does not
answer as the model does.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
import time
import traceback
from collections.abc import Sequence
from dataclasses import asdict
from importlib import metadata
from pathlib import Path
from typing import Any

import adapters
import matrix
import plots
import processes
import rows
import rows_kept
from inputs import QUICK, Scale
from matrix import Cell, LeftOut
from matrix_queues import QUEUE_NAMES, measured_queues
from measuring import Line
from publish import quantity, ratio, write_left_out, write_peers, write_targets

from ringacc import __version__

_PACKAGES = ("numpy", "numba", "pandas", "pyarrow")
_HEADINGS = ("work", "against", "ours", "theirs", "ratio", "quartiles", "target", "")
_WIDTHS = (63, 42, 8, 8, 8, 17, 6, 6)
ROWS = {**rows.ROWS, **rows_kept.ROWS, **processes.ROWS}
_OUT = Path(__file__).resolve().parents[2] / "docs" / "_static"


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print and write; give the exit code."""
    options = _options(arguments)
    print(_heading(options.quick), flush=True)
    failed: list[str] = []
    cells, left = _compare(options, failed)
    lines = _measure_targets(options, failed)
    missed = [line for line in lines if line.met is False]
    print(_verdict(lines, missed, failed))
    if options.json:
        options.json.write_text(json.dumps(_document(lines, cells, failed), indent=1) + "\n")
    if options.out and not failed:
        _write(options.out, lines, cells, left, whole=not options.row)
    elif not options.row and not failed:
        # Seen to work, but not kept: these are no figures.
        with tempfile.TemporaryDirectory() as folder:
            _write(Path(folder), lines, cells, left, whole=True)
    if failed:
        return 2
    return 1 if missed and not options.quick else 0


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Measure ringacc beside its peers; print and write the tables.")
    parser.add_argument("--quick", action="store_true", help="see in about a minute that all can be measured")
    parser.add_argument(
        "--row",
        action="append",
        metavar="NAME",
        help="only the rows with this in their name; may be given several times. "
        f"Targets: {', '.join(ROWS)}. Work items of all peers: {', '.join(_works(matrix.QUICK))}",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write what was measured to a file as well")
    parser.add_argument(
        "--out",
        type=Path,
        metavar="FOLDER",
        help="where tables and plots are written (docs/_static, but not where --quick or --row is given)",
    )
    options = parser.parse_args(arguments)
    if options.row and not any(wanted in name for wanted in options.row for name in (*ROWS, *_works(matrix.QUICK))):
        parser.error(
            f"expected a name among {', '.join((*ROWS, *_works(matrix.QUICK)))}, found {', '.join(options.row)}"
        )
    if options.out is None and not options.quick and not options.row:
        options.out = _OUT
    return options


def _wanted(name: str, options: argparse.Namespace) -> bool:
    return not options.row or any(wanted in name for wanted in options.row)


def _works(effort: matrix.Effort) -> dict[str, Any]:
    """Give all work items that peers share, by name."""
    return {
        f"peers_{name}": work
        for name, work in (matrix.measured(adapters.NAMES, effort) | measured_queues(QUEUE_NAMES, effort)).items()
    }


def _compare(options: argparse.Namespace, failed: list[str]) -> tuple[list[Cell], list[LeftOut]]:
    """Measure all work items by all peers."""
    cells: list[Cell] = []
    left: list[LeftOut] = []
    for name, work in _works(matrix.QUICK if options.quick else matrix.FULL).items():
        if not _wanted(name, options):
            continue
        try:
            found = work()
        except Exception:
            # The others can still be measured; that this one cannot be is told, and in the exit code.
            traceback.print_exc()
            print(f"{name}: CANNOT BE MEASURED", flush=True)
            failed.append(name)
            continue
        left += [one for one in found if isinstance(one, LeftOut)]
        new = sorted((one for one in found if isinstance(one, Cell)), key=lambda cell: cell.value)
        cells += new
        print(f"\n{new[0].work.title} ({name})")
        for cell in new:
            print(f"  {cell.peer:<24}{quantity(cell.value, cell.work.unit):>10}{cell.ratio:>10.3g} x  {cell.note}")
        sys.stdout.flush()
    return cells, left


def _measure_targets(options: argparse.Namespace, failed: list[str]) -> list[Line]:
    """Measure all rows that have a target, and those beside them."""
    scale = QUICK if options.quick else Scale()
    lines: list[Line] = []
    print("\n" + _columns(_HEADINGS) + "\n" + "  ".join("-" * width for width in _WIDTHS), flush=True)
    for name, measure in ROWS.items():
        if not _wanted(name, options):
            continue
        try:
            for line in measure(scale):
                lines.append(line)
                print(_text(line), flush=True)
        except Exception:
            traceback.print_exc()
            print(f"{name}: CANNOT BE MEASURED", flush=True)
            failed.append(name)
    return lines


def _write(folder: Path, lines: list[Line], cells: list[Cell], left: list[LeftOut], *, whole: bool) -> None:
    """Write the tables, and the plots where all of the table is there."""
    folder.mkdir(parents=True, exist_ok=True)
    if cells:
        write_peers(cells, folder / "peers.csv")
        write_left_out(left, folder / "peers_left_out.csv")
    if lines:
        write_targets(lines, folder / "targets.csv")
    if whole:
        plots.draw(folder / "peers.csv", folder)


def _versions() -> dict[str, str]:
    versions = {"Python": platform.python_version(), "ringacc": __version__}
    for package in _PACKAGES:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            versions[package] = "not installed"
    return versions


def _heading(quick: bool) -> str:
    load = ", ".join(f"{number:.1f}" for number in os.getloadavg()) if hasattr(os, "getloadavg") else "unknown"
    return "\n".join(
        [
            ", ".join(f"{package} {version}" for package, version in _versions().items()),
            f"{platform.platform()}, {os.cpu_count()} cores, load {load}",
            "Turns of ours and theirs interleave in one process, garbage collector off. Times are medians; a ratio is",
            "the median of the ratios within a round (quartiles beside it), which holds on a busy machine too.",
            *(["Quick: few rounds and small tables, to see that it can be measured. Not figures."] if quick else []),
        ]
    )


def _columns(cells: Sequence[str]) -> str:
    """Put cells under each other, numbers to the right."""
    placed = [
        cell.ljust(width) if place < 2 else cell.rjust(width)
        for place, (cell, width) in enumerate(zip(cells, _WIDTHS, strict=True))
    ]
    return "  ".join(placed).rstrip()


def _text(line: Line) -> str:
    is_ratio = line.theirs is not None
    cells = (
        line.work,
        line.against,
        quantity(line.ours, line.unit),
        "" if line.theirs is None else quantity(line.theirs, line.unit),
        ratio(line.value) if is_ratio else "",
        f"{ratio(line.low)} - {ratio(line.high)}" if line.low is not None else "",
        ratio(line.target) if is_ratio else quantity(line.target, line.unit),
        {True: "met", False: "MISSED", None: ""}[line.met],
    )
    return _columns(cells) + (f"  ({line.note})" if line.note else "")


def _verdict(lines: Sequence[Line], missed: Sequence[Line], failed: Sequence[str]) -> str:
    with_target = sum(line.target is not None for line in lines)
    parts = [f"{with_target - len(missed)} of {with_target} targets met"]
    parts += [f"missed: {line.work} against {line.against}" for line in missed]
    parts += [f"cannot be measured: {name}" for name in failed]
    return "\n" + "\n".join(parts)


def _document(lines: Sequence[Line], cells: Sequence[Cell], failed: Sequence[str]) -> dict[str, object]:
    return {
        "versions": _versions(),
        "machine": {"platform": platform.platform(), "cores": os.cpu_count()},
        "when": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "lines": [{**asdict(line), "met": line.met} for line in lines],
        "peers": [asdict(cell) for cell in cells],
        "failed": list(failed),
    }


if __name__ == "__main__":
    sys.exit(main())
