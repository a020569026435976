"""Databases of a test's own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.edge.server.history import conftest as history
from tests.edge.server.history.postgres import Postgres
from tests.system.edge import conftest as edge

broker, postgres, url = edge.broker, history.postgres, history.url


@pytest.fixture
def own_postgres() -> Iterator[Postgres]:
    """A server that this test may kill."""
    with Postgres() as server:
        yield server


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """Where a broker keeps its sessions."""
    folder = tmp_path / "store"
    folder.mkdir()
    return folder
