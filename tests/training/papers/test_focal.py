"""Focal losses by hand, and their limits."""

from __future__ import annotations

import math

import pytest
import torch
from torch.nn import functional as F

from training.papers.ngo2023 import class_focal


def test_gamma_zero_is_cross_entropy() -> None:
    torch.manual_seed(0)
    logits, labels = torch.randn(3, 5) * 4, torch.tensor([4, 0, 2])
    assert torch.allclose(class_focal(logits, labels, 0.0), F.cross_entropy(logits, labels))


def test_class_focal_by_hand() -> None:
    probabilities = torch.tensor([[0.7, 0.2, 0.1], [0.5, 0.3, 0.2]])
    loss = class_focal(probabilities.log(), torch.tensor([0, 2]), 3.0)
    expected = (0.3**3 * -math.log(0.7) + 0.8**3 * -math.log(0.2)) / 2
    assert loss.item() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("gamma", [0.0, 0.5, 1.0, 2.0])
def test_gradients_are_finite_for_certain_answers(gamma: float) -> None:
    logits = torch.tensor([[200.0, -200.0], [-200.0, 200.0]], requires_grad=True)
    class_focal(logits, torch.tensor([0, 0]), gamma).backward()
    assert logits.grad is not None
    assert logits.grad.isfinite().all()


def test_focal_gradients() -> None:
    torch.manual_seed(0)
    logits = torch.randn(4, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda z: class_focal(z, torch.tensor([0, 1, 2, 1]), 2.0), (logits,))
