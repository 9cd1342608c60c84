"""What a window costs: the process that draws it, and the one that is watched.

    python benchmarks/watched.py [--quick]

A process writes a ring file of 20 columns at 10 kHz, another shows it with ``ringacc.view.StreamPlot`` at 60 redraws a
second. Measured of the window: its share of a core (user and system time of its process), redraws that were due and
not made, by the widget's own count, the longest time between two, and what its memory grows by. Measured of the writer:
the median time of an append, at that rate, while the window runs and while it is stopped, in turns.

Needs the extra "view", and a display: where there is none, Xvfb is started if it is installed.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

RATE, COLUMNS, CAPACITY = 10_000, 20, 150_000
TURN_SECONDS = 0.5
TARGETS = {"share": 0.50, "dropped": 0, "ratio": 1.1}


def write(path: str) -> None:
    """Write rows at the rate until standard input ends; time appends on each word from it."""
    from ringacc import TimeRing

    ring = TimeRing.create(path, CAPACITY, {f"c{k:02d}": "f8" for k in range(COLUMNS)}, units={"c00": "rad"})
    turns = 2 * np.pi * (0.3 + 0.2 * np.arange(COLUMNS))
    noise = np.random.default_rng(1).normal(0, 0.05, (1009, COLUMNS))
    os.set_blocking(0, False)
    start, done, taken = time.perf_counter(), 0, []
    while True:
        due = int((time.perf_counter() - start) * RATE)
        if due > done:
            number = np.arange(done, due)
            values = (np.sin(number[:, None] / RATE * turns) + noise[number % 1009]).tolist()
            rows = list(zip((number / RATE).tolist(), values, strict=True))
            append = ring.append
            begin = time.perf_counter_ns()
            for t, row in rows:
                append(t, row)
            taken.append((time.perf_counter_ns() - begin) / len(rows))
            done = due
        asked = sys.stdin.buffer.read()
        if asked == b"":
            return
        if asked:
            print(json.dumps(float(np.median(taken))), flush=True)
            taken.clear()
        time.sleep(0.005)


def show(path: str, seconds: float) -> None:
    """Show the ring; once it is warm, measure for some seconds and print what was found; then until told to end."""
    from pyqtgraph.Qt import QtCore, QtWidgets

    from ringacc.view import StreamPlot

    application = QtWidgets.QApplication([])
    plot = StreamPlot(path, seconds=10)
    plot.resize(1000, 640)
    plot.show()
    moments: list[float] = []
    plot._picture.painted.connect(lambda: moments.append(time.perf_counter()))
    begun = {}

    def begin() -> None:
        moments.clear()
        begun.update(used=used(), dropped=plot.dropped, memory=memory(), at=time.perf_counter())

    def end() -> None:
        passed = time.perf_counter() - begun["at"]
        found = {
            "redraws": len(moments) / passed,
            "dropped": plot.dropped - begun["dropped"],
            "longest_ms": 1000 * float(np.max(np.diff(moments))),
            "share": (used() - begun["used"]) / passed,
            "grown_kib": memory() - begun["memory"],
        }
        print(json.dumps(found), flush=True)

    def wait() -> None:
        os.set_blocking(0, False)
        looks.timeout.connect(lambda: application.quit() if sys.stdin.buffer.read() == b"" else None)
        looks.start(50)

    looks = QtCore.QTimer()
    QtCore.QTimer.singleShot(3000, begin)
    QtCore.QTimer.singleShot(int(3000 + 1000 * seconds), end)
    wait()
    application.exec()


def used() -> float:
    """Give the seconds of processor time that this process has needed."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def memory() -> int:
    """Give the KiB of memory of this process alone, without the pages of the ring, which others have, too."""
    status = Path("/proc/self/status")
    if not status.exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return next(int(line.split()[1]) for line in status.read_text().splitlines() if line.startswith("RssAnon"))


def started(*words: str) -> subprocess.Popen[bytes]:
    """Start a part of this in a process of its own."""
    home = os.fspath(Path(__file__).resolve().parents[1])
    paths = os.pathsep.join([home, *filter(None, [os.environ.get("PYTHONPATH")])])
    return subprocess.Popen(
        [sys.executable, __file__, *words], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": paths},
    )  # fmt: skip


@contextlib.contextmanager
def a_display():
    """Have a display for as long as this is entered."""
    if os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY") or not sys.platform.startswith("linux"):
        yield
        return
    if shutil.which("Xvfb") is None:
        sys.exit("expected a display, found none, and no Xvfb to make one: install it, or set DISPLAY")
    ours, theirs = os.pipe()
    server = subprocess.Popen(
        ["Xvfb", "-displayfd", str(theirs), "-screen", "0", "1280x900x24", "-nolisten", "tcp"],
        pass_fds=[theirs], stderr=subprocess.DEVNULL,
    )  # fmt: skip
    os.close(theirs)
    os.environ["DISPLAY"] = ":" + os.read(ours, 16).decode().strip()
    try:
        yield
    finally:
        server.terminate()
        server.wait()


def asked(writer: subprocess.Popen[bytes]) -> float:
    """Have the writer time its appends."""
    writer.stdin.write(b"?")
    writer.stdin.flush()
    return json.loads(writer.stdout.readline())


def ended(process: subprocess.Popen[bytes]) -> None:
    process.stdin.close()
    process.wait()


def appends_of(path: str, writer: subprocess.Popen[bytes], turns: int) -> tuple[list[float], list[float]]:
    """Give the nanoseconds of an append, while a window stands still and while it runs, in turns."""
    window = started("--show", path, "--seconds", "0.5")
    window.stdout.readline()  # it has been shown for so long
    without, with_it = [], []
    for turn in range(2 * turns):
        os.kill(window.pid, signal.SIGCONT if turn % 2 else signal.SIGSTOP)
        asked(writer)
        time.sleep(TURN_SECONDS)
        (with_it if turn % 2 else without).append(asked(writer))
    ended(window)
    return without, with_it


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="shorter, to see that it runs; nothing is judged")
    parser.add_argument("--write", help=argparse.SUPPRESS)
    parser.add_argument("--show", help=argparse.SUPPRESS)
    parser.add_argument("--seconds", type=float, default=30.0, help="how long to watch the window (default: 30)")
    options = parser.parse_args()
    if options.write:
        write(options.write)
        return 0
    if options.show:
        show(options.show, options.seconds)
        return 0
    seconds, turns = (2.0, 3) if options.quick else (options.seconds, 20)
    with tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as folder, a_display():
        path = os.path.join(folder, "watched.ring")
        writer = started("--write", path)
        while not os.path.exists(path):
            time.sleep(0.01)
        time.sleep(1.0 if options.quick else 11.0)  # until the window is full of rows
        window = started("--show", path, "--seconds", str(seconds))
        found = json.loads(window.stdout.readline())
        ended(window)
        without, with_it = appends_of(path, writer, turns)
        ended(writer)
    ratio = float(np.median(with_it) / np.median(without))
    print(f"ring file of {RATE} Hz x {COLUMNS} columns, window of 10 s, 8 traces, for {seconds:g} s")
    print(f"  redraws a second      {found['redraws']:8.1f}")
    print(f"  redraws dropped       {found['dropped']:8d}    target 0")
    print(f"  longest between two   {found['longest_ms']:8.1f} ms")
    print(f"  share of a core       {100 * found['share']:8.1f} %  target <= 50 %")
    print(f"  memory grown          {found['grown_kib']:8d} KiB")
    print(f"append, nanoseconds, median of {turns} turns")
    print(f"  not watched           {np.median(without):8.1f}")
    print(f"  watched               {np.median(with_it):8.1f}")
    print(f"  watched : not watched {ratio:8.3f}    target <= 1.1")
    if options.quick:
        return 0
    met = found["share"] <= TARGETS["share"] and not found["dropped"] and ratio <= TARGETS["ratio"]
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
