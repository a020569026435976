"""What disturbs lies in the bands, at the times and at the levels that were asked for, and takes nothing away."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from edge.features import FrontEnd
from edge.features.logmel import mel_edges_hz
from training.detector.augment import AugmentSpec, Changes, DeviceSpec, DisturbanceSpec, add_powers, reference
from training.detector.disturbances import Disturbances
from training.detector.hyperparameters import Recipe
from training.frames import extract

SPEC = Recipe().features  # 48 bands from 50 to 2000 Hz, 8 ms, floor -105 dB
BANDS_HZ = mel_edges_hz(SPEC)[1:-1]
NOTHING = DisturbanceSpec(hum=0, noise=0, rubbing=0, clicks=0)
QUIET = np.full((1200, SPEC.width), -80.0, np.float32)
VALID = np.ones(1200, np.bool_)


def _made(**changes: object) -> Disturbances:
    return Disturbances(SPEC, replace(NOTHING, **changes), DeviceSpec(heart=0))  # type: ignore[arg-type]


def _long(levels: NDArray[np.float32]) -> NDArray[np.float32]:
    """The spectrogram of the longest window."""
    return levels[..., : SPEC.bands]


def test_powers_add_as_powers_however_far_apart_they_are() -> None:
    a = np.array([-200.0, -105.0, -60.0, -60.0, 10.0], np.float32)
    b = np.array([-80.0, -105.0, -60.0, -20.0, -200.0], np.float32)
    np.testing.assert_allclose(add_powers(a, b), [-80, -101.9897, -56.9897, -19.99957, 10], atol=1e-4)


def test_the_reference_is_the_breath_and_not_a_hand_on_the_microphone() -> None:
    levels = np.array([[-90.0, -60.0]] * 5 + [[-10.0, -5.0]] * 2 + [[-50.0, -50.0]] * 9, np.float32)
    assert reference(levels, np.arange(16) < 7) == -60.0


def test_another_sound_has_its_peak_so_far_over_the_reference() -> None:
    levels, other = QUIET[:4].copy(), np.linspace(-50, -20, 4, dtype=np.float32)[:, None] + QUIET[:4] * 0
    levels[0] = 0.0  # one loud frame of four
    audible = np.array([True, True, True, False])  # the peak of what is there is -30 dB
    louder = Changes(SPEC, AugmentSpec()).over_reference(other, audible, levels, VALID[:4], 12.0)
    np.testing.assert_allclose(louder[:, 0], [-88, -78, -68, -58], atol=1e-4)


def test_without_anything_drawn_and_without_sound_levels_stay_as_they_are() -> None:
    rng, all_of_it = np.random.default_rng(0), _made(hum=1, noise=1, rubbing=1, clicks=1)
    np.testing.assert_array_equal(_made().add(QUIET, VALID, rng), QUIET)
    np.testing.assert_array_equal(all_of_it.add(QUIET, ~VALID, rng), QUIET)


@pytest.mark.parametrize("kind", ["hum", "noise", "rubbing", "clicks"])
def test_what_is_added_takes_nothing_away_and_leaves_what_it_was_given(kind: str) -> None:
    made, rng, given = _made(**{kind: 1.0}), np.random.default_rng(0), QUIET.copy()
    for _ in range(10):
        levels = made.add(given, VALID, rng)
        assert np.isfinite(levels).all()
        assert levels.min() >= -80.001
        assert levels.max() > -79.9
        np.testing.assert_array_equal(given, QUIET)


def test_hum_is_steady_and_as_a_sine_of_the_mains_is_heard() -> None:
    rng = np.random.default_rng(0)
    for _ in range(8):
        levels = _made(hum=1, hum_db=(10, 10)).add(QUIET, VALID, rng)
        assert np.ptp(levels, axis=0).max() == 0
        assert levels.max() == pytest.approx(-69.6, abs=0.1)  # -80 and -70 dB together
        assert _long(levels)[:, BANDS_HZ > 600].max() < -79.9  # eight harmonics of 60 Hz end at 480 Hz
    sine = extract(np.sin(2 * np.pi * 100 * np.arange(8000) / 8000).astype(np.float32), FrontEnd(SPEC)) * 20 - 75
    np.testing.assert_allclose(_made()._sounds.lines[1], sine.mean(0), atol=0.2)


def test_low_noise_ends_below_500_hz_and_is_as_loud_as_asked() -> None:
    made, rng = _made(noise_low=1.0, noise_changes=0.0), np.random.default_rng(0)
    for _ in range(30):
        mean_db = 10 * np.log10(np.mean(10 ** (_long(made.noise(1200, rng)) / 10), axis=0))
        assert abs(mean_db.max()) < 1
        assert mean_db[BANDS_HZ > 1100].max() < -4  # 6 dB an octave at least
        assert BANDS_HZ[mean_db.argmax()] < 550


def test_noise_scatters_as_white_noise_through_the_front_end_does() -> None:
    white = extract(np.random.default_rng(1).normal(0, 0.1, 80_000).astype(np.float32), FrontEnd(SPEC)) * 20 - 75
    drawn = _made(noise_changes=0.0).noise(1200, np.random.default_rng(0))
    np.testing.assert_allclose(drawn.std(0).mean(), white.std(0).mean(), rtol=0.05)
    np.testing.assert_allclose(np.diff(drawn, axis=0).std(), np.diff(white, axis=0).std(), rtol=0.05)


def test_rubbing_is_short_and_falls_with_frequency() -> None:
    made, rng = _made(), np.random.default_rng(0)
    lengths = []
    for _ in range(60):
        burst = made.burst(rng)
        lengths.append(len(burst) * 0.008)
        mean_db = _long(burst).mean(0)
        assert mean_db[BANDS_HZ > 1500].mean() < mean_db[(BANDS_HZ > 150) & (BANDS_HZ < 250)].mean() - 5
    assert 0.045 < min(lengths) < 0.1
    assert 0.4 < max(lengths) < 0.61


def test_a_click_is_one_instant_in_both_spectrograms() -> None:
    click = _made().click(np.random.default_rng(0))
    assert click.max() == 0
    short = click[:, SPEC.bands :][:, BANDS_HZ > 300].max(1)  # below, the high-pass rings for 10 ms
    loud = np.flatnonzero(short > -20)
    assert len(loud) <= 2
    assert abs(loud.mean() - np.average(np.arange(len(click)), weights=10 ** (_long(click).max(1) / 20))) < 0.6


def test_a_recording_that_is_amplified_shows_noise_where_the_converter_had_cut_it() -> None:
    levels, rng = QUIET.copy(), np.random.default_rng(0)
    levels[:, 40:48] = -105.0
    louder = _made().amplified(levels, 12.0, rng)
    np.testing.assert_allclose(louder[:, :40], -68.0)
    hidden = louder[:, 40:48]
    assert hidden.max() <= -93.0
    assert hidden.std() > 2  # no plateau
    np.testing.assert_allclose(_made().amplified(levels, -12.0, rng), levels - 12)


def test_heart_beats_lie_below_the_breath_and_come_sixty_to_a_hundred_and_eighty_times_a_minute() -> None:
    beating, rng, rates = _made(), np.random.default_rng(0), []
    for _ in range(40):
        levels = _long(beating.heart(1200, rng))
        assert levels[:, BANDS_HZ > 800].max() < levels[:, BANDS_HZ < 200].max() - 25
        loud = levels[:, BANDS_HZ < 200].max(1)
        envelope = loud - loud.mean()
        spectrum = np.abs(np.fft.rfft(envelope * np.hanning(1200), 16384))
        rates.append(60 * np.argmax(spectrum[20:]) / 16384 / 0.008 + 60 * 20 / 16384 / 0.008)
    assert 50 < np.median(rates) < 400
