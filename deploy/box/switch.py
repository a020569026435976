"""From one release to another, with a way back at every moment.

A switch is: note the way back (`trial.json`, `before`), flip `current`, restart, judge, forget the way back. Whatever
ends it early, `repair` finds the note and either ends the switch or undoes it; until somebody gives a command,
`undo.sh` of the release before undoes it at the next start of the service. Not for making releases (`build`).
"""

from __future__ import annotations

import shutil
import time
from contextlib import suppress
from typing import Any

from deploy.box.child import last_words
from deploy.box.durable import point, read_record, remove, write_record, write_whole
from deploy.box.place import Place, Refusal, Trial
from deploy.box.service import Health, Service
from deploy.box.settings import (
    adopt_settings,
    link_settings,
    put_settings_back,
    set_edited_aside,
    set_settings_aside,
    tell_settings,
)
from deploy.box.wire import Session

KEPT_RELEASES = 3
READY_S = 120.0  # from start to READY=1: everything is compiled and built by then, but devices on a slow card take time
POLL_S = 0.1
UNDO = "undo.sh"


def switch(session: Session, name: str, hold_s: float, is_untried: bool = False) -> dict[str, Any]:
    """Make a complete release the current one and judge it.

    Args:
        session: whose.
        name: of the release.
        hold_s: how long it must be healthy after READY=1, seconds.
        is_untried: whether the release has never run; if it is not healthy, it is removed.

    Returns:
        For people: what runs, its status, where settings and log are.

    Raises:
        Refusal: it was not healthy; everything is as it was before.
    """
    place, wire = session.place, session.wire
    session.is_settling = True
    with wire.step(f"switching to {name}") as remarks:
        remarks += adopt_settings(place)  # edited by hand while the release was made: of the release before
        remarks += tell_settings(place, name)
        trial = Trial(name, place.running(), place.config.exists(), is_untried, hold_s)
        set_settings_aside(place, bool(trial.old))
        write_record(place.trial, trial)
        if trial.old:
            _prepare_undo(place, trial)
        link_settings(place)
        point(place.current, f"releases/{name}")
    try:
        health = _judge(session, hold_s)
    except (Refusal, OSError) as error:
        said = last_words(session.service.last_lines(20))
        with wire.step(f"going back to {trial.old or 'nothing'}") as remarks:
            remarks += go_back(session, trial)
        raise Refusal(f"{name} was not healthy: {error}; its last words: {said}") from None
    with wire.step("keeping it"):
        settle(session, trial)
    return outcome(session, health)


def outcome(session: Session, health: Health) -> dict[str, Any]:
    """For people: what runs, its status, where settings and log are."""
    place = session.place
    return {
        "running": place.running(), "words": health.words, "logs": session.service.logs, "config": str(place.config),
    }  # fmt: skip


def _prepare_undo(place: Place, trial: Trial) -> None:
    """From here on a start of the service that no deployment watches goes back to the release before."""
    undo, new = place.releases / trial.old / UNDO, place.releases / trial.new / UNDO
    if new.exists() and not undo.exists():  # made before releases had one
        write_whole(undo, new.read_bytes())
    point(place.before, f"releases/{trial.old}")


def _judge(session: Session, hold_s: float) -> Health:
    with session.wire.step("restarting the service"):
        session.service.restart()
    with session.wire.step(f"waiting until it is ready, then healthy for {hold_s:.0f} s"):
        return wait_until_healthy(session.service, hold_s)


def wait_until_healthy(service: Service, hold_s: float) -> Health:
    """Wait for READY=1, then watch for `hold_s`; a file that comes to its end in the meantime is no failure.

    Raises:
        Refusal: not ready in time, or an end with an error.
    """
    until_s, ready_s = time.monotonic() + READY_S, float("inf")
    while True:
        health, now_s = service.health(), time.monotonic()
        if health.is_asked and health.has_failed:
            raise Refusal(f"expected it to run, found that it ended ({health.words})")
        if health.is_asked and health.phase == "ready":
            ready_s = min(ready_s, now_s)
            if now_s - ready_s >= hold_s:
                return health
        until_s = max(until_s, now_s + READY_S) if health.phase == "ready" and health.is_asked else until_s
        if now_s > until_s:
            raise Refusal(f"expected READY=1 within {READY_S:.0f} s, found it {health.phase} ({health.words})")
        time.sleep(POLL_S)


def settle(session: Session, trial: Trial) -> None:
    """The new release is good: forget the way back, and what is too old."""
    place = session.place
    remove(place.before)
    remove(place.trial)
    session.is_settling = False
    others = [release.name for release in place.complete()]
    kept = list(dict.fromkeys(name for name in (place.running(), trial.old, *others) if name))[:KEPT_RELEASES]
    for folder in place.releases.glob("*"):
        if folder.name not in kept:
            discard(place, folder.name)
    used = {wheel for release in place.complete() for wheel in release.wheels}
    for wheel in place.wheels.glob("*"):
        if wheel.name not in used:
            remove(wheel)


def discard(place: Place, name: str) -> None:
    """Remove a release; first of all it is not complete any more."""
    remove(place.releases / name / "release.json")
    shutil.rmtree(place.releases / name, ignore_errors=True)


def go_back(session: Session, trial: Trial) -> list[str]:
    """Undo a switch: link, settings, service; a release that never ran well is removed.

    Returns:
        What was found meanwhile, a line each.
    """
    place, told = session.place, list[str]()
    if place.running() == trial.new and trial.old and place.settings(trial.old).exists():
        told += set_edited_aside(place)
    put_settings_back(place, trial.had_config)
    if trial.old:
        point(place.current, f"releases/{trial.old}")
        session.service.restart()  # even if it had not been flipped: what was started last, nobody knows
    elif place.running() == trial.new:
        session.service.stop()
        remove(place.current)
    remove(place.before)
    remove(place.trial)
    session.is_settling = False
    if trial.is_untried:
        discard(place, trial.new)
    if trial.old:
        with suppress(Refusal):  # then whoever asked hears how it is (`Session.situation`)
            wait_until_healthy(session.service, 0.0)
    return told


def repair(session: Session) -> list[str]:
    """Mend what a killed deployment left: a switch without a verdict, half releases, half files.

    Returns:
        What was mended, a line each.
    """
    place, told = session.place, list[str]()
    trial = read_record(place.trial, Trial)
    if trial is not None:
        told += _end_trial(session, trial)
    told += adopt_settings(place)
    for stray in (place.before, *place.strays()):
        remove(stray)
    for folder in place.releases.glob("*"):
        if not (folder / "release.json").exists():
            told.append(f"removed {folder.name}, which was not complete")
            discard(place, folder.name)
    return told


def _end_trial(session: Session, trial: Trial) -> list[str]:
    """Judge a release that is current as any other; undo what is left of one that is not."""
    session.is_settling = True
    cut = f"a switch to {trial.new} had been cut off"
    if session.place.running() != trial.new:
        told = go_back(session, trial)
        return [f"{cut}, {session.place.running() or 'nothing'} is current as before", *told]
    try:
        session.service.restart()
        wait_until_healthy(session.service, trial.hold_s)
    except (Refusal, OSError) as error:
        told = go_back(session, trial)
        return [f"{cut}, and it is not healthy ({error}); went back", *told]
    settle(session, trial)
    return [f"{cut}; it was healthy for {trial.hold_s:g} s and stays"]
