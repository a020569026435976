"""A finished training is read, or refused in a line; its release holds what an export needs, and nothing else."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from edge.errors import ConfigError
from export.__main__ import main
from export.checkpoint import Checkpoint, release
from tests.export.networks import RECIPE
from tests.export.runs import make_run


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_run(tmp_path_factory.mktemp("runs") / "small")


@pytest.fixture(scope="module")
def several(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with two final networks."""
    return make_run(tmp_path_factory.mktemp("runs") / "several", 2)


@pytest.mark.parametrize("given", ["", "final", "final/best.pt"])
def test_a_run_may_be_given_by_its_folder_or_its_final_network(run: Path, given: str) -> None:
    assert Checkpoint.open(run / given).folder == run


def test_other_recordings_than_it_was_trained_on_are_refused(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("export.checkpoint.read_recordings", lambda *_: ())
    with pytest.raises(ConfigError, match="other chest recordings than"):
        Checkpoint.open(run).recordings(tmp_path)


def test_a_network_of_another_recipe_is_refused(run: Path, tmp_path: Path) -> None:
    copy = tmp_path / "run"
    shutil.copytree(run, copy)
    (copy / "recipe.json").write_text(replace(RECIPE, seed=5).to_json())
    with pytest.raises(ConfigError, match="trained with another recipe"):
        Checkpoint.open(copy).scorer()


def test_a_run_that_was_fine_tuned_ships_its_one_network(several: Path, tmp_path: Path) -> None:
    tuned = shutil.copytree(several, tmp_path / "tuned")
    shutil.rmtree(tuned / "final-1")
    result = json.loads((tuned / "result.json").read_text())
    (tuned / "result.json").write_text(json.dumps({**result, "fine_tuned": {}}))
    assert Checkpoint.open(tuned).models == {"default": ("final",)}


def test_a_release_holds_what_an_export_needs_and_names_no_machine(run: Path, tmp_path: Path) -> None:
    folder = tmp_path / "released"
    release(run, folder)
    assert main(["--checkpoint", str(run), "--release", str(folder)]) == 0  # again, over the first
    files = sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())
    networks = [f"{name}/{file}" for name in ("final", "fold-0") for file in ("best.pt", "probe.pt", "run.json")]
    assert files == [*networks, "recipe.json", "result.json"]
    assert "command" not in json.loads((folder / "final" / "run.json").read_text())
    assert Checkpoint.open(folder).folds == [0]
    Checkpoint.open(folder).scorer()


def test_a_release_holds_every_final_network(several: Path, tmp_path: Path) -> None:
    folder = tmp_path / "released"
    release(several, folder)
    assert {path.name for path in folder.iterdir() if path.is_dir()} == {"final", "final-1", "fold-0"}
    assert set(Checkpoint.open(folder).models) == {"default", "light"}
    (folder / "final-1" / "best.pt").unlink()
    with pytest.raises(ConfigError, match="final-1"):
        Checkpoint.open(folder).scorer()


def test_a_release_never_replaces_a_folder_that_is_none(run: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    with pytest.raises(ConfigError, match="is no released training"):
        release(run, tmp_path / "mine")
    assert (tmp_path / "mine" / "thesis.txt").exists()
