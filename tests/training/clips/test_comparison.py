"""A recipe beside itself without a part: same patients, same seeds, the last epoch, and a table of differences."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from tests.training.clips.ward import TINY, make_ward
from training.clips.comparison import Query, main, variants
from training.clips.schema import parse_recipe
from training.metrics.comparison import WHOLE
from training.metrics.patient_scores import RULE, metrics_of
from training.options import merged
from training.papers.recipes import recipe_names, recipe_parts, sized_recipe
from training.tasks import TASKS

PARTS: dict[str, Any] = {
    "without attention": {"network": {"sizes": {"attention": False}}},
    "without focusing": {"network": {"sizes": {"focusing": False}}},
}


@pytest.fixture(scope="module")
def ward(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_ward(tmp_path_factory.mktemp("ward"))


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.yaml"
    path.write_text(yaml.safe_dump(merged(TINY, {"parts": PARTS})))
    return path


@pytest.mark.parametrize("name", [name for name in recipe_names() if name != "edge"])
def test_every_paper_names_parts_and_each_changes_its_recipe(name: str) -> None:
    whole = sized_recipe(name)
    changed = [parse_recipe(merged(whole, keys), name) for keys in recipe_parts(name).values()]
    assert changed
    assert all(one != parse_recipe(whole, name) for one in changed)
    assert len({one.model_dump_json() for one in changed}) == len(changed)


def test_the_patients_that_validate_choose_nothing(recipe: Path) -> None:
    trees = variants(Query(str(recipe), recipe.parent, recipe.parent))
    assert list(trees) == [WHOLE, *PARTS]
    assert all((tree["loop"]["monitor"], tree["loop"]["patience"]) == ("", 0) for tree in trees.values())


@pytest.mark.rest
def test_a_comparison_ends_with_a_table_and_is_not_trained_again(
    ward: Path, recipe: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    command = ["--recipe", str(recipe), "--data", str(ward), "--out", str(out), "--epochs", "1", "--processes", "1"]
    command += ["--part", "without attention"]
    assert main(command) == 0
    assert "| without attention | " in capsys.readouterr().out
    fields = json.loads((out / "ablation.json").read_text())["patients that validate, task 1-1"]
    assert set(fields) == {WHOLE, "without attention"}
    result = json.loads((out / "whole-0" / "result.json").read_text())
    assert fields[WHOLE]["score"]["value"] == pytest.approx(result["validation"]["model"]["score"])
    rows = json.loads((out / "comparison.json").read_text())["rows"]
    assert [(row["task"], row["variant"], row.get("seeds")) for row in rows] == [
        ("1-1", WHOLE, 1),
        ("1-1", "without attention", 1),
        ("1-1", RULE, None),
    ]
    assert rows[0]["score"][0] == pytest.approx(result["validation"]["model"]["score"])
    assert rows[2]["score"][0] == pytest.approx(result["validation"][RULE]["score"])
    assert rows[0]["weights"] > rows[1]["weights"] > 0, "attention has weights of its own"
    assert rows[0]["multiply_adds"] > rows[1]["multiply_adds"] > rows[0]["weights"]
    assert rows[0]["seconds"] == result["seconds"] > 0
    before = (out / "whole-0" / "best.pt").stat().st_mtime_ns
    assert main(command) == 0
    assert (out / "whole-0" / "best.pt").stat().st_mtime_ns == before


def test_a_part_that_the_recipe_does_not_name_is_refused(recipe: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = str(recipe.parent)
    assert main(["--recipe", str(recipe), "--data", folder, "--out", folder, "--part", "without sense"]) == 2
    assert "expected one of without attention, without focusing" in capsys.readouterr().err


def test_a_recipe_without_parts_says_where_they_belong(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "plain.yaml"
    path.write_text(yaml.safe_dump(TINY))
    assert main(["--recipe", str(path), "--data", str(tmp_path), "--out", str(tmp_path)]) == 2
    assert "add what changes without each under `parts`" in capsys.readouterr().err


def test_scores_of_patients_drawn_twice_are_those_of_their_clips_counted_twice() -> None:
    """By hand: a has 2 of 2 normal and 1 of 2 adventitious clips right, b 0 of 1 and 1 of 1."""
    metrics = metrics_of(TASKS["1-1"], {"a": [[2, 0], [1, 1]], "b": [[0, 1], [0, 1]]})
    assert metrics["specificity"].of(np.array([1, 1])) == pytest.approx(2 / 3)
    assert metrics["sensitivity"].of(np.array([1, 1])) == pytest.approx(2 / 3)
    assert metrics["specificity"].of(np.array([2, 0])) == pytest.approx(1.0)
    assert metrics["sensitivity"].of(np.array([2, 0])) == pytest.approx(0.5)
