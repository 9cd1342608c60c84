"""stytra's `EstimatorLog` in a protocol that runs, as its experiments have it. Only run: stytra is under the GPL."""

from __future__ import annotations

from collections import namedtuple
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from inputs import Experiment, stytra
from situation import COLUMNS, FIVE, RATE_POINTS

from . import Adapter, Array

_Row: Any = namedtuple("_Row", FIVE)  # type: ignore[misc]


class StytraLog(Adapter):
    """`EstimatorLog`: two lists, and a DataFrame for every question."""

    package = "stytra"
    notes = {  # noqa: RUF012
        "append": "keeps every row while a protocol runs",
        "last": "gives a DataFrame",
        "memory": "the namedtuples and floats that are handed over",
    }
    cannot = {  # noqa: RUF012
        "between": "has no such question",
        "extend": "takes one row at a time",
        "jitted": "cannot be called in a compiled loop",
    }
    off = {  # noqa: RUF012
        "window": "more rows than asked for, as its rate is 10/9 of the true one",
        "frame": "more rows than asked for, as its rate is 10/9 of the true one",
        "dataframe": "more rows than asked for, as its rate is 10/9 of the true one",
        "rate": "10/9 of the true rate",
    }

    def __init__(self, capacity: int) -> None:
        super().__init__(capacity)
        self.experiment = Experiment()
        self.experiment.t0 = datetime(2020, 1, 1)
        self.log = stytra().EstimatorLog(self.experiment, fps_calc_points=RATE_POINTS)
        self.last, self.window, self.dataframe = self.log.get_last_n, self.log.get_last_t, self.log.get_last_t
        self.rate = self.log.get_fps
        self._moment = (0.0, self.experiment.t0)

    def fill(self, rows: Array) -> None:
        # Of a log that keeps everything, as many as the rings hold.
        self.append(self.ready(rows[-self.capacity :]))

    def ready(self, rows: Array) -> Any:
        return [(row[0], _Row(*row[1:])) for row in rows.tolist()]

    def append(self, ready: Any) -> None:
        append = self.log.update_list
        for t, values in ready:
            append(t, values)

    def at(self, t: float) -> Any:
        if self._moment[0] != t:
            self._moment = (t, self.experiment.t0 + timedelta(seconds=t))
        return self.log.values_at_abs_time(self._moment[1])

    def save(self, path: Path, format: str) -> Path:
        return path.parent / self.log.save(str(path), format)

    def rows(self, answer: Any) -> Array:
        if isinstance(answer, pd.DataFrame):
            return answer[list(COLUMNS)].to_numpy(float)
        # One row, without its time.
        found = next(i for i, values in enumerate(self.log.stored_data) if values is answer)
        return np.array([[self.log.times[found], *answer]])


ADAPTERS = {"stytra": StytraLog}
