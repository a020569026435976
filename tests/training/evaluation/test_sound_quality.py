"""The discriminant of quality is fitted on some patients, judged on others, and its limit is the share it promises."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from edge.detector.quality import LEAST, NAMES
from edge.detector.quality_statistics import StretchMeter
from edge.errors import ConfigError
from training.datasets import Recording
from training.evaluation.sound_quality import HALVES, fit, halves, pieces_of, report, stretches_of

RNG = np.random.default_rng(0)
IS_POOR = np.arange(2000) % 10 == 0
FOUND = RNG.normal(0, 1, (2000, len(NAMES))) + IS_POOR[:, None] * np.array([4.0, 0, 0, 0, 0])
PATIENTS = [f"p{number // 10}" for number in range(2000)]


def test_what_tells_the_poor_from_the_others_gets_the_weight_and_two_in_a_hundred_others_are_called() -> None:
    found = fit(FOUND, IS_POOR)
    assert found.weights[0] > 10 * np.abs(found.weights[1:]).max()
    called = found.called(FOUND)
    assert called[~IS_POOR].mean() == pytest.approx(0.02, abs=0.001)
    assert called[IS_POOR].mean() > 0.95


def test_a_recording_without_statistics_is_not_called_and_spoils_no_fit() -> None:
    found = FOUND.copy()
    found[::7] = np.nan
    assert np.isfinite(fit(found, IS_POOR).weights).all()
    assert not fit(found, IS_POOR).called(found)[::7].any()


def test_a_patient_that_says_who_is_poor_is_of_no_use_to_others() -> None:
    """Each patient has a number of its own, and half of them are poor: nothing can be learnt for the other half."""
    own = np.repeat(RNG.normal(0, 1, (200, len(NAMES))), 10, axis=0)
    is_poor = np.repeat(RNG.random(200) < 0.5, 10)
    shares = halves(own, is_poor, PATIENTS)
    assert shares.shape == (2 * HALVES, 2)
    assert shares[:, 0].mean() == pytest.approx(shares[:, 1].mean(), abs=0.05)


def test_stretches_are_whole_and_too_few_are_none(tmp_path: Path) -> None:
    meter = StretchMeter(8000)
    assert len(stretches_of(np.zeros(5 * meter.samples - 1, np.float32), meter)) == 4
    assert stretches_of(np.zeros(LEAST * meter.samples - 1, np.float32), meter) == []
    path = tmp_path / "a.wav"
    soundfile.write(path, np.zeros(3 * meter.samples), 8000)
    clips = [Recording(path, "a", "", (), is_negative=True)] * 6
    assert [len(piece) for piece in pieces_of(clips, meter)] == [8, 8]


def test_without_sprsound_there_is_nothing_to_choose_a_limit_on() -> None:
    with pytest.raises(ConfigError, match="no recording of SPRSound"):
        report([])
