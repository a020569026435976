"""Other settings for the software that runs, in seconds: a release that shares its environment, judged as any other.

So what is true of releases is true of settings: they are examined before anything is switched, the switch is undone if
the service is not healthy or the power fails, and `make rollback` goes back to the settings before. Not for other
software (`build`).
"""

from __future__ import annotations

import os
import time
from typing import Any, BinaryIO

from deploy.box.durable import read_record
from deploy.box.examine import DOCTOR, EXAMINED, complete, examine, named_as_given, read_settings, write_settings
from deploy.box.layout import KEPT_RELEASES, BoxLayout, Refusal, Release
from deploy.box.prune import discard
from deploy.box.switch import outcome, repair, switch
from deploy.box.wire import Session, watch_workstation

OF_ITS_OWN = ("venv", "ward.yaml", EXAMINED, "release.json")  # what a release does not share with another


def configure(session: Session, request: dict[str, Any], given: BinaryIO) -> dict[str, Any]:
    """Change the settings alone, or leave everything as it was.

    Args:
        session: whose.
        request: `files` with ward.yaml, `hold_s`, `keep`.
        given: open as long as the workstation is there.

    Returns:
        What `switch` remarks; `is_new`: whether anything was done.

    Raises:
        Refusal: with what the box runs as before.
    """
    layout, files = session.layout, request["files"]
    with session.wire.step("clearing up what an earlier deployment left") as remarks:
        remarks += repair(session)
    watch_workstation(session, given)
    running, health = layout.running(), session.service.health()
    made = read_record(layout.current / "release.json", Release)
    if made is None:
        raise Refusal("expected a release whose settings could be changed, found none; run make deploy")
    if (
        layout.config.exists()
        and layout.config.read_text() == files["ward.yaml"]
        and health.is_asked
        and health.is_well
    ):
        return {**outcome(session, health), "is_new": False}
    name = layout.next_name(running[5:])
    try:
        _share(layout, running, name)
        write_settings(layout, layout.releases / name, files["ward.yaml"])
        with named_as_given(session, files, name):
            read_settings(session, layout.releases / name)
            examine(session, layout.releases / name, (DOCTOR,))
        complete(session, files, Release(name, time.time(), made.python, made.wheels, running))
    except (Refusal, OSError):
        discard(layout, name)
        raise
    keep = request.get("keep") or KEPT_RELEASES
    return {**switch(session, name, request["hold_s"], is_untried=True, keep=keep), "is_new": True}


def _share(layout: BoxLayout, old: str, new: str) -> None:
    """A release with the files and the environment of another one; nobody writes into either, they are replaced."""
    folder = layout.releases / new
    folder.mkdir(parents=True)
    (folder / "venv").symlink_to(f"../{layout.software(old)}/venv")
    for path in (layout.releases / old).iterdir():
        if path.name not in OF_ITS_OWN and path.is_file():
            os.link(path, folder / path.name)
