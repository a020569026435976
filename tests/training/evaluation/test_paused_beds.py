"""Beds with a pause: parts fade into each other, and what is quiet is quiet where breath is."""

from __future__ import annotations

import numpy as np
import pytest

from training.evaluation.paused_beds import FADE_S, PAUSE_S, Chest, bed_of, joined, quietest
from training.evaluation.sound_faults import RATE_HZ, rms


def _noise(seconds: float, gain: float, seed: int = 0) -> np.ndarray:
    return (gain * np.random.default_rng(seed).standard_normal(round(seconds * RATE_HZ))).astype(np.float32)


def test_parts_that_are_joined_keep_their_power_where_they_fade() -> None:
    parts = [_noise(1.0, 0.1, seed) for seed in range(40)]
    whole, fade = joined(parts), round(FADE_S * RATE_HZ)
    assert len(whole) == 40 * RATE_HZ - 39 * fade
    faded = np.concatenate([whole[at : at + fade] for at in range(RATE_HZ - fade, len(whole) - fade, RATE_HZ - fade)])
    assert np.sqrt(np.mean(faded**2)) == pytest.approx(0.1, rel=0.05)


def test_the_quietest_pieces_are_taken_and_four_at_least() -> None:
    pieces = [_noise(0.25, gain) for gain in np.linspace(1, 0.1, 10)]
    assert [round(rms(each) / rms(pieces[0]), 2) for each in quietest(pieces)] == [0.1, 0.2, 0.3, 0.4]


def test_a_bed_is_quiet_from_its_last_breath_on_for_the_pause() -> None:
    chest = Chest(_noise(9.0, 0.1), tuple(_noise(0.25, 0.001, seed) for seed in range(6)))
    bed = bed_of("p", [chest], "", np.random.default_rng(0))
    assert bed is not None
    assert bed.pause_s is not None
    begin, end = round((bed.pause_s + 0.1) * RATE_HZ), round((bed.pause_s + PAUSE_S - 0.1) * RATE_HZ)
    assert np.abs(bed.samples[begin:end]).max() < 0.01
    assert np.abs(bed.samples[begin - RATE_HZ : begin - RATE_HZ // 4]).max() > 0.1


def test_a_patient_without_quiet_has_no_bed() -> None:
    assert bed_of("p", [Chest(_noise(9.0, 0.1), ())], "", np.random.default_rng(0)) is None
