"""Labelled recordings of a device give calibration and thresholds where these gain on patients that were left out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from edge.artefact.model import Model, load_model
from edge.errors import ConfigError
from tests.edge.adapting import adaptation
from training.adapt import Heard, adapted, choose, hear, left_out, main
from training.datasets import CLASSES, Annotation, Recording
from training.datasets.targets import frame_targets

FRAME_S = 0.032
COUNT = 375  # score frames: 12 s


@pytest.fixture(scope="module")
def model() -> Model:
    return load_model()


def _heard(patient: int, high: float, is_normal: bool, rng: np.random.Generator) -> Heard:
    """A recording with a wheeze from 4 to 6 s, scored about so high; in a Normal one with a third of the odds."""
    quiet = Annotation(0.0, 4.0, ()), Annotation(6.0, 12.0, ())
    events = () if is_normal else (Annotation(4.0, 6.0, ("wheeze",)), *quiet)
    label = "Normal" if is_normal else "CAS"
    recording = Recording(Path(f"{patient}-{label}.wav"), f"p{patient}", label, events)
    log_odds = rng.normal(-4.0, 1.0, COUNT)
    at = slice(round(4 / FRAME_S), round(6 / FRAME_S))
    log_odds[at] += 4.0 + np.log(high / (1 - high)) - (np.log(3) if is_normal else 0.0)
    scores = np.full((COUNT, len(CLASSES)), 1e-4, np.float32)
    scores[:, 0] = 1 / (1 + np.exp(-log_odds))
    return Heard(recording, scores, frame_targets(recording, COUNT, FRAME_S))


def _ward(high: float, patients: int = 12) -> list[Heard]:
    rng = np.random.default_rng(0)
    return [_heard(p, high, is_normal, rng) for p in range(patients) for is_normal in (True, False)]


def test_a_device_whose_sounds_score_low_gets_what_finds_them(model: Model) -> None:
    heard = _ward(high=0.4)  # the threshold of the model is .62: it finds little
    result = adapted(heard, model, adaptation(model=model.sha256))
    assert result.labelled == 24
    assert result.gain["event and segment F1 before"] < 0.3
    assert result.gain["event and segment F1 after"] > result.gain["event and segment F1 before"] + 0.2
    assert set(result.calibration) == {"continuous"}
    assert set(result.thresholds) == {"wheeze", "rhonchus", "stridor"}
    assert result.equaliser_db == (0.0,) * 8


def test_what_is_good_already_is_left_alone(model: Model) -> None:
    heard = _ward(high=0.7)
    with pytest.raises(ConfigError, match="no gain on patients that were left out"):
        adapted(heard, model, adaptation(model=model.sha256))


def test_labels_that_say_nothing_of_the_scores_are_not_kept(model: Model) -> None:
    rng = np.random.default_rng(1)
    heard = [
        Heard(h.recording, rng.uniform(0, 1, h.scores.shape).astype(np.float32) / 2, h.targets) for h in _ward(high=0.4)
    ]
    with pytest.raises(ConfigError, match="nothing was kept"):
        adapted(heard, model, adaptation(model=model.sha256))


def test_too_few_recordings_or_patients_are_refused(model: Model) -> None:
    with pytest.raises(ConfigError, match="8 labelled recordings of 4 patients, expected 20 of 5 or more"):
        left_out(_ward(0.4, patients=4), model)
    assert choose(_ward(0.4, patients=4), model) == {}


def test_recordings_are_heard_through_the_edge(model: Model, tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    soundfile.write(path, 0.003 * np.random.default_rng(0).standard_normal(5 * 8000), 8000)
    (one,) = hear([Recording(path, "p1", "Normal", ())], model, adaptation(thresholds={"wheeze": 0.9}))
    assert one.scores.shape == (5 * 8000 // 256, len(CLASSES))
    assert 0 < one.scores.max() < 1


def test_the_command_says_in_one_line_what_is_missing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--adaptation", str(tmp_path / "none"), "--data", str(tmp_path)]) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"adapt: adaptation {tmp_path}/none: cannot be read")
    assert error.count("\n") == 1
