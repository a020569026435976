"""The detector: a small convolutional network that hears each frame once, and answers a bounded time later.

    frames (B, T, M), valid (B, T), state (B, S)
      -> image: one channel for each window length, one for validity       (B, 1 + K, bands, T)
      -> stem: three convolutions, frequency / 8, time / 4                  (B, c, bands / 8, T / 4)
      -> projection to h channels                                           (B, h, 1, T / 4)
      -> residual blocks of dilated depthwise convolution, some taps ahead of the frame that they decide
         with what was heard until now (leaky mean and effective value) added half way
      -> logits                                                             (B, T / 4, K)

No convolution pads time. What it needs of the past is part of the state, and what lies ahead is waited for: the answer
to a score frame comes `lookahead` score frames after it. So a recording at once (`forward`) and the same in steps of
any length (`step`) are one computation. A score frame of which nothing is valid is zero behind every layer, as is all
that lies before the first: a zero state is the begin of a stream. Convolutions are two-dimensional, the form in which
onnxruntime runs them fastest.
Source: Bai et al. 2018, temporal convolution (1803.01271); Hu et al. 2018, squeeze-and-excitation (1709.01507);
Rybakov et al. 2020, streaming of trained networks (2005.06720).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from edge.errors import ConfigError
from training.datasets.targets import COLUMNS, PRESENCE, WIDTH
from training.detector.layers import Context, Residual, normed_convolution
from training.tasks import CLIP_LABELS

STRIDE = 4  # feature frames to one score frame, by the stem
SQUEEZE = 8  # mel bands to one row of the stem's output
STEM_PAST = 9  # feature frames that the stem needs before the first of a score frame
STEM_AHEAD = 1  # score frames by which the stem's output is late


@dataclass(frozen=True, slots=True)
class NetworkSpec:
    """Sizes of the network."""

    images: int = 2
    """Window lengths in a frame."""
    bands: int = 48
    """Mel bands for each, a multiple of 8."""
    stem: tuple[int, int, int] = (16, 48, 64)
    """Channels of the three convolutions."""
    hidden: int = 128
    """h."""
    dilations: tuple[int, ...] = (1, 2, 4, 8, 16, 1)
    """One residual block each."""
    ahead: tuple[int, ...] = (2, 2, 2, 0, 0, 1)
    """Of each block, taps ahead of the score frame; the others lie at it and before it. Together 0.5 s: 0.8 s gained
    nothing (training/TRIALS.md)."""
    kernel: int = 5
    """Taps of the dilated convolutions."""
    memory: tuple[float, ...] = (47.0, 250.0)
    """Time constants of the leaky means, score frames: 1.5 and 8 s."""
    dropout: float = 0.15
    """Probability."""

    def __post_init__(self) -> None:
        """Refuse blocks that cannot be."""
        if len(self.ahead) != len(self.dilations) or any(not 0 <= taps < self.kernel for taps in self.ahead):
            raise ConfigError(
                f"recipe: network.ahead = {self.ahead}, expected one of 0 to {self.kernel - 1} for each of "
                f"network.dilations = {self.dilations}"
            )

    @property
    def lookahead(self) -> int:
        """Score frames from the one that is decided to the newest."""
        return STEM_AHEAD + sum(taps * dilation for taps, dilation in zip(self.ahead, self.dilations, strict=True))


class Answer(NamedTuple):
    """What the network makes of some frames; score frame t of it is `lookahead` before score frame t of the input."""

    logits: Tensor
    """(B, T, K)."""
    hidden: Tensor
    """(B, h, T), non-negative; 0 where not heard."""
    heard: Tensor
    """(B, T) 1 where anything of the score frame was valid."""
    state: Tensor
    """(B, S)."""


class StreamNetwork(nn.Module):
    """What hears streams in steps: one detector, or several side by side (`training.detector.networks`)."""

    spec: NetworkSpec
    state_sizes: tuple[int, ...]
    """Numbers in each part of the state of one stream."""
    hidden_size: int
    """h, channels of `Answer.hidden`."""
    clip_head: Callable[[Tensor], Tensor]
    """What is `pooled`, (B, 2 h), to logits of the labels of clips, (B, L)."""

    @property
    def state_size(self) -> int:
        """S, numbers in the state of one stream."""
        return sum(self.state_sizes)

    def step(self, frames: Tensor, valid: Tensor, state: Tensor) -> Answer:
        """The next frames of some streams.

        Args:
            frames: (B, T, M), T a multiple of STRIDE.
            valid: (B, T), 1 where valid.
            state: (B, S) what the step before left; zeros at the begin.
        """
        logits, hidden, heard, after = self.advance(frames, valid, state.split(self.state_sizes, 1))
        return Answer(logits, hidden, heard, torch.cat(after, 1))

    def advance(
        self, frames: Tensor, valid: Tensor, parts: Sequence[Tensor]
    ) -> tuple[Tensor, Tensor, Tensor, list[Tensor]]:
        """As `step`, with a state in its parts: an exported graph takes it apart once, whatever it is made of."""
        raise NotImplementedError

    def forward(self, frames: Tensor, valid: Tensor) -> Tensor:
        """(B, T, M) and (B, T), from the begin of a stream to its end, to logits (B, T / STRIDE, K)."""
        return self.whole(frames, valid).logits

    def whole(self, frames: Tensor, valid: Tensor) -> Answer:
        """From the begin of a stream to its end: score frame t of the answer is score frame t of the input."""
        wait = self.spec.lookahead
        after = (0, wait * STRIDE)
        zero = frames.new_zeros(len(frames), self.state_size)
        answer = self.step(F.pad(frames, (0, 0, *after)), F.pad(valid, after), zero)
        return Answer(answer.logits[:, wait:], answer.hidden[..., wait:], answer.heard[:, wait:], answer.state)

    def answer(self, frames: Tensor, valid: Tensor) -> tuple[Tensor, Tensor]:
        """Logits of each score frame (B, T / STRIDE, K), and of all that was heard as one clip (B, L)."""
        answer = self.whole(frames, valid)
        return answer.logits, self.clip_head(pooled(answer))

    def embedding(self, frames: Tensor, valid: Tensor) -> Tensor:
        """All that was heard in one vector, (B, 2 h)."""
        return pooled(self.whole(frames, valid))


class Detector(StreamNetwork):
    """The network, from normalised frames to logits.

    Args:
        spec: sizes.
    """

    clip_head: nn.Sequential

    def __init__(self, spec: NetworkSpec) -> None:
        super().__init__()
        self.spec = spec
        first, second, third = spec.stem
        self.stem = nn.Sequential(
            normed_convolution(spec.images + 1, first, 5, (2, 2)),
            normed_convolution(first, second, 3, (2, 1)),
            nn.Dropout2d(spec.dropout / 2),
            normed_convolution(second, third, 3, (2, 2)),
            nn.Dropout2d(spec.dropout / 2),
        )
        self.project = nn.Sequential(
            nn.Conv2d(third * spec.bands // SQUEEZE, spec.hidden, 1, bias=False),
            nn.BatchNorm2d(spec.hidden),
            nn.ReLU(),
            nn.Dropout(spec.dropout),
        )
        blocks = [
            Residual(spec.hidden, spec.kernel, dilation, ahead, spec.dropout)
            for dilation, ahead in zip(spec.dilations, spec.ahead, strict=True)
        ]
        self.early = nn.ModuleList(blocks[: len(blocks) // 2])
        self.context = Context(spec.hidden, spec.memory)
        self.late = nn.ModuleList(blocks[len(blocks) // 2 :])
        self.head = nn.Conv2d(spec.hidden, WIDTH, 1)
        size, labels = 2 * spec.hidden, len(CLIP_LABELS)
        self.clip_head = nn.Sequential(nn.Dropout(2 * spec.dropout), nn.Linear(size, labels))
        self.hidden_size = spec.hidden
        self._shapes = (
            (spec.images * spec.bands + 1, STEM_PAST),
            (spec.lookahead,),
            (len(spec.memory), 2 * spec.hidden + 1),
            *((spec.hidden, 1, block.past) for block in blocks),
        )
        self.state_sizes = tuple(math.prod(shape) for shape in self._shapes)

    def advance(
        self, frames: Tensor, valid: Tensor, parts: Sequence[Tensor]
    ) -> tuple[Tensor, Tensor, Tensor, list[Tensor]]:
        """As `StreamNetwork.advance`."""
        batch, length, _ = frames.shape
        count = length // STRIDE
        shaped = [part.reshape(batch, *shape) for part, shape in zip(parts, self._shapes, strict=True)]
        recent, was_heard, sums, *pasts = shaped
        x = torch.cat([(frames * valid[..., None]).transpose(1, 2), valid[:, None]], 1)
        x = torch.cat([recent, x], 2)
        heard = torch.cat([was_heard, valid.reshape(batch, count, STRIDE).amax(2)], 1)
        after = [x[..., length:], heard[:, count:]]
        marks = self._marks(heard[:, None, None], count)
        mask = next(marks)
        x = self.project(self.stem(self._image(x)).reshape(batch, -1, 1, count)) * mask
        before = iter(pasts)
        for block in self.early:
            mask = next(marks)
            x, past = block(x, next(before), mask)
            after.append(past)
        x, sums = self.context(x, sums, mask)
        after.insert(2, sums)
        for block in self.late:
            mask = next(marks)
            x, past = block(x, next(before), mask)
            after.append(past)
        logits = self.head(x).squeeze(2).transpose(1, 2)
        flat = [part.to(old.dtype).reshape(batch, -1) for part, old in zip(after, parts, strict=True)]
        return logits, x.squeeze(2), mask[:, 0, 0], flat

    def _image(self, x: Tensor) -> Tensor:
        """(B, images x bands + 1, T), validity last, to (B, images + 1, bands, T)."""
        spec = self.spec
        image = x[:, :-1].reshape(x.shape[0], spec.images, spec.bands, -1)
        return torch.cat([image, x[:, None, -1:].expand(-1, 1, spec.bands, -1)], 1)

    def _marks(self, heard: Tensor, count: int) -> Iterator[Tensor]:
        """What was heard, (B, 1, 1, lookahead + T), as late as the stem's output is, then as that of each block."""
        late = STEM_AHEAD
        for block in (None, *self.early, *self.late):
            late += block.ahead if isinstance(block, Residual) else 0
            first = self.spec.lookahead - late
            yield heard[..., first : first + count]


def pooled(answer: Answer) -> Tensor:
    """Mean and maximum over what was heard, (B, 2 h)."""
    count = answer.heard.sum(1, keepdim=True).clamp(min=1.0)
    return torch.cat([answer.hidden.sum(2) / count, answer.hidden.amax(2)], 1)


class Scorer(nn.Module):
    """What is exported: one step of the detector, with calibrated probabilities in the order of `CLASSES`.

    The score of a class is the calibrated probability that its group sounds, times the share of the class in its
    group; so the scores of a group sum to the probability of the group. The state of the detector is followed by the
    sum, the maximum and the number of what was heard since it was zero, of which the clip's labels are said.

    Args:
        detector: trained; one, or several as one.
        scale: (3,) and
        bias: (3,) turn the logits of breath, continuous and discontinuous into calibrated ones.
    """

    def __init__(self, detector: StreamNetwork, scale: Tensor, bias: Tensor) -> None:
        super().__init__()
        self.detector = detector
        self.state_size = detector.state_size + 2 * detector.hidden_size + 1
        self.register_buffer("scale", scale)
        self.register_buffer("bias", bias)

    def forward(self, frames: Tensor, valid: Tensor, state: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The next frames of some streams, as `Detector.step`.

        Returns:
            Scores (B, T / STRIDE, C), log-probabilities of the labels of all since the state was zero (B, L), and the
            state (B, S).
        """
        hidden = self.detector.hidden_size
        *parts, total, highest, number = state.split([*self.detector.state_sizes, hidden, hidden, 1], 1)
        logits, channels, heard, after = self.detector.advance(frames, valid, parts)
        total, number = total + channels.sum(2), number + heard.sum(1, keepdim=True)
        highest = torch.maximum(highest, channels.amax(2))
        clip = self.detector.clip_head(torch.cat([total / number.clamp(min=1.0), highest], 1))
        after = torch.cat([*after, total, highest, number], 1)
        return class_scores(logits, self.scale, self.bias), torch.log_softmax(clip, -1), after


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
    """Number of trained weights."""
    return sum(p.numel() for p in module.parameters())
