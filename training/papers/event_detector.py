"""Detector of health sounds that are not breath: eight independent probabilities of a 2-s clip.

    frames (1, 200, 48) PCEN -> convolution, stride 2 -> depthwise-separable blocks -> mean over valid frames -> 8

For what happens around a patient (cough, speech, an infant's cry near `Baby Cough`), so that it does not pass for a
lung sound; not for wheezes and crackles. Labels, window and front-end are those of HeAR's released detector, a
MobileNetV3 of 1 M weights; the body here is smaller and our choice (no squeeze-and-excitation, ReLU6: it quantizes).
Labels without examples in the training set are left out of the loss, and stay untrained.
Source: HeAR's released event detector (2403.02522, github.com/google-health/hear); Howard et al. 2017, MobileNet
(1704.04861).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from edge.errors import ConfigError
from training.papers.blocks import padded

LABELS = ("Cough", "Snore", "Baby Cough", "Breathe", "Sneeze", "Throat Clear", "Laugh", "Speech")


@dataclass(frozen=True, slots=True)
class EventSpec:
    """Sizes; all are our choice."""

    stem: int = 16
    """Channels of the first convolution."""
    widths: tuple[int, ...] = (32, 64, 64, 128, 128)
    """Channels after each block."""
    strides: tuple[int, ...] = (1, 2, 1, 2, 1)
    """Of each block, over time and frequency, 1 or 2."""
    dropout: float = 0.1
    """Probability, on the embedding."""


SIZES = EventSpec()


class Separable(nn.Module):
    """Depthwise 3 x 3 and pointwise convolution, each with batch norm and ReLU6.

    Args:
        inputs: channels in.
        outputs: channels out.
        stride: over time and frequency, 1 or 2.
    """

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.stride = stride
        self.depthwise = nn.Conv2d(inputs, inputs, 3, stride, 1, groups=inputs, bias=False)
        self.pointwise = nn.Conv2d(inputs, outputs, 1, bias=False)
        self.norms = nn.ModuleList((nn.BatchNorm2d(inputs), nn.BatchNorm2d(outputs)))

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, T, M) to (B, outputs, T / stride, M / stride)."""
        x = F.relu6(self.norms[0](self.depthwise(x)))
        return F.relu6(self.norms[1](self.pointwise(x)))


class SeparableBody(nn.Module):
    """The backbone; 35 584 weights.

    Args:
        spec: sizes.
        spectrograms: S.
    """

    def __init__(self, spec: EventSpec = SIZES, spectrograms: int = 1) -> None:
        super().__init__()
        self.embedding_size = spec.widths[-1]
        self.stem = nn.Sequential(
            nn.Conv2d(spectrograms, spec.stem, 3, 2, 1, bias=False), nn.BatchNorm2d(spec.stem), nn.ReLU6()
        )
        sizes = zip((spec.stem, *spec.widths), spec.widths, spec.strides, strict=False)
        self.blocks = nn.ModuleList(Separable(inputs, outputs, stride) for inputs, outputs, stride in sizes)
        self.shrink = 2 * 2 ** sum(stride == 2 for stride in spec.strides)
        self.dropout = nn.Dropout(spec.dropout)

    def forward(self, frames: Tensor, valid: Tensor) -> Tensor:
        """(B, S, T, M) and (B, T), 1 where valid, to (B, D)."""
        frames, valid = padded(frames, valid, self.shrink)
        valid = _every_second(valid)
        x = self.stem(frames) * valid[:, None, :, None]
        for block in self.blocks:
            valid = _every_second(valid) if block.stride == 2 else valid
            x = block(x) * valid[:, None, :, None]
        number = valid.sum(1, keepdim=True).clamp_min(1) * x.shape[3]
        return self.dropout(x.sum((2, 3)) / number)


class EventDetector(nn.Module):
    """A backbone and one logit for each label.

    Args:
        body: any backbone.
        labels: of the answers.
    """

    def __init__(self, body: nn.Module, labels: tuple[str, ...] = LABELS) -> None:
        super().__init__()
        self.labels = labels
        self.body = body
        self.head = nn.Linear(body.embedding_size, len(labels))

    def forward(self, frames: Tensor, valid: Tensor) -> Tensor:
        """(B, S, T, M) and (B, T), 1 where valid, to logits (B, 8); their sigmoid is the probability of each label."""
        return self.head(self.body(frames, valid))


def event_loss(logits: Tensor, targets: Tensor, known: Tensor) -> Tensor:
    """Binary cross-entropy of the answers that are known.

    Args:
        logits: (B, 8).
        targets: (B, 8), 0 to 1; anything finite where not known.
        known: (8,) or (B, 8) bool; False for labels without examples, or that nobody annotated in that clip.

    Returns:
        Mean over what is known; 0, with a gradient of 0, if nothing is.
    """
    losses = F.binary_cross_entropy_with_logits(logits, targets, reduction="none")
    weights = known.to(losses).expand_as(losses)
    return (losses * weights).sum() / weights.sum().clamp_min(1)


def known_labels(examples: dict[str, int], labels: tuple[str, ...] = LABELS) -> Tensor:
    """(8,) bool, True for labels that have training examples.

    Args:
        examples: number of clips of each label; labels that are not in it have none.
        labels: of the answers.

    Raises:
        ConfigError: for a label that the detector does not have.
    """
    unknown = sorted(examples.keys() - set(labels))
    if unknown:
        raise ConfigError(f"event detector: label {unknown[0]!r} is none of {', '.join(labels)}; correct it")
    return torch.tensor([examples.get(label, 0) > 0 for label in labels])


def _every_second(valid: Tensor) -> Tensor:
    """(B, T) to (B, T / 2): a frame of a stride of 2 was valid if either of its two was."""
    return F.max_pool1d(valid[:, None], 2).squeeze(1)
