"""`python -m deploy`: what `make deploy | rollback | status | logs | undeploy` call.

Not for work on the box (`deploy.box`). A mistake or a broken thing is one line on stderr and exit code 2; a service
that does not run is exit code 1 of `status`.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

from deploy.box.wire import ORPHAN, PATIENCE_S, UNDER_WAY
from deploy.devices import PROFILES, choose_python, describe
from deploy.errors import DeployError
from deploy.session import Target, ask, facts_of
from deploy.transport import Local, Ssh
from deploy.wheelhouse import PROJECT, Wheelhouse, check_settings, make, read

BUILD = PROJECT / "build/deploy"
LOCAL_ROOT = Path(os.environ.get("XDG_DATA_HOME") or "~/.local/share").expanduser() / "laennec-local"
HOLD_S = {True: 60.0, False: 5.0}  # how long a release must be healthy; with systemd longer than the watchdog
# What a release has beside its wheels and settings.
FILES = ("box/run.sh", "box/undo.sh", "systemd/laennec.service", "udev/*.rules")
DEMO = """\
# Written by `make deploy` because no CONFIG was given: the bundled recording, again and again.
# Give your own:  make deploy ... CONFIG=ward.yaml   (deploy/ward.example.yaml shows every key)
streams:
  - id: demo
    source: {base}/current/demo.flac
"""


def main(argv: list[str] | None = None) -> int:
    """Run one command.

    Returns:
        The exit code: 0, 1 (`status`: it does not run), 2 (refused or failed) or 130 (interrupted).
    """
    if os.environ.get("MAKELEVEL"):  # a make that is killed leaves no deployment behind that goes on unseen
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
    try:
        options = _parser().parse_args(argv)
        with _target(options) as target:
            return int(options.command(target, options))
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


class _Parser(argparse.ArgumentParser):
    """Refuses as everything else does: in one line."""

    def error(self, message: str) -> NoReturn:
        """Raise what argparse found as a DeployError."""
        raise DeployError(f"{message}; make help shows what can be given")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="python -m deploy", description="Install Laennec on a box, and look after it.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, function in (
        ("install", install), ("rollback", rollback), ("status", status), ("logs", logs), ("undeploy", undeploy)
    ):  # fmt: skip
        each = commands.add_parser(name, help=(function.__doc__ or "").splitlines()[0])
        each.set_defaults(command=function)
        each.add_argument("--device", default="", help=f"what the box is: {', '.join(PROFILES)} (this machine)")
        each.add_argument("--host", default="", help="user@box")
        each.add_argument("--port", type=int, help="of its ssh")
        each.add_argument("--root", default="", help="a folder of one's own: no systemd, no administration")
        each.add_argument("--ssh-options", default="", metavar="'-i KEY ...'", help="further options of ssh")
        if name in ("install", "rollback"):
            each.add_argument("--healthy-s", type=float, help="how long it must be healthy; default 60, with --root 5")
        if name == "install":
            each.add_argument("--config", type=Path, help="settings; default: those on the box, else a demonstration")
            each.add_argument("--model", type=Path, help="artefact in place of the bundled one")
            each.add_argument("--force", action="store_true", help="a new release even where the same one runs")
            each.add_argument("--wheelhouse", type=Path, help="folder of wheels made elsewhere; none is built here")
        if name == "rollback":
            each.add_argument("--release", default="", help="another one than the one before")
        if name == "status":
            each.add_argument("--json", action="store_true", help="for programs")
        if name == "logs":
            each.add_argument("--lines", type=int, default=100)
        if name == "undeploy":
            each.add_argument("--purge", action="store_true", help="remove settings and events as well")
    return parser


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


@contextmanager
def _step(text: str) -> Iterator[Callable[[str], None]]:
    """As the steps on the box are told."""
    began_s, remarks = time.monotonic(), list[str]()
    print(f"  {text} ... ", end="", flush=True)
    yield remarks.append
    print(f"{time.monotonic() - began_s:.1f} s" + (f" ({'; '.join(remarks)})" if remarks else ""), flush=True)


def install(target: Target, options: argparse.Namespace) -> int:
    """Make a release of this clone run on the box, or leave the box as it was."""
    config = _text(options.config) if options.config else None
    print(f"deploying to {target.transport.where}{'' if target.has_systemd else ', below ' + target.root}")
    with _step("asking the box what it is") as report:
        facts = facts_of(target)
        report(describe(facts))
    if facts.busy:
        time.sleep(PATIENCE_S)
        facts = facts_of(target)
    if facts.busy and ORPHAN not in facts.busy:  # told before the minutes of building, too
        raise DeployError(UNDER_WAY.format(facts.busy))
    if facts.has_trial:  # the box is mended even if this deployment comes to nothing
        ask(target, "mend")
    python = choose_python(options.device, facts, time.time(), target.has_systemd)
    if config is not None and not options.wheelhouse:  # a wheelhouse made elsewhere may know other settings
        with _step("reading the settings"):
            check_settings(BUILD, options.config)
    with _step("making the wheelhouse") as report:
        wheelhouse = (
            read(options.wheelhouse) if options.wheelhouse else make(BUILD, python, facts, options.model, report)
        )
    files = _files(wheelhouse)
    base = f"{target.root.rstrip('/')}/opt/laennec"
    if config is None and not facts.has_config:
        print("  no CONFIG given and none on the box: it will listen to the bundled recording")
        config = DEMO.format(base=base)
    if config is not None:
        files["ward.yaml"] = config
    system_site = options.device != "local" and bool(python.tensorrt or python.has_pyaudio)  # what no wheel brings
    result = ask(
        target, "install", wheelhouse.wheels, version=wheelhouse.version, python=python.path, files=files,
        system_site=system_site, hold_s=_hold_s(target, options), is_forced=options.force,
    )  # fmt: skip
    if not result["is_new"]:
        print("nothing to do: the same release with the same settings runs already (FORCE=1 makes it again)")
    _finish(target, result)
    return 0


def _finish(target: Target, result: dict[str, str]) -> None:
    status = f" ({result['status']})" if result["status"] else ""
    print(
        f"laennec {result['running']} runs on {target.transport.where}{status}; settings: {result['config']}; "
        f"log: {result['logs']}"
    )


def _hold_s(target: Target, options: argparse.Namespace) -> float:
    return HOLD_S[target.has_systemd] if options.healthy_s is None else float(options.healthy_s)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DeployError(f"CONFIG: expected a settings file (YAML), found {path}: {error}") from None


def _files(wheelhouse: Wheelhouse) -> dict[str, str]:
    found = [path for pattern in FILES for path in sorted((PROJECT / "deploy").glob(pattern))]
    return {"requirements.lock": wheelhouse.lock(), **{path.name: path.read_text() for path in found}}


def rollback(target: Target, options: argparse.Namespace) -> int:
    """Go back to the release before, or to the one that is named."""
    result = ask(target, "rollback", release=options.release, hold_s=_hold_s(target, options))
    _finish(target, result)
    return 0


def status(target: Target, options: argparse.Namespace) -> int:
    """Say what runs and what else is there."""
    found = ask(target, "status")
    if options.json:
        print(json.dumps({"where": target.transport.where, "root": target.root, **found}, indent=1))
        return 0 if found["phase"] in ("ready", "running") else 1
    if found["busy"]:
        print(f"a deployment to {target.transport.where} is under way ({found['busy']})")
    if found["trial"]:
        print(_cut_off(found))
    if not found["running"]:
        print(f"nothing is deployed on {target.transport.where} below {target.root}")
        return 1
    status = f" ({found['status']})" if found["status"] else ""
    print(f"{found['running']} is current on {target.transport.where}; its service is {found['phase']}{status}")
    print(f"releases: {', '.join(found['releases'])}; {found['free_mb']} MB free")
    print(f"settings: {found['config']}; log: {found['logs']}")
    return 0 if found["phase"] in ("ready", "running") else 1


def _cut_off(found: dict[str, Any]) -> str:
    """What becomes of a switch that was cut off."""
    cut = f"a switch to {found['trial']} was cut off before its end"
    if not found["before"]:
        return f"{cut}; make deploy ends it"
    if found["running"] != found["trial"]:
        return f"{cut}, and {found['before']} is current as before; make deploy or make rollback clears it away"
    return f"{cut}: at its next start the service goes back to {found['before']}; make deploy or make rollback ends it"


def logs(target: Target, options: argparse.Namespace) -> int:
    """Print the end of the service's log."""
    print(ask(target, "logs", lines=options.lines)["text"])
    return 0


def undeploy(target: Target, options: argparse.Namespace) -> int:
    """Stop the service and remove every release."""
    kept = ask(target, "undeploy", purge=options.purge)["kept"]
    print(f"nothing is deployed on {target.transport.where} any more" + (f"; kept {', '.join(kept)}" if kept else ""))
    return 0


if __name__ == "__main__":
    sys.exit(main())
