"""What a command leaves: the folder it saves to, and the table of what it recorded.

Belongs here: checking the folder before anything runs, and describing logs after. May not be here: recording.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from ..accumulators import DataFrameAccumulator
from ..errors import SaveError
from .terminal import size

__all__ = ["Log", "folder_for", "table_of"]


class Log(NamedTuple):
    """A log that was recorded.

    Attributes
    ----------
    name
        What it is called in the table.
    accumulator
        Its rows.
    sent
        How many rows there should be; None: nobody can say.
    file
        Where they are saved.
    """

    name: str
    accumulator: DataFrameAccumulator
    sent: int | None
    file: Path

    @property
    def rows(self) -> int:
        """Rows that were recorded."""
        return sum(map(len, self.accumulator.segments))

    @property
    def missed(self) -> int | None:
        """Rows that should be there and are not; None: nobody can say."""
        return None if self.sent is None else self.sent - self.rows


def folder_for(command: str, out: Path | None) -> Path:
    """Give the folder that a command saves to, which can be written to, or be made: it is not made here.

    Parameters
    ----------
    command
        Names the folder where none is asked for: ``ringacc_<command>_<date>_<time>`` in the current one.
    out
        The folder that is asked for; it need not be there yet.

    Returns
    -------
    pathlib.Path
        The folder.

    Raises
    ------
    SaveError
        No file can be made in it, or, where it is not there yet, in the folder that it would lie in.

    Notes
    -----
    Complexity: O(1).
    Allocates: nothing.
    Valid: a plain value.
    Threads: any.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from ringacc.cli.recording import folder_for
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     folder_for("demo", Path(folder) / "a" / "b").name
    'b'
    """
    if out is None:
        stamp = datetime.now().strftime("%Y%m%d_%H%M%S")
        out = Path(f"ringacc_{command}_{stamp}")
        attempt = 1
        while out.exists():
            attempt += 1
            out = Path(f"ringacc_{command}_{stamp}_{attempt}")
    try:
        there = next(folder for folder in (out, *out.absolute().parents) if folder.exists())
        with tempfile.TemporaryFile(dir=there):
            return out
    except OSError as error:
        raise SaveError(
            f"{out}: expected a folder that can be written to, found {error.strerror or error}: "
            "choose another with --out"
        ) from error


def table_of(logs: Sequence[Log]) -> list[list[str]]:
    """Describe what was recorded: a head, then rows, seconds, rate, largest gap, rows missed and file size.

    Parameters
    ----------
    logs
        What was recorded, a row or more; a column of the table each.

    Returns
    -------
    list of list of str
        The cells, row by row; each row begins with its label.

    Notes
    -----
    Complexity: O(rows recorded).
    Allocates: the times of each log, one after the other.
    Valid: plain values.
    Threads: one.

    Examples
    --------
    >>> import tempfile
    >>> from collections import namedtuple
    >>> from pathlib import Path
    >>> from ringacc import EstimatorLog
    >>> from ringacc.cli.recording import Log, table_of
    >>> estimates = EstimatorLog()
    >>> estimates.update_list(0.1, namedtuple("Estimate", "vigour")(0.5))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     name = estimates.save(folder + "/estimator_log")
    ...     table_of([Log("estimator", estimates, 1, Path(folder, name))])[1]
    ['rows', '1']
    """
    columns = [["", "rows", "seconds", "rate", "largest gap", "rows missed", "file size"]]
    columns += [_description(log) for log in logs]
    return [list(row) for row in zip(*columns, strict=True)]


def _description(log: Log) -> list[str]:
    """Describe one log."""
    times = log.accumulator.times
    seconds = float(times[-1] - times[0])
    rate = (log.rows - 1) / seconds if seconds > 0 else 0.0
    return [
        log.name,
        str(log.rows),
        f"{seconds:.3f}",
        f"{rate:.1f} Hz",
        f"{1000 * log.accumulator.health().largest_gap:.1f} ms",
        "unknown" if log.missed is None else str(log.missed),
        size(log.file.stat().st_size),
    ]
