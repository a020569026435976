"""One recording, scored: known numbers for known sound, and as `laennec detect` finds it; damage is told and no end."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from edge.detector.recording import LABELS
from edge.errors import ConfigError, ModelError
from edge.model.model import DEFAULT_PATH, Model, load_model
from edge.server.archive.ledger import ScoredRecording
from edge.server.archive.recording import Job, Settings, score, work
from edge.server.archive.shards import COLUMNS, ROWS
from edge.sources.file_search import DEMO_AUDIO
from tests.edge.broken_graphs import not_a_number
from tests.edge.detected import detected
from tests.edge.fakes import LOUD, LoudnessModel


@pytest.fixture(scope="module")
def model() -> Model:
    return load_model()


def bursts(path: Path, seconds: int = 20) -> Path:
    """Half a second of noise in every second: `LoudnessModel` gives it .9, and .02 to silence."""
    rng = np.random.default_rng(0)
    samples = (LOUD * rng.standard_normal(seconds * 8000)).astype(np.float32)
    samples[(np.arange(len(samples)) // 4000) % 2 == 1] = 0
    soundfile.write(path, samples, 8000, subtype="FLOAT")
    return path


def test_the_burden_is_the_mean_of_the_probabilities_times_sixty(tmp_path: Path) -> None:
    class Stub(LoudnessModel):
        tasks = None

    found = score(bursts(tmp_path / "a.wav"), Stub())  # type: ignore[arg-type]
    assert (found["status"], found["length_s"]) == ("ok", 20.0)
    burden = {each["group"]: each["burden_s_per_min"] for each in found["burden"]}
    assert burden["continuous"] == pytest.approx(60 * (0.9 + 0.02) / 2, rel=0.05)
    assert burden["discontinuous"] == pytest.approx(60 * 0.02, abs=1e-3)
    assert found["measured_s"] + found["unverified_s"] + sum(found["missing_s"].values()) == pytest.approx(20, abs=0.5)


@pytest.mark.parametrize("seconds", [3, 12])
def test_of_silence_nothing_is_measured_and_it_is_called_nothing(seconds: int, model: Model, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "silence.wav", np.zeros(seconds * 8000), 8000)
    found = score(tmp_path / "silence.wav", model)
    assert (found["status"], found["measured_s"], found["unverified_s"]) == ("ok", 0.0, 0.0)
    assert found["missing_s"]["dead_microphone"] == pytest.approx(seconds, abs=0.3)
    assert [each["burden_s_per_min"] for each in found["burden"]] == [None, None]
    assert (found["answers"], found["outside"]) == ([], "silence: nothing above -90 dBFS")


def test_what_was_measured_beside_a_longer_silence_counts(model: Model, tmp_path: Path) -> None:
    demo, rate_hz = soundfile.read(DEMO_AUDIO)
    assert rate_hz == 8000
    soundfile.write(tmp_path / "a.wav", np.concatenate([demo, np.zeros(2 * len(demo))]), rate_hz)
    found = score(tmp_path / "a.wav", model)
    assert found["outside"].startswith("silence: ")
    assert found["measured_s"] + found["unverified_s"] > 40


def test_of_a_recording_that_is_no_numbers_nothing_is_measured_and_the_row_says_why(
    model: Model, tmp_path: Path
) -> None:
    samples, rate_hz = soundfile.read(DEMO_AUDIO, dtype="float32")
    samples[6::7] = np.nan
    soundfile.write(tmp_path / "a.wav", samples, rate_hz, subtype="FLOAT")
    found = score(tmp_path / "a.wav", model)
    assert (found["status"], found["measured_s"], found["events"]) == ("ok", 0.0, [])
    assert "14% of its samples are no sound" in found["outside"]


def test_a_model_whose_answers_are_no_numbers_ends_the_scoring_and_is_blamed(tmp_path: Path) -> None:
    broken = load_model(not_a_number(DEFAULT_PATH, tmp_path / "chest.onnx"))
    with pytest.raises(ModelError, match="what it gives is not a number"):
        score(DEMO_AUDIO, broken)


def test_the_events_are_those_of_detect(model: Model) -> None:
    found = score(DEMO_AUDIO, model)
    assert found["events"] == [event.record() for event in detected(DEMO_AUDIO, model)]


def test_a_recording_is_called_what_the_model_says_of_it(model: Model) -> None:
    answers = score(DEMO_AUDIO, model)["answers"]
    assert [each["label"] for each in answers] == list(LABELS)
    assert sum(each["probability"] for each in answers) == pytest.approx(1, abs=1e-5)
    assert sum(each["is_answer"] for each in answers) == 1


def test_a_file_that_is_cut_off_is_scored_as_far_as_it_goes(model: Model, tmp_path: Path) -> None:
    (tmp_path / "cut.flac").write_bytes(DEMO_AUDIO.read_bytes()[:30_000])
    found = score(tmp_path / "cut.flac", model)
    assert found["status"] == "cut_off"
    assert found["reason"].startswith("cut off or damaged after ")
    assert found["events"]
    assert 5 < found["length_s"] < 20


@pytest.mark.parametrize(
    ("content", "expected"), [(b"", "is empty"), (b"RIFF____WAVE", "no sound file"), (b"\0" * 999, "no sound file")]
)
def test_what_is_no_sound_is_a_row_with_its_reason(content: bytes, expected: str, model: Model, tmp_path: Path) -> None:
    (tmp_path / "x.wav").write_bytes(content)
    found = score(tmp_path / "x.wav", model)
    assert found["status"] == "damaged"
    assert expected in found["reason"]
    assert str(tmp_path) not in found["reason"]
    (row,) = ROWS["recordings"](ScoredRecording("x.wav", "", found), "m")
    assert row.keys() == COLUMNS["recordings"].keys()
    assert row["length_s"] is None


def test_rows_of_every_table_have_all_columns(model: Model) -> None:
    one = ScoredRecording("demo", "s", json.loads(json.dumps(score(DEMO_AUDIO, model))))
    for table, columns in COLUMNS.items():
        rows = list(ROWS[table](one, "m"))
        assert rows, table
        assert all(row.keys() == columns.keys() for row in rows)
        assert {(row["name"], row["sound_sha256"], row["model_sha256"]) for row in rows} == {("demo", "s", "m")}


def test_a_file_that_is_gone_is_a_row_with_its_reason(model: Model, tmp_path: Path) -> None:
    result = work(Job("gone", str(tmp_path / "gone.wav").encode()), Settings(None, model.sha256))
    assert result.sound_sha256 == ""
    assert json.loads(result.body)["reason"] == "cannot be opened (No such file or directory); check the path"


def test_a_worker_with_another_model_scores_nothing() -> None:
    with pytest.raises(ConfigError, match="expected 0000"):
        work(Job("one", b"x"), Settings(str(DEFAULT_PATH), "0" * 64))
