"""Whether the same sound has the same answer, judged on a detector whose answers are known."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from edge.types import Event
from tests.training.evaluation.made import RATE_HZ, recording
from training.datasets import Recording
from training.evaluation.repeatability import Samples, Valid, card_fields, hear_again, main
from training.metrics.repeatability import HeardAgain, repeatability_metrics

LATER, ONE, FIVE, SHORT, LONG = (
    "begun later",
    "1 % of packets lost",
    "5 % of packets lost",
    "20 ms lost each second",
    "link up 1 s, down 0.3 s",
)


@pytest.fixture
def ten_seconds(tmp_path: Path) -> Recording:
    """Ten seconds of noise."""
    path = tmp_path / "a_CAS.wav"
    soundfile.write(path, np.random.default_rng(0).normal(0, 0.1, 10 * RATE_HZ), RATE_HZ)
    made = recording("a", "CAS")
    return Recording(path, made.patient, made.record_label, made.events, dataset=made.dataset)


def _event(onset: int, end: int) -> Event:
    return Event("end", "wheeze", onset, end, 0.9, 0.9, 0.5, "quiet")


def _rows(of: Recording, feed: object) -> dict[str, HeardAgain]:
    return {row.change: row for row in hear_again(of, feed, RATE_HZ)}  # type: ignore[arg-type]


def test_an_event_that_lies_at_the_end_of_the_sound_is_kept_wherever_it_begins(ten_seconds: Recording) -> None:
    def feed(samples: Samples, valid: Valid) -> list[Event]:
        return [_event(len(samples) - 8000, len(samples))]

    rows = _rows(ten_seconds, feed)
    assert list(rows) == [LATER, ONE, FIVE, SHORT, LONG]
    assert [(r.times, r.found, r.kept, r.new) for r in rows.values()] == [(16, 16, 16, 0), *[(1, 1, 1, 0)] * 4]
    assert rows[LATER].hours == pytest.approx(10 / 3600)


def test_an_event_that_a_loss_takes_away_is_not_kept_and_one_that_it_raises_is_new(ten_seconds: Recording) -> None:
    def deaf(samples: Samples, valid: Valid) -> list[Event]:
        return [_event(0, 4000)] if valid.all() else []

    def startled(samples: Samples, valid: Valid) -> list[Event]:
        return [] if valid.all() else [_event(0, 4000)]

    rows = _rows(ten_seconds, deaf)
    assert (rows[LATER].kept, rows[LONG].kept, rows[LONG].new) == (16, 0, 0)
    rows = _rows(ten_seconds, startled)
    assert (rows[LATER].new, rows[LONG].found, rows[LONG].new) == (0, 0, 1)


def test_the_same_recording_is_changed_in_the_same_way_each_time(ten_seconds: Recording) -> None:
    seen: list[tuple[int, int]] = []

    def feed(samples: Samples, valid: Valid) -> list[Event]:
        seen.append((len(samples), int(valid.sum())))
        return []

    _rows(ten_seconds, feed)
    _rows(ten_seconds, feed)
    assert seen[: len(seen) // 2] == seen[len(seen) // 2 :]
    assert len(seen) == 2 * (1 + 16 + 4)


def test_the_card_has_numbers_and_intervals_by_name() -> None:
    scored = [HeardAgain(ONE, patient, False, 0.1, 1, 4, stored, 0) for patient, stored in (("a", 4), ("b", 2))]
    fields = card_fields([metric.estimate() for metric in repeatability_metrics(scored)])
    name = f"events kept, {ONE}"
    assert fields == {"validation": {name: 0.75}, "intervals": {name: [0.5, 1.0]}}
    assert json.loads(json.dumps(fields)) == fields


def test_a_folder_that_is_no_training_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--model", str(tmp_path), "--data", str(tmp_path)]) == 2
    assert "expected a finished training" in capsys.readouterr().err
