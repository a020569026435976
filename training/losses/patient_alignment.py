"""Patient-aware alignment (PAFA): a patient's embeddings cohere, patients separate, none drifts off.

    c_p = mean of the embeddings of patient p,  c = mean of the c_p
    PCSL = sum_p sum_{i of p} |x_i - c_p|^2 / ( sum_{p < q} |c_p - c_q|^2 + epsilon )
    GPAL = mean_p |c_p - c|^2
    L = CE + .1 PCSL + .1 GPAL

An interpretation: the formulas and weights follow a public implementation that carries the paper's names; the paper's
own text was not at hand. Needs batches with several patients and several clips of each; dropped after training.
Source: Jeong and Kim 2025, PAFA (2505.23834).
"""

from __future__ import annotations

import torch
from torch import Tensor


def patient_cohesion_separation(embeddings: Tensor, patients: Tensor, epsilon: float = 1e-6) -> Tensor:
    """PCSL: scatter within patients over scatter between them.

    Args:
        embeddings: (B, D).
        patients: (B,) int64.
        epsilon: keeps the ratio finite when centroids coincide.

    Returns:
        Scalar; 0, with a gradient of 0, for fewer than two patients.
    """
    centroids, index = _centroids(embeddings, patients)
    if len(centroids) < 2:
        return 0 * embeddings.sum()
    within = (embeddings - centroids[index]).square().sum()
    # sum_{p < q} |c_p - c_q|^2 = P sum_p |c_p - c|^2
    between = len(centroids) * (centroids - centroids.mean(0)).square().sum()
    return within / (between + epsilon)


def patient_alignment(embeddings: Tensor, patients: Tensor) -> Tensor:
    """GPAL: mean squared distance of the patients' centroids to their mean, from (B, D) and (B,) int64."""
    centroids, _ = _centroids(embeddings, patients)
    return (centroids - centroids.mean(0)).square().sum(1).mean()


def _centroids(embeddings: Tensor, patients: Tensor) -> tuple[Tensor, Tensor]:
    """(P, D), and for each embedding the row of its patient, (B,)."""
    found, index, number = torch.unique(patients, return_inverse=True, return_counts=True)
    embeddings = embeddings.to(
        torch.promote_types(embeddings.dtype, torch.float32)
    )  # squares overflow in half precision
    sums = embeddings.new_zeros(len(found), embeddings.shape[1]).index_add(0, index, embeddings)
    return sums / number[:, None], index
