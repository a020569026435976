"""Wavelet levels against ssqueezepy: its wavelets, its transform, every sample, in float64.

Two distances are kept apart. At the instants of a hop that the front-end looks at, it differs by float32 and by the
1e-4 at which wavelets end. Against the mean over all samples of the hop it differs by what lies between those instants:
little where the modulus is smooth, decibels on the flanks of a click, 20 dB and more below its peak.
"""

from __future__ import annotations

import numpy as np
import pytest
import ssqueezepy
from numpy.typing import NDArray
from scipy import signal

from edge.features import Cwt, FeatureSpec, Log
from edge.features.ring import make_ring
from edge.features.wavelet import cwt_centres_hz, make_cwt_plan
from tests.edge.features.listening import chest_like, listen

AUDIBLE_DB = 40  # below the loudest number: fades of noise included, what a band hears of a distant tone not
INSTANTS_DB = 0.025  # dB, worst: what a wavelet loses at its end, 1e-4 of its peak, against a fade; measured 0.014
INSTANTS_MEDIAN_DB = 3e-4  # dB; measured 1.3e-4
HOP_DB = {"noise": 0.75, "tones": 0.05, "chirp": 0.25, "chest": 1.2}  # dB, worst; measured 0.52, 0.03, 0.17, 0.86
HOP_RARE_DB = 0.5  # dB, one number of a thousand; measured 0.38
HOP_MEDIAN_DB = 0.02  # dB; measured 0.014
CLICK_DB = 0.2  # dB, in the loudest frame of each band; measured 0.146
SINE_DB = 1e-3  # dB; measured 5e-5

WAVELETS = {
    "morlet 6": Cwt(),
    "morlet 4.5": Cwt(omega0=4.5),
    "morlet 20": Cwt(omega0=20),
    "morse 3, 20": Cwt(wavelet="morse"),
    "morse 1, 10": Cwt(wavelet="morse", gamma=1, beta=10),
    "morse 10, 3": Cwt(wavelet="morse", gamma=10, beta=3),
    "morse 6, 100": Cwt(wavelet="morse", gamma=6, beta=100),
}


@pytest.fixture(autouse=True)
def _one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """No thread pool of the oracle outlives it."""
    monkeypatch.setenv("SSQ_PARALLEL", "0")


def oracle(cwt: Cwt) -> tuple[ssqueezepy.Wavelet, float]:
    """The wavelet of ssqueezepy, and its centre in radians for each sample at scale 1."""
    if cwt.wavelet == "morlet":
        return ssqueezepy.Wavelet(("morlet", {"mu": cwt.omega0, "dtype": "float64"})), cwt.omega0
    shape = {"gamma": cwt.gamma, "beta": cwt.beta, "norm": "bandpass", "order": 0, "dtype": "float64"}
    return ssqueezepy.Wavelet(("gmw", shape)), (cwt.beta / cwt.gamma) ** (1 / cwt.gamma)


def modulus(spec: FeatureSpec, sound: NDArray[np.float32]) -> NDArray[np.float64]:
    """(M, N) modulus at every sample: 1 for a full-scale sine at the centre of a band."""
    assert isinstance(spec.analysis, Cwt)
    wavelet, centre = oracle(spec.analysis)
    scales = centre * spec.rate_hz / (2 * np.pi * cwt_centres_hz(spec))
    padded = np.pad(sound.astype(np.float64), (0, (1 << len(sound).bit_length() + 1) - len(sound)))
    transform, _ = ssqueezepy.cwt(padded, wavelet, scales=scales[::-1].copy(), padtype=None, l1_norm=True)
    return 2 * np.abs(transform[::-1, : len(sound)]) / wavelet.fn(np.array([centre]))


def mean_db(
    modulus: NDArray[np.float64], frames: range, hop: int, instants: NDArray[np.int64] | None = None
) -> NDArray[np.float64]:
    """(T, M) levels of the mean over [t * hop, (t + 1) * hop], by trapezoids.

    `instants` are those that each band has in a hop, divisors of it; without, all samples.
    """
    means = np.empty((len(frames), len(modulus)))
    for band, count in enumerate(np.full(len(modulus), hop) if instants is None else instants):
        seen = modulus[band, frames.start * hop : frames.stop * hop + 1 : hop // count]
        means[:, band] = ((seen[1:] + seen[:-1]) / 2).reshape(len(frames), count).mean(axis=1)
    return 20 * np.log10(np.maximum(means, 1e-10))


def sounds(rate_hz: int) -> dict[str, NDArray[np.float32]]:
    """Three seconds each."""
    time = np.arange(3 * rate_hz) / rate_hz
    click = np.zeros(len(time))
    click[len(click) // 2 + 13] = 1
    made = {
        "noise": 0.1 * np.random.default_rng(3).standard_normal(len(time)),
        "tones": 0.5 * np.sin(0.1 * np.pi * rate_hz * time) + 0.1 * np.sin(0.4 * np.pi * rate_hz * time),
        "chirp": 0.5 * signal.chirp(time, 0.01 * rate_hz, time[-1], 0.45 * rate_hz),
        "chest": chest_like(rate_hz, 3),
        "click": click,
    }
    return {name: sound.astype(np.float32) for name, sound in made.items()}


def specs(hop: int) -> list[FeatureSpec]:
    """Centres end where the wavelet does before the Nyquist frequency."""
    tops = {"morlet 4.5": 2000.0, "morse 1, 10": 1000.0, "morse 10, 3": 2000.0}
    return [
        FeatureSpec(8000, hop, 24, 50.0, tops.get(name, 2500.0), cwt, Log(floor=-200)) for name, cwt in WAVELETS.items()
    ]


@pytest.mark.parametrize("name", WAVELETS)
def test_the_spectrum_of_a_wavelet_is_that_of_ssqueezepy(name: str) -> None:
    cwt = WAVELETS[name]
    wavelet, centre = oracle(cwt)
    ratio = np.linspace(0.01, 6, 4000)
    theirs = wavelet.fn(ratio * centre) / wavelet.fn(np.array([centre]))
    correction = np.exp(-(cwt.omega0**2) / 2) if cwt.wavelet == "morlet" else 0  # theirs has a mean of exactly 0
    np.testing.assert_allclose(cwt.spectrum(ratio), theirs, rtol=0, atol=1e-12 + 2 * correction)
    assert not cwt.spectrum(np.array([-1.0, 0.0])).any()


@pytest.mark.parametrize("name", WAVELETS)
def test_a_wavelet_ends_where_that_of_ssqueezepy_has_fallen_to_a_ten_thousandth(name: str) -> None:
    cwt = WAVELETS[name]
    wavelet, centre = oracle(cwt)
    steps, points = 64, 1 << 15  # instants to a period of the centre; 512 periods
    frequency = np.arange(points // 2) * steps / points
    spectrum = np.zeros(points)
    spectrum[1 : points // 2] = wavelet.fn(frequency[1:] * centre)
    shape = np.abs(np.fft.ifft(spectrum))[: points // 2]
    tail = shape[int(cwt.half_periods() * steps) :] / shape[0]
    assert (
        0.9e-4 <= tail.max() <= 1.1e-4 or tail.max() <= 1e-4 < (shape / shape[0])[int(cwt.half_periods() * steps) - 2]
    )


@pytest.mark.parametrize("spec", specs(128), ids=WAVELETS)
def test_levels_are_those_of_ssqueezepy_at_the_instants_that_are_looked_at(spec: FeatureSpec) -> None:
    """A hop of 128 samples has its 8, 16, 32 ... instants on samples."""
    assert isinstance(spec.analysis, Cwt)
    instants = make_cwt_plan(spec, spec.analysis, make_ring(0)).bands[:, 2]
    for name, sound in sounds(8000).items():
        first, levels = listen(spec, sound)
        theirs = mean_db(modulus(spec, sound), range(first, first + len(levels)), 128, instants)
        off = np.abs(levels - theirs)[theirs > theirs.max() - AUDIBLE_DB]
        assert off.max() <= INSTANTS_DB, f"{name}: {off.max():.4f} dB"
        assert np.median(off) <= INSTANTS_MEDIAN_DB, f"{name}: {np.median(off):.2e} dB"


@pytest.mark.parametrize("hop", [100, 250])
@pytest.mark.parametrize("name", WAVELETS)
def test_levels_are_the_mean_modulus_of_ssqueezepy_over_each_hop(name: str, hop: int) -> None:
    spec = specs(hop)[list(WAVELETS).index(name)]
    for kind, sound in sounds(8000).items():
        first, levels = listen(spec, sound)
        theirs = mean_db(modulus(spec, sound), range(first, first + len(levels)), hop)
        off = np.abs(levels - theirs)
        if kind == "click":
            assert off[theirs.argmax(axis=0), np.arange(spec.bands)].max() <= CLICK_DB
            continue
        received = off[theirs > theirs.max() - AUDIBLE_DB]
        assert received.max() <= HOP_DB[kind], f"{kind}: {received.max():.3f} dB"
        assert np.quantile(received, 0.999) <= HOP_RARE_DB, f"{kind}: {np.quantile(received, 0.999):.3f} dB"
        assert np.median(received) <= HOP_MEDIAN_DB, f"{kind}: {np.median(received):.4f} dB"


@pytest.mark.parametrize("name", WAVELETS)
def test_a_full_scale_sine_at_a_centre_from_the_lowest_to_the_highest_has_0_db(name: str) -> None:
    spec = specs(100)[list(WAVELETS).index(name)]
    np.testing.assert_allclose(cwt_centres_hz(spec), np.geomspace(50, spec.high_hz, 24), rtol=1e-12)
    for band in (0, 11, 23):
        hz = cwt_centres_hz(spec)[band]
        sound = np.sin(2 * np.pi * hz * np.arange(12000) / 8000).astype(np.float32)
        _, levels = listen(spec, sound)
        assert np.abs(levels[:, band]).max() <= SINE_DB
