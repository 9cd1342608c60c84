"""A replayed log is the log that was recorded, or the first difference is named."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from cli_stage import Line, empty_folder, odd_log, plain, table_in, terminals  # noqa: F401 (fixtures)
from hypothesis import given
from hypothesis import strategies as st

from ringacc import tables
from ringacc.cli import main, replay


def test_replay_is_identical_whatever_the_log_holds(here, capsys):
    """Odd names, 64-bit numbers, bools, NaN, -0.0, times that repeat and stand in the middle: identical."""
    log = tables.save(odd_log(), here / "log", "parquet")

    code = main(["replay", str(log), "--speed", "max", "--format", "csv", "--out", "again"])

    printed = capsys.readouterr()
    saved = tables.load(here / "again" / "log.csv")
    assert code == 0
    assert printed.err == ""
    assert printed.out.endswith("\nidentical: 400 rows x 5 columns, bit for bit\n")
    assert "t is column 3 of 5 in LOG" in printed.out
    assert table_in(printed.out)["rows missed"] == ["0"]
    for name in odd_log().columns:
        assert repr(saved[name].astype(odd_log()[name].dtype).tolist()) == repr(odd_log()[name].tolist())


def test_replay_shows_its_progress_in_a_terminal(in_terminal, tmp_path):
    """In a terminal: a bar redrawn in place, at the times of the log; then the verdict."""
    tables.save(odd_log(700), tmp_path / "log", "feather")
    command = in_terminal("replay", "log.feather", width=60)

    code = command.finish()

    shown = plain(command.raw).replace("\r", "")
    assert code == 0
    assert "rows 700 of 700" in shown
    assert "100 %" in shown
    assert "━" * 59 in shown
    assert "identical: 700 rows x 5 columns, bit for bit" in shown
    assert "\x1b[1A" in command.raw


def test_replay_says_where_a_saved_log_differs(here, monkeypatch, capsys):
    """When what was saved is not the log: exit code 1 and the first value that differs."""
    log = tables.save(odd_log(50), here / "log", "feather")
    loaded = []

    def load(path):
        frame = tables.load(path)
        if loaded:
            frame.loc[30, "class"] = 7
        loaded.append(path)
        return frame

    monkeypatch.setattr(replay, "load", load)

    code = main(["replay", str(log), "--speed", "max"])

    assert code == 1
    assert capsys.readouterr().out.endswith(f"differs: column 'class', row 30: expected {30 - 2**62}, found 7\n")


RECORDINGS = [
    ("embedded/192316_behavior_log.hdf5", "feather"),
    ("embedded/192316_estimator_log.hdf5", "json"),
    ("embedded/192316_stimulus_log.hdf5", "csv"),
    ("freely_swimming/162934_behavior_log.hdf5", "hdf5"),
    ("freely_swimming/162934_stimulus_log.hdf5", "parquet"),
]


@pytest.mark.parametrize(("log", "format"), RECORDINGS)
def test_recordings_replay_identically(log, format, recordings, here, capsys):
    """Real recordings come out as they went in."""
    code = main(["replay", str(recordings / log), "--speed", "max", "--format", format])

    frame = tables.load(recordings / log)
    assert code == 0
    assert f"identical: {len(frame)} rows x {len(frame.columns)} columns" in capsys.readouterr().out


@pytest.mark.long
@pytest.mark.parametrize("speed", ["1", "max"])
@pytest.mark.parametrize("format", tables.FORMATS)
@pytest.mark.parametrize("log", [log for log, _ in RECORDINGS])
def test_recordings_replay_identically_in_every_way(log, format, speed, recordings, here, capsys):
    """Real recordings in all formats, from that format to that format, at their times and as fast as it goes."""
    converted = tables.save(tables.load(recordings / log), here / "log", format)

    assert main(["replay", str(converted), "--speed", speed, "--out", "again"]) == 0
    assert (here / "again" / f"log.{format}").is_file()
    assert "\nidentical: " in capsys.readouterr().out


def test_rows_are_sent_at_their_times(here):
    """Each row is sent as much after the first as its time says, by the speed, with the log's own types."""
    log = tables.save(odd_log(), here / "log", "parquet")
    line = Line()

    replay.send(line, log, 4.0)

    frame = odd_log()
    assert line.moments == [(t - frame["t"][0]) / 4.0 for t in frame["t"]]
    assert [t for t, _ in line.rows] == frame["t"].tolist()
    assert repr([tuple(row) for _, row in line.rows]) == repr(
        list(frame.drop(columns="t").itertuples(index=False, name=None))
    )
    assert line.rows[0][1]._columns == ("closed loop 1D_vel", "class", "_1", 'größe; "µm"')


def test_rows_are_sent_until_told_to_stop(here):
    """A replay that is told to stop has sent the rows until then; at full speed none of them waits."""
    log = tables.save(odd_log(), here / "log", "feather")
    line = Line(stop_after=123)

    replay.send(line, log, math.inf)

    assert len(line.rows) == 123
    assert set(line.moments) == {0.0}


def test_log_of_times_alone_is_sent(here):
    """A log may have no column but t."""
    log = tables.save(pd.DataFrame({"t": [0.5, 1.5]}), here / "log", "csv")
    line = Line()

    replay.send(line, log, 1.0)

    assert [(t, tuple(row)) for t, row in line.rows] == [(0.5, ()), (1.5, ())]
    assert line.moments == [0.0, 1.0]


numbers = {
    "f8": st.floats(width=64),
    "f4": st.floats(width=32),
    "i8": st.integers(-(2**63), 2**63 - 1),
    "u1": st.integers(0, 255),
    "?": st.booleans(),
}


@st.composite
def columns(draw):
    """Give columns by name, of any of the types and a common length of at least one row."""
    names = draw(st.lists(st.text(min_size=1, max_size=5), min_size=1, max_size=4, unique=True))
    rows = draw(st.integers(1, 6))
    made = {}
    for name in names:
        kind = draw(st.sampled_from(sorted(numbers)))
        made[name] = np.array(draw(st.lists(numbers[kind], min_size=rows, max_size=rows)), kind)
    return made


def spelled(value):
    """Spell a value so that equal texts are equal values: NaN is NaN, 0.0 is not -0.0."""
    return repr(value.item())


@given(expected=columns(), data=st.data())
def test_comparison_finds_the_first_value_that_differs(expected, data):
    """A table is identical to its columns in any order; with one value changed, that very one is named."""
    shuffled = data.draw(st.permutations(list(expected)))
    found = {name: expected[name].copy() for name in shuffled}
    assert replay.first_difference(expected, pd.DataFrame(found), typed=True) is None

    name = data.draw(st.sampled_from(shuffled))
    row = data.draw(st.integers(0, len(expected[name]) - 1))
    found[name][row] = data.draw(numbers[found[name].dtype.str[1:] if found[name].dtype != bool else "?"])
    difference = replay.first_difference(expected, pd.DataFrame(found), typed=True)

    if spelled(found[name][row]) == spelled(expected[name][row]):
        assert difference is None
    else:
        assert difference is not None
        assert difference.place == f"column {name!r}, row {row}"
        assert difference.expected == spelled(expected[name][row])


@pytest.mark.parametrize(
    ("expected", "found", "typed", "place"),
    [
        ({"x": [1.0]}, {"y": [1.0]}, True, "columns"),
        ({"x": [1.0]}, {"x": [1.0], "y": [1.0]}, True, "columns"),
        ({"x": [1.0, 2.0]}, {"x": [1.0]}, True, "column 'x'"),
        ({"x": [1]}, {"x": [1.0]}, True, "column 'x'"),
        ({"x": [1]}, {"x": [1.0]}, False, None),
        ({"x": [2**53 + 1]}, {"x": [2.0**53]}, False, "column 'x', row 0"),
        ({"x": [True, False]}, {"x": [1, 0]}, False, None),
        ({"x": [True, False]}, {"x": [7, 0]}, False, "column 'x', row 0"),
        ({"x": [1.5]}, {"x": ["1.5"]}, False, "column 'x', row 0"),
        ({"x": [math.inf]}, {"x": [math.nan]}, False, "column 'x', row 0"),
        ({"t": [1]}, {"t": [1.0]}, True, None),
    ],
)
def test_comparison_counts_types_where_a_format_has_them(expected, found, typed, place):
    """Names, lengths and types differ first; t is float64 always; a format without types is compared by value."""
    arrays = {name: np.array(values) for name, values in expected.items()}

    difference = replay.first_difference(arrays, pd.DataFrame(found), typed=typed)

    assert (None if difference is None else difference.place) == place
