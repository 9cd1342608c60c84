"""Files are saved whole or not at all, and one that is not what it says is refused."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from table_rows import LOG, STYTRA, rows, run

from ringacc.errors import FormatError, LogFileError, SaveError
from ringacc.tables import FORMATS, load, save

# Whole or not at all ------------------------------------------------------------------------------


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("error", [OSError(5, "Input/output error"), KeyboardInterrupt()])
def test_what_goes_wrong_leaves_the_old_file(format, error, tmp_path, monkeypatch):
    """When the disk or the user stops a save, the old file is whole and nothing else is there."""
    path = save([LOG], tmp_path / "log", format)
    before = path.read_bytes()

    def fail(descriptor):
        raise error

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises((SaveError, KeyboardInterrupt)) as caught:
        save([LOG[:1]], tmp_path / "log", format)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]
    if isinstance(error, OSError):
        assert caught.value.errno == 5
        assert str(path) in str(caught.value)


def test_the_new_file_is_on_disk_before_it_takes_the_name(tmp_path, monkeypatch):
    """The whole file is synced while the old one still has the name, and the folder once the new one has it."""
    path = save([LOG[:1]], tmp_path / "log", "csv")
    seen = []

    def look(descriptor):
        is_folder = stat.S_ISDIR(os.fstat(descriptor).st_mode)
        seen.append(("folder" if is_folder else os.fstat(descriptor).st_size, path.stat().st_size))

    old = path.stat().st_size
    monkeypatch.setattr(os, "fsync", look)
    save([LOG], tmp_path / "log", "csv")
    new = path.stat().st_size
    assert seen == [(new, old), ("folder", new)]


FULL_DISK = """
    import sys
    from pathlib import Path
    import numpy as np
    from ringacc.errors import SaveError
    from ringacc.tables import FORMATS, load, save
    folder, limit = Path(sys.argv[1]), int(sys.argv[2])
    small = np.zeros(3, [("t", "f8")])
    large = np.random.default_rng(0).normal(size=200_000).view([("t", "f8"), ("x", "f8")])
    before = {format: save([small], folder / "log", format).read_bytes() for format in FORMATS}
    if limit:
        import resource
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    for format in FORMATS:
        try:
            save([large], folder / "log", format)
        except SaveError as error:
            assert error.errno in (27, 28), error  # file too large, no space left
            assert "untouched" in str(error) and f"log.{format}" in str(error), error
        else:
            raise AssertionError(f"{format}: saved what there was no room for")
        path = folder / f"log.{format}"
        assert path.read_bytes() == before[format], format
        assert len(load(path)) == 3
    assert sorted(path.name for path in folder.iterdir()) == sorted(f"log.{format}" for format in FORMATS)
"""


def test_a_file_that_may_not_grow_leaves_the_old_one(tmp_path):
    """At the limit of a file's size: an error, the old file whole, nothing left behind."""
    pytest.importorskip("resource")
    done = run(FULL_DISK, tmp_path, 1 << 18)
    assert done.returncode == 0, done.stderr


def test_a_full_disk_leaves_the_old_file(tmp_path):
    """On a disk without room: an error, the old file whole, nothing left behind."""
    if sys.platform != "linux" or os.geteuid() != 0:
        pytest.skip("only root can mount a small disk")
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", tmp_path], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"no small disk can be mounted here: {mounted.stderr.decode()}")
    try:
        done = run(FULL_DISK, tmp_path, 0)
    finally:
        subprocess.run(["umount", tmp_path], check=True)
    assert done.returncode == 0, done.stderr


def test_threads_may_save_and_load_hdf5_at_once(tmp_path):
    """Files saved from several threads at once are each whole."""
    failed = []

    def work(number):
        try:
            for _ in range(5):
                block = np.full(50, number, [("t", "f8"), ("n", "i8")])
                frame = load(save([block], tmp_path / f"log{number}", "hdf5"))
                assert (frame["n"] == number).all()
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []


# Files that are not what they say -----------------------------------------------------------------


def test_logs_of_unknown_name_are_refused(tmp_path):
    """An unknown extension names the five; a log that is not there names those that are."""
    for name in ("log.xlsx", "log", "log.csv.part"):
        with pytest.raises(FormatError, match="csv, feather, hdf5, json, parquet"):
            load(tmp_path / name)
    with pytest.raises(FileNotFoundError, match="no log lies"):
        load(tmp_path / "log.csv")
    save([LOG], tmp_path / "log", "json")
    with pytest.raises(FileNotFoundError, match=r"log\.csv.*log\.json"):
        load(str(tmp_path / "log.csv"))


@pytest.mark.parametrize("format", FORMATS)
def test_an_empty_file_is_refused(format, tmp_path):
    """A file of no bytes is an error that says so."""
    path = tmp_path / f"log.{format}"
    path.touch()
    with pytest.raises(LogFileError, match="empty"):
        load(path)


@pytest.mark.parametrize("named", FORMATS)
@pytest.mark.parametrize("written", FORMATS)
def test_a_file_of_another_format_is_named_by_its_content(named, written, tmp_path):
    """A log under the wrong extension: the error says what it looks like."""
    if named == written:
        return
    path = save([LOG], tmp_path / "log", written).rename(tmp_path / f"wrong.{named}")
    with pytest.raises(LogFileError, match=f"expected {named}, found what looks like {written}.*{written}"):
        load(path)


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize(
    ("data", "found"),
    [
        (b"PK\x03\x04...", "zip"),
        (b"\x1f\x8b...", "gzip"),
        (b"\x93NUMPY", "NumPy"),
        (b"\xff\xff\xff\xff\x10", "Arrow stream"),
        (b"\x00\x01\x02", "no known format"),
        ("grün;".encode("latin-1"), "no known format"),
    ],
)
def test_other_files_are_refused(format, data, found, tmp_path):
    """What is no log at all is named where it can be."""
    path = tmp_path / f"log.{format}"
    path.write_bytes(data)
    with pytest.raises(LogFileError, match=found):
        load(path)


@pytest.mark.parametrize(
    ("name", "text", "found"),
    [
        ("a.csv", "a,b\n1,2\n", "';'"),
        ("a.csv", ";a;b\n0;1;2\n1;3\n", "cut or damaged"),
        ("a.csv", ";a;b\n0;1;2\n1;3;4", "cut"),
        ("a.csv", ';a;b\n0;1;"x\n', "cut"),
        ("a.csv", ";a;a\n0;1;2\n", "two columns called 'a'"),
        ("a.csv", ";a;\n0;1;2\n", "found ''"),
        ("a.json", '{"a":{"0":1}, "b":{"1":1}}', "others in 'b'"),
        ("a.json", '{"a":{"0":1}, "a":{"0":1}}', "'a' twice"),
        ("a.json", '{"a":{"0":[1]}}', "'a'.*list"),
        ("a.json", '{"a":{"0":"x","1":1}}', "'a'.*int, str"),
        ("a.json", '{"a":1}', "other json"),
        ("a.json", "[1, 2]", "other json"),
        ("a.json", '{"a":{"0":1}', "cut"),
    ],
)
def test_text_that_is_no_table_is_refused(name, text, found, tmp_path):
    """The error about csv or json that is no table names the file and what is wrong."""
    (tmp_path / name).write_text(text)
    with pytest.raises(LogFileError, match=f"(?s){name}.*{found}"):
        load(tmp_path / name)


def test_hdf5_that_is_no_table_is_refused(tmp_path):
    """hdf5 without a table, with two, or with a Series."""
    tables = pytest.importorskip("tables")
    with tables.open_file(tmp_path / "bare.h5", "w") as file:
        file.create_array("/", "numbers", np.zeros(3))
    STYTRA.to_hdf(tmp_path / "two.h5", key="a")
    STYTRA.to_hdf(tmp_path / "two.h5", key="b")
    STYTRA["t"].to_hdf(tmp_path / "series.h5", key="a")
    STYTRA.set_axis([0, 1, 2], axis=1).to_hdf(tmp_path / "names.h5", key="a")
    for name, found in (("bare", "cut or damaged"), ("two", "key"), ("series", "Series"), ("names", "found 0")):
        with pytest.raises(LogFileError, match=f"{name}.h5.*{found}"):
            load(tmp_path / f"{name}.h5")


@pytest.mark.parametrize("format", FORMATS)
def test_a_log_that_was_cut_is_refused(format, tmp_path_factory):
    """A log cut at any byte is an error; only csv cut between two rows is the rows before the cut."""
    folder = tmp_path_factory.mktemp(format)
    whole = save([np.concatenate([LOG] * 5)], folder / "whole", format)
    data = whole.read_bytes()
    table = load(whole)
    path = folder / f"cut.{format}"

    @settings(max_examples=40, deadline=None)
    @given(st.integers(0, len(data) - 1))
    def check(size):
        path.write_bytes(data[:size])
        between_rows = data[:size].endswith(b"\n") and data[:size].count(b'"') % 2 == 0
        if (format == "csv" and between_rows) or (format == "json" and size == len(data) - 1):
            loaded = load(path)
            for name in table.columns:
                assert repr(loaded[name].tolist()) == repr(table[name].tolist()[: len(loaded)])
        else:
            with pytest.raises(LogFileError, match=path.name):
                load(path)

    check()


def test_an_index_that_says_more_than_a_number_is_kept(tmp_path):
    """Tables of other programs keep an index of times; numbers of rows begin at 0 again."""
    STYTRA.set_index("t").to_hdf(tmp_path / "times.h5", key="a")
    assert load(tmp_path / "times.h5").index.tolist() == STYTRA["t"].tolist()
    STYTRA[1:].to_hdf(tmp_path / "numbers.h5", key="a")
    assert load(tmp_path / "numbers.h5").index.tolist() == [0, 1]


def test_csv_of_other_programs_is_loaded(tmp_path):
    """No row numbers, line ends of Windows, text without quotes, numbers with gaps."""
    (tmp_path / "a.csv").write_bytes("a;b;c;d\r\n1;x;;18446744073709551615\r\n2;;1e-3;0\r\n".encode("utf-8-sig"))
    frame = load(tmp_path / "a.csv")
    assert list(frame.columns) == ["a", "b", "c", "d"]
    assert frame["a"].tolist() == [1, 2]
    assert frame["b"].tolist()[0] == "x"
    assert frame["b"].isna().tolist() == [False, True]
    assert repr(frame["c"].tolist()) == "[nan, 0.001]"
    assert frame["d"].tolist() == [2**64 - 1, 0]


def test_columns_without_a_value_are_float(tmp_path):
    """A column without a value is NaN throughout in csv and json, which cannot tell its dtype."""
    blocks = [rows((np.nan, 1), x="f8", n="i8")]
    for format in ("csv", "json"):
        assert repr(load(save(blocks, tmp_path / "log", format))["x"].tolist()) == "[nan]"
