"""The buffers of two libraries for devices, driven without one: mne-lsl over the loopback, brainflow's synthetic board.

Rows do not come by a call there, but from the network and from a thread; so only look-ups are measured.
"""

from __future__ import annotations

import os
import time
import uuid
from typing import Any

import numpy as np
from situation import COLUMNS, LAST, STEP, WrongAnswerError

from . import Adapter, Array

_NO_CALL = "rows come from the network; there is no call that puts one in"
_NO_ROWS = "gives the newest rows only"
_PATIENCE = 20.0


class MneLsl(Adapter):
    """`StreamLSL` with an outlet of the same process at the other end; it holds ten seconds, by `np.roll`."""

    package = "mne-lsl"
    notes = dict.fromkeys(("last", "window"), "samples and their times, copied; asked for in seconds")
    off = {"window": "as many rows as the nominal rate has in that time"}  # noqa: RUF012
    cannot = dict.fromkeys(("append", "extend", "frame"), _NO_CALL) | dict.fromkeys(
        ("between", "at", "dataframe", "save"), _NO_ROWS
    )
    cannot |= {
        "rate": "has the nominal rate only",
        "jitted": "cannot be used in a compiled loop",
        "memory": "with the network's buffers in the same process, it is not the ring's",
    }

    def __init__(self, capacity: int) -> None:
        # Silent, and nothing but this machine.
        os.environ.setdefault("LSL_LOG_LEVEL", "ERROR")
        import mne_lsl
        from mne_lsl.lsl import StreamInfo, StreamOutlet
        from mne_lsl.stream import StreamLSL

        super().__init__(capacity)
        mne_lsl.set_log_level("ERROR")
        source = f"ringacc-{uuid.uuid4().hex}"
        self._outlet = StreamOutlet(StreamInfo(source, "rows", len(COLUMNS), 1 / STEP, "float64", source))
        self.stream = StreamLSL(capacity * STEP, name=source, source_id=source)
        self.stream.connect(acquisition_delay=None, timeout=_PATIENCE)

    def fill(self, rows: Array) -> None:
        rows = rows[-self.capacity :]
        until = time.monotonic() + _PATIENCE
        self._outlet.push_chunk(np.ascontiguousarray(rows))
        while not np.array_equal(self.stream.get_data(self.capacity * STEP)[0].T, rows):
            if time.monotonic() > until:
                raise WrongAnswerError(
                    f"expected mne-lsl to take {len(rows)} rows, found them not within {_PATIENCE} s"
                )
            time.sleep(0.01)
            self.stream.acquire()

    def last(self, n: int) -> Any:
        return self.stream.get_data(n * STEP)

    def window(self, seconds: float) -> Any:
        return self.stream.get_data(seconds)

    def rows(self, answer: Any) -> Array:
        return answer[0].T  # type: ignore[no-any-return]

    def close(self) -> None:
        self.stream.disconnect()
        del self._outlet


class Brainflow(Adapter):
    """`BoardShim.get_current_board_data` on the synthetic board: rows of 32 float64, made up at 250 Hz."""

    package = "brainflow"
    notes = {"last": "a copy, of rows of 32 columns: its synthetic board has no fewer"}  # noqa: RUF012
    cannot = dict.fromkeys(
        ("append", "extend", "frame"), "its own thread puts rows in; there is no call that does"
    ) | dict.fromkeys(("window", "between", "at", "dataframe", "save"), "gives the newest rows by their number only")
    cannot |= {
        "rate": "has the nominal rate only",
        "jitted": "cannot be called in a compiled loop",
        "memory": "the board's columns are not those of the others",
    }

    def __init__(self, capacity: int) -> None:
        from brainflow.board_shim import BoardIds, BoardShim, BrainFlowInputParams

        super().__init__(capacity)
        BoardShim.disable_board_logger()
        self._numbers = BoardShim.get_package_num_channel(BoardIds.SYNTHETIC_BOARD)
        self.board = BoardShim(BoardIds.SYNTHETIC_BOARD, BrainFlowInputParams())
        self.board.prepare_session()
        self.board.start_stream(capacity)

    def fill(self, rows: Array) -> None:
        # The rows are the board's own.
        until = time.monotonic() + _PATIENCE
        while self.board.get_board_data_count() < 2 * LAST:
            if time.monotonic() > until:
                raise WrongAnswerError(f"expected rows from brainflow's board, found none within {_PATIENCE} s")
            time.sleep(0.01)

    def last(self, n: int) -> Any:
        return self.board.get_current_board_data(n)

    def check_last(self, answer: Array, n: int) -> None:
        """Hold the board's own rows against what is known of them: n of them, numbered one after the other."""
        numbers = answer[self._numbers]
        if len(numbers) != n or not np.all(np.diff(numbers) % 256 == 1):
            raise WrongAnswerError(f"expected {n} rows numbered one after the other, found {numbers}")

    def close(self) -> None:
        self.board.stop_stream()
        self.board.release_session()


ADAPTERS = {"mne-lsl": MneLsl, "brainflow": Brainflow}
