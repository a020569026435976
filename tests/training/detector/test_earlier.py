"""Earlier runs as teachers: each fold is taught by who never heard its patients, and so is what nobody annotated."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from edge.errors import ConfigError
from tests.training.detector.test_trial import SMALL, _data
from training.datasets.records import hashed_names
from training.detector.cross_validation import Job, score_fold, train_network
from training.detector.earlier import read_earlier
from training.detector.hyperparameters import Recipe, changed
from training.detector.inference import stream_logits
from training.detector.networks import load_network
from training.detector.training_data import TrainingData, read_recordings
from training.detector.truth import SOUNDS

pytestmark = pytest.mark.rest  # four networks are trained

CHANGES = SMALL | {"folds": 2, "teachers": 1, "steps": 1, "loop.epochs": 1, "loop.precision": "fp32", "shifts": []}
RECIPE = changed(Recipe(), CHANGES, "test")


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[TrainingData, Path, Path]:
    """Two finished runs of two folds, which differ in their seed."""
    root = tmp_path_factory.mktemp("earlier")
    recordings = read_recordings(_data(root / "data", 4), RECIPE)
    data = TrainingData(recordings, root / "cache")
    for seed in range(2):
        job = Job(replace(RECIPE, seed=seed), data, root / f"run-{seed}", "records", answers_tasks=False)
        job.claim()
        for fold in range(2):
            train_network(job, fold)
        (job.folder / "result.json").write_text(json.dumps({"trained_on": hashed_names(list(recordings))}))
    return data, root / "run-0", root / "run-1"


def _of(*folders: Path) -> Recipe:
    return replace(RECIPE, earlier=":".join(map(str, folders)))


def test_a_recipe_without_earlier_runs_has_none(runs: tuple[TrainingData, Path, Path]) -> None:
    assert read_earlier(RECIPE, runs[0]) == ([], {})


def test_a_fold_is_taught_by_the_networks_of_its_own_number_and_all_by_all(
    runs: tuple[TrainingData, Path, Path],
) -> None:
    data, *folders = runs
    earlier = read_earlier(_of(*folders), data)
    assert len(earlier.networks()) == 4
    for fold in range(2):
        for network, folder in zip(earlier.of_fold(fold), folders, strict=True):
            stored = load_network(replace(RECIPE, seed=int(folder.name[-1])), folder / f"fold-{fold}").state_dict()
            assert all(torch.equal(value, stored[name]) for name, value in network.state_dict().items())


def test_only_earlier_networks_that_hear_no_more_than_the_folds_own_score_beside_it(
    runs: tuple[TrainingData, Path, Path],
) -> None:
    data, *folders = runs
    recipe = _of(*folders)
    earlier = read_earlier(recipe, data)
    of_seeds = [[run.recipe.seed for run in earlier.beside(replace(recipe, finals=finals))] for finals in (1, 2, 3, 4)]
    last, first = (run.recipe.seed for run in earlier.runs[::-1])
    assert of_seeds == [[], [last], [last, first], [last, first]]
    fewer = replace(recipe.network, ahead=tuple(min(1, taps) for taps in recipe.network.ahead))
    assert fewer.lookahead < recipe.network.lookahead
    assert earlier.beside(replace(recipe, network=fewer)) == []


def test_what_is_believed_of_a_recording_is_the_mean_of_networks_that_never_heard_its_patient(
    runs: tuple[TrainingData, Path, Path],
) -> None:
    data, *folders = runs
    earlier = read_earlier(_of(*folders), data)
    fold_of, frames = data.fold_of(RECIPE), data.frames(RECIPE)
    assert set(fold_of.values()) == {0, 1}
    for number, recording in enumerate(data.recordings):
        logits = [stream_logits(one, frames[number])[:, SOUNDS] for one in earlier.of_fold(fold_of[recording.patient])]
        expected = np.mean([1 / (1 + np.exp(-one)) for one in logits], axis=0)
        np.testing.assert_allclose(earlier.believed[number].probability, expected, atol=1e-6)
    again = read_earlier(_of(*folders), data)  # from the cache
    np.testing.assert_array_equal(again.believed[0].probability, earlier.believed[0].probability)


@pytest.mark.parametrize("finals", [1, 2, 3])
def test_held_out_recordings_are_scored_by_as_many_networks_as_ship(
    finals: int, runs: tuple[TrainingData, Path, Path], tmp_path: Path
) -> None:
    data, *folders = runs
    recipe, third = replace(_of(*folders), finals=finals), tmp_path / "run"
    shutil.copytree(folders[0], third)
    for file in third.glob("fold-*/run.json"):  # as if it had been trained so
        file.write_text(json.dumps(json.loads(file.read_text()) | {"recipe": json.loads(recipe.to_json())}))
    job = Job(recipe, data, third, "records", answers_tasks=False)
    frames, place = data.frames(RECIPE), {recording.path: n for n, recording in enumerate(data.recordings)}
    first, last = (load_network(replace(RECIPE, seed=n), folder / "fold-1").eval() for n, folder in enumerate(folders))
    for is_alone, networks in ((True, [first]), (False, [first, last, first][:finals])):
        scored, _ = score_fold(job, 1, is_alone)
        assert scored
        for one in scored:
            expected_text = [stream_logits(each, frames[place[one.recording.path]]) for each in networks]
            np.testing.assert_allclose(one.logits, np.mean(expected_text, axis=0), atol=1e-5)


def test_runs_of_other_recordings_or_folds_and_unfinished_ones_are_refused(
    runs: tuple[TrainingData, Path, Path], tmp_path: Path
) -> None:
    data, first, _ = runs
    fewer = TrainingData(data.recordings[:-1], data.cache)
    with pytest.raises(ConfigError, match="trained on other recordings"):
        read_earlier(_of(first), fewer)
    with pytest.raises(ConfigError, match="its folds hold other patients; give folds = 2"):
        read_earlier(replace(_of(first), folds=3), data)
    shutil.copytree(first, tmp_path / "run", ignore=shutil.ignore_patterns("result.json"))
    with pytest.raises(ConfigError, match="expected a finished training"):
        read_earlier(_of(tmp_path / "run"), data)
