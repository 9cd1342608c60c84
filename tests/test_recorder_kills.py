"""SIGKILL of the writer, of the recorder, and of both, at random moments under load: what comes back is what was said.

A row counts as acknowledged when its append, or the extend that it came with, has returned. After the kill, every one
of these is in what the recorder or `ringacc recover` saves: once, in order, whole. Of the call that was cut in the
middle, all rows or a part may be there as well, as they had been put in.
"""

from __future__ import annotations

import random
import subprocess
import time

import pandas as pd
import pytest
from recorder_stage import (
    COMMAND,
    Acknowledged,
    Stage,
    numbers_in,
    ring_file,
    saved_numbers,
    until,
)

from ringacc.errors import RingBusyError
from ringacc.recorder import logs_in, recover

_AT_ONCE = 16  # rows of the longest single call of the writer
KINDS = ("writer", "recorder", "both", "recorder and go on")


@pytest.fixture(name="stage", scope="module")
def helper(tmp_path_factory):
    """Fork processes from one that has imported everything."""
    folder = tmp_path_factory.mktemp("stage")
    rings = folder / "rings"
    rings.mkdir()
    made = Stage(folder, rings)
    yield made
    made.close()


class Scene:
    """A writer under load, and its recorder."""

    def __init__(self, stage, folder, seed, kind):
        self.random = random.Random(seed)
        self.folder, self._stage = folder, stage
        self.rings = folder / "rings"
        self.rings.mkdir()
        self.ring = self.rings / "tail.ring"
        self.out = folder / f"log.{self.random.choice(['feather', 'feather', 'parquet'])}"
        capacity = self.random.choice([64, 500, 4096, 65536])
        self.told = Acknowledged(folder / "acknowledged")
        how = "wait" if kind == "writer" else "look"
        self.writer = stage.start("write", self.ring, capacity, folder / "acknowledged", how)
        self.file = ring_file(self.ring)
        self.recorder = self.record()
        until(lambda: self.told.count, "the writer")
        time.sleep(self.random.random() ** 2 * 0.4)

    def record(self):
        return self._stage.record(self.ring, self.out, "--policy", "block")

    def recovered(self, by_command):
        """Give the numbers of the rows that a recovery finds, by command or by call."""
        out = self.folder / "recovered.feather"
        if by_command:
            words = [*COMMAND, "recover", str(self.ring), str(out)]
            done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=60)
            assert done.returncode == 0, done.stderr
            assert "none missing" in done.stdout
        else:
            (log,) = logs_in(self.rings)
            with pytest.MonkeyPatch.context() as patch:
                patch.chdir(self.folder)
                assert recover(log, out).missed == 0
        return saved_numbers(out)

    def logged(self):
        """Give the numbers of the rows in the log that the recorder has made."""
        if self.out.suffix == ".feather":
            return saved_numbers(self.out)
        return numbers_in(pd.read_parquet(self.out)).tolist()


def check(numbers, acknowledged):
    """Every acknowledged row once, in order; of the last call perhaps more."""
    assert numbers == list(range(len(numbers)))
    assert acknowledged <= len(numbers) <= acknowledged + _AT_ONCE


def kill(scene, kind, by_command):
    """Kill, and see what is there."""
    if kind == "writer":
        scene.writer.kill()
        scene.writer.wait()
        assert scene.recorder.wait() == 0, scene.recorder.errors
        assert "ended without closing" in scene.recorder.errors
        check(scene.logged(), scene.told.count)
        assert list(scene.rings.iterdir()) == []
        assert sorted(scene.folder.glob("*.recording")) == []
    elif kind == "both":
        killed = [scene.writer, scene.recorder]
        scene.random.shuffle(killed)
        for process in killed:
            process.kill()
        for process in killed:
            process.wait()
        check(scene.recovered(by_command), scene.told.count)
    elif kind == "recorder":
        scene.recorder.kill()
        scene.recorder.wait()
        time.sleep(scene.random.random() * 0.02)
        with pytest.raises(RingBusyError):
            recover(logs_in(scene.ring)[0], scene.folder / "too early.feather")
        scene.writer.kill()
        scene.writer.wait()
        check(scene.recovered(by_command), scene.told.count)
    else:
        for _ in range(scene.random.randint(1, 3)):
            scene.recorder.kill()
            scene.recorder.wait()
            before = scene.told.count
            scene.recorder = scene.record()
            until(lambda: scene.file.taken > before, "the recorder")  # noqa: B023
        scene.told.end()
        assert scene.writer.wait() == 0, scene.writer.errors
        assert scene.recorder.wait() == 0, scene.recorder.errors
        found = scene.logged()
        assert found == list(range(scene.told.count))
        assert list(scene.rings.iterdir()) == []


@pytest.mark.parametrize("seed", range(20))
def test_what_was_acknowledged_comes_back(stage, tmp_path, seed):
    """After a kill at a random moment no acknowledged row is lost, twice or torn."""
    kind = KINDS[seed % 4]
    kill(Scene(stage, tmp_path, seed, kind), kind, by_command=seed in (1, 2))


@pytest.mark.long
@pytest.mark.parametrize("seed", range(1000, 1200))
def test_what_was_acknowledged_comes_back_200_times(stage, tmp_path, seed):
    """The same, 200 times."""
    kind = KINDS[seed % 4]
    kill(Scene(stage, tmp_path, seed, kind), kind, by_command=seed % 20 == 1)
