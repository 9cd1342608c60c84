"""Parts of a recording: what is written reads back bit for bit."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringacc.errors import LogFileError
from ringacc.recorder.parts import Part, PartWriter, next_sequences, parts_in
from ringacc.ringfile import Description

KINDS = ["f8", "f4", "f2", "i8", "i4", "i2", "i1", "u8", "u4", "u2", "u1", "?", "U5", "S4"]
SHAPES = st.sampled_from([(), (), (), (3,), (1,), (2, 2)])
NAMES = ["x", "closed loop 1D_vel", "θ", "class", 'a"b']


@st.composite
def dtypes(draw):
    """Draw the dtype of a row, sub-arrays included."""
    made = [("t", "f8")]
    for name in draw(st.lists(st.sampled_from(NAMES), min_size=1, max_size=4, unique=True)):
        kind = draw(st.sampled_from(KINDS))
        made.append((name, kind, () if kind[0] in "US" else draw(SHAPES)))
    return np.dtype(made)


def cells(dtype, count, draw):
    """Draw the values of a column, any bits that it may have."""
    size = count * int(np.prod(dtype.shape, dtype=int))
    base = dtype.base
    if base.kind == "U":
        texts = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=5)
        return np.array(draw(st.lists(texts, min_size=size, max_size=size)), base)
    if base.kind == "S":
        texts = st.lists(st.integers(1, 255), max_size=4).map(bytes)
        return np.array(draw(st.lists(texts, min_size=size, max_size=size)), base)
    extremes = st.sampled_from([bytes(base.itemsize), b"\xff" * base.itemsize, b"\x7f" * base.itemsize])
    extremes |= st.just(b"\0" * (base.itemsize - 1) + b"\x80")  # the least integer, and -0.0
    bits = st.lists(st.binary(min_size=base.itemsize, max_size=base.itemsize) | extremes, min_size=size, max_size=size)
    found = np.frombuffer(b"".join(draw(bits)), f"u{base.itemsize}")
    return (found % 2 == 1 if base.kind == "b" else found.view(base)).reshape(count, *dtype.shape)


@st.composite
def batches(draw):
    """Draw a dtype and batches of rows of it, whatever their bits are."""
    dtype = draw(dtypes())
    made = []
    for count in draw(st.lists(st.integers(1, 9), max_size=4)):
        rows = np.zeros(count, dtype)
        for name in dtype.names:
            rows[name] = cells(dtype[name], count, draw)
        made.append(rows)
    return dtype, made


def written(path, dtype, made, **notes):
    """Write batches of rows, whose numbers have gaps, to a part; give the sequences and how long the file was after."""
    about = Description(dtype, 100, {dtype.names[1]: "µm"}, {"source": "x.ring", **notes}, "0123456789abcdef" * 2)
    writer = PartWriter(path, about)
    firsts, lengths, sequence = [], [], 5
    for rows in made:
        writer.put(sequence, rows)
        writer.flush()
        firsts.append(sequence)
        lengths.append(path.stat().st_size)
        sequence += len(rows) + 2
    assert writer.rows == sum(map(len, made))
    writer.end()
    writer.flush()
    assert writer.size == path.stat().st_size
    writer.close()
    return about, firsts, lengths


@given(batches())
def test_a_part_gives_back_every_bit(drawn):
    """Rows, their sequences and what the ring's head said are the same after a part was written and read."""
    dtype, made = drawn
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "000000.arrow"
        about, firsts, _ = written(path, dtype, made)
        part = Part(path)
        assert part.about == about
        assert part.runs() == [(first, len(rows)) for first, rows in zip(firsts, made, strict=True)]
        found = list(part.blocks())
        assert [first for first, _ in found] == firsts
        for (_, rows), wanted in zip(found, made, strict=True):
            assert rows.dtype == dtype
            assert rows.tobytes() == wanted.tobytes()
        assert next_sequences([part]) == ({about.identity: firsts[-1] + len(made[-1])} if made else {})
        with pa.ipc.open_file(path) as file:
            units = {field.name: field.metadata for field in file.schema}
            assert sum(file.get_batch(place).num_rows for place in range(file.num_record_batches)) == sum(
                map(len, made)
            )
        assert units.pop("t") == {b"unit": b"s"}
        assert units.pop(dtype.names[1]) == {b"unit": "µm".encode()}
        assert set(units.values()) <= {None}
        del part, file


@given(batches(), st.data())
def test_a_part_gives_any_range(drawn, data):
    """The rows with a sequence in a range are those that are in it, of whatever batch."""
    dtype, made = drawn
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "000000.arrow"
        _, firsts, _ = written(path, dtype, made)
        every = {
            first + place: rows[place] for first, rows in zip(firsts, made, strict=True) for place in range(len(rows))
        }
        start = data.draw(st.integers(0, 60))
        stop = data.draw(st.none() | st.integers(0, 60))
        found = {
            first + place: rows[place] for first, rows in Part(path).blocks(start, stop) for place in range(len(rows))
        }
        wanted = {key for key in every if key >= start and (stop is None or key < stop)}
        assert found.keys() == wanted
        assert all(found[key].tobytes() == every[key].tobytes() for key in wanted)


def test_what_is_no_part_is_refused(tmp_path):
    """Files of another kind among the parts are not passed over in silence."""
    (tmp_path / "000000.arrow").write_bytes(b"something else entirely")
    with pytest.raises(LogFileError, match="another kind"):
        parts_in(tmp_path)
    table = pa.table({"t": [0.5]})
    with pa.ipc.new_file(tmp_path / "000000.arrow", table.schema) as file:
        file.write_table(table)
    with pytest.raises(LogFileError, match="something else"):
        Part(tmp_path / "000000.arrow")
