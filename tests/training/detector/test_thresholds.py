"""Calibration, the search for detection parameters, on numbers that were computed by hand."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from training.datasets import CLASSES, Annotation, Recording
from training.datasets.targets import COLUMNS, WIDTH, frame_targets
from training.detector.hyperparameters import Recipe
from training.detector.thresholds import (
    Calibration,
    Choice,
    RecordingLogits,
    ThresholdScorer,
    calibrate,
    search,
    to_detection,
)
from training.metrics.streaming import Counts, EventCounts, ScoredRecording

LN3 = math.log(3)


def _recording(label: str = "CAS", *events: Annotation, negative: bool = False) -> Recording:
    return Recording(Path("one.flac"), "p", label, events, is_negative=negative)


def _frames(recording: Recording, present: tuple[tuple[int, int], ...]) -> RecordingLogits:
    """Four frames with a logit of 1 and four with -1 in each question; in so many of each four the answer is yes."""
    logits = np.zeros((8, WIDTH), np.float32)
    targets = np.full((8, WIDTH), 0.5, np.float32)  # half covered is no
    for column, (of_high, of_low) in enumerate(present):
        logits[:, column] = [1, 1, 1, 1, -1, -1, -1, -1]
        targets[[*range(of_high), *range(4, 4 + of_low)], column] = 0.6
    return RecordingLogits(recording, logits, targets, 0)


CHEST = _frames(_recording("Normal"), ((3, 1), (3, 2), (1, 3)))


def test_calibration_is_the_logistic_curve_through_the_shares_of_yes() -> None:
    found = calibrate([CHEST])
    # Log-odds of 3 in 4 and 1 in 4: ln 3 and -ln 3. Of 3 in 4 and 2 in 4: ln 3 and 0. Of 1 in 4 and 3 in 4.
    assert found.scale == pytest.approx((LN3, LN3 / 2, -LN3), abs=2e-3)
    assert found.bias == pytest.approx((0.0, LN3 / 2, 0.0), abs=2e-3)
    assert [round(v, 4) for v in (*found.scale, *found.bias)] == [*found.scale, *found.bias]


def test_negatives_and_recordings_of_poor_quality_do_not_calibrate() -> None:
    opposite = ((1, 3), (1, 3), (3, 1))
    others = [_frames(_recording("Poor Quality"), opposite), _frames(_recording("cough", negative=True), opposite)]
    assert calibrate([CHEST, *others]) == calibrate([CHEST])


def test_of_adventitious_recordings_unannotated_time_calibrates_breath_alone() -> None:
    alone, sound = calibrate([CHEST]), ((1, 3), (3, 1))
    unannotated = calibrate([CHEST, _frames(_recording("CAS"), ((0, 0), *sound))])
    assert (unannotated.scale[1:], unannotated.bias[1:]) == (alone.scale[1:], alone.bias[1:])
    assert unannotated.bias[0] < alone.bias[0] - 0.5
    annotated = calibrate([CHEST, _frames(_recording("CAS"), ((4, 4), *sound))])
    # continuous: 4 of 8 and 5 of 8; discontinuous: 4 of 8 each
    assert annotated.scale[1:] == pytest.approx((-math.log(5 / 3) / 2, 0.0), abs=2e-3)
    assert annotated.bias[1:] == pytest.approx((math.log(5 / 3) / 2, 0.0), abs=2e-3)


def test_a_score_is_the_probability_of_the_group_times_the_share_of_the_class() -> None:
    logits = np.zeros((1, WIDTH), np.float32)
    logits[0, COLUMNS.continuous] = LN3 / 2
    logits[0, COLUMNS.which_continuous.start] = math.log(2)
    valid = RecordingLogits(_recording(), logits, np.ones_like(logits), 0)
    scored = Calibration((1.0, 2.0, 1.0), (0.0, 0.0, -LN3)).score(valid)
    assert (scored.recording, scored.targets) == (valid.recording, pytest.approx(valid.targets))
    # Breath 1/2; continuous 3/4, shared out as 1/2, 1/4, 1/4; discontinuous 1/4, shared out equally
    np.testing.assert_allclose(scored.scores[0], [0.375, 0.1875, 0.1875, 0.125, 0.125, 0.5], atol=1e-6)


def test_the_choices_are_put_into_the_form_of_the_tracker() -> None:
    choices = {"continuous": Choice(0.3, 7, 0.5, 4, 1), "discontinuous": Choice(0.4, 15, 0.7, 8, 2)}
    detection = to_detection(choices, Recipe())
    assert (detection.hop_samples, detection.rate_hz) == (256, 8000)  # 64 samples x 4 frames
    assert detection.thresholds == {
        "wheeze": 0.3,
        "rhonchus": 0.3,
        "stridor": 0.3,
        "fine_crackle": 0.4,
        "coarse_crackle": 0.4,
    }
    first, second = detection.groups
    assert (first.name, first.classes) == ("continuous", ("wheeze", "rhonchus", "stridor"))
    assert (first.step_frames, first.keep, first.confirm_frames, first.quiet_frames) == (7, 0.5, 4, 1)
    assert (second.name, second.classes) == ("discontinuous", ("fine_crackle", "coarse_crackle"))
    assert (second.step_frames, second.keep, second.confirm_frames, second.quiet_frames) == (15, 0.7, 8, 2)


class Told:
    """Stands for `ThresholdScorer`: event F1 as a function of group, fold and choice; segment F1 is 0."""

    def __init__(self, folds: list[int], f1: Callable[[str, int, Choice], float]) -> None:
        self.folds, self.f1 = folds, f1

    def count(self, choices: dict[str, Choice]) -> dict[int, EventCounts]:
        return {fold: self._of(fold, choices) for fold in self.folds}

    def _of(self, fold: int, choices: dict[str, Choice]) -> EventCounts:
        events = {f"event F1 {name}": Counts(self.f1(name, fold, c), 1, 1) for name, c in choices.items()}
        return events | {f"segment F1 {name}": Counts(0, 1, 1) for name in choices}


BOTH = {"continuous": Choice(), "discontinuous": Choice()}


def _searched(f1: Callable[[str, int, Choice], float], folds: int = 1, **fields: tuple[Any, ...]) -> dict[str, Choice]:
    return search(Told(list(range(folds)), f1), fields, BOTH)  # type: ignore[arg-type]


def test_of_thresholds_the_highest_that_gives_up_6_percent_is_chosen_and_of_other_numbers_the_best() -> None:
    quality = {0.1: 0.5, 0.2: 0.6, 0.3: 0.59, 0.4: 0.565, 0.5: 0.563}  # 0.94 x 0.6 = 0.564
    assert _searched(lambda _, __, c: quality[c.threshold], threshold=tuple(quality))["continuous"].threshold == 0.4
    quality = {0.1: 1.0, 0.2: 0.94, 0.3: 0.93}
    assert _searched(lambda _, __, c: quality[c.threshold], threshold=tuple(quality))["continuous"].threshold == 0.2
    steps = {9: 0.5, 12: 0.6, 16: 0.599}
    assert _searched(lambda _, __, c: steps[c.step_frames], step_frames=(9, 12, 16))["continuous"] == Choice()


def test_each_group_gets_its_own_best() -> None:
    best = {"continuous": 4, "discontinuous": 12}
    found = _searched(lambda name, _, c: float(c.confirm_frames == best[name]), confirm_frames=(4, 8, 12))
    assert {name: choice.confirm_frames for name, choice in found.items()} == best


def test_fields_are_searched_one_after_the_other_each_with_what_was_chosen_before() -> None:
    # With a step of 12, as at the start, a keep of 0.85 would be best; with 7, which is chosen first, 0.5 is
    f1 = {(7, 0.65): 0.3, (12, 0.65): 0.2, (7, 0.5): 0.9, (7, 0.85): 0.0, (12, 0.5): 0.1, (12, 0.85): 0.8}
    found = _searched(lambda _, __, c: f1[c.step_frames, c.keep], step_frames=(7, 12), keep=(0.5, 0.65, 0.85))
    assert found["continuous"] == Choice(0.25, 7, 0.5, 12, 8)
    assert BOTH["continuous"] == Choice()


def test_the_search_counts_all_folds_together() -> None:
    # 4 frames: 0.9 in one fold and 0 in the other; 8: 0.5 in both
    def f1(_: str, fold: int, choice: Choice) -> float:
        return 0.5 if choice.confirm_frames == 8 else 0.9 * (fold == 0)

    assert _searched(f1, folds=2, confirm_frames=(4, 8))["continuous"].confirm_frames == 8


def test_the_quality_is_event_f1_plus_segment_f1() -> None:
    class Segments(Told):
        def _of(self, fold: int, choices: dict[str, Choice]) -> EventCounts:
            segments = {f"segment F1 {n}": Counts(1 - c.keep, 1, 1) for n, c in choices.items()}
            return super()._of(fold, choices) | segments

    # 0.4 + 0.5 with a keep of 0.5, 0.8 + 0 with 1
    scorer = Segments([0], lambda _, __, c: 0.4 if c.keep == 0.5 else 0.8)
    assert search(scorer, {"keep": (0.5, 1.0)}, BOTH)["continuous"].keep == 0.5  # type: ignore[arg-type]


RECIPE = Recipe()
AT_ONCE = {name: Choice(0.5, 1, 1.0, 4, 1) for name in BOTH}


def _scored(
    label: str, annotated_s: tuple[float, float] | None, found_s: tuple[float, float] | None
) -> ScoredRecording:
    """Four seconds with one annotated wheeze and one stretch of high scores."""
    events = () if annotated_s is None else (Annotation(*annotated_s, ("wheeze",)),)
    recording = _recording(label, *events)
    scores = np.zeros((125, len(CLASSES)), np.float32)
    if found_s is not None:
        scores[round(found_s[0] / RECIPE.frame_s) : round(found_s[1] / RECIPE.frame_s), 0] = 0.9
    return ScoredRecording(recording, scores, frame_targets(recording, 125, RECIPE.frame_s))


def test_the_bench_counts_hits_found_and_true_of_each_fold() -> None:
    scored = [
        _scored("CAS", (0.992, 1.984), (0.992, 1.984)),
        _scored("CAS", (0.992, 1.984), (2.976, 3.968)),
        _scored("CAS", (0.992, 1.984), None),
        _scored("Normal", None, (0.992, 1.984)),
        _scored("Poor Quality", None, (0.992, 1.984)),
    ]
    scorer = ThresholdScorer(scored, [3, 3, 1, 1, 1], RECIPE)
    assert scorer.folds == [1, 3]
    counted = scorer.count(AT_ONCE)
    # Fold 3: two annotated, two found, one of them at the right place. Fold 1: one annotated, another found.
    assert counted[3]["event F1 continuous"] == Counts(1, 2, 2)
    assert counted[1]["event F1 continuous"] == Counts(0, 1, 1)
    assert counted[1]["event F1 discontinuous"] == Counts(0, 0, 0)
    assert scorer.count(dict(AT_ONCE)) == counted
    deaf = {name: Choice(0.95, 1, 1.0, 4, 1) for name in BOTH}
    assert scorer.count(deaf)[3]["event F1 continuous"] == Counts(0, 0, 2)
    with pytest.raises(ValueError, match="argument 2"):
        ThresholdScorer(scored, [1], RECIPE)
