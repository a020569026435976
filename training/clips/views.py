"""A clip classifier as a learner of the loop: views of a batch for the objectives, official scores for the validation.

Backbones see this process's share; everything after them sees the whole batch (`World.gather`), so contrasts, margins
and means are those of one process.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from training.clips.batches import Batches, ClipSet, padded
from training.clips.classifier import ClipClassifier
from training.clips.objectives import Mixed, View
from training.loop import Batch, Losses, World
from training.metrics.official import official_score

CHUNK = 32  # clips that are clip_probabilities at once


class ClipLearner:
    """Trains one classifier.

    Args:
        network: made under the run's seed.
        batches: of the training patients.
        validation: of other patients.
        world: whose processes share a batch.
    """

    def __init__(self, network: ClipClassifier, batches: Batches, validation: ClipSet, world: World) -> None:
        self.network: ClipClassifier = network
        self._batches, self._validation, self._world = batches, validation, world
        self.steps, self.micro_batches = batches.steps, 1

    def batch(self, epoch: int, step: int) -> Batch:
        """This process's share of a batch."""
        return self._batches.batch(epoch, step, self.network.objectives.patch_mix is not None)

    def loss(self, network: nn.Module, batch: Batch, rng: torch.Generator) -> Losses:
        """Every objective, of the whole batch."""
        assert isinstance(network, ClipClassifier)
        gather = self._world.gather
        embeddings, mixed, kept = self._embedded(network, batch, rng)
        embeddings = gather(embeddings)
        view = View(
            embeddings=embeddings,
            logits=network.head(embeddings),
            cosines=network.cosines(embeddings),
            labels=gather(batch["labels"]),
            partner=gather(batch["partner"]),
            kept=float(batch["kept"][0]),
            quality=gather(batch["quality"]),
            mixed=None,
        )
        if mixed is not None:
            mixed = gather(mixed)
            logits = network.head(mixed)
            view = replace(view, mixed=Mixed(mixed, logits, kept))
        return network.objectives(view)

    def _embedded(
        self, network: ClipClassifier, batch: Batch, rng: torch.Generator
    ) -> tuple[Tensor, Tensor | None, float]:
        spec = network.objectives.patch_mix
        if spec is None:
            return network.backbone(batch["frames"], batch["valid"]), None, 1.0
        own, other = (batch["frames"], batch["valid"]), (batch["others"], batch["others_valid"])
        return network.mixed(own, other, spec, rng)

    def validate(self, network: nn.Module) -> Mapping[str, float]:
        """Official score, sensitivity, specificity and loss-free numbers of the validation patients."""
        probabilities = clip_probabilities(network, self._validation, self._world.device)
        return validation_numbers(self._validation, probabilities)


@torch.no_grad()
def clip_probabilities(network: nn.Module, clips: ClipSet, device: torch.device) -> NDArray[np.float32]:
    """(n, C) probabilities of each clip, by a network in evaluation mode; clips of like lengths go together."""
    order = np.argsort(clips.frames.lengths[clips.rows], kind="stable")
    result = np.zeros((len(order), len(clips.task.labels)), np.float32)
    for start in range(0, len(order), CHUNK):
        some = order[start : start + CHUNK]
        frames, valid = padded(clips.frames, clips.rows[some].tolist())
        logits = network(frames.to(device), valid.to(device))
        result[some] = torch.softmax(logits.float(), -1).cpu().numpy()
    return result


def validation_numbers(clips: ClipSet, probabilities: NDArray[np.float32]) -> dict[str, float]:
    """What a validation prints and what early stopping looks at; a score that is undefined counts as 0."""
    confusion = np.zeros((len(clips.task.labels),) * 2, np.int64)
    np.add.at(confusion, (clips.labels, probabilities.argmax(1)), 1)
    official = official_score(clips.task, confusion)
    return {
        "score": official.score or 0.0,
        "sensitivity": official.sensitivity or 0.0,
        "specificity": official.specificity or 0.0,
    }
