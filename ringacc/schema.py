"""What one row is: names and dtypes, and which values a row may hold.

Belongs here: building a row's dtype from whatever a user has, and the definition of a value that fits its field. May
not be here: where rows are kept.

The rule for values: a number goes into a field of its kind or of a wider one (bool -> int -> float -> complex),
rounding to a shorter float is fine, text goes into text. Everything else is refused: a fraction for a whole number, a
number out of range, text or None for a number, a number for a bool.
"""

from __future__ import annotations

import functools
import numbers
import operator
import typing
from collections import namedtuple
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from .errors import RowError, RowKindError, RowLengthError, RowRangeError, SchemaError

__all__ = [
    "cast_array",
    "check_names",
    "element_dtype",
    "opening_dtype",
    "row_class",
    "row_dtype",
    "row_of",
    "rows_of",
    "timed_rows",
    "united_dtype",
    "value_dtype",
    "widened",
]

Array = np.ndarray[Any, Any]
Fields = Mapping[str, Any] | Sequence[tuple[str, Any]] | np.dtype[Any] | type

_WANTED = {
    "f": "a number",
    "c": "a number",
    "i": "a whole number",
    "u": "a whole number that is not negative",
    "b": "True or False",
    "U": "text",
    "S": "bytes",
    "M": "a date",
    "m": "a time span",
    "V": "bytes",
}
_REMEDY = {
    "i": "round it, or declare the field as float",
    "u": "round it, or declare the field as float",
    "b": "use bool(value), or declare the field as int",
}
# Which kinds of NumPy array go into which kind of field.
_FITTING = {"f": "biuf", "c": "biufc", "i": "biu", "u": "biu", "b": "b", "U": "U", "S": "S", "M": "M", "m": "m"}


# dtypes -----------------------------------------------------------------------------------------------------------


def element_dtype(dtype: Any) -> np.dtype[Any]:
    """Give the dtype of one element of a ring, in native byte order; refuse one that has no fixed size."""
    try:
        made: np.dtype[Any] = np.dtype(dtype)
    except TypeError as error:
        raise SchemaError(f"expected a NumPy dtype, found {dtype!r}: {error}") from error
    made = made.newbyteorder("=")
    if made.hasobject:
        raise SchemaError(
            f"expected a dtype of a fixed number of bytes, found {made}: Python objects cannot lie in a ring; "
            "use a number type, or fixed-width text such as 'U16'"
        )
    if made.itemsize == 0:
        raise SchemaError(f"expected a dtype of at least one byte, found {made!r}: give its width, such as 'U16'")
    return made


def row_dtype(fields: Fields) -> np.dtype[Any]:
    """Give the structured dtype of a row: "t" (float64, seconds) first, then the fields in their order.

    ``fields`` is a mapping of names to dtypes, a sequence of (name, dtype) pairs, a structured dtype (with or without
    its "t"), or a NamedTuple class whose annotations are types.
    """
    if isinstance(fields, np.dtype):
        return _with_time(fields)
    if isinstance(fields, type):
        hints = typing.get_type_hints(fields) if issubclass(fields, tuple) else {}
        names = getattr(fields, "_fields", None)
        if names is None or set(names) - set(hints):
            raise SchemaError(
                f"expected a NamedTuple class with annotated fields, found {fields!r}: "
                'write them out, such as {"x": "f8"}'
            )
        pairs: Iterable[Any] = [(name, hints[name]) for name in names]
    elif isinstance(fields, Mapping):
        pairs = fields.items()
    elif isinstance(fields, Sequence) and not isinstance(fields, str):
        pairs = fields
    else:
        raise SchemaError(f'expected fields such as {{"x": "f8", "ok": "?"}}, found {fields!r}')
    columns = []
    for pair in pairs:
        if isinstance(pair, str) or len(pair) != 2:
            raise SchemaError(f'expected pairs of a name and a dtype, such as ("x", "f8"), found {pair!r}')
        columns.append((pair[0], element_dtype(pair[1])))
    check_names([name for name, _ in columns])
    return np.dtype([("t", np.float64), *columns])


def _with_time(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """Give a structured dtype with "t" first, adding it where it is not there."""
    if dtype.names is None or dtype.subdtype is not None:
        raise SchemaError(f'expected a structured dtype, found {dtype}: name its fields, such as [("x", "f8")]')
    dtype = element_dtype(dtype)
    if dtype.names and dtype.names[0] == "t":
        check_names(dtype.names[1:])
        time_type, offset = dtype.fields["t"][:2]  # type: ignore[index]
        if time_type != np.float64 or offset != 0:
            raise SchemaError(f'expected "t" to be float64 and to come first, found {time_type} at byte {offset}')
        return dtype
    check_names(dtype.names or ())
    return np.dtype([("t", np.float64), *((name, dtype[name]) for name in dtype.names or ())])


def check_names(names: Iterable[Any]) -> None:
    """Refuse column names that are no text, empty, twice there, or "t"."""
    seen = set()
    for name in names:
        if not isinstance(name, str) or not name:
            raise SchemaError(f"expected column names of at least one character, found {name!r}: name every column")
        if "\0" in name or not _is_text(name):
            raise SchemaError(f"expected a column name that a file can hold, found {name!r}: rename it")
        if name == "t":
            raise SchemaError('found a column called "t", which is the time that every row begins with: rename it')
        if name in seen:
            raise SchemaError(f"found two columns called {name!r}: rename one of them")
        seen.add(name)


def _is_text(name: str) -> bool:
    """Say whether a name can be written down; half a surrogate pair cannot."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


@functools.lru_cache(maxsize=256)
def row_class(names: tuple[str, ...]) -> type[Any]:
    """Give the namedtuple class of rows with these columns.

    Columns whose names are no identifiers get the names ``_0``, ``_1``, ... by their place; ``_columns`` has the true
    ones.
    """
    made = namedtuple("Row", names, rename=True)  # type: ignore[misc]
    made._columns = names  # type: ignore[attr-defined]
    return made


# Values -----------------------------------------------------------------------------------------------------------


def value_dtype(value: Any, name: str) -> np.dtype[Any]:
    """Give the dtype of the column that a first value opens; a value that is no number is refused."""
    if isinstance(value, np.longdouble):
        # No file format has a place for more than 64 bits; rounding to a shorter float is fine.
        return np.dtype(np.float64)
    if isinstance(value, np.bool_ | np.integer | np.floating):
        return value.dtype.newbyteorder("=")
    if isinstance(value, bool):
        return np.dtype(np.bool_)
    if isinstance(value, int):
        if -(2**63) <= value < 2**63:
            return np.dtype(np.int64)
        if 0 <= value < 2**64:
            return np.dtype(np.uint64)
        raise RowRangeError(f"column {name!r}: expected a number of at most 64 bits, found {value}: use a float")
    if isinstance(value, numbers.Real):
        return np.dtype(np.float64)
    raise RowKindError(f"column {name!r}: expected a number, found {_show(value)}: nothing was written")


def opening_dtype(columns: Sequence[str], values: Sequence[Any]) -> np.dtype[Any]:
    """Give the dtype, "t" first, of rows of which these are the first values of the columns after "t"."""
    check_names(columns)
    if len(values) != len(columns):
        raise RowLengthError(f"expected {len(columns)} values {tuple(columns)}, found {len(values)}: {_short(values)}")
    return np.dtype(
        [("t", np.float64), *((name, value_dtype(value, name)) for name, value in zip(columns, values, strict=True))]
    )


def widened(dtype: np.dtype[Any], values: Sequence[Any]) -> np.dtype[Any]:
    """Give the dtype, "t" first, whose columns hold what they held and these values of the columns after "t" too."""
    columns: list[tuple[str, Any]] = [("t", np.float64)]
    for name, value in zip(dtype.names[1:], values, strict=True):  # type: ignore[index]
        try:
            _cast(dtype[name], value, name)
            columns.append((name, dtype[name]))
        except RowError:
            columns.append((name, np.promote_types(dtype[name], value_dtype(value, name))))
    return np.dtype(columns)


def united_dtype(one: np.dtype[Any], other: np.dtype[Any]) -> np.dtype[Any]:
    """Give the dtype whose columns hold what those of two dtypes with the same names hold."""
    return np.dtype([(name, np.promote_types(one[name], other[name])) for name in one.names or ()])


def row_of(dtype: np.dtype[Any], value: Any) -> Array:
    """Give an array of one element that holds the value, or refuse it; the definition of what fits.

    For a structured dtype the value is a sequence of as many values as there are fields, or a structured scalar.
    """
    row = np.zeros(1, dtype)
    if dtype.names is None:
        row[0] = _cast(dtype, value, "")
        return row
    values = _values_of(dtype.names, value)
    for name, item in zip(dtype.names, values, strict=True):
        row[name][0] = _cast(dtype[name], item, name)
    return row


def _values_of(names: tuple[str, ...], value: Any) -> Sequence[Any]:
    """Give the values of a row as a sequence of the right length."""
    if isinstance(value, np.void) and value.dtype.names is not None:
        value = tuple(value[name] for name in value.dtype.names)
    if isinstance(value, np.ndarray) and value.ndim == 1:
        value = list(value)
    if not isinstance(value, Sequence) or isinstance(value, str | bytes):
        raise RowKindError(f"expected a tuple of {len(names)} values {names}, found {_show(value)}")
    if len(value) != len(names):
        raise RowLengthError(f"expected {len(names)} values {names}, found {len(value)}: {_short(value)}")
    return value


def _cast(dtype: np.dtype[Any], value: Any, name: str) -> Any:
    """Give what is to be stored in a field for a value, or refuse it."""
    if dtype.subdtype is not None:
        base, shape = dtype.subdtype
        array = cast_array(base, value, name)
        if array.shape != shape:
            raise RowLengthError(f"{_field(name, dtype)}expected values of shape {shape}, found {array.shape}")
        return array
    if dtype.names is not None:
        return row_of(dtype, value)[0]
    if dtype.kind in "fc":
        return _cast_float(dtype, value, name)
    if dtype.kind in "iu":
        return _cast_int(dtype, value, name)
    if dtype.kind == "b" and isinstance(value, bool | np.bool_):
        return value
    if (dtype.kind == "U" and isinstance(value, str)) or (dtype.kind in "SV" and isinstance(value, bytes)):
        width = dtype.itemsize // 4 if dtype.kind == "U" else dtype.itemsize
        # NumPy drops NULs at the end of text.
        if len(value) > width or (dtype.kind in "US" and value[-1:] in ("\0", b"\0")):
            raise RowRangeError(f"{_field(name, dtype)}expected at most {width} characters, found {_short(value)}")
        return value
    if dtype.kind in "MmV" and isinstance(value, np.generic) and np.can_cast(value.dtype, dtype, "safe"):
        return value
    raise _kind_error(dtype, value, name)


def _cast_float(dtype: np.dtype[Any], value: Any, name: str) -> Any:
    """Give a float or complex number for a field, or refuse the value."""
    wanted = complex if dtype.kind == "c" else float
    is_number = isinstance(value, numbers.Complex if wanted is complex else numbers.Real | np.bool_)
    # Numbers of other libraries say by their methods that they are.
    says_so = hasattr(type(value), "__float__") and not isinstance(value, numbers.Complex | np.ndarray | np.generic)
    if isinstance(value, np.ndarray) and value.ndim == 0:
        return _cast_float(dtype, value[()], name)
    if not (is_number or says_so):
        raise _kind_error(dtype, value, name)
    try:
        number = wanted(value) if not isinstance(value, np.generic) else value
    except OverflowError as error:
        raise _range_error(dtype, value, name) from error
    except (TypeError, ValueError) as error:
        raise _kind_error(dtype, value, name) from error
    with np.errstate(over="ignore"):
        stored = np.asarray(number).astype(dtype)[()]
    if np.isinf(stored) and not np.isinf(number):
        raise _range_error(dtype, value, name)
    return stored


def _cast_int(dtype: np.dtype[Any], value: Any, name: str) -> int:
    """Give a whole number for a field, or refuse the value."""
    if isinstance(value, np.bool_):
        return int(value)
    try:
        number = operator.index(value)
    except TypeError as error:
        raise _kind_error(dtype, value, name) from error
    limits = np.iinfo(dtype)
    if not limits.min <= number <= limits.max:
        raise _range_error(dtype, value, name)
    return number


def cast_array(dtype: np.dtype[Any], values: Any, name: str = "") -> Array:
    """Give values as an array of a scalar dtype; each must fit, or all are refused. A copy only where needed."""
    try:
        array = np.asarray(values)
    except ValueError as error:
        raise RowLengthError(
            f"{_field(name, dtype)}expected values that make an array, found {_short(values)}: {error}"
        ) from error
    if array.dtype == dtype and (dtype.kind not in "US" or isinstance(values, np.ndarray)):
        return array
    if not isinstance(values, np.ndarray) and dtype.kind in "iuUS":
        # NumPy finds a common type for mixed values: float for large ints of both signs, text for text and numbers.
        array = np.asarray(values, object)
    if array.dtype == object:
        cast = np.zeros(array.shape, dtype)
        for place in np.ndindex(array.shape):
            cast[place] = _cast(dtype, array[place], name)
        return cast
    if array.size == 0:
        return array.astype(dtype)
    if array.dtype.kind not in _FITTING.get(dtype.kind, ""):
        raise _kind_error(dtype, array.flat[0], name, f" (an array of {array.dtype})")
    if dtype.kind in "iu":
        limits = np.iinfo(dtype)
        for extreme in (array.min(), array.max()):
            if not limits.min <= int(extreme) <= limits.max:
                raise _range_error(dtype, extreme, name)
    elif dtype.kind in "US" and array.dtype.itemsize > dtype.itemsize:
        if (longest := max(array.flat, key=len)) and len(longest) > dtype.itemsize // (4 if dtype.kind == "U" else 1):
            raise _range_error(dtype, longest, name)
    elif dtype.kind in "Mm" and not np.can_cast(array.dtype, dtype, "safe"):
        raise _kind_error(dtype, array.flat[0], name)
    with np.errstate(over="ignore"):
        cast = array.astype(dtype)
    if dtype.kind in "fc":
        lost = np.isinf(cast) & ~np.isinf(array)
        if lost.any():
            raise _range_error(dtype, array[lost].flat[0], name)
    return cast


# Blocks of rows ---------------------------------------------------------------------------------------------------


def rows_of(dtype: np.dtype[Any], values: Any) -> Array:
    """Give many elements as a contiguous array of a dtype; each must fit, or all are refused.

    For a structured dtype the values are a structured array with the same names, or a sequence of sequences.
    """
    if isinstance(values, np.ndarray) and values.dtype == dtype and values.ndim == 1:
        return values if values.flags.c_contiguous else values.copy()
    if dtype.names is not None:
        columns = _columns_of(dtype.names, values)
        rows = np.zeros(len(columns[0]), dtype)
        for name, column in zip(dtype.names, columns, strict=True):
            rows[name] = _cast_column(dtype[name], column, name)
        return rows
    base, shape = dtype.subdtype if dtype.subdtype is not None else (dtype, ())
    array = cast_array(base, _sized(values))
    if array.size == 0 and array.ndim == 1:
        array = array.reshape(0, *shape)
    if array.ndim != 1 + len(shape) or array.shape[1:] != shape:
        raise RowLengthError(f"expected elements of shape {shape} in a sequence, found an array of {array.shape}")
    return np.ascontiguousarray(array)


def timed_rows(dtype: np.dtype[Any], times: Any, values: Any) -> Array:
    """Give times and the values that belong to them as rows of a dtype with "t" first; all must fit."""
    stamps = cast_array(np.dtype(np.float64), times, "t")
    if stamps.ndim != 1:
        raise RowLengthError(f"expected times of shape (n,), found {stamps.shape}")
    names = dtype.names[1:]  # type: ignore[index]
    values = _sized(values)
    if names and len(values) != len(stamps):
        raise RowLengthError(f"expected a row of values for each of {len(stamps)} times, found {len(values)} rows")
    rows = np.zeros(len(stamps), dtype)
    rows["t"] = stamps
    for name, column in zip(names, _columns_of(names, values), strict=True):
        rows[name] = _cast_column(dtype[name], column, name)
    return rows


def _sized(values: Any) -> Any:
    """Give many elements as something with a length."""
    if isinstance(values, np.ndarray) and values.ndim:
        return values
    if isinstance(values, str | bytes | np.ndarray) or not isinstance(values, Iterable):
        raise RowKindError(f"expected a sequence of elements, found {_show(values)}: put one alone in a list")
    return values if isinstance(values, Sequence) else list(values)


def _columns_of(names: tuple[str, ...], values: Any) -> list[Any]:
    """Give the values of many rows column by column."""
    if isinstance(values, np.ndarray) and values.dtype.names is not None:
        if values.dtype.names != names:
            raise RowLengthError(f"expected columns {names}, found {values.dtype.names}")
        return [values[name] for name in names]
    if isinstance(values, np.ndarray) and values.dtype != object:
        if values.ndim != 2 or values.shape[1] != len(names):
            raise RowLengthError(f"expected an array of shape (n, {len(names)}) for {names}, found {values.shape}")
        return list(values.T)
    rows = [_values_of(names, row) for row in _sized(values)]
    return [[row[place] for row in rows] for place in range(len(names))]


def _cast_column(dtype: np.dtype[Any], column: Any, name: str) -> Array:
    """Give one column of many rows, each value of which must fit its field."""
    if dtype.subdtype is None and dtype.names is None:
        array = cast_array(dtype, column, name)
        if array.ndim == 1:
            return array
        raise RowLengthError(f"{_field(name, dtype)}expected one value a row, found an array of {array.shape[1:]}")
    cast = np.zeros(len(column), dtype)
    for place, value in enumerate(column):
        cast[place] = _cast(dtype, value, name)
    return cast


# Messages ---------------------------------------------------------------------------------------------------------


def _field(name: str, dtype: np.dtype[Any]) -> str:
    return f"field {name!r} ({dtype}): " if name else f"{dtype}: "


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


def _show(value: Any) -> str:
    return f"{_short(value)} ({type(value).__name__})"


def _kind_error(dtype: np.dtype[Any], value: Any, name: str, more: str = "") -> RowKindError:
    remedy = _REMEDY.get(dtype.kind, "convert it, or declare the field otherwise")
    return RowKindError(f"{_field(name, dtype)}expected {_WANTED[dtype.kind]}, found {_show(value)}{more}: {remedy}")


def _range_error(dtype: np.dtype[Any], value: Any, name: str) -> RowRangeError:
    if dtype.kind in "iu":
        limits = np.iinfo(dtype)
        wanted = f"{limits.min} to {limits.max}"
    elif dtype.kind in "fc":
        wanted = f"at most {np.finfo(dtype).max}"
    else:
        wanted = "a shorter value"
    return RowRangeError(f"{_field(name, dtype)}expected {wanted}, found {_short(value)}: declare a wider field")
