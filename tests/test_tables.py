"""Blocks unite into columns, and DataFrames and Arrow have them as they are."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from table_rows import LOG, bits, rows, run

from ringacc.errors import SchemaError
from ringacc.tables import arrow_stream, columns_of, to_arrow, to_frame

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
        assert not {"pandas", "pyarrow", "tables"} & set(sys.modules)
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
