"""What may be asked for on the command line: the commands, their options and their help.

Belongs here: the parser, the checks of single options. May not be here: what a command does. Loads nothing outside the
standard library, so that ``ringacc --help`` answers at once.
"""

from __future__ import annotations

import argparse
import math
from pathlib import Path
from typing import Any, NoReturn

from .. import __version__

__all__ = ["FORMATS", "make_parser"]

FORMATS = ("csv", "feather", "hdf5", "json", "parquet")

_DESCRIPTION = """\
Record time-stamped rows at the rate of a tracking loop.

  ringacc demo             see it work: track a larva's tail and record it
  ringacc replay LOG       send a recorded log through it, and compare
  ringacc record RING OUT  record a ring that another process writes
  ringacc recover RING     save what a crash has left
  ringacc inspect          see which rings there are, and what is in them
  ringacc view RING        watch a ring in a window
  ringacc top RING         watch a ring in the terminal
  ringacc report SESSION   make a page of what a session has recorded
"""

_ENDS = """\
Ctrl-C ends it early: what was recorded until then is saved, and the exit
code is 130.
"""

_DEMO = """\
Track a larva's tail and record it.

A process renders frames of a moving tail as a camera would, and a tracker
finds the tail's angles in each. The rows come through a queue into an
accumulator; the closed loop estimates the tail's vigour from the last 50 ms
whenever rows have come. The session is saved in a folder of its own:

  SESSION_behavior_log.FORMAT    t, the tail's angles, the frame's number
  SESSION_estimator_log.FORMAT   t, vigour, the delay from frame to estimate
  SESSION_metadata.json          what belongs to them
"""

_REPLAY = """\
Send a recorded log through ringacc as if it were measured now, save it, load
what was saved, and compare it with LOG, value by value and bit by bit.

LOG is a csv, feather, hdf5 (or h5), json or parquet file of numbers with a
column "t" in seconds, as ringacc and stytra save it. Another process sends its
rows, each at its time, through a queue into an accumulator. The verdict is
"identical", or the first difference and the exit code 1.
"""


_RECORD = """\
Record a ring that another process writes, or the rings of a stream, to OUT as
the rows come: a csv, feather, hdf5, json or parquet file, by its extension.
Memory stays bounded however long it takes. Rows are on the disk before the
ring may forget them; a power cut costs the last second at most. Until OUT is
whole, rows lie in the folder OUT.recording.

It ends when the writer closes the ring, or ends; a writer that was killed
loses nothing. Started again after it was killed itself, it goes on where it
was. When the disk is full, rows wait in the ring until there is room.

RING is the path of a ring file or of the folder of a stream, or the name of
one in the folder for rings: see ringacc inspect.
"""

_RECOVER = """\
Save what a crash has left: every row that the writer had put in, once, in
order, from the recording (OUT.recording, whole or cut) and the ring's tail.

RING is a ring or a recording, by its path or its name, or a folder with
several of these; then OUT is a folder. A ring that a process still writes, or
takes rows from, is refused. Nothing is taken away: ringacc inspect --clean
does that.
"""

_INSPECT = """\
Say what is in a ring: columns, rows, rate, age of the last row, whether its
writer is alive, rows missed. Without RING, list the rings in the folder for
rings (the environment variable RINGACC_RINGS names another).

--clean takes away rings that no process uses any more, those of crashes. One
with rows that nobody has recorded or recovered stays, and the exit code is 1.
"""


_VIEW = """\
Watch a ring in a window: traces of its columns, their values, the rate, the
age of the newest row and the rows missed. The process that writes it does not
notice.

RING is the path of a ring file or of the folder of a stream, or the name of
one in the folder for rings: see ringacc inspect. It need not be there yet: the
window waits for it, says so when the writer has gone, and goes on when it
comes back.

Needs: pip install 'ringacc[view]'
"""

_TOP = """\
Watch a ring in the terminal: last value, range and a small trace of each
column, the rate, the age of the newest row and the rows missed. The process
that writes it does not notice. Where there is no terminal, a line a second.

RING is as for ringacc view, and need not be there yet. When its writer has
closed it or is gone, that is said, and the next one is waited for, in a pipe,
too: Ctrl-C ends it (exit code 130). Without --columns, all columns are shown
that there is room for.
"""

_REPORT = """\
Make one page, for a browser, of what a session has recorded: what is odd,
traces, frame intervals and rate of each log, and the metadata. The page is one
file that needs no other.

SESSION is a folder that ringacc demo, ringacc replay or a Session has written.

Needs: pip install 'ringacc[report]'
"""


class _Parser(argparse.ArgumentParser):
    """A parser that says what is wrong in one line."""

    def error(self, message: str) -> NoReturn:
        """Say what is wrong and leave with exit code 2."""
        self.exit(2, f"{self.prog}: {message}; see {self.prog} --help\n")


def _positive(text: str) -> float:
    """Read a number greater than 0."""
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0 < number < math.inf:
        raise argparse.ArgumentTypeError(f"expected a number greater than 0, found {text!r}")
    return number


def _speed(text: str) -> float:
    """Read a speed: a factor, or infinity for "max"."""
    if text == "max":
        return math.inf
    try:
        return _positive(text)
    except argparse.ArgumentTypeError as error:
        raise argparse.ArgumentTypeError(f"expected a number greater than 0, or max, found {text!r}") from error


def _format(text: str) -> str:
    """Read the name of a format."""
    if text not in FORMATS:
        raise argparse.ArgumentTypeError(f"expected one of {', '.join(FORMATS)}, found {text!r}")
    return text


def _columns(text: str) -> list[str]:
    """Read the names of columns, with commas between them."""
    names = [name.strip() for name in text.split(",")]
    if not all(names):
        raise argparse.ArgumentTypeError(f"expected names of columns with commas between them, found {text!r}")
    return names


def make_parser() -> argparse.ArgumentParser:
    """Make the parser."""
    raw = argparse.RawDescriptionHelpFormatter
    made = _Parser(prog="ringacc", description=_DESCRIPTION, formatter_class=raw, allow_abbrev=False)
    made.add_argument("--version", action="version", version=f"ringacc {__version__}")
    commands = made.add_subparsers(
        dest="command",
        metavar="demo | replay | record | recover | inspect | view | top | report",
        required=True,
        parser_class=_Parser,
    )
    _add_loops(commands)
    _add_ring_commands(commands)
    _add_displays(commands)
    return made


def _add_loops(commands: Any) -> None:
    """Add the commands that run a tracking loop of their own."""
    raw = argparse.RawDescriptionHelpFormatter
    demo = commands.add_parser(
        "demo", help="track a larva's tail and record it", description=_DEMO, epilog=_ENDS, formatter_class=raw
    )
    demo.add_argument("--seconds", type=_positive, default=10.0, help="how long to record (default: 10)")
    demo.add_argument("--rate", type=_positive, default=500.0, metavar="HZ", help="frames a second (default: 500)")
    demo.add_argument(
        "--format", type=_format, default="feather", help=f"of the logs: {', '.join(FORMATS)} (default: feather)"
    )
    demo.add_argument(
        "--out", type=Path, metavar="DIR", help="where to save (default: a new folder here, ringacc_demo_<date>_<time>)"
    )
    demo.add_argument("--view", action="store_true", help="watch it in a window: see ringacc view")

    replay = commands.add_parser(
        "replay", help="send a recorded log through ringacc, and compare", description=_REPLAY, epilog=_ENDS,
        formatter_class=raw,
    )  # fmt: skip
    replay.add_argument("log", type=Path, metavar="LOG", help="the log to replay")
    replay.add_argument(
        "--speed", type=_speed, default=1.0,
        help="1: at the times in LOG (default); 2: twice as fast; max: as fast as it goes",
    )  # fmt: skip
    replay.add_argument("--format", type=_format, help=f"of what is saved: {', '.join(FORMATS)} (default: that of LOG)")
    replay.add_argument(
        "--out",
        type=Path,
        metavar="DIR",
        help="where to save (default: a new folder here, ringacc_replay_<date>_<time>)",
    )


def _add_ring_commands(commands: Any) -> None:
    """Add the commands that are about the rings of other processes."""
    raw = argparse.RawDescriptionHelpFormatter
    record = commands.add_parser(
        "record", help="record a ring that another process writes", description=_RECORD, epilog=_ENDS,
        formatter_class=raw,
    )  # fmt: skip
    record.add_argument("ring", metavar="RING", help="the ring to record")
    record.add_argument("out", type=Path, metavar="OUT", help="the log to write, such as log.feather")
    record.add_argument(
        "--policy", choices=("block", "drop"), default="drop",
        help="where the ring is full of rows that are not on the disk yet: drop the oldest, and count them (default), "
        "or block the writer",
    )  # fmt: skip
    record.add_argument("--quiet", action="store_true", help="show nothing but trouble")
    record.add_argument(
        "--with-parent", action="store_true", help="end when standard input does, as a program wants it"
    )

    recover = commands.add_parser(
        "recover", help="save what a crash has left", description=_RECOVER, formatter_class=raw
    )
    recover.add_argument("ring", metavar="RING", help="the ring, recording or folder")
    recover.add_argument(
        "out", type=Path, metavar="OUT", nargs="?",
        help="the log to write, or a folder (default: <name>_recovered.feather, here)",
    )  # fmt: skip

    inspect = commands.add_parser(
        "inspect", help="see which rings there are, and what is in them", description=_INSPECT, formatter_class=raw
    )
    inspect.add_argument("ring", metavar="RING", nargs="?", help="the ring, or a folder of rings")
    inspect.add_argument("--clean", action="store_true", help="take away rings that nobody uses any more")
    inspect.add_argument("--force", action="store_true", help="also those with rows that nobody has saved")


def _add_displays(commands: Any) -> None:
    """Add the commands that show rows to people."""
    raw = argparse.RawDescriptionHelpFormatter
    view = commands.add_parser("view", help="watch a ring in a window", description=_VIEW, formatter_class=raw)
    top = commands.add_parser("top", help="watch a ring in the terminal", description=_TOP, formatter_class=raw)
    for watcher, default in ((view, "the first eight of numbers"), (top, "all, as far as there is room")):
        watcher.add_argument("ring", metavar="RING", help="the ring to watch")
        watcher.add_argument("--columns", type=_columns, metavar="A,B,...", help=f"which to show (default: {default})")
        watcher.add_argument(
            "--seconds", type=_positive, default=10.0, help="how far the traces reach back (default: 10)"
        )

    report = commands.add_parser(
        "report", help="make a page of what a session has recorded", description=_REPORT, formatter_class=raw
    )
    report.add_argument("session", type=Path, metavar="SESSION", help="the folder of the session")
    report.add_argument(
        "--out", type=Path, metavar="FILE", help="the page to write (default: ID_report.html, in the folder)"
    )
    report.add_argument("--session-id", metavar="ID", help="which session, where the folder has several")
    report.add_argument("--open", dest="is_opened", action="store_true", help="show the page in a browser")
