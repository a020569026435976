"""The detector: a small convolutional network that looks at one window and answers for each score frame of it.

    frames (B, W, M), valid (B, W)
      -> image: one channel for each window length, one for validity       (B, 1 + K, bands, W)
      -> stem: three convolutions, frequency / 8, time / 4                  (B, c, bands / 8, T)
      -> projection to h channels                                           (B, h, T)
      -> residual blocks of dilated depthwise convolution, both directions  (B, h, T)
         with what the whole window sounds like (mean and maximum over valid frames) added half way
      -> logits                                                             (B, T, K)

Only convolutions, batch norms and sums: it folds, quantizes and compiles everywhere (no recurrence). It never sees
padding that pretends to be sound: frames that are not valid are zero, and the validity channel says so.
Source: Bai et al. 2018, temporal convolution (1803.01271); Hu et al. 2018, squeeze-and-excitation (1709.01507).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from training.datasets.targets import COLUMNS, PRESENCE, WIDTH
from training.losses.margin import AngularClassifier
from training.tasks import CLIP_LABELS

STRIDE = 4  # feature frames to one score frame, by the stem
SQUEEZE = 8  # mel bands to one row of the stem's output
ANGULAR_SCALE = 16.0  # s_a of QLung is 37 for embeddings of 768; a small network wants 16 to 30


@dataclass(frozen=True, slots=True)
class NetworkSpec:
    """Sizes of the network."""

    images: int = 2
    """Window lengths in a frame."""
    bands: int = 48
    """Mel bands for each, a multiple of 8."""
    stem: tuple[int, int, int] = (24, 48, 64)
    """Channels of the three convolutions."""
    hidden: int = 128
    """h."""
    dilations: tuple[int, ...] = (1, 2, 4, 8, 16, 1)
    """One residual block each."""
    kernel: int = 5
    """Taps of the dilated convolutions, odd."""
    dropout: float = 0.15
    """Probability."""
    angular: bool = False
    """Clips are classified by angles instead of a linear layer."""


class Residual(nn.Module):
    """Depthwise dilated convolution, two pointwise ones, and the way past them."""

    def __init__(self, channels: int, kernel: int, dilation: int, dropout: float) -> None:
        super().__init__()
        padding = dilation * (kernel // 2)
        self.block = nn.Sequential(
            nn.Conv1d(channels, channels, kernel, padding=padding, dilation=dilation, groups=channels, bias=False),
            nn.BatchNorm1d(channels),
            nn.Conv1d(channels, channels, 1, bias=False),
            nn.BatchNorm1d(channels),
            nn.ReLU(),
            nn.Conv1d(channels, channels, 1, bias=False),
            nn.BatchNorm1d(channels),
            nn.Dropout(dropout),
        )

    def forward(self, x: Tensor) -> Tensor:
        """(B, h, T) to the same."""
        return F.relu(x + self.block(x))


class Context(nn.Module):
    """Adds to every frame what the whole window sounds like."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.mix = nn.Sequential(
            nn.Conv1d(2 * channels, channels // 2, 1), nn.ReLU(), nn.Conv1d(channels // 2, channels, 1)
        )

    def forward(self, x: Tensor, valid: Tensor) -> Tensor:
        """(B, h, T), non-negative, and (B, 1, T), 1 where valid, to (B, h, T)."""
        x_valid = x * valid
        mean = x_valid.sum(2, keepdim=True) / (valid.sum(2, keepdim=True) + 1e-3)
        return F.relu(x + self.mix(torch.cat([mean, x_valid.amax(2, keepdim=True)], 1)))


def _conv(inputs: int, outputs: int, kernel: int, stride: tuple[int, int]) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, stride=stride, padding=kernel // 2, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(),
    )


class Detector(nn.Module):
    """The network, from normalised frames to logits.

    Args:
        spec: sizes.
    """

    def __init__(self, spec: NetworkSpec) -> None:
        super().__init__()
        self.spec = spec
        first, second, third = spec.stem
        self.stem = nn.Sequential(
            _conv(spec.images + 1, first, 5, (2, 2)),
            _conv(first, second, 3, (2, 1)),
            nn.Dropout2d(spec.dropout / 2),
            _conv(second, third, 3, (2, 2)),
            nn.Dropout2d(spec.dropout / 2),
        )
        self.project = nn.Sequential(
            nn.Conv1d(third * spec.bands // SQUEEZE, spec.hidden, 1, bias=False),
            nn.BatchNorm1d(spec.hidden),
            nn.ReLU(),
            nn.Dropout(spec.dropout),
        )
        blocks = [Residual(spec.hidden, spec.kernel, dilation, spec.dropout) for dilation in spec.dilations]
        self.early = nn.Sequential(*blocks[: len(blocks) // 2])
        self.context = Context(spec.hidden)
        self.late = nn.Sequential(*blocks[len(blocks) // 2 :])
        self.head = nn.Conv1d(spec.hidden, WIDTH, 1)
        size, labels = 2 * spec.hidden, len(CLIP_LABELS)
        last = AngularClassifier(size, labels, ANGULAR_SCALE) if spec.angular else nn.Linear(size, labels)
        self.clip_head = nn.Sequential(nn.Dropout(2 * spec.dropout), last)

    def body(self) -> tuple[nn.Module, ...]:
        """Everything before the heads."""
        return self.stem, self.project, self.early, self.context, self.late

    def forward(self, frames: Tensor, valid: Tensor) -> Tensor:
        """(B, W, M) and (B, W) to logits (B, W / STRIDE, K)."""
        hidden, _ = self.encode(frames, valid)
        return self.head(hidden).transpose(1, 2)

    def answer(self, frames: Tensor, valid: Tensor) -> tuple[Tensor, Tensor]:
        """Logits of each score frame (B, W / STRIDE, K), and of all valid frames as one clip (B, L)."""
        hidden, measurable = self.encode(frames, valid)
        return self.head(hidden).transpose(1, 2), self.clip_head(_pooled(hidden, measurable))

    def embedding(self, frames: Tensor, valid: Tensor) -> Tensor:
        """All valid frames in one vector, (B, 2 h)."""
        return _pooled(*self.encode(frames, valid))

    def encode(self, frames: Tensor, valid: Tensor) -> tuple[Tensor, Tensor]:
        """What the network makes of each score frame (B, h, W / STRIDE), and which are valid (B, 1, W / STRIDE)."""
        batch, window, _ = frames.shape
        shape = (batch, window, self.spec.images, self.spec.bands)
        mask = valid[:, None, None, :]
        image = frames.reshape(shape).permute(0, 2, 3, 1) * mask
        image = torch.cat([image, mask.expand(-1, 1, self.spec.bands, -1)], 1)
        x = self.project(self.stem(image).flatten(1, 2))
        measurable = valid.reshape(batch, 1, window // STRIDE, STRIDE).amin(3)
        return self.late(self.context(self.early(x), measurable)), measurable


def _pooled(hidden: Tensor, valid: Tensor) -> Tensor:
    """(B, h, T), non-negative, and (B, 1, T) to mean and maximum over valid frames (B, 2 h)."""
    hidden = hidden * valid
    return torch.cat([hidden.sum(2) / valid.sum(2).clamp(min=1.0), hidden.amax(2)], 1)


class Scorer(nn.Module):
    """What is exported: the detector with calibrated probabilities in the order of `CLASSES`.

    The score of a class is the calibrated probability that its group sounds, times the share of the class in its
    group; so the scores of a group sum to the probability of the group.

    Args:
        detector: trained.
        scale: (3,) and
        bias: (3,) turn the logits of breath, continuous and discontinuous into calibrated ones.
    """

    def __init__(self, detector: Detector, scale: Tensor, bias: Tensor) -> None:
        super().__init__()
        self.detector = detector
        self.register_buffer("scale", scale)
        self.register_buffer("bias", bias)

    def forward(self, frames: Tensor, valid: Tensor) -> tuple[Tensor, Tensor]:
        """(B, W, M) and (B, W) to scores (B, W / STRIDE, C), and log-probabilities of the clip's labels (B, L)."""
        logits, clip = self.detector.answer(frames, valid)
        return class_scores(logits, self.scale, self.bias), torch.log_softmax(clip, -1)


def class_scores(logits: Tensor, scale: Tensor, bias: Tensor) -> Tensor:
    """(..., K) logits to (..., C) scores, wheeze to breath as in `CLASSES`."""
    presence = torch.sigmoid(logits[..., PRESENCE] * scale + bias)
    continuous = torch.softmax(logits[..., COLUMNS.which_continuous], -1)
    discontinuous = torch.softmax(logits[..., COLUMNS.which_discontinuous], -1)
    return torch.cat(
        [
            continuous * presence[..., COLUMNS.continuous, None],
            discontinuous * presence[..., COLUMNS.discontinuous, None],
            presence[..., COLUMNS.breath, None],
        ],
        -1,
    )


def parameter_count(module: nn.Module) -> int:
    """Trained numbers."""
    return sum(p.numel() for p in module.parameters())
