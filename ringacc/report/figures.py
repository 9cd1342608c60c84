"""Figures of a log, as SVG for a page.

Belongs here: drawing with matplotlib. May not be here: finding out what is drawn, HTML around it.

Figures are narrow, so that their text can be read on a phone. Colours are names that the page gives a value, in light
and in dark. Text of a log never gets to matplotlib, which would measure it with a font that may lack its characters.
matplotlib is imported where something is drawn: not every installation has it.
"""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np

from .findings import Array, Timing
from .logs import Log
from .outline import outline

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["intervals", "rate", "traces"]

# Stand in the drawing for the page's own colours.
_INK, _SOFT, _LINE, _WARN = "#010101", "#020202", "#030303", "#040404"
_NAMES = {_INK: "var(--ink)", _SOFT: "var(--soft)", _LINE: "var(--line)", _WARN: "var(--warn)"}

_WIDTH, _LEFT, _RIGHT = 400, 58, 10  # of a figure, in units of 1/72 inch
_PIXELS = 500  # that a trace is wide, where it is drawn largest
_HUGE = 1e300  # what is beyond is drawn there: the span of an axis has to be a number
_SHORT = 1e-12  # an interval below is drawn there, as on a logarithmic axis
_MARKS = 200  # gaps or backward steps that are marked, at most

_STYLE = {
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 11.5,
    "axes.edgecolor": _SOFT,
    "axes.labelcolor": _INK,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.unicode_minus": False,
    "text.color": _INK,
    "text.parse_math": False,
    "xtick.color": _SOFT,
    "ytick.color": _SOFT,
    "xtick.labelcolor": _INK,
    "ytick.labelcolor": _INK,
    "xtick.labelsize": 11,
    "ytick.labelsize": 10.5,
    "axes.xmargin": 0.0,
    "path.simplify": True,
}


def traces(log: Log, start: float, end: float, name: str) -> str:
    """Draw the traces of a log from ``start`` to ``end``, one below the other; gaps and backward steps are marked."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    height, space, bottom = 42, 19, 36
    total = len(log.traces) * (height + space) + bottom + 2
    if not end > start:
        start, end = start - 0.5, end + 0.5
    with rc_context(_STYLE):
        figure = Figure(figsize=(_WIDTH / 72, total / 72))
        for place, trace in enumerate(log.traces):
            top = total - place * (height + space) - space
            axes = _axes(figure, top - height, height, total)
            _mark(axes, log, start, end)
            x, y = outline(log.times, trace.values, start, end, _PIXELS, log.timing.cadence.gap)
            y = np.clip(y, -_HUGE, _HUGE)
            few = np.count_nonzero(np.isfinite(y)) < 40
            axes.plot(x, y, color=_LINE, linewidth=0.9, marker="o" if few else "", markersize=2.2)
            _fit(axes, y)
            axes.set_xlim(start, end)
            axes.text(0, 1.06, f"@{place}@", transform=axes.transAxes, ha="left", va="bottom", parse_math=False)
            if place < len(log.traces) - 1:
                axes.tick_params(labelbottom=False)
        axes.set_xlabel("time (s)")
        svg = _svg(figure, name)
    names = [escape(_readable(trace.name)) for trace in log.traces]
    # In one pass: a name may look like what stands for another.
    return re.sub(r">@(\d+)@<", lambda found: f">{names[int(found[1])]}<", svg)


def intervals(timing: Timing, name: str) -> str:
    """Draw the histogram of the intervals between rows; gaps are marked."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    forward = np.maximum(timing.intervals[timing.intervals > 0], _SHORT)
    low, high = float(forward.min()), float(forward.max())
    period, gap = max(timing.cadence.period, _SHORT), timing.cadence.gap
    # Where a few intervals are far longer than the others, equal steps would show all others as one bar.
    is_wide = high > 20 * period
    if is_wide:
        edges = np.geomspace(low * 0.99, high * 1.01, 61)
    else:
        edges = np.linspace(max(low - 0.05 * period, 0), high + 0.05 * period, 61)
    counts, _ = np.histogram(forward, edges)
    is_gap = (edges[:-1] + edges[1:]) / 2 > gap
    total, bottom = 200, 40
    with rc_context(_STYLE):
        figure = Figure(figsize=(_WIDTH / 72, total / 72))
        axes = _axes(figure, bottom, total - bottom - 24, total)
        scale = 1e3
        for chosen, colour in ((~is_gap, _LINE), (is_gap, _WARN)):
            axes.bar(
                scale * edges[:-1][chosen], counts[chosen], scale * np.diff(edges)[chosen], align="edge", color=colour
            )
        axes.set_yscale("log")
        axes.set_ylim(0.6, 2 * counts.max())
        axes.yaxis.set_major_formatter(FuncFormatter(_number))
        axes.minorticks_off()
        if is_wide:
            axes.set_xscale("log")
            axes.minorticks_off()
        else:
            axes.xaxis.set_major_locator(MaxNLocator(6))
        axes.xaxis.set_major_formatter(FuncFormatter(_number))
        axes.set_xlim(scale * edges[0], scale * edges[-1])
        axes.axvline(scale * period, color=_INK, linewidth=0.8, linestyle=(0, (3, 2)))
        if edges[0] < gap < edges[-1]:
            axes.axvline(scale * gap, color=_WARN, linewidth=0.8, linestyle=(0, (3, 2)))
        axes.set_xlabel("interval (ms)")
        axes.text(0, 1.04, "intervals (count)", transform=axes.transAxes, ha="left", va="bottom")
        return _svg(figure, name)


def rate(log: Log, ends: Array, found: Array, name: str) -> str:
    """Draw the rate over time; gaps and backward steps are marked."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    total, bottom = 200, 40
    start, end = float(log.times[0]), float(log.times[-1])
    with rc_context(_STYLE):
        figure = Figure(figsize=(_WIDTH / 72, total / 72))
        axes = _axes(figure, bottom, total - bottom - 24, total)
        _mark(axes, log, start, end)
        axes.stairs(found, np.concatenate([[start], ends]), color=_LINE, linewidth=1.0, baseline=None)
        axes.axhline(log.timing.rate, color=_INK, linewidth=0.8, linestyle=(0, (3, 2)))
        axes.set_ylim(0, 1.15 * max(float(found.max()), log.timing.rate))
        axes.set_xlim(start, end)
        axes.yaxis.set_major_locator(MaxNLocator(5))
        axes.yaxis.set_major_formatter(FuncFormatter(_number))
        axes.xaxis.set_major_locator(MaxNLocator(6))
        axes.set_xlabel("time (s)")
        axes.text(0, 1.04, "rate (Hz)", transform=axes.transAxes, ha="left", va="bottom")
        return _svg(figure, name)


def _axes(figure: Figure, bottom: float, height: float, total: float) -> Any:
    """Add axes at a height, with room for numbers at the left."""
    return figure.add_axes(
        (_LEFT / _WIDTH, bottom / total, (_WIDTH - _LEFT - _RIGHT) / _WIDTH, height / total), facecolor="none"
    )


def _mark(axes: Any, log: Log, start: float, end: float) -> None:
    """Mark gaps, the longest if there are many, and rows whose time goes back."""
    timing = log.timing
    longest = timing.gaps[np.argsort(-timing.intervals[timing.gaps], kind="stable")[:_MARKS]]
    for gap in longest:
        left, right = log.row_times[gap], log.row_times[gap + 1]
        if right >= start and left <= end:
            axes.axvspan(left, right, color=_WARN, alpha=0.25, linewidth=0.8)
    for step in timing.steps_back[:_MARKS]:
        if start <= log.row_times[step + 1] <= end:
            axes.axvline(log.row_times[step + 1], color=_WARN, linewidth=0.8)


def _fit(axes: Any, values: Array) -> None:
    """Let an axis span the values drawn, with the least and the greatest beside it."""
    from matplotlib.ticker import FuncFormatter

    numbers = values[np.isfinite(values)]
    low, high = (float(numbers.min()), float(numbers.max())) if len(numbers) else (0.0, 1.0)
    room = 0.08 * (high / 2 - low / 2) * 2
    if room <= 1e-9 * max(abs(low), abs(high)):  # all the same, or as good as
        room = max(0.5, 0.1 * abs(high))
    if np.isfinite(low - room) and np.isfinite(high + room) and np.isfinite((high - low) + 2 * room):
        axes.set_ylim(low - room, high + room)
    axes.set_yticks(sorted({low, high}) if len(numbers) else [])
    axes.yaxis.set_major_formatter(FuncFormatter(_short))


def _number(value: float, _: int | None = None) -> str:
    return f"{value:.4g}"


def _short(value: float, _: int | None = None) -> str:
    return f"{value:.3g}"


def _readable(name: str) -> str:
    """Give a name that fits above a trace, without characters that are none."""
    name = "".join(letter if letter.isprintable() else "\ufffd" for letter in name)
    return name if len(name) <= 48 else f"{name[:47]}…"


def _svg(figure: Figure, name: str) -> str:
    """Give a figure as an svg element that is the same every time; ``name`` is unique in the page."""
    from matplotlib import rc_context
    from matplotlib.backends.backend_svg import FigureCanvasSVG

    FigureCanvasSVG(figure)
    text = io.StringIO()
    with rc_context({"svg.hashsalt": name}):
        figure.savefig(text, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    svg = text.getvalue()
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"\s*<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r'<g id="[^"]*">', "<g>", svg)
    svg = re.sub(r' d="[^"]*"', lambda path: re.sub(r"(\.\d\d)\d+", r"\1", path[0]), svg)
    svg = re.sub(r'(<svg [^>]*?) width="[^"]*"', r"\1", svg, count=1)
    svg = re.sub(r'(<svg [^>]*?) height="[^"]*"', r"\1", svg, count=1)
    for colour, value in _NAMES.items():
        svg = svg.replace(colour, value)
    return svg.strip()


def all_names(names: Sequence[str]) -> str:
    """List the names of traces for who cannot see them."""
    return ", ".join(map(_readable, names))
