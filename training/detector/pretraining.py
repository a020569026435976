"""Masked pre-training of the detector's body on sound without labels, coughs and voices included.

Rectangles of time and bands are blanked in three quarters of a stretch's cells; a linear layer on the hidden frames is
to say what was there. What it learns from is drawn as the training draws it, so no patient of the fold is heard, and
the body then begins the training with these weights (`pretraining` of the recipe). Not for the labels
(`training.detector.student`); HeAR's own auto-encoder is `training.networks.masked`.

Source: He et al. 2022, MAE (2111.06377); Baur et al. 2024, HeAR (2403.02522), masks of 75 %.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor, nn

from training.detector.examples import StretchSampler
from training.detector.hyperparameters import Recipe
from training.detector.model import STRIDE, Detector
from training.loop.distributed import World, shared
from training.loop.learner import Batch, Losses

CELL = (20, 8)  # feature frames, .16 s, and bands of one cell
MASKED = 0.75  # share of the cells


class Painter(nn.Module):
    """The detector, and what says from its hidden frames what was masked.

    Args:
        recipe: sizes.
    """

    def __init__(self, recipe: Recipe) -> None:
        super().__init__()
        self.detector = Detector(recipe.network)
        self.detector.stem.to(memory_format=torch.channels_last)
        self.width = recipe.features.width
        self.paint = nn.Linear(recipe.network.hidden, STRIDE * self.width)

    def forward(self, frames: Tensor, valid: Tensor, hidden: Tensor) -> Tensor:
        """Mean squared error of what is hidden.

        Args:
            frames: (B, T, M).
            valid: (B, T), 1 where valid.
            hidden: (B, T, M), 1 where a cell is masked.

        Returns:
            (B, 2) sum of the squares, and number, of the masked values that were valid.
        """
        answer = self.detector.whole(frames * (1 - hidden), valid)
        said = self.paint(answer.hidden.float().transpose(1, 2)).reshape(frames.shape)
        counted = hidden * valid[..., None]
        return torch.stack([((said - frames) ** 2 * counted).sum((1, 2)), counted.sum((1, 2))], 1)


class MaskedLearner:
    """Learns to say what was masked.

    Args:
        recipe: sizes.
        stretches: draws what is learnt from.
        seed: of the network, the batches and the masks.
        world: the processes that train it together.
    """

    def __init__(self, recipe: Recipe, stretches: StretchSampler, seed: int, world: World) -> None:
        self._recipe, self._stretches, self._seed, self._world = recipe, stretches, seed, world
        torch.manual_seed(seed)
        self.network: nn.Module = Painter(recipe)
        if world.size > 1:
            shared(self.network, world)
        self.steps, self.micro_batches = recipe.steps, 1

    def batch(self, epoch: int, step: int) -> Batch:
        """Stretches and their masks; every process draws all of them and takes its share."""
        rng = np.random.default_rng([self._seed, epoch, step])
        drawn = [self._stretches.draw(rng) for _ in range(self._recipe.loop.batch)]
        length, width = drawn[0].frames.shape
        cells = rng.random((len(drawn), -(-length // CELL[0]), -(-width // CELL[1]))) < MASKED
        hidden = cells.repeat(CELL[0], 1).repeat(CELL[1], 2)[:, :length, :width].astype(np.float32)
        mine = list(self._world.share(len(drawn)))
        return {
            "frames": torch.from_numpy(np.stack([drawn[i].frames for i in mine])),
            "valid": torch.from_numpy(np.stack([drawn[i].valid for i in mine])),
            "hidden": torch.from_numpy(hidden[mine]),
        }

    def loss(self, network: nn.Module, batch: Batch, rng: torch.Generator) -> Losses:
        """Mean squared error of all masked values of the batch."""
        squares, count = self._world.gather(network(batch["frames"], batch["valid"], batch["hidden"])).sum(0)
        return {"total": squares / count.clamp(min=1)}

    def validate(self, network: nn.Module) -> Mapping[str, float]:
        """Nothing: the schedule decides when it ends."""
        return {}

    def give_body(self, detector: Detector) -> None:
        """Give another detector what was learnt; its heads stay as they are."""
        assert isinstance(self.network, Painter)
        learnt = self.network.detector.state_dict()
        body = {name: value for name, value in learnt.items() if not name.startswith(("head.", "clip_head."))}
        detector.load_state_dict(detector.state_dict() | body)
