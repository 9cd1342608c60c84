"""``ringacc recover``: what a crash has left, saved.

Belongs here: where the logs go, and what is said of them. May not be here: putting them together
(``ringacc.recorder``).
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from .. import tables
from ..errors import LogFileError, MissingFileError, RingaccError, RingBusyError, SaveError
from ..places import located
from ..recorder import Log, Recovered, logs_in, recover
from .interrupt import Interrupt
from .terminal import Display, count

__all__ = ["Recover"]

_LOGS = {f".{format}" for format in (*tables.FORMATS, "h5")}
_PATIENCE = 1.0  # seconds after which one wants to see that it goes on


class _Interrupted(Exception):
    """Ctrl-C came while a log was written."""


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

    def __init__(self, source: str, out: Path | None) -> None:
        logs = _logs(source)
        self._alive = [log for log in logs if log.is_alive()]
        self._logs = [log for log in logs if log not in self._alive]
        if not self._logs:
            raise RingBusyError(_refusal(self._alive[0]))
        self._outs = _outs(self._logs, out, is_folder=len(logs) > 1)
        for path in self._outs:
            tables.format_of(path)
            if path.exists():
                raise SaveError(f"{path}: expected no file there yet, found one: choose another, or move it away")

    def run(self, interrupt: Interrupt) -> int:
        """Save all logs that were found, and give the exit code: 1 where rows are known to be missing.

        One that cannot be saved does not keep the others from being saved.
        """
        for log in self._alive:
            _complain(_refusal(log))
        code = int(bool(self._alive))
        for log, out in zip(self._logs, self._outs, strict=True):
            if interrupt:
                break
            try:
                found = self._recover(log, out, interrupt)
            except _Interrupted:
                _complain(f"{out}: not saved, because of an interrupt: what it was to be made from is still there")
            except (RingaccError, OSError) as error:
                if len(self._logs) == 1:
                    raise
                _complain(f"{log.name}: {' '.join(str(error).split())}")
                code = 1
            else:
                print(_verdict(log, found), flush=True)
                code = max(code, int(found.missed > 0))
        return interrupt.exit_code if interrupt else code

    def _recover(self, log: Log, out: Path, interrupt: Interrupt) -> Recovered:
        """Save a log; where that takes long, show how far it is."""
        out.parent.mkdir(parents=True, exist_ok=True)
        display = Display(f"ringacc recover {log.name}")
        began = time.monotonic()
        with ExitStack() as shown:

            def progress(rows: int) -> None:
                if interrupt:
                    raise _Interrupted
                if time.monotonic() - began > _PATIENCE and display.is_due():
                    if display.in_place and not display.is_shown:
                        shown.enter_context(display)
                    display.show({"rows": str(rows)}, None)

            return recover(log, out, progress)


def _logs(source: str) -> list[Log]:
    """Give the logs that are meant: by their ring, their recording, the name of what was recorded to, or a folder."""
    path = Path(source)
    recording = path.with_name(f"{path.name}.recording") if path.name else path
    if path.is_dir():
        try:
            return logs_in(path)
        except MissingFileError:  # a folder of something else, called as a ring may be
            if os.path.dirname(source):
                raise
    elif not path.exists() and recording.is_dir():
        return logs_in(recording)
    found = located(source)
    if found.suffix.lower() in _LOGS:
        raise LogFileError(f"{found}: expected a ring or a recording, found a log, which is whole as it is")
    return logs_in(found)


def _outs(logs: Sequence[Log], out: Path | None, *, is_folder: bool) -> list[Path]:
    """Give where each log goes."""
    if out is not None and not out.is_dir():
        if not is_folder:
            return [out]
        if out.exists() or out.suffix.lower() in _LOGS:
            raise SaveError(f"{out}: expected a folder, for {count(len(logs), 'log')}, found the name of a file")
    folder = Path() if out is None else out
    names = [log.name for log in logs]
    if len(set(names)) < len(names):
        names = [f"{name}_{place}" for place, name in enumerate(names)]
    return [folder / f"{name}_recovered.feather" for name in names]


def _refusal(log: Log) -> str:
    """Say why a log that is alive is not saved."""
    return (
        f"{log.rings}: expected what a crash has left, found a process that writes or takes its rows: end that one, or "
        "record the ring with `ringacc record`"
    )


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
    if log.recording is not None:
        said.append(f"{log.recording} may be removed once that is looked at")
    return ", ".join(said)


def _complain(text: str) -> None:
    print(f"ringacc recover: {text}", file=sys.stderr, flush=True)
