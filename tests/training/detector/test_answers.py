"""Answers to the official tasks: what is summed, what is left out, where the decision lies; their way through JSON."""

from __future__ import annotations

import json

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from edge.detector import recording as recording_answer
from edge.errors import ConfigError
from training.datasets import CLASSES
from training.detector.answers import (
    CALLED_POOR,
    OFFSETS,
    RECORD_LABELS,
    RecordAnswer,
    TaskAnswers,
    answer,
    best_offsets,
    decide,
    record_statistics,
)
from training.metrics.official import confusion, official_score
from training.tasks import CLIP_LABELS, TASKS


def _log(**shares: float) -> np.ndarray:
    """(1, L) log-probabilities of clips; what is not named shares the rest."""
    named = {name.replace("_", " ").replace("And", "+"): share for name, share in shares.items()}
    rest = (1 - sum(named.values())) / max(1, len(CLIP_LABELS) - len(named))
    return np.log([[named.get(label, rest) for label in CLIP_LABELS]])


def test_probabilities_of_a_task_are_sums_over_its_parts() -> None:
    answered = _log(Normal=0.4, Wheeze=0.2, Rhonchi=0.1, Stridor=0.05, Fine_Crackle=0.15, Coarse_Crackle=0.06)
    both = 1 - 0.4 - 0.2 - 0.1 - 0.05 - 0.15 - 0.06
    expected = {
        "1-1": [0.4, 0.6],
        "icbhi-2": [0.4, 0.6],
        "icbhi-4": [0.4, 0.21, 0.35, both],
        "ood": [0.4, 0.21, 0.35, both],
    }
    for name, shares in expected.items():
        np.testing.assert_allclose(np.exp(answer(TASKS[name], answered))[0], shares, atol=1e-9)


@pytest.mark.parametrize("name", sorted(TASKS))
def test_every_task_gets_a_distribution_in_the_order_of_its_labels(name: str) -> None:
    task = TASKS[name]
    count = len(CLIP_LABELS if task.unit == "event" else RECORD_LABELS)
    answered = np.log(np.random.default_rng(0).dirichlet(np.ones(count), 5))
    probabilities = np.exp(answer(task, answered))
    assert probabilities.shape == (5, len(task.labels))
    np.testing.assert_allclose(probabilities.sum(1), 1)
    np.testing.assert_allclose(probabilities[:, 0], np.exp(answered[:, 0]))  # Normal stays Normal


def test_offsets_move_the_decision() -> None:
    answered = np.log([[0.5, 0.3, 0.2], [0.2, 0.5, 0.3]])
    assert decide(answered, np.zeros(3)).tolist() == [0, 1]
    assert decide(answered, np.array([-1.0, 0, 0])).tolist() == [1, 1]
    assert decide(answered, np.array([2.0, 0, 0])).tolist() == [0, 0]
    assert decide(answered, np.array([0, 0, 2.0])).tolist() == [2, 2]


def test_the_best_offset_of_normal_is_in_the_middle_of_the_best_ones() -> None:
    task = TASKS["1-1"]
    # Normal clips have a margin of +2 for Normal, adventitious ones of +1: the offset must lie between -2 and -1
    margins = np.array([2.0] * 10 + [1.0] * 10)
    answered = np.stack([margins, np.zeros(20)], 1)
    offsets = best_offsets(task, answered, np.repeat([0, 1], 10))
    assert abs(offsets[0] + 1.5) < 0.11
    assert offsets[1] == 0
    assert OFFSETS[0] < -2


def test_few_of_the_others_are_called_poor_quality_and_most_of_the_poor_are() -> None:
    rng = np.random.default_rng(0)
    task = TASKS["2-1"]
    truth = np.repeat([0, 1, 2], [400, 400, 100])
    answered = np.log(np.full((900, 3), 1e-3))
    answered[np.arange(900), truth] = 0.0
    answered[:, 2] += rng.normal(0, 2.5, 900)
    offsets = best_offsets(task, answered, truth)
    decided = decide(answered, offsets)
    assert 0 < np.mean(decided[truth != 2] == 2) <= CALLED_POOR
    assert np.mean(decided[truth == 2] == 2) > 0.6
    np.testing.assert_array_equal(decided[(truth != 2) & (decided != 2)], truth[(truth != 2) & (decided != 2)])


def test_where_the_best_offsets_lie_apart_none_between_them_is_chosen() -> None:
    task = TASKS["1-1"]
    # margins for Normal: one of three is on the wrong side when they are parted at -.75 or at 1, and two between
    answered = np.stack([[-3.5, -1.0, -0.5, 0.5, 1.5, 2.0], np.zeros(6)], 1)
    truth = np.array([1, 1, 0, 1, 0, 0])

    def score(offset: float) -> float:
        return official_score(task, confusion(task, truth, decide(answered, np.array([offset, 0.0])))).score or 0.0

    assert score(best_offsets(task, answered, truth)[0]) == max(score(float(offset)) for offset in OFFSETS)


def test_few_of_the_others_are_called_poor_quality_when_normal_is_held_back_too() -> None:
    rng = np.random.default_rng(1)
    task = TASKS["2-1"]
    truth = np.repeat([0, 1, 2], [700, 200, 100])
    logits = rng.normal(0, 1, (1000, 3))
    logits[np.arange(1000), truth] += 1.5
    logits[:, 0] += 2  # all seem normal, so the best offset of Normal is well below 0
    answered = logits - np.logaddexp.reduce(logits, 1, keepdims=True)
    offsets = best_offsets(task, answered, truth)
    assert offsets[0] < -1
    assert np.mean(decide(answered, offsets)[truth != 2] == 2) <= CALLED_POOR


def test_statistics_rise_with_what_is_heard_and_ignore_what_was_never_scored() -> None:
    rng = np.random.default_rng(0)
    quiet = rng.uniform(0.01, 0.05, (300, len(CLASSES))).astype(np.float32)
    loud = quiet.copy()
    loud[100:130, CLASSES.index("wheeze")] = 0.8
    size = len(record_statistics(quiet))
    continuous = [3 * i + 1 for i in range(9)]
    difference = record_statistics(loud) - record_statistics(quiet)
    assert (difference[continuous] > 0).all()
    np.testing.assert_allclose(difference[[i for i in range(size) if i not in continuous]], 0)
    unheard = np.concatenate([loud, np.zeros((50, len(CLASSES)), np.float32)])
    np.testing.assert_array_equal(record_statistics(unheard), record_statistics(loud))


@pytest.mark.parametrize("count", [0, 1, 3])
def test_statistics_of_a_very_short_recording_are_finite(count: int) -> None:
    scores = np.full((count, len(CLASSES)), 0.5, np.float32)
    assert np.isfinite(record_statistics(scores)).all()


def _fitted() -> tuple[RecordAnswer, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    labels = np.arange(200) % len(RECORD_LABELS)
    statistics = rng.normal(0, 1, (200, 7)) + labels[:, None] * np.array([3, 0, 0, 0, 0, -2, 0])
    return RecordAnswer.fit(statistics, labels), statistics, labels


def test_the_answer_for_recordings_is_the_two_regressions_that_were_fitted() -> None:
    fitted, statistics, labels = _fitted()
    answered = np.exp(fitted.log_probabilities(statistics))
    np.testing.assert_allclose(answered.sum(1), 1)
    scaled, poor = (statistics - statistics.mean(0)) / statistics.std(0), labels == 4
    quality = LogisticRegression(C=0.03, max_iter=1000).fit(scaled, poor).predict_proba(scaled)[:, 1]
    kind = LogisticRegression(C=0.03, max_iter=1000).fit(scaled[~poor], labels[~poor]).predict_proba(scaled)
    np.testing.assert_allclose(answered[:, 4], quality, atol=1e-4)
    np.testing.assert_allclose(answered[:, :4], kind * (1 - quality)[:, None], atol=1e-4)


def test_the_edge_calls_recordings_by_the_labels_of_the_official_task() -> None:
    assert (recording_answer.LABELS, recording_answer.TASK) == (RECORD_LABELS, "2-2")


def test_a_label_of_recordings_without_an_example_is_named() -> None:
    with pytest.raises(ConfigError, match="no recording labelled CAS & DAS, Poor Quality"):
        RecordAnswer.fit(np.zeros((6, 2)), np.array([0, 1, 2, 0, 1, 2]))


def test_answers_survive_json() -> None:
    answers = TaskAnswers({"1-1": (-0.5, 0.0)}, _fitted()[0])
    read = TaskAnswers.from_fields(json.loads(json.dumps(answers.to_fields())))
    assert read == answers


@pytest.mark.parametrize(
    "fields",
    [{}, {"labels": ["Normal"]}, {"labels": list(CLIP_LABELS), "offsets": {}, "record": {}}, {"labels": None}],
    ids=["empty", "other labels", "no regression", "no labels"],
)
def test_metadata_that_are_not_answers_are_refused(fields: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match=r"laennec\.tasks"):
        TaskAnswers.from_fields(fields)


def test_the_statistics_of_twenty_frames_are_these() -> None:
    scores = np.zeros((20, len(CLASSES)), np.float32)
    scores[:, CLASSES.index("breath")] = 0.5
    scores[:, CLASSES.index("wheeze")] = 0.125
    scores[:, CLASSES.index("stridor")] = [0.125] * 7 + [0.625] + [0.375] * 3 + [0.125] * 9
    found = record_statistics(scores)
    # Continuous: 0.75 once, 0.5 three times, 0.25 sixteen times; as logits ln 3, 0 and -ln 3. Of 20 frames the shares
    # are 1, 1, 2 and 4. Square mean of the logits 17 / 20, their mean -15 / 20, both in ln 3.
    ln3 = np.log(3)
    expected = [0.75, 0.75, 0.625, 0.5625, 6.25 / 20, ln3, ln3 / 4, -0.75 * ln3, np.sqrt(0.85 - 0.5625) * ln3]
    np.testing.assert_allclose(found[1:-1:3], expected)
    np.testing.assert_allclose(found[0:-1:3], [0.5] * 5 + [0.0] * 4, atol=1e-12)  # breath
    np.testing.assert_allclose(found[2:-1:3], [0.0] * 5 + [np.log(1e-4 / (1 - 1e-4))] * 3 + [0.0], atol=1e-9)
    assert found[-1] == np.log(20)
    assert len(found) == 28


def test_a_recording_that_was_never_scored_is_one_silent_frame() -> None:
    found = record_statistics(np.zeros((5, len(CLASSES)), np.float32))
    assert len(found) == 28
    assert (found[0], found[-1]) == (0.0, 0.0)


def test_a_confusion_counts_annotated_labels_in_rows() -> None:
    matrix = confusion(TASKS["1-1"], np.array([0, 0, 1, 1, 1]), np.array([0, 1, 1, 1, 0]))
    assert matrix.tolist() == [[1, 1], [1, 2]]
    assert matrix.dtype == np.int64


def _best_of_normal(normal: list[float], adventitious: list[float]) -> float:
    """Best offset for clips with these margins for Normal; Normal is said when margin + offset is 0 or more."""
    answered = np.stack([np.array(normal + adventitious), np.zeros(len(normal) + len(adventitious))], 1)
    truth = np.repeat([0, 1], [len(normal), len(adventitious)])
    return float(best_offsets(TASKS["1-1"], answered, truth)[0])


def test_the_best_offset_is_in_the_middle_of_the_longest_stretch_of_best_ones() -> None:
    # One of three is wrong from -1.5 to -0.6 (10 offsets) and from 0.5 to 0.9 (5), more elsewhere
    assert _best_of_normal([-0.5, 1.5, 2.0], [-3.5, -1.0, 0.5]) == -1.05
    # One of two is wrong from -2 to -0.1 (20 offsets) and from 0.1 to 2.9 (29); at 0 two are
    assert _best_of_normal([-0.05, 2.0], [0.05, -3.0]) == 1.5
    # From -1 to 0.9 both are wrong, which scores 0; up to -1.1 (30) and from 1 on (31) one is right
    assert _best_of_normal([-1.0], [1.0]) == 2.5


def test_poor_quality_is_said_as_soon_as_none_of_the_others_is_called_so() -> None:
    # Normal and Adventitious are parted by any offset: 0. The others are ahead of Poor Quality by 1.234 and 2.
    answered = np.array([[0.0, -50.0, -1.234], [-50.0, 0.0, -2.0], [-3.0, -3.0, 0.0]])
    assert best_offsets(TASKS["2-1"], answered, np.array([0, 1, 2])).tolist() == [0.0, 0.0, 1.23]


def test_numbers_of_the_regressions_have_six_digits_and_a_constant_statistic_a_scale_above_0() -> None:
    labels = np.arange(50) % len(RECORD_LABELS)
    fitted = RecordAnswer.fit(np.stack([labels / 3, np.ones(50)], 1), labels)
    assert fitted.scale[1] == 1e-6
    assert [round(v, 6) for v in fitted.bias] == list(fitted.bias)


def test_other_labels_are_named_beside_those_that_were_expected() -> None:
    message = r"expected labels Normal, Rhonchi, .*, Wheeze\+Crackle, found \['Normal'\]$"
    with pytest.raises(ConfigError, match=message):
        TaskAnswers.from_fields({"labels": ["Normal"]})


def test_of_offsets_that_patients_cannot_tell_apart_the_one_that_changes_least_is_taken() -> None:
    task, truth = TASKS["1-1"], np.tile([0, 1], 200)
    patients = tuple(f"p{n // 8}" for n in range(400))  # 50 patients of 8 clips
    margins = np.where(truth == 0, 3.0, -1.0)  # every offset from -3 to .9 parts them
    margins[[1, 9, 17]] = 1.5  # but for three patients' clips, which are right from -1.6 on down,
    margins[[80, 88]] = 1.55  # and two others', which are wrong there
    answered = np.stack([margins, np.zeros(400)], 1)
    assert best_offsets(task, answered, truth)[0] < -1.5
    assert best_offsets(task, answered, truth, patients)[0] == 0.0  # three patients against two do not decide
    margins[1::8] = 1.5  # one clip of every patient does
    answered = np.stack([margins, np.zeros(400)], 1)
    assert best_offsets(task, answered, truth, patients)[0] == -1.6
