"""What tests of code that uses the rings need: the invariant checker, the slow model, strategies.

Belongs here: the names. May not be here, or in any room of this: anything taken from the rings' own modules (a model
that shared their code would share their faults), and anything that the package needs at run time.

``natives`` has values as plain Python objects, ``models`` the slow models, ``invariant`` the checker, ``strategies``
what hypothesis draws. hypothesis is imported when the first strategy is made, so that the rest works without it.
"""

from .invariant import check
from .models import RingModel, TimeRingModel
from .natives import plain, same, stored
from .strategies import blocks, dtypes, fields, misfits, time_after, times, values

__all__ = [
    "RingModel",
    "TimeRingModel",
    "blocks",
    "check",
    "dtypes",
    "fields",
    "misfits",
    "plain",
    "same",
    "stored",
    "time_after",
    "times",
    "values",
]
