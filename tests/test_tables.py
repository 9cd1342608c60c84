"""Tables: blocks unite into columns, Arrow takes them without pandas, files give back what was saved."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
import threading
import tracemalloc
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ringacc.errors import FormatError, LogFileError, MissingFileError, RingaccError, SaveError, SchemaError
from ringacc.tables import FORMATS, arrow_stream, columns_of, load, save, to_arrow, to_frame

ROOT = Path(__file__).parent.parent
RECORDED = sorted((ROOT.parent / "shared" / "data").glob("*/*.hdf5"))
BINARY = ("feather", "hdf5", "parquet")


def rows(*values, **fields):
    """Give rows as a structured array: rows((0.0, 1), t="f8", n="i8")."""
    return np.array(list(values), list(fields.items()))


def bits(column):
    """Give floats as the integers of their bits, every NaN as the same; other columns as they are."""
    if column.dtype.kind != "f":
        return column.tolist()
    column = np.where(np.isnan(column), column.dtype.type(np.nan), column)
    return column.view(f"u{column.dtype.itemsize}").tolist()


LOG = rows(
    (0.0, -(2**63), True, 'a;"b"', np.nan),
    (0.1, 2**63 - 1, False, "", -0.0),
    (1e22, 0, True, "grün\n", np.inf),
    (5e-324, 7, True, "007", -620.0),
    t="f8",
    n="i8",
    ok="?",
    state="U8",
    x="f8",
)


# Columns ------------------------------------------------------------------------------------------


def test_columns_of_one_dtype_are_those_of_the_rows():
    """Blocks of one dtype give every column whole, in order, with its dtype."""
    blocks = [LOG[:1], LOG[1:1], LOG[1:]]
    columns = columns_of(blocks)
    assert list(columns) == ["t", "n", "ok", "state", "x"]
    for name, column in columns.items():
        assert column.dtype == LOG.dtype[name]
        assert column.flags.c_contiguous
        assert bits(column) == bits(LOG[name])


def test_a_single_block_need_not_stand_in_a_list():
    """A structured array is taken as one block."""
    assert columns_of(LOG)["n"].tolist() == columns_of([LOG])["n"].tolist()


def test_columns_are_copies():
    """Writing to a column leaves the block alone."""
    block = rows((0.0,), t="f8")
    columns_of([block])["t"][0] = 5.0
    assert block["t"][0] == 0.0


def test_no_blocks_have_no_columns_and_empty_ones_have_theirs():
    """Nothing gives nothing; a block without rows still names its columns."""
    assert columns_of([]) == {}
    empty = columns_of([LOG[:0]])
    assert [(name, len(c), c.dtype) for name, c in empty.items()] == [(n, 0, LOG.dtype[n]) for n in LOG.dtype.names]


def test_columns_unite_in_order_of_first_appearance():
    """Rows without a column have NaN there as float64, None where it is text, NaT where it is a date."""
    united = columns_of(
        [
            rows((0.0, 1, "a"), t="f8", x="i8", state="U3"),
            rows((0.1, True, 2.5), t="f8", ok="?", x="f4"),
            rows((0.2, "2020-01-01", 3), t="f8", day="M8[D]", w="f4"),
        ]
    )
    assert list(united) == ["t", "x", "state", "ok", "day", "w"]
    assert [c.dtype for c in united.values()] == ["f8", "f8", "O", "f8", "M8[D]", "f8"]
    assert repr(united["x"].tolist()) == "[1.0, 2.5, nan]"
    assert united["state"].tolist() == ["a", None, None]
    assert repr(united["ok"].tolist()) == "[nan, 1.0, nan]"
    assert np.isnat(united["day"]).tolist() == [True, True, False]
    assert repr(united["w"].tolist()) == "[nan, nan, 3.0]"


def test_a_block_without_rows_makes_no_column_float():
    """Only rows lack a column: an empty block of another dtype changes no dtype of the others."""
    united = columns_of([rows((1,), n="i8"), np.empty(0, [("t", "f8")])])
    assert united["n"].dtype == np.int64
    assert repr(united["t"].tolist()) == "[nan]"


@pytest.mark.parametrize(
    ("one", "other", "wide"),
    [("i8", "f8", "f8"), ("?", "i8", "i8"), ("?", "f4", "f4"), ("i4", "u4", "i8"), (">f8", ">f8", "<f8")],
)
def test_kinds_unite_as_numpy_promotes_them(one, other, wide):
    """A column that has two dtypes gets the one that holds both, in native byte order."""
    column = columns_of([np.ones(2, [("x", one)]), np.zeros(1, [("x", other)])])["x"]
    assert column.dtype == np.dtype(wide)
    assert column.dtype.isnative
    assert column.tolist() == [1, 1, 0]


def test_widths_of_text_unite():
    """Text of two widths gets the greater one."""
    column = columns_of([rows(("ab",), s="U2"), rows(("abcde",), s="U5")])["s"]
    assert column.dtype == np.dtype("U5")
    assert column.tolist() == ["ab", "abcde"]


@given(st.lists(st.lists(st.tuples(st.floats(), st.integers(-100, 100), st.booleans()), max_size=5), max_size=5))
def test_columns_are_what_transposing_the_rows_gives(blocks):
    """The columns of any blocks are the values that a loop over their rows finds."""
    fields = [("t", "f8"), ("n", "i2"), ("ok", "?")]
    columns = columns_of([np.array(block, fields) for block in blocks])
    flat = [row for block in blocks for row in block]
    for place, (name, _) in enumerate(fields):
        assert repr(columns.get(name, np.array([])).tolist()) == repr([row[place] for row in flat])


@pytest.mark.parametrize(
    ("blocks", "found"),
    [
        ([np.zeros(3)], "float64"),
        ([np.zeros((2, 2), [("t", "f8")])], r"\(2, 2\)"),
        ([(0.0, 1.0)], "tuple"),
        (list(LOG), "void"),
        ([np.zeros(1, [("x", "f8", (2,))])], r"sub-array field 'x' of shape \(2,\)"),
        ([np.zeros(1, [("x", [("y", "f8")])])], "'x'"),
        ([np.zeros(1, [("x", "f8")]), np.zeros(1, [("x", "U3")])], "'x'.*float64.*<U3"),
        ([np.zeros(1, [("x", "U3")]), np.zeros(1, [("x", "S3")])], "'x'"),
        ([np.zeros(1, [("x\0y", "f8")])], "NUL"),
    ],
)
def test_blocks_that_make_no_table_are_refused(blocks, found):
    """The error says what was found."""
    with pytest.raises(SchemaError, match=found):
        columns_of(blocks)


def test_frames_keep_dtypes_and_number_the_rows():
    """A DataFrame has the columns' dtypes and a RangeIndex."""
    frame = to_frame([LOG[:2], LOG[2:]])
    assert isinstance(frame.index, pd.RangeIndex)
    assert len(frame) == 4
    assert [frame[name].dtype for name in ("t", "n", "ok", "x")] == ["f8", "i8", "?", "f8"]
    assert frame["state"].tolist() == LOG["state"].tolist()
    assert to_frame([np.ones(2, [("a", "i4"), ("b", "f4")])]).dtypes.tolist() == ["i4", "f4"]
    assert to_frame([]).shape == (0, 0)


def test_a_frame_costs_about_its_own_size():
    """Building a DataFrame of packed blocks allocates at most a tenth more than the DataFrame holds."""
    fields = [("t", "f8"), *((f"x{i}", "f8") for i in range(19))]
    blocks = [np.ones(1024, fields) for _ in range(50)]
    to_frame(blocks[:1])
    tracemalloc.start()
    frame = to_frame(blocks)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1.1 * frame.memory_usage(index=False).sum()


# Arrow --------------------------------------------------------------------------------------------


class Stream:
    """What a ring shows to Arrow libraries."""

    def __init__(self, *blocks):
        self.blocks = list(blocks)

    def __arrow_c_stream__(self, requested_schema=None):
        return arrow_stream(self.blocks, requested_schema)


def test_arrow_has_the_types_and_values_of_the_columns():
    """Numbers keep their width, bools are packed, text is utf8, NaN is no null."""
    table = to_arrow([LOG[:3], LOG[3:]])
    table.validate(full=True)
    assert table.schema.types == [pa.float64(), pa.int64(), pa.bool_(), pa.string(), pa.float64()]
    assert sum(column.null_count for column in table.columns) == 0
    for name in LOG.dtype.names:
        assert repr(table[name].to_pylist()) == repr(LOG[name].tolist())


@pytest.mark.parametrize("code", ["i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8", "?", ">i4", ">f8"])
def test_arrow_takes_every_plain_dtype(code):
    """Extremes and strided fields of every number type arrive as they are."""
    column = np.array([0, 1, 1, 0, 1, 1, 1, 0, 1], code)
    if column.dtype.kind in "iu":
        column[:2] = np.iinfo(column.dtype).min, np.iinfo(column.dtype).max
    block = np.zeros(9, [("before", "i1"), ("x", code), ("after", "i1")])
    block["x"] = column
    table = to_arrow([block[::1]])
    table.validate(full=True)
    assert table["x"].type == pa.from_numpy_dtype(column.dtype.newbyteorder("="))
    assert table["x"].to_pylist() == column.tolist()


def test_arrow_takes_text_bytes_and_sub_arrays():
    """Text of any script, bytes, lists of a fixed length, and text that some rows lack."""
    row = ("né", b"\x00\xff", [[1, 2], [3, 4]], [True, False, True])
    block = np.array([row], [("s", "U4"), ("b", "S4"), ("m", "i4", (2, 2)), ("k", "?", (3,))])
    table = to_arrow([block, block, np.zeros(0, block.dtype)])
    table.validate(full=True)
    assert table.to_pylist() == 2 * [{"s": "né", "b": b"\x00\xff", "m": [[1, 2], [3, 4]], "k": [True, False, True]}]
    lacking = to_arrow([rows((1.0,), t="f8"), rows((2.0, "x", b"y"), t="f8", s="U1", b="S1")])
    lacking.validate(full=True)
    assert lacking.to_pylist() == [{"t": 1.0, "s": None, "b": None}, {"t": 2.0, "s": "x", "b": b"y"}]


def test_arrow_takes_a_table_without_rows():
    """No rows, but every column with its type."""
    block = np.zeros(0, [("t", "f8"), ("ok", "?"), ("s", "U3"), ("b", "S3"), ("v", "f4", (2,))])
    table = to_arrow([block])
    table.validate(full=True)
    assert table.num_rows == 0
    assert table.schema.types == [pa.float64(), pa.bool_(), pa.string(), pa.binary(), pa.list_(pa.float32(), 2)]


@pytest.mark.parametrize("code", ["c16", "M8[s]", "m8[s]", "g", ("U3", (2,))])
def test_arrow_refuses_what_it_has_no_type_for(code):
    """The error names the column."""
    with pytest.raises(SchemaError, match="'x'"):
        to_arrow([np.zeros(1, [("t", "f8"), ("x", code)])])


def test_text_that_utf8_cannot_hold_is_refused():
    """Half a surrogate pair is an error that names the column."""
    with pytest.raises(SchemaError, match=r"'s'.*surrogate"):
        to_arrow([rows(("\ud800",), s="U1")])
    with pytest.raises(SchemaError, match="surrogate"):
        to_arrow([np.zeros(1, [("\udc00", "f8")])])


def test_pyarrow_takes_the_stream():
    """The capsule makes a pyarrow table, in the types that are asked for."""
    table = pa.table(Stream(LOG[:1], LOG[1:]))
    assert table.column_names == list(LOG.dtype.names)
    assert repr(table["x"].to_pylist()) == repr(LOG["x"].tolist())
    wanted = pa.schema([("t", pa.float32())])
    assert pa.table(Stream(rows((0.5,), t="f8")), schema=wanted).schema == wanted


def test_polars_takes_the_stream():
    """The capsule makes a polars DataFrame."""
    polars = pytest.importorskip("polars")
    frame = polars.DataFrame(Stream(LOG[:1], LOG[1:]))
    assert frame.columns == list(LOG.dtype.names)
    assert repr(frame["x"].to_list()) == repr(LOG["x"].tolist())
    assert frame["state"].to_list() == LOG["state"].tolist()


def test_duckdb_takes_the_stream():
    """The capsule is a table of a query."""
    duckdb = pytest.importorskip("duckdb")
    log = Stream(LOG)
    found = duckdb.sql("select n, state from log where ok order by n").fetchall()
    assert log.blocks
    assert found == [(-(2**63), 'a;"b"'), (0, "grün\n"), (7, "007")]


def test_arrow_and_saving_do_not_import_pandas(tmp_path):
    """to_arrow, arrow_stream and all savers but hdf5's leave pandas unloaded."""
    script = """
        import sys
        import numpy as np
        from ringacc.tables import arrow_stream, save, to_arrow
        block = np.zeros(3, [("t", "f8"), ("n", "i4"), ("ok", "?"), ("s", "U3"), ("v", "f4", (2,))])
        block["t"] = [0.5, 1.0, np.nan]
        to_arrow([block, block]).validate(full=True)
        arrow_stream([block])
        for format in ("csv", "feather", "json", "parquet"):
            save([block[["t", "n", "ok", "s"]]], sys.argv[1] + "/log", format)
            assert "pandas" not in sys.modules, format
    """
    done = run(script, tmp_path)
    assert done.returncode == 0, done.stderr


def run(script, *arguments):
    """Run a script in a process of its own."""
    command = [sys.executable, "-c", textwrap.dedent(script), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, cwd=ROOT, check=False)


# Round trips --------------------------------------------------------------------------------------

NAMES = st.one_of(
    st.sampled_from(
        ["t", "closed loop 1D_vel", "a;b", 'a"b', "a\nb", "a\r\nb", " ", "nan", "Unnamed: 0", "ß", "0", "/x", "NA"]
    ),
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=5),
)
VALUES = {
    "f8": st.floats() | st.integers(-(10**6), 10**6).map(float),
    "f4": st.floats(width=32),
    "f2": st.floats(width=16),
    "i8": st.integers(-(2**63), 2**63 - 1) | st.sampled_from([-(2**63), 2**63 - 1]),
    "i4": st.integers(-(2**31), 2**31 - 1),
    "u1": st.integers(0, 255),
    "u8": st.integers(0, 2**64 - 1),
    "?": st.booleans(),
    "U6": st.text(st.characters(exclude_categories=["Cs"]), max_size=6)
    | st.sampled_from(["nan", "", "1", "1e5", '"', ";", "\r\n", "a\0b"]),
}


@st.composite
def tables(draw):
    """Draw two blocks of one dtype, of zero to eight rows together."""
    names = draw(st.lists(NAMES, min_size=1, max_size=5, unique=True))
    fields = [(name, draw(st.sampled_from(sorted(VALUES)))) for name in names]
    drawn = draw(st.lists(st.tuples(*(VALUES[code] for _, code in fields)), max_size=8))
    block = np.array(drawn, fields)
    cut = draw(st.integers(0, len(block)))
    return [block[:cut], block[cut:]]


def check_loaded(saved, loaded, format):
    """Assert that a column that was loaded is the one that was saved, as far as the format can tell."""
    if saved.dtype.kind == "U":
        assert loaded.tolist() == saved.tolist()
        return
    found = loaded.to_numpy()
    if format in BINARY:
        assert found.dtype == saved.dtype
        assert bits(found) == bits(saved)
    elif saved.dtype.kind == "f":
        if format == "json":
            saved = np.where(np.isfinite(saved), saved, saved.dtype.type(np.nan))
        assert found.dtype == np.float64
        assert bits(found.astype(saved.dtype)) == bits(saved)
    elif saved.dtype.kind == "b" and format == "json":
        assert found.dtype == bool
        assert found.tolist() == saved.tolist()
    else:
        assert found.dtype == (np.uint64 if saved.size and saved.max() > 2**63 - 1 else np.int64)
        assert found.tolist() == saved.astype(found.dtype).tolist()


@pytest.mark.parametrize("format", FORMATS)
def test_files_give_back_what_was_saved(format, tmp_path_factory):
    """Any table comes back with its columns in order and every value to the last bit."""
    folder = tmp_path_factory.mktemp(format)

    @settings(max_examples=40 if format == "hdf5" else 80, deadline=None)
    @given(tables())
    def check(blocks):
        frame = load(save(blocks, folder / "log", format))
        block = np.concatenate(blocks)
        assert list(frame.columns) == list(block.dtype.names)
        assert isinstance(frame.index, pd.RangeIndex)
        assert len(frame) == (0 if not len(block) else len(block))
        if len(block) or format in BINARY:
            for name in block.dtype.names:
                check_loaded(block[name], frame[name], format)

    check()


@pytest.mark.parametrize("format", FORMATS)
def test_text_that_is_missing_comes_back_missing(format, tmp_path):
    """Rows without a text column have no text there after loading, and an empty text stays one."""
    blocks = [rows((0.0,), t="f8"), rows((0.1, ""), (0.2, "x"), t="f8", s="U1")]
    frame = load(save(blocks, tmp_path / "log", format))
    assert frame["s"].isna().tolist() == [True, False, False]
    assert frame["s"].tolist()[1:] == ["", "x"]


@pytest.mark.parametrize("format", FORMATS)
def test_long_tables_come_back_whole(format, tmp_path):
    """What is written in several pieces has every row once, in order."""
    block = np.zeros(70_001, [("t", "f8"), ("n", "i8"), *((f"x{i}", "f4") for i in range(12))])
    block["t"] = np.arange(70_001) / 300
    block["n"] = np.arange(70_001)
    frame = load(save([block], tmp_path / "log", format))
    assert (frame["n"].to_numpy() == block["n"]).all()
    assert (frame["t"].to_numpy() == block["t"]).all()
    assert (frame["x11"].to_numpy() == 0).all()


@pytest.mark.parametrize("format", ["feather", "parquet"])
def test_bytes_go_into_binary_tables(format, tmp_path):
    """Bytes come back from feather and parquet."""
    path = save([rows((b"\x00\xff",), b="S4")], tmp_path / "log", format)
    assert load(path)["b"].tolist() == [b"\x00\xff"]


@pytest.mark.parametrize("format", ["csv", "hdf5", "json"])
def test_bytes_are_refused_by_the_other_formats(format, tmp_path):
    """The error names the column, and no file is left."""
    with pytest.raises(SchemaError, match="bytes in column 'b'"):
        save([rows((b"x",), b="S4")], tmp_path / "log", format)
    assert not list(tmp_path.iterdir())


# What other readers find --------------------------------------------------------------------------


def test_csv_text(tmp_path):
    """Semicolons, an unnamed column of row numbers, 1 and 0, NaN empty, text in quotes: letter by letter."""
    path = save([LOG], tmp_path / "log")
    assert path.read_bytes().decode() == (
        ";t;n;ok;state;x\n"
        '0;0.0;-9223372036854775808;1;"a;""b""";\n'
        '1;0.1;9223372036854775807;0;"";-0.0\n'
        '2;1e+22;0;1;"grün\n";inf\n'
        '3;5e-324;7;1;"007";-620.0\n'
    )


def test_csv_names_are_quoted_where_needed(tmp_path):
    """A name with a separator, a quote or a line end stands in quotes, others do not."""
    path = save([np.zeros(0, [("a;b", "f8"), ('c"', "f8"), ("d e", "f8"), ("f\n", "f8")])], tmp_path / "log")
    assert path.read_bytes() == b';"a;b";"c""";d e;"f\n"\n'


def test_pandas_reads_the_csv(tmp_path):
    """read_csv finds the row numbers as "Unnamed: 0", and every number to the last bit."""
    frame = pd.read_csv(save([LOG], tmp_path / "log", "csv"), sep=";")
    assert list(frame.columns) == ["Unnamed: 0", *LOG.dtype.names]
    assert frame["Unnamed: 0"].tolist() == [0, 1, 2, 3]
    assert frame["n"].tolist() == LOG["n"].tolist()
    assert frame["ok"].tolist() == [1, 0, 1, 1]
    assert frame["t"].dtype == np.float64
    assert repr(frame["x"].tolist()) == "[nan, -0.0, inf, -620.0]"


def test_json_text(tmp_path):
    """The json of a table of every kind, letter by letter."""
    path = save([LOG[:3]], tmp_path / "log", "json")
    assert path.read_text() == (
        '{"t":{"0":0.0,"1":0.1,"2":1e+22},'
        '"n":{"0":-9223372036854775808,"1":9223372036854775807,"2":0},'
        '"ok":{"0":true,"1":false,"2":true},'
        '"state":{"0":"a;\\"b\\"","1":"","2":"gr\\u00fcn\\n"},'
        '"x":{"0":null,"1":-0.0,"2":null}}\n'
    )


def test_pandas_reads_the_json(tmp_path):
    """read_json finds the columns and the rows."""
    frame = pd.read_json(save([LOG[["n", "ok"]]], tmp_path / "log", "json"))
    assert frame["n"].tolist() == LOG["n"].tolist()
    assert frame["ok"].tolist() == LOG["ok"].tolist()


def test_hdf5_is_one_compressed_object_that_every_reader_opens(tmp_path):
    """read_hdf needs no key, h5py reads the values, zlib and shuffle are its only filters."""
    path = save([LOG], tmp_path / "log", "hdf5")
    frame = pd.read_hdf(path)
    assert frame["n"].tolist() == LOG["n"].tolist()
    assert frame["ok"].dtype == bool
    h5py = pytest.importorskip("h5py")
    with h5py.File(path) as file:
        assert list(file) == ["data"]
        sets = [item for item in file["data"].values() if item.dtype == np.float64]
        assert [item.compression for item in sets] == ["gzip"]
        assert bits(sets[0][:, 0]) == bits(LOG["t"])


def test_pandas_reads_feather_and_parquet(tmp_path):
    """read_feather and read_parquet find what was saved."""
    saved = to_frame([LOG])
    pd.testing.assert_frame_equal(pd.read_feather(save([LOG], tmp_path / "a", "feather")), saved)
    pd.testing.assert_frame_equal(pd.read_parquet(save([LOG], tmp_path / "a", "parquet")), saved)


STYTRA = pd.DataFrame(
    {"closed loop 1D_vel": [-10.0, np.nan, 1e-7], "phase": [3, 3, -4], "t": [0.026302, 0.070306, 0.1]}
)


@pytest.mark.parametrize(
    ("name", "write"),
    [
        ("a.csv", lambda frame, path: frame.to_csv(path, sep=";")),
        ("a.json", lambda frame, path: path.write_text(json.dumps(frame.to_dict()))),
        ("a.feather", lambda frame, path: frame.to_feather(path)),
        ("a.hdf5", lambda frame, path: frame.to_hdf(path, key="/data", complib="blosc", complevel=5)),
        ("a.h5", lambda frame, path: frame.to_hdf(path, key="/data", format="table")),
    ],
)
def test_logs_that_stytra_wrote_are_loaded(name, write, tmp_path):
    """Every format as stytra writes it, with NaN tokens in json and blosc in hdf5."""
    write(STYTRA, tmp_path / name)
    pd.testing.assert_frame_equal(load(tmp_path / name), STYTRA, check_exact=True)


@pytest.mark.skipif(not RECORDED, reason="the recordings are not here")
@pytest.mark.parametrize("path", RECORDED, ids=lambda path: path.stem)
def test_real_recordings_come_back_in_every_format(path, tmp_path):
    """A recorded log is loaded as pandas loads it, and comes back from all five formats as it was."""
    recorded = load(path)
    pd.testing.assert_frame_equal(recorded, pd.read_hdf(path), check_exact=True, check_index_type=False)
    for format in FORMATS:
        loaded = load(save(recorded, tmp_path / path.stem, format))
        assert list(loaded.columns) == list(recorded.columns)
        for name in recorded:
            assert loaded[name].dtype == recorded[name].dtype
            assert bits(loaded[name].to_numpy()) == bits(recorded[name].to_numpy())


# DataFrames ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("format", FORMATS)
def test_frames_are_saved_as_blocks_are(format, tmp_path):
    """A DataFrame and the blocks it was made of give back the same table."""
    one = load(save([LOG], tmp_path / "blocks", format))
    other = load(save(to_frame([LOG]), tmp_path / "frame", format))
    pd.testing.assert_frame_equal(one, other, check_exact=True)


@pytest.mark.parametrize("format", FORMATS)
def test_columns_of_frames_may_be_strided(format, tmp_path):
    """Every second row of a DataFrame over a C-ordered array is saved as it is."""
    frame = pd.DataFrame(np.arange(12.0).reshape(6, 2), columns=["a", "b"], copy=False)[::2]
    assert load(save(frame, tmp_path / "log", format)).to_numpy().tolist() == [[0, 1], [4, 5], [8, 9]]


def test_the_numbers_of_selected_rows_are_not_kept(tmp_path):
    """Rows picked from a DataFrame are numbered from 0."""
    frame = to_frame([LOG]).loc[[3, 1], ["n"]]
    assert save(frame, tmp_path / "log").read_text() == ";n\n0;7\n1;9223372036854775807\n"


@pytest.mark.parametrize(
    ("frame", "found"),
    [
        (pd.DataFrame(np.zeros((1, 2)), columns=["x", "x"]), "two columns called 'x'"),
        (pd.DataFrame(np.zeros((1, 2))), "found 0"),
        (pd.DataFrame({"": [1]}), "found ''"),
        (pd.DataFrame({"x": [1.0], "t": [0.0]}).set_index("t"), "index called 't'"),
        (pd.DataFrame({"x": [1.0]}, index=["a"]), "reset_index"),
        (pd.DataFrame({"x": [1.0]}, index=pd.MultiIndex.from_tuples([(0, 1)])), "reset_index"),
        (pd.DataFrame({"x": pd.array([1, None], "Int64")}), "'x'.*Int64"),
        (pd.DataFrame({"x": pd.Categorical(["a"])}), "'x'.*category"),
        (pd.DataFrame({"x": pd.to_datetime(["2020-01-01"])}), "'x'.*datetime64"),
        (pd.DataFrame({"x": np.array(["a", 1], object)}), "'x'.*int, str"),
        (pd.DataFrame({"x": [1j]}), "'x'.*complex128"),
        (pd.DataFrame(), "nothing to save"),
    ],
)
def test_frames_that_files_cannot_hold_are_refused(frame, found, tmp_path):
    """The error says what was found, and no file is left."""
    for format in FORMATS:
        with pytest.raises(SchemaError, match=found):
            save(frame, tmp_path / "log", format)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("format", FORMATS)
def test_text_of_frames_may_be_missing(format, tmp_path):
    """None and NaN among the text of a DataFrame are missing text in the file."""
    frame = pd.DataFrame({"x": np.array(["a", None, np.nan, "b"], object)})
    loaded = load(save(frame, tmp_path / "log", format))["x"]
    assert loaded.isna().tolist() == [False, True, True, False]
    assert loaded.dropna().tolist() == ["a", "b"]


# Paths --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("format", FORMATS)
def test_save_adds_the_extension_and_gives_the_path(format, tmp_path):
    """The extension is added once; dots in the name are no extension; str and PathLike are fine."""
    for path in (tmp_path / "a.b", str(tmp_path / "a.b"), tmp_path / f"a.b.{format}"):
        assert save([LOG], path, format) == tmp_path / f"a.b.{format}"
    assert [path.name for path in tmp_path.iterdir()] == [f"a.b.{format}"]


def test_h5_is_an_extension_of_hdf5(tmp_path):
    """A name that ends in .h5 keeps it and is loaded by it; upper case is fine."""
    path = save([LOG], tmp_path / "log.H5", "hdf5")
    assert path == tmp_path / "log.H5"
    assert len(load(path)) == 4


def test_save_through_a_link_writes_what_it_points_to(tmp_path):
    """A link to a file on another drive stays a link."""
    (tmp_path / "drive").mkdir()
    (tmp_path / "log.csv").symlink_to(tmp_path / "drive" / "true.csv")
    save([LOG], tmp_path / "log.csv")
    assert (tmp_path / "log.csv").is_symlink()
    assert len(load(tmp_path / "drive" / "true.csv")) == 4


def test_saved_files_have_the_rights_of_any_new_file(tmp_path):
    """The file can be read by whom the umask lets read."""
    (tmp_path / "plain").touch()
    path = save([LOG], tmp_path / "log")
    assert path.stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_unknown_formats_and_folders_are_refused(tmp_path):
    """Nothing is touched when the format or the folder is wrong, and the errors are the builtin ones."""
    for format in ("xlsx", "h5", "CSV", "", None):
        with pytest.raises(FormatError, match="csv, feather, hdf5, json, parquet"):
            save([LOG], tmp_path / "log", format)
    with pytest.raises(FileNotFoundError, match="absent"):
        save([LOG], tmp_path / "absent" / "log")
    assert not list(tmp_path.iterdir())
    assert issubclass(FormatError, ValueError)
    assert issubclass(MissingFileError, RingaccError)


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
    """The whole file is synced while the old one still has the name."""
    path = save([LOG[:1]], tmp_path / "log", "csv")
    seen = []

    def look(descriptor):
        seen.append((os.fstat(descriptor).st_size, path.stat().st_size))

    old = path.stat().st_size
    monkeypatch.setattr(os, "fsync", look)
    save([LOG], tmp_path / "log", "csv")
    assert seen == [(path.stat().st_size, old)]


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
