"""A tiny edge recipe with noise as training data; also a program, so that torchrun has something to start.

`python -m tests.training.detector.edge FOLDER` trains it into that folder.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from training.datasets import Annotation, Recording
from training.detector.augment import AugmentSpec, Changes, DeviceSpec
from training.detector.cross_validation import Job
from training.detector.disturbances import DisturbanceSpec
from training.detector.examples import ClipSampler, StretchSampler
from training.detector.hyperparameters import LossSpec, Recipe
from training.detector.model import NetworkSpec
from training.detector.packet_loss import PacketLossSpec
from training.detector.student import EdgeLearner
from training.detector.training_data import TrainingData
from training.detector.truth import Timeline
from training.detector.warp import WarpSpec
from training.loop.distributed import World, joined
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
    clips=4,
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
    clip_negative=0,
)


def samplers(recipe: Recipe = RECIPE) -> tuple[StretchSampler, ClipSampler]:
    rng = np.random.default_rng(0)
    recordings = [
        Recording(Path("a.flac"), "a", "CAS", (Annotation(0.3, 1.0, ("wheeze",)),)),
        Recording(Path("b.flac"), "b", "Normal", (Annotation(0.2, 0.9, ()),)),
        Recording(Path("c.flac"), "c", "cough", (), is_negative=True),
    ]
    frames = [rng.normal(0, 1, (200, recipe.features.width)).astype(np.float16) for _ in recordings]
    timelines = [Timeline(r, recipe.labels) for r in recordings]
    changes = Changes(recipe.features, recipe.augment)
    stretches = StretchSampler(recordings, frames, timelines, recipe.drawn_frames, changes, recipe.labels)
    clips = [rng.normal(0, 1, (length, recipe.features.width)).astype(np.float16) for length in (30, 80, 500)]
    return stretches, ClipSampler(clips, np.array([0, 2, 5]), stretches, changes)


ALL_LOSSES = replace(
    RECIPE,
    losses=LossSpec(margin=0.4, patch_mix=0.5, phase=0.3, record=0.3),
    network=replace(RECIPE.network, angular=True),
)


def learn(folder: Path, recipe: Recipe, world: World, report: Report) -> dict[str, torch.Tensor]:
    """Train into `folder`/final; returns the kept weights."""
    learner = EdgeLearner(recipe, *samplers(recipe), seed=7, world=world)
    place = RunFolder(folder / "final")
    if world.is_first:
        place.claim(Job(recipe, TrainingData((), folder), folder).identity())
    world.broadcast(None)
    train(learner, recipe.loop, 7, place, world, report)
    return learner.network.state_dict()


if __name__ == "__main__":
    torch.set_num_threads(1)
    with joined() as joined_world:
        # styles are swapped within a process's share of the batch: two processes swap others than one
        device = replace(ALL_LOSSES.augment.device, mix_style=0)
        recipe = replace(ALL_LOSSES, augment=replace(ALL_LOSSES.augment, device=device))
        learn(Path(sys.argv[1]), recipe, joined_world, lambda line: None)
