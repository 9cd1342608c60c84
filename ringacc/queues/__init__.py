"""Queues that carry rows from one process to another.

One file a concern: ``ringqueue`` carries rows of declared fields, ``namedtuplequeue`` learns the fields from the rows,
``rows`` says what a row looks like on its way. Belongs here: their public names. May not be here: what becomes of a row
where it arrives.
"""

from __future__ import annotations

from .namedtuplequeue import NamedTupleQueue
from .ringqueue import CAPACITY, RingQueue

__all__ = ["CAPACITY", "NamedTupleQueue", "RingQueue"]
