"""What a detector is worth at each age, and what infants need: a border of their own. For result.json.

SPRSound's patients are children, and few of them infants: the mean over all patients hides those. Every number comes
from patients whom no network heard, with the numbers that the other folds chose. Infants' thresholds are raised along
the logit until their own false alarms are within `ALLOWED`; nothing else is fitted on so few. Not for adults, of whom
there are none here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from training.detector.budget import bound_per_hour, raised
from training.metrics.estimates import (
    Heard,
    Metric,
    alarm_metrics,
    by_patient,
    frame_metrics,
    is_adventitious,
    of_counts,
    record_metrics,
    share,
)
from training.metrics.streaming import Detection, ScoredRecording

ALLOWED = 100.0  # false alarms per hour on Normal recordings of infants
STEPS = np.arange(0.0, 3.01, 0.25)  # added to the logits of infants' thresholds
FEWEST = 2  # patients of whom anything is said


class AgeGroup(NamedTuple):
    """Patients from one age to another, years."""

    name: str
    from_years: float
    to_years: float


GROUPS = (AgeGroup("under 1 year", 0, 1), AgeGroup("1 to 3 years", 1, 3), AgeGroup("3 to 17 years", 3, 18))
INFANTS = GROUPS[0]


def by_age(pairs: Sequence[Heard], detection: Detection) -> dict[str, Any]:
    """What held-out patients of each age show, with intervals over patients.

    Args:
        pairs: every judged recording with its events.
        detection: for the length of a frame.
    """
    found = {}
    for group in GROUPS:
        chest = by_patient([(s, e) for s, e in pairs if _is_of(s, group) and s.is_annotated_chest])
        if len(chest) < FEWEST:
            continue
        flat = [heard for several in chest for heard in several]
        metrics = [
            *(m for m in alarm_metrics(flat, detection.rate_hz, detection.frame_s) if m.name.endswith("Normal")),
            _sensitivity(chest),
            *(m for m in record_metrics(chest, detection.frame_s) if m.name.startswith("record AUC")),
            *(m for m in frame_metrics(chest) if m.name.endswith("annotated time")),
        ]
        normal = [s for s, _ in flat if s.recording.record_label == "Normal"]
        estimates = [metric.estimate() for metric in metrics]
        found[group.name] = {
            "from_years": group.from_years,
            "to_years": group.to_years,
            "patients": len(chest),
            "recordings": len(flat),
            "normal_patients": len({s.recording.patient for s in normal}),
            "normal_minutes": round(sum(len(s.scores) for s in normal) * detection.frame_s / 60, 1),
            "validation": {e.name: round(e.value, 4) for e in estimates if e.value is not None},
            "intervals": {e.name: [round(e.bounds.low, 4), round(e.bounds.high, 4)] for e in estimates if e.bounds},
        }
    return found


def infant_step(scored: Sequence[ScoredRecording], detection: Detection) -> float | None:
    """What is added to the logits of infants' thresholds: the least with which they keep `ALLOWED`; None without any.

    Args:
        scored: recordings with calibrated scores of networks that did not hear them; only Normal infants count.
        detection: with the thresholds of everybody.
    """
    infants = [s for s in scored if _is_of(s, INFANTS) and s.recording.record_label == "Normal"]
    if len({s.recording.patient for s in infants}) < FEWEST:
        return None
    hours = sum(len(s.scores) for s in infants) * detection.frame_s / 3600
    for step in STEPS:
        of_step = with_step(detection, float(step))
        if sum(len(of_step.events(s.scores)) for s in infants) <= ALLOWED * hours:
            return float(step)
    return float(STEPS[-1])


def with_step(detection: Detection, step: float) -> Detection:
    """The same with every threshold raised along the logit."""
    return replace(detection, thresholds={name: raised(t, step) for name, t in detection.thresholds.items()})


def infants_with(scored: Sequence[ScoredRecording], detection: Detection) -> dict[str, Any]:
    """What infants' own border costs and finds, measured on the infants that chose it: they are too few to part."""
    heard = [(s, detection.events(s.scores)) for s in scored if _is_of(s, INFANTS) and s.is_annotated_chest]
    normal = [(s, e) for s, e in heard if s.recording.record_label == "Normal"]
    hours = sum(len(s.scores) for s, _ in normal) * detection.frame_s / 3600
    adventitious = [bool(e) for s, e in heard if is_adventitious(s)]
    return {
        "false_alarms_per_hour": round(sum(len(e) for _, e in normal) / hours, 1) if hours else None,
        "bound_per_hour": round(bound_per_hour(normal, detection.frame_s), 1),
        "sensitivity": round(float(np.mean(adventitious)), 3) if adventitious else None,
    }


def _is_of(scored: ScoredRecording, group: AgeGroup) -> bool:
    recording = scored.recording
    return recording.is_real_chest and group.from_years <= recording.age_years < group.to_years


def _sensitivity(chest: Sequence[Sequence[Heard]]) -> Metric:
    counts = np.array(
        [
            [sum(bool(e) for s, e in several if is_adventitious(s)), sum(is_adventitious(s) for s, _ in several)]
            for several in chest
        ],
        np.float64,
    )
    return of_counts("sensitivity", counts, share, f"{counts[:, 1].sum():.0f} adventitious recordings")
