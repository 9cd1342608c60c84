"""What is odd in a session, in plain sentences.

Belongs here: which findings are worth a sentence, and the sentence. May not be here: how they are found, HTML.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from .logs import Log, Recorded

__all__ = ["Odd", "odd_in", "seconds"]

_LONG = 1e5  # seconds, more than a day, that nobody waits for the next row
_NAMED = 8  # of columns or moments, at most


class Odd(NamedTuple):
    """Something odd: whether rows or times are at stake, and a sentence."""

    is_grave: bool
    text: str


def odd_in(log: Log, recorded: Recorded) -> list[Odd]:
    """Say what is odd in a log, what is grave first."""
    if log.error is not None:
        return [Odd(True, f"The log cannot be read: {log.error}.")]
    found = [*_recorded(log, recorded)]
    if not log.rows:
        found.append(Odd(True, "The log has no rows."))
    if log.no_times is not None:
        found.append(Odd(True, f"The log has {log.no_times}: nothing can be said of its times."))
    else:
        found += [*_times(log)]
    found += [*_columns(log)]
    return sorted(found, key=lambda odd: not odd.is_grave)


def _recorded(log: Log, recorded: Recorded) -> Iterable[Odd]:
    """Say where the log is other than its metadata have it."""
    if recorded.error is not None:
        yield Odd(True, f"The metadata say that the log could not be saved: {recorded.error}.")
    if recorded.rows is not None and recorded.rows != log.rows:
        yield Odd(True, f"The metadata say {_count(recorded.rows, 'row')}, the log has {log.rows}.")
    health = recorded.health or {}
    missed = health.get("missed")
    if isinstance(missed, int) and missed > 0:
        yield Odd(True, f"{_count(missed, 'row')} {_were(missed)} missed while the log was recorded, by its metadata.")


def _times(log: Log) -> Iterable[Odd]:
    """Say what is odd in the times."""
    timing = log.timing
    if timing.untimed:
        yield Odd(True, f"{_count(timing.untimed, 'row')} of {timing.rows} have no finite time and are left out below.")
    if timing.cadence.period > _LONG:
        pace = timing.cadence.period
        yield Odd(True, f"Rows are {seconds(pace)} apart: their times are hardly of seconds, perhaps of nanoseconds.")
    if log.skips:
        total = sum(missing for _, missing in log.skips)
        where = _moments([moment for moment, _ in log.skips], [missing for _, missing in log.skips])
        yield Odd(True, f"{_count(total, 'frame')} {_were(total)} dropped, by the column “{log.counter}”: {where}.")
    if log.dropped:
        share = 100 * log.dropped / (log.dropped + timing.rows)
        yield Odd(
            True,
            f"About {_count(log.dropped, 'frame')} ({share:.2g} %) {_were(log.dropped)} dropped: so many rows are "
            f"missing from a pace of {1 / timing.cadence.period:.4g} Hz, and were not made up for.",
        )
    if timing.backward:
        steps = -timing.intervals[timing.steps_back]
        where = _moments(log.row_times[timing.steps_back + 1].tolist(), steps)
        yield Odd(
            True,
            f"{_count(timing.backward, 'row')} {_have(timing.backward)} an earlier time than the row before, by up to "
            f"{seconds(float(steps.max()))}: {where}.",
        )
    if len(timing.gaps):
        lengths = timing.intervals[timing.gaps]
        where = _moments(log.row_times[timing.gaps].tolist(), lengths)
        one = len(timing.gaps) == 1
        yield Odd(
            False,
            f"{'One interval is' if one else f'{len(timing.gaps)} intervals are'} longer than "
            f"{seconds(timing.cadence.gap)}{'' if one else ', the longest ' + seconds(float(lengths.max()))}: {where}.",
        )
    if timing.repeats:
        yield Odd(False, f"{_count(timing.repeats, 'row')} {_have(timing.repeats)} the time of the row before.")


def _columns(log: Log) -> Iterable[Odd]:
    """Say what is odd in the columns."""
    empty = [column.name for column in log.columns if column.is_empty]
    if empty:
        yield Odd(False, f"{_columns_are(empty)} no value in any row: {_names(empty)}.")
    constant = [column for column in log.columns if column.is_constant]
    if constant:
        said = [f"{column.name} = {column.low!r}" if column.low is not None else column.name for column in constant]
        yield Odd(False, f"{_columns_are([*said])} one value throughout: {_names(said)}.")
    infinite = [column.name for column in log.columns if column.infinite]
    if infinite:
        yield Odd(False, f"{_columns_are(infinite)} infinite values: {_names(infinite)}.")
    holes = [
        f"{column.name} ({100 * column.missing / column.rows:.2g} %)"
        for column in log.columns
        if column.missing and not column.is_empty
    ]
    if holes:
        yield Odd(False, f"{_columns_are(holes)} rows without a value: {_names(holes)}.")


def seconds(value: float) -> str:
    """Spell a time span."""
    if not np.isfinite(value):
        return "-"
    size = abs(value)
    if size == 0 or size >= 1:
        return f"{value:.4g} s" if size < 10_000 else f"{value:.0f} s"
    return f"{1e3 * value:.3g} ms" if size >= 1e-3 else f"{1e6 * value:.3g} µs"


def _moments(moments: Sequence[float], sizes: Any) -> str:
    """Say when things were: all, or the greatest."""
    if len(moments) <= _NAMED:
        return f"at {', '.join(f'{moment:.3f}' for moment in moments)} s"
    greatest = np.sort(np.argsort(-np.asarray(sizes, np.float64), kind="stable")[:_NAMED])
    return f"the greatest at {', '.join(f'{moments[at]:.3f}' for at in greatest)} s"


def _names(names: Sequence[str]) -> str:
    """List names, not too many."""
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {more} more" if more > 0 else "")


def _columns_are(names: Sequence[str]) -> str:
    return f"{_count(len(names), 'column')} {_have(len(names))}"


def _count(number: int, thing: str) -> str:
    return f"{number} {thing}{'' if number == 1 else 's'}"


def _were(number: int) -> str:
    return "was" if number == 1 else "were"


def _have(number: int) -> str:
    return "has" if number == 1 else "have"
