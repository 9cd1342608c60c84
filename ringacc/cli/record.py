"""``ringacc record``: a recorder at work, and what it shows.

Belongs here: running a recorder until its ring ends or it is told to. May not be here: how it records
(``ringacc.recorder``).
"""

from __future__ import annotations

import sys
import threading
import time
from pathlib import Path
from typing import Any

from ..errors import MissingFileError
from ..recorder import POLICIES, Recorder
from .interrupt import Interrupt
from .rings import located
from .terminal import Display, Trace, count, size

__all__ = ["Record"]


class Record:
    """A run of ``ringacc record``, with everything checked that can be checked before.

    Parameters
    ----------
    ring
        A ring file, the folder of a stream, or the name of one in the folder for rings.
    out
        The log that it becomes.
    policy
        "block" or "drop".
    with_parent
        Whether it is to end when standard input does.
    quiet
        Whether to show nothing but trouble.

    Notes
    -----
    Complexity: O(rows).
    Allocates: a batch of rows.
    Valid: for one run.
    Threads: the main thread.
    """

    def __init__(self, ring: Path, out: Path, policy: str, with_parent: bool, quiet: bool) -> None:
        source = ring if with_parent else located(ring)
        if source.suffix == ".recording":
            raise MissingFileError(f"{source}: expected a ring, found a recording: save it with `ringacc recover`")
        self._recorder = Recorder(source, out, POLICIES[policy])
        self._recorder.report = _complain
        self._ring = source
        self._with_parent = with_parent
        self._display = None if quiet else Display(f"ringacc record {source.name}")
        self._began = time.monotonic()
        self._told_of_missed = 0

    def run(self, interrupt: Interrupt) -> int:
        """Record until the writer ends or an interrupt comes, make the log, and give the exit code."""
        left = _left_alone() if self._with_parent else threading.Event()
        recorder = self._recorder
        try:
            if self._display is None:
                recorder.run(lambda: interrupt or left.is_set(), self._watch)
            else:
                with self._display:
                    recorder.run(lambda: interrupt or left.is_set(), self._watch)
            made = recorder.finish(self._progress)
        finally:
            recorder.close()
        self._say("nothing was recorded" if made is None else f"{count(recorder.rows, 'row')} saved as {made}")
        if recorder.writer_died:
            _complain(f"the writer of {self._ring} ended without closing it; all rows that it had put in are saved")
        return interrupt.exit_code if interrupt else int(recorder.missed > 0)

    def _watch(self, recorder: Recorder) -> None:
        """Show how it stands."""
        if recorder.missed > self._told_of_missed:
            _complain(f"{count(recorder.missed, 'row')} overwritten before they could be recorded")
            self._told_of_missed = recorder.missed
        if self._display is not None and self._display.is_due():
            seconds = time.monotonic() - self._began
            status = {"": f"{seconds:.0f} s", "rows": str(recorder.rows), "on disk": size(recorder.size)}
            status["missed"] = str(recorder.missed)
            self._display.show(status, 0.0, _traces(recorder.newest))

    def _progress(self, rows: int) -> None:
        if self._display is not None and self._display.is_due():
            self._display.say(f"converting: {rows} of {self._recorder.rows} rows")

    def _say(self, text: str) -> None:
        if self._display is not None:
            self._display.say(text)


def _traces(rows: Any) -> list[Trace]:
    """Give the first columns of the rows that came last."""
    if rows is None:
        return []
    names = [name for name in rows.dtype.names[1:] if rows.dtype[name].kind in "biuf"]
    return [(name, rows["t"], rows[name]) for name in names[:2]]


def _complain(text: str) -> None:
    print(f"ringacc record: {text}", file=sys.stderr, flush=True)


def _left_alone() -> threading.Event:
    """Give what is set when standard input ends, as it does when the process that started this one does."""
    event = threading.Event()

    def wait() -> None:
        sys.stdin.buffer.read()
        event.set()

    threading.Thread(target=wait, daemon=True, name="parent").start()
    return event
