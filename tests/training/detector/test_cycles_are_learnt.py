"""The real recordings of ICBHI beside SPRSound: resampled, drawn, and learnt from as far as their cycles say."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from training.datasets import CONTINUOUS, Recording, read_icbhi, read_sprsound
from training.detector.examples import StretchSampler
from training.detector.hyperparameters import Recipe
from training.detector.student import EdgeLearner
from training.detector.training_data import FINAL, TrainingData

STEPS = 15


def _recipe() -> Recipe:
    network = replace(Recipe().network, stem=(2, 4, 4), hidden=8, dilations=(1, 2), ahead=(1, 0), dropout=0.0)
    loop = Recipe().loop.model_copy(update={"batch": 6, "precision": "fp32"})
    return replace(Recipe(), network=network, loop=loop, sequence_frames=300, synthetic=0)


def _recordings(real_data: Path) -> list[Recording]:
    """All five of ICBHI, though four are of its test set: nothing that comes of this is kept."""
    adults = [replace(r, split="train") for r in read_icbhi(real_data / "icbhi")]
    children = [r for r in read_sprsound(real_data / "sprsound" / "original_wav") if r.events]
    return [*children, *adults]


def _sampler(recordings: list[Recording], recipe: Recipe, cache: Path) -> StretchSampler:
    return TrainingData(tuple(recordings), cache).stretches(recipe, FINAL)


def test_recordings_of_4_and_44_khz_have_frames_at_the_rate_of_the_recipe(real_data: Path, tmp_path: Path) -> None:
    recordings, recipe = _recordings(real_data), _recipe()
    frames = TrainingData(tuple(recordings), tmp_path).frames(recipe)
    assert {r.rate_hz for r in recordings} == {4000, 8000, 44100}
    for recording, of_it in zip(recordings, frames, strict=True):
        assert len(of_it) * 0.008 == pytest.approx(recording.duration_s, abs=0.1)
        assert np.isfinite(of_it).all()


def test_stretches_say_where_a_sound_is_only_somewhere_and_no_kind_of_it(real_data: Path, tmp_path: Path) -> None:
    adults = [r for r in _recordings(real_data) if r.dataset == "icbhi"]
    sampler, rng = _sampler([*_recordings(real_data)[:1], *adults], _recipe(), tmp_path), np.random.default_rng(0)
    truths = [sampler.draw(rng).truth for _ in range(60)]
    assert sampler.has_cycles
    assert sum(t.somewhere[..., 0].any() for t in truths) > 5
    assert sum(t.somewhere[..., 1].any() for t in truths) > 5
    alone = [t for t in truths if not (t.phases[:, 1] > 0).any()]  # nothing of another recording is mixed in
    known = [t.weights[:, 1:][t.somewhere[:, 0] > 0].sum() for t in alone]
    assert len(alone) > 10
    assert sum(known) == 0


def test_a_network_learns_from_cycles_alone_that_a_sound_is_somewhere_in_them(real_data: Path, tmp_path: Path) -> None:
    recipe, recordings = _recipe(), _recordings(real_data)
    assert {label for r in recordings if r.dataset == "icbhi" for e in r.events for label in e.labels} == {
        CONTINUOUS[0],
        "crackle",
    }
    before, after = _learnt(recipe, recordings, tmp_path)
    assert 0 < after < 0.7 * before


def _learnt(recipe: Recipe, recordings: list[Recording], cache: Path) -> tuple[float, float]:
    """Loss of the cycles of one batch, before and after some steps on it."""
    learner = EdgeLearner(recipe, TrainingData(tuple(recordings), cache).stretches(recipe, FINAL), 1)
    batch, descent = learner.batch(0, 0), torch.optim.Adam(learner.network.parameters(), 3e-2)
    losses = []
    for _ in range(STEPS):
        found = learner.loss(learner.network, batch, torch.Generator())
        descent.zero_grad()
        found["cycles"].backward()
        descent.step()
        losses.append(found["cycles"].item())
    return losses[0], losses[-1]
