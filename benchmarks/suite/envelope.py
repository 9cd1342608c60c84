"""What a plot asks for: the least and the greatest of many rows, in a few points.

Belongs here: ``TimeRing.envelope``. May not be here: drawing.
"""

from __future__ import annotations

from .stage import feature, full_ring


class Envelope:
    """The last 100 s at 1 kHz in 500 points, of a ring that is full and while rows come."""

    def setup(self) -> None:
        feature("ringacc", "TimeRing.envelope")
        self.ring = full_ring(100_000)
        self.time = 1.0
        self.time_again()
        self.time_after_a_row()

    def time_again(self) -> None:
        self.ring.envelope(100.0, 500)

    def time_after_a_row(self) -> None:
        self.time += 0.001
        self.ring.append(self.time, (1.0, 2.0, 3.0, 4.0, 5.0))
        self.ring.envelope(100.0, 500)
