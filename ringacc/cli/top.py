"""``ringacc top``: a ring watched in the terminal.

Belongs here: what is said of a ring and its columns, and in which words. May not be here: how it stands with the ring
(``ringacc.watching``), how lines and traces are drawn (``terminal``).
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
from rich.text import Text

from ..errors import UnknownColumnError
from ..watching import Facts, Phase, Watch, is_drawable
from .interrupt import Interrupt
from .terminal import Display, Trace, one_line, spelled

__all__ = ["Top"]

_NAP = 0.02
# Bins over the window: more than a line has characters, so that each has several.
_POINTS = 500
_MOST_TEXT = 40
_NOTHING = np.zeros(0)
_COLOURS = {Phase.WAITING: "yellow", Phase.LIVE: "green", Phase.ENDED: "yellow", Phase.GONE: "red"}


class Top:
    """A run of ``ringacc top``, with everything checked that can be checked before.

    Parameters
    ----------
    ring
        A ring file, the folder of a stream, or the name of one in the folder for rings; it need not be there yet.
    columns
        The columns to show; None: all.
    seconds
        How far the traces reach back.

    Raises
    ------
    UnknownColumnError
        The ring is there, and has no column of such a name.
    RingFormatError
        The file is no ring.

    Notes
    -----
    Complexity: O(new rows + columns shown) each time it shows.
    Allocates: what is shown.
    Valid: for one run.
    Threads: the main thread.
    """

    def __init__(self, ring: str, columns: Sequence[str] | None, seconds: float) -> None:
        self._watch = Watch(ring)
        self._asked = columns
        self._seconds = seconds
        unknown = self._unknown()
        if unknown and self._watch.ring is not None:
            there = ", ".join(map(repr, self._watch.all_columns))
            raise UnknownColumnError(f"expected columns among {there}, found {_listed(unknown)}: name those to show")
        self._display = Display(f"ringacc top {one_line(self._watch.name)}", seconds=seconds, whole=True)

    def run(self, interrupt: Interrupt) -> int:
        """Show how it stands until an interrupt comes, and give the exit code."""
        with self._display as display:
            while not interrupt:
                if display.is_due():
                    facts = self._watch.look()
                    display.show(self._status(facts), None, self._traces(facts))
                time.sleep(_NAP)
        return interrupt.exit_code

    def _status(self, facts: Facts) -> dict[str, str | Text]:
        """Say how it stands with the ring, the most important first."""
        status: dict[str, str | Text] = {"": Text(facts.phase.value, _COLOURS[facts.phase])}
        if self._watch.ring is not None:
            status["rate"] = "-" if facts.rows < 2 else f"{facts.rate:.1f} Hz"
            status["newest"] = "-" if math.isnan(facts.age) else f"{_duration(facts.age)} ago"
            status["rows"] = str(facts.rows) if facts.rows == facts.written else f"{facts.rows} of {facts.written}"
            status["missed"] = str(facts.missed)
            unknown = self._unknown()
            if unknown:
                status["no column"] = _listed(unknown)
        status[" "] = one_line(facts.text)
        return status

    def _traces(self, facts: Facts) -> list[Trace]:
        """Give what is shown of each column."""
        ring = self._watch.ring
        if ring is None:
            return []
        bins = self._watch.envelope(self._seconds, _POINTS)
        there = self._watch.all_columns
        shown = there if self._asked is None else [name for name in self._asked if name in there]
        units = self._watch.units
        return [_trace(name, ring.dtype[name], units.get(name, ""), bins, facts.last) for name in shown]

    def _unknown(self) -> list[str]:
        """Give which of the columns that were asked for are not there."""
        return [name for name in self._asked or () if name not in self._watch.all_columns]


def _trace(name: str, dtype: np.dtype[Any], unit: str, bins: Any, last: np.void | None) -> Trace:
    """Give what is shown of a column."""
    label, unit = one_line(name), f" {one_line(unit)}" if unit else ""
    if not is_drawable(dtype):
        return Trace(label, _NOTHING, _NOTHING, "-" if last is None else _words(last[name]))
    value = "-" if last is None else _number(last[name]) + unit
    if bins is None or not len(bins):
        return Trace(label, _NOTHING, _NOTHING, value)
    column = bins[name].astype(np.float64)
    finite = column[np.isfinite(column)]
    if not len(finite):
        return Trace(label, _NOTHING, _NOTHING, value)
    low, high = float(finite.min()), float(finite.max())
    # Both of a bin stand at its beginning: one more bin is not to move those that are there.
    times = np.repeat(bins["t"][:, 0], 2)
    beside = f"{_number(low)} .. {_number(high)}"
    return Trace(label, times, column.reshape(-1), value, (low, high), beside)


def _number(value: Any) -> str:
    """Spell a number or a truth value."""
    if isinstance(value, np.bool_):
        return "yes" if value else "no"
    return spelled(value)


def _words(value: Any) -> str:
    """Spell what is no number, as far as it fits in a line."""
    text = value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else str(value)
    text = one_line(" ".join(text.split()))
    return text if len(text) <= _MOST_TEXT else text[: _MOST_TEXT - 1] + "\N{HORIZONTAL ELLIPSIS}"


def _listed(names: Sequence[str]) -> str:
    return ", ".join(repr(name) for name in names)


def _duration(seconds: float) -> str:
    """Spell some time."""
    if seconds < 1:
        return f"{1000 * seconds:.0f} ms"
    if seconds < 100:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.0f} h"
