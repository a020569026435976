"""Levels to levels with their slopes: regression deltas over 2 n + 1 frames, the deltas of those, then the affine.

Not for guessing at edges: frame t needs its n neighbours on both sides (2 n with the second slope), so the first and
last n frames after a start or jump, and before a jump or end, are not made, like every frame that touches missing
samples; a frame with an invalid neighbour is invalid.

    d[t] = sum_k k (c[t + k] - c[t - k]) / (2 sum_k k^2),   k = 1 .. n          The HTK Book 3.5, 5.9
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from edge.features.compress import affine
from edge.features.spec import FeatureSpec


class Deltas(NamedTuple):
    """The deltas of B streams in the form that the kernel reads."""

    taps: NDArray[np.float32]  # (1 + deltas, 2 r + 1) what the neighbours t - r .. t + r weigh in each part of a frame
    levels: NDArray[np.float32]  # (B, 2 r + 1, levels) the newest frames, frame t at t modulo 2 r + 1
    runs: NDArray[np.int64]  # (B, 3) index one past the newest frame, frames since the last jump, valid ones in a row
    offset: NDArray[np.float32]  # (M,)
    gain: NDArray[np.float32]  # (M,) 1 / scale
    scratch: NDArray[np.float32]  # (levels,) workspace


def make_deltas(spec: FeatureSpec, streams: int) -> Deltas:
    """Deltas of a spec; without any, one tap."""
    n, reach = spec.delta_frames, spec.deltas * spec.delta_frames
    slope = np.arange(-n, n + 1) / (2 * np.sum(np.arange(1, n + 1) ** 2))
    taps, row = np.zeros((1 + spec.deltas, 2 * reach + 1)), np.ones(1)
    for part in taps:
        spare = reach - len(row) // 2
        part[spare : spare + len(row)] = row
        row = np.convolve(row, slope)
    offset, gain = affine(spec)
    return Deltas(
        taps.astype(np.float32),
        np.zeros((streams, 2 * reach + 1, spec.levels), np.float32),
        np.zeros((streams, 3), np.int64),
        offset.astype(np.float32),
        gain.astype(np.float32),
        np.zeros(spec.levels, np.float32),
    )


@njit(cache=True)  # type: ignore[untyped-decorator]
def push_deltas(plan: Deltas, b: int, t: int, valid: bool, values: NDArray[np.float32], row: int) -> int:
    """Take frame t of stream b from the scratch; make the frame r before it, if it has all its neighbours.

    Args:
        plan: the deltas; their state moves on.
        b: the stream.
        t: index of the frame.
        valid: whether it is.
        values: (T, M) receives the frame that is made.
        row: its place there.

    Returns:
        -1 when none is made, 0 when the one that is made is invalid (zeros), 1 when it is valid.
    """
    width = plan.taps.shape[1]
    runs = plan.runs[b]
    if t != runs[0]:
        runs[1] = runs[2] = 0
    newest = plan.levels[b, t % width]
    for m in range(newest.shape[0]):  # a loop: an array assigned to an array costs Numba two seconds of compiling
        newest[m] = plan.scratch[m]
    runs[0] = t + 1
    runs[1] += 1
    runs[2] = runs[2] + 1 if valid else 0
    if runs[1] < width:
        return -1
    values[row] = np.float32(0)
    if runs[2] < width:
        return 0
    _combine(plan, plan.levels[b], t + 1 - width, values[row])
    return 1


@njit(cache=True)  # type: ignore[untyped-decorator]
def _combine(plan: Deltas, levels: NDArray[np.float32], oldest: int, out: NDArray[np.float32]) -> None:
    parts, width = plan.taps.shape
    count = levels.shape[1]
    for part in range(parts):
        row = out[part * count : (part + 1) * count]
        for k in range(width):
            weight = plan.taps[part, k]
            if weight != 0:
                frame = levels[(oldest + k) % width]
                for m in range(count):
                    row[m] += weight * frame[m]
    for m in range(out.shape[0]):
        out[m] = (out[m] - plan.offset[m]) * plan.gain[m]
