"""Tables that do not fit in memory are saved as those that do, whole or not at all."""

from __future__ import annotations

import errno
import json
import os
import sys
import threading

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from table_rows import LOG, NAMES, VALUES, bits, rows, run

from ringacc.errors import FormatError, MissingFileError, SaveError, SchemaError
from ringacc.tables import FORMATS, columns_of, load, save, save_stream

OF_TEXT = ("csv", "json")


class Blocks:
    """Blocks in memory as a source; ``fails`` is raised once the first block has been given."""

    def __init__(self, *blocks, dtypes=None, rows=None, fails=None):
        self.blocks = blocks
        self.rows = sum(map(len, blocks)) if rows is None else rows
        self.fails = fails
        self.dtypes = dtypes
        if dtypes is None:
            self.dtypes = list(dict.fromkeys(block.dtype for block in blocks if len(block)))

    def __len__(self):
        return self.rows

    def __iter__(self):
        for block in self.blocks:
            yield block
            if self.fails is not None:
                raise self.fails


class Overwritten(Blocks):
    """A source that gives the same memory again and again."""

    def __iter__(self):
        memory = np.empty(max(map(len, self.blocks)), self.dtypes[0])
        for block in self.blocks:
            memory[: len(block)] = block
            yield memory[: len(block)]
            memory[:] = np.zeros(1, memory.dtype)


def assert_same(found, expected):
    """Assert that two tables have the same columns, dtypes and values, floats to the last bit."""
    pd.testing.assert_frame_equal(found, expected, check_exact=True)
    for name in expected.columns:
        if expected[name].dtype.kind == "f":
            assert bits(found[name].to_numpy()) == bits(expected[name].to_numpy())


# What is saved ------------------------------------------------------------------------------------

TEXT = ("U6", "U2")
VALUES_HERE = VALUES | {"U2": st.text('a"; \n1ß', max_size=2)}


@st.composite
def changing_blocks(draw):
    """Draw blocks of up to three dtypes, which have some of the same columns, of zero to five rows each."""
    names = draw(st.lists(NAMES, min_size=1, max_size=5, unique=True))
    texts = {name for name in names if draw(st.integers(0, 3)) == 0}
    layouts = []
    for _ in range(draw(st.integers(1, 3))):
        chosen = draw(st.lists(st.sampled_from(names), min_size=1, max_size=5, unique=True))
        codes = [sorted(set(VALUES) - set(TEXT)) if name not in texts else TEXT for name in chosen]
        layouts.append([(name, draw(st.sampled_from(some))) for name, some in zip(chosen, codes, strict=True)])
    blocks = []
    for layout in draw(st.lists(st.sampled_from(layouts), min_size=1, max_size=6)):
        drawn = draw(st.lists(st.tuples(*(VALUES_HERE[code] for _, code in layout)), max_size=5))
        blocks.append(np.array(drawn, layout))
    return blocks


@pytest.mark.parametrize("format", FORMATS)
def test_streams_are_saved_as_blocks_in_memory_are(format, tmp_path_factory, monkeypatch):
    """Whatever the blocks and the size of the pieces, the file says what that of save says; text to the letter."""
    folder = tmp_path_factory.mktemp(format)

    @settings(max_examples=30 if format == "hdf5" else 80, deadline=None)
    @given(changing_blocks(), st.sampled_from([1, 100, 1 << 24]))
    def check(blocks, piece):
        monkeypatch.setattr("ringacc.tables.streams._PIECE", piece)
        filled = [block for block in blocks if len(block)] or blocks[:1]
        expected = save(filled, folder / "blocks", format)
        found = save_stream(
            Blocks(*blocks, dtypes=None if len(filled[0]) else [filled[0].dtype]), folder / "log", format
        )
        assert_same(load(found), load(expected))
        if format in OF_TEXT:
            assert found.read_bytes() == expected.read_bytes()

    check()


@pytest.mark.parametrize("format", FORMATS)
def test_changed_columns_unite(format, tmp_path):
    """Rows without a column have NaN or no text there, and a column has the dtype that holds all its values."""
    first = rows((0.0, 1, "a"), (0.1, 2, ""), t="f8", n="i2", s="U1")
    second = rows((0.2, 2.5, 7), t="f8", n="f4", k="i4")
    frame = load(save_stream(Blocks(first, second, first[:1]), tmp_path / "log", format))
    assert list(frame.columns) == ["t", "n", "s", "k"]
    assert frame["t"].tolist() == [0.0, 0.1, 0.2, 0.0]
    assert frame["n"].tolist() == [1.0, 2.0, 2.5, 1.0]
    assert repr(frame["k"].tolist()) == "[nan, nan, 7.0, nan]"
    assert frame["s"].isna().tolist() == [False, False, True, False]
    assert frame["s"].dropna().tolist() == ["a", "", "a"]
    if format not in OF_TEXT:
        # NumPy promotes int16 and float32 to float32.
        assert frame["n"].dtype == np.float32


@pytest.mark.parametrize("format", FORMATS)
def test_one_row_is_a_table(format, tmp_path):
    """A single row comes back."""
    frame = load(save_stream(Blocks(LOG[1:2]), tmp_path / "log", format))
    assert frame.to_dict("list") == {"t": [0.1], "n": [2**63 - 1], "ok": [False], "state": [""], "x": [-0.0]}


@pytest.mark.parametrize("format", FORMATS)
def test_no_rows_are_a_table_if_there_are_columns(format, tmp_path):
    """A source without rows makes the empty table of its columns; without columns there is nothing to save."""
    found = load(save_stream(Blocks(dtypes=[LOG.dtype]), tmp_path / "log", format))
    assert_same(found, load(save([LOG[:0]], tmp_path / "empty", format)))
    assert list(found.columns) == list(LOG.dtype.names)
    for source in (Blocks(), Blocks(dtypes=[np.dtype([])])):
        with pytest.raises(SchemaError, match="nothing to save"):
            save_stream(source, tmp_path / "none", format)
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize("format", FORMATS)
def test_memory_of_blocks_may_be_used_again(format, tmp_path, monkeypatch):
    """A source may give all its blocks in the same memory, and blocks larger and smaller than a piece."""
    monkeypatch.setattr("ringacc.tables.streams._PIECE", 100)
    block = np.zeros(1000, [("t", "f8"), ("n", "i8")])
    block["t"], block["n"] = np.arange(1000) / 7, np.arange(1000)
    source = Overwritten(*np.split(block, [1, 2, 3, 500, 501]))
    frame = load(save_stream(source, tmp_path / "log", format))
    assert frame["t"].tolist() == block["t"].tolist()
    assert frame["n"].tolist() == block["n"].tolist()


@pytest.mark.parametrize("format", ["feather", "parquet"])
def test_bytes_that_many_rows_lack_are_binary(format, tmp_path, monkeypatch):
    """A column of bytes is one throughout the file, also in pieces without any."""
    monkeypatch.setattr("ringacc.tables.streams._PIECE", 1)
    blocks = [rows((0.0,), (1.0,), t="f8"), rows((b"\xff", "x"), b="S2", s="U1")]
    frame = load(save_stream(Blocks(*blocks), tmp_path / "log", format))
    assert frame["b"].isna().tolist() == [True, True, False]
    assert frame["b"].tolist()[2] == b"\xff"
    assert frame["s"].tolist()[2] == "x"


def test_objects_are_text_or_bytes_throughout(tmp_path, monkeypatch):
    """What a field of objects holds is found out before the first row is written."""
    monkeypatch.setattr("ringacc.tables.streams._PIECE", 1)
    none, some, text = (rows((value,), o="O") for value in (None, b"x", "x"))
    path = save_stream(Blocks(none, some), tmp_path / "log", "feather")
    with pa.ipc.open_file(path) as file:
        assert file.schema.field("o").type == pa.binary()
        assert file.read_all()["o"].to_pylist() == [None, b"x"]
    assert load(save_stream(Blocks(none, text), tmp_path / "log")).iloc[1, 0] == "x"
    for wrong in (Blocks(some, none, text), Blocks(text, rows((1,), o="O"))):
        with pytest.raises(SchemaError, match="'o'"):
            save_stream(wrong, tmp_path / "other")
    assert list(tmp_path.iterdir()) == [path]


# How it is laid out -------------------------------------------------------------------------------


def nodes(path):
    """Give all that an hdf5 file says of its nodes but for how they are cut into chunks."""
    tables = pytest.importorskip("tables")
    found = {}
    with tables.open_file(path) as file:
        for node in file.walk_nodes("/"):
            attributes = {name: str(node._v_attrs[name]) for name in node._v_attrs._f_list("all")}
            found[node._v_pathname] = [type(node).__name__, attributes]
            if isinstance(node, tables.Leaf):
                found[node._v_pathname] += [node.shape, repr(node.atom), repr(node.filters), repr(node[:])]
    return found


@pytest.mark.parametrize("blocks", [[LOG], [LOG[:2], rows((2, "b", "c"), n="u1", state="U1", other="U1")], [LOG[:1]]])
def test_hdf5_is_laid_out_as_pandas_does(blocks, tmp_path):
    """Every node, attribute, dtype and filter is the one that pandas gives a table in memory."""
    found = nodes(save_stream(Blocks(*blocks), tmp_path / "a", "hdf5"))
    assert found == nodes(save(blocks, tmp_path / "b", "hdf5"))
    assert "/data/axis1" in found


def test_other_readers_open_the_hdf5(tmp_path):
    """read_hdf needs no key, and h5py finds the values."""
    path = save_stream(Blocks(LOG[:1], LOG[1:]), tmp_path / "log", "hdf5")
    assert pd.read_hdf(path)["n"].tolist() == LOG["n"].tolist()
    h5py = pytest.importorskip("h5py")
    with h5py.File(path) as file:
        sets = [item for item in file["data"].values() if item.dtype == np.float64]
        assert bits(sets[0][:, 0]) == bits(LOG["t"])


@pytest.mark.parametrize("format", ["feather", "parquet"])
def test_small_blocks_share_a_piece_and_large_ones_are_cut(format, tmp_path, monkeypatch):
    """Two hundred blocks of a row are one piece of the file, or pieces of as many bytes as one may have."""
    import pyarrow.parquet

    block = np.arange(200.0).view([("t", "f8")])

    def lengths():
        path = save_stream(Blocks(*np.split(block, 200)), tmp_path / "log", format)
        if format == "parquet":
            whole = pyarrow.parquet.ParquetFile(path).metadata
            return [whole.row_group(place).num_rows for place in range(whole.num_row_groups)]
        with pa.ipc.open_file(path) as file:
            return [file.get_batch(place).num_rows for place in range(file.num_record_batches)]

    assert lengths() == [200]
    monkeypatch.setattr("ringacc.tables.streams._PIECE", 64 * 8)
    assert lengths() == [64, 64, 64, 8]


def test_pandas_is_loaded_by_hdf5_only(tmp_path):
    """The import of pandas, which takes half a second, is left to those who need it."""
    script = """
        import sys
        import numpy as np
        from ringacc.tables import save_stream
        class Source(list):
            dtypes = [np.dtype([("t", "f8"), ("ok", "?"), ("s", "U3")]), np.dtype([("t", "f8")])]
        source = Source(np.ones(1, dtype) for dtype in Source.dtypes)
        for format in ("csv", "feather", "json", "parquet"):
            save_stream(source, sys.argv[1] + "/log", format)
            assert "pandas" not in sys.modules, format
    """
    done = run(script, tmp_path)
    assert done.returncode == 0, done.stderr


def test_the_extension_is_that_of_save(tmp_path):
    """The extension is added once; feather is the format if none is said; .h5 is hdf5."""
    assert save_stream(Blocks(LOG), tmp_path / "a.b") == tmp_path / "a.b.feather"
    assert save_stream(Blocks(LOG), str(tmp_path / "a.csv"), "csv") == tmp_path / "a.csv"
    assert save_stream(Blocks(LOG), tmp_path / "a.H5", "hdf5") == tmp_path / "a.H5"
    assert len(list(tmp_path.iterdir())) == 3


# Progress and memory ------------------------------------------------------------------------------


@pytest.mark.parametrize("format", FORMATS)
def test_progress_hears_how_many_rows_are_written(format, tmp_path, monkeypatch):
    """The number of rows grows to that of all."""
    monkeypatch.setattr("ringacc.tables.streams._PIECE", 10 * 24)
    block = np.zeros(100, [("t", "f8"), ("x", "f8"), ("n", "i8")])
    heard = []
    save_stream(Blocks(block), tmp_path / "log", format, heard.append)
    assert heard == sorted(heard)
    assert heard[-1] == 100
    assert len(set(heard)) >= 10


@pytest.mark.parametrize("format", FORMATS)
def test_progress_may_end_the_save(format, tmp_path):
    """What progress raises arrives, and no file does."""

    def stop(written):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        save_stream(Blocks(LOG), tmp_path / "log", format, stop)
    assert not list(tmp_path.iterdir())


MEMORY = """
    import re, sys
    from pathlib import Path
    import numpy as np
    from ringacc.tables import save_stream

    class Source:
        dtypes = [np.dtype([("t", "f8"), *((f"x{place}", "f8") for place in range(9))])]
        def __init__(self, rows):
            self.rows = rows
        def __len__(self):
            return self.rows
        def __iter__(self):
            for start in range(0, self.rows, 10_000):
                block = np.zeros(10_000, self.dtypes[0])
                block["t"] = np.arange(start, start + 10_000) / 300
                yield block

    def peak(rows):
        save_stream(Source(rows), sys.argv[1] + "/log", sys.argv[2])
        # Not ru_maxrss, which begins at what the parent had.
        return 1024 * int(re.search(r"VmHWM:\\s*(\\d+) kB", Path("/proc/self/status").read_text())[1])

    before = peak(200_000)
    grown = peak(2_000_000) - before
    table = 2_000_000 * Source.dtypes[0].itemsize
    assert grown < table / 2, f"{grown} bytes more for a table of {table}"
"""


@pytest.mark.parametrize("format", FORMATS)
def test_memory_does_not_grow_with_the_rows(format, tmp_path):
    """Ten times the rows raise the peak of a process by less than half of what they would take."""
    if sys.platform != "linux":
        pytest.skip("the peak of a process is read from /proc")
    done = run(MEMORY, tmp_path, format)
    assert done.returncode == 0, done.stderr


# What goes wrong ----------------------------------------------------------------------------------


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("error", [RuntimeError("gone"), MissingFileError("no segment"), KeyboardInterrupt()])
def test_what_the_source_raises_leaves_the_old_file(format, error, tmp_path):
    """The error arrives as it is; the old file is whole and nothing else is there."""
    path = save([LOG[:1]], tmp_path / "log", format)
    before = path.read_bytes()
    with pytest.raises(type(error)) as caught:
        save_stream(Blocks(LOG, LOG, fails=error), path, format)
    assert caught.value is error
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("format", FORMATS)
def test_an_error_of_the_system_is_a_save_error(format, tmp_path):
    """What the system refuses the source is told with its number and the file that was not written."""
    with pytest.raises(SaveError, match="log") as caught:
        save_stream(Blocks(LOG, fails=OSError(errno.EIO, "Input/output error")), tmp_path / "log", format)
    assert caught.value.errno == errno.EIO
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("said", [0, 1, 7, 9])
def test_a_source_of_other_rows_than_it_says_is_refused(format, said, tmp_path):
    """More or fewer rows than len says: an error, and no file."""
    with pytest.raises(SaveError, match=f"source of {said} rows"):
        save_stream(Blocks(LOG, LOG, rows=said), tmp_path / "log", format)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize(
    ("source", "found"),
    [
        (Blocks(np.zeros(2, [("t", "f8", (2,))])), "sub-array field 't'"),
        (Blocks(np.zeros(1, [("a\0", "f8")])), "NUL"),
        (Blocks(np.zeros(1, "c16,f8")), "'f0'.*complex"),
        (Blocks(np.zeros(1, "M8[s],f8")), "'f0'.*datetime"),
        (Blocks(rows(("\ud800",), s="U1")), "surrogate"),
        (Blocks(rows((1.0,), x="f8"), rows(("a",), x="U1")), "'x'.*float64.*<U1"),
        (Blocks(LOG, np.zeros(1, [("x", "f4")]), dtypes=[LOG.dtype]), "dtypes that the source names.*'x'"),
        (Blocks(np.zeros(3), dtypes=[LOG.dtype]), "structured arrays.*float64"),
        (Blocks(dtypes=[np.dtype("f8")]), "structured arrays.*float64"),
    ],
)
def test_sources_that_make_no_table_are_refused(format, source, found, tmp_path):
    """The error is that of save, and no file is left."""
    with pytest.raises(SchemaError, match=found):
        save_stream(source, tmp_path / "log", format)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("format", ["csv", "hdf5", "json"])
def test_bytes_are_refused_by_formats_without(format, tmp_path):
    """The error names the column, and no file is left."""
    with pytest.raises(SchemaError, match="bytes in column 'b'"):
        save_stream(Blocks(rows((b"x",), b="S4")), tmp_path / "log", format)
    assert not list(tmp_path.iterdir())


def test_unknown_formats_and_folders_are_refused(tmp_path):
    """Nothing is touched when the format or the folder is wrong."""
    for format in ("xlsx", "h5", "CSV", "", None):
        with pytest.raises(FormatError, match="csv, feather, hdf5, json, parquet"):
            save_stream(Blocks(LOG), tmp_path / "log", format)
    with pytest.raises(MissingFileError, match="absent"):
        save_stream(Blocks(LOG), tmp_path / "absent" / "log")
    assert not list(tmp_path.iterdir())


FULL_DISK = """
    import resource, sys
    from pathlib import Path
    import numpy as np
    from ringacc.errors import SaveError
    from ringacc.tables import FORMATS, load, save, save_stream

    class Source(list):
        dtypes = [np.dtype([("t", "f8"), ("x", "f8"), ("n", "i4"), ("s", "U2")])]
        def __len__(self):
            return sum(map(len, self.copy()))

    def source(rows, blocks):
        block = np.zeros(rows, Source.dtypes[0])
        block["t"], block["s"] = np.random.default_rng(0).normal(size=rows), "ab"
        return Source([block] * blocks)

    folder, random = Path(sys.argv[1]), np.random.default_rng(0)
    for format in FORMATS:
        size = save_stream(source(20_000, 5), folder / "log", format).stat().st_size
        path = save_stream(source(3, 1), folder / "log", format)
        before = path.read_bytes()
        for limit in [size - 1, size - 9, size // 2, 2000, 0, *random.integers(0, size, 5).tolist()]:
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
            try:
                save_stream(source(20_000, 5), folder / "log", format)
            except SaveError as error:
                assert error.errno == 27, error  # file too large
                assert "untouched" in str(error) and f"log.{format}" in str(error), error
            else:
                raise AssertionError(f"{format}: saved {size} bytes where {limit} have room")
            resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
            assert path.read_bytes() == before, format
        assert len(load(path)) == 3
        assert [entry.name for entry in folder.iterdir()] == [path.name]
        path.unlink()
"""


def test_a_file_that_may_not_grow_leaves_the_old_one(tmp_path):
    """Where the last byte, or any other, has no room: an error, the old file whole, nothing left behind."""
    pytest.importorskip("resource")
    done = run(FULL_DISK, tmp_path)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", ["t", "state"])
def test_hdf5_that_is_not_what_was_written_is_refused(name, tmp_path, monkeypatch):
    """Bytes that the disk does not give back as they were written are an error, in numbers and in text."""
    tables = pytest.importorskip("tables")
    opened = tables.open_file

    def damaging(path, mode="r", **options):
        if mode == "r":
            with opened(path, "a") as file:
                for node in file.walk_nodes("/data", "CArray" if name == "t" else "VLArray"):
                    if node._v_name == "block0_values":
                        node[1] = 0.25
                    elif name == "state":
                        node[0] = node[0][::-1]
        return opened(path, mode, **options)

    monkeypatch.setattr(tables, "open_file", damaging)
    with pytest.raises(SaveError, match="read back") as caught:
        save_stream(Blocks(LOG), tmp_path / "log", "hdf5")
    assert caught.value.errno == errno.EIO
    assert not list(tmp_path.iterdir())


def test_a_source_may_read_hdf5_itself(tmp_path):
    """A source that loads its rows from hdf5 while it is saved as hdf5 does not wait for itself."""
    stored = save([LOG[["t", "x"]]], tmp_path / "stored", "hdf5")

    class Stored(Blocks):
        def __iter__(self):
            yield load(stored).to_records(index=False).view(np.ndarray)

    source = Stored(LOG[["t", "x"]], dtypes=[np.dtype([("t", "f8"), ("x", "f8")])])
    saver = threading.Thread(target=save_stream, args=(source, tmp_path / "log", "hdf5"), daemon=True)
    saver.start()
    saver.join(60)
    assert not saver.is_alive()
    assert_same(load(tmp_path / "log.hdf5"), load(stored))


def test_the_file_is_on_disk_before_it_takes_the_name(tmp_path, monkeypatch):
    """hdf5, which opens the file by its name, writes the very file that is synced."""
    synced = []
    fsync = os.fsync
    monkeypatch.setattr(os, "fsync", lambda number: (synced.append(os.fstat(number).st_ino), fsync(number)))
    for format in FORMATS:
        assert save_stream(Blocks(LOG), tmp_path / "log", format).stat().st_ino in synced


def test_json_has_every_row_in_every_column(tmp_path, monkeypatch):
    """Columns written one after the other, in many pieces, have the same rows."""
    monkeypatch.setattr("ringacc.tables.text._ROWS", 3)
    path = save_stream(Blocks(LOG[:1], LOG[1:], LOG), tmp_path / "log", "json")
    found = json.loads(path.read_bytes())
    columns = columns_of([LOG, LOG])
    assert {name: list(cells) for name, cells in found.items()} == {name: list("01234567") for name in columns}
    assert list(found["n"].values()) == columns["n"].tolist()
