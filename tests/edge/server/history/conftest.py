"""Empty databases: SQLite in a file, PostgreSQL where this machine has it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.edge.server.history.postgres import Postgres


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """One server for all tests of a run."""
    with Postgres() as server:
        yield server


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.needs("pg_ctlcluster"))])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Of an empty database, of either kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'history.sqlite'}"
    server: Postgres = request.getfixturevalue("postgres")
    return server.new_database()
