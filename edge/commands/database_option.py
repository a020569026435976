"""The option `--database` of the commands of the history, and what they need to be installed."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Annotated

import typer

from edge.errors import ConfigError

DatabaseOption = Annotated[
    str | None,
    typer.Option(
        metavar="URL",
        help="sqlite:///FILE (default: in the user's state directory) or postgresql://USER@HOST/NAME; also"
        " LAENNEC_DATABASE. A password belongs into PGPASSFILE (~/.pgpass).",
    ),
]


def check_installed() -> None:
    """Whether the packages of the history are there.

    Raises:
        ConfigError: what is missing.
    """
    missing = [name for name in ("sqlalchemy", "alembic", "psycopg") if find_spec(name) is None]
    if missing:
        what = f"{', '.join(missing)}: not installed"
        raise ConfigError(f"{what}; run  pip install sqlalchemy alembic 'psycopg[binary]'")
