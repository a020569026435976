"""Metric losses on embeddings: triplets, and distance to a learned centre of each class.

    triplet:  max(0, margin + d(a, p) - d(a, n)),  d the Euclidean distance
    centre:   1/2 |x - c_y|^2

Auxiliary objectives of the Inception-residual recipes, next to a classifier's loss. Both work with embeddings as they
are; normalise them before if only directions should count.
Source: Schroff et al. 2015 (1503.03832); Hermans et al. 2017 (1703.07737), batch-hard and batch-all mining;
Wen et al. 2016, centre loss (ECCV). That Ngo et al. mean these by "multi-objective" is our reading.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn
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


class CentreLoss(nn.Module):
    """Half the squared distance to the class's centre.

    The centres are parameters that the optimizer moves, rather than by the paper's own rule of update (our choice: it
    is the same direction, and works under several processes).

    Args:
        classes: C.
        embedding_size: D.
    """

    def __init__(self, classes: int, embedding_size: int) -> None:
        super().__init__()
        self.centres = nn.Parameter(torch.zeros(classes, embedding_size))

    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        """(B, D) and (B,) int64 to the mean over the batch."""
        return 0.5 * (embeddings - self.centres[labels]).square().sum(1).mean()
