"""Rows as a queue's ring has them.

Belongs here: which rows are numbers, and times that were put in as datetimes. May not be here: queues.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import numpy as np

from .. import schema
from ..appending import checked_time
from ..errors import RowKindError, RowTimeError, SchemaError

__all__ = ["FAR", "PICKLED", "SECOND", "are_columns", "clock_of", "is_moment", "is_plain", "moment_of"]

SECOND = timedelta(seconds=1)
#: Seconds, 136 years: up to there a float has the microseconds.
FAR = 2.0**32
#: The "kind" in the notes of a ring whose rows are pickled.
PICKLED = "pickled"

#: What a row of numbers holds; ``schema.value_dtype`` gives each a column.
_NUMBERS = (int, float, np.bool_, np.integer, np.floating)


def is_plain(value: Any) -> bool:
    """Say whether a value is a number; NumPy's time spans are integers by their class alone."""
    return isinstance(value, _NUMBERS) and not isinstance(value, np.timedelta64)


def is_moment(t: Any) -> bool:
    """Say whether a time is a number or a plain datetime; a number must be finite."""
    if isinstance(t, datetime):
        # One of pandas, say, has nanoseconds, or is none at all.
        return type(t) is datetime
    try:
        checked_time(t)
    except RowKindError:
        return False
    return True


def are_columns(columns: tuple[str, ...]) -> bool:
    """Say whether these can be the names of the columns of a ring."""
    try:
        schema.check_names(columns)
    except SchemaError:
        return False
    return True


def clock_of(t: Any) -> datetime | None:
    """Give the moment that times are counted from where this is the first one; None: they are numbers.

    With a fixed offset from UTC: where both have the same zone, datetimes are subtracted by the clock on the wall.
    """
    if not isinstance(t, datetime):
        return None
    try:
        return datetime.fromisoformat(t.isoformat())
    except ValueError as error:
        raise RowTimeError(f"expected a time, found {t!r}: nothing was put in") from error


def moment_of(text: str | None) -> datetime | None:
    """Give the moment that is spelled so in the notes of a ring."""
    return None if text is None else datetime.fromisoformat(text)
