"""The URL of a database: what is none is one line, and no password is said."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge.errors import ConfigError
from edge.server.history.database import open_database, shown_url


@pytest.mark.parametrize("given", ["", "history.sqlite", "mysql://x/y", "sqlite://", "postgresql://h:port/history"])
def test_what_is_no_url_of_a_database_is_a_mistake_of_one_line(given: str) -> None:
    with pytest.raises(ConfigError, match="--database: expected sqlite:///FILE or postgresql://") as caught:
        open_database(given)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "given",
    ["postgresql://laennec:secret@db/history", "postgresql://laennec@db/history?password=secret&sslmode=require"],
)
def test_a_password_is_not_said_wherever_it_stands(given: str) -> None:
    reported = shown_url(open_database(given))
    assert "secret" not in reported
    assert reported.endswith("@db/history")


def test_the_driver_of_sqlite_is_its_own(tmp_path: Path) -> None:
    engine = open_database(f"sqlite+other:///{tmp_path / 'history.sqlite'}", writes=True)
    assert engine.dialect.driver == "pysqlite"
