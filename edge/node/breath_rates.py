"""The respiratory rates of all beds of a running node, published each 5 s.

Not for measuring (`edge.node.bed_breath`). Called from the loop that watches the node; never waits.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from edge.artefact.model import Model
from edge.contract.fields import Body
from edge.contract.trend import BREATH_EXPIRY_S, BREATH_S, BreathMessage, Stop
from edge.delivery.messages import Node
from edge.node.stream_status import StreamView
from edge.ward.respiratory_rate import RateReading

SetState = Callable[[str, Body, int | None], None]
"""Publishes a retained value: topic, body, expiry in seconds."""


class BreathRates:
    """Publishes the respiratory rate of the streams of one node."""

    def __init__(self, streams: Sequence[StreamView], model: Model, node: Node, set_state: SetState) -> None:
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


def breath_body(node: Node, stream: str, rate: RateReading, samples: tuple[int, int], wall_s: float) -> Body:
    """The respiratory rate of one bed, said at `wall_s`; `samples` are those to one score frame, and in a second."""
    known = rate.breaths_per_min
    return BreathMessage.model_construct(
        mode=node.mode,
        stream=stream,
        boot_id=node.boot_id,
        ts=wall_s,
        sample=Stop.model_construct(rate=samples[1], stop=rate.stop * samples[0]),
        breaths_per_min=None if known is None else round(known, 1),
        confidence=round(rate.confidence, 3),
        measurable=round(rate.measurable, 3),
        why=rate.why,
    ).body()
