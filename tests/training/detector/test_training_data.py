"""Who is held out: a fold of patients, or the third of them that is unlike the others."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from edge.errors import ConfigError
from training.datasets import Recording
from training.detector.cross_validation import Job
from training.detector.hyperparameters import BEFORE, Recipe, changed
from training.detector.training_data import FINAL, FIRST_SHIFT, TrainingData

YOUNGEST, LOUDEST = FIRST_SHIFT, FIRST_SHIFT + 1


def _ward(folder: Path, ages: list[float], levels: list[float]) -> tuple[Recording, ...]:
    """A patient with two recordings for each age; the second is of that level (a gain), the first is silent."""
    recordings = []
    for patient, (age, gain) in enumerate(zip(ages, levels, strict=True)):
        for number, level in enumerate((gain, gain, 0.0)):
            path = folder / f"{patient}-{number}.wav"
            soundfile.write(path, level * np.random.default_rng(patient).normal(0, 0.05, 4000), 8000)
            recordings.append(Recording(path, f"p{patient}", "Normal", (), age_years=age))
    path = folder / "cough.wav"
    soundfile.write(path, np.zeros(4000), 8000)
    recordings.append(Recording(path, "speaker", "cough", (), is_negative=True))
    return tuple(recordings)


def test_the_youngest_third_is_held_out_by_age(tmp_path: Path) -> None:
    data = TrainingData(_ward(tmp_path, [9, 0.2, 3, 7, 1, 12], [1] * 6), tmp_path / "cache")
    assert data.held_out(Recipe(), YOUNGEST) == {"p1", "p4", "speaker"}
    assert data.held_out(Recipe(), FINAL) == frozenset()


def test_the_loudest_third_is_held_out_by_the_median_of_its_recordings(tmp_path: Path) -> None:
    data = TrainingData(_ward(tmp_path, [1] * 6, [0.1, 1, 0.2, 0.9, 0.3, 0.1]), tmp_path / "cache")
    assert data.held_out(Recipe(), LOUDEST) == {"p1", "p3", "speaker"}


def test_a_fold_of_patients_is_held_out_as_it_was_dealt(tmp_path: Path) -> None:
    recipe = Recipe()
    data = TrainingData(_ward(tmp_path, [9, 0.2, 3, 7, 1, 12], [1] * 6), tmp_path / "cache")
    folds = data.fold_of(recipe)
    everybody = [data.held_out(recipe, fold) for fold in range(recipe.folds)]
    assert frozenset().union(*everybody) == set(folds)
    assert sum(map(len, everybody)) == len(folds)


def test_patients_of_unknown_age_are_never_the_youngest(tmp_path: Path) -> None:
    data = TrainingData(_ward(tmp_path, [-1, 5, 3, 7], [1] * 4), tmp_path / "cache")
    assert data.held_out(Recipe(), YOUNGEST) == {"p2", "speaker"}


def test_recordings_without_ages_have_no_shift_of_age(tmp_path: Path) -> None:
    data = TrainingData(_ward(tmp_path, [-1] * 4, [1] * 4), tmp_path / "cache")
    assert data.shifts(Recipe()) == [LOUDEST]
    assert data.shifts(replace(Recipe(), shifts=())) == []
    with pytest.raises(ConfigError, match="0 patients of known age"):
        data.held_out(Recipe(), YOUNGEST)


def test_networks_of_the_shifts_have_folders_of_their_own(tmp_path: Path) -> None:
    job = Job(Recipe(), TrainingData((), tmp_path), tmp_path)
    assert [job.name(fold) for fold in (0, YOUNGEST, LOUDEST, FINAL)] == [
        "fold-0",
        "shift-youngest",
        "shift-loudest",
        "final",
    ]


def test_a_shift_that_nobody_knows_is_refused() -> None:
    with pytest.raises(ConfigError, match="shifts = oldest, expected some of youngest, loudest"):
        changed(Recipe(), {"shifts": ["oldest"]}, "here")


def test_a_recipe_without_the_younger_keys_is_read_as_what_it_did_and_written_as_it_was() -> None:
    text = changed(Recipe(), BEFORE, "here").to_json()
    assert '"data"' not in text
    assert Recipe.from_json(text).data == ("sprsound",)
    assert Recipe.from_json(Recipe().to_json()).data == ()
