"""From sound of a device to its equaliser: it undoes what the device did, or says why there is none."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray
from scipy.signal import firwin2, lfilter

from edge.detector.adaptation import LEAST_S, Measured, adapt, measure
from edge.detector.equaliser import SEGMENT_S, band_curve_db, segments
from edge.detector.level import low_floor
from edge.errors import ConfigError, ModelError
from edge.features import FrontEnd
from edge.sources.file_search import sound_files
from tests.edge.fakes import LoudnessModel
from tests.edge.knowing import RATE_HZ, block, known_noise, noise

SPEC = LoudnessModel.spec
STEP = ((0, 900, 1100, 4000), (0.0, 0.0, 9.0, 9.0))  # Hz, dB


def _model() -> Any:
    model = LoudnessModel()
    model.known = known_noise(-42.0)
    return model


def _device(seconds: float, curve: tuple[tuple[float, ...], tuple[float, ...]] = STEP) -> NDArray[np.float32]:
    """White noise through a microphone of this frequency response."""
    hz, db = curve
    taps = firwin2(513, np.array(hz) / 4000, 10 ** (np.array(db) / 20))
    return np.asarray(lfilter(taps, 1, noise(-50.0, seconds)), np.float32)


def _measured(samples: NDArray[np.float32]) -> Measured:
    frames = FrontEnd(low_floor(SPEC)).push(block(samples))
    return Measured(segments(frames, SPEC), 1, [], len(samples) / RATE_HZ)


def test_the_equaliser_undoes_the_microphone() -> None:
    adaptation, wanted_db = adapt(_measured(_device(70.0)), _model(), "bright")
    curve = band_curve_db(adaptation.equaliser_db, SPEC)
    centres_hz = np.linspace(0, 1, SPEC.bands)  # in order; the first third of the mel bands ends below 900 Hz
    assert curve[centres_hz < 0.3].mean() - curve[centres_hz > 0.8].mean() == pytest.approx(9.0, abs=1.0)
    assert wanted_db == adaptation.equaliser_db
    before, after = adaptation.outside_db
    assert before > 1.5
    assert after < 0.5
    assert adaptation.model == LoudnessModel.sha256


def test_the_level_of_the_device_changes_its_level_alone() -> None:
    samples = _device(70.0)
    usual, _ = adapt(_measured(samples), _model(), "bright")
    faint, _ = adapt(_measured((samples * 0.1).astype(np.float32)), _model(), "bright")
    assert faint.level_db - usual.level_db == pytest.approx(-20.0, abs=0.2)
    assert np.array(faint.equaliser_db) == pytest.approx(np.array(usual.equaliser_db), abs=0.3)


@pytest.mark.parametrize(
    ("samples", "message"),
    [
        (lambda: _device(30.0), f"found 30 s of measurable sound in 1 files, expected {LEAST_S:.0f} s or more"),
        (lambda: noise(-50.0, 70.0), "needs none, so nothing was kept"),
        (lambda: _device(70.0, ((0, 900, 1000, 4000), (0.0, 0.0, -70.0, -70.0))), "are these recordings of chests"),
    ],
)
def test_too_little_sound_and_an_equaliser_that_is_not_needed_or_absurd_are_refused(samples: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        adapt(_measured(samples()), _model(), "mine")


def test_files_that_cannot_be_measured_are_named_and_left_out(tmp_path: Path) -> None:
    sounds = {
        "a.wav": _device(12.0),
        "b.wav": np.zeros(12 * RATE_HZ),
        "c.wav": np.clip(500 * _device(12.0), -1, 1),
        "d/e.flac": _device(31.0),
        "f.wav": _device(3.0),
    }
    for name, samples in sounds.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        soundfile.write(tmp_path / name, samples, RATE_HZ)
    (tmp_path / "g.wav").write_text("no sound")
    (tmp_path / "notes.txt").write_text("no sound either")
    found = measure(sound_files(tmp_path), _model(), None, threading.Event())
    assert found.files == 2
    assert found.seconds == pytest.approx(43.0, abs=0.5)
    assert len(found.frames) == round(12 / SEGMENT_S) + round(31 / SEGMENT_S)
    words = ("silence", "clipped", "shorter than 5 s", "g.wav")
    assert len(found.left_out) == len(words)
    assert all(word in line for word, line in zip(words, found.left_out, strict=True))


def test_a_model_that_does_not_say_what_it_knows_is_refused() -> None:
    silent: Any = LoudnessModel()
    with pytest.raises(ModelError, match="does not say what sound it knows"):
        measure([], silent, None, threading.Event())


def test_a_file_of_which_no_channel_was_chosen_is_left_out_and_the_others_are_measured(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", np.random.default_rng(0).normal(0, 0.1, (RATE_HZ, 8)), RATE_HZ)
    soundfile.write(tmp_path / "b.wav", _device(12.0), RATE_HZ)
    found = measure(sound_files(tmp_path), _model(), None, threading.Event())
    assert found.files == 1
    assert found.left_out == [f"{tmp_path / 'a.wav'}: has 8 channels; choose one, channel 1 to 8"]
