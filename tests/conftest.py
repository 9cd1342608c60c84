"""What every test stands on: compiled code of this very checkout and lane, and hypothesis without deadlines."""

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

import ringacc

# In CI a run says something about the commit: the same examples each time. Everywhere else each run tries others.
settings.register_profile(
    "ringacc",
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    derandomize=os.environ.get("CI", "false") != "false",
)
settings.load_profile("ringacc")

# numba does not ask whether the code in its cache checks bounds: without a cache of its own the lane would run
# what the lane before it has compiled. Set here because numba, which nothing above loads, reads it once.
if os.environ.get("NUMBA_BOUNDSCHECK", "0") not in ("", "0") and not os.environ.get("NUMBA_CACHE_DIR"):
    os.environ["NUMBA_CACHE_DIR"] = str(Path(__file__).resolve().parents[1] / ".numba_checked")

# These stand on pseudoterminals, resource limits, signals and fork. Ring files, and with them queues, readers and the
# recorder, have not been run on Windows, which does not let a mapped file be given another name.
if os.name == "nt":
    collect_ignore_glob = [
        "test_accumulators_recorded.py",
        "test_cli*.py",
        "test_queue*.py",
        "test_reader.py",
        "test_recorder*.py",
        "test_ringfile*.py",
        "test_ringqueue*.py",
        "test_session_recorded.py",
    ]

# Where this is set, as in CI, a tool that is missing is a failure: nothing is skipped in silence ...
IS_ALL_REQUIRED = os.environ.get("RINGACC_REQUIRE") == "all"
# ... but for what a user, a lane or a clone cannot have.
MAY_BE_SKIPPED = ("root may write anywhere", "nothing is compiled", "everything is compiled", "recordings")

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


def pytest_sessionstart(session):
    """Clear numba's cache: it does not notice an edit in a function that a cached one calls."""
    if hasattr(session.config, "workerinput"):  # of pytest-xdist, which has cleared it before it starts workers
        return
    package = Path(ringacc.__file__).parent
    cached = list(Path(os.environ.get("NUMBA_CACHE_DIR") or package).rglob("*.nb[ci]"))
    edited = max(source.stat().st_mtime for source in package.rglob("*.py"))
    if any(file.stat().st_mtime < edited for file in cached):
        for file in cached:
            file.unlink(missing_ok=True)


def _refused(report):
    """Make a failure of what was skipped for no reason that is allowed."""
    reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    is_expected_to_fail = hasattr(report, "wasxfail")
    if IS_ALL_REQUIRED and report.skipped and not is_expected_to_fail and not any(w in reason for w in MAY_BE_SKIPPED):
        report.outcome = "failed"
        report.longrepr = f"expected nothing to be skipped where RINGACC_REQUIRE=all, found: {reason}"
    return report


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport():
    """Skip no test where all are required."""
    return _refused((yield))


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report():
    """Skip no file of tests where all are required."""
    return _refused((yield))


@pytest.fixture
def recordings():
    """Give the folder of real recordings; skip where it is absent."""
    if not DATA.is_dir():
        pytest.skip(f"needs the recordings in {DATA}")
    return DATA


@pytest.fixture
def rings(tmp_path, monkeypatch):
    """Let rings lie in a folder of the test's own; give it."""
    folder = tmp_path / "rings"
    monkeypatch.setenv("RINGACC_RINGS", str(folder))
    return folder


@pytest.fixture(scope="module")
def stage(tmp_path_factory):
    """Fork commands from a process that has imported everything."""
    from recorder_stage import Stage

    folder = tmp_path_factory.mktemp("stage")
    made = Stage(folder, folder)
    yield made
    made.close()


@pytest.fixture(scope="session")
def browser(tmp_path_factory):
    """Give a real browser without a window; skip where there is none."""
    from browser_stage import browsing

    with browsing(tmp_path_factory.mktemp("browser")) as running:
        yield running
