"""From logits of patients that the network never saw to calibrated scores and to the numbers that make them events.

Calibration: one slope and one offset for each presence question, fitted by logistic regression over all frames (Platt
1999). Detection: for each group the threshold, step, pauses and least length that give the best sum of event and
segment F1, found by coordinate search over the tracker's own events (`training.metrics.spans`). What such a choice is
worth is said by folds that it never met; what is shipped is chosen on all.

Held-out patients judged by numbers that never met them: calibration, smoothing, durations, thresholds.

For each outer fold everything is chosen on the other folds alone, and there as it will be used: the scores of an inner
fold are calibrated on the other inner ones. So no number of the outer fold's answers decides how it is judged. What
ships is chosen on all folds (`training.detector.acceptance`). Not for training: the networks are there already.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from edge.model.specs import GroupSpec
from edge.types import Event
from training.datasets import CONTINUOUS, DISCONTINUOUS, Recording
from training.datasets.targets import PRESENCE, annotated
from training.detector.hyperparameters import Recipe
from training.detector.model import class_scores
from training.detector.truth import SURE
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
from training.metrics.spans import GroupScores, annotated_stretches, group_counts, stretches
from training.metrics.streaming import (
    Detection,
    EventCounts,
    ScoredRecording,
    add_counts,
    is_annotated_chest,
)

MEMBERS = {"continuous": CONTINUOUS, "discontinuous": DISCONTINUOUS}
SEARCH: dict[str, tuple[float, ...]] = {  # in this order; frames are score frames of 32 ms
    "threshold": tuple(round(0.10 + 0.04 * i, 2) for i in range(22)),
    "step_frames": (9, 12, 16, 20),
    "keep": (0.5, 0.65, 0.8, 1.0),
    "confirm_frames": (8, 12, 16),
    "quiet_frames": (8, 16),
}


NO_MEDIAN = 1  # frames: events by change points need no smoother scores
SPARED = 0.06  # share of the best quality that is given up for fewer false alarms
WORTH = 0.03  # share by which another value of a field must be better to be taken: half a standard error over patients


@dataclass(frozen=True, slots=True)
class RecordingLogits:
    """One recording with the raw answers of a network that was not trained on its patient."""

    recording: Recording
    logits: NDArray[np.float32]
    """(T, K)."""
    targets: NDArray[np.float32]
    """(T, K)."""
    fold: int
    """Which network was asked."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """Logits to calibrated logits: scale * logit + bias, for breath, continuous, discontinuous."""

    scale: tuple[float, ...]
    bias: tuple[float, ...]

    def score(self, recording: RecordingLogits) -> ScoredRecording:
        """Calibrated class scores of one recording, 0 to 1."""
        scores = class_scores(torch.from_numpy(recording.logits), torch.tensor(self.scale), torch.tensor(self.bias))
        return ScoredRecording(recording.recording, scores.numpy(), recording.targets)


def calibrate(recordings: list[RecordingLogits]) -> Calibration:
    """Fit slope and offset of each presence question on annotated chest recordings, where its answer is known."""
    fits = [LogisticRegression(C=1e6).fit(logits[:, None], yes) for logits, yes in known_answers(recordings)]
    scale = tuple(round(float(f.coef_[0, 0]), 4) for f in fits)
    return Calibration(scale, tuple(round(float(f.intercept_[0]), 4) for f in fits))


def known_answers(recordings: Sequence[RecordingLogits]) -> list[tuple[NDArray[np.float32], NDArray[np.bool_]]]:
    """Logits and true answers of each presence question, on the frames of annotated chest recordings that know it.

    Of the two groups, unannotated time of adventitious recordings is left out: a sound that is there would count as
    none, and every probability would be too low for it.
    """
    chest = [h for h in recordings if is_annotated_chest(h.recording)]
    if not chest:
        return [(np.zeros(0, np.float32), np.zeros(0, np.bool_))] * PRESENCE.stop
    logits, targets = (np.concatenate([getattr(h, name) for h in chest]) for name in ("logits", "targets"))
    known = np.concatenate([annotated(h.targets) | (h.recording.record_label in SURE) for h in chest])
    questions = enumerate((np.ones_like(known), known, known))  # breath, continuous, discontinuous
    return [(logits[of, question], targets[of, question] > 0.5) for question, of in questions]


@dataclass(frozen=True, slots=True)
class Choice:
    """Detection parameters of one group, in score frames; `SEARCH` says between which values they are chosen."""

    threshold: float = 0.25
    step_frames: int = 12
    keep: float = 0.65
    confirm_frames: int = 12
    quiet_frames: int = 8


def to_detection(choices: dict[str, Choice], recipe: Recipe) -> Detection:
    """Parameters of all groups in the form that the tracker and the artefact take."""
    groups = tuple(
        GroupSpec(name, MEMBERS[name], NO_MEDIAN, c.keep, c.confirm_frames, c.quiet_frames, c.step_frames)
        for name, c in choices.items()
    )
    thresholds = {member: choices[name].threshold for name in choices for member in MEMBERS[name]}
    hop_samples = recipe.features.hop_samples * recipe.chunk.score_frames
    return Detection(groups, thresholds, hop_samples, recipe.features.rate_hz)


class ThresholdScorer:
    """Counts what given detection parameters find in each fold; remembers what it has counted.

    Args:
        scored: recordings with calibrated scores; only annotated chest recordings count.
        folds: fold of each.
        recipe: for the length of a frame.
    """

    def __init__(self, scored: list[ScoredRecording], folds: list[int], recipe: Recipe) -> None:
        kept = [(s, fold) for s, fold in zip(scored, folds, strict=True) if s.is_annotated_chest]
        self._groups = {
            name: [(fold, GroupScores(s.scores, of), annotated_stretches(s.recording, name)) for s, fold in kept]
            for name, of in MEMBERS.items()
        }
        self._recipe = recipe
        self._counted: dict[tuple[str, Choice], dict[int, EventCounts]] = {}
        self.folds = sorted({fold for _, fold in kept})

    def count(self, choices: dict[str, Choice]) -> dict[int, EventCounts]:
        """Counts by fold."""
        for name, choice in choices.items():
            if (name, choice) not in self._counted:
                self._counted[name, choice] = self._count(name, choice)
        return {
            fold: add_counts(self._counted[name, choice][fold] for name, choice in choices.items())
            for fold in self.folds
        }

    def _count(self, name: str, choice: Choice) -> dict[int, EventCounts]:
        """Counts of one group by fold; groups do not interact."""
        detection = to_detection({name: choice}, self._recipe)
        counted: dict[int, list[EventCounts]] = {fold: [] for fold in self.folds}
        for fold, scores, true in self._groups[name]:
            spans = scores.spans(detection.groups[0], detection.thresholds)
            found = stretches(spans, detection.hop_samples, detection.rate_hz)
            counted[fold].append(group_counts(name, true, found))
        return {fold: add_counts(several) for fold, several in counted.items()}


def search(
    scorer: ThresholdScorer, fields: dict[str, tuple[float, ...]], start: dict[str, Choice]
) -> dict[str, Choice]:
    """Coordinate search over all folds: one field after the other, both groups side by side (they do not interact)."""
    chosen = dict(start)
    for field, values in fields.items():
        options: list[dict[str, Any]] = [{field: value} for value in values]
        tried = [{name: replace(c, **option) for name, c in chosen.items()} for option in options]
        counted = [add_counts(scorer.count(choices).values()) for choices in tried]
        for name in chosen:
            before = values.index(getattr(chosen[name], field)) if getattr(chosen[name], field) in values else None
            chosen[name] = tried[_best(field, [_quality(counts, name) for counts in counted], before)][name]
    return chosen


def _best(field: str, qualities: list[float], before: int | None) -> int:
    """Index of the best value, the one of before unless another is better by `WORTH`.

    Of thresholds it is the highest that costs no more than `SPARED`: around the best threshold the quality is flat
    while the false alarms still fall fast.
    """
    if field != "threshold":
        best = int(np.argmax(qualities))
        return best if before is None or qualities[best] > (1 + WORTH) * qualities[before] else before
    return max(i for i, quality in enumerate(qualities) if quality >= (1 - SPARED) * max(qualities))


def _quality(counts: EventCounts, group: str) -> float:
    """What is maximised: event F1 plus segment F1."""
    return counts[f"event F1 {group}"].f1() + counts[f"segment F1 {group}"].f1()


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
