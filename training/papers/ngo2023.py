"""Ngo et al. 2023 (arXiv 2306.14929): wavelets -> Inception-residual stages -> focusing -> attention -> labels.

First of BioCAS 2023. The text at hand names spatio-temporal focusing and gives no sizes: a number that is followed by
no other word is ours. Focusing is one gate over time and one over frequency, whose product re-weights the map,

    g_t = sigmoid(conv(mean over frequency)),  g_f = sigmoid(conv(mean over time)),  y = x g_t g_f

our reading of the name, after Woo et al. 2018, CBAM (1807.06521). The loss is the focal loss of classes, after Shuvo
and Hasan 2025 (2507.20408) on SPRSound, whose weights are not published; Lin et al. 2017 (1708.02002):

    -(1 - p_y)^gamma log p_y,  p = softmax(z)
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from training.options import Published
from training.papers.ngo2022 import (
    AUGMENT,
    CLIPS,
    LOOP,
    PAPER,
    SIZES,
    SMALL,
    WAVELETS,
    InceptionSpec,
    Stages,
)
from training.papers.pooling import invalid_keys, masked_mean, mean_of_map

RECIPE = Published(
    name="ngo2023",
    source="Ngo et al. 2023, A Deep Learning Architecture with Spatio-Temporal Focusing for Detecting Respiratory "
    "Anomalies (arXiv 2306.14929), first of BioCAS 2023",
    follows=(
        "continuous wavelet spectrogram alone",
        "Inception-residual network with spatio-temporal focusing and multi-head attention",
    ),
    chosen=(
        "everything inside a block and inside the focusing, all sizes, window, hop, scales (the paper's text gives "
        "none)",
        "focusing as one gate over time and one over frequency, whose product re-weights the last map",
        "attention as pooling with one learned query",
        "4 kHz, 50-1900 Hz, 64 Morse wavelets, one frame every 8 ms (16 ms in size small); deltas and their deltas as "
        "planes",
        "class-wise focal loss; clips of 3 s (events), 10 s (records), 6 s (cycles); shorter ones are repeated",
        "mixup, SpecAugment, classes drawn in proportion to the root of their counts, AdamW with one cycle",
    ),
    keys={
        "task": "1-2",
        "seed": 0,
        "features": {"cwt": WAVELETS},  # the paper's spectrogram
        "clip": CLIPS,
        "network": {"kind": "inception-2023"},
        "head": {"kind": "linear"},
        "losses": [{"kind": "focal", "weight": 1.0, "gamma": 1.0}],
        "augment": AUGMENT,
        "sampler": {"balance": 0.5},
        "loop": LOOP,
    },
    sizes={"small": SMALL | {"features": {"cwt": {"hop_samples": 64}}}, "paper": PAPER},
    parts={
        "without focusing": {"network": {"sizes": {"focusing": False}}},
        "without attention": {"network": {"sizes": {"attention": False}}},
        "without either": {"network": {"sizes": {"focusing": False, "attention": False}}},
    },
)


class SpatioTemporalFocusing(nn.Module):
    """The two gates; with 128 channels and 3 taps they have 770 weights.

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
        pooled, _ = self.attention(query, sequence, sequence, invalid_keys(valid), need_weights=False)
        return pooled.squeeze(1)


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
            return self.project(mean_of_map(x, valid))
        places = x.permute(0, 2, 3, 1)  # (B, T, M, C)
        return self.project(self.pooling(places.flatten(1, 2), valid.repeat_interleave(places.shape[2], 1)))


SMALLEST = 1e-12  # of 1 - p before it is raised to a power: the slope of a root is infinite at 0


def class_focal(logits: Tensor, labels: Tensor, gamma: float) -> Tensor:
    """What is already right counts less, so that rare classes are not drowned.

    Args:
        logits: (B, C).
        labels: (B,) int64.
        gamma: power; 0 is the cross-entropy.

    Returns:
        Mean over the batch.
    """
    log_right = F.log_softmax(logits, -1).gather(1, labels[:, None]).squeeze(1)
    return (-((-torch.expm1(log_right)).clamp_min(SMALLEST) ** gamma) * log_right).mean()
