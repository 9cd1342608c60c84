"""How it looks: colours for a light and for a dark desktop.

Belongs here: colours. May not be here: what is drawn in them.
"""

from __future__ import annotations

import functools
from typing import NamedTuple

from .traces import LEVELS

__all__ = ["DARK", "LIGHT", "Theme"]

Colour = tuple[int, int, int]


class Theme(NamedTuple):
    """Colours.

    Attributes
    ----------
    back
        Behind the traces.
    line
        Between lanes and at the times of the axis.
    text
        Names and numbers.
    faint
        Numbers of the scales.
    traces
        One after the other, from the start again when there are more traces.
    """

    back: Colour
    line: Colour
    text: Colour
    faint: Colour
    traces: tuple[Colour, ...]

    def shades(self) -> list[int]:
        """Give all colours of a picture as 0xAARRGGBB: background, lines, then the shades of each trace."""
        return _shades_of(self)


@functools.cache
def _shades_of(theme: Theme) -> list[int]:
    """Give the shades, which are asked for at each redraw."""
    blended = [
        tuple(round(back + (front - back) * level / LEVELS) for back, front in zip(theme.back, trace, strict=True))
        for trace in theme.traces
        for level in range(1, LEVELS + 1)
    ]
    return [0xFF000000 | red << 16 | green << 8 | blue for red, green, blue in (theme.back, theme.line, *blended)]


# Both by Okabe and Ito, told apart by colour-blind people; darker where the ground is white.
LIGHT = Theme(
    back=(255, 255, 255),
    line=(228, 230, 234),
    text=(28, 32, 38),
    faint=(118, 124, 134),
    traces=((0, 104, 168), (196, 84, 0), (0, 138, 100), (176, 78, 142), (146, 112, 0), (36, 144, 200)),
)
DARK = Theme(
    back=(24, 27, 32),
    line=(46, 51, 59),
    text=(228, 231, 236),
    faint=(136, 143, 154),
    traces=((86, 180, 233), (240, 150, 40), (40, 190, 145), (222, 140, 186), (238, 222, 80), (120, 150, 255)),
)
