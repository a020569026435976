"""A network with its losses; what a mixture means is the same for all of them."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch

from edge.errors import ConfigError
from tests.training.clips.ward import tiny_recipe
from training.clips.classifier import ClipClassifier, Mixed, Objectives, View
from training.clips.schema import parse_recipe
from training.papers.transformer import Block

COUNTS = [6, 3, 1]
NETWORKS: dict[str, dict[str, Any]] = {
    "inception-2022": {"sizes": {"channels": [4, 8], "embedding_size": 8, "heads": 2}},
    "inception-2023": {"sizes": {"channels": [4, 8], "embedding_size": 8, "heads": 2}},
    "ast": {"sizes": {"size": 8, "depth": 1, "heads": 2}},
}
AST: dict[str, Any] = {"network": {"kind": "ast", **NETWORKS["ast"]}}
LOSSES: list[dict[str, Any]] = [
    {
        "kind": "cross-entropy",
    },
    {"kind": "focal"},
    {"kind": "dfam", "weight": 0.4},
    {"kind": "patch-mix"},
    {"kind": "triplet", "weight": 0.1},
]


def _recipe(kind: str, losses: list[dict[str, Any]], head: str = "angular") -> Any:
    network = {"kind": kind, **NETWORKS[kind]}
    return tiny_recipe(network=network, losses=losses, head={"kind": head})


def _view(classifier: ClipClassifier, kept: float = 1.0) -> View:
    torch.manual_seed(0)
    embeddings = torch.randn(6, 8, requires_grad=True)
    mixed = torch.randn(6, 8)
    return View(
        embeddings=embeddings,
        logits=classifier.head(embeddings),
        cosines=classifier.cosines(embeddings),
        labels=torch.tensor([0, 0, 1, 1, 2, 0]),
        partner=torch.tensor([1, 2, 3, 4, 5, 0]),
        kept=kept,
        quality=torch.linspace(0, 1, 6),
        mixed=Mixed(mixed, classifier.head(mixed), 0.6),
    )


def test_a_transformer_trains_with_every_loss_at_once() -> None:
    torch.manual_seed(0)
    classifier = ClipClassifier(_recipe("ast", LOSSES), COUNTS, 32)
    own = torch.randn(6, 1, 32, 16), torch.ones(6, 32)
    other = own[0][[1, 2, 3, 4, 5, 0]], own[1]
    spec = classifier.objectives.patch_mix
    assert spec is not None
    clean, mixed, kept = classifier.mixed(own, other, spec, torch.Generator().manual_seed(1))
    assert 0 < kept < 1
    view = _view(classifier)
    view = View(
        **{
            **{name: getattr(view, name) for name in view.__dataclass_fields__},
            "embeddings": clean,
            "logits": classifier.head(clean),
            "cosines": classifier.cosines(clean),
            "mixed": Mixed(mixed, classifier.head(mixed), kept),
        }
    )
    losses = classifier.objectives(view)
    assert losses.keys() == {loss["kind"] for loss in LOSSES} | {"total"}
    weights = {loss["kind"]: loss.get("weight", 1.0) for loss in LOSSES}
    torch.testing.assert_close(losses["total"], sum(weights[k] * losses[k] for k in weights))
    losses["total"].backward()
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in classifier.parameters())


def test_a_clean_embedding_is_that_of_the_clip_alone() -> None:
    torch.manual_seed(0)
    classifier = ClipClassifier(_recipe("ast", LOSSES), COUNTS, 32).eval()
    own, other = (torch.randn(4, 1, 32, 16), torch.ones(4, 32)), (torch.randn(4, 1, 32, 16), torch.ones(4, 32))
    spec = classifier.objectives.patch_mix
    assert spec is not None
    clean, mixed, _ = classifier.mixed(own, other, spec, torch.Generator().manual_seed(1))
    torch.testing.assert_close(clean, classifier.backbone(*own), rtol=1e-4, atol=1e-5)
    assert not torch.allclose(mixed, clean, atol=1e-3)


def test_a_clean_embedding_leaves_out_what_was_not_heard() -> None:
    torch.manual_seed(0)
    classifier = ClipClassifier(_recipe("ast", LOSSES), COUNTS, 32).eval()
    half = (torch.arange(32) < 16).float().expand(4, 32)
    own, other = (torch.randn(4, 1, 32, 16), half), (torch.randn(4, 1, 32, 16), half)
    spec = classifier.objectives.patch_mix
    assert spec is not None
    clean, _, _ = classifier.mixed(own, other, spec, torch.Generator().manual_seed(1))
    torch.testing.assert_close(clean, classifier.backbone(*own), rtol=1e-4, atol=1e-5)


def test_a_mixture_is_taught_both_labels_in_their_shares() -> None:
    losses = [
        {"kind": "cross-entropy"},
        {"kind": "focal"},
        {"kind": "dfam"},
    ]
    classifier = ClipClassifier(_recipe("inception-2023", losses), COUNTS, 32)
    own, whole = _view(classifier, 1.0), _view(classifier, 0.3)
    other = View(
        **{
            **{name: getattr(own, name) for name in own.__dataclass_fields__},
            "labels": own.labels[own.partner],
        }
    )
    first, second, both = (classifier.objectives(view) for view in (own, other, whole))
    for kind in ("cross-entropy", "focal", "dfam"):
        torch.testing.assert_close(both[kind], 0.3 * first[kind] + 0.7 * second[kind])


def test_an_untrained_angular_head_with_margins_costs_more_than_without() -> None:
    with_margin = _recipe("ast", [{"kind": "dfam", "target": 0.2}])
    without = _recipe("ast", [{"kind": "dfam", "target": 0.0, "kappa": 0.0}])
    torch.manual_seed(0)
    classifier = ClipClassifier(with_margin, COUNTS, 32)
    view = _view(classifier)
    plain = Objectives(without.losses, COUNTS, 8)(view)["dfam"]
    assert classifier.objectives(view)["dfam"] > plain
    torch.testing.assert_close(plain, torch.nn.functional.cross_entropy(15 * view.cosines, view.labels))


def test_compiling_reaches_the_blocks_that_patch_mix_calls() -> None:
    classifier = ClipClassifier(_recipe("ast", [{"kind": "cross-entropy"}]), COUNTS, 32)
    classifier.compile(backend="eager")
    blocks = [module for module in classifier.modules() if isinstance(module, Block)]
    assert blocks
    assert all(block._compiled_call_impl is not None for block in blocks)
    assert classifier(torch.randn(2, 1, 32, 16), torch.ones(2, 32)).shape == (2, 3)


def test_sizes_that_a_backbone_does_not_have_are_named() -> None:
    recipe = tiny_recipe(network={"kind": "ast", "sizes": {"width": 3}})
    with pytest.raises(ConfigError, match=r"network\.sizes: width is not known to ast; expected"):
        ClipClassifier(recipe, COUNTS, 32)


def test_a_backbone_for_one_spectrogram_refuses_two() -> None:
    mel = tiny_recipe().model_dump(mode="json")["features"]["mel"]
    recipe = tiny_recipe(features={"mel": mel, "other": mel})
    with pytest.raises(ConfigError, match=r"network\.kind = inception-2023: takes one spectrogram, the recipe has 2"):
        ClipClassifier(recipe, COUNTS, 32)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"losses": [{"kind": "dfam"}], "head": {"kind": "linear"}},
            "dfam widens angles and needs head.kind = angular",
        ),
        (
            AST | {"losses": [{"kind": "patch-mix"}], "augment": {"mixup": 0.2}},
            "augment.mixup: clips are mixed by patch-mix",
        ),
        ({"losses": [{"kind": "patch-mix"}]}, "patch-mix exchanges tokens and needs network.kind = ast"),
        ({"losses": [{"kind": "focal", "beta": 0.9}]}, "beta = 0.9: no longer trained, expected 0.0"),
        ({"losses": [{"kind": "focal"}, {"kind": "focal"}]}, "each kind once, found focal, focal"),
        ({"losses": [{"kind": "magic"}]}, "losses.0: Input tag 'magic' found"),
        ({"task": "3-1"}, "task = '3-1', expected one of 1-1"),
    ],
)
def test_a_combination_that_means_nothing_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        tiny_recipe(**changes)


def test_a_recipe_is_the_same_after_its_run_folder() -> None:
    recipe = _recipe("ast", LOSSES)
    assert parse_recipe(recipe.model_dump(mode="json"), "run.json") == recipe
    assert math.isclose(recipe.features["mel"].scale[0], 20)
