"""A trial of the edge recipe: all that a training does, on few recordings, and told apart from a whole one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.training.detector.test_trial import _arguments, _data
from training.__main__ import main


def test_a_trial_ends_with_a_result_and_its_folder_is_no_other_runs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data, out = _data(tmp_path / "data", 5), tmp_path / "runs" / "trial"
    assert main(_arguments(data, out, "--limit", "20", "--epochs", "2")) == 0
    output = capsys.readouterr().out
    assert "a trial: 20 chest recordings, 3 networks of 2 steps; " in output
    assert {p.name for p in out.iterdir() if p.is_dir()} == {"fold-0", "fold-1", "final"}
    result = json.loads((out / "result.json").read_text())
    assert result["recordings"] == 20
    recipe = (out / "recipe.json").read_text()
    assert main(_arguments(data, out, "--epochs", "3")) == 2
    refused = capsys.readouterr().err
    assert "trial: begun with another recipe (" in refused
    assert "folds was 2, now 5, loop.epochs was 2, now 3" in refused
    assert (out / "recipe.json").read_text() == recipe
