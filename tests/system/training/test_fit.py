"""The loop is exact: seeds decide everything, a killed training ends at the same weights, the best epoch is kept."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.training.loop.test_fit import _equal, _train
from tests.training.loop.tiny import ROOT, SPEC, STAYS
from training.loop.checkpoint import load

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.mark.parametrize(("kill_at", "save_minutes"), [(2, "10"), (8, "10"), (5, "0.0001")])
def test_a_training_killed_at_any_step_ends_at_the_same_weights(
    tmp_path: Path, kill_at: int, save_minutes: str
) -> None:
    _train(tmp_path / "whole")
    command = [sys.executable, "-m", "tests.training.loop.tiny", str(tmp_path / "killed")]
    environment = {"SAVE_MINUTES": save_minutes, "STAYS_AT": str(kill_at), "PATH": ""}
    with subprocess.Popen([*command, "0.02"], cwd=ROOT, stdout=subprocess.PIPE, env=environment, text=True) as killed:
        assert killed.stdout is not None
        assert f"{STAYS}\n" in iter(killed.stdout.readline, "")
        killed.send_signal(signal.SIGKILL)
        assert killed.wait() == -signal.SIGKILL
    assert not (tmp_path / "killed" / "last.pt").exists() or not load(tmp_path / "killed" / "last.pt")["is_over"]
    resumed = _train(tmp_path / "killed")
    assert resumed.epochs == SPEC.epochs
    for stored in ("last.pt", "best.pt"):
        one, other = load(tmp_path / "whole" / stored), load(tmp_path / "killed" / stored)
        assert _equal(one["network"], other["network"])
    whole, killed_lines = (_but_for_time(tmp_path / n / "metrics.jsonl") for n in ("whole", "killed"))
    assert whole == killed_lines


def _but_for_time(metrics: Path) -> list[dict[str, object]]:
    """The lines of a training's metrics, without the seconds that its epochs took."""
    lines = [json.loads(line) for line in metrics.read_text().splitlines()]
    return [{name: value for name, value in line.items() if name != "seconds"} for line in lines]
