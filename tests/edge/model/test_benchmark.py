"""Tuning measures what is there, refuses what is wrong, and leaves a choice for the next start."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from edge.commands.app import app
from edge.detector.recording import chunks_of
from edge.errors import ConfigError
from edge.model import benchmark as benchmarking
from edge.model.benchmark import Benchmark
from edge.model.choice import Measurement, choose, read_measurements
from edge.model.runtime import machine_key, open_model, read_variant
from edge.sources.file_search import DEMO_AUDIO
from tests.edge.artefacts import fp32, spoil, variant
from tests.edge.model.backends.machine import Machine, fake_library, machine

__all__ = ["fake_library", "machine"]


def measure(path: Path, runtime: str, progress: Callable[[str], None] = print) -> Benchmark:
    """As `laennec optimize`, on a few chunks of the recording."""
    return benchmarking.benchmark(path, runtime, progress, lambda model: chunks_of(model, DEMO_AUDIO)[40:50])


def benchmark(path: Path, runtime: str, progress: Callable[[str], None] = print) -> list[Measurement]:
    return measure(path, runtime, progress).measured


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The mechanics, not the figures: few rounds."""
    monkeypatch.setattr(benchmarking, "ROUNDS", 1)
    monkeypatch.setenv("CACHE_DIRECTORY", str(tmp_path / "cache"))


def test_every_variant_is_measured_and_the_wrong_one_is_refused(machine: Machine, tmp_path: Path) -> None:
    path = fp32(tmp_path)
    variant(path, "trt-fp16")
    variant(path, "trt-int8", spoil)
    told: list[str] = []
    rows = {row.variant: row for row in benchmark(path, "auto", told.append)}
    assert list(rows) == ["fp32", "trt-fp16", "trt-int8"]
    assert [row.passes for row in rows.values()] == [True, True, False]
    assert "too far from fp32" in rows["trt-int8"].note
    assert all(row.latency_ms > 0 for row in rows.values())
    assert len(told) == 3
    assert machine.trt.builds == 2


def test_the_next_start_uses_what_was_measured_and_builds_nothing(machine: Machine, tmp_path: Path) -> None:
    path = fp32(tmp_path)
    variant(path, "trt-fp16")
    rows = benchmark(path, "auto")
    assert read_measurements(machine_key(read_variant(path), machine.device)) == rows
    assert read_measurements(machine_key(read_variant(path), None)) == rows[:1]
    chosen = choose(rows, {"onnxruntime", "tensorrt"})
    assert chosen is not None
    assert open_model(path).variant.name == chosen.variant
    assert open_model(path, "tensorrt").variant.name == "trt-fp16"
    assert machine.trt.builds == 1


def test_a_variant_that_cannot_be_built_is_a_row_and_not_the_end(machine: Machine, tmp_path: Path) -> None:
    path = fp32(tmp_path)
    variant(path, "trt-fp16")
    machine.trt.build_error = "no kernel"
    rows = {row.variant: row for row in benchmark(path, "auto")}
    assert rows["fp32"].passes
    assert (rows["trt-fp16"].passes, rows["trt-fp16"].latency_ms) == (False, 0.0)
    assert "no kernel" in rows["trt-fp16"].note


def test_without_a_gpu_onnxruntime_alone_is_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edge.model.backends.cuda.DRIVER", "libcuda-that-is-not-there.so.1")
    path = fp32(tmp_path)
    variant(path, "trt-fp16")
    variant(path, "cpu-int8")
    told: list[str] = []
    assert [row.variant for row in benchmark(path, "auto", told.append)] == ["fp32", "cpu-int8"]
    assert "NVIDIA" not in "".join(told)  # nobody asked for a GPU
    with pytest.raises(ConfigError, match="no NVIDIA driver"):
        benchmark(path, "tensorrt")


def test_one_runtime_alone_is_measured_beside_the_reference(machine: Machine, tmp_path: Path) -> None:
    path = fp32(tmp_path)
    variant(path, "trt-fp16")
    variant(path, "cpu-int8")
    assert [row.variant for row in benchmark(path, "tensorrt")] == ["fp32", "trt-fp16"]
    assert [row.variant for row in benchmark(path, "onnxruntime")] == ["fp32", "cpu-int8"]


def test_a_variant_cannot_be_benchmarked_by_itself(tmp_path: Path) -> None:
    made = variant(fp32(tmp_path), "cpu-int8")
    with pytest.raises(ConfigError, match="expected the fp32 artefact, found cpu-int8"):
        benchmark(made, "auto")


def test_a_cache_that_cannot_be_written_costs_the_choice_and_not_the_measurement(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("CACHE_DIRECTORY", str(tmp_path / "file"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    found = measure(fp32(tmp_path), "onnxruntime")
    assert [row.passes for row in found.measured] == [True]
    assert not found.is_saved


def test_what_was_measured_can_be_forgotten(tmp_path: Path) -> None:
    path = fp32(tmp_path)
    assert measure(path, "onnxruntime").is_saved
    assert read_measurements(machine_key(read_variant(path), None)) is not None
    assert [benchmarking.forget(path), benchmarking.forget(path)] == [1, 0]
    assert read_measurements(machine_key(read_variant(path), None)) is None


def test_a_choice_that_could_not_be_saved_is_not_promised(monkeypatch: pytest.MonkeyPatch) -> None:
    row = Measurement("cpu-int8", "onnxruntime", 0.1, 1.0, 1.0, 1.0, True, "")
    monkeypatch.setattr(benchmarking, "benchmark", lambda *_: Benchmark([row], is_saved=False))
    shown = CliRunner().invoke(app, ["optimize"]).stdout
    assert "cpu-int8 on onnxruntime is best, but that could not be saved: nothing changes" in shown
    assert "from the next start" not in shown


def test_the_command_prints_the_table_and_the_choice(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    rows = [
        Measurement("fp32", "onnxruntime", 0.1, 10.0, 1.0, 1.0, True, "onnxruntime 1.31.1"),
        Measurement("trt-int8", "tensorrt", 61.0, 1.0, 0.98, 0.9, False, "too far"),
        Measurement("trt-fp16", "tensorrt", 0.0, 0.0, 0.0, 0.0, False, "no kernel"),
    ]
    monkeypatch.setattr(benchmarking, "benchmark", lambda *_: Benchmark(rows, is_saved=True))
    shown = CliRunner().invoke(app, ["optimize"]).stdout
    assert "REFUSED: too far" in shown
    assert "`runtime: auto` uses fp32 on onnxruntime" in shown
    told = json.loads(CliRunner().invoke(app, ["optimize", "--json"]).stdout)
    assert told["choice"] == "fp32"
    assert [row["variant"] for row in told["variants"]] == ["fp32", "trt-int8", "trt-fp16"]


def test_the_old_name_of_the_command_still_works_and_says_the_new_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        benchmarking,
        "benchmark",
        lambda *_: Benchmark([Measurement("fp32", "onnxruntime", 0.1, 1.0, 1.0, 1.0, True, "")], is_saved=True),
    )
    shown = CliRunner().invoke(app, ["tune", "--json"])
    assert "`tune` is now called `optimize`" in shown.stderr
    assert json.loads(shown.stdout)["choice"] == "fp32"
    assert "tune" not in CliRunner().invoke(app, ["--help"]).stdout
