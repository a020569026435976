"""Answers to a task say those to a coarser one, on the same clips."""

from __future__ import annotations

from training.metrics.patient_scores import with_coarser
from training.tasks import TASKS


def test_answers_to_2_2_are_counted_in_2_1_too() -> None:
    """By hand: CAS called DAS is a mistake in 2-2 and none in 2-1; one called Normal is one in both."""
    own = [[5, 0, 0, 0, 1], [1, 3, 2, 0, 0], [0, 0, 4, 0, 0], [0, 0, 0, 1, 0], [0, 1, 0, 0, 2]]
    found = with_coarser(TASKS["2-2"], {"a": own})
    assert found == {"2-2": {"a": own}, "2-1": {"a": [[5, 0, 1], [1, 10, 0], [0, 1, 2]]}}
    assert next(iter(found)) == "2-2"


def test_no_task_of_other_clips_is_answered() -> None:
    """`ood` leaves out rhonchi and stridor, and 1-1 says nothing of their kinds."""
    assert list(with_coarser(TASKS["1-2"], {})) == ["1-2", "1-1"]
    assert list(with_coarser(TASKS["1-1"], {})) == ["1-1"]
    assert list(with_coarser(TASKS["icbhi-4"], {})) == ["icbhi-4", "icbhi-2"]
