"""Respiratory rate and pauses of each bed: measured by the thread that scores; rates are published each 5 s.

Not for the figures (`edge.ward.respiratory_rate`). What was measured long ago is not shown as a number: a source that
gives nothing, or nothing but masked sound, has no rate.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from edge.contract.fields import Body
from edge.contract.trend import BREATH_EXPIRY_S, BREATH_S, BreathMessage, Stop
from edge.delivery.messages import Node
from edge.detector.breath_sound import BREATH, BreathSounds
from edge.detector.pipeline import Pipeline
from edge.detector.sound_check import SoundAssessment
from edge.model.model import Model
from edge.node.observer import StreamObserver
from edge.node.stream_status import StreamView
from edge.node.trends import FADES_AFTER_S
from edge.types import Chunk, Scores
from edge.ward.pauses import Pause, Pauses
from edge.ward.respiratory_rate import FINEST_S, LOST, OLD_S, RateReading, RespiratoryRate
from edge.ward.wheeze_rate import BreathTrend, WheezeRate, without_stopped_rate

PublishPause = Callable[[Pause, float], None]


class BedBreath(StreamObserver):
    """The breath of one stream; of a model without a class for it, or with finer score frames, nothing.

    Args:
        model: that the pipeline has.
        pipeline: before any sound; it is followed.
    """

    def __init__(self, model: Model, pipeline: Pipeline) -> None:
        self._hop_samples, self._rate_hz = model.score_hop_samples, model.rate_hz
        self._last: RateReading | None = None
        frame_s = model.score_hop_samples / model.rate_hz
        self._pauses: Pauses | None = None
        self._frame_s, self._decided = frame_s, 0
        self._shares: WheezeRate | None = None
        self._trend: BreathTrend | None = None
        self._rate: RespiratoryRate | None = None
        if BREATH in model.classes and frame_s >= FINEST_S:
            self._sounds = BreathSounds(model)
            self._rate = RespiratoryRate(frame_s)
            self._shares = WheezeRate(model.groups, model.classes, BREATH, frame_s)
            pipeline.follow = self._follow

    def watch_pauses(self, limit_s: float, publish: PublishPause, is_touching: Callable[[], bool]) -> None:
        """Look for pauses from this length on, seconds; else they are not looked for.

        Args:
            limit_s: from which length on it is a pause, seconds.
            publish: takes each onset and end, and the limit.
            is_touching: whether the device itself says that it touches somebody.
        """
        self._pauses = Pauses(self._frame_s, limit_s)
        self._publish, self._limit_s, self._is_touching = publish, limit_s, is_touching

    def end(self, why: str) -> None:
        """No sound follows that could be joined to what was, for a reason of `edge.ward.pauses`."""
        if self._pauses is not None:
            self._publish_all(self._pauses.flush(why))

    def on_scores(self, scores: Scores, verdict: SoundAssessment) -> None:
        """Take the next scores, and what is said of their sound."""
        if self._shares is not None:
            self._trend = self._shares.push(scores, verdict.verified) or self._trend

    def trend(self, silent_s: float) -> BreathTrend | None:
        """The breathing over a minute to a night; None: nothing received yet, or a model without breath."""
        if self._trend is None or self._shares is None or silent_s <= FADES_AFTER_S:
            return without_stopped_rate(self._trend, self._last)
        return self._shares.at(self._trend.stop + round(silent_s / self._frame_s))

    def look(self, silent_s: float, offered: int | None) -> None:
        """End a pause of which nothing has been known for a while; call it every second. Arguments as of `shown`."""
        if self._pauses is not None and self._pauses.open and self._is_old(self._decided, silent_s, offered):
            self.end(LOST)

    def on_new_patient(self) -> None:
        """Forget what was measured."""
        if self._pauses is not None:
            self._pauses.reset()
        if self._rate is not None and self._shares is not None:
            self._rate.reset()
            self._shares.reset()
        self._last = self._trend = None

    def is_without(self, silent_s: float, offered: int | None) -> bool | None:
        """Whether a pause of breath lasts now; None: not known. Arguments as of `shown`."""
        if self._pauses is None or not self._pauses.is_known or self._is_old(self._decided, silent_s, offered):
            return None
        return self._pauses.open is not None

    def shown(self, silent_s: float, offered: int | None) -> RateReading | None:
        """The rate now; None before the first reading.

        Args:
            silent_s: how long nothing has come from the source, seconds.
            offered: absolute index one past the last sample that came; None: the detector has started anew.
        """
        if self._last is None:
            return None
        if not self._is_old(self._last.stop, silent_s, offered):
            return self._last
        return replace(self._last, breaths_per_min=None, confidence=0.0, measurable=0.0, why=LOST, spread=None)

    def _follow(self, chunk: Chunk, scores: Scores, verdict: SoundAssessment) -> None:
        assert self._rate is not None
        assert self._shares is not None
        sound = self._sounds.push(chunk, scores, verdict.fault)
        readings = self._rate.push(sound)
        self._shares.push_rates(readings)
        self._last = readings[-1] if readings else self._last
        if self._pauses is not None and len(sound.usable):
            self._publish_all(self._pauses.push(sound, bool(verdict.touches) or self._is_touching()))
            self._decided = sound.start + len(sound.usable)

    def _publish_all(self, pauses: Sequence[Pause]) -> None:
        for pause in pauses:
            self._publish(pause, self._limit_s)

    def _is_old(self, stop: int, silent_s: float, offered: int | None) -> bool:
        """Whether what was known up to a score frame is none of now."""
        behind = 0 if offered is None else offered - stop * self._hop_samples
        return silent_s > FADES_AFTER_S or abs(behind) > OLD_S * self._rate_hz


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
        spread=None if rate.spread is None else round(rate.spread, 2),
    ).body()
