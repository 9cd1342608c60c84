"""The traces, one lane each, and what stands beside them, as items of a Qt scene.

Belongs here: painting lanes, their scales and their values; the wheel and the mouse on them. May not be here: what is
in the lanes (``plot``), which pixels a trace has (``traces``).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pyqtgraph as pg
from pyqtgraph.Qt import QtCore, QtGui, QtWidgets

from ..block import Array
from .theme import Theme
from .traces import LEVELS, Scale, Spans, number, painted

__all__ = ["Lane", "Lanes", "Scales", "Values"]

_FLAGS = QtCore.Qt.AlignmentFlag
# First shade of the first trace: before it, the background and the lines.
_FIRST_SHADE = 2


class Lane(NamedTuple):
    """A trace and what stands beside it.

    Attributes
    ----------
    name
        Of the column.
    unit
        Of its values; "" where none was given.
    scale
        What its edges stand for.
    """

    name: str
    unit: str
    scale: Scale


def edges(count: int, height: float) -> Array:
    """Give where the lanes of a picture begin and end, in whole pixels, the uppermost first."""
    return np.linspace(0, height, max(count, 1) + 1).round().astype(int)


class Lanes(pg.GraphicsWidget):  # type: ignore[misc]
    """The picture of all traces, painted as one image.

    Attributes
    ----------
    zoomed
        Emitted with a factor for the time that is seen, and where on the picture: 0 at its left edge, 1 at its right.
    moved
        Emitted with how far the picture was drawn to the right, as a share of its width.
    reset
        Emitted when it was clicked twice.
    painted
        Emitted whenever it was painted.
    """

    zoomed = QtCore.Signal(float, float)
    moved = QtCore.Signal(float)
    reset = QtCore.Signal()
    painted = QtCore.Signal()

    def __init__(self, theme: Theme) -> None:
        super().__init__()
        self.theme = theme
        self.message = ""
        self.lanes: Sequence[Lane] = ()
        self._spans = Spans(np.empty((0, 0)), np.empty((0, 0)))
        self._ticks: Array = np.empty(0)
        self.setMinimumSize(80, 60)
        self.setAcceptedMouseButtons(QtCore.Qt.MouseButton.LeftButton)

    @property
    def columns_of_pixels(self) -> int:
        """How many columns of pixels there are to draw in."""
        return max(int(self.size().width() * self._ratio()), 1)

    def _ratio(self) -> float:
        """Give how many pixels of the screen one of Qt's is."""
        view = self.getViewWidget()
        return 1.0 if view is None else float(view.devicePixelRatioF())

    def draw(self, spans_: Spans, ticks: Array) -> None:
        """Draw other traces, with lines at these places: 0 at the left edge, 1 at the right."""
        self._spans, self._ticks = spans_, ticks
        self.update()

    def picture(self) -> QtGui.QImage:
        """Give what is drawn, in the pixels of the screen."""
        height = max(int(self.size().height() * self._ratio()), 1)
        # Each line of an image begins at a multiple of four bytes.
        width = self.columns_of_pixels
        pixels = np.zeros((height, -(-width // 4) * 4), np.uint8)
        if self.lanes:
            ticks = (self._ticks * width).astype(int)
            pixels[:, ticks[(ticks >= 0) & (ticks < width)]] = 1
        ends = edges(len(self.lanes), height)
        if ends[1] - ends[0] > 8:
            pixels[ends[1:-1]] = 1
        if self._spans.low.shape[1] <= width:
            for row, lane in enumerate(self.lanes[: len(self._spans.low)]):
                self._paint_trace(pixels[ends[row] : ends[row + 1], :width], row, lane.scale)
        image = QtGui.QImage(pixels.data, width, height, pixels.shape[1], QtGui.QImage.Format.Format_Indexed8)
        image.setColorTable(self.theme.shades())
        # Converted at once, and so copied: to draw an image of a palette takes four times as long.
        image = image.convertToFormat(QtGui.QImage.Format.Format_RGB32)
        image.setDevicePixelRatio(self._ratio())
        return image

    def _paint_trace(self, pixels: Array, row: int, scale: Scale) -> None:
        """Paint a trace at the right of its lane: all of the lane, but while the window grows."""
        low, high = self._spans.low[row], self._spans.high[row]
        border = 2 if len(pixels) > 16 else 0
        inner = pixels[border : len(pixels) - border, pixels.shape[1] - len(low) :]
        covered = painted(low, high, scale.bottom, scale.top, len(inner))
        shade = _FIRST_SHADE + row % len(self.theme.traces) * LEVELS - 1
        is_covered = covered > 0
        # Not with a mask, which takes twice as long: what is not covered keeps its lines.
        inner += covered + is_covered.view(np.uint8) * (np.uint8(shade) - inner)

    def paint(self, painter: QtGui.QPainter, option: Any, widget: Any = None) -> None:
        """Paint the picture, and what is to be said instead of it or on it."""
        area = QtCore.QRectF(QtCore.QPointF(0, 0), self.size())
        painter.drawImage(QtCore.QPointF(0, 0), self.picture())
        if self.message:
            painter.setPen(QtGui.QColor(*self.theme.text))
            painter.drawText(area.adjusted(20, 20, -20, -20), _FLAGS.AlignCenter | _WRAP, self.message)
        self.painted.emit()

    def wheelEvent(self, event: Any) -> None:
        """Zoom in time."""
        self.zoomed.emit(0.8 ** (event.delta() / 120), event.pos().x() / max(self.size().width(), 1))
        event.accept()

    def mouseDragEvent(self, event: Any) -> None:
        """Move in time."""
        if event.button() == QtCore.Qt.MouseButton.LeftButton:
            self.moved.emit((event.pos().x() - event.lastPos().x()) / max(self.size().width(), 1))
            event.accept()

    def mouseClickEvent(self, event: Any) -> None:
        """See everything again when clicked twice."""
        if event.double():
            self.reset.emit()
            event.accept()


_WRAP = QtCore.Qt.TextFlag.TextWordWrap


class _Beside(pg.GraphicsWidget):  # type: ignore[misc]
    """What stands beside the lanes, as text.

    Parameters
    ----------
    theme
        Its colours.
    """

    def __init__(self, theme: Theme) -> None:
        super().__init__()
        self.theme = theme
        self.lanes: Sequence[Lane] = ()
        # Or Qt paints it whenever what is beside it is painted.
        self.setFlag(QtWidgets.QGraphicsItem.GraphicsItemFlag.ItemUsesExtendedStyleOption)

    def paint(self, painter: QtGui.QPainter, option: Any, widget: Any = None) -> None:
        """Paint the text, where something of it is to be painted."""
        if self.lanes and not option.exposedRect.isEmpty():
            self._paint(painter)

    def _paint(self, painter: QtGui.QPainter) -> None:
        """Paint the text."""
        raise NotImplementedError

    def _metrics(self) -> QtGui.QFontMetricsF:
        return QtGui.QFontMetricsF(self.font())

    def _set_width(self, width: float) -> None:
        self.setMinimumWidth(width)
        self.setMaximumWidth(width)

    def _places(self, lines: int) -> list[tuple[int, QtCore.QRectF]]:
        """Give the number and the place of each lane that there is room for beside."""
        ends = edges(len(self.lanes), self.size().height())
        needed = self._metrics().height() * lines
        each = max(int(np.ceil(needed / max(ends[1] - ends[0], 1))), 1)
        return [
            (row, QtCore.QRectF(0, ends[row], self.size().width(), ends[row + each] - ends[row]))
            for row in range(0, len(self.lanes) - each + 1, each)
        ]


class Scales(_Beside):
    """What the edges of the lanes stand for, at their left."""

    def refresh(self, lanes: Sequence[Lane]) -> None:
        """Show the scales of these lanes."""
        self.lanes = lanes
        self._set_width(self._metrics().horizontalAdvance("-0.000e+000") + 10)
        self.update()

    def _paint(self, painter: QtGui.QPainter) -> None:
        """Paint the numbers, where a lane has room for two."""
        painter.setPen(QtGui.QColor(*self.theme.faint))
        ends = edges(len(self.lanes), self.size().height())
        if ends[1] - ends[0] < 2.2 * self._metrics().height():
            return
        for row, place in self._places(2):
            scale = self.lanes[row].scale
            if not np.isnan(scale.top):
                place = place.adjusted(0, 2, -6, -2)
                painter.drawText(place, _FLAGS.AlignRight | _FLAGS.AlignTop, number(scale.top, scale.range))
                painter.drawText(place, _FLAGS.AlignRight | _FLAGS.AlignBottom, number(scale.bottom, scale.range))


class Values(_Beside):
    """The names of the lanes and their newest values, at their right."""

    def __init__(self, theme: Theme) -> None:
        super().__init__(theme)
        self._row: np.void | None = None

    def refresh(self, lanes: Sequence[Lane], row: np.void | None) -> None:
        """Show these lanes, with the values of a row."""
        self.lanes, self._row = lanes, row
        metrics = self._metrics()
        names = max((metrics.horizontalAdvance(lane.name) for lane in lanes), default=0.0)
        values = max((metrics.horizontalAdvance(f"-0.000e+000 {lane.unit}") for lane in lanes), default=0.0)
        self._set_width(min(max(names, values * 1.25, 90.0), 260.0) + 16)
        self.update()

    def _paint(self, painter: QtGui.QPainter) -> None:
        """Paint name and value: one above the other where there is room for both, else beside each other."""
        metrics, plain = self._metrics(), painter.font()
        ends = edges(len(self.lanes), self.size().height())
        both = ends[1] - ends[0] >= 3 * metrics.height()
        large = QtGui.QFont(plain)
        if both and plain.pointSizeF() > 0:
            large.setPointSizeF(plain.pointSizeF() * 1.25)
        for row, place in self._places(1):
            lane, place = self.lanes[row], place.adjusted(8, 0, -4, 0)
            value = self._value(lane)
            middle = place.center().y()
            painter.setFont(plain)
            painter.setPen(QtGui.QColor(*self.theme.traces[row % len(self.theme.traces)]))
            if both:
                upper = QtCore.QRectF(place.left(), place.top(), place.width(), middle - place.top())
                lower = QtCore.QRectF(place.left(), middle, place.width(), place.bottom() - middle)
                name = metrics.elidedText(lane.name, QtCore.Qt.TextElideMode.ElideMiddle, place.width())
                painter.drawText(upper, _FLAGS.AlignLeft | _FLAGS.AlignBottom, name)
                painter.setFont(large)
                painter.setPen(QtGui.QColor(*self.theme.text))
                painter.drawText(lower, _FLAGS.AlignLeft | _FLAGS.AlignTop, value)
            else:
                room = place.width() - metrics.horizontalAdvance(value) - 8
                name = metrics.elidedText(lane.name, QtCore.Qt.TextElideMode.ElideMiddle, max(room, 0))
                painter.drawText(place, _FLAGS.AlignLeft | _FLAGS.AlignVCenter, name)
                painter.setPen(QtGui.QColor(*self.theme.text))
                painter.drawText(place, _FLAGS.AlignRight | _FLAGS.AlignVCenter, value)

    def _value(self, lane: Lane) -> str:
        """Give the newest value of a lane, with its unit."""
        if self._row is None or lane.name not in (self._row.dtype.names or ()):
            return ""
        return f"{number(self._row[lane.name], lane.scale.range)} {lane.unit}".strip()
