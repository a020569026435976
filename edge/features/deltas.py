"""Levels to levels with their slopes: regression deltas over 2 n + 1 frames, the deltas of those, then the affine.

Not for guessing at edges: frame t needs its n neighbours on both sides (2 n with the second slope), so the first and
last n frames after a start or jump, and before a jump or end, are not made, like every frame that touches missing
samples; a frame with an invalid neighbour is invalid.

    d[t] = sum_k k (c[t + k] - c[t - k]) / (2 sum_k k^2),   k = 1 .. n          The HTK Book 3.5, 5.9
"""

from __future__ import annotations

import numpy as np

from edge.features.compress import affine
from edge.features.spec import FeatureSpec
from edge.types import Frames


class Deltas:
    """The deltas of one stream.

    Args:
        spec: what a frame is; it has deltas.
    """

    def __init__(self, spec: FeatureSpec) -> None:
        n, self._reach = spec.delta_frames, spec.deltas * spec.delta_frames
        slope = np.arange(-n, n + 1) / (2 * np.sum(np.arange(1, n + 1) ** 2))
        self._taps = np.zeros((1 + spec.deltas, 2 * self._reach + 1), np.float32)  # weights of frames t - r .. t + r
        row = np.ones(1)
        for part in self._taps:
            spare = self._reach - len(row) // 2
            part[spare : spare + len(row)] = row
            row = np.convolve(row, slope)
        self._offset, self._gain = (x.astype(np.float32) for x in affine(spec))
        self._levels = np.zeros((0, spec.levels), np.float32)  # the newest 2 r frames
        self._valid = np.zeros(0, np.bool_)

    def push(self, frames: Frames) -> list[Frames]:
        """Take the frames that follow, (T, levels); return those r before them that have all their neighbours."""
        width = self._taps.shape[1]
        levels, known = np.concatenate([self._levels, frames.values]), np.concatenate([self._valid, frames.valid])
        self._levels, self._valid = levels[1 - width :].copy(), known[1 - width :].copy()
        count = len(known) + 1 - width
        if count <= 0:
            return []
        values = np.zeros((count, *self._taps.shape[:1], levels.shape[1]), np.float32)
        for part, taps in enumerate(self._taps):
            for k in np.flatnonzero(taps):
                values[:, part] += taps[k] * levels[k : k + count]
        valid = np.logical_and.reduce(np.lib.stride_tricks.sliding_window_view(known, width), axis=1)
        values = (values.reshape(count, -1) - self._offset) * self._gain
        values[~valid] = 0
        return [Frames(frames.start + len(frames.valid) - self._reach - count, values, valid)]

    def reset(self) -> None:
        """Forget everything; the stream goes on anywhere."""
        self._levels, self._valid = self._levels[:0], self._valid[:0]
