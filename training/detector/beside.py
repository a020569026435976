"""What the detector is worth on held-out patients of the sets on which nothing was chosen (`training.detector.sets`).

Each fold's recordings were heard by the network that never met their patients, and are judged by calibration and
thresholds of the other folds of the main set. A cycle of ICBHI says that a sound is somewhere in it, so of such a set
no frame, onset or duration is judged: cycles, recordings and false alarms are. Not for tests (`training.evaluation`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from training.detector.thresholds import Chosen, RecordingLogits, judged, streaming_metrics
from training.metrics.estimates import (
    Estimate,
    Heard,
    Metric,
    alarm_metrics,
    auc_metric,
    bounds,
    by_patient,
    record_metrics,
    values,
)
from training.metrics.streaming import GROUP_OF, GROUPS, ScoredRecording, group_score

HIGHEST = 0.2  # a cycle is as suspect as the mean of this share of its frames, the highest: a wheeze may be short


def beside(heard: Sequence[RecordingLogits], chosen: Mapping[int, Chosen]) -> dict[str, Any]:
    """Numbers with intervals for each set, by name.

    Args:
        heard: chest recordings of sets on which nothing was chosen.
        chosen: for each fold what the others of the main set chose.
    """
    sets: dict[str, list[RecordingLogits]] = {}
    for one in heard:
        sets.setdefault(one.recording.dataset, []).append(one)
    return {name: _report(several, chosen) for name, several in sorted(sets.items())}


def _report(several: Sequence[RecordingLogits], chosen: Mapping[int, Chosen]) -> dict[str, Any]:
    detection = next(iter(chosen.values())).detection
    pairs: list[Heard] = [(s, e) for s, e in judged(several, chosen)]
    covers_cycles = any(h.recording.covers == "cycle" for h in several)
    metrics = cycle_set_metrics if covers_cycles else streaming_metrics
    estimates: list[Estimate] = [one.estimate() for one in metrics(pairs, detection.rate_hz, detection.frame_s)]
    return {
        "patients": len({h.recording.patient for h in several}),
        "recordings": len(several),
        "validation": values(estimates),
        "intervals": bounds(estimates),
    }


def cycle_set_metrics(pairs: Sequence[Heard], rate_hz: int, frame_s: float) -> list[Metric]:
    """How well cycles and recordings with a sound are told from those without, and false alarms on Normal ones.

    Args:
        pairs: chest recordings with calibrated scores and events.
        rate_hz: of the sample indices in the events.
        frame_s: seconds to one score frame.
    """
    scored = [s for s, _ in pairs]
    found = []
    for group in GROUPS:
        rows = [row for one in scored for row in cycle_rows(one, group, frame_s)]
        truth, suspect, patients = [t for t, _, _ in rows], [s for _, s, _ in rows], [p for _, _, p in rows]
        found.append(auc_metric(f"cycle AUC {group}", truth, suspect, patients, "cycles"))
    return [*found, *record_metrics(by_patient(pairs), frame_s), *alarm_metrics(pairs, rate_hz, frame_s)]


def cycle_rows(scored: ScoredRecording, group: str, frame_s: float) -> Iterator[tuple[bool, float, str]]:
    """Of each cycle whether the group is in it, how suspect it is, and whose it is."""
    levels = group_score(scored.scores, group)
    for cycle in scored.recording.events:
        inside = np.sort(levels[round(cycle.start_s / frame_s) : round(cycle.end_s / frame_s)])
        if len(inside):
            suspect = float(inside[-max(1, round(HIGHEST * len(inside))) :].mean())
            yield group in {GROUP_OF[label] for label in cycle.labels}, suspect, scored.recording.patient
