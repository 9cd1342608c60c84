"""What `multiprocessing.Queue` has besides putting rows in and taking them out.

Belongs here: its names, in terms of a queue's own. May not be here: anything about how rows lie or travel.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

__all__ = ["Likeness"]


class Likeness:
    """The base of queues that stand in for `multiprocessing.Queue`."""

    _put_slowly: Callable[..., None]

    def get(self, block: bool = True, timeout: float | None = None) -> tuple[Any, Any]:
        """Take the oldest row out; a queue says how."""
        raise NotImplementedError

    def qsize(self) -> int:
        """Give how many rows wait; a queue says how."""
        raise NotImplementedError

    def put_nowait(self, t: float | datetime, values: Any) -> None:
        """Put a row in, or raise `queue.Full` at once.

        Notes
        -----
        Complexity: O(fields).
        Allocates: as ``put``.
        Valid: the row is with the consumer when it returns.
        Threads: the producer's one.
        """
        self._put_slowly(t, values, False)

    def get_nowait(self) -> tuple[Any, Any]:
        """Take the oldest row out, or raise `queue.Empty` at once.

        Notes
        -----
        Complexity: O(fields).
        Allocates: as ``get``.
        Valid: a copy, for ever.
        Threads: the consumer's one.
        """
        return self.get(block=False)

    def empty(self) -> bool:
        """Say whether no row waits just now.

        Notes
        -----
        Complexity: O(rings that wait).
        Allocates: nothing.
        Valid: of the moment of the call.
        Threads: any, of any process.
        """
        return self.qsize() == 0

    def join_thread(self) -> None:
        """Do nothing: a row is with the consumer as soon as ``put`` has returned.

        Notes
        -----
        Complexity: O(1).
        Allocates: nothing.
        Valid: nothing is given.
        Threads: any.
        """

    def cancel_join_thread(self) -> None:
        """Do nothing: a process that ends waits for nothing, and loses nothing.

        Notes
        -----
        Complexity: O(1).
        Allocates: nothing.
        Valid: nothing is given.
        Threads: any.
        """
