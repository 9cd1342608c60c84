"""What several tests of the tables share: rows of every kind, bits of floats, scripts in a process of their own."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pandas as pd

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


def run(script, *arguments):
    """Run a script in a process of its own."""
    command = [sys.executable, "-c", textwrap.dedent(script), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, cwd=ROOT, check=False)
