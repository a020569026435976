"""What we say of TensorRT's API is so: asked of NVIDIA's own classes, and nothing that a version removed is used."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[4]
BACKENDS = ROOT / "edge" / "model" / "backends"
REMOVED = (  # by 11, or not yet in 10.3
    "IInt8Calibrator",
    "IInt8EntropyCalibrator",
    "IInt8MinMaxCalibrator",
    "IInt8LegacyCalibrator",
    "CalibrationAlgoType",
    "QuantizationFlag",
    "IAlgorithm",
    "IStreamReader",
    "int8_calibrator",
    r"BuilderFlag\.(FP16|BF16|INT8|FP8|INT4|FP4|OBEY_PRECISION|PREFER_PRECISION)",
    "EXPLICIT_BATCH",
    "set_dynamic_range",
    "set_output_type",
    "platform_has_fast",
    r"device_memory_size\b",
    r"\.supports_model\(",
    "EDITABLE_TIMING_CACHE",
    "SAME_COMPUTE_CAPABILITY",
    "set_builder_config",
    "max_num_tactics",
    "execute_v2",
    "max_workspace_size",
    "build_engine",
    "get_binding",
    "pycuda",
    r"\bcuda\.bindings",
)


def _code(path: Path) -> list[str]:
    """Lines without prose."""
    text = re.sub(r'""".*?"""', "", path.read_text(), flags=re.DOTALL)
    return [line.partition("#")[0] for line in text.splitlines()]


OBJECTS = {  # what the backend's variables hold, by NVIDIA's names; None: the module itself
    "trt": None,
    "builder": "Builder",
    "config": "IBuilderConfig",
    "profile": "IOptimizationProfile",
    "parser": "OnnxParser",
    "network": "INetworkDefinition",
    "_engine": "ICudaEngine",
    "engine": "ICudaEngine",
    "_context": "IExecutionContext",
    "_runtime": "Runtime",
}


def _used() -> set[tuple[str | None, str]]:
    """Class and member of everything of NVIDIA's that the backend calls."""
    text = "\n".join(line for name in ("tensorrt.py", "engine.py") for line in _code(BACKENDS / name))
    pattern = rf"(?<!\w)(?:self\.)?({'|'.join(OBJECTS)})\.(\w+)(?:\.(\w+))?"
    found = {(OBJECTS[at], member) for at, member, _ in re.findall(pattern, text)}
    return found | {(member, of) for at, member, of in re.findall(pattern, text) if at == "trt" and of}


@pytest.fixture(scope="module")
def rtx() -> Any:
    return pytest.importorskip("tensorrt_rtx", reason="needs the extra trt-check (x86-64)")


@pytest.mark.parametrize(("owner", "member"), sorted(_used(), key=str))
def test_nvidias_classes_have_what_is_called(rtx: Any, owner: str | None, member: str) -> None:
    assert hasattr(getattr(rtx, owner) if owner else rtx, member)


def test_a_name_that_is_not_there_would_be_noticed(rtx: Any) -> None:
    assert len(_used()) > 30
    assert not hasattr(rtx.IBuilderConfig, "int8_calibrator")
    assert not hasattr(rtx.NetworkDefinitionCreationFlag, "EXPLICIT_BATCH")


@pytest.mark.parametrize("name", REMOVED)
def test_nothing_is_used_that_a_version_lacks(name: str) -> None:
    sources = [*(ROOT / "edge").rglob("*.py"), *(ROOT / "export").rglob("*.py")]
    pattern = re.compile(rf"(?<![\w`]){name}" if name[0].isalpha() else name)
    found = [f"{path.name}: {line}" for path in sources for line in _code(path) if pattern.search(line)]
    assert not found


def test_the_list_of_removed_names_would_find_them() -> None:
    line = "config.set_flag(trt.BuilderFlag.FP16)"
    assert any(re.search(name, line) for name in REMOVED)
