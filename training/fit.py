"""Train one network: reproducible from the seed, resumable after a kill at any point, one thread of torch.

An epoch's windows and dropout depend on (seed, epoch) alone and the state is written whole after each epoch, so a run
that was killed and resumed gives the weights of one that was not. Not for choosing thresholds (`training.tune`).
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from training.augment import Cutter, Example
from training.loss import detector_loss
from training.network import STRIDE, Detector
from training.recipe import Recipe

Report = Callable[[str], None]


@dataclass(slots=True)
class _State:
    """All that changes while training."""

    network: Detector
    average: Detector
    optimizer: torch.optim.Optimizer
    schedule: torch.optim.lr_scheduler.LRScheduler
    epoch: int = 0

    def save(self, path: Path, recipe: Recipe) -> None:
        """Write whole or not at all."""
        draft = path.with_suffix(".part")
        parts = {
            "recipe": recipe.sha256,
            "epoch": self.epoch,
            "network": self.network.state_dict(),
            "average": self.average.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "schedule": self.schedule.state_dict(),
        }
        torch.save(parts, draft)
        draft.rename(path)

    def load(self, path: Path, recipe: Recipe) -> None:
        """Take up what `save` wrote, if it is there and from this recipe."""
        if not path.exists():
            return
        parts = torch.load(path, weights_only=True)
        if parts["recipe"] != recipe.sha256:
            return
        self.network.load_state_dict(parts["network"])
        self.average.load_state_dict(parts["average"])
        self.optimizer.load_state_dict(parts["optimizer"])
        self.schedule.load_state_dict(parts["schedule"])
        self.epoch = parts["epoch"]


def fit(cutter: Cutter, recipe: Recipe, seed: int, path: Path, report: Report) -> Detector:
    """Train, or go on training, one network.

    Args:
        cutter: where windows come from.
        recipe: sizes, epochs, rates.
        seed: of this network.
        path: checkpoint; its state is taken up when it is of this recipe.
        report: called with a line after each epoch.

    Returns:
        The running average of the weights, in evaluation mode.
    """
    torch.manual_seed(seed)
    network = Detector(recipe.network)
    network.stem.to(memory_format=torch.channels_last)  # 15 % faster on CPU
    optimizer = torch.optim.AdamW(network.parameters(), recipe.learning_rate, weight_decay=recipe.weight_decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, recipe.learning_rate, total_steps=recipe.epochs * recipe.steps, pct_start=0.15
    )
    state = _State(network, copy.deepcopy(network), optimizer, schedule)
    state.load(path, recipe)
    while state.epoch < recipe.epochs:
        started = time.monotonic()
        loss = _epoch(cutter, recipe, seed, state)
        state.epoch += 1
        state.save(path, recipe)
        seconds = time.monotonic() - started
        left_min = seconds * (recipe.epochs - state.epoch) / 60
        report(f"epoch {state.epoch}/{recipe.epochs}  loss {loss:.4f}  {seconds:.0f} s  {left_min:.0f} min to go")
    return state.average.eval()


def _epoch(cutter: Cutter, recipe: Recipe, seed: int, state: _State) -> float:
    """One epoch; returns the mean loss."""
    rng = np.random.default_rng([seed, state.epoch])
    torch.manual_seed(int(rng.integers(2**62)))  # dropout
    state.network.train()
    total = 0.0
    for step in range(recipe.steps):
        frames, valid, targets, breath_known = _collate([cutter.draw(rng) for _ in range(recipe.batch)])
        heard = valid.reshape(len(valid), -1, STRIDE).amin(2)
        loss = detector_loss(state.network(frames, valid), targets, heard, breath_known)
        state.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(state.network.parameters(), 2.0)
        state.optimizer.step()
        state.schedule.step()
        done = state.epoch * recipe.steps + step + 1
        _follow(state.average, state.network, min(recipe.average, done / (done + 10)))
        total += loss.item()
    return total / recipe.steps


def _collate(examples: list[Example]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    return (
        torch.from_numpy(np.stack([e.frames for e in examples])),
        torch.from_numpy(np.stack([e.valid for e in examples])),
        torch.from_numpy(np.stack([e.targets for e in examples])),
        torch.tensor([e.breath_known for e in examples]),
    )


@torch.no_grad()
def _follow(average: nn.Module, network: nn.Module, decay: float) -> None:
    """Average <- decay * average + (1 - decay) * network, batch-norm statistics too."""
    for kept, new in zip(average.state_dict().values(), network.state_dict().values(), strict=True):
        if kept.dtype.is_floating_point:
            kept.lerp_(new, 1 - decay)
        else:
            kept.copy_(new)
