"""Streaming metrics of many recordings, each with its interval over patients.

Every number is computed from what adds over patients: counts of events, hours, pairs of recordings, histograms of
scores. Chest recordings of Poor Quality are left out of all but the scores. Not for clips.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import median_filter
from sklearn.metrics import average_precision_score

from training.datasets import CLASSES
from training.evaluation.delays import Delays, StreamedRecording, annotated_spans, delays, weighted_quantile
from training.metrics.bootstrap import Interval, interval, of_counts, pair_wins
from training.metrics.psds import LOCATE, NOTICE, Scenario, count, psds
from training.metrics.streaming import (
    GROUPS,
    Counts,
    Detection,
    event_counts,
    frame_columns,
    group_score,
    record_score,
)

LATE_SHARES = {"median": 0.5, "95th percentile": 0.95}
RARE = -float(np.log(0.05))  # events expected at most, with 95 % confidence, when none was seen
BINS = 2048  # of scores by rank, for the intervals of average precision; the value itself is exact

Vector = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Estimate:
    """One line of a table."""

    name: str
    value: float | None
    """None where the examples to compute it are missing."""
    bounds: Interval | None
    examples: str
    """What it was counted on, in words."""


def streaming_estimates(streamed: Sequence[StreamedRecording], detection: Detection) -> list[Estimate]:
    """All streaming metrics of a set of recordings, in the order of the table."""
    chest = by_patient([h for h in streamed if h.scored.is_annotated_chest])
    found: list[Estimate] = []
    if chest:
        found += _event_estimates(chest, detection.rate_hz)
        found += [_psds_estimate(chest, detection, scenario) for scenario in (LOCATE, NOTICE)]
        found += _record_estimates(chest)
        found += _delay_estimates(chest, detection.rate_hz)
        found += _frame_estimates(chest)
    return found + _alarm_estimates(streamed, detection.frame_s)


def by_patient(streamed: Sequence[StreamedRecording]) -> list[list[StreamedRecording]]:
    """Recordings of each patient together, patients in order of their names."""
    groups: dict[str, list[StreamedRecording]] = {}
    for one in streamed:
        groups.setdefault(one.patient, []).append(one)
    return [groups[name] for name in sorted(groups)]


def _from_counts(name: str, each: Vector, metric: Callable[[Vector], float | None], examples: str) -> Estimate:
    value = metric(each.sum(axis=0))
    return Estimate(name, None if value is None else float(value), of_counts(each, metric), examples)


def _event_estimates(chest: list[list[StreamedRecording]], rate_hz: int) -> list[Estimate]:
    counted = [event_counts([(h.scored, list(h.events)) for h in several], rate_hz) for several in chest]
    each = {title: np.array([counts[title] for counts in counted], np.float64) for title in counted[0]}

    def f1(total: Vector) -> float | None:
        return Counts(*total).f1() if total[2] else None

    found = []
    for kind in ("event F1", "segment F1"):
        titles = [f"{kind} {group}" for group in GROUPS]
        unit = "events" if kind == "event F1" else "segments of 1 s"
        for title in titles:
            found.append(_from_counts(title, each[title], f1, f"{each[title][:, 2].sum():.0f} {unit}"))
        both = np.stack([each[title] for title in titles], axis=1)  # (P, groups, 3)
        examples = f"{both[..., 2].sum():.0f} {unit}"
        found.append(_from_counts(f"{kind} mean", both, lambda total: _mean([f1(row) for row in total]), examples))
    return found


def _mean(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if len(known) == len(values) else None


def _psds_estimate(chest: list[list[StreamedRecording]], detection: Detection, scenario: Scenario) -> Estimate:
    medians = {group.name: group.median_frames for group in detection.groups}
    tallies = []
    for several in chest:
        rows = []
        for h in several:
            levels = [median_filter(group_score(h.scored.scores, g), medians[g], mode="nearest") for g in GROUPS]
            rows.append(count([annotated_spans(h, g) for g in GROUPS], levels, detection.frame_s, scenario))
        tallies.append(np.sum([row.flat() for row in rows], axis=0))
    shape = rows[-1]
    total = shape.like(np.sum(tallies, axis=0))
    examples = f"{total.events.sum():.0f} events, {total.hours:.2f} h"
    return _from_counts(scenario.name, np.array(tallies), lambda flat: psds(shape.like(flat), scenario), examples)


def _record_estimates(chest: list[list[StreamedRecording]]) -> list[Estimate]:
    flat = [h for several in chest for h in several]
    truth = [h.is_adventitious for h in flat]
    wins = pair_wins(truth, [record_score(h.scored.scores) for h in flat], [h.patient for h in flat])
    examples = f"{sum(truth)} adventitious, {len(truth) - sum(truth)} normal"
    found = [Estimate("record AUC", wins.auc(), interval(len(wins.positives), wins.auc), examples)]
    for name, wanted, alarmed in (("record sensitivity", True, True), ("record specificity", False, False)):
        each = [
            [
                sum(bool(h.events) == alarmed for h in several if h.is_adventitious == wanted),
                sum(h.is_adventitious == wanted for h in several),
            ]
            for several in chest
        ]
        total = sum(row[1] for row in each)
        found.append(_from_counts(name, np.array(each, np.float64), _share, f"{total} recordings"))
    return found


def _share(total: Vector) -> float | None:
    return float(total[0] / total[1]) if total[1] else None


def _delay_estimates(chest: list[list[StreamedRecording]], rate_hz: int) -> list[Estimate]:
    each = []
    for several in chest:
        sums = Delays((), 0, 0)
        for h in several:
            sums = sums.plus(delays(h, rate_hz))
        each.append(sums)
    values = np.array([s for one in each for s in one.seconds], np.float64)
    owner = np.repeat(np.arange(len(each)), [len(one.seconds) for one in each])
    examples = f"{len(values)} events noticed after their onset, {sum(one.already for one in each)} already sounding"
    examples += f", {sum(one.missed for one in each)} missed"
    found = []
    for name, share in LATE_SHARES.items():

        def late(weights: NDArray[np.int64], share: float = share) -> float | None:
            return weighted_quantile(values, weights[owner].astype(np.float64), share)

        at_once = late(np.ones(len(each), np.int64))
        found.append(Estimate(f"detection delay {name}, s", at_once, interval(len(each), late), examples))
    noticed = np.array([[len(d.seconds) + d.already, len(d.seconds) + d.already + d.missed] for d in each], np.float64)
    total = f"{noticed[:, 1].sum():.0f} events"
    return [*found, _from_counts("share of events noticed", noticed, _share, total)]


def _frame_estimates(chest: list[list[StreamedRecording]]) -> list[Estimate]:
    flat = [h for several in chest for h in several]
    scores = np.concatenate([h.scored.scores for h in flat])
    targets = np.concatenate([h.scored.targets for h in flat])
    names, index = np.unique([h.patient for h in flat], return_inverse=True)
    owner = np.repeat(index, [len(h.scored.scores) for h in flat])
    found = []
    for name in (*CLASSES, *GROUPS):
        level, truth = frame_columns(name, scores, targets)
        if not truth.any():
            continue
        histograms = _histograms(level, truth, owner, len(names))
        found.append(
            Estimate(
                f"frame AP {name}",
                float(average_precision_score(truth, level)),
                of_counts(histograms, _binned_average_precision),
                f"{int(truth.sum())} of {len(truth)} frames",
            )
        )
    return found


def _histograms(
    level: NDArray[np.floating], truth: NDArray[np.bool_], owner: NDArray[np.int64], patients: int
) -> Vector:
    """(P, 2, bins) frames of each patient without and with the sound, by rank of their score."""
    edges = np.unique(np.quantile(level, np.linspace(0, 1, BINS)))
    place = np.searchsorted(edges, level)
    flat = (owner * 2 + truth) * (len(edges) + 1) + place
    counts = np.bincount(flat, minlength=patients * 2 * (len(edges) + 1))
    return counts.reshape(patients, 2, len(edges) + 1).astype(np.float64)


def _binned_average_precision(total: Vector) -> float | None:
    """Average precision when all scores of one bin are equal."""
    hits, misses = np.cumsum(total[1][::-1]), np.cumsum(total[0][::-1])
    if not hits[-1]:
        return None
    precision = hits / np.maximum(hits + misses, 1)
    return float((np.diff(hits, prepend=0.0) * precision).sum() / hits[-1])


def _alarm_estimates(streamed: Sequence[StreamedRecording], frame_s: float) -> list[Estimate]:
    """Events per hour on recordings that hold none: Normal, and each kind of negative."""
    found = []
    silent = [h for h in streamed if h.scored.recording.is_negative or h.scored.recording.record_label == "Normal"]
    for kind in sorted({h.scored.recording.record_label for h in silent}):
        several = by_patient([h for h in silent if h.scored.recording.record_label == kind])
        each = [
            [sum(len(h.events) for h in one), sum(len(h.scored.scores) for h in one) * frame_s / 3600]
            for one in several
        ]
        counts = np.array(each, np.float64)
        alarms, hours = counts.sum(axis=0)
        examples = f"{alarms:.0f} alarms in {hours:.2f} h"
        estimate = _from_counts(f"false alarms per hour {kind}", counts, _share, examples)
        if not alarms and hours:  # drawing patients without alarms draws none: the bound is that of Poisson
            estimate = replace(
                estimate, bounds=Interval(0.0, float(RARE / hours), 0), examples=f"{examples}, exact bound"
            )
        found.append(estimate)
    return found
