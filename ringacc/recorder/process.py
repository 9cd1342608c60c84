"""The recorder as a process of its own, started by whoever makes the rows.

Belongs here: starting it, noticing that it has died and starting another, ending it. May not be here: what it does.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import warnings
import weakref
from pathlib import Path

from ..errors import RecorderError, RecorderWarning, SaveError
from ..kernels.rows import DROP, WAIT
from .loop import checked_out, recording_of

__all__ = ["POLICIES", "RecorderProcess"]

#: What the writer of a ring does where the recorder does not keep up, by the names that users have for it.
POLICIES = {"block": WAIT, "drop": DROP}

_HOME = str(Path(__file__).resolve().parents[2])
_COMMAND = "from ringacc.cli import main; sys.exit(main())"
_MOST_STARTS = 5


class RecorderProcess:
    """A recorder of a stream that lives as long as the stream, and is started again when it dies.

    Parameters
    ----------
    source
        The folder of the stream.
    out
        What the recording becomes.
    policy
        "block" or "drop".

    Raises
    ------
    SaveError, FormatError, MissingFileError
        As `Recorder`, but at once.
    """

    def __init__(self, source: Path, out: Path, policy: str) -> None:
        self.out = checked_out(out).absolute()
        _reserve(recording_of(self.out))
        self._source = source
        self._policy = policy
        self._starts = 0
        self._is_ending = False
        # So that one that has just died is started again either by who watches or by who ends it.
        self._lock = threading.Lock()
        self._process = self._start()
        _RECORDERS.add(self)
        threading.Thread(target=self._watch, daemon=True, name="ringacc-recorder").start()

    def _start(self) -> subprocess.Popen[bytes]:
        self._starts += 1
        words = ["record", str(self._source), str(self.out), "--policy", self._policy, "--with-parent", "--quiet"]
        return subprocess.Popen(
            # Safe: not from the folder that this process works in. And the package from where it is here.
            [sys.executable, "-P", "-c", f"import sys; sys.path.append({_HOME!r}); {_COMMAND}", *words],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            # Ctrl-C is for this process, which ends the recorder when its rows are all there.
            start_new_session=True,
        )

    def _start_again(self) -> None:
        """Start another recorder after one that has ended."""
        self._let_go()
        self._process = self._start()

    def _let_go(self) -> None:
        """Have the recorder's standard input end, for all that this process does."""
        assert self._process.stdin is not None
        self._process.stdin.close()

    def _watch(self) -> None:
        """Start another recorder when one has died; it goes on where that one was."""
        while True:
            code = self._process.wait()
            with self._lock:
                if self._is_ending:
                    return
                again = self._starts < _MOST_STARTS
                if again:
                    self._start_again()
            warnings.warn(
                f"the recorder of {self.out} has ended (exit code {code})"
                f"{': another one goes on' if again else ' again and again: rows are no longer recorded'}",
                RecorderWarning,
                stacklevel=2,
            )
            if not again:
                return

    def _ended(self) -> int:
        """Wait until the recorder, which is told to end, has; give its exit code."""
        self._let_go()
        return self._process.wait()

    @property
    def process(self) -> int:
        """The number of the recorder's process."""
        return self._process.pid

    def end(self) -> None:
        """Wait until all rows of the stream, which is closed, are in the log; RecorderError where that fails."""
        with self._lock:
            self._is_ending = True
        code = self._ended()
        while code < 0 and not self.out.exists() and self._starts < _MOST_STARTS:  # killed before it was done
            self._start_again()
            code = self._ended()
        if not code:
            return
        if self.out.exists():  # it gets its name once it is whole
            warnings.warn(
                f"the recorder of {self.out} has ended (exit code {code}): all rows that it could take are in the log; "
                "what it wrote above says whether some were overwritten before",
                RecorderWarning,
                stacklevel=2,
            )
        else:
            raise RecorderError(
                f"expected the recorder to finish {self.out}, found that it ended (exit code {code}): what it wrote "
                f"above says why; save the rows with `ringacc recover {self._source}`"
            )


def _reserve(folder: Path) -> None:
    """Make the folder of a recording, or refuse one that is there: it may hold rows that nobody has saved."""
    try:
        folder.mkdir()
    except FileExistsError as error:
        raise SaveError(
            f"{folder}: expected no recording there yet, found one, which goes on or was never made whole: choose "
            "another name, or save it with `ringacc recover` and remove it"
        ) from error
    except OSError as error:
        said = f"expected a folder to record in: {error.strerror}"
        raise SaveError(error.errno, said, str(folder)) from error


_RECORDERS: weakref.WeakSet[RecorderProcess] = weakref.WeakSet()


def _let_go_in_child() -> None:
    """Keep no recorder of the parent's waiting for this child, too."""
    for recorder in list(_RECORDERS):
        recorder._let_go()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_let_go_in_child)
