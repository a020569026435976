"""The draw: every kind and patient has its share, nobody of the validation fold is in it, a seed decides all."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from export.checkpoint import Checkpoint
from export.parity import ComparisonSet
from export.recordings import EvaluationData, HeldoutFold, Side, Strata, draw, picks, validation_note
from export.streams import Sound
from tests.export.networks import small_sounds
from tests.export.runs import make_run
from training.datasets import Recording
from training.detector.hyperparameters import Recipe
from training.detector.training_data import TrainingData

INSIDE, OUTSIDE = Side(0, is_inside=True), Side(0, is_inside=False)


def _recordings() -> tuple[Recording, ...]:
    kinds = {"Normal": 20, "CAS": 10, "DAS": 10, "cough": 10}
    return tuple(
        Recording(Path(f"{kind}-{n}.wav"), f"{kind}-{n // 2}", kind, (), is_negative=kind == "cough")
        for kind, count in kinds.items()
        for n in range(count)
    )


@pytest.fixture
def training_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TrainingData:
    recordings = _recordings()
    for recording in recordings:
        (tmp_path / recording.path).write_bytes(b"")
    monkeypatch.chdir(tmp_path)
    marked = [np.full((900, 96), index, np.float16) for index in range(len(recordings))]
    monkeypatch.setattr(TrainingData, "frames", lambda *_: marked)
    return TrainingData(recordings, tmp_path / "cache")


def _output_of(sounds: Sequence[Sound], training_data: TrainingData) -> list[Recording]:
    return [training_data.recordings[int(sound.frames.max())] for sound in sounds]


def test_no_patient_of_the_fold_that_validates_is_heard(training_data: TrainingData) -> None:
    folds = training_data.fold_of(Recipe())
    outside = _output_of(draw(training_data, Recipe(), OUTSIDE, 200, 1), training_data)
    inside = _output_of(draw(training_data, Recipe(), INSIDE, 200, 1), training_data)
    assert all(folds[r.patient] != 0 for r in outside)
    assert all(folds[r.patient] == 0 for r in inside)


def test_every_kind_gives_as_many_recordings_and_every_patient_of_it_too(training_data: TrainingData) -> None:
    received = _output_of(draw(training_data, Recipe(), OUTSIDE, 96, 1), training_data)
    assert set(Counter(r.record_label for r in received).values()) == {24}
    of_normal = Counter(r.patient for r in received if r.record_label == "Normal")
    assert max(of_normal.values()) - min(of_normal.values()) <= 1


def test_a_seed_decides_the_draw_and_another_one_gives_another(training_data: TrainingData) -> None:
    drawn = [_output_of(draw(training_data, Recipe(), OUTSIDE, 32, seed), training_data) for seed in (1, 1, 2)]
    assert drawn[0] == drawn[1] != drawn[2]


def test_test_sets_and_synthetic_patients_are_on_neither_side() -> None:
    tested = Recording(Path("x.wav"), "p", "Normal", (), split="inter")
    synthetic = Recording(Path("synthetic", "1"), "p", "Normal", (), is_synthetic=True)
    known = Recording(Path("x.wav"), "p", "Normal", ())
    sides = (INSIDE, OUTSIDE)
    assert [[side.holds(r, {"p": 0}) for side in sides] for r in (tested, synthetic, known)] == [
        [False, False],
        [False, False],
        [True, False],
    ]


@given(st.integers(1, 60), st.integers(0, 2**32), st.integers(1, 5), st.integers(1, 4))
def test_kinds_take_turns_whatever_their_sizes(count: int, seed: int, kinds: int, patients: int) -> None:
    found: Strata = defaultdict(lambda: defaultdict(list))
    for number in range(kinds * patients * 2):
        found[str(number % kinds), ""][f"{number % (kinds * patients)}"].append(number)
    drawn = Counter(number % kinds for number in picks(found, count, np.random.default_rng(seed)))
    assert sum(drawn.values()) == count
    assert max(drawn.values()) - min(drawn.get(k, 0) for k in range(kinds)) <= 1


def test_it_says_on_whom_it_was_validated_or_why_on_nobody(tmp_path: Path) -> None:
    checkpoint, sounds = Checkpoint.open(make_run(tmp_path / "small")), small_sounds()
    fold, comparison = HeldoutFold(0, sounds, _recordings()[:3], sounds[:3]), ComparisonSet(sounds, sounds, "noise")
    assert "3 chest recordings of 2 patients in 1 of 5 folds" in validation_note(
        checkpoint, EvaluationData(sounds, comparison, (fold,))
    )
    assert "has no network that left patients out" in validation_note(
        checkpoint, EvaluationData(sounds, comparison, ())
    )
    assert "give DATA=folder" in validation_note(checkpoint, None)
