"""The parameters of the objects that people already have: how to find, read, check and set them.

Belongs here: the five kinds of objects (pydantic, attrs, dataclass, mapping, lightparam-style),
each known by its own protocol, with no import of its library; what they declare (type, limits,
choices, unit, loadable) and whether a saved value keeps to it.
May not be here: the tree that the objects stand in, files.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, MutableMapping
from enum import Enum
from functools import lru_cache, partial
from typing import Any, NamedTuple

from ..errors import MisfitError, ParametersError
from .typefit import UNDECLARED, declared_types, described, fit, made_like
from .values import DEEPEST, EntryPath, fields_of, joined, same

__all__ = ["Declaration", "Parameter", "accepted", "own_path", "parameters_of"]


_UNSET = object()
_NO_OBJECTS = frozenset({type(None), bool, int, float, str, list, tuple, dict, set})


class Declaration(NamedTuple):
    """What an object says about one of its parameters."""

    hint: Any = UNDECLARED
    limits: tuple[Any, Any] | None = None
    choices: tuple[Any, ...] | None = None
    unit: str = ""
    loadable: bool = True
    validator: Callable[[Any, Any], None] | None = None  # called with the object and the value


class Parameter(NamedTuple):
    """One parameter of one object, with the value that it has at the moment."""

    path: EntryPath
    owner: Any
    value: Any
    declaration: Declaration
    put: Callable[[Any], None]


# Finding -----------------------------------------------------------------------------------------


def parameters_of(owner: Any, path: EntryPath) -> Iterator[Parameter]:
    """Yield the parameters of an object and of the objects in it, with their values of now.

    Raises ParametersError for an object of none of the kinds.
    """
    if fields_of(type(owner)) is not None:
        yield from _of_fields(owner, path)
    elif isinstance(owner, Mapping):
        yield from _of_mapping(owner, path)
    elif _is_parametrized(owner):
        yield from _of_parametrized(owner, path)
    else:
        raise ParametersError(
            f"{joined(path)!r}: expected a dataclass, attrs or pydantic object, a mapping, or an "
            f"object with .name and .params, found {described(owner)}; hand over an "
            "instance of one of these, or use add_static_data for a value that is no parameter"
        )


def own_path(owner: Any) -> str | None:
    """Return the path that a lightparam-style object brings with it, None for the other kinds."""
    if fields_of(type(owner)) is None and not isinstance(owner, Mapping | type):
        name = getattr(owner, "name", None)
        return name if isinstance(name, str) else None
    return None


def _is_parametrized(owner: Any) -> bool:
    """Tell whether an object has .params with .items(), as lightparam's have."""
    params = None if isinstance(owner, type) else getattr(owner, "params", None)
    return callable(getattr(params, "items", None))


def _is_branch(value: Any) -> bool:
    """Tell whether a mapping's value is a mapping with parameters of its own."""
    return isinstance(value, Mapping) and bool(value) and all(isinstance(key, str) for key in value)


def _check_depth(path: EntryPath) -> None:
    """Raise ParametersError for an object that holds itself."""
    if len(path) > DEEPEST:
        raise ParametersError(
            f"{joined(path[:3])!r}...: expected objects within {DEEPEST} levels, found one that is "
            "nested deeper or holds itself; take the reference to itself out of its fields"
        )


def _of_fields(owner: Any, path: EntryPath) -> Iterator[Parameter]:
    """Yield the fields of an object; a field that holds such an object is a branch."""
    _check_depth(path)
    cls: type = type(owner)
    for name, declaration in _declarations(cls).items():
        value = getattr(owner, name, _UNSET)
        if value is _UNSET:  # declared, and not yet set: there is nothing to read
            continue
        here = (*path, name)
        if type(value) not in _NO_OBJECTS and fields_of(type(value)) is not None:
            yield from _of_fields(value, here)
        else:
            yield Parameter(here, owner, value, declaration, partial(_put_field, owner, name))


def _put_field(owner: Any, name: str, value: Any) -> None:
    """Set a field, or leave it as it was."""
    before = getattr(owner, name)
    try:
        setattr(owner, name, value)
    except Exception:
        # pydantic checks a model as a whole only when the field is set already, and leaves it set.
        if getattr(owner, name) is not before:
            object.__setattr__(owner, name, before)
        raise


def _of_mapping(owner: Mapping[Any, Any], path: EntryPath) -> Iterator[Parameter]:
    """Yield the items of a mapping; an item that is a mapping or an object is a branch."""
    _check_depth(path)
    for name, value in owner.items():
        if not isinstance(name, str):
            raise ParametersError(
                f"{joined(path)!r}: expected a mapping with text as names, found the name "
                f"{described(name)}; a mapping that is one value belongs in a field or a Param"
            )
        here = (*path, name)
        if _is_branch(value):
            yield from _of_mapping(value, here)
        elif fields_of(type(value)) is not None:
            yield from _of_fields(value, here)
        else:
            yield Parameter(here, owner, value, Declaration(), partial(_put_item, owner, name))


def _put_item(owner: Mapping[str, Any], name: str, value: Any) -> None:
    """Set an item of a mapping."""
    if not isinstance(owner, MutableMapping):
        raise MisfitError(f"a {type(owner).__name__} is read-only")
    owner[name] = value


def _of_parametrized(owner: Any, path: EntryPath) -> Iterator[Parameter]:
    """Yield the Params of a lightparam-style object; each has .value, .limits and .loadable."""
    for name, param in dict(owner.params.items()).items():
        here = (*path, name)
        if hasattr(param, "value") and not isinstance(param, Enum):
            put = partial(_put_param, owner, name, param)
            yield Parameter(here, owner, param.value, _param_declaration(here, param), put)
        else:  # .params is a plain mapping of values
            yield Parameter(here, owner, param, Declaration(), partial(_put_item, owner.params, name))


def _put_param(owner: Any, name: str, param: Any, value: Any) -> None:
    """Set a Param as its object does, with the object's signal blocked as lightparam does it."""
    blocked = getattr(owner, "block_signal", None)
    if blocked is not None:
        owner.block_signal = True
    try:
        if getattr(owner, name, param) is param.value:
            setattr(owner, name, value)  # the object stands before its Param: it marks the change
        else:
            param.value = value
    finally:
        if blocked is not None:
            owner.block_signal = blocked


# Declarations ------------------------------------------------------------------------------------


@lru_cache(maxsize=512)
def _declarations(cls: type) -> dict[str, Declaration]:
    """Return what the fields of a class declare."""
    hints = declared_types(cls)
    found = {}
    for name, field in (fields_of(cls) or {}).items():
        said = getattr(field, "metadata", None)
        if not isinstance(said, Mapping):  # pydantic's metadata are constraints; this is its mapping
            said = getattr(field, "json_schema_extra", None)
        said = said if isinstance(said, Mapping) else {}
        validator = getattr(field, "validator", None)
        found[name] = _declaration(
            f"{cls.__name__}.{name}",
            hints[name],
            limits=said.get("limits"),
            choices=said.get("choices"),
            unit=said.get("unit", ""),
            loadable=said.get("loadable", True),
            validator=partial(_validated, validator, field) if callable(validator) else None,
        )
    return found


def _validated(validator: Callable[..., None], field: Any, owner: Any, value: Any) -> None:
    """Call an attrs validator, which takes the object, the attribute and the value."""
    validator(owner, field, value)


def _param_declaration(path: EntryPath, param: Any) -> Declaration:
    """Return what a Param declares: its limits are choices when they are a list."""
    limits = getattr(param, "limits", None)
    return _declaration(
        joined(path),
        UNDECLARED,
        limits=None if isinstance(limits, list) else limits,
        choices=limits if isinstance(limits, list) else None,
        unit=getattr(param, "unit", ""),
        loadable=getattr(param, "loadable", True),
    )


def _declaration(
    place: str,
    hint: Any,
    *,
    limits: Any,
    choices: Any,
    unit: Any,
    loadable: Any,
    validator: Callable[[Any, Any], None] | None = None,
) -> Declaration:
    """Return a declaration; ParametersError for limits that are no pair, or no list of choices."""
    if limits is not None and not (isinstance(limits, tuple | list) and len(limits) == 2):
        raise ParametersError(
            f"{place}: expected limits such as (0, 10), with None for an open end, found {described(limits)}"
        )
    if choices is not None and (isinstance(choices, str) or not hasattr(choices, "__iter__")):
        raise ParametersError(f"{place}: expected choices as a list, found {described(choices)}")
    return Declaration(
        hint=hint,
        limits=None if limits is None else (limits[0], limits[1]),
        choices=None if choices is None else tuple(choices),
        unit=str(unit or ""),
        loadable=bool(loadable),
        validator=validator,
    )


# Checking ----------------------------------------------------------------------------------------


def accepted(parameter: Parameter, saved: Any, noted: bool) -> Any:
    """Return the value of the declared type that a saved value stands for, within what is declared.

    Where the file noted no kinds, the parameter's value of now is the example for what JSON has no word for.
    Raises MisfitError, or whatever a validator of the object's class raises.
    """
    declaration = parameter.declaration
    value = fit(saved if noted else made_like(saved, parameter.value), declaration.hint, parameter.value)
    if declaration.choices is not None:
        _check_choices(value, declaration)
    if declaration.limits is not None:
        _check_limits(value, declaration)
    if declaration.validator is not None:
        declaration.validator(parameter.owner, value)
    return value


def _check_choices(value: Any, declaration: Declaration) -> None:
    """Raise MisfitError for a value that is none of the choices."""
    choices = declaration.choices or ()
    if not any(same(value, choice) for choice in choices):
        raise MisfitError(f"expected one of {list(choices)!r}, found {described(value)}")


def _check_limits(value: Any, declaration: Declaration) -> None:
    """Raise MisfitError for a number, or an item of a list or tuple, outside of the limits."""
    low, high = declaration.limits or (None, None)
    for number in value if isinstance(value, list | tuple) else [value]:
        if number is None:
            continue
        try:
            inside = (low is None or low <= number) and (high is None or number <= high)
        except TypeError as error:
            raise MisfitError(f"expected a value within limits, found {described(number)}") from error
        if not inside:
            unit = f" {declaration.unit}" if declaration.unit else ""
            bounds = f"{'' if low is None else low}..{'' if high is None else high}{unit}"
            raise MisfitError(f"expected a value within {bounds}, found {described(number)}")
