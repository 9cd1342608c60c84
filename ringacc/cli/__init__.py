"""The command line: what may be asked for, and how it ends.

Belongs here: the parser, the checks of single options, exit codes. May not be here: what a command does (``demo``,
``replay``, ``record``, ``recover``, ``inspect``), the process that rows come from (``producer``), what is shown
(``terminal``). Commands are imported when they are asked for, so that ``ringacc --help`` loads nothing outside the
standard library.

Exit codes: 0, all is well; 1, a replayed log differs, rows were missed or could not be saved, stale rings stay; 2, what
was asked for cannot be done, and nothing was started; 130, ended with Ctrl-C (143: with SIGTERM) and what was recorded
until then is saved.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

from .. import __version__
from ..errors import RingaccError
from .interrupt import Interrupt

__all__ = ["main"]

_FORMATS = ("csv", "feather", "hdf5", "json", "parquet")

_DESCRIPTION = """\
Record time-stamped rows at the rate of a tracking loop.

  ringacc demo             see it work: track a larva's tail and record it
  ringacc replay LOG       send a recorded log through it, and compare
  ringacc record RING OUT  record a ring that another process writes
  ringacc recover RING     save what a crash has left
  ringacc inspect          see which rings there are, and what is in them
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
    if text not in _FORMATS:
        raise argparse.ArgumentTypeError(f"expected one of {', '.join(_FORMATS)}, found {text!r}")
    return text


def _parser() -> argparse.ArgumentParser:
    """Make the parser."""
    raw = argparse.RawDescriptionHelpFormatter
    parser = _Parser(prog="ringacc", description=_DESCRIPTION, formatter_class=raw, allow_abbrev=False)
    parser.add_argument("--version", action="version", version=f"ringacc {__version__}")
    commands = parser.add_subparsers(
        dest="command", metavar="demo | replay | record | recover | inspect", required=True, parser_class=_Parser
    )

    demo = commands.add_parser(
        "demo", help="track a larva's tail and record it", description=_DEMO, epilog=_ENDS, formatter_class=raw
    )
    demo.add_argument("--seconds", type=_positive, default=10.0, help="how long to record (default: 10)")
    demo.add_argument("--rate", type=_positive, default=500.0, metavar="HZ", help="frames a second (default: 500)")
    demo.add_argument(
        "--format", type=_format, default="feather", help=f"of the logs: {', '.join(_FORMATS)} (default: feather)"
    )
    demo.add_argument(
        "--out", type=Path, metavar="DIR", help="where to save (default: a new folder here, ringacc_demo_<date>_<time>)"
    )

    replay = commands.add_parser(
        "replay", help="send a recorded log through ringacc, and compare", description=_REPLAY, epilog=_ENDS,
        formatter_class=raw,
    )  # fmt: skip
    replay.add_argument("log", type=Path, metavar="LOG", help="the log to replay")
    replay.add_argument(
        "--speed", type=_speed, default=1.0,
        help="1: at the times in LOG (default); 2: twice as fast; max: as fast as it goes",
    )  # fmt: skip
    replay.add_argument(
        "--format", type=_format, help=f"of what is saved: {', '.join(_FORMATS)} (default: that of LOG)"
    )
    replay.add_argument(
        "--out",
        type=Path,
        metavar="DIR",
        help="where to save (default: a new folder here, ringacc_replay_<date>_<time>)",
    )
    _add_ring_commands(commands)
    return parser


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


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and give its exit code.

    Parameters
    ----------
    arguments
        The words after ``ringacc``; None: those that this process was started with.

    Returns
    -------
    int
        The exit code, as the module's docstring has it.

    Raises
    ------
    SystemExit
        The arguments ask for help or the version, or are wrong.

    Notes
    -----
    Complexity: that of the command.
    Allocates: what the command records.
    Valid: a plain value.
    Threads: the main thread, which is where signals arrive.

    Examples
    --------
    >>> from ringacc.cli import main
    >>> main(["--version"])
    Traceback (most recent call last):
        ...
    SystemExit: 0
    """
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.command == "inspect" and options.force and not options.clean:
        parser.exit(2, "ringacc inspect: expected --force together with --clean, found it alone; add --clean\n")
    name = f"ringacc {options.command}"
    with Interrupt() as interrupt:
        try:
            with _loading(_is_quiet(options)):
                command = _command(options)
        except (RingaccError, OSError) as error:
            return _fail(name, error, 2)
        if interrupt:
            return interrupt.exit_code
        try:
            return int(command.run(interrupt))
        except (RingaccError, OSError) as error:
            return _fail(name, error, 1)


def _command(options: argparse.Namespace) -> Any:
    """Make the command that was asked for, with everything checked that can be checked before it runs."""
    if options.command == "demo":
        from .demo import Demo

        return Demo(options.seconds, options.rate, options.format, options.out)
    if options.command == "record":
        from .record import Record

        return Record(options.ring, options.out, options.policy, options.with_parent, options.quiet)
    if options.command == "recover":
        from .recover import Recover

        return Recover(options.ring, options.out)
    if options.command == "inspect":
        from .inspect import Inspect

        return Inspect(options.ring, options.clean, options.force)
    from .replay import Replay

    return Replay(options.log, options.speed, options.format, options.out)


def _is_quiet(options: argparse.Namespace) -> bool:
    """Say whether nothing is to be shown but what was asked for: what ``inspect`` says may be read by a program."""
    return getattr(options, "quiet", False) or (options.command in ("inspect", "recover") and not sys.stdout.isatty())


@contextmanager
def _loading(quiet: bool) -> Iterator[None]:
    """Say that the package is loading, which takes a while when its kernels are compiled; on a terminal, wipe it."""
    if quiet:
        yield
        return
    text = "loading (compiling, the first time)"
    if sys.stdout.isatty():
        print(text, end="\r", flush=True)
        try:
            yield
        finally:
            print(" " * len(text), end="\r", flush=True)
    else:
        print(text, flush=True)
        yield


def _fail(name: str, error: Exception, code: int) -> int:
    """Say in one line what went wrong."""
    print(f"{name}: {' '.join(str(error).split())}", file=sys.stderr)
    return code
