"""The rows of the targets that take two processes: queues, ring files, recording.

Belongs here: what of two processes becomes a line. May not be here: queues and their timing (``queues``), how a line is
printed (``compare``).
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from inputs import CAPACITY, ROWS, TURN, Scale, Stream, row
from measuring import Line, compared, in_fresh_process, take_turns
from queues import (
    FIELDS,
    JITTED,
    OURS,
    THEIRS,
    PeerQueue,
    delays,
    in_blocks,
    one_by_one,
    put_jitted,
    put_rows,
    seconds_a_row,
    turns_of_processes,
)

from ringacc import NamedTupleQueue, RingQueue, TimeRing

__all__ = ["ROWS"]


@row("queue")
def queue_rows(scale: Scale) -> Iterator[Line]:
    """Rows through a queue, from Python and from a compiled loop."""
    rounds = turns_of_processes(
        scale,
        {
            "blocks": lambda share: seconds_a_row(NamedTupleQueue(), put_rows, in_blocks, OURS // share),
            "one by one": lambda share: seconds_a_row(NamedTupleQueue(), put_rows, one_by_one, OURS // share),
            "jitted": lambda share: seconds_a_row(RingQueue(FIELDS), put_jitted, in_blocks, JITTED // share),
            "peer": lambda share: seconds_a_row(PeerQueue(), put_rows, one_by_one, THEIRS // share),
        },
    )
    against = "multiprocessing.Queue, put and get"
    for name, work, target in (
        ("blocks", "row through a queue: put, drained in blocks", 1 / 10),
        ("one by one", "row through a queue: put, get", 1 / 6),
        ("jitted", "row through a queue: @njit producer, drained", 1 / 300),
    ):
        line = compared(rounds, name, "peer", row="queue", work=work, against=against, target=target)
        yield Line(**{**line.__dict__, "note": f"{1 / line.ours / 1e6:.3g} million rows/s"})


@row("ring file")
def ring_file(scale: Scale) -> Iterator[Line]:
    """Compare an append to a ring in a file with one to a ring in memory."""
    stream = Stream(TURN)
    with (
        tempfile.TemporaryDirectory() as folder,
        TimeRing.create("benchmark", CAPACITY, FIELDS) as shared,
        TimeRing.create(Path(folder) / "disk", CAPACITY, FIELDS) as on_disk,
    ):
        rings = {"memory": TimeRing(CAPACITY, FIELDS), "shared": shared, "disk": on_disk}

        def filled(ring: TimeRing) -> None:
            append = ring.append
            for t, values in zip(stream.times, stream.rows, strict=True):
                append(t, values)

        works = {name: (lambda ring=ring: filled(ring)) for name, ring in rings.items()}
        rounds = take_turns(works, scale.rounds, TURN, prepare=stream.advance)
    for name, where, target in (("shared", "memory file system", 1.3), ("disk", "disk", None)):
        yield compared(
            rounds,
            name,
            "memory",
            row="ring file",
            work=f"append to a ring file ({where}), 5 values",
            against="append to a ring in memory",
            target=target,
        )


# Waiting ----------------------------------------------------------------------------------------------------------


@row("delay")
def delay(scale: Scale) -> Iterator[Line]:
    """How long a row of a stream of 1 kHz is on its way, and what waiting for it costs."""
    count = 5000 if scale.save_rounds > 1 else 500
    ours, our_load = delays(NamedTupleQueue(), count)
    theirs, their_load = delays(PeerQueue(), count)
    against = "multiprocessing.Queue"
    for name, share in (("p50", 0.5), ("p99", 0.99)):
        place = int(share * len(ours))
        yield Line("delay", f"delay of a row at 1 kHz, {name}", against, "s", float(ours[place]), float(theirs[place]),
                   float(ours[place] / theirs[place]))  # fmt: skip
    yield Line("delay", "processor time of the consumer at 1 kHz, % of a core", "8 %", "", round(100 * our_load, 2),
               target=8.0, note=f"multiprocessing.Queue: {100 * their_load:.1f} %")  # fmt: skip


# Recording --------------------------------------------------------------------------------------------------------


@row("while recording")
def while_recording(scale: Scale) -> Iterator[Line]:
    """Append at 10 kHz while another process records the rows."""
    name = "recording" if scale.save_rounds > 1 else "recording_quick"
    (found,) = in_fresh_process(name)
    note = f"{found['rows']} rows, {found['missed']} missed, all in the log; a call of the clock: {found['clock']} ns"
    yield Line("while recording", "append at 10 kHz, 20 columns, recorded: p99.9", "0.5 ms", "s", found["p99.9"],
               target=0.0005, note=note)  # fmt: skip
    for key in ("p50", "worst"):
        yield Line("while recording", f"append at 10 kHz, 20 columns, recorded: {key}", "", "s", found[key])


@row("recorded memory")
def recorded_memory(scale: Scale) -> Iterator[Line]:
    """Tell the memory of a process that records, and of its recorder, as rows go up tenfold."""
    many, few = (10_000_000, 1_000_000) if scale.save_rounds > 1 else (400_000, 200_000)
    found = {}
    for rows in (few, many):
        done = subprocess.run(
            [sys.executable, str(Path(__file__).with_name("fresh.py")), "recorded_memory", str(rows)],
            capture_output=True, text=True, check=False, timeout=600,
        )  # fmt: skip
        if done.returncode:
            raise RuntimeError(done.stderr)
        found[rows] = json.loads(done.stdout)
    for who in ("writer", "recorder"):
        ours, theirs = found[many][who], found[few][who]
        yield Line("recorded memory", f"memory of the {who}, recording {many:,} rows", f"the same, {few:,} rows", "B",
                   ours, theirs, ours / theirs, target=1.1)  # fmt: skip
