"""ringacc: accumulate, look up and record time-stamped rows at the rate of a tracking loop.

Belongs here: the public names. They are imported on first use, so that ``import ringacc`` loads nothing outside the
standard library.

>>> from ringacc import TimeRing
>>> track = TimeRing(10_000, {"x": "f8", "y": "f8"})
>>> track.append(0.01, (1.0, 2.0))
>>> track.last(1)["x"]
array([1.])
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .accumulators import (
        Accumulator,
        DataFrameAccumulator,
        DynamicLog,
        EstimatorLog,
        FramerateAccumulator,
        FramerateQueueAccumulator,
        QueueDataAccumulator,
    )
    from .collector import DataCollector
    from .errors import RingaccError
    from .lookups import Health
    from .queues import NamedTupleQueue, RingQueue
    from .reader import RingReader
    from .ring import RingBuffer
    from .session import Session
    from .system import rings_folder
    from .tables import load, save
    from .timering import TimeRing

__version__ = "0.1.0"

_HOMES = {
    "Accumulator": "accumulators",
    "DataCollector": "collector",
    "DataFrameAccumulator": "accumulators",
    "DynamicLog": "accumulators",
    "EstimatorLog": "accumulators",
    "FramerateAccumulator": "accumulators",
    "FramerateQueueAccumulator": "accumulators",
    "Health": "lookups",
    "NamedTupleQueue": "queues",
    "QueueDataAccumulator": "accumulators",
    "RingBuffer": "ring",
    "RingQueue": "queues",
    "RingReader": "reader",
    "RingaccError": "errors",
    "Session": "session",
    "TimeRing": "timering",
    "load": "tables",
    "rings_folder": "system",
    "save": "tables",
}

__all__ = [
    "Accumulator",
    "DataCollector",
    "DataFrameAccumulator",
    "DynamicLog",
    "EstimatorLog",
    "FramerateAccumulator",
    "FramerateQueueAccumulator",
    "Health",
    "NamedTupleQueue",
    "QueueDataAccumulator",
    "RingBuffer",
    "RingQueue",
    "RingReader",
    "RingaccError",
    "Session",
    "TimeRing",
    "load",
    "rings_folder",
    "save",
]


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'ringacc' has no attribute {name!r}")
    value = getattr(import_module(f".{home}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
