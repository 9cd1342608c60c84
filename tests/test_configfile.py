"""A config is whole or not there: crashes, full disks, damaged files and several processes."""

from __future__ import annotations

import errno
import json
import os
import random
import select
import shutil
import signal
import stat
import subprocess
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import tables

from ringacc import DataCollector
from ringacc.errors import ConfigWarning, MetadataFileError, RingaccError

ROOT = Path(__file__).parents[1]
FORMATS = ("json", "h5")
pytestmark = pytest.mark.skipif(os.name != "posix", reason="kills, mounts and limits processes as POSIX has it")


def collector_in(folder: Path, values: dict[str, Any] | None = None, config_format: str = "json") -> DataCollector:
    """Return a collector with one mapping of parameters at "a"."""
    collector = DataCollector(folder_path=folder, config_format=config_format)
    if values is not None:
        collector.add(values, "a")
    return collector


def saved(folder: Path, value: int, config_format: str = "json") -> Path:
    """Save the parameter "a/x" and return the config."""
    collector_in(folder, {"x": value}, config_format).save_config_file()
    return folder / f"config.{config_format}"


def files_in(folder: Path) -> dict[str, bytes]:
    """Return the files of a folder with their content."""
    return {path.name: path.read_bytes() for path in folder.iterdir()}


# The backup ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("config_format", FORMATS)
def test_previous_config_is_the_backup(tmp_path, config_format):
    """Each save keeps the bytes of the config before it, and leaves no other file."""
    config = saved(tmp_path, 1, config_format)
    assert set(files_in(tmp_path)) == {config.name}
    for value in (2, 3):
        before = config.read_bytes()
        saved(tmp_path, value, config_format)
        assert files_in(tmp_path) == {config.name: config.read_bytes(), f"{config.name}.bak": before}
        assert before != config.read_bytes()


def damages(whole: bytes) -> dict[str, bytes]:
    """Return what a crash or a careless hand makes of a file."""
    cuts = {f"cut at {cut}": whole[:cut] for cut in (1, len(whole) // 2, len(whole) - 2)}
    return {"empty": b"", "zeros": bytes(len(whole)), "noise": b"\xff\xfe\x00no config", "a list": b"[1]\n", **cuts}


@pytest.mark.parametrize("config_format", FORMATS)
@pytest.mark.parametrize("damage", list(damages(b"12345")))
def test_damaged_config(tmp_path, config_format, damage):
    """The backup takes the place of a config that cannot be read, with one warning, until a save writes a new one."""
    saved(tmp_path, 1, config_format)
    config = saved(tmp_path, 2, config_format)
    kinds = dict(zip(damages(b"12345"), damages(config.read_bytes()).values(), strict=True))
    config.write_bytes(kinds[damage])
    backup = (tmp_path / f"{config.name}.bak").read_bytes()

    values = {"x": 0}
    collector = collector_in(tmp_path, values, config_format)
    with pytest.warns(ConfigWarning, match="cannot be read") as warned:
        collector.restore_from_saved()
    assert len(warned) == 1
    assert warned[0].filename == __file__
    assert values == {"x": 1}
    with pytest.warns(ConfigWarning):
        assert collector.get_last_value("a/x") == 1

    values["x"] = 3
    with pytest.warns(ConfigWarning):
        collector.save_config_file()
    assert collector.get_last_value("a/x") == 3
    assert (tmp_path / f"{config.name}.bak").read_bytes() == backup


@pytest.mark.parametrize("config_format", FORMATS)
def test_every_truncation(tmp_path, config_format):
    """A config cut at any byte is found to be cut; none is taken for a whole one."""
    config = saved(tmp_path, 1, config_format)
    whole = config.read_bytes()
    step = 1 if config_format == "json" else max(1, len(whole) // 40)
    # Without its last byte, the newline, the JSON is still whole.
    for cut in range(0, len(whole) - 1, step):
        config.write_bytes(whole[:cut])
        with pytest.warns(ConfigWarning, match="no backup|none"):
            assert tuple(collector_in(tmp_path, {"x": 0}, config_format).restore_from_saved()) == ()


def test_missing_config_with_a_backup(tmp_path):
    """A backup alone is used, with a warning that says how to start anew."""
    saved(tmp_path, 1)
    saved(tmp_path, 2).unlink()
    values = {"x": 0}
    with pytest.warns(ConfigWarning, match="start anew"):
        collector_in(tmp_path, values).restore_from_saved()
    assert values == {"x": 1}


def test_damaged_config_and_backup(tmp_path):
    """With neither to be read, the defaults stay; a save writes a new config and keeps the damaged one beside it."""
    saved(tmp_path, 1)
    config = saved(tmp_path, 2)
    config.write_bytes(b"{")
    (tmp_path / "config.json.bak").write_bytes(b"")
    values = {"x": 0}
    collector = collector_in(tmp_path, values)
    with pytest.warns(ConfigWarning, match="no saved parameters"):
        collector.restore_from_saved()
    assert values == {"x": 0}
    with pytest.warns(ConfigWarning):
        collector.save_config_file()
    assert files_in(tmp_path) == {"config.json": b'{"/types": {}, "a": {"x": 0}}\n', "config.json.bak": b"{"}


def test_config_that_is_no_file(tmp_path):
    """A folder in the place of the config cannot be read, and is not written over."""
    (tmp_path / "config.json").mkdir()
    collector = collector_in(tmp_path, {"x": 1})
    with pytest.warns(ConfigWarning, match="cannot be read"):
        collector.restore_from_saved()
    with pytest.warns(ConfigWarning), pytest.raises(MetadataFileError, match="directory"):
        collector.save_config_file()
    assert [path.name for path in tmp_path.iterdir()] == ["config.json"]


def test_config_of_stytra(tmp_path):
    """NaN tokens, a byte order mark and other spacing, as other programs write them, are read."""
    (tmp_path / "config.json").write_bytes(b'\xef\xbb\xbf{"a":\n {"x": NaN, "y": -Infinity}}')
    values = {"x": 0.0, "y": 0.0}
    collector_in(tmp_path, values).restore_from_saved()
    assert repr(values) == "{'x': nan, 'y': -inf}"


def test_config_edited_by_hand(tmp_path):
    """Notes of kinds that no longer fit what stands there are passed over."""
    collector_in(tmp_path, {"x": (1, 2), "y": {1: 2}, "z": {3}, "p": Path("p")}).save_config_file()
    path = tmp_path / "config.json"
    document = json.loads(path.read_text())
    document["a"] = {"x": 5, "y": {"a": 2}, "z": [[1]], "p": 7, "new": 1}
    document["/types"]["/a/gone/0"] = "tuple"
    document["/types"]["/a/new"] = "a kind of a later version"
    path.write_text(json.dumps(document))
    collector = collector_in(tmp_path)
    assert collector.get_last_value("a") == {"x": 5, "y": {"a": 2}, "z": [[1]], "p": 7, "new": 1}


def test_linked_config_stays_a_link(tmp_path):
    """A config that is a link is written where it leads."""
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "here.json").write_text("{}")
    (tmp_path / "config.json").symlink_to(tmp_path / "real" / "here.json")
    saved(tmp_path, 1)
    assert (tmp_path / "config.json").is_symlink()
    assert json.loads((tmp_path / "real" / "here.json").read_text())["a"] == {"x": 1}


def test_h5_holds_the_categories(tmp_path):
    """In HDF5, each category is one dataset of JSON that any reader of HDF5 shows."""
    collector = DataCollector(folder_path=tmp_path, config_format="h5")
    names = ["general", "tracking+bgsub", "_v_odd", ".", "..", "a.", "a.b", "é/x"[:1], "%20"]
    for number, name in enumerate(names):
        collector.add({"number": number, "roi": (1, 2)}, name)
    collector.save_config_file()
    with tables.open_file(tmp_path / "config.h5") as file:
        assert json.loads(file.root.general.read()) == {"number": 0, "roi": [1, 2]}
        assert len(file.root._v_children) == len(names) + 1
    for number, name in enumerate(names):
        assert collector.get_last_value(name) == {"number": number, "roi": (1, 2)}


def test_h5_that_is_no_config(tmp_path):
    """Another HDF5 file is no config."""
    with tables.open_file(tmp_path / "config.h5", "w") as file:
        file.create_array("/", "data", obj=[1, 2])
    with pytest.warns(ConfigWarning, match="cannot be read"):
        collector_in(tmp_path, {"x": 1}, "h5").restore_from_saved()


def test_what_is_flushed_and_when(tmp_path, monkeypatch):
    """The content is flushed to the disk before a file takes its name, and its folder after."""
    calls = []
    fsync, replace = os.fsync, os.replace

    def flushed(descriptor: int) -> None:
        status = os.fstat(descriptor)
        calls.append("folder" if stat.S_ISDIR(status.st_mode) else f"content of {status.st_size} bytes")
        fsync(descriptor)

    def renamed(old: Any, new: Any) -> None:
        assert Path(old).parent == Path(new).parent
        calls.append(Path(new).name)
        replace(old, new)

    monkeypatch.setattr(os, "fsync", flushed)
    monkeypatch.setattr(os, "replace", renamed)
    size = saved(tmp_path, 1).stat().st_size
    assert calls == [f"content of {size} bytes", "config.json", "folder"]
    calls.clear()
    larger = saved(tmp_path, 10).stat().st_size
    assert calls == [
        *(f"content of {size} bytes", "config.json.bak", "folder"),
        *(f"content of {larger} bytes", "config.json", "folder"),
    ]
    calls.clear()
    DataCollector().save_json_log(tmp_path / "log.json")
    assert calls == ["content of 3 bytes", "log.json", "folder"]


# What a killed process leaves ------------------------------------------------------------------------------


def test_abandoned_temporary_files_are_removed(tmp_path):
    """A save removes what a process left of the same file long ago, and nothing else."""
    config = saved(tmp_path, 1)
    names = {
        ".config.json.1-aa.part": True,
        ".config.json.bak.1-aa.part": True,
        ".config_1.json.1-aa.part": False,
        "config.json.part": False,
        ".config.json.1-aa.txt": False,
    }
    long_ago = config.stat().st_mtime - 3600
    for name in names:
        (tmp_path / name).write_text("half")
        os.utime(tmp_path / name, (long_ago, long_ago))
    (tmp_path / ".config.json.2-bb.part").write_text("another process is writing this now")
    saved(tmp_path, 2)
    left = {name for name in os.listdir(tmp_path) if "part" in name or "txt" in name}
    assert left == {name for name, removed in names.items() if not removed} | {".config.json.2-bb.part"}


KILLED = """
import sys
from ringacc.collector import DataCollector
values = {f"p{i}": 0 for i in range(200)}
collector = DataCollector(folder_path=sys.argv[1], config_format=sys.argv[2])
collector.add(values, "a")
collector.restore_from_saved()
number = values["p0"]
print("ready", flush=True)
while True:
    number += 1
    for name in values:
        values[name] = number
    collector.save_config_file()
    print(number, flush=True)
"""


def kill_while_saving(folder: Path, config_format: str, chance: random.Random) -> tuple[int, int]:
    """Kill a process that saves again and again; return the last number it said, and the one that is saved."""
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, folder, config_format], stdout=subprocess.PIPE, cwd=ROOT, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    for _ in range(chance.randrange(4)):
        process.stdout.readline()
    # A moment that has nothing to do with where the process is in its save.
    select.select([], [], [], chance.uniform(0, 0.02))
    process.send_signal(signal.SIGKILL)
    said = [int(line) for line in process.stdout.read().split() if line.isdigit()]
    process.wait()
    process.stdout.close()

    values = {f"p{i}": -1 for i in range(200)}
    collector = DataCollector(folder_path=folder, config_format=config_format)
    collector.add(values, "a")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        collector.restore_from_saved()
    assert len(set(values.values())) == 1
    return said[-1] if said else 0, values["p0"]


def kill_often(folder: Path, config_format: str, times: int) -> None:
    """Kill as often as is said; each next start finds the last save, or the one under way."""
    values = {f"p{i}": 0 for i in range(200)}
    collector = DataCollector(folder_path=folder, config_format=config_format)
    collector.add(values, "a")
    collector.save_config_file()
    chance = random.Random(20181115)
    for _ in range(times):
        said, found = kill_while_saving(folder, config_format, chance)
        if said:
            assert found in (said, said + 1)
        assert found >= 0
    assert len(os.listdir(folder)) <= times + 2


def test_killed_while_saving(tmp_path):
    """After SIGKILL at any moment of a save, the next start finds a whole config, the old or the new."""
    kill_often(tmp_path, "json", 20)


@pytest.mark.long
@pytest.mark.parametrize(("config_format", "times"), [("json", 200), ("h5", 40)])
def test_killed_while_saving_many_times(tmp_path, config_format, times):
    """The same, 200 times."""
    kill_often(tmp_path, config_format, times)


# Disks ------------------------------------------------------------------------------------------------------


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Mount a disk of 64 KiB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = shutil.which("mount")
    command = [mount, "-t", "tmpfs", "-o", "size=64k", "none", str(disk)] if mount else ["false"]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("needs the right to mount a disk")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


@pytest.mark.parametrize("config_format", FORMATS)
def test_full_disk(small_disk, config_format):
    """On a full disk the save is an error, the old files are whole, and no temporary file is left."""
    values = {"x": "old"}
    collector = DataCollector((1, "s"), folder_path=small_disk, config_format=config_format)
    collector.add(values, "a")
    collector.save(small_disk / "log.json")
    before = files_in(small_disk)
    values["x"] = "new " * 50_000
    for call in (collector.save_config_file, lambda: collector.save(small_disk / "log.json")):
        with pytest.raises(MetadataFileError, match=r"[Nn]o space") as raised:
            call()
        assert raised.value.errno == errno.ENOSPC
    after = files_in(small_disk)
    assert after.pop(f"config.{config_format}.bak") == before[f"config.{config_format}"]
    assert after == before
    values["x"] = "fits"
    collector.save(small_disk / "log.json")
    assert collector.get_last_value("a/x") == "fits"


def test_read_only_disk(small_disk):
    """On a disk that cannot be written to, reading works and saving is an error."""
    saved(small_disk, 1)
    if subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], capture_output=True, check=False).returncode:
        pytest.skip("needs the right to change a mount")
    before = files_in(small_disk)
    values = {"x": 0}
    collector = collector_in(small_disk, values)
    collector.restore_from_saved()
    assert values == {"x": 1}
    for call in (collector.save_config_file, lambda: collector.save_json_log(small_disk / "new" / "log.json")):
        with pytest.raises(MetadataFileError, match=r"[Rr]ead-only"):
            call()
    assert files_in(small_disk) == before


LIMITED = """
import resource, sys
from ringacc.collector import DataCollector
from ringacc.errors import MetadataFileError
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
collector = DataCollector(folder_path=sys.argv[1])
collector.add({"x": "new " * 50_000}, "a")
for call in (collector.save_config_file, lambda: collector.save(sys.argv[1] + "/log.json")):
    try:
        call()
    except MetadataFileError as error:
        print(error.errno)
"""


def test_file_that_may_not_grow(tmp_path):
    """A write that stops in its middle is an error, and the old file is whole."""
    saved(tmp_path, 1)
    before = files_in(tmp_path)
    found = subprocess.run(
        [sys.executable, "-c", LIMITED, tmp_path], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert found.stdout.split() == [str(errno.EFBIG)] * 2
    after = files_in(tmp_path)
    assert after.pop("config.json.bak") == before["config.json"]
    assert after == before


def test_folder_that_cannot_be_written(tmp_path):
    """A file in the place of the folder, or a folder where nothing can be made, is an error that names the file."""
    (tmp_path / "file").write_text("here")
    for folder in (tmp_path / "file", tmp_path / "file" / "below", Path("/proc/ringacc")):
        collector = collector_in(folder, {"x": 1})
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConfigWarning)
            assert tuple(collector.restore_from_saved()) == ()
            for call in (collector.save_config_file, collector.save):
                with pytest.raises(MetadataFileError, match=f"expected to write {folder}"):
                    call()
    assert (tmp_path / "file").read_text() == "here"


@pytest.mark.skipif(os.name == "posix" and os.geteuid() == 0, reason="root may write anywhere")
def test_folder_without_the_right_to_write(tmp_path):
    """A folder of somebody else's is an error, also for whoever catches OSError."""
    saved(tmp_path, 1)
    before = files_in(tmp_path)
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(OSError, match="denied"):
            saved(tmp_path, 2)
        assert files_in(tmp_path) == before
    finally:
        tmp_path.chmod(0o700)


def test_output_path_that_is_a_folder(tmp_path):
    """A log cannot take the place of a folder."""
    for path in (tmp_path, "."):
        with pytest.raises(MetadataFileError, match="directory"):
            DataCollector().save_json_log(path)
    assert list(tmp_path.iterdir()) == []
    assert issubclass(MetadataFileError, RingaccError | OSError)


# Several processes --------------------------------------------------------------------------------------------

SAVING = """
import sys
from ringacc.collector import DataCollector
who = int(sys.argv[2])
collector = DataCollector(folder_path=sys.argv[1])
collector.add({f"p{i}": who for i in range(200)}, "a")
print("ready", flush=True)
sys.stdin.readline()
for _ in range(40):
    collector.save_config_file()
"""


def test_two_processes_save_at_once(tmp_path):
    """Of two processes that save at once, a reader always finds one's config, whole, and so it stays."""
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", SAVING, tmp_path, str(who)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=ROOT,
            text=True,
        )
        for who in (1, 2)
    ]
    for process in processes:
        assert process.stdout is not None
        assert process.stdin is not None
        process.stdout.readline()
    for process in processes:
        process.stdin.write("go\n")
        process.stdin.flush()
    reader = DataCollector(folder_path=tmp_path)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        while any(process.poll() is None for process in processes):
            if (tmp_path / "config.json").exists():
                assert len(set(reader.get_last_value("a").values())) == 1
        found = reader.get_last_value("a")
    for process in processes:
        process.communicate()
        assert process.returncode == 0
    assert len(found) == 200
    assert len(set(found.values())) == 1
    assert set(found.values()) <= {1, 2}
    assert set(os.listdir(tmp_path)) == {"config.json", "config.json.bak"}
