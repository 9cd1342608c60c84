"""Session: the logs of one recording and the metadata that belong to them, in one folder.

Belongs here: which files a session has, what they are called, and in which order they are written.
May not be here: how a log is written (the accumulators) or metadata are (the collector).
"""

from __future__ import annotations

import os
import re
import shutil
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, Self

from .collector import DataCollector
from .errors import EntryClashError, EntryNameError, FormatError, RecorderError, SaveError, SessionSaveError
from .metadata.tree import entry_path
from .whole import replacing

__all__ = ["Session"]

# What Windows takes in no file name, and the control characters that nobody can read.
_NO_FILE_NAME = re.compile(r'[<>:"\\|?*\x00-\x1f]')
_NEEDED = ("save", "get_fps", "health", "segments")


class Session:
    """Tie accumulators to a collector, as a rig does, and write all of it to one folder.

    The files are those that stytra's readers look for: ``<session>_metadata.json`` and, for a log called
    "behavior/behavior_log", ``<session>_behavior_log.hdf5``. Nothing is written before
    `save`, unless the logs are recorded.

    Parameters
    ----------
    folder : str or os.PathLike
        Where the files go; a missing folder is made by the first save.
    experiment : object, optional
        Its ``t0`` (datetime) is the start of the session; without one, the moment of creation is.
    collector : DataCollector, optional
        The metadata; by default a new one whose config file lies in the same folder.
    session_id : str, optional
        What the names of the files begin with; by default the time of the start, as "192316".
    log_format : str
        "csv", "feather", "hdf5", "json" or "parquet".
    record_to : bool, str or os.PathLike
        Whether each log is on the disk as its rows come, by a process of its own, so that memory stays bounded and a
        crash loses none; `save` then ends the logs. True: in ``folder``. Or another folder, on a faster disk, from
        where `save` takes the logs to ``folder``.
    record_policy : {"drop", "block"}
        What is done where the disk does not keep up; see ``start_recording`` of the accumulators.

    Attributes
    ----------
    collector : DataCollector
        The metadata; add parameters and static data to it.
    folder : pathlib.Path
        Where the files go.
    session_id : str
        What the names begin with. If another session has written files of these names before, the first save takes
        the next free one: "192316-2".

    Raises
    ------
    EntryNameError
        For a session id that cannot begin a file's name; "_" ends it, for stytra's readers.
    FormatError
        For an unknown format.
    ValueError
        For an unknown policy.

    Notes
    -----
    Complexity: O(1).
    Allocates: a list of the logs.
    Valid: a plain object; it holds the accumulators.
    Threads: one thread at a time.

    Examples
    --------
    >>> import tempfile
    >>> from collections import namedtuple
    >>> from ringacc import EstimatorLog
    >>> session = Session(tempfile.mkdtemp(), session_id="192316")
    >>> vigour = EstimatorLog()
    >>> session.log(vigour, "behavior/estimator_log")
    >>> session.collector.add({"age": 7}, "general/animal")
    >>> vigour.update_list(0.5, namedtuple("Vigour", "vigour")(0.1))
    >>> [path.name for path in session.save()]
    ['192316_estimator_log.hdf5', '192316_metadata.json']
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        experiment: Any = None,
        *,
        collector: DataCollector | None = None,
        session_id: str | None = None,
        log_format: str = "hdf5",
        record_to: bool | str | os.PathLike[str] = False,
        record_policy: Literal["drop", "block"] = "drop",
    ) -> None:
        from .tables import FORMATS  # loads NumPy, which the collector does without

        if log_format not in FORMATS:
            raise FormatError(f"expected one of the formats {', '.join(FORMATS)}, found {log_format!r}")
        self.folder = Path(folder)
        self._start: datetime = datetime.now() if experiment is None else experiment.t0
        self.session_id = self._start.strftime("%H%M%S") if session_id is None else session_id
        _check_file_name(self.session_id)
        if "_" in self.session_id:
            raise EntryNameError(f'expected a session id without "_", which ends it, found {session_id!r}')
        self.collector = DataCollector(folder_path=self.folder) if collector is None else collector
        self._log_format = log_format
        self._logs: dict[str, Any] = {}
        self._files: dict[str, str] = {}
        self._told: set[str] = set()
        self._has_free_id = False
        self._at_home: set[Path] = set()
        self._record_to = self._folder_to_record_to(record_to)
        self._record_policy = _checked_policy(record_policy)

    def _folder_to_record_to(self, record_to: bool | str | os.PathLike[str]) -> Path | None:
        """Return the folder that logs are recorded in, if they are."""
        if isinstance(record_to, bool):
            return self.folder if record_to else None
        return Path(record_to)

    def log(self, accumulator: Any, path: str) -> None:
        """Write an accumulator's rows with the session, as a log called by the last part of a path.

        Parameters
        ----------
        accumulator : DataFrameAccumulator
            Any of the accumulators with columns.
        path : str
            "category/name", such as "behavior/behavior_log". In the metadata its category gets the name of the file
            under it, and beside it ``<name>_rows``, ``<name>_rate`` (Hz, over the last rows) and ``<name>_health``.

        Raises
        ------
        TypeError
            For an object that cannot be saved as a log.
        EntryNameError
            For a path with an empty part, or whose last part can be no file's name.
        EntryClashError
            For a second log of that name, or a path where other metadata stand.
        RecorderError, SaveError
            When recording: rows have come already, or the log cannot be written.

        Notes
        -----
        Complexity: O(entries in the collector).
        Allocates: nothing that stays.
        Valid: the accumulator is read when the session is saved.
        Threads: one thread at a time.

        Examples
        --------
        >>> from ringacc import EstimatorLog
        >>> session = Session("recordings")
        >>> session.log(EstimatorLog(), "behavior/estimator_log")
        """
        needed = _NEEDED if self._record_to is None else (*_NEEDED, "start_recording", "close")
        missing = [name for name in needed if not hasattr(accumulator, name)]
        if missing or isinstance(accumulator, type):
            lacks = f"which has no {', '.join(missing)}" if missing else "which is a class"
            raise TypeError(
                f"expected an accumulator with columns, found {accumulator!r:.60}, {lacks}; add a value that is no log "
                "to the collector"
            )
        name = entry_path(path)[-1]
        _check_file_name(name)
        if name in self._files.values() or name == "metadata":
            raise EntryClashError(
                f"expected a log with a name of its own, found a second {name!r}, which would be the same file; call "
                "one of them otherwise"
            )
        entries = [path, f"{path}_rows", f"{path}_rate", f"{path}_health"]
        for entry in entries:
            if entry in self.collector:
                raise EntryClashError(f"expected no entry yet at {entry!r}, found one; call the log otherwise")
        if self._record_to is not None:
            self._start_recording(accumulator, name, self._record_to)
        for entry in entries:
            self.collector.add_static_data(None, entry)
        self._logs[path] = accumulator
        self._files[path] = name

    def _start_recording(self, accumulator: Any, name: str, folder: Path) -> None:
        """Have the rows of an accumulator recorded, under a name that is free here and where it is taken at the end."""
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise SaveError(
                error.errno,
                f"expected a folder to record in, found none that can be made: {error.strerror}",
                str(folder),
            ) from error
        self._find_free_id(name)
        home = self._file(f"{name}.{self._log_format}")
        if home.exists():
            raise _in_the_way(home)
        # This takes the name at once, before the recorder is up: other sessions of the same second see it.
        accumulator.start_recording(folder / home.name, self._record_policy)

    def save(self) -> tuple[Path, ...]:
        """Write every log, in the order they were given, and then the metadata and the config.

        A log that cannot be written does not keep the others, and the metadata, from being written.

        Returns
        -------
        tuple of pathlib.Path
            The logs that have rows, and the metadata last.

        Raises
        ------
        SessionSaveError
            (an OSError) if something could not be written; it says what and why, all else was written.

        Notes
        -----
        Complexity: O(rows of all logs).
        Allocates: as the save of the largest log.
        Valid: a plain value. Saving again writes the same files anew.
        Threads: one thread at a time.

        Examples
        --------
        >>> import tempfile
        >>> [path.name for path in Session(tempfile.mkdtemp(), session_id="192316").save()]
        ['192316_metadata.json']
        """
        self._find_free_id(*self._files.values())
        written, failed = [], {}
        for path, accumulator in self._logs.items():
            try:
                written.extend(self._save_log(path, accumulator))
            except Exception as error:  # whatever is wrong with one log, the others are to be written
                failed[path] = error
                self.collector.add_static_data(f"{type(error).__name__}: {error}", f"{path}_error")
        metadata = self._file("metadata.json")
        try:
            self._tell("general/session_id", self.session_id)
            self._tell("general/t_protocol_start", self._start)
            self._tell("general/t_protocol_end", datetime.now(self._start.tzinfo))
            self.collector.save(metadata)
        except Exception as error:
            failed["metadata"] = error
        if failed:
            reasons = "".join(f"\n  {name}: {type(error).__name__}: {error}" for name, error in failed.items())
            raise SessionSaveError(
                f"expected to write all of session {self.session_id} to {self.folder}, found: {reasons}\n"
                "what is not named here is written; save again once the cause is gone"
            ) from next(iter(failed.values()))
        return (*written, metadata)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        """Save, also where the block was left by an error."""
        self.save()

    def _save_log(self, path: str, accumulator: Any) -> list[Path]:
        """Write one log and its entries; return its path, or nothing where there are no rows."""
        self.folder.mkdir(parents=True, exist_ok=True)
        if self._record_to is None:
            name = accumulator.save(self._file(self._files[path]), self._log_format)
        else:
            accumulator.close()
            name = self._take_home(accumulator)
            if name is None and any(map(len, accumulator.segments)):
                raise RecorderError(
                    f"expected the log {accumulator.recording}, found none, though there were rows: save them with "
                    f"`ringacc recover {accumulator.recording}`"
                )
        self.collector.add_static_data(name, path)
        self.collector.add_static_data(sum(map(len, accumulator.segments)), f"{path}_rows")
        self.collector.add_static_data(accumulator.get_fps(), f"{path}_rate")
        self.collector.add_static_data(accumulator.health()._asdict(), f"{path}_health")
        if f"{path}_error" in self.collector:  # of a save before
            self.collector.remove(f"{path}_error")
        return [] if name is None else [self.folder / name]

    def _file(self, name: str) -> Path:
        """Return the path of one of the session's files."""
        return self.folder / f"{self.session_id}_{name}"

    def _take_home(self, accumulator: Any) -> str | None:
        """Have a log that was recorded in the session's folder; return its name, or None where it has no rows."""
        log: Path = accumulator.recording
        home = self.folder / log.name
        if log.exists() and not (home.exists() and home.samefile(log)):
            if home.exists() and home not in self._at_home:
                raise _in_the_way(home)
            with replacing(home) as file, log.open("rb") as recorded:
                shutil.copyfileobj(recorded, file)
            self._at_home.add(home)
            log.unlink()
            accumulator.recording = home
        return log.name if accumulator.recording.exists() else None

    def _find_free_id(self, *names: str) -> None:
        """Settle on the session id, or the next one under which none of the files is there; once."""
        if self._has_free_id:
            return
        self._has_free_id = True
        files = {"metadata.json", *(f"{name}.{self._log_format}" for name in names)}
        folders = {self.folder, self.folder if self._record_to is None else self._record_to}
        there = {path.name for folder in folders if folder.is_dir() for path in folder.iterdir()}
        taken = files | {f"{name}.recording" for name in files}
        found, number = self.session_id, 1
        # Another session that records now will have metadata of its id, whatever its logs are called.
        recorded = [name for name in there if name.endswith(".recording")]
        while any(f"{found}_{name}" in there for name in taken) or any(
            name.startswith(f"{found}_") for name in recorded
        ):
            number += 1
            found = f"{self.session_id}-{number}"
        self.session_id = found

    def _tell(self, name: str, value: Any) -> None:
        """Add an entry, unless somebody else has said what it is."""
        if name in self._told or name not in self.collector:
            self.collector.add_static_data(value, name)
            self._told.add(name)


def _checked_policy(policy: Literal["drop", "block"]) -> Literal["drop", "block"]:
    """Return a policy, or raise ValueError for what is none."""
    if policy not in ("drop", "block"):
        raise ValueError(f"expected a record_policy of 'drop' or 'block', found {policy!r}")
    return policy


def _in_the_way(file: Path) -> SaveError:
    return SaveError(f"{file}: expected no file there yet, found one: move it away, or call the log otherwise")


def _check_file_name(name: str) -> None:
    """Raise EntryNameError for a text that can be no part of a file's name."""
    if not name or "/" in name or _NO_FILE_NAME.search(name):
        raise EntryNameError(f'expected a name that a file can have, without any of / \\ : * ? " < > |, found {name!r}')
