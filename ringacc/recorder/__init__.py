"""Recording: rows from a ring, or a stream of them, to the disk while they come, and back after a crash.

One file a concern: ``parts`` has the files of a recording that is under way, ``loop`` fills them from a ring,
``process`` starts that in a process of its own, ``rows`` tells which rows are where, ``recovery`` puts together what a
crash has left. Belongs here: their public names. May not be here: what a ring file or a table is.
"""

from __future__ import annotations

from .loop import Recorder
from .process import POLICIES, RecorderProcess
from .recovery import Log, Recovered, Stale, clean, logs_in, recover, stale_in

__all__ = [
    "POLICIES",
    "Log",
    "Recorder",
    "RecorderProcess",
    "Recovered",
    "Stale",
    "clean",
    "logs_in",
    "recover",
    "stale_in",
]
