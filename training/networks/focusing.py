"""Spatio-temporal focusing: one gate over time and one over frequency, their product re-weights the map.

    g_t = sigmoid(conv(mean over frequency)),  g_f = sigmoid(conv(mean over time)),  y = x g_t g_f

The mechanism of the paper is not published; these two squeeze gates are our reading of its name. With 128 channels
and 3 taps they have 770 weights, and a sigmoid is a table in int8.
Source: Ngo et al. 2023 (2306.14929); Woo et al. 2018, CBAM (1807.06521), for gates from averages.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from training.networks.padding import masked_mean


class SpatioTemporalFocusing(nn.Module):
    """The two gates.

    Args:
        channels: C.
        taps: of each gate's filter along its axis, odd.
    """

    def __init__(self, channels: int, taps: int = 3) -> None:
        super().__init__()
        self.time = nn.Conv1d(channels, 1, taps, padding=taps // 2)
        self.frequency = nn.Conv1d(channels, 1, taps, padding=taps // 2)

    def gates(self, x: Tensor, valid: Tensor) -> tuple[Tensor, Tensor]:
        """(B, C, T, M) and (B, T) to the gates over time, (B, T), and over frequency, (B, M), 0 to 1."""
        moments, bands = x.mean(3), masked_mean(x.permute(0, 2, 1, 3), valid)
        return torch.sigmoid(self.time(moments)).squeeze(1), torch.sigmoid(self.frequency(bands)).squeeze(1)

    def forward(self, x: Tensor, valid: Tensor) -> Tensor:
        """(B, C, T, M) and (B, T), 1 where valid, to the re-weighted (B, C, T, M)."""
        time, frequency = self.gates(x, valid)
        return x * time[:, None, :, None] * frequency[:, None, None, :]
