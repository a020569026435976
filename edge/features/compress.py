"""Energies to levels: the logarithm, or per-channel energy normalisation; then the affine normalisation. In place.

Not for energies (`logmel.py`, `gammatone.py`, `cwt.py`). The smoother of PCEN is the only state: it starts at
the first valid frame's energy, at the beginning and after every gap or invalid frame, so that no frame depends on what
lies beyond a gap. PCEN of silence is the difference of two equal numbers: its steps are 1.2e-7.
Source: Wang et al., Trainable frontend for robust and far-field keyword spotting, ICASSP 2017.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edge.features.elementary import exp2, log2
from edge.features.parts import Log
from edge.features.ring import Bools, Floats
from edge.features.spec import FeatureSpec
from edge.kernel_cache import kernel

LEAST = np.float32(1.2e-38)  # the smallest normal float32; a smoother that has fallen below holds nothing
UNKNOWN = np.float32(-1)  # the smoother before the first frame; energies are not below 0


class Compression:
    """The compression of one stream.

    Args:
        spec: what a frame is; its affine normalisation is left to the deltas when there are any.
    """

    def __init__(self, spec: FeatureSpec) -> None:
        how = spec.compression
        offset, gain = affine(spec) if not spec.deltas else (np.zeros(spec.levels), np.ones(spec.levels))
        self._affine = np.array([offset, gain], np.float32)
        self._smoothed = np.full(spec.levels, UNKNOWN)
        self._is_log = isinstance(how, Log)
        if isinstance(how, Log):
            constants = [10 * np.log10(2) if how.unit == "db" else np.log(2), how.floor]
        else:
            constants = [how.s, how.alpha, how.delta, how.r, how.eps, how.delta**how.r]
        self._constants = np.array(constants, np.float32)

    def apply(self, energies: Floats, valid: Bools) -> None:
        """Turn the energies of the next frames, (T, levels), into levels; those that are not valid, (T,), into 0."""
        if self._is_log:
            _log(self._constants, self._affine, energies, valid)
        else:
            _pcen(self._constants, self._affine, self._smoothed, energies, valid)

    def reset(self) -> None:
        """Forget the smoothed energies: the next frame is as the first of a stream."""
        self._smoothed[:] = UNKNOWN


def affine(spec: FeatureSpec) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(M,) offset and (M,) 1 / scale of every number of a frame."""
    return np.broadcast_to(spec.offset, spec.width).copy(), 1 / np.broadcast_to(spec.scale, spec.width)


@kernel
def _log(constants: Floats, affine: Floats, frames: Floats, valid: Bools) -> None:
    per_octave, floor = constants
    offset, gain = affine[0], affine[1]
    for t in range(frames.shape[0]):
        row = frames[t]
        if not valid[t]:
            row[:] = np.float32(0)
            continue
        for m in range(row.shape[0]):
            level = max(per_octave * log2(row[m]), floor)
            row[m] = (level - offset[m]) * gain[m]


@kernel
def _pcen(constants: Floats, affine: Floats, smoothed: Floats, frames: Floats, valid: Bools) -> None:
    s, alpha, delta, r, eps, root = constants
    offset, gain = affine[0], affine[1]
    for t in range(frames.shape[0]):
        row = frames[t]
        if not valid[t]:
            row[:] = np.float32(0)
            smoothed[:] = UNKNOWN
            continue
        for m in range(row.shape[0]):
            before = smoothed[m] if smoothed[m] >= 0 else row[m]
            mean = (np.float32(1) - s) * before + s * row[m]
            mean = mean if mean > LEAST else np.float32(0)
            smoothed[m] = mean
            steady = row[m] * exp2(-alpha * log2(mean + eps)) + delta
            row[m] = (exp2(r * log2(steady)) - root - offset[m]) * gain[m]
