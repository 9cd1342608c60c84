"""``ringacc view``: a ring in a window.

Belongs here: opening the window, and what ends it. May not be here: what is in it (``ringacc.view``).
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from ..extras import require
from ..watching import Watch
from . import main
from .interrupt import Interrupt

__all__ = ["View", "ViewProcess", "beside", "check_window"]

_LOOK_MILLISECONDS = 50
_STOP_SECONDS = 5.0
_SIZE = (1000, 640)


class View:
    """A run of ``ringacc view``, with everything checked that can be checked before.

    Parameters
    ----------
    ring
        A ring file, the folder of a stream, or the name of one in the folder for rings; it need not be there yet.
    columns
        What is drawn; None: the first eight.
    seconds
        How far the traces reach back.

    Raises
    ------
    MissingExtraError
        The libraries for the window are not installed.
    DisplayError
        No window can be opened.
    UnknownColumnError, RingFormatError, RingFileError
        As `ringacc.watching.Watch`.

    Notes
    -----
    Complexity: that of the widget.
    Allocates: that of the widget.
    Valid: for one run.
    Threads: the main thread.
    """

    def __init__(self, ring: str, columns: Sequence[str] | None, seconds: float) -> None:
        Watch(ring).checked(columns or ())
        check_window()
        self._ring, self._columns, self._seconds = ring, columns, seconds

    def run(self, interrupt: Interrupt) -> int:
        """Show the window until it is closed or an interrupt comes, and give the exit code."""
        from pyqtgraph.Qt import QtCore, QtWidgets

        from ..view import StreamPlot

        application = QtWidgets.QApplication.instance() or QtWidgets.QApplication(["ringacc"])
        application.setApplicationName("ringacc")
        plot = StreamPlot(self._ring, self._columns, self._seconds)
        plot.setWindowTitle(f"{Path(self._ring).stem} - ringacc view")
        plot.resize(*_SIZE)
        plot.show()
        # Python notes a signal only when it has a turn, which this gives it also where nothing is redrawn.
        looks = QtCore.QTimer()
        looks.timeout.connect(lambda: application.quit() if interrupt else None)
        looks.start(_LOOK_MILLISECONDS)
        _until_closed(application)
        looks.stop()
        plot.close()
        return interrupt.exit_code if interrupt else 0


def _until_closed(application: Any) -> None:
    """Run Qt; an error in what it calls is raised here, after it has ended, instead of printed and forgotten."""
    errors: list[BaseException] = []

    def note(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        errors.append(error)
        application.quit()

    before, sys.excepthook = sys.excepthook, note
    try:
        application.exec()
    finally:
        sys.excepthook = before
    if errors:
        raise errors[0]


def check_window() -> None:
    """Do nothing where a window can be opened; else MissingExtraError or DisplayError, which say what to do."""
    require("view", "ringacc view", "pyqtgraph", "pyqtgraph.Qt")
    from ..view.display import checked

    checked()


class ViewProcess:
    """The window of a command that is busy with something else: ``ringacc view`` as a process of its own.

    It ends when it is told to, when its window is closed, and when the process that started it ends in whatever way.

    Parameters
    ----------
    ring
        What is shown.
    """

    def __init__(self, ring: Path) -> None:
        # The package from where it is here, and nothing from the folder that this process works in.
        home = str(Path(__file__).resolve().parents[2])
        command = f"import sys; sys.path.append({home!r}); from ringacc.cli.view import beside; sys.exit(beside())"
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-c", command, "view", str(ring)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            # Ctrl-C is for this process, which closes the window.
            start_new_session=True,
        )

    def __enter__(self) -> Self:
        """Give the window."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the window, and wait until it is."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def beside() -> int:
    """Run the command line until standard input ends, as it does when the process that started this one does."""

    def wait() -> None:
        sys.stdin.buffer.read()
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=wait, daemon=True, name="parent").start()
    return main()
