"""``ringacc demo``: a tracking loop as a rig has it, with a rendered larva before the camera.

Belongs here: the camera's process, the closed loop, what is shown of them. May not be here: the larva and the tracker
(``larva``), how the processes are bound (``producer``).
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import nullcontext
from datetime import datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np

from ..accumulators import EstimatorLog, QueueDataAccumulator
from ..queues import NamedTupleQueue
from ..schema import row_class
from ..session import Session
from .interrupt import Interrupt
from .producer import Line, Producer, ProducerError, clock
from .recording import Log, folder_for, table_of
from .terminal import TRACE_SECONDS, Display, Trace, count, print_table
from .view import ViewProcess, check_window

__all__ = ["Demo", "Estimate", "FrameCounts", "film"]

Array = np.ndarray[Any, Any]

#: Seconds of tail movement that the vigour is estimated from.
VIGOUR_SECONDS = 0.05

# Frames that a camera holds until they are fetched, as the seconds they span: what is older is lost.
_BUFFER_SECONDS = 0.1


class FrameCounts(NamedTuple):
    """What the camera's process has to say at its end.

    Attributes
    ----------
    late
        Frames rendered more than one frame after their time.
    lost
        Frames that were never rendered, since too many were waiting.
    load
        Share of a core that the process needed.
    """

    late: int
    lost: int
    load: float


class Estimate(NamedTuple):
    """What the closed loop knows of a frame.

    Attributes
    ----------
    vigour
        Standard deviation of the tail sum over the last 50 ms, in radians.
    delay
        Seconds from the frame to this estimate.
    """

    vigour: float
    delay: float


def film(line: Line, rate: float, seconds: float) -> FrameCounts:
    """Render frames at a rate, find the tail in each, and send where it is.

    Parameters
    ----------
    line
        To the command.
    rate
        Frames a second. Every frame has its time, counted from the start; one that is late is made up for, and one that
        is later than the camera's buffer of 0.1 s is lost: its number is missing in the column "frame".
    seconds
        How long.

    Returns
    -------
    FrameCounts
        What did not go as asked for.

    Notes
    -----
    Complexity: O(frames).
    Allocates: a frame at a time.
    Valid: a plain value.
    Threads: one.
    """
    from .larva import COLUMNS, Larva, tail_sum, track

    larva = Larva()
    row = row_class(COLUMNS)
    track(larva.frame(0.0))  # whatever a first call costs, it costs it before the time begins
    frames = max(round(rate * seconds), 1)
    frame, late, lost = 0, 0, 0
    line.start()
    used = time.process_time()
    while frame < frames and line.goes_on_at(frame / rate):
        now = line.now()
        overdue = now - frame / rate
        if overdue > _BUFFER_SECONDS:
            newest = min(int(now * rate), frames - 1)
            lost += newest - frame
            frame = newest
        late += overdue > 1 / rate
        angles = track(larva.frame(now))
        line.put(now, row(tail_sum(angles), *angles.tolist(), frame))
        frame += 1
    return FrameCounts(late, lost, (time.process_time() - used) / max(line.now(), 1e-9))


class Demo:
    """A recording, with the folder for it checked before it begins.

    Parameters
    ----------
    seconds
        How long to record.
    rate
        Frames a second.
    format
        Of the logs.
    out
        The folder to save to; None: a new one.
    view
        Whether it is shown in a window, too, that is closed when all is recorded.

    Raises
    ------
    SaveError
        The folder cannot be written to.
    MissingExtraError, DisplayError
        No window can be opened.

    Notes
    -----
    Complexity: O(1) to make.
    Allocates: nothing.
    Valid: for one run.
    Threads: the main thread.
    """

    def __init__(self, seconds: float, rate: float, format: str, out: Path | None, view: bool = False) -> None:
        if view:
            check_window()
        self._view = view
        self._seconds = seconds
        self._rate = rate
        self._format = format
        self._folder = folder_for("demo", out)

    def run(self, interrupt: Interrupt) -> int:
        """Record, save, say what was recorded, and give the exit code."""
        display = Display("ringacc demo")
        with Producer(film, self._rate, self._seconds) as producer:
            recording = _Recording(producer.queue)
            failure = None
            try:
                with display, ViewProcess(producer.queue.path) if self._view else nullcontext():
                    self._watch(display, producer, recording, interrupt)
            except ProducerError as error:
                failure = error
            finally:
                files = recording.save(self._folder, self._format, self._camera(producer.report))
        missed = self._report(display, recording, producer, files) if files else 0
        if failure is not None:
            raise failure
        if not files:
            display.say("ended before the first frame: nothing was recorded")
        if interrupt:
            return interrupt.exit_code
        return 1 if missed else 0

    def _watch(self, display: Display, producer: Producer, recording: _Recording, interrupt: Interrupt) -> None:
        """Run the closed loop and show how it goes."""
        display.show({"": "starting the camera"}, 0.0)
        start = producer.wait_for_start(interrupt)
        if start is None:
            return
        recording.begin(start)
        for _ in producer.drain(recording.behavior, interrupt):
            recording.close_the_loop()
            if recording.estimated and display.is_due():
                display.show(*recording.status(self._seconds), recording.traces())
        if display.in_place:
            display.show(*recording.status(self._seconds), recording.traces())

    def _camera(self, counts: FrameCounts | None) -> dict[str, Any]:
        """Describe the camera for the metadata; without counts where it has not come to its end."""
        return {"framerate": self._rate, "seconds": self._seconds, **(counts._asdict() if counts else {})}

    def _report(self, display: Display, recording: _Recording, producer: Producer, files: Sequence[Path]) -> int:
        """Say what was recorded, how it went and where it is; give how many rows are known to be missed."""
        logs = [
            Log("behavior", recording.behavior, producer.sent, files[0]),
            Log("estimator", recording.estimates, recording.estimated, files[1]),
        ]
        display.say("")
        print_table(display.console, table_of(logs))
        half, most = 1000 * np.percentile(recording.estimates["delay"], [50, 99])
        display.say(f"\ndelay from frame to estimate: median {half:.1f} ms, 99 % within {most:.1f} ms")
        counts: FrameCounts | None = producer.report
        if counts is not None:
            display.say(f"camera: {100 * counts.load:.0f} % of a core, {count(counts.late, 'frame')} late")
            if counts.lost:
                display.say(f"{count(counts.lost, 'frame')} lost: this machine did not keep up with {self._rate:g} Hz")
        display.say(f"saved in {self._folder}:")
        for file in files:
            display.say(f"  {file.name}")
        return sum(log.missed or 0 for log in logs)


class _Recording:
    """What is recorded, and the closed loop that belongs to it.

    Parameters
    ----------
    queue
        Where the rows come from.
    """

    def __init__(self, queue: NamedTupleQueue) -> None:
        self._experiment = SimpleNamespace(t0=datetime.now(), protocol_runner=SimpleNamespace(running=True))
        self.behavior = QueueDataAccumulator(queue, experiment=self._experiment, name="behavior", fps_calc_points=200)
        self.estimates = EstimatorLog(self._experiment, name="estimator")
        self.estimated = 0
        self._seen = 0
        self._start = 0.0

    def begin(self, start: float) -> None:
        """Let the time of the recording begin where the camera's clock does."""
        self._start = start
        self._experiment.t0 = datetime.now() - timedelta(seconds=self._now())

    def close_the_loop(self) -> None:
        """Estimate the vigour, if rows have come."""
        seen = self.behavior.health().rows
        if seen == self._seen:
            return
        self._seen = seen
        newest = float(self.behavior.last(1)["t"][0])
        vigour = float(np.nanstd(self.behavior.window(VIGOUR_SECONDS)["tail_sum"]))
        self.estimates.update_list(newest, Estimate(vigour, self._now() - newest))
        self.estimated += 1

    def status(self, seconds: float) -> tuple[dict[str, str], float]:
        """Describe how the recording stands."""
        now = min(self._now(), seconds)
        delays = self.estimates.window(0.5)
        delay = f"{1000 * np.median(delays['delay']):.1f} ms" if len(delays) else "-"
        rate = f"{self.behavior.get_fps():.1f} Hz"
        status = {"": f"{now:.1f} of {seconds:g} s", "rate": rate, "rows": str(self._seen), "delay": delay}
        return status, now / seconds

    def traces(self) -> list[Trace]:
        """Give what is to be drawn."""
        rows, estimates = self.behavior.window(TRACE_SECONDS), self.estimates.window(TRACE_SECONDS)
        if not len(rows) or not len(estimates):
            return []
        vigour = Trace("vigour", estimates["t"], estimates["vigour"])
        tail = [Trace(name, rows["t"], rows[name]) for name in self.behavior.columns if name not in ("t", "frame")]
        return [tail[0], vigour, *tail[1:]]

    def _now(self) -> float:
        return clock() - self._start

    def save(self, folder: Path, format: str, camera: dict[str, Any]) -> tuple[Path, ...]:
        """Save the session and give its files: behavior, estimates, metadata; none where no row has come."""
        if self.behavior.is_empty():
            return ()
        session = Session(folder, self._experiment, log_format=format)
        session.log(self.behavior, "behavior/behavior_log")
        session.log(self.estimates, "behavior/estimator_log")
        session.collector.add_static_data(camera, "camera/demo")
        return session.save()
