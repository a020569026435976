"""The ablation: one change at a time, every one of them real, and a table that shows mean and spread."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from edge.errors import ConfigError
from tests.training.detector.test_trial import _data as written_ward
from training.detector.ablation import base_recipe, given, main, variants
from training.detector.hyperparameters import Recipe

BASE = replace(Recipe(), teachers=0)


def test_every_variant_differs_from_the_base_and_from_the_others() -> None:
    recipes = variants(BASE)
    assert recipes["base"] == BASE
    assert len({recipe.sha256 for recipe in recipes.values()}) == len(recipes)


def test_a_variant_changes_what_its_name_says_and_nothing_else() -> None:
    recipes = variants(BASE)
    changed = {
        name: {key for key, value in asdict(recipe).items() if value != asdict(BASE)[key]}
        for name, recipe in recipes.items()
    }
    assert changed["without negatives"] == changed["without mixed stretches"] == {"augment"}
    assert recipes["without negatives"].augment.gain_db == BASE.augment.gain_db
    assert recipes["without other microphones"].augment.negative == BASE.augment.negative


def test_changes_are_given_by_name_and_key_and_the_base_stands_first() -> None:
    found = given(BASE, ["known: labels.unannotated=1, labels.poor_quality=1", "half soft:losses.soft=0.5"])
    assert list(found) == ["base", "known", "half soft"]
    assert (found["known"].labels.unannotated, found["known"].labels.poor_quality) == (1.0, 1.0)
    assert found["half soft"].losses.soft == 0.5
    replaced = given(BASE, ["base: losses.soft=0.2", "other: losses.soft=0.1"])
    assert (list(replaced), replaced["base"].losses.soft) == (["base", "other"], 0.2)


@pytest.mark.parametrize("change", ["labels.unannotated=1", "name: labels.unannotated", ": seed=1"])
def test_a_change_that_is_not_understood_is_named(change: str) -> None:
    with pytest.raises(ConfigError, match="expected NAME: KEY=VALUE"):
        given(BASE, [change])


def test_a_trial_is_the_recipe_with_few_epochs() -> None:
    recipe = base_recipe(2)
    assert recipe.loop.epochs == 2
    loop = recipe.loop.model_copy(update={"epochs": Recipe().loop.epochs})
    assert replace(recipe, loop=loop) == Recipe()


@pytest.mark.rest
def test_a_trial_on_the_youngest_third_ends_with_a_table_and_goes_on_from_what_is_trained(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data, out = written_ward(tmp_path / "data", 6), tmp_path / "out"
    small = "network.stem=[2, 4, 4], network.hidden=8, network.dilations=[1, 2], network.ahead=[2, 1]"
    small += ", synthetic=0, steps=2, loop.batch=4"
    arguments = ["--data", str(data), "--out", str(out), "--epochs", "1", "--processes", "1"]
    arguments += ["--change", f"base: {small}", "--change", f"known: {small}, labels.unannotated=1"]
    assert main(arguments) == 0
    assert "| known | " in capsys.readouterr().out
    fields = json.loads((out / "ablation.json").read_text())["youngest"]
    assert set(fields) == {"base", "known"}
    assert 0 <= fields["base"]["record AUC"]["value"] <= 1
    weights = (out / "base-0" / "shift-youngest" / "best.pt").stat().st_mtime_ns
    assert main(arguments) == 0
    assert (out / "base-0" / "shift-youngest" / "best.pt").stat().st_mtime_ns == weights
    assert json.loads((out / "ablation.json").read_text())["youngest"] == fields
