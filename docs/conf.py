"""How the pages are built: ``python -m sphinx -W --keep-going -b html docs docs/_build``.

Belongs here: Sphinx's settings, and the two things that it is taught: what the commands say of themselves, and that the
notes of a docstring are lines. May not be here: text of the pages.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from sphinx.ext.autodoc.mock import mock

# Signatures and docstrings are read from plain functions, and nothing is compiled for that.
os.environ["NUMBA_DISABLE_JIT"] = "1"
os.environ["COLUMNS"] = "80"  # of the commands' help
os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")  # the widget is read, not shown
ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import ringacc  # noqa: E402
import ringacc.errors  # noqa: E402
from ringacc.cli.parser import make_parser  # noqa: E402

project = "ringacc"
author = "The ringacc developers"
copyright = author
version = release = ringacc.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.viewcode"]
exclude_patterns = ["_build"]
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3

default_role = "py:obj"
smartquotes = False  # two dashes are an option, and quotes are typed as they are shown
add_module_names = False
python_use_unqualified_type_names = True
maximum_signature_line_length = 72
autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
try:
    import ringacc.view
except ringacc.errors.MissingExtraError:
    # The extra "docs" has no Qt: its parts are made up, and what asks for them is skipped.
    ringacc.view = sys.modules["ringacc.view"] = ModuleType("ringacc.view")
    ringacc.view.__path__ = [str(ROOT / "ringacc" / "view")]
    with mock(["pyqtgraph"]):
        from ringacc.view.plot import StreamPlot
    ringacc.view.StreamPlot = StreamPlot
napoleon_google_docstring = False
napoleon_use_rtype = False
napoleon_use_ivar = True
napoleon_preprocess_types = False
viewcode_line_numbers = True

html_theme = "furo"
html_title = f"ringacc {release}"
html_static_path = ["_static"]
html_css_files = ["pages.css"]
html_theme_options = {"navigation_with_keys": True}
html_favicon = "_static/favicon.svg"
html_copy_source = False
html_show_copyright = False

_NOTE = re.compile(r"(Complexity|Allocates|Valid|Threads): ")


def _notes_as_lines(app: Any, what: str, name: str, thing: Any, options: Any, lines: list[str]) -> None:
    """Let each of the four notes of a docstring be a line of its own, as it is in the source; leave out house rules."""
    if what == "module":  # what belongs into a file is for who works on it
        text = "\n".join(lines).split("\n\n")
        lines[:] = "\n\n".join(part for part in text if not part.startswith("Belongs here")).split("\n")
    is_note = False
    for place, line in enumerate(lines):
        if found := _NOTE.match(line):
            is_note = True
            lines[place] = f"* *{found[1]}:* {line[found.end() :]}"
        elif not line.strip():
            is_note = False
        elif is_note:
            lines[place] = f"  {line}"


# Links that are right for who reads a page where it lies, as far as pages of the site have what they lead to.
_ELSEWHERE = {
    "](../benchmarks/README.md": "](benchmarks.md",
    "](../benchmarks/peers/README.md": "](peers.md",
    "](peers/README.md": "](peers.md",
    "](../CONTRIBUTING.md": "](contributing.md",
}


def _links_within(app: Any, name: str, source: list[str]) -> None:
    """Let links to files outside of the folder lead to the pages that include them."""
    for link, page in _ELSEWHERE.items():
        source[0] = source[0].replace(link, page)


def _links_within_included(app: Any, relative_path: Path, parent: str, source: list[str]) -> None:
    """Do the same in what a page includes."""
    _links_within(app, parent, source)


def _commands_by_their_help(app: Any, name: str, source: list[str]) -> None:
    """Let the page of the commands have what each says of itself."""
    if name == "commands":
        parser = make_parser()
        subparsers = next(action for action in parser._actions if isinstance(action, argparse._SubParsersAction))
        every = {"": parser, **subparsers.choices}
        source[0] += "".join(
            f"\n## ringacc {command}\n\n```text\n{said.format_help()}```\n" for command, said in every.items()
        )


def setup(app: Any) -> None:
    """Teach Sphinx."""
    app.connect("source-read", _links_within)
    app.connect("include-read", _links_within_included)
    app.connect("source-read", _commands_by_their_help)
    # Before napoleon, which has 500.
    app.connect("autodoc-process-docstring", _notes_as_lines, priority=400)
