"""Tests marked `gpu` run where a driver and TensorRT are, and say elsewhere what is missing.

Those that use the fixture `cuda` and not `device` need no TensorRT, only a driver and CUDA's runtime. `make test-gpu`
sets LAENNEC_GPU=required: what is missing is then an error, for tests that were all skipped prove nothing.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from edge.errors import ConfigError
from edge.model.backends.cuda import Cudart, find_gpu
from edge.model.backends.tensorrt import Device, find_device
from tests.gpu.reference import Reference, saved


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip before a fixture is made."""
    marked = [item for item in items if item.get_closest_marker("gpu")]
    without = [item for item in marked if "cuda" in getattr(item, "fixturenames", ())]
    _skip(without, lambda: Cudart(find_gpu()))
    _skip([item for item in marked if item not in without], find_device)


def _skip(items: list[pytest.Item], find: Callable[[], object]) -> None:
    if not items:
        return
    try:
        find()
    except ConfigError as error:
        if os.environ.get("LAENNEC_GPU") == "required":
            raise pytest.UsageError(f"{len(items)} tests cannot run with {sys.executable}: {error}") from None
        for item in items:
            item.add_marker(pytest.mark.skip(reason=str(error)))


@pytest.fixture(scope="session")
def cuda() -> Cudart:
    """CUDA's runtime on this machine's GPU."""
    return Cudart(find_gpu())


@pytest.fixture(scope="session")
def device() -> Device:
    """This machine's GPU and TensorRT."""
    return find_device()


@pytest.fixture(scope="session")
def reference() -> Reference:
    """A stream and what onnxruntime says of it."""
    return saved()


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Engines of this session, each built once."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(autouse=True)
def _kept_in(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CACHE_DIRECTORY", str(cache))
