"""Labelled recordings of a device give calibration and thresholds where these gain on patients that were left out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from edge.errors import ConfigError
from edge.model.model import Model, load_model
from tests.edge.adapting import adaptation
from tests.training.labelled import labelled_ward
from training.adapt import adapted, main, score_recordings
from training.datasets import CLASSES, Recording
from training.left_out import Learnt, Scored, choose, left_out


@pytest.fixture(scope="module")
def model() -> Model:
    return load_model()


def test_a_device_whose_sounds_score_low_gets_what_finds_them(model: Model) -> None:
    scored = labelled_ward(high=0.4)  # the threshold of the model is .62: it finds little
    result = adapted(scored, model, adaptation(model=model.sha256))
    assert result.labelled == 24
    assert result.gain["event and segment F1 before"] < 0.3
    assert result.gain["event and segment F1 after"] > result.gain["event and segment F1 before"] + 0.2
    assert set(result.calibration) == {"continuous"}
    assert set(result.thresholds) == {"wheeze", "rhonchus", "stridor"}
    assert result.equaliser_db == (0.0,) * 8


def test_what_is_good_already_is_left_alone(model: Model) -> None:
    scored = labelled_ward(high=0.7)
    with pytest.raises(ConfigError, match="no gain on patients that were left out"):
        adapted(scored, model, adaptation(model=model.sha256))


def test_labels_that_say_nothing_of_the_scores_are_not_kept(model: Model) -> None:
    rng = np.random.default_rng(1)
    scored = [
        Scored(h.recording, rng.uniform(0, 1, h.scores.shape).astype(np.float32) / 2, h.targets)
        for h in labelled_ward(high=0.4)
    ]
    with pytest.raises(ConfigError, match="nothing was kept"):
        adapted(scored, model, adaptation(model=model.sha256))


def test_too_few_recordings_or_patients_are_refused(model: Model) -> None:
    with pytest.raises(ConfigError, match="8 labelled recordings of 4 patients, expected 20 of 5 or more"):
        left_out(labelled_ward(0.4, patients=4), model, lambda some: Learnt({}))
    assert choose(labelled_ward(0.4, patients=4), model) == {}


def test_recordings_are_heard_through_the_edge(model: Model, tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    soundfile.write(path, 0.003 * np.random.default_rng(0).standard_normal(5 * 8000), 8000)
    (one,) = score_recordings([Recording(path, "p1", "Normal", ())], model, adaptation(thresholds={"wheeze": 0.9}))
    assert one.scores.shape == (5 * 8000 // 256, len(CLASSES))
    assert 0 < one.scores.max() < 1


def test_the_command_says_in_one_line_what_is_missing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--adaptation", str(tmp_path / "none"), "--data", str(tmp_path)]) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"adapt: adaptation {tmp_path}/none: cannot be read")
    assert error.count("\n") == 1
