"""A larva's tail: how it moves, what a camera sees of it, and finding it in a frame.

Belongs here: ``Larva``, whose angles are known at any time and which a camera can look at; ``track``, which finds the
angles in a frame and knows nothing of the larva. May not be here: when frames are taken and where the angles go.

Lengths are pixels, x to the right and y downwards; angles are radians, measured from the resting tail, positive
towards +y. A segment's angle is the direction from its first point to its last.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..kernels.compile import BYTES, FLOAT, VOID, inner, kernel

__all__ = ["COLUMNS", "SEGMENTS", "SIZE", "Larva", "tail_sum", "track"]

Array = np.ndarray[Any, Any]

SIZE = 100  # of a frame, which is square
SEGMENTS = 9
SEGMENT_LENGTH = 8.5
BASE_X, BASE_Y = 10.0, 50.0

#: What a row of the demo holds after its time.
COLUMNS = ("tail_sum", *(f"theta_{segment:02d}" for segment in range(SEGMENTS)), "frame")

_PIECES = 4  # straight pieces that a segment is drawn with
_FIN = 3  # pieces drawn behind the last segment, so that its end is no edge
_BASE_RADIUS, _TIP_RADIUS = 3.2, 1.4
_BRIGHTNESS = 170.0
_DARK, _NOISE = 24.0, 6.0

_ARC_REACH = 1.05  # radians to both sides of the segment before
_ARC_SAMPLES = 27
_LEAST_CONTRAST = 50.0  # between tail and ground on an arc; with less the tail is lost

_CYCLE = 60.0  # seconds until the bouts repeat
_WAVE = 3.2  # radians that the tip is behind the base in its beat

_FRAME = BYTES.dtype[:, ::1]
_FLOATS = FLOAT[::1]


class Larva:
    """A larva held by its head, whose tail beats in bouts.

    Parameters
    ----------
    seed
        Of the bouts and of the camera's noise; the same seed is the same larva.

    Notes
    -----
    A bout is a wave that runs from base to tip while its amplitude rises and falls, with a bend to one side that makes
    it a turn. Its rate, length and pauses are about those of slow swims (Budick and O'Malley, Journal of Experimental
    Biology 203:2565, 2000).

    Complexity: O(bouts) to make.
    Allocates: a few kilobytes of bouts and 20 kB of noise.
    Valid: for any time from 0 on; the bouts repeat after a minute.
    Threads: any number may ask for angles, one at a time for frames.

    Examples
    --------
    >>> from ringacc.cli.larva import Larva
    >>> larva = Larva()
    >>> larva.frame(0.3).shape, larva.angles(0.3).shape
    ((100, 100), (9,))
    """

    def __init__(self, seed: int = 0) -> None:
        rng = np.random.default_rng(seed)
        count = int(_CYCLE)  # each bout with its pause takes a second on average
        self._durations = rng.uniform(0.18, 0.4, count)
        pauses = rng.uniform(0.3, 1.1, count)
        pauses[0] = 0.2
        self._starts = np.cumsum(pauses) + np.concatenate([[0.0], np.cumsum(self._durations[:-1])])
        self._rates = rng.uniform(18.0, 28.0, count)
        self._amplitudes = rng.uniform(0.5, 1.35, count)
        self._bends = rng.normal(0.0, 0.12, count).clip(-0.25, 0.25)
        self._along = np.arange(SEGMENTS * _PIECES + _FIN) + 0.5
        self._along /= len(self._along)
        dark = np.rint(rng.normal(_DARK, _NOISE, 2 * SIZE * SIZE)).clip(0, 255)
        self._dark = dark.astype(np.uint8)
        self._rng = rng

    def midline(self, t: float) -> tuple[Array, Array]:
        """Give x and y along the middle of the tail at ``t`` seconds, from its base to the end of its fin."""
        length = SEGMENT_LENGTH / _PIECES
        tangents = self._tangents(t)
        x = BASE_X + length * np.concatenate([[0.0], np.cumsum(np.cos(tangents))])
        y = BASE_Y + length * np.concatenate([[0.0], np.cumsum(np.sin(tangents))])
        return x, y

    def angles(self, t: float) -> Array:
        """Give the true angle of each segment at ``t`` seconds, shape (SEGMENTS,)."""
        x, y = self.midline(t)
        ends = slice(0, SEGMENTS * _PIECES + 1, _PIECES)
        angles: Array = np.arctan2(np.diff(y[ends]), np.diff(x[ends]))
        return angles

    def frame(self, t: float) -> Array:
        """Give what the camera sees at ``t`` seconds: uint8, shape (SIZE, SIZE), a bright tail on noisy dark ground."""
        x, y = self.midline(t)
        radii = np.linspace(_BASE_RADIUS, _TIP_RADIUS, len(x) - 1)
        frame = np.zeros((SIZE, SIZE), np.uint8)
        start = int(self._rng.integers(SIZE * SIZE))
        _draw(frame, x, y, radii, self._dark[start : start + SIZE * SIZE])
        return frame

    def _tangents(self, t: float) -> Array:
        """Give the direction of each drawn piece at a time."""
        moment = t % _CYCLE
        bout = int(np.searchsorted(self._starts, moment, "right")) - 1
        if bout < 0 or moment - self._starts[bout] >= self._durations[bout]:
            return np.zeros_like(self._along)
        since = moment - self._starts[bout]
        share = since / self._durations[bout]
        swell = 6.75 * share * (1.0 - share) ** 2  # 1 at a third of the bout, level at its end
        beat = np.sin(2.0 * np.pi * self._rates[bout] * since - _WAVE * self._along)
        bent: Array = swell * (self._amplitudes[bout] * self._along**1.5 * beat + self._bends[bout] * self._along)
        return bent


def tail_sum(angles: Array) -> float:
    """Give how far the tail's end is bent from its base: last two angles less the first two, as stytra's logs have it.

    Worked out from the columns of recorded logs, which it reproduces to the last bit.
    """
    return float(angles[-1] + angles[-2] - angles[0] - angles[1])


def track(frame: Array) -> Array:
    """Find the tail in a frame.

    Parameters
    ----------
    frame
        uint8, shape (height, width), the tail brighter than the ground and its base where ``Larva`` has it.

    Returns
    -------
    ndarray
        float64, shape (SEGMENTS,): the angle of each segment; NaN from the segment on at which the tail is lost.

    Notes
    -----
    From the base on, each segment looks along an arc around its first point and ends at the centre of brightness
    there: the usual way to track a tail that is held at its base.

    Complexity: O(segments).
    Allocates: the angles.
    Valid: a new array.
    Threads: any.

    Examples
    --------
    >>> import numpy as np
    >>> from ringacc.cli.larva import Larva, track
    >>> larva = Larva()
    >>> bool(np.abs(track(larva.frame(0.3)) - larva.angles(0.3)).max() < 0.2)
    True
    >>> bool(np.isnan(track(np.zeros((100, 100), np.uint8))).all())
    True
    """
    angles = np.full(SEGMENTS, np.nan)
    _walk(np.ascontiguousarray(frame), BASE_X, BASE_Y, SEGMENT_LENGTH, angles)
    return angles


@kernel(VOID, _FRAME, _FLOATS, _FLOATS, _FLOATS, BYTES)
def _draw(frame: Any, x: Any, y: Any, radii: Any, dark: Any) -> None:
    """Draw the tail through x, y into a black frame and add the ground, pixel after pixel."""
    height, width = frame.shape
    for piece in range(len(radii)):
        x0, y0, radius = x[piece], y[piece], radii[piece]
        dx, dy = x[piece + 1] - x0, y[piece + 1] - y0
        square = dx * dx + dy * dy
        margin = radius + 1.0
        left = max(0, int(min(x0, x0 + dx) - margin))
        right = min(width, int(max(x0, x0 + dx) + margin) + 2)
        top = max(0, int(min(y0, y0 + dy) - margin))
        bottom = min(height, int(max(y0, y0 + dy) + margin) + 2)
        for row in range(top, bottom):
            for column in range(left, right):
                along = ((column - x0) * dx + (row - y0) * dy) / square
                along = min(1.0, max(0.0, along))
                aside = ((column - x0 - along * dx) ** 2 + (row - y0 - along * dy) ** 2) ** 0.5
                # The edge falls off over two pixels, about as a lens blurs it.
                share = min(1.0, max(0.0, 0.5 * (radius + 1.0 - aside)))
                frame[row, column] = max(int(frame[row, column]), int(_BRIGHTNESS * share))
    for row in range(height):
        for column in range(width):
            frame[row, column] = min(255, int(frame[row, column]) + int(dark[row * width + column]))


@inner
def _brightness(frame: Any, x: float, y: float) -> float:
    """Give the brightness between the four pixels around a point, 0 outside the frame."""
    column, row = int(x), int(y)
    if x < 0.0 or y < 0.0 or column + 1 >= frame.shape[1] or row + 1 >= frame.shape[0]:
        return 0.0
    right, below = x - column, y - row
    upper = frame[row, column] * (1.0 - right) + frame[row, column + 1] * right
    lower = frame[row + 1, column] * (1.0 - right) + frame[row + 1, column + 1] * right
    return float(upper * (1.0 - below) + lower * below)


@kernel(VOID, _FRAME, FLOAT, FLOAT, FLOAT, _FLOATS)
def _walk(frame: Any, x: float, y: float, length: float, angles: Any) -> None:
    """Write the angle of each segment from (x, y) on; stop where the tail is lost."""
    heading = 0.0
    seen = np.empty(_ARC_SAMPLES)
    step = 2.0 * _ARC_REACH / (_ARC_SAMPLES - 1)
    for segment in range(len(angles)):
        for sample in range(_ARC_SAMPLES):
            angle = heading - _ARC_REACH + sample * step
            seen[sample] = _brightness(frame, x + length * np.cos(angle), y + length * np.sin(angle))
        darkest, brightest = seen.min(), seen.max()
        if brightest - darkest < _LEAST_CONTRAST:
            return
        # Only what is brighter than half-way counts, so that noise on the ground does not pull the centre.
        threshold = 0.5 * (darkest + brightest)
        weight, moment = 0.0, 0.0
        for sample in range(_ARC_SAMPLES):
            over = max(0.0, seen[sample] - threshold)
            weight += over
            moment += over * (sample * step - _ARC_REACH)
        heading += moment / weight
        angles[segment] = heading
        x += length * np.cos(heading)
        y += length * np.sin(heading)
