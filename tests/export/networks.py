"""A small network that was never trained, and what an export needs of it."""

from __future__ import annotations

from dataclasses import asdict, replace

import numpy as np
import torch

from export.artefacts import Metadata, calibration_sample
from export.streams import Sample, Sound
from training.datasets import CLASSES
from training.detector.hyperparameters import Recipe
from training.detector.model import Detector, NetworkSpec, Scorer
from training.detector.networks import joined
from training.detector.thresholds import Choice, to_detection

NETWORK = replace(NetworkSpec(), stem=(4, 6, 8), hidden=16, dilations=(1, 2), ahead=(2, 1), memory=(5.0, 20.0))
RECIPE = replace(Recipe(), network=NETWORK, finals=1)
SCALE, BIAS = (1.0, 1.5, 0.8), (0.1, -0.3, 0.2)


def small_scorer(seed: int = 3) -> Scorer:
    torch.manual_seed(seed)
    detector = Detector(RECIPE.network)
    with torch.no_grad():  # batch norms that are not the identity: folding them must be right
        for name, values in detector.named_buffers():
            if name.endswith("running_mean"):
                values.uniform_(-0.2, 0.2)
            elif name.endswith("running_var"):
                values.uniform_(0.5, 2.0)
    return Scorer(detector, torch.tensor(SCALE), torch.tensor(BIAS)).eval()


def small_ensemble(count: int = 2) -> Scorer:
    """The mean of networks of several seeds."""
    members = [small_scorer(seed).detector for seed in range(3, 3 + count)]
    return Scorer(joined(members), torch.tensor(SCALE), torch.tensor(BIAS)).eval()


def small_metadata() -> Metadata:
    detection = to_detection({"continuous": Choice(), "discontinuous": Choice()}, RECIPE)
    groups = [asdict(group) for group in detection.groups]
    card = {"id": "test"}
    return Metadata(RECIPE.features, RECIPE.chunk, CLASSES, groups, detection.thresholds, {}, "0" * 64, card, {}, [])


def small_sounds(count: int = 4, seed: int = 0) -> tuple[Sound, ...]:
    """Noise of several lengths; in every third a stretch is missing."""
    rng = np.random.default_rng(seed)
    sounds = []
    for number in range(count):
        length = int(rng.integers(200, 500))
        valid = np.ones(length, np.bool_)
        if number % 3 == 0:
            first = int(rng.integers(0, length))
            valid[first : first + int(rng.integers(1, 80))] = False
        frames = rng.normal(0, 1.2, (length, RECIPE.features.width)).astype(np.float32)
        sounds.append(Sound(frames * valid[:, None], valid))
    return tuple(sounds)


def small_sample(count: int = 4, seed: int = 0, scorer: Scorer | None = None) -> Sample:
    """Chunks of the noise as a small network meets them."""
    return calibration_sample(scorer or small_scorer(), small_metadata(), small_sounds(count, seed))
