"""Labelled recordings of a device as a model hears them, made of numbers: no sound is computed."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from training.datasets import CLASSES, Annotation, Recording
from training.datasets.targets import frame_targets
from training.left_out import Scored

FRAME_S = 0.032
COUNT = 375  # score frames: 12 s


def _scores_of(patient: int, high: float, is_normal: bool, rng: np.random.Generator) -> Scored:
    """A recording with a wheeze from 4 to 6 s, scored about so high; in a Normal one with a third of the odds."""
    quiet = Annotation(0.0, 4.0, ()), Annotation(6.0, 12.0, ())
    events = () if is_normal else (Annotation(4.0, 6.0, ("wheeze",)), *quiet)
    label = "Normal" if is_normal else "CAS"
    recording = Recording(Path(f"{patient}-{label}.wav"), f"p{patient}", label, events)
    log_odds = rng.normal(-4.0, 1.0, COUNT)
    at = slice(round(4 / FRAME_S), round(6 / FRAME_S))
    log_odds[at] += 4.0 + np.log(high / (1 - high)) - (np.log(3) if is_normal else 0.0)
    scores = np.full((COUNT, len(CLASSES)), 1e-4, np.float32)
    scores[:, 0] = 1 / (1 + np.exp(-log_odds))
    return Scored(recording, scores, frame_targets(recording, COUNT, FRAME_S))


def labelled_ward(high: float, patients: int = 12) -> list[Scored]:
    """Of each patient a Normal recording and one with a wheeze from 4 to 6 s that scores about so high."""
    rng = np.random.default_rng(0)
    return [_scores_of(p, high, is_normal, rng) for p in range(patients) for is_normal in (True, False)]
