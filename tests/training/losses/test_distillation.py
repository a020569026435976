"""Soft labels by hand, the size of their gradient, and that no teacher learns."""

from __future__ import annotations

import math

import pytest
import torch
from torch.nn import functional as F

from training.losses.distillation import distil_classes


def test_classes_by_hand() -> None:
    student, teacher = torch.tensor([[0.0, 0.0]]), torch.tensor([[4 * math.log(3), 0.0]])
    # at T = 4 the teacher says 3/4 and 1/4, the student 1/2 and 1/2
    divergence = 0.75 * math.log(0.75 / 0.5) + 0.25 * math.log(0.25 / 0.5)
    assert distil_classes(student, teacher, 4.0).item() == pytest.approx(16 * divergence, rel=1e-5)


def test_agreement_costs_nothing_and_disagreement_more_than_nothing() -> None:
    torch.manual_seed(0)
    logits = torch.randn(2, 5, 3)
    assert distil_classes(logits[0], logits[0], 3.0).item() == pytest.approx(0, abs=1e-6)
    assert distil_classes(logits[0], logits[1]) > 0.01


def test_a_teacher_gets_no_gradient_and_the_student_does() -> None:
    student, teacher = torch.randn(3, 4, requires_grad=True), torch.randn(3, 4, requires_grad=True)
    distil_classes(student, teacher).backward()
    assert teacher.grad is None
    assert student.grad is not None
    assert student.grad.abs().min() > 0


def test_the_gradient_is_that_of_the_soft_cross_entropy_times_the_temperature() -> None:
    torch.manual_seed(0)
    student, teacher = torch.randn(4, 3, dtype=torch.float64, requires_grad=True), torch.randn(4, 3).double()
    (found,) = torch.autograd.grad(distil_classes(student, teacher, 2.0), student)
    assert torch.allclose(found, 2.0 * (F.softmax(student / 2, -1) - F.softmax(teacher / 2, -1)) / 4)


def test_several_teachers_are_averaged_as_softened_probabilities() -> None:
    torch.manual_seed(0)
    student, teachers = torch.randn(2, 3), torch.randn(4, 2, 3)
    mean = (teachers / 3).softmax(-1).mean(0)
    assert distil_classes(student, teachers, 3.0).item() == pytest.approx(
        9 * (mean * (mean.log() - F.log_softmax(student / 3, -1))).sum(1).mean().item(), rel=1e-5
    )
