"""Run every benchmark of the asv suite once, and fail where one does not run.

Belongs here: how asv is run on what is installed, and what counts as a failure. May not be here: a figure.

    python benchmarks/check.py [--bench REGEX]

It takes the Python it runs in, with the ringacc that this Python imports, and leaves nothing behind. It ends with 1
where a benchmark raises, takes too long, or gives no value; also where it says that this commit lacks what it measures:
the suite and the code are of one commit here.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

HERE = Path(__file__).resolve().parent


def main() -> int:
    """Run asv and judge what it found; give the exit code."""
    parser = argparse.ArgumentParser(description="Run every benchmark of the asv suite once.")
    parser.add_argument("--bench", metavar="REGEX", help="only the benchmarks that match")
    options = parser.parse_args()
    with TemporaryDirectory() as folder:
        code, values = _run(Path(folder), options.bench)
    bad = [f"{name}: {what}" for name, value in values.items() if (what := _failure(value))]
    print("\n".join([*bad, f"{len(values) - len(bad)} of {len(values)} benchmarks run"]))
    if not values:
        print("expected benchmarks that ran, found none: look above for what asv says")
    return 1 if code or bad or not values else 0


def _run(folder: Path, only: str | None) -> tuple[int, dict[str, Any]]:
    """Run asv with results in a folder of its own; give its exit code and the value of each benchmark."""
    configuration = json.loads((HERE / "asv.conf.json").read_text())
    for key, path in (("repo", HERE.parent), ("benchmark_dir", HERE / "suite")):
        configuration[key] = str(path)
    configuration["branches"] = ["HEAD"]  # a clone of something else than main may have no such branch
    for key in ("env_dir", "results_dir", "html_dir"):
        configuration[key] = str(folder / key)
    if not hasattr(os, "fork"):
        configuration["launch_method"] = "spawn"
    (folder / "asv.conf.json").write_text(json.dumps(configuration))
    # asv keeps what it knows of the machine in the home folder; here it shall leave nothing.
    # It also drops PYTHONPATH, but for what it is told under a name of its own.
    environment = {"ASV_PYTHONPATH": os.environ.get("PYTHONPATH", ""), **os.environ, "RINGACC_RINGS": str(folder)}
    environment |= dict.fromkeys(("HOME", "USERPROFILE"), str(folder))
    asv = [sys.executable, "-m", "asv"]
    subprocess.run([*asv, "machine", "--yes"], cwd=folder, env=environment, check=True, stdout=subprocess.DEVNULL)
    # Without a commit's hash asv saves nothing of a Python that is not its own.
    run = [*asv, "run", "--python=same", "--quick", "--show-stderr", "--set-commit-hash=HEAD"]
    if only:
        run += ["--bench", only]
    code = subprocess.run(run, cwd=folder, env=environment, check=False).returncode
    return code, dict(_values(folder / "results_dir", only or ""))


def _values(results: Path, only: str) -> Iterator[tuple[str, Any]]:
    """Give each benchmark that was asked for, and parameter, that asv tells of, with its value."""
    listed = json.loads(path.read_text()) if (path := results / "benchmarks.json").exists() else {}
    found: dict[str, Any] = {}
    for path in results.glob("*/*.json"):
        if path.name != "machine.json":
            document = json.loads(path.read_text())
            place = document["result_columns"].index("result")
            found.update({name: row[place] for name, row in document["results"].items()})
    for name in listed:
        if name == "version" or not re.search(only, name):
            continue
        # asv writes null in place of a list where all of it failed.
        for number, value in enumerate(found.get(name) or [None]):
            yield f"{name}[{number}]", value


def _failure(value: Any) -> str:
    """Say what is wrong with a value."""
    if value is None:
        return "FAILED"
    if math.isnan(value):
        return "SKIPPED: this commit lacks what it measures"
    return ""


if __name__ == "__main__":
    sys.exit(main())
