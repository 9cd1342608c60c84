"""Ring files: their format, where they are, and what is refused: files that are none, and devices without room."""

from __future__ import annotations

import json
import os
import shutil
import stat
import struct
import subprocess
import sys
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ringfile_stage import FIELDS, PATIENCE, names, numbered

import ringacc
from ringacc import TimeRing, system
from ringacc.errors import (
    CapacityError,
    MissingFileError,
    RingExistsError,
    RingFileError,
    RingFormatError,
    RingSpaceError,
    SchemaError,
)
from ringacc.testing import check, plain

ROW_BYTES = 17


@pytest.fixture
def path(tmp_path):
    """Give the path of a ring that is not there yet."""
    return tmp_path / "tail.ring"


@pytest.fixture
def left(path):
    """Give the path of a ring of ten rows whose writer is gone."""
    numbered(path, 10).close(keep=True)
    return path


def run(code, *arguments, before=()):
    """Run a script in another Python, and return what it printed, line by line."""
    done = subprocess.run(
        [*before, sys.executable, "-c", code, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=2 * PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


# The format -----------------------------------------------------------------------------------------------------------


def test_file_is_what_its_description_says(path):
    """Magic, version, byte order, sizes, text, writer and counters lie where the table of the format has them."""
    ring = TimeRing.create(path, 5, FIELDS, units={"x": "mm"})
    ring.append(0.25, (1.5, True))
    content = path.read_bytes()
    magic, version, order, head, capacity, row_bytes, length, _ = struct.unpack_from("=8sIIQQQII", content)
    assert (magic, version, order) == (b"\x93RINGACC", 1, 0x01020304)
    assert (head, capacity, row_bytes) == (4096, 5, ROW_BYTES)
    assert len(content) == head + 2 * capacity * row_bytes
    said = json.loads(content[1024 : 1024 + length])
    assert said == {"dtype": "[('t', '<f8'), ('x', '<f8'), ('ok', '|b1')]", "units": {"x": "mm"}, "notes": {}}
    process, began, machine = struct.unpack_from("=qd112s", content, 64)
    assert process == os.getpid()
    assert abs(time.time() - began) < 3600
    assert machine.rstrip(b"\0").decode() == system.host()
    assert struct.unpack_from("=q", content, 512) == (1,)  # rows written
    row = struct.pack("=dd?", 0.25, 1.5, True)
    assert content[4096 : 4096 + ROW_BYTES] == content[4096 + 5 * ROW_BYTES : 4096 + 6 * ROW_BYTES] == row
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    ring.close()


def test_two_files_are_never_the_same(tmp_path):
    """Each file has an identity of its own, which stays when it is taken over."""
    rings = [TimeRing.create(tmp_path / name, 2, FIELDS) for name in "ab"]
    identities = [ring.file.about.identity for ring in rings]
    assert identities[0] != identities[1]
    rings[0].close(keep=True)
    assert TimeRing.take_over(tmp_path / "a").file.about.identity == identities[0]


ODD = {
    "padded": np.dtype(
        {"names": ["t", "x", "y"], "formats": ["f8", "u1", "f8"], "offsets": [0, 9, 24], "itemsize": 40}
    ),
    "aligned": np.dtype([("t", "f8"), ("x", "u1"), ("y", "f8")], align=True),
    "sub-arrays": np.dtype([("a", "f4", (2, 3)), ("b", "u1", (5,)), ("c", "U2", (2,))]),
    "text": np.dtype([("θ", "U5"), ("closed loop 1D_vel", "S3")]),
    "dates": np.dtype([("when", "M8[us]"), ("span", "m8[ns]"), ("day", "M8[D]", (2,))]),
    "nested": np.dtype([("a", [("b", "i2"), ("c", [("d", "f8")])])]),
    "numbers": np.dtype([("a", "c16"), ("b", "f2"), ("c", "i1"), ("d", "u8"), ("e", "?"), ("f", "c8")]),
    "bytes": np.dtype([("raw", "V7")]),
    "long float": np.dtype([("x", "g")]),
    "names to escape": np.dtype([("it's", "f8"), ('"', "f8"), ("\\", "f8"), ("a\nb", "f8"), ("[('t', 'f8')]", "f8")]),
    "nothing but a time": np.dtype([("t", "f8")]),
}


@pytest.mark.parametrize("dtype", ODD.values(), ids=ODD)
def test_row_of_any_dtype(path, dtype):
    """Whatever a row is, the file says so, and a reader gives the rows as they were put in."""
    with TimeRing.create(path, 3, dtype) as ring:
        random = np.random.default_rng(0)
        rows = np.zeros(5, ring.dtype)
        for name in ring.columns[1:]:
            part = np.ascontiguousarray(rows[name])
            if part.dtype.kind in "US":
                part[...] = "äb" if part.dtype.kind == "U" else b"xy"
            elif part.dtype.names is None:
                part[...] = random.integers(0, 2, part.shape).astype(part.dtype)
            rows[name] = part
        rows["t"] = np.arange(5)
        ring.extend(rows)
        tail = TimeRing.open(path)
        assert tail.dtype == ring.dtype
        assert tail.dtype.itemsize == ring.dtype.itemsize
        assert tail.columns == ring.columns
        got = tail.last(9)
        assert got.dtype == ring.dtype
        for name in ring.columns:
            assert np.array_equal(got[name], rows[2:][name])
            assert np.array_equal(tail[name], rows[2:][name])
        assert plain(tail.between(3, 4)) == plain(rows[3:])
        assert plain(tail.at(3.0)) == plain(rows[3])


@pytest.mark.parametrize(("columns", "length"), [(1, 4000), (40, 100), (300, 60), (5000, 250)])
def test_head_longer_than_a_page(path, columns, length):
    """As many columns with as long names as one likes; the rows begin behind the text."""
    fields = {f"{column:0{length}d}": "u1" for column in range(columns)}
    with TimeRing.create(path, 3, fields, units={"0" * length: "µm"}) as ring:
        ring.extend(np.zeros(4, ring.dtype))
        ring.extend(np.ones(1, ring.dtype))
        head = path.stat().st_size - 6 * (8 + columns)
        assert head % 4096 == 0
        assert head > 1024 + columns * length
        tail = TimeRing.open(path)
        assert tail.columns == ("t", *fields)
        assert tail.units == {"t": "s", "0" * length: "µm"}
        assert tail.last(1).tobytes() == np.ones(1, ring.dtype).tobytes()
        ring.close(keep=True)
    # A file that is cut within its text is not taken for one.
    os.truncate(path, head - 4096)
    with pytest.raises(RingFormatError):
        TimeRing.open(path)


@pytest.mark.parametrize("capacity", [1, 2])
def test_small_capacities(path, capacity):
    """A ring of one row is a ring; what comes and goes is counted."""
    ring = TimeRing.create(path, capacity, FIELDS)
    tail = TimeRing.open(path)
    for n in range(3):
        ring.append(n, (n, False))
    ring.extend([3, 4], [(3, False), (4, True)])
    check(ring)
    assert (len(tail), tail.written, tail.trimmed) == (capacity, 5, 5 - capacity)
    assert plain(tail.last(9)) == [(3.0, 3.0, False), (4.0, 4.0, True)][-capacity:]
    rows, following, missed = tail.since(0)
    assert (len(rows), following, missed) == (capacity, 5, 5 - capacity)
    assert tail.health().rows == 5
    ring.close(keep=True)
    with TimeRing.take_over(path) as ring:
        check(ring)
        ring.append(5, (5, True))
        assert plain(tail["x"]) == [4.0, 5.0][-capacity:]


@pytest.mark.parametrize("capacity", [0, -1, 1.5, "4", None])
def test_capacity_that_is_none(path, capacity):
    """It is refused, and nothing is made; a file of no rows would be of no use to anybody."""
    with pytest.raises(CapacityError):
        TimeRing.create(path, capacity, FIELDS)
    assert names(path.parent) == []


def test_units(path):
    """They are kept for whoever opens the file; what has none is left out, and time is in seconds."""
    with TimeRing.create(path, 4, FIELDS, units={"x": "µm/s"}) as ring:
        assert ring.units == TimeRing.open(path).units == {"t": "s", "x": "µm/s"}
    with TimeRing.create(path, 4, FIELDS) as ring:
        assert ring.units == TimeRing.open(path).units == {"t": "s"}
    assert TimeRing(4, FIELDS).units == {"t": "s"}


@pytest.mark.parametrize("units", [{"z": "mm"}, {"x": 5}, {"x": None}, {"x": "\ud800"}])
def test_units_that_are_none(path, units):
    """A unit of no column, or one that is no text, is refused, and nothing is made."""
    with pytest.raises(SchemaError, match="units"):
        TimeRing.create(path, 4, FIELDS, units=units)
    assert names(path.parent) == []


def test_fields_that_no_file_can_describe(path):
    """Fields that overlap cannot be spelled in a file: nothing is made."""
    overlapping = np.dtype({"names": ["t", "a", "b"], "formats": ["f8", "i4", "i2"], "offsets": [0, 8, 8]})
    with pytest.raises(SchemaError):
        TimeRing.create(path, 4, overlapping)
    assert names(path.parent) == []


# Where files are ------------------------------------------------------------------------------------------------------


def test_bare_name_is_one_in_the_rings_folder(tmp_path, monkeypatch):
    """A name without a folder lies in the folder for rings, which is made; ".ring" is added."""
    folder = tmp_path / "of" / "rings"
    monkeypatch.setenv("RINGACC_RINGS", str(folder))
    assert ringacc.rings_folder() == folder
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    with TimeRing.create("tail", 4, FIELDS) as ring, TimeRing.create("eyes.xyz", 4, FIELDS):
        assert ring.path == TimeRing.open("tail").path == folder / "tail.ring"
        assert names(folder) == ["eyes.xyz.ring", "tail.ring"]
    assert names(folder) == []


def test_default_folder_is_the_users_own(tmp_path, monkeypatch):
    """It is in the memory file system, and nobody else may look into it; another user's is refused."""
    monkeypatch.delenv("RINGACC_RINGS", raising=False)
    monkeypatch.setattr(system, "_MEMORY_FOLDER", tmp_path)
    folder = ringacc.rings_folder()
    assert folder == tmp_path / f"ringacc-{os.getuid()}"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    other = os.getuid() + 1
    folder.rename(tmp_path / f"ringacc-{other}")
    monkeypatch.setattr(os, "getuid", lambda: other)
    with pytest.raises(RingFileError, match=r"another user; name another .* RINGACC_RINGS"):
        ringacc.rings_folder()


def test_default_folder_without_a_memory_file_system(tmp_path, monkeypatch):
    """It is in the folder for temporary files."""
    monkeypatch.delenv("RINGACC_RINGS", raising=False)
    monkeypatch.setattr(system, "_MEMORY_FOLDER", tmp_path / "absent")
    monkeypatch.setattr(system.tempfile, "gettempdir", lambda: str(tmp_path))
    assert ringacc.rings_folder() == tmp_path / f"ringacc-{os.getuid()}"


@pytest.mark.parametrize("below", ["file", "file/rings"])
def test_folder_that_cannot_be_made(tmp_path, monkeypatch, below):
    """The message says which, and how to name another."""
    (tmp_path / "file").write_text("not a folder")
    monkeypatch.setenv("RINGACC_RINGS", str(tmp_path / below))
    for call in (ringacc.rings_folder, lambda: TimeRing.create("tail", 4, FIELDS), lambda: TimeRing.open("tail")):
        with pytest.raises(RingFileError, match=f"found {tmp_path / below}.*RINGACC_RINGS"):
            call()


@pytest.mark.parametrize("name", ["", "."])
def test_name_that_is_none(tmp_path, monkeypatch, name):
    """No file is made beside the folder for rings."""
    monkeypatch.setenv("RINGACC_RINGS", str(tmp_path / "rings"))
    for call in (lambda: TimeRing.create(name, 4, FIELDS), lambda: TimeRing.open(name)):
        with pytest.raises(RingFileError, match="name of a ring"):
            call()
    assert "rings.ring" not in names(tmp_path)


# Files that are none --------------------------------------------------------------------------------------------------


def each_way_to_open(path):
    """Return the two ways to open a file."""
    return (lambda: TimeRing.open(path), lambda: TimeRing.take_over(path))


def test_truncated_files(left):
    """A file of any other size is refused, one byte less or more too."""
    content = left.read_bytes()
    size = len(content)
    sizes = {0, 1, 7, 8, 63, 64, 511, 512, 1023, 1024, 1100, 4095, 4096, 4097, size - ROW_BYTES, size - 1}
    for length in sorted(sizes | set(range(0, size, 331))):
        left.write_bytes(content[:length])
        for opened in each_way_to_open(left):
            with pytest.raises(RingFormatError, match=str(left)):
                opened()
    for more in (1, ROW_BYTES, 5000):
        left.write_bytes(content + bytes(more))
        for opened in each_way_to_open(left):
            with pytest.raises(RingFormatError, match=rf"expected {size} bytes, found {size + more}"):
                opened()
    left.write_bytes(content)
    assert len(TimeRing.open(left)) == 8


def test_damaged_heads(left):
    """A byte that is another one, in all that the file says of itself, is noticed."""
    content = left.read_bytes()
    (length,) = struct.unpack_from("=I", content, 40)
    for place in [*range(48), *range(1024, 1024 + length)]:
        for change in (0x01, 0x80, 0xFF):
            damaged = bytearray(content)
            damaged[place] ^= change
            left.write_bytes(damaged)
            for opened in each_way_to_open(left):
                with pytest.raises(RingFormatError, match=str(left)):
                    opened()


@given(content=st.binary(max_size=64), size=st.sampled_from((0, 64, 4095, 4096, 10_000)))
@settings(max_examples=60)
def test_foreign_files(tmp_path_factory, content, size):
    """Whatever is in a file that is no ring, it is a RingFormatError, with the magic too."""
    folder = tmp_path_factory.getbasetemp()
    for start in (b"", b"\x93RINGACC", b"\x93RINGACC" + struct.pack("=II", 1, 0x01020304)):
        file = folder / "foreign.ring"
        file.write_bytes((start + content).ljust(size, b"\xa5"))
        for opened in each_way_to_open(file):
            with pytest.raises(RingFormatError, match=str(file)):
                opened()


def rewritten(path, place, how, *values):
    """Replace what lies at a place of a file."""
    content = bytearray(path.read_bytes())
    struct.pack_into(how, content, place, *values)
    path.write_bytes(content)


def test_newer_version(left):
    """The message says which version it is, and what to do."""
    rewritten(left, 8, "=I", 2)
    for opened in each_way_to_open(left):
        with pytest.raises(RingFormatError, match=r"version 1, found version 2: use the version of ringacc"):
            opened()


def test_other_byte_order(left):
    """A file of a machine of the other byte order is refused as such, not as one of version 16777216."""
    swapped = struct.unpack("<IIQQQII", struct.pack(">IIQQQII", *struct.unpack_from("=IIQQQII", left.read_bytes(), 8)))
    rewritten(left, 8, "<IIQQQII", *swapped)
    for opened in each_way_to_open(left):
        with pytest.raises(RingFormatError, match="byte order"):
            opened()


def test_folder_is_no_ring(path):
    """It is said to be one, on every file system."""
    path.mkdir()
    for opened in each_way_to_open(path):
        with pytest.raises(RingFormatError, match="found a folder"):
            opened()
    with pytest.raises(RingExistsError):
        TimeRing.create(path, 4, FIELDS)
    assert names(path.parent) == ["tail.ring"]


def test_missing_file(path):
    """The message names the rings that are there."""
    for opened in each_way_to_open(path):
        with pytest.raises(MissingFileError, match=f"no {path}: no ring lies there"):
            opened()
    for name in ("eyes", "fish"):
        numbered(path.with_name(name), 1).close(keep=True)
    for opened in each_way_to_open(path):
        with pytest.raises(FileNotFoundError, match=r"there are eyes\.ring, fish\.ring"):
            opened()


def test_missing_folder(tmp_path):
    """It is not made, and the message names it."""
    with pytest.raises(MissingFileError, match=f"found no {tmp_path / 'absent'}: make it"):
        TimeRing.create(tmp_path / "absent" / "tail", 4, FIELDS)
    with pytest.raises(MissingFileError):
        TimeRing.open(tmp_path / "absent" / "tail")
    assert names(tmp_path) == []


@pytest.mark.parametrize("name", ["file/tail", "n" * 300])
def test_file_that_cannot_be_made(tmp_path, name):
    """Below a file, or with too long a name: the error is of the package, and has the number of the system's."""
    (tmp_path / "file").write_text("")
    with pytest.raises(RingFileError, match="can be made") as caught:
        TimeRing.create(tmp_path / name, 4, FIELDS)
    assert caught.value.errno
    with pytest.raises(RingFileError, match="can be read") as caught:
        TimeRing.open(tmp_path / name)
    assert caught.value.errno
    assert names(tmp_path) == ["file"]


def test_file_that_is_there(path):
    """It is never written over; the message says whether its writer is alive."""
    ring = numbered(path, 3)
    with pytest.raises(RingExistsError, match="live process writes: choose another name"):
        TimeRing.create(path, 4, FIELDS)
    ring.close(keep=True)
    before = path.read_bytes()
    with pytest.raises(FileExistsError, match="writer is gone: take it over"):
        TimeRing.create(path, 4, FIELDS)
    assert path.read_bytes() == before
    assert names(path.parent) == ["tail.ring"]


# No room --------------------------------------------------------------------------------------------------------------

LIMITED = """
import os, resource, signal, sys
from ringacc import TimeRing
from ringacc.errors import RingSpaceError
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
with TimeRing.create(sys.argv[1] + "/small", 100, {"x": "f8"}) as ring:
    try:
        TimeRing.create(sys.argv[1] + "/large", 100_000, {"x": "f8"})
    except RingSpaceError as error:
        print(isinstance(error, OSError), error.errno, error)
    print(sorted(os.listdir(sys.argv[1])))
"""


def test_file_larger_than_may_be(tmp_path):
    """A limit on the size of files is a RingSpaceError, and leaves nothing behind."""
    pytest.importorskip("resource")
    said, there = run(LIMITED, tmp_path)
    assert said.startswith("True 27 ")
    assert "3.1 MiB" in said
    assert "nothing was made" in said
    assert there == "['small.ring']"


@pytest.mark.parametrize("capacity", [2**55, 2**62, 2**80])
def test_file_larger_than_any(tmp_path, capacity):
    """More bytes than a file can have are no room, however many more."""
    with pytest.raises(RingSpaceError, match="nothing was made"):
        TimeRing.create(tmp_path / "tail", capacity, FIELDS)
    assert names(tmp_path) == []


FULL = """
import errno, os, sys
from ringacc import TimeRing
from ringacc.errors import RingSpaceError
folder = sys.argv[1]
ring = TimeRing.create(folder + "/tail", 4000, {"x": "f8"})  # 4096 + 2 * 4000 * 16 bytes
with open(folder + "/rest", "wb", buffering=0) as rest:
    try:
        while rest.write(bytes(4096)):
            pass
    except OSError as error:
        print(error.errno == errno.ENOSPC)
for capacity in (1, 4000):
    try:
        TimeRing.create(folder + "/more", capacity, {"x": "f8"})
    except RingSpaceError as error:
        print(error.errno == errno.ENOSPC)
print(sorted(os.listdir(folder)))
for n in range(10_000):  # every page of the file is there
    ring.append(n, (n,))
print(ring.last(1)["x"][0], TimeRing.open(folder + "/tail").last(1)["x"][0])
os.remove(folder + "/rest")
TimeRing.create(folder + "/more", 1, {"x": "f8"}).close()
ring.close()
print(sorted(os.listdir(folder)))
"""


def test_full_file_system(tmp_path):
    """On a device that is full nothing can be made, and a ring that is there never lacks a page."""
    if not (shutil.which("unshare") and shutil.which("mount")):
        pytest.skip("needs unshare and mount")
    # A file system of its own in name spaces of its own: it is gone with the process.
    mounted = ["unshare", "-m", "sh", "-c", 'mount -t tmpfs -o size=256k tmpfs "$0" && exec "$@"', str(tmp_path)]
    if subprocess.run([*mounted, "true"], capture_output=True, check=False).returncode:
        pytest.skip("may not mount")
    said = run(FULL, tmp_path, before=mounted)
    assert said == ["True", "True", "True", "['rest', 'tail.ring']", "9999.0 9999.0", "[]"]


def test_error_while_a_file_is_made(path, monkeypatch):
    """Whatever goes wrong on the way, no part of the file stays."""

    def fail(*_, **__):
        raise KeyboardInterrupt

    for name in ("map_bytes", "put_in_place", "host"):
        with monkeypatch.context() as patch:
            patch.setattr(system, name, fail)
            with pytest.raises(KeyboardInterrupt):
                TimeRing.create(path, 4, FIELDS)
        assert names(path.parent) == []
    numbered(path, 1).close()


def test_file_system_without_links(path, monkeypatch):
    """A file gets its name by a rename where there are no links, and still takes nobody's place."""

    def no_links(*_):
        raise PermissionError(1, "no links")

    monkeypatch.setattr(os, "link", no_links)
    ring = numbered(path, 3)
    assert names(path.parent) == ["tail.ring"]
    assert len(TimeRing.open(path)) == 3
    with pytest.raises(RingExistsError):
        numbered(path, 1)
    assert names(path.parent) == ["tail.ring"]
    ring.close()
