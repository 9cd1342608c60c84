"""What the rows of the targets are measured with: how much is done, the input of a turn, the peers.

Belongs here: the scale, the streams of rows, peers as they are made, the list of rows. May not be here: a measurement.

Fair play: the peer gets its input as it likes it best (ready-made namedtuples, tuples or floats, made outside the timed
section), its fastest way in, and the state it has in a running experiment. Times go forward, for both alike.
"""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

import numpy as np
from measuring import Line
from stytra_peer import PeerMissingError, Stytra, load_stytra

from ringacc import EstimatorLog, TimeRing

__all__ = ["QUICK", "ROWS", "Scale", "row"]

FIVE = tuple("abcde")
CAPACITY = 10_000
STEP = 0.001
# Rows in one turn: less than a millisecond, so that most turns are not interrupted.
TURN = 2000


@dataclass(frozen=True)
class Scale:
    """How much is done: enough to trust, or enough to see that it can be measured."""

    rounds: int = 151
    slow_rounds: int = 25
    save_rounds: int = 5
    processes: int = 7
    calls: int = 1_000_000
    table_rows: int = 300_000
    most_rows: int = 1_000_000


QUICK = Scale(rounds=9, slow_rounds=3, save_rounds=1, processes=1, calls=20_000, table_rows=10_000, most_rows=100_000)

ROWS: dict[str, Callable[[Scale], Iterator[Line]]] = {}


def row(name: str) -> Callable[[Callable[[Scale], Iterator[Line]]], Callable[[Scale], Iterator[Line]]]:
    """Enter a function that measures one row under a name."""

    def enter(measure: Callable[[Scale], Iterator[Line]]) -> Callable[[Scale], Iterator[Line]]:
        ROWS[name] = measure
        return measure

    return enter


# Peers and input --------------------------------------------------------------------------------------------------


@cache
def stytra() -> Stytra:
    """Give stytra, loaded once."""
    return load_stytra()


def dvg_ring(capacity: int, dtype: Any) -> Any:
    """Make a ring of dvg-ringbuffer."""
    try:
        from dvg_ringbuffer import RingBuffer as Peer  # type: ignore[import-untyped]
    except ImportError as error:
        raise PeerMissingError(
            "expected dvg-ringbuffer, found no such package: pip install --no-deps -r benchmarks/peers/requirements.txt"
        ) from error
    return Peer(capacity, dtype=dtype)


class Protocol:
    """A protocol that runs, so that every row is kept."""

    def __init__(self) -> None:
        self.running = True


class Experiment:
    """What accumulators belong to; a plain object, as in a real program."""

    def __init__(self) -> None:
        self.t0 = datetime.now()
        self.protocol_runner = Protocol()


class Stream:
    """Rows at 1 kHz, give or take a tenth, whose times go on with every ``advance``.

    ``times`` and ``rows`` are lists of floats and of namedtuples; ``matrix`` has the same as an array, t first.
    """

    def __init__(self, count: int, columns: Sequence[str] = FIVE) -> None:
        random = np.random.default_rng(1)
        self._offsets = np.cumsum(random.uniform(0.9 * STEP, 1.1 * STEP, count))
        self._turn = 0
        self.matrix = random.normal(size=(count, len(columns) + 1))
        make: Any = namedtuple("Sample", columns)  # type: ignore[misc]
        self.rows = [make(*values) for values in self.matrix[:, 1:].tolist()]
        self.advance()

    def advance(self) -> None:
        """Move the times on to where the last ones ended."""
        self.matrix[:, 0] = self._offsets + self._turn * self._offsets[-1]
        self.times: list[float] = self.matrix[:, 0].tolist()
        self._turn += 1


def put_rows(put: Callable[[float, Any], Any], stream: Stream) -> None:
    """Hand rows over one at a time, as a tracking loop does."""
    for time, values in zip(stream.times, stream.rows, strict=True):
        put(time, values)


def put_each(put: Callable[[Any], Any], things: Iterable[Any]) -> None:
    """Hand things over one at a time."""
    for thing in things:
        put(thing)


def columns_named(count: int) -> tuple[str, ...]:
    """Give as many column names."""
    return tuple(f"theta_{number:02}" for number in range(count))


def full_ring(capacity: int) -> TimeRing:
    """Make a ring that is full and has gone round once and a half, at 1 kHz, up to time 0, where streams begin."""
    ring = TimeRing(capacity, dict.fromkeys(FIVE, "f8"))
    block = np.zeros(capacity + capacity // 2, ring.dtype)
    block["t"] = np.arange(-len(block), 0) * STEP
    ring.extend(block[:capacity].copy())
    ring.extend(block[capacity:].copy())
    return ring


def filled(log: Any, count: int) -> Any:
    """Fill a log at 1 kHz with rows of five floats."""
    rows = Stream(1000).rows
    for number in range(count):
        log.update_list(number * STEP, rows[number % 1000])
    return log


def wide(scale: Scale) -> tuple[Any, Any]:
    """Give our log and stytra's with the same rows of 20 columns."""
    stream = Stream(scale.table_rows, columns_named(20))
    ours, theirs = EstimatorLog(Experiment()), stytra().EstimatorLog(Experiment())
    put_rows(ours.update_list, stream)
    put_rows(theirs.update_list, stream)
    return ours, theirs
