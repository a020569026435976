"""The rule that hears nothing, and what it scores on the real training set."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge.errors import ConfigError
from tests.training.evaluation.made import clip
from training.datasets import read_sprsound
from training.metrics.official import DurationRule, fit_duration, official_score
from training.metrics.predictions import ask
from training.tasks import TASKS


def test_shorter_than_the_threshold_is_adventitious_and_equal_is_not() -> None:
    clips = [clip("Normal", length_s=length) for length in (1.059, 1.06, 1.061, 60.0)]
    assert ask(DurationRule(), TASKS["1-1"], clips).decided.tolist() == [1, 0, 0, 0]


def test_the_same_length_is_judged_the_same_wherever_it_begins() -> None:
    moved = clip("Normal", length_s=1.06)
    later = type(moved)(moved.recording, 0.066, 1.126, "Normal", 1)  # 1.126 - 0.066 is below 1.06 in binary
    assert ask(DurationRule(), TASKS["1-1"], [moved, later]).decided.tolist() == [0, 0]


def test_a_short_event_is_called_the_commonest_kind() -> None:
    decided = ask(DurationRule(), TASKS["1-2"], [clip("Wheeze", length_s=0.5)]).decided
    assert TASKS["1-2"].labels[decided[0]] == "Fine Crackle"


def test_the_fitted_threshold_parts_what_can_be_parted() -> None:
    clips = [clip("Normal", length_s=x) for x in (1.5, 2.0, 2.5)]
    clips += [clip("Wheeze", length_s=x) for x in (0.3, 0.5, 0.6)]
    rule = fit_duration(TASKS["1-2"], clips)
    assert rule is not None
    assert 0.6 < rule.threshold_s < 1.5
    assert official_score(TASKS["1-2"], ask(rule, TASKS["1-2"], clips).confusion).score == 1.0


def test_the_threshold_is_fitted_by_the_rule_that_is_asked_afterwards() -> None:
    task = TASKS["1-1"]
    clips = [clip("Adventitious", length_s=x) for x in (0.5, 1.052)] + [clip("Normal", length_s=2.0)]
    on_it = clip("Normal")
    clips.append(type(on_it)(on_it.recording, 0.947, 2.002, "Normal", 1))  # 2.002 - 0.947 is below 1.055 in binary
    rule = fit_duration(task, clips)
    assert rule is not None
    assert official_score(task, ask(rule, task, clips).confusion).score == 1.0


@pytest.mark.parametrize("label", ["Normal", "Adventitious"])
def test_one_side_alone_fits_nothing(label: str) -> None:
    assert fit_duration(TASKS["1-1"], [clip(label)]) is None


def test_it_does_not_answer_for_whole_records() -> None:
    with pytest.raises(ConfigError, match="task 2-1: the duration rule answers 1-1, 1-2"):
        DurationRule().predict(TASKS["2-1"], [clip("Normal")])


def test_the_published_threshold_is_found_on_the_training_set(real_data: Path) -> None:
    task = TASKS["1-1"]
    clips = task.clips(read_sprsound(real_data / "sprsound" / "train"))
    rule = fit_duration(task, clips)
    assert rule is not None
    assert rule.threshold_s == pytest.approx(1.06, abs=0.006)
    published, fitted = (official_score(task, ask(r, task, clips).confusion) for r in (DurationRule(), rule))
    assert published.score == pytest.approx(0.743, abs=5e-4)
    assert fitted.score == pytest.approx(0.743, abs=5e-4)


def test_of_equally_good_thresholds_the_lowest_is_taken() -> None:
    lengths = {"Adventitious": (0.5, 1.5), "Normal": (1.0, 2.0)}
    clips = [clip(label, length_s=length) for label, those in lengths.items() for length in those]
    rule = fit_duration(TASKS["1-1"], clips)
    assert rule is not None
    assert rule.threshold_s == 0.505  # as good as 1.505
