"""Seeing what a front-end makes of a file: where tones, clicks, gaps and events stand in what is drawn."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from edge.features import FRONT_ENDS, FeatureSpec, FrontEnd
from edge.features.parts import EAR_MIN_HZ, EAR_Q
from edge.model.model import load_model
from edge.pictures.spectrogram import (
    MOST_COLUMNS,
    Columns,
    PictureOptions,
    Spectrogram,
    band_centres_hz,
    centre_samples,
    spectrogram,
)
from edge.sources.file_search import DEMO_AUDIO
from edge.types import Block, Frames

RATE_HZ = 8000
MODEL = load_model(None)
SPECS = {**FRONT_ENDS, "model": MODEL.spec}
every_front_end = pytest.mark.parametrize("name", SPECS)


def see(path: Path, spec: FeatureSpec, **options: object) -> Spectrogram:
    return spectrogram(PictureOptions(path, "it", spec, **options), threading.Event())  # type: ignore[arg-type]


def written(path: Path, samples: NDArray[np.float64], rate_hz: int = RATE_HZ) -> Path:
    soundfile.write(path, samples, rate_hz, subtype="FLOAT")
    return path


def noise(seconds: float, level: float = 1e-4) -> NDArray[np.float64]:
    return level * np.random.default_rng(1).standard_normal(round(seconds * RATE_HZ))


@pytest.fixture
def tone(tmp_path: Path) -> Path:
    """Three seconds; 400 Hz in the second one."""
    samples, t = noise(3), np.arange(3 * RATE_HZ) / RATE_HZ
    samples[RATE_HZ : 2 * RATE_HZ] += 0.1 * np.sin(2 * np.pi * 400 * t[RATE_HZ : 2 * RATE_HZ])
    return written(tmp_path / "tone.wav", samples)


@every_front_end
def test_a_tone_lights_the_band_at_its_frequency_at_its_seconds(tone: Path, name: str) -> None:
    spec = SPECS[name]
    picture = see(tone, spec)
    reach_s = centre_samples(spec) / spec.rate_hz + 2 * picture.hop_s  # gammatone filters ring for 20 ms
    for panel in picture.panels:
        steady = (picture.times_s > 1.4) & (picture.times_s < 1.9)
        level = panel.values[steady].mean(axis=0)
        loudest = int(np.argmax(level))
        spacing_hz = picture.centres_hz[loudest + 1] - picture.centres_hz[loudest]
        assert picture.centres_hz[loudest] == pytest.approx(400, abs=spacing_hz)
        quiet = np.nanmedian(panel.values[picture.times_s < 0.8, loudest])
        lit = picture.times_s[panel.values[:, loudest] > (quiet + level[loudest]) / 2]
        assert lit[0] == pytest.approx(1.0, abs=reach_s)
        assert lit[-1] == pytest.approx(2.0, abs=reach_s)
        assert np.all(np.diff(lit) < 1.5 * picture.hop_s)  # without a hole


@every_front_end
@pytest.mark.parametrize("at_s", [1.0, 1.0047])
def test_a_click_stands_where_it_was_within_half_a_frame(tmp_path: Path, name: str, at_s: float) -> None:
    samples = noise(2, 1e-5)
    samples[round(at_s * RATE_HZ)] = 0.9
    picture = see(written(tmp_path / "click.wav", samples), SPECS[name])
    high = picture.centres_hz > 900  # below, gammatone filters are late by more than half a frame
    for panel in picture.panels:
        loudest = np.nanargmax(panel.values[:, high].sum(axis=1))
        assert picture.times_s[loudest] == pytest.approx(at_s, abs=picture.hop_s / 2 + 1 / RATE_HZ)


def test_a_click_in_gammatone_filters_is_late_by_what_their_bandwidth_says(tmp_path: Path) -> None:
    samples = noise(2, 1e-6)
    samples[RATE_HZ] = 0.9
    spec = replace(FRONT_ENDS["gammatone"], hop_samples=8)
    picture = see(written(tmp_path / "click.wav", samples), spec)
    late_s = 3 / (2 * np.pi * 1.019 * (picture.centres_hz / EAR_Q + EAR_MIN_HZ))
    loudest = picture.times_s[np.nanargmax(picture.panels[0].values, axis=0)]
    np.testing.assert_allclose(loudest - 1.0, late_s, atol=1.5 * picture.hop_s)


@every_front_end
def test_what_was_not_heard_is_marked_and_nothing_else_is(tmp_path: Path, name: str) -> None:
    spec = SPECS[name]
    samples = np.repeat(noise(3), spec.rate_hz // RATE_HZ)
    lost = slice(spec.rate_hz, spec.rate_hz + spec.rate_hz // 10)
    samples[lost] = np.nan
    picture = see(written(tmp_path / "gap.wav", samples, spec.rate_hz), spec)
    first = np.round(picture.times_s * spec.rate_hz - centre_samples(spec)).astype(int)  # t * hop
    touched = (first + spec.ahead_samples > lost.start) & (first - spec.history_samples < lost.stop)
    touched |= first < spec.history_samples
    for panel in picture.panels:
        np.testing.assert_array_equal(np.isnan(panel.values), np.repeat(touched[:, None], spec.bands, axis=1))


def test_the_panels_of_the_model_are_exactly_the_frames_that_it_gets() -> None:
    spec = MODEL.spec
    picture = see(DEMO_AUDIO, spec, to_s=4.0)
    sound = soundfile.read(DEMO_AUDIO, dtype="float32")[0][: 5 * RATE_HZ]
    (frames,) = FrontEnd(spec).push(Block(0, sound, np.ones(len(sound), np.bool_)))
    levels_db = np.full((frames.start + len(frames.values), spec.width), np.nan)  # before the high-pass has settled
    levels_db[frames.start :] = frames.values.astype(np.float64) * 20 - 75
    drawn = np.hstack([panel.values for panel in picture.panels])
    assert [panel.name for panel in picture.panels] == ["window 64 ms", "window 16 ms"]
    assert picture.per_column == 1
    np.testing.assert_array_equal(drawn, levels_db.astype(np.float32)[: len(drawn)])
    assert picture.times_s[0] == 256 / 8000


def test_a_part_is_cut_from_the_whole_picture(tone: Path) -> None:
    whole, part = see(tone, FRONT_ENDS["pcen"]), see(tone, FRONT_ENDS["pcen"], from_s=0.9, to_s=1.3)
    assert part.times_s[0] - part.hop_s / 2 <= 0.9
    assert part.times_s[-1] + part.hop_s / 2 >= 1.3
    first = int(np.argmin(np.abs(whole.times_s - part.times_s[0])))
    segment = slice(first, first + len(part.times_s))
    np.testing.assert_allclose(part.times_s, whole.times_s[segment])
    np.testing.assert_array_equal(part.panels[0].values, whole.panels[0].values[segment])


def test_any_rate_and_the_chosen_channel_are_read_as_by_detect(tmp_path: Path) -> None:
    t = np.arange(2 * 44_100) / 44_100
    both = 0.1 * np.sin(2 * np.pi * np.outer(t, [300, 900]))
    picture = see(written(tmp_path / "two.wav", both, 44_100), FRONT_ENDS["log-mel"], channel=2)
    loudest = np.argmax(picture.panels[0].values[20])
    assert picture.centres_hz[loudest] == pytest.approx(900, abs=40)
    assert picture.to_s == pytest.approx(2.0, abs=0.01)


def test_slopes_are_panels_of_their_own(tone: Path) -> None:
    picture = see(tone, replace(FRONT_ENDS["log-mel"], deltas=2))
    assert [(panel.unit, panel.signed) for panel in picture.panels] == [
        ("dB", False),
        ("dB a frame", True),
        ("dB a frame²", True),
    ]
    band = int(np.argmin(np.abs(picture.centres_hz - 400)))
    slope = picture.panels[1].values[:, band]
    assert picture.times_s[np.nanargmax(slope)] == pytest.approx(1.0, abs=0.04)
    assert picture.times_s[np.nanargmin(slope)] == pytest.approx(2.0, abs=0.04)


def test_centres_are_those_of_the_filters() -> None:
    for spec in SPECS.values():
        centres_hz = band_centres_hz(spec)
        assert np.all(np.diff(centres_hz) > 0)
        assert len(centres_hz) == spec.bands
    mel = 2595 * np.log10(1 + np.array([50, 2500]) / 700)
    np.testing.assert_allclose(
        band_centres_hz(FRONT_ENDS["log-mel"]), 700 * (10 ** (np.linspace(*mel, 66)[1:-1] / 2595) - 1)
    )
    np.testing.assert_allclose(band_centres_hz(FRONT_ENDS["morlet"])[[0, -1]], [50, 2500])


# An hour in the width of a screen.


@given(
    count=st.integers(1, 400),
    most=st.sampled_from([2, 8, 64]),
    seed=st.integers(0, 99),
    cut=st.integers(1, 50),
    first=st.integers(0, 20),
)
def test_a_column_is_the_maximum_of_its_frames_however_they_come(
    count: int, most: int, seed: int, cut: int, first: int
) -> None:
    random = np.random.default_rng(seed)
    values, valid = random.standard_normal((count, 3)).astype(np.float32), random.random(count) > 0.1
    columns = Columns(first, np.inf, 2, 3, most)
    for start in range(0, count, cut):
        columns.push(Frames(start, values[start : start + cut], valid[start : start + cut]))
    drawn, per = columns.values(), columns.per_column
    assert 1 <= len(drawn) <= most
    for place, column in enumerate(drawn if count > first else ()):
        part = slice(first + place * per, first + (place + 1) * per)
        if valid[part].all():
            slopes = values[part, 2]
            expected = [*values[part, :2].max(axis=0), slopes[np.argmax(np.abs(slopes))]]
            np.testing.assert_array_equal(column, np.array(expected, np.float32))
        else:
            assert np.isnan(column).all()


def test_a_click_in_many_minutes_can_still_be_seen(tmp_path: Path) -> None:
    path = tmp_path / "long.wav"
    with soundfile.SoundFile(path, "w", RATE_HZ, 1, "PCM_16") as file:
        for minute in range(10):
            samples = noise(60)
            samples[30 * RATE_HZ] = 0.9 if minute == 7 else 0.0
            file.write(samples)
    picture = see(path, FRONT_ENDS["gammatone"])
    assert len(picture.times_s) <= MOST_COLUMNS
    loudness = picture.panels[0].values.sum(axis=1)
    column_s = picture.per_column * picture.hop_s
    assert picture.times_s[np.nanargmax(loudness)] == pytest.approx(7.5 * 60, abs=column_s / 2 + picture.hop_s)
    assert picture.times_s[-1] == pytest.approx(600, abs=column_s)


# What is drawn.
