"""Triplets of embeddings: max(0, margin + d(a, p) - d(a, n)), with d the Euclidean distance.

Auxiliary objective of an Inception-residual recipe, next to a classifier's loss. Embeddings are taken as they are;
normalise them before if only directions should count.
Source: Schroff et al. 2015 (1503.03832); Hermans et al. 2017 (1703.07737), batch-hard and batch-all mining.
That Ngo et al. mean it by "multi-objective" is our reading.
"""

from __future__ import annotations

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
