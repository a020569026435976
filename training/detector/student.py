"""The edge recipe as a learner of `training.loop`: stretches of streams, judged frame by frame.

A batch is decided by (seed, epoch, step). With teachers, their answers to the same changed sounds are part of the
targets (soft labels). Not for choosing thresholds (`training.detector.thresholds`) nor for the loop itself.

Source: Hinton et al. 2015 (1503.02531), distillation.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from training.detector.augment import mixed_style
from training.detector.examples import StretchSampler
from training.detector.hyperparameters import Recipe
from training.detector.loss import detector_loss, soften, somewhere_loss
from training.detector.model import STRIDE, Detector
from training.loop import Batch, Losses, best_device


class Student(nn.Module):
    """The detector as it is trained.

    Args:
        recipe: with its sizes.
    """

    def __init__(self, recipe: Recipe) -> None:
        super().__init__()
        self.detector = Detector(recipe.network)
        self.detector.stem.to(memory_format=torch.channels_last)  # 15 % faster on CPU


class EdgeLearner:
    """Learns the detector of one fold.

    Args:
        recipe: what, and how.
        stretches: draws stretches of recordings.
        seed: of this network.
        teachers: networks whose answers are mixed into the targets; in evaluation mode.
    """

    def __init__(self, recipe: Recipe, stretches: StretchSampler, seed: int, teachers: Sequence[Detector] = ()) -> None:
        self._recipe, self._stretches, self._seed = recipe, stretches, seed
        torch.manual_seed(seed)
        self.network: nn.Module = Student(recipe)
        self.steps, self.micro_batches = recipe.steps, 1
        self._teachers = [teacher.to(best_device()) for teacher in teachers]

    def batch(self, epoch: int, step: int) -> Batch:
        """Stretches, and what is known of them."""
        recipe = self._recipe
        rng = np.random.default_rng([self._seed, epoch, step])
        drawn = [self._stretches.draw(rng) for _ in range(recipe.loop.batch)]
        arrays = {
            "frames": [x.frames for x in drawn],
            "valid": [x.valid for x in drawn],
            "targets": [x.truth.targets for x in drawn],
            "weights": [x.truth.weights for x in drawn],
            "phases": [x.truth.phases for x in drawn],
            "shares": [x.truth.shares for x in drawn],
            "somewhere": [x.truth.somewhere for x in drawn],
        }
        stacked = {name: np.stack(rows).astype(np.float32) for name, rows in arrays.items()}
        if rng.random() < recipe.augment.device.mix_style:
            stacked["frames"] = mixed_style(stacked["frames"], stacked["valid"], rng)
        if recipe.teachers and self._teachers:
            stacked["teachers"] = self._chosen(rng)
        return {name: torch.from_numpy(rows) for name, rows in stacked.items()}

    def _chosen(self, rng: np.random.Generator) -> NDArray[np.float32]:
        """(B, N) numbers of the teachers of this step, the same in each row."""
        some = rng.permutation(len(self._teachers))[: self._recipe.teachers]
        return np.tile(some.astype(np.float32), (self._recipe.loop.batch, 1))

    def loss(self, network: nn.Module, batch: Batch, rng: torch.Generator) -> Losses:
        """Frame-wise loss of the stretches, that of breath cycles where there are some, and their sum."""
        detector = network.detector
        assert isinstance(detector, Detector)
        logits = detector(batch["frames"], batch["valid"]).float()
        heard = batch["valid"].reshape(len(batch["valid"]), -1, STRIDE).amin(2)
        losses = {"frames": detector_loss(logits, self._soft_targets(batch), heard, batch["weights"])}
        if self._stretches.has_cycles:
            losses["cycles"] = somewhere_loss(logits, heard, batch["phases"], batch["shares"], batch["somewhere"])
        return losses | {"total": torch.stack(list(losses.values())).sum()}

    def validate(self, network: nn.Module) -> Mapping[str, float]:
        """Nothing: the schedule decides when it ends, and no held-out patient votes."""
        return {}

    @torch.no_grad()
    def _soft_targets(self, batch: Batch) -> Tensor:
        if "teachers" not in batch:
            return batch["targets"]
        of_this_step = [self._teachers[int(number)] for number in batch["teachers"][0]]
        answers = torch.stack([teacher(batch["frames"], batch["valid"]).float() for teacher in of_this_step])
        return soften(batch["targets"], answers, self._recipe.losses.soft)
