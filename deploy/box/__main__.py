"""Answer the one request that stands on standard input. Run by `deploy.remote`, on the box."""

from __future__ import annotations

import errno
import json
import os
import pwd
import shutil
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any, BinaryIO

from deploy.box.build import clear_up, configure, install
from deploy.box.credentials import credentials
from deploy.box.examine import facts, free_mb
from deploy.box.layout import (
    RETAINED_RELEASES,
    BoxLayout,
    LastSwitch,
    Refusal,
    Trial,
    digest_of,
    discard,
    read_record,
    remove,
)
from deploy.box.model import active_model, change_model
from deploy.box.service import Process, Service, Systemd
from deploy.box.session import Session, Wire, at_work, only_one, watch_workstation
from deploy.box.switch import forget_model, go_back, repair, switch, unlink_settings, wait_until_healthy

Command = Callable[[Session, dict[str, Any], BinaryIO], dict[str, Any]]


def probe(session: Session, request: dict[str, Any], _stdin: BinaryIO) -> dict[str, Any]:
    """What this box is; refused to a user who may not deploy here, before anything is built."""
    there = session.layout.nearest()
    if not request["systemd"] and not os.access(there, os.W_OK | os.X_OK):
        is_read_only = os.statvfs(there).f_flag & os.ST_RDONLY
        code = errno.EROFS if is_read_only else errno.EACCES if os.path.isdir(there) else errno.ENOTDIR
        raise OSError(code, os.strerror(code), str(there))
    return asdict(facts(session.layout))


def status(session: Session, _request: dict[str, Any], _stdin: BinaryIO) -> dict[str, Any]:
    """What runs, what else is there, and whether somebody is at work or was cut off."""
    layout, health = session.layout, session.service.health()
    busy, trial = at_work(layout), read_record(layout.trial, Trial)
    busy = busy or at_work(layout)  # asked on both sides of the record: it is of somebody at work, or was left behind
    cut = None if busy else trial
    last, running = read_record(layout.switched, LastSwitch), layout.running()
    return {
        "running": running,
        "phase": health.phase,
        "status": health.status,
        "logs": session.service.logs,
        "releases": [release.name for release in layout.complete()],
        "config": str(layout.config),
        "busy": busy,
        "trial": cut.new if cut else "",
        "before": cut.old if cut else "",
        "free_mb": free_mb(layout),
        "model": active_model(layout) if running else {},
        "model_cut_off": not busy and layout.model_trial.exists(),
        "software": layout.software(running)[5:] if running else "",
        "settings_sha256": _digest(layout.config) if running else "",
        "deaf_s": last.deaf_s if last else None,
        "switched_s": last.at_s if last else None,
        "has_board": layout.board.exists(),
    }


def _digest(path: Path) -> str:
    """SHA-256 of a file; empty: this user may not read it, or it is not there."""
    with suppress(OSError):
        return digest_of(path)
    return ""


def logs(session: Session, request: dict[str, Any], _stdin: BinaryIO) -> dict[str, Any]:
    """The last lines of the service's log, as many as the request says, and the command that shows it."""
    return {"text": session.service.last_lines(request["lines"]), "logs": session.service.logs}


def mend(session: Session, _request: dict[str, Any], _stdin: BinaryIO) -> dict[str, Any]:
    """End or undo what a deployment left that was cut off."""
    clear_up(session)
    return {}


def rollback(session: Session, request: dict[str, Any], stdin: BinaryIO) -> dict[str, Any]:
    """Switch to the release before the current one, or to the one that is named."""
    layout = session.layout
    watch_workstation(session, stdin)
    cut = read_record(layout.trial, Trial)
    meant = "" if cut is None else cut.old if cut.is_untried else cut.new  # a rollback that was cut off goes on
    wanted = request["release"] or meant
    if cut and cut.old and wanted == cut.old:
        return _undo(session, cut, request["hold_s"])
    mend(session, request, stdin)
    if cut and wanted == layout.running():
        return session.outcome(session.service.health())
    releases, running = {release.name: release for release in layout.complete()}, layout.running()
    names = list(releases)
    if not running:
        raise Refusal("expected a release to go back from, found none; run make deploy")
    before = releases[running].after if running in releases else ""  # not the number below: that one may have failed
    older = before if before in names else next((name for name in names if name < running), "")
    wanted = wanted or older
    if wanted not in names or wanted == running:
        looked_for = f"a release {wanted}" if wanted else f"a release older than {running}"
        others = f"{', '.join(names)}, of which {running} runs; name one: RELEASE=..."
        raise Refusal(f"expected {looked_for}, found {f'{running} alone' if names == [running] else others}")
    return switch(session, wanted, request["hold_s"], keep=request.get("keep") or RETAINED_RELEASES)


def _undo(session: Session, cut: Trial, hold_s: float) -> dict[str, Any]:
    """After a switch that was cut off, the release before is the one that was good last: no other is older."""
    with session.wire.step(f"going back to {cut.old}, for the switch to {cut.new} was cut off") as remarks:
        session.is_settling = True
        remarks += go_back(session, cut)
        remarks += repair(session)  # what else it left
    with session.wire.step(f"waiting until it is ready, then healthy for {hold_s:.0f} s"):
        return session.outcome(wait_until_healthy(session.service, hold_s))


def undeploy(session: Session, request: dict[str, Any], _stdin: BinaryIO) -> dict[str, Any]:
    """Stop the service and remove every release; settings and events stay, unless they too are to go."""
    layout = session.layout
    with session.wire.step("stopping the service"):
        session.service.stop()
    with session.wire.step("removing releases"):
        unlink_settings(layout)
        forget_model(layout)
        for gone in (layout.current, layout.before, layout.trial, layout.switched, *layout.strays()):
            remove(gone)
        purged = (layout.config.parent, layout.state) if request["purge"] else ()
        for folder in layout.releases.glob("*"):
            discard(layout, folder.name)  # cut off here, what is left of a release does not count as one
        for folder in (
            layout.releases,
            layout.files,
            layout.wheels,
            layout.run,
            layout.cache,
            layout.log.parent,
            *purged,
        ):
            shutil.rmtree(folder.resolve(), ignore_errors=True)
            if folder.is_symlink():  # systemd keeps the folders of a DynamicUser elsewhere
                folder.unlink()
        for folder in (layout.config.parent, layout.state):
            _remove_if_empty(folder)
    left = [str(path) for path in (layout.config.parent, layout.state) if path.exists()]
    remove(layout.lock)  # last of all: from here on the box may be another deployment's
    _remove_if_empty(layout.base)
    return {"kept": left}


def _remove_if_empty(folder: Path) -> None:
    with suppress(OSError):
        folder.rmdir()


READING: dict[str, Command] = {"probe": probe, "status": status, "logs": logs}
CHANGING: dict[str, Command] = {
    "install": install,
    "configure": configure,
    "model": change_model,
    "credentials": credentials,
    "mend": mend,
    "rollback": rollback,
    "undeploy": undeploy,
}


def main(stdin: BinaryIO, out: BinaryIO) -> None:
    """Read one request from standard input, run it, and write what comes of it as lines of JSON; the exit code."""
    request = json.loads(stdin.readline())
    os.umask(0o022)
    layout = BoxLayout(request["root"])
    service: Service = Systemd(layout) if request["systemd"] else Process(layout)
    session = Session(layout, service, Wire(out), request.get("who", ""))
    try:
        if request["command"] in READING:
            result = READING[request["command"]](session, request, stdin)
        else:
            with only_one(session):
                result = CHANGING[request["command"]](session, request, stdin)
        session.wire.send(result=result)
    except Refusal as error:
        session.wire.send(error=str(error), state=session.situation())
    except OSError as error:
        session.wire.send(error=f"on the box: {_explained(layout, error)}", state=session.situation())


def _explained(layout: BoxLayout, error: OSError) -> str:
    """What the system refused, and what to do."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"{error}; free some room there, then deploy again"
    if error.errno in (errno.EACCES, errno.EPERM):
        me, there = _named(os.geteuid()), layout.nearest()
        owner = _named(there.stat().st_uid)
        expected = f"expected the right to read and change what lies below {there}, which belongs to {owner}"
        return f"{expected}; found that {me} lacks it ({error}); deploy as {owner}, or give another ROOT=DIR"
    return f"{error}; mend it, then try again"


def _named(user: int) -> str:
    try:
        return pwd.getpwuid(user).pw_name
    except KeyError:
        return f"user {user}"


if __name__ == "__main__":
    main(sys.stdin.buffer, sys.stdout.buffer)
