"""Triplets of embeddings: max(0, margin + d(a, p) - d(a, n)), with d the Euclidean distance.

Auxiliary objective of an Inception-residual recipe, next to a classifier's loss. Embeddings are taken as they are;
normalise them before if only directions should count.
Source: Schroff et al. 2015 (1503.03832); Hermans et al. 2017 (1703.07737), batch-hard and batch-all mining.
That Ngo et al. mean it by "multi-objective" is our reading.

Focal loss of classes: what is already right counts less, so that rare classes are not drowned.

    -w_y (1 - p_y)^gamma_y log p_y,  p = softmax(z)

Source: Lin et al. 2017 (1708.02002); Cui et al. 2019 (1901.05555) for weights by effective numbers; class-wise focal
loss on SPRSound: Shuvo and Hasan 2025 (2507.20408), whose weights are not published.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

Mining = Literal["hard", "all", "active"]


def triplet_loss(embeddings: Tensor, labels: Tensor, margin: float = 0.3, mining: Mining = "hard") -> Tensor:
    """Triplets within a batch.

    Args:
        embeddings: (B, D).
        labels: (B,) int64.
        margin: in units of the embeddings.
        mining: `hard` is, for each anchor with both, its farthest positive and its nearest negative; `all` is the mean
            over every triplet; `active` the mean over those that violate the margin.

    Returns:
        Mean; 0, with a gradient of 0, where there is no triplet.
    """
    distances = torch.cdist(embeddings, embeddings, compute_mode="donot_use_mm_for_euclid_dist")
    same = labels[:, None] == labels
    positive, negative = same & ~torch.eye(len(labels), dtype=torch.bool, device=labels.device), ~same
    if mining == "hard":
        usable = positive.any(1) & negative.any(1)
        farthest = distances.masked_fill(~positive, -torch.inf).amax(1)[usable]
        nearest = distances.masked_fill(~negative, torch.inf).amin(1)[usable]
        losses = F.relu(margin + farthest - nearest)
    else:
        triplets = positive[:, :, None] & negative[:, None, :]
        losses = F.relu(margin + distances[:, :, None] - distances[:, None, :])[triplets]
        losses = losses[losses > 0] if mining == "active" else losses
    return losses.mean() if len(losses) else 0 * distances.sum()


SMALLEST = 1e-12  # of 1 - p before it is raised to a power: the slope of a root is infinite at 0


def class_focal(logits: Tensor, labels: Tensor, gamma: float | Tensor = 2.0, weights: Tensor | None = None) -> Tensor:
    """Focal loss of classes that exclude each other.

    Args:
        logits: (B, C).
        labels: (B,) int64.
        gamma: one for all, or (C,) one for each true class.
        weights: (C,) of the true class; 1 without it.

    Returns:
        Mean over the batch, not divided by the sum of the weights.
    """
    log_right = F.log_softmax(logits, -1).gather(1, labels[:, None]).squeeze(1)
    power = gamma[labels] if isinstance(gamma, Tensor) else gamma
    losses = -((-torch.expm1(log_right)).clamp_min(SMALLEST) ** power) * log_right
    return (losses if weights is None else losses * weights[labels]).mean()


def effective_weights(counts: Sequence[int] | Tensor, beta: float = 0.999) -> Tensor:
    """Class weights (1 - beta) / (1 - beta^n), scaled to a mean of 1.

    Args:
        counts: (C,) training examples of each class, at least 1.
        beta: 0 weighs all alike; towards 1 the weights approach 1 / n.

    Returns:
        (C,) float32.
    """
    numbers = torch.as_tensor(counts, dtype=torch.float64)
    weights = (1 - beta) / (1 - beta**numbers)
    return (weights / weights.mean()).float()
