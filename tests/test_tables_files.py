"""Files give back what was saved, to pandas and to ringacc."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from table_rows import LOG, NAMES, ROOT, STYTRA, VALUES, bits, rows

from ringacc.errors import FormatError, MissingFileError, RingaccError, SchemaError
from ringacc.tables import FORMATS, load, save, to_frame

RECORDED = sorted((ROOT.parent / "shared" / "data").glob("*/*.hdf5"))
BINARY = ("feather", "hdf5", "parquet")


# Round trips --------------------------------------------------------------------------------------


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
def test_long_tables_come_back_whole(format, tmp_path, monkeypatch):
    """What is written in many pieces has every row once, in order."""
    monkeypatch.setattr("ringacc.tables.text._CELLS", 1000)
    monkeypatch.setattr("ringacc.tables.text._ROWS", 300)
    block = np.zeros(9_001, [("t", "f8"), ("n", "i8"), ("x", "f4")])
    block["t"] = np.arange(9_001) / 300
    block["n"] = np.arange(9_001)
    path = save([block], tmp_path / "log", format)
    frame = load(path)
    assert frame["n"].tolist() == block["n"].tolist()
    assert frame["t"].tolist() == block["t"].tolist()
    assert frame["x"].tolist() == block["x"].tolist()
    if format == "csv":
        assert pd.read_csv(path, sep=";")["Unnamed: 0"].tolist() == list(range(9_001))
    if format == "json":
        assert list(json.loads(path.read_bytes())["x"]) == [str(number) for number in range(9_001)]


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
        '"x":{"0":null,"1":-0.0,"2":1e999}}\n'
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


def test_infinity_in_json_is_read_by_others(tmp_path):
    """What stands for infinity is valid json, which the standard library and pandas read as infinity."""
    column = np.array([(np.inf,), (-np.inf,), (1.5,)], [("x", "f8")])
    path = save([column], tmp_path / "log", "json")

    def no_word(token):
        raise AssertionError(f"not json: {token}")

    parsed = json.loads(path.read_text(), parse_constant=no_word)
    assert list(parsed["x"].values()) == [np.inf, -np.inf, 1.5]
    assert pd.read_json(path)["x"].tolist() == [np.inf, -np.inf, 1.5]
