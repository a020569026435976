"""What a model could know of white noise, and sounds to compare with it: for tests of what is outside."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edge.detector.statistics import SoundStatistics
from edge.features import FeatureSpec, FrontEnd
from edge.model.training_domain import TrainingDomain
from edge.types import Block
from tests.edge.fakes import LoudnessModel

RATE_HZ = LoudnessModel.rate_hz


def noise(level_db: float, seconds: float, seed: int = 0) -> NDArray[np.float32]:
    """(N,) white noise, dBFS rms."""
    rng = np.random.default_rng(seed)
    return (10 ** (level_db / 20) * rng.standard_normal(round(seconds * RATE_HZ))).astype(np.float32)


def block(samples: NDArray[np.float32], start: int = 0) -> Block:
    """All of it valid."""
    return Block(start, samples, np.ones(len(samples), np.bool_))


def statistics(samples: NDArray[np.float32], spec: FeatureSpec = LoudnessModel.spec) -> SoundStatistics:
    """Of a whole sound, (N,)."""
    found, front_end = SoundStatistics(spec), FrontEnd(spec)
    for frames in front_end.push(block(samples)) + front_end.flush():
        found.push(frames.values, frames.valid)
    return found


def known_noise(level_db: float) -> TrainingDomain:
    """White noise at this level in the bands of the model, dBFS, within 2 dB."""
    measured = statistics(noise(level_db, 10.0, seed=9)).measured()
    spectrum = measured.spectrum_db - measured.level_db
    return TrainingDomain(
        recordings=100,
        patients=50,
        gain_db=(-1.0, 1.0),
        level_db=(level_db - 1, level_db, level_db + 1),
        contrast_db=(0.0, measured.contrast_db, 20.0),
        spectrum_db=tuple((x - 3, x, x + 3) for x in spectrum.tolist()),
        margin_db=(0.5, 1.0, 1.0),
    )
