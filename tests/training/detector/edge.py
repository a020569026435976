"""A tiny edge recipe with noise as training data."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from training.datasets import Annotation, Recording
from training.detector.augment import AugmentSpec, Changes, DeviceSpec
from training.detector.cross_validation import Job
from training.detector.disturbances import DisturbanceSpec
from training.detector.examples import StretchSampler
from training.detector.hyperparameters import Recipe
from training.detector.model import NetworkSpec
from training.detector.packet_loss import PacketLossSpec
from training.detector.student import EdgeLearner
from training.detector.training_data import TrainingData
from training.detector.truth import Timeline
from training.detector.warp import WarpSpec
from training.loop.fit import train
from training.loop.journal import Report
from training.loop.run_folder import RunFolder

RECIPE = replace(
    Recipe(),
    chunk_frames=20,
    sequence_frames=80,
    network=replace(NetworkSpec(), stem=(2, 4, 4), hidden=8, dilations=(1, 2), ahead=(2, 1)),
    loop=Recipe().loop.model_copy(update={"epochs": 3, "batch": 4, "precision": "fp32"}),
    steps=2,
    folds=2,
    teachers=0,
    finals=1,
)

PLAIN = AugmentSpec(  # the sound as it is
    negative=0,
    disturb=0,
    mix=0,
    gain_db=0,
    colour_db=0,
    low_pass=0,
    noise=0,
    band_mask=0,
    gap=0,
    warp=WarpSpec(0, 0, 0),
    device=DeviceSpec(low_shelf=0, high_shelf=0, equaliser=0, heart=0, mix_style=0),
    losses=PacketLossSpec(share=0),
    disturbances=DisturbanceSpec(hum=0, noise=0, rubbing=0, clicks=0),
)


def sampler(recipe: Recipe = RECIPE) -> StretchSampler:
    rng = np.random.default_rng(0)
    recordings = [
        Recording(Path("a.flac"), "a", "CAS", (Annotation(0.3, 1.0, ("wheeze",)),)),
        Recording(Path("b.flac"), "b", "Normal", (Annotation(0.2, 0.9, ()),)),
        Recording(Path("c.flac"), "c", "cough", (), is_negative=True),
    ]
    frames = [rng.normal(0, 1, (200, recipe.features.width)).astype(np.float16) for _ in recordings]
    timelines = [Timeline(r, recipe.labels) for r in recordings]
    changes = Changes(recipe.features, recipe.augment)
    return StretchSampler(recordings, frames, timelines, recipe.sequence_frames, changes, recipe.labels)


def learn(folder: Path, recipe: Recipe, report: Report) -> dict[str, torch.Tensor]:
    """Train into `folder`/final; returns the kept weights."""
    learner = EdgeLearner(recipe, sampler(recipe), seed=7)
    place = RunFolder(folder / "final")
    place.claim(Job(recipe, TrainingData((), folder), folder).identity())
    train(learner, recipe.loop, 7, place, report)
    return learner.network.state_dict()
