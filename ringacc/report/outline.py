"""Traces with no more points than can be seen.

Belongs here: what is left of many rows in few pixels. May not be here: drawing.
"""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["outline"]

Array = np.ndarray[Any, Any]


def outline(times: Array, values: Array, start: float, end: float, pixels: int, gap: float) -> tuple[Array, Array]:
    """Give the points of a line through values from ``start`` to ``end``: the least and the greatest of each pixel.

    Times are in order and finite. Where there are no more than two rows a pixel, all of them are given. NaN stands
    where the line is broken: for values that are no finite number, and between rows that are more than ``gap`` apart.
    """
    first, last = np.searchsorted(times, start, side="left"), np.searchsorted(times, end, side="right")
    times = times[first:last]
    values = np.asarray(values[first:last], np.float64)
    if not np.isfinite(values).all():
        values = np.where(np.isfinite(values), values, np.nan)
    if len(times) > 2 * pixels and end > start:
        width = (end - start) / pixels
        starts = np.unique(np.searchsorted(times, start + width * np.arange(pixels), side="left"))
        starts = starts[starts < len(times)]
        ends = np.append(starts[1:], len(times))
        low, high = np.fmin.reduceat(values, starts), np.fmax.reduceat(values, starts)
        x = np.repeat((times[starts] + times[ends - 1]) / 2, 2)
        y = np.column_stack([low, high]).ravel()
        # From pixel to pixel it is the rows beside the edge that count, not the middles.
        breaks = 2 * (np.flatnonzero(times[starts[1:]] - times[ends[:-1] - 1] > gap) + 1)
    else:
        x, y = times, values
        breaks = np.flatnonzero(np.diff(times) > gap) + 1
    return np.insert(x, breaks, x[breaks]), np.insert(y, breaks, np.nan)
