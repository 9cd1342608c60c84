"""StreamPlot: the rows of a ring in a widget.

Belongs here: what is shown when: which columns, which stretch of time, live or paused. May not be here: how it is
painted (``lanes``, ``traces``), whether a ring is there and how it stands with it (``watching``).
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, SupportsFloat

import numpy as np
import pyqtgraph as pg
from pyqtgraph.Qt import QtCore, QtGui, QtWidgets

from ..block import Array
from ..errors import DisplayError, RingaccError, SaveError
from ..reader import RingReader
from ..timering import TimeRing
from ..watching import Facts, Phase, Source, Watch, is_drawable
from .controls import Bar, ColumnChoice, Controls
from .lanes import Lane, Lanes, Scales, Values
from .theme import DARK, LIGHT
from .traces import Scale, percentiles, spans

__all__ = ["StreamPlot"]

#: Redraws a second.
REDRAWS = 60
# Values and scales are not read sixty times a second.
_NUMBERS_SECONDS = 0.2
_LEAST_SECONDS, _MOST_SECONDS = 1e-3, 86_400.0


class StreamPlot(QtWidgets.QWidget):  # type: ignore[misc]
    """Rows while they come: a trace for each column, with its value, and how it stands with the ring.

    Parameters
    ----------
    source
        A ring or an accumulator of this process, a `RingReader`, or the path or the name of a ring file or stream, as
        ``ringacc view`` takes it. It need not be there yet: the widget waits for it.
    columns
        What is drawn, columns of numbers or truth values; None, or where none of them is there: the accumulator's
        ``plot_columns``, else the first eight.
    seconds
        How far the traces reach back from the newest row.
    parent
        The widget that it is part of.

    Attributes
    ----------
    redraws
        How often the traces were painted.
    dropped
        Redraws that were due and not made, since the last one was late.

    Raises
    ------
    DisplayError
        There is no QApplication yet.
    UnknownColumnError
        The ring is there, and has no column of such a name that can be drawn.
    SourceError
        The source is none of these.
    RingFormatError
        The file is no ring.
    RingFileError
        The name may be that of two rings.

    Notes
    -----
    Complexity: O(rows of the window) for each of 60 redraws a second, while it is visible and not paused.
    Allocates: nothing that stays; a copy of the rows that are seen when it is paused.
    Valid: until it is closed.
    Threads: Qt's; for a ring or an accumulator in memory, also the thread that appends to it.

    Examples
    --------
    >>> import os
    >>> if "DISPLAY" not in os.environ:
    ...     os.environ["QT_QPA_PLATFORM"] = "offscreen"
    >>> from pyqtgraph.Qt import QtWidgets
    >>> from ringacc import TimeRing
    >>> from ringacc.view import StreamPlot
    >>> application = QtWidgets.QApplication.instance() or QtWidgets.QApplication([])
    >>> ring = TimeRing(10_000, {"tail_sum": "f8", "frame": "i8"})
    >>> plot = StreamPlot(ring, columns=["tail_sum"], seconds=5)
    >>> plot.columns, plot.seconds, plot.is_paused
    (('tail_sum',), 5.0, False)
    """

    def __init__(
        self,
        source: Source,
        columns: Sequence[str] | None = None,
        seconds: float = 10.0,
        parent: QtWidgets.QWidget | None = None,
    ) -> None:
        if QtWidgets.QApplication.instance() is None:  # Qt would end the process
            raise DisplayError("expected a QApplication, found none: make one first, and keep it: QApplication([])")
        super().__init__(parent)
        self._watch = Watch(source)
        self._named = None if columns is None else self._watch.checked(columns)
        self._seconds = _checked_seconds(seconds)
        self._offset = 0.0  # seconds from the newest row back to the right edge; only when paused
        self._frozen: TimeRing | None = None
        self._generation = -1
        self._facts = self._watch.look()
        self._trouble = ""
        self._lanes: tuple[Lane, ...] = ()
        self._drawn: tuple[Any, ...] = ()
        self._axis_of: tuple[Any, ...] = ()
        self._ticks: Array = np.empty(0)
        self.redraws = 0
        self.dropped = 0
        self._build()
        self._due = self._numbers_due = 0.0
        self._timer = QtCore.QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setTimerType(QtCore.Qt.TimerType.PreciseTimer)
        self._timer.timeout.connect(self._tick)
        self._follow_columns()
        self._show_numbers()

    # Making it ------------------------------------------------------------------------------------------------

    def _build(self) -> None:
        """Put the parts together."""
        theme = self._theme()
        self._bar = Bar(theme)
        self._scene = pg.GraphicsLayoutWidget()
        self._picture = Lanes(theme)
        self._scales, self._values = Scales(theme), Values(theme)
        self._axis = pg.AxisItem("bottom")
        grid = self._scene.ci
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setSpacing(4)  # or what is beside the picture would be painted with it
        for item, row, column in (
            (self._scales, 0, 0), (self._picture, 0, 1), (self._values, 0, 2), (self._axis, 1, 1),
        ):  # fmt: skip
            grid.addItem(item, row, column)
        grid.layout.setColumnStretchFactor(1, 1)
        self._axis.setLabel("seconds from the newest row")
        self._picture.zoomed.connect(self._zoom)
        self._picture.moved.connect(self._move)
        self._picture.reset.connect(self.reset_zoom)
        self._picture.painted.connect(self._count)
        self._controls = Controls(self)
        layout = QtWidgets.QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addWidget(self._bar)
        layout.addWidget(self._scene, 1)
        self._bar.add(self._controls.actions())
        self._first_seconds = self._seconds
        self._paint_in(theme)

    def _theme(self) -> Any:
        ground = self.palette().color(QtGui.QPalette.ColorRole.Window)
        return DARK if ground.lightness() < 128 else LIGHT

    def _paint_in(self, theme: Any) -> None:
        """Paint everything in other colours."""
        self._scene.setBackground(theme.back)
        for item in (self._picture, self._scales, self._values, self._bar):
            item.theme = theme
        self._axis.setPen(pg.mkPen(theme.line))
        self._axis.setTextPen(pg.mkPen(theme.faint))
        self._bar.paint_in(theme)
        self._drawn = ()

    # What is seen ---------------------------------------------------------------------------------------------

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of the columns that are drawn, the uppermost first; others may be set."""
        return tuple(lane.name for lane in self._lanes)

    @columns.setter
    def columns(self, names: Sequence[str] | None) -> None:
        """Draw other columns; None: those that are drawn by default."""
        self._named = None if names is None else self._watch.checked(names)
        self._take_lanes()
        self._refresh()

    @property
    def all_columns(self) -> tuple[str, ...]:
        """The names of the columns that can be drawn."""
        return self._watch.columns

    @property
    def seconds(self) -> float:
        """How many seconds are seen; another number may be set."""
        return self._seconds

    @seconds.setter
    def seconds(self, seconds: float) -> None:
        """See another stretch of time."""
        self._seconds = _checked_seconds(seconds)
        self._refresh()

    @property
    def facts(self) -> Facts:
        """How it stood with the ring at the last look."""
        return self._facts

    @property
    def is_paused(self) -> bool:
        """Whether the picture stands still."""
        return self._frozen is not None

    def pause(self, is_paused: bool = True) -> None:
        """Let the picture stand still, to zoom into it, or go on with the newest rows."""
        if is_paused == self.is_paused:
            return
        if is_paused:
            ring = self._watch.ring
            if ring is None:
                self._controls.show_paused(False)
                return
            self._frozen = _copied(ring, self._seconds)
        else:
            self._frozen, self._offset = None, 0.0
            self._seconds = min(max(self._seconds, _LEAST_SECONDS), _MOST_SECONDS)
        self._controls.show_paused(is_paused)
        self._refresh()

    def reset_zoom(self) -> None:
        """See as much as at the beginning."""
        self._offset = 0.0
        self.seconds = self._first_seconds

    def choose_columns(self) -> None:
        """Show a list of all columns to choose from."""
        ColumnChoice(self).show()

    def save_picture(self, path: str | os.PathLike[str]) -> None:
        """Save what is seen as a PNG file.

        SaveError where the file cannot be written.
        """
        if not self.grab().save(os.fspath(path), "PNG"):
            raise SaveError(f"expected to write {os.fspath(path)}, found that it cannot be: choose another place")

    def ask_and_save(self) -> None:
        """Ask for a file, and save what is seen."""
        proposed = f"{self._watch.name or 'ring'}_{datetime.now():%Y%m%d_%H%M%S}.png"
        path, _ = QtWidgets.QFileDialog.getSaveFileName(self, "Save what is seen", proposed, "Pictures (*.png)")
        if not path:
            return
        try:
            self.save_picture(Path(path).with_suffix(".png"))
        except SaveError as error:
            QtWidgets.QMessageBox.warning(self, "ringacc", str(error))

    # Redrawing ------------------------------------------------------------------------------------------------

    def _tick(self) -> None:
        """Look, draw what is new, and be called again when the next redraw is due."""
        now = time.perf_counter()
        late = int((now - self._due) * REDRAWS)
        self.dropped += late
        self._due += (1 + late) / REDRAWS
        self._look(now)
        self._timer.start(max(math.ceil(1000 * (self._due - time.perf_counter())), 0))

    def _look(self, now: float) -> None:
        """See how it stands, and draw it where something is new."""
        try:
            self._facts, self._trouble = self._watch.look(), ""
        except (RingaccError, OSError) as error:
            # Shown, and tried again: a file that is no ring may be one in a moment.
            self._facts, self._trouble = self._facts._replace(phase=Phase.WAITING), str(error)
        if self._watch.generation != self._generation and not self.is_paused:
            self._follow_columns()
        if now >= self._numbers_due:
            self._numbers_due = now + _NUMBERS_SECONDS
            self._follow_scales()
            self._show_numbers()
        moves = [lane.scale.ease() for lane in self._lanes]
        state = (self._generation, None if self.is_paused else self._facts.written, self._size(), self._picture.message)
        if state != self._drawn or any(moves):
            self._drawn = state
            self._draw()

    def _size(self) -> tuple[int, float, float]:
        return self._picture.columns_of_pixels, self._seconds, self._offset

    def _refresh(self) -> None:
        """Draw everything anew at the next look, and the numbers with it."""
        self._drawn = ()
        self._numbers_due = 0.0

    def _follow_columns(self) -> None:
        """Draw the columns of the ring that is there now."""
        self._generation = self._watch.generation
        self._take_lanes()
        self._refresh()

    def _take_lanes(self) -> None:
        """Make a lane for each column that is drawn; one that was there keeps its scale."""
        before = {lane.name: lane for lane in self._lanes}
        ring = self._frozen if self._frozen is not None else self._watch.ring
        names = self._watch.chosen(self._named)
        units = self._watch.units
        self._lanes = tuple(
            before[name] if name in before and before[name].unit == units.get(name, "")
            else Lane(name, units.get(name, ""), Scale(ring is not None and ring.dtype[name].kind == "b"))
            for name in names if ring is not None and name in ring.columns
        )  # fmt: skip
        self._picture.lanes = self._lanes
        self._picture.message = self._message()

    def _message(self) -> str:
        """Say why nothing is drawn; "" where something is."""
        if self._trouble:
            return self._trouble
        if self._watch.ring is None:
            return self._facts.text
        if not self._lanes:
            return (
                f"nothing to draw: expected a column of numbers, found {', '.join(self._watch.all_columns) or 'none'}"
            )
        return "" if self._facts.written or self.is_paused else "waiting for a first row"

    def _bins(self, points: int) -> Array | None:
        """Give the least and greatest values of what is seen, and of what lies between that and the newest row."""
        reach = self._seconds + self._offset
        if self._frozen is None:
            return self._watch.envelope(reach, points)
        return self._frozen.envelope(reach, points)

    def _newest(self) -> float:
        """Give the time at the right edge, but for the offset."""
        rows = self._frozen.last(1) if self._frozen is not None else self._facts.last
        if rows is None or not rows.size:
            return 0.0
        return float(np.max(rows["t"]))

    def _draw(self) -> None:
        """Draw the traces."""
        width = self._picture.columns_of_pixels
        reach = (self._seconds + self._offset) / self._seconds
        # Two bins for a column of pixels at most: with less than one, lines are drawn where rows are.
        bins = self._bins(max(round(2 * width * reach), 2)) if self._lanes else None
        if bins is None:
            bins = np.empty(0, [("t", "f8", 2)])
        right = self._newest() - self._offset
        if self._frozen is None and len(bins):
            # Rows may have come since the look.
            right = float(np.max(bins["t"][-1]))
        names = [lane.name for lane in self._lanes] if len(bins) else []
        names = [name for name in names if name in (bins.dtype.names or ())]
        self._seen = spans(bins, names, right, width / self._seconds, width)
        if any(math.isnan(lane.scale.top) for lane in self._lanes):
            self._follow_scales()
        span = (-self._seconds - self._offset, -self._offset)
        if (span, width) != self._axis_of:  # or the axis would be painted anew each time
            self._axis_of = (span, width)
            self._axis.setRange(*span)
            self._ticks = self._ticks_of(*span)
        self._picture.draw(self._seen, self._ticks)

    def _ticks_of(self, left: float, right: float) -> Array:
        """Give where the axis has its numbers: 0 at the left edge, 1 at the right."""
        levels = self._axis.tickValues(left, right, max(self._picture.size().width(), 1))
        ticks: Array = (np.array(levels[0][1] if levels else [], float) - left) / (right - left)
        return ticks

    def _follow_scales(self) -> None:
        """Let the scales follow what is seen."""
        if self._drawn:
            for lane, low, high in zip(self._lanes, *self._seen, strict=False):
                lane.scale.follow(*percentiles(low, high))

    def _show_numbers(self) -> None:
        """Show values, scales and how it stands."""
        message = self._message()
        if message != self._picture.message:
            self._picture.message = message
            self._picture.update()
        self._scales.refresh(self._lanes)
        self._values.refresh(self._lanes, self._facts.last)
        self._bar.refresh(self._watch.name, self._facts, self.is_paused)

    def _count(self) -> None:
        self.redraws += 1

    # What people do -------------------------------------------------------------------------------------------

    def _zoom(self, factor: float, place: float) -> None:
        """See a longer or shorter stretch of time; what is under the mouse stays there where the picture is paused."""
        before = self._seconds
        self._seconds = min(max(before * factor, _LEAST_SECONDS), _MOST_SECONDS)
        if self.is_paused:
            self._offset = self._within(self._offset + (before - self._seconds) * (1 - place))
        self._refresh()

    def _move(self, share: float) -> None:
        """See an earlier stretch of time; that needs a picture that stands still."""
        self.pause()
        self._offset = self._within(self._offset + share * self._seconds)
        self._refresh()

    def _within(self, offset: float) -> float:
        """Give an offset that leaves something to be seen."""
        if self._frozen is None or not len(self._frozen):
            return 0.0
        times = self._frozen["t"]
        return min(max(offset, 0.0), max(float(times[-1] - times[0]) - self._seconds / 2, 0.0))

    def zoom_in(self) -> None:
        """See half as much time."""
        self._zoom(0.5, 1.0)

    def zoom_out(self) -> None:
        """See twice as much time."""
        self._zoom(2.0, 1.0)

    def showEvent(self, event: QtGui.QShowEvent) -> None:
        """Redraw while it is visible."""
        self._due = time.perf_counter()
        self._timer.start(0)
        super().showEvent(event)

    def hideEvent(self, event: QtGui.QHideEvent) -> None:
        """Cost nothing while it is not."""
        self._timer.stop()
        super().hideEvent(event)

    def changeEvent(self, event: QtCore.QEvent) -> None:
        """Follow the colours of the desktop."""
        if event.type() == QtCore.QEvent.Type.PaletteChange and hasattr(self, "_bar"):
            self._paint_in(self._theme())
        super().changeEvent(event)


def _checked_seconds(seconds: float) -> float:
    """Give a stretch of time that can be drawn."""
    if isinstance(seconds, bool) or not isinstance(seconds, SupportsFloat):
        raise TypeError(f"expected a number of seconds, found {seconds!r}: give how far the traces reach back")
    if not 0 < seconds < math.inf:
        raise ValueError(f"expected seconds greater than 0, found {seconds!r}: give how far the traces reach back")
    return float(min(max(seconds, _LEAST_SECONDS), _MOST_SECONDS))


def _copied(ring: TimeRing | RingReader, seconds: float) -> TimeRing:
    """Give a ring of this widget's own with the rows that are seen."""
    rows = ring.window(seconds)
    numbers = [name for name in rows.dtype.names or () if name != "t" and is_drawable(rows.dtype[name])]
    made = TimeRing(max(len(rows), 1), {name: rows.dtype[name] for name in numbers})
    made.extend(rows[["t", *numbers]].astype(made.dtype))
    return made
