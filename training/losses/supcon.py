"""Supervised contrast: embeddings of one label attract each other; all others repel.

    L = mean_i [ -1/|P(i)| sum_{p in P(i)} log( e^{z_i . z_p / tau} / sum_{a != i} e^{z_i . z_a / tau} ) ],  |z| = 1

over the anchors i that have a positive. Two augmented views of a batch are concatenated by the caller, labels too.
Source: Khosla et al. 2020 (2004.11362), the "out" form.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def contrast(embeddings: Tensor, positives: Tensor, temperature: float = 0.07) -> Tensor:
    """The loss for any choice of positives.

    Args:
        embeddings: (B, D); normalised here.
        positives: (B, B) bool, True where column j is a positive of row i; the diagonal is ignored.
        temperature: tau.

    Returns:
        Mean over the anchors with a positive; 0, with a gradient of 0, if there is none.
    """
    unit = F.normalize(embeddings, dim=-1)
    own = torch.eye(len(unit), dtype=torch.bool, device=unit.device)
    log_share = F.log_softmax((unit @ unit.T / temperature).masked_fill(own, -torch.inf), -1)
    positives = positives & ~own
    number = positives.sum(1)
    attracted = log_share.masked_fill(~positives, 0).sum(1) / number.clamp_min(1)
    return -attracted.sum() / (number > 0).sum().clamp_min(1)


def supervised_contrastive(embeddings: Tensor, labels: Tensor, temperature: float = 0.07) -> Tensor:
    """Positives share a label: (B, D) and (B,) int64 to the mean over anchors."""
    return contrast(embeddings, labels[:, None] == labels, temperature)
