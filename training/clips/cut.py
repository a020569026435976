"""From a clip of a task to the samples that a method may hear: cut, fade, repeat or fill up to a length.

Works on samples, before any feature: what lies beyond the clip is never used (the official tasks give cut clips), and
a clip that is repeated or filled shows its own duration, which alone scores .79 on Task 1-1 (design notes, and
`training.metrics.official`). Not for features (`front_end.py`), nor for the streaming detector, which sees no cuts.
Source: Bae et al. 2023 (2305.14032) and their code: fades of 1/16 s at both ends of the recording, slice, repeat,
fade out. Kaldi's pre-emphasis, here of the whole clip. HeAR's code (2403.02522): each clip scaled to -1..1.

Recordings and clips as pieces of one short length, as HeAR hears them. Cuts by time alone; labels stay whole.

Not for how a piece is filled up when it is shorter (`cut.ClipPolicy`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

import numpy as np
import soundfile
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from edge.errors import ConfigError
from training.datasets import Recording
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


LEAST_PIECE_S = 0.3  # a rest at the end that is shorter than this is not a piece of its own


def whole(recording: Recording) -> Clip:
    """A recording as a clip; its label is that of the recording."""
    return Clip(recording, 0.0, duration_s(recording), recording.record_label, 0)


def duration_s(recording: Recording) -> float:
    """Seconds, from the record or the file's header.

    Raises:
        ConfigError: if the header does not decode.
    """
    if recording.duration_s:
        return recording.duration_s
    try:
        return float(soundfile.info(recording.path).duration)
    except (OSError, soundfile.LibsndfileError) as error:
        raise ConfigError(f"{recording.path}: does not decode ({error}); remove it or fetch it again") from None


def length_s(clip: Clip) -> float:
    """Seconds of a clip, from its times or the recording.

    Raises:
        ConfigError: if the recording's header does not decode.
    """
    return (duration_s(clip.recording) if clip.end_s is None else clip.end_s) - clip.start_s


def pieces(clip: Clip, seconds: float, overlap: float = 0.0) -> list[Clip]:
    """The clip cut into pieces, the last of which may be shorter; one that is shorter than a piece is one piece.

    Args:
        clip: any.
        seconds: of a piece.
        overlap: share of a piece that the next one hears again, 0 to below 1.
    """
    end_s = clip.start_s + length_s(clip)
    starts = [clip.start_s]
    while starts[-1] + seconds < end_s and end_s - (starts[-1] + seconds * (1 - overlap)) >= LEAST_PIECE_S:
        starts.append(starts[-1] + seconds * (1 - overlap))
    return [replace(clip, start_s=start, end_s=min(start + seconds, end_s)) for start in starts]


def all_pieces(clips: Sequence[Clip], seconds: float, overlap: float = 0.0) -> tuple[list[Clip], list[int]]:
    """Pieces of all clips, in order, and for each piece the number of its clip."""
    found, owners = [], []
    for number, clip in enumerate(clips):
        mine = pieces(clip, seconds, overlap)
        found += mine
        owners += [number] * len(mine)
    return found, owners
