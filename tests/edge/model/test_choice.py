"""What is chosen out of measurements, and when they count."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from edge.model.choice import MachineKey, Measurement, choose, cpu_name, read_measurements, save_measurements

BOTH = {"onnxruntime", "tensorrt"}
FP32 = Measurement("fp32", "onnxruntime", 0.1, 10.0, 1.0, 1.0, True)
INT8 = replace(FP32, variant="cpu-int8", latency_ms=8.0)
TRT = replace(FP32, variant="trt-fp16", runtime="tensorrt", latency_ms=1.0)
KEY = MachineKey("a" * 64, "1.31.1", "10.3.0", "Orin 8.7", "aarch64 0x41 0xd42")


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CACHE_DIRECTORY", str(tmp_path))


def test_the_fastest_that_passes_is_chosen() -> None:
    assert choose([FP32, INT8, TRT], BOTH) == TRT
    assert choose([FP32, INT8, replace(TRT, passes=False)], BOTH) == INT8


def test_only_runtimes_that_may_be_used_count() -> None:
    assert choose([FP32, INT8, TRT], {"onnxruntime"}) == INT8
    assert choose([FP32, INT8], {"tensorrt"}) is None


@pytest.mark.parametrize(("ms", "variant"), [(9.1, "fp32"), (9.0, "cpu-int8"), (11.0, "fp32")])
def test_fp32_stays_unless_another_is_a_tenth_faster(ms: float, variant: str) -> None:
    chosen = choose([FP32, replace(INT8, latency_ms=ms)], BOTH)
    assert chosen is not None
    assert chosen.variant == variant


def test_one_that_failed_to_open_is_never_chosen() -> None:
    failed = replace(TRT, latency_ms=0.0, passes=False)
    assert choose([FP32, failed], BOTH) == FP32


def test_rows_come_back_as_they_were_kept() -> None:
    save_measurements(KEY, [FP32, replace(TRT, latency_ms=0.0, passes=False, note="no")])
    assert read_measurements(KEY) == [FP32, replace(TRT, latency_ms=0.0, passes=False, note="no")]


@pytest.mark.parametrize("field", ["model_sha256", "onnxruntime", "tensorrt", "gpu", "cpu"])
def test_another_model_runtime_or_machine_has_no_measurement(field: str) -> None:
    save_measurements(KEY, [FP32])
    assert read_measurements(replace(KEY, **{field: "another"})) is None


def test_a_measurement_of_another_version_of_laennec_does_not_count(tmp_path: Path) -> None:
    from edge.model.backends.engine import CACHE

    CACHE.write(KEY.file_name(), b'[{"variant": "fp32"}]', 8)
    assert read_measurements(KEY) is None


def test_the_processor_has_a_name() -> None:
    assert cpu_name().split()[0] in ("x86_64", "aarch64", "arm64", "AMD64")
