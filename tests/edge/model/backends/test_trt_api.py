"""What we say of TensorRT's API is so: asked of NVIDIA's own classes, and nothing that a version removed is used."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from edge.model.backends import _tensorrt_api as _trt_api

ROOT = Path(__file__).parents[4]
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


def _names() -> list[tuple[str, str]]:
    """Every member of every Protocol, under NVIDIA's names."""
    protocols = [p for p in vars(_trt_api).values() if isinstance(p, type) and p.__module__ == _trt_api.__name__]
    named = []
    for protocol in protocols:
        members = {*vars(protocol), *vars(protocol).get("__annotations__", {})}
        named += [(protocol.__name__, member) for member in sorted(members) if not member.startswith("_")]
    return named


@pytest.fixture(scope="module")
def rtx() -> Any:
    return pytest.importorskip("tensorrt_rtx", reason="needs the extra trt-check (x86-64)")


@pytest.mark.parametrize(("owner", "member"), _names())
def test_nvidias_classes_have_what_the_protocols_promise(rtx: Any, owner: str, member: str) -> None:
    real = rtx if owner == "TensorRt" else getattr(rtx, owner)
    assert hasattr(real, member)


def test_a_name_that_is_not_there_would_be_noticed(rtx: Any) -> None:
    assert len(_names()) > 40
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


def _code(path: Path) -> list[str]:
    """Lines without prose."""
    text = re.sub(r'""".*?"""', "", path.read_text(), flags=re.DOTALL)
    return [line.partition("#")[0] for line in text.splitlines()]


def test_every_member_of_nvidias_that_is_called_stands_in_the_protocols() -> None:
    """The backend is typed against the Protocols; `Any` would let a call past mypy."""
    promised = {member for _, member in _names()} | {"__version__"}
    used = set()
    for name in ("tensorrt.py", "engine.py"):
        text = "\n".join(_code(Path(_trt_api.__file__).with_name(name)))
        used |= set(re.findall(r"\b(?:trt|builder|config|profile|parser|network|engine|context|cache)\.(\w+)", text))
    assert used - promised == set()
