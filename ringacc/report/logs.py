"""A saved log and the metadata of a session, read and looked at.

Belongs here: from files to findings. May not be here: sentences, drawing.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ..errors import RingaccError
from ..tables import load
from . import findings
from .findings import Array, Column, Timing
from .folder import short_name

__all__ = ["DRAWN", "Log", "Recorded", "Trace", "read_log", "read_metadata", "recorded_in"]

#: Columns that are drawn, at most.
DRAWN = 8


class Trace(NamedTuple):
    """A column that is drawn: its values in the order of the log's sorted times."""

    name: str
    values: Array


class Log(NamedTuple):
    """What was found in a log.

    Attributes
    ----------
    name, file
        In its session, and as a file.
    size
        Bytes of the file.
    error
        Why it could not be read; None: it was.
    no_times
        Why nothing is said of its times; None: ``timing`` is.
    rows
        How many.
    columns
        All but the times.
    timing
        What its times say.
    times
        Finite and sorted.
    traces
        What is drawn.
    counter
        The name of the column that counts frames, if there is one.
    skips
        Where that column leaves numbers out: the time of the row after, and how many; in the order of the rows.
    dropped
        Rows estimated to be missing, where no column counts.
    active
        The start and the end of the most active second.
    """

    name: str
    file: str
    size: int
    error: str | None = None
    no_times: str | None = None
    rows: int = 0
    columns: tuple[Column, ...] = ()
    timing: Timing = findings.timing(np.empty(0))
    times: Array = np.empty(0)
    row_times: Array = np.empty(0)
    traces: tuple[Trace, ...] = ()
    counter: str | None = None
    skips: tuple[tuple[float, int], ...] = ()
    dropped: int = 0
    active: tuple[float, float] = (0.0, 0.0)


class Recorded(NamedTuple):
    """What the metadata say of a log; None: nothing."""

    file: str | None = None
    rows: int | None = None
    rate: float | None = None
    health: dict[str, Any] | None = None
    error: str | None = None


def read_log(path: Path, session_id: str) -> Log:
    """Read a log and find out what is in it; one that cannot be read says why."""
    name = short_name(path.name, session_id)
    try:
        size = path.stat().st_size
        frame = load(path)
        if not all(isinstance(column, str) for column in frame.columns):
            frame.columns = [str(column) for column in frame.columns]
        arrays = {column: frame[column].to_numpy() for column in frame.columns}
    except (RingaccError, OSError) as error:
        return Log(name, path.name, 0, error=_without_name(str(error), path))
    times = arrays.pop("t", None)
    columns = tuple(findings.describe(column, values) for column, values in arrays.items())
    log = Log(name, path.name, size, rows=len(frame), columns=columns)
    if times is None:
        return log._replace(no_times='no column "t" with the times of the rows')
    if times.dtype.kind not in "iuf":
        return log._replace(no_times=f'a column "t" of {findings.describe("t", times).dtype}, not of seconds')
    times = times.astype(np.float64)
    wrong = findings.not_seconds(times)
    if wrong is not None:
        return log._replace(no_times=f'a column "t" that is hardly of seconds ({wrong})')
    return _timed(log, times, arrays)


def _timed(log: Log, times: Array, arrays: dict[str, Array]) -> Log:
    """Add what there is to say of rows that have times."""
    known = np.isfinite(times)
    if not known.all():
        arrays = {name: values[known] for name, values in arrays.items()}
    timing, row_times = findings.timing(times), times[known]
    counter = next((name for name, values in arrays.items() if findings.is_counter(name, values)), None)
    skips: tuple[tuple[float, int], ...] = ()
    if counter is not None:
        missing = findings.skipped(arrays[counter])
        skips = tuple((float(row_times[at + 1]), int(missing[at])) for at in np.flatnonzero(missing))
    order = np.argsort(row_times, kind="stable") if timing.backward else None
    in_order = row_times if order is None else row_times[order]
    # What does not change is not worth the room, unless there is nothing else.
    numbers = [column for column in log.columns if column.is_number and not column.is_empty and column.name != counter]
    drawn = [column for column in numbers if not column.is_constant] or numbers
    traces = tuple(
        Trace(column.name, arrays[column.name] if order is None else arrays[column.name][order])
        for column in drawn[:DRAWN]
    )
    return log._replace(
        timing=timing,
        times=in_order,
        row_times=row_times,
        traces=traces,
        counter=counter,
        skips=skips,
        dropped=0 if counter is not None else findings.dropped(in_order, timing.cadence),
        active=findings.most_active(in_order, [_plain(trace.values) for trace in traces]) if len(in_order) else (0, 0),
    )


def _plain(values: Array) -> Array:
    """Give values as float64, NaN for what is not finite."""
    plain = values.astype(np.float64)
    plain[~np.isfinite(plain)] = np.nan
    return plain


def read_metadata(path: Path) -> tuple[Any, str | None]:
    """Read a file of metadata; give what is in it, or None and why it cannot be read."""
    try:
        return json.loads(path.read_text(encoding="utf-8")), None
    except (OSError, ValueError, RecursionError) as error:
        return None, f"{type(error).__name__}: {_without_name(str(error), path)}"


def recorded_in(metadata: Any, name: str) -> Recorded:
    """Find what a Session has written of a log of that name into the metadata."""
    if not isinstance(metadata, dict):
        return Recorded()
    for category in metadata.values():
        if not isinstance(category, dict) or (f"{name}_rows" not in category and f"{name}_error" not in category):
            continue
        file, rows, rate, health, error = (
            category.get(f"{name}{end}") for end in ("", "_rows", "_rate", "_health", "_error")
        )
        return Recorded(
            file if isinstance(file, str) else None,
            rows if isinstance(rows, int) else None,
            # JSON has integers that no float holds.
            rate if isinstance(rate, int | float) and abs(rate) < 1e300 else None,
            health if isinstance(health, dict) else None,
            error if isinstance(error, str) else None,
        )
    return Recorded()


def _without_name(text: str, path: Path) -> str:
    """Leave out where a session lies, as a report says the same wherever that is, and the name, which stands before."""
    text = " ".join(text.replace(str(path), path.name).split())
    return text.removeprefix(f"{path.name}: ").removesuffix(f": {path.name!r}")
