"""What is written in more than one file says the same everywhere."""

import configparser
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import ringacc
from ringacc.kernels.compile import JIT
from ringacc.kernels.times import fps

ROOT = Path(__file__).resolve().parents[1]
IS_CHECKED = os.environ.get("NUMBA_BOUNDSCHECK", "0") not in ("", "0")


def text_of(name):
    return (ROOT / name).read_text(encoding="utf-8")


@pytest.fixture(name="config")
def setup_cfg():
    config = configparser.ConfigParser()
    config.read_string(text_of("setup.cfg"))
    return config


def test_one_version():
    """The citation and the changelog name the version that the package has."""
    assert re.search(r"^version: (\S+)$", text_of("CITATION.cff"), re.MULTILINE)[1] == ringacc.__version__
    assert ringacc.__version__ in re.split(r"^## \[\d", text_of("CHANGELOG.md"), maxsplit=1, flags=re.MULTILINE)[0]


def test_lowest_versions_are_those_of_setup_cfg(config):
    """The constraints have each requirement with a lowest version once, at that version; what users need has one."""
    printed = subprocess.run(
        [sys.executable, str(ROOT / ".ci" / "minimum.py")], capture_output=True, text=True, check=True
    ).stdout
    found = dict(line.split(" == ") for line in printed.splitlines())
    needed = [*config["options"]["install_requires"].split("\n"), *config["options.extras_require"]["view"].split("\n")]
    for line in filter(None, needed):
        name, version = re.match(r"(\S+) >= ([\w.]+)", line).groups()
        assert found[name] == version
    assert len(found) == len(printed.splitlines())


def test_pythons_are_the_same_everywhere(config):
    """Classifiers and workflow name the same versions of Python, the first of which is the lowest allowed."""
    named = re.findall(r"Python :: (3\.\d+)$", config["metadata"]["classifiers"], re.MULTILINE)
    workflow = re.search(r"^ +python: \[(.*)\]$", text_of(".github/workflows/ci.yml"), re.MULTILINE)[1]
    assert re.findall(r"3\.\d+", workflow) == named
    assert config["options"]["python_requires"] == f">={named[0]}"


@pytest.mark.skipif(JIT and not IS_CHECKED, reason="nothing is compiled to check bounds")
def test_bounds_are_checked():
    """In the lane with bounds checked a kernel that is given too few counters raises, also one from the cache."""
    with pytest.raises(IndexError):
        fps(np.zeros(0, np.int64), np.zeros(16, np.uint8), 1, 8, 2)
