"""Thresholds for a stated budget of false alarms: how much is still found when so few are allowed.

From the thresholds with the best F1 upwards, both groups are raised together along the logit until the false alarms on
Normal recordings, and on each kind of negative, are within the budget. Scores come from networks that never heard the
patients. What such thresholds keep and find is measured on folds that did not choose them (`nested_points`). Not for
smoothing and durations (`training.detector.thresholds`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from training.detector.nested import Chosen
from training.detector.thresholds import RecordingLogits
from training.metrics.estimates import Heard, is_adventitious
from training.metrics.streaming import Detection, ScoredRecording, event_counts, false_alarms

BUDGETS = (2.0, 5.0, 10.0, 20.0)  # false alarms per hour on Normal recordings
OF_NEGATIVES = 2.0  # times as many are allowed on each kind of negative
STEPS = np.arange(0.0, 6.01, 0.25)  # added to the logits of the thresholds
HIGHEST = 0.999


@dataclass(frozen=True, slots=True)
class Point:
    """Thresholds within a budget, and what they find."""

    budget_per_hour: float
    thresholds: dict[str, float]
    """By class."""
    false_alarms: dict[str, float]
    """Per hour, by kind: Normal and each kind of negative."""
    sensitivity: float
    """Share of adventitious recordings with at least one event."""
    event_f1: float
    """Mean of continuous and discontinuous."""
    segment_f1: float
    """The same for segments of 1 s."""

    def to_fields(self) -> dict[str, Any]:
        """Keys and values of one line of `budgets` in result.json: rates per hour, shares of 0 to 1."""
        return {name: getattr(self, name) for name in self.__slots__}


def points(scored: Sequence[ScoredRecording], detection: Detection) -> list[Point]:
    """One point for each budget that can be kept, measured on what it was chosen on.

    Args:
        scored: recordings with calibrated scores, negatives too.
        detection: with the thresholds of the best F1.
    """
    found: list[Point] = []
    for step in STEPS:
        raised = replace(detection, thresholds={c: _raised(t, step) for c, t in detection.thresholds.items()})
        waiting = BUDGETS[: len(BUDGETS) - len(found)]
        if not waiting:
            break
        if not _within(_rates([(s, raised.events(s.scores)) for s in scored if _is_silent(s)], raised), waiting[-1]):
            continue
        point = _measure([(s, raised.events(s.scores)) for s in scored], raised, waiting[-1])
        while waiting and _within(point.false_alarms, waiting[-1]):
            found.append(replace(point, budget_per_hour=waiting[-1]))
            waiting = waiting[:-1]
    return found[::-1]


def nested_points(shipped: Chosen, outer: Mapping[int, Chosen], heard: Sequence[RecordingLogits]) -> list[Point]:
    """The thresholds of all folds, with what such a choice keeps and finds on a fold that it did not meet.

    Args:
        shipped: what all folds choose.
        outer: what the others of each fold choose.
        heard: the recordings.
    """
    inner = {fold: {p.budget_per_hour: p for p in points(one.scored, one.detection)} for fold, one in outer.items()}
    found = []
    for point in points(shipped.scored, shipped.detection):
        budget = point.budget_per_hour
        if not all(budget in of_fold for of_fold in inner.values()):
            continue  # a budget that four folds cannot keep is none to be promised
        pairs: list[Heard] = []
        for fold, one in outer.items():
            raised = replace(one.detection, thresholds=inner[fold][budget].thresholds)
            pairs += replace(one, detection=raised).judge([h for h in heard if h.fold == fold])
        found.append(replace(_measure(pairs, shipped.detection, budget), thresholds=point.thresholds))
    return found


def _is_silent(scored: ScoredRecording) -> bool:
    return scored.recording.is_negative or scored.recording.record_label == "Normal"


def _rates(pairs: Sequence[Heard], detection: Detection) -> dict[str, float]:
    """False alarms per hour by kind."""
    rates = false_alarms(((s, list(events)) for s, events in pairs), detection.frame_s)
    return {name.removeprefix("false alarms per hour "): round(rate, 2) for name, rate in rates.items()}


def _within(rates: Mapping[str, float], budget: float) -> bool:
    normal = rates.get("Normal", 0.0)
    others = [rate for kind, rate in rates.items() if kind != "Normal"]
    return normal <= budget and all(rate <= OF_NEGATIVES * budget for rate in others)


def _measure(pairs: Sequence[Heard], detection: Detection, budget: float) -> Point:
    chest = [(s, list(events)) for s, events in pairs if s.is_annotated_chest]
    counts = event_counts(chest, detection.rate_hz)
    f1 = [
        float(np.mean([counts[f"{kind} F1 {group}"].f1() for group in ("continuous", "discontinuous")]))
        for kind in ("event", "segment")
    ]
    alarmed = [bool(e) for s, e in chest if is_adventitious(s)]
    sensitivity = round(float(np.mean(alarmed)), 4) if alarmed else 0.0
    rates = _rates(pairs, detection)
    return Point(budget, detection.thresholds, rates, sensitivity, round(f1[0], 4), round(f1[1], 4))


def _raised(threshold: float, step: float) -> float:
    logit = np.log(threshold / (1 - threshold)) + step
    return float(min(HIGHEST, round(1 / (1 + np.exp(-logit)), 3)))
