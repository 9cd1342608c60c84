"""Every work item of rings, by every peer that can do it: checked against the model, then timed in turns.

Belongs here: what the work items are, how an answer is checked, how a turn is made of calls. May not be here: how a
peer does it (``adapters``), what becomes of the figures (``publish``).

All peers take turns in one process, round by round; a turn is about a millisecond. A ratio is the median of the ratios
within a round.
"""

from __future__ import annotations

import gc
import statistics
import tempfile
import tracemalloc
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from itertools import repeat
from pathlib import Path
from time import perf_counter
from typing import Any

import adapters
import numpy as np
import pandas as pd
from adapters import Adapter, FloatAdapter
from measuring import Rounds, take_turns
from situation import (
    CAPACITY,
    COLUMNS,
    LAST,
    TABLE,
    WINDOW,
    Model,
    WrongAnswerError,
    blocks_of,
    stream,
)

__all__ = ["FULL", "OURS", "QUICK", "Cell", "Effort", "LeftOut", "Work", "cells_of", "measured"]

OURS = "ringacc"
_TURN_SECONDS, _MOST_CALLS = 0.001, 2000
_BLOCK = 1000
_JITTED = 40_000


@dataclass(frozen=True)
class Work:
    """A work item: what it is called, in words; the method of an adapter that does it."""

    name: str
    title: str
    method: str
    unit: str = "s"


@dataclass(frozen=True)
class Cell:
    """What one peer takes for one work item: seconds, or bytes; its ratio to ours."""

    work: Work
    peer: str
    package: str | None
    value: float
    ratio: float
    note: str = ""


@dataclass(frozen=True)
class LeftOut:
    """A peer that cannot do a work item, and why."""

    peer: str
    work: str
    reason: str


@dataclass(frozen=True)
class Effort:
    """How long a work item may take, and how often it is done at least."""

    seconds: float = 5.0
    least: int = 15
    most: int = 151
    memory_rows: int = 100_000


FULL, QUICK = Effort(), Effort(seconds=0.1, least=2, most=5, memory_rows=CAPACITY)

WORKS = (
    Work("append", "append one row", "append"),
    Work("frame", "append one row, then the last 50 ms", "frame"),
    Work("last", "the last 50 rows", "last"),
    Work("window", "the last 50 ms", "window"),
    Work("between", "the rows of a second in the middle", "between"),
    Work("at", "the row nearest to a time", "at"),
    Work("rate", "the rate of the last 10 rows", "rate"),
    Work("dataframe", "a DataFrame of the last 5 s", "dataframe"),
    Work("block", "append a block of 1000 rows", "extend"),
    Work("jitted", "append one row in a compiled loop", "jitted"),
    Work("save_csv", "save 10,000 rows as csv", "save"),
    Work("save_feather", "save 10,000 rows as feather", "save"),
    Work("memory", "memory of a row, ring of 100,000", "memory", "B"),
)
FLOAT_WORKS = (
    Work("float_append", "append one float", "append"),
    Work("float_newest", "the newest float, ring[-1]", "newest"),
    Work("float_fifo", "append a float, take the oldest", "fifo"),
    Work("float_array", "all 10,000 floats as an array", "array"),
)


def measured(names: tuple[str, ...], effort: Effort) -> dict[str, Callable[[], list[Cell | LeftOut]]]:
    """Give what is to be called for each work item of rings; each gives its cells."""
    rows = {work.name: partial(_measure, work, names, effort) for work in WORKS}
    return rows | {work.name: partial(_measure_floats, work, names, effort) for work in FLOAT_WORKS}


def cells_of(
    work: Work, rounds: Rounds, packages: Mapping[str, str | None], notes: Mapping[str, str]
) -> list[Cell | LeftOut]:
    """Make cells of what took turns."""
    return [
        Cell(
            work,
            name,
            packages[name],
            rounds.median(name),
            1.0 if name == OURS else statistics.median(rounds.ratios(name, OURS)),
            notes.get(name, ""),
        )
        for name in packages
    ]


# Rings of rows ------------------------------------------------------------------------------------------------------


def _measure(work: Work, names: tuple[str, ...], effort: Effort) -> list[Cell | LeftOut]:
    """Make a peer of each, see that its answers are right, and let them take turns."""
    rows = stream(CAPACITY + CAPACITY // 2)
    model = Model(rows)
    classes = {name: adapters.adapter(name) for name in names}
    out: list[Cell | LeftOut] = []
    for name, kind in classes.items():
        if work.method in kind.cannot:
            out.append(LeftOut(name, work.title, kind.cannot[work.method]))
    classes = {name: kind for name, kind in classes.items() if work.method not in kind.cannot}
    packages = {name: kind.package for name, kind in classes.items()}
    notes = {name: _note(kind, work) for name, kind in classes.items()}
    if work.name == "memory":
        return out + _memory(work, classes, packages, notes, effort)
    with ExitStack() as stack:
        peers: dict[str, Adapter] = {}
        for name, kind in classes.items():
            peer = peers[name] = kind(CAPACITY)
            stack.callback(peer.close)
            peer.fill(rows)
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        for name, peer in peers.items():
            _check(name, peer, work, model, folder)
        rounds = _turns(peers, work, model, folder, effort)
    return out + cells_of(work, rounds, packages, notes)


def _note(kind: type[Adapter], work: Work) -> str:
    wrong = kind.off.get(work.method)
    parts = [f"not the right answer: {wrong}"] if wrong else []
    return "; ".join([*parts, *filter(None, [kind.notes.get(work.name)])])


def _check(name: str, peer: Adapter, work: Work, model: Model, folder: Path) -> None:
    """Hold a peer's answer against the model's, and that what was put in is there afterwards."""
    if work.method in ("append", "extend", "frame", "jitted"):
        more = next(blocks_of(_BLOCK, float(model.times[-1])))
        _put(peer, work.method, more)
        model = Model(np.concatenate((model.rows, more)))
        answer, right = peer.last(LAST), model.last(LAST)
    elif work.method == "rate":
        found, true = float(peer.rate()), model.rate()  # type: ignore[attr-defined]
        wanted = true * 10 / 9 if "rate" in peer.off else true
        if not np.isclose(found, wanted, rtol=1e-9):
            raise WrongAnswerError(f"{name}, {work.title}: expected {wanted} Hz, found {found}")
        return
    elif work.method == "save":
        format = work.name.removeprefix("save_")
        path = peer.save(folder / name.replace(" ", "_"), format)  # type: ignore[attr-defined]
        # stytra separates by semicolons.
        table = pd.read_csv(path, sep="[,;]", engine="python") if format == "csv" else pd.read_feather(path)
        if not np.allclose(table[list(COLUMNS)].to_numpy(), model.rows, rtol=1e-12, atol=0):
            raise WrongAnswerError(f"{name}, {work.title}: expected the rows of the ring in {path}, found others")
        return
    else:
        call, arguments = _question(peer, work, model, folder)
        answer, right = call(*arguments), getattr(model, _MODELS[work.method])(*arguments)
    if hasattr(peer, "check_last"):
        peer.check_last(answer, LAST)
        return
    found = peer.rows(answer)
    if work.method in peer.off and work.method != "frame":
        # Known to be too many or too few: but the newest they are.
        right = model.rows[-len(found) :]
    if not np.array_equal(found, right):
        raise WrongAnswerError(f"{name}, {work.title}: expected {_brief(right)}, found {_brief(found)}")


def _brief(rows: Any) -> str:
    return f"{len(rows)} rows that end with {rows[-1:].tolist()}"


_MODELS = {"last": "last", "window": "window", "between": "between", "at": "at", "dataframe": "window"}


def _put(peer: Adapter, method: str, rows: Any) -> None:
    """Put rows in by one of the ways."""
    if method == "extend":
        peer.extend(peer.block(rows))  # type: ignore[attr-defined]
    elif method == "jitted":
        peer.jitted([column.copy() for column in rows.T])  # type: ignore[attr-defined]
    else:
        getattr(peer, method)(peer.ready(rows))


def _question(peer: Adapter, work: Work, model: Model, folder: Path) -> tuple[Callable[..., Any], tuple[Any, ...]]:
    """Give what is called, and with what."""
    arguments: dict[str, tuple[Any, ...]] = {
        "last": (LAST,),
        "window": (WINDOW,),
        "between": model.span,
        "at": (model.moment,),
        "rate": (),
        "dataframe": (TABLE,),
        "save": (folder / "timed", work.name.removeprefix("save_")),
    }
    return getattr(peer, work.method), arguments[work.method]


def _turns(peers: Mapping[str, Adapter], work: Work, model: Model, folder: Path, effort: Effort) -> Rounds:
    """Let peers take turns in the way of the work item."""
    begin = float(model.times[-1]) + float(stream(_BLOCK)[-1, 0])
    if work.method in ("append", "frame"):
        return _turns_putting(peers, work.method, begin, effort)
    if work.method in ("extend", "jitted"):
        return _turns_of_blocks(peers, work.method, begin, effort)
    calls = {name: _question(peer, work, model, folder) for name, peer in peers.items()}
    return _turns_calling(calls, effort)


def _turns_calling(calls: Mapping[str, tuple[Callable[..., Any], tuple[Any, ...]]], effort: Effort) -> Rounds:
    """Time the same call again and again."""
    counts, works = {}, {}
    total = 0.0
    for name, (call, arguments) in calls.items():
        each = _seconds(lambda call=call, arguments=arguments: call(*arguments))
        count = counts[name] = _count(each)
        total += each * count

        def turn(call: Any = call, arguments: Any = arguments, count: int = count) -> None:
            for _ in repeat(None, count):
                call(*arguments)

        works[name] = turn
    return take_turns(works, _rounds(total, effort), counts, warm=1)


def _turns_putting(peers: Mapping[str, Adapter], method: str, begin: float, effort: Effort) -> Rounds:
    """Time rows that are put in one by one; their times go on."""
    block = stream(_MOST_CALLS)
    ends = dict.fromkeys(peers, begin)
    ready: dict[str, Any] = {}
    counts = dict.fromkeys(peers, 10)

    def prepare() -> None:
        # Each goes on where its own last row ends, or a window of its would hold fewer rows than others'.
        for name, peer in peers.items():
            rows = block[: counts[name]].copy()
            rows[:, 0] += ends[name]
            ends[name] = float(rows[-1, 0])
            ready[name] = peer.ready(rows)

    works = {name: (lambda name=name, peer=peer: getattr(peer, method)(ready[name])) for name, peer in peers.items()}
    total = 0.0
    for name, work in works.items():
        each = _seconds(work, prepare) / 10
        counts[name] = _count(each)
        total += each * counts[name] + 0.001
    return take_turns(works, _rounds(total, effort), counts, warm=2, prepare=prepare)


def _turns_of_blocks(peers: Mapping[str, Adapter], method: str, begin: float, effort: Effort) -> Rounds:
    """Time blocks of rows, or compiled loops over them; their times go on."""
    size = _BLOCK if method == "extend" else _JITTED
    blocks = blocks_of(size, begin)
    ready: dict[str, Any] = {}

    def prepare() -> None:
        block = next(blocks)
        for name, peer in peers.items():
            ready[name] = peer.block(block) if method == "extend" else [column.copy() for column in block.T]

    works = {name: (lambda name=name, peer=peer: getattr(peer, method)(ready[name])) for name, peer in peers.items()}
    total = 0.002 * len(peers) + sum(_seconds(work, prepare) for work in works.values())
    return take_turns(
        works,
        _rounds(total, effort),
        1 if method == "extend" else size,
        warm=2 if method == "extend" else 1,
        prepare=prepare,
    )


def _memory(
    work: Work,
    classes: Mapping[str, type[Adapter]],
    packages: Mapping[str, str | None],
    notes: Mapping[str, str],
    effort: Effort,
) -> list[Cell | LeftOut]:
    """Count what Python and NumPy have allocated for a full ring that was looked at, a row."""
    rows = stream(effort.memory_rows)
    found = {}
    for name, kind in classes.items():
        gc.collect()
        tracemalloc.start()
        try:
            peer = kind(len(rows))
            peer.fill(rows)
            peer.last(LAST)  # type: ignore[attr-defined]
            gc.collect()
            found[name] = tracemalloc.get_traced_memory()[0] / len(rows)
        finally:
            tracemalloc.stop()
        peer.close()
        del peer
    return [
        Cell(work, name, packages[name], held, held / found[OURS], notes.get(name, "")) for name, held in found.items()
    ]


# Rings of floats ----------------------------------------------------------------------------------------------------


def _measure_floats(work: Work, names: tuple[str, ...], effort: Effort) -> list[Cell | LeftOut]:
    """Do the same with rings of single floats."""
    values = stream(CAPACITY)[:, 1].tolist()
    found = {name: adapters.float_adapter(name) for name in names}
    peers = {name: kind(CAPACITY) for name, kind in found.items() if kind is not None}
    for name, peer in peers.items():
        peer.append(values)
        peer.append(values[: CAPACITY // 2])
        right = values[CAPACITY // 2 :] + values[: CAPACITY // 2]
        if list(peer.ring) != right or peer.newest() != right[-1] or peer.array().tolist() != right:  # type: ignore[attr-defined]
            raise WrongAnswerError(f"{name}, {work.title}: expected the {CAPACITY} floats last put in, found others")
        if peer.popleft() != right[0] or len(peer.ring) != CAPACITY - 1:  # type: ignore[attr-defined]
            raise WrongAnswerError(f"{name}, {work.title}: expected the oldest float, found another")
        if work.method != "fifo":
            peer.append(values[:1])
    packages = {name: peer.package for name, peer in peers.items()}
    turns: dict[str, tuple[Callable[..., Any], tuple[Any, ...]]] = {
        name: _float_call(peer, work.method, values) for name, peer in peers.items()
    }
    rounds = _turns_calling(turns, effort)
    if work.method in ("append", "fifo"):
        rounds = replace(rounds, seconds={k: [s / 1000 for s in v] for k, v in rounds.seconds.items()})
    return cells_of(work, rounds, packages, {})


def _float_call(peer: FloatAdapter, method: str, values: list[float]) -> tuple[Callable[..., Any], tuple[Any, ...]]:
    """Give what is called: of what is a matter of nanoseconds, a thousand of it."""
    if method == "append":
        return peer.append, (values[:1000],)
    if method == "fifo":
        return _fifo, (peer.ring, values[:1000])  # type: ignore[attr-defined]
    if method == "newest":
        return peer.ring.__getitem__, (-1,)  # type: ignore[attr-defined]
    return peer.array, ()


def _fifo(ring: Any, values: list[float]) -> None:
    append, popleft = ring.append, ring.popleft
    for value in values:
        append(value)
        popleft()


# Turns --------------------------------------------------------------------------------------------------------------


def _seconds(call: Callable[[], object], prepare: Callable[[], None] = lambda: None) -> float:
    """Give what a call takes, the second time."""
    prepare()
    call()
    prepare()
    begin = perf_counter()
    call()
    return perf_counter() - begin


def _count(each: float) -> int:
    return int(min(max(_TURN_SECONDS / max(each, 1e-9), 1), _MOST_CALLS))


def _rounds(turns: float, effort: Effort) -> int:
    return int(min(max(effort.seconds / max(turns, 1e-6), effort.least), effort.most))
