"""What the network is trained to say, and what it costs not to: by frame, and by breath cycle.

Frames that were not valid cost nothing; the others as much as is known of them (`training.detector.truth`). A
cycle is asked for a sound *somewhere* in it: the frames are pooled by linear softmax, the mean of the probabilities
weighted by themselves, which leaves it to the network which frames those are.

Source: Wang, Li and Metze, A comparison of five multiple instance learning pooling functions, ICASSP 2019.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from training.datasets.targets import COLUMNS, PRESENCE
from training.detector.truth import SOUNDS

BREATH_WEIGHT = 0.5  # helps the boundaries, but is not what alarms
KIND_WEIGHT = 0.3  # which sound of the group; few examples, so it must not lead
SMALLEST = 1e-6  # probability; keeps the logarithm finite


def detector_loss(logits: Tensor, targets: Tensor, valid: Tensor, weights: Tensor) -> Tensor:
    """Binary cross-entropy of presence plus cross-entropy of the kind where there is one.

    Args:
        logits: (B, T, K).
        targets: (B, T, K), 0 to 1.
        valid: (B, T), 1 where the score frame is valid.
        weights: (B, T, 3), how sure the presence of breath, continuous and discontinuous sound is, 0 to 1.

    Returns:
        Mean over the valid frames.
    """
    presence = F.binary_cross_entropy_with_logits(logits[..., PRESENCE], targets[..., PRESENCE], reduction="none")
    presence = presence * weights
    breath = presence[..., COLUMNS.breath] * BREATH_WEIGHT
    total = breath + presence[..., COLUMNS.continuous] + presence[..., COLUMNS.discontinuous]
    for columns in (COLUMNS.which_continuous, COLUMNS.which_discontinuous):
        kind = -(targets[..., columns] * torch.log_softmax(logits[..., columns], -1)).sum(-1)
        total = total + KIND_WEIGHT * kind
    return (total * valid).sum() / valid.sum().clamp(min=1)


def somewhere_loss(logits: Tensor, valid: Tensor, phases: Tensor, shares: Tensor, somewhere: Tensor) -> Tensor:
    """Cross-entropy of "a sound of this group is somewhere in this breath cycle", where that is all that is known.

    It stands for the frame-wise cross-entropy that such a cycle has not, so a cycle weighs as its valid frames do, and
    as much less as part of it was not heard: the sound may be in that part.

    Args:
        logits: (B, T, K).
        valid: (B, T), 1 where the score frame is valid.
        phases: (B, T, P) number of the cycle of each frame in P sounds together, from 1; 0: none.
        shares: (B, T, P) share of the cycle in the frame.
        somewhere: (B, T, P, G) 1 where the group is in the frame's cycle, nobody knows where.

    Returns:
        Sum over the cycles for each valid frame of the batch, so that it adds to `detector_loss`; 0 without any.
    """
    presence, total = torch.sigmoid(logits[..., SOUNDS]), logits.new_zeros(())
    for number, share, there in zip(phases.long().unbind(-1), shares.unbind(-1), somewhere.unbind(-2), strict=True):
        place, count = _places(number)
        counted = valid[..., None] * there
        frames = (counted * presence**2, counted * presence, counted, counted * share[..., None])
        squares, sums, heard, of_cycle = (_summed(values, place, count) for values in frames)
        entropy = _entropy(squares / sums.clamp(min=SMALLEST), torch.ones_like(sums))
        total = total + (heard * of_cycle * entropy).sum()
    return total / valid.sum().clamp(min=1)


def _places(number: Tensor) -> tuple[Tensor, int]:
    """(B x T,) index of each frame's phase among those of the whole batch, and how many indices there are."""
    most = int(number.max()) + 1
    return (number + most * torch.arange(len(number), device=number.device)[:, None]).flatten(), most * len(number)


def _summed(values: Tensor, place: Tensor, count: int) -> Tensor:
    """(B, T, G) summed over the frames of each place, (count, G)."""
    return values.new_zeros(count, values.shape[-1]).index_add(0, place, values.flatten(0, 1))


def _entropy(probability: Tensor, target: Tensor) -> Tensor:
    bounded = probability.clamp(SMALLEST, 1 - SMALLEST)
    return -target * bounded.log() - (1 - target) * (1 - bounded).log()


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
