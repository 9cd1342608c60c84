"""What several tests of the tables share: rows of every kind, bits of floats, scripts in a process of their own."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pandas as pd
from hypothesis import strategies as st

ROOT = Path(__file__).parent.parent


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

# A log as stytra has it: a name with spaces, t last.
STYTRA = pd.DataFrame(
    {"closed loop 1D_vel": [-10.0, np.nan, 1e-7], "phase": [3, 3, -4], "t": [0.026302, 0.070306, 0.1]}
)

# Names and values that some format could stumble over.
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


def run(script, *arguments):
    """Run a script in a process of its own."""
    command = [sys.executable, "-c", textwrap.dedent(script), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, cwd=ROOT, check=False)
