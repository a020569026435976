"""Breath as the ward hears it: scores and levels of a made rhythm."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edge.types import BreathSound, Fault

FRAME_S = 0.032


def at(begins_s: NDArray[np.float64], stop_s: float, start: int = 0, loud: float = 0.95) -> BreathSound:
    """Sound with an inspiration at each of these times, and a fainter expiration behind it.

    Args:
        begins_s: (n,) of the inspirations, seconds.
        stop_s: length of the sound, seconds.
        start: index of its first frame.
        loud: highest breath score.
    """
    time = np.arange(round(stop_s / FRAME_S)) * FRAME_S
    between = np.diff(begins_s, append=begins_s[-1:] + np.diff(begins_s[-2:])) if len(begins_s) > 1 else np.full(1, 3.0)
    shape = np.zeros(len(time))
    for begin, length in zip(begins_s, between, strict=False):
        for after, height in ((0.0, 1.0), (0.42, 0.45)):
            phase = (time - begin - after * length) / (0.36 * length)
            shape = np.maximum(shape, height * np.sqrt(np.maximum(np.sin(np.pi * np.clip(phase, 0, 1)), 0)))
    noise = np.random.default_rng(7).normal(0, 1, len(time))
    score = np.clip(0.05 + (loud - 0.05) * shape + 0.03 * noise, 0, 1).astype(np.float32)
    level_db = (-60 + 12 * shape + 1.5 * noise).astype(np.float32)
    bands_db = np.stack([level_db] * 3, axis=1)
    return BreathSound(start, score, level_db, bands_db, np.ones(len(time), np.bool_))


def regular(per_min: float, stop_s: float, start: int = 0, loud: float = 0.95) -> BreathSound:
    """Regular breath, a breath each `60 / per_min` seconds."""
    return at(np.arange(0.4, stop_s, 60 / per_min), stop_s, start, loud)


def part(sound: BreathSound, begin: int, end: int, fault: Fault | None = None) -> BreathSound:
    """Frames `begin` to `end` of a sound, counted from its first."""
    some = slice(begin, end)
    levels = sound.level_db[some], sound.bands_db[some]
    return BreathSound(sound.start + begin, sound.score[some], *levels, sound.usable[some], fault)
