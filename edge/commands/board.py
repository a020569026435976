"""`laennec board`: the ward on a screen, in a browser."""

from __future__ import annotations

import getpass
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edge.commands import stop_on_signals
from edge.errors import ConfigError

if TYPE_CHECKING:
    from edge.settings.board import BoardSettings

PASSWORD_VARIABLE = "LAENNEC_BOARD_PASSWORD"


def board(
    config: Annotated[Path | None, typer.Option(help="Settings of the board (deploy/board.example.yaml).")] = None,
    host: Annotated[str | None, typer.Option(help="Broker; default that of the settings, or 127.0.0.1.")] = None,
    port: Annotated[int | None, typer.Option(help="Port of the broker.")] = None,
    listen: Annotated[int | None, typer.Option(help="Port for browsers; default 8080, 0 for a free one.")] = None,
    add_user: Annotated[str | None, typer.Option(metavar="NAME", help="Write a person into the file `users`.")] = None,
    add_token: Annotated[str | None, typer.Option(metavar="NAME", help="The same for a screen: a token.")] = None,
    role: Annotated[str, typer.Option(help="What they may: view, acknowledge, configure.")] = "view",
) -> None:
    """Show every bed of the ward in a browser: alarms, unknown beds, burden; answer alarms there.

    It reads the broker as any consumer does, so it runs on a box or anywhere else. By itself it listens on this machine
    alone.
    """
    from edge.log import fold_libraries, setup

    setup()
    fold_libraries("uvicorn.error", "asyncio")
    settings = _settings(config, host, port, listen)
    if add_user is not None or add_token is not None:
        return _add(settings, add_user, add_token, role)
    from edge.server.board.server import serve

    with stop_on_signals() as stop:
        serve(settings, stop, lambda url: print(f"board: {url}", flush=True))


def _settings(config: Path | None, host: str | None, port: int | None, listen: int | None) -> BoardSettings:
    """Settings of the file, overridden by those of the command line."""
    from edge.settings.board import parse_board
    from edge.settings.section import read_yaml

    tree = {} if config is None else read_yaml(config)
    if isinstance(tree, dict):
        asked: dict[str, dict[str, object]] = {"mqtt": {"host": host, "port": port}, "listen": {"port": listen}}
        for section, values in asked.items():
            given = {key: value for key, value in values.items() if value is not None}
            before = tree.get(section) or {}
            tree = {**tree, **({section: {**before, **given}} if given and isinstance(before, dict) else {})}
    return parse_board(tree, str(config or "command line"), config and config.parent)


def _add(settings: BoardSettings, person: str | None, screen: str | None, role: str) -> None:
    """Write one line into the file of users."""
    from edge.server.board.users import ROLES, User, add_user, hash_password, new_token

    if settings.users is None:
        raise ConfigError("expected  users: FILE  in the settings, found none; give --config with it")
    allowed = next((each for each in ROLES if each == role), None)
    if allowed is None:
        raise ConfigError(f"--role {role!r} is not known; use {', '.join(ROLES)}")
    if person is not None:
        password = os.environ.get(PASSWORD_VARIABLE) or getpass.getpass(f"Password of {person}: ")
        add_user(settings.users, User(person, allowed, hash_password(password)))
    if screen is not None:
        token, digest = new_token()
        add_user(settings.users, User(screen, allowed, digest))
        print(f"open the board at  /#token={token}  on that screen; it is shown only now")
