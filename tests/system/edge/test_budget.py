"""`laennec budget` as a process: by the validation of a model, by what a ward remembers, and its mistakes."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import onnx
import pytest

from edge.delivery.message_inbox import Rows
from edge.delivery.minutes import Minute
from edge.delivery.outbox import Outbox
from edge.model.onnx_file import seal
from tests.conftest import HANGS_S
from tests.edge.small_graph import small_artefact
from tests.edge.ward.limits import TABLE
from tests.edge.wards import ward


def budget(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "edge", "budget", "--per-bed-day", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=HANGS_S, check=False)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A small artefact that carries a table."""
    graph = onnx.load_from_string(small_artefact())
    entries = {item.key: item.value for item in graph.metadata_props if item.key != "laennec.seal"}
    del graph.metadata_props[:]
    for key, value in {**entries, "laennec.burden_limits": TABLE.to_json()}.items():
        graph.metadata_props.add(key=key, value=value)
    path = tmp_path / "model.onnx"
    path.write_bytes(seal(graph.SerializeToString()))
    return path


def remember(path: Path, seconds: Iterable[float], streams: tuple[str, ...]) -> None:
    minutes = [
        Minute(stream, group, 1.8e9 + 60 * n, s if stream == "bed1" and group == "continuous" else 0.1, 60.0, 0.0)
        for n, s in enumerate(seconds)
        for stream in streams
        for group in ("continuous", "discontinuous")
    ]
    outbox = Outbox(path, 10, 1)
    outbox.put([], Rows(minutes=minutes))
    outbox.close()


def test_the_limits_of_a_model_with_what_they_cost_and_find(model: Path) -> None:
    result = budget(1.5, "--model", model)
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.splitlines()[:7] == [
        "limits of the burden over 5 min; an alarm ends below 0.7 of its limit:",
        "  continuous       2.50 s of sound in a measurable minute",
        "  discontinuous    6.50 s of sound in a measurable minute",
        "in the settings:  alarms: {burden: {continuous: {limit_s_per_min: 2.50}, "
        "discontinuous: {limit_s_per_min: 6.50}}}",
        "alarms where nothing is to be found: 1.50 per bed and day (0.75 to 3.00, 95 % over patients),",
        "  all of them from 7 of 133 beds",
        "found within 30 min, where the sound is in so much of what is scored (47 beds):",
    ]
    assert "  100 %: 0.92, 50 %: 0.46, 25 %: 0.23, 10 %: 0.12" in result.stdout
    assert "  median delay at 100 %: 92 s" in result.stdout


def test_a_ward_answers_by_its_own_minutes(tmp_path: Path, model: Path) -> None:
    swing = ([0.1] * 20 + [6.0] * 20) * 36  # a day in which the burden rises 36 times
    config = ward(tmp_path)
    remember(tmp_path / "state" / "outbox.db", swing, ("bed1", "bed2"))
    result = budget(1, "--config", config, "--model", model)
    assert (result.returncode, result.stderr) == (0, "")
    lines = result.stdout.splitlines()
    assert float(lines[1].split()[1]) > 6.0
    assert lines[4] == "alarms they would have raised: 0.00 per bed and day (0.00 to 0.00, 95 % over beds),"
    assert lines[5] == "  all of them from 0 of 2 beds, known for 2.00 days in all"


def test_mistakes_are_one_line(tmp_path: Path, model: Path) -> None:
    plain = tmp_path / "plain.onnx"
    plain.write_bytes(small_artefact())
    results = [
        budget(0.1, "--model", model),
        budget(-1, "--model", model),
        budget(1, "--model", plain),
        budget(1, "--history", tmp_path / "none", "--model", plain),
    ]
    assert [result.returncode for result in results] == [2] * 4
    output = [result.stderr.strip() for result in results]
    assert [len(line.splitlines()) for line in output] == [1] * 4
    assert "the fewest alarms are 0.5" in output[0]
    assert "expected a number above 0" in output[1]
    assert "carries no limits of the burden" in output[2]
    assert "no history at" in output[3]
