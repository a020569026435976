"""The equaliser that brings the long-term spectrum of a device to what the model knows, from unlabelled sound.

    segments of about 10 s -> level and spectrum of each, as the model would get them -> medians over the segments
    -> what lacks to the middle of the recordings that the model was trained on, group by group; once more with that

Bands that those recordings had at the floor of the features are only ever lowered, towards it. The level is left to
`edge.detector.level`: the curve has no gain in common. An equaliser corrects the microphone and its noise in the mean;
it cannot bring back what the noise hides, and takes the difference between chests of children and of adults for one of
the microphone. Not for calibration or thresholds (`training.adapt`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge.detector.statistics import Measured, SoundStatistics, floor_db, group_edges
from edge.detector.training_domain import NEAR_FLOOR_DB, UNKNOWN_DB, excess
from edge.features import FeatureSpec
from edge.features.levels import affine
from edge.model.adaptation import LARGEST_BOOST_DB, LARGEST_CUT_DB
from edge.model.training_domain import GROUPS, TrainingDomain
from edge.types import Frames

SEGMENT_S = 10.0  # the median recording of SPRSound has 9 s
ROUNDS = 12  # the floor makes the levels bend; after eight, no group moves by 0.1 dB any more
STEP = 0.7  # of what lacks, in one round
AT_FLOOR_DB = UNKNOWN_DB / 2  # a group whose middle lies below was at the floor in most recordings


@dataclass(frozen=True, slots=True)
class Found:
    """An equaliser and what it does."""

    equaliser_db: tuple[float, ...]
    """By group of bands, within the bounds, a tenth of a dB exact."""
    wanted_db: tuple[float, ...]
    """The same without bounds."""
    level_db: float
    """Median level of the segments as they are, dBFS."""
    outside_db: tuple[float, float]
    """How far the median spectrum lies outside what the model knows, without and with it, mean over the groups, dB."""


def band_curve_db(equaliser_db: Sequence[float] | NDArray[np.float64], spec: FeatureSpec) -> NDArray[np.float64]:
    """(M,) gain of every number of a frame, dB: linear between the middles of the groups, the same for each window."""
    edges = group_edges(spec)
    middles = (edges[:-1] + edges[1:] - 1) / 2
    return np.tile(np.interp(np.arange(spec.bands), middles, np.asarray(equaliser_db)), spec.windows)


def segments(frames: Sequence[Frames], spec: FeatureSpec) -> list[NDArray[np.float32]]:
    """The valid frames of one file in segments of about `SEGMENT_S`, (T, M) each; less than half of it is none.

    Args:
        frames: of the file, in order.
        spec: what a frame is.
    """
    received = [some.values[some.valid] for some in frames]
    values = np.concatenate(received) if received else np.zeros((0, spec.width), np.float32)
    length = round(SEGMENT_S * spec.rate_hz / spec.hop_samples)
    count = max(round(len(values) / length), 1)
    return [part for part in np.array_split(values, count) if len(part) >= length / 2]


def find_equaliser(frames: Sequence[NDArray[np.float32]], known: TrainingDomain, spec: FeatureSpec) -> Found:
    """The equaliser of a device.

    Args:
        frames: (T, M) of each segment, at least one, made with a floor below that of the model.
        known: what the model was trained on.
        spec: the model's.
    """
    middle = np.array(known.spectrum_db)[:, 1]
    lowest = floor_db(spec) + NEAR_FLOOR_DB - known.level_db[1]  # relative to the level
    is_known = middle > AT_FLOOR_DB
    wanted = np.where(is_known, np.maximum(middle, lowest), lowest)
    curve, gain_db = np.zeros(GROUPS), 0.0
    for _ in range(ROUNDS):
        now = _typical(frames, spec, curve, gain_db)
        # At the level of the training, as the model will get it: the floor of the features cuts at an absolute level.
        gain_db += known.level_db[1] - now.level_db
        lacks = wanted - (now.spectrum_db - now.level_db)
        lacks = np.where(is_known, lacks - lacks[is_known].mean(), np.minimum(lacks, 0.0))
        curve = curve + STEP * lacks
    bounded = np.asarray(np.round(np.clip(curve, -LARGEST_CUT_DB, LARGEST_BOOST_DB), 1), np.float64)
    level_db = _typical(frames, spec, np.zeros(GROUPS), 0.0, is_raw=True).level_db
    return Found(
        tuple(bounded.tolist()),
        tuple(np.round(curve, 1).tolist()),
        round(level_db, 1),
        (_outside_db(frames, known, spec, np.zeros(GROUPS)), _outside_db(frames, known, spec, bounded)),
    )


def _outside_db(
    frames: Sequence[NDArray[np.float32]], known: TrainingDomain, spec: FeatureSpec, curve: NDArray[np.float64]
) -> float:
    level_db = _typical(frames, spec, curve, 0.0).level_db
    there = _typical(frames, spec, curve, known.level_db[1] - level_db)
    return round(excess(there, known, spec).scores[2], 1)


def _typical(
    frames: Sequence[NDArray[np.float32]],
    spec: FeatureSpec,
    curve: NDArray[np.float64],
    gain_db: float,
    is_raw: bool = False,
) -> Measured:
    """Medians over the segments of what the model would get with an equaliser and a gain."""
    offset, per_db = affine(spec)
    added = ((band_curve_db(curve, spec) + gain_db) * per_db).astype(np.float32)
    lowest = np.float32(-np.inf) if is_raw else ((floor_db(spec) - offset) * per_db).astype(np.float32)
    found = []
    for part in frames:
        statistics = SoundStatistics(spec)
        statistics.push(np.maximum(part + added, lowest), np.ones(len(part), np.bool_))
        found.append(statistics.measured())
    return Measured(
        float(np.median([each.level_db for each in found])),
        float(np.median([each.contrast_db for each in found])),
        np.median([each.spectrum_db for each in found], axis=0),
    )
