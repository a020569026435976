"""Make a release on the box out of wheels, and let it judge the box before anything is switched.

Not for switching to it (`switch`). Nothing outside its own folder and the store of wheels changes here, so a release
that fails is simply removed.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO

from deploy.box.examine import complete, examine, named_as_given, read_settings, write_settings
from deploy.box.layout import (
    BOARD,
    CHUNK,
    KEPT_RELEASES,
    BoxLayout,
    Refusal,
    Release,
    digest_of,
    discard,
    must,
    read_record,
    sync_folder,
)
from deploy.box.session import Session, watch_workstation
from deploy.box.signed import check_signed
from deploy.box.switch import repair, switch

UNPACKED = 4  # an installed release takes this many times its wheels (measured: 3.5, x86-64, kernels included)
COMPILE = "from edge.detector.warm import warm_up; warm_up()"
DEMO = "demo.flac"
# The bundled minute again and again for an hour: a service that comes to the end of its files ends.
REPEAT = """
import sys, pathlib, edge, soundfile
sound, rate = soundfile.read(pathlib.Path(edge.__file__).parent / "sources/demo.flac", dtype="int16")
with soundfile.SoundFile(sys.argv[1], "w", rate, 1) as longer:
    for _ in range(3600 * rate // len(sound)):
        longer.write(sound)
"""
Manifest = Sequence[dict[str, Any]]  # of each wheel: name, size in bytes, sha256


def install(session: Session, request: dict[str, Any], given: BinaryIO) -> dict[str, Any]:
    """Everything from wheels to a release that runs and is healthy, or the state before.

    Args:
        session: whose.
        request: `wheels`, `version`, `python`, `files`, `system_site`, `hold_s`, `is_forced`, `keeps_board`, `keep`
            and `signed`, as `deploy.__main__` sends them.
        given: where the bytes of wheels come from.

    Returns:
        What `switch` remarks; `is_new`: whether anything was done.

    Raises:
        Refusal: with what the box runs as before.
    """
    layout, wire, wheels = session.layout, session.wire, request["wheels"]
    check_signed(layout, request)
    with wire.step("clearing up what an earlier deployment left") as remarks:
        remarks += repair(session)
    if not request.get("is_forced") and _runs_already(session, request):
        return {**session.outcome(session.service.health()), "is_new": False}
    check_room(layout, wheels)
    with wire.step("copying") as remarks:
        new = receive(session, wheels, given)
        remarks.append(f"{len(new)} of {len(wheels)} files were new, {_size(new) / 1e6:.1f} MB")
    watch_workstation(session, given)
    name = layout.next_name(request["version"])
    made = Release(name, time.time(), request["python"], tuple(each["name"] for each in wheels), layout.running())
    try:
        _build(session, request, layout.releases / name)
        with named_as_given(session, request["files"], name):
            read_settings(session, layout.releases / name)
            _compile(session, layout.releases / name)
            examine(session, layout.releases / name)
        complete(session, request["files"], made)
    except (Refusal, OSError):
        discard(layout, name)
        raise
    keep = request.get("keep") or KEPT_RELEASES
    return {**switch(session, name, request["hold_s"], is_untried=True, keep=keep), "is_new": True}


def _runs_already(session: Session, request: dict[str, Any]) -> bool:
    """Whether the current release is what would be made, and is healthy."""
    health, folder = session.service.health(), session.layout.current
    made = read_record(folder / "release.json", Release)
    if made is None or made.python != request["python"]:
        return False
    sees_system = "include-system-site-packages = true" in (folder / "venv/pyvenv.cfg").read_text()
    has_files = all(
        (folder / name).is_file() and (folder / name).read_bytes() == text.encode()
        for name, text in request["files"].items()  # with the hashes of all wheels, and the settings if any are given
    )
    has_board = session.layout.board.exists() == (BOARD in request["files"] or bool(request.get("keeps_board")))
    is_well = health.is_asked and health.is_well
    return is_well and has_files and has_board and sees_system == request["system_site"]


def _size(wheels: Manifest) -> int:
    return sum(each["size"] for each in wheels)


def check_room(layout: BoxLayout, wheels: Manifest) -> None:
    """Raises Refusal if the disk cannot hold another release."""
    lacking = [each for each in wheels if not (layout.wheels / each["name"]).exists()]
    need_mb = (_size(lacking) + UNPACKED * _size(wheels)) // 1_000_000 + 1
    free_mb = shutil.disk_usage(layout.base).free // 1_000_000
    if free_mb < need_mb:
        raise Refusal(f"expected {need_mb} MB free for {layout.base}, found {free_mb} MB; free some room on the box")


def receive(session: Session, wanted: Manifest, given: BinaryIO) -> Manifest:
    """Fill the store of wheels with what it lacks; a file that came whole once is not sent again.

    Returns:
        What came.
    """
    store = session.layout.wheels
    store.mkdir(parents=True, exist_ok=True)
    lacking = [each for each in wanted if not _is_there(store / each["name"], each)]
    session.wire.send(want=[each["name"] for each in lacking])
    for each in lacking:
        _receive_one(store / each["name"], each, given)
    sync_folder(store)
    return lacking


def _is_there(path: Path, wanted: dict[str, Any]) -> bool:
    return path.is_file() and path.stat().st_size == wanted["size"] and digest_of(path) == wanted["sha256"]


def _receive_one(path: Path, wanted: dict[str, Any], given: BinaryIO) -> None:
    partial, digest, left = path.with_name(path.name + ".part"), hashlib.sha256(), wanted["size"]
    with open(partial, "wb") as file:
        while left:
            chunk = given.read(min(left, CHUNK))
            if not chunk:
                raise Refusal(f"the workstation went away while {path.name} was being copied; deploy again")
            digest.update(chunk)
            left -= file.write(chunk)
        file.flush()
        os.fsync(file.fileno())
    if digest.hexdigest() != wanted["sha256"]:
        raise Refusal(f"{path.name} arrived damaged (SHA-256 {digest.hexdigest()[:12]}...); deploy again")
    os.replace(partial, path)


def _build(session: Session, request: dict[str, Any], folder: Path) -> None:
    """An environment with everything in it."""
    wire, layout, python, own = session.wire, session.layout, request["python"], folder / "venv/bin/python"
    folder.mkdir(parents=True)
    for name, text in request["files"].items():
        if name != "ward.yaml":
            (folder / name).write_text(text)
    if request.get("keeps_board") and BOARD not in request["files"]:
        (folder / BOARD).write_bytes(layout.board.read_bytes())
    write_settings(layout, folder, request["files"].get("ward.yaml"))
    with wire.step(f"making a virtual environment of {python}"):
        extra = ["--system-site-packages"] if request["system_site"] else []
        argv = [python, "-I", "-m", "venv", "--without-pip", *extra, folder / "venv"]
        must(argv, "making a virtual environment", layout.variables())
    with wire.step("installing, offline and against hashes"):
        pip = next(layout.wheels / each["name"] for each in request["wheels"] if each["name"].startswith("pip-"))
        argv = [
            own,
            "-I",
            pip / "pip",
            "--isolated",
            "--disable-pip-version-check",
            "--no-cache-dir",
            "install",
            "--quiet",
            "--no-index",
            "--find-links",
            layout.wheels,
            "--require-hashes",
            "--no-deps",
            "--only-binary=:all:",
            "--ignore-installed",
            "--root-user-action=ignore",
            "-r",
            folder / "requirements.lock",
        ]
        must(argv, "installing", {**layout.variables(), "PIP_CONFIG_FILE": os.devnull})


def _compile(session: Session, folder: Path) -> None:
    """The kernels, and what the settings want to hear."""
    wire, layout, own = session.wire, session.layout, folder / "venv/bin/python"
    with wire.step("compiling the kernels, so that no start has to"):
        # Not from a cache of this user's: the service may be another one, and must find them in the release.
        apart = {name: value for name, value in layout.variables().items() if name != "CACHE_DIRECTORY"}
        must([own, "-I", "-c", COMPILE], "compiling the kernels", {**apart, "XDG_CACHE_HOME": str(folder / "none")})
    if DEMO in (folder / "ward.yaml").read_text():
        with wire.step("making a long demonstration recording"):
            must([own, "-I", "-c", REPEAT, folder / DEMO], "writing the demonstration", layout.variables())
