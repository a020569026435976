"""What a network in torch says of whole recordings and of clips, each at once; in steps it would be the same.

Not for an exported artefact (`training.evaluation.artefact`).

The clip head as a linear probe: multinomial logistic regression on what a trained detector makes of whole clips.

The detector is trained on streams alone and left as it is; a regression on the mean and the maximum of its hidden
frames then names clips. It costs seconds, has one solution, and cannot harm the streaming scores. Fitted on the clips
of the patients that the detector was trained on.

Source: Alain and Bengio 2016 (1610.01644), linear probes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from torch import Tensor, nn

from edge.detector.concealment import Concealment
from edge.errors import ConfigError
from edge.features import FrontEnd
from edge.types import Block
from training.detector.model import STRIDE, Detector
from training.tasks import CLIP_LABELS

CLIPS = 64  # at a time, of nearly the same length


@torch.no_grad()
def stream_logits(
    detector: Detector, frames: NDArray[np.floating], valid: NDArray[np.bool_] | None = None
) -> NDArray[np.float32]:
    """Logits of one recording, as the edge would decide them.

    Args:
        detector: in evaluation mode.
        frames: (T, M) features.
        valid: (T,) where they are valid; None for everywhere.

    Returns:
        (T // STRIDE, K); every whole score frame is decided.
    """
    count = len(frames) // STRIDE
    values, inside = _batch([frames], -(-len(frames) // STRIDE) * STRIDE)
    if valid is not None:
        inside[0, : len(valid)] = torch.from_numpy(valid.astype(np.float32))
    logits: NDArray[np.float32] = detector(values, inside)[0, :count].contiguous().numpy()  # as it is when kept
    return logits


class HeardFrames(NamedTuple):
    """Frames of a whole sound of which some was lost."""

    values: NDArray[np.float32]
    """(T, M) features, 0 where not valid."""
    valid: NDArray[np.bool_]
    """(T,)."""
    bridged: NDArray[np.bool_]
    """(T,) true where a frame touches concealed sound."""


def heard_frames(samples: NDArray[np.float32], valid: NDArray[np.bool_], front_end: FrontEnd) -> HeardFrames:
    """Frames of a whole sound, concealed as at the bedside.

    Args:
        samples: (N,).
        valid: (N,) false where samples were lost.
        front_end: it is reset.
    """
    front_end.reset()
    spec, concealment = front_end.spec, Concealment(front_end.spec.rate_hz)
    count = max(0, (len(samples) - spec.ahead_samples) // spec.hop_samples + 1)
    values, heard = np.zeros((count, spec.width), np.float32), np.zeros(count, np.bool_)
    blocks = concealment.push(Block(0, samples, valid)) + concealment.flush()
    made = [frames for block in blocks for frames in front_end.push(block)]
    for frames in made + front_end.flush():
        at = slice(frames.start, frames.start + len(frames.valid))
        values[at], heard[at] = np.where(frames.valid[:, None], frames.values, np.float32(0)), frames.valid
    begin = np.arange(count, dtype=np.int64) * spec.hop_samples
    return HeardFrames(values, heard, concealment.bridges(begin - spec.history_samples, begin + spec.ahead_samples))


def clip_answers(detector: Detector, clips: list[NDArray[np.float16]]) -> list[NDArray[np.float32]]:
    """(L,) log-probabilities of `CLIP_LABELS` for each clip, which is a stream from its begin.

    Args:
        detector: in evaluation mode.
        clips: (T, M) frames of each.
    """

    def answers(frames: Tensor, valid: Tensor) -> Tensor:
        return torch.log_softmax(detector.answer(frames, valid)[1], -1)

    return list(_of_clips(answers, clips))


def clip_embeddings(detector: Detector, clips: list[NDArray[np.float16]]) -> NDArray[np.float32]:
    """(n, 2 h) embedding of each clip; arguments as for `clip_answers`."""
    return _of_clips(detector.embedding, clips)


def _batch(clips: list[NDArray[np.floating]], length: int) -> tuple[Tensor, Tensor]:
    """(B, length, M) frames, zeros after the end of each, and (B, length) which are valid."""
    frames = np.zeros((len(clips), length, clips[0].shape[1]), np.float32)
    valid = np.zeros((len(clips), length), np.float32)
    for row, clip in enumerate(clips):
        frames[row, : len(clip)] = clip
        valid[row, : len(clip)] = 1.0
    return torch.from_numpy(frames), torch.from_numpy(valid)


@torch.no_grad()
def _of_clips(function: Callable[[Tensor, Tensor], Tensor], clips: list[NDArray[np.float16]]) -> NDArray[np.float32]:
    """(n, D) what a network says of each clip; those of one length together, so that little is computed for nothing."""
    order = sorted(range(len(clips)), key=lambda i: len(clips[i]))
    rows: dict[int, NDArray[np.float32]] = {}
    for first in range(0, len(order), CLIPS):
        some = order[first : first + CLIPS]
        length = -(-max(1, *(len(clips[i]) for i in some)) // STRIDE) * STRIDE
        said = function(*_batch([clips[i] for i in some], length)).numpy()
        rows |= dict(zip(some, said, strict=True))
    return np.stack([rows[i] for i in range(len(clips))]) if clips else np.zeros((0, 0), np.float32)


STRENGTH = 0.01  # inverse of the penalty, on standardised embeddings; .003 and .03 gave the same within .003
ABSENT = -20.0  # logit of a label without examples


def fit_clip_head(detector: Detector, clips: list[NDArray[np.float16]], labels: NDArray[np.int64]) -> None:
    """Replace the last layer of the clip head by the regression.

    Args:
        detector: in evaluation mode; changed in place.
        clips: (T, M) frames of each clip.
        labels: (n,) index in `CLIP_LABELS`.

    Raises:
        ConfigError: if all clips have one label.
    """
    present = np.unique(labels)
    if len(present) < 2:
        raise ConfigError(f"training: clips of one label alone ({len(labels)} of them); a probe needs two or more")
    embeddings = clip_embeddings(detector, clips)
    mean, scale = embeddings.mean(0), embeddings.std(0) + 1e-4
    fitted = LogisticRegression(C=STRENGTH, max_iter=1000).fit((embeddings - mean) / scale, labels)
    rows, starts = fitted.coef_, fitted.intercept_
    if len(present) == 2:  # scikit-learn has one row then, the logit of the second against the first
        rows, starts = np.stack([-rows[0] / 2, rows[0] / 2]), np.array([-starts[0] / 2, starts[0] / 2])
    weights = np.zeros((len(CLIP_LABELS), embeddings.shape[1]))
    bias = np.full(len(CLIP_LABELS), ABSENT)
    weights[present] = rows / scale
    bias[present] = starts - (rows / scale) @ mean
    last = nn.Linear(embeddings.shape[1], len(CLIP_LABELS))
    with torch.no_grad():
        last.weight.copy_(torch.from_numpy(weights))
        last.bias.copy_(torch.from_numpy(bias))
    detector.clip_head[-1] = last
