"""The command line: how a command is run, and how it ends.

Belongs here: from words to a command, exit codes. May not be here: what may be asked for (``parser``), what a command
does (``demo``, ``replay``, ``record``, ``recover``, ``inspect``, ``view``, ``top``, ``report``), the process that rows
come from (``producer``), what is shown (``terminal``). Commands are imported when they are asked for, so that
``ringacc --help`` loads nothing outside the standard library.

Exit codes: 0, all is well; 1, a replayed log differs, rows were missed or could not be saved, stale rings stay, a
report lacks a file that could not be read; 2, what was asked for cannot be done, and nothing was started; 130, ended
with Ctrl-C (143: with SIGTERM) and what was recorded until then is saved.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from ..errors import RingaccError
from .interrupt import Interrupt
from .parser import make_parser

__all__ = ["main"]


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
    asked = make_parser()
    options = asked.parse_args(arguments)
    if options.command == "inspect" and options.force and not options.clean:
        asked.exit(2, "ringacc inspect: expected --force together with --clean, found it alone; add --clean\n")
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

        return Demo(options.seconds, options.rate, options.format, options.out, options.view)
    if options.command == "record":
        from .record import Record

        return Record(options.ring, options.out, options.policy, options.with_parent, options.quiet)
    if options.command == "recover":
        from .recover import Recover

        return Recover(options.ring, options.out)
    if options.command == "inspect":
        from .inspect import Inspect

        return Inspect(options.ring, options.clean, options.force)
    if options.command == "view":
        from .view import View

        return View(options.ring, options.columns, options.seconds)
    if options.command == "top":
        from .top import Top

        return Top(options.ring, options.columns, options.seconds)
    if options.command == "report":
        from .report import Report

        return Report(options.session, options.out, options.session_id, options.is_opened)
    from .replay import Replay

    return Replay(options.log, options.speed, options.format, options.out)


def _is_quiet(options: argparse.Namespace) -> bool:
    """Say whether nothing is to be shown but what was asked for: what ``inspect`` says may be read by a program."""
    # Standard output is None where it was closed.
    is_shown = sys.stdout is not None and sys.stdout.isatty()
    return getattr(options, "quiet", False) or (options.command in ("inspect", "recover", "report") and not is_shown)


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
