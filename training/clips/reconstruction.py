"""Masked pre-training on unlabelled pieces as a learner of the loop, and embeddings of pieces by what it learnt.

Validation is the same loss on patients (speakers, infants) that are not trained on, with masks that never change.
Source: Baur et al. 2024 (2403.02522): 200 frames are resized to 192, bilinear.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from training.clips.batches import padded
from training.clips.front_end import ClipFrames
from training.clips.schema import HearRecipe
from training.loop import Batch, Losses, World
from training.networks.masked import MaskedAutoencoder, MaskedEncoder, masked_error, patchify, random_masking

CHUNK = 64  # pieces that are encoded at once


def resized(frames: Tensor, count: int) -> Tensor:
    """(B, S, T, M) to (B, S, count, M), bilinear over time."""
    return F.interpolate(frames, (count, frames.shape[3]), mode="bilinear", align_corners=False)


class MaskedLearner:
    """Trains one masked auto-encoder.

    Args:
        network: made under the run's seed.
        frames: of every piece, all of one length.
        sides: rows of `frames` to train on, and to validate on.
        recipe: of the run: B over all processes, in how many parts, and the seed.
        world: whose processes share a batch.
    """

    def __init__(
        self,
        network: MaskedAutoencoder,
        frames: ClipFrames,
        sides: tuple[NDArray[np.int64], NDArray[np.int64]],
        recipe: HearRecipe,
        world: World,
    ) -> None:
        self.network = network
        self._frames, (self._rows, self._kept_apart) = frames, sides
        self._size, self._seed, self._world = recipe.loop.batch, recipe.seed, world
        self.steps, self.micro_batches = max(1, len(self._rows) // self._size), recipe.micro_batches

    def batch(self, epoch: int, step: int) -> Batch:
        """This process's share of a batch; every piece once in an epoch."""
        order = np.random.default_rng([self._seed, epoch]).permutation(self._rows)
        chosen = order[np.arange(step * self._size, (step + 1) * self._size) % len(order)]
        mine = list(self._world.share(self._size))
        return {"frames": padded(self._frames, chosen[mine].tolist())[0], "places": torch.tensor(mine)}

    def loss(self, network: nn.Module, batch: Batch, rng: torch.Generator) -> Losses:
        """Error on the masked patches of a (micro-)batch; a piece's mask is that of its place in the whole batch."""
        assert isinstance(network, MaskedAutoencoder)
        spec, places = network.spec, batch["places"].cpu()
        kept, masked = (x[places] for x in random_masking(self._size, spec.patches, spec.kept, rng))
        error = _error(network, batch["frames"], kept, masked)
        return {"total": self._world.gather(error[None]).mean()}  # shares are of one size, with as many masked patches

    def validate(self, network: nn.Module) -> Mapping[str, float]:
        """`loss` on the patients kept apart."""
        assert isinstance(network, MaskedAutoencoder)
        spec, rng = network.spec, torch.Generator().manual_seed(0)
        errors = []
        for start in range(0, len(self._kept_apart), CHUNK):
            rows = self._kept_apart[start : start + CHUNK]
            frames, _ = padded(self._frames, rows.tolist())
            kept, masked = random_masking(len(rows), spec.patches, spec.kept, rng)
            errors += [float(_error(network, frames.to(self._world.device), kept, masked))] * len(rows)
        return {"loss": float(np.mean(errors))}


def _error(network: MaskedAutoencoder, frames: Tensor, kept: Tensor, masked: Tensor) -> Tensor:
    image = resized(frames, network.spec.frames)
    device = image.device
    predicted = network.reconstruct(image, kept.to(device))
    return masked_error(predicted, patchify(image, network.spec.patch), masked.to(device))


@torch.no_grad()
def embeddings_of(encoder: MaskedEncoder, frames: ClipFrames, heard: NDArray[np.float64]) -> NDArray[np.float32]:
    """Embeddings of pieces, by the encoder in evaluation mode.

    Args:
        encoder: pre-trained.
        frames: of every piece, all of one length.
        heard: (n,) share of each piece that is sound, 1 or more for all of it; the silence behind it has no part in
            the embedding.

    Returns:
        (n, D).
    """
    device, length = next(encoder.parameters()).device, encoder.spec.frames
    parts = []
    for start in range(0, len(heard), CHUNK):
        rows = range(start, min(start + CHUNK, len(heard)))
        image = resized(padded(frames, rows)[0].to(device), length)
        valid = torch.arange(length) < torch.from_numpy(heard[rows.start : rows.stop] * length).ceil()[:, None]
        parts.append(encoder(image, valid.to(image)).cpu().numpy())
    return np.concatenate(parts) if parts else np.zeros((0, encoder.spec.size), np.float32)
