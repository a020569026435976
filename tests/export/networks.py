"""A small network that was never trained, and what an export needs of it."""

from __future__ import annotations

from dataclasses import asdict, replace

import numpy as np
import torch

from edge.artefact.specs import WindowSpec
from export.calibration import Sample
from export.onnx import Metadata
from training.datasets import CLASSES
from training.detector.hyperparameters import Recipe
from training.detector.model import Detector, NetworkSpec, Scorer
from training.detector.thresholds import Choice, to_detection

WINDOW = WindowSpec(window_frames=240, hop_frames=60, lookahead_frames=120, score_frames=4)
RECIPE = replace(Recipe(), network=replace(NetworkSpec(), stem=(4, 6, 8), hidden=16, dilations=(1, 2)), window=WINDOW)
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


def small_metadata() -> Metadata:
    detection = to_detection({"continuous": Choice(), "discontinuous": Choice()}, RECIPE)
    groups = [asdict(group) for group in detection.groups]
    card = {"id": "test"}
    return Metadata(RECIPE.features, RECIPE.window, CLASSES, groups, detection.thresholds, {}, "0" * 64, card, {}, [])


def small_sample(count: int = 8, seed: int = 0) -> Sample:
    """Noise in windows, some of which begin before anything was heard."""
    rng = np.random.default_rng(seed)
    shape = (count, WINDOW.window_frames, RECIPE.features.width)
    valid = np.ones(shape[:2], np.float32)
    for row in range(0, count, 3):
        valid[row, : 4 * int(rng.integers(1, 30))] = 0.0
    frames = rng.normal(0, 1.2, shape).astype(np.float32) * valid[:, :, None]
    return Sample(frames, valid, seed)
