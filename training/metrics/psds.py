"""PSDS: how well events are found over all thresholds, as one number between 0 and 1.

Counts of each recording at each threshold (`count`) add over recordings and patients; `psds` turns a sum into the
score, so that intervals over patients cost nothing more. Overlaps are judged by their share of an event, not by
collars, which suits annotations of whole breath phases. Two scenarios, with the parameters of DCASE 2021 task 4:
`LOCATE` wants events where they are, `NOTICE` wants them noticed and not confused. Not for the events of the tracker
(`training.metrics.streaming`): thresholds are swept, so only its smoothing is used.

Source: Bilen et al., A framework for the robust evaluation of sound event detection, ICASSP 2020. Written here, because
the published package (psds_eval 0.5.3) is no longer kept; its results are the expected values of the tests.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

THRESHOLDS = tuple(float(t) for t in 1 / (1 + np.exp(-np.linspace(-4.6, 4.6, 50))))  # .01 to .99, even in log-odds

Spans = NDArray[np.float64]
"""(n, 2) start and end of events of one class, s."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """What counts as found."""

    name: str
    detection_tolerance: float
    """rho_DTC: share of a detection that must lie on annotated events of its class."""
    truth_tolerance: float
    """rho_GTC: share of an annotated event that such detections must cover."""
    confusion_tolerance: float = 0.3
    """rho_CTTC: share of a wrong detection on events of another class that makes it a confusion."""
    confusion_cost: float = 0.0
    """alpha_CT."""
    instability_cost: float = 1.0
    """alpha_ST: standard deviations over the classes taken from their mean."""
    most_per_hour: float = 100.0
    """e_max, false positives per hour up to which the curve is integrated."""


LOCATE = Scenario("PSDS 1", 0.7, 0.7)
NOTICE = Scenario("PSDS 2", 0.1, 0.1, confusion_cost=0.5)


@dataclass(frozen=True, slots=True)
class Tally:
    """What the score is made of; tallies of disjoint recordings add, field by field. K thresholds, G classes."""

    hits: NDArray[np.float64]
    """(K, G) annotated events that were found."""
    wrong: NDArray[np.float64]
    """(K, G) detections that lie on no event of their class."""
    confused: NDArray[np.float64]
    """(K, G, G) wrong detections of the first class on events of the second."""
    events: NDArray[np.float64]
    """(G,) annotated events."""
    seconds: NDArray[np.float64]
    """(G,) their length."""
    hours: float
    """Sound that was listened to."""

    def flat(self) -> NDArray[np.float64]:
        """All of it as one vector, to be added and weighted."""
        return np.concatenate([*(part.ravel() for part in self._parts()), [self.hours]])

    def like(self, flat: NDArray[np.float64]) -> Tally:
        """A tally of the same shape from what `flat` gave."""
        parts: list[NDArray[np.float64]] = []
        at = 0
        for part in self._parts():
            parts.append(flat[at : at + part.size].reshape(part.shape))
            at += part.size
        hits, wrong, confused, events, seconds = parts
        return Tally(hits, wrong, confused, events, seconds, float(flat[at]))

    def _parts(self) -> tuple[NDArray[np.float64], ...]:
        return self.hits, self.wrong, self.confused, self.events, self.seconds


def count(truth: Sequence[Spans], levels: Sequence[NDArray[np.float32]], frame_s: float, scenario: Scenario) -> Tally:
    """Tally one recording at all thresholds.

    Args:
        truth: annotated events of each of G classes.
        levels: (T,) smoothed score of each class; a detection is a run of frames at or above the threshold.
        frame_s: seconds to one frame.
        scenario: what counts as found.
    """
    classes, steps = len(truth), len(THRESHOLDS)
    hits, wrong = np.zeros((steps, classes)), np.zeros((steps, classes))
    confused = np.zeros((steps, classes, classes))
    for g, level in enumerate(levels):
        highest = level.max(initial=0.0)
        for k, threshold in enumerate(THRESHOLDS):
            if threshold > highest:
                break
            found = runs(level >= threshold) * frame_s
            hits[k, g], stray = match(truth[g], found, scenario)
            wrong[k, g] = len(stray)
            length = stray[:, 1] - stray[:, 0]
            for other in set(range(classes)) - {g}:
                on_other = _overlaps(stray, truth[other]).sum(axis=1)
                confused[k, g, other] = (on_other >= scenario.confusion_tolerance * length).sum()
    seconds = np.array([(t[:, 1] - t[:, 0]).sum() for t in truth])
    hours = len(levels[0]) * frame_s / 3600
    return Tally(hits, wrong, confused, np.array([float(len(t)) for t in truth]), seconds, hours)


def match(truth: Spans, found: Spans, scenario: Scenario) -> tuple[int, Spans]:
    """How many annotated events were found, and the detections that lie on none."""
    overlaps = _overlaps(found, truth)
    on_truth = overlaps.sum(axis=1) >= scenario.detection_tolerance * (found[:, 1] - found[:, 0])
    covered = overlaps[on_truth].sum(axis=0)
    enough = (covered > 0) & (covered >= scenario.truth_tolerance * (truth[:, 1] - truth[:, 0]))
    return int(enough.sum()), found[~on_truth]


def psds(tally: Tally, scenario: Scenario) -> float | None:
    """The score; None when there is no sound or a class has no events."""
    if not tally.hours or not tally.events.all():
        return None
    rates = tally.wrong / tally.hours  # (K, G) false positives per hour
    if scenario.confusion_cost and len(tally.events) > 1:
        per_hour = tally.confused / (tally.seconds / 3600)
        rates = rates + scenario.confusion_cost * per_hour.sum(axis=2) / (len(tally.events) - 1)
    found = tally.hits / tally.events
    at = np.unique(np.append(rates[rates <= scenario.most_per_hour], [0.0, scenario.most_per_hour]))
    curves = np.stack([_best_upto(at, rates[:, g], found[:, g]) for g in range(len(tally.events))])
    effective = np.maximum(curves.mean(axis=0) - scenario.instability_cost * curves.std(axis=0), 0)
    return float((np.diff(at) * effective[:-1]).sum() / scenario.most_per_hour)


def runs(active: NDArray[np.bool_]) -> NDArray[np.float64]:
    """(n, 2) first frame and one past the last of each run of true."""
    edges = np.diff(np.concatenate([[0], active.astype(np.int8), [0]]))
    return np.stack([np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)], axis=1).astype(np.float64)


def _best_upto(at: NDArray[np.float64], rates: NDArray[np.float64], found: NDArray[np.float64]) -> NDArray[np.float64]:
    """The highest share found that costs no more than each rate: a staircase, 0 before the first point."""
    order = np.argsort(rates, kind="stable")
    best = np.concatenate([[0.0], np.maximum.accumulate(found[order])])
    return np.asarray(best[np.searchsorted(rates[order], at, "right")])


def _overlaps(a: Spans, b: Spans) -> NDArray[np.float64]:
    """(len(a), len(b)) seconds that each pair has in common."""
    starts, ends = np.maximum(a[:, None, 0], b[None, :, 0]), np.minimum(a[:, None, 1], b[None, :, 1])
    return np.maximum(ends - starts, 0.0)
