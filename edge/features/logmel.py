"""Streaming log-mel energies: blocks in, frames out, any cut of the input gives the same bits.

Frame t covers samples [t * hop, t * hop + span) with t absolute, and is made when its last sample is there. A frame is
valid when all its samples are; a jump in the block index skips the frames that touch the missing samples. Not for
windows of frames (`edge.windows`) nor for resampling (`edge.sources`).

One frame of one window: s samples times a periodic Hann window h, divided by sum(h) / 2 so that a full-scale sine
reads 0 dB in its bin; power spectrum; triangular HTK mel filters (peak 1); dB; floor; affine.
Source: Davis & Mermelstein 1980 (mel energies); Young et al., The HTK Book 3.5, 5.4 (mel scale).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from edge.features.fft import Tables, make_tables, power_spectrum
from edge.features.spec import FeatureSpec
from edge.ring import Ring
from edge.types import Block, Frames


def mel_filters(spec: FeatureSpec) -> NDArray[np.float64]:
    """Triangular filters, equally spaced on the HTK mel scale, 2595 log10(1 + f / 700), peak 1.

    Returns:
        (bands, fft_size // 2 + 1) weights.

    A band narrower than a bin (the lowest ones of a short transform) takes the bin nearest its centre, so that no
    band is deaf.
    """
    edges_mel = np.linspace(_hz_to_mel(spec.low_hz), _hz_to_mel(spec.high_hz), spec.bands + 2)
    edges_hz = 700.0 * (10.0 ** (edges_mel / 2595.0) - 1.0)
    bins_hz = np.arange(spec.fft_size // 2 + 1) * (spec.rate_hz / spec.fft_size)
    low, centre, high = edges_hz[:-2, None], edges_hz[1:-1, None], edges_hz[2:, None]
    rising = (bins_hz - low) / (centre - low)
    falling = (high - bins_hz) / (high - centre)
    weights = np.maximum(0.0, np.minimum(rising, falling))
    for band in np.flatnonzero(weights.max(axis=1) == 0.0):
        weights[band, np.argmin(np.abs(bins_hz - edges_hz[band + 1]))] = 1.0
    return weights


def _hz_to_mel(hz: float) -> float:
    return float(2595.0 * np.log10(1.0 + hz / 700.0))


class LogMel:
    """The extractor of one stream.

    Args:
        spec: what a frame is.
    """

    def __init__(self, spec: FeatureSpec) -> None:
        """Build tables and the ring; frames start with the first block."""
        self.spec = spec
        self._ring = Ring(2 * spec.span_samples + 4096)
        self._plan = _make_plan(spec)
        self._next = 0

    def push(self, block: Block) -> list[Frames]:
        """Take one block of any length; return the frames it completes.

        Raises:
            ValueError: if the block overlaps an earlier one.
        """
        room = self._ring.capacity - self.spec.span_samples
        out = []
        for first in range(0, len(block.samples), room):
            piece = slice(first, first + room)
            out += self._push_piece(Block(block.start + first, block.samples[piece], block.valid[piece]))
        return out

    def flush(self) -> list[Frames]:
        """End of stream: a frame that lacks samples is never made, so there is nothing left."""
        return []

    def reset(self) -> None:
        """Forget everything, as a new object."""
        self._ring.clear()
        self._next = 0

    def _push_piece(self, block: Block) -> list[Frames]:
        hop, span = self.spec.hop_samples, self.spec.span_samples
        ring = self._ring
        if ring.start == ring.stop or block.start != ring.stop:
            self._next = -(-block.start // hop)
        ring.write(block)
        count = (ring.stop - span) // hop + 1 - self._next
        if count <= 0:
            return []
        values = np.empty((count, self.spec.width), np.float32)
        valid = np.empty(count, np.bool_)
        _extract(ring.samples, ring.valid, self._next, self._plan, values, valid)
        frames = Frames(self._next, values, valid)
        self._next += count
        return [frames]


class _Plan(NamedTuple):
    """The spec in the form that the kernel reads."""

    hop: int
    tapers: NDArray[np.float32]  # (windows, span) Hann, centred
    tables: Tables
    first_bin: NDArray[np.int64]  # (bands,) first bin of each mel filter
    bin_count: NDArray[np.int64]  # (bands,) bins of each mel filter
    weights: NDArray[np.float32]  # (bands, bins)
    floor_db: np.float32
    offset_db: np.float32
    scale_db: np.float32


def _make_plan(spec: FeatureSpec) -> _Plan:
    tapers = np.zeros((len(spec.windows_samples), spec.span_samples), np.float32)
    for row, length in zip(tapers, spec.windows_samples, strict=True):
        hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(length) / length)
        first = (spec.span_samples - length) // 2
        row[first : first + length] = hann / (hann.sum() / 2)
    weights = mel_filters(spec)
    first_bin = np.array([np.flatnonzero(row)[0] for row in weights])
    bin_count = np.array([np.flatnonzero(row)[-1] for row in weights]) + 1 - first_bin
    levels = (np.float32(level_db) for level_db in (spec.floor_db, spec.offset_db, spec.scale_db))
    tables = make_tables(spec.fft_size)
    return _Plan(spec.hop_samples, tapers, tables, first_bin, bin_count, weights.astype(np.float32), *levels)


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def _extract(
    ring: NDArray[np.float32],
    ring_valid: NDArray[np.bool_],
    first_frame: int,
    plan: _Plan,
    values: NDArray[np.float32],
    valid: NDArray[np.bool_],
) -> None:
    wrap = np.int64(ring.shape[0] - 1)
    n_windows, span = plan.tapers.shape
    half = plan.tables.reversal.shape[0]
    bands = plan.first_bin.shape[0]
    frame = np.zeros(2 * half, np.float32)
    re = np.empty(half, np.float32)
    im = np.empty(half, np.float32)
    power = np.empty(half + 1, np.float32)
    floor_power = np.float32(10.0 ** (plan.floor_db / 10.0))
    for t in range(values.shape[0]):
        base = (first_frame + t) * plan.hop
        heard = True
        for i in range(span):
            heard = heard and ring_valid[(base + i) & wrap]
        valid[t] = heard
        for w in range(n_windows):
            for i in range(span):
                frame[i] = ring[(base + i) & wrap] * plan.tapers[w, i]
            power_spectrum(frame, plan.tables, re, im, power)
            for m in range(bands):
                energy = np.float32(0.0)
                for k in range(plan.bin_count[m]):
                    energy += plan.weights[m, plan.first_bin[m] + k] * power[plan.first_bin[m] + k]
                level_db = np.float32(10.0) * np.log10(max(energy, floor_power))
                values[t, w * bands + m] = (level_db - plan.offset_db) / plan.scale_db
