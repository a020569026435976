"""Do probabilities mean what they say? Reliability: how often what was given p is true, bin by bin, and its ECE.

Source: Naeini et al., AAAI 2015 (expected calibration error, bins of equal width); Guo et al., ICML 2017. Calibrates
nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from training.metrics.predictions import Predictions

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
