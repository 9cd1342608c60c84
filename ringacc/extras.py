"""Libraries that not every installation has.

Belongs here: the one way to ask for a library of an extra. May not be here: what is done with it.
"""

from __future__ import annotations

from importlib import import_module

from .errors import MissingExtraError

__all__ = ["require"]


def require(extra: str, purpose: str, *libraries: str) -> None:
    """Import the libraries of an extra, or say with which command they are installed.

    MissingExtraError where one is not installed, or does not load: a Qt that lacks a library of the system.
    """
    for library in libraries:
        try:
            import_module(library)
        except ImportError as error:
            raise MissingExtraError(
                f"expected {library}, which {purpose} needs, found none ({error}): install it with "
                f"pip install 'ringacc[{extra}]'"
            ) from error
