"""Mel energies of one segment of samples after another: taper, Fourier transform, power, triangular filters.

Frame t covers the samples [t * hop, t * hop + the longest window). Not for levels (`levels.py`) nor for which frames
are due (`frontend.py`).

With `unit` sine a taper h is divided by sum(h) / 2, so that a full-scale sine has energy 1 in its bin.
Source: Davis & Mermelstein 1980 (mel energies); O'Shaughnessy 1987 and The HTK Book (mel); Slaney, Auditory Toolbox,
1998 (the other mel); Povey et al., The Kaldi speech recognition toolkit, 2011 (triangles linear in mel).

Operations of one frame of 400 samples, 512 points, 64 bands from 50 to 2500 Hz: 400 (taper) + 4 * 64 * 34 (four radix-4
stages) + 158 * 19 (bins) + 2 * 332 (filters) + 64 * 27 (levels) = 14.5 thousand.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from edge.features.fft import RealFft, make_real_fft, real_spectrum
from edge.features.parts import Mel
from edge.features.ring import Bools, Floats, all_valid, append, segment
from edge.features.spec import FeatureSpec
from edge.kernels import kernel, part

LEAST_WEIGHT = 1e-6  # a filter whose greatest weight is less has its only bin on an edge, and that weight is rounding


class MelPlan(NamedTuple):
    """A mel analysis of one stream: what the kernel reads, and the ring that it writes."""

    ring: Floats
    hop: int  # samples
    tapers: Floats  # (windows, span) centred; span is the longest window
    fft: RealFft
    filters: NDArray[np.uint64]  # (bands, 2) first bin, counted from the first bin of the transform; bins
    weights: Floats  # filter after filter
    work: Floats  # (4, fft_size) two sides of the transform; real and imaginary parts of the bins


def make_mel_plan(spec: FeatureSpec, mel: Mel, ring: Floats) -> MelPlan:
    """Precompute the window, FFT and filters of an analysis."""
    span = max(mel.windows_samples)
    tapers = np.zeros((len(mel.windows_samples), span))
    for row, length in zip(tapers, mel.windows_samples, strict=True):
        shape = taper(mel.taper, length, mel.periodic)
        first = (span - length) // 2
        row[first : first + length] = shape / (shape.sum() / 2) if mel.unit == "sine" else shape
    filters = mel_filters(spec)
    used = [np.flatnonzero(row) for row in filters]
    first, stop = int(min(bins[0] for bins in used)), int(max(bins[-1] for bins in used)) + 1
    places = [(bins[0] - first, bins[-1] + 1 - bins[0]) for bins in used]
    weights = np.concatenate([row[bins[0] : bins[-1] + 1] for row, bins in zip(filters, used, strict=True)])
    return MelPlan(
        ring,
        spec.hop_samples,
        tapers.astype(np.float32),
        make_real_fft(mel.fft_size, first, stop - first),
        np.array(places, np.uint64),
        weights.astype(np.float32),
        np.zeros((4, mel.fft_size), np.float32),
    )


def taper(shape: str, length: int, periodic: bool) -> NDArray[np.float64]:
    """(length,) samples of a window function: hann, hamming, blackman, povey (hann^0.85) or boxcar."""
    phase = 2 * np.pi * np.arange(length) / (length if periodic else max(length - 1, 1))
    hann = 0.5 - 0.5 * np.cos(phase)
    shapes = {
        "hann": hann,
        "hamming": 0.54 - 0.46 * np.cos(phase),
        "blackman": 0.42 - 0.5 * np.cos(phase) + 0.08 * np.cos(2 * phase),
        "povey": np.maximum(hann, 0) ** 0.85,
        "boxcar": np.ones(length),
    }
    return shapes[shape]


def mel_edges_hz(spec: FeatureSpec) -> NDArray[np.float64]:
    """(bands + 2,) edges of the filters: filter m rises from edge m to m + 1 and falls to m + 2."""
    scale = spec.analysis.scale if isinstance(spec.analysis, Mel) else "htk"
    to_mel, to_hz = (_slaney_mel, _slaney_hz) if scale == "slaney" else (_htk_mel, _htk_hz)
    low, high = to_mel(np.array([spec.low_hz, spec.high_hz]))
    return to_hz(np.linspace(low, high, spec.bands + 2))


def mel_filters(spec: FeatureSpec) -> NDArray[np.float64]:
    """Triangular filters of a mel spec.

    Returns:
        (bands, fft_size // 2 + 1) weights.

    A band narrower than a bin (the lowest ones of a short transform) takes the bin nearest its centre, so that no band
    is deaf.
    """
    assert isinstance(spec.analysis, Mel)
    edges_hz = mel_edges_hz(spec)
    bins_hz = np.linspace(0, spec.rate_hz / 2, spec.analysis.fft_size // 2 + 1)
    edges, bins = (_htk_mel(edges_hz), _htk_mel(bins_hz)) if spec.analysis.scale == "kaldi" else (edges_hz, bins_hz)
    low, centre, high = edges[:-2, None], edges[1:-1, None], edges[2:, None]
    weights = np.maximum(0.0, np.minimum((bins - low) / (centre - low), (high - bins) / (high - centre)))
    for band in np.flatnonzero(weights.max(axis=1) < LEAST_WEIGHT):
        weights[band] = 0.0
        weights[band, np.argmin(np.abs(bins_hz - edges_hz[band + 1]))] = 1.0
    if spec.analysis.norm == "area":
        weights *= (2.0 / (edges_hz[2:] - edges_hz[:-2]))[:, None]
    return weights


def _htk_mel(hz: NDArray[np.float64]) -> NDArray[np.float64]:
    return 2595.0 * np.log10(1.0 + hz / 700.0)


def _htk_hz(mel: NDArray[np.float64]) -> NDArray[np.float64]:
    return 700.0 * (10.0 ** (mel / 2595.0) - 1.0)


# Slaney's mel: 200 / 3 Hz each up to 1000 Hz, which is 15; from there on 27 to a factor of 6.4.
def _slaney_mel(hz: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.where(hz < 1000, hz * 3 / 200, 15 + 27 * np.log(np.maximum(hz, 1000) / 1000) / np.log(6.4))


def _slaney_hz(mel: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.where(mel < 15, mel * 200 / 3, 1000 * np.exp((np.maximum(mel, 15) - 15) * np.log(6.4) / 27))


@kernel
def mel_energies(
    plan: MelPlan,
    block: tuple[int, Floats, Bools],
    first: int,
    energies: Floats,
    valid: Bools,
) -> None:
    """Energies of the frames that a block completes.

    Args:
        plan: the analysis; its ring takes the block.
        block: start, samples, valid.
        first: index of the first frame.
        energies: (T, windows * bands) receives the energies, window after window.
        valid: (T,) receives whether all samples of a frame are valid; where not, the energies mean nothing.
    """
    plan = MelPlan(*plan)
    fft, bands, span = RealFft(*plan.fft), plan.filters.shape[0], plan.tapers.shape[1]
    bins = fft.turn.shape[1]
    work, spectrum = plan.work[:2], plan.work[2:]
    re, im = spectrum[0], spectrum[1]
    written = block[0]
    for t in range(energies.shape[0]):
        start = (first + t) * plan.hop
        written = append(plan.ring, block, written, start + span)
        samples = segment(plan.ring, start, start + span)
        valid[t] = all_valid(samples)
        if valid[t]:
            for w in range(plan.tapers.shape[0]):
                real_spectrum(fft, samples, plan.tapers[w], work, spectrum)
                for k in range(bins):
                    re[k] = re[k] * re[k] + im[k] * im[k]
                _filter(re, plan.filters, plan.weights, energies[t, w * bands : (w + 1) * bands])
    append(plan.ring, block, written, block[0] + block[1].shape[0])


@part
def _filter(power: Floats, filters: NDArray[np.uint64], weights: Floats, energies: Floats) -> None:
    """Energy of each band: the weighted sum of its bins of the power spectrum."""
    j = np.uint64(0)  # unsigned as in `fft.py`
    for m in range(energies.shape[0]):
        energy, first = np.float32(0), filters[m, 0]
        for k in range(first, first + filters[m, 1]):
            energy += weights[j] * power[k]
            j += np.uint64(1)
        energies[m] = energy
