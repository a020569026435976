"""Files at full speed, with the bundled model."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile

from edge.artefact.model import Model, load_model
from edge.detector.detect import Coverage, DetectOptions, Record, as_line, as_row, detect_file, last_lines, last_records
from edge.errors import SourceError
from edge.sources.demo import DEMO_AUDIO
from edge.types import Event
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


def test_every_sound_is_one_record_with_its_times(bursts: Path) -> None:
    records = list(detect_file(bursts, LoudnessModel(), DetectOptions(), threading.Event()))  # type: ignore[arg-type]
    assert [record["label"] for record in records] == ["wheeze"] * 3
    for second, record in enumerate(records):
        assert set(record) == {
            "file",
            "label",
            "onset_s",
            "end_s",
            "score",
            "mean",
            "threshold",
            "end_reason",
            "verified",
        }
        assert record["onset_s"] == pytest.approx(second, abs=0.1)
        assert record["end_s"] == pytest.approx(second + 0.5, abs=0.1)
        assert json.loads(as_line(record)) == record
    assert "wheeze" in as_row(records[0])


def test_scores_cover_the_file_without_a_hole(model: Model) -> None:
    records = list(detect_file(DEMO_AUDIO, model, DetectOptions(scores=True), threading.Event()))
    frames = [record for record in records if "scores" in record]
    hop_s = model.score_hop_samples / model.rate_hz
    length_s = soundfile.info(str(DEMO_AUDIO)).duration
    assert [frame["t_s"] for frame in frames] == pytest.approx([index * hop_s for index in range(len(frames))])
    assert length_s - hop_s < len(frames) * hop_s < length_s + hop_s
    assert set(frames[0]["scores"]) == set(model.classes)
    valid = [frame for frame in frames if frame["valid"]]
    assert len(valid) * hop_s == pytest.approx(length_s, abs=0.2)
    assert all(0 <= score <= 1 for frame in valid for score in frame["scores"].values())


def test_scores_and_events_are_those_of_a_run_without_scores(model: Model) -> None:
    with_scores = detect_file(DEMO_AUDIO, model, DetectOptions(scores=True), threading.Event())
    without = detect_file(DEMO_AUDIO, model, DetectOptions(), threading.Event())
    assert [record for record in with_scores if "label" in record] == list(without)


def test_a_stop_in_mid_sound_closes_what_is_open(bursts: Path) -> None:
    stop, events = threading.Event(), []
    for record in detect_file(bursts, LoudnessModel(), DetectOptions(scores=True), stop):  # type: ignore[arg-type]
        if "scores" not in record:
            events.append(record)
        elif record["t_s"] > 1.2:
            stop.set()
    assert [event["label"] for event in events] == ["wheeze", "wheeze"]
    assert events[1]["onset_s"] == pytest.approx(1.0, abs=0.1)
    assert [event["end_reason"] for event in events] == ["quiet", "stream_end"]


def test_a_missing_file_is_an_error_of_the_source(model: Model, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"none\.wav"):
        list(detect_file(tmp_path / "none.wav", model, DetectOptions(), threading.Event()))


def coverage_of(path: Path, model: Model) -> Coverage:
    found: list[Coverage] = []

    def records() -> Iterator[Record]:
        found.append((yield from detect_file(path, model, DetectOptions(), threading.Event())))

    assert all("label" in record for record in records())
    return found[0]


@pytest.mark.parametrize("seconds", [1, 3, 12])
def test_of_digital_silence_nothing_is_measurable_however_long_it_is(
    seconds: int, model: Model, tmp_path: Path
) -> None:
    path = tmp_path / "silence.wav"
    soundfile.write(path, np.zeros(seconds * 8000), 8000)
    coverage = coverage_of(path, model)
    assert (coverage.read_s, coverage.measurable_s) == (seconds, 0.0)
    reason = "silence: nothing above -90 dBFS"
    assert last_records(path, coverage) == [
        {"file": str(path), "verified": False, "measurable": False, "reason": reason, "cause": "loudness"}
    ]
    repair = "loudness: check the plug, the mute switch and the gain"
    assert last_lines(coverage) == [f"not measurable: {reason} ({repair})"]


def test_of_a_file_without_a_fault_all_is_measurable(model: Model) -> None:
    coverage = coverage_of(DEMO_AUDIO, model)
    assert coverage.measurable_s == pytest.approx(coverage.read_s, abs=0.2)


def test_a_row_says_why_a_sound_ended_if_not_by_quiet() -> None:
    from edge.detector.detect import event_record

    event = Event("end", "wheeze", 8000, 12000, 0.9, 0.8, 0.5, "stream_end")
    assert as_row(event_record(Path("a"), event, 8000)).split() == ["1.00", "1.50", "wheeze", "0.90", "(stream", "end)"]
