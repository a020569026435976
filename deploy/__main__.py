"""`python -m deploy`: what `make deploy | configure | model | credentials | rollback | status | logs | undeploy` call.

`python -m deploy fleet ...` is about many boxes (`deploy.rollout`). Not for work on the box (`deploy.box`). A mistake
or a broken thing is one line on stderr and exit code 2; a service that does not run is exit code 1 of `status`.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

from deploy.box.layout import die_with_parent
from deploy.commands import BUILD, configure, credentials, install, logs, model, rollback, sign_folder, status, undeploy
from deploy.devices import PROFILES, DeployError
from deploy.remote import Local, Ssh, Target
from deploy.tools import PROJECT, alone, make_tools

LOCAL_ROOT = Path(os.environ.get("XDG_DATA_HOME") or "~/.local/share").expanduser() / "laennec-local"
COMMANDS = {
    "install": install,
    "configure": configure,
    "model": model,
    "credentials": credentials,
    "rollback": rollback,
    "status": status,
    "logs": logs,
    "undeploy": undeploy,
}
SWITCHES = ("install", "configure", "model", "rollback")  # that are judged, and leave old releases behind


def main(argv: list[str] | None = None) -> int:
    """Run one command.

    Returns:
        The exit code: 0, 1 (`status`: it does not run), 2 (refused or failed) or 130 (interrupted).
    """
    return guarded(lambda: _run(argv))


def guarded(work: Callable[[], int]) -> int:
    """Do some work; what stops it is one line, and an exit code."""
    if os.environ.get("MAKELEVEL"):  # a make that is killed leaves no deployment behind that goes on unseen
        die_with_parent()
    try:
        return work()
    except DeployError as error:
        print(f"\ndeploy: {error}", file=sys.stderr)
        if error.state:
            print(f"deploy: now: {error.state}", file=sys.stderr)
        return 2
    except OSError as error:
        print(f"\ndeploy: on this workstation: {error}; mend it, then try again", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\ndeploy: interrupted; make status says what runs, make deploy mends and goes on", file=sys.stderr)
        return 130


def _run(argv: list[str] | None) -> int:
    words = sys.argv[1:] if argv is None else argv
    if words[:1] == ["fleet"]:
        _of_fleet(words[1:])
    options = _parser().parse_args(words)
    command: Callable[..., int] = options.command
    if command is sign_folder:  # of a folder here: no box is asked
        return command(options)
    with _target(options) as target:
        return command(target, options)


def _of_fleet(words: list[str]) -> NoReturn:
    """Go on as `deploy.rollout`, with the Python that can read settings: this one may have nothing but itself."""
    with alone(BUILD):
        tools = make_tools(BUILD)
    os.execve(tools, [str(tools), "-m", "deploy.rollout", *words], {**os.environ, "PYTHONPATH": str(PROJECT)})


class _Parser(argparse.ArgumentParser):
    """Refuses as everything else does: in one line."""

    def error(self, message: str) -> NoReturn:
        """Raise what argparse found as a DeployError."""
        raise DeployError(f"{message}; make help shows what can be given")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="python -m deploy", description="Install Laennec on a box, and look after it.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, function in COMMANDS.items():
        each = commands.add_parser(name, help=(function.__doc__ or "").splitlines()[0])
        each.set_defaults(command=function)
        each.add_argument("--device", default="", help=f"what the box is: {', '.join(PROFILES)} (this machine)")
        each.add_argument("--host", default="", help="user@box")
        each.add_argument("--port", type=int, help="of its ssh")
        each.add_argument("--root", default="", help="a folder of one's own: no systemd, no administration")
        each.add_argument("--ssh-options", default="", metavar="'-i KEY ...'", help="further options of ssh")
        if name in SWITCHES:
            each.add_argument("--healthy-s", type=float, help="how long it must be healthy; default 60, with --root 5")
            each.add_argument("--keep", type=_at_least_two, help="how many releases or models stay; default 3")
        if name in OPTIONS:
            OPTIONS[name](each)
    each = commands.add_parser("sign", help="sign wheels that somebody else will deploy")
    each.set_defaults(command=sign_folder)
    each.add_argument("--wheelhouse", type=Path)
    each.add_argument("--sign", type=Path, metavar="KEY.pem")
    return parser


def _at_least_two(word: str) -> int:
    if not word.isdecimal() or int(word) < 2:
        raise argparse.ArgumentTypeError(f"expected 2 or more, for there must be a way back, found {word}")
    return int(word)


def _of_install(each: argparse.ArgumentParser) -> None:
    each.add_argument("--config", type=Path, help="settings; default: those on the box, else a demonstration")
    each.add_argument("--board", default="", help="settings of a board on this box, or `none`; default: as it is")
    each.add_argument("--model", type=Path, help="artefact in place of the bundled one")
    each.add_argument("--sign", type=Path, metavar="KEY.pem", help="private key, where the box wants signed releases")
    each.add_argument("--force", action="store_true", help="a new release even where the same one runs")
    each.add_argument("--wheelhouse", type=Path, help="folder of wheels made elsewhere; none is built here")


OPTIONS: dict[str, Callable[[argparse.ArgumentParser], object]] = {
    "install": _of_install,
    "configure": lambda each: each.add_argument("--config", type=Path, help="settings"),
    "model": lambda each: each.add_argument("--model", help="signed package, id of an installed model, or `bundled`"),
    "credentials": lambda each: each.add_argument("--file", action="append", help="[board:]NAME=PATH"),
    "rollback": lambda each: each.add_argument("--release", default="", help="another one than the one before"),
    "status": lambda each: each.add_argument("--json", action="store_true", help="for programs"),
    "logs": lambda each: each.add_argument("--lines", type=int, default=100),
    "undeploy": lambda each: each.add_argument("--purge", action="store_true", help="remove settings and events too"),
}


@contextmanager
def _target(options: argparse.Namespace) -> Iterator[Target]:
    if options.device not in PROFILES:
        raise DeployError(f"expected DEVICE={'|'.join(PROFILES)}, found {options.device or 'none'}")
    if options.device == "local":
        if options.host:
            raise DeployError(f"DEVICE=local is this machine: expected no HOST, found {options.host}")
        yield Target(Local(), str(Path(options.root or LOCAL_ROOT).expanduser().absolute()))
        return
    if not options.host:
        raise DeployError(f"DEVICE={options.device} needs HOST=user@box")
    if options.root and not options.root.startswith("/"):
        raise DeployError(f"ROOT: expected a full path on the box, found {options.root}")
    with Ssh(options.host, options.port, options.ssh_options) as transport:
        yield Target(transport, options.root or "/")


if __name__ == "__main__":
    sys.exit(main())
