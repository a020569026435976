"""What a network in torch says: of whole recordings, through the windows of `edge.detector.windows`, and of clips.

Many windows at a time, which the edge does not do. Not for an exported artefact (`training.evaluation.artefact`).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from edge.detector.windows import Windows
from edge.types import Frames
from training.detector.answers import of_windows
from training.detector.hyperparameters import Recipe
from training.detector.model import STRIDE, Detector


@torch.no_grad()
def stream_logits(detector: Detector, frames: NDArray[np.float16], recipe: Recipe) -> NDArray[np.float32]:
    """Logits of one recording, as the edge would decide them.

    Args:
        detector: in evaluation mode.
        frames: (T, M) features.
        recipe: with the window.

    Returns:
        (T // score_frames, K); every whole score frame is decided.
    """
    spec = recipe.window
    cutter = Windows(spec, frames.shape[1])
    windows = cutter.push(Frames(0, frames.astype(np.float32), np.ones(len(frames), np.bool_))) + cutter.flush()
    count = len(frames) // spec.score_frames
    if not count:
        return np.zeros((0, detector.head.out_channels), np.float32)
    values = torch.from_numpy(np.stack([w.values for w in windows]))
    valid = torch.from_numpy(np.stack([w.valid for w in windows]).astype(np.float32))
    logits = detector(values, valid).numpy()
    decided = spec.decided
    kept = logits[:, decided.start // spec.score_frames : decided.stop // spec.score_frames]
    first = (windows[0].start + decided.start) // spec.score_frames
    joined: NDArray[np.float32] = kept.reshape(-1, kept.shape[-1])[-first : count - first]
    return joined


def clip_windows(clip: NDArray[np.floating], window_frames: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The windows in which one clip is scored: alone in the middle of one, or of several with half an overlap.

    Args:
        clip: (T, M) frames.
        window_frames: W.

    Returns:
        (B, W, M) frames and (B, W) validity.
    """
    half = window_frames // 2
    starts = range(0, max(1, len(clip) - half), half)
    frames = np.zeros((len(starts), window_frames, clip.shape[1]), np.float32)
    valid = np.zeros((len(starts), window_frames), np.float32)
    for row, start in enumerate(starts):
        piece = clip[start : start + window_frames]
        first = (window_frames - len(piece)) // 2 // STRIDE * STRIDE
        frames[row, first : first + len(piece)] = piece
        valid[row, first : first + len(piece)] = 1.0
    return frames, valid


def clip_answers(
    detector: Detector, clips: list[NDArray[np.float16]], recipe: Recipe, batch: int = 64
) -> list[NDArray[np.float32]]:
    """(L,) log-probabilities of `CLIP_LABELS` for each clip, from all its windows.

    Args:
        detector: in evaluation mode.
        clips: (T, M) frames of each.
        recipe: with the window.
        batch: clips at a time.
    """

    def answers(frames: Tensor, valid: Tensor) -> Tensor:
        return torch.log_softmax(detector.answer(frames, valid)[1], -1)

    return [of_windows(output) for output in _of_clips(answers, clips, recipe, batch)]


def clip_embeddings(
    detector: Detector, clips: list[NDArray[np.float16]], recipe: Recipe, batch: int = 64
) -> NDArray[np.float32]:
    """(n, 2 h) embedding of each clip, the mean over its windows; arguments as for `clip_answers`."""
    return np.stack([output.mean(0) for output in _of_clips(detector.embedding, clips, recipe, batch)])


@torch.no_grad()
def _of_clips(
    function: Callable[[Tensor, Tensor], Tensor], clips: list[NDArray[np.float16]], recipe: Recipe, batch: int
) -> list[NDArray[np.float32]]:
    """What a network says of the windows of each clip, (B, D)."""
    parts: list[NDArray[np.float32]] = []
    for first in range(0, len(clips), batch):
        pieces = [clip_windows(clip, recipe.window.window_frames) for clip in clips[first : first + batch]]
        frames, valid = (torch.from_numpy(np.concatenate(kind)) for kind in zip(*pieces, strict=True))
        stops = np.cumsum([len(windows) for windows, _ in pieces])
        parts += np.split(function(frames, valid).numpy(), stops[:-1])
    return parts
