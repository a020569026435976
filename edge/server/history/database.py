"""The database of the history, SQLite or PostgreSQL, by its URL: opened, brought up to date, old rows removed.

Not for what stands in it (`edge.server.history.tables`). A database that is away, busy or full is a
`DatabaseAwayError`: the same will work later. What will never work is a `ConfigError`. Beds and the numbers of messages
are never removed: they are few. Hours may stay longer than what they are made of.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config as AlembicConfig
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection, Engine, create_engine, delete, event, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DataError, DBAPIError, IntegrityError

from edge.errors import ConfigError, SourceError
from edge.files import make_private_file, make_private_folder, restrict
from edge.server.history.tables import METADATA, TIMES
from edge.settings.section import state_folder

URL_VARIABLE = "LAENNEC_DATABASE"
STEPS_LOCK = 0x1AE22EC  # of PostgreSQL's advisory locks: one process at a time brings the tables up to date
BUSY_MS = 5_000  # how long SQLite waits for another process that writes
POSTGRES = {  # what libpq is given; a server that is silent must not hold the broker's connection up
    "connect_timeout": 5,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 20_000,
    "options": "-c statement_timeout=60000 -c timezone=UTC",
    "application_name": "laennec",
}


class DatabaseAwayError(SourceError):
    """The database does not answer now; its message says why, in one line."""


def default_url() -> str:
    """SQLite in the user's state directory, unless the environment names a database."""
    if URL_VARIABLE in os.environ:
        return os.environ[URL_VARIABLE]
    return f"sqlite:///{state_folder('--database') / 'history.sqlite'}"


def open_database(url: str, writes: bool = False) -> Engine:
    """An engine that has not connected yet.

    Args:
        url: `sqlite:////var/lib/laennec/history.sqlite` or `postgresql://USER@HOST/NAME`.
        writes: whether this process writes; else an SQLite file must be there, and readers do not hold the writer up.

    Raises:
        ConfigError: it is no such URL, or the folder or file is not there.
    """
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):  # the latter of a port that is no number
        raise ConfigError("--database: expected sqlite:///FILE or postgresql://USER@HOST/NAME, found neither") from None
    kind = parsed.get_backend_name()
    if kind == "postgresql":
        parsed = parsed.set(drivername="postgresql+psycopg")
        return create_engine(parsed, connect_args=POSTGRES, pool_size=1, pool_pre_ping=False)
    if kind != "sqlite" or parsed.database in (None, "", ":memory:"):
        raise ConfigError(f"--database: expected sqlite:///FILE or postgresql://USER@HOST/NAME, found {kind}")
    return _sqlite(parsed.set(drivername="sqlite"), Path(str(parsed.database)), writes)


def _sqlite(url: URL, path: Path, writes: bool) -> Engine:
    if writes:
        try:
            make_private_folder(path.parent)
        except OSError as error:
            raise ConfigError(f"--database: {path.parent} cannot be made ({error.strerror})") from None
        with suppress(OSError):  # SQLite says what is wrong
            make_private_file(path)
        restrict(path)
    elif not path.is_file():
        raise ConfigError(f"--database: expected a history that  laennec ingest  writes, found no file {path}")
    engine = create_engine(url, connect_args={"timeout": BUSY_MS / 1000})

    @event.listens_for(engine, "connect")
    def _prepare(connection: Any, _record: object) -> None:
        connection.isolation_level = None  # else Python begins transactions where it likes
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")  # PostgreSQL needs no telling

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        # A transaction that has read and then writes fails at once, and does not wait, where another wrote meanwhile.
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


def shown_url(engine: Engine) -> str:
    """The URL for a log: without its password, which may stand in the query too."""
    return engine.url.set(query={}).render_as_string(hide_password=True)


@contextmanager
def transaction(engine: Engine) -> Iterator[Connection]:
    """One transaction, committed at the end of the block.

    Raises:
        DatabaseAwayError: the database does not answer, or takes nothing now (a right, a table, room); nothing was
            changed, or it cannot be known.
        SQLAlchemyError: it does not take these rows, and never will.
    """
    try:
        with engine.begin() as connection:
            yield connection
    except (DataError, IntegrityError):
        raise
    except DBAPIError as error:
        raise DatabaseAwayError(f"{shown_url(engine)}: {_line(error)}") from None


def bring_up_to_date(engine: Engine) -> None:
    """Make the tables, or change them as this version needs.

    Raises:
        DatabaseAwayError: the database does not answer.
        ConfigError: a newer version has changed it.
    """
    steps = _steps()
    with transaction(engine) as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": STEPS_LOCK})
        steps.attributes["connection"] = connection
        try:
            command.upgrade(steps, "head")
        except CommandError as error:
            raise ConfigError(
                f"{shown_url(engine)}: is of a newer version of Laennec ({error}); use that one"
            ) from None


def check_tables(engine: Engine) -> None:
    """Whether there is a history to read, with the tables of this version.

    Raises:
        ConfigError: there is none, or another version of Laennec wrote it last.
        DatabaseAwayError: the database does not answer.
    """
    with transaction(engine) as connection:
        if not engine.dialect.has_table(connection, "alembic_version"):
            raise ConfigError(f"{shown_url(engine)}: expected a history that  laennec ingest  writes, found none")
        found = MigrationContext.configure(connection).get_current_revision()
    steps = ScriptDirectory.from_config(_steps())
    if found == steps.get_current_head():
        return
    if any(found == step.revision for step in steps.walk_revisions()):
        raise ConfigError(
            f"{shown_url(engine)}: is of an older version of Laennec; start  laennec ingest  of this one first"
        )
    raise ConfigError(f"{shown_url(engine)}: is of a newer version of Laennec (step {found}); use that one")


def _steps() -> AlembicConfig:
    steps = AlembicConfig()
    steps.set_main_option("script_location", "edge.server.history:migrations")
    return steps


def _line(error: DBAPIError) -> str:
    """The first line of what the driver says, without the statement, which holds beds."""
    lines = str(error.orig).strip().splitlines()
    return lines[0][:200] if lines else type(error.orig).__name__


OF_HOURS = ("hours", "losses")
DAY_MS = 86_400_000


def prune(engine: Engine, now_ms: int, days: int, hours_days: int) -> Counter[str]:
    """Take away what is old.

    Args:
        engine: opened for writing.
        now_ms: milliseconds since 1970.
        days: how long events, gaps, alarms and minutes stay.
        hours_days: how long hours stay.

    Returns:
        Rows by table.

    Raises:
        DatabaseAwayError: the database does not answer; each table is done whole or not at all.
    """
    found: Counter[str] = Counter()
    for table, column in sorted(TIMES.items()):
        cut_ms = now_ms - DAY_MS * (hours_days if table in OF_HOURS else days)
        with transaction(engine) as connection:
            if engine.dialect.name == "postgresql":
                connection.execute(text("SET LOCAL statement_timeout = 0"))
            old = METADATA.tables[table].c[column] < cut_ms
            found[table] = connection.execute(delete(METADATA.tables[table]).where(old)).rowcount
    return found
