"""Whether a saved value fits what is declared, and the value that it stands for.

Belongs here: reading type hints (``declared_types``), and making of a value read from a file one of
the declared type (``fit``): a tuple of a list, an enum of its value, a Path of a text.
May not be here: objects and their parameters, files.

Where a type is not declared, or a name in it cannot be found, the value that the parameter has now is the example: its
type counts as the declared one. Within a container that declares no type of items, an example is only a hint.
"""

from __future__ import annotations

import contextlib
import copy
import math
import re
import sys
import types
import typing
from collections import deque
from collections.abc import Callable, Collection, Iterable, Mapping, MutableSequence, MutableSet, Sequence, Set
from enum import Enum, Flag
from functools import lru_cache
from typing import Annotated, Any, Literal, Union

from ..errors import MisfitError
from .values import NOT_FINITE, TEXT_KINDS, fields_of, json_bytes, plain

__all__ = ["UNDECLARED", "declared_types", "described", "fit", "made_like"]

# In place of a type hint: nothing is declared.
UNDECLARED: Any = object()

_NATIVE = frozenset({bool, int, float, str})
_CONTAINERS = frozenset({list, tuple, set, frozenset, dict})
# Collections of items that a hint may name without saying which.
_ABSTRACT = frozenset({Collection, Sequence, MutableSequence, Set, MutableSet})
Fitter = Callable[[Any, Any, Any, Any], Any]


# Type hints --------------------------------------------------------------------------------------


@lru_cache(maxsize=512)
def declared_types(cls: type) -> dict[str, Any]:
    """Return the type hint of each field of a class; UNDECLARED where a name in it is not to be found."""
    hints = {}
    for name, field in (fields_of(cls) or {}).items():
        if hasattr(field, "annotation"):  # pydantic's: resolved, with the constraints beside it
            hint, constraints = field.annotation, tuple(field.metadata)
            hints[name] = Annotated[(hint, *constraints)] if constraints else hint
        else:
            hints[name] = UNDECLARED if field.type is None else _resolved(cls, name, field.type)
    return hints


def _resolved(cls: type, name: str, hint: Any) -> Any:
    """Return a hint with the names in it looked up where its class was written."""
    owner = next((c for c in cls.__mro__ if name in getattr(c, "__annotations__", {})), cls)
    module = vars(sys.modules[owner.__module__]) if owner.__module__ in sys.modules else {}
    holder = types.SimpleNamespace(__annotations__={name: hint})
    # The module's names first: a field may be called as its type is ("date: date").
    for names in ({}, dict(vars(owner))):
        with contextlib.suppress(NameError, TypeError, AttributeError, SyntaxError):
            return typing.get_type_hints(holder, module, names, include_extras=True)[name]
    return UNDECLARED


def described(value: object) -> str:
    """Return a value as a reason shows it: cut to a line, with its type."""
    text = repr(value)
    text = text if len(text) <= 60 else text[:57] + "..."
    return f"{text} ({type(value).__name__})"


def _misfit(hint: Any, value: object) -> MisfitError:
    """Return the error about a value of another type than the hint's."""
    expected = hint.__name__ if type(hint) is type else str(hint).replace("typing.", "")
    return MisfitError(f"expected {expected}, found {described(value)}")


# Fitting -----------------------------------------------------------------------------------------


def fit(value: Any, hint: Any, example: Any = None) -> Any:
    """Return the value of the declared type that a saved value stands for.

    Raises MisfitError, which says what was expected, when there is none.
    """
    if hint is type(value) and hint in _NATIVE:
        return value
    origin = typing.get_origin(hint)
    arguments = typing.get_args(hint)
    if origin is Annotated:
        fitted = fit(value, arguments[0], example)
        _check_constraints(fitted, hint.__metadata__)
        return fitted
    if origin is Union or origin is types.UnionType:
        return _fit_union(value, hint, arguments, example)
    if origin is Literal:
        return _fit_listed(value, hint, arguments)
    if origin in (typing.Final, typing.ClassVar):
        return fit(value, arguments[0], example)
    for inner in ("__supertype__", "__value__"):  # a NewType, a type alias
        if hasattr(hint, inner) and not isinstance(hint, type):
            return fit(value, getattr(hint, inner), example)
    if hint in (Any, object):
        return _unnoted_like(value, example)
    cls = type(None) if hint is None else origin or hint
    if isinstance(cls, type):
        return _fitter(cls)(value, cls, arguments, example)
    return value if example is None else fit(value, type(example), example)


def _fit_union(value: Any, hint: Any, arms: tuple[Any, ...], example: Any) -> Any:
    """Return the value of the first arm that takes it as it is, else of the first that fits."""
    fitting = []
    for arm in arms:
        try:
            fitting.append(fit(value, arm, example))
        except MisfitError:
            continue
    for fitted in fitting:
        if type(fitted) is type(value) and fitted == value:
            return fitted
    if not fitting:
        raise _misfit(hint, value)
    return fitting[0]


def _fit_listed(value: Any, hint: Any, listed: Iterable[Any]) -> Any:
    """Return the one of the listed values, or enum members, that a file holds as this value."""
    text = json_bytes(plain(value, ()))
    for member in listed:
        if json_bytes(plain(member, ())) == text:
            return member
    raise _misfit(hint, value)


@lru_cache(maxsize=512)
def _fitter(cls: type) -> Fitter:
    """Return the function that makes values of a class."""
    if issubclass(cls, Enum):
        return _fit_enum
    if issubclass(cls, bool | int | float | str):
        return _fit_scalar
    if any(issubclass(cls, kind.type) for kind in TEXT_KINDS):
        return _fit_text
    if cls.__module__.partition(".")[0] == "numpy":
        return _fit_array
    if issubclass(cls, Mapping):
        return _fit_mapping
    if issubclass(cls, tuple):
        return _fit_tuple
    if issubclass(cls, list | set | frozenset | deque) or cls in _ABSTRACT:
        return _fit_collection
    if fields_of(cls) is not None:
        return _fit_object
    return _fit_instance


def _fit_instance(value: Any, cls: Any, arguments: Any, example: Any) -> Any:
    """Return a value that is one of the class as it is."""
    if isinstance(value, cls):
        return value
    raise _misfit(cls, value)


def _fit_enum(value: Any, cls: Any, arguments: Any, example: Any) -> Any:
    """Return the member whose value a file holds as this value."""
    try:
        member: Enum = _fit_listed(value, cls, cls.__members__.values())
        return member
    except MisfitError:
        if issubclass(cls, Flag) and type(value) is int:
            with contextlib.suppress(ValueError):  # the error below says which there are
                return cls(value)
        names = ", ".join(repr(plain(member.value, ())) for member in cls)
        raise MisfitError(f"expected one of {names}, found {described(value)}") from None


def _fit_scalar(value: Any, cls: Any, arguments: Any, example: Any) -> Any:
    """Return a bool, int, float or str, or one of a subclass of these."""
    kind = next(base for base in (bool, int, float, str) if issubclass(cls, base))
    if kind is float and type(value) is str:
        value = NOT_FINITE.get(value, value)
    if type(value) is not kind and not (kind is float and type(value) is int):
        raise _misfit(cls, value)
    try:
        return cls(value)
    except (ValueError, TypeError, OverflowError) as error:
        raise MisfitError(f"expected {cls.__name__}, found {described(value)}: {error}") from error


def _fit_text(value: Any, cls: Any, arguments: Any, example: Any) -> Any:
    """Return a date, a time or a path, from itself or from the text that stands for it."""
    kind = next(kind for kind in TEXT_KINDS if issubclass(cls, kind.type))
    if kind.name != "path" and isinstance(value, cls):
        return value
    if not isinstance(value, str | kind.type):
        raise _misfit(cls, value)
    text = value if isinstance(value, str) else kind.write(value)
    read = cls if kind.name == "path" else cls.fromisoformat
    try:
        return read(text)
    except (ValueError, NotImplementedError) as error:
        raise MisfitError(f"expected {cls.__name__}, found {described(value)}: {error}") from error


def _fit_array(value: Any, cls: Any, arguments: Any, example: Any) -> Any:
    """Return a NumPy array or scalar, of the example's dtype if there is one."""
    numpy = sys.modules["numpy"]
    if not isinstance(value, list | tuple | bool | int | float | str):
        raise _misfit(cls, value)
    try:
        array = numpy.asarray(value)
    except ValueError as error:
        raise MisfitError(f"expected an array, found rows of different lengths: {error}") from error
    dtype = array.dtype if issubclass(cls, numpy.ndarray) else numpy.dtype(cls)
    dtype = getattr(example, "dtype", dtype)
    fits = dtype.kind != "O" and (array.size == 0 or numpy.can_cast(array.dtype, dtype, "same_kind"))
    with numpy.errstate(over="ignore"):
        cast = array.astype(dtype) if fits else array
    # same_kind lets a number or text into a smaller field, where it would become another one; a float is rounded there.
    kept = numpy.isfinite(cast) == numpy.isfinite(array) if dtype.kind == "f" and fits else cast == array
    if not fits or not kept.all():
        raise MisfitError(f"expected values of dtype {dtype}, found {described(value)}")
    return cast if issubclass(cls, numpy.ndarray) else cast[()]


def _fit_object(value: Any, cls: Any, arguments: Any, example: Any) -> Any:
    """Return a new dataclass, attrs or pydantic object made of the saved fields."""
    if not isinstance(value, dict):
        raise _misfit(cls, value)
    hints = declared_types(cls)
    given = {}
    for name, item in value.items():
        field = (fields_of(cls) or {}).get(name)
        given[getattr(field, "alias", None) or name] = _within(name, item, hints.get(name, Any))
    try:
        return cls(**given)
    except Exception as error:  # whatever the constructor of a user's class raises is the reason
        raise MisfitError(f"expected the fields of {cls.__name__}: {error}") from error


# Containers --------------------------------------------------------------------------------------


def _within(place: object, value: Any, hint: Any) -> Any:
    """Return the fitted item of a container; the reason for a misfit says where it stands."""
    try:
        return fit(value, hint)
    except MisfitError as error:
        raise MisfitError(f"at {place!r}: {error}") from error


def _examples(examples: Any, count: int) -> list[Any]:
    """Return for each of the items an example: its own, or the first where all are of one kind, or None."""
    found = list(examples) if isinstance(examples, Collection) else []
    if len(found) == count:
        return found
    one_kind = len(set(map(type, found))) == 1
    return [found[0] if one_kind else None] * count


def made_like(value: Any, example: Any) -> Any:
    """Return a value of a file that notes no kinds, with those that an example shows: tuples, dates, paths.

    An example is no promise: what cannot be made like it stays as it was saved.
    """
    kind: Any = type(example)
    if type(value) is list and kind in _CONTAINERS and kind is not dict:
        items = list(map(made_like, value, _examples(example, len(value))))
        try:
            return kind(items)
        except TypeError:
            return items
    if type(value) is dict and kind is dict:
        return {key: made_like(item, example.get(key)) for key, item in value.items()}
    if type(value) is str and any(issubclass(kind, text.type) for text in TEXT_KINDS):
        return _like(value, example)
    return value


def _like(value: Any, example: Any) -> Any:
    """Return an item of a container that declares no type of items, made like one that is there, if it can be."""
    try:
        return value if example is None else fit(value, type(example), example)
    except MisfitError:
        return value


def _unnoted_like(value: Any, example: Any) -> Any:
    """Return an item like the one that is there, if it is of a kind that no note can tell (an enum, an array)."""
    kind = type(example)
    if kind in _NATIVE:
        return value
    if type(value) is not kind and (kind in _CONTAINERS or any(issubclass(kind, text.type) for text in TEXT_KINDS)):
        return value
    return _like(value, example)


def _fit_tuple(value: Any, cls: Any, arguments: Any, example: Any) -> Any:
    """Return a tuple or a named one."""
    if not isinstance(value, list | tuple):
        raise _misfit(cls, value)
    names = getattr(cls, "_fields", None)
    if names is not None:
        hints = [_resolved(cls, n, getattr(cls, "__annotations__", {}).get(n, Any)) for n in names]
    elif len(arguments) == 2 and arguments[1] is Ellipsis:
        hints = [arguments[0]] * len(value)
    elif arguments:
        hints = list(arguments)
    else:
        return cls(map(_unnoted_like, value, _examples(example, len(value))))
    if len(hints) != len(value):
        raise MisfitError(f"expected {len(hints)} items, found {len(value)}: {described(value)}")
    items = [_within(i, item, hints[i]) for i, item in enumerate(value)]
    return cls(*items) if names is not None else cls(items)


def _fit_collection(value: Any, cls: Any, arguments: Any, example: Any) -> Any:
    """Return a list, a set, a deque or another collection of items of one type."""
    accepted = (list, tuple, set, frozenset) if issubclass(cls, Set) else (list, tuple)
    if not isinstance(value, accepted):
        raise _misfit(cls, value)
    if arguments:
        items = [_within(i, item, arguments[0]) for i, item in enumerate(value)]
    else:
        items = list(map(_unnoted_like, value, _examples(example, len(value))))
    if issubclass(cls, deque) and isinstance(example, deque):
        return cls(items, example.maxlen)
    if cls in _ABSTRACT:  # what was saved, if it is one
        cls = type(value) if isinstance(value, cls) else (set if issubclass(cls, Set) else list)
    try:
        return cls(items)
    except TypeError as error:
        raise MisfitError(f"expected {cls.__name__}, found {described(value)}: {error}") from error


def _fit_mapping(value: Any, cls: Any, arguments: Any, example: Any) -> Any:
    """Return a dict or another mapping; it is taken as a whole, with the keys that were saved."""
    if not isinstance(value, dict):
        raise _misfit(cls, value)
    if len(arguments) == 2:
        items = {_fit_key(key, arguments[0]): _within(key, item, arguments[1]) for key, item in value.items()}
    else:
        there = example if isinstance(example, Mapping) else {}
        items = {key: _unnoted_like(item, there.get(key)) for key, item in value.items()}
    if type(example) is cls and cls is not dict and hasattr(cls, "clear"):
        same_kind = copy.copy(example)  # keeps what the constructor was given, such as a default
        same_kind.clear()
        same_kind.update(items)
        return same_kind
    return items


def _fit_key(key: Any, hint: Any) -> Any:
    """Return a mapping's key; JSON has none but text, so a whole number may stand there as text."""
    try:
        return fit(key, hint)
    except MisfitError:
        if isinstance(key, str) and re.fullmatch(r"-?\d+", key):
            return fit(int(key), hint)
        raise


# Constraints -------------------------------------------------------------------------------------


def _is_multiple(value: Any, step: Any) -> bool:
    """Tell whether a number is a multiple of a step, as exactly as floats can be."""
    return math.isclose(value / step, round(value / step), rel_tol=1e-9, abs_tol=1e-9)


# The attributes of annotated-types, which pydantic's own constraints share.
_CONSTRAINTS = {
    "gt": (lambda value, bound: value > bound, "above"),
    "ge": (lambda value, bound: value >= bound, "at least"),
    "lt": (lambda value, bound: value < bound, "below"),
    "le": (lambda value, bound: value <= bound, "at most"),
    "multiple_of": (_is_multiple, "a multiple of"),
    "min_length": (lambda value, bound: len(value) >= bound, "of a length of at least"),
    "max_length": (lambda value, bound: len(value) <= bound, "of a length of at most"),
    "pattern": (lambda value, bound: re.search(bound, value) is not None, "text that matches"),
    "allow_inf_nan": (
        lambda value, bound: bound or math.isfinite(value),
        "finite; allow_inf_nan is",
    ),
}


def _check_constraints(value: Any, constraints: Iterable[Any]) -> None:
    """Raise MisfitError for a value that breaks one of its annotated constraints."""
    if value is None:
        return
    for constraint in constraints:
        nested = getattr(constraint, "metadata", None)  # of a pydantic Field within Annotated
        _check_constraints(value, nested if isinstance(nested, list | tuple) else ())
        for name, (holds, words) in _CONSTRAINTS.items():
            bound = getattr(constraint, name, None)
            if bound is not None and not callable(bound) and not _holds(holds, value, bound):
                raise MisfitError(f"expected a value {words} {bound!r}, found {described(value)}")
        if type(constraint).__name__ == "Predicate" and not constraint.func(value):
            raise MisfitError(f"expected a value for which {constraint.func} holds, found {value!r}")


def _holds(holds: Any, value: Any, bound: Any) -> bool:
    """Tell whether a constraint holds; one that cannot be asked of such a value does not."""
    try:
        return bool(holds(value, bound))
    except TypeError:
        return False
