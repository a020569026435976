"""Which runtime and variant are used: by what is there and what was asked for."""

from __future__ import annotations

import logging
import sys
from pathlib import Path

import pytest

from edge.errors import ConfigError, ModelError
from edge.log import warn_once
from edge.model.runtime import cpu_name, decide, open_model, runtime_facts, variants_here
from tests.edge.artefacts import fp32, variant
from tests.edge.model.backends.machine import Machine, fake_library, machine

__all__ = ["fake_library", "machine"]


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


@pytest.mark.usefixtures("no_gpu")
def test_without_a_driver_auto_is_onnxruntime_and_its_line_says_nothing_of_nvidia(
    model: Path, caplog: pytest.LogCaptureFixture
) -> None:
    opened = open_model(model)
    assert opened.runtime.startswith("onnxruntime")
    assert opened.variant.name == "fp32"
    (line,) = [record for record in caplog.records if record.name == "edge.model.runtime"]
    assert line.levelno == logging.INFO
    assert "variant=fp32" in line.message


@pytest.mark.usefixtures("no_gpu")
def test_tensorrt_by_name_without_a_driver_is_an_error_that_says_what_is_missing(model: Path) -> None:
    with pytest.raises(ConfigError, match=r"runtime: tensorrt is not available here: no NVIDIA driver.*JetPack"):
        open_model(model, "tensorrt")


@pytest.mark.usefixtures("no_gpu")
def test_a_runtime_that_nobody_knows_is_refused(model: Path) -> None:
    with pytest.raises(ConfigError, match=r"runtime: 'trt' is not allowed: expected one of auto, onnxruntime, tens"):
        open_model(model, "trt")


@pytest.mark.usefixtures("no_gpu")
def test_a_variant_for_tensorrt_given_by_name_is_refused_without_a_gpu(model: Path) -> None:
    with pytest.raises(ConfigError, match=r"chest\.trt-fp16\.onnx: trt-fp16 is not available here: no NVIDIA driver"):
        open_model(model.with_name("chest.trt-fp16.onnx"))


@pytest.mark.usefixtures("no_gpu")
def test_a_variant_for_the_cpu_given_by_name_is_used(model: Path) -> None:
    assert open_model(model.with_name("chest.cpu-int8.onnx")).variant.name == "cpu-int8"


def test_a_gpu_is_left_alone_by_auto(machine: Machine, model: Path) -> None:
    machine.forget()
    assert open_model(model).runtime.startswith("onnxruntime")
    assert (machine.trt.builds, machine.calls) == (0, [])


def test_a_variant_for_tensorrt_given_by_name_is_used_by_auto(machine: Machine, model: Path) -> None:
    opened = open_model(model.with_name("chest.trt-int8.onnx"))
    assert opened.variant.name == "trt-int8"
    assert opened.runtime == "TensorRT 10.3.0 int8 on Fake Orin"


def test_a_variant_for_the_cpu_is_refused_to_tensorrt(machine: Machine, model: Path) -> None:
    with pytest.raises(ConfigError, match=r"runtime: tensorrt is not available here: "):
        open_model(model.with_name("chest.cpu-int8.onnx"), "tensorrt")


def test_a_variant_for_tensorrt_is_refused_to_onnxruntime(machine: Machine, model: Path) -> None:
    with pytest.raises(ConfigError, match=r"trt-fp16 is made for tensorrt; set  runtime: auto"):
        open_model(model.with_name("chest.trt-fp16.onnx"), "onnxruntime")


def test_onnxruntime_by_name_does_not_touch_the_gpu(machine: Machine, model: Path) -> None:
    machine.forget()
    assert open_model(model, "onnxruntime").runtime.startswith("onnxruntime")
    assert machine.calls == []


def test_tensorrt_by_name_is_fp16_the_nearest_to_fp32(machine: Machine, model: Path) -> None:
    assert open_model(model, "tensorrt").variant.name == "trt-fp16"


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


def test_tensorrt_by_name_where_the_runtime_of_cuda_is_missing_is_an_error(
    machine: Machine, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edge.model.backends.cuda.RUNTIMES", ("libcudart-that-is-not-there.so.13",))
    with pytest.raises(ConfigError, match="no CUDA runtime"):
        open_model(model, "tensorrt")


def test_tensorrt_by_name_does_not_go_on_with_another_runtime(machine: Machine, model: Path) -> None:
    machine.fail("cudaMalloc")
    with pytest.raises(ModelError, match="out of memory") as caught:
        open_model(model, "tensorrt")
    assert "export it again" not in str(caught.value)  # the file is not at fault


def test_a_driver_that_is_too_old_for_tensorrt_is_an_error(machine: Machine, model: Path) -> None:
    machine.trt.no_start.add("Runtime")
    with pytest.raises(ModelError):
        open_model(model, "tensorrt")


def test_the_variants_of_a_machine_are_those_of_its_runtimes(machine: Machine, model: Path) -> None:
    def names(runtime: str) -> list[str]:
        return [artefact.variant.name for artefact in variants_here(model, runtime, print)[0]]

    assert names("auto") == ["fp32", "cpu-int8", "trt-fp16", "trt-int8"]
    assert names("tensorrt") == ["trt-fp16", "trt-int8"]
    assert names("onnxruntime") == ["fp32", "cpu-int8"]


@pytest.mark.usefixtures("no_gpu")
def test_without_a_gpu_nobody_is_told_of_nvidia_unless_tensorrt_was_asked_for(model: Path) -> None:
    reported: list[str] = []
    artefacts, device = variants_here(model, "auto", reported.append)
    assert ([artefact.variant.name for artefact in artefacts], device, reported) == (["fp32", "cpu-int8"], None, [])
    with pytest.raises(ConfigError, match="no NVIDIA driver"):
        variants_here(model, "tensorrt", reported.append)


def test_the_facts_name_driver_versions_and_the_choice(machine: Machine, model: Path) -> None:
    open_model(model, "tensorrt")
    facts = runtime_facts(model, "tensorrt")
    assert facts.gpu is not None
    assert (facts.gpu.name, facts.gpu.compute_capability, facts.gpu.driver) == ("Fake Orin", "8.7", "13.2")
    assert (facts.tensorrt, facts.missing) == ("10.3.0", "")
    assert (facts.variant, facts.runtime) == ("trt-fp16", "tensorrt")


@pytest.mark.usefixtures("no_gpu")
def test_the_facts_of_a_machine_without_a_gpu_say_what_is_missing(model: Path) -> None:
    facts = runtime_facts(model)
    assert (facts.gpu, facts.tensorrt) == (None, "")
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


def test_the_processor_has_a_name() -> None:
    assert cpu_name().split()[0] in ("x86_64", "aarch64", "arm64", "AMD64")
