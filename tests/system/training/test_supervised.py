"""One command from recordings to scores: real recordings on a disk, real processes, a run folder that is taken up."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import HANGS_S
from tests.training.clips import test_supervised
from tests.training.clips.test_supervised import _command, _file
from tests.training.clips.ward import TINY
from training.__main__ import main

run = test_supervised.run
ward = test_supervised.ward

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize("kind", ["ast", "inception-2023"])
def test_two_processes_have_the_loss_curve_of_one_with_every_kind_of_loss(
    ward: Path, tmp_path: Path, kind: str
) -> None:
    sizes = {"size": 8, "depth": 1, "heads": 2, "dropout": 0.1} if kind == "ast" else TINY["network"]["sizes"]
    losses = [{"kind": "cross-entropy"}, {"kind": "patch-mix"}, {"kind": "dfam"}, {"kind": "triplet", "weight": 0.1}]
    recipe = _file(
        tmp_path,
        network={"kind": kind, "sizes": sizes},
        losses=losses,
        head={"kind": "angular"},
        augment={"masks": {"bands": 4, "frames": 8}},
        loop={"epochs": 2, "learning_rate": 1e-3},
    )
    assert main(_command(ward, recipe, tmp_path / "one")) == 0
    torchrun = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--standalone",
        "--nproc-per-node",
        "2",
        "-m",
        "training",
    ]
    two = subprocess.run(
        [*torchrun, *_command(ward, recipe, tmp_path / "two")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=HANGS_S,
        check=False,
    )
    assert two.returncode == 0, two.stderr[-2000:]
    curves = []
    for name in ("one", "two"):
        lines = [json.loads(line) for line in (tmp_path / name / "metrics.jsonl").read_text().splitlines()]
        names = ("total", "cross-entropy", "patch-mix", "dfam", "triplet")
        curves.append(np.array([[line[name] for name in names] for line in lines if "step" in line]))
    assert len(curves[0]) == 2 * (32 // 8)
    np.testing.assert_allclose(curves[1], curves[0], rtol=1e-5, atol=1e-5)
