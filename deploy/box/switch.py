"""From one release to another, with a way back at every moment.

A switch is: note the way back (`trial.json`, `before`), flip `current`, restart, judge, forget the way back. Whatever
ends it early, `repair` finds the note and either ends the switch or undoes it; until somebody gives a command,
`undo.sh` of the release before undoes it at the next start of the service. Not for making releases (`build`).
"""

from __future__ import annotations

import time
from contextlib import suppress
from typing import Any

from deploy.box.child import last_words
from deploy.box.durable import point, read_record, remove, write_record, write_whole
from deploy.box.layout import KEPT_RELEASES, BoxLayout, LastSwitch, Refusal, Trial
from deploy.box.model_trial import forget_model, restore_model
from deploy.box.prune import discard, prune
from deploy.box.service import Health, Service
from deploy.box.settings import (
    adopt_settings,
    back_up_settings,
    keep_edited,
    link_settings,
    restore_settings,
    settings_change,
)
from deploy.box.wire import Session

READY_S = 120.0  # from start to READY=1: everything is compiled and built by then, but devices on a slow card take time
POLL_S = 0.1
UNDO = "undo.sh"


def switch(
    session: Session, name: str, hold_s: float, is_untried: bool = False, keep: int = KEPT_RELEASES
) -> dict[str, Any]:
    """Make a complete release the current one and judge it.

    Args:
        session: whose.
        name: of the release.
        hold_s: how long it must be healthy after READY=1, seconds.
        is_untried: whether the release has never run; if it is not healthy, it is removed.
        keep: how many releases stay, at least the current one and the one before.

    Returns:
        For people: what runs, its status, where settings and log are, how long it was deaf.

    Raises:
        Refusal: it was not healthy; everything is as it was before.
    """
    layout, wire = session.layout, session.wire
    session.is_settling = True
    with wire.step(f"switching to {name}") as remarks:
        remarks += adopt_settings(layout)  # edited by hand while the release was made: of the release before
        remarks += settings_change(layout, name)
        trial = Trial(name, layout.running(), layout.config.exists(), is_untried, hold_s, keep)
        back_up_settings(layout, bool(trial.old))
        write_record(layout.trial, trial)
        if trial.old:
            _prepare_undo(layout, trial)
        link_settings(layout)
        point(layout.current, f"releases/{name}")
    began_s = time.monotonic()
    try:
        health, deaf_s = judge(session, hold_s)
    except (Refusal, OSError) as error:
        said = last_words(session.service.last_lines(20))
        with wire.step(f"going back to {trial.old or 'nothing'}") as remarks:
            remarks += go_back(session, trial)
        lost = f"deaf for at most {time.monotonic() - began_s:.1f} s"
        raise Refusal(f"{name} was not healthy: {error}; its last words: {said}; {lost}") from None
    with wire.step("keeping it"):
        settle(session, trial)
        write_record(layout.switched, LastSwitch(name, time.time(), deaf_s))
    return outcome(session, health, deaf_s)


def outcome(session: Session, health: Health, deaf_s: float | None = None) -> dict[str, Any]:
    """For people: what runs, its status, where settings and log are; after a switch how long it was deaf."""
    layout = session.layout
    return {
        "running": layout.running(),
        "status": health.status,
        "logs": session.service.logs,
        "config": str(layout.config),
        "deaf_s": deaf_s,
    }


def _prepare_undo(layout: BoxLayout, trial: Trial) -> None:
    """From here on a start of the service that no deployment watches goes back to the release before."""
    undo, new = layout.releases / trial.old / UNDO, layout.releases / trial.new / UNDO
    if new.exists() and not undo.exists():  # made before releases had one
        write_whole(undo, new.read_bytes())
    point(layout.before, f"releases/{trial.old}")


def judge(session: Session, hold_s: float) -> tuple[Health, float]:
    """Restart the service and watch it.

    Args:
        session: whose.
        hold_s: how long it must be healthy after READY=1, seconds.

    Returns:
        How it is, and how long nobody was heard, seconds: from the restart to READY=1.

    Raises:
        Refusal: it is not healthy; it still runs, or tries to.
    """
    began_s = time.monotonic()
    with session.wire.step("restarting the service"):
        session.service.restart()
    with session.wire.step(f"waiting until it is ready, then healthy for {hold_s:.0f} s") as remarks:
        wait_until_healthy(session.service, 0.0)
        deaf_s = round(time.monotonic() - began_s, 1)
        remarks.append(f"deaf for {deaf_s:.1f} s")
        return wait_until_healthy(session.service, hold_s), deaf_s


def wait_until_healthy(service: Service, hold_s: float) -> Health:
    """Wait for READY=1, then watch for `hold_s`; a file that comes to its end in the meantime is no failure.

    Raises:
        Refusal: not ready in time, or an end with an error.
    """
    until_s, ready_s = time.monotonic() + READY_S, float("inf")
    while True:
        health, now_s = service.health(), time.monotonic()
        if health.is_asked and health.has_failed:
            raise Refusal(f"expected it to run, found that it ended ({health.status})")
        if health.is_asked and health.phase == "ready":
            ready_s = min(ready_s, now_s)
            if now_s - ready_s >= hold_s:
                return health
        until_s = max(until_s, now_s + READY_S) if health.phase == "ready" and health.is_asked else until_s
        if now_s > until_s:
            raise Refusal(f"expected READY=1 within {READY_S:.0f} s, found it {health.phase} ({health.status})")
        time.sleep(POLL_S)


def settle(session: Session, trial: Trial) -> None:
    """The new release is good: forget the way back, and what is too old."""
    layout = session.layout
    remove(layout.before)
    remove(layout.trial)
    session.is_settling = False
    prune(layout, (layout.running(), trial.old), trial.keep)


def go_back(session: Session, trial: Trial) -> list[str]:
    """Undo a switch: link, settings, service; a release that never ran well is removed.

    Returns:
        What was found meanwhile, a line each.
    """
    layout, remarks = session.layout, list[str]()
    if layout.running() == trial.new and trial.old and layout.settings(trial.old).exists():
        remarks += keep_edited(layout)
    restore_settings(layout, trial.had_config)
    if trial.old:
        point(layout.current, f"releases/{trial.old}")
        session.service.restart()  # even if it had not been flipped: what was started last, nobody knows
    elif layout.running() == trial.new:
        session.service.stop()
        remove(layout.current)
    remove(layout.before)
    remove(layout.trial)
    session.is_settling = False
    if trial.is_untried:
        discard(layout, trial.new)
    if trial.old:
        with suppress(Refusal):  # then whoever asked hears how it is (`Session.situation`)
            wait_until_healthy(session.service, 0.0)
    return remarks


def repair(session: Session) -> list[str]:
    """Mend what a killed deployment left: a switch without a verdict, half releases, half files.

    Returns:
        What was mended, a line each.
    """
    layout, remarks = session.layout, list[str]()
    trial = read_record(layout.trial, Trial)
    if trial is not None:
        remarks += _end_trial(session, trial)
    if layout.model_trial.exists():
        remarks += go_back_to_model(session)
    forget_model(layout)  # what is half written of it
    remarks += adopt_settings(layout)
    for stray in (layout.before, *layout.strays()):
        remove(stray)
    for folder in layout.releases.glob("*"):
        if not (folder / "release.json").exists():
            remarks.append(f"removed {folder.name}, which was not complete")
            discard(layout, folder.name)
    return remarks


def go_back_to_model(session: Session) -> list[str]:
    """Undo a change of the model that was not good, or was cut off; the service starts with the one before.

    Returns:
        What was done, a line.
    """
    session.is_settling = True
    restore_model(session.layout)
    session.service.restart()
    remove(session.layout.before)
    forget_model(session.layout)
    session.is_settling = False
    with suppress(Refusal):  # then whoever asked hears how it is (`Session.situation`)
        wait_until_healthy(session.service, 0.0)
    return ["went back to the model that was active before"]


def _end_trial(session: Session, trial: Trial) -> list[str]:
    """Judge a release that is current as any other; undo what is left of one that is not."""
    session.is_settling = True
    cut = f"a switch to {trial.new} had been cut off"
    if session.layout.running() != trial.new:
        remarks = go_back(session, trial)
        return [f"{cut}, {session.layout.running() or 'nothing'} is current as before", *remarks]
    try:
        session.service.restart()
        wait_until_healthy(session.service, trial.hold_s)
    except (Refusal, OSError) as error:
        remarks = go_back(session, trial)
        return [f"{cut}, and it is not healthy ({error}); went back", *remarks]
    settle(session, trial)
    return [f"{cut}; it was healthy for {trial.hold_s:g} s and stays"]
