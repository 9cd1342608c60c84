"""What the tests of the recorder stand on: rows that show when they are torn, real recorders and writers, and kills.

Rows are functions of their number: a row that is torn, shifted or made up is no row of any number. Processes are forked
by a helper that has imported everything, since an interpreter takes half a second to start.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import traceback
from pathlib import Path

import numpy as np
import pandas as pd

from ringacc import TimeRing
from ringacc.ringfile import RingFile

ROOT = Path(__file__).resolve().parents[1]
COMMAND = [sys.executable, "-m", "ringacc"]
LIMIT = 60.0  # seconds after which something hangs

FIELDS = {"n": "i8", "inverse": "u8", "half": "f4", "odd": "?", "name": "U9"}


def rows_of(first, last):
    """Give the rows of the numbers [first, last): every column says which row it is."""
    numbers = np.arange(first, last)
    rows = np.zeros(len(numbers), [("t", "f8"), *FIELDS.items()])
    made = {
        "t": numbers / 1024,
        "n": numbers,
        "inverse": ~numbers.astype("u8"),
        "half": (numbers % 4096) / 2,
        "odd": numbers % 2 == 1,
        "name": numbers.astype("U9"),
    }
    for name in rows.dtype.names:
        rows[name] = made[name]
    return rows


def numbers_in(table):
    """Give the numbers of the rows of a table, all of whose columns have to say the same."""
    assert list(table.columns) == ["t", *FIELDS]
    numbers = table["n"].to_numpy()
    if len(numbers):
        first = int(numbers[0])
        wanted = rows_of(first, first + len(numbers))
        for name in wanted.dtype.names:
            found = table[name].to_numpy()
            assert np.array_equal(found, wanted[name]), f"{name}: rows are torn, lost, twice, or not in order"
    return numbers


def saved_numbers(path):
    """Give the numbers of the rows in a feather file."""
    return numbers_in(pd.read_feather(path)).tolist()


def until(what, why="it"):
    """Wait until something is so."""
    end = time.monotonic() + LIMIT
    while not (found := what()):
        assert time.monotonic() < end, f"{why} hangs"
        time.sleep(0.001)
    return found


# Processes --------------------------------------------------------------------------------------------------------


class Running:
    """A process that the helper has forked."""

    def __init__(self, stage, process, errors):
        self._stage = stage
        self.process = process
        self._errors = errors
        self._code = None

    @property
    def errors(self):
        return self._errors.read_text()

    def kill(self, number=signal.SIGKILL):
        os.kill(self.process, number)

    def poll(self):
        """Give the exit code, as `subprocess` has it; None while it runs."""
        if self._code is None:
            self._code = self._stage.ask({"poll": self.process})
        return self._code

    def wait(self):
        """Wait for its end and give the exit code."""
        until(lambda: self.poll() is not None, f"process {self.process}")
        return self._code


class Stage:
    """The helper that forks recorders and writers."""

    def __init__(self, folder, rings):
        self._folder = folder
        self._count = 0
        self._helper = subprocess.Popen(
            [sys.executable, str(Path(__file__).resolve())],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(ROOT), "RINGACC_RINGS": str(rings)},
        )

    def ask(self, request):
        self._helper.stdin.write(json.dumps(request) + "\n")
        self._helper.stdin.flush()
        return json.loads(self._helper.stdout.readline())

    def start(self, task, *words):
        """Fork a process that does one of TASKS."""
        self._count += 1
        errors = self._folder / f"errors-{self._count}"
        process = self.ask({"task": task, "words": [str(word) for word in words], "errors": str(errors)})
        return Running(self, process, errors)

    def record(self, ring, out, *options):
        """Start ``ringacc record``."""
        return self.start("command", "record", ring, out, "--quiet", *options)

    def close(self):
        """End the helper, and with it all that it has forked."""
        self._helper.stdin.close()
        self._helper.wait(LIMIT)
        self._helper.stdout.close()


class Acknowledged:
    """The number of rows whose append has returned, where a kill of the writer does not take it."""

    def __init__(self, path):
        if not path.exists():
            path.write_bytes(bytes(16))
        self._words = np.memmap(path, np.int64, "r+")

    @property
    def count(self):
        return int(self._words[0])

    @count.setter
    def count(self, count):
        self._words[0] = count

    @property
    def is_to_end(self):
        return bool(self._words[1])

    def end(self):
        self._words[1] = 1


def _command(*words):
    from ringacc.cli import main

    return main(words)


def _write(path, capacity, acknowledged, how):
    """Write rows, one by one and in blocks, for as long as it lasts; never over a row that nobody has taken.

    ``how`` is "wait", where the ring itself waits for its recorder, or "look", where this does, also if it has died.
    """
    ring = TimeRing.create(path, int(capacity), FIELDS)
    told = Acknowledged(Path(acknowledged))
    until(lambda: ring.file.block.keep == 1, "the recorder")  # TAKEN_ONLY
    number, capacity = 0, int(capacity)
    while not told.is_to_end:
        some = rows_of(number, number + 64)
        for row in some.tolist()[:48]:
            while how == "look" and not ring.has_room:
                if told.is_to_end:
                    ring.close()
                    return 0
                time.sleep(0.0005)
            ring.append(row[0], row[1:])
            number += 1
            told.count = number
        block = some[48:]
        if how == "wait" or ring.file.block.has_room(len(block)):
            ring.extend(block)
            number += len(block)
            told.count = number
    ring.close()
    return 0


TASKS = {"command": _command, "write": _write}


def _fork(request):
    process = os.fork()
    if process:
        return process
    code = 70
    try:
        os.close(0)
        os.open(os.devnull, os.O_RDONLY)
        errors = os.open(request["errors"], os.O_WRONLY | os.O_CREAT, 0o600)
        os.dup2(errors, 1)
        os.dup2(errors, 2)
        sys.stdin = open(0)  # noqa: SIM115
        code = TASKS[request["task"]](*request["words"])
    except BaseException:
        traceback.print_exc()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code or 0)


def _serve():
    """Fork what is asked for, until standard input ends."""
    import pyarrow.feather  # noqa: F401

    import ringacc.cli.record
    import ringacc.cli.recover  # noqa: F401

    alive = set()
    for line in sys.stdin:
        request = json.loads(line)
        if "poll" in request:
            done, status = os.waitpid(request["poll"], os.WNOHANG)
            answer = os.waitstatus_to_exitcode(status) if done else None
            alive -= {done}
        else:
            answer = _fork(request)
            alive.add(answer)
        print(json.dumps(answer), flush=True)
    for process in alive:
        os.kill(process, signal.SIGKILL)
        os.waitpid(process, 0)


def ring_file(path):
    """Open the ring file of another process once it is there."""
    until(path.exists, "the writer")
    return RingFile.open(path)


if __name__ == "__main__":
    _serve()
