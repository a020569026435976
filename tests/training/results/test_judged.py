"""results.json of `make evaluate`, read back with its intervals and with what must be said of the training data."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.training.results.made import make_evaluation
from training.results.judged import read_evaluations


def _written(fields: dict[str, Any], split: str, who: str) -> dict[str, Any]:
    return next(row for row in fields["tasks"][0]["rows"] if (row["split"], row["who"]) == (split, who))


def test_rows_have_the_numbers_and_bounds_that_were_written(tmp_path: Path) -> None:
    fields = make_evaluation(tmp_path / "e")
    (one,) = read_evaluations([tmp_path], {}).sources
    rows = {(row.who, row.measured_on): row for row in one.rows}
    for split in ("total", "inter", "intra"):
        written = _written(fields, split, "told")
        row = rows["told", f"official test set, {split} ({written['patients']} patients)"]
        for value, part in ((row.se, "sensitivity"), (row.sp, "specificity"), (row.score, "score")):
            assert (value.value, value.low, value.high) == tuple(written[part][k] for k in ("value", "low", "high"))
        assert (row.is_test, row.task, row.clips) == (True, "1-1", written["normal"] + written["adventitious"])


def test_rows_of_the_training_are_left_out_for_the_model_and_kept_for_the_rule(tmp_path: Path) -> None:
    make_evaluation(tmp_path / "e")
    found = read_evaluations([tmp_path], {})
    stored = {row.who for row in found.sources[0].rows if not row.is_test}
    assert stored
    assert all(who.startswith("duration") for who in stored)
    assert [one.name for one in found.left_out] == ["e, tasks 1-1"]


def test_weights_are_those_of_the_run_that_was_judged(tmp_path: Path) -> None:
    make_evaluation(tmp_path / "e", path=tmp_path / "runs" / "a")
    (one,) = read_evaluations([tmp_path], {(tmp_path / "runs" / "a").resolve(): 77}).sources
    assert {row.weights for row in one.rows if row.who == "told"} == {77}
    assert {row.weights for row in one.rows if row.who != "told"} == {None}


def test_the_command_asks_the_same_again_and_names_no_place_of_the_machine(tmp_path: Path) -> None:
    make_evaluation(tmp_path / "a", path=Path("/home/somebody/runs/default"))
    make_evaluation(tmp_path / "b", path=Path("runs/b"))
    commands = [one.command for one in read_evaluations([tmp_path], {}).sources]
    assert commands == [f"make evaluate MODEL={p} DATA=folder TASK=all" for p in ("runs/default", "runs/b")]


def test_a_folder_that_is_named_twice_is_read_once(tmp_path: Path) -> None:
    make_evaluation(tmp_path / "a")
    assert len(read_evaluations([tmp_path, tmp_path / "a"], {}).sources) == 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"schema": "laennec.evaluation/9"}, "results.json: schema"),
        ({"tasks": 3}, "results.json: tasks"),
        ({"model": None}, "results.json: model"),
    ],
)
def test_a_file_of_another_kind_is_listed_with_its_field(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    fields = make_evaluation(tmp_path / "e")
    (tmp_path / "e" / "results.json").write_text(json.dumps(fields | change))
    found = read_evaluations([tmp_path], {})
    assert found.sources == []
    assert message in found.left_out[0].why


def test_a_damaged_file_is_listed(tmp_path: Path) -> None:
    make_evaluation(tmp_path / "e")
    path = tmp_path / "e" / "results.json"
    path.write_bytes(path.read_bytes()[:-9] + b"\xff")
    found = read_evaluations([tmp_path], {})
    assert (found.sources, [one.name for one in found.left_out]) == ([], ["e"])
    assert "not JSON" in found.left_out[0].why
