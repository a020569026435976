"""Synthetic sound states physics: each sound has the pitch, length and shape that the literature gives it."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from edge.sources.file_search import DEMO_AUDIO, DEMO_TRUTH
from training.synthetic.adventitious import (
    WIDTHS_MS,
    coarse_crackle,
    crackle_times,
    crackle_wave,
    fine_crackle,
    rhonchus,
    stridor,
    wheeze,
)
from training.synthetic.breath import Sound, breath_phases, breath_sound
from training.synthetic.demo import demo_recording
from training.synthetic.disturbances import babble, heart_sound, hum, knock, rubbing
from training.synthetic.patient import Patient

RATE_HZ = 8000.0
STEP = 1.0 / 32768.0  # of 16 bits
TIMES_AGREE_S = 2e-4  # the truth is rounded to 0.1 ms


def rng(seed: int = 0) -> np.random.Generator:
    """A generator of its own for each test."""
    return np.random.default_rng(seed)


def power(samples: NDArray[np.float32]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(F,) frequencies in Hz and (F,) power of a whole sound."""
    return np.fft.rfftfreq(len(samples), 1 / RATE_HZ), np.abs(np.fft.rfft(samples * np.hanning(len(samples)))) ** 2


def band_db(samples: NDArray[np.float32], low_hz: float, high_hz: float) -> float:
    """Mean power per bin in a band, dB."""
    hz, p = power(samples)
    return float(10 * np.log10(p[(hz >= low_hz) & (hz < high_hz)].mean()))


def top_hz(samples: NDArray[np.float32]) -> float:
    """Frequency of the strongest bin."""
    hz, p = power(samples)
    return float(hz[np.argmax(p)])


def test_breath_noise_falls_by_12_to_18_db_per_octave_above_its_knee() -> None:
    for seed in range(8):
        samples, _ = breath_sound(30.0, RATE_HZ, rng(seed))
        fall = band_db(samples, 700, 800) - band_db(samples, 1400, 1600)
        assert 10.0 < fall < 20.0  # 12 dB less what the knee still takes


def test_inspiration_is_louder_than_expiration_and_both_than_the_pause() -> None:
    for seed in range(8):
        phases = breath_phases(60.0, rng(seed), cycles_per_min=15.0)
        samples, sounds = breath_sound(60.0, RATE_HZ, rng(seed), phases)
        assert sounds == [phase for phase, _ in phases]
        level = {True: 0.0, False: 0.0}
        pause = np.ones(len(samples), np.bool_)
        for phase, inspiration in phases:
            part = slice(round(phase.onset_s * RATE_HZ), round(phase.end_s * RATE_HZ))
            pause[part] = False
            level[inspiration] += float(np.mean(samples[part] ** 2))
        assert level[True] > 1.5 * level[False] > 0.0
        assert not samples[pause].any()


def test_breathing_rate_is_the_one_asked_for() -> None:
    inspirations = [phase for phase, inward in breath_phases(120.0, rng(), cycles_per_min=30.0) if inward]
    assert 56 <= len(inspirations) <= 64
    for before, after in pairwise(breath_phases(120.0, rng(), cycles_per_min=30.0)):
        assert before[0].end_s <= after[0].onset_s


@pytest.mark.parametrize("f0_hz", [100.0, 250.0, 400.0, 1000.0])
def test_a_wheeze_is_a_tone_near_its_fundamental_with_up_to_four_harmonics(f0_hz: float) -> None:
    for seed in range(5):
        samples = wheeze(0.6, RATE_HZ, rng(seed), f0_hz)
        assert len(samples) == 4800
        assert 0.7 * f0_hz < top_hz(samples) < 1.4 * f0_hz
        hz, p = power(samples)
        assert p[(hz > 0.6 * f0_hz) & (hz < 6.0 * f0_hz)].sum() > 0.99 * p.sum()


def test_a_wheeze_begins_and_ends_softly_and_peaks_at_one() -> None:
    samples = wheeze(0.5, RATE_HZ, rng())
    assert np.abs(samples).max() == pytest.approx(1.0)
    assert np.abs(samples[:16]).max() < 0.1  # 2 ms
    assert np.abs(samples[-16:]).max() < 0.1


def test_a_rhonchus_is_low_and_rich_in_harmonics() -> None:
    for seed in range(8):
        samples = rhonchus(0.8, RATE_HZ, rng(seed), 120.0)
        assert top_hz(samples) < 200.0
        around = [band_db(samples, k * 120 - 25, k * 120 + 25) for k in (1, 2, 3)]
        assert around[0] > around[1] > around[2] > band_db(samples, 2000, 3000) + 30.0


def test_a_stridor_is_higher_and_harsher_than_a_wheeze() -> None:
    for seed in range(8):
        assert 250.0 < top_hz(stridor(1.0, RATE_HZ, rng(seed))) < 1300.0
    noise_of = [
        band_db(sound(1.0, RATE_HZ, rng(3), 500.0), 560, 700) - band_db(sound(1.0, RATE_HZ, rng(3), 500.0), 400, 600)
        for sound in (wheeze, stridor)
    ]
    assert noise_of[1] > noise_of[0]


def zero_crossings(samples: NDArray[np.float64]) -> NDArray[np.int64]:
    """Where the sign changes."""
    return np.flatnonzero(np.diff(np.sign(samples)) != 0)


@pytest.mark.parametrize("label", ["fine_crackle", "coarse_crackle"])
def test_a_crackle_has_the_published_deflection_width_and_two_cycle_duration(label: str) -> None:
    deflection_s, two_cycle_s = (width / 1000 for width in WIDTHS_MS[label])
    at_s = np.linspace(1e-6, two_cycle_s * 1.5, 100_001)
    wave = crackle_wave(at_s, deflection_s, two_cycle_s)
    crossings_s = at_s[zero_crossings(wave[at_s < two_cycle_s * 0.999])]
    assert crossings_s[0] == pytest.approx(deflection_s, abs=1e-6)
    assert len(crossings_s) == 3  # and the fourth is the end: two cycles
    assert not wave[at_s >= two_cycle_s].any()
    assert np.abs(crackle_wave(np.array([-0.001, 0.0]), deflection_s, two_cycle_s)).max() == 0.0


def test_a_crackle_may_begin_between_two_samples() -> None:
    early, late = fine_crackle(192_000.0), fine_crackle(192_000.0, None, 0.4 / 192_000.0)
    assert np.argmax(np.abs(early)) == pytest.approx(np.argmax(np.abs(late)), abs=1)
    assert not np.array_equal(early, late[: len(early)])
    assert len(coarse_crackle(RATE_HZ)) > len(fine_crackle(RATE_HZ))


def test_fine_crackles_are_many_and_late_coarse_ones_fewer_and_early() -> None:
    phase = Sound("breath", 2.0, 3.0)
    fine = [crackle_times("fine_crackle", phase, True, rng(seed)) for seed in range(50)]
    coarse = [crackle_times("coarse_crackle", phase, True, rng(seed)) for seed in range(50)]
    assert np.concatenate(fine).mean() > 2.55 > 2.5 > np.concatenate(coarse).mean()
    assert sum(map(len, fine)) > 1.3 * sum(map(len, coarse))
    for times_s in fine + coarse:
        assert (np.diff(times_s) > 0.005).all()
        assert 2.0 <= times_s[0] <= times_s[-1] <= 3.0


def test_a_heart_beats_low_and_at_its_rate() -> None:
    samples = heart_sound(20.0, RATE_HZ, rng(), beats_per_min=90.0)
    hz, p = power(samples)
    assert p[(hz > 20) & (hz < 250)].sum() > 0.95 * p.sum()
    envelope = np.convolve(np.abs(samples), np.ones(400) / 400, "same")[::80]  # 100 Hz
    envelope -= envelope.mean()
    likeness = np.correlate(envelope, envelope, "full")[len(envelope) - 1 :]
    assert 55 <= 55 + int(np.argmax(likeness[55:90])) <= 78  # a beat of 0.667 s, give or take its variation


@pytest.mark.parametrize("mains_hz", [50.0, 60.0])
def test_hum_is_mains_and_its_harmonics_and_nothing_else(mains_hz: float) -> None:
    hz, p = power(hum(2.0, RATE_HZ, rng(), mains_hz))
    near = np.abs(hz / mains_hz - np.rint(hz / mains_hz)) * mains_hz < 2.0
    assert p[near].sum() > 0.9999 * p.sum()


@pytest.mark.parametrize(
    "draw",
    [
        lambda r: rubbing(1.0, RATE_HZ, r),
        lambda r: knock(RATE_HZ, r),
        lambda r: babble(1.0, RATE_HZ, r),
        lambda r: heart_sound(1.0, RATE_HZ, r),
        lambda r: hum(1.0, RATE_HZ, r),
        lambda r: rhonchus(0.5, RATE_HZ, r),
        lambda r: stridor(0.5, RATE_HZ, r),
    ],
)
def test_placed_sounds_peak_at_one_and_the_seed_decides(draw: Callable[[np.random.Generator], np.ndarray]) -> None:
    samples = draw(rng(5))
    assert samples.dtype == np.float32
    assert np.abs(samples).max() == pytest.approx(1.0)
    np.testing.assert_array_equal(samples, draw(rng(5)))
    assert not np.array_equal(samples, draw(rng(6)))


def test_a_recorded_crackle_lies_where_the_truth_says() -> None:
    patient = Patient(3.0, RATE_HZ, rng(1), cycles_per_min=20.0)
    patient.samples[:] = 0.0
    patient.add_crackles("fine_crackle", Sound("breath", 1.0, 2.0), True, 0.0)
    recording = patient.record(low_hz=20.0, high_hz=2500.0, rms_db=-30.0)
    scored = recording.samples.astype(np.float64) ** 2
    times = np.arange(len(scored)) / RATE_HZ
    reported = np.zeros(len(scored), np.bool_)
    for at_s in recording.crackle_s:
        reported |= (times > at_s - 0.0005) & (times < at_s + 0.0065)  # the widest fine crackle lasts 6.5 ms
    assert scored[reported].sum() > 0.98 * scored.sum()
    (stretch,) = [sound for sound in recording.sounds if sound.label == "fine_crackle"]
    assert stretch.onset_s == recording.crackle_s[0]
    assert recording.crackle_s[-1] < stretch.end_s < recording.crackle_s[-1] + 0.01


def test_a_recorded_wheeze_lies_where_the_truth_says() -> None:
    patient = Patient(6.0, RATE_HZ, rng(2), cycles_per_min=20.0)
    patient.samples[:] = 0.0
    patient.add_tone("wheeze", Sound("breath", 2.0, 3.5), 20.0)
    recording = patient.record(low_hz=20.0, high_hz=2500.0, rms_db=-30.0)
    (tone,) = [sound for sound in recording.sounds if sound.label == "wheeze"]
    inside = slice(round(tone.onset_s * RATE_HZ), round(tone.end_s * RATE_HZ))
    energy = recording.samples.astype(np.float64) ** 2
    assert energy[inside].sum() > 0.999 * energy.sum()
    assert 2.0 <= tone.onset_s < tone.end_s <= 3.5 + 1 / RATE_HZ
    assert tone.end_s - tone.onset_s >= 0.15


def test_the_bundled_demo_is_what_its_seed_gives() -> None:
    recording, truth = demo_recording()
    samples, rate_hz = soundfile.read(DEMO_AUDIO, dtype="float32")
    assert rate_hz == recording.rate_hz == 8000
    assert np.abs(samples - recording.samples).max() <= 1.5 * STEP  # sine and FFT may differ by a rounding
    bundled, made = json.loads(DEMO_TRUTH.read_text()), json.loads(truth)
    assert [sound["label"] for sound in bundled["sounds"]] == [sound["label"] for sound in made["sounds"]]
    for key in ("onset_s", "end_s"):
        times = [[sound[key] for sound in reported["sounds"]] for reported in (bundled, made)]
        np.testing.assert_allclose(*times, atol=TIMES_AGREE_S)
    np.testing.assert_allclose(bundled["crackle_s"], made["crackle_s"], atol=1e-5)


def test_the_bundled_demo_is_short_small_and_says_clearly_what_it_holds() -> None:
    truth = json.loads(DEMO_TRUTH.read_text())
    assert truth["synthetic"] is True
    assert DEMO_AUDIO.stat().st_size < 1_000_000
    assert soundfile.info(DEMO_AUDIO).duration <= 60.0
    labels = [sound["label"] for sound in truth["sounds"]]
    assert labels.count("wheeze") == 4
    assert sum(label.endswith("crackle") for label in labels) == 4
    for before, after in pairwise(truth["sounds"]):
        assert after["onset_s"] - before["end_s"] > 2.0
    samples, _ = soundfile.read(DEMO_AUDIO, dtype="float32")
    for sound in truth["sounds"]:
        part = samples[round(sound["onset_s"] * 8000) : round(sound["end_s"] * 8000)]
        if sound["label"] == "wheeze":
            hz, p = power(part)
            near = (hz > 150.0) & (hz < 500.0)
            assert 10 * np.log10(p[near].max() / np.median(p[near])) > 15.0  # dB; noise alone gives 9
        else:
            assert np.abs(part).max() > 5.0 * np.sqrt(np.mean(part**2))  # clicks stand out; noise alone gives 4
