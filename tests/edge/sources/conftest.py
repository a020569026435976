"""A port with a device behind it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge.sources.bridge import Bridge, open_bridge
from tests.edge.sources.bridging import Port, settings


@pytest.fixture
def port() -> Iterator[Port]:
    made = Port()
    yield made
    os.close(made.master)


@pytest.fixture
def bridge(port: Port, tmp_path: Path) -> Bridge:
    return open_bridge(settings(serial=[{"port": port.name}]), 8000, tmp_path / "links.json")
