"""From one release to another, or to other settings or another model, with a way back at every moment.

A switch is: note the way back (`trial.json`, `before`), flip `current`, restart, judge, forget the way back. Whatever
ends it early, `repair` finds the note and ends the switch or undoes it; until somebody gives a command, `undo.sh` of
the release before undoes it at the next start. Not for making releases (`build`).

Settings are a file in every release, /etc/laennec/ward.yaml a link to that of the active one, so they switch with the
software in one rename. An editor that writes through the link changes the active settings; a file that is put in the
link's place is understood by the next command (`adopt_settings`).

For another model the way back is the folder model-trial: `promoted`, the list of promotions as it was (missing: there
was none), and `store` -> the folder of models. `undo.sh` takes the folder away: it goes back once. Invariant: the
folder appears and goes by a rename, so it is whole or not there.
"""

from __future__ import annotations

import os
import shutil
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from deploy.box.layout import (
    RETAINED_RELEASES,
    BoxLayout,
    LastSwitch,
    Refusal,
    Trial,
    discard,
    last_words,
    point,
    prune,
    read_record,
    remove,
    sync_disk,
    sync_folder,
    write_record,
    write_whole,
)
from deploy.box.service import Health, Service
from deploy.box.session import Session

PROMOTED = "promoted"
HALVES = (".model-trial.new", ".model-trial.old")
READY_S = 120.0  # from start to READY=1: everything is compiled and built by then, but devices on a slow card take time
POLL_S = 0.1


def adopt_settings(layout: BoxLayout) -> list[str]:
    """Move settings that lie in /etc itself into the current release, and leave the link in their place.

    They lie there where `sed -i` or a copy replaced the link.

    Returns:
        What was done, a line each.
    """
    if not layout.running() or is_linked(layout):
        return []
    own, remarks = layout.settings(layout.running()), list[str]()
    if layout.config.exists():
        write_whole(own, layout.config.read_bytes(), like=layout.config)
        remarks.append(f"moved the settings from {layout.config} into {layout.running()}, and left a link to them")
    link_settings(layout)
    return remarks


def settings_change(layout: BoxLayout, name: str) -> list[str]:
    """Before a switch to that release: a line if it changes the active settings."""
    both = layout.config, layout.settings(name)
    is_change = all(path.exists() for path in both) and both[0].read_bytes() != both[1].read_bytes()
    return ["its settings are not those that were active"] if is_change else []


def is_linked(layout: BoxLayout) -> bool:
    """Whether the link is in its place."""
    return layout.config.is_symlink() and layout.config.readlink() == layout.linked_config


def link_settings(layout: BoxLayout) -> None:
    """From now on the settings of the current release are the active ones."""
    if not is_linked(layout):
        layout.config.parent.mkdir(parents=True, exist_ok=True)
        point(layout.config, str(layout.linked_config))


def unlink_settings(layout: BoxLayout) -> None:
    """Make the active settings a file of their own again, for the releases are about to go."""
    if is_linked(layout) and layout.config.exists():
        write_whole(layout.config, layout.config.read_bytes(), like=layout.config)
    elif is_linked(layout):
        remove(layout.config)


def back_up_settings(layout: BoxLayout, has_release: bool) -> None:
    """Before the first release: keep a copy of the settings that are there, for the link takes their place."""
    remove(layout.config_before)  # of an earlier deployment
    if not has_release and layout.config.exists():
        write_whole(layout.config_before, layout.config.read_bytes(), like=layout.config)


def keep_edited(layout: BoxLayout) -> list[str]:
    """While a release on trial is still current: what took the link's place meanwhile is not for the release before.

    Returns:
        Where it is kept now, a line; none if nothing took it.
    """
    if is_linked(layout):
        return []
    remarks = []
    with suppress(OSError):  # going back matters more
        remove(layout.config_edited)
        os.link(layout.config, layout.config_edited, follow_symlinks=False)  # at every moment one of the two is there
        remarks.append(f"what was put in place of {layout.config} meanwhile is kept as {layout.config_edited}")
    link_settings(layout)
    return remarks


def restore_settings(layout: BoxLayout, had_config: bool) -> None:
    """What `back_up_settings` kept; where it kept nothing, the settings are those of a release."""
    if not had_config:
        remove(layout.config)
    elif layout.config_before.exists():
        write_whole(layout.config, layout.config_before.read_bytes(), like=layout.config_before)


def record_model(layout: BoxLayout, store: Path) -> None:
    """Keep the way back, and let the next start take it unless a deployment is at work.

    Args:
        layout: of the box.
        store: the folder of models.
    """
    forget_model(layout)
    draft = layout.base / HALVES[0]
    draft.mkdir()
    (draft / "store").symlink_to(store)
    if (store / PROMOTED).exists():
        write_whole(draft / PROMOTED, (store / PROMOTED).read_bytes(), like=store / PROMOTED)
    sync_disk(layout.base)
    os.rename(draft, layout.model_trial)
    sync_folder(layout.base)
    point(layout.before, f"releases/{layout.running()}")


def restore_model(layout: BoxLayout) -> None:
    """Make the model active again that was before."""
    stored, active = layout.model_trial / PROMOTED, (layout.model_trial / "store").resolve() / PROMOTED
    if stored.exists():
        write_whole(active, stored.read_bytes(), like=stored)
    else:
        remove(active)


def forget_model(layout: BoxLayout) -> None:
    """There is no way back any more, or it was taken."""
    if layout.model_trial.exists():
        shutil.rmtree(layout.base / HALVES[1], ignore_errors=True)
        os.rename(layout.model_trial, layout.base / HALVES[1])
        sync_folder(layout.base)
    for half in HALVES:
        shutil.rmtree(layout.base / half, ignore_errors=True)


def switch(
    session: Session, name: str, hold_s: float, is_untried: bool = False, keep: int = RETAINED_RELEASES
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
        if trial.old:  # from here on a start that no deployment watches goes back to it
            point(layout.before, f"releases/{trial.old}")
        link_settings(layout)
        point(layout.current, f"releases/{name}")
    began_s = time.monotonic()
    try:
        health, deaf_s = judge(session, hold_s)
    except (Refusal, OSError) as error:
        output = last_words(session.service.last_lines(20))
        with wire.step(f"going back to {trial.old or 'nothing'}") as remarks:
            remarks += go_back(session, trial)
        lost = f"deaf for at most {time.monotonic() - began_s:.1f} s"
        raise Refusal(f"{name} was not healthy: {error}; its last words: {output}; {lost}") from None
    with wire.step("keeping it"):
        settle(session, trial)
        write_record(layout.switched, LastSwitch(name, time.time(), deaf_s))
    return session.outcome(health, deaf_s)


def judge(session: Session, hold_s: float) -> tuple[Health, float]:
    """Restart the service and watch it.

    Args:
        session: whose.
        hold_s: how long it must be healthy after READY=1, seconds.

    Returns:
        How it is, and how long nothing was detected, seconds: from the restart to READY=1.

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
        if health.is_current and health.has_failed:
            raise Refusal(f"expected it to run, found that it ended ({health.status})")
        if health.is_current and health.phase == "ready":
            ready_s = min(ready_s, now_s)
            if now_s - ready_s >= hold_s:
                return health
        until_s = max(until_s, now_s + READY_S) if health.phase == "ready" and health.is_current else until_s
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
        with suppress(Refusal):  # then the answer says how it is (`Session.situation`)
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
    with suppress(Refusal):  # then the answer says how it is (`Session.situation`)
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
