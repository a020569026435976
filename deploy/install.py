"""`make deploy`: a release of this clone, or of a wheelhouse made elsewhere, on one box.

Not for what a box can be asked besides (`deploy.commands`), nor for many boxes (`deploy.fleet`).
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from deploy.box.examine import READ_BOARD
from deploy.box.facts import Facts
from deploy.box.layout import BOARD
from deploy.box.wire import ORPHAN, PATIENCE_S, UNDER_WAY
from deploy.commands import finish, hold_s, text_of
from deploy.devices import choose_python, describe
from deploy.errors import DeployError
from deploy.session import Target, ask, facts_of
from deploy.signing import Signed, read_signed, sign
from deploy.wheelhouse import PROJECT, Wheelhouse, check_settings, make, read

BUILD = PROJECT / "build/deploy"
NO_BOARD = "none"
# What a release has beside its wheels and settings.
FILES = ("box/run.sh", "box/undo.sh", "systemd/*.service", "udev/*.rules")
DEMO = """\
# Written by `make deploy` because no CONFIG was given: the bundled recording, again and again.
# Give your own:  make deploy ... CONFIG=ward.yaml   (deploy/ward.example.yaml shows every key)
streams:
  - id: demo
    source: {base}/current/demo.flac
"""


@contextmanager
def _step(text: str) -> Iterator[Callable[[str], None]]:
    """As the steps on the box are told."""
    began_s, remarks = time.monotonic(), list[str]()
    print(f"  {text} ... ", end="", flush=True)
    yield remarks.append
    print(f"{time.monotonic() - began_s:.1f} s" + (f" ({'; '.join(remarks)})" if remarks else ""), flush=True)


def install(target: Target, options: argparse.Namespace) -> int:
    """Make a release of this clone run on the box, or leave the box as it was."""
    config = text_of("CONFIG", options.config) if options.config else None
    board = text_of("BOARD", Path(options.board)) if options.board not in ("", NO_BOARD) else None
    print(f"deploying to {target.transport.where}{'' if target.has_systemd else ', below ' + target.root}")
    facts = _asked(target)
    if facts.keys and not options.sign and not options.wheelhouse:  # told before the minutes of building
        names = ", ".join(facts.keys)
        raise DeployError(f"this box takes releases signed by {names} alone; give the private key: SIGN=KEY.pem")
    if facts.has_trial:  # the box is mended even if this deployment comes to nothing
        ask(target, "mend")
    python = choose_python(options.device, facts, time.time(), target.has_systemd)
    if not options.wheelhouse:  # a wheelhouse made elsewhere may know other settings
        _check(options.config, None if board is None else Path(options.board))
    has_board = board is not None or (facts.has_board and options.board != NO_BOARD)
    with _step("making the wheelhouse") as report:
        extras = ("board", "notify") if has_board else ()
        wheelhouse = (
            read(options.wheelhouse)
            if options.wheelhouse
            else make(BUILD, python, facts, options.model, report, extras)
        )
    files = _files(wheelhouse)
    signed = _signed(wheelhouse, files, options)
    base = f"{target.root.rstrip('/')}/opt/laennec"
    if config is None and not facts.has_config:
        print("  no CONFIG given and none on the box: it will listen to the bundled recording")
        config = DEMO.format(base=base)
    files |= {name: text for name, text in (("ward.yaml", config), (BOARD, board)) if text is not None}
    system_site = options.device != "local" and bool(python.tensorrt or python.has_pyaudio)  # what no wheel brings
    result = ask(
        target,
        "install",
        wheelhouse.wheels,
        version=wheelhouse.version,
        python=python.path,
        files=files,
        system_site=system_site,
        hold_s=hold_s(target, options),
        is_forced=options.force,
        keeps_board=has_board,
        keep=options.keep,
        signed=signed,
    )
    if not result["is_new"]:
        print("nothing to do: the same release with the same settings runs already (FORCE=1 makes it again)")
    finish(target, result)
    return 0


def _check(config: Path | None, board: Path | None) -> None:
    """Let this clone read the settings that are given, before the minutes that a wheelhouse takes."""
    if config is not None:
        with _step("reading the settings"):
            check_settings(BUILD, config)
    if board is not None:
        with _step("reading those of the board"):
            check_settings(BUILD, board, "BOARD", READ_BOARD)


def _asked(target: Target) -> Facts:
    """What the box is; refused while somebody else deploys to it."""
    with _step("asking the box what it is") as report:
        facts = facts_of(target)
        report(describe(facts))
    if facts.busy:
        time.sleep(PATIENCE_S)
        facts = facts_of(target)
    if facts.busy and ORPHAN not in facts.busy:  # told before the minutes of building, too
        raise DeployError(UNDER_WAY.format(facts.busy))
    return facts


def _signed(wheelhouse: Wheelhouse, files: dict[str, str], options: argparse.Namespace) -> Signed | None:
    """The signature of what is about to be sent, if there is one."""
    if not options.sign:
        return read_signed(options.wheelhouse) if options.wheelhouse else None
    with _step("signing the release"):
        return sign(wheelhouse, files, options.sign, BUILD / "signed")


def sign_folder(options: argparse.Namespace) -> int:
    """Sign a wheelhouse (WHEELHOUSE=, SIGN=) that somebody else will deploy from this same clone."""
    from deploy.signing import sign_wheelhouse

    if not options.wheelhouse or not options.sign:
        raise DeployError("expected --wheelhouse FOLDER and --sign KEY.pem")
    house = read(options.wheelhouse)
    created = sign_wheelhouse(house, _files(house), options.sign, options.wheelhouse)
    print(f"signed {house.version} on {created}: release.json and release.sig in {options.wheelhouse}")
    return 0


def _files(wheelhouse: Wheelhouse) -> dict[str, str]:
    """What a release has beside its wheels, by name."""
    found = [path for pattern in FILES for path in sorted((PROJECT / "deploy").glob(pattern))]
    return {"requirements.lock": wheelhouse.lock(), **{path.name: path.read_text() for path in found}}
