"""Multi-head attention over a feature map: along its three averages, or as a pooling with one learned query.

The paper says multi-head attention and no more; the arrangement (averages over frequency, time and channels as three
sequences; residual, layer norm, mean; then one linear layer) is our choice, after the group's earlier papers.
Source: Vaswani et al. 2017 (1706.03762); Ngo et al. 2023 (2303.04104, 2306.14929).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from training.networks.vit import masked_mean


class SelfAttention(nn.Module):
    """norm(x + MHA(x, x, x)) of a sequence, then its mean over valid frames.

    Args:
        size: D, a multiple of heads.
        heads: of the attention.
    """

    def __init__(self, size: int, heads: int) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(size, heads, batch_first=True)
        self.norm = nn.LayerNorm(size)

    def forward(self, sequence: Tensor, valid: Tensor) -> Tensor:
        """(B, L, D) and (B, L), 1 where valid, to (B, D)."""
        attended, _ = self.attention(sequence, sequence, sequence, _invalid(valid), need_weights=False)
        return masked_mean(self.norm(sequence + attended), valid)


class AxisAttention(nn.Module):
    """A feature map to an embedding, through attention over its averages along each axis.

    Args:
        channels: C of the map.
        bands: M of the map.
        embedding_size: D.
        heads: of each attention; divides channels.
    """

    def __init__(self, channels: int, bands: int, embedding_size: int, heads: int = 4) -> None:
        super().__init__()
        self.widen = nn.Linear(bands, channels)
        self.over_time = SelfAttention(channels, heads)
        self.over_bands = SelfAttention(channels, heads)
        self.over_spectra = SelfAttention(channels, heads)
        self.project = nn.Linear(3 * channels, embedding_size)

    def forward(self, x: Tensor, valid: Tensor) -> Tensor:
        """(B, C, T, M) and (B, T), 1 where valid, to (B, D)."""
        moments = x.mean(3).transpose(1, 2)  # average over frequency: (B, T, C)
        bands = masked_mean(x.permute(0, 2, 3, 1), valid)  # average over time: (B, M, C)
        spectra = self.widen(x.mean(1))  # average over channels: (B, T, M) to (B, T, C)
        pooled = [
            self.over_time(moments, valid),
            self.over_bands(bands, torch.ones_like(bands[..., 0])),
            self.over_spectra(spectra, valid),
        ]
        return self.project(torch.cat(pooled, 1))


class AttentionPooling(nn.Module):
    """Weighted mean of a sequence, as one learned query attends to it.

    Args:
        size: D, a multiple of heads.
        heads: of the attention.
    """

    def __init__(self, size: int, heads: int = 4) -> None:
        super().__init__()
        self.query = nn.Parameter(torch.randn(1, 1, size) * size**-0.5)
        self.attention = nn.MultiheadAttention(size, heads, batch_first=True)

    def forward(self, sequence: Tensor, valid: Tensor) -> Tensor:
        """(B, L, D) and (B, L), 1 where valid, to (B, D)."""
        query = self.query.expand(len(sequence), -1, -1)
        pooled, _ = self.attention(query, sequence, sequence, _invalid(valid), need_weights=False)
        return pooled.squeeze(1)


def _invalid(valid: Tensor) -> Tensor:
    """(B, L) bool, True where attention may not look; nowhere for a clip without a valid frame."""
    return (valid == 0) & (valid > 0).any(1, keepdim=True)
