"""Whether a window can be opened.

Belongs here: asking before Qt is, which ends the process where it cannot. May not be here: windows.
"""

from __future__ import annotations

import os
import subprocess
import sys

from ..errors import DisplayError

__all__ = ["checked"]

_HOW = (
    "run it on a desktop, through `ssh -X`, or under `xvfb-run`; without a window, `ringacc top` shows a ring in the "
    "terminal"
)
_SECONDS = 30.0
# In another process, which Qt may end.
_TRY = "from pyqtgraph.Qt import QtWidgets; QtWidgets.QApplication([])"


def checked() -> None:
    """Do nothing where a window can be opened.

    DisplayError, which says what to do, where there is no display, or Qt cannot use it.
    """
    if sys.platform.startswith("linux") and not any(
        os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM")
    ):
        raise DisplayError(f"expected a display to open a window on, found none (DISPLAY is not set): {_HOW}")
    try:
        tried = subprocess.run(
            [sys.executable, "-P", "-c", f"import sys; sys.path[:] = {sys.path!r}; {_TRY}"],
            capture_output=True, text=True, errors="replace", timeout=_SECONDS, stdin=subprocess.DEVNULL, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        raise DisplayError(f"expected a display, found that it does not answer for {_SECONDS:.0f} s: {_HOW}") from error
    if tried.returncode:
        said = " ".join(tried.stderr.split()) or f"exit code {tried.returncode}"
        raise DisplayError(f"expected that Qt can open a window, found that it cannot: {said} -- {_HOW}")
