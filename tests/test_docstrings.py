"""What the docstrings show is so, and each public one says what a user has to know."""

import doctest
import importlib
import inspect
import pkgutil
import re

import pytest

import ringacc
from ringacc.errors import MissingExtraError

MODULES = sorted(
    info.name for info in pkgutil.walk_packages(ringacc.__path__, "ringacc.") if not info.name.endswith("__main__")
)
PUBLIC = sorted(name for name in ringacc.__all__)
#: For the package's own rooms, and not on the pages of the API.
INSIDE = {"another_appender", "handle_of", "over", "take_block", "unpacked"}
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


def sees_notes(text):
    """Say whether a text sends its readers to a callable of the package that has all four notes."""
    found = re.search(r"see `(?P<name>[\w.]+)`", text)
    if found is None:
        return False
    thing = ringacc
    for part in found["name"].split("."):
        thing = getattr(thing, part, None)
    return all(line in (inspect.getdoc(thing) or "") for line in NOTES)


@pytest.mark.parametrize(("name", "thing"), list(documented_members()))
def test_public_members_are_documented(name, thing):
    """Every public callable has all four notes, or says where they are; one with parameters has an example."""
    text = inspect.getdoc(thing) or ""

    assert text
    if name.rpartition(".")[2] not in INSIDE:
        assert all(line in text for line in NOTES) or sees_notes(text), f"{name} lacks one of {NOTES}"
    if "Parameters\n------" in text:
        assert ">>> " in text, f"{name} has no example"


@pytest.mark.parametrize("room", ["jit", "testing"])
def test_other_public_rooms_are_documented(room):
    """What `ringacc.jit` and `ringacc.testing` give has all four notes."""
    module = importlib.import_module(f"ringacc.{room}")
    lacking = [
        name
        for name in module.__all__
        if name not in INSIDE and not all(line in (getattr(module, name).__doc__ or "") for line in NOTES)
    ]

    assert lacking == []
