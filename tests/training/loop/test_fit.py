"""The loop is exact: seeds decide everything, a killed training ends at the same weights, the best epoch is kept."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from edge.errors import ConfigError
from tests.training.loop.tiny import IDENTITY, SPEC, TinyLearner, weights
from training.loop import Batch, LoopSpec, Losses, Outcome, RunFolder, train
from training.loop.checkpoint import load

pytestmark = pytest.mark.usefixtures("one_thread")


def _train(path: Path, spec: LoopSpec = SPEC, seed: int = 5, learner: TinyLearner | None = None) -> Outcome:
    folder = RunFolder(path)
    folder.claim(IDENTITY)
    return train(learner or TinyLearner(), spec, seed, folder, lambda line: None)


def _equal(a: Mapping[str, torch.Tensor], b: Mapping[str, torch.Tensor]) -> bool:
    return all(torch.equal(x, b[name]) for name, x in a.items())


class Judged(TinyLearner):
    """Validates to numbers that are given."""

    def __init__(self, scores: list[float]) -> None:
        super().__init__()
        self.scores = iter(scores)

    def validate(self, network: nn.Module) -> Mapping[str, float]:
        return {"score": next(self.scores), "other": 0.0}


def test_the_same_seed_gives_the_same_weights_and_another_seed_others(tmp_path: Path) -> None:
    for name, seed in (("a", 5), ("b", 5), ("c", 6)):
        _train(tmp_path / name, seed=seed)
    a, b, c = (load(tmp_path / name / "last.pt")["network"] for name in "abc")
    assert _equal(a, b)
    assert not _equal(a, c)


def test_the_weights_of_the_best_validation_are_kept(tmp_path: Path) -> None:
    learner = Judged([0.1, 0.7, 0.3, 0.2])
    outcome = _train(tmp_path, learner=learner)
    assert (outcome.epoch, outcome.epochs, outcome.validation["score"]) == (2, 4, 0.7)
    assert _equal(dict(learner.network.state_dict()), load(tmp_path / "best.pt")["network"])


def test_a_training_stops_when_the_validation_got_no_better_for_the_patience(tmp_path: Path) -> None:
    spec = SPEC.model_copy(update={"patience": 2, "epochs": 9})
    assert _train(tmp_path, spec, learner=Judged([0.5, 0.6, 0.6, 0.1, 0.9])).epochs == 4
    again = _train(tmp_path, spec, learner=Judged([]))
    assert (again.epochs, again.epoch) == (4, 2)


def test_lower_is_better_keeps_the_lowest(tmp_path: Path) -> None:
    spec = SPEC.model_copy(update={"lower_is_better": True})
    assert _train(tmp_path, spec, learner=Judged([0.5, 0.2, 0.6, 0.4])).epoch == 2


@pytest.mark.parametrize("lower_is_better", [False, True])
def test_where_nothing_is_monitored_the_last_epoch_is_kept(tmp_path: Path, lower_is_better: bool) -> None:
    spec = SPEC.model_copy(update={"monitor": "", "lower_is_better": lower_is_better})
    outcome = _train(tmp_path, spec)
    assert (outcome.epoch, outcome.epochs) == (SPEC.epochs, SPEC.epochs)
    assert _equal(load(tmp_path / "best.pt")["network"], load(tmp_path / "last.pt")["average"])


def test_a_monitored_number_that_nobody_computes_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"loop.monitor = 'auc': expected one of score, other"):
        _train(tmp_path, SPEC.model_copy(update={"monitor": "auc"}), learner=Judged([0.5]))


def test_a_loss_that_is_not_finite_ends_the_training_with_the_step_it_happened_at(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"epoch \d+, step \d+: loss not finite"):
        _train(
            tmp_path,
            SPEC.model_copy(
                update={
                    "learning_rate": 10.0,
                    "clip": 0.0,
                    "average": 0.0,
                    "epochs": 60,
                    "weight_decay": 10.0,
                    "schedule": "constant",
                }
            ),
        )


def test_keeping_old_weights_halves_a_step(tmp_path: Path) -> None:
    spec = SPEC.model_copy(update={"epochs": 1, "average": 0.0, "optimizer": "adamw", "weight_decay": 0.0})
    moved = {}
    for name, keep in (("whole", 0.0), ("half", 0.5)):
        learner = TinyLearner()
        learner.steps = 1
        before = [x.clone() for x in learner.network.parameters()]
        _train(tmp_path / name, spec.model_copy(update={"keep_old": keep}), learner=learner)
        moved[name] = [new - old for new, old in zip(learner.network.parameters(), before, strict=True)]
    for whole, half in zip(moved["whole"], moved["half"], strict=True):
        torch.testing.assert_close(half, whole / 2)


def test_bf16_trains_on_a_cpu_and_fp16_is_refused(tmp_path: Path) -> None:
    outcome = _train(tmp_path / "bf16", SPEC.model_copy(update={"precision": "bf16", "epochs": 1}))
    assert outcome.epochs == 1
    with pytest.raises(ConfigError, match=r"loop.precision = fp16: a CPU"):
        _train(tmp_path / "fp16", SPEC.model_copy(update={"precision": "fp16"}))


@pytest.mark.parametrize(("epochs", "warm_up"), [(3, 0.1), (1, 0.25), (1, 0.1)])
def test_one_cycle_rises_in_the_shortest_of_trainings(tmp_path: Path, epochs: int, warm_up: float) -> None:
    spec = SPEC.model_copy(update={"epochs": epochs, "warm_up": warm_up})
    assert _train(tmp_path, spec).epochs == epochs


def test_every_step_and_every_validation_is_a_line(tmp_path: Path) -> None:
    _train(tmp_path)
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    steps = [(line["epoch"], line["step"]) for line in lines if "step" in line]
    assert steps == [(e, s) for e in range(SPEC.epochs) for s in range(TinyLearner.steps)]
    assert [line["epoch"] for line in lines if "validation" in line] == list(range(SPEC.epochs))
    assert any((tmp_path / "tensorboard").glob("events.*"))


def test_the_average_follows_the_weights_and_their_batch_norm(tmp_path: Path) -> None:
    learner = TinyLearner()
    _train(tmp_path, learner=learner)
    parts = load(tmp_path / "last.pt")
    differs = [not torch.equal(a, b) for a, b in zip(parts["network"].values(), parts["average"].values(), strict=True)]
    assert sum(differs) >= len(weights(learner.network)) - 2  # but the two counts of batches


class Linear(TinyLearner):
    """A mean over examples through a layer without a batch norm: its parts have the same mean as the whole."""

    def __init__(self, micro_batches: int) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.network, self.micro_batches = nn.Linear(16, 3), micro_batches

    def loss(self, network: nn.Module, batch: Batch, rng: torch.Generator) -> Losses:
        return {"total": F.cross_entropy(network(batch["frames"].flatten(1)), batch["labels"])}

    def validate(self, network: nn.Module) -> Mapping[str, float]:
        return {"score": 0.0}


def test_a_batch_in_parts_makes_the_steps_of_the_whole(tmp_path: Path) -> None:
    parts = {}
    for count in (1, 2, 8):
        learner = Linear(count)
        _train(tmp_path / str(count), learner=learner)
        lines = (tmp_path / str(count) / "metrics.jsonl").read_text().splitlines()
        losses = [json.loads(line)["total"] for line in lines if "total" in line]
        parts[count] = torch.tensor(losses), *learner.network.parameters()
    for count in (2, 8):
        for found, whole in zip(parts[count], parts[1], strict=True):
            torch.testing.assert_close(found, whole, rtol=1e-5, atol=1e-6)


def test_a_batch_that_cannot_be_cut_into_equal_parts_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"micro_batches = 3: 8 examples cannot be cut"):
        _train(tmp_path, learner=Linear(3))
