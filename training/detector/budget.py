"""Thresholds for a stated budget of false alarms: how much is still found when so few are allowed.

From the thresholds with the best F1 upwards, both groups are raised together along the logit until the false alarms on
Normal recordings, and on each kind of negative, are within the budget. Scores come from networks not trained on the
patients; the thresholds are chosen on those very recordings, so another ward will have somewhat more alarms. Not for
smoothing and durations (`training.detector.thresholds`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

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
    """One point for each budget that can be kept.

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
        point = _measure(scored, raised, waiting[-1])
        while waiting and _within(point, waiting[-1]):
            found.append(replace(point, budget_per_hour=waiting[-1]))
            waiting = waiting[:-1]
    return found[::-1]


def _within(point: Point, budget: float) -> bool:
    normal = point.false_alarms.get("Normal", 0.0)
    others = [rate for kind, rate in point.false_alarms.items() if kind != "Normal"]
    return normal <= budget and all(rate <= OF_NEGATIVES * budget for rate in others)


def _measure(scored: Sequence[ScoredRecording], detection: Detection, budget: float) -> Point:
    events = [detection.events(s.scores) for s in scored]
    pairs = list(zip(scored, events, strict=True))
    chest = [(s, e) for s, e in pairs if s.is_annotated_chest]
    counts = event_counts(chest, detection.rate_hz)
    f1 = [
        float(np.mean([counts[f"{kind} F1 {group}"].f1() for group in ("continuous", "discontinuous")]))
        for kind in ("event", "segment")
    ]
    alarmed = [bool(e) for s, e in chest if s.recording.record_label != "Normal"]
    rates = false_alarms(pairs, detection.frame_s)
    by_kind = {name.removeprefix("false alarms per hour "): round(rate, 2) for name, rate in rates.items()}
    sensitivity = round(float(np.mean(alarmed)), 4) if alarmed else 0.0
    return Point(budget, detection.thresholds, by_kind, sensitivity, round(f1[0], 4), round(f1[1], 4))


def _raised(threshold: float, step: float) -> float:
    logit = np.log(threshold / (1 - threshold)) + step
    return float(min(HIGHEST, round(1 / (1 + np.exp(-logit)), 3)))
