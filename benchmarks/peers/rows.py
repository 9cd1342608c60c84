"""The rows of the table: what is measured, and against whom.

Belongs here: the work of each row, done by ours and by the peer from the same input. May not be here: how it is timed
(``measuring``), how it is printed (``compare``).

Fair play: the peer gets its input as it likes it best (ready-made namedtuples, tuples or floats, made outside the timed
section), its fastest way in, and the state it has in a running experiment. Times go forward, for both alike.
"""

from __future__ import annotations

import tempfile
from collections import deque, namedtuple
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache, partial
from time import perf_counter_ns
from typing import Any

import numpy as np
from measuring import Line, NoGarbageCollector, Rounds, compared, in_fresh_process, take_turns
from stytra_peer import PeerMissingError, Stytra, load_stytra

from ringacc import EstimatorLog, RingBuffer, TimeRing
from ringacc.jit import append as append_jitted

__all__ = ["ROWS", "Scale"]

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


QUICK = Scale(rounds=9, slow_rounds=3, save_rounds=1, processes=2, calls=100_000, table_rows=10_000)

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
    sizes = (1000, 100_000, 1_000_000)
    rings = {size: full_ring(size) for size in sizes}
    logs = {size: _filled(stytra().EstimatorLog(Experiment()), size) for size in sizes}
    own = _filled(EstimatorLog(Experiment()), 100_000)

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
        work="window(1.0), ring of 1,000,000 rows",
        against="ours, ring of 1,000 rows",
        target=1.5,
    )
    rounds = take_turns(
        {"ours": lambda: own.get_last_t(1.0), "theirs": lambda: logs[100_000].get_last_t(1.0)}, scale.slow_rounds
    )
    yield compared(
        rounds,
        "ours",
        "theirs",
        row="window",
        work="EstimatorLog.get_last_t(1.0), 100,000 rows",
        against="stytra get_last_t(1.0)",
    )


def _filled(log: Any, count: int) -> Any:
    """Fill a log at 1 kHz with rows of five floats."""
    rows = Stream(1000).rows
    for number in range(count):
        log.update_list(number * STEP, rows[number % 1000])
    return log


def _wide(scale: Scale) -> tuple[Any, Any]:
    """Give our log and stytra's with the same rows of 20 columns."""
    stream = Stream(scale.table_rows, columns_named(20))
    ours, theirs = EstimatorLog(Experiment()), stytra().EstimatorLog(Experiment())
    put_rows(ours.update_list, stream)
    put_rows(theirs.update_list, stream)
    return ours, theirs


@row("last_n")
def last_n(scale: Scale) -> Iterator[Line]:
    """Ask for the last rows as a table of their own."""
    ours, theirs = _wide(scale)
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


# Tables and files ---------------------------------------------------------------------------------------------------


@row("dataframe")
def dataframe(scale: Scale) -> Iterator[Line]:
    """Ask for all rows as a DataFrame."""
    ours, theirs = _wide(scale)
    rounds = take_turns(
        {"ours": ours.get_dataframe, "theirs": theirs.get_dataframe}, max(scale.slow_rounds // 2, 3), warm=1
    )
    yield compared(
        rounds,
        "ours",
        "theirs",
        row="dataframe",
        work=f"get_dataframe(), {scale.table_rows:,} x 20",
        against="stytra get_dataframe",
        target=1 / 10,
    )


@row("save")
def save(scale: Scale) -> Iterator[Line]:
    """Save all rows as a file, in the same folder; ours is on disk (fsync) when the call returns, theirs may not be."""
    ours, theirs = _wide(scale)
    for format, target in (("csv", 1 / 8), ("json", 1 / 4), ("feather", 1 / 3)):
        with tempfile.TemporaryDirectory() as folder:
            rounds = take_turns(
                {
                    "ours": lambda: ours.save(f"{folder}/ours", format),  # noqa: B023  (called within the iteration)
                    "theirs": lambda: theirs.save(f"{folder}/theirs", format),  # noqa: B023
                },
                scale.save_rounds * (2 if format == "feather" else 1),
                warm=1 if format == "feather" else 0,
            )
        yield compared(
            rounds,
            "ours",
            "theirs",
            row="save",
            work=f"save {format}, {scale.table_rows:,} x 20",
            against=f"stytra save {format}",
            target=target,
        )


# Memory and start ---------------------------------------------------------------------------------------------------


@row("memory")
def memory(scale: Scale) -> Iterator[Line]:
    """See the bytes held, in fresh processes: as ringacc, the system and Python's allocators count them."""
    kinds = {"ring": ("full TimeRing of 1,000,000 rows", 2.1), "history": ("history of 1,000,000 rows, recording", 1.2)}
    for kind, (work, target) in kinds.items():
        (rss,) = in_fresh_process(f"{kind}_rss")
        (traced,) = in_fresh_process(f"{kind}_traced")
        counted = {"nbytes": rss["said"], "growth of RSS": rss["held"], "tracemalloc": traced["held"]}
        for how, held in counted.items():
            yield Line(
                row="memory",
                work=f"bytes of a {work} ({how})",
                against="its rows packed",
                unit="B",
                ours=held,
                theirs=rss["packed"],
                value=held / rss["packed"],
                target=target,
            )


@row("import")
def imported(scale: Scale) -> Iterator[Line]:
    """See what ``import ringacc`` loads from outside the standard library."""
    (found,) = in_fresh_process("import")
    yield Line(
        row="import",
        work="import ringacc: modules outside the standard library",
        against="none",
        unit="",
        ours=len(found["outside"]),
        target=0,
        note=", ".join(found["outside"][:10]) or f"took {found['seconds'] * 1e3:.1f} ms",
    )


@row("first_calls")
def first_calls(scale: Scale) -> Iterator[Line]:
    """Time the first call of each kind after a ring is made, in fresh processes with kernels cached."""
    found = list(in_fresh_process("first_calls", 1 + scale.processes))[1:]
    asked = ["append", "window", "fps", "EstimatorLog.update_list", "EstimatorLog.get_last_t"]
    for name in [*asked, "any other"]:
        names = [name] if name in asked else [other for other in found[0] if other not in asked]
        # What compiles does so in every process; the median leaves out what only befell one of them.
        worst = sorted(max(calls[name] for name in names) for calls in found)
        yield Line(
            row="first_calls",
            work=f"first {name}, kernels cached",
            against="5 ms",
            unit="s",
            ours=worst[len(worst) // 2],
            value=worst[len(worst) // 2],
            high=worst[-1],
            target=0.005,
            note=f"worst of {len(found)} processes {worst[-1] * 1e3:.2f} ms",
        )


# Steadiness ---------------------------------------------------------------------------------------------------------


@row("ring_size")
def ring_size(scale: Scale) -> Iterator[Line]:
    """Append to rings of many sizes, after their first lap."""
    stream = Stream(TURN)
    sizes = (100, 1000, 10_000, 100_000, 1_000_000)
    rings = {str(size): full_ring(size) for size in sizes}
    rounds = take_turns(
        {name: partial(put_rows, ring.append, stream) for name, ring in rings.items()},
        scale.rounds,
        len(stream.rows),
        prepare=stream.advance,
    )
    for size in sizes[1:]:
        yield compared(
            rounds,
            str(size),
            "100",
            row="ring_size",
            work=f"TimeRing.append, ring of {size:,} rows",
            against="ours, ring of 100 rows",
            target=1.25 if size == sizes[-1] else None,
            note="1.25 is for the noise" if size == sizes[-1] else "",
        )


@row("worst_append")
def worst_append(scale: Scale) -> Iterator[Line]:
    """Time each of many calls by itself; the time of the clock is in all of them."""
    stream = Stream(TURN)
    ring = full_ring(CAPACITY)
    ours, theirs = EstimatorLog(Experiment()), stytra().EstimatorLog(Experiment())
    puts = {
        "ring": ring.append,
        "ours": ours.update_list,
        "theirs": theirs.update_list,
        "clock": lambda t, values: None,
    }
    taken: dict[str, list[int]] = {name: [] for name in puts}
    with NoGarbageCollector():
        for _ in range(scale.calls // len(stream.rows)):
            stream.advance()
            for name, put in puts.items():
                _time_each(put, stream, taken[name])
    found = {name: np.percentile(calls, (50, 99, 99.9, 100)) * 1e-9 for name, calls in taken.items()}
    for name, work in (("ring", "TimeRing.append"), ("ours", "EstimatorLog.update_list")):
        for place, what in enumerate(("p50", "p99", "p99.9", "worst")):
            yield Line(
                row="worst_append",
                work=f"{work}, {what} of {scale.calls:,} calls",
                against="stytra EstimatorLog.update_list",
                unit="s",
                ours=found[name][place],
                theirs=found["theirs"][place],
                value=found[name][place] / found["theirs"][place],
                note=f"a call that does nothing: {found['clock'][place] * 1e9:,.0f} ns",
            )


def _time_each(put: Callable[[float, Any], Any], stream: Stream, taken: list[int]) -> None:
    """Time every single call, in nanoseconds."""
    clock, note = perf_counter_ns, taken.append
    for time, values in zip(stream.times, stream.rows, strict=True):
        begin = clock()
        put(time, values)
        note(clock() - begin)
