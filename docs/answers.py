"""Ask stytra and ringacc the same: ``python docs/answers.py``, for the table in ``tutorials/from-stytra.md``.

Belongs here: questions whose answers differ. May not be here: how long they take (``benchmarks/peers``).
"""

from __future__ import annotations

import sys
from collections import namedtuple
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import ringacc

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "benchmarks" / "peers"))

from stytra_peer import PeerMissingError, load_stytra

T0 = datetime(2020, 1, 1)
Row = namedtuple("Row", "x swims")


def filled(kind: Any, rate: int, rows: int) -> Any:
    """Give a log of an experiment that runs, with rows at a rate."""
    log = kind(SimpleNamespace(t0=T0, protocol_runner=SimpleNamespace(running=True)))
    for row in range(rows):
        log.update_list(row / rate, Row(row, row % 2 == 0))
    return log


QUESTIONS: dict[str, Callable[[Any], Any]] = {
    "get_fps() at 300 Hz": lambda kind: round(filled(kind, 300, 300).get_fps(), 1),
    "rows of get_last_t(0.5) at 100 Hz": lambda kind: len(filled(kind, 100, 1000).get_last_t(0.5)),
    "x at 1.0096 s, of rows at 100 Hz": lambda kind: (
        filled(kind, 100, 1000).values_at_abs_time(T0 + timedelta(seconds=1.0096)).x
    ),
    "x a second before all rows": lambda kind: filled(kind, 100, 1000).values_at_abs_time(T0 - timedelta(seconds=1)).x,
    "columns": lambda kind: tuple(filled(kind, 100, 10).columns),
    "columns of get_dataframe()": lambda kind: tuple(filled(kind, 100, 10).get_dataframe().columns),
    "log['x'][-1]": lambda kind: filled(kind, 100, 10)["x"][-1],
    "log[-1]": lambda kind: filled(kind, 100, 10)[-1],
    "get_last_n(5) of an empty log": lambda kind: filled(kind, 100, 0).get_last_n(5),
}


def answer(question: Callable[[Any], Any], kind: Any) -> str:
    """Give what a log says, or how it fails."""
    try:
        return str(question(kind))
    except Exception as error:  # whatever it is, it is the answer
        return f"{type(error).__name__}: {error}"


def main() -> int:
    """Print a line for each question."""
    try:
        stytra = load_stytra()
    except PeerMissingError as error:
        print(error, file=sys.stderr)
        return 2
    for name, question in QUESTIONS.items():
        print(f"{name}\n  stytra {stytra.version}: {answer(question, stytra.EstimatorLog)}")
        print(f"  ringacc: {answer(question, ringacc.EstimatorLog)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
