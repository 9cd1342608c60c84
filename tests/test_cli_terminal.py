"""What a command shows fits every terminal, and a pipe."""

from __future__ import annotations

import io
import math
import re
import time

import numpy as np
import pytest
from cli_stage import plain
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from ringacc.cli import terminal


class Screen(io.StringIO):
    """A terminal's file."""

    def isatty(self):
        return True


def traces(count):
    """Give traces to draw."""
    times = np.arange(0.0, 3.0, 0.01)
    return [terminal.Trace(f"theta_{place:02d}", times, np.sin(times * (place + 1))) for place in range(count)]


STATUS = {"": "3.0 of 10 s", "rate": "500.0 Hz", "rows": "1500", "delay": "0.8 ms"}


@pytest.mark.parametrize("width", [40, 80, 200])
@pytest.mark.parametrize("height", [6, 24])
def test_display_fits_its_terminal(width, height):
    """On any terminal no line is wider and no picture higher than it; all of the status is there, with the traces."""
    screen = Screen()
    console = Console(file=screen, force_terminal=True, width=width, height=height)
    with terminal.Display("ringacc demo", console) as display:
        display.show(STATUS, 0.3, traces(12))
        lines = plain(screen.getvalue()).replace("\r", "").split("\n")

    assert max(map(len, lines)) <= width
    assert len([line for line in lines if line.strip()]) < height
    for text in ("3.0 of 10 s", "rate 500.0 Hz", "rows 1500", "delay 0.8 ms"):
        assert sum(text in line for line in lines) == 1
    drawn = [line for line in lines if line.startswith("theta_")]
    room = height - 1 - lines.index(drawn[0])
    assert len(drawn) == (12 if room >= 12 else room - 1)
    assert (f"and {12 - len(drawn)} more" in lines) == (room < 12)
    assert all(re.match(r"theta_\d\d +[+-]\d\.\d{3}  [▁▂▃▄▅▆▇█]+$", line) for line in drawn)
    assert len(drawn[0]) == min(width, 8 + 12 + 120)


def test_display_writes_lines_where_there_is_no_terminal():
    """In a pipe a display is a line, without codes, with the status and the last values of the first two traces."""
    file = io.StringIO()
    with terminal.Display("ringacc demo", Console(file=file)) as display:
        display.show(STATUS, 0.3, traces(3))

    values = "   ".join(f"theta_{place:02d} {math.sin(2.99 * (place + 1)):+.3f}" for place in range(2))
    assert file.getvalue() == f"3.0 of 10 s   rate 500.0 Hz   rows 1500   delay 0.8 ms   {values}\n"


def test_display_does_without_unicode():
    """Where the terminal has no block characters, the traces are drawn with others."""
    buffer = io.BytesIO()
    screen = io.TextIOWrapper(buffer, encoding="ascii")
    screen.isatty = lambda: True
    with terminal.Display("ringacc demo", Console(file=screen, force_terminal=True, width=60)) as display:
        display.show(STATUS, 0.3, traces(2))
    screen.flush()

    assert re.search(r"theta_00 +\S+  [_.=+*%#-]{20}", plain(buffer.getvalue().decode()))


def test_display_is_due_now_and_then(monkeypatch):
    """A display is due at once, then at an even pace; after a stall it is due once, not for each time it missed."""
    moments = iter([0.0, 0.3, 1.0, 1.1, 7.0, 7.1, 8.0])
    monkeypatch.setattr(time, "monotonic", lambda: next(moments))
    display = terminal.Display("ringacc demo", Console(file=io.StringIO()))

    assert [display.is_due() for _ in range(7)] == [True, False, True, False, True, False, True]


@given(
    values=st.lists(st.one_of(st.floats(-10, 10), st.just(math.nan)), max_size=30),
    cells=st.integers(1, 40),
    now=st.floats(0.0, 5.0),
)
def test_sparkline_shows_the_farthest_value_of_each_stretch(values, cells, now):
    """Each character is the value of its stretch of time that is farthest from the middle; none, or NaN: a space."""
    times = np.linspace(0.0, now, len(values)) if values else np.zeros(0)
    finite = [value for value in values if not math.isnan(value)]
    low, high = min(finite, default=0.0), max(finite, default=0.0)

    drawn = terminal.sparkline(times, np.array(values), now, cells, low, high)

    stretch = terminal.TRACE_SECONDS / cells
    assert len(drawn) == cells
    for place, character in enumerate(drawn):
        number = math.floor(now / stretch) - cells + 1 + place
        here = [v for t, v in zip(times, values, strict=True) if math.floor(t / stretch) == number and v == v]
        if not here:
            assert character == " "
            continue
        level = "▁▂▃▄▅▆▇█".index(character)
        farthest = max(abs(value - (low + high) / 2) for value in here)
        shares = (
            [(v - low) / (high - low) for v in here if abs(v - (low + high) / 2) == farthest] if high > low else [0.5]
        )
        assert any(min(int(share * 8), 7) == level for share in shares)


@pytest.mark.parametrize("seconds", [1e-300, 5e-324, 2.0])
@pytest.mark.parametrize("now", [1.7e18, 1.7e308, -1e300])
def test_sparkline_of_times_beyond_all_stretches(now, seconds):
    """Times in nanoseconds, or as great as numbers are, are drawn at the right end or not at all."""
    drawn = terminal.sparkline(np.array([now, now]), np.array([0.0, 1.0]), now, 10, 0.0, 1.0, seconds=seconds)

    assert drawn[:-1] == " " * 9
    assert drawn[-1] in " █▁"


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0.0, "0"),
        (-12.0, "-12"),
        (3e9, "3.00e+09"),
        (0.1234567, "+0.123"),
        (-1234.5678, "-1234.568"),
        (0.00012345, "+1.2e-04"),
        (123456.789, "+1.2e+05"),
        (math.nan, "+nan"),
        (-math.inf, "-inf"),
    ],
)
def test_values_take_little_room(number, text):
    """A value is spelled in nine characters at most."""
    assert terminal.spelled(number).replace("nan", "nan") == text
    assert len(text) <= 9
