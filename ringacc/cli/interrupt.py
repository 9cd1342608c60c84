"""Ctrl-C.

Belongs here: noting that it came. May not be here: what is done about it, and any import outside the standard library,
since it is to be noted while those are loaded: libraries catch a KeyboardInterrupt in the middle of their imports.
"""

from __future__ import annotations

import signal
from types import FrameType, TracebackType
from typing import Any, Self

__all__ = ["Interrupt"]


class Interrupt:
    """Ctrl-C and SIGTERM, noted instead of raised, so that nothing is cut in the middle, however often they come.

    Attributes
    ----------
    signal
        The number of the first one that came; 0: none.

    Notes
    -----
    Complexity: O(1).
    Allocates: nothing.
    Valid: while entered; after one came, until the process ends, which is then about to.
    Threads: the main thread.

    Examples
    --------
    >>> import signal
    >>> from ringacc.cli.interrupt import Interrupt
    >>> with Interrupt() as interrupt:
    ...     bool(interrupt)
    False
    """

    _SIGNALS = (signal.SIGINT, signal.SIGTERM)

    def __init__(self) -> None:
        self.signal = 0
        self._before: list[Any] = []

    def __bool__(self) -> bool:
        """Say whether one came."""
        return self.signal != 0

    def __enter__(self) -> Self:
        """Take them over."""
        self._before = [signal.signal(number, self._note) for number in self._SIGNALS]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give them back, unless one came: a second one is not to cut what is left."""
        if self:
            return
        for number, before in zip(self._SIGNALS, self._before, strict=True):
            signal.signal(number, before)

    @property
    def exit_code(self) -> int:
        """What shells expect of a command that a signal ended: 128 + its number."""
        return 128 + self.signal

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.signal = self.signal or number
