"""The ablation: one change at a time, every one of them real, and a table that shows mean and spread."""

from __future__ import annotations

from dataclasses import asdict, replace

from training.detector.ablation import Row, table, variants
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
    assert changed["with a clip loss"] == {"clips"}
    assert changed["with a clip loss and QLung margins"] == {"clips", "losses", "network"}
    assert changed["with a clip loss and Patch-Mix"] == {"clips", "losses"}
    assert changed["with a teacher"] == {"teachers"}
    assert changed["without negatives"] == changed["without mixed windows"] == {"augment"}
    assert recipes["without negatives"].augment.gain_db == BASE.augment.gain_db
    assert recipes["without other microphones"].augment.negative == BASE.augment.negative


def test_the_table_has_mean_and_deviation_of_every_metric() -> None:
    text = table([Row("base", {"AUC": [0.8, 0.9, 1.0], "AP": [0.5]}), Row("without", {"AUC": [0.1], "AP": [0.2]})])
    assert text.splitlines()[0] == "| variant | AUC | AP |"
    assert text.splitlines()[2] == "| base | 0.900 ± 0.100 | 0.500 ± 0.000 |"
    assert len(text.splitlines()) == 4
