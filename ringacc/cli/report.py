"""``ringacc report``: a page about a session.

Belongs here: where the page goes, and what is said of it. May not be here: what is in it (``ringacc.report``).
"""

from __future__ import annotations

import sys
import webbrowser
from pathlib import Path

from ..report import Written, plan_report, write_report
from .interrupt import Interrupt
from .terminal import count, stop_showing

__all__ = ["Report"]


class Report:
    """A run of ``ringacc report``, with everything checked that can be checked before.

    Parameters
    ----------
    session
        The folder of the session.
    out
        The page; None: ``<session id>_report.html`` in that folder.
    session_id
        Which of the sessions in the folder; None: the last one.
    is_opened
        Whether the page is shown in the browser.

    Raises
    ------
    RingaccError
        There is no session, something else lies where the page is to go, or matplotlib is not installed.

    Notes
    -----
    Complexity: O(files in the folder).
    Allocates: nothing.
    Valid: for one run.
    Threads: the main thread.
    """

    def __init__(self, session: Path, out: Path | None, session_id: str | None, is_opened: bool) -> None:
        self._plan = plan_report(session, out, session_id)
        self._session = session
        self._is_opened = is_opened

    def run(self, interrupt: Interrupt) -> int:
        """Write the page, say where it is and what is odd, and give the exit code: 1 where a log cannot be read."""
        files, out = self._plan
        lines = []
        others = [name or "(none)" for name in files.all_ids if name != files.session_id]
        if others:
            lines.append(
                f"session {files.session_id or '(none)'} of {len(others) + 1} in {self._session}; "
                f"others, for --session-id: {', '.join(others)}"
            )
        written: Written = write_report(self._session, out, session_id=files.session_id)
        lines.append(f"{count(len(written.logs), 'log')}, {count(len(written.odd), 'thing')} odd")
        lines += [f"  {text}" for text in written.odd]
        is_said = _say([*lines, f"saved as {written.path}"])
        for error in written.unreadable:
            print(f"ringacc report: {error}", file=sys.stderr)
        if self._is_opened and not interrupt:
            webbrowser.open(written.path.resolve().as_uri())
        return interrupt.exit_code if interrupt else int(bool(written.unreadable) or not is_said)


def _say(lines: list[str]) -> bool:
    """Print lines, the last of which says where the page is; give whether that went well, or nobody reads them."""
    try:
        print(*lines, sep="\n", flush=True)
    except OSError as error:
        stop_showing()
        if isinstance(error, BrokenPipeError):
            return True
        print(f"ringacc report: {lines[-1]}, but that cannot be shown ({error.strerror})", file=sys.stderr)
        return False
    return True
