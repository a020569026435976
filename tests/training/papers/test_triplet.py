"""Triplets by loops over every triplet."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from training.papers.ngo2022 import Mining, triplet_loss


def _by_loops(points: np.ndarray, labels: np.ndarray, margin: float, mining: Mining) -> float:
    distance = [[float(np.linalg.norm(a - b)) for b in points] for a in points]
    everyone, losses = range(len(points)), []
    for a in everyone:
        positives = [distance[a][p] for p in everyone if labels[p] == labels[a] and p != a]
        negatives = [distance[a][n] for n in everyone if labels[n] != labels[a]]
        if mining == "hard" and positives and negatives:
            losses.append(max(0.0, margin + max(positives) - min(negatives)))
        elif mining == "all":
            losses += [max(0.0, margin + p - n) for p, n in product(positives, negatives)]
    return float(np.mean(losses)) if losses else 0.0


@settings(deadline=None)
@given(st.integers(0, 2**31), st.sampled_from(["hard", "all"]), st.floats(0, 2))
def test_triplet_loss_equals_loops(seed: int, mining: Mining, margin: float) -> None:
    rng = np.random.default_rng(seed)
    points, labels = rng.normal(size=(7, 3)), rng.integers(0, 3, 7)
    found = triplet_loss(torch.tensor(points), torch.tensor(labels), margin, mining)
    assert found.item() == pytest.approx(_by_loops(points, labels, margin, mining), abs=1e-9)


def test_hardest_triplets_by_hand() -> None:
    points, labels = torch.tensor([[0.0], [1.0], [3.0]]), torch.tensor([0, 0, 1])
    # anchors 0 and 1 have the positive distance 1 and the negatives 3 and 2; anchor 2 has no positive
    assert triplet_loss(points, labels, margin=1.5).item() == pytest.approx((0 + 0.5) / 2)


def test_a_batch_without_triplets_costs_nothing_and_has_a_gradient() -> None:
    points = torch.zeros(3, 2, requires_grad=True)
    for labels in ([0, 0, 0], [0, 1, 2]):
        loss = triplet_loss(points, torch.tensor(labels))
        loss.backward()
        assert loss.item() == 0
        assert points.grad is not None
        assert not points.grad.any()


def test_coinciding_embeddings_have_finite_gradients() -> None:
    points = torch.zeros(4, 2, requires_grad=True)
    triplet_loss(points, torch.tensor([0, 0, 1, 1])).backward()
    assert points.grad is not None
    assert points.grad.isfinite().all()


def test_triplet_loss_falls_along_its_gradient() -> None:
    torch.manual_seed(0)
    points, labels = torch.randn(8, 4, dtype=torch.float64, requires_grad=True), torch.arange(8) % 2
    loss = triplet_loss(points, labels, 1.0)
    (gradient,) = torch.autograd.grad(loss, points)
    assert triplet_loss(points - 0.01 * gradient, labels, 1.0) < loss
    assert torch.autograd.gradcheck(lambda x: triplet_loss(x, labels, 1.0), (points,))
