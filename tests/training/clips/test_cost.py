"""What a training takes: multiply-adds counted by hand, clips that are really there, hours from both."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import yaml
from torch import nn

from tests.training.clips.ward import TINY, make_ward
from training.clips.cost import Cost, main, multiply_adds
from training.options import merged


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


def test_a_folder_without_the_recipes_recordings_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--recipe", "qlung", "--data", str(tmp_path)]) == 2
    assert "expected sprsound, icbhi" in capsys.readouterr().err
