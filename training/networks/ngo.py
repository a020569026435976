"""The two Inception-residual backbones of Ngo et al., assembled from their blocks.

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

from edge.errors import ConfigError
from training.networks.attention import AttentionPooling, AxisAttention
from training.networks.focusing import SpatioTemporalFocusing
from training.networks.inception_residual import InceptionResidual
from training.networks.linear_combination import LinearCombination
from training.networks.padding import halved, masked_mean, padded


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
