"""The plots of the docs, from the table of peers alone.

Belongs here: how the figures look. May not be here: a measurement. The same table gives the same bytes.

    python benchmarks/peers/plots.py [docs/_static/peers.csv] [FOLDER]      # draw again without measuring
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["draw"]

_OURS = "ringacc"
_STATIC = Path(__file__).resolve().parents[2] / "docs" / "_static"
_UNITS = {"ns": 1e-9, "us": 1e-6, "ms": 1e-3, "s": 1.0, "B": 1.0}
_INK, _SOFT, _RULE = "#1f2933", "#66727f", "#d9dee3"
_OUR_COLOR, _SLOWER, _FASTER = "#0b7285", "#8d99a6", "#d9480f"
#: Inches; drawn for the width of a telephone, and so with few words to a line.
_WIDTH, _LINE, _GAP, _TOP = 4.6, 0.178, 0.42, 0.40

_FIGURES: Mapping[str, tuple[str, ...]] = {
    "peers": (
        "append one row",
        "the last 50 ms",
        "append one row, then the last 50 ms",
        "one row to another process, one by one",
    ),
    "peers_lookups": (
        "the last 50 rows",
        "the rows of a second in the middle",
        "the row nearest to a time",
        "the rate of the last 10 rows",
    ),
    "peers_tables": ("a DataFrame of the last 5 s", "save 10,000 rows as csv", "save 10,000 rows as feather"),
    "peers_putting": (
        "append a block of 1000 rows",
        "append one row in a compiled loop",
        "memory of a row, ring of 100,000",
    ),
    "peers_floats": (
        "append one float",
        "the newest float, ring[-1]",
        "append a float, take the oldest",
        "all 10,000 floats as an array",
    ),
    "peers_processes": (
        "one row to another process, one by one",
        "one row to another process, all there are",
        "how long a row is on its way, at 1 kHz",
    ),
}


@dataclass(frozen=True)
class Dot:
    """What is drawn for one peer in one panel."""

    peer: str
    value: float
    text: str
    ratio: float


def draw(table: Path, folder: Path) -> list[Path]:
    """Draw all figures of a table; give the files."""
    panels = _panels(table)
    drawn = []
    for name, titles in _FIGURES.items():
        drawn.append(_figure([(title, panels[title]) for title in titles], folder / f"{name}.svg"))
    return drawn


def _panels(table: Path) -> dict[str, list[Dot]]:
    """Read who takes how long for each work item, the fastest first."""
    panels: dict[str, list[Dot]] = {}
    with table.open(newline="", encoding="utf-8") as file:
        for line in csv.DictReader(file):
            text = line["median time"]
            number, unit = text.split()
            ratio = float(line["ratio to ringacc"])
            panels.setdefault(line["work"], []).append(Dot(line["peer"], float(number) * _UNITS[unit], text, ratio))
    return {title: sorted(dots, key=lambda dot: dot.value) for title, dots in panels.items()}


def _figure(panels: Sequence[tuple[str, Sequence[Dot]]], path: Path) -> Path:
    """Draw panels below each other, on one axis of time where they share it."""
    import matplotlib

    style = {
        "svg.hashsalt": "ringacc",
        "svg.fonttype": "path",
        "font.family": "DejaVu Sans",
        "font.size": 8.5,
        "text.color": _INK,
    }
    with matplotlib.rc_context(style):
        from matplotlib.figure import Figure

        heights = [_LINE * len(dots) + _GAP for _, dots in panels]
        height = sum(heights) + _TOP
        figure = Figure(figsize=(_WIDTH, height))
        top = height - 0.08
        for (title, dots), space in zip(panels, heights, strict=True):
            low = top - space
            axes = figure.add_axes((0.345, (low + 0.10) / height, 0.345, _LINE * len(dots) / height))
            figure.text(0.02, (low + 0.15 + _LINE * len(dots)) / height, title, weight="bold", va="bottom")
            _panel(axes, dots, _limits(panels))
            top = low
        _scale(axes)
        _legend(figure, height)
        figure.savefig(path, metadata={"Date": None, "Creator": "ringacc, benchmarks/peers/plots.py"})
    return path


def _limits(panels: Sequence[tuple[str, Sequence[Dot]]]) -> tuple[float, float]:
    """Give the least and the most that peers take of ours, with some room: the same axis for all panels of a figure."""
    of_ours = []
    for _, dots in panels:
        ours = next(dot.value for dot in dots if dot.peer == _OURS)
        of_ours += [dot.value / ours for dot in dots]
    room = (max(of_ours) / min(of_ours)) ** 0.04
    return min(of_ours) / room, max(of_ours) * room


def _panel(axes: Any, dots: Sequence[Dot], limits: tuple[float, float]) -> None:
    """Draw one work item: a dot for each peer where it is against ours, and its figures beside it."""
    ours = next(dot.value for dot in dots if dot.peer == _OURS)
    axes.set_xscale("log")
    axes.set_xlim(*limits)
    axes.set_ylim(len(dots) - 0.5, -0.5)
    axes.axvline(1.0, color=_OUR_COLOR, lw=0.8, alpha=0.45, zorder=1)
    for place, dot in enumerate(dots):
        is_ours = dot.peer == _OURS
        color = _OUR_COLOR if is_ours else _FASTER if dot.ratio < 1 else _SLOWER
        where = dot.value / ours
        axes.plot([1.0, where], [place, place], color=color, lw=1.6, alpha=0.55, solid_capstyle="round", zorder=2)
        axes.plot([where], [place], "o", color=color, ms=6.5 if is_ours else 5, mec="white", mew=0.6, zorder=3)
        weight = "bold" if is_ours else "normal"
        ink = _OUR_COLOR if is_ours else _FASTER if dot.ratio < 1 else _INK
        beside = axes.get_yaxis_transform()
        axes.text(-0.04, place, dot.peer, transform=beside, ha="right", va="center", color=ink, weight=weight)
        axes.text(
            1.40,
            place,
            dot.text.replace("us", "\N{MICRO SIGN}s"),
            transform=beside,
            ha="right",
            va="center",
            color=ink,
            weight=weight,
        )
        if not is_ours:
            axes.text(1.82, place, _times(dot.ratio), transform=beside, ha="right", va="center", color=ink)
    axes.tick_params(axis="x", which="both", length=0, labelbottom=False)
    axes.tick_params(axis="y", length=0, labelleft=False)
    axes.grid(axis="x", which="major", color=_RULE, lw=0.6)
    axes.set_axisbelow(True)
    for spine in axes.spines.values():
        spine.set_visible(False)


def _scale(axes: Any) -> None:
    """Write below the last panel what the lines of the grid are."""
    low, high = axes.get_xlim()
    tens = [10.0**power for power in range(-4, 7) if low <= 10.0**power <= high]
    axes.set_xticks(tens, [_times(ten) if ten <= 10 else f"\N{MULTIPLICATION SIGN} {ten:,.0f}" for ten in tens])
    axes.tick_params(axis="x", which="major", labelbottom=True, labelsize=6.5, labelcolor=_SOFT, pad=2)


def _times(ratio: float) -> str:
    """Spell how many times ours it takes."""
    return f"\N{MULTIPLICATION SIGN} {ratio:.2g}" if ratio < 10 else f"\N{MULTIPLICATION SIGN} {ratio:,.0f}"


def _legend(figure: Any, height: float) -> None:
    words = (
        (0.02, "\N{MULTIPLICATION SIGN}: times what ringacc takes; logarithmic", _SOFT),
        (0.98, "less than ringacc", _FASTER),
    )
    for (x, text, color), side in zip(words, ("left", "right"), strict=True):
        figure.text(x, 0.07 / height, text, color=color, ha=side, va="bottom", size=7.5)


if __name__ == "__main__":
    table = Path(sys.argv[1]) if len(sys.argv) > 1 else _STATIC / "peers.csv"
    for path in draw(table, Path(sys.argv[2]) if len(sys.argv) > 2 else table.parent):
        print(path)
