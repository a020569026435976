"""Streaming metrics as functions of how often each patient counts: a value, its interval, and paired differences.

Every number is computed from what adds over patients: counts of events, hours, pairs of recordings, histograms of
scores. Chest recordings of Poor Quality are left out of all but the false alarms of other sounds. Not for burden
(`training.metrics.burden`), PSDS and delays (`training.evaluation.patientwise`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score

from edge.types import Event
from training.datasets import CLASSES
from training.datasets.targets import annotated
from training.metrics.intervals import Interval, Weights, interval, pair_wins
from training.metrics.streaming import (
    GROUPS,
    Counts,
    ScoredRecording,
    event_counts,
    frame_columns,
    group_score,
    record_score,
)

RARE = -float(np.log(0.05))  # events expected at most, with 95 % confidence, when none was seen
BINS = 2048  # of scores by rank, for the intervals of average precision; the value itself is exact
MINUTE_S = 60.0
ANNOTATED = "annotated time"

Vector = NDArray[np.float64]
Heard = tuple[ScoredRecording, Sequence[Event]]
"""A recording with the events that were reported in it, ends only."""
Patients = Sequence[Sequence[Heard]]
"""Recordings of each patient together."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """One line of a table."""

    name: str
    value: float | None
    """None where the examples to compute it are missing."""
    bounds: Interval | None
    examples: str
    """What it was counted on, in words."""


@dataclass(frozen=True, slots=True)
class Metric:
    """One number of some patients."""

    name: str
    patients: int
    of: Callable[[Weights], float | None]
    """From (P,) how often each patient counts to the number; None where it is not defined."""
    examples: str
    exact: float | None = None
    """The number when every patient counts once, where `of` rounds."""
    hours: float = 0.0
    """Of a rate: drawing patients without alarms draws none, so without any the bound is that of Poisson."""

    def estimate(self) -> Estimate:
        """The number with its interval."""
        value = self.of(np.ones(self.patients, np.int64)) if self.exact is None else self.exact
        if self.hours and not value:
            bound = Interval(0.0, RARE / self.hours, 0)
            return Estimate(self.name, value, bound, f"{self.examples}, exact bound")
        bounds = interval(self.patients, self.of)
        return Estimate(self.name, None if value is None else float(value), bounds, self.examples)

    def less(self, other: Metric) -> Estimate:
        """This minus the other on the same patients, each draw of them counted for both: a paired difference."""

        def difference(weights: Weights) -> float | None:
            mine, its = self.of(weights), other.of(weights)
            return None if mine is None or its is None else mine - its

        value = difference(np.ones(self.patients, np.int64))
        if self.exact is not None and other.exact is not None:
            value = self.exact - other.exact
        return Estimate(self.name, value, interval(self.patients, difference), self.examples)


def values(estimates: Sequence[Estimate]) -> dict[str, float]:
    """Numbers by name; those without examples are left out."""
    return {one.name: round(one.value, 4) for one in estimates if one.value is not None}


def bounds(estimates: Sequence[Estimate]) -> dict[str, list[float]]:
    """Low and high end of the numbers that have an interval."""
    return {one.name: [round(one.bounds.low, 4), round(one.bounds.high, 4)] for one in estimates if one.bounds}


def by_patient(heard: Sequence[Heard]) -> list[list[Heard]]:
    """Recordings of each patient together, patients in order of their names."""
    groups: dict[str, list[Heard]] = {}
    for one in heard:
        groups.setdefault(one[0].recording.patient, []).append(one)
    return [groups[name] for name in sorted(groups)]


def of_counts(name: str, each: Vector, metric: Callable[[Vector], float | None], examples: str) -> Metric:
    """A metric of counts (P, ...) that add over patients."""
    return Metric(name, len(each), lambda weights: metric(np.tensordot(weights.astype(np.float64), each, 1)), examples)


def share(total: Vector) -> float | None:
    """First count over the second; None where that is 0."""
    return float(total[0] / total[1]) if total[1] else None


def event_metrics(chest: Patients, rate_hz: int) -> list[Metric]:
    """F1 of events and of segments, each group and their mean."""
    counted = [event_counts([(s, list(events)) for s, events in several], rate_hz) for several in chest]
    each = {title: np.array([counts[title] for counts in counted], np.float64) for title in counted[0]}

    def f1(total: Vector) -> float | None:
        return Counts(*total).f1() if total[2] else None

    def mean(total: Vector) -> float | None:
        known = [value for value in (f1(row) for row in total) if value is not None]
        return sum(known) / len(known) if len(known) == len(total) else None

    found = []
    for kind, unit in (("event F1", "events"), ("segment F1", "segments of 1 s")):
        titles = [f"{kind} {group}" for group in GROUPS]
        for title in titles:
            found.append(of_counts(title, each[title], f1, f"{each[title][:, 2].sum():.0f} {unit}"))
        both = np.stack([each[title] for title in titles], axis=1)  # (P, groups, 3)
        found.append(of_counts(f"{kind} mean", both, mean, f"{both[..., 2].sum():.0f} {unit}"))
    return found


def record_metrics(chest: Patients, frame_s: float) -> list[Metric]:
    """How well Normal and adventitious recordings, and minutes of them, are told apart; unlabelled ones are neither."""
    chest = [[heard for heard in several if heard[0].recording.record_label] for several in chest]
    flat = [scored for several in chest for scored, _ in several]
    suspect = [record_score(scored.scores) for scored in flat]
    mean = [mean_score([scored]) for scored in flat]
    lasting = [(s[0].recording.patient, is_adventitious(s[0]), mean_score(s)) for s in minutes(chest, frame_s)]
    patients, truth = [s.recording.patient for s in flat], [is_adventitious(s) for s in flat]
    found = [
        auc_metric("record AUC", truth, suspect, patients, "recordings"),
        auc_metric("record AUC of the mean", truth, mean, patients, "recordings"),
        auc_metric(
            "minute AUC of the mean",
            [t for _, t, _ in lasting],
            [v for _, _, v in lasting],
            [p for p, _, _ in lasting],
            "minutes",
        ),
    ]
    for name, wanted in (("record sensitivity", True), ("record specificity", False)):
        each = [
            [
                sum(bool(events) == wanted for s, events in several if is_adventitious(s) == wanted),
                sum(is_adventitious(s) == wanted for s, _ in several),
            ]
            for several in chest
        ]
        total = sum(row[1] for row in each)
        found.append(of_counts(name, np.array(each, np.float64), share, f"{total} recordings"))
    return found


def is_adventitious(scored: ScoredRecording) -> bool:
    """True for chest recordings that have a label, neither Normal nor Poor Quality."""
    return scored.is_annotated_chest and scored.recording.record_label not in ("Normal", "")


def mean_score(several: Sequence[ScoredRecording]) -> float:
    """Mean over the frames of some recordings of the higher probability of the two groups; 0 without frames."""
    scores = np.concatenate([s.scores for s in several])
    return float(np.maximum(*(group_score(scores, group) for group in GROUPS)).mean()) if len(scores) else 0.0


def minutes(chest: Patients, frame_s: float) -> list[list[ScoredRecording]]:
    """Recordings of one patient and one truth joined, in order of their names, to a minute or more each.

    What is left at the end counts when it is half a minute.
    """
    found = []
    for several in chest:
        for wanted in (False, True):
            waiting: list[ScoredRecording] = []
            mine = sorted((s for s, _ in several if is_adventitious(s) == wanted), key=lambda s: s.recording.path.name)
            for index, scored in enumerate(mine):
                waiting.append(scored)
                seconds = sum(len(s.scores) for s in waiting) * frame_s
                if seconds >= MINUTE_S or (index == len(mine) - 1 and seconds >= MINUTE_S / 2):
                    found.append(waiting)
                    waiting = []
    return found


def auc_metric(name: str, truth: Sequence[bool], scores: Sequence[float], patients: Sequence[str], unit: str) -> Metric:
    """Area under the ROC curve of so many adventitious and normal examples of some unit, with their patients."""
    wins = pair_wins(truth, scores, patients)
    examples = f"{sum(truth)} adventitious, {len(truth) - sum(truth)} normal {unit}"
    return Metric(name, len(wins.positives), wins.auc, examples)


def frame_metrics(chest: Patients) -> list[Metric]:
    """Average precision over all frames, and of the groups over those in annotated time."""
    flat = [scored for several in chest for scored, _ in several]
    scores, targets = np.concatenate([s.scores for s in flat]), np.concatenate([s.targets for s in flat])
    owner = np.repeat(np.arange(len(chest)), [sum(len(s.scores) for s, _ in several) for several in chest])
    inside = annotated(targets)
    found = []
    for name in (*CLASSES, *GROUPS):
        level, truth = frame_columns(name, scores, targets)
        found += [_precision(f"frame AP {name}", level, truth, owner, len(chest))] if truth.any() else []
    for name in GROUPS:
        level, truth = frame_columns(name, scores[inside], targets[inside])
        if truth.any():
            found.append(_precision(f"frame AP {name}, {ANNOTATED}", level, truth, owner[inside], len(chest)))
    return found


def _precision(
    name: str, level: NDArray[np.floating], truth: NDArray[np.bool_], owner: NDArray[np.int64], patients: int
) -> Metric:
    binned = of_counts(name, histograms(level, truth, owner, patients), binned_average_precision, "")
    examples = f"{int(truth.sum())} of {len(truth)} frames"
    return replace(binned, examples=examples, exact=float(average_precision_score(truth, level)))


def histograms(
    level: NDArray[np.floating], truth: NDArray[np.bool_], owner: NDArray[np.int64], patients: int
) -> Vector:
    """(P, 2, bins) frames of each patient without and with the sound, by rank of their score."""
    edges = np.unique(np.quantile(level, np.linspace(0, 1, BINS)))
    place = np.searchsorted(edges, level)
    flat = (owner * 2 + truth) * (len(edges) + 1) + place
    counts = np.bincount(flat, minlength=patients * 2 * (len(edges) + 1))
    return counts.reshape(patients, 2, len(edges) + 1).astype(np.float64)


def binned_average_precision(total: Vector) -> float | None:
    """Average precision when all scores of one bin are equal."""
    hits, misses = np.cumsum(total[1][::-1]), np.cumsum(total[0][::-1])
    if not hits[-1]:
        return None
    precision = hits / np.maximum(hits + misses, 1)
    return float((np.diff(hits, prepend=0.0) * precision).sum() / hits[-1])


def alarm_metrics(heard: Sequence[Heard], rate_hz: int, frame_s: float) -> list[Metric]:
    """Events per hour on recordings that hold none, by kind; on Normal ones also in and out of annotated time.

    Both rates of Normal are per hour of all of it, so they add to the whole; an event is where most of it lies.
    """
    found = []
    silent = [(s, e) for s, e in heard if s.recording.is_negative or s.recording.record_label == "Normal"]
    for kind in sorted({s.recording.record_label for s, _ in silent}):
        several = by_patient([(s, e) for s, e in silent if s.recording.record_label == kind])
        hours = [sum(len(s.scores) for s, _ in one) * frame_s / 3600 for one in several]
        alarms = {"": [sum(len(events) for _, events in one) for one in several]}
        if kind == "Normal":
            inside = [sum(_in_annotated(s, e, rate_hz) for s, events in one for e in events) for one in several]
            alarms[f", {ANNOTATED}"] = inside
            alarms[", not annotated"] = [a - i for a, i in zip(alarms[""], inside, strict=True)]
        for where, counts in alarms.items():
            examples = f"{sum(counts)} alarms in {sum(hours):.2f} h"
            table = np.array([counts, hours], np.float64).T
            metric = of_counts(f"false alarms per hour {kind}{where}", table, share, examples)
            found.append(replace(metric, hours=sum(hours)))
    return found


def _in_annotated(scored: ScoredRecording, event: Event, rate_hz: int) -> bool:
    """Whether more than half of an event lies in annotated breath phases."""
    onset, end = event.onset / rate_hz, (event.end or 0) / rate_hz
    covered = sum(max(0.0, min(end, a.end_s) - max(onset, a.start_s)) for a in scored.recording.events)
    return covered > (end - onset) / 2
