"""`auto` takes what is quicker, says so, stays with it after a kill, and changes nothing else of a training."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.conftest import HANGS_S
from tests.training.loop.test_precision import AUTO, LONG, _is_equal, _timed, _train
from tests.training.loop.tiny import ROOT, TinyLearner
from training.loop.precision import RECORD

_ENVIRONMENT = {"PRECISION": "auto", "EPOCHS": str(AUTO.epochs), "PATH": ""}


pytestmark = pytest.mark.usefixtures("one_thread")


def test_a_training_killed_at_any_time_has_the_weights_of_its_precision(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed with SIGKILL while it measures and again while it trains; taken up where the other would be quicker."""
    command = [sys.executable, "-m", "tests.training.loop.tiny", str(tmp_path / "killed"), "0.15"]
    for required in ("run.json", "last.pt"):
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, env=_ENVIRONMENT) as process:
            until = time.monotonic() + HANGS_S
            while not (tmp_path / "killed" / required).exists() and time.monotonic() < until and process.poll() is None:
                time.sleep(0.01)
            process.send_signal(signal.SIGKILL)
            assert process.wait() == -signal.SIGKILL
    begun = json.loads((tmp_path / "killed" / RECORD).read_text())["precision"]
    resumed = _train(tmp_path / "killed", AUTO, _timed(monkeypatch, "bf16" if begun == "fp32" else "fp32"))
    assert _is_equal(resumed, _train(tmp_path / "whole", LONG.model_copy(update={"precision": begun}), TinyLearner()))
