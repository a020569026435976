"""A training of the edge recipe is reproducible and survives a kill; it says nothing of sound that was not heard."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np

from tests.conftest import HANGS_S
from tests.training.detector.edge import RECIPE

ROOT = Path(__file__).parents[3]


def test_two_processes_have_the_loss_curve_of_one(tmp_path: Path) -> None:
    module = ["-m", "tests.training.detector.edge"]
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    subprocess.run([sys.executable, *module, str(tmp_path / "one")], cwd=ROOT, timeout=HANGS_S, check=True)
    subprocess.run(
        [*torchrun, *module, str(tmp_path / "two")], cwd=ROOT, capture_output=True, timeout=HANGS_S, check=True
    )
    curves = []
    for name in ("one", "two"):
        lines = (tmp_path / name / "final" / "metrics.jsonl").read_text().splitlines()
        curves.append([json.loads(line)["total"] for line in lines if "step" in json.loads(line)])
    assert len(curves[0]) == RECIPE.loop.epochs * RECIPE.steps
    np.testing.assert_allclose(curves[1], curves[0], rtol=1e-4)
