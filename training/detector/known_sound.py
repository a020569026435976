"""What a training knows of sound: the reference that an artefact carries, so that a box can say when it is outside.

Measured on the frames of the real chest recordings, by the statistics of the bedside. The margins are chosen on
patients that were left out: the quantiles come from the patients of the other folds, and at most `OUTSIDE` of the
recordings lie further outside. Not for judging a stream (`edge.detector.training_domain`).
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.detector.sound_check import LEAST_S
from edge.detector.statistics import Measured, SoundStatistics, is_measurable
from edge.detector.training_domain import excess, relative_spectrum
from edge.features import FeatureSpec
from edge.model.training_domain import GROUPS, Range, TrainingDomain
from training.datasets import Recording
from training.detector.hyperparameters import Recipe
from training.detector.training_data import TrainingData

OUTSIDE = 0.01  # share of the recordings of patients that were left out
QUANTILES = (0.01, 0.5, 0.99)
GAIN_REACH = 1.64  # standard deviations of the training's gain: nine of ten stretches lie within
FEWEST = 20  # recordings; fewer say nothing of the hundredth


def known_of(training_data: TrainingData, recipe: Recipe) -> dict[str, Any] | None:
    """What result.json holds of it: the fields of `TrainingDomain`; None where it could not be measured."""
    known = known_sound(
        training_data.recordings,
        training_data.frames(recipe),
        recipe.features,
        recipe.augment.gain_db,
        training_data.fold_of(recipe),
    )
    return None if known is None else json.loads(known.to_json())


def known_sound(
    recordings: Sequence[Recording],
    frames: Sequence[NDArray[np.floating]],
    spec: FeatureSpec,
    gain_db: float,
    fold_of: Mapping[str, int],
) -> TrainingDomain | None:
    """The reference of a training.

    Args:
        recordings: what was trained on; negatives and synthetic patients are left out.
        frames: (T, M) of each.
        spec: what a frame is.
        gain_db: standard deviation of the gain that training added.
        fold_of: fold of each patient.

    Returns:
        None where frames have no levels, or too few recordings are long enough.
    """
    if not is_measurable(spec):
        return None
    least = LEAST_S * spec.rate_hz / spec.hop_samples
    long = [(r, f) for r, f in zip(recordings, frames, strict=True) if r.is_real_chest and len(f) >= least]
    if len(long) < FEWEST:
        return None
    measured = [measure(f, spec) for _, f in long]
    folds = np.array([fold_of[r.patient] for r, _ in long])
    reach = GAIN_REACH * gain_db
    scores = np.zeros((len(long), 3))
    for fold in np.unique(folds):
        others = _quantiles([m for m, of in zip(measured, folds, strict=True) if of != fold], spec, reach)
        for index in np.flatnonzero(folds == fold):
            scores[index] = excess(measured[index], others, spec).scores
    patients = len({r.patient for r, _ in long})
    return replace(_quantiles(measured, spec, reach), patients=patients, margin_db=margins(scores))


def measure(frames: NDArray[np.floating], spec: FeatureSpec) -> Measured:
    """Statistics of one whole recording, (T, M)."""
    statistics = SoundStatistics(spec)
    statistics.push(frames, np.ones(len(frames), np.bool_))
    return statistics.measured()


def margins(scores: NDArray[np.float64]) -> Range:
    """The least margins, each exceeded by as many recordings, that at most `OUTSIDE` of them exceed in any.

    Args:
        scores: (n, 3) dB outside the quantiles, of recordings of patients that were left out.
    """
    falling = -np.sort(-scores, axis=0)
    allowed = int(OUTSIDE * len(scores))
    rank = next(k for k in range(allowed, -1, -1) if (scores > falling[k]).any(axis=1).sum() <= allowed)
    level, contrast, spectrum = (math.ceil(10 * margin) / 10 for margin in falling[rank])
    return level, contrast, spectrum


def _quantiles(measured: Sequence[Measured], spec: FeatureSpec, reach_db: float) -> TrainingDomain:
    """The reference without its margins."""
    spectra = np.array([relative_spectrum(each, spec) for each in measured])
    return TrainingDomain(
        recordings=len(measured),
        patients=0,
        gain_db=(-reach_db, reach_db),
        level_db=_range(np.array([each.level_db for each in measured])),
        contrast_db=_range(np.array([each.contrast_db for each in measured])),
        spectrum_db=tuple(_range(spectra[:, group]) for group in range(GROUPS)),
        margin_db=(0.0, 0.0, 0.0),
    )


def _range(values: NDArray[np.float64]) -> Range:
    """Quantiles that are values of the recordings: between a level and the floor lies nothing."""
    low, middle, high = (float(x) for x in np.quantile(values, QUANTILES, method="nearest"))
    return low, middle, high
