"""The accumulators, by the names that stytra gave them.

``base`` has what all of them do, ``sources`` where the rows of each come from.
"""

from .base import Accumulator, DataFrameAccumulator
from .sources import (
    DynamicLog,
    EstimatorLog,
    FramerateAccumulator,
    FramerateQueueAccumulator,
    QueueDataAccumulator,
)

__all__ = [
    "Accumulator",
    "DataFrameAccumulator",
    "DynamicLog",
    "EstimatorLog",
    "FramerateAccumulator",
    "FramerateQueueAccumulator",
    "QueueDataAccumulator",
]
