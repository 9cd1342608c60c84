"""The pages: what they show is so, and they look well in a real browser.

The site is built once, and only where everything is compiled: it is the same in the other lanes.
"""

from __future__ import annotations

import os
import subprocess
import sys

import pages
import pytest
from browser_stage import DESKTOP, PHONE, served


@pytest.mark.parametrize("page", pages.PAGES, ids=lambda page: str(page.relative_to(pages.ROOT)))
def test_examples_are_so(page, tmp_path, rings):
    """Every example of a page gives what it shows, and every block of Python is run."""
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
