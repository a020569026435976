"""Masked pre-training learns the sound, hears no label, and hands over the body alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from tests.training.detector.edge import RECIPE, samplers
from training.detector.model import Detector
from training.detector.pretraining import MASKED, MaskedLearner, Painter
from training.loop.distributed import World
from training.loop.fit import train
from training.loop.run_folder import Identity, RunFolder


def _learner() -> MaskedLearner:
    return MaskedLearner(RECIPE, samplers()[0], seed=3, world=World())


def test_three_quarters_of_the_cells_are_masked_and_whole_cells_at_that() -> None:
    hidden = np.concatenate([_learner().batch(epoch, 0)["hidden"].numpy() for epoch in range(20)])
    assert hidden.mean() == pytest.approx(MASKED, abs=0.02)
    assert set(np.unique(hidden)) == {0.0, 1.0}
    cell = hidden[0, :20, :8]
    assert cell.min() == cell.max()


def test_what_is_masked_cannot_be_seen_and_what_is_not_costs_nothing() -> None:
    learner = _learner()
    batch = dict(learner.batch(0, 0))
    painter = learner.network.eval()
    before = painter(batch["frames"], batch["valid"], batch["hidden"])
    loud = batch["frames"] + 100 * (1 - batch["hidden"])
    seen = painter(loud, batch["valid"], batch["hidden"])
    changed = batch["frames"] + batch["hidden"] * 5
    blind = painter(changed, batch["valid"], torch.zeros_like(batch["hidden"]))
    assert not torch.equal(before[:, 0], seen[:, 0])  # it looks at what it may see
    assert blind[:, 0].tolist() == [0.0] * len(blind)
    assert before[:, 1].tolist() == (batch["hidden"] * batch["valid"][..., None]).sum((1, 2)).tolist()


def test_the_error_falls_and_the_body_alone_is_handed_over(tmp_path: Path) -> None:
    learner, folder = _learner(), RunFolder(tmp_path)
    folder.claim(Identity({}, {}, "", ""))
    spec = RECIPE.loop.model_copy(update={"epochs": 30, "learning_rate": 3e-3, "optimizer": "adamw"})
    batch = learner.batch(0, 0)
    first = learner.loss(learner.network.eval(), batch, torch.Generator())["total"].item()
    train(learner, spec, 3, folder, World(), lambda line: None)
    assert learner.loss(learner.network, batch, torch.Generator())["total"].item() < 0.97 * first
    detector = Detector(RECIPE.network)
    heads = {name: value.clone() for name, value in detector.state_dict().items() if "head" in name}
    learner.give_body(detector)
    assert isinstance(learner.network, Painter)
    for name, value in learner.network.detector.state_dict().items():
        expected = heads.get(name, value)
        torch.testing.assert_close(detector.state_dict()[name], expected, rtol=0, atol=0)
