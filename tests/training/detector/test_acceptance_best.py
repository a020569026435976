"""The best official Score of some clips, with margins between Normal and Adventitious written by hand."""

from __future__ import annotations

import numpy as np
import pytest

from training.detector.acceptance import TaskClips, best_score
from training.tasks import TASKS

TASK = TASKS["1-1"]


def _requested(margins: list[float], truth: list[int]) -> TaskClips:
    """Ten clips for each margin by which Normal is above Adventitious, in log-probability."""
    expected = np.array([[0.0, -margin] for margin in margins for _ in range(10)])
    return TaskClips(TASK, expected, np.repeat(np.array(truth, np.int64), 10), np.zeros(len(expected), np.int64))


def test_the_best_offset_is_the_one_that_finds_most_of_both_kinds() -> None:
    # Taking from 2 to 4 off Normal finds all that is adventitious and half of what is normal; none off finds one kind
    # SE 1, SP 1/2: their mean is 3/4, their harmonic mean 2/3, and the Score lies between
    assert best_score(_requested([4.0, 0.0, 2.0, 1.0], [0, 0, 1, 1])) == pytest.approx(17 / 24)
    assert (
        best_score(_requested([3.0, 2.0, -3.0], [0, 1, 1])) == 1.0
    )  # the offset is not the middle of all that part them


def test_where_a_kind_is_missing_there_is_no_score() -> None:
    assert best_score(_requested([4.0, 2.0], [0, 0])) == 0.0
