"""Inception-residual block: several shapes of filter side by side, one way past them.

    x -> [1x1, 3x3, 1x5, 5x1] -> concat -> BN -> ReLU -> 1x1 -> BN -> + skip -> ReLU -> dropout

The 1x5 filters see wheezes (long in time, narrow in frequency), the 5x1 filters crackles (short and wide).
The paper names the kind of block; its filter counts are not published, so everything inside is our choice, among it
the batch norm and ReLU after the concat: without a nonlinearity there, the four filters and the 1x1 would collapse
into one cross-shaped filter.
Source: Ngo et al. 2023 (2303.04104); Szegedy et al. 2017, Inception-ResNet (1602.07261).

Linear combination of the embeddings of several spectrograms, instead of concatenation.

    e = sum_s a_s * e_s,  a_s in R^D learned, 1 / n at first

Each spectrogram contributes equally at the start, and one classifier of D inputs serves any number of them.
One weight for each dimension, rather than one for each spectrogram, is our choice.
Source: Ngo et al. 2023 (2303.04104).

Spatio-temporal focusing: one gate over time and one over frequency, their product re-weights the map.

    g_t = sigmoid(conv(mean over frequency)),  g_f = sigmoid(conv(mean over time)),  y = x g_t g_f

The mechanism of the paper is not published; these two squeeze gates are our reading of its name. With 128 channels
and 3 taps they have 770 weights, and a sigmoid is a table in int8.
Source: Ngo et al. 2023 (2306.14929); Woo et al. 2018, CBAM (1807.06521), for gates from averages.

The two Inception-residual backbones of Ngo et al., assembled from their blocks.

    2022:  each spectrogram -> stages -> attention over three averages -> e_s;   e = linear combination of the e_s
    2023:  CWT -> stages -> spatio-temporal focusing -> attention pooling -> e

A stage is one Inception-residual block and a 2 x 2 average pool. Sizes are our choice (the papers do not give them);
invalid frames are kept at zero through every stage, so an answer does not depend on how far a clip was padded.
Source: Ngo et al. 2023 (2303.04104 for BioCAS 2022, 2306.14929 for BioCAS 2023).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from edge.errors import ConfigError
from training.networks.attention import AttentionPooling, AxisAttention
from training.networks.vit import halved, masked_mean, padded

SHAPES = ((1, 1), (3, 3), (1, 5), (5, 1))  # of the parallel filters, bands by frames or frames by bands: both are there


class InceptionResidual(nn.Module):
    """One block; time and frequency keep their lengths.

    Args:
        inputs: channels in.
        outputs: channels out, a multiple of 4; a quarter for each shape of filter.
        dropout: probability that a channel is dropped.
    """

    def __init__(self, inputs: int, outputs: int, dropout: float = 0.15) -> None:
        super().__init__()
        self.branches = nn.ModuleList(
            nn.Conv2d(inputs, outputs // len(SHAPES), shape, padding=(shape[0] // 2, shape[1] // 2), bias=False)
            for shape in SHAPES
        )
        self.norm = nn.BatchNorm2d(outputs)
        self.merge = nn.Sequential(nn.Conv2d(outputs, outputs, 1, bias=False), nn.BatchNorm2d(outputs))
        self.skip = nn.Identity() if inputs == outputs else nn.Conv2d(inputs, outputs, 1, bias=False)
        self.dropout = nn.Dropout2d(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, T, M) to (B, outputs, T, M), not negative."""
        side_by_side = torch.cat([branch(x) for branch in self.branches], 1)
        merged = self.merge(F.relu(self.norm(side_by_side)))
        return self.dropout(F.relu(merged + self.skip(x)))


class LinearCombination(nn.Module):
    """The learned weights.

    Args:
        count: n, embeddings of one sound.
        size: D.
    """

    def __init__(self, count: int, size: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.full((count, size), 1 / count))

    def forward(self, embeddings: Tensor) -> Tensor:
        """(B, n, D) to (B, D)."""
        return (self.weight * embeddings).sum(1)


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


@dataclass(frozen=True, slots=True)
class InceptionSpec:
    """Sizes; all are our choice."""

    bands: int = 64
    """Bands of one plane of a frame, at least 2 to the number of stages."""
    planes: int = 1
    """Planes in a frame, M = planes * bands: 3 for levels with their deltas and delta-deltas."""
    channels: tuple[int, ...] = (32, 64, 128)
    """Channels after each stage, multiples of 4."""
    heads: int = 4
    """Of each attention; divides the last channels."""
    embedding_size: int = 128
    """D."""
    dropout: float = 0.15
    """Probability that a channel is dropped, after each block."""
    attention: bool = True
    """Without: the mean over valid frames and bands in its place."""
    focusing: bool = True
    """Of 2023; without: the map as it is."""

    def __post_init__(self) -> None:
        """Refuse sizes that cannot be.

        Raises:
            ConfigError: naming the field, its value and what fits.
        """
        if not self.channels or any(width < 4 or width % 4 for width in self.channels):
            raise ConfigError(f"channels: expected multiples of 4, found {self.channels}")
        if self.channels[-1] % self.heads:
            raise ConfigError(f"heads: expected a divisor of {self.channels[-1]} channels, found {self.heads}")
        if self.bands < 2 ** len(self.channels):
            raise ConfigError(
                f"bands: {len(self.channels)} stages halve the bands each, so {2 ** len(self.channels)} or more are "
                f"expected, found {self.bands}; use fewer channels or more bands"
            )


SIZES = InceptionSpec()


class Stages(nn.Module):
    """Frames of one spectrogram to a feature map, 2^n times shorter and narrower after n stages.

    Args:
        spec: sizes.
    """

    def __init__(self, spec: InceptionSpec) -> None:
        super().__init__()
        self.spec = spec
        widths = (spec.planes, *spec.channels)
        self.blocks = nn.ModuleList(
            InceptionResidual(inputs, outputs, spec.dropout)
            for inputs, outputs in zip(widths, spec.channels, strict=False)
        ).to(memory_format=torch.channels_last)  # with bf16, half of the time on a CPU

    def forward(self, frames: Tensor, valid: Tensor) -> tuple[Tensor, Tensor]:
        """(B, T, M) and (B, T) to the map (B, C, T / 2^n, bands / 2^n) and where it is valid, (B, T / 2^n)."""
        frames, valid = padded(frames[:, None], valid, 2 ** len(self.blocks))
        x = frames.squeeze(1).unflatten(2, (self.spec.planes, self.spec.bands)).transpose(1, 2)
        x = x.contiguous(memory_format=torch.channels_last)
        for block in self.blocks:
            x, valid = halved(block(x) * valid[:, None, :, None], valid)
        return x, valid

    @property
    def bands(self) -> int:
        """Bands of the map."""
        return self.spec.bands >> len(self.blocks)


class InceptionResidual2022(nn.Module):
    """One branch for each spectrogram, merged by a linear combination; 667 008 weights for two of 64 bands.

    Args:
        spectrograms: S, branches; gammatone and CWT in the paper.
        spec: sizes of each branch.
    """

    def __init__(self, spectrograms: int = 2, spec: InceptionSpec = SIZES) -> None:
        super().__init__()
        self.embedding_size = spec.embedding_size
        self.stages = nn.ModuleList(Stages(spec) for _ in range(spectrograms))
        self.attention = nn.ModuleList(_embedding_of_map(spec, stages.bands) for stages in self.stages)
        self.combination = LinearCombination(spectrograms, spec.embedding_size)

    def embeddings(self, frames: Tensor, valid: Tensor) -> Tensor:
        """(B, S, T, M) and (B, T) to the embedding of each spectrogram, (B, S, D)."""
        branches = zip(self.stages, self.attention, frames.unbind(1), strict=True)
        return torch.stack([attention(*stages(one, valid)) for stages, attention, one in branches], 1)

    def forward(self, frames: Tensor, valid: Tensor) -> Tensor:
        """(B, S, T, M) and (B, T), 1 where valid, to (B, D)."""
        return self.combination(self.embeddings(frames, valid))


class InceptionResidual2023(nn.Module):
    """One spectrogram, focused in time and frequency, pooled by attention; 167 490 weights for 64 bands.

    Args:
        spec: sizes.
    """

    def __init__(self, spec: InceptionSpec = SIZES) -> None:
        super().__init__()
        self.embedding_size = spec.embedding_size
        channels = spec.channels[-1]
        self.stages = Stages(spec)
        self.focusing = SpatioTemporalFocusing(channels) if spec.focusing else None
        self.pooling = AttentionPooling(channels, spec.heads) if spec.attention else None
        self.project = nn.Linear(channels, spec.embedding_size)

    def forward(self, frames: Tensor, valid: Tensor) -> Tensor:
        """(B, 1, T, M) and (B, T), 1 where valid, to (B, D)."""
        x, valid = self.stages(frames.squeeze(1), valid)
        x = self.focusing(x, valid) if self.focusing else x
        if self.pooling is None:
            return self.project(_mean_of_map(x, valid))
        places = x.permute(0, 2, 3, 1)  # (B, T, M, C)
        return self.project(self.pooling(places.flatten(1, 2), valid.repeat_interleave(places.shape[2], 1)))


class MeanOfMap(nn.Module):
    """A feature map to an embedding, through its mean over valid frames and bands.

    Args:
        channels: C of the map.
        embedding_size: D.
    """

    def __init__(self, channels: int, embedding_size: int) -> None:
        super().__init__()
        self.project = nn.Linear(channels, embedding_size)

    def forward(self, x: Tensor, valid: Tensor) -> Tensor:
        """(B, C, T, M) and (B, T), 1 where valid, to (B, D)."""
        return self.project(_mean_of_map(x, valid))


def _mean_of_map(x: Tensor, valid: Tensor) -> Tensor:
    """(B, C, T, M) and (B, T) to (B, C)."""
    return masked_mean(x.mean(3).transpose(1, 2), valid)


def _embedding_of_map(spec: InceptionSpec, bands: int) -> nn.Module:
    channels = spec.channels[-1]
    if not spec.attention:
        return MeanOfMap(channels, spec.embedding_size)
    return AxisAttention(channels, bands, spec.embedding_size, spec.heads)
