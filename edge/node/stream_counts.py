"""What a stream has received and found, counted in samples and frames, and how long computing it took.

Not for what is said of it (`edge.node.stream_state`). Counted and read by the thread that scores alone.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from edge.artefact.model import Model
from edge.detector.sound_check import Verdict
from edge.node.inbox import OVERLOAD, Item
from edge.node.stream_observer import StreamObserver
from edge.node.stream_state import StreamTotals
from edge.types import Block, Event, Gap, Scores


class StreamCounts(StreamObserver):
    """Of one stream, since its start.

    Args:
        model: that scores it.
    """

    def __init__(self, model: Model) -> None:
        self._rate_hz, self._score_hop_s = model.rate_hz, model.score_hop_samples / model.rate_hz
        self.busy_s = 0.0
        """Computing time of the detector."""
        self._received = self._lost = self._left_out = self._gaps = self._measurable_frames = self._events = 0

    def on_item(self, item: Item) -> None:
        """Sound that arrived, or that will not come or was left out because this machine is too slow."""
        if isinstance(item, Block):
            self._received += len(item.samples)
        elif isinstance(item, Gap) and item.stop > item.start:
            self._gaps += 1
            self._lost += item.stop - item.start
            self._left_out += item.stop - item.start if item.cause == OVERLOAD else 0

    def on_scores(self, scores: Scores, verdict: Verdict) -> None:
        """Score frames that could be judged, or not."""
        self._measurable_frames += int(scores.valid.sum())

    def on_events(self, events: Sequence[Event]) -> None:
        """Events, of which those count that begin."""
        self._events += sum(event.kind == "onset" for event in events)

    @contextmanager
    def timed(self) -> Iterator[None]:
        """Count the time of some work of the detector."""
        begin_s = time.perf_counter()
        yield
        self.busy_s += time.perf_counter() - begin_s

    def heard_s(self) -> tuple[float, float]:
        """What arrived and was not left out, and what of it could be judged, seconds."""
        return self._received / self._rate_hz, self._measurable_frames * self._score_hop_s

    def totals(self, concealed: int) -> StreamTotals:
        """In seconds, with the samples that stood in for lost ones."""
        rate_hz = self._rate_hz
        return StreamTotals(
            *self.heard_s(),
            self._lost / rate_hz,
            self._gaps,
            self._events,
            self.busy_s,
            concealed / rate_hz,
            self._left_out / rate_hz,
        )
