"""Files at full speed, with the bundled model."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest
import soundfile

from edge.api.detect import detect, detect_file
from edge.api.detector import Detector
from edge.api.recording import Event, Quality
from edge.commands.files import as_row, last_lines, last_records
from edge.errors import ConfigError, SourceError
from edge.model.model import Model, load_model
from edge.sources.file_search import DEMO_AUDIO
from edge.types import Scores
from tests.edge.fakes import LoudnessModel


@pytest.fixture(scope="module")
def model() -> Model:
    return load_model(None)


@pytest.fixture
def bursts(tmp_path: Path) -> Path:
    """Three seconds; half a second of noise in each."""
    rate = LoudnessModel.rate_hz
    noise = 0.05 * np.random.default_rng(1).standard_normal(3 * rate)
    noise[np.arange(3 * rate) % rate >= rate // 2] = 0
    soundfile.write(tmp_path / "bursts.wav", noise, rate, subtype="FLOAT")
    return tmp_path / "bursts.wav"


def test_every_sound_is_one_event_with_its_times(bursts: Path) -> None:
    events = [item for item in detect_file(bursts, Detector(LoudnessModel())) if isinstance(item, Event)]  # type: ignore[arg-type]
    assert [event.label for event in events] == ["wheeze"] * 3
    for second, event in enumerate(events):
        assert list(event.record()) == [
            "label",
            "onset_s",
            "end_s",
            "score",
            "mean",
            "threshold",
            "end_reason",
            "verified",
        ]
        assert event.onset_s == pytest.approx(second, abs=0.1)
        assert event.end_s == pytest.approx(second + 0.5, abs=0.1)
    assert "wheeze" in as_row(events[0])


def test_scores_cover_the_file_without_a_hole(model: Model) -> None:
    found = detect(DEMO_AUDIO, Detector(model))
    hop_s = model.score_hop_samples / model.rate_hz
    length_s = soundfile.info(str(DEMO_AUDIO)).duration
    assert found.times_s == pytest.approx(np.arange(len(found.scores)) * hop_s)
    assert length_s - hop_s < len(found.scores) * hop_s < length_s + hop_s
    assert found.scores.shape[1] == len(found.classes) == len(model.classes)
    known = found.scores[~np.isnan(found.scores).any(axis=1)]
    assert len(known) * hop_s == pytest.approx(length_s, abs=0.2)
    assert known.min() >= 0
    assert known.max() <= 1


def test_a_stop_in_mid_sound_closes_what_is_open(bursts: Path) -> None:
    stop, events, heard_s = threading.Event(), [], 0.0
    for item in detect_file(bursts, Detector(LoudnessModel()), None, stop):  # type: ignore[arg-type]
        if isinstance(item, Event):
            events.append(item)
        elif isinstance(item, Scores):
            heard_s += len(item.valid) * 0.04
            if heard_s > 1.2:
                stop.set()
    assert [event.label for event in events] == ["wheeze", "wheeze"]
    assert events[1].onset_s == pytest.approx(1.0, abs=0.1)
    assert [event.end_reason for event in events] == ["quiet", "stream_end"]


def test_a_missing_file_is_an_error_of_the_source(model: Model, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"none\.wav"):
        detect(tmp_path / "none.wav", Detector(model))


def quality_of(path: Path, model: Model) -> Quality:
    return detect(path, Detector(model)).quality


@pytest.mark.parametrize("seconds", [1, 3, 12])
def test_of_digital_silence_nothing_is_measurable_however_long_it_is(
    seconds: int, model: Model, tmp_path: Path
) -> None:
    path = tmp_path / "silence.wav"
    soundfile.write(path, np.zeros(seconds * 8000), 8000)
    quality = quality_of(path, model)
    assert (quality.read_s, quality.measurable_s) == (seconds, 0.0)
    reason = "silence: nothing above -90 dBFS"
    assert (quality.cause, quality.reason) == ("loudness", reason)
    assert last_records(quality) == [{"verified": False, "measurable": False, "reason": reason, "cause": "loudness"}]
    repair = "loudness: check the plug, the mute switch and the gain"
    assert last_lines(quality) == [f"not measurable: {reason} ({repair})"]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ((np.zeros(8000),), "path: expected the path of a sound file, found ndarray; samples go to load().push"),
        ((DEMO_AUDIO, "light"), "detector: expected what load() gives, found 'light'"),
        ((DEMO_AUDIO, Detector(LoudnessModel()), "1"), "channel: expected a whole number, counted from 1, found '1'"),  # type: ignore[arg-type]
    ],
)
def test_a_callers_mistake_is_one_line(arguments: tuple[object, ...], expected: str) -> None:
    with pytest.raises(ConfigError) as caught:
        detect(*arguments)  # type: ignore[arg-type]
    assert expected in str(caught.value)


def test_of_a_file_without_a_fault_all_is_measurable(model: Model) -> None:
    quality = quality_of(DEMO_AUDIO, model)
    assert quality.measurable_s == pytest.approx(quality.read_s, abs=0.2)
    assert (quality.verified, quality.cause, quality.advice) == (True, "", "")


def test_a_row_says_why_a_sound_ended_if_not_by_quiet() -> None:
    event = Event("end", "wheeze", 1.0, 1.5, 0.9, 0.8, 0.5, "stream_end", None)
    assert as_row(event).split() == ["1.00", "1.50", "wheeze", "0.90", "(stream", "end)"]
