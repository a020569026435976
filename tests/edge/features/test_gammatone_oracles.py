"""Gammatone envelopes against the same cascade in float64, against SciPy's filter and the `gammatone` package.

The cascade of complex one-pole filters is all-pole; SciPy and the package have Slaney's filters, whose real zeros lift
or lower the flanks, most where a filter is as wide as its centre is high. All have the same gain at the centre.
"""

from __future__ import annotations

import numpy as np
import pytest
from gammatone import filters as toolkit
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import signal

from edge.features import FeatureSpec, Gammatone, Log
from edge.features.gammatone import gammatone_centres_hz
from tests.edge.features.listening import chest_like, listen

CASCADE_DB = 3e-4  # dB, of 6e-8 in each of the 20 to 200 samples that a filter remembers; measured 1.1e-4
LOUDEST_DB = 5e-6  # dB for each amplitude that the band's loudest frame is above this one; measured 1.7e-6
MEDIAN_DB = 1e-4  # dB; measured 7.6e-6, and 4.2e-5 at 47 Hz with a hop of one sample
CENTRE_DB = 5e-4  # dB at the centre: a low filter hears the sine's negative frequency too, as a ripple; measured 1.1e-4
SCIPY_DB = 5e-3  # dB more for SciPy: what its direct form loses at 50 Hz; measured 2.1e-3
FLANK_DB = {0.5: 0.25, 1.0: 0.15, 2.0: 0.25}  # dB by distance, ERB: Slaney's zeros; measured 0.154, 0.061, 0.152
ENVELOPE_DB = 0.05  # dB, of the energy of bands of noise: the flanks, weighted; measured 0.016


def erb_hz(centre_hz: NDArray[np.float64]) -> NDArray[np.float64]:
    """Equivalent rectangular bandwidth, by definition of Glasberg & Moore."""
    return 24.7 * (4.37 * centre_hz / 1000 + 1)


def cascade(spec: FeatureSpec, sound: NDArray[np.float32]) -> NDArray[np.float64]:
    """(T, M) levels, dB, of four complex one-pole filters in a row, in float64; frame 0 first."""
    assert isinstance(spec.analysis, Gammatone)
    hops = len(sound) // spec.hop_samples
    out = np.empty((hops, spec.bands))
    for band, centre_hz in enumerate(toolkit_centres_hz(spec)):
        width_hz = spec.analysis.bandwidth * toolkit_erb_hz(spec.rate_hz, centre_hz)
        pole = np.exp(2 * np.pi * (1j * centre_hz - width_hz) / spec.rate_hz)
        z = 2 * sound.astype(np.complex128)
        for _ in range(4):
            z = signal.lfilter([1 - abs(pole)], [1, -pole], z)
        envelope = np.abs(z[: hops * spec.hop_samples]).reshape(hops, spec.hop_samples)
        out[:, band] = 20 * np.log10(envelope.mean(axis=1))
    return out


def toolkit_centres_hz(spec: FeatureSpec) -> NDArray[np.float64]:
    """(M,) centres from the package."""
    fractions = np.linspace(1, 0, spec.bands) if spec.bands > 1 else np.ones(1)
    return toolkit.erb_point(spec.low_hz, spec.high_hz, fractions)


def toolkit_erb_hz(rate_hz: int, centre_hz: float) -> float:
    """The bandwidth that the package builds a filter from, read from the radius of its poles, exp(-B / rate)."""
    radius_squared = toolkit.make_erb_filters(rate_hz, np.array([centre_hz]))[0, 8]
    return float(-np.log(radius_squared) / 2 * rate_hz / (1.019 * 2 * np.pi))


def toolkit_gain_db(rate_hz: int, centre_hz: float, hz: float) -> float:
    """Response of the package's filter: four second-order sections, one gain."""
    row = toolkit.make_erb_filters(rate_hz, np.array([centre_hz]))[0]
    sections = [signal.freqz([row[0], zero, row[5]], row[6:9], worN=[hz], fs=rate_hz)[1][0] for zero in row[1:5]]
    return float(20 * np.log10(abs(np.prod(sections)) / row[9]))


def scipy_gain_db(rate_hz: int, centre_hz: float, hz: float) -> float:
    """Response of SciPy's filter of order 4."""
    b, a = signal.gammatone(centre_hz, "iir", fs=rate_hz)
    return float(20 * np.log10(abs(signal.freqz(b, a, worN=[hz], fs=rate_hz)[1][0])))


def steady_db(spec: FeatureSpec, hz: float) -> NDArray[np.float64]:
    """(M,) levels of a full-scale sine, long after it began."""
    time = np.arange(spec.history_samples + spec.rate_hz) / spec.rate_hz
    _, levels = listen(spec, np.sin(2 * np.pi * hz * time + 1).astype(np.float32))
    return levels[len(levels) // 2 :].mean(axis=0, dtype=np.float64)


@pytest.mark.parametrize("low_hz", [1.0, 50.0, 300.0])
@pytest.mark.parametrize("bands", [1, 2, 64])
def test_centres_and_bandwidths_are_those_of_the_gammatone_package(low_hz: float, bands: int) -> None:
    spec = FeatureSpec(low_hz=low_hz, bands=bands, analysis=Gammatone())
    centres_hz = gammatone_centres_hz(spec)
    np.testing.assert_allclose(centres_hz, toolkit_centres_hz(spec), rtol=1e-12)
    if bands > 1:  # the package's own space leaves out the upper end
        np.testing.assert_allclose(centres_hz[:-1], toolkit.erb_space(low_hz, 2500.0, bands - 1)[::-1], rtol=1e-12)
    widths_hz = [toolkit_erb_hz(8000, hz) for hz in centres_hz]
    np.testing.assert_allclose(widths_hz, erb_hz(centres_hz), rtol=1e-3)  # 9.26449 and 24.7, 4.37: rounded separately


@pytest.mark.parametrize("peak", [0.9, 1e-4])
@pytest.mark.parametrize(
    ("rate_hz", "hop", "bands", "low_hz", "high_hz", "bandwidth"),
    [
        (8000, 100, 64, 50.0, 2500.0, 1.019),
        (8000, 1, 3, 50.0, 2500.0, 1.019),
        (8000, 63, 65, 50.0, 3900.0, 2.0),
        (16000, 160, 40, 80.0, 7900.0, 1.019),
        (4000, 37, 130, 20.0, 1950.0, 0.7),
        (44100, 441, 24, 100.0, 16000.0, 1.5),
    ],
)
def test_envelopes_are_those_of_the_cascade_in_float64(
    rate_hz: int, hop: int, bands: int, low_hz: float, high_hz: float, bandwidth: float, peak: float
) -> None:
    spec = FeatureSpec(rate_hz, hop, bands, low_hz, high_hz, Gammatone(bandwidth), Log(floor=-300))
    assert off_the_cascade(spec, peak) <= 1


@settings(deadline=None, max_examples=20)
@given(
    rate_hz=st.sampled_from((2000, 4000, 8000, 16000)),
    hop=st.integers(1, 300),
    bands=st.integers(1, 70),
    low=st.floats(0.01, 0.4),
    span=st.floats(0.05, 0.6),
    bandwidth=st.floats(0.7, 4),
)
def test_envelopes_are_those_of_the_cascade_whatever_the_spec(
    rate_hz: int, hop: int, bands: int, low: float, span: float, bandwidth: float
) -> None:
    edges_hz = low * rate_hz / 2, (low + span) * rate_hz / 2
    spec = FeatureSpec(rate_hz, hop, bands, *edges_hz, Gammatone(bandwidth), Log(floor=-300))
    assert off_the_cascade(spec, 0.5) <= 1


def off_the_cascade(spec: FeatureSpec, peak: float) -> float:
    """Largest difference from the cascade in float64, as a share of what is allowed."""
    sound = chest_like(spec.rate_hz, 2, peak)
    first, levels = listen(spec, sound)
    theirs = cascade(spec, sound)
    assert first * spec.hop_samples == spec.history_samples
    assert first + len(levels) == len(theirs)
    off, above_db = np.abs(levels - theirs[first:]), theirs.max(axis=0) - theirs[first:]
    assert np.median(off) <= MEDIAN_DB
    return float((off / (CASCADE_DB + LOUDEST_DB * 10 ** (above_db / 20))).max())


@pytest.mark.parametrize(("rate_hz", "low_hz", "high_hz"), [(8000, 50.0, 2500.0), (16000, 200.0, 5000.0)])
def test_a_steady_tone_is_as_loud_as_in_the_filters_of_scipy_and_the_package(
    rate_hz: int, low_hz: float, high_hz: float
) -> None:
    """SciPy's one direct form of order 8 loses its digits for low centres at high rates (16.9 dB at 44.1 kHz)."""
    spec = FeatureSpec(rate_hz, rate_hz // 80, 7, low_hz, high_hz, Gammatone(), Log(floor=-200))
    for band, centre_hz in enumerate(gammatone_centres_hz(spec)):
        for erbs in (-2, -1, -0.5, 0, 0.5, 1, 2):
            hz = centre_hz + erbs * float(erb_hz(centre_hz))
            if hz < 20:
                continue
            within = FLANK_DB[abs(erbs)] if erbs else CENTRE_DB
            ours_db = steady_db(spec, hz)[band]
            assert abs(ours_db - toolkit_gain_db(rate_hz, centre_hz, hz)) <= within, (centre_hz, erbs)
            assert abs(ours_db - scipy_gain_db(rate_hz, centre_hz, hz)) <= within + SCIPY_DB, (centre_hz, erbs)


def test_bands_of_noise_are_as_loud_as_in_the_package() -> None:
    """Mean energies over 20 s: a real filter's output holds half the square of its envelope."""
    spec = FeatureSpec(bands=24, analysis=Gammatone(), compression=Log(floor=-200))
    noise = (0.1 * np.random.default_rng(7).standard_normal(160_000)).astype(np.float32)
    first, levels = listen(spec, noise)
    coefficients = toolkit.make_erb_filters(8000, gammatone_centres_hz(spec))
    outputs = toolkit.erb_filterbank(noise.astype(np.float64), coefficients)
    envelopes = np.abs(signal.hilbert(outputs, axis=1))[:, first * 100 :].reshape(24, -1, 100).mean(axis=2)
    theirs_db = 10 * np.log10((envelopes**2).mean(axis=1))
    ours_db = 10 * np.log10((10 ** (levels / 10)).mean(axis=0))
    assert np.abs(ours_db - theirs_db).max() <= ENVELOPE_DB
