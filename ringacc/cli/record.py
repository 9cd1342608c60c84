"""``ringacc record``: a recorder at work, and what it shows.

Belongs here: running a recorder until its ring ends or it is told to. May not be here: how it records
(``ringacc.recorder``).
"""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from ..places import located
from ..recorder import POLICIES, Recorder
from .interrupt import Interrupt
from .terminal import TRACE_SECONDS, Display, Trace, count, size, stop_showing

__all__ = ["Record"]

_MOST_DRAWN = 1000  # rows of a batch: there are fewer characters in a line
_TRACES = 2


class _Screen(Console):
    """A console that ends no process where nobody reads what it shows."""

    def on_broken_pipe(self) -> None:
        """Raise the BrokenPipeError that it is called for."""
        raise


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
        Whether it is to end when standard input does; then the stream need not be there yet.
    quiet
        Whether to show nothing but trouble.

    Notes
    -----
    Complexity: O(rows).
    Allocates: a batch of rows.
    Valid: for one run.
    Threads: the main thread.
    """

    def __init__(self, ring: str, out: Path, policy: str, with_parent: bool, quiet: bool) -> None:
        source = Path(ring) if with_parent else located(ring)
        self._recorder = Recorder(source, out, POLICIES[policy])
        self._recorder.report = _complain
        self._ring = source
        self._with_parent = with_parent
        self._display = None if quiet else Display(f"ringacc record {source.name}", _Screen(highlight=False))
        self._drawn = np.zeros(0, [("t", np.float64)])
        self._began = time.monotonic()
        self._told_of_missed = 0

    def run(self, interrupt: Interrupt) -> int:
        """Record until the writer ends or an interrupt comes, make the log, and give the exit code."""
        left = _left_alone() if self._with_parent else threading.Event()
        recorder = self._recorder
        try:
            with self._display or contextlib.nullcontext():
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
        if self._display is None:
            return
        if recorder.newest is not None:
            self._drawn = _newest(self._drawn, recorder.newest)
            recorder.newest = None
        if self._display.is_due():
            seconds = time.monotonic() - self._began
            status = {"": f"{seconds:.0f} s", "rows": str(recorder.rows), "on disk": size(recorder.size)}
            status["missed"] = str(recorder.missed)
            self._show(status, None, _traces(self._drawn))

    def _progress(self, rows: int) -> None:
        """Show how much of the log is written, where it has to be converted."""
        if self._display is not None and self._display.is_due():
            every = self._recorder.rows
            self._show({"converting": f"{rows} of {every} rows"}, rows / max(every, 1))

    def _show(self, status: dict[str, str], done: float | None, traces: list[Trace] | None = None) -> None:
        """Show something; where nobody can see it any more, as in a pipe that was closed, recording goes on."""
        assert self._display is not None
        try:
            self._display.show(status, done, traces or ())
        except OSError as error:
            self._give_up_showing(error)

    def _say(self, text: str) -> None:
        if self._display is not None:
            try:
                self._display.say(text)
            except OSError as error:
                self._give_up_showing(error)

    def _give_up_showing(self, error: OSError) -> None:
        self._display = None
        stop_showing()
        _complain(f"nothing can be shown any more ({error.strerror}): it goes on unseen")


def _newest(before: Any, rows: Any) -> Any:
    """Give rows and those before, as far as they are drawn."""
    names = [name for name in rows.dtype.names[1:] if rows.dtype[name].kind in "biuf"][:_TRACES]
    if "t" not in rows.dtype.names or not names:
        return before[:0]
    some = rows[["t", *names]][:: len(rows) // _MOST_DRAWN + 1]
    some = some.astype([(name, np.float64) for name in some.dtype.names])
    every = np.concatenate([before, some]) if before.dtype == some.dtype else some
    return every[every["t"] > some["t"][-1] - TRACE_SECONDS][-_MOST_DRAWN * 10 :]


def _traces(rows: Any) -> list[Trace]:
    """Give what is drawn of rows."""
    return [Trace(name, rows["t"], rows[name]) for name in rows.dtype.names[1:] if len(rows)]


def _complain(text: str) -> None:
    # Rows are worth more than words: a terminal that is gone is not to end the recording.
    with contextlib.suppress(OSError):
        print(f"ringacc record: {text}", file=sys.stderr, flush=True)


def _left_alone() -> threading.Event:
    """Give what is set when standard input ends, as it does when the process that started this one does."""
    event = threading.Event()

    def wait() -> None:
        sys.stdin.buffer.read()
        event.set()

    threading.Thread(target=wait, daemon=True, name="parent").start()
    return event
