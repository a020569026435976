"""The option `--database` of the commands of the history."""

from __future__ import annotations

from typing import Annotated

import typer

DatabaseOption = Annotated[
    str | None,
    typer.Option(
        metavar="URL",
        help="sqlite:///FILE (default: in the user's state directory) or postgresql://USER@HOST/NAME; also"
        " LAENNEC_DATABASE. A password belongs into PGPASSFILE (~/.pgpass).",
    ),
]
