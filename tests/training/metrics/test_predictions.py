"""Answers are checked before they are counted, and the rule of decision is named."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pytest
from numpy.typing import NDArray

from edge.errors import ModelError
from tests.training.evaluation.made import PERFECT, clip
from training.metrics.predictions import ARGMAX, OFFSETS, ask
from training.tasks import TASKS, Clip, Task

TWO = TASKS["1-1"]


@dataclass
class Fixed:
    """Says the same of every clip."""

    answer: tuple[float, ...]
    moved: tuple[float, ...] | None = None
    name: str = "fixed"

    def predict(self, task: Task, clips: Sequence[Clip]) -> NDArray[np.float32]:
        return np.tile(np.array(self.answer, np.float32), (len(clips), 1))

    def offsets(self, task: Task) -> NDArray[np.float32] | None:
        return None if self.moved is None else np.array(self.moved, np.float32)


def test_the_highest_probability_decides_and_the_first_of_equal_ones() -> None:
    clips = [clip("Normal"), clip("Adventitious")]
    assert ask(Fixed((0.4, 0.6)), TWO, clips).decided.tolist() == [1, 1]
    assert ask(Fixed((0.5, 0.5)), TWO, clips).decided.tolist() == [0, 0]
    assert ask(Fixed((0.5, 0.5)), TWO, clips).rule == ARGMAX


def test_offsets_of_the_model_move_the_decision_and_not_the_probabilities() -> None:
    answered = ask(Fixed((0.6, 0.4), moved=(0.0, 0.5)), TWO, [clip("Normal")])
    assert answered.decided.tolist() == [1]
    assert answered.rule == OFFSETS
    np.testing.assert_allclose(answered.probabilities, [[0.6, 0.4]])


def test_an_impossible_label_stays_impossible_whatever_its_offset() -> None:
    assert ask(Fixed((1.0, 0.0), moved=(0.0, 20.0)), TWO, [clip("Normal")]).decided.tolist() == [0]


@pytest.mark.parametrize(("answer", "total"), [((0.4, 0.4), r"0\.8"), ((1.2, -0.2), "1"), ((float("nan"), 1.0), "nan")])
def test_what_is_no_distribution_is_refused_with_the_clip_and_the_sum(answer: tuple[float, ...], total: str) -> None:
    with pytest.raises(ModelError, match=rf"fixed: task 1-1: .* first is a_Normal_1\.0_0: they add to {total} \("):
        ask(Fixed(answer), TWO, [clip("Normal")])


def test_a_column_too_many_is_refused() -> None:
    with pytest.raises(ModelError, match=r"expected probabilities \(1, 2\), found \(1, 3\)"):
        ask(Fixed((0.2, 0.3, 0.5)), TWO, [clip("Normal")])


def test_matrices_of_the_patients_add_to_the_matrix_of_all() -> None:
    clips = [clip("Normal", "b"), clip("Adventitious", "a"), clip("Normal", "a"), clip("Normal", "b")]
    answered = ask(PERFECT, TWO, clips)
    assert answered.patient_confusions.tolist() == [[[1, 0], [0, 1]], [[2, 0], [0, 0]]]
    np.testing.assert_array_equal(answered.patient_confusions.sum(axis=0), answered.confusion)


def test_rows_are_what_was_annotated_and_columns_what_was_decided() -> None:
    answered = ask(Fixed((0.1, 0.9)), TWO, [clip("Normal"), clip("Normal"), clip("Adventitious")])
    assert answered.confusion.tolist() == [[0, 2], [0, 1]]


def test_a_part_keeps_clips_and_answers_together() -> None:
    answered = ask(PERFECT, TWO, [clip("Normal"), clip("Adventitious"), clip("Normal")])
    part = answered.take([False, True, True])
    assert [c.label for c in part.clips] == ["Adventitious", "Normal"]
    assert part.confusion.tolist() == [[1, 0], [0, 1]]
