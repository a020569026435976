"""Run folders: every finished one is read whole, every other one is named."""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.training.results.made import POINT, VALIDATION, make_clip_run, make_edge_run, make_hear_run
from training.__main__ import _changes, _parser
from training.detector.hyperparameters import Recipe, changed, load_edge_recipe
from training.results.finished import read_runs, weights_by_folder


def test_a_run_of_the_edge_gives_the_numbers_of_its_result(tmp_path: Path) -> None:
    make_edge_run(tmp_path / "default")
    (run,) = read_runs([tmp_path]).sources
    for row in run.rows:
        found = (row.se.value, row.sp.value, row.score.value)
        assert found == tuple(VALIDATION[f"task {row.task} {part}"] for part in ("SE", "SP", "Score"))
    assert [row.task for row in run.rows] == ["1-1", "2-2"]
    assert [row.poor_found.value for row in run.rows] == [None, 0.1299]
    assert not any(row.is_test for row in run.rows)
    metrics = {name: value.value for name, value in run.streaming[0].metrics.items()}
    assert metrics.pop("event F1, mean of both") == pytest.approx((0.4012 + 0.3844) / 2)
    assert metrics == {name: value for name, value in VALIDATION.items() if not name.startswith("task")}
    assert run.budgets[0].false_alarms == POINT.false_alarms
    assert run.weights == 322151


def test_a_classifier_gives_its_row_and_the_duration_rule_s(tmp_path: Path) -> None:
    folder = make_clip_run(tmp_path / "ngo")
    (run,) = read_runs([tmp_path]).sources
    written = json.loads((folder / "result.json").read_text())["validation"]
    model, rule = run.rows
    assert (model.score.value, rule.score.value) == (written["model"]["score"], written["duration only"]["score"])
    assert (model.weights, rule.weights) == (123456, None)
    assert model.notice == "the kept epoch was chosen on these patients"
    assert run.told["epochs"] == "30, the 21st kept"
    assert run.told["seed"] == "3"


def test_a_schedule_that_chooses_no_epoch_has_no_notice(tmp_path: Path) -> None:
    make_clip_run(tmp_path / "ngo", monitor="")
    assert not read_runs([tmp_path]).sources[0].rows[0].notice


def test_a_run_of_2_2_answers_2_1_too(tmp_path: Path) -> None:
    """By hand: of four adventitious recordings one is called Normal, so SE is 3/4; both normal ones are right."""
    path = make_clip_run(tmp_path / "ngo", task="2-2", monitor="") / "result.json"
    a = [[2, 0, 0, 0, 0], [0, 0, 1, 0, 0], [1, 0, 1, 0, 0], [0, 0, 0, 0, 0], [0, 0, 0, 0, 3]]
    b = [[0, 0, 0, 0, 0], [0, 0, 0, 1, 0], [0, 0, 0, 0, 0], [0, 0, 0, 0, 0], [1, 0, 0, 0, 0]]
    result = json.loads(path.read_text())
    result["validation"]["model"]["by_patient"] = {"a": a, "b": b}
    path.write_text(json.dumps(result))
    (row,) = [row for row in read_runs([tmp_path]).sources[0].rows if row.task == "2-1"]
    assert (row.se.value, row.sp.value, row.poor_found.value) == (0.75, 1.0, 0.75)
    assert row.notice == "its answers to 2-2, without their kind"
    result["coarser"] = {"2-1": result["validation"]["model"] | {"score": 0.625}}
    path.write_text(json.dumps(result))
    (row,) = [row for row in read_runs([tmp_path]).sources[0].rows if row.task == "2-1"]
    assert (row.score.value, row.notice) == (0.625, "its answers to 2-2, probabilities added up")
    result["validation"]["model"]["by_patient"]["b"] = b[:4]
    path.write_text(json.dumps(result))
    why = read_runs([tmp_path]).left_out[0].why
    assert "validation.model.by_patient.b: expected 5 rows of 5 whole numbers" in why


def test_hear_gives_a_row_for_each_probe_and_its_detector_is_no_run(tmp_path: Path) -> None:
    make_hear_run(tmp_path / "hear")
    found = read_runs([tmp_path])
    assert [row.task for row in found.sources[0].rows] == ["1-1", "2-1"]
    written = json.loads((tmp_path / "hear" / "result.json").read_text())["validation"]["2-1"]["recall"]
    assert [row.poor_found.value for row in found.sources[0].rows] == [None, written[2]]
    assert (len(found.sources), found.left_out) == (1, [])


def test_an_unfinished_run_is_listed_as_unfinished(tmp_path: Path) -> None:
    make_edge_run(tmp_path / "going", is_finished=False)
    make_clip_run(tmp_path / "clips" / "also").joinpath("result.json").unlink()
    found = read_runs([tmp_path])
    assert found.sources == []
    assert [(one.name, one.why.split(":")[0]) for one in found.left_out] == [
        ("clips/also", "not finished"),
        ("going", "not finished"),
    ]


def test_networks_of_an_ablation_are_no_runs_but_its_table_is_shown(tmp_path: Path) -> None:
    variant = make_edge_run(tmp_path / "ablation" / "base-0", is_finished=False)
    (variant / "recipe.json").unlink()
    (tmp_path / "ablation" / "ablation.md").write_text("| variant | AP |\n|---|---|\n| base | .5 ± .1 |\nnot a row\n")
    found = read_runs([tmp_path])
    assert (found.sources, found.left_out) == ([], [])
    assert [(one.name, one.text, one.is_of_a_paper) for one in found.ablations] == [
        ("ablation", "| variant | AP |\n|---|---|\n| base | .5 ± .1 |", False)
    ]


def test_a_folder_that_is_named_twice_is_read_once(tmp_path: Path) -> None:
    make_edge_run(tmp_path / "default")
    assert [run.key for run in read_runs([tmp_path, tmp_path / "default"]).sources] == ["R1"]


@pytest.mark.parametrize("name", ["recipe.json", "result.json", "final/run.json"])
@pytest.mark.parametrize("text", ["", "[", "[]", "{}", "\x00", '{"validation": {"task 1-1 SE": NaN}}'])
def test_a_damaged_file_leaves_its_run_out_and_says_which(tmp_path: Path, name: str, text: str) -> None:
    make_edge_run(tmp_path / "good")
    (make_edge_run(tmp_path / "bad") / name).write_text(text)
    found = read_runs([tmp_path])
    assert [run.name for run in found.sources] == ["good"]
    assert [one.name for one in found.left_out] == ["bad"]
    assert name.rpartition("/")[2] in found.left_out[0].why


def test_a_number_that_is_none_is_named_by_its_key(tmp_path: Path) -> None:
    folder = make_edge_run(tmp_path / "bad")
    result = json.loads((folder / "result.json").read_text())
    result["validation"]["record AUC"] = "high"
    (folder / "result.json").write_text(json.dumps(result))
    why = read_runs([tmp_path]).left_out[0].why
    assert "result.json: validation.record AUC: expected a finite number, " in why
    assert why.endswith("found 'high'")


def test_a_result_without_its_recipe_is_listed(tmp_path: Path) -> None:
    (make_edge_run(tmp_path / "bad") / "recipe.json").unlink()
    assert [one.name for one in read_runs([tmp_path]).left_out] == ["bad"]


@given(cut=st.integers(0, 600))
@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
def test_a_result_cut_anywhere_is_listed_and_never_read(tmp_path: Path, cut: int) -> None:
    folder = tmp_path / "cut"
    if not folder.exists():
        make_edge_run(folder)
        (tmp_path / "whole").write_bytes((folder / "result.json").read_bytes())
    whole = (tmp_path / "whole").read_bytes()
    (folder / "result.json").write_bytes(whole[: min(cut, len(whole) - 1)])
    found = read_runs([folder])
    assert (len(found.sources), len(found.left_out)) == (0, 1)


def test_a_command_names_no_place_of_the_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folders = ["--data", "/home/somebody/data", "--out", "/home/somebody/runs/a"]
    words = [*folders, "--checkpoint=/home/x.pt", "--set", 'loop.monitor=""']  # a shell takes unquoted quotes away
    for name, program in (("a", "training/__main__.py"), ("b", "training/clips/comparison.py"), ("c", "try.py")):
        monkeypatch.setattr(sys, "argv", [f"/home/somebody/{program}", *words])
        make_clip_run(tmp_path / name)
    given = "--data data --out a --checkpoint=x.pt --set 'loop.monitor=\"\"'"
    assert [run.command for run in read_runs([tmp_path]).sources] == [
        f"python -m training {given}",
        f"python -m training.clips.comparison {given}",
        "try.py, a script",
    ]


def test_a_run_of_the_edge_that_noted_no_command_has_the_one_that_its_recipe_asks_for(tmp_path: Path) -> None:
    folder = make_edge_run(tmp_path / "a")
    for network in ("final", "fold-0"):
        (folder / network / "run.json").unlink()
    recipe = changed(Recipe(), {"seed": 1, "loop.epochs": 20, "shifts": [], "earlier": "runs/b:runs/c"}, "test")
    (folder / "recipe.json").write_text(recipe.to_json())
    (found,) = read_runs([tmp_path]).sources
    assert found.command == (
        "python -m training --data data --set 'earlier=\"runs/b:runs/c\"' --set 'shifts=[]' --seed 1 --epochs 20"
    )
    options = shlex.split(found.command.partition("-m training ")[2])
    assert load_edge_recipe(changes=_changes(_parser().parse_args(options))) == recipe


@pytest.mark.parametrize(
    ("git", "is_dirty", "shown"),
    [
        ("0123456789abcdef", False, "0123456789ab"),
        ("0123456789abcdef", True, "0123456789ab, with changes"),
        ("unknown", False, "not noted"),
    ],
)
def test_the_commit_of_a_run_says_when_files_were_changed(tmp_path: Path, git: str, is_dirty: bool, shown: str) -> None:
    path = make_clip_run(tmp_path / "a") / "run.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"git": git, "git_dirty": is_dirty}))
    assert read_runs([tmp_path]).sources[0].told["commit"] == shown


def test_weights_are_known_by_the_folder_and_by_the_artefact_in_it(tmp_path: Path) -> None:
    folder = make_edge_run(tmp_path / "default")
    known = weights_by_folder(read_runs([tmp_path]).sources)
    assert known == {folder.resolve(): 322151, folder.resolve() / "model.onnx": 322151}
