"""What a stream has received and found, counted in samples and frames, and how long computing it took.

Not for what is said of it (`edge.node.stream_state`). Counted by the thread that scores alone; read by any.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from edge.artefact.model import Model
from edge.node.stream_state import StreamTotals

Result = TypeVar("Result")


class StreamCounts:
    """Of one stream, since its start.

    Args:
        model: that scores it.
    """

    def __init__(self, model: Model) -> None:
        self._rate_hz, self._score_hop_s = model.rate_hz, model.score_hop_samples / model.rate_hz
        self.received = 0
        """Samples that arrived and were not left out."""
        self.measurable_frames = 0
        """Score frames that could be judged."""
        self.busy_s = 0.0
        """Computing time of the detector."""
        self._lost = self._left_out = self._gaps = 0

    def lose(self, samples: int, is_left_out: bool) -> None:
        """So many samples in a row will not come, or were left out because this machine is too slow."""
        self._gaps += 1
        self._lost += samples
        self._left_out += samples if is_left_out else 0

    def timed(self, work: Callable[[], Result]) -> Result:
        """What some work of the detector gives; its time is counted."""
        begin_s = time.perf_counter()
        result = work()
        self.busy_s += time.perf_counter() - begin_s
        return result

    def heard_s(self) -> tuple[float, float]:
        """What arrived and was not left out, and what of it could be judged, seconds."""
        return self.received / self._rate_hz, self.measurable_frames * self._score_hop_s

    def totals(self, events: int, concealed: int) -> StreamTotals:
        """In seconds.

        Args:
            events: that began.
            concealed: samples that stood in for lost ones.
        """
        rate_hz = self._rate_hz
        return StreamTotals(
            *self.heard_s(), self._lost / rate_hz, self._gaps,
            events, self.busy_s, concealed / rate_hz, self._left_out / rate_hz,
        )  # fmt: skip
