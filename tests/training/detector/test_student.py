"""A training of the edge recipe is reproducible and survives a kill; it says nothing of sound that was not heard."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from edge.errors import ConfigError
from tests.training.detector.edge import PLAIN, RECIPE, learn, sampler
from tests.training.detector.networks import trained
from training.datasets import Annotation, Recording
from training.datasets.targets import WIDTH
from training.detector.augment import Changes
from training.detector.cross_validation import Job
from training.detector.examples import StretchSampler
from training.detector.hyperparameters import Recipe, changed, load_edge_recipe
from training.detector.inference import clip_answers, clip_embeddings, stream_logits
from training.detector.model import Detector, class_scores, parameter_count
from training.detector.networks import load_network
from training.detector.student import EdgeLearner
from training.detector.training_data import TrainingData
from training.detector.truth import LabelSpec, Timeline
from training.loop.run_folder import RunFolder

LENGTHS = [200, 1, 3, 40, 80, 5, 81, 4, 600, *range(300, 360)]  # frames; more than are answered at a time


class KilledError(Exception):
    """Stands for a kill between two epochs."""


def _train(folder: Path, recipe: Recipe = RECIPE, kill_after: int = 99) -> dict[str, torch.Tensor]:
    def report(line: str) -> None:
        if f"epoch {kill_after}/" in line:
            raise KilledError

    return learn(folder, recipe, report)


def test_a_killed_training_goes_on_to_the_same_weights(tmp_path: Path) -> None:
    torch.set_num_threads(1)
    whole = _train(tmp_path / "whole")
    with pytest.raises(KilledError):
        _train(tmp_path / "killed", kill_after=2)
    resumed = _train(tmp_path / "killed")
    assert whole.keys() == resumed.keys()
    for name, weights in whole.items():
        torch.testing.assert_close(weights, resumed[name], rtol=0, atol=0)


def test_a_network_of_another_recipe_is_not_loaded(tmp_path: Path) -> None:
    _train(tmp_path)
    job = Job(RECIPE, TrainingData((), tmp_path), tmp_path)
    assert isinstance(load_network(job.recipe, job.folder / "final"), Detector)
    with pytest.raises(ConfigError, match="trained with another recipe"):
        load_network(replace(RECIPE, steps=3), job.folder / "final")


def test_a_network_that_was_not_trained_to_its_end_is_not_loaded(tmp_path: Path) -> None:
    with pytest.raises(KilledError):
        _train(tmp_path, kill_after=2)
    with pytest.raises(ConfigError, match="trained 2 of 3 epochs"):
        load_network(RECIPE, tmp_path / "final")


def test_a_run_folder_is_not_taken_up_for_other_recordings(tmp_path: Path) -> None:
    place = RunFolder(tmp_path / "final")
    place.claim(Job(RECIPE, TrainingData((), tmp_path), tmp_path, "one").identity())
    with pytest.raises(ConfigError, match="begun with"):
        place.claim(Job(RECIPE, TrainingData((), tmp_path), tmp_path, "other").identity())


def test_a_recipe_survives_its_json() -> None:
    recipe = replace(RECIPE, teachers=2, seed=3)
    assert Recipe.from_json(recipe.to_json()) == recipe
    assert Recipe.from_json(recipe.to_json()).sha256 == recipe.sha256


def test_a_recipe_from_before_a_key_is_read_and_written_as_it_was() -> None:
    written = json.loads(replace(RECIPE, data=("sprsound",)).to_json())
    assert not {"data", "pretraining"} & written.keys()
    assert "consistency" not in written["losses"]
    assert (written["clips"], written["losses"]["phase"], written["network"]["angular"]) == (0, 0.0, False)
    assert json.loads(Recipe.from_json(json.dumps(written)).to_json()) == written


@pytest.mark.parametrize(
    ("part", "key", "value"),
    [("losses", "phase", 0.2), ("", "clips", 16), ("", "pretraining", 8), ("network", "angular", True)],
)
def test_a_recipe_that_asks_for_what_is_no_longer_trained_is_refused(part: str, key: str, value: object) -> None:
    written = json.loads(RECIPE.to_json())
    (written[part] if part else written)[key] = value
    with pytest.raises(ConfigError, match=rf"{key} = {value}: no longer trained .*expected (0|0.0|False)$"):
        Recipe.from_json(json.dumps(written))


def test_the_recipe_file_is_the_recipe() -> None:
    assert load_edge_recipe() == Recipe()


def test_numbers_of_a_recipe_are_changed_by_their_key() -> None:
    recipe = changed(Recipe(), {"loop.epochs": 2, "augment.gain_db": 3, "teachers": 0}, "here")
    assert (recipe.loop.epochs, recipe.augment.gain_db, recipe.teachers) == (2, 3, 0)
    assert changed(Recipe(), {}, "here") == Recipe()


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("loop.epoch", 2, "here: loop.epoch: no such key; expected one of average, batch"),
        ("nothing", 2, "here: nothing: no such key; expected one of augment, chunk_frames, data"),
        ("seed.deep", 2, "here: seed.deep: no such key"),
        ("loop.epochs", "many", r"here: loop.epochs: Input should be a valid integer \(found 'many'\)"),
        ("loop.compile", 1, r"here: loop.compile: Input should be a valid boolean \(found 1\)"),
        ("labels", {"hops": 2}, "here: labels.hops: no such key"),
        ("loop.epochs", 0, "here: .*greater than or equal to 1"),
    ],
)
def test_a_wrong_key_or_value_is_named(key: str, value: object, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        changed(Recipe(), {key: value}, "here")


def test_teachers_change_what_is_learnt(tmp_path: Path) -> None:
    batch_of = lambda learner: learner.batch(0, 0)  # noqa: E731
    recipe = replace(RECIPE, teachers=1)
    alone = EdgeLearner(recipe, sampler(), seed=7)
    torch.manual_seed(3)
    taught = EdgeLearner(recipe, sampler(), seed=7, teachers=[Detector(RECIPE.network).eval()] * 3)
    for name, values in batch_of(alone).items():
        torch.testing.assert_close(values, batch_of(taught)[name])
    rng = torch.Generator().manual_seed(0)
    losses = [x.loss(x.network.eval(), batch_of(x), rng)["total"].item() for x in (alone, taught)]
    assert abs(losses[0] - losses[1]) > 1e-3


def test_clips_of_any_length_are_answered_together_as_alone_and_in_their_order() -> None:
    network, rng = trained(RECIPE.network), np.random.default_rng(0)
    clips = [rng.normal(0, 1, (length, RECIPE.features.width)).astype(np.float16) for length in LENGTHS]
    together, embeddings = clip_answers(network, clips), clip_embeddings(network, clips)
    for clip, answer, embedding in zip(clips, together, embeddings, strict=True):
        np.testing.assert_allclose(clip_answers(network, [clip])[0], answer, atol=1e-5)
        np.testing.assert_allclose(clip_embeddings(network, [clip])[0], embedding, atol=1e-5)
        np.testing.assert_allclose(np.logaddexp.reduce(answer), 0, atol=1e-5)
    assert len(np.unique(np.round(together, 4), axis=0)) == len(clips)


def test_the_default_network_is_within_its_budget() -> None:
    assert parameter_count(Detector(Recipe().network)) < 400_000


def test_the_scores_of_a_group_sum_to_its_probability() -> None:
    logits = torch.randn(20, WIDTH)
    scores = class_scores(logits, torch.tensor([1.0, 2.0, 1.0]), torch.tensor([0.0, -1.0, 0.5]))
    torch.testing.assert_close(scores[:, :3].sum(1), torch.sigmoid(2 * logits[:, 1] - 1))
    torch.testing.assert_close(scores[:, 3:5].sum(1), torch.sigmoid(logits[:, 2] + 0.5))
    torch.testing.assert_close(scores[:, 5], torch.sigmoid(logits[:, 0]))


@pytest.mark.parametrize("count", [0, 3, 50, 200])
def test_streaming_scores_cover_every_whole_score_frame(count: int) -> None:
    network = Detector(RECIPE.network).eval()
    frames = np.random.default_rng(0).normal(0, 1, (count, RECIPE.features.width)).astype(np.float16)
    assert stream_logits(network, frames).shape == (count // 4, WIDTH)


def test_training_stretches_are_finite_and_say_what_was_heard() -> None:
    stretches, rng = sampler(), np.random.default_rng(3)
    drawn = [stretches.draw(rng) for _ in range(200)]
    for example in drawn:
        assert np.isfinite(example.frames).all()
        assert set(np.unique(example.valid)) <= {0.0, 1.0}
        assert not example.frames[example.valid == 0].any()
        for part in (example.truth.targets, example.truth.weights, example.truth.shares):
            assert ((part >= 0) & (part <= 1)).all()


def test_stretches_without_augmentation_are_cuts_of_the_recording() -> None:
    rng = np.random.default_rng(0)
    frames = rng.normal(0, 1, (200, RECIPE.features.width)).astype(np.float16)
    recording = Recording(Path("a.flac"), "a", "Normal", (Annotation(0.2, 0.9, ()),))
    timeline = Timeline(recording, LabelSpec())
    changes = Changes(RECIPE.features, PLAIN)
    sampler = StretchSampler([recording], [frames], [timeline], RECIPE.sequence_frames, changes, LabelSpec())
    floor = (-105.0 + 75.0) / 20.0  # dB of the default recipe
    for _ in range(20):
        example = sampler.draw(rng)
        scored = example.frames[example.valid > 0]
        first = next(i for i in range(200) if np.allclose(np.maximum(frames[i], floor), scored[0], atol=1e-5))
        expected = np.maximum(frames[first : first + len(scored)].astype(np.float32), floor)
        np.testing.assert_allclose(scored, expected, atol=1e-5)
