"""Energies to levels: the logarithm, or per-channel energy normalisation; then the affine normalisation. In place.

Not for energies (`logmel.py`, `gammatone.py`, `cwt.py`). The smoother of PCEN is the only state, one row for each
stream: it starts at the first valid frame's energy, at the beginning and after every gap or invalid frame, so that no
frame depends on what lies beyond a gap. PCEN of silence is the difference of two equal numbers: its steps are 1.2e-7.
Source: Wang et al., Trainable frontend for robust and far-field keyword spotting, ICASSP 2017.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from edge.features.elementary import exp2, log2
from edge.features.parts import Log, Pcen
from edge.features.spec import FeatureSpec
from edge.inlined import inlined

LEAST = np.float32(1.2e-38)  # the smallest normal float32; a smoother that has fallen below holds nothing


class Compression(NamedTuple):
    """The compression of B streams in the form that the kernels read."""

    is_log: bool
    per_octave: np.float32  # level of a doubled energy
    floor: np.float32
    pcen: NDArray[np.float32]  # s, alpha, delta, r, eps, delta^r
    smoothed: NDArray[np.float32]  # (B, levels) M of PCEN
    started: NDArray[np.bool_]  # (B,) whether M holds anything
    offset: NDArray[np.float32]  # (levels,)
    gain: NDArray[np.float32]  # (levels,) 1 / scale


def make_compression(spec: FeatureSpec, streams: int) -> Compression:
    """The compression of a spec; the affine normalisation is left to the deltas when there are any."""
    log = spec.compression if isinstance(spec.compression, Log) else Log()
    pcen = spec.compression if isinstance(spec.compression, Pcen) else Pcen()
    offset, gain = affine(spec) if not spec.deltas else (np.zeros(spec.levels), np.ones(spec.levels))
    return Compression(
        isinstance(spec.compression, Log),
        np.float32(10 * np.log10(2) if log.unit == "db" else np.log(2)),
        np.float32(log.floor),
        np.array([pcen.s, pcen.alpha, pcen.delta, pcen.r, pcen.eps, pcen.delta**pcen.r], np.float32),
        np.zeros((streams, spec.levels), np.float32),
        np.zeros(streams, np.bool_),
        offset.astype(np.float32),
        gain.astype(np.float32),
    )


def affine(spec: FeatureSpec) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(M,) offset and (M,) 1 / scale of every number of a frame."""
    return np.broadcast_to(spec.offset, spec.width).copy(), 1 / np.broadcast_to(spec.scale, spec.width)


@inlined  # type: ignore[untyped-decorator]
def compress(how: Compression, b: int, energies: NDArray[np.float32], heard: bool) -> None:
    """Turn the energies of the next frame of stream b, (levels,), into levels; an invalid frame becomes zeros."""
    if not heard:
        how.started[b] = False
        energies[:] = np.float32(0)
    elif how.is_log:
        for m in range(energies.shape[0]):
            level = max(how.per_octave * log2(energies[m]), how.floor)
            energies[m] = (level - how.offset[m]) * how.gain[m]
    else:
        _pcen(how, how.smoothed[b], how.started[b], energies)
        how.started[b] = True


@inlined  # type: ignore[untyped-decorator]
def _pcen(how: Compression, smoothed: NDArray[np.float32], started: bool, energies: NDArray[np.float32]) -> None:
    s, alpha, delta, r, eps, root = how.pcen
    if not started:
        for m in range(energies.shape[0]):
            smoothed[m] = energies[m]
    for m in range(energies.shape[0]):
        mean = (np.float32(1) - s) * smoothed[m] + s * energies[m]
        mean = mean if mean > LEAST else np.float32(0)
        smoothed[m] = mean
        steady = energies[m] * exp2(-alpha * log2(mean + eps)) + delta
        energies[m] = (exp2(r * log2(steady)) - root - how.offset[m]) * how.gain[m]
