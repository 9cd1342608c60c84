"""How figures and their tables get to the docs: the same bytes from the same numbers.

Belongs here: what the pictures have in common, and how they are written. May not be here: a measurement.
"""

from __future__ import annotations

import csv
import platform
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

__all__ = ["COLORS", "STATIC", "figure", "quantity", "run_of", "write"]

STATIC = Path(__file__).resolve().parents[1] / "docs" / "_static"
#: Of Okabe and Ito, which also the colour-blind can tell apart.
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#7F7F7F")

mpl.rcParams.update(
    {
        "svg.hashsalt": "ringacc",  # ids do not change from run to run
        "svg.fonttype": "none",  # text stays text
        "font.family": "sans-serif",
        "font.size": 11,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.edgecolor": "#444444",
        "grid.color": "#DDDDDD",
        "savefig.facecolor": "white",
    }
)


def figure(width: float, height: float) -> Figure:
    """Make an empty figure, in inches."""
    return Figure(figsize=(width, height), layout="constrained")


def quantity(seconds: float) -> str:
    """Spell a time with three figures."""
    for factor, unit in ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs")):
        if seconds >= factor:
            return f"{seconds / factor:.3g} {unit}"
    return f"{seconds * 1e9:.3g} ns"


def run_of() -> str:
    """Say in which run the numbers were measured: date and versions."""
    versions = ", ".join(f"{name} {metadata.version(name)}" for name in ("numpy", "numba"))
    return f"{datetime.now(UTC):%Y-%m-%d}, Python {platform.python_version()}, {versions}, {platform.machine()}"


def write(folder: Path, name: str, drawn: Figure, heading: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Write ``name``.svg and ``name``.csv."""
    folder.mkdir(parents=True, exist_ok=True)
    drawn.savefig(folder / f"{name}.svg", metadata={"Date": None, "Creator": None})
    with (folder / f"{name}.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(heading)
        writer.writerows(rows)
    print(f"wrote {folder / name}.svg and .csv")
