"""ringacc beside its peers: print the table of speed and memory, each row measured in one run.

Belongs here: the command line, and how the table is printed. May not be here: what is measured (``rows``) or how
(``measuring``).

    python benchmarks/peers/compare.py [--quick] [--row NAME] [--json FILE]

Ends with 0 where all targets are met, 1 where one is missed (not with ``--quick``), 2 where a row cannot be measured.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import time
import traceback
from collections.abc import Sequence
from dataclasses import asdict
from importlib import metadata
from pathlib import Path

from measuring import Line
from processes import ROWS
from rows import QUICK, Scale

from ringacc import __version__

_PACKAGES = ("stytra", "dvg-ringbuffer", "numpy", "numba", "pandas", "pyarrow")
_HEADINGS = ("work", "against", "ours", "theirs", "ratio", "quartiles", "target", "")
_WIDTHS = (63, 42, 8, 8, 8, 17, 6, 6)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print; give the exit code."""
    options = _options(arguments)
    scale = QUICK if options.quick else Scale()
    print(_heading(options.quick), flush=True)
    lines: list[Line] = []
    failed: list[str] = []
    for name, measure in ROWS.items():
        if options.row and not any(wanted in name for wanted in options.row):
            continue
        try:
            for line in measure(scale):
                lines.append(line)
                print(_text(line), flush=True)
        except Exception:
            # The other rows can still be measured; that this one cannot be is told, and in the exit code.
            traceback.print_exc()
            print(f"{name}: CANNOT BE MEASURED", flush=True)
            failed.append(name)
    missed = [line for line in lines if line.met is False]
    print(_verdict(lines, missed, failed))
    if options.json:
        options.json.write_text(json.dumps(_document(lines, failed), indent=1) + "\n")
    if failed:
        return 2
    return 1 if missed and not options.quick else 0


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Measure ringacc beside its peers and print the table.")
    parser.add_argument("--quick", action="store_true", help="see in less than a minute that all can be measured")
    parser.add_argument(
        "--row",
        action="append",
        metavar="NAME",
        help=f"only the rows with this in their name; may be given several times ({', '.join(ROWS)})",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write what was measured to a file as well")
    options = parser.parse_args(arguments)
    if options.row and not any(wanted in name for wanted in options.row for name in ROWS):
        parser.error(f"expected a name among {', '.join(ROWS)}, found {', '.join(options.row)}")
    return options


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
    rules = "  ".join("-" * width for width in _WIDTHS)
    return "\n".join(
        [
            ", ".join(f"{package} {version}" for package, version in _versions().items()),
            f"{platform.platform()}, {os.cpu_count()} cores, load {load}",
            "Turns of ours and theirs interleave in one process, garbage collector off. Times are medians; a ratio is",
            "the median of the ratios within a round (quartiles beside it), which holds on a busy machine too.",
            *(["Quick: few rounds and small tables, to see that it can be measured. Not figures."] if quick else []),
            "",
            _columns(_HEADINGS),
            rules,
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
        _quantity(line.ours, line.unit),
        "" if line.theirs is None else _quantity(line.theirs, line.unit),
        _ratio(line.value) if is_ratio else "",
        f"{_ratio(line.low)} - {_ratio(line.high)}" if line.low is not None else "",
        _ratio(line.target) if is_ratio else _quantity(line.target, line.unit),
        {True: "met", False: "MISSED", None: ""}[line.met],
    )
    return _columns(cells) + (f"  ({line.note})" if line.note else "")


def _ratio(value: float | None) -> str:
    """Spell a ratio: 1/23 where it is small."""
    if value is None:
        return ""
    return f"{value:.2f}" if value >= 0.5 or value <= 0 else f"1/{1 / value:.3g}"


def _quantity(value: float | None, unit: str) -> str:
    """Spell seconds, bytes or a count with three figures."""
    if value is None:
        return ""
    if unit == "B":
        return f"{value / 1e6:.4g} MB"
    if unit == "s":
        for factor, name in ((1.0, "s"), (1e-3, "ms"), (1e-6, "us")):
            if value >= factor:
                return f"{value / factor:.3g} {name}"
        return f"{value * 1e9:.3g} ns"
    return f"{value:g}"


def _verdict(lines: Sequence[Line], missed: Sequence[Line], failed: Sequence[str]) -> str:
    with_target = sum(line.target is not None for line in lines)
    parts = [f"{with_target - len(missed)} of {with_target} targets met"]
    parts += [f"missed: {line.work} against {line.against}" for line in missed]
    parts += [f"cannot be measured: {name}" for name in failed]
    return "\n" + "\n".join(parts)


def _document(lines: Sequence[Line], failed: Sequence[str]) -> dict[str, object]:
    return {
        "versions": _versions(),
        "machine": {"platform": platform.platform(), "cores": os.cpu_count()},
        "when": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "lines": [{**asdict(line), "met": line.met} for line in lines],
        "failed": list(failed),
    }


if __name__ == "__main__":
    sys.exit(main())
