"""Streaming metrics of cases that can be counted by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.training.evaluation.made import DETECTION, RATE_HZ, recording, scores_of
from training.datasets import CLASSES, Annotation, Recording
from training.evaluation.delays import StreamedRecording
from training.metrics.streaming import Counts, add_counts, evaluate, event_counts, false_alarms, record_score

WHEEZE = Annotation(2.0, 3.0, ("wheeze",), "Wheeze")
CRACKLE = Annotation(5.0, 6.0, ("fine_crackle",), "Fine Crackle")


def _counts(*several: StreamedRecording) -> dict[str, Counts]:
    return event_counts([(h.scored, list(h.events)) for h in several], RATE_HZ)


def test_an_event_in_its_place_is_a_hit() -> None:
    counts = _counts(scores_of(recording("a", "CAS", WHEEZE), [("wheeze", 2.1, 2.9)]))
    assert counts["event F1 continuous"] == Counts(1, 1, 1)
    assert counts["event F1 discontinuous"] == Counts(0, 0, 0)


@pytest.mark.parametrize(("start", "end", "hits"), [(2.19, 3.0, 1), (2.21, 3.0, 0), (2.0, 3.49, 1), (2.0, 3.51, 0)])
def test_onsets_may_be_200_ms_off_and_ends_half_the_event(start: float, end: float, hits: int) -> None:
    counts = _counts(scores_of(recording("a", "CAS", WHEEZE), [("wheeze", start, end)]))
    assert counts["event F1 continuous"].hits == hits


def test_another_sound_of_the_same_group_is_a_hit_and_of_the_other_group_is_not() -> None:
    assert _counts(scores_of(recording("a", "CAS", WHEEZE), [("stridor", 2, 3)]))["event F1 continuous"].hits == 1
    counts = _counts(scores_of(recording("a", "CAS", WHEEZE), [("fine_crackle", 2, 3)]))
    assert counts["event F1 continuous"] == Counts(0, 0, 1)
    assert counts["event F1 discontinuous"] == Counts(0, 1, 0)


def test_both_sounds_at_once_are_asked_of_both_groups() -> None:
    both = Annotation(2.0, 3.0, ("wheeze", "crackle"), "Wheeze+Crackle")
    counts = _counts(scores_of(recording("a", "CAS & DAS", both), [("wheeze", 2, 3), ("coarse_crackle", 2, 3)]))
    assert counts["event F1 continuous"].hits == counts["event F1 discontinuous"].hits == 1


def test_segments_are_seconds_that_hold_any_of_it() -> None:
    counts = _counts(
        scores_of(recording("a", "CAS", Annotation(2.2, 3.5, ("wheeze",), "Wheeze")), [("wheeze", 3.1, 4.5)])
    )
    assert counts["segment F1 continuous"] == Counts(1, 2, 2)  # truth in seconds 2 and 3, report in 3 and 4


def test_counts_of_recordings_add() -> None:
    a = scores_of(recording("a", "CAS", WHEEZE), [("wheeze", 2, 3)])
    b = scores_of(recording("b", "DAS", CRACKLE), [("wheeze", 2, 3)])
    assert add_counts([_counts(a), _counts(b)]) == _counts(a, b)


def test_f1_by_hand() -> None:
    assert Counts(3, 5, 7).f1() == 0.5
    assert Counts().f1() == 0.0


def test_poor_recordings_and_negatives_are_no_events() -> None:
    poor = scores_of(recording("a", "Poor Quality"), [("wheeze", 1, 2)])
    good = scores_of(recording("b", "CAS", WHEEZE), [("wheeze", 2, 3)])
    metrics = evaluate([poor.scored, good.scored], [list(poor.events), list(good.events)], DETECTION)
    assert metrics["event F1 continuous"] == 1.0
    assert not [name for name in metrics if name.startswith("false alarms")]


def test_false_alarms_are_counted_by_the_hour_and_by_kind() -> None:
    normal = scores_of(recording("a", "Normal"), [("wheeze", 1, 2), ("wheeze", 4, 5)], length_s=36.0)
    quiet = scores_of(recording("b", "Normal"), [], length_s=36.0)
    cough = scores_of(Recording(Path("c.wav"), "c", "cough", (), is_negative=True), [("stridor", 1, 2)], length_s=18.0)
    sick = scores_of(recording("d", "CAS", WHEEZE), [("wheeze", 8, 9)])
    found = false_alarms([(h.scored, list(h.events)) for h in (normal, quiet, cough, sick)], DETECTION.frame_s)
    assert found == {
        "false alarms per hour Normal": pytest.approx(100.0),
        "false alarms per hour cough": pytest.approx(200.0),
    }


def test_a_record_is_as_suspect_as_its_loudest_twentieth() -> None:
    scores = np.zeros((100, len(CLASSES)), np.float32)
    scores[:5, CLASSES.index("wheeze")] = 0.3
    scores[:5, CLASSES.index("rhonchus")] = 0.3  # kinds of a group add
    scores[10:15, CLASSES.index("fine_crackle")] = 0.4
    scores[:, CLASSES.index("breath")] = 1.0  # breath is no suspicion
    assert record_score(scores) == pytest.approx(0.6)
    assert record_score(scores[:0]) == 0.0


def test_what_sounds_is_found_by_the_tracker_of_the_edge() -> None:
    one = scores_of(recording("a", "CAS", WHEEZE), [("wheeze", 2.0, 3.0), ("fine_crackle", 5.0, 6.0)])
    found = DETECTION.events(one.scored.scores)
    assert [(e.label, e.onset, e.end) for e in found] == [(e.label, e.onset, e.end) for e in one.events]
