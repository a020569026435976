"""Supervised contrast by loops, and what it must not depend on."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from training.losses.supcon import contrast, supervised_contrastive


def _by_loops(points: np.ndarray, positives: np.ndarray, tau: float) -> float:
    unit = points / np.linalg.norm(points, axis=1, keepdims=True)
    losses = []
    for i in range(len(unit)):
        others = [a for a in range(len(unit)) if a != i]
        total = sum(math.exp(unit[i] @ unit[a] / tau) for a in others)
        mine = [math.log(math.exp(unit[i] @ unit[p] / tau) / total) for p in others if positives[i, p]]
        if mine:
            losses.append(-sum(mine) / len(mine))
    return float(np.mean(losses)) if losses else 0.0


@settings(deadline=None)
@given(st.integers(0, 2**31), st.floats(0.05, 1))
def test_contrast_equals_loops(seed: int, tau: float) -> None:
    rng = np.random.default_rng(seed)
    points, labels = rng.normal(size=(7, 3)), rng.integers(0, 4, 7)
    found = supervised_contrastive(torch.tensor(points), torch.tensor(labels), tau)
    assert found.item() == pytest.approx(_by_loops(points, labels[:, None] == labels, tau), abs=1e-8)


def test_one_pair_among_three_by_hand() -> None:
    points = torch.tensor([[1.0, 0.0], [2.0, 0.0], [0.0, 1.0]])
    loss = supervised_contrastive(points, torch.tensor([0, 0, 1]), 1.0)
    assert loss.item() == pytest.approx(-math.log(math.e / (math.e + 1)), rel=1e-6)


def test_no_positive_costs_nothing_with_a_finite_gradient() -> None:
    for batch in (1, 3):
        points = torch.randn(batch, 2, requires_grad=True)
        loss = supervised_contrastive(points, torch.arange(batch))
        loss.backward()
        assert loss.item() == 0
        assert points.grad is not None
        assert points.grad.isfinite().all()


def test_contrast_ignores_lengths_and_order_and_the_diagonal() -> None:
    torch.manual_seed(0)
    points, labels = torch.randn(6, 4), torch.tensor([0, 1, 0, 1, 2, 2])
    loss, order = supervised_contrastive(points, labels), torch.randperm(6)
    assert torch.allclose(supervised_contrastive(points[order] * 5, labels[order]), loss, rtol=1e-4)
    positives = labels[:, None] == labels
    assert torch.equal(contrast(points, positives & ~torch.eye(6, dtype=torch.bool)), loss)


def test_contrast_gradient() -> None:
    torch.manual_seed(0)
    points = torch.randn(5, 3, dtype=torch.float64, requires_grad=True)
    labels = torch.tensor([0, 0, 1, 1, 2])
    assert torch.autograd.gradcheck(lambda x: supervised_contrastive(x, labels, 0.5), (points,))
