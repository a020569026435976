"""Distillation: a student learns the softened answers of one teacher or of the mean of several.

    T^2 KL( softmax(t / T) || softmax(s / T) )

T^2 keeps the gradient of the size that it has at T = 1. Several teachers are averaged as probabilities, after the
temperature. No gradient reaches a teacher, so logits may come from a file. The divergence, not the cross-entropy: it
is 0 when the student agrees, and has the same gradient.
Source: Hinton et al. 2015 (1503.02531); ensembles of teachers on respiratory sound: 2505.22027.
"""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F


def distil_classes(student: Tensor, teacher: Tensor, temperature: float = 2.0) -> Tensor:
    """Answers that exclude each other.

    Args:
        student: (B, C) logits.
        teacher: (B, C) logits, or (K, B, C) of K teachers.
        temperature: T.

    Returns:
        Mean over the batch.
    """
    target = _averaged(F.softmax(teacher.detach() / temperature, -1), student)
    log_student = F.log_softmax(student / temperature, -1)
    return temperature**2 * F.kl_div(log_student, target, reduction="batchmean")


def _averaged(probabilities: Tensor, student: Tensor) -> Tensor:
    """The mean over teachers, if there is an axis of them."""
    return probabilities.mean(0) if probabilities.ndim > student.ndim else probabilities
