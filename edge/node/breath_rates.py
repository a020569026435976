"""The respiratory rates of all beds of a running node, published each 5 s.

Not for measuring (`edge.node.bed_breath`). Called from the loop that watches the node; never waits.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from edge.artefact.model import Model
from edge.delivery.breath_message import BREATH_EXPIRY_S, BREATH_S, breath_body
from edge.delivery.messages import Body, Node
from edge.node.stream_status import StreamView

SetState = Callable[[str, Body, int | None], None]
"""Publishes a retained value: topic, body, expiry in seconds."""


class BreathRates:
    """Publishes the respiratory rate of the streams of one node."""

    def __init__(self, streams: Sequence[StreamView], model: Model, node: Node, set_state: SetState) -> None:
        """Prepare; the first is published at the first tick that has one."""
        self._streams, self._node, self._set_state = streams, node, set_state
        self._samples = model.score_hop_samples, model.rate_hz
        self._next_s = time.monotonic()

    def tick(self) -> None:
        """Publish where it is time; call it every second or so."""
        now_s = time.monotonic()
        if now_s < self._next_s:
            return
        self._next_s += BREATH_S * (1 + (now_s - self._next_s) // BREATH_S)
        for stream in self._streams:
            status = stream.status
            if status.breath is not None and not status.is_closed and not status.is_old(now_s):
                body = breath_body(self._node, stream.id, status.breath, self._samples, time.time())
                self._set_state(self._node.topic("s", stream.id, "breath"), body, BREATH_EXPIRY_S)
