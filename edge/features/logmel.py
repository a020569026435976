"""Mel energies of one stretch of samples after another: taper, Fourier transform, power, triangular filters.

Frame t covers the samples [t * hop, t * hop + the longest window). Not for levels (`compress.py`) nor for keeping the
frames of a stream in order (`advance.py`).

With `unit` sine a taper h is divided by sum(h) / 2, so that a full-scale sine has energy 1 in its bin.
Source: Davis & Mermelstein 1980 (mel energies); O'Shaughnessy 1987 and The HTK Book (mel); Slaney, Auditory Toolbox,
1998 (the other mel); Povey et al., The Kaldi speech recognition toolkit, 2011 (triangles linear in mel).

Operations of one frame of 400 samples, 512 points, 64 bands from 50 to 2500 Hz: 400 (taper) + 4 * 64 * 34 (four radix-4
stages) + 158 * 19 (bins) + 2 * 332 (filters) + 64 * 27 (levels) = 14.5 thousand.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from edge.features.fft import RealFft, make_real_fft, real_spectrum
from edge.features.parts import Mel
from edge.features.spec import FeatureSpec
from edge.inlined import inlined

DEAF = 1e-6  # a filter whose greatest weight is less has its only bin on an edge, and that weight is rounding


class MelPlan(NamedTuple):
    """A mel analysis in the form that the kernel reads, with its workspace: one for each thread."""

    tapers: NDArray[np.float32]  # (windows, span) centred, span even
    fft: RealFft
    first_bin: NDArray[np.uint64]  # (bands,) first bin of each filter, counted from the first bin of the transform
    quads: NDArray[np.int64]  # (bands,) bins of each filter, in fours
    weights: NDArray[np.float32]  # filter after filter, each filled up with zeros to a multiple of four
    work: NDArray[np.float32]  # (2, fft_size)
    bins: NDArray[np.float32]  # (2, bins + 3) spectrum, zeros behind it


def make_mel_plan(spec: FeatureSpec, mel: Mel) -> MelPlan:
    """Tables of an analysis."""
    span = max(mel.windows_samples)
    tapers = np.zeros((len(mel.windows_samples), span + span % 2))
    for row, length in zip(tapers, mel.windows_samples, strict=True):
        shape = taper(mel.taper, length, mel.periodic)
        first = (span - length) // 2
        row[first : first + length] = shape / (shape.sum() / 2) if mel.unit == "sine" else shape
    filters = mel_filters(spec)
    used = [np.flatnonzero(row) for row in filters]
    first, stop = min(bins[0] for bins in used), max(bins[-1] for bins in used) + 1
    quads = np.array([-(-(bins[-1] + 1 - bins[0]) // 4) for bins in used])
    rows = [np.append(row, np.zeros(4))[bins[0] :][: 4 * n] for row, bins, n in zip(filters, used, quads, strict=True)]
    return MelPlan(
        tapers.astype(np.float32),
        make_real_fft(mel.fft_size, int(first), int(stop - first)),
        np.array([bins[0] - first for bins in used], np.uint64),
        quads,
        np.concatenate(rows).astype(np.float32),
        np.zeros((2, mel.fft_size), np.float32),
        np.zeros((2, stop - first + 3), np.float32),
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
    for band in np.flatnonzero(weights.max(axis=1) < DEAF):
        weights[band] = 0.0
        weights[band, np.argmin(np.abs(bins_hz - edges_hz[band + 1]))] = 1.0
    if spec.analysis.norm == "area":
        weights *= (2.0 / (edges_hz[2:] - edges_hz[:-2]))[:, None]
    return weights


def _htk_mel(hz: NDArray[np.float64]) -> NDArray[np.float64]:
    return 2595.0 * np.log10(1.0 + hz / 700.0)


def _htk_hz(mel: NDArray[np.float64]) -> NDArray[np.float64]:
    return 700.0 * (10.0 ** (mel / 2595.0) - 1.0)


def _slaney_mel(hz: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.where(hz < 1000, hz * 3 / 200, 15 + 27 * np.log(np.maximum(hz, 1000) / 1000) / np.log(6.4))


def _slaney_hz(mel: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.where(mel < 15, mel * 200 / 3, 1000 * np.exp((np.maximum(mel, 15) - 15) * np.log(6.4) / 27))


@inlined  # type: ignore[untyped-decorator]
def mel_energies(plan: MelPlan, samples: NDArray[np.float32], energies: NDArray[np.float32]) -> None:
    """Energies of one frame.

    Args:
        plan: the analysis.
        samples: (span,) samples of the frame, span even.
        energies: (windows * bands,) receives the energies, window after window.
    """
    bands, bins = plan.first_bin.shape[0], plan.fft.cos.shape[0]
    re, im = plan.bins[0, :bins], plan.bins[1, :bins]
    for w in range(plan.tapers.shape[0]):
        real_spectrum(plan.fft, samples, plan.tapers[w], plan.work, plan.bins)
        for k in range(bins):
            re[k] = re[k] * re[k] + im[k] * im[k]
        _filter(plan.bins[0], plan.first_bin, plan.quads, plan.weights, energies[w * bands : (w + 1) * bands])


@njit(cache=True)
def _filter(power, first_bin, quads, weights, energies):  # type: ignore[no-untyped-def]
    """Weighted sums of bins, four at a time: filters have 2 to 9, and so short a loop is mostly overhead."""
    one, two, three, four = np.uint64(1), np.uint64(2), np.uint64(3), np.uint64(4)  # unsigned as in `fft.py`
    j = np.uint64(0)
    for m in range(energies.shape[0]):
        energy, k = np.float32(0), first_bin[m]
        for _ in range(quads[m]):
            energy += weights[j] * power[k]
            energy += weights[j + one] * power[k + one]
            energy += weights[j + two] * power[k + two]
            energy += weights[j + three] * power[k + three]
            k += four
            j += four
        energies[m] = energy
