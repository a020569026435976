"""Which runtime and variant are used: by what is there, what was measured and what was asked for."""

from __future__ import annotations

import logging
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from edge.errors import ConfigError, ModelError
from edge.log import warn_once
from edge.model.choice import Measurement, save_measurements
from edge.model.runtime import decide, machine_key, open_model, read_variant, runtime_facts
from tests.edge.artefacts import fp32, variant
from tests.edge.model.backends.machine import Machine, fake_library, machine

__all__ = ["fake_library", "machine"]

FP32 = Measurement("fp32", "onnxruntime", 0.1, 10.0, 1.0, 1.0, True)
CPU_INT8 = replace(FP32, variant="cpu-int8", latency_ms=8.0)
FP16 = replace(FP32, variant="trt-fp16", runtime="tensorrt", latency_ms=1.0)
INT8 = replace(FP16, variant="trt-int8", latency_ms=0.8)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """An artefact with three variants beside it."""
    path = fp32(tmp_path)
    for name in ("cpu-int8", "trt-fp16", "trt-int8"):
        variant(path, name)
    return path


@pytest.fixture
def no_gpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without a driver, and with an empty cache."""
    monkeypatch.setenv("CACHE_DIRECTORY", str(tmp_path / "cache"))
    monkeypatch.setattr("edge.model.backends.cuda.DRIVER", "libcuda-that-is-not-there.so.1")


@pytest.fixture(autouse=True)
def _log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "edge")
    warn_once.cache_clear()


def measured(path: Path, *rows: Measurement, machine: Machine | None = None) -> None:
    save_measurements(machine_key(read_variant(path), machine.device if machine else None), rows)


@pytest.mark.usefixtures("no_gpu")
def test_without_a_driver_auto_is_onnxruntime_and_its_line_says_nothing_of_nvidia(
    model: Path, caplog: pytest.LogCaptureFixture
) -> None:
    opened = open_model(model)
    assert opened.runtime.startswith("onnxruntime")
    assert opened.variant.name == "fp32"
    (line,) = [record for record in caplog.records if record.name == "edge.model.runtime"]
    assert line.levelno == logging.INFO
    assert "cause='not measured yet: run laennec optimize'" in line.message


@pytest.mark.usefixtures("no_gpu")
def test_tensorrt_by_name_without_a_driver_is_an_error_that_says_what_is_missing(model: Path) -> None:
    with pytest.raises(ConfigError, match=r"runtime: tensorrt is not available here: no NVIDIA driver.*JetPack"):
        open_model(model, "tensorrt")


@pytest.mark.usefixtures("no_gpu")
def test_a_runtime_that_nobody_knows_is_refused(model: Path) -> None:
    with pytest.raises(ConfigError, match=r"runtime: 'trt' is not allowed: expected one of auto, onnxruntime, tens"):
        open_model(model, "trt")


@pytest.mark.usefixtures("no_gpu")
def test_what_was_measured_is_used_on_a_machine_without_a_gpu(model: Path) -> None:
    measured(model, FP32, CPU_INT8)
    assert open_model(model).variant.name == "cpu-int8"


def test_a_measurement_of_a_variant_that_is_gone_does_not_count(machine: Machine, model: Path) -> None:
    measured(model, FP32, FP16, INT8, machine=machine)
    model.with_name("chest.trt-int8.onnx").unlink()
    assert open_model(model).variant.name == "trt-fp16"


@pytest.mark.usefixtures("no_gpu")
def test_a_variant_for_tensorrt_given_by_name_is_refused_without_a_gpu(model: Path) -> None:
    with pytest.raises(ConfigError, match=r"chest\.trt-fp16\.onnx: trt-fp16 is made for tensorrt; no NVIDIA driver"):
        open_model(model.with_name("chest.trt-fp16.onnx"))


@pytest.mark.usefixtures("no_gpu")
def test_a_variant_for_the_cpu_given_by_name_is_used(model: Path) -> None:
    assert open_model(model.with_name("chest.cpu-int8.onnx")).variant.name == "cpu-int8"


def test_a_gpu_that_was_not_measured_yet_is_left_alone_by_auto(
    machine: Machine, model: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert open_model(model).runtime.startswith("onnxruntime")
    assert machine.trt.builds == 0
    assert "run laennec optimize" in caplog.text


def test_a_gpu_that_was_measured_is_used_by_auto(machine: Machine, model: Path) -> None:
    measured(model, FP32, FP16, INT8, machine=machine)
    opened = open_model(model)
    assert opened.variant.name == "trt-int8"
    assert opened.runtime == "TensorRT 10.3.0 int8 on Fake Orin"


def test_after_an_upgrade_of_tensorrt_the_measurement_does_not_count(machine: Machine, model: Path) -> None:
    measured(model, FP32, FP16, machine=machine)
    machine.trt.__version__ = "10.16.2"
    assert open_model(model).runtime.startswith("onnxruntime")


def test_onnxruntime_by_name_does_not_touch_the_gpu(machine: Machine, model: Path) -> None:
    measured(model, FP32, FP16, machine=machine)
    machine.forget()
    assert open_model(model, "onnxruntime").runtime.startswith("onnxruntime")
    assert machine.calls == []


def test_tensorrt_by_name_before_any_measurement_is_fp16(machine: Machine, model: Path) -> None:
    assert open_model(model, "tensorrt").variant.name == "trt-fp16"


def test_tensorrt_by_name_after_the_measurement_is_the_fastest_that_passed(machine: Machine, model: Path) -> None:
    measured(model, FP32, FP16, INT8, machine=machine)
    assert open_model(model, "tensorrt").variant.name == "trt-int8"


def test_tensorrt_by_name_is_refused_where_none_of_its_variants_passed(machine: Machine, model: Path) -> None:
    measured(model, FP32, replace(FP16, passes=False), replace(INT8, passes=False), machine=machine)
    with pytest.raises(ConfigError, match=r"no variant for TensorRT passed.*laennec optimize"):
        open_model(model, "tensorrt")
    assert open_model(model).variant.name == "fp32"


def test_tensorrt_by_name_without_a_variant_for_it_is_refused(machine: Machine, tmp_path: Path) -> None:
    path = fp32(tmp_path)
    with pytest.raises(ConfigError, match=r"no variant for TensorRT beside .*chest\.trt-fp16\.onnx"):
        open_model(path, "tensorrt")
    assert open_model(path).variant.name == "fp32"


def test_tensorrt_by_name_without_the_package_is_refused(
    machine: Machine, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "tensorrt", None)
    with pytest.raises(ConfigError, match="is not available here: no TensorRT for Python"):
        open_model(model, "tensorrt")


def test_auto_goes_on_with_onnxruntime_when_the_gpu_is_full(
    machine: Machine, model: Path, caplog: pytest.LogCaptureFixture
) -> None:
    measured(model, FP32, FP16, machine=machine)
    machine.fail("cudaMalloc")
    assert open_model(model).runtime.startswith("onnxruntime")
    (line,) = [r for r in caplog.records if r.levelno == logging.WARNING]
    assert "out of memory" in line.message
    assert machine.live == 0


def test_auto_goes_on_with_onnxruntime_where_the_runtime_of_cuda_is_missing(
    machine: Machine, model: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    measured(model, FP32, FP16, machine=machine)
    monkeypatch.setattr("edge.model.backends.cuda.RUNTIMES", ("libcudart-that-is-not-there.so.13",))
    assert open_model(model).runtime.startswith("onnxruntime")
    assert "no CUDA runtime" in caplog.text


def test_tensorrt_by_name_does_not_go_on_with_another_runtime(machine: Machine, model: Path) -> None:
    machine.fail("cudaMalloc")
    with pytest.raises(ModelError, match="out of memory") as caught:
        open_model(model, "tensorrt")
    assert "export it again" not in str(caught.value)  # the file is not at fault


def test_auto_goes_on_with_onnxruntime_where_the_driver_is_too_old_for_tensorrt(machine: Machine, model: Path) -> None:
    measured(model, FP32, FP16, machine=machine)
    machine.trt.no_start.add("Runtime")
    assert open_model(model).runtime.startswith("onnxruntime")


def test_the_facts_name_driver_versions_engines_and_the_choice(machine: Machine, model: Path) -> None:
    measured(model, FP32, FP16, machine=machine)
    open_model(model)
    facts = runtime_facts(model)
    assert facts.gpu is not None
    assert (facts.gpu.name, facts.gpu.compute_capability, facts.gpu.driver) == ("Fake Orin", "8.7", "13.2")
    assert (facts.tensorrt, facts.cudart, facts.missing) == ("10.3.0", "libcudart.so.13", "")
    assert [engine.key and engine.key.precision for engine in facts.engines] == ["fp16"]
    assert (facts.variant, facts.runtime, facts.cause) == (
        "trt-fp16",
        "tensorrt",
        "measured by laennec optimize; --forget undoes it",
    )
    assert [row.variant for row in facts.measured] == ["fp32", "trt-fp16"]


@pytest.mark.usefixtures("no_gpu")
def test_the_facts_of_a_machine_without_a_gpu_say_what_is_missing(model: Path) -> None:
    facts = runtime_facts(model)
    assert (facts.gpu, facts.tensorrt, facts.engines, facts.measured) == (None, "", (), ())
    assert "no NVIDIA driver" in facts.missing
    assert (facts.variant, facts.runtime) == ("fp32", "onnxruntime")


def test_the_facts_name_the_gpu_of_a_machine_without_tensorrt(
    machine: Machine, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "tensorrt", None)
    facts = runtime_facts(model)
    assert facts.gpu is not None
    assert (facts.tensorrt, facts.runtime) == ("", "onnxruntime")
    assert "no TensorRT for Python" in facts.missing


@pytest.mark.usefixtures("no_gpu")
def test_a_missing_artefact_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"none\.onnx: cannot be read"):
        decide(tmp_path / "none.onnx")
