"""Streaming scores of whole recordings from a network in torch: the windows of `edge.windows`, many at a time."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from edge.types import Frames
from edge.windows import Windows
from training.network import Detector
from training.recipe import Recipe


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
    decided = spec.decided(windows[0])
    kept = logits[:, decided.start // spec.score_frames : decided.stop // spec.score_frames]
    first = (windows[0].start + decided.start) // spec.score_frames
    joined: NDArray[np.float32] = kept.reshape(-1, kept.shape[-1])[-first : count - first]
    return joined
