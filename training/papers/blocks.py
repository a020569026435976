"""Means and pooling over valid frames, so that padding is never sound and a clip's length is no cue.

Every backbone here gives the same answer however many invalid frames follow a clip: maps are zero where nothing was
valid, and averages count valid frames alone. Not for deciding what was valid: frames come
with their validity.

Vision-transformer blocks as DeiT has them, with the names of its public checkpoints. Not a network by itself.

Pre-norm: x + attn(norm1(x)), then x + mlp(norm2(x)); GELU; layer norms with epsilon 1e-6; bias on query, key, value.
Shared by the audio spectrogram transformer (`transformer`) and the masked auto-encoder (`hear`).
Source: Dosovitskiy et al. 2021 (2010.11929); Touvron et al. 2021, DeiT (2012.12877).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
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


EPSILON = 1e-6  # of the layer norms, as the public checkpoints were trained


class Attention(nn.Module):
    """Multi-head self-attention; query, key and value from one matrix.

    Args:
        size: D, a multiple of heads.
        heads: each sees D / heads dimensions.
    """

    def __init__(self, size: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(size, 3 * size)
        self.proj = nn.Linear(size, size)

    def forward(self, x: Tensor, valid: Tensor | None) -> Tensor:
        """(B, L, D), and (B, L) bool, True for tokens that may be attended to, to (B, L, D)."""
        query, key, value = self.qkv(x).unflatten(2, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)  # (B, heads, L, D / h)
        mask = None if valid is None else valid[:, None, None, :]
        attended = F.scaled_dot_product_attention(query, key, value, mask)
        return self.proj(attended.transpose(1, 2).flatten(2))


class Mlp(nn.Module):
    """Two linear layers with a GELU between.

    Args:
        size: D.
        hidden: between them.
    """

    def __init__(self, size: int, hidden: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(size, hidden)
        self.fc2 = nn.Linear(hidden, size)

    def forward(self, x: Tensor) -> Tensor:
        """(..., D) to (..., D)."""
        return self.fc2(F.gelu(self.fc1(x)))


class Block(nn.Module):
    """One transformer layer; 12 D^2 + 13 D weights.

    Args:
        size: D.
        heads: of the attention.
        dropout: probability on both residual branches; 0 in the papers.
    """

    def __init__(self, size: int, heads: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(size, eps=EPSILON)
        self.attn = Attention(size, heads)
        self.norm2 = nn.LayerNorm(size, eps=EPSILON)
        self.mlp = Mlp(size, 4 * size)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, valid: Tensor | None = None) -> Tensor:
        """(B, L, D), and perhaps (B, L) bool, True for tokens that may be attended to, to (B, L, D)."""
        x = x + self.dropout(self.attn(self.norm1(x), valid))
        return x + self.dropout(self.mlp(self.norm2(x)))


class PatchEmbed(nn.Module):
    """Patches of an image to tokens.

    Args:
        channels: of the image.
        size: D.
        patch: side of a square patch.
        stride: from one patch to the next; below `patch` they overlap.
    """

    def __init__(self, channels: int, size: int, patch: int, stride: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(channels, size, patch, stride)

    def forward(self, image: Tensor) -> Tensor:
        """(B, channels, H, W) to (B, rows * columns, D), row by row."""
        return self.proj(image).flatten(2).transpose(1, 2)


def initialise(module: nn.Module) -> None:
    """DeiT's start: normal weights of .02 cut at 2, biases 0; for `Module.apply`."""
    if isinstance(module, (nn.Linear, nn.Conv2d)):
        nn.init.trunc_normal_(module.weight, std=0.02)
        if module.bias is not None:
            nn.init.zeros_(module.bias)


def token(size: int, count: int = 1) -> nn.Parameter:
    """(1, count, D) learned tokens or positions, started as DeiT does."""
    return nn.Parameter(nn.init.trunc_normal_(torch.empty(1, count, size), std=0.02))
