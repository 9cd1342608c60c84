"""See rows while they come: `StreamPlot`, a Qt widget, and the window of ``ringacc view``.

Belongs here: everything that needs Qt. May not be here: which ring is looked at, and how it stands with it
(``watching``). Qt is whichever binding pyqtgraph takes, by ``pyqtgraph.Qt`` and never by its own name.

``traces`` says which pixels are drawn, ``lanes`` paints them in the colours of ``theme``, ``controls`` has words and
buttons, ``plot`` is the widget, ``display`` says whether a window can be opened at all.
"""

import sys

from ..errors import MissingExtraError
from ..extras import require

require("view", "the live window", "pyqtgraph", "pyqtgraph.Qt.QtWidgets")

from pyqtgraph.Qt import QT_LIB, QtCore, QtVersion  # noqa: E402


def _counts_none() -> bool:
    """Say whether the binding gives back each None that it takes: PySide6 6.12 does not where Python counts them."""
    thing, before = QtCore.QObject(), sys.getrefcount(None)
    for _ in range(1000):
        thing.setObjectName("")
    return sys.getrefcount(None) > before - 500


if not _counts_none():
    raise MissingExtraError(
        f"expected a Qt binding that works with Python {sys.version.split()[0]}, found {QT_LIB} of Qt {QtVersion}, "
        "which loses references until the process dies: use Python 3.12 or newer, or pip install "
        "'PySide6-Essentials<6.12'"
    )

from .plot import StreamPlot  # noqa: E402

__all__ = ["StreamPlot"]
