"""Layers of the detector that take what they need of the past as an input, so that a stream can be computed in steps.

No layer pads time: each is given its past and returns the next one, zeros at the begin. Not for the order in which
they stand (`training.detector.model`).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

BLOCK = 15  # score frames whose leaky sums are computed in one product


class Residual(nn.Module):
    """Depthwise dilated convolution, two pointwise ones, and the way past them.

    Args:
        channels: h.
        kernel: taps.
        dilation: score frames from one tap to the next.
        ahead: taps that lie ahead.
        dropout: probability.
    """

    def __init__(self, channels: int, kernel: int, dilation: int, ahead: int, dropout: float) -> None:
        super().__init__()
        self.past = (kernel - 1) * dilation
        self.ahead = ahead * dilation
        self.block = nn.Sequential(
            nn.Conv2d(channels, channels, (1, kernel), dilation=(1, dilation), groups=channels, bias=False),
            nn.BatchNorm2d(channels),
            nn.Conv2d(channels, channels, 1, bias=False),
            nn.BatchNorm2d(channels),
            nn.ReLU(),
            nn.Conv2d(channels, channels, 1, bias=False),
            nn.BatchNorm2d(channels),
            nn.Dropout(dropout),
        )

    def forward(self, x: Tensor, past: Tensor, heard: Tensor) -> tuple[Tensor, Tensor]:
        """(B, h, 1, T), its past (B, h, 1, P) and what was heard, (B, 1, 1, T) `ahead` late, to the same and the past.

        The output is late by `ahead`.
        """
        count = x.shape[3]
        x = torch.cat([past, x], 3)
        first = self.past - self.ahead
        return F.relu(x[..., first : first + count] + self.block(x)) * heard, x[..., count:]


class Context(nn.Module):
    """Adds to every score frame what was heard until then: leaky means and effective values of each channel.

    Args:
        channels: h.
        memory: time constants, score frames.
    """

    def __init__(self, channels: int, memory: tuple[float, ...]) -> None:
        super().__init__()
        self.keep = tuple(math.exp(-1 / constant) for constant in memory)
        self.mix = nn.Sequential(
            nn.Conv2d(2 * channels * len(memory), channels // 2, 1), nn.ReLU(), nn.Conv2d(channels // 2, channels, 1)
        )

    def forward(self, x: Tensor, sums: Tensor, heard: Tensor) -> tuple[Tensor, Tensor]:
        """(B, h, 1, T), sums until now (B, N, 2 h + 1) and what was heard, (B, 1, 1, T), to the same and the sums."""
        parts = torch.cat([x, x * x, heard], 1).squeeze(2)
        of_memories, after = zip(
            *(_leaky_sums(parts, sums[:, i], keep) for i, keep in enumerate(self.keep)), strict=True
        )
        channels, statistics = x.shape[1], []
        for total in of_memories:
            mean = total[:, :-1] / (total[:, -1:] + 1)  # 1: less is believed of what was heard for a moment
            statistics += [mean[:, :channels], torch.sqrt(mean[:, channels:] + 1e-4)]
        mixed = self.mix(torch.cat(statistics, 1)[:, :, None])
        return F.relu(x + mixed) * heard, torch.stack(after, 1)


def _leaky_sums(x: Tensor, before: Tensor, keep: float) -> tuple[Tensor, Tensor]:
    """Sums of (B, D, T) that forget all but `keep` of themselves at each step, begun at (B, D), and the last of them.

    A block at a time, as a product with a triangle of powers: exact, and no recurrence of single steps.
    """
    sums = []
    for block in x.split(BLOCK, 2):
        steps = torch.arange(block.shape[2], device=x.device)
        age = steps[None, :] - steps[:, None]
        powers = torch.where(age >= 0, keep ** age.clamp(min=0), 0.0).to(block.dtype)
        sums.append(block @ powers + before[..., None] * (keep ** (steps + 1)).to(block.dtype))
        before = sums[-1][..., -1]
    return torch.cat(sums, 2), before


def normed_convolution(inputs: int, outputs: int, kernel: int, stride: tuple[int, int]) -> nn.Sequential:
    """Convolution over (B, inputs, bands, T) with batch norm and ReLU, padded in frequency alone."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, stride=stride, padding=(kernel // 2, 0), bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(),
    )
