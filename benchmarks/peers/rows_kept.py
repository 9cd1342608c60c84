"""The rows of the targets that are not about the loop: tables, files, memory, the start, and how steady an append is.

Belongs here: the work of each row, done by ours and by the peer from the same input. May not be here: how it is timed
(``measuring``), what it is done with (``inputs``), how it is printed (``compare``).
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from time import perf_counter_ns
from typing import Any

import numpy as np
from inputs import CAPACITY, ROWS, TURN, Experiment, Scale, Stream, full_ring, put_rows, row, stytra, wide
from measuring import Line, NoGarbageCollector, compared, in_fresh_process, take_turns

from ringacc import EstimatorLog

__all__ = ["ROWS"]

# Tables and files ---------------------------------------------------------------------------------------------------


@row("dataframe")
def dataframe(scale: Scale) -> Iterator[Line]:
    """Ask for all rows as a DataFrame."""
    ours, theirs = wide(scale)
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
    ours, theirs = wide(scale)
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
    kinds = {"ring": ("full TimeRing of {:,} rows", 2.1), "history": ("history of {:,} rows, recording", 1.2)}
    for kind, (work, target) in kinds.items():
        work = work.format(scale.most_rows)
        (rss,) = in_fresh_process(f"{kind}_rss", rows=scale.most_rows)
        (traced,) = in_fresh_process(f"{kind}_traced", rows=scale.most_rows)
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
