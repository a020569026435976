"""The recipes that come with the project: complete, honest about their source, and buildable in both sizes."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import yaml

from edge.errors import ConfigError
from training.clips.classifier import ClipClassifier
from training.clips.hear_learners import masked_network
from training.clips.schema import ClassifierRecipe, HearRecipe, load_recipe
from training.options import merged
from training.papers.recipes import read_recipe, recipe_names
from training.tasks import TASKS

NAMES = ("hear", "ngo2022", "ngo2023", "patchmix", "qlung")
PAPER = "paper"


def test_every_recipe_is_there() -> None:
    assert recipe_names() == ["edge", *NAMES]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("size", ["small", PAPER])
def test_a_recipe_says_where_it_is_from_what_it_follows_and_what_is_chosen(name: str, size: str) -> None:
    recipe = load_recipe(name, size)
    assert recipe.name == name
    assert "arXiv" in recipe.source
    assert len(recipe.follows) >= 2
    assert len(recipe.chosen) >= 2


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("size", ["small", PAPER])
def test_a_recipe_builds_its_network_for_every_task(name: str, size: str) -> None:
    recipe = load_recipe(name, size)
    with torch.device("meta"):
        if isinstance(recipe, HearRecipe):
            assert sum(p.numel() for p in masked_network(recipe).parameters()) > 1e6
            return
        for task in TASKS.values():
            frames = recipe.model_copy(update={"task": task.name}).frames
            network = ClipClassifier(recipe, [1] * len(task.labels), frames)
            embedding = torch.zeros(2, network.backbone.embedding_size)
            assert network.head(embedding).shape == (2, len(task.labels))


def _weights(name: str, size: str) -> int:
    recipe = load_recipe(name, size, {"task": "icbhi-4"})
    assert isinstance(recipe, ClassifierRecipe)
    with torch.device("meta"):
        return sum(p.numel() for p in ClipClassifier(recipe, [1] * 4, recipe.frames).backbone.parameters())


def test_the_papers_sizes_are_the_published_ones_where_they_are_published() -> None:
    assert 85e6 < _weights("patchmix", PAPER) < 88e6  # 87.5 M with its classifier
    assert _weights("qlung", PAPER) == _weights("patchmix", PAPER)
    with torch.device("meta"):
        encoder = masked_network(load_recipe("hear", PAPER)).encoder
    assert 300e6 < sum(p.numel() for p in encoder.parameters()) < 310e6


@pytest.mark.parametrize("name", [n for n in NAMES if n != "hear"])
def test_the_small_sizes_are_small(name: str) -> None:
    assert _weights(name, "small") < 1.5e6


def test_patchmix_and_qlung_keep_the_published_numbers() -> None:
    patchmix, qlung = load_recipe("patchmix", PAPER), load_recipe("qlung", PAPER)
    losses = {loss.kind: loss for loss in patchmix.losses}
    assert (losses["patch-mix"].temperature, losses["patch-mix"].weight) == (0.06, 1.0)
    assert (patchmix.loop.learning_rate, patchmix.loop.weight_decay, patchmix.loop.batch) == (5e-5, 1e-6, 8)
    assert patchmix.loop.keep_old == 0.5
    assert patchmix.clip.cycle.seconds == 8
    dfam = next(loss for loss in qlung.losses if loss.kind == "dfam")
    assert (dfam.weight, dfam.scale, dfam.kappa, dfam.gamma, dfam.target) == (0.4, 15, 0.5, 0.5, 0.2)
    assert qlung.head.scale == 37


def test_a_users_own_recipe_is_a_file(tmp_path: Path) -> None:
    tree = read_recipe("ngo2023")
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(merged(tree, {"name": "mine"})))
    assert load_recipe(str(tmp_path / "mine.yaml")).name == "mine"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: [", "not valid YAML"),
        ("- a", "expected keys and values, found a list"),
        ("method: magic", "method = 'magic', expected one of classify, masked"),
        ("{}", "name: Field required"),
    ],
)
def test_a_file_that_is_no_recipe_says_why(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=message):
        load_recipe(str(path))


def test_mistakes_are_named_by_their_keys() -> None:
    changes = {"loop.epochs": 0, "clip.event.pad": "mirror", "augment.mixup": "yes", "features.cwt.bands": 65}
    with pytest.raises(ConfigError) as caught:
        load_recipe("ngo2022", "small", changes)
    for key in ("loop.epochs", "clip.event.pad", "augment.mixup"):
        assert key in str(caught.value)
    with pytest.raises(ConfigError, match="features: expected spectrograms of one hop and one width"):
        load_recipe("ngo2022", "small", {"features.cwt.bands": 65})


def test_another_kind_replaces_a_mapping_and_the_same_kind_is_merged() -> None:
    tree = {"head": {"kind": "angular", "scale": 30}, "list": [1, 2]}
    assert merged(tree, {"head": {"kind": "linear"}})["head"] == {"kind": "linear"}
    assert merged(tree, {"head": {"scale": 20}})["head"] == {"kind": "angular", "scale": 20}
    assert merged(tree, {"list": [3]})["list"] == [3]
