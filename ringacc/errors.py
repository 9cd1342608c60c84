"""Every exception of the package.

Belongs here: exception and warning classes, each a subclass of ``RingaccError`` (or a warning) *and* of the builtin
that users would catch if they had never heard of ringacc. May not be here: anything that raises them.

A message says what was expected, what was found and what to do.
"""

from __future__ import annotations

from queue import Empty, Full

__all__ = [
    "AccumulatorEmptyError",
    "AppendRefusedError",
    "CapacityError",
    "CapacityMemoryError",
    "ConfigWarning",
    "DisplayError",
    "EntryClashError",
    "EntryNameError",
    "EntryNotFoundError",
    "EntryValueError",
    "FormatError",
    "LogFileError",
    "MetadataFileError",
    "MisfitError",
    "MissingExtraError",
    "MissingFileError",
    "ParametersError",
    "QueueClosedError",
    "QueueEndedError",
    "RecorderError",
    "RecorderWarning",
    "RestoreWarning",
    "RingBusyError",
    "RingClosedError",
    "RingEmptyError",
    "RingExistsError",
    "RingFileError",
    "RingFormatError",
    "RingFullError",
    "RingSpaceError",
    "RingaccError",
    "RowError",
    "RowKindError",
    "RowLengthError",
    "RowNotFoundError",
    "RowRangeError",
    "RowTimeError",
    "SaveError",
    "SchemaError",
    "SessionSaveError",
    "SourceError",
    "UnknownColumnError",
]


class RingaccError(Exception):
    """Base of every error that the package raises on purpose."""


# Rings ----------------------------------------------------------------------------------------------------------


class SchemaError(RingaccError, TypeError, ValueError):
    """The description of a row cannot be one: a name twice, a column called "t", a dtype of no fixed size."""


class CapacityError(RingaccError, ValueError):
    """A capacity that is negative or no whole number."""


class CapacityMemoryError(CapacityError, MemoryError):
    """A capacity whose rows do not fit in memory."""


class RingFullError(RingaccError, IndexError):
    """No room in a ring that may not overwrite; nothing was written."""


class RingClosedError(RingaccError, ValueError):
    """A ring was written to that is closed, or that another process writes."""


class RingEmptyError(RingaccError, IndexError):
    """A row was asked of a ring that holds none."""


class RowError(RingaccError, ValueError):
    """Base of the errors about one row; nothing of the row was written."""


class RowLengthError(RowError):
    """A row with too few or too many values."""


class RowKindError(RowError, TypeError):
    """A value of another kind than its field's, such as text or 5.5 for an integer field."""


class RowRangeError(RowError, OverflowError):
    """A number too large for its field."""


class RowTimeError(RowError):
    """A time that is NaN or infinite, or of a kind that cannot be placed on the clock of the experiment."""


class RowNotFoundError(RingaccError, LookupError):
    """No row fits what was asked for."""


class UnknownColumnError(RingaccError, KeyError):
    """A column that is not there."""

    # KeyError shows the repr of its argument, which would put a sentence in quotes.
    __str__ = Exception.__str__


class AccumulatorEmptyError(RowNotFoundError, IndexError):
    """A row was asked of an accumulator that holds none."""


# Ring files and queues ------------------------------------------------------------------------------------------


class RingFileError(RingaccError, OSError):
    """A ring file, or the folder for them, that cannot be made or opened."""


class RingSpaceError(RingFileError):
    """No room on the device for a ring file; nothing was made."""


class RingExistsError(RingFileError, FileExistsError):
    """A ring file is there already; it may hold rows that nobody has saved."""


class RingBusyError(RingFileError, BlockingIOError):
    """Another live process writes the ring, or takes its rows."""


class RingFormatError(RingaccError, ValueError):
    """A file that is no ring, is cut, or was written by a newer version."""


class QueueEndedError(RingaccError, Empty, EOFError):
    """Nothing more comes: all rows are taken, and who put them in has closed the queue or died."""


class QueueClosedError(RingaccError, Full, BrokenPipeError):
    """Nobody takes rows any more: the consumer has closed the queue, or died and left it full."""


class AppendRefusedError(RowTimeError, RowRangeError, RingFullError, QueueClosedError):
    """A row that a compiled loop could not append, for whichever of these reasons; nothing was written."""


class SourceError(RingaccError, TypeError):
    """Something that cannot be watched: no ring, no accumulator, and no path or name of one."""


class MissingExtraError(RingaccError, ImportError):
    """A part of the package needs a library that is not installed; the message has the command that installs it."""


class DisplayError(RingaccError, RuntimeError):
    """A window that cannot be opened: there is no display, or Qt cannot use it."""


class RecorderError(RingaccError, RuntimeError):
    """A recorder that did not start, or ended before all rows were on the disk; the rows are where they were."""


class RecorderWarning(UserWarning):
    """A recorder that does not keep up, cannot write, or has ended: rows may be missing in its file."""


# Files ----------------------------------------------------------------------------------------------------------


class FormatError(RingaccError, ValueError):
    """A file format that the package does not write or read."""


class LogFileError(RingaccError, ValueError):
    """A log file that is empty, truncated or not of the format that its name says."""


class MissingFileError(RingaccError, FileNotFoundError):
    """A log that is not there, or a folder to save to that is not there."""


class SaveError(RingaccError, OSError):
    """A log that could not be written, such as on a full disk; what stood there before is untouched."""


# Metadata -------------------------------------------------------------------------------------------------------


class EntryNameError(RingaccError, ValueError, TypeError):
    """A name that is no text, or one with an empty part, such as "a//b", "" or "/a"."""


class EntryClashError(RingaccError, ValueError):
    """Two entries that cannot stand in one tree: two under one path, or one below another's value."""


class EntryValueError(RingaccError, ValueError, TypeError):
    """A value that a file of metadata cannot hold; the message names its path."""


class EntryNotFoundError(RingaccError, KeyError):
    """No entry of that path in the last saved config."""

    __str__ = Exception.__str__


class MisfitError(RingaccError, ValueError):
    """A saved value that does not fit what is declared; it becomes the reason in a table of outcomes."""


class ParametersError(RingaccError, TypeError):
    """An object whose parameters cannot be read, or whose declarations (limits, choices) are none."""


class MetadataFileError(RingaccError, OSError):
    """A file of metadata that cannot be written; what stood there before is still whole."""


class SessionSaveError(RingaccError, OSError):
    """Some logs of a session were not written; the others and the metadata were."""


class RestoreWarning(UserWarning):
    """Saved parameters that were not restored, since they do not fit what is declared now."""


class ConfigWarning(UserWarning):
    """A config file that cannot be read; the one before it, or none, is used."""
