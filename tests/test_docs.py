"""The pages: what they show is so, and they look well in a real browser.

The site is built once, and only where everything is compiled: it is the same in the other lanes.
"""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys

import pages
import pytest
from browser_stage import DESKTOP, PHONE, served

import ringacc
from ringacc import report, watching
from ringacc.cli.parser import make_parser

#: What the examples of a page need that not every installation has.
NEEDS = {"report.md": "matplotlib"}


@pytest.mark.parametrize("page", pages.PAGES, ids=lambda page: str(page.relative_to(pages.ROOT)))
def test_examples_are_so(page, tmp_path, rings):
    """Every example of a page gives what it shows, and every block of Python is run."""
    if page.name in NEEDS:
        pytest.importorskip(NEEDS[page.name])
    assert pages.unrun(page) == []
    wrong = pages.run(page, tmp_path)
    assert not wrong, wrong


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """Build the site, and give its folder."""
    for module in ("sphinx", "furo", "myst_parser"):
        pytest.importorskip(module)
    if os.environ.get("NUMBA_DISABLE_JIT") or os.environ.get("NUMBA_BOUNDSCHECK"):
        pytest.skip("built in the lane where everything is compiled")
    folder = tmp_path_factory.mktemp("site")
    command = [
        sys.executable,
        "-m",
        "sphinx",
        "-W",
        "--keep-going",
        "-q",
        "-b",
        "html",
        str(pages.ROOT / "docs"),
        str(folder),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return folder


def test_site_builds_without_a_warning(site):
    """Every page is there."""
    assert (site / "index.html").is_file()


def addresses(site):
    """Give the pages of the site, as they are called in an address."""
    every = sorted(path.relative_to(site).as_posix() for path in site.rglob("*.html"))
    return [name for name in every if not name.startswith("_modules/")]


@pytest.fixture(scope="module")
def address(site):
    """Serve the site, and give its address."""
    with served(site) as where:
        yield where


@pytest.mark.parametrize("size", [PHONE, DESKTOP], ids=["phone", "desktop"])
def test_pages_look_well(site, address, browser, size):
    """No page has a broken picture, complains, or is wider than its window; tables scroll at worst within it."""
    wrong = {}
    browser.complaints()
    for name in addresses(site):
        browser.open(f"{address}/{name}", size)
        cut = browser.run(
            "const every = document.querySelectorAll('article table, article pre, article img, article svg');"
            "return [...every].filter(e => {"
            "  const box = e.closest('.table-wrapper, pre') || e.parentElement;"
            "  const cut = e.getBoundingClientRect().right > document.documentElement.clientWidth + 1;"
            "  return cut && !['auto', 'scroll'].includes(getComputedStyle(box).overflowX);"
            "}).map(e => e.outerHTML.slice(0, 80))"
        )
        found = [*cut, *browser.broken_pictures(), *browser.complaints()]
        if browser.overflow() > 0:
            found.append(f"{browser.overflow()} pixels too wide")
        if found:
            wrong[name] = found

    assert not wrong


def test_tables_fit_a_desktop(site, address, browser):
    """Where there is room, no table has to be scrolled."""
    wrong = []
    for name in addresses(site):
        browser.open(f"{address}/{name}", DESKTOP)
        if browser.run(
            "return [...document.querySelectorAll('.table-wrapper')].some(e => e.scrollWidth > e.clientWidth + 1)"
        ):
            wrong.append(name)

    assert wrong == []


def test_words_in_tables_are_whole(site, address, browser):
    """On a phone, no word of a table is broken where it may not be: each fits on a line of its cell."""
    wrong = {}
    for name in addresses(site):
        browser.open(f"{address}/{name}", PHONE)
        found = browser.run(
            "const found = [], range = document.createRange();"
            "for (const cell of document.querySelectorAll('article table.docutils td, article table.docutils th')) {"
            "  const walk = document.createTreeWalker(cell, NodeFilter.SHOW_TEXT);"
            "  for (let text = walk.nextNode(); text; text = walk.nextNode()) {"
            "    if (text.parentElement.closest('code')) continue;"
            "    for (const word of text.data.matchAll(/[\\p{L}\\p{N}]+/gu)) {"
            "      range.setStart(text, word.index);"
            "      range.setEnd(text, word.index + word[0].length);"
            "      if (new Set([...range.getClientRects()].map(r => r.top)).size > 1) found.push(word[0]);"
            "    }"
            "  }"
            "}"
            "return found"
        )
        if found:
            wrong[name] = found

    assert not wrong


def test_every_public_name_is_in_the_api(site):
    """The pages of the API have everything that can be imported from the package, and what displays stand on."""
    from sphinx.util.inventory import InventoryFile

    with (site / "objects.inv").open("rb") as file:
        inventory = InventoryFile.load(file, "", lambda base, name: name)
    known = {name.rpartition(".")[2] for kind in inventory if kind.startswith("py:") for name in inventory[kind]}

    # Where there is no Qt, the widget cannot be imported, and is on the page all the same.
    assert {*ringacc.__all__, *report.__all__, *watching.__all__, "StreamPlot"} <= known


def test_figures_are_those_of_their_script():
    """What is in the folder of figures is what the script draws from rings as they are now."""
    spec = importlib.util.spec_from_file_location("figures", pages.ROOT / "docs" / "figures.py")
    figures = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(figures)

    for name, figure in figures.FIGURES.items():
        assert (figures.FOLDER / f"{name}.svg").read_text(encoding="utf-8") == figure()


@pytest.mark.parametrize("page", pages.PAGES, ids=lambda page: str(page.relative_to(pages.ROOT)))
def test_commands_on_the_pages_are_there(page):
    """Every `ringacc` command in a block of shell is one, with options that it has."""
    lines = [line for _, text in pages.blocks(page, ("sh", "bash", "console")) for line in text.splitlines()]
    commands = [part.split("#")[0].split() for line in lines for part in re.split(r"&&|\|", line.lstrip("$ "))]
    for words in commands:
        if words and words[0] == "ringacc":
            make_parser().parse_args(words[1:])
