"""The rows of the targets that are about the loop: putting in, looking up.

Belongs here: the work of each row, done by ours and by the peer from the same input. May not be here: how it is timed
(``measuring``), what it is done with (``inputs``), how it is printed (``compare``).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
from inputs import (
    CAPACITY,
    ROWS,
    TURN,
    Experiment,
    Scale,
    Stream,
    dvg_ring,
    filled,
    full_ring,
    put_each,
    put_rows,
    row,
    stytra,
    wide,
)
from measuring import Line, Rounds, compared, take_turns

from ringacc import EstimatorLog, RingBuffer, TimeRing
from ringacc.jit import append as append_jitted

__all__ = ["ROWS"]

# Putting in ---------------------------------------------------------------------------------------------------------


@row("append")
def append(scale: Scale) -> Iterator[Line]:
    """Put a time and five floats from Python into a ring that is full."""
    stream = Stream(TURN)
    ring = full_ring(CAPACITY)
    log = stytra().EstimatorLog(Experiment())
    dvg = dvg_ring(CAPACITY, ring.dtype)
    ready: list[tuple[float, ...]] = []

    def prepare() -> None:
        stream.advance()
        ready[:] = [(time, *values) for time, values in zip(stream.times, stream.rows, strict=True)]

    rounds = take_turns(
        {
            "ours": lambda: put_rows(ring.append, stream),
            "stytra": lambda: put_rows(log.update_list, stream),
            "dvg": lambda: put_each(dvg.append, ready),
        },
        scale.rounds,
        len(stream.rows),
        prepare=prepare,
    )
    work = "TimeRing.append(t, 5 values)"
    yield compared(
        rounds, "ours", "stytra", row="append", work=work, against="stytra EstimatorLog.update_list", target=0.9
    )
    yield compared(rounds, "ours", "dvg", row="append", work=work, against="dvg-ringbuffer, structured", target=0.35)


@row("estimator_log")
def estimator_log(scale: Scale) -> Iterator[Line]:
    """Put the same into a log of an experiment that runs: every row is kept."""
    stream = Stream(TURN)
    make = type(stream.rows[0])

    def made_and_put(put: Callable[[float, Any], None]) -> None:
        for time, values in zip(stream.times, stream.rows, strict=True):
            put(time, make(*values))

    def measured(turn: Callable[[Callable[[float, Any], None]], None]) -> Rounds:
        ours, theirs = EstimatorLog(Experiment()), stytra().EstimatorLog(Experiment())
        works = {"ours": partial(turn, ours.update_list), "theirs": partial(turn, theirs.update_list)}
        # Past the first lap of the ring, so that rows go to the history.
        return take_turns(works, scale.rounds, TURN, warm=10, prepare=stream.advance)

    work, against = "EstimatorLog.update_list(t, row of 5)", "stytra EstimatorLog.update_list"
    rounds = measured(lambda put: put_rows(put, stream))
    yield compared(rounds, "ours", "theirs", row="estimator_log", work=work, against=against, target=1.3)
    work += ", row made there"
    note = "no target: rows that are not there before, so that the peer fills memory with them"
    rounds = measured(made_and_put)
    yield compared(rounds, "ours", "theirs", row="estimator_log", work=work, against=against, note=note)


@row("ringbuffer")
def ringbuffer(scale: Scale) -> Iterator[Line]:
    """Put one float from Python into a ring that is full."""
    values = np.random.default_rng(1).normal(size=TURN).tolist()
    ours, theirs = RingBuffer(CAPACITY), dvg_ring(CAPACITY, float)
    rounds = take_turns(
        {"ours": lambda: put_each(ours.append, values), "theirs": lambda: put_each(theirs.append, values)},
        scale.rounds,
        len(values),
    )
    yield compared(
        rounds,
        "ours",
        "theirs",
        row="ringbuffer",
        work="RingBuffer.append(float)",
        against="dvg-ringbuffer",
        target=0.7,
    )


def jitted_loop() -> Callable[..., None]:
    """Compile a user's loop that appends rows of a time and five values."""
    from numba import njit

    @njit  # type: ignore[untyped-decorator]
    def loop(ring: Any, times: Any, a: Any, b: Any, c: Any, d: Any, e: Any) -> None:
        for i in range(len(times)):
            append_jitted(ring, times[i], (a[i], b[i], c[i], d[i], e[i]))

    return loop  # type: ignore[no-any-return]


@row("jit")
def jit(scale: Scale) -> Iterator[Line]:
    """Make a row of six floats and append it, in a jitted loop and in a Python loop."""
    video, stream = Stream(20 * TURN), Stream(TURN)
    ring = full_ring(CAPACITY)
    rows: deque[tuple[float, ...]] = deque(maxlen=CAPACITY)
    loop = jitted_loop()
    columns: list[Any] = []
    lists: list[list[float]] = []
    ready: list[tuple[float, ...]] = []

    def prepare() -> None:
        video.advance()
        columns[:] = [column.copy() for column in video.matrix.T]
        stream.advance()
        lists[:] = [stream.times, *(column.tolist() for column in stream.matrix.T[1:])]
        ready[:] = zip(*lists, strict=True)

    def made_and_appended() -> None:
        put = rows.append
        for t, a, b, c, d, e in zip(*lists, strict=True):
            put((t, a, b, c, d, e))

    # As many rows to a turn as make it about as long as one of theirs; a loop over a video has more.
    turns = {"ours": len(video.rows), "made": TURN, "ready": TURN}
    rounds = take_turns(
        {
            "ours": lambda: loop(ring.jit, *columns),
            "made": made_and_appended,
            "ready": lambda: put_each(rows.append, ready),
        },
        scale.rounds,
        turns,
        prepare=prepare,
    )
    work = "append in a user's @njit loop, 5 values"
    yield compared(
        rounds, "ours", "made", row="jit", work=work, against="deque.append((t, a, b, c, d, e))", target=1 / 20
    )
    yield compared(
        rounds,
        "ours",
        "ready",
        row="jit",
        work=work,
        against="deque.append(row that is there)",
        note="no target: the peer stores a pointer to a row that was made before",
    )


@row("extend")
def extend(scale: Scale) -> Iterator[Line]:
    """Put in blocks of 1000 rows of six float64, against copying their bytes."""
    stream = Stream(8000)
    ring = full_ring(CAPACITY)
    sources = np.split(stream.matrix, 8)
    blocks = [source.copy().view(ring.dtype).reshape(-1) for source in sources]
    target, large = np.empty_like(sources[0]), np.empty((CAPACITY, 6))
    place = 0

    def prepare() -> None:
        stream.advance()
        for block, source in zip(blocks, sources, strict=True):
            block["t"] = source[:, 0]

    def copy() -> None:
        for source in sources:
            np.copyto(target, source)

    def copy_on() -> None:
        nonlocal place
        for source in sources:
            large[place : place + 1000] = source
            place = (place + 1000) % CAPACITY

    rounds = take_turns(
        {"ours": lambda: put_each(ring.extend, blocks), "copy": copy, "copy_on": copy_on},
        3 * scale.rounds,
        len(blocks),
        prepare=prepare,
    )
    work = "extend of 1000 rows of 6 float64"
    against = "np.copyto of those bytes to one place"
    yield compared(rounds, "ours", "copy", row="extend", work=work, against=against, target=3)
    against = f"copy to the next place of {CAPACITY:,} rows"
    yield compared(rounds, "ours", "copy_on", row="extend", work=work, against=against)


# Looking up ---------------------------------------------------------------------------------------------------------


@row("window")
def window(scale: Scale) -> Iterator[Line]:
    """Ask for the rows of the last second at 1 kHz."""
    sizes = (1000, scale.most_rows // 10, scale.most_rows)
    rings = {size: full_ring(size) for size in sizes}
    logs = {size: filled(stytra().EstimatorLog(Experiment()), size) for size in sizes}
    own = filled(EstimatorLog(Experiment()), sizes[1])

    def looked(ring: TimeRing) -> Callable[[], None]:
        def look() -> None:
            for _ in range(100):
                ring.window(1.0)

        return look

    ours = take_turns({str(size): looked(ring) for size, ring in rings.items()}, scale.rounds, 100)
    for size in sizes:
        rounds = take_turns(
            {"ours": looked(rings[size]), "theirs": partial(logs[size].get_last_t, 1.0)},
            scale.slow_rounds,
            {"ours": 100, "theirs": 1},
        )
        yield compared(
            rounds,
            "ours",
            "theirs",
            row="window",
            work=f"window(1.0) at 1 kHz, ring of {size:,} rows",
            against="stytra get_last_t(1.0)",
            target=1 / 300,
        )
    yield compared(
        ours,
        str(sizes[-1]),
        str(sizes[0]),
        row="window",
        work=f"window(1.0), ring of {sizes[-1]:,} rows",
        against="ours, ring of 1,000 rows",
        target=1.5,
    )
    rounds = take_turns(
        {"ours": lambda: own.get_last_t(1.0), "theirs": lambda: logs[sizes[1]].get_last_t(1.0)}, scale.slow_rounds
    )
    yield compared(
        rounds,
        "ours",
        "theirs",
        row="window",
        work=f"EstimatorLog.get_last_t(1.0), {sizes[1]:,} rows",
        against="stytra get_last_t(1.0)",
    )


@row("last_n")
def last_n(scale: Scale) -> Iterator[Line]:
    """Ask for the last rows as a table of their own."""
    ours, theirs = wide(scale)
    rounds = take_turns(
        {"ours": lambda: ours.get_last_n(3000), "theirs": lambda: theirs.get_last_n(3000)}, scale.slow_rounds
    )
    yield compared(
        rounds,
        "ours",
        "theirs",
        row="last_n",
        work="get_last_n(3000), 20 columns",
        against="stytra get_last_n",
        target=1 / 50,
    )
