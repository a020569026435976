"""Means and pooling over valid frames, so that padding is never sound and a clip's length is no cue.

Every backbone here gives the same answer however many invalid frames follow a clip: maps are zero where nothing was
valid, and averages count valid frames alone. Not for deciding what was valid: frames come with their validity.
"""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F


def padded(frames: Tensor, valid: Tensor, multiple: int) -> tuple[Tensor, Tensor]:
    """Append invalid frames up to a multiple, and silence what is not valid.

    Args:
        frames: (B, S, T, M).
        valid: (B, T), 1 where valid.
        multiple: of frames.

    Returns:
        (B, S, T', M) and (B, T').
    """
    more = -frames.shape[2] % multiple
    return F.pad(frames * valid[:, None, :, None], (0, 0, 0, more)), F.pad(valid, (0, more))


def masked_mean(x: Tensor, valid: Tensor) -> Tensor:
    """Mean over time of what was valid; zero where nothing was.

    Args:
        x: (B, T, ...).
        valid: (B, T), 1 where valid.

    Returns:
        (B, ...).
    """
    weights = valid.reshape(*valid.shape, *[1] * (x.ndim - 2))
    return (x * weights).sum(1) / weights.sum(1).clamp_min(1)


def halved(x: Tensor, valid: Tensor) -> tuple[Tensor, Tensor]:
    """2 x 2 average pooling that counts valid frames alone.

    Args:
        x: (B, C, T, M), zero where not valid; T even.
        valid: (B, T), 1 where valid.

    Returns:
        (B, C, T / 2, M // 2), zero where neither frame is valid, and (B, T / 2), 1 where either was.
    """
    share = F.avg_pool1d(valid[:, None], 2).squeeze(1)
    return F.avg_pool2d(x, 2) / share.clamp_min(0.5)[:, None, :, None], (share > 0).to(valid)


def mean_of_map(x: Tensor, valid: Tensor) -> Tensor:
    """(B, C, T, M) and (B, T) to (B, C)."""
    return masked_mean(x.mean(3).transpose(1, 2), valid)


def invalid_keys(valid: Tensor) -> Tensor:
    """(B, L) bool, True where attention may not look; nowhere for a clip without a valid frame."""
    return (valid == 0) & (valid > 0).any(1, keepdim=True)
