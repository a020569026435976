"""Frames of the same chest breathing faster or slower, of a larger or a smaller one: speed and pitch, labels with them.

Everything happens on levels in dB, or on features that are linear in them: time positions are interpolated, and bands
along the mel axis, each spectrogram for itself. Where the speed is 1 nothing is interpolated in time. Frames of the
short spectrogram hardly overlap: linear interpolation takes a third of the variance that noise has there, and a network
could hear the speed by it. Cubic interpolation leaves 93 % of the standard deviation (4.6 dB to 4.3 dB, white noise at
speeds .8 to 1.25) and the height of a crackle. Draws what it does from the generator it is given; knows no labels
(`training.detector.truth`), but says at which times of the recording they are to be taken.

Source: Keys, Cubic convolution interpolation for digital image processing, IEEE Trans. ASSP 29, 1981.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from edge.features import FeatureSpec
from edge.features.logmel import mel_edges_hz

TAPS = np.arange(-1, 3)  # frames, or bands, around a position that are weighed
SHARPNESS = -0.75  # Keys' parameter: -.5 is smoother, -1 sharper


@dataclass(frozen=True, slots=True)
class WarpSpec:
    """How often, and how far."""

    speed: float = 0.25
    """Share of stretches that are played faster or slower, each at its own pitch."""
    pitch: float = 0.25
    """Share of stretches whose bands are moved, drawn apart from the speed."""
    resampled: float = 0.15
    """Share of stretches with one factor for both, as of a sound that is resampled; the other two are not drawn."""
    least: float = 0.8
    """Lowest factor."""
    most: float = 1.25
    """Highest factor; factors are uniform in their logarithm."""


@dataclass(frozen=True, slots=True)
class Warp:
    """What becomes of one stretch."""

    speed: float = 1.0
    """Frames of the recording to one frame of the stretch."""
    pitch: float = 1.0
    """Frequency in the stretch of what has frequency 1 in the recording."""

    @classmethod
    def drawn(cls, spec: WarpSpec, rng: np.random.Generator) -> Warp:
        """One of a recipe's."""
        speed, pitch = np.exp(rng.uniform(np.log(spec.least), np.log(spec.most), 2))
        if rng.random() < spec.resampled:
            return cls(float(speed), float(speed))
        asked = rng.random(2) < (spec.speed, spec.pitch)
        return cls(float(speed) if asked[0] else 1.0, float(pitch) if asked[1] else 1.0)

    def start(self, first: int, stop: int, rng: np.random.Generator) -> float:
        """Where a stretch begins, frames of the recording, first to stop: a whole frame at speed 1, else any place."""
        stop = max(stop, first + 1)
        return float(rng.integers(first, stop)) if self.speed == 1 else float(rng.uniform(first, stop))

    def times(self, start: float, score_frames: int, spec: FeatureSpec) -> tuple[float, float]:
        """Where the score frames of a stretch lie in the recording, for `training.detector.truth.Timeline`.

        Frame i hears samples around c + i * hop, where c is half of the longest window, and so it must be in the
        stretch, too: what happens u seconds after its begin happened at s (u - c) + c + start * hop in the recording.

        Args:
            start: frames of the recording before the stretch.
            score_frames: feature frames to a score frame.
            spec: what a frame is.

        Returns:
            start_s of the first score frame, and frame_s of each, seconds of the recording.
        """
        hop_s, centre_s = spec.hop_samples / spec.rate_hz, spec.ahead_samples / 2 / spec.rate_hz
        return start * hop_s + centre_s * (1 - self.speed), score_frames * hop_s * self.speed

    def frames(
        self, source: NDArray[np.floating], start: float, count: int, spec: FeatureSpec
    ) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """A stretch of a recording.

        Args:
            source: (N, M) features or levels of the whole recording.
            start: frame of the recording at which the stretch begins; may lie outside, and between two frames.
            count: T.
            spec: what a frame is; without deltas.

        Returns:
            (T, M) features or levels, 0 where there is no recording, and (T,) True where there is.
        """
        stretch, inside = _played(source, start, count, self.speed)
        return stretch if self.pitch == 1 else _pitched(stretch, self.pitch, spec), inside


def _played(
    source: NDArray[np.floating], start: float, count: int, speed: float
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    places = (round(start) if speed == 1 else start) + speed * np.arange(count)
    inside = (places >= 0) & (places <= len(source) - 1)
    stretch = np.zeros((count, source.shape[1]), np.float32)
    if not inside.any():
        return stretch, inside
    below = np.floor(places[inside]).astype(np.int64)
    first = max(0, int(below[0]) - 1)
    near = np.asarray(source[first : int(below[-1]) + 3], np.float32)
    if speed == 1:
        stretch[inside] = near[below[0] - first :][: len(below)]
        return stretch, inside
    weights = _keys(places[inside] - below)
    rows = np.clip(below[:, None] + TAPS - first, 0, len(near) - 1)
    stretch[inside] = _mixed(near, rows, weights, axis=0)
    return stretch, inside


def _mixed(
    source: NDArray[np.float32], places: NDArray[np.int64], weights: NDArray[np.float32], axis: int
) -> NDArray[np.float32]:
    """Rows, or columns, of the source at (n, 4) places, weighed and added: n of them."""
    shape = (-1, 1) if axis == 0 else (1, -1)
    mixed = np.take(source, places[:, 0], axis) * weights[:, 0].reshape(shape)
    for tap in range(1, len(TAPS)):
        mixed += np.take(source, places[:, tap], axis) * weights[:, tap].reshape(shape)
    return np.asarray(mixed)


def _keys(after: NDArray[np.float64]) -> NDArray[np.float32]:
    """(n, 4) weights of the neighbours of places that lie so far, 0 to 1, after the second of them."""
    x, a = np.abs(after[:, None] - TAPS), SHARPNESS
    near = ((a + 2) * x - (a + 3)) * x * x + 1
    far = ((a * x - 5 * a) * x + 8 * a) * x - 4 * a
    return np.where(x <= 1, near, np.where(x < 2, far, 0)).astype(np.float32)


@lru_cache(maxsize=8)
def _edges_hz(spec: FeatureSpec) -> NDArray[np.float64]:
    return mel_edges_hz(spec)


def _pitched(levels: NDArray[np.float32], pitch: float, spec: FeatureSpec) -> NDArray[np.float32]:
    """Every spectrogram of (T, M) levels moved along its bands.

    What comes from beyond the lowest or highest band is mirrored there: noise stays noise; a repeated band would not.
    """
    edges_hz, last = _edges_hz(spec), spec.bands - 1
    wanted_hz = edges_hz[1:-1] / pitch
    places = np.interp(wanted_hz, edges_hz, np.arange(-1.0, spec.bands + 1))
    places += np.maximum(0, wanted_hz - edges_hz[-1]) / (edges_hz[-1] - edges_hz[-2])
    below = np.floor(places).astype(np.int64)
    bands = last - np.abs(last - np.abs(below[:, None] + TAPS))
    columns = np.concatenate([bands + part * spec.bands for part in range(spec.windows)])
    return _mixed(levels, columns, np.tile(_keys(places - below), (spec.windows, 1)), axis=1)
