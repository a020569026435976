"""Streaming metrics of many recordings, each with its interval over patients.

Every number is computed from what adds over patients: counts of events, hours, pairs of recordings, histograms of
scores. Chest recordings of Poor Quality are left out of all but the scores. Not for clips.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import median_filter

from training.evaluation.delays import Delays, StreamedRecording, annotated_spans, delays, weighted_quantile
from training.metrics.burden import burden_metrics
from training.metrics.estimates import (
    Estimate,
    alarm_metrics,
    event_metrics,
    frame_metrics,
    of_counts,
    record_metrics,
    share,
)
from training.metrics.intervals import interval
from training.metrics.psds import LOCATE, NOTICE, Scenario, count, psds
from training.metrics.streaming import GROUPS, Detection, group_score

LATE_SHARES = {"median": 0.5, "95th percentile": 0.95}


def streaming_estimates(streamed: Sequence[StreamedRecording], detection: Detection) -> list[Estimate]:
    """All streaming metrics of a set of recordings, in the order of the table."""
    chest = by_patient([h for h in streamed if h.scored.is_annotated_chest])
    found: list[Estimate] = []
    if chest:
        pairs = [[(h.scored, h.events) for h in several] for several in chest]
        found += [metric.estimate() for metric in event_metrics(pairs, detection.rate_hz)]
        found += [_psds_estimate(chest, detection, scenario) for scenario in (LOCATE, NOTICE)]
        found += [metric.estimate() for metric in record_metrics(pairs, detection.frame_s)]
        found += _delay_estimates(chest, detection.rate_hz)
        found += [metric.estimate() for metric in (*frame_metrics(pairs), *burden_metrics(pairs, detection.frame_s))]
    alarms = alarm_metrics([(h.scored, h.events) for h in streamed], detection.rate_hz, detection.frame_s)
    return found + [metric.estimate() for metric in alarms]


def by_patient(streamed: Sequence[StreamedRecording]) -> list[list[StreamedRecording]]:
    """Recordings of each patient together, patients in order of their names."""
    groups: dict[str, list[StreamedRecording]] = {}
    for one in streamed:
        groups.setdefault(one.patient, []).append(one)
    return [groups[name] for name in sorted(groups)]


def _psds_estimate(chest: list[list[StreamedRecording]], detection: Detection, scenario: Scenario) -> Estimate:
    # Of events by change points, whose step filter smooths as a median of its length would
    medians = {group.name: max(group.median_frames, 2 * (group.step_frames // 2) + 1) for group in detection.groups}
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
    return of_counts(
        scenario.name, np.array(tallies), lambda flat: psds(shape.like(flat), scenario), examples
    ).estimate()


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
    for name, part in LATE_SHARES.items():

        def late(weights: NDArray[np.int64], part: float = part) -> float | None:
            return weighted_quantile(values, weights[owner].astype(np.float64), part)

        at_once = late(np.ones(len(each), np.int64))
        found.append(Estimate(f"detection delay {name}, s", at_once, interval(len(each), late), examples))
    noticed = np.array([[len(d.seconds) + d.already, len(d.seconds) + d.already + d.missed] for d in each], np.float64)
    total = f"{noticed[:, 1].sum():.0f} events"
    return [*found, of_counts("share of events noticed", noticed, share, total).estimate()]
