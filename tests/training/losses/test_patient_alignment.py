"""Scatter of patients by loops and by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from training.losses.patient_alignment import patient_alignment, patient_cohesion_separation


@settings(deadline=None)
@given(st.integers(0, 2**31))
def test_both_losses_equal_loops(seed: int) -> None:
    rng = np.random.default_rng(seed)
    points, patients = rng.normal(size=(8, 3)), rng.permutation([3, 3, 3, 9, 9, 4, 4, 7])
    names = sorted(set(patients))
    centroids = {p: points[patients == p].mean(0) for p in names}
    within = sum(((x - centroids[p]) ** 2).sum() for x, p in zip(points, patients, strict=True))
    between = sum(((centroids[p] - centroids[q]) ** 2).sum() for p in names for q in names if p < q)
    centre = np.mean(list(centroids.values()), axis=0)
    alignment = np.mean([((c - centre) ** 2).sum() for c in centroids.values()])
    arguments = torch.tensor(points), torch.tensor(patients)
    assert patient_cohesion_separation(*arguments).item() == pytest.approx(within / (between + 1e-6))
    assert patient_alignment(*arguments).item() == pytest.approx(alignment)


def test_two_patients_on_a_line_by_hand() -> None:
    points, patients = torch.tensor([[0.0], [2.0], [5.0]]), torch.tensor([0, 0, 1])
    assert patient_cohesion_separation(points, patients, 0.0).item() == pytest.approx((1 + 1) / 16)
    assert patient_alignment(points, patients).item() == pytest.approx(4.0)


def test_cohesion_ignores_scale_and_place_and_alignment_ignores_place() -> None:
    torch.manual_seed(0)
    points, patients = torch.randn(8, 3).double(), torch.arange(8) % 3
    loss = patient_cohesion_separation(points, patients, 0.0)
    assert torch.allclose(patient_cohesion_separation(4 * points + 7, patients, 0.0), loss)
    assert torch.allclose(patient_alignment(points - 7, patients), patient_alignment(points, patients))


def test_one_patient_costs_nothing_and_has_a_gradient() -> None:
    points = torch.randn(4, 3, requires_grad=True)
    patients = torch.zeros(4, dtype=torch.int64)
    loss = patient_cohesion_separation(points, patients) + patient_alignment(points, patients)
    loss.backward()
    assert loss.item() == 0
    assert points.grad is not None
    assert points.grad.abs().max() < 1e-6


def test_squares_of_half_precision_embeddings_do_not_overflow() -> None:
    points, patients = torch.tensor([[0.0], [200.0], [500.0], [900.0]]), torch.tensor([0, 0, 1, 1])
    for loss in (patient_cohesion_separation, patient_alignment):
        assert loss(points.half(), patients).item() == pytest.approx(loss(points, patients).item(), rel=1e-3)


def test_gradients_and_their_directions() -> None:
    torch.manual_seed(0)
    points, patients = torch.randn(6, 2, dtype=torch.float64, requires_grad=True), torch.tensor([0, 0, 1, 1, 2, 2])
    for loss in (patient_cohesion_separation, patient_alignment):
        assert torch.autograd.gradcheck(lambda x, loss=loss: loss(x, patients), (points,))
        (gradient,) = torch.autograd.grad(loss(points, patients), points)
        assert loss(points - 1e-3 * gradient, patients) < loss(points, patients)
