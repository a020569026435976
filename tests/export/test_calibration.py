"""The sample: every kind and patient has its share, nobody of the validation fold is in it, a seed decides all."""

from __future__ import annotations

from collections import Counter, defaultdict
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.artefact.specs import WindowSpec
from export import calibration
from export.calibration import Side, Strata, cut_windows, draw, picks
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


def _heard(sample: calibration.Sample, training_data: TrainingData) -> list[Recording]:
    return [training_data.recordings[int(window.max())] for window in sample.frames]


def test_no_patient_of_the_fold_that_validates_is_heard(training_data: TrainingData) -> None:
    folds = training_data.fold_of(Recipe())
    outside = _heard(draw(training_data, Recipe(), OUTSIDE, 200, 1), training_data)
    inside = _heard(draw(training_data, Recipe(), INSIDE, 200, 1), training_data)
    assert all(folds[r.patient] != 0 for r in outside)
    assert all(folds[r.patient] == 0 for r in inside)


def test_every_kind_gives_as_many_windows_and_every_patient_of_it_too(training_data: TrainingData) -> None:
    heard = _heard(draw(training_data, Recipe(), OUTSIDE, 96, 1), training_data)
    assert set(Counter(r.record_label for r in heard).values()) == {24}
    of_normal = Counter(r.patient for r in heard if r.record_label == "Normal")
    assert max(of_normal.values()) - min(of_normal.values()) <= 1


def test_a_seed_decides_the_sample_and_another_one_gives_another(training_data: TrainingData, tmp_path: Path) -> None:
    one = draw(training_data, Recipe(), OUTSIDE, 32, 1)
    again = draw(TrainingData(training_data.recordings, tmp_path / "elsewhere"), Recipe(), OUTSIDE, 32, 1)
    assert one.sha256 == again.sha256 == one.record()["sha256"]
    assert draw(training_data, Recipe(), OUTSIDE, 32, 2).sha256 != one.sha256


def test_a_sample_that_was_drawn_before_is_read_and_not_drawn(
    training_data: TrainingData, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = draw(training_data, Recipe(), OUTSIDE, 32, 1)
    monkeypatch.setattr(TrainingData, "frames", lambda *_: pytest.fail("drawn again"))
    assert draw(training_data, Recipe(), OUTSIDE, 32, 1).sha256 == first.sha256


def test_a_sample_is_not_read_for_other_recordings_than_it_was_drawn_from(training_data: TrainingData) -> None:
    first = draw(training_data, Recipe(), OUTSIDE, 32, 1)
    fewer = TrainingData(training_data.recordings[1:], training_data.cache)
    assert draw(fewer, Recipe(), OUTSIDE, 32, 1).sha256 != first.sha256


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


def test_windows_are_cut_as_at_the_bedside_with_the_time_before_and_after() -> None:
    spec = WindowSpec(window_frames=240, hop_frames=60, lookahead_frames=120, score_frames=4)
    windows = cut_windows(np.ones((300, 2), np.float16), spec)
    decided = sum(int(w.valid[spec.decided].sum()) for w in windows)
    assert decided == 300
    assert not windows[0].valid.all()
    assert all(not w.values[~w.valid].any() for w in windows)


@given(st.integers(1, 60), st.integers(0, 2**32), st.integers(1, 5), st.integers(1, 4))
def test_kinds_take_turns_whatever_their_sizes(count: int, seed: int, kinds: int, patients: int) -> None:
    found: Strata = defaultdict(lambda: defaultdict(list))
    for number in range(kinds * patients * 2):
        found[str(number % kinds), ""][f"{number % (kinds * patients)}"].append(number)
    drawn = Counter(number % kinds for number in picks(found, count, np.random.default_rng(seed)))
    assert sum(drawn.values()) == count
    assert max(drawn.values()) - min(drawn.get(k, 0) for k in range(kinds)) <= 1
