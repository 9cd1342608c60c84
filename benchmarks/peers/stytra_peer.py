"""stytra's accumulators without stytra's window system.

Belongs here: how the two modules of stytra that the benchmark needs are loaded. May not be here: a measurement.

``stytra/__init__.py`` starts Qt, cameras and projectors, so it is never run: an empty package of that name, with
stytra's folder as its path, stands for it while ``stytra.collectors`` and ``stytra.utilities`` are imported as they are
installed.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module, metadata
from importlib.util import find_spec
from types import ModuleType
from typing import Any, NamedTuple

__all__ = ["PeerMissingError", "Stytra", "load_stytra"]


class PeerMissingError(RuntimeError):
    """A peer is not installed, so that nothing can be measured against it."""


class _Signal:
    """A signal that nobody listens to: cheaper than Qt's, which is to the peer's advantage."""

    def emit(self, *values: Any) -> None:
        """Do nothing."""


class _Base:
    """What stands for a base class of which the benchmark uses nothing."""


def _nothing(*args: Any, **kwargs: Any) -> None:
    raise NotImplementedError("this function stands for one that the benchmark does not need")


# Always replaced, installed or not: Qt would want a display.
_QT: dict[str, dict[str, Any]] = {"PyQt5": {}, "PyQt5.QtCore": {"QObject": _Base, "pyqtSignal": _Signal}}
# Replaced where they are not installed: imported at the top of the two modules, used by nothing that is measured.
_OPTIONAL: dict[str, dict[str, Any]] = {
    "lightparam": {"ParameterTree": _Base, "set_nested": _nothing, "visit_dict": _nothing},
    "scipy": {},
    "scipy.interpolate": {"interp1d": _nothing},
}


class Stytra(NamedTuple):
    """What the benchmark needs of stytra."""

    version: str
    EstimatorLog: Any


def load_stytra() -> Stytra:
    """Give stytra as it is installed, without Qt.

    Raises
    ------
    PeerMissingError
        stytra is not installed.
    """
    # Both look for scipy while they are imported, and must not find what stands for it.
    for name in ("numba", "pandas"):
        import_module(name)
    spec = find_spec("stytra")
    if spec is None or spec.submodule_search_locations is None:
        raise PeerMissingError(
            "expected stytra, found no such package: pip install --no-deps -r benchmarks/peers/requirements.txt"
        )
    package = ModuleType("stytra")
    package.__path__ = list(spec.submodule_search_locations)
    missing = {name: content for name, content in _OPTIONAL.items() if find_spec(name.partition(".")[0]) is None}
    stubs = {name: _module(name, content) for name, content in {**_QT, **missing}.items()}
    with _standing_in({"stytra": package, **stubs}):
        collectors = import_module("stytra.collectors")
    return Stytra(metadata.version("stytra"), collectors.EstimatorLog)


def _module(name: str, content: dict[str, Any]) -> ModuleType:
    module = ModuleType(name)
    vars(module).update(content)
    return module


@contextmanager
def _standing_in(modules: dict[str, ModuleType]) -> Iterator[None]:
    """Let modules stand for those of their names, and put back what was there before."""
    before = {name: sys.modules.get(name) for name in modules}
    sys.modules.update(modules)
    try:
        yield
    finally:
        for name, module in before.items():
            if module is None:
                del sys.modules[name]
            else:
                sys.modules[name] = module
