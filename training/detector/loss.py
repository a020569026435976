"""What the network is trained to say. Frames that are not valid, and breath that nobody annotated, cost nothing."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from training.datasets.targets import COLUMNS, PRESENCE

BREATH_WEIGHT = 0.5  # helps the boundaries, but is not what alarms
KIND_WEIGHT = 0.3  # which sound of the group; few examples, so it must not lead


def detector_loss(logits: Tensor, targets: Tensor, valid: Tensor, breath_known: Tensor) -> Tensor:
    """Binary cross-entropy of presence plus cross-entropy of the kind where there is one.

    Args:
        logits: (B, T, K).
        targets: (B, T, K), 0 to 1.
        valid: (B, T), 1 where the score frame is valid.
        breath_known: (B,), 1 where breath phases are annotated.

    Returns:
        Mean over the valid frames.
    """
    presence = F.binary_cross_entropy_with_logits(logits[..., PRESENCE], targets[..., PRESENCE], reduction="none")
    breath = presence[..., COLUMNS.breath] * breath_known[:, None] * BREATH_WEIGHT
    total = breath + presence[..., COLUMNS.continuous] + presence[..., COLUMNS.discontinuous]
    for columns in (COLUMNS.which_continuous, COLUMNS.which_discontinuous):
        kind = -(targets[..., columns] * torch.log_softmax(logits[..., columns], -1)).sum(-1)
        total = total + KIND_WEIGHT * kind
    return (total * valid).sum() / valid.sum().clamp(min=1)


def clip_loss(logits: Tensor, targets: Tensor) -> Tensor:
    """Cross-entropy with shared-out targets, mean over the batch; (B, L) each."""
    return -(targets * torch.log_softmax(logits, -1)).sum(-1).mean()


def soften(targets: Tensor, answers: Tensor, share: float) -> Tensor:
    """Targets of frames with a share of the teachers' mean answer.

    The kind of a sound is asked only where there is one, so the teachers' kinds are weighted with the annotation.

    Args:
        targets: (B, T, K), 0 to 1.
        answers: (N, B, T, K) logits of N teachers.
        share: of the teachers, 0 to 1.
    """
    soft = targets.clone()
    soft[..., PRESENCE] = torch.sigmoid(answers[..., PRESENCE]).mean(0)
    for columns in (COLUMNS.which_continuous, COLUMNS.which_discontinuous):
        kinds = torch.softmax(answers[..., columns], -1).mean(0)
        soft[..., columns] = kinds * targets[..., columns].sum(-1, keepdim=True)
    return torch.lerp(targets, soft, share)


def soften_clip(targets: Tensor, answers: Tensor, share: float) -> Tensor:
    """Targets of clips (B, L) with a share of the mean answer of N teachers, logits (N, B, L)."""
    return torch.lerp(targets, torch.softmax(answers, -1).mean(0), share)
