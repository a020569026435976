"""What a training takes: multiply-adds counted by hand, clips that are really there, hours from both."""

from __future__ import annotations

import json
import re
import tempfile
from pathlib import Path

import pytest
import torch
import yaml
from torch import nn

from tests.training.clips.ward import TINY, make_ward
from training.clips.cost import Cost, main, multiply_adds
from training.clips.schema import load_recipe
from training.clips.train import train_method
from training.options import merged
from training.papers.recipes import read_recipe


def test_a_linear_layer_has_its_weights_forward_and_as_many_for_their_gradient() -> None:
    layer, x = nn.Linear(8, 4), torch.zeros(3, 8)
    assert multiply_adds(layer, lambda: layer(x)) == 2 * 3 * 8 * 4


def test_a_convolution_has_its_taps_at_every_place_and_as_many_for_their_gradient() -> None:
    layer, x = nn.Conv2d(2, 5, 3, padding=1), torch.zeros(1, 2, 6, 7)
    assert multiply_adds(layer, lambda: layer(x)) == 2 * (6 * 7 * 5) * (2 * 3 * 3)


def test_counting_leaves_no_gradient_behind() -> None:
    layer = nn.Linear(2, 2)
    multiply_adds(layer, lambda: layer(torch.zeros(1, 2)))
    assert layer.weight.grad is None


def test_hours_are_operations_over_what_the_card_reaches() -> None:
    cost = Cost(weights=1, multiply_adds=312e12 * 0.4 / 2, clips=36, epochs=100)  # one second each
    assert cost.a100_hours == pytest.approx(1.0)


def test_clips_to_learn_from_are_those_of_the_patients_that_do_not_validate(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ward = make_ward(tmp_path / "ward")
    recipe = tmp_path / "tiny.yaml"
    recipe.write_text(yaml.safe_dump(merged(TINY, {"loop": {"epochs": 7}, "size": {"paper": {}}})))
    assert main(["--recipe", str(recipe), "--data", str(ward)]) == 0
    events = sum(len(path.read_text().split('"start"')) - 1 for path in (ward / "sprsound").rglob("*.json"))
    assert f"{events * 2 // 3} x 7" in capsys.readouterr().out  # two of three folds of equal patients


def test_the_first_steps_are_those_of_the_training(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ward = make_ward(tmp_path / "ward")
    recipe = tmp_path / "tiny.yaml"
    recipe.write_text(yaml.safe_dump(merged(TINY, {"size": {"paper": {}}})))
    assert main(["--recipe", str(recipe), "--data", str(ward), "--steps", "2"]) == 0
    losses, memory = capsys.readouterr().out.splitlines()[-2:]
    loop = load_recipe(str(recipe), "paper", {"limit": 32, "loop.epochs": 1, "loop.monitor": ""})
    train_method(loop, ward, tmp_path / "run", lambda line: None)
    made = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert re.match(rf"2 steps of 8 clips +losses {made[0]['total']:.4g}, ", losses)
    assert re.match(r"most memory +\d+\.\d GB$", memory)


def test_the_first_steps_of_a_pretraining_keep_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ward, scratch = make_ward(tmp_path / "ward", 6), tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    recipe = tmp_path / "tiny.yaml"
    sizes = {"size": 16, "depth": 1, "heads": 2, "decoder_size": 16, "decoder_depth": 1, "decoder_heads": 2}
    small = {"sizes": sizes, "micro_batches": 2, "loop": {"batch": 4, "precision": "fp32"}, "validation": {"folds": 3}}
    recipe.write_text(yaml.safe_dump(merged(read_recipe("hear"), {"size": {"paper": small}})))
    assert main(["--recipe", str(recipe), "--data", str(ward), "--steps", "3"]) == 0
    assert re.search(r"3 steps of 4 clips +losses \d\.\d+, \d\.\d+, \d\.\d+; ", capsys.readouterr().out)
    assert list(scratch.iterdir()) == []


def test_a_folder_without_the_recipes_recordings_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--recipe", "qlung", "--data", str(tmp_path)]) == 2
    assert "expected sprsound, icbhi" in capsys.readouterr().err
