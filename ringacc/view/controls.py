"""What stands above the traces, and what can be done with them.

Belongs here: words, buttons, keys, the list of columns. May not be here: what they do to the picture (``plot``).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from pyqtgraph.Qt import QtCore, QtGui, QtWidgets

from ..watching import Facts, Phase
from .theme import Theme

__all__ = ["Bar", "ColumnChoice", "Controls", "span"]

_DOTS = {
    Phase.WAITING: (214, 152, 20), Phase.LIVE: (34, 160, 90), Phase.ENDED: (128, 132, 140), Phase.GONE: (208, 60, 50),
}  # fmt: skip
_WORDS = {Phase.LIVE: "live", Phase.ENDED: "ended", Phase.GONE: "gone"}
_NONE = "-"


def span(seconds: float) -> str:
    """Give a span of time as text."""
    if math.isnan(seconds):
        return _NONE
    if seconds < 1:
        return f"{1000 * seconds:.0f} ms"
    if seconds < 100:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes} min {rest} s" if minutes < 100 else f"{minutes / 60:.1f} h"


class Bar(QtWidgets.QFrame):  # type: ignore[misc]
    """How it stands with the ring, in a line of words, and the buttons.

    Parameters
    ----------
    theme
        Its colours.
    """

    def __init__(self, theme: Theme) -> None:
        super().__init__()
        self.theme = theme
        self.setAutoFillBackground(True)
        self._state = QtWidgets.QLabel()
        self._state.setTextFormat(QtCore.Qt.TextFormat.RichText)
        self._state.setSizePolicy(QtWidgets.QSizePolicy.Policy.Ignored, QtWidgets.QSizePolicy.Policy.Preferred)
        self._facts = QtWidgets.QLabel()
        self._facts.setTextFormat(QtCore.Qt.TextFormat.RichText)
        self._layout = QtWidgets.QHBoxLayout(self)
        self._layout.setContentsMargins(10, 5, 6, 5)
        self._layout.setSpacing(4)
        self._layout.addWidget(self._state, 1)
        self._layout.addWidget(self._facts)
        self._layout.addSpacing(10)

    def add(self, actions: Sequence[QtGui.QAction]) -> None:
        """Add a button for each of these."""
        for action in actions:
            if action.text():
                button = QtWidgets.QToolButton()
                button.setDefaultAction(action)
                button.setAutoRaise(True)
                button.setFocusPolicy(QtCore.Qt.FocusPolicy.NoFocus)
                self._layout.addWidget(button)

    def paint_in(self, theme: Theme) -> None:
        """Take other colours."""
        self.theme = theme

    def refresh(self, name: str, facts: Facts, is_paused: bool) -> None:
        """Say how it stands."""
        dot = "#{:02x}{:02x}{:02x}".format(*_DOTS[facts.phase])
        faint = "#{:02x}{:02x}{:02x}".format(*self.theme.faint)
        word = "paused" if is_paused else _WORDS.get(facts.phase, "")  # what is waited for is said by the text
        called = f"<b>{_escaped(name)}</b>&nbsp; " if name else ""
        # What does not fit is cut with dots, and is in the tip.
        metrics = self._state.fontMetrics()
        room = self._state.width() - metrics.horizontalAdvance(f"●  {name}     {word}  ") - len(name)
        text = metrics.elidedText(facts.text, QtCore.Qt.TextElideMode.ElideRight, max(int(room), 0))
        self._state.setText(
            f"<span style='color:{dot}'>●</span>&nbsp;{called}{word}&nbsp; "
            f"<span style='color:{faint}'>{_escaped(text)}</span>"
        )
        self._state.setToolTip(facts.text)
        rate = _NONE if math.isnan(facts.rate) else f"{facts.rate:.1f} Hz"
        missed = f"<b style='color:#d03c32'>{facts.missed}</b>" if facts.missed else "0"
        words = (("rate", rate), ("delay", span(facts.age)), ("missed", missed), ("rows", f"{facts.written}"))
        self._facts.setText(
            "&nbsp;&nbsp; ".join(f"<span style='color:{faint}'>{key}</span>&nbsp;{value}" for key, value in words)
        )


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


class Controls:
    """What can be done, with buttons and keys.

    Parameters
    ----------
    plot
        The widget that it is done to.
    """

    def __init__(self, plot: Any) -> None:
        self._pause = _action(plot, "Pause", "Space", "let the picture stand still", None)
        self._pause.setCheckable(True)
        self._pause.toggled.connect(plot.pause)
        self._others = [
            _action(plot, "Columns…", "C", "choose what is drawn", plot.choose_columns),
            _action(plot, "\N{MINUS SIGN}", "-", "see more time (also with the wheel)", plot.zoom_out),
            _action(plot, "+", "+", "see less time (also with the wheel)", plot.zoom_in),
            _action(plot, "Reset", "Home", "see as much as at the beginning (also two clicks)", plot.reset_zoom),
            _action(plot, "Save…", "Ctrl+S", "save what is seen as a picture", plot.ask_and_save),
        ]

    def actions(self) -> list[QtGui.QAction]:
        """Give all of them."""
        return [self._pause, *self._others]

    def show_paused(self, is_paused: bool) -> None:
        """Show whether the picture stands still."""
        self._pause.setChecked(is_paused)


def _action(plot: Any, text: str, key: str, purpose: str, do: Any) -> QtGui.QAction:
    """Make something that can be done while the widget, or a part of it, has the keys."""
    action = QtGui.QAction(text, plot)
    action.setShortcut(QtGui.QKeySequence(key))
    action.setShortcutContext(QtCore.Qt.ShortcutContext.WidgetWithChildrenShortcut)
    action.setToolTip(f"{purpose} [{key}]")
    if do is not None:
        # Qt says, too, whether a button is down.
        action.triggered.connect(lambda _down=False: do())
    plot.addAction(action)
    return action


class ColumnChoice(QtWidgets.QDialog):  # type: ignore[misc]
    """A list of all columns, those that are drawn ticked; what is ticked is drawn at once.

    Parameters
    ----------
    plot
        The widget that draws them.
    """

    def __init__(self, plot: Any) -> None:
        super().__init__(plot)
        self._plot = plot
        self.setWindowTitle("Columns")
        self.setAttribute(QtCore.Qt.WidgetAttribute.WA_DeleteOnClose)
        layout = QtWidgets.QVBoxLayout(self)
        sought = QtWidgets.QLineEdit()
        sought.setPlaceholderText("find")
        sought.setClearButtonEnabled(True)
        sought.textChanged.connect(self._find)
        self._list = QtWidgets.QListWidget()
        drawn = set(plot.columns)
        for name in plot.all_columns:
            item = QtWidgets.QListWidgetItem(name, self._list)
            item.setFlags(item.flags() | QtCore.Qt.ItemFlag.ItemIsUserCheckable)
            item.setCheckState(_TICKED if name in drawn else _CLEAR)
        self._list.itemChanged.connect(self._take)
        buttons = QtWidgets.QHBoxLayout()
        for text, state in (("All", _TICKED), ("None", _CLEAR)):
            button = QtWidgets.QPushButton(text)
            button.clicked.connect(lambda _down=False, state=state: self._tick_all(state))
            buttons.addWidget(button)
        for part in (sought, self._list):
            layout.addWidget(part)
        layout.addLayout(buttons)
        self.resize(280, 420)

    def _items(self) -> list[QtWidgets.QListWidgetItem]:
        return [self._list.item(row) for row in range(self._list.count())]

    def _find(self, text: str) -> None:
        """Show those whose names have this in them."""
        for item in self._items():
            item.setHidden(text.lower() not in item.text().lower())

    def _tick_all(self, state: QtCore.Qt.CheckState) -> None:
        """Tick, or clear, all that are shown."""
        self._list.blockSignals(True)
        for item in self._items():
            if not item.isHidden():
                item.setCheckState(state)
        self._list.blockSignals(False)
        self._take()

    def _take(self, _item: Any = None) -> None:
        """Draw what is ticked; where nothing is, what was drawn stays."""
        names = [item.text() for item in self._items() if item.checkState() == _TICKED]
        if names:
            self._plot.columns = [name for name in names if name in self._plot.all_columns] or None


_TICKED, _CLEAR = QtCore.Qt.CheckState.Checked, QtCore.Qt.CheckState.Unchecked
