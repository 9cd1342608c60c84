"""What the tests of ring files stand on: rings of known rows, and what is in a folder."""

from __future__ import annotations

import os

from ringacc import TimeRing

FIELDS = {"x": "f8", "ok": "?"}
PATIENCE = 60.0  # seconds until a test gives up on another process


def numbered(path, count, capacity=8, **more):
    """Make a ring file of the rows (n / 4, n, n is even)."""
    ring = TimeRing.create(path, capacity, FIELDS, **more)
    for n in range(count):
        ring.append(n / 4, (n, n % 2 == 0))
    return ring


def names(folder):
    """Return the names of what is in a folder, hidden ones too."""
    return sorted(os.listdir(folder))
