"""Rows of a table: who is judged, on what, and what stands beside."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.training.evaluation.made import ALWAYS_NORMAL, PERFECT, Told, recording
from training.datasets import Annotation, Recording
from training.evaluation.split_scores import judge, totals, trained_on, two_classes
from training.metrics.predictions import Provenance
from training.tasks import TASKS


def _set(split: str = "inter") -> list[Recording]:
    sick = [Annotation(0.5, 1.0, ("wheeze",), "Wheeze"), Annotation(2.0, 3.5, (), "Normal")]
    labels = ("CAS", "DAS", "CAS & DAS", "Normal", "Normal", "Poor Quality")
    return [
        recording(f"{split}{i}", label, *(sick if label != "Poor Quality" else ()), split=split)
        for i, label in enumerate(labels)
    ]


def test_who_is_right_in_everything_has_the_whole_total() -> None:
    judged = [judge(PERFECT, TASKS[name], _set(), Provenance()) for name in ("1-1", "1-2", "2-1", "2-2")]
    assert [one.rows[0].score.score for one in judged] == [1.0] * 4
    assert totals(judged) == {"inter": pytest.approx(1.0)}


def test_a_missing_task_leaves_no_total() -> None:
    assert totals([judge(PERFECT, TASKS["1-1"], _set(), Provenance())]) == {}


def test_always_normal_is_half_right_and_scores_a_quarter() -> None:
    row = judge(ALWAYS_NORMAL, TASKS["2-2"], _set(), Provenance()).rows[0]
    assert (row.score.sensitivity, row.score.specificity, row.score.score) == (0.0, 1.0, 0.25)


def test_the_duration_rule_stands_beside_every_row_of_the_first_tasks() -> None:
    several = [*_set(), *_set("intra"), *_set("train")]
    judged = judge(PERFECT, TASKS["1-1"], several, Provenance())
    assert [row.split.name for row in judged.rows] == ["total", "inter", "intra", "train"]
    assert [(row.who, row.split.name) for row in judged.beside][:2] == [
        ("duration < 1.06 s", "total"),
        ("duration < 0.505 s, fitted", "total"),
    ]
    assert len(judged.beside) == 8
    assert judged.beside[0].score.score == 1.0  # here every wheeze is short
    assert judge(PERFECT, TASKS["2-1"], several, Provenance()).beside == ()


def test_without_training_recordings_the_rule_is_the_published_one_alone() -> None:
    assert {row.who for row in judge(PERFECT, TASKS["1-2"], _set(), Provenance()).beside} == {"duration < 1.06 s"}


def test_the_rule_is_fitted_without_the_patients_that_the_model_was_not_trained_on() -> None:
    long = Annotation(1.0, 4.0, ("wheeze",), "Wheeze")
    held_out = recording("z", "CAS", long, long, long, long, split="train")
    provenance = trained_on(_set("train"))
    beside = judge(PERFECT, TASKS["1-1"], [*_set("train"), held_out], provenance).beside
    assert {row.who for row in beside} == {"duration < 1.06 s", "duration < 0.505 s, fitted"}
    assert [row.split.name for row in beside] == ["validation", "validation", "train", "train"]


def test_only_recordings_of_the_tasks_own_set_are_judged() -> None:
    other = [replace(r, dataset="mine") for r in _set()]
    assert len(judge(PERFECT, TASKS["2-1"], [*other, *_set()], Provenance()).rows[0].predictions.clips) == 6


def test_rows_say_what_was_trained_on() -> None:
    judged = judge(PERFECT, TASKS["2-1"], _set("train"), trained_on(_set("train")))
    assert "IN THE TRAINING DATA (6 of 6)" in judged.rows[0].split.notice


def test_two_classes_of_icbhi_follow_from_four() -> None:
    kinds = {"Normal": (), "Crackle": ("crackle",), "Wheeze": ("wheeze",), "Both": ("wheeze", "crackle")}
    cycles = tuple(Annotation(i, i + 1.0, labels, name) for i, (name, labels) in enumerate(kinds.items()))
    several = [Recording(Path(f"{p}.wav"), p, "CAS & DAS", cycles, split="test", dataset="icbhi") for p in "ab"]
    four = judge(Told({"Wheeze": "Crackle", "Both": "Normal"}), TASKS["icbhi-4"], several, Provenance())
    assert four.rows[0].score.sensitivity == pytest.approx(1 / 3)
    two = two_classes(four)
    assert two.rows[0].score.sensitivity == pytest.approx(2 / 3)  # the wheeze was called something abnormal
    assert two.rows[0].split.name == "test"
    assert "any abnormal" in two.note


def test_poor_quality_counts_neither_way_in_the_area_under_the_curve() -> None:
    several = [recording("a", "Normal"), recording("b", "CAS"), recording("c", "Poor Quality")]
    (row,) = judge(Told({"Poor Quality": "Normal"}), TASKS["2-1"], several, Provenance()).rows
    assert row.auc == 1
