"""The worst mistakes come first, and what is right is none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from tests.training.evaluation.made import DETECTION, RATE_HZ, recording, scores_of
from training.datasets import Annotation, Recording
from training.evaluation.mistakes import false_reports, missed_events, worst_clips
from training.evaluation.split_scores import judge
from training.metrics.predictions import Provenance
from training.tasks import TASKS, Clip, Task

WHEEZE = Annotation(2.0, 3.0, ("wheeze",), "Wheeze")


@dataclass
class Doubting:
    """The less sure of Normal, the later the patient's letter."""

    name: str = "doubting"

    def predict(self, task: Task, clips: Sequence[Clip]) -> NDArray[np.float32]:
        sick = np.array([(ord(c.recording.patient) - ord("a")) / 10 for c in clips])
        rest = np.zeros((len(clips), len(task.labels) - 2))
        return np.column_stack([1 - sick, sick, rest]).astype(np.float32)


def _records(labels: dict[str, str]) -> list[Recording]:
    return [recording(patient, label) for patient, label in labels.items()]


def test_the_most_confident_mistake_comes_first() -> None:
    judged = judge(
        Doubting(), TASKS["2-1"], _records({"b": "CAS", "h": "Normal", "d": "DAS", "c": "Normal"}), Provenance()
    )
    wrong = worst_clips(judged.rows[0], 9)
    assert [(w.clip.recording.patient, w.decided) for w in wrong] == [
        ("b", "Normal"),
        ("h", "Adventitious"),
        ("d", "Normal"),
    ]
    assert wrong[0].probabilities[0][0] == "Normal"
    assert len(worst_clips(judged.rows[0], 1)) == 1


def test_poor_quality_is_nobodys_mistake() -> None:
    judged = judge(Doubting(), TASKS["2-1"], _records({"b": "Poor Quality", "a": "Normal"}), Provenance())
    assert worst_clips(judged.rows[0], 9) == []


def test_reports_on_nothing_are_false_and_those_on_another_group_too() -> None:
    one = scores_of(recording("a", "CAS", WHEEZE), [("wheeze", 2, 3), ("fine_crackle", 2, 3), ("wheeze", 7, 8)])
    wrong = false_reports([one], RATE_HZ, 9)
    assert [(w.label, w.start_s) for w in wrong] == [("fine_crackle", 2.0), ("wheeze", 7.0)]


def test_the_loudest_false_report_comes_first() -> None:
    one = scores_of(recording("a", "Normal"), [("wheeze", 2, 3), ("wheeze", 7, 8)])
    louder = replace(one, events=(one.events[0], replace(one.events[1], peak=0.95)))
    assert [w.start_s for w in false_reports([louder], RATE_HZ, 1)] == [7.0]


def test_what_is_annotated_and_not_reported_is_missed() -> None:
    both = Annotation(5.0, 6.0, ("wheeze", "crackle"), "Wheeze+Crackle")
    one = scores_of(recording("a", "CAS & DAS", WHEEZE, both), [("wheeze", 2, 3), ("fine_crackle", 5, 6)])
    missed = missed_events([one], DETECTION, 9)
    assert [(w.label, w.group, w.start_s) for w in missed] == [("Wheeze+Crackle", "continuous", 5.0)]
    assert not missed_events([scores_of(recording("a", "Poor Quality", WHEEZE), [])], DETECTION, 9)
