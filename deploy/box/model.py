"""Another model for the software that runs: installed, promoted, judged as a release is, else gone back from.

The release itself checks the package and knows which model is active (`laennec model`); here is the switch. Not for
models that come inside a release (`make deploy MODEL=a.onnx`), and not for signatures of models
(`edge.model.releases`).
"""

from __future__ import annotations

import json
import os
import re
import time
from pathlib import Path
from typing import Any, BinaryIO

from deploy.box.build import clear_up, receive
from deploy.box.examine import DOCTOR, examine, read_settings
from deploy.box.layout import (
    RETAINED_RELEASES,
    BoxLayout,
    LastSwitch,
    Part,
    Refusal,
    call,
    last_words,
    must,
    remove,
    write_record,
)
from deploy.box.session import Session, watch_workstation
from deploy.box.switch import forget_model, go_back_to_model, judge, record_model, restore_model

INSTALLED = re.compile(r"^installed ([0-9a-f]{12}):", re.MULTILINE)


def active_model(layout: BoxLayout) -> dict[str, str]:
    """Which model a start would use, as the release says: `kind`, `id`, `name`, `store`; empty: it does not say."""
    code, output = _laennec(layout, "model", "active", "--json")
    if code:
        return {}
    try:
        found = json.loads(output.strip().splitlines()[-1])
        return {str(key): str(value) for key, value in found.items()}
    except (ValueError, IndexError, AttributeError):
        return {}


def change_model(session: Session, request: dict[str, Any], stdin: BinaryIO) -> dict[str, Any]:
    """Make another model the active one, or leave everything as it was.

    Args:
        session: whose.
        request: `part`: a signed package, or none and `model`: digits of the id of an installed one or `bundled`;
            `hold_s`, `keep`.
        stdin: where the bytes of the package come from.

    Returns:
        What `Session.outcome` remarks; `is_new`: whether anything was done; `model`: its id.

    Raises:
        Refusal: with what the box runs as before.
    """
    layout, wire = session.layout, session.wire
    clear_up(session)
    active = _changeable(layout)
    wanted = _install(session, Part(*request["part"]), stdin) if request.get("part") else str(request["model"])
    watch_workstation(session, stdin)
    health = session.service.health()
    if _is_same(active, wanted) and health.is_current and health.is_healthy:
        return {**session.outcome(health), "is_new": False, "model": active["id"][:12]}
    session.is_settling = True
    with wire.step(f"making {wanted} the active model"):
        _promote(session, Path(active["store"]), wanted)
    _run_doctor(session, wanted)
    try:
        health, deaf_s = judge(session, request["hold_s"])
    except (Refusal, OSError) as error:
        output = last_words(session.service.last_lines(20))
        with wire.step("going back") as remarks:
            remarks += go_back_to_model(session)
        raise Refusal(f"model {wanted} was not healthy: {error}; last words of the service: {output}") from None
    with wire.step("keeping it") as remarks:
        _commit(session)
        write_record(layout.switched, LastSwitch(f"model {wanted}", time.time(), deaf_s))
        remarks += _prune(layout, request.get("keep") or RETAINED_RELEASES)
    return {**session.outcome(health, deaf_s), "is_new": True, "model": wanted}


def _laennec(layout: BoxLayout, *words: str) -> tuple[int, str]:
    argv = [layout.current / "venv/bin/laennec", *words, "--config", layout.config]
    return call(argv, layout.variables())


def _changeable(layout: BoxLayout) -> dict[str, str]:
    """The active model, if another one could take its place.

    Raises:
        Refusal: nothing runs here, it is too old, or its settings name a model.
    """
    if not layout.running():
        raise Refusal("expected a release whose model could be changed, found none; run make deploy")
    active = active_model(layout)
    if not active:
        why = last_words(_laennec(layout, "model", "active", "--json")[1], 1).removeprefix("laennec: ")
        raise Refusal(
            f"expected {layout.running()} to say which model is active, found: {why}; a release from before this "
            "wants a make deploy first, a refused model  laennec model rollback  on the box"
        )
    if active["kind"] == "settings":
        raise Refusal(
            f"{layout.config} says  model: {active['name']}, which goes before any other; take that line out "
            "(make configure)"
        )
    return active


def _is_same(active: dict[str, str], wanted: str) -> bool:
    return active["kind"] == "bundled" if wanted == "bundled" else active["id"].startswith(wanted)


def _install(session: Session, part: Part, stdin: BinaryIO) -> str:
    """Copy a package and let the release check it; the head of its id."""
    layout = session.layout
    with session.wire.step("copying"):
        receive(session, [part], stdin)
    package = layout.files / part.name
    os.replace(layout.files / part.sha256, package)
    try:
        with session.wire.step("checking its signature and installing it") as remarks:
            argv = [layout.current / "venv/bin/laennec", "model", "install", package, "--config", layout.config]
            output = must(argv, "installing the model", layout.variables())
            remarks += output.splitlines()[:1]
    finally:
        remove(package)
    found = INSTALLED.search(output)
    if found is None:
        raise Refusal(f"expected  installed ID  of laennec model install, found: {last_words(output, 1)}")
    return found[1]


def _promote(session: Session, store: Path, wanted: str) -> None:
    """Keep the way back, then make it active."""
    layout = session.layout
    store.mkdir(parents=True, exist_ok=True)
    record_model(layout, store)
    code, output = _laennec(layout, "model", "promote", wanted)
    if code:
        _commit(session)
        raise Refusal(f"laennec model promote failed: {last_words(output, 1).removeprefix('laennec: ')}")


def _run_doctor(session: Session, wanted: str) -> None:
    """Let the release say what it thinks of its model; refused, the service has not even been restarted."""
    try:
        read_settings(session, session.layout.current)
        examine(session, session.layout.current, (DOCTOR,))
    except (Refusal, OSError) as error:
        restore_model(session.layout)
        _commit(session)
        raise Refusal(f"model {wanted} was not taken: {error}") from None


def _commit(session: Session) -> None:
    """From here on there is no way back, or none is needed."""
    remove(session.layout.before)
    forget_model(session.layout)
    session.is_settling = False


def _prune(layout: BoxLayout, keep: int) -> list[str]:
    """Remove models that are too old; what was said of it."""
    code, output = _laennec(layout, "model", "prune", "--keep", str(keep))
    return ["older models stay: this release cannot remove them"] if code else output.splitlines()[:1]
