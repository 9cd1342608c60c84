"""One adapter for each peer: how its user would do each work item.

Belongs here: what all adapters have in common, and the list of them. May not be here: a peer (each is imported when its
adapter is made), how a call is timed (``matrix``).

An adapter has a method for each work item that its peer can do, written as the peer's documentation or a fluent user
would write it, and says in ``cannot`` why it has not the others. What ``ready`` and ``block`` make is made outside the
turn: the input as the peer likes it best.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any, ClassVar

import numpy as np
from situation import COLUMNS, WINDOW

__all__ = ["NAMES", "Adapter", "Array", "FloatAdapter", "adapter", "float_adapter"]

Array = np.ndarray[Any, Any]

_HOMES = {
    "ringacc": "ours",
    "stytra": "stytra_log",
    "dvg-ringbuffer": "rings",
    "numpy_ringbuffer": "rings",
    "circular-buffer-numpy": "rings",
    "collections.deque": "lists",
    "array and index": "arrays",
    "np.roll": "arrays",
    "pandas.concat": "arrays",
    "mne-lsl": "streams",
    "brainflow": "streams",
}
#: All peers that keep rows, ours first.
NAMES = tuple(_HOMES)


class Adapter:
    """What one peer does; a subclass has a method for each work item that it can do.

    ``append(ready)``, ``extend(block)``, ``last(n)``, ``window(seconds)``, ``between(t0, t1)``, ``at(t)``, ``rate()``,
    ``dataframe(seconds)``, ``save(path, format)``, ``jitted(columns)``, and ``fill(rows)``.
    """

    #: The package that PyPI knows it by; None for what comes with Python.
    package: ClassVar[str | None] = None
    #: What to know of a work item.
    notes: ClassVar[Mapping[str, str]] = {}
    #: Why it cannot do a work item.
    cannot: ClassVar[Mapping[str, str]] = {}
    #: In which way an answer is known to be another than the right one.
    off: ClassVar[Mapping[str, str]] = {}

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity

    def fill(self, rows: Array) -> None:
        """Put many rows in."""
        self.append(self.ready(rows))

    def ready(self, rows: Array) -> Any:
        """Make what ``append`` puts in, one row after the other: tuples, time first."""
        return [tuple(row) for row in rows.tolist()]

    def append(self, ready: Any) -> None:
        """Put rows in, one by one."""
        raise NotImplementedError

    def block(self, rows: Array) -> Any:
        """Make what ``extend`` puts in at once."""
        return np.ascontiguousarray(rows)

    def frame(self, ready: Any) -> None:
        """Do what a closed loop does for each frame: put a row in, look at the last 50 ms. The same for all."""
        append, window = self.append, self.window  # type: ignore[attr-defined]
        for item in ready:
            append((item,))
            window(WINDOW)

    def rows(self, answer: Any) -> Array:
        """Give an answer as a matrix, time first, to be compared with the model's."""
        return np.asarray(answer, float).reshape(-1, len(COLUMNS))

    def can(self, work: str) -> bool:
        """Whether it can do a work item."""
        return hasattr(self, work) and work not in self.cannot

    def close(self) -> None:
        """Let go of what outlives it."""


class FloatAdapter:
    """A ring of single floats of one peer: ``append(values)``, ``newest()``, ``popleft()``, ``array()``."""

    package: ClassVar[str | None] = None

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity

    def append(self, values: list[float]) -> None:
        """Put floats in, one by one: all of these rings have a method of that name."""
        append = self.ring.append  # type: ignore[attr-defined]
        for value in values:
            append(value)

    def newest(self) -> float:
        """Give the newest float."""
        return self.ring[-1]  # type: ignore[attr-defined,no-any-return]

    def array(self) -> Array:
        """Give all of them as an array of their own."""
        return np.array(self.ring)  # type: ignore[attr-defined]


def adapter(name: str) -> type[Adapter]:
    """Give the adapter of a peer."""
    return _found(name, "ADAPTERS")


def float_adapter(name: str) -> type[FloatAdapter] | None:
    """Give the adapter of a peer's ring of floats; None where it has none."""
    home = import_module(f"{__name__}.{_HOMES[name]}")
    return getattr(home, "FLOATS", {}).get(name)  # type: ignore[no-any-return]


def _found(name: str, table: str) -> Any:
    adapters: Mapping[str, Callable[..., Any]] = getattr(import_module(f"{__name__}.{_HOMES[name]}"), table)
    return adapters[name]


def nearest(times: Array, t: float) -> int:
    """Give the place of the time that is nearest, in times that go forward."""
    place = int(np.searchsorted(times, t))
    if place == 0:
        return 0
    if place == len(times) or t - times[place - 1] <= times[place] - t:
        return place - 1
    return place
