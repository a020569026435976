"""Two processes have the loss curve of one: started by torchrun, for real."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import torch

from tests.conftest import HANGS_S
from tests.training.loop.tiny import ROOT, SPEC, TinyLearner
from training.loop.checkpoint import load


def _losses(folder: Path) -> np.ndarray:
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return np.array([[line[name] for name in ("total", "decision", "contrast")] for line in lines if "step" in line])


def test_two_processes_have_the_loss_curve_of_one(tmp_path: Path) -> None:
    module = ["-m", "tests.training.loop.tiny"]
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    with subprocess.Popen([sys.executable, *module, str(tmp_path / "one")], cwd=ROOT, stdout=subprocess.DEVNULL) as one:
        two = subprocess.run(
            [*torchrun, *module, str(tmp_path / "two")], cwd=ROOT, capture_output=True, text=True, timeout=HANGS_S
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
