"""Print the lowest version of every dependency that setup.cfg allows, as constraints for pip.

Belongs here: what stands as ``>=`` in setup.cfg, turned into ``==``. May not be here: any version.

``python .ci/minimum.py > minimum.txt && pip install -c minimum.txt '.[test]'``
"""

from __future__ import annotations

import configparser
import re
from pathlib import Path


def lowest(text: str) -> dict[str, str]:
    """Give name -> lowest version of every requirement in the text of a setup.cfg that has one."""
    config = configparser.ConfigParser()
    config.read_string(text)
    lines = [config["options"]["install_requires"], *config["options.extras_require"].values()]
    found: dict[str, str] = {}
    for line in "\n".join(lines).splitlines():
        requirement = re.match(r"([\w.-]+)\s*>=\s*([\w.]+)", line.strip())
        if requirement is None:
            continue
        name, version = requirement.groups()
        if found.setdefault(name, version) != version:
            raise SystemExit(f"setup.cfg: expected one lowest version of {name}, found {found[name]} and {version}")
    return found


if __name__ == "__main__":
    for name, version in lowest((Path(__file__).resolve().parents[1] / "setup.cfg").read_text()).items():
        print(f"{name} == {version}")
