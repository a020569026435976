"""The loop: draw, forward, backward, step; validate, keep the best, save, stop early. Knows no task and no network.

Exact: the random numbers of a step come from (seed, epoch, step), so a training that was killed at any instant goes on
to the weights of one that was not, bit for bit on the same machine and threads.
"""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from edge.errors import ConfigError
from training.loop import checkpoint
from training.loop.journal import Journal, Report
from training.loop.learner import Batch, Learner, LoopSpec, micro_batches
from training.loop.muon import Muon
from training.loop.precision import Precision, settled
from training.loop.run_folder import RunFolder


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a training ended. The learner's network then holds the weights of `epoch`, in evaluation mode."""

    epoch: int
    """Epochs after which the kept weights were reached, from 1."""
    epochs: int
    """Epochs that were made."""
    validation: Mapping[str, float]
    """Of the kept weights."""


@dataclass(slots=True)
class _State:
    """All that changes while training."""

    network: nn.Module
    average: nn.Module
    optimizer: torch.optim.Optimizer
    schedule: torch.optim.lr_scheduler.LRScheduler
    scaler: torch.amp.GradScaler
    epoch: int = 0
    step: int = 0
    best: float = -math.inf
    """Monitored number of the kept epoch, higher is better."""
    best_epoch: int = 0
    is_over: bool = False

    _MODULES = ("network", "average", "optimizer", "schedule", "scaler")
    _PLAIN = ("epoch", "step", "best", "best_epoch", "is_over")

    def parts(self) -> dict[str, Any]:
        """What a checkpoint holds, by name."""
        parts = {name: getattr(self, name).state_dict() for name in self._MODULES}
        return parts | {name: getattr(self, name) for name in self._PLAIN}

    def take(self, parts: dict[str, Any]) -> None:
        """Take over what a checkpoint holds."""
        for name in self._MODULES:
            if parts[name]:  # empty: a loss scaler that the precision did not need, where the training began
                getattr(self, name).load_state_dict(parts[name])
        for name in self._PLAIN:
            setattr(self, name, parts[name])


def best_device() -> torch.device:
    """The GPU where there is one."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def train(learner: Learner, spec: LoopSpec, seed: int, folder: RunFolder, report: Report) -> Outcome:
    """Train, or go on training, to the end.

    Args:
        learner: network, batches, losses, validation. Its network must have been made under `torch.manual_seed`.
        spec: how.
        seed: of this run.
        folder: claimed already.
        report: called with each line for a person.

    Returns:
        How it ended; `learner.network` holds the kept weights.

    Raises:
        ConfigError: if the disk is full, a loss is not finite, the validation lacks what is monitored, or a batch
            cannot be cut into the learner's parts.
    """
    if spec.batch % learner.micro_batches:  # refused before anything is loaded or measured
        raise ConfigError(
            f"micro_batches = {learner.micro_batches}: {spec.batch} examples cannot be cut into as many equal parts; "
            "choose a divisor"
        )
    spec = settled(learner, spec, folder.path, best_device(), report)
    return _Training(learner, spec, seed, folder, report).run()


class _Training:
    """What the parts of one training share."""

    def __init__(self, learner: Learner, spec: LoopSpec, seed: int, folder: RunFolder, report: Report) -> None:
        self.learner, self.spec, self.seed, self.folder, self.device = learner, spec, seed, folder, best_device()
        self.precision = Precision(spec, self.device)
        self.state = _begin(learner, spec, self.device, self.precision)
        self.report = report
        self.journal = Journal(folder.path, learner.steps, spec.epochs, report)
        if spec.compile and self.device.type == "cuda":
            self.state.network.compile()

    def run(self) -> Outcome:
        state = self.state
        if self.folder.last.exists():
            state.take(checkpoint.load(self.folder.last))
            if not state.is_over:
                done = f"{state.epoch} epochs" + (f" and {state.step} steps" if state.step else "")
                self.report(f"goes on after {done}, in {self.precision.name}")
        with checkpoint.disk_may_be_full(self.folder.path):
            if not state.is_over:
                self.journal.begin(state.epoch, state.step)
            while not state.is_over:
                self._epoch()
            self.journal.close()
        best = checkpoint.load(self.folder.best)
        self.learner.network.load_state_dict(best["network"])
        self.learner.network.eval()
        return Outcome(best["epoch"], state.epoch, best["validation"])

    def _epoch(self) -> None:
        state, begun = self.state, time.monotonic()
        saved = begun
        state.network.train()
        while state.step < self.learner.steps:
            losses = self._step()
            self.journal.step(state.epoch, state.step, losses)
            state.step += 1
            if time.monotonic() - saved > 60 * self.spec.save_minutes and state.step < self.learner.steps:
                saved = time.monotonic()
                self._save()
        state.epoch, state.step = state.epoch + 1, 0
        self._judge(begun)
        self._save()

    def _step(self) -> dict[str, float]:
        state, spec = self.state, self.spec
        place = np.random.SeedSequence([self.seed, state.epoch, state.step])
        for_batch, for_layers = (int(x) for x in place.generate_state(2, np.uint64) >> np.uint64(2))
        torch.manual_seed(for_layers)
        batch = self.learner.batch(state.epoch, state.step)
        batch = {name: x.to(self.device, non_blocking=True) for name, x in batch.items()}
        numbers = self._gradients(batch, for_batch)
        state.scaler.unscale_(state.optimizer)
        if spec.clip:
            nn.utils.clip_grad_norm_(state.network.parameters(), spec.clip)
        before = [p.detach().clone() for p in state.network.parameters()] if spec.keep_old else []
        state.scaler.step(state.optimizer)
        state.scaler.update()
        for parameter, old in zip(state.network.parameters(), before, strict=False):
            parameter.data.lerp_(old, spec.keep_old)
        state.schedule.step()
        done = state.epoch * self.learner.steps + state.step + 1
        _follow(state.average, state.network, min(spec.average, done / (done + 10)) if spec.average else 0.0)
        return numbers

    def _gradients(self, batch: Batch, seed: int) -> dict[str, float]:
        """Leave the gradients of a batch in the network, and return its losses; every part has the same generator."""
        state, count = self.state, self.learner.micro_batches
        numbers: dict[str, float] = {}
        state.optimizer.zero_grad(set_to_none=True)
        for part in micro_batches(batch, count):
            with self.precision.autocast():
                losses = self.learner.loss(state.network, part, torch.Generator().manual_seed(seed))
            for name, value in losses.items():
                numbers[name] = numbers.get(name, 0.0) + value.detach().item() / count
            if not all(math.isfinite(x) for x in numbers.values()):
                raise ConfigError(
                    f"{self.folder.path}: epoch {state.epoch + 1}, step {state.step + 1}: loss not finite ({numbers}); "
                    f"lower loop.learning_rate or use loop.precision = fp32"
                )
            state.scaler.scale(losses["total"] / count).backward()
        return numbers

    def _judge(self, begun: float) -> None:
        """Validate the averaged weights, keep them when they are the best, decide whether to stop."""
        state, spec = self.state, self.spec
        validation: dict[str, float] = {}
        if spec.monitor:
            state.average.eval()
            with torch.no_grad():
                validation = {name: float(x) for name, x in self.learner.validate(state.average).items()}
        if spec.monitor and spec.monitor not in validation:
            raise ConfigError(f"loop.monitor = {spec.monitor!r}: expected one of {', '.join(validation)}")
        value = validation[spec.monitor] if spec.monitor else float(state.epoch)  # nothing monitored: the last epoch
        value = -value if spec.monitor and spec.lower_is_better else value
        is_better = value > state.best or state.best_epoch == 0
        if is_better:
            state.best, state.best_epoch = value, state.epoch
        waited = state.epoch - state.best_epoch
        state.is_over = state.epoch >= spec.epochs or bool(spec.patience and waited >= spec.patience)
        if is_better:
            kept = {"network": state.average.state_dict(), "epoch": state.epoch, "validation": validation}
            checkpoint.save(self.folder.best, kept)
        best = "" if is_better else f"  (best: epoch {state.best_epoch})"
        self.journal.epoch(state.epoch - 1, time.monotonic() - begun, validation, best)

    def _save(self) -> None:
        self.journal.flush()
        checkpoint.save(self.folder.last, self.state.parts())


def _begin(learner: Learner, spec: LoopSpec, device: torch.device, precision: Precision) -> _State:
    network = learner.network.to(device)
    kinds = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW, "muon": Muon}
    trained = [p for p in network.parameters() if p.requires_grad]
    optimizer = kinds[spec.optimizer](trained, spec.learning_rate, weight_decay=spec.weight_decay)
    return _State(
        network, copy.deepcopy(network), optimizer, _schedule(optimizer, spec, learner.steps), precision.scaler
    )


def _schedule(optimizer: torch.optim.Optimizer, spec: LoopSpec, steps: int) -> torch.optim.lr_scheduler.LRScheduler:
    total = spec.epochs * steps
    if spec.schedule == "cosine":
        lowest = spec.learning_rate * spec.final_rate
        return torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, total, lowest)
    if spec.schedule == "one-cycle":
        rise = spec.warm_up * (1.001 if spec.warm_up * (total + 1) == 1 else 1)  # PyTorch divides by it less one step
        return torch.optim.lr_scheduler.OneCycleLR(optimizer, spec.learning_rate, total_steps=total + 1, pct_start=rise)
    return torch.optim.lr_scheduler.ConstantLR(optimizer, 1.0, 1)


@torch.no_grad()
def _follow(average: nn.Module, network: nn.Module, decay: float) -> None:
    """Average <- decay * average + (1 - decay) * network, batch-norm statistics too."""
    for kept, new in zip(average.state_dict().values(), network.state_dict().values(), strict=True):
        if kept.dtype.is_floating_point:
            kept.lerp_(new, 1 - decay)
        else:
            kept.copy_(new)
