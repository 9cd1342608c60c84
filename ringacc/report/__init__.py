"""A page about a session: its logs, its metadata, and what is odd.

Belongs here: writing the page. May not be here: which files are a session's (``folder``), reading them (``logs``), what
is found in them (``findings``) and said of it (``odd``), drawing (``outline``, ``figures``), HTML (``page``).
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

from ..errors import MissingFileError, SaveError
from ..extras import require
from ..whole import replacing
from .folder import Files, find
from .logs import read_log, read_metadata, recorded_in
from .odd import Odd, odd_in

__all__ = ["Written", "write_report"]

# What a page is called, so that no log's name gets one.
_SUFFIXES = (".html", ".htm")


class Written(NamedTuple):
    """A report that was written.

    Attributes
    ----------
    path
        Where it is.
    logs
        The logs it tells of, by their files' names.
    odd
        What is odd, a sentence each.
    unreadable
        Of logs and metadata that could not be read: why.
    """

    path: Path
    logs: tuple[str, ...]
    odd: tuple[str, ...]
    unreadable: tuple[str, ...]


def write_report(
    session: str | os.PathLike[str], out: str | os.PathLike[str] | None = None, *, session_id: str | None = None
) -> Written:
    """Write a page about a session: one HTML file that needs no other, and no network.

    It has the traces of each log, whole and in the most active second, the intervals between rows, the rate over time,
    health, the columns and the metadata; what is odd is said at the top. The same files make the same page.

    Parameters
    ----------
    session : str or os.PathLike
        The folder that `Session`, ``ringacc demo``, ``ringacc replay`` or stytra has written.
    out : str or os.PathLike, optional
        The page; by default ``<session id>_report.html`` in that folder. Another report there is replaced, any other
        file is refused.
    session_id : str, optional
        What the names of the session's files begin with; by default the session that was written last.

    Returns
    -------
    Written
        Where the page is, and what is odd. A log that cannot be read is one of the things that are odd.

    Raises
    ------
    MissingExtraError
        matplotlib is not installed.
    MissingFileError
        No such folder, no session in it, or none of that id; or no folder to write the page to.
    SaveError
        The page's name does not end in .html or .htm, a file that is no report is in the way, or the page cannot be
        written.

    Notes
    -----
    Complexity: O(rows x columns).
    Allocates: one log at a time, and a few columns of it once more.
    Valid: a plain value. A process that is killed while it writes leaves a hidden file that ends in ``.part``.
    Threads: one at a time, since matplotlib's settings are the process's.

    Examples
    --------
    >>> import tempfile
    >>> from collections import namedtuple
    >>> from ringacc import EstimatorLog, Session
    >>> from ringacc.report import write_report
    >>> session = Session(tempfile.mkdtemp(), session_id="192316")
    >>> vigour = EstimatorLog()
    >>> session.log(vigour, "behavior/estimator_log")
    >>> for frame in range(100):
    ...     vigour.update_list(frame / 25, namedtuple("Vigour", "vigour")(0.5))
    >>> _ = session.save()
    >>> written = write_report(session.folder)  # doctest: +SKIP
    >>> written.path.name, written.odd  # doctest: +SKIP
    ('192316_report.html', ('estimator_log: 1 column has one value throughout: vigour = 0.5.',))
    """
    files, target = plan_report(session, out, session_id)
    from .page import page

    metadata, metadata_error = (None, None) if files.metadata is None else read_metadata(files.metadata)
    session_odd = _odd_of_session(files, metadata_error)
    told = []
    for path in files.logs:
        log = read_log(path, files.session_id)
        recorded = recorded_in(metadata, log.name)
        told.append((log, recorded, odd_in(log, recorded)))
    html = page(files, metadata, metadata_error, told, session_odd)
    try:
        with replacing(target) as file:
            file.write(html.encode("utf-8"))
    except OSError as error:
        raise SaveError(
            error.errno,
            f"{error.strerror or error}: the page was not written, and what stood there before is untouched; make room "
            "or choose another place, and write it again",
            str(target),
        ) from error
    unreadable = [f"{log.file}: {log.error}" for log, _, _ in told if log.error is not None]
    if metadata_error is not None and files.metadata is not None:
        unreadable.append(f"{files.metadata.name}: {metadata_error}")
    odd = [one.text for one in session_odd] + [f"{log.name}: {one.text}" for log, _, found in told for one in found]
    return Written(target, tuple(path.name for path in files.logs), tuple(odd), tuple(unreadable))


def plan_report(
    session: str | os.PathLike[str], out: str | os.PathLike[str] | None, session_id: str | None
) -> tuple[Files, Path]:
    """Give the files of a session and the place of the page, with everything checked that can be checked before."""
    require(
        "report", "a report", "matplotlib", "matplotlib.figure", "matplotlib.ticker", "matplotlib.backends.backend_svg"
    )
    files = find(session, session_id)
    name = f"{files.session_id}_report.html" if files.session_id else "report.html"
    target = files.folder / name if out is None else Path(out)
    if target.is_dir():
        raise SaveError(f"{target}: expected the name of a page, found a folder: choose another name, such as {name}")
    if target.suffix.lower() not in _SUFFIXES:
        raise SaveError(f"{target}: expected a name that ends in .html or .htm: choose another name, such as {name}")
    if not target.parent.is_dir():
        raise MissingFileError(f"expected a folder to write the page to, found no {target.parent}: make it")
    if target.exists() and not _is_report(target):
        raise SaveError(f"{target}: expected no file there yet, or a report, found another: choose another name")
    return files, target


def _is_report(path: Path) -> bool:
    """Say whether a file is a report, which may be replaced by a newer one; a pipe or a device is not even opened."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return b'<meta name="generator" content="ringacc report">' in file.read(200)


def _odd_of_session(files: Files, metadata_error: str | None) -> list[Odd]:
    """Say what is odd in the session as a whole."""
    found = []
    if files.metadata is None:
        found.append(Odd(True, "There are no metadata."))
    elif metadata_error is not None:
        found.append(Odd(True, f"The metadata cannot be read: {metadata_error}."))
    if not files.logs:
        found.append(Odd(True, "There are no logs."))
    found += [
        Odd(True, f"The log {name} is being recorded, or its recorder was cut: see ringacc recover {name}.")
        for name in files.recordings
    ]
    return found
