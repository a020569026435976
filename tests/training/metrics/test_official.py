"""Official scores against cases worked by hand, and against the challenge teams' formula."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray

from training.metrics.official import any_abnormal, challenge_total, in_challenge, official_score
from training.tasks import TASKS, Task


def _matrices(labels: int) -> st.SearchStrategy[NDArray[np.int64]]:
    return arrays.arrays(np.int64, (labels, labels), elements=st.integers(0, 50))


def test_task_1_1_by_hand() -> None:
    # 80 of 100 normal, 30 of 50 adventitious: SP .8, SE .6, AS .7, HS 2 * .48 / 1.4
    score = official_score(TASKS["1-1"], [[80, 20], [20, 30]])
    assert (score.sensitivity, score.specificity) == (0.6, 0.8)
    assert score.average == pytest.approx(0.7)
    assert score.harmonic == pytest.approx(0.96 / 1.4)
    assert score.score == pytest.approx((0.7 + 0.96 / 1.4) / 2)
    assert (score.adventitious, score.normal) == (50, 100)


def test_a_wrong_kind_of_adventitious_sound_is_a_mistake() -> None:
    matrix = np.zeros((7, 7), int)
    matrix[0, 0] = 10
    matrix[2, 2], matrix[2, 6], matrix[5, 2] = 3, 1, 4  # wheezes: 3 right, 1 called both; fine crackles called wheezes
    assert official_score(TASKS["1-2"], matrix).sensitivity == 3 / 8


def test_poor_quality_rows_count_nowhere_but_calling_a_record_poor_is_a_mistake() -> None:
    # rows Normal, Adventitious, Poor Quality
    score = official_score(TASKS["2-1"], [[6, 2, 2], [1, 3, 1], [9, 9, 9]])
    assert score.specificity == 0.6
    assert score.sensitivity == 0.6
    assert score.recall[2] == pytest.approx(1 / 3)  # told, since a ward wants to know
    assert (score.normal, score.adventitious) == (10, 5)


@settings(deadline=None, max_examples=50)
@given(_matrices(5))
def test_records_are_scored_as_the_challenge_teams_score_them(matrix: NDArray[np.int64]) -> None:
    # their order is Normal, Poor Quality, adventitious: SE = cm.diagonal()[2:].sum() / cm[2:, :].sum()
    order = [0, 4, 1, 2, 3]
    theirs = matrix[np.ix_(order, order)]
    score = official_score(TASKS["2-2"], matrix)
    if theirs[2:].sum():
        assert score.sensitivity == theirs.diagonal()[2:].sum() / theirs[2:, :].sum()
    if theirs[0].sum():
        assert score.specificity == theirs[0, 0] / theirs[0].sum()


@settings(deadline=None, max_examples=50)
@given(st.sampled_from([t for t in TASKS.values() if t.ignored]), st.data())
def test_recordings_of_poor_quality_never_change_the_score(task: Task, drawn: st.DataObject) -> None:
    matrix = drawn.draw(_matrices(len(task.labels)))
    without = matrix.copy()
    without[[task.labels.index(label) for label in task.ignored]] = 0
    a, b = official_score(task, matrix), official_score(task, without)
    assert (a.sensitivity, a.specificity, a.score) == (b.sensitivity, b.specificity, b.score)


@settings(deadline=None, max_examples=50)
@given(st.sampled_from(list(TASKS.values())), st.data(), st.integers(2, 9))
def test_a_score_is_the_same_for_every_clip_counted_k_times(task: Task, drawn: st.DataObject, k: int) -> None:
    matrix = drawn.draw(_matrices(len(task.labels)))
    assert official_score(task, k * matrix).score == pytest.approx(official_score(task, matrix).score)


@settings(deadline=None, max_examples=50)
@given(st.sampled_from(list(TASKS.values())), st.data())
def test_a_score_lies_between_0_and_1_and_at_most_at_the_mean_of_both(task: Task, drawn: st.DataObject) -> None:
    score = official_score(task, drawn.draw(_matrices(len(task.labels))))
    if score.score is None:
        assert score.missing
    else:
        assert score.average is not None
        assert score.harmonic is not None
        assert 0 <= score.harmonic <= score.average + 1e-12
        assert 0 <= score.score <= score.average + 1e-12
        assert not score.missing


@settings(deadline=None, max_examples=50)
@given(st.data())
def test_the_order_of_adventitious_kinds_does_not_matter(drawn: st.DataObject) -> None:
    matrix = drawn.draw(_matrices(7))
    order = [0, *drawn.draw(st.permutations(range(1, 7)))]
    shuffled = matrix[np.ix_(order, order)]
    assert official_score(TASKS["1-2"], matrix).score == pytest.approx(official_score(TASKS["1-2"], shuffled).score)


def test_without_adventitious_clips_the_score_is_undefined_and_says_so() -> None:
    score = official_score(TASKS["1-1"], [[5, 5], [0, 0]])
    assert (score.sensitivity, score.average, score.harmonic, score.score) == (None, None, None, None)
    assert score.specificity == 0.5
    assert score.missing == "no adventitious clips"


def test_recordings_of_poor_quality_alone_give_no_score() -> None:
    assert official_score(TASKS["2-1"], [[0, 0, 0], [0, 0, 0], [0, 0, 9]]).missing == (
        "no adventitious and no normal clips"
    )


def test_all_wrong_is_zero_and_not_undefined() -> None:
    score = official_score(TASKS["1-1"], [[0, 3], [4, 0]])
    assert (score.harmonic, score.score) == (0.0, 0.0)


def test_icbhi_scores_are_the_plain_mean() -> None:
    # the published test row sums with one answer pattern: Sp 1300/1579, Se (300 + 150 + 60) / 1177
    matrix = [[1300, 279, 0, 0], [349, 300, 0, 0], [235, 0, 150, 0], [83, 0, 0, 60]]
    score = official_score(TASKS["icbhi-4"], matrix)
    assert score.specificity == 1300 / 1579
    assert score.sensitivity == 510 / 1177
    assert score.score == pytest.approx((1300 / 1579 + 510 / 1177) / 2)


def test_out_of_distribution_scores_are_the_plain_mean_too() -> None:
    # QLung-CLAP as published: Sp 74.71, Se 44.88, Score 59.80
    matrix = [[7471, 2529, 0, 0], [5512, 4488, 0, 0], [0] * 4, [0] * 4]
    assert official_score(TASKS["ood"], matrix).score == pytest.approx(0.5980, abs=1e-4)


def test_any_abnormal_answer_counts_for_any_abnormal_cycle_in_two_classes() -> None:
    matrix = np.array([[8, 1, 1, 0], [2, 3, 4, 1], [1, 2, 0, 0], [0, 1, 1, 1]])
    assert any_abnormal(matrix).tolist() == [[8, 2], [3, 13]]
    score = official_score(TASKS["icbhi-2"], any_abnormal(matrix))
    assert score.sensitivity == 13 / 16
    assert score.score == pytest.approx((0.8 + 13 / 16) / 2)


def test_the_challenge_total_is_the_published_one() -> None:
    # Hu 2023: .769, .632, .662, .512 and the full bonus of .1 are the published .729
    total = challenge_total({"1-1": 0.769, "1-2": 0.632, "2-1": 0.662, "2-2": 0.512})
    assert total is not None
    assert round(total + 0.1, 3) == 0.729


def test_a_total_without_one_of_the_four_is_undefined() -> None:
    assert challenge_total({"1-1": 1.0, "1-2": 1.0, "2-1": 1.0}) is None
    assert challenge_total({"1-1": 1.0, "1-2": 1.0, "2-1": 1.0, "2-2": None}) is None


def test_only_the_four_tasks_of_the_challenge_mix_the_means() -> None:
    assert [name for name, task in TASKS.items() if in_challenge(task)] == ["1-1", "1-2", "2-1", "2-2"]


def test_a_matrix_of_another_task_is_refused() -> None:
    with pytest.raises(ValueError, match=r"task 1-1: expected a confusion matrix \(2, 2\), not \(3, 3\)"):
        official_score(TASKS["1-1"], np.zeros((3, 3)))
