"""The finished runs of the papers' recipes that lie here: they answer, and their tables are what they say."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

import training
from tests.training.clips.ward import make_ward, ward_clips
from training.clips import load_run
from training.clips.comparison import Query, compare
from training.metrics.predictions import ask
from training.tasks import TASKS, Clip

PAPERS = Path(training.__file__).parent / "released" / "papers"
COMPARED = sorted(path.parent for path in PAPERS.glob("*/comparison.json"))
WITH_WEIGHTS = sorted({path.parent for name in ("best.pt", "probes.pt") for path in PAPERS.rglob(name)})
MOST_BYTES = 3_000_000  # of one run


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> list[Clip]:
    return ward_clips(make_ward(tmp_path_factory.mktemp("ward"), 2))


def test_every_comparison_keeps_a_run_of_the_whole_recipe_that_can_be_judged() -> None:
    assert {path.name for path in COMPARED} == {"hear", "ngo2022", "ngo2023", "patchmix", "qlung"}
    assert [folder.name for folder in COMPARED if folder / "whole-0" not in WITH_WEIGHTS] == []


@pytest.mark.parametrize(
    "run",
    [run if run.name == "whole-0" else pytest.param(run, marks=pytest.mark.rest) for run in WITH_WEIGHTS],
    ids=lambda run: run.relative_to(PAPERS).as_posix(),
)
def test_a_run_is_small_and_answers(run: Path, clips: list[Clip]) -> None:
    assert sum(path.stat().st_size for path in run.iterdir()) < MOST_BYTES
    answers = json.loads((run / "run.json").read_text())["recipe"].get("task", "1-2")
    predictions = ask(load_run(run), TASKS["1-1" if answers == "1-2" else "2-1"], clips)
    assert len(predictions.decided) == len(clips)


@pytest.mark.parametrize("folder", COMPARED, ids=lambda folder: folder.name)
@pytest.mark.rest
def test_the_tables_are_what_the_runs_say(folder: Path, tmp_path: Path) -> None:
    """Read again, nothing is trained: there is no data."""
    stored = tmp_path / folder.name
    shutil.copytree(folder, stored)
    seeds = len(list(folder.glob("whole-*")))
    recipe = json.loads((folder / "whole-0" / "run.json").read_text())["recipe"]
    compare(Query(recipe["name"], tmp_path / "no data", stored, recipe.get("task", ""), seeds=seeds))
    assert json.loads((stored / "comparison.json").read_text()) == json.loads((folder / "comparison.json").read_text())
