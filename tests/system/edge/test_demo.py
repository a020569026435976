"""The demo is the real detector, seen by an ordinary client."""

from __future__ import annotations

import subprocess
import sys

import pytest

from edge.commands.demo_play import HEAD, row
from tests.conftest import HANGS_S


@pytest.mark.parametrize("broker", ["mosquitto", "amqtt"])
def test_the_demo_shows_events_and_ends_with_one_summary_line(broker: str) -> None:
    command = [sys.executable, "-m", "edge", "demo", "--fast", "--broker", broker]
    result = subprocess.run(command, capture_output=True, text=True, timeout=HANGS_S)
    assert result.returncode == 0, result.stderr
    lines = result.stdout.splitlines()
    assert "synthetic" in lines[0]
    assert broker in lines[1]
    rows = lines[lines.index(HEAD) + 1 : -2]
    assert rows
    assert all("bed1" in line for line in rows)
    assert lines[-1].startswith("received 56.0 s, measurable ")
    assert ("3.1.1" in lines[1]) == (broker == "amqtt")
    assert ("protocol=3.1.1" in result.stderr) == (broker == "amqtt")


def test_the_manikin_s_clip_is_played_with_its_credit() -> None:
    command = [sys.executable, "-m", "edge", "demo", "--fast", "--manikin"]
    result = subprocess.run(command, capture_output=True, text=True, timeout=HANGS_S)
    assert result.returncode == 0, result.stderr
    first, *_, last = result.stdout.splitlines()
    assert "manikin" in first
    assert "Torabi" in first
    assert "CC BY 4.0" in first
    assert last.startswith("received 15.0 s, measurable 14.")


def test_a_demo_whose_detector_fails_fails() -> None:
    command = [sys.executable, "-m", "edge", "demo", "--fast", "--model", "/none.onnx"]
    result = subprocess.run(command, capture_output=True, text=True, timeout=HANGS_S)
    assert result.returncode == 2
    assert "none.onnx" in result.stderr
    assert "Traceback" not in result.stderr


def test_rows_are_aligned_with_their_head() -> None:
    event = {
        "sample": {"rate": 8000, "onset": 8000 * 75, "end": None},
        "label": "fine_crackle",
        "scores": {"peak": 0.91},
        "stream": "bed1",
    }
    begun = row(event)
    over = row({**event, "sample": {**event["sample"], "end": 8000 * 76}})  # type: ignore[dict-item]
    assert begun.split() == ["01:15.00", "fine", "crackle", "0.91", "bed1", "begins"]
    assert over.endswith("1.00 s")
    assert len(begun) == len(over) == len(HEAD)
