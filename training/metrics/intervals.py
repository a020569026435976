"""How far a number might have come out otherwise with other patients: the percentile bootstrap over patients.

Patients are drawn with replacement, as many as there are, all clips of a patient together: clips of one
patient are alike, so drawing clips would promise too narrow an interval. A draw is a vector of weights, how often each
patient was drawn, so every metric that adds over patients is recomputed from sums without hearing anything again. Not
for comparing two models: for that, the differences of the same draws would be needed.

Source: Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13 (percentile interval).

Do probabilities mean what they say? Reliability: how often what was given p is true, bin by bin, and its ECE.

Source: Naeini et al., AAAI 2015 (expected calibration error, bins of equal width); Guo et al., ICML 2017. Calibrates
nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from training.metrics.predictions import Predictions

DRAWS = 1000
SEED = 0
LEVEL = 0.95
FEWEST = 2  # patients; with one, every draw is the same and the interval would be a point
STATED = f"{LEVEL:.0%} percentile bootstrap over patients, {DRAWS} draws, seed {SEED}"

Weights = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Interval:
    """Bounds of a number."""

    low: float
    high: float
    undefined: int
    """Draws in which the number was not defined, left out of the bounds; of `DRAWS`."""


def patient_weights(patients: int, draws: int = DRAWS, seed: int = SEED) -> NDArray[np.int64]:
    """(draws, P) how often each patient was drawn; every row adds to P."""
    return np.random.default_rng(seed).multinomial(patients, np.full(patients, 1 / patients), draws)


def interval(patients: int, metric: Callable[[Weights], float | None], draws: int = DRAWS) -> Interval | None:
    """Bounds of any number that can be computed from how often each patient counts.

    Args:
        patients: P.
        metric: from (P,) weights to the number, None where it is not defined.
        draws: how many samples of patients.

    Returns:
        The interval; None with fewer than two patients, or when most draws leave the number undefined.
    """
    if patients < FEWEST:
        return None
    values = [metric(weights) for weights in patient_weights(patients, draws)]
    return _bounds(np.array([np.nan if value is None else value for value in values], np.float64))


def of_sums(counts: ArrayLike, metrics: Callable[[NDArray[np.float64]], NDArray[np.float64]]) -> list[Interval | None]:
    """Bounds of several numbers at once that are computed from counts which add over patients.

    Args:
        counts: (P, ...) of each patient.
        metrics: from the (draws, ...) sums of all draws to (n, draws) numbers, nan where one is not defined.

    Returns:
        n intervals.
    """
    each = np.asarray(counts, np.float64)
    if len(each) < FEWEST:
        return [None] * len(metrics(each[:0]))
    return [_bounds(values) for values in metrics(np.tensordot(patient_weights(len(each)).astype(np.float64), each, 1))]


def _bounds(values: NDArray[np.float64]) -> Interval | None:
    known = values[~np.isnan(values)]
    if 2 * len(known) < len(values):
        return None
    tail = 100 * (1 - LEVEL) / 2
    low, high = np.percentile(known, [tail, 100 - tail])
    return Interval(float(low), float(high), len(values) - len(known))


def of_counts(counts: ArrayLike, metric: Callable[[NDArray[np.float64]], float | None]) -> Interval | None:
    """Bounds of a number that is computed from counts which add over patients.

    Args:
        counts: (P, ...) of each patient: a confusion matrix, hits and misses, alarms and hours.
        metric: from the (...) sum to the number.
    """
    each = np.asarray(counts, np.float64)
    return interval(len(each), lambda weights: metric(np.tensordot(weights.astype(np.float64), each, 1)))


@dataclass(frozen=True, slots=True)
class PairWins:
    """Everything that the area under a ROC curve needs to know of the patients, two by two."""

    wins: NDArray[np.float64]
    """(P, P) pairs of a positive of patient p and a negative of patient q in which the positive scored higher; a draw
    of two equal scores counts one half."""
    positives: NDArray[np.float64]
    """(P,)."""
    negatives: NDArray[np.float64]
    """(P,)."""

    def auc(self, weights: Weights | None = None) -> float | None:
        """Area under the ROC curve (Mann and Whitney 1947) when patients count `weights` times; None without pairs."""
        w = np.ones(len(self.positives)) if weights is None else weights.astype(np.float64)
        pairs = float(w @ self.positives) * float(w @ self.negatives)
        return float(w @ self.wins @ w) / pairs if pairs else None


def pair_wins(truth: ArrayLike, scores: ArrayLike, patients: ArrayLike) -> PairWins:
    """Count the pairs.

    Args:
        truth: (n,) true for positives.
        scores: (n,) higher is more positive.
        patients: (n,) names.
    """
    positive, values = np.asarray(truth, np.bool_), np.asarray(scores, np.float64)
    names, owner = np.unique(np.asarray(patients), return_inverse=True)
    wins = np.zeros((len(names), len(names)))
    for q in range(len(names)):
        against = np.sort(values[~positive & (owner == q)])
        below = np.searchsorted(against, values[positive], "left")
        upto = np.searchsorted(against, values[positive], "right")
        np.add.at(wins[:, q], owner[positive], (below + upto) / 2)
    counts = [np.bincount(owner[which], minlength=len(names)).astype(np.float64) for which in (positive, ~positive)]
    return PairWins(wins, counts[0], counts[1])


BINS = 10


@dataclass(frozen=True, slots=True)
class Reliability:
    """Bins of equal width from 0 to 1; empty ones have nan in `stated` and `true`."""

    counts: NDArray[np.int64]
    """(bins,) answers."""
    stated: NDArray[np.float64]
    """(bins,) their mean probability."""
    true: NDArray[np.float64]
    """(bins,) share of them that was right."""

    @property
    def error(self) -> float:
        """ECE: mean distance of what was stated from what was true, each answer counted once; nan without answers."""
        if not self.counts.sum():
            return float("nan")
        return float(np.nansum(self.counts * np.abs(self.stated - self.true)) / self.counts.sum())


def reliability(probabilities: ArrayLike, right: ArrayLike) -> Reliability:
    """Sort answers into bins.

    Args:
        probabilities: (n,) stated, 0 to 1; 1 belongs to the last bin.
        right: (n,) whether it was so.
    """
    stated, truth = np.asarray(probabilities, np.float64), np.asarray(right, np.float64)
    place = np.minimum((stated * BINS).astype(np.int64), BINS - 1)
    counts = np.bincount(place, minlength=BINS)
    some = np.where(counts, counts, np.nan)
    sums = [np.bincount(place, weights=values, minlength=BINS) for values in (stated, truth)]
    return Reliability(counts, sums[0] / some, sums[1] / some)


def confidence_reliability(predictions: Predictions) -> Reliability:
    """Of the probability of the decided label."""
    chosen = predictions.probabilities[np.arange(len(predictions.clips)), predictions.decided]
    return reliability(chosen, predictions.decided == predictions.truth)


def adventitious_reliability(predictions: Predictions) -> Reliability:
    """Of one minus the probability of Normal."""
    return reliability(1 - predictions.probabilities[:, 0], predictions.truth > 0)
