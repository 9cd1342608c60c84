"""What holds of every ring at every moment.

Belongs here: `check`. May not be here: what a ring answers (``models``).
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import numpy as np

__all__ = ["check"]


def check(ring: Any) -> None:
    """Assert every invariant of a RingBuffer or a TimeRing; an empty ring has them too.

    Counters: ``0 <= written - trimmed == len <= capacity``. Block: every live row is there twice,
    with the same bytes, `capacity` slots apart, in consecutive slots. Views: read-only,
    contiguous, in the block itself, and byte for byte the live rows. Health of a TimeRing: its
    counts cover the rows that are left.

    Parameters
    ----------
    ring : RingBuffer or TimeRing
        Left as it is.

    Raises
    ------
    AssertionError
        Names the invariant that is broken.

    Notes
    -----
    Complexity: O(len).
    Allocates: a few copies of the live rows.
    Valid: a plain value, None.
    Threads: the writer's only.

    Examples
    --------
    >>> from ringacc import RingBuffer
    >>> from ringacc.testing import check
    >>> ring = RingBuffer(3)
    >>> ring.extend([1, 2, 3, 4])
    >>> check(ring)
    """
    live = ring.written - ring.trimmed
    assert ring.trimmed >= 0, f"trimmed is {ring.trimmed}"
    assert 0 <= live <= ring.capacity, f"{live} live rows in a capacity of {ring.capacity}"
    assert len(ring) == live, f"len is {len(ring)}, but written - trimmed is {live}"
    assert ring.maxlen == ring.capacity, f"maxlen {ring.maxlen}, capacity {ring.capacity}"
    assert ring.is_full == (live == ring.capacity), f"is_full is {ring.is_full} at {live} rows"
    _check_mirror(ring)
    _check_views(ring)
    if hasattr(ring, "health"):
        _check_health(ring)


def _check_mirror(ring: Any) -> None:
    """Assert that live rows lie in consecutive slots, the same bytes in both halves."""
    rows, live = ring._block.rows, np.asarray(ring)
    assert len(rows) == 2 * ring.capacity, f"the block has {len(rows)} slots"
    assert live.shape == (len(ring), *rows.shape[1:]), f"live rows of shape {live.shape}"
    assert live.dtype == rows.dtype, f"live rows of dtype {live.dtype}, block of {rows.dtype}"
    for position in range(len(ring)):
        slot = ring._slot(ring.trimmed + position)
        expected = (ring._slot(ring.trimmed) + position) % ring.capacity
        assert slot == expected, f"row {position} is in slot {slot}, not {expected}"
        left, right = rows[slot : slot + 1], rows[slot + ring.capacity :][:1]
        assert left.tobytes() == right.tobytes(), f"slot {slot}: {left}, its mirror: {right}"
        read = live[position : position + 1]
        assert left.tobytes() == read.tobytes(), f"slot {slot}: {left}, read as {read}"


def _check_views(ring: Any) -> None:
    """Assert that the view of all rows is one read-only piece of the block."""
    view = ring.last(ring.capacity)
    assert len(view) == len(ring), f"last(capacity) has {len(view)} rows, the ring {len(ring)}"
    assert not view.flags.writeable, "a view can be written to"
    assert view.flags.c_contiguous, "a view is not contiguous"
    assert len(view) == 0 or np.shares_memory(view, ring._block.rows), "a view is a copy"
    assert view.tobytes() == np.asarray(ring).tobytes(), "a view and a copy differ"
    rows, following, missed = ring.since(ring.trimmed)
    assert (following, missed) == (ring.written, 0), f"since: {following}, missed {missed}"
    assert rows.tobytes() == view.tobytes(), "since(trimmed) is not all live rows"


def _check_health(ring: Any) -> None:
    """Assert that times are finite and that the health counts the steps that are still there."""
    times = np.asarray(ring)["t"].tolist()
    gaps = [later - earlier for earlier, later in pairwise(times)]
    health = ring.health()
    assert all(map(math.isfinite, times)), f"a time is not finite: {times}"
    assert health.rows == ring.written, f"health counts {health.rows} of {ring.written} rows"
    assert gaps.count(0.0) <= health.repeats, f"repeats: {health.repeats} of {times}"
    assert sum(gap < 0 for gap in gaps) <= health.backward, f"backward: {health.backward}"
    assert max(gaps, default=0.0) <= health.largest_gap, f"largest_gap: {health.largest_gap}"
    assert health.repeats + health.backward <= max(0, ring.written - 1), f"steps: {health}"
    assert 0 <= health.overwritten <= ring.trimmed, f"overwritten: {health.overwritten}"
