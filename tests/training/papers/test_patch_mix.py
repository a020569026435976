"""Patch-Mix: where patches go, what the contrast computes, and where no gradient may go."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from training.papers.patchmix import (
    Projector,
    patch_mix,
    patch_mix_contrastive,
    patch_mix_cross_entropy,
)

SHIFT = torch.tensor([1, 2, 0])


def _named(batch: int, *shape: int) -> torch.Tensor:
    """Every number says which example it comes from."""
    return torch.arange(batch, dtype=torch.float32).reshape(-1, *[1] * len(shape)).expand(batch, *shape)


@settings(deadline=None)
@given(st.integers(1, 60), st.floats(0, 1), st.integers(0, 1000))
def test_int_of_n_times_one_minus_lambda_positions_come_from_the_other(count: int, lam: float, seed: int) -> None:
    tokens = _named(3, count, 2)
    mixed, stored = patch_mix(tokens, lam, SHIFT, torch.Generator().manual_seed(seed))
    taken = mixed[..., 0] != tokens[..., 0]
    assert taken.sum(1).tolist() == [int(count * (1 - lam))] * 3
    assert stored == 1 - int(count * (1 - lam)) / count
    assert (taken == taken[0]).all()
    assert torch.equal(mixed, torch.where(taken[..., None], tokens[SHIFT], tokens))


def test_positions_come_from_the_generator_and_are_spread() -> None:
    tokens = _named(3, 40, 1)
    draws = [patch_mix(tokens, 0.5, SHIFT, torch.Generator().manual_seed(s))[0] for s in (1, 1, 2)]
    assert torch.equal(draws[0], draws[1])
    assert not torch.equal(draws[0], draws[2])
    places = torch.stack(
        [patch_mix(tokens, 0.5, SHIFT, torch.Generator().manual_seed(s))[0][0, :, 0] for s in range(200)]
    )
    assert ((places.mean(0) > 0.3) & (places.mean(0) < 0.7)).all()


def test_the_clean_tokens_stay_and_gradients_reach_both_sources() -> None:
    tokens = torch.randn(3, 8, 2, requires_grad=True)
    before = tokens.detach().clone()
    mixed, _ = patch_mix(tokens, 0.5, SHIFT)
    mixed[0].sum().backward()
    assert torch.equal(tokens.detach(), before)
    assert tokens.grad is not None
    assert tokens.grad[0].sum() == 8
    assert tokens.grad[1].sum() == 8
    assert tokens.grad[2].sum() == 0


def _contrast_by_loops(mixed: np.ndarray, clean: np.ndarray, lam: float, perm: list[int], tau: float) -> float:
    total = 0.0
    unit = [h / math.sqrt(sum(h * h)) for h in clean]
    for i, z in enumerate(mixed):
        similarity = [float(z @ h) / math.sqrt(z @ z) / tau for h in unit]
        norm = math.log(sum(math.exp(s) for s in similarity))
        total -= lam * (similarity[i] - norm) + (1 - lam) * (similarity[perm[i]] - norm)
    return total / len(mixed)


@settings(deadline=None)
@given(st.integers(0, 2**31), st.floats(0, 1), st.floats(0.05, 2))
def test_contrast_equals_loops(seed: int, lam: float, tau: float) -> None:
    rng = np.random.default_rng(seed)
    mixed, clean, perm = rng.normal(size=(6, 5)), rng.normal(size=(6, 5)), rng.permutation(6)
    found = patch_mix_contrastive(torch.tensor(mixed), torch.tensor(clean), lam, torch.tensor(perm), tau)
    assert found.item() == pytest.approx(_contrast_by_loops(mixed, clean, lam, perm.tolist(), tau), rel=1e-7)


def test_contrast_by_hand_at_the_published_temperature() -> None:
    mixed, clean = torch.tensor([[2.0, 0.0], [0.0, 3.0]]), torch.tensor([[5.0, 0.0], [0.0, 1.0]])
    loss = patch_mix_contrastive(mixed, clean, 0.75, torch.tensor([1, 0]))
    norm = math.log(math.exp(1 / 0.06) + 1)
    assert loss.item() == pytest.approx(-(0.75 * (1 / 0.06 - norm) + 0.25 * (0 - norm)), rel=1e-5)


def test_no_gradient_flows_to_the_target() -> None:
    mixed, clean = torch.randn(4, 3, requires_grad=True), torch.randn(4, 3, requires_grad=True)
    shared = clean * 2
    loss = patch_mix_contrastive(mixed + 0 * shared.detach(), shared, 0.4, torch.tensor([2, 3, 0, 1]))
    loss.backward()
    assert clean.grad is None
    assert mixed.grad is not None
    assert mixed.grad.abs().sum() > 0


def test_gradient_of_the_mixed_side() -> None:
    torch.manual_seed(0)
    mixed, clean = torch.randn(4, 3, dtype=torch.float64, requires_grad=True), torch.randn(4, 3, dtype=torch.float64)
    perm = torch.tensor([2, 3, 0, 1])
    assert torch.autograd.gradcheck(lambda x: patch_mix_contrastive(x, clean, 0.3, perm, 0.5), (mixed,))


def test_contrast_at_lambda_one_is_infonce_and_at_zero_infonce_with_the_other() -> None:
    torch.manual_seed(0)
    mixed, clean, perm = torch.randn(5, 4), torch.randn(5, 4), torch.tensor([1, 2, 3, 4, 0])
    logits = F.normalize(mixed) @ F.normalize(clean).T / 0.06
    own = F.cross_entropy(logits, torch.arange(5))
    assert patch_mix_contrastive(mixed, clean, 1.0, perm).item() == pytest.approx(own.item(), rel=1e-5)
    assert patch_mix_contrastive(mixed, clean, 0.0, perm).item() == pytest.approx(
        F.cross_entropy(logits, perm).item(), rel=1e-5
    )


def test_contrast_ignores_the_lengths_of_embeddings_and_the_order_of_the_batch() -> None:
    torch.manual_seed(0)
    mixed, clean, perm = torch.randn(5, 4), torch.randn(5, 4), torch.tensor([1, 2, 3, 4, 0])
    loss = patch_mix_contrastive(mixed, clean, 0.3, perm)
    assert torch.allclose(patch_mix_contrastive(7 * mixed, clean * torch.rand(5, 1), 0.3, perm), loss, rtol=1e-4)
    order = torch.tensor([3, 0, 4, 1, 2])
    inverse = order.argsort()
    assert torch.allclose(patch_mix_contrastive(mixed[order], clean[order], 0.3, inverse[perm[order]]), loss)


def test_cross_entropy_of_both_labels_in_their_shares() -> None:
    logits, labels, perm = torch.tensor([[1.0, 0.0], [0.5, 2.0]]), torch.tensor([0, 1]), torch.tensor([1, 0])
    loss = patch_mix_cross_entropy(logits, labels, 0.7, perm)
    soft = torch.tensor([[0.7, 0.3], [0.3, 0.7]])
    assert loss.item() == pytest.approx(F.cross_entropy(logits, soft).item())


def test_projector_is_linear_norm_relu_linear() -> None:
    projector = Projector(768)
    assert [type(layer).__name__ for layer in projector.layers] == ["Linear", "BatchNorm1d", "ReLU", "Linear"]
    assert sum(p.numel() for p in projector.parameters()) == 2 * (768 * 768 + 768) + 2 * 768
    assert Projector(6, 4)(torch.randn(3, 6)).shape == (3, 4)
