"""`auto` takes what is quicker, says so, stays with it after a kill, and changes nothing else of a training."""

from __future__ import annotations

import json
import math
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from edge.errors import ConfigError
from tests.training.loop.tiny import IDENTITY, SPEC, TinyLearner
from training.loop import Batch, Losses, RunFolder, precision, train
from training.loop.checkpoint import load
from training.loop.precision import LEAST_STEPS, RECORD, Precision, measured, quicker, settled

pytestmark = pytest.mark.usefixtures("one_thread")
LONG = SPEC.model_copy(update={"epochs": LEAST_STEPS // TinyLearner.steps})
AUTO = LONG.model_copy(update={"precision": "auto"})
CPU = torch.device("cpu")


class Timed(TinyLearner):
    """Its losses take as long as is said, by a clock of their own."""

    def __init__(self, seconds: dict[str, float]) -> None:
        super().__init__()
        self.seconds, self.now_s = seconds, 0.0

    def loss(self, network: nn.Module, batch: Batch, rng: torch.Generator) -> Losses:
        self.now_s += self.seconds["bf16" if torch.is_autocast_enabled("cpu") else "fp32"]
        return super().loss(network, batch, rng)


def _timed(monkeypatch: pytest.MonkeyPatch, quick: str) -> Timed:
    learner = Timed({"fp32": 1.0, "bf16": 1.0} | {quick: 0.2})
    monkeypatch.setattr(precision, "measured", partial(measured, clock=lambda: learner.now_s))
    return learner


def _train(path: Path, spec: Any, learner: TinyLearner, answered: list[str] | None = None) -> dict[str, Any]:
    folder = RunFolder(path)
    folder.claim(IDENTITY)
    train(learner, spec, 5, folder, ([] if answered is None else answered).append)
    return load(folder.last)


def _is_equal(one: Any, other: Any) -> bool:
    """Bit for bit, whatever a checkpoint holds."""
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(_is_equal(one[key], other[key]) for key in one)
    return bool(torch.equal(one, other) if isinstance(one, torch.Tensor) else one == other)


@pytest.mark.parametrize(
    ("bf16", "fp32", "taken"),
    [
        (5.9, 0.78, "fp32"),
        (0.31, 0.47, "bf16"),
        (0.95, 1.0, "fp32"),
        (math.inf, 1, "fp32"),
        (math.inf, math.inf, "fp32"),
    ],
)
def test_bf16_is_taken_where_it_saves_a_tenth(bf16: float, fp32: float, taken: str) -> None:
    assert quicker({"fp32": fp32, "bf16": bf16}) == taken


def _curve(folder: Path) -> list[dict[str, Any]]:
    """Every loss and validation of a run, without the time that they took."""
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [{name: value for name, value in line.items() if name != "seconds"} for line in lines]


@pytest.mark.parametrize("quick", ["fp32", "bf16"])
def test_auto_trains_as_the_same_precision_given_by_hand_bit_for_bit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, quick: str
) -> None:
    by_hand = _train(tmp_path / "hand", LONG.model_copy(update={"precision": quick}), TinyLearner())
    answered: list[str] = []
    auto = _train(tmp_path / "auto", AUTO, _timed(monkeypatch, quick), answered)
    assert _is_equal(auto, by_hand)
    curves = [_curve(tmp_path / name) for name in ("auto", "hand")]
    assert curves[0] == curves[1]
    seconds = {"fp32": (0.2, 1), "bf16": (1, 0.2)}[quick]
    shown = "fp32 {} s of processor time a step, bf16 {} s of processor time a step".format(*seconds)
    assert answered[0] == f"precision: {shown}; taking {quick}"
    assert json.loads((tmp_path / "auto" / RECORD).read_text()) == {"precision": quick, "why": shown}
    assert not (tmp_path / "hand" / RECORD).exists()


def test_the_two_precisions_do_not_train_the_same_weights(tmp_path: Path) -> None:
    """Else the test above would show nothing."""
    ends = [_train(tmp_path / x, LONG.model_copy(update={"precision": x}), TinyLearner()) for x in ("fp32", "bf16")]
    assert not _is_equal(ends[0]["network"], ends[1]["network"])


def test_measuring_leaves_weights_statistics_gradients_and_random_numbers(tmp_path: Path) -> None:
    learner = TinyLearner()
    before = {name: x.clone() for name, x in learner.network.state_dict().items()}
    random = torch.get_rng_state()
    seconds = measured(learner, CPU)
    assert all(math.isfinite(s) for s in seconds.values())
    assert _is_equal(learner.network.state_dict(), before)
    assert torch.equal(torch.get_rng_state(), random)
    assert all(p.grad is None for p in learner.network.parameters())


def test_a_precision_without_a_finite_loss_is_not_taken(tmp_path: Path) -> None:
    class Overflowing(TinyLearner):
        def loss(self, network: nn.Module, batch: Batch, rng: torch.Generator) -> Losses:
            losses = super().loss(network, batch, rng)
            return {"total": losses["total"] * (math.inf if torch.is_autocast_enabled("cpu") else 1)}

    answered: list[str] = []
    spec = settled(Overflowing(), AUTO, tmp_path, CPU, answered.append)
    assert spec.precision == "fp32"
    assert "a step, bf16 no finite loss; taking fp32" in answered[0]


@pytest.mark.parametrize("begun", ["fp32", "bf16"])
def test_a_run_that_is_taken_up_stays_with_its_precision_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, begun: str
) -> None:
    class Cut(Timed):
        def batch(self, epoch: int, step: int) -> Batch:
            if (epoch, step) == (2, 1):
                raise KeyboardInterrupt
            return super().batch(epoch, step)

    learner = Cut({"fp32": 1.0, "bf16": 1.0} | {begun: 0.2})
    monkeypatch.setattr(precision, "measured", partial(measured, clock=lambda: learner.now_s))
    with pytest.raises(KeyboardInterrupt):
        _train(tmp_path / "cut", AUTO, learner)
    answered: list[str] = []
    resumed = _train(tmp_path / "cut", AUTO, _timed(monkeypatch, "bf16" if begun == "fp32" else "fp32"), answered)
    assert answered[0] == f"goes on after 2 epochs, in {begun}"
    whole = _train(tmp_path / "whole", LONG.model_copy(update={"precision": begun}), TinyLearner())
    assert _is_equal(resumed, whole)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", r"precision\.json: not readable \(.*remove it"),
        ("[]", r"precision\.json: not readable \(.*remove it"),
        ('{"precision": "int4"}', r"precision 'int4', expected one of fp32, bf16, fp16; remove it"),
        ('{"precision": "fp16"}', r"this run began in fp16, and a CPU computes in fp32 or bf16; go on on a GPU"),
    ],
)
def test_a_record_that_says_nothing_usable_is_named(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / RECORD).write_text(content)
    with pytest.raises(ConfigError, match=message):
        settled(TinyLearner(), AUTO, tmp_path, CPU, print)


def test_a_short_training_is_not_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answered: list[str] = []
    learner, short = _timed(monkeypatch, "bf16"), AUTO.model_copy(update={"epochs": AUTO.epochs - 1})
    assert settled(learner, short, tmp_path, CPU, answered.append).precision == "fp32"
    assert answered == ["precision: not measured for a training of 57 steps; taking fp32"]


def test_a_precision_that_is_given_by_hand_is_neither_measured_nor_kept(tmp_path: Path) -> None:
    assert settled(TinyLearner(), SPEC, tmp_path, CPU, print) == SPEC
    assert not list(tmp_path.iterdir())
    assert Precision(SPEC, torch.device("cpu")).name == "fp32"
