"""Limits of the burden at simulated beds whose right answers are known."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from edge.model.alarm_limits import PREVALENCES, BurdenLimits
from edge.model.specs import GroupSpec
from edge.types import Scores
from edge.ward.burden import Burden
from training.datasets import CLASSES, Recording
from training.detector import ward_limits as ward_beds
from training.detector.ward_limits import beds_of, day, onsets, ward_limits
from training.metrics.streaming import GROUPS, ScoredRecording

FRAME_S = 0.032
STEP = 125
QUIET_S_PER_MIN, LOUD_S_PER_MIN = 0.6, 12.0


@pytest.fixture(autouse=True)
def _short_days(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two hours instead of a day, three trials instead of forty."""
    monkeypatch.setattr(ward_beds, "DAY_STEPS", 1800)
    monkeypatch.setattr(ward_beds, "TRIALS", 3)


def _scored(patient: str, label: str, s_per_min: float, is_negative: bool = False) -> ScoredRecording:
    """Ten seconds, all of them with the same burden of both groups."""
    scores = np.zeros((313, len(CLASSES)), np.float32)
    scores[:, CLASSES.index("wheeze")] = scores[:, CLASSES.index("fine_crackle")] = s_per_min / 60
    recording = Recording(Path(f"{patient}.wav"), patient, label, (), is_negative=is_negative, dataset="sprsound")
    return ScoredRecording(recording, scores, np.zeros((313, 1), np.float32))


def _ward(strange: float = QUIET_S_PER_MIN) -> tuple[list[ScoredRecording], list[int]]:
    """Twelve patients of each kind in three folds; the healthy ones of the first may sound strange."""
    scored, folds = list[ScoredRecording](), list[int]()
    for number in range(12):
        loud = strange if number % 3 == 0 else QUIET_S_PER_MIN
        several = [_scored(f"n{number}", "Normal", loud)] * 2
        several += [_scored(f"a{number}", "DAS", LOUD_S_PER_MIN)] * 3
        several += [_scored(f"c{number}", "cough", 0.0, is_negative=True)]
        scored, folds = scored + several, folds + [number % 3] * len(several)
    return scored, folds


def test_beds_are_patients_with_enough_recordings_of_one_kind() -> None:
    scored, folds = _ward()
    scored += [_scored("once", "Normal", 1.0), _scored("n1", "Poor Quality", 50.0), _scored("twice", "CAS", 9.0)]
    quiet, loud = beds_of(scored, [*folds, 0, 1, 0])
    assert sorted(bed.patient for bed in quiet) == sorted(f"n{n}" for n in range(12))
    assert sorted(bed.patient for bed in loud) == sorted(f"a{n}" for n in range(12))
    assert [len(bed.silent) for bed in quiet] == [2] * 12
    assert all(len(bed.silent) == 8 + (bed.fold == 0) for bed in loud), "those of the fold"


def test_a_simulated_day_has_the_burden_that_the_edge_would_measure() -> None:
    rng, scored = np.random.default_rng(1), list[ScoredRecording]()
    for number in range(3):
        one = _scored("n0", "Normal", 0.0)
        scores = rng.random((200 + number, len(CLASSES))).astype(np.float32) / 3
        scored.append(ScoredRecording(one.recording, scores, one.targets))
    (bed,), _ = beds_of(scored, [0] * 3)
    played = ward_beds._play(bed, 0.0, ward_beds.DAY_STEPS * STEP, np.random.default_rng((ward_beds.SEED, 7)))
    specs = [GroupSpec(name, (name,), 1, 1.0, 1, 1) for name in GROUPS]
    edge = Burden(specs, GROUPS, 256, 8000)
    found = [r.over(300) for r in edge.push(Scores(0, played, np.ones(len(played), np.bool_))) if r.stop >= 75 * STEP]
    for group, burden in day(bed, 7, STEP).items():
        assert burden == pytest.approx([window.of(group).s_per_min for window in found], abs=1e-6)


def test_the_sound_begins_after_five_minutes_without_it() -> None:
    _, loud = beds_of(*_ward())
    burden = onsets(loud[0], 0, STEP)
    assert burden.shape == (len(PREVALENCES), 3, 450, 2)
    assert burden[0, :, 0].max() == pytest.approx(QUIET_S_PER_MIN + (LOUD_S_PER_MIN - QUIET_S_PER_MIN) / 75, abs=0.1)
    assert burden[0, :, -1].min() > 0.8 * LOUD_S_PER_MIN
    assert burden[-1].mean() < 0.25 * LOUD_S_PER_MIN


def test_limits_between_quiet_and_loud_find_all_and_raise_nothing() -> None:
    fields = ward_limits(*_ward(), FRAME_S)
    assert fields is not None
    table = BurdenLimits.from_json(json.dumps(fields))
    row = table.rows[0]
    assert (table.normal_beds, table.adventitious_beds) == (12, 12)
    assert all(QUIET_S_PER_MIN <= limit < LOUD_S_PER_MIN for limit in row.limits.values())
    assert (row.alarms, row.alarming_beds, row.found[0]) == (0.0, 0, 1.0)
    assert row.delay_s is not None
    assert 0 < row.delay_s < 300


def test_beds_that_sound_strange_make_the_alarms_of_a_fold_whose_limits_never_met_them() -> None:
    fields = ward_limits(*_ward(strange=6.0), FRAME_S)
    assert fields is not None
    row = fields["rows"][0]
    assert min(row["limits"].values()) >= 6.0, "all folds together know it"
    assert row["alarming_beds"] == 4
    assert row["alarms"] == pytest.approx(8 / 12, abs=0.01)
    assert 0.0 < row["alarms_low"] < row["alarms"] < row["alarms_high"]


def test_few_patients_give_no_table() -> None:
    scored, folds = _ward()
    assert ward_limits(scored[:30], folds[:30], FRAME_S) is None
