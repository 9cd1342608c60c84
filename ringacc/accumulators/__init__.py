"""The accumulators, by the names that stytra gave them.

``base`` has how rows come in and go, ``answers`` what can be asked, ``sources`` where the rows of each come from.
"""

from .answers import DataFrameAccumulator
from .base import Accumulator
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
