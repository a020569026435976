"""Means and pooling over what was heard, so that padding is never sound and a clip's length is no cue.

Every backbone here gives the same answer however many unheard frames follow a clip: maps are zero where nothing was
heard, and averages count heard frames alone. Not for deciding what was heard: frames come
with their validity.
"""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F


def padded(frames: Tensor, valid: Tensor, multiple: int) -> tuple[Tensor, Tensor]:
    """Append unheard frames up to a multiple, and silence what was not heard.

    Args:
        frames: (B, S, T, M).
        valid: (B, T), 1 where heard.
        multiple: of frames.

    Returns:
        (B, S, T', M) and (B, T').
    """
    more = -frames.shape[2] % multiple
    return F.pad(frames * valid[:, None, :, None], (0, 0, 0, more)), F.pad(valid, (0, more))


def masked_mean(x: Tensor, heard: Tensor) -> Tensor:
    """Mean over time of what was heard; zero where nothing was.

    Args:
        x: (B, T, ...).
        heard: (B, T), 1 where heard.

    Returns:
        (B, ...).
    """
    weights = heard.reshape(*heard.shape, *[1] * (x.ndim - 2))
    return (x * weights).sum(1) / weights.sum(1).clamp_min(1)


def halved(x: Tensor, heard: Tensor) -> tuple[Tensor, Tensor]:
    """2 x 2 average pooling that counts heard frames alone.

    Args:
        x: (B, C, T, M), zero where not heard; T even.
        heard: (B, T), 1 where heard.

    Returns:
        (B, C, T / 2, M // 2), zero where neither frame was heard, and (B, T / 2), 1 where either was.
    """
    share = F.avg_pool1d(heard[:, None], 2).squeeze(1)
    return F.avg_pool2d(x, 2) / share.clamp_min(0.5)[:, None, :, None], (share > 0).to(heard)
