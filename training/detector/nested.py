"""Held-out patients judged by numbers that never met them: calibration, smoothing, durations, thresholds.

For each outer fold everything is chosen on the other folds alone, and there as it will be used: the scores of an inner
fold are calibrated on the other inner ones. So no number of the outer fold's answers decides how it is judged. What
ships is chosen on all folds (`training.detector.acceptance`). Not for training: the networks are there already.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from edge.types import Event
from training.detector.hyperparameters import Recipe
from training.detector.thresholds import (
    SEARCH,
    Calibration,
    Choice,
    RecordingLogits,
    ThresholdScorer,
    calibrate,
    known_answers,
    search,
    to_detection,
)
from training.metrics.burden import burden_metrics
from training.metrics.estimates import (
    Heard,
    Metric,
    alarm_metrics,
    by_patient,
    event_metrics,
    frame_metrics,
    record_metrics,
)
from training.metrics.streaming import Detection, ScoredRecording

Fields = Mapping[str, tuple[float, ...]]


@dataclass(frozen=True, slots=True)
class Chosen:
    """What some recordings decide of how others are judged."""

    calibration: Calibration
    detection: Detection
    scored: tuple[ScoredRecording, ...]
    """The recordings that decided, each calibrated on the others."""

    def judge(self, heard: Sequence[RecordingLogits]) -> list[tuple[ScoredRecording, list[Event]]]:
        """Other recordings with their calibrated scores and events."""
        scored = [self.calibration.score(h) for h in heard]
        return [(s, self.detection.events(s.scores)) for s in scored]


def choose(heard: Sequence[RecordingLogits], recipe: Recipe, fields: Fields = SEARCH) -> Chosen:
    """Calibration, and the detection parameters with the best sum of event and segment F1, of some folds.

    Args:
        heard: their recordings; with one fold, its own calibration is used for its scores.
        recipe: for the length of a frame.
        fields: what is tried, in this order; the threshold once more at the end.
    """
    scored = cross_calibrated(heard)
    scorer = ThresholdScorer(scored, [h.fold for h in heard], recipe)
    choices = search(scorer, dict(fields), {"continuous": Choice(), "discontinuous": Choice()})
    if len(fields) > 1:
        choices = search(scorer, {"threshold": fields["threshold"]}, choices)
    return Chosen(calibrate(list(heard)), to_detection(choices, recipe), tuple(scored))


def nested(heard: Sequence[RecordingLogits], recipe: Recipe, fields: Fields = SEARCH) -> dict[int, Chosen]:
    """For each fold what the other folds choose."""
    return {
        fold: choose([h for h in heard if h.fold != fold], recipe, fields) for fold in sorted({h.fold for h in heard})
    }


def judged(heard: Sequence[RecordingLogits], chosen: Mapping[int, Chosen]) -> list[tuple[ScoredRecording, list[Event]]]:
    """Every recording with scores and events by what the other folds chose, in the order given."""
    return [chosen[h.fold].judge([h])[0] for h in heard]


def streaming_metrics(pairs: Sequence[Heard], rate_hz: int, frame_s: float) -> list[Metric]:
    """All streaming metrics of judged recordings, other sounds too.

    Args:
        pairs: with calibrated scores and events.
        rate_hz: of the sample indices in the events.
        frame_s: seconds to one score frame.
    """
    chest = by_patient([(s, e) for s, e in pairs if s.is_annotated_chest])
    return [
        *frame_metrics(chest),
        *event_metrics(chest, rate_hz),
        *record_metrics(chest, frame_s),
        *burden_metrics(chest, frame_s),
        *alarm_metrics(pairs, rate_hz, frame_s),
    ]


def cross_calibrated(heard: Sequence[RecordingLogits]) -> list[ScoredRecording]:
    """Scores of each fold with the calibration fitted on the others; on all, where those lack a yes or a no."""
    others = {fold: [h for h in heard if h.fold != fold] for fold in {h.fold for h in heard}}
    by_fold = {fold: calibrate(several if _is_enough(several) else list(heard)) for fold, several in others.items()}
    return [by_fold[h.fold].score(h) for h in heard]


def _is_enough(heard: Sequence[RecordingLogits]) -> bool:
    """Whether every presence question has both answers, so that its calibration can be fitted."""
    return all(yes.any() and not yes.all() for _, yes in known_answers(heard))


def halves(heard: Sequence[RecordingLogits]) -> list[RecordingLogits]:
    """The recordings of one fold as two, each patient in one: what is chosen on one half judges the other."""
    chest = sorted({h.recording.patient for h in heard if not h.recording.is_negative})
    others = sorted({h.recording.patient for h in heard if h.recording.is_negative})
    half = {patient: index % 2 for several in (chest, others) for index, patient in enumerate(several)}
    return [replace(h, fold=half[h.recording.patient]) for h in heard]
