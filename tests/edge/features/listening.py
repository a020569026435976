"""What the oracle tests share: a sound that has everything in it, and a front-end that hears it in odd blocks."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from edge.features import FeatureSpec, FrontEnd
from edge.types import Block

BLOCKS = (1, 97, 100, 257, 3, 1024, 2500)  # samples; odd on purpose: no cut of the input may show


def chest_like(rate_hz: int, seconds: float, peak: float = 0.5, seed: int = 1) -> NDArray[np.float32]:
    """(N,) coloured noise, two steady tones, a chirp over all bands and a click, full scale = 1.0."""
    rng = np.random.default_rng(seed)
    time = np.arange(int(rate_hz * seconds)) / rate_hz
    noise = rng.standard_normal(len(time))
    noise[1:] += 0.9 * noise[:-1]  # more at low frequencies, as in a chest
    chirp_hz = 60 + (0.45 * rate_hz - 60) * time / time[-1] / 2  # its phase runs over twice these
    sound = 0.1 * noise + np.sin(2 * np.pi * 400 * time) + 0.3 * np.sin(2 * np.pi * 1130 * time)
    sound += 0.5 * np.sin(2 * np.pi * chirp_hz * time)
    sound[len(sound) // 2] += 4.0
    return (sound * (peak / np.abs(sound).max())).astype(np.float32)


def listen(spec: FeatureSpec, sound: NDArray[np.float32], start: int = 0) -> tuple[int, NDArray[np.float32]]:
    """Stream a sound in odd blocks.

    Returns:
        The index of the first frame, and (T, M) frames, all of them valid and without a hole between them.
    """
    front_end, frames, at, k = FrontEnd(spec), [], 0, 0
    while at < len(sound):
        piece = sound[at : at + BLOCKS[k % len(BLOCKS)]]
        frames += front_end.push(Block(start + at, piece, np.ones(len(piece), np.bool_)))
        at, k = at + len(piece), k + 1
    frames += front_end.flush()
    assert all(f.valid.all() for f in frames)
    assert all(a.start + len(a.values) == b.start for a, b in pairwise(frames))
    return frames[0].start, np.concatenate([f.values for f in frames])
