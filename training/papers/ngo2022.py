"""Ngo et al. 2023 (arXiv 2303.04104): gammatone and wavelets, two Inception-residual networks, attention, two losses.

    gammatone  -> stages -> attention over three averages -> e_1 \
                                                                  e = a_1 e_1 + a_2 e_2 -> linear -> labels
    wavelets   -> stages -> attention over three averages -> e_2 /

First in tasks 2-1 and 2-2 of BioCAS 2022. The paper names its parts and gives no sizes: a number that is followed by
no other word is ours. Invalid frames are kept at zero through every stage, so that an answer does not depend on how
far a clip was padded.
Source of what the paper names: Szegedy et al. 2017, Inception-ResNet (1602.07261); Vaswani et al. 2017, attention
(1706.03762); Schroff et al. 2015 (1503.03832) and Hermans et al. 2017 (1703.07737), triplets of the hardest.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from edge.errors import ConfigError
from training.options import Published
from training.papers.pooling import halved, invalid_keys, masked_mean, mean_of_map, padded

_FRAMES: dict[str, Any] = {
    "rate_hz": 4000,
    "hop_samples": 32,  # 8 ms; 16 ms in size small
    "bands": 64,
    "low_hz": 50.0,
    "high_hz": 1900.0,
    "compression": {"kind": "log", "floor": -110.0},  # dB
    "deltas": 2,  # planes of their own, and their deltas
    "scale": [20.0, 2.0, 0.9],
}
GAMMATONE = _FRAMES | {"analysis": {"kind": "gammatone"}, "offset": [-85.0, 0.0, 0.0]}  # the paper's
WAVELETS = _FRAMES | {
    "analysis": {"kind": "cwt", "wavelet": "morse"},
    "offset": [-79.0, 0.0, 0.0],
}  # the paper's
CLIPS: dict[str, Any] = {  # shorter ones are repeated
    "event": {"seconds": 3.0, "pad": "repeat", "fade_s": 0.0625},
    "record": {"seconds": 10.0, "pad": "repeat", "fade_s": 0.0625},
    "cycle": {"seconds": 6.0, "pad": "repeat", "fade_s": 0.0625},
}
AUGMENT: dict[str, Any] = {
    "mixup": 0.2,
    "gain": 0.3,
    "shift": 0.5,
    "masks": {"probability": 0.8, "bands": 12, "frames": 60, "count": 2},  # SpecAugment
}
LOOP: dict[str, Any] = {
    "epochs": 30,
    "batch": 32,
    "learning_rate": 2e-3,
    "weight_decay": 0.02,
    "schedule": "one-cycle",
    "average": 0.99,
    "patience": 10,
}
SMALL: dict[str, Any] = {
    "augment": {"masks": {"frames": 30}},
    "network": {"sizes": {"channels": [16, 32, 64], "embedding_size": 64}},
    "loop": {"epochs": 12},
}
PAPER: dict[str, Any] = {"network": {"sizes": {"channels": [32, 64, 128], "embedding_size": 128}}}
CROSS_ENTROPY: dict[str, Any] = {"kind": "cross-entropy", "weight": 1.0}

RECIPE = Published(
    name="ngo2022",
    source="Ngo et al. 2023, An Inception-Residual-Based Architecture with Multi-Objective Loss for Detecting "
    "Respiratory Anomalies (arXiv 2303.04104), first in tasks 2-1 and 2-2 of BioCAS 2022",
    follows=(
        "gammatone and continuous wavelet spectrograms of the same clip, one Inception-residual backbone for each",
        "multi-head attention over the feature maps",
        "linear combination of the two embeddings, one classifier",
        "multi-objective loss",
    ),
    chosen=(
        "everything inside a block, all sizes, window, hop, scales and band limits (the paper gives none)",
        "4 kHz, 50-1900 Hz, 64 bands, one frame every 8 ms (16 ms in size small), Morse wavelets; deltas and their "
        "deltas as planes",
        "attention over the averages along frequency, time and channels, then concatenation",
        "multi-objective: cross-entropy and a triplet loss of weight 0.2",
        "clips of 3 s (events), 10 s (records), 6 s (cycles); shorter ones are repeated",
        "mixup, SpecAugment, classes drawn in proportion to the root of their counts, AdamW with one cycle",
    ),
    keys={
        "task": "1-2",
        "seed": 0,
        "features": {"gammatone": GAMMATONE, "cwt": WAVELETS},
        "clip": CLIPS,
        "network": {"kind": "inception-2022"},
        "head": {"kind": "linear"},  # the paper's
        "losses": [CROSS_ENTROPY, {"kind": "triplet", "weight": 0.2, "margin": 0.3}],
        "augment": AUGMENT,
        "sampler": {"balance": 0.5},
        "loop": LOOP,
    },
    sizes={
        "small": SMALL | {"features": {"gammatone": {"hop_samples": 64}, "cwt": {"hop_samples": 64}}},
        "paper": PAPER,
    },
    parts={
        "without wavelets": {"features": {"cwt": None}},
        "without gammatone": {"features": {"gammatone": None}},
        "without attention": {"network": {"sizes": {"attention": False}}},
        "without the triplet loss": {"losses": [CROSS_ENTROPY]},
    },
)

Mining = Literal["hard", "all"]
SHAPES = ((1, 1), (3, 3), (1, 5), (5, 1))  # of the parallel filters, bands by frames or frames by bands: both are there


@dataclass(frozen=True, slots=True)
class InceptionSpec:
    """Sizes, of 2022 and of 2023."""

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
        """Refuse sizes that cannot be."""
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


class InceptionResidual(nn.Module):
    """Several shapes of filter side by side, one way past them; time and frequency keep their lengths.

        x -> [1x1, 3x3, 1x5, 5x1] -> concat -> BN -> ReLU -> 1x1 -> BN -> + skip -> ReLU -> dropout

    The 1x5 filters see wheezes (long in time, narrow in frequency), the 5x1 filters crackles (short and wide). Without
    the ReLU after the concat the four filters and the 1x1 would collapse into one cross-shaped filter.

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


class Stages(nn.Module):
    """Frames of one spectrogram to a feature map, 2^n times shorter and narrower after n stages."""

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
        attended, _ = self.attention(sequence, sequence, sequence, invalid_keys(valid), need_weights=False)
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


class MeanOfMap(nn.Module):
    """A feature map of C channels to an embedding of D, through its mean over valid frames and bands."""

    def __init__(self, channels: int, embedding_size: int) -> None:
        super().__init__()
        self.project = nn.Linear(channels, embedding_size)

    def forward(self, x: Tensor, valid: Tensor) -> Tensor:
        """(B, C, T, M) and (B, T), 1 where valid, to (B, D)."""
        return self.project(mean_of_map(x, valid))


def _embedding_of_map(spec: InceptionSpec, bands: int) -> nn.Module:
    channels = spec.channels[-1]
    if not spec.attention:
        return MeanOfMap(channels, spec.embedding_size)
    return AxisAttention(channels, bands, spec.embedding_size, spec.heads)


class LinearCombination(nn.Module):
    """e = sum_s a_s e_s of n spectrograms, a_s learned, 1 / n at first; one weight for each of D dimensions is ours."""

    def __init__(self, count: int, size: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.full((count, size), 1 / count))

    def forward(self, embeddings: Tensor) -> Tensor:
        """(B, n, D) to (B, D)."""
        return (self.weight * embeddings).sum(1)


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


def triplet_loss(embeddings: Tensor, labels: Tensor, margin: float = 0.3, mining: Mining = "hard") -> Tensor:
    """max(0, margin + d(a, p) - d(a, n)) within a batch, with d the Euclidean distance.

    That the paper means it by "multi-objective" is our reading.

    Args:
        embeddings: (B, D).
        labels: (B,) int64.
        margin: in units of the embeddings.
        mining: `hard`: of each anchor with both, its farthest positive and its nearest negative; `all` triplets.

    Returns:
        Mean; 0, with a gradient of 0, where there is no triplet.
    """
    distances = torch.cdist(embeddings, embeddings, compute_mode="donot_use_mm_for_euclid_dist")
    same = labels[:, None] == labels
    positive, negative = same & ~torch.eye(len(labels), dtype=torch.bool, device=labels.device), ~same
    if mining == "hard":
        usable = positive.any(1) & negative.any(1)
        farthest = distances.masked_fill(~positive, -torch.inf).amax(1)[usable]
        nearest = distances.masked_fill(~negative, torch.inf).amin(1)[usable]
        losses = F.relu(margin + farthest - nearest)
    else:
        triplets = positive[:, :, None] & negative[:, None, :]
        losses = F.relu(margin + distances[:, :, None] - distances[:, None, :])[triplets]
    return losses.mean() if len(losses) else 0 * distances.sum()
