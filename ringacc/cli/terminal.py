"""What the commands show: a display redrawn in place, or lines where there is no terminal to redraw.

Belongs here: how values become characters. May not be here: where the values come from, or when a command is over.
"""

from __future__ import annotations

import contextlib
import math
import os
import sys
import time
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, NamedTuple, Self

import numpy as np
from rich.cells import cell_len, set_cell_size
from rich.console import Console, Group
from rich.live import Live
from rich.padding import Padding
from rich.progress_bar import ProgressBar
from rich.text import Text

__all__ = ["Display", "Trace", "count", "one_line", "print_table", "size", "sparkline", "spelled", "stop_showing"]

Array = np.ndarray[Any, Any]
#: Seconds that a trace reaches back, where nothing else is said.
TRACE_SECONDS = 2.0

_REDRAW_SECONDS = 0.1
_LINE_SECONDS = 1.0
_TRACES_IN_A_LINE = 2
_MOST_CELLS = 120
_VALUE_CELLS = 9
# A trace that is shorter shows nothing: what is beside it goes first.
_LEAST_CELLS = 8

_BLOCKS = "▁▂▃▄▅▆▇█"
_ASCII = "_.-=+*%#"


class Trace(NamedTuple):
    """What is shown of a column in one line.

    Attributes
    ----------
    name
        What it is called.
    times, values
        Shape (n,), oldest first; seconds and numbers. Of no values: it has no course.
    last
        Its last value in words; None: the last of ``values``.
    limits
        The least and the greatest value that are drawn; None: those that the display has ever been given.
    beside
        What is said between the last value and the course, where there is room for it.
    """

    name: str
    times: Array
    values: Array
    last: str | None = None
    limits: tuple[float, float] | None = None
    beside: str = ""


class Display:
    """What a running command shows, redrawn in place; where there is no terminal, a line a second.

    Parameters
    ----------
    title
        What is running.
    console
        Where to show it; None: standard output.
    seconds
        How far its traces reach back.
    whole
        Whether it takes the whole terminal, as long as it is shown: it then fits itself to one that changes its size.

    Attributes
    ----------
    in_place
        Whether what is shown is redrawn.

    Notes
    -----
    Complexity: O(rows in the traces) each time it shows.
    Allocates: its text.
    Valid: while entered.
    Threads: one.

    Examples
    --------
    >>> from ringacc.cli.terminal import Display
    >>> with Display("ringacc demo") as display:
    ...     display.show({"rows": "12", "rate": "500 Hz"}, 0.5)
    rows 12   rate 500 Hz
    """

    def __init__(
        self, title: str, console: Console | None = None, seconds: float = TRACE_SECONDS, whole: bool = False
    ) -> None:
        self.console = Console(highlight=False) if console is None else console
        self._title = title
        self.in_place = self.console.file.isatty() and not self.console.is_dumb_terminal
        self._seconds = seconds
        self._whole = whole
        self._live = self._drawn_on(self.console) if self.in_place else None
        self._every = _REDRAW_SECONDS if self.in_place else _LINE_SECONDS
        self._next = -math.inf
        # The least and the greatest value of each trace so far: a calm trace is to look calm.
        self._ranges: dict[str, tuple[float, float]] = {}
        self._last: tuple[Mapping[str, str | Text], float | None, Sequence[Trace]] | None = None

    def _drawn_on(self, console: Console) -> Live:
        """Make what redraws."""
        return Live(console=console, auto_refresh=False, vertical_overflow="crop", screen=self._whole)

    def __enter__(self) -> Self:
        """Begin to draw."""
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave what was drawn last, with the cursor below it."""
        if self._live is None:
            return
        self._live.stop()
        if self._whole and self._last is not None:  # the terminal shows again what it did before
            self.console.print(self._drawing(*self._last, spare=1))

    @property
    def is_shown(self) -> bool:
        """Whether something is redrawn just now."""
        return self._live is not None and self._live.is_started

    def is_due(self) -> bool:
        """Say whether it is time to show something again; asked often, it is true at an even pace."""
        now = time.monotonic()
        if now < self._next:
            return False
        self._next += self._every
        if self._next <= now:  # the first time, or after a stall, which is not made up for
            self._next = now + self._every
        return True

    def say(self, text: str) -> None:
        """Write a line that stays, above what is redrawn."""
        self.console.print(text, markup=False, highlight=False, soft_wrap=not self.is_shown)

    def show(self, status: Mapping[str, str | Text], done: float | None, traces: Sequence[Trace] = ()) -> None:
        """Show how the command stands.

        Parameters
        ----------
        status
            Labels and what they stand at; a label of no more than spaces is left out, and so is what says nothing.
        done
            How much of the work is done, 0 to 1; None: nobody knows.
        traces
            What is drawn, the most important first; lines without a terminal have the last values of the first two, or
            of all where the display takes a whole terminal.
        """
        if self._live is None:
            told = traces if self._whole else traces[:_TRACES_IN_A_LINE]
            items = [*status.items(), *((trace.name, _last_of(trace)) for trace in told)]
            self.say("   ".join(f"{label} {text}".strip() for label, text in items if text))
        else:
            self._last = status, done, traces
            self._live.update(self._drawing(status, done, traces, spare=0 if self._whole else 1), refresh=True)

    def _drawing(
        self, status: Mapping[str, str | Text], done: float | None, traces: Sequence[Trace], spare: int
    ) -> Group:
        """Draw title, status, progress and as many traces as the terminal is high, but for some lines to spare."""
        width, height = self.console.size
        head = self._head(status, width)
        if traces:
            # Even the smallest terminal shows something of both.
            head = head[: max(height // 2, 1)]
        bar = (
            [] if done is None else [Padding(ProgressBar(total=1.0, completed=min(done, 1.0), width=min(width, 80)), 0)]
        )
        room = max(0, height - len(head) - len(bar) - spare)
        shown = traces if len(traces) <= room else traces[: max(room - 1, 0)]
        lines = self._trace_lines(shown, width)
        if len(shown) < len(traces) and len(shown) < room:
            lines.append(_fitted(f"and {len(traces) - len(shown)} more", "dim"))
        return Group(*head, *bar, *lines)

    def _head(self, status: Mapping[str, str | Text], width: int) -> list[Text]:
        """Write title and status in as many lines as they need, a label and its value in one."""
        lines = [_fitted(self._title, "bold")]
        for label, text in status.items():
            if not text:
                continue
            item = Text.assemble((f"{label} ".lstrip(), "dim"), text, no_wrap=True, overflow="ellipsis")
            if lines[-1].cell_len + 3 + item.cell_len > width:
                lines.append(item)
            else:
                lines[-1].append("   ").append_text(item)
        return lines

    def _trace_lines(self, traces: Sequence[Trace], width: int) -> list[Text]:
        """Draw a line a trace: its name, its last value, what is beside that, its course."""
        lasts = [_last_of(trace) for trace in traces]
        longest = max((cell_len(trace.name) for trace in traces), default=0)
        names = min(longest, width // 3)
        values = max(
            [_VALUE_CELLS, *(cell_len(last) for last, trace in zip(lasts, traces, strict=True) if len(trace.times))]
        )
        beside = max((cell_len(trace.beside) + 2 for trace in traces if trace.beside), default=0)
        if width - names - values - beside - 3 < _LEAST_CELLS:
            beside = 0
        if width - names - values - 3 < _LEAST_CELLS:
            names = max(min(longest, width - values - 2), 1)
        cells = min(width - names - values - beside - 3, _MOST_CELLS)
        now = max((trace.times[-1] for trace in traces if len(trace.times)), default=0.0)
        levels = _ASCII if self.console.options.ascii_only else _BLOCKS
        lines = []
        for trace, last in zip(traces, lasts, strict=True):
            line = Text(no_wrap=True, overflow="ellipsis")
            line.append(set_cell_size(trace.name, names) + " ", "dim")
            line.append(" " * (values - cell_len(last)) + last + "  ")
            if beside and len(trace.times):
                line.append(set_cell_size(trace.beside, beside), "dim")
            if cells > 0 and len(trace.times):
                limits = trace.limits or self._range(trace.name, trace.values)
                line.append(sparkline(trace.times, trace.values, now, cells, *limits, levels, self._seconds), "cyan")
            lines.append(line)
        return lines

    def _range(self, name: str, column: Array) -> tuple[float, float]:
        """Give the least and the greatest value of a trace so far."""
        low, high = self._ranges.get(name, (math.inf, -math.inf))
        numbers = column[np.isfinite(column)]
        if len(numbers):
            low, high = min(low, float(numbers.min())), max(high, float(numbers.max()))
            self._ranges[name] = low, high
        return low, high


def sparkline(
    times: Array, values: Array, now: float, cells: int, low: float, high: float,
    levels: str = _BLOCKS, seconds: float = TRACE_SECONDS,
) -> str:  # fmt: skip
    """Draw the values of the last seconds before ``now`` in one line of text.

    Parameters
    ----------
    times, values
        Shape (n,), oldest first; seconds and numbers.
    now
        The time at the right end.
    cells
        Characters to draw; each shows the value of its stretch that is farthest from the middle of the range.
    low, high
        The range: values for the first and the last of ``levels``.
    levels
        Characters from low to high.
    seconds
        How far it reaches back.

    Returns
    -------
    str
        ``cells`` characters; a space where there is no value, or only NaN.

    Notes
    -----
    Complexity: O(n + cells).
    Allocates: arrays of n.
    Valid: a plain value.
    Threads: any.

    Examples
    --------
    >>> import numpy as np
    >>> from ringacc.cli.terminal import sparkline
    >>> sparkline(np.array([0.4, 0.9, 1.4, 1.9]), np.array([0.0, 1.0, 3.0, 7.0]), 1.9, 4, 0.0, 7.0)
    '▁▂▄█'
    """
    stretch = seconds / cells
    # Stretches begin at whole multiples, so that a drawn trace moves along and does not flicker.
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):  # of times so great that they are in no stretch
        places = np.floor(times / stretch) - np.floor(np.float64(now) / stretch) + cells - 1
    drawn = np.isfinite(values) & (places >= 0) & (places < cells)
    places, numbers = places[drawn].astype(np.int64), values[drawn].astype(np.float64)
    middle = 0.5 * low + 0.5 * high
    farthest = np.argsort(np.abs(numbers - middle), kind="stable")
    chosen = np.full(cells, np.nan)
    chosen[places[farthest]] = numbers[farthest]  # of those in one place, the last stays
    # By halves: the range itself may be too large for a float.
    span = 0.5 * high - 0.5 * low
    shares = (0.5 * chosen - 0.5 * low) / span if span > 0 else np.where(np.isnan(chosen), np.nan, 0.5)
    return "".join(
        " " if share != share else levels[min(int(share * len(levels)), len(levels) - 1)] for share in shares.tolist()
    )


def print_table(console: Console, rows: Sequence[Sequence[str]]) -> None:
    """Print rows of cells in columns: the first to the left, the others to the right.

    Parameters
    ----------
    console
        Where to.
    rows
        Of as many cells each; the first row is the head.

    Notes
    -----
    Complexity: O(cells).
    Allocates: the text.
    Valid: nothing is given.
    Threads: one.

    Examples
    --------
    >>> import sys
    >>> from rich.console import Console
    >>> from ringacc.cli.terminal import print_table
    >>> print_table(Console(file=sys.stdout), [["", "behavior"], ["rows", "5000"]])
          behavior
    rows      5000
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
        console.print("  ".join(cells).rstrip(), markup=False, highlight=False, soft_wrap=True)


def stop_showing() -> None:
    """Let standard output go nowhere from here on, where it cannot be written.

    Or what waits to be written there would be an error at the end of the process.
    """
    with contextlib.suppress(OSError, ValueError):  # it may be closed, or no file
        nowhere = os.open(os.devnull, os.O_WRONLY)
        try:
            os.dup2(nowhere, sys.stdout.fileno())
        finally:
            os.close(nowhere)


def one_line(text: str) -> str:
    """Give text that a terminal shows as it is: without characters that move its cursor."""
    return text if text.isprintable() else "".join(char if char.isprintable() else "\N{MIDDLE DOT}" for char in text)


def _fitted(text: str, style: str) -> Text:
    """Give a line that is cut where the terminal ends."""
    line = Text(no_wrap=True, overflow="ellipsis")
    return line.append(text, style)


def _last_of(trace: Trace) -> str:
    """Spell the last value of a trace."""
    if trace.last is not None:
        return trace.last
    return spelled(trace.values[-1]) if len(trace.values) else ""


def spelled(number: Any) -> str:
    """Spell a number in at most nine characters."""
    value = float(number)
    if value == int(value) if math.isfinite(value) else False:
        return f"{value:.0f}" if abs(value) < 1e8 else f"{value:.2e}"
    return f"{value:+.3f}" if 1e-3 <= abs(value) < 1e4 else f"{value:+.1e}"


def size(number: float) -> str:
    """Spell a number of bytes."""
    if number < 1000:
        return f"{number:.0f} B"
    for unit in ("kB", "MB"):
        number /= 1000
        if number < 1000:
            return f"{number:.1f} {unit}"
    return f"{number / 1000:.1f} GB"


def count(number: int, thing: str) -> str:
    """Spell a number of things: "1 row", "2 rows"."""
    return f"{number} {thing}{'' if number == 1 else 's'}"
