"""PCEN and slopes against librosa; the affine normalisation and the logarithm against arithmetic."""

from __future__ import annotations

from dataclasses import replace

import librosa
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from edge.features import Cwt, FeatureSpec, FrontEnd, Gammatone, Log, Mel, Pcen
from edge.types import Block
from tests.edge.features.listening import chest_like, listen
from tests.edge.features.test_logmel_oracles import librosa_filters, librosa_power

PCEN_ROUNDINGS = 6  # of 6e-8 each, relative to what stands in `check_pcen`; measured at most 2.1 over 300 draws
SLOPE_DB = 2e-5  # dB a frame: sums of levels whose steps are 8e-6 dB (at -100 dB); measured at most 2.5e-6
LEVEL_DB = 1e-4  # dB: levels of -200 dB have steps of 1.5e-5 dB, and two are subtracted; measured at most 1.9e-5

PCENS = {
    "HeAR": Pcen(),
    "librosa": Pcen(s=0.0247, alpha=0.98, delta=2.0, r=0.5, eps=1e-6),  # 0.4 s at 100 frames a second: its defaults
    "a strong root": Pcen(s=0.1, alpha=1.0, delta=10.0, r=0.25, eps=1e-12),
    "no root": Pcen(s=1.0, alpha=0.5, delta=0.01, r=1.0),
}
ANALYSES = {"mel": Mel(), "gammatone": Gammatone(), "morlet": Cwt(), "morse": Cwt(wavelet="morse")}


def energies(spec: FeatureSpec, sound: NDArray[np.float32]) -> NDArray[np.float64]:
    """(T, M) mel energies from librosa, in float64."""
    assert isinstance(spec.analysis, Mel)
    made = (len(sound) - spec.analysis.windows_samples[0]) // spec.hop_samples + 1
    return librosa_power(spec, sound)[:made] @ librosa_filters(spec).T


def librosa_pcen(spec: FeatureSpec, mel: NDArray[np.float64]) -> NDArray[np.float64]:
    """(T, M) librosa's PCEN of energies; `zi` lets its smoother begin at the first of them: M[0] = E[0]."""
    p = spec.compression
    assert isinstance(p, Pcen)
    start = (1 - p.s) * mel[:1].T
    return librosa.pcen(mel.T, gain=p.alpha, bias=p.delta, power=p.r, b=p.s, eps=p.eps, zi=start).T


def pcen_roundings(spec: FeatureSpec, ours: NDArray[np.float32], mel: NDArray[np.float64]) -> float:
    """Largest difference from librosa's, in roundings.

    Ours rounds powers 2^(c log2 x), each log2 x to 6e-8 of itself, and delta^r is subtracted at the end.
    """
    theirs, p = librosa_pcen(spec, mel), spec.compression
    assert isinstance(p, Pcen)
    before = theirs + p.delta**p.r  # what the last subtraction took it from
    exponents = np.abs(np.log2(before)) + p.r * p.alpha * abs(np.log2(p.eps))
    off = np.abs(ours - theirs) / (2.0**-24 * before * (1 + exponents))
    return float(off.max())


@pytest.mark.parametrize("peak", [0.9, 1e-3, 1e-5])
@pytest.mark.parametrize("name", PCENS)
@pytest.mark.rest
def test_pcen_is_that_of_librosa_for_thousands_of_frames(name: str, peak: float) -> None:
    spec = FeatureSpec(compression=PCENS[name])
    sound = chest_like(8000, 40, peak)
    first, levels = listen(spec, sound)
    assert (first, len(levels)) == (0, 3197)
    assert pcen_roundings(spec, levels, energies(spec, sound)) <= PCEN_ROUNDINGS
    if peak == 0.9:
        np.testing.assert_allclose(levels, librosa_pcen(spec, energies(spec, sound)), rtol=2e-6, atol=1e-6)


@settings(deadline=None, max_examples=20)
@given(
    s=st.floats(0.001, 1),
    alpha=st.floats(0, 1),
    delta_log=st.floats(-6, 6),
    r=st.floats(0.05, 1),
    eps_log=st.floats(-20, -2),
    peak_log=st.floats(-6, 0),
)
@pytest.mark.rest
def test_pcen_is_that_of_librosa_whatever_its_constants(
    s: float, alpha: float, delta_log: float, r: float, eps_log: float, peak_log: float
) -> None:
    spec = FeatureSpec(bands=16, compression=Pcen(s, alpha, 10**delta_log, r, 10**eps_log))
    sound = chest_like(8000, 3, 10**peak_log)
    assert pcen_roundings(spec, listen(spec, sound)[1], energies(spec, sound)) <= PCEN_ROUNDINGS


@pytest.mark.parametrize("jump", [True, False])
@pytest.mark.rest
def test_pcen_starts_anew_after_a_gap_as_librosa_would(jump: bool) -> None:
    """Samples that never came, or came invalid: the first frame that touches none of them starts the smoother."""
    spec, lost = FeatureSpec(compression=Pcen(s=0.02)), slice(20050, 21333)
    sound, front_end = chest_like(8000, 6), FrontEnd(FeatureSpec(compression=Pcen(s=0.02)))
    valid = np.ones(len(sound), np.bool_)
    valid[lost] = False
    pieces = (slice(0, lost.start), slice(lost.stop, len(sound))) if jump else (slice(0, len(sound)),)
    frames = [f for p in pieces for f in front_end.push(Block(p.start, sound[p], valid[p]))]
    t = np.concatenate([f.start + np.flatnonzero(f.valid) for f in frames])
    ours = np.concatenate([f.values[f.valid] for f in frames])
    mel = energies(spec, sound)
    last, first = (lost.start - 400) // 100, -(-lost.stop // 100)
    assert t.tolist() == [*range(last + 1), *range(first, len(mel))]
    assert pcen_roundings(spec, ours[: last + 1], mel[: last + 1]) <= PCEN_ROUNDINGS
    assert pcen_roundings(spec, ours[last + 1 :], mel[first:]) <= PCEN_ROUNDINGS


@pytest.mark.parametrize("name", ANALYSES)
@pytest.mark.parametrize("reach", [1, 2, 4])
@pytest.mark.rest
def test_slopes_are_those_of_librosa_and_slopes_of_slopes_theirs_twice(name: str, reach: int) -> None:
    spec = FeatureSpec(bands=20, low_hz=100, analysis=ANALYSES[name])
    sound = chest_like(8000, 3)
    start, levels = listen(spec, sound)
    slopes = librosa.feature.delta(levels.astype(np.float64), width=2 * reach + 1, order=1, axis=0)
    twice = librosa.feature.delta(slopes, width=2 * reach + 1, order=1, axis=0)
    for deltas, parts in ((1, (levels, slopes)), (2, (levels, slopes, twice))):
        first, frames = listen(replace(spec, deltas=deltas, delta_frames=reach), sound)
        edge = deltas * reach  # frames at either end that lack neighbours, which librosa extrapolates
        assert (first, len(frames)) == (start + edge, len(levels) - 2 * edge)
        theirs = np.concatenate(parts, axis=1)[edge:-edge]
        np.testing.assert_array_equal(frames[:, :20], levels[edge:-edge])
        assert np.abs(frames - theirs).max() <= SLOPE_DB


@pytest.mark.parametrize("deltas", [0, 2])
@pytest.mark.parametrize("compression", [Log(), Log(unit="ln", floor=-20), Pcen()])
def test_every_number_of_a_frame_has_its_own_offset_and_scale(deltas: int, compression: Log | Pcen) -> None:
    plain = FeatureSpec(bands=8, compression=compression, deltas=deltas, analysis=Mel((400, 100)))
    rng = np.random.default_rng(5)
    offset, scale = rng.uniform(-80, 20, plain.width), rng.uniform(0.5, 30, plain.width)
    sound = chest_like(8000, 2)
    _, values = listen(plain, sound)
    _, ours = listen(replace(plain, offset=tuple(offset), scale=tuple(scale)), sound)
    np.testing.assert_allclose(ours, (values - offset) / scale, rtol=3e-7, atol=1e-5)  # atol: of numbers up to 200


@settings(deadline=None, max_examples=24)
@given(halvings=st.integers(1, 24), name=st.sampled_from(sorted(ANALYSES)))
def test_half_the_sound_is_six_db_less_down_to_the_floor(halvings: int, name: str) -> None:
    spec = FeatureSpec(bands=24, analysis=ANALYSES[name], compression=Log(floor=-300))
    sound = chest_like(8000, 2)
    _, loud = listen(spec, sound)
    _, soft = listen(spec, sound * np.float32(0.5) ** halvings)
    assert np.abs(loud - soft - halvings * 20 * np.log10(2)).max() <= LEVEL_DB
    _, floored = listen(replace(spec, compression=Log(floor=-60)), sound * np.float32(0.5) ** halvings)
    np.testing.assert_array_equal(floored, np.maximum(soft, np.float32(-60)))


@pytest.mark.parametrize("name", ANALYSES)
@pytest.mark.parametrize("unit", ["db", "ln"])
def test_silence_is_at_the_floor(name: str, unit: str) -> None:
    spec = FeatureSpec(bands=24, analysis=ANALYSES[name], compression=Log(unit, -70.0))
    np.testing.assert_array_equal(listen(spec, np.zeros(9000, np.float32))[1], np.float32(-70))
