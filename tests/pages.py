"""The examples on the pages: how they are found and run.

Belongs here: what the pages' authors may rely on. A fenced block of Python is one of two things:

- lines that begin with ``>>>``, and what they print: run in order, in one namespace for each page;
- a file, whose name is in a comment on its first line (``# tracker.py``): it lies beside them before they are run.

Each page is run in an empty folder of its own, from where its files can be imported; its rings lie there, too.
"""

from __future__ import annotations

import contextlib
import doctest
import io
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted(path for path in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")] if "_build" not in path.parts)

_FENCE = re.compile(r"^ *```(?P<kind>\S*)[^\n]*\n(?P<text>.*?)^ *```$", re.MULTILINE | re.DOTALL)
_FILE = re.compile(r"# (?P<name>\w+\.py)\n")


def blocks(page, kinds):
    """Give the fenced blocks of these kinds on a page, each with the number of the line before it."""
    text = page.read_text(encoding="utf-8")
    for found in _FENCE.finditer(text):
        if found["kind"] in kinds:
            yield text.count("\n", 0, found.start("text")), found["text"]


def files(page):
    """Give the files that a page shows: their text by their name."""
    named = ((_FILE.match(text), text) for _, text in blocks(page, ("python",)))
    return {name["name"]: text for name, text in named if name}


def unrun(page):
    """Give the blocks of Python that are neither examples nor files: nobody would notice that they are wrong."""
    shown = (text for _, text in blocks(page, ("python", "py", "pycon", "python3", "{code-block}")))
    return [text for text in shown if ">>> " not in text and not _FILE.match(text)]


def run(page, folder):
    """Run the examples of a page in a folder; give what is not as the page has it."""
    for name, text in files(page).items():
        (folder / name).write_text(text, encoding="utf-8")
    lines: list[str] = []
    for line, text in blocks(page, ("python",)):
        if not _FILE.match(text):
            lines.extend("" for _ in range(line - len(lines)))
            lines.extend(text.splitlines())
    examples = doctest.DocTestParser().get_doctest("\n".join(lines) + "\n", {}, page.name, str(page), 0)
    said = io.StringIO()
    modules = {Path(name).stem for name in files(page)}
    sys.path.insert(0, str(folder))
    try:
        with contextlib.chdir(folder):
            doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE).run(examples, out=said.write)
    finally:
        sys.path.remove(str(folder))
        for module in modules:
            sys.modules.pop(module, None)
    return said.getvalue()
