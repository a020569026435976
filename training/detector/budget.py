"""Thresholds for a stated budget of false alarms: how much is still found when so few are allowed.

From the thresholds with the best F1 upwards, both groups are raised together along the logit until a bound on the false
alarms on Normal recordings of a new patient, and the rate on each kind of negative, are within the budget. Scores come
from networks that never heard the patients. What such thresholds keep and find is measured on folds that did not choose
them (`nested_points`). Not for smoothing and durations (`training.detector.thresholds`).

The bound is that of conformal risk control: with the rate of each of n patients capped at `CAP`, the expected capped
rate of one more patient who is exchangeable with them is at most (sum of the rates + CAP) / (n + 1). It is an
expectation, not a bound on each patient, and another hospital's patients are not exchangeable with these.

Source: Angelopoulos et al., Conformal risk control, ICLR 2024 (2208.02814).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Sized
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from training.detector.thresholds import Chosen, RecordingLogits
from training.metrics.estimates import Heard, is_adventitious
from training.metrics.spans import GroupScores
from training.metrics.streaming import Detection, ScoredRecording, event_counts, false_alarms

BUDGETS = (2.0, 5.0, 10.0, 20.0)  # false alarms per hour on Normal recordings
CAP = 300.0  # false alarms per hour of a patient: one in 12 s is as bad as it gets
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


def budget_thresholds(scored: Sequence[ScoredRecording], detection: Detection) -> dict[float, dict[str, float]]:
    """The lowest thresholds by class that keep each budget; budgets that none keeps are left out.

    Args:
        scored: recordings with calibrated scores, negatives too.
        detection: with the thresholds of the best F1.
    """
    silent = [(s, [GroupScores(s.scores, g.classes) for g in detection.groups]) for s in scored if _is_silent(s)]
    found: dict[float, dict[str, float]] = {}
    waiting = list(BUDGETS)
    for step in STEPS:
        thresholds = {c: raised(t, step) for c, t in detection.thresholds.items()}
        pairs = [
            (s, [one for g, of in zip(detection.groups, several, strict=True) for one in of.spans(g, thresholds)])
            for s, several in silent
        ]
        rates, bound = _rates(pairs, detection.frame_s), bound_per_hour(pairs, detection.frame_s)
        while waiting and bound <= waiting[-1] and _within(rates, waiting[-1]):
            found[waiting.pop()] = thresholds
        if not waiting:
            break
    return dict(sorted(found.items()))


def nested_points(shipped: Chosen, outer: Mapping[int, Chosen], heard: Sequence[RecordingLogits]) -> list[Point]:
    """The thresholds of all folds, with what such a choice keeps and finds on a fold that it did not meet.

    Args:
        shipped: what all folds choose.
        outer: what the others of each fold choose.
        heard: the recordings.
    """
    inner = {fold: budget_thresholds(one.scored, one.detection) for fold, one in outer.items()}
    found = []
    for budget, thresholds in budget_thresholds(shipped.scored, shipped.detection).items():
        if not all(budget in of_fold for of_fold in inner.values()):
            continue  # a budget that four folds cannot keep is none to be promised
        pairs: list[Heard] = []
        for fold, one in outer.items():
            raised = replace(one.detection, thresholds=inner[fold][budget])
            pairs += replace(one, detection=raised).judge([h for h in heard if h.fold == fold])
        found.append(measure(pairs, replace(shipped.detection, thresholds=thresholds), budget))
    return found


def _is_silent(scored: ScoredRecording) -> bool:
    return scored.recording.is_negative or scored.recording.record_label == "Normal"


def _rates(pairs: Iterable[tuple[ScoredRecording, Sized]], frame_s: float) -> dict[str, float]:
    """False alarms per hour by kind."""
    rates = false_alarms(pairs, frame_s)
    return {name.removeprefix("false alarms per hour "): round(rate, 2) for name, rate in rates.items()}


def bound_per_hour(pairs: Iterable[tuple[ScoredRecording, Sized]], frame_s: float) -> float:
    """Bound on the expected false alarms per hour of one more patient, each at most `CAP`; `CAP` without patients.

    Args:
        pairs: recordings with the events found in them; only Normal ones count.
        frame_s: seconds to one score frame.
    """
    alarms: dict[str, list[float]] = {}
    for scored, events in pairs:
        if scored.recording.record_label == "Normal":
            one = alarms.setdefault(scored.recording.patient, [0.0, 0.0])
            one[0] += len(events)
            one[1] += len(scored.scores) * frame_s / 3600
    rates = [min(count / hours, CAP) for count, hours in alarms.values() if hours > 0]
    return (sum(rates) + CAP) / (len(rates) + 1)


def _within(rates: Mapping[str, float], budget: float) -> bool:
    return all(rate <= OF_NEGATIVES * budget for kind, rate in rates.items() if kind != "Normal")


def measure(pairs: Sequence[Heard], detection: Detection, budget: float) -> Point:
    """What judged recordings say of a budget.

    Args:
        pairs: recordings with the events found in them.
        detection: with the thresholds of the budget.
        budget: false alarms per hour.
    """
    chest = [(s, list(events)) for s, events in pairs if s.is_annotated_chest]
    counts = event_counts(chest, detection.rate_hz)
    f1 = [
        float(np.mean([counts[f"{kind} F1 {group}"].f1() for group in ("continuous", "discontinuous")]))
        for kind in ("event", "segment")
    ]
    alarmed = [bool(e) for s, e in chest if is_adventitious(s)]
    sensitivity = round(float(np.mean(alarmed)), 4) if alarmed else 0.0
    rates = _rates(pairs, detection.frame_s)
    return Point(budget, detection.thresholds, rates, sensitivity, round(f1[0], 4), round(f1[1], 4))


def raised(threshold: float, step: float) -> float:
    """A threshold, 0 to 1, so much higher along the logit."""
    logit = np.log(threshold / (1 - threshold)) + step
    return float(min(HIGHEST, round(1 / (1 + np.exp(-logit)), 3)))
