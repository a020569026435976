"""Synthetic patients that join the training, from `training.synthetic`; they never join a validation."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from training import synthetic
from training.datasets import CONTINUOUS, DISCONTINUOUS, Annotation, Recording
from training.synthetic.scene import scene

DURATION_S = 12.0
FIRST_SEED = 1_000_000  # far from the seeds of the demo and the tests


def synthetic_patients(count: int) -> list[Recording]:
    """Recordings that exist as seeds; the annotations are those of `synthetic_sound`."""
    return [_patient(FIRST_SEED + i) for i in range(count)]


def synthetic_sound(recording: Recording, rate_hz: int) -> NDArray[np.float32]:
    """(N,) samples of a synthetic patient."""
    samples, _ = scene(int(recording.path.name), DURATION_S, rate_hz)
    return np.asarray(samples, np.float32)


def generator_hash() -> str:
    """SHA-256 of the programs that make synthetic sound: other programs, other sounds."""
    digest = hashlib.sha256()
    for source in sorted(Path(synthetic.__file__).parent.glob("*.py")):
        digest.update(source.read_bytes())
    return digest.hexdigest()


def _patient(seed: int) -> Recording:
    _, sounds = scene(seed, DURATION_S)
    events = tuple(Annotation(s.onset_s, s.end_s, () if s.label == "breath" else (s.label,)) for s in sounds)
    labels_found = {label for event in events for label in event.labels}
    continuous, discontinuous = bool(labels_found & set(CONTINUOUS)), bool(labels_found & set(DISCONTINUOUS))
    label = {(0, 0): "Normal", (1, 0): "CAS", (0, 1): "DAS", (1, 1): "CAS & DAS"}[continuous, discontinuous]
    return Recording(Path("synthetic", str(seed)), f"synthetic-{seed}", label, events, is_synthetic=True)
