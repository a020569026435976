"""The audio quality of every clip, for the margins of QLung: kept on disk like frames. The score is `losses.quality`.

Computed from the samples of the clip as it was recorded, not repeated or faded, at the rate of the recipe's features.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge.errors import ConfigError
from training.clips.cut import ClipPolicy, cut
from training.datasets.sounds import read_sound
from training.frames import cache_key
from training.loop.checkpoint import whole_file
from training.losses.quality import AudioQuality, mean_power, rms, spectral_entropy
from training.tasks import Clip

_AS_RECORDED = ClipPolicy(seconds=60, pad="none")


def clip_quality(clips: Sequence[Clip], training: int, rate_hz: int, cache: Path) -> NDArray[np.float32]:
    """(n,) AQS, 0 to 1.

    Args:
        clips: all of a training; those of one recording beside each other.
        training: how many of them, from the first on, say what is loud and what is faint.
        rate_hz: sampling rate that they are brought to, Hz.
        cache: folder.
    """
    parts = _measured(clips, rate_hz, cache)
    scale = AudioQuality.fit(parts[:training, 1])
    return np.array([scale.combine(float(entropy), float(level)) for entropy, level in parts], np.float32)


def _measured(clips: Sequence[Clip], rate_hz: int, cache: Path) -> NDArray[np.float64]:
    """(n, 2) normalised spectral entropy and RMS of each clip."""
    sounds = ((clip.recording.path, f"{clip.start_s} {clip.end_s}") for clip in clips)
    stored = cache / f"quality-{cache_key([str(rate_hz)], sounds)}.npy"
    if stored.exists():
        measured: NDArray[np.float64] = np.load(stored)
        return measured
    rows, known, sound = [], Path(), np.zeros(0, np.float32)
    for clip in clips:
        if clip.recording.path != known:
            known, sound = clip.recording.path, _sound(clip.recording.path, rate_hz)
        piece = cut(sound, rate_hz, clip, _AS_RECORDED)
        rows.append((spectral_entropy(mean_power(piece)), rms(piece)))
    cache.mkdir(parents=True, exist_ok=True)
    with whole_file(stored) as draft, draft.open("wb") as file:
        np.save(file, np.array(rows))
    return np.array(rows)


def _sound(path: Path, rate_hz: int) -> NDArray[np.float32]:
    """Silence for what does not decode: such clips are left out by their frames, which say so."""
    try:
        return read_sound(path, rate_hz)
    except ConfigError:
        return np.zeros(0, np.float32)
