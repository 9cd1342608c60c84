"""``ringacc recover``: what a crash has left, saved.

Belongs here: where the logs go, and what is said of them. May not be here: putting them together
(``ringacc.recorder``).
"""

from __future__ import annotations

from pathlib import Path

from ..errors import SaveError
from ..recorder import Log, Recovered, logs_in, recover
from .interrupt import Interrupt
from .rings import located
from .terminal import Display, count

__all__ = ["Recover"]


class Recover:
    """A run of ``ringacc recover``, with everything checked that can be checked before.

    Parameters
    ----------
    source
        A ring file, the folder of a stream or a recording, or a folder with some of these.
    out
        The log to save to; a folder where there are several; None: ``<name>_recovered.feather`` in the current folder.

    Notes
    -----
    Complexity: O(rows).
    Allocates: a few blocks of rows.
    Valid: for one run.
    Threads: the main thread.
    """

    def __init__(self, source: Path, out: Path | None) -> None:
        self._logs = logs_in(source if source.is_dir() else located(source))
        if out is None or len(self._logs) > 1 or out.is_dir():
            folder = Path() if out is None else out
            self._outs = [folder / f"{log.name}_recovered.feather" for log in self._logs]
            if len(set(self._outs)) < len(self._outs):
                self._outs = [folder / f"{log.name}_recovered_{place}.feather" for place, log in enumerate(self._logs)]
        else:
            self._outs = [out]
        for path in self._outs:
            if path.exists():
                raise SaveError(f"{path}: expected no file there yet, found one: choose another, or move it away")

    def run(self, interrupt: Interrupt) -> int:
        """Save all logs that were found, and give the exit code: 1 where rows are known to be missing."""
        display = Display("ringacc recover")
        missed = 0
        for log, out in zip(self._logs, self._outs, strict=True):
            if interrupt:
                return interrupt.exit_code
            out.parent.mkdir(parents=True, exist_ok=True)
            with display:
                found = recover(log, out, lambda rows: self._progress(display, rows))
            missed += found.missed
            display.say(_verdict(log, found))
        return int(missed > 0)

    def _progress(self, display: Display, rows: int) -> None:
        if display.is_due():
            display.show({"rows": str(rows)}, 0.0)


def _verdict(log: Log, found: Recovered) -> str:
    """Say what became of a log."""
    where = " and ".join(str(path) for path in (log.recording, log.rings) if path is not None)
    said = [f"{where}: {count(found.rows, 'row')}"]
    if found.out is not None:
        said.append(f"saved as {found.out}")
    if found.objects is not None:
        said.append(f"rows that are no numbers saved as {found.objects}")
    if found.t0 is not None:
        said.append(f"times are seconds since {found.t0.isoformat()}")
    said.append(f"{count(found.missed, 'row')} missing" if found.missed else "none missing")
    return ", ".join(said)
