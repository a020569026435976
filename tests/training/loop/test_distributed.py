"""Two processes have the loss curve of one: started by torchrun, for real."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from edge.errors import ConfigError
from tests.training.loop.tiny import ROOT, SPEC, TinyLearner
from training.loop import World, shared
from training.loop.checkpoint import load
from training.loop.distributed import SharedBatchNorm, SharedDropout


def _losses(folder: Path) -> np.ndarray:
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return np.array([[line[name] for name in ("total", "decision", "contrast")] for line in lines if "step" in line])


@pytest.mark.system
def test_two_processes_have_the_loss_curve_of_one(tmp_path: Path) -> None:
    module = ["-m", "tests.training.loop.tiny"]
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    with subprocess.Popen([sys.executable, *module, str(tmp_path / "one")], cwd=ROOT, stdout=subprocess.DEVNULL) as one:
        two = subprocess.run(
            [*torchrun, *module, str(tmp_path / "two")], cwd=ROOT, capture_output=True, text=True, timeout=120
        )
    assert (one.returncode, two.returncode) == (0, 0), two.stderr
    # A thread of gloo that lives until the interpreter ends may abort it, once in a hundred runs.
    ends = [line for line in two.stdout.splitlines() if line.startswith("threads at the end:")]
    assert len(ends) == 2
    assert not [line for line in ends if "gloo" in line]
    curve, shared_curve = _losses(tmp_path / "one"), _losses(tmp_path / "two")
    assert len(curve) == SPEC.epochs * TinyLearner.steps
    np.testing.assert_allclose(shared_curve, curve, rtol=0, atol=1e-5)
    for name, value in load(tmp_path / "one" / "last.pt")["network"].items():
        torch.testing.assert_close(load(tmp_path / "two" / "last.pt")["network"][name], value, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(
    "layer", [nn.BatchNorm1d(4), nn.BatchNorm2d(4, momentum=None), nn.BatchNorm2d(4, affine=False)]
)
def test_a_shared_batch_norm_of_one_process_is_batch_norm(layer: nn.Module) -> None:
    x = torch.randn(5, 4, 3) if isinstance(layer, nn.BatchNorm1d) else torch.randn(5, 4, 3, 2)
    own = shared(nn.Sequential(layer), World())
    assert isinstance(own[0], SharedBatchNorm)
    torch.testing.assert_close(own(x), layer(x))
    torch.testing.assert_close(dict(own[0].named_buffers()), dict(layer.named_buffers()))


def test_a_mask_of_a_slice_is_a_slice_of_the_mask_of_the_batch() -> None:
    x = torch.ones(6, 5, 4)
    for layer in (nn.Dropout(0.4), nn.Dropout2d(0.4)):
        whole = shared(nn.Sequential(layer), World())
        torch.manual_seed(3)
        expected = whole(x)
        for rank in range(2):
            torch.manual_seed(3)
            half = shared(nn.Sequential(layer), World(rank, 2))
            torch.testing.assert_close(half(x[:3]), expected[3 * rank :][:3])
    dropped = shared(nn.Sequential(nn.Dropout2d(0.5)), World())(x)
    assert isinstance(whole[0], SharedDropout)
    assert ((dropped == 0).all(-1) | (dropped == 2).all(-1)).all()


def test_a_batch_that_cannot_be_shared_evenly_is_refused() -> None:
    assert list(World(1, 2).share(6)) == [3, 4, 5]
    with pytest.raises(ConfigError, match=r"loop\.batch = 7: 2 processes cannot share it"):
        World(0, 2).share(7)
