"""`laennec board`: the ward on a screen, in a browser; and who may sign in there."""

from __future__ import annotations

import getpass
import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edge.commands import overridden, stop_on_signals
from edge.errors import ConfigError

if TYPE_CHECKING:
    from edge.server.board.users import Role
    from edge.settings.board import BoardSettings

PASSWORD_VARIABLE = "LAENNEC_BOARD_PASSWORD"

app = typer.Typer(rich_markup_mode=None, invoke_without_command=True)
users = typer.Typer(no_args_is_help=True, rich_markup_mode=None)
app.add_typer(users, name="users", short_help="Who may sign in; a running board takes over what changes.")

Settings = Annotated[Path, typer.Option("--config", help="Settings of the board.")]
Name = Annotated[str, typer.Argument(metavar="NAME", help="Of the person or the screen.")]
RoleOption = Annotated[str, typer.Option("--role", help="What they may: view, acknowledge, admit, configure.")]


@app.callback()
def board(
    context: typer.Context,
    config: Annotated[Path | None, typer.Option(help="Settings of the board (deploy/board.example.yaml).")] = None,
    host: Annotated[str | None, typer.Option(help="Broker; default that of the settings, or 127.0.0.1.")] = None,
    port: Annotated[int | None, typer.Option(help="Port of the broker.")] = None,
    listen: Annotated[int | None, typer.Option(help="Port for browsers; default 8080, 0 for a free one.")] = None,
) -> None:
    """Show every bed of the ward in a browser: alarms, unknown beds, burden; answer alarms there.

    It reads the broker as any consumer does, so it runs on a box or anywhere else. By itself it listens on this machine
    alone.
    """
    if context.invoked_subcommand is not None:
        return
    from edge.log import fold_libraries, setup

    setup()
    fold_libraries("uvicorn.error", "asyncio")
    settings = _settings(config, host, port, listen)
    from edge.server.board.server import serve

    with stop_on_signals() as stop:
        serve(settings, stop, lambda url: print(f"board: {url}", flush=True))


def _settings(config: Path | None, host: str | None, port: int | None, listen: int | None) -> BoardSettings:
    """Settings of the file, overridden by those of the command line."""
    from edge.settings.board import parse_board
    from edge.settings.yaml_file import read_yaml

    tree = {} if config is None else read_yaml(config)
    if isinstance(tree, dict):
        tree = overridden(tree, {"mqtt": {"host": host, "port": port}, "listen": {"port": listen}})
    return parse_board(tree, str(config or "command line"), config and config.parent)


@app.command(short_help="Send a test message to phones and chats.")
def notify(config: Settings) -> None:
    """Send one test message to each receiver of `notify:`, whatever its beds, hours and limits; 1 if one takes none."""
    from edge.server.board.notifier import AppriseService

    settings = _settings(config, None, None, None)
    if not settings.notify:
        raise ConfigError(f"{config}: expected receivers in  notify: , found none; deploy/board.example.yaml shows one")
    failures = 0
    for service in [AppriseService(receiver) for receiver in settings.notify]:
        failure = service.send(f"TEST: {settings.title}", "A test of notifications. They are no alarm channel.", "Lo")
        failures += bool(failure)
        print(f"{service.name}: {failure or 'sent'}")
    if failures:
        raise typer.Exit(1)


@users.command(short_help="Add a person (asks for a password) or a screen (prints a token).")
def add(
    name: Name,
    config: Settings,
    role: RoleOption = "view",
    token: Annotated[bool, typer.Option("--token", help="For a screen: a token, printed once.")] = False,
) -> None:
    """Add a person, whose password is asked for, or a screen, whose token is printed once.

    A script gives the password in the environment variable LAENNEC_BOARD_PASSWORD.
    """
    from edge.server.board.users import User, add_user, list_users

    file, allowed = _file(config), _role(role)
    if file.expanduser().exists() and any(user.name == name for user in list_users(file)):
        raise ConfigError(f"{name!r} is in {file} already; use  laennec board users role, password or enable")
    add_user(file, User(name, allowed, _new_token() if token else _new_password(name)))


@users.command("list", short_help="Print who may sign in, with what role.")
def list_all(config: Settings) -> None:
    """Print a line for each: name, role, password or token, and whether disabled."""
    from edge.server.board.users import list_users

    for user in list_users(_file(config)):
        kind = "token" if user.is_screen else "password"
        print(f"{user.name:<40} {user.role:<11} {kind:<8} {'' if user.is_enabled else 'disabled'}".rstrip())


@users.command(short_help="Let somebody sign in no more; sessions end.")
def disable(name: Name, config: Settings) -> None:
    """Let somebody sign in no more; the sessions end within seconds, and nothing else is forgotten."""
    from edge.server.board.users import change_user

    change_user(_file(config), name, lambda user: replace(user, is_enabled=False))


@users.command(short_help="Let who was disabled sign in again.")
def enable(name: Name, config: Settings) -> None:
    """Let who was disabled sign in again, with the password or token of before."""
    from edge.server.board.users import change_user

    change_user(_file(config), name, lambda user: replace(user, is_enabled=True))


@users.command(short_help="Give another password, or a screen another token.")
def password(name: Name, config: Settings) -> None:
    """Give a person another password, or a screen another token; the sessions end."""
    from edge.server.board.users import change_user, list_users

    file = _file(config)
    is_screen = any(user.name == name and user.is_screen for user in list_users(file))
    change_user(file, name, lambda user: user)  # who is not there is reported before the password is requested
    hashed = _new_token() if is_screen else _new_password(name)
    change_user(file, name, lambda user: replace(user, hash=hashed))


@users.command(short_help="Give another role.")
def role(name: Name, new: Annotated[str, typer.Argument(metavar="ROLE")], config: Settings) -> None:
    """Give another role: view, acknowledge, admit, configure; the sessions end."""
    from edge.server.board.users import change_user

    allowed = _role(new)
    change_user(_file(config), name, lambda user: replace(user, role=allowed))


def _file(config: Path) -> Path:
    """The file of users that the settings name."""
    found = _settings(config, None, None, None).users
    if found is None:
        raise ConfigError(f"{config}: expected  users: FILE , found none; people sign in only where it is")
    return found


def _role(text: str) -> Role:
    from edge.server.board.users import ROLES

    allowed = next((each for each in ROLES if each == text), None)
    if allowed is None:
        raise ConfigError(f"role {text!r} is not known; use {', '.join(ROLES)}")
    return allowed


def _new_password(name: str) -> str:
    """The hash of a password from the environment or the terminal."""
    from edge.server.board.users import hash_password

    return hash_password(lambda: os.environ.get(PASSWORD_VARIABLE) or getpass.getpass(f"Password of {name}: "))


def _new_token() -> str:
    """The hash of a new token, which is printed."""
    from edge.server.board.users import new_token

    token, digest = new_token()
    print(f"open the board at  /#token={token}  on that screen; it is shown only now")
    return digest
