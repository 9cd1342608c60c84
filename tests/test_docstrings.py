"""What the docstrings show is so, and each public one says what a user has to know."""

import doctest
import importlib
import inspect
import pkgutil

import pytest

import ringacc
from ringacc.errors import MissingExtraError

MODULES = sorted(
    info.name for info in pkgutil.walk_packages(ringacc.__path__, "ringacc.") if not info.name.endswith("__main__")
)
PUBLIC = sorted(name for name in ringacc.__all__)
NOTES = ("Complexity:", "Allocates:", "Valid:", "Threads:")


def room(name):
    """Import a module; skip where it needs an extra that is not installed."""
    try:
        return importlib.import_module(name)
    except MissingExtraError as error:
        pytest.skip(str(error))


@pytest.mark.parametrize("name", ["ringacc", *MODULES])
def test_examples_are_so(name):
    """Every example of every module gives what it shows."""
    result = doctest.testmod(room(name), optionflags=doctest.NORMALIZE_WHITESPACE)

    assert result.failed == 0


@pytest.mark.parametrize("name", ["ringacc", *MODULES])
def test_every_room_says_what_belongs_there(name):
    """Every module has a docstring."""
    assert room(name).__doc__


def documented_members():
    """Give every public class and function, and the public methods of classes, also those of bases in the package."""
    for name in PUBLIC:
        thing = getattr(ringacc, name)
        if inspect.isclass(thing) and issubclass(thing, BaseException):
            continue
        yield name, thing
        if inspect.isclass(thing):
            for member, value in inspect.getmembers(thing, inspect.isfunction):
                if not member.startswith("_") and value.__module__.startswith("ringacc"):
                    yield f"{name}.{member}", value


@pytest.mark.parametrize(("name", "thing"), list(documented_members()))
def test_public_members_are_documented(name, thing):
    """Every public member has a docstring, and one with sections has all four notes and an example."""
    text = inspect.getdoc(thing) or ""

    assert text
    is_tuple = inspect.isclass(thing) and issubclass(thing, tuple)
    if ("Notes\n-----" in text or "Parameters\n------" in text) and not is_tuple:
        assert all(line in text for line in NOTES), f"{name} lacks one of {NOTES}"
        assert ">>> " in text, f"{name} has no example"
