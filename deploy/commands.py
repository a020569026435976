"""What one box can be asked: a release, settings or model alone, credentials, back, status, log, away.

Not for how it is asked (`deploy.remote`), nor for many boxes (`deploy.fleet`).
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from deploy.box.examine import READ_BOARD, Facts
from deploy.box.layout import BOARD, LISTING
from deploy.box.service import HEALTHY
from deploy.box.session import ORPHAN, PATIENCE_S, UNDER_WAY
from deploy.devices import DeployError, choose_python, date_of, describe
from deploy.release import Software, check_wheels, make, part_of, read, read_signed, sign, write_signed
from deploy.remote import Target, facts_of, print_progress, send_command
from deploy.tools import PROJECT, check_settings

BUILD = PROJECT / "build/deploy"
NO_BOARD = "none"
# What a release has beside its environment and settings.
FILES = ("box/run.sh", "box/undo.sh", "systemd/*.service", "udev/*.rules")
DEMO = """\
# Written by `make deploy` because no CONFIG was given: the bundled recording, again and again.
# Give your own:  make deploy ... CONFIG=ward.yaml   (deploy/ward.example.yaml shows every key)
streams:
  - id: demo
    source: {base}/current/demo.flac
"""
HOLD_S = {True: 60.0, False: 5.0}  # how long a release must be healthy; with systemd longer than the watchdog
USERS = PROJECT / "deploy/systemd/laennec.sysusers.conf"
READERS = {"node": "laennec", "board": "laennec-board"}  # users of the services, as `USERS` makes them


@contextmanager
def _step(text: str) -> Iterator[Callable[[str], None]]:
    """As the steps on the box are reported."""
    began_s, remarks = time.monotonic(), list[str]()
    print_progress({"begin": text})
    yield remarks.append
    print_progress({"end": time.monotonic() - began_s, "remark": "; ".join(remarks)})


def install(target: Target, options: argparse.Namespace) -> int:
    """Make a release of this clone run on the box, or leave the box as it was."""
    config = _text_of("CONFIG", options.config) if options.config else None
    board = _text_of("BOARD", Path(options.board)) if options.board not in ("", NO_BOARD) else None
    print(f"deploying to {target.transport.where}{'' if target.has_systemd else ', below ' + target.root}")
    facts = _examined(target)
    if facts.keys and not options.sign and not options.wheelhouse:  # said before the minutes of building
        names = ", ".join(facts.keys)
        raise DeployError(f"this box takes releases signed by {names} alone; give the private key: SIGN=KEY.pem")
    if facts.has_trial:  # the box is mended even if this deployment comes to nothing
        send_command(target, "mend")
    python = choose_python(options.device, facts, time.time(), target.has_systemd)
    if not options.wheelhouse:  # a wheelhouse made elsewhere may know other settings
        _check(options.config, None if board is None else Path(options.board))
    has_board = board is not None or (facts.has_board and options.board != NO_BOARD)
    with _step("making the release") as report:
        if options.wheelhouse:
            check_wheels(options.wheelhouse, python, facts)
            software = read(options.wheelhouse, BUILD)
        else:
            extras = ("board", "notify") if has_board else ()
            software = make(BUILD, python, facts, options.model, report, extras)
    files = _files(software)
    signed = _signed(software.version, files, options)
    base = f"{target.root.rstrip('/')}/opt/laennec"
    if config is None and not facts.has_config:
        print("  no CONFIG given and none on the box: it will listen to the bundled recording")
        config = DEMO.format(base=base)
    files |= {name: text for name, text in (("ward.yaml", config), (BOARD, board)) if text is not None}
    system_site = options.device != "local" and bool(python.tensorrt or python.has_pyaudio)  # what no wheel brings
    result = send_command(
        target,
        "install",
        software.parts,
        version=software.version,
        python=python.path,
        files=files,
        system_site=system_site,
        hold_s=_hold_s(target, options),
        is_forced=options.force,
        keeps_board=has_board,
        keep=options.keep,
        signed=signed,
    )
    if not result["is_new"]:
        print("nothing to do: the same release with the same settings runs already (FORCE=1 makes it again)")
    _finish(target, result)
    return 0


def _check(config: Path | None, board: Path | None) -> None:
    """Let this clone read the settings that are given, before the minutes that building takes."""
    if config is not None:
        with _step("reading the settings"):
            check_settings(BUILD, config)
    if board is not None:
        with _step("reading those of the board"):
            check_settings(BUILD, board, "BOARD", READ_BOARD)


def _examined(target: Target) -> Facts:
    """What the box is; refused while somebody else deploys to it."""
    with _step("asking the box what it is") as report:
        facts = facts_of(target)
        report(describe(facts))
    if facts.busy:
        time.sleep(PATIENCE_S)
        facts = facts_of(target)
    if facts.busy and ORPHAN not in facts.busy:  # said before the minutes of building, too
        raise DeployError(UNDER_WAY.format(facts.busy))
    return facts


def _signed(version: str, files: dict[str, str], options: argparse.Namespace) -> dict[str, str] | None:
    """The signature of what is about to be sent, if there is one."""
    if not options.sign:
        return read_signed(options.wheelhouse) if options.wheelhouse else None
    with _step("signing the release"):
        return sign(version, files, options.sign, BUILD / "signed")


def sign_folder(options: argparse.Namespace) -> int:
    """Sign a wheelhouse (WHEELHOUSE=, SIGN=) that somebody else will deploy from this same clone."""
    if not options.wheelhouse or not options.sign:
        raise DeployError("expected --wheelhouse FOLDER and --sign KEY.pem")
    software = read(options.wheelhouse, BUILD)
    created = write_signed(options.wheelhouse, software.version, _files(software), options.sign)
    print(f"signed {software.version} on {created}: release.json and release.sig in {options.wheelhouse}")
    return 0


def _files(software: Software) -> dict[str, str]:
    """The texts of a release, by name."""
    found = [path for pattern in FILES for path in sorted((PROJECT / "deploy").glob(pattern))]
    return {LISTING: software.listing(), **{path.name: path.read_text() for path in found}}


def configure(target: Target, options: argparse.Namespace) -> int:
    """Change the settings alone: the box reads and judges them, and goes back if it is not healthy."""
    if not options.config:
        raise DeployError("expected CONFIG=ward.yaml, found none")
    files = {"ward.yaml": _text_of("CONFIG", options.config)}
    print(f"configuring {target.transport.where}{'' if target.has_systemd else ', below ' + target.root}")
    result = send_command(target, "configure", files=files, hold_s=_hold_s(target, options), keep=options.keep)
    if not result["is_new"]:
        print("nothing to do: it runs with these settings already")
    _finish(target, result)
    return 0


def model(target: Target, options: argparse.Namespace) -> int:
    """Change the model alone: a signed package, an installed model by its id, or `bundled`."""
    wanted = options.model or ""
    if not wanted:
        raise DeployError("expected MODEL=NAME.model (python -m export.sign), the id of an installed one, or bundled")
    path = Path(wanted)
    if path.suffix == ".onnx" or (path.suffix == ".model" and not path.is_file()):
        raise DeployError(
            f"MODEL: expected a signed package (python -m export.sign --out NAME.model), found {wanted}; an artefact "
            "as it is comes with a release: make deploy MODEL="
        )
    part = part_of(path) if path.is_file() else None
    print(f"changing the model of {target.transport.where}{'' if target.has_systemd else ', below ' + target.root}")
    result = send_command(
        target,
        "model",
        {part: path} if part else None,
        part=part,
        model=wanted,
        hold_s=_hold_s(target, options),
        keep=options.keep,
    )
    if not result["is_new"]:
        print("nothing to do: it is the active model already")
    print(f"model: {result['model']}")
    _finish(target, result)
    return 0


def credentials(target: Target, options: argparse.Namespace) -> int:
    """Bring passwords, keys and certificates to /etc/laennec; nothing of them is printed."""
    if not options.file:
        raise DeployError(
            "expected FILES='mqtt-password=PATH ca.pem=PATH' (board:NAME=PATH: for the board), found none"
        )
    carried = [_carried(word) for word in options.file]
    print(f"bringing {len(carried)} files to {target.transport.where}")
    result = send_command(target, "credentials", carried=carried, users=USERS.read_text())
    print(f"written: {', '.join(result['written']) or 'none'}; unchanged: {', '.join(result['unchanged']) or 'none'}")
    if result["written"] and result["running"]:
        print("the service uses them from its next start: sudo systemctl restart laennec, or make deploy FORCE=1")
    return 0


def _carried(word: str) -> dict[str, Any]:
    """One file as a box takes it; `word` is [board:]NAME=PATH."""
    name, has_path, path = word.partition("=")
    reader, has_reader, rest = name.rpartition(":")
    if not has_path or (has_reader and reader not in READERS):
        raise DeployError(f"FILES: expected NAME=PATH, or board:NAME=PATH, found {word}")
    try:
        content, mode = Path(path).read_bytes(), Path(path).stat().st_mode
    except OSError as error:
        raise DeployError(f"FILES: {rest}: {path} cannot be read ({error.strerror})") from None
    is_public = content.startswith((b"-----BEGIN CERTIFICATE", b"-----BEGIN PUBLIC", b"Not after:"))
    is_secret = not is_public or b"PRIVATE KEY" in content
    if is_secret and stat.S_IMODE(mode) & 0o077:
        raise DeployError(f"FILES: {rest}: others on this workstation may read {path}; run  chmod 600 {path}")
    return {
        "name": rest,
        "content": base64.b64encode(content).decode(),
        "sha256": hashlib.sha256(content).hexdigest(),
        "is_secret": is_secret,
        "reader": READERS[reader or "node"],
    }


def _finish(target: Target, result: dict[str, Any]) -> None:
    """Say what runs now, and after a switch how long nothing was detected."""
    status = f" ({result['status']})" if result["status"] else ""
    print(
        f"laennec {result['running']} runs on {target.transport.where}{status}; settings: {result['config']}; "
        f"log: {result['logs']}" + (f"; deaf for {result['deaf_s']:.1f} s" if result.get("deaf_s") is not None else "")
    )


def _hold_s(target: Target, options: argparse.Namespace) -> float:
    """How long it must be healthy, seconds."""
    return HOLD_S[target.has_systemd] if options.healthy_s is None else float(options.healthy_s)


def _text_of(name: str, path: Path) -> str:
    """What a file of settings holds; `name` is that of the option.

    Raises:
        DeployError: it cannot be read.
    """
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DeployError(f"{name}: expected a settings file (YAML), found {path}: {error}") from None


def rollback(target: Target, options: argparse.Namespace) -> int:
    """Go back to the release before, or to the one that is named."""
    result = send_command(
        target, "rollback", release=options.release, hold_s=_hold_s(target, options), keep=options.keep
    )
    _finish(target, result)
    return 0


def status(target: Target, options: argparse.Namespace) -> int:
    """Say what runs and what else is there."""
    found = send_command(target, "status")
    if options.json:
        print(json.dumps({"where": target.transport.where, "root": target.root, **found}, indent=1))
        return 0 if found["phase"] in HEALTHY else 1
    if found["busy"]:
        print(f"a deployment to {target.transport.where} is under way ({found['busy']})")
    if found["trial"]:
        print(_cut_off(found))
    if found["model_cut_off"]:
        print("a change of the model was cut off; the next command goes back to the one before, or the next start")
    if not found["running"]:
        print(f"nothing is deployed on {target.transport.where} below {target.root}")
        return 1
    status = f" ({found['status']})" if found["status"] else ""
    print(f"{found['running']} is current on {target.transport.where}; its service is {found['phase']}{status}")
    print(f"releases: {', '.join(found['releases'])}; {found['free_mb']} MB free")
    print(f"settings: {found['config']} ({found['settings_sha256'][:12]}); log: {found['logs']}")
    active = found["model"]
    print(
        f"model: {active['kind']} {active['id'][:12]} ({active['name']})"
        if active
        else "model: the release does not say which"
    )
    if found["deaf_s"] is not None:
        print(f"last switch: {date_of(found['switched_s'])}, deaf for {found['deaf_s']:.1f} s")
    if found["has_board"]:
        print("board: systemctl status laennec-board")
    return 0 if found["phase"] in HEALTHY else 1


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
    print(send_command(target, "logs", lines=options.lines)["text"])
    return 0


def undeploy(target: Target, options: argparse.Namespace) -> int:
    """Stop the service and remove every release."""
    left = send_command(target, "undeploy", purge=options.purge)["kept"]
    print(f"nothing is deployed on {target.transport.where} any more" + (f"; kept {', '.join(left)}" if left else ""))
    return 0
