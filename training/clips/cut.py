"""From a clip of a task to the samples that a method may hear: cut, fade, repeat or fill up to a length.

Works on samples, before any feature: what lies beyond the clip is never used (the official tasks give cut clips), and
a clip that is repeated or filled shows its own duration, which alone scores .79 on Task 1-1 (design notes, and
`training.metrics.duration`). Not for features (`front_end.py`), nor for the streaming detector, which sees no cuts.
Source: Bae et al. 2023 (2305.14032) and their code: fades of 1/16 s at both ends of the recording, slice, repeat,
fade out. Kaldi's pre-emphasis, here of the whole clip. HeAR's code (2403.02522): each clip scaled to -1..1.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from training.tasks import Clip

LEAST_S = 0.05  # a clip shorter than this (rounded times, a cut file) is filled with silence up to here


class ClipPolicy(BaseModel):
    """How long a clip is, and what is done about shorter and longer ones."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    seconds: float = Field(gt=0.1, le=60)
    """Longer clips are cut to their beginning."""
    pad: Literal["repeat", "zero", "none"] = "repeat"
    """Shorter ones are repeated, filled with silence that counts as sound, or stay short (a validity mask says so)."""
    fade_s: float = Field(0.0, ge=0, le=1)
    """Fades in and out at the ends of the recording, and out at the end of a repeated clip."""
    remove_mean: bool = False
    """Subtract the clip's mean sample."""
    preemphasis: float = Field(0.0, ge=0, lt=1)
    """x[n] - a x[n-1]; 0.97 is kaldi's."""
    full_scale: bool = False
    """Shift and scale the clip so that its extremes are -1 and 1."""

    def length(self, rate_hz: int) -> int:
        """Samples of a full clip."""
        return round(self.seconds * rate_hz)


def faded(samples: NDArray[np.float32], count: int, into: bool, out: bool) -> NDArray[np.float32]:
    """(N,) with linear fades over `count` samples at its ends (half of N at most)."""
    count = min(count, len(samples) // 2)
    result = samples.copy()
    if count and into:
        result[:count] *= np.arange(count, dtype=np.float32) / count
    if count and out:
        result[len(result) - count :] *= np.arange(count - 1, -1, -1, dtype=np.float32) / count
    return result


def cut(recording: NDArray[np.float32], rate_hz: int, clip: Clip, policy: ClipPolicy) -> NDArray[np.float32]:
    """The samples of one clip.

    Args:
        recording: (N,) at `rate_hz`.
        rate_hz: of the recording.
        clip: which piece.
        policy: lengths and fades.

    Returns:
        (n,) with n = `policy.length(rate_hz)`, or less for `pad: none`.
    """
    fade = round(policy.fade_s * rate_hz)
    whole = faded(recording, fade, into=True, out=True)
    stop = len(whole) if clip.end_s is None else round(clip.end_s * rate_hz)
    piece = whole[max(0, round(clip.start_s * rate_hz)) : max(0, stop)]
    least = round(LEAST_S * rate_hz)
    if len(piece) < least:
        piece = np.concatenate([piece, np.zeros(least - len(piece), np.float32)])
    wanted = policy.length(rate_hz)
    if len(piece) < wanted and policy.pad == "repeat":
        piece = faded(np.resize(piece, wanted), fade, into=False, out=True)
    elif len(piece) < wanted and policy.pad == "zero":
        piece = np.concatenate([piece, np.zeros(wanted - len(piece), np.float32)])
    return _conditioned(piece[:wanted], policy)


def _conditioned(piece: NDArray[np.float32], policy: ClipPolicy) -> NDArray[np.float32]:
    if policy.remove_mean:
        piece = piece - piece.mean()
    if policy.preemphasis:
        before = np.concatenate([piece[:1], piece[:-1]])  # kaldi repeats the first sample
        piece = np.asarray(piece - np.float32(policy.preemphasis) * before, np.float32)
    if policy.full_scale and piece.max() > piece.min():
        piece = 2 * (piece - piece.min()) / (piece.max() - piece.min()) - 1
    return piece
