"""Which version of a peer was measured, and when it came out.

Belongs here: `releases.csv` (package, version, date), how it is read, and how a version is added. May not be here: the
list of what is installed (`requirements.txt`).

    python benchmarks/peers/releases.py         # add what is installed and is not in the table, by PyPI's upload time
"""

from __future__ import annotations

import csv
import json
import platform
import sys
import urllib.request
from importlib import metadata
from pathlib import Path

__all__ = ["PYTHON", "release"]

PYTHON = "Python"
_TABLE = Path(__file__).with_name("releases.csv")
_URL = "https://pypi.org/pypi/{}/json"
_PACKAGES = (
    "stytra",
    "dvg-ringbuffer",
    "numpy_ringbuffer",
    "circular-buffer-numpy",
    "faster-fifo",
    "mne-lsl",
    "brainflow",
    "numpy",
    "pandas",
)


def release(package: str | None) -> tuple[str, str]:
    """Give the version of a package that is installed and the day it came out; of Python, where it is of no package."""
    version = platform.python_version() if package is None else metadata.version(package)
    if package == "ringacc":
        return version, "this one"
    name = package or PYTHON
    return f"Python {version}" if package is None else version, _dates().get((name, version), "not known")


def _dates() -> dict[tuple[str, str], str]:
    with _TABLE.open(newline="") as file:
        return {(line["package"], line["version"]): line["date"] for line in csv.DictReader(file)}


def _uploaded(package: str, version: str) -> str:
    """Ask PyPI when a version was uploaded first."""
    with urllib.request.urlopen(_URL.format(package), timeout=30) as answer:
        files = json.load(answer)["releases"][version]
    return min(file["upload_time"] for file in files)[:10]


def main() -> int:
    """Add what is missing."""
    dates = _dates()
    for package in _PACKAGES:
        try:
            version = metadata.version(package)
        except metadata.PackageNotFoundError:
            print(f"{package}: not installed")
            continue
        if (package, version) not in dates:
            dates[package, version] = _uploaded(package, version)
            print(f"{package} {version}: {dates[package, version]}")
    with _TABLE.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("package", "version", "date"))
        writer.writerows((*key, date) for key, date in sorted(dates.items(), key=lambda item: str(item[0]).lower()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
