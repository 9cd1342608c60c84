"""DataCollector: the metadata of an experiment, restored from the last session and saved with it.

Belongs here: the calls of stytra's DataCollector, over the rooms that do the work: tree, values,
typefit, parameters, restore, configfile. All of these are standard library only and load in a few
milliseconds.
May not be here: anything that one of those rooms can own.
"""

from __future__ import annotations

import copy
import os
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .errors import (
    EntryClashError,
    EntryNameError,
    EntryNotFoundError,
    FormatError,
    RestoreWarning,
)
from .metadata.configfile import CONFIG_FORMATS, SavedConfig, read_config, write_config, write_whole
from .metadata.parameters import Parameter, own_path, parameters_of
from .metadata.restore import RestoreTable, restored, unknown_entries
from .metadata.tree import Entries, entries_of, entry_path, merged, near, nested, overlaid
from .metadata.values import (
    ELIMINATED,
    FILE,
    EntryPath,
    Style,
    TypeNotes,
    as_saved,
    joined,
    json_bytes,
    plain,
)

__all__ = ["DataCollector"]


class DataCollector:
    """Collect the parameters and static data of an experiment, and keep them between sessions.

    *Parameters* are read from the objects that were given to `add`, whenever they are asked for, so
    they are always the values of now; `restore_from_saved` sets them to those of the last session.
    *Static data* are added by hand with `add_static_data` and are not restored. Both have a name
    such as "general/animal/age"; its first part is the category: general, animal, stimulus,
    imaging, behavior, camera, or any other.

    A new collector makes no folder and touches no file: that is done by the calls that say so.

    Parameters
    ----------
    *data_tuples_list : tuple
        Static data to begin with, each as (entry, name); (entry,) is named "unspecified_entry".
    extra_settings : mapping, optional
        A tree of values that count as saved, except where the config file has the entry itself.
    instance_number : int
        0 and above for each of several programs that share a folder: each has files of its own.
        -1, the default, for the only one.
    folder_path : str or os.PathLike
        The folder of the config file, and of the metadata if `save` is given no path. The default
        is the current directory of the moment when a file is asked for. A missing folder is made
        when the first file is written.
    config_format : str
        "json" for config.json, "h5" for config.h5; both hold the same tree and the same values.

    Raises
    ------
    EntryNameError, EntryClashError, EntryValueError
        For static data or extra settings that are not fit to be saved.
    FormatError
        For an unknown config format.
    ValueError, TypeError
        For an instance number below -1 or one that is no int, a tuple of another length.

    Notes
    -----
    Complexity: O(number of entries given).
    Allocates: two dicts; the entries themselves are not copied.
    Valid: a plain object; it holds the objects that were added.
    Threads: one thread at a time; several processes may save to one folder.

    Examples
    --------
    The next session begins with what the last one had:

    >>> import tempfile
    >>> folder = tempfile.mkdtemp()
    >>> collector = DataCollector(("TL", "animal/genotype"), folder_path=folder)
    >>> collector.add({"age": 6}, "animal")
    >>> collector.get_clean_dict()
    {'animal': {'age': 6, 'genotype': 'TL'}}
    >>> collector.save_config_file()

    >>> animal = {"age": 7}
    >>> collector = DataCollector(folder_path=folder)
    >>> collector.add(animal, "animal")
    >>> print(collector.restore_from_saved())
    restored  animal/age
    >>> animal
    {'age': 6}
    """

    def __init__(
        self,
        *data_tuples_list: tuple[Any, ...],
        extra_settings: Mapping[str, Any] | None = None,
        instance_number: int = -1,
        folder_path: str | os.PathLike[str] = ".",
        config_format: str = "json",
    ) -> None:
        if not isinstance(instance_number, int) or isinstance(instance_number, bool):
            raise TypeError(f"expected instance_number to be an int, found {instance_number!r}")
        if instance_number < -1:
            raise ValueError(
                f"expected instance_number to be -1 (the only instance) or 0 and above, found {instance_number}"
            )
        if config_format not in CONFIG_FORMATS:
            raise FormatError(f"expected config_format to be one of {CONFIG_FORMATS}, found {config_format!r}")
        self.folder_path = Path(folder_path)
        self.instance_number = instance_number
        self.config_format = config_format
        self._objects: dict[EntryPath, Any] = {}
        self._static: dict[EntryPath, Any] = {}
        self._extra = _settings({} if extra_settings is None else extra_settings)
        for given in data_tuples_list:
            if not isinstance(given, tuple | list) or not 1 <= len(given) <= 2:
                raise TypeError(f"expected static data as (entry, name), found {given!r}")
            self.add_static_data(*given)

    # What is collected ---------------------------------------------------------------------------

    def add(self, obj: Any, path: str | None = None) -> None:
        """Add an object whose attributes are parameters, below a path such as "general/animal".

        Parameters
        ----------
        obj : object
            A dataclass, attrs or pydantic instance: its fields are the parameters. A mapping: its
            items are. An object with ``.params`` (a mapping of name to an object with ``.value``,
            ``.limits`` and ``.loadable``) as lightparam's: these are. An object in a field, and a
            mapping in a mapping, is a branch with parameters of its own.
        path : str, optional
            Where its parameters stand; by default the ``.name`` of a lightparam-style object.

        Raises
        ------
        ParametersError
            For an object of none of these kinds, or one that declares limits or choices that are
            none.
        EntryNameError
            For a path with an empty part, or none at all.
        EntryClashError
            For a path that another object has; for a parameter at, below or above another entry.
        EntryValueError
            For a parameter with a value that JSON cannot hold; the message names its path.

        Notes
        -----
        Complexity: O(parameters of the object + number of objects and static data).
        Allocates: nothing that stays, but the reference to the object.
        Valid: the object is read again whenever its values are asked for.
        Threads: one thread at a time.

        Examples
        --------
        >>> camera = {"exposure": 1.5, "roi": (0, 0, 640, 480)}
        >>> collector = DataCollector()
        >>> collector.add(camera, "camera/params")
        >>> camera["exposure"] = 2.0
        >>> collector.get_clean_dict()
        {'camera': {'params': {'exposure': 2.0, 'roi': (0, 0, 640, 480)}}}
        """
        name = own_path(obj) if path is None else path
        if name is None:
            list(parameters_of(obj, ()))  # an object of no kind at all is the clearer error
            raise EntryNameError(
                f'expected a path such as "general/animal" for this {type(obj).__name__}, found '
                "none; only an object with .name and .params brings its own"
            )
        where = entry_path(name)
        if self._objects.get(where, obj) is not obj:
            raise EntryClashError(
                f"expected one object at {joined(where)!r}, found a second; choose another path, or remove() the first"
            )
        self._check(where, _entries_of_object(list(parameters_of(obj, where)), where), self._objects)
        self._objects[where] = obj

    def add_static_data(self, entry: Any, name: str = "unspecified_entry") -> None:
        """Add data that are saved with the session and not restored; the same name replaces them.

        Parameters
        ----------
        entry : object
            None, a number, text, a date, a path, an enum, an array, a DataFrame, or lists, tuples,
            sets and mappings of these. It is kept as it is and read when it is asked for.
        name : str
            "category/name"; more parts are nested: "animal/screening/image".

        Raises
        ------
        EntryNameError
            For a name that is no text, or one with an empty part.
        EntryClashError
            For a name at, below or above another entry.
        EntryValueError
            For a value that JSON cannot hold; the message names its path.

        Notes
        -----
        Complexity: O(size of the entry + number of objects and static data).
        Allocates: nothing that stays, but the reference to the entry.
        Valid: the entry is read again whenever it is asked for.
        Threads: one thread at a time.

        Examples
        --------
        >>> collector = DataCollector()
        >>> collector.add_static_data("192316_behavior_log.hdf5", "behavior/behavior_log")
        >>> collector.get_clean_dict()
        {'behavior': {'behavior_log': '192316_behavior_log.hdf5'}}
        """
        where = entry_path(name)
        self._check(where, dict(entries_of(entry, where)), self._static)
        self._static[where] = entry

    def remove(self, path: str) -> None:
        """Remove the object and the static data that were added under exactly this path.

        Parameters
        ----------
        path : str
            As it was given to `add` or `add_static_data`.

        Raises
        ------
        EntryNotFoundError
            For a path under which nothing was added.

        Notes
        -----
        Complexity: O(1).
        Allocates: nothing.
        Valid: not applicable.
        Threads: one thread at a time.

        Examples
        --------
        >>> collector = DataCollector((7, "animal/age"))
        >>> collector.remove("animal/age")
        >>> collector.get_clean_dict()
        {}
        """
        where = entry_path(path)
        if where not in self._objects and where not in self._static:
            added = ", ".join(sorted({joined(p) for p in (*self._objects, *self._static)}))
            raise EntryNotFoundError(
                f"expected a path that something was added under ({added or 'none yet'}), found {path!r}"
            )
        self._objects.pop(where, None)
        self._static.pop(where, None)

    def __contains__(self, path: str) -> bool:
        """Tell whether a parameter or static data stand at a path, or below it."""
        where = entry_path(path)
        return any(found[: len(where)] == where for found in self._read()[1])

    def get_clean_dict(self, eliminate_df: bool = False, convert_datetime: bool = False) -> dict[str, Any]:
        """Return all parameters and static data as one tree of plain values.

        NumPy scalars and arrays become numbers and lists, sets sorted lists, paths text, enums
        their values, DataFrames dicts of columns; None, tuples, NaN and infinities stay.

        Parameters
        ----------
        eliminate_df : bool
            Leave DataFrames (and Arrow tables) out.
        convert_datetime : bool
            Dates and times as text in ISO format, with microseconds always.

        Returns
        -------
        dict
            Category to name to value, nested; a copy that the caller may change.

        Raises
        ------
        EntryValueError
            For an entry that was changed since to what JSON cannot hold; it names the path.
        EntryClashError
            For an object that has got a parameter since where another entry stands.

        Notes
        -----
        Complexity: O(size of all entries).
        Allocates: the dict and what is in it.
        Valid: a copy.
        Threads: one thread at a time.

        Examples
        --------
        >>> from datetime import datetime
        >>> collector = DataCollector((datetime(2018, 11, 15, 19, 23), "general/t_protocol_start"))
        >>> collector.get_clean_dict(convert_datetime=True)
        {'general': {'t_protocol_start': '2018-11-15T19:23:00.000000'}}
        """
        return self._clean(
            Style(
                convert_datetime=convert_datetime,
                convert_not_finite=False,
                eliminate_df=eliminate_df,
            )
        )

    # The last session ----------------------------------------------------------------------------

    def restore_from_saved(self) -> RestoreTable:
        """Set the parameters to their saved values, where these fit what is declared now.

        A saved value fits if it is of the declared type (or, where none is declared, of the type
        that the parameter has now), within the limits and one of the choices. Any other is left as
        it is and named, with the reason, in one warning. Saved entries that no object here knows
        are kept for the next save. ``loadable=False`` is left alone.

        Returns
        -------
        RestoreTable
            A tuple of (path, outcome, reason), sorted by path, with outcome "restored",
            "unchanged", "kept" or "refused"; print it to see it as a table.

        Warns
        -----
        RestoreWarning
            Once, with all refused entries.
        ConfigWarning
            For a config that cannot be read; its backup is used.

        Notes
        -----
        Complexity: O(saved entries + parameters).
        Allocates: the table and the tree that was read.
        Valid: a plain value.
        Threads: one thread at a time; the parameters are set one after another.

        Examples
        --------
        >>> camera = {"exposure": 1.5}
        >>> collector = DataCollector(extra_settings={"camera": {"exposure": 2.0, "gain": 1}})
        >>> collector.add(camera, "camera")
        >>> print(collector.restore_from_saved())
        restored  camera/exposure
        kept      camera/gain
        """
        config = self._read_config()
        saved = overlaid(copy.deepcopy(self._extra), config.tree)
        known, _ = self._read()
        table = restored(saved, known, self._branches(known), config.noted)
        if table.refused:
            reasons = "".join(f"\n  {row.path}: {row.reason}" for row in table.refused)
            warnings.warn(
                f"{len(table.refused)} saved parameters were not restored:{reasons}",
                RestoreWarning,
                stacklevel=2,
            )
        return table

    def get_last_value(self, class_param_key: str) -> Any:
        """Return the value that a parameter has in the last saved config.

        Parameters
        ----------
        class_param_key : str
            Its path, such as "general/animal/age"; that of a branch gives the dict below it.

        Returns
        -------
        object
            The saved value, with its kind (a tuple is a tuple); an enum is its value.

        Raises
        ------
        EntryNotFoundError
            (a KeyError) if there is none; the message names the nearest ones.

        Warns
        -----
        ConfigWarning
            For a config that cannot be read; its backup is used.

        Notes
        -----
        Complexity: O(size of the config file).
        Allocates: the tree that was read.
        Valid: a copy.
        Threads: one thread at a time.

        Examples
        --------
        >>> import tempfile
        >>> collector = DataCollector(folder_path=tempfile.mkdtemp())
        >>> collector.add({"age": 7}, "general/animal")
        >>> collector.save_config_file()
        >>> collector.get_last_value("general/animal/age")
        7
        """
        path = entry_path(class_param_key)
        tree = value = self._read_config().tree
        for part in path:
            if not isinstance(value, Mapping) or part not in value:
                raise EntryNotFoundError(
                    f"expected an entry saved in {self._config_path()}, found none at {class_param_key!r}; "
                    + (near(class_param_key, tree) if tree else "nothing is saved there yet")
                )
            value = value[part]
        return value

    # Files ---------------------------------------------------------------------------------------

    def save_config_file(self) -> None:
        r"""Write the parameters of now to the config file, with the saved entries unknown here.

        The file is written at once or not at all; the one before is kept beside it as ``.bak``.

        Raises
        ------
        MetadataFileError
            (an OSError) if it cannot be written; the old file is as it was.
        EntryValueError, EntryClashError
            As `get_clean_dict`; nothing is written.

        Warns
        -----
        ConfigWarning
            For an old config that cannot be read; the entries of its backup are kept.

        Notes
        -----
        Complexity: O(size of the config), and four flushes to the disk.
        Allocates: the file's content.
        Valid: not applicable.
        Threads: one thread at a time; of several processes that save at once, one file stands.

        Examples
        --------
        >>> import tempfile
        >>> folder = tempfile.mkdtemp()
        >>> collector = DataCollector(folder_path=folder)
        >>> collector.add({"age": 7}, "general/animal")
        >>> collector.save_config_file()
        >>> (Path(folder) / "config.json").read_text()
        '{"/types": {}, "general": {"animal": {"age": 7}}}\n'
        """
        config = self._read_config()
        known, _ = self._read()
        kept = unknown_entries(overlaid(copy.deepcopy(self._extra), config.tree), known, self._branches(known))
        entries = {**kept, **{path: parameter.value for path, parameter in known.items()}}
        notes: TypeNotes = {}
        style = Style(notes)
        tree = nested({path: plain(value, path, style) for path, value in entries.items()})
        write_config(self._config_path(), self.config_format, tree, notes, config.before)

    def save_json_log(self, output_path: str | os.PathLike[str]) -> None:
        r"""Write all parameters and static data as JSON, sorted, in UTF-8, at once or not at all.

        Dates and times are text in ISO format with microseconds always; NaN and infinities, for
        which JSON has no number, are the texts "NaN", "Infinity" and "-Infinity".

        Parameters
        ----------
        output_path : str or os.PathLike
            The file, with its extension; a missing folder is made.

        Raises
        ------
        MetadataFileError
            (an OSError) if it cannot be written; a file that was there is as it was.
        EntryValueError, EntryClashError
            As `get_clean_dict`; nothing is written.

        Notes
        -----
        Complexity: O(size of all entries), and two flushes to the disk.
        Allocates: the file's content.
        Valid: not applicable.
        Threads: one thread at a time.

        Examples
        --------
        >>> import tempfile
        >>> log = Path(tempfile.mkdtemp()) / "192316_metadata.json"
        >>> DataCollector((float("nan"), "stimulus/gain")).save_json_log(log)
        >>> log.read_text()
        '{"stimulus": {"gain": "NaN"}}\n'
        """
        write_whole(Path(output_path), json_bytes(self._clean(FILE)))

    def save(self, output_path: str | os.PathLike[str] = "") -> None:
        """Write the metadata (`save_json_log`) and then the config (`save_config_file`).

        Parameters
        ----------
        output_path : str or os.PathLike
            The file for the metadata; by default metadata.json in the folder of the config.

        Raises
        ------
        MetadataFileError, EntryValueError, EntryClashError
            As those two; the config is not written if the metadata could not be.

        Notes
        -----
        Complexity: O(size of all entries), and six flushes to the disk.
        Allocates: the files' contents.
        Valid: not applicable.
        Threads: one thread at a time.

        Examples
        --------
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> DataCollector((7, "animal/age"), folder_path=folder).save(folder / "1_metadata.json")
        >>> sorted(path.name for path in folder.iterdir())
        ['1_metadata.json', 'config.json']
        """
        path = Path(output_path) if str(output_path) else self._path("metadata", "json")
        self.save_json_log(path)
        self.save_config_file()

    # Inside --------------------------------------------------------------------------------------

    def _path(self, name: str, extension: str) -> Path:
        """Return the path of a file of this instance, in the folder as it is resolved now."""
        number = f"_{self.instance_number}" if self.instance_number >= 0 else ""
        return self.folder_path.absolute() / f"{name}{number}.{extension}"

    def _config_path(self) -> Path:
        """Return the path of the config file."""
        return self._path("config", self.config_format)

    def _read_config(self) -> SavedConfig:
        """Return what the config file holds now."""
        return read_config(self._config_path(), self.config_format)

    def _read(self) -> tuple[dict[EntryPath, Parameter], Entries]:
        """Return the parameters, and the values of these and of the static data, all by path."""
        objects = {where: list(parameters_of(obj, where)) for where, obj in self._objects.items()}
        entries = merged(
            (
                *(_entries_of_object(parameters, where) for where, parameters in objects.items()),
                *(dict(entries_of(entry, where)) for where, entry in self._static.items()),
            )
        )
        return {found.path: found for parameters in objects.values() for found in parameters}, entries

    def _clean(self, style: Style) -> dict[str, Any]:
        """Return the tree of all entries in plain values."""
        _, entries = self._read()
        written = {path: plain(value, path, style) for path, value in entries.items()}
        return nested({path: value for path, value in written.items() if value is not ELIMINATED})

    def _branches(self, known: Mapping[EntryPath, Parameter]) -> set[EntryPath]:
        """Return the paths below which parameters stand or, for an empty object, may stand."""
        above = {path[:length] for path in known for length in range(1, len(path))}
        return above | {where[: n + 1] for where in self._objects for n in range(len(where))}

    def _check(self, where: EntryPath, entries: Entries, home: Mapping[EntryPath, Any]) -> None:
        """Raise unless entries can be written, and can stand beside the others; their own old ones are not there."""
        for path, value in entries.items():
            plain(value, path)
        beside = []
        for others in (self._objects, self._static):
            for path, other in others.items():
                length = min(len(path), len(where))
                if path[:length] != where[:length] or (others is home and path == where):
                    continue
                if others is self._objects:
                    beside.append(_entries_of_object(list(parameters_of(other, path)), path))
                else:
                    beside.append(dict(entries_of(other, path)))
        merged((*beside, entries))


def _entries_of_object(parameters: list[Parameter], where: EntryPath) -> Entries:
    """Return an object's parameters as entries; without any, its path is an empty branch."""
    return {found.path: found.value for found in parameters} or {where: {}}


def _settings(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return extra settings as they would come from a file: checked, and a copy."""
    if not isinstance(given, Mapping):
        raise TypeError(f"expected extra_settings to be a mapping, found {given!r}")
    for name in given:
        if len(entry_path(name)) > 1:
            raise EntryNameError(f"expected nested dicts as extra settings, found the name {name!r}")
    return dict(as_saved(given))
