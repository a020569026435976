"""The burden of all beds of a running node: published every minute, and its history begun and ended.

Not for measuring, nor for the minutes of the history, which the beds hand on themselves (`edge.node.bed_burden`).
Called from the loop that watches the node; never waits.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from edge.artefact.model import Model
from edge.contract.fields import Body
from edge.contract.trend import TREND_EXPIRY_S, TREND_S
from edge.delivery.messages import Node
from edge.delivery.trend import Trend, trend_body
from edge.delivery.trend_history import TrendHistory
from edge.node.stream_status import StreamView

LAST_WRITE_S = 0.4  # how long the last minutes may take to reach the disk

SetState = Callable[[str, Body, int | None], None]
"""Publishes a retained value: topic, body, expiry in seconds."""


class Trends:
    """Publishes the burden of the streams of one node."""

    def __init__(
        self, streams: Sequence[StreamView], model: Model, node: Node, set_state: SetState, history: TrendHistory
    ) -> None:
        """Prepare; nothing is written before `start`."""
        self._streams, self._node, self._set_state, self._history = streams, node, set_state, history
        self._hop_samples, self._rate_hz = model.score_hop_samples, model.rate_hz
        self._next_s, self._has_published = 0.0, False

    def start(self) -> None:
        """Begin to write the history."""
        self._history.start()
        self._next_s = time.monotonic() + TREND_S

    def tick(self) -> None:
        """Publish where it is time; call it every second or so."""
        late_s = time.monotonic() - self._next_s
        if late_s >= 0:  # after a standstill once, for all that it missed would tell the same minute
            self._next_s += TREND_S * (1 + late_s // TREND_S)
            self._has_published = True
            self._publish()

    def finish(self) -> None:
        """Write what is left; a run of less than a minute publishes what it heard.

        Not again after a minute was published: who adds up minutes would count what is in both twice.
        """
        self.tick()
        if not self._has_published:
            self._publish()
        self._history.stop(LAST_WRITE_S)

    def _publish(self) -> None:
        now_s = time.monotonic()
        for stream in self._streams:
            status = stream.status
            if status.reading is not None and not status.is_old(now_s):  # where scoring stands still, it is not known
                trend = Trend(stream.id, status.reading, status.covered)
                body = trend_body(self._node, trend, self._hop_samples, self._rate_hz, time.time())
                self._set_state(self._node.topic("s", stream.id, "trend"), body, TREND_EXPIRY_S)
