"""Mel energies, levels and PCEN against kaldi-native-fbank and librosa, number by number.

A filter narrower than a bin of the transform is empty for both oracles; ours takes the nearest bin. Everything else is
compared, every frame and every band.
"""

from __future__ import annotations

import warnings

import kaldi_native_fbank as knf
import librosa
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from edge.features import FeatureSpec, Log, Mel
from edge.features.logmel import taper
from tests.edge.features.listening import chest_like, listen

KALDI_GAIN = (
    2.0**24
)  # Kaldi raises energies to 1.2e-7 before the logarithm, whatever its floor: it hears the sound louder
KALDI_LN = 8e-4  # ln units (0.0035 dB): both sides, and Kaldi's filters, are float32; measured at most 3.9e-4
LIBROSA_DB = 2e-4  # dB, once more what float32 rounds: a level of -100 dB has steps of 8e-6, and a few are added up
LOUDEST_DB = 2e-6  # dB for each amplitude that the frame's loudest bin is above the band: 4 roundings; measured 3.1e-7
MEDIAN_DB = 4e-5  # dB: a level of -100 dB has steps of 8e-6; measured at most 1.4e-5 (Kaldi) and 4.5e-6 (librosa)
KALDI_LEAST = np.log(1.2e-7) - 2 * np.log(KALDI_GAIN) + 0.1  # ln units: what is not above it is Kaldi's smallest number
EMPTY = 1e-6  # of the peak of a filter: one whose only bin is its own edge weighs 0, or 1e-14 when the edge is rounded

GRIDS = {  # rate, Hz; window, hop and transform, samples; bands; edges, Hz
    "8 kHz, the default": (8000, 400, 100, 512, 64, 50.0, 2500.0),
    "16 kHz, 80 bands": (16000, 400, 160, 512, 80, 20.0, 8000.0),
    "16 kHz, 128 bands": (16000, 400, 160, 512, 128, 50.0, 8000.0),
    "4 kHz, window as long as the transform": (4000, 256, 40, 256, 23, 20.0, 1800.0),
    "44.1 kHz": (44100, 1102, 441, 2048, 40, 100.0, 20000.0),
    "8 kHz, from 0 Hz to Nyquist": (8000, 200, 80, 256, 24, 0.0, 4000.0),
}
HALVES = (60, 125, 128, 150, 256, 360, 500)  # of transforms, products of 2, 3 and 5
TAPERS = {
    "hann": ("hann", True),
    "hanning": ("hann", False),
    "hamming": ("hamming", False),
    "blackman": ("blackman", False),
    "povey": ("povey", False),
}
"""Kaldi's names: `hann` is periodic there, `hanning` symmetric."""


def kaldi_levels(spec: FeatureSpec, name: str, sound: NDArray[np.float32]) -> NDArray[np.float64]:
    """(T, M) ln of Kaldi's mel energies of a sound, full scale = 1.0."""
    assert isinstance(spec.analysis, Mel)
    options = knf.FbankOptions()
    frame, mel = options.frame_opts, options.mel_opts
    frame.samp_freq, frame.window_type = spec.rate_hz, name
    frame.frame_length_ms = 1000 * spec.analysis.windows_samples[0] / spec.rate_hz
    frame.frame_shift_ms = 1000 * spec.hop_samples / spec.rate_hz
    frame.dither, frame.preemph_coeff, frame.remove_dc_offset, frame.snip_edges = 0.0, 0.0, False, True
    mel.num_bins, mel.low_freq, mel.high_freq = spec.bands, spec.low_hz, spec.high_hz
    options.use_energy, options.energy_floor = False, 0.0
    bank = knf.OnlineFbank(options)
    bank.accept_waveform(spec.rate_hz, (sound * np.float32(KALDI_GAIN)).tolist())
    bank.input_finished()
    rows = np.stack([bank.get_frame(t) for t in range(bank.num_frames_ready)])
    return rows.astype(np.float64) - 2 * np.log(KALDI_GAIN)


def kaldi_spec(grid: str, name: str) -> FeatureSpec:
    rate, window, hop, fft, bands, low, high = GRIDS[grid]
    shape, periodic = TAPERS[name]
    mel = Mel((window,), taper=shape, periodic=periodic, unit="none", fft_size=fft, scale="kaldi")
    return FeatureSpec(rate, hop, bands, low, high, mel, Log(unit="ln", floor=-85))


def librosa_power(spec: FeatureSpec, sound: NDArray[np.float32]) -> NDArray[np.float64]:
    """(T, F) librosa's power spectra in float64; T may be larger than ours by what the padding adds.

    librosa centres a window in its transform and begins a frame where the transform begins, ours where the window does.
    """
    mel = spec.analysis
    assert isinstance(mel, Mel)
    size, window = mel.fft_size, mel.windows_samples[0]
    padded = np.pad(sound.astype(np.float64), ((size - window) // 2, size - window - (size - window) // 2))
    spectra = librosa.stft(
        padded, n_fft=size, hop_length=spec.hop_samples, win_length=window, window=mel.taper, center=False
    )
    full_scale = taper(mel.taper, window, True).sum() / 2 if mel.unit == "sine" else 1.0
    return np.abs(spectra.T) ** 2 / full_scale**2


def librosa_filters(spec: FeatureSpec) -> NDArray[np.float64]:
    """(M, F) librosa's mel filters."""
    mel = spec.analysis
    assert isinstance(mel, Mel)
    norm = "slaney" if mel.norm == "area" else None
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Empty filters detected", UserWarning)
        return librosa.filters.mel(
            sr=spec.rate_hz,
            n_fft=mel.fft_size,
            n_mels=spec.bands,
            fmin=spec.low_hz,
            fmax=spec.high_hz,
            htk=mel.scale == "htk",
            norm=norm,
            dtype=np.float64,
        )


def off_librosa(spec: FeatureSpec, peak: float) -> float:
    """Largest difference from librosa in the bands that it hears, as a share of what is allowed."""
    sound = chest_like(spec.rate_hz, 1.5, peak)
    first, levels = listen(spec, sound)
    assert first == 0
    power, filters = librosa_power(spec, sound)[: len(levels)], librosa_filters(spec)
    valid = filters.max(axis=1) > EMPTY * filters.max()
    theirs = librosa.power_to_db(power @ filters.T, amin=1e-37, top_db=None)[:, valid]
    if not valid.any():
        return 0.0
    off = np.abs(levels[:, valid] - theirs)
    below = power.max(axis=1, keepdims=True) / (power @ filters.T / filters.max(axis=1, initial=1e-30))[:, valid]
    assert np.median(off) <= MEDIAN_DB
    return float((off / (LIBROSA_DB + LOUDEST_DB * np.sqrt(below))).max())


@pytest.mark.parametrize("grid", GRIDS)
@pytest.mark.parametrize("name", TAPERS)
def test_log_mel_is_that_of_kaldi_frame_by_frame(grid: str, name: str) -> None:
    spec = kaldi_spec(grid, name)
    for peak in (0.5, 1e-4, 1e-6):  # 1e-4 is -80 dB
        sound = chest_like(spec.rate_hz, 1.5, peak)
        first, levels = listen(spec, sound)
        theirs = kaldi_levels(spec, name, sound)
        assert (first, levels.shape) == (0, theirs.shape)
        valid = theirs.max(axis=0) > KALDI_LEAST
        off = np.abs(levels - theirs)[:, valid]
        assert off.max() <= KALDI_LN, f"peak {peak:g}: {off.max():.2e} ln"
        assert np.median(off) * 10 / np.log(10) <= MEDIAN_DB
        assert valid.sum() >= spec.bands - 1, "one band of 128 is narrower than a bin"


@pytest.mark.rest
def test_a_band_that_is_empty_for_kaldi_and_librosa_takes_the_bin_nearest_its_centre() -> None:
    spec = kaldi_spec("16 kHz, 128 bands", "povey")
    sound = chest_like(spec.rate_hz, 1.5)
    deaf = np.flatnonzero(np.ptp(kaldi_levels(spec, "povey", sound), axis=0) == 0)
    _, levels = listen(spec, sound)
    assert deaf.tolist() == [3]
    assert np.ptp(levels[:, 3]) > 10, "ln units between its loudest and softest frame"
    as_librosa = FeatureSpec(8000, 100, 128, 0.0, 1000.0, Mel(), Log(floor=-300))
    sound = chest_like(8000, 1.5)
    empty = librosa_filters(as_librosa).max(axis=1) == 0
    _, levels = listen(as_librosa, sound)
    assert empty.any()
    assert (np.ptp(levels[:, empty], axis=0) > 10).all(), "dB"


@pytest.mark.parametrize("scale", ["htk", "slaney"])
@pytest.mark.parametrize("norm", ["peak", "area"])
@pytest.mark.parametrize(
    "grid",
    [  # as above
        (8000, 400, 100, 512, 64, 50.0, 2500.0),
        (8000, 400, 100, 400, 64, 50.0, 2500.0),
        (16000, 480, 160, 480, 80, 0.0, 8000.0),
        (16000, 1024, 320, 1024, 128, 50.0, 8000.0),
        (22050, 2048, 512, 2048, 128, 0.0, 11025.0),
        (4000, 256, 64, 256, 32, 50.0, 2000.0),
        (16000, 401, 160, 1000, 40, 30.0, 7600.0),
    ],
)
@pytest.mark.rest
def test_log_mel_is_that_of_librosa(grid: tuple[int, int, int, int, int, float, float], norm: str, scale: str) -> None:
    rate, window, hop, fft, bands, low, high = grid
    for unit, peak in (("none", 0.5), ("sine", 0.5), ("sine", 1e-5)):
        mel = Mel((window,), unit=unit, fft_size=fft, scale=scale, norm=norm)
        assert 0 < off_librosa(FeatureSpec(rate, hop, bands, low, high, mel, Log(floor=-300)), peak) <= 1


@st.composite
def specs(draw: st.DrawFn) -> FeatureSpec:
    """Any mel front-end with one window."""
    rate, fft = draw(st.sampled_from((2000, 4000, 8000, 11025, 16000, 24000))), 2 * draw(st.sampled_from(HALVES))
    window = draw(st.integers(fft // 4, fft))
    edges = sorted((draw(st.floats(0, 0.8)), draw(st.floats(0, 0.8))))
    mel = Mel(
        (window,),
        draw(st.sampled_from(("hann", "hamming", "blackman", "boxcar"))),
        unit="none",
        fft_size=fft,
        scale=draw(st.sampled_from(("htk", "slaney"))),
        norm=draw(st.sampled_from(("peak", "area"))),
    )
    low, high = edges[0] * rate / 2, (edges[1] + 0.2) * rate / 2
    return FeatureSpec(
        rate, draw(st.integers(8, 2 * window)), draw(st.integers(1, 40)), low, high, mel, Log(floor=-300)
    )


@settings(deadline=None, max_examples=40)
@given(specs())
@pytest.mark.rest
def test_log_mel_is_that_of_librosa_whatever_the_spec(spec: FeatureSpec) -> None:
    assert off_librosa(spec, 0.5) <= 1
