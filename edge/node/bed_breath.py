"""The breath of one bed: measured by the thread that scores, shown in the status of its stream.

Not for the figures (`edge.ward.respiratory_rate`). What was measured long ago is not shown as a number: a source that
gives nothing, or nothing but masked sound, has no rate.
"""

from __future__ import annotations

from dataclasses import replace

from edge.artefact.model import Model
from edge.detector.breath_sound import BREATH, BreathSounds
from edge.detector.pipeline import Pipeline
from edge.detector.sound_check import Verdict
from edge.node.bed_burden import FADES_AFTER_S
from edge.types import Chunk, Scores
from edge.ward.pauses import Pauses
from edge.ward.respiratory_rate import FINEST_S, LOST, STEP_S, RateReading, RespiratoryRate

OLD_S = 3 * STEP_S  # of sound behind a reading, and it is none of now


class BedBreath:
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
        if BREATH in model.classes and frame_s >= FINEST_S:
            self._sounds = BreathSounds(model)
            self._rate = RespiratoryRate(frame_s)
            pipeline.follow = self._follow

    def watch_pauses(self, limit_s: float) -> None:
        """Look for pauses from this length on, seconds; else they are not looked for."""
        self._pauses = Pauses(self._frame_s, limit_s)

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
        return replace(self._last, breaths_per_min=None, confidence=0.0, measurable=0.0, why=LOST)

    def _follow(self, chunk: Chunk, scores: Scores, verdict: Verdict) -> None:
        sound = self._sounds.push(chunk, scores, verdict.fault)
        readings = self._rate.push(sound)
        self._last = readings[-1] if readings else self._last
        if self._pauses is not None and len(sound.usable):
            self._pauses.push(sound, bool(verdict.touches))
            self._decided = sound.start + len(sound.usable)

    def _is_old(self, stop: int, silent_s: float, offered: int | None) -> bool:
        """Whether what was known up to a score frame is none of now."""
        behind = 0 if offered is None else offered - stop * self._hop_samples
        return silent_s > FADES_AFTER_S or abs(behind) > OLD_S * self._rate_hz
