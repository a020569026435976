"""Tests marked `gpu` run where a driver and TensorRT are, and say elsewhere what is missing."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge.backends.tensorrt import Device, find_device
from edge.errors import ConfigError
from tests.gpu.reference import Reference, saved


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip before a fixture is made."""
    marked = [item for item in items if item.get_closest_marker("gpu")]
    if not marked:
        return
    try:
        find_device()
    except ConfigError as error:
        for item in marked:
            item.add_marker(pytest.mark.skip(reason=str(error)))


@pytest.fixture(scope="session")
def device() -> Device:
    """This machine's GPU and TensorRT."""
    return find_device()


@pytest.fixture(scope="session")
def reference() -> Reference:
    """Windows and what onnxruntime says of them."""
    return saved()


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Engines of this session, each built once."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(autouse=True)
def _kept_in(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CACHE_DIRECTORY", str(cache))
