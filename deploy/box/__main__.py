"""Answer the one request that stands on standard input. Run by `deploy.session`, on the box."""

from __future__ import annotations

import errno
import json
import os
import shutil
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any, BinaryIO

from deploy.box.build import install
from deploy.box.durable import read_record, remove
from deploy.box.facts import facts, free_mb
from deploy.box.place import Place, Refusal, Trial
from deploy.box.service import Service, Supervised, Systemd
from deploy.box.switch import repair, switch
from deploy.box.wire import Session, Wire, at_work, only_one, watch_workstation

Command = Callable[[Session, dict[str, Any], BinaryIO], dict[str, Any]]


def probe(session: Session, _request: dict[str, Any], _given: BinaryIO) -> dict[str, Any]:
    """What this box is."""
    return asdict(facts(session.place))


def status(session: Session, _request: dict[str, Any], _given: BinaryIO) -> dict[str, Any]:
    """What runs, what else is there, and whether somebody is at work or was cut off."""
    place, health = session.place, session.service.health()
    busy, trial = at_work(place), read_record(place.trial, Trial)
    busy = busy or at_work(place)  # asked on both sides of the record: it is of somebody at work, or was left behind
    return {
        "running": place.running(), "phase": health.phase, "words": health.words, "logs": session.service.logs,
        "releases": [release.name for release in place.complete()], "config": str(place.config),
        "busy": busy, "trial": trial.new if trial and not busy else "", "free_mb": free_mb(place),
    }  # fmt: skip


def logs(session: Session, request: dict[str, Any], _given: BinaryIO) -> dict[str, Any]:
    """The end of the service's log."""
    return {"text": session.service.last_lines(request["lines"]), "logs": session.service.logs}


def rollback(session: Session, request: dict[str, Any], given: BinaryIO) -> dict[str, Any]:
    """Switch to the release before the current one, or to the one that is named."""
    place = session.place
    watch_workstation(session, given)
    with session.wire.step("looking after what is there") as remarks:
        remarks += repair(session)
    releases, running = {release.name: release for release in place.complete()}, place.running()
    names = list(releases)
    if not running:
        raise Refusal("expected a release to go back from, found none; run make deploy")
    before = releases[running].after if running in releases else ""  # not the number below: that one may have failed
    older = before if before in names else next((name for name in names if name < running), "")
    wanted = request["release"] or older
    if wanted not in names or wanted == running:
        looked_for = f"a release {wanted}" if wanted else f"a release older than {running}"
        raise Refusal(
            f"expected {looked_for}, found {', '.join(names)}, of which {running} runs; name one: RELEASE=..."
        )
    return switch(session, wanted, request["hold_s"])


def undeploy(session: Session, request: dict[str, Any], _given: BinaryIO) -> dict[str, Any]:
    """Stop the service and remove every release; settings and events stay, unless they too are to go."""
    place = session.place
    with session.wire.step("stopping the service"):
        session.service.stop()
    with session.wire.step("removing releases"):
        for gone in (place.current, place.trial, *place.strays()):
            remove(gone)
        purged = (place.config.parent, place.state) if request["purge"] else ()
        for folder in (place.releases, place.wheels, place.run, place.cache, place.log.parent, *purged):
            shutil.rmtree(folder.resolve(), ignore_errors=True)
            if folder.is_symlink():  # systemd keeps the folders of a DynamicUser elsewhere
                folder.unlink()
        for folder in (place.config.parent, place.state):
            _remove_if_empty(folder)
    kept = [str(path) for path in (place.config.parent, place.state) if path.exists()]
    remove(place.lock)  # last of all: from here on the box may be another deployment's
    _remove_if_empty(place.base)
    return {"kept": kept}


def _remove_if_empty(folder: Path) -> None:
    with suppress(OSError):
        folder.rmdir()


READING: dict[str, Command] = {"probe": probe, "status": status, "logs": logs}
CHANGING: dict[str, Command] = {"install": install, "rollback": rollback, "undeploy": undeploy}


def main(given: BinaryIO, out: BinaryIO) -> None:
    """Answer one request."""
    request = json.loads(given.readline())
    os.umask(0o022)
    place = Place(request["root"])
    service: Service = Systemd(place) if request["systemd"] else Supervised(place)
    session = Session(place, service, Wire(out))
    try:
        if request["command"] in READING:
            result = READING[request["command"]](session, request, given)
        else:
            with only_one(session):
                result = CHANGING[request["command"]](session, request, given)
        session.wire.send(result=result)
    except Refusal as error:
        session.wire.send(error=str(error), state=session.situation())
    except OSError as error:
        is_full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        cure = "free some room there, then deploy again" if is_full else "mend it, then try again"
        session.wire.send(error=f"on the box: {error}; {cure}", state=session.situation())


if __name__ == "__main__":
    main(sys.stdin.buffer, sys.stdout.buffer)
