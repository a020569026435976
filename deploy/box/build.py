"""Make a release on the box, out of files that came or of another release, and let it judge the box before a switch.

Other settings alone are a release that shares its environment with another, judged as any release is: `make rollback`
goes back to the settings before. Not for switching to it (`switch`). Nothing outside its own folder and the store of
files changes here, so a release that fails is simply removed.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from deploy.box.examine import DOCTOR, EXAMINED, complete, examine, named_as_given, read_settings, write_settings
from deploy.box.layout import (
    BOARD,
    CHUNK,
    LISTING,
    RETAINED_RELEASES,
    BoxLayout,
    Part,
    Refusal,
    Release,
    call,
    digest_of,
    discard,
    listed,
    must,
    read_record,
    sync_disk,
)
from deploy.box.session import Session, watch_workstation
from deploy.box.signed import check_signed
from deploy.box.switch import repair, switch

COMPILED = 0.25  # of the size of its files is what Python, Numba and the demonstration add (measured: .17, x86-64)
COMPILE = "from edge.detector.warm import warm_up; warm_up()"
OF_ITS_OWN = ("venv", "ward.yaml", EXAMINED, "release.json")  # what a release does not share with another
DEMO = "demo.flac"
# The bundled minute again and again for an hour: a service that comes to the end of its files ends.
REPEAT = """
import sys, pathlib, edge, soundfile
sound, rate = soundfile.read(pathlib.Path(edge.__file__).parent / "sources/demo.flac", dtype="int16")
with soundfile.SoundFile(sys.argv[1], "w", rate, 1) as longer:
    for _ in range(3600 * rate // len(sound)):
        longer.write(sound)
"""
# As pip writes one: the shell finds the box's Python, however long its path is, and Python takes that line for a text.
LAUNCH = """#!/bin/sh
'''exec' "{python}" "$0" "$@"
' '''
import sys
from edge.__main__ import main
sys.exit(main())
"""


def install(session: Session, request: dict[str, Any], stdin: BinaryIO) -> dict[str, Any]:
    """Everything from files to a release that runs and is healthy, or the state before.

    Args:
        session: whose.
        request: `version`, `python`, `files`, `system_site`, `hold_s`, `is_forced`, `keeps_board`, `keep` and
            `signed`, as `deploy.commands` sends them.
        stdin: where the bytes of what `files` lists come from.

    Returns:
        What `switch` remarks; `is_new`: whether anything was done.

    Raises:
        Refusal: with what the box runs as before.
    """
    layout, wire, parts = session.layout, session.wire, listed(request["files"][LISTING])
    check_signed(layout, request)
    clear_up(session)
    if not request.get("is_forced") and _runs_already(session, request):
        return {**session.outcome(session.service.health()), "is_new": False}
    check_room(layout, parts)
    with wire.step("copying") as remarks:
        new = receive(session, parts, stdin)
        remarks.append(f"{len(new)} of {len(parts)} files were new, {_size(new) / 1e6:.1f} MB")
    watch_workstation(session, stdin)
    name = layout.next_name(request["version"])
    made = Release(name, time.time(), request["python"], after=layout.running())
    with _whole_or_gone(layout, name):
        _build(session, request, parts, layout.releases / name)
        with named_as_given(session, request["files"], name):
            read_settings(session, layout.releases / name)
            _compile(session, layout.releases / name)
            examine(session, layout.releases / name)
        complete(session, request["files"], made)
    return _switch(session, request, name)


def configure(session: Session, request: dict[str, Any], stdin: BinaryIO) -> dict[str, Any]:
    """Change the settings alone, or leave everything as it was.

    Args:
        session: whose.
        request: `files` with ward.yaml, `hold_s`, `keep`.
        stdin: open as long as the workstation is there.

    Returns:
        What `switch` remarks; `is_new`: whether anything was done.

    Raises:
        Refusal: with what the box runs as before.
    """
    layout, files = session.layout, request["files"]
    clear_up(session)
    watch_workstation(session, stdin)
    running, health = layout.running(), session.service.health()
    made = read_record(layout.current / "release.json", Release)
    if made is None:
        raise Refusal("expected a release whose settings could be changed, found none; run make deploy")
    if (
        layout.config.exists()
        and layout.config.read_text() == files["ward.yaml"]
        and health.is_current
        and health.is_healthy
    ):
        return {**session.outcome(health), "is_new": False}
    name = layout.next_name(running[5:])
    with _whole_or_gone(layout, name):
        _share(layout, running, name)
        write_settings(layout, layout.releases / name, files["ward.yaml"])
        with named_as_given(session, files, name):
            read_settings(session, layout.releases / name)
            examine(session, layout.releases / name, (DOCTOR,))
        complete(session, files, Release(name, time.time(), made.python, after=running))
    return _switch(session, request, name)


def clear_up(session: Session) -> None:
    """Mend what a deployment left that was cut off, and report it."""
    with session.wire.step("clearing up what an earlier deployment left") as remarks:
        remarks += repair(session)


@contextmanager
def _whole_or_gone(layout: BoxLayout, name: str) -> Iterator[None]:
    """Remove a release that is refused before it is complete."""
    try:
        yield
    except (Refusal, OSError):
        discard(layout, name)
        raise


def _switch(session: Session, request: dict[str, Any], name: str) -> dict[str, Any]:
    """Switch to a release that has never run."""
    keep = request.get("keep") or RETAINED_RELEASES
    return {**switch(session, name, request["hold_s"], is_untried=True, keep=keep), "is_new": True}


def _share(layout: BoxLayout, old: str, new: str) -> None:
    """A release with the files and the environment of another one; nobody writes into either, they are replaced."""
    folder = layout.releases / new
    folder.mkdir(parents=True)
    (folder / "venv").symlink_to(f"../{layout.software(old)}/venv")
    for path in (layout.releases / old).iterdir():
        if path.name not in OF_ITS_OWN and path.is_file():
            os.link(path, folder / path.name)


def _runs_already(session: Session, request: dict[str, Any]) -> bool:
    """Whether the current release is what would be made, and is healthy."""
    health, folder = session.service.health(), session.layout.current
    made = read_record(folder / "release.json", Release)
    if made is None or made.python != request["python"]:
        return False
    sees_system = "include-system-site-packages = true" in (folder / "venv/pyvenv.cfg").read_text()
    has_files = all(
        (folder / name).is_file() and (folder / name).read_bytes() == text.encode()
        for name, text in request["files"].items()  # with the hashes of all others, and the settings if any are given
    )
    has_board = session.layout.board.exists() == (BOARD in request["files"] or bool(request.get("keeps_board")))
    is_healthy = health.is_current and health.is_healthy
    return is_healthy and has_files and has_board and sees_system == request["system_site"]


def _size(parts: Sequence[Part]) -> int:
    return sum(part.size for part in parts)


def check_room(layout: BoxLayout, parts: Sequence[Part]) -> None:
    """Raises Refusal if the disk cannot hold another release."""
    lacking = {part.sha256: part for part in parts if not (layout.files / part.sha256).exists()}
    need_mb = int(_size([*lacking.values()]) + COMPILED * _size(parts)) // 1_000_000 + 1
    free_mb = shutil.disk_usage(layout.base).free // 1_000_000
    if free_mb < need_mb:
        raise Refusal(f"expected {need_mb} MB free for {layout.base}, found {free_mb} MB; free some room on the box")


def receive(session: Session, parts: Sequence[Part], stdin: BinaryIO) -> list[Part]:
    """Fill the store with what it lacks; a file that came whole once is not sent again.

    Returns:
        What came.
    """
    store = session.layout.files
    store.mkdir(parents=True, exist_ok=True)
    wanted = {part.sha256: part for part in parts}
    lacking = [part for part in wanted.values() if not _is_there(store / part.sha256, part)]
    session.wire.send(want=[part.sha256 for part in lacking])
    for part in lacking:
        _receive_one(store / part.sha256, part, stdin)
    sync_disk(store)  # at once: one by one would take a card minutes; what a power cut spoils is found by its hash
    return lacking


def _is_there(path: Path, wanted: Part) -> bool:
    return path.is_file() and path.stat().st_size == wanted.size and digest_of(path) == wanted.sha256


def _receive_one(path: Path, part: Part, stdin: BinaryIO) -> None:
    partial, digest, left = path.with_name("incoming.part"), hashlib.sha256(), part.size
    with open(partial, "wb") as file:
        while left:
            chunk = stdin.read(min(left, CHUNK))
            if not chunk:
                raise Refusal(f"the workstation went away while {part.name} was being copied; deploy again")
            digest.update(chunk)
            left -= file.write(chunk)
    if digest.hexdigest() != part.sha256:
        raise Refusal(f"{part.name} arrived damaged (SHA-256 {digest.hexdigest()[:12]}...); deploy again")
    os.replace(partial, path)


def _build(session: Session, request: dict[str, Any], parts: Sequence[Part], folder: Path) -> None:
    """An environment with everything in it."""
    wire, layout, python, venv = session.wire, session.layout, request["python"], folder / "venv"
    folder.mkdir(parents=True)
    for name, text in request["files"].items():
        if name != "ward.yaml":
            (folder / name).write_text(text)
    if request.get("keeps_board") and BOARD not in request["files"]:
        (folder / BOARD).write_bytes(layout.board.read_bytes())
    write_settings(layout, folder, request["files"].get("ward.yaml"))
    with wire.step(f"making a virtual environment of {python}"):
        extra = ["--system-site-packages"] if request["system_site"] else []
        argv = [python, "-I", "-m", "venv", "--without-pip", *extra, venv]
        must(argv, "making a virtual environment", layout.variables())
    with wire.step("putting its files in place"):
        site = next(venv.glob("lib/python3*/site-packages"))
        for parent in {(site / part.name).parent for part in parts}:
            parent.mkdir(parents=True, exist_ok=True)
        for part in parts:
            os.link(layout.files / part.sha256, site / part.name)
        _link_compiled(layout, site)
        (venv / "bin/laennec").write_text(LAUNCH.format(python=venv / "bin/python"))
        (venv / "bin/laennec").chmod(0o755)


def _link_compiled(layout: BoxLayout, site: Path) -> None:
    """What Python compiled for the release that runs is right for the same files here: no minutes of it again."""
    for old in layout.current.glob(f"venv/lib/{site.parent.name}/site-packages"):
        for compiled in old.rglob("__pycache__/*.pyc"):
            source = compiled.parents[1] / f"{compiled.name.partition('.')[0]}.py"
            own = site / source.relative_to(old)
            if own.exists() and own.samefile(source):
                (own.parent / "__pycache__").mkdir(exist_ok=True)
                os.link(compiled, own.parent / "__pycache__" / compiled.name)


def _compile(session: Session, folder: Path) -> None:
    """The kernels, and what the settings score."""
    wire, layout, own = session.wire, session.layout, folder / "venv/bin/python"
    with wire.step("compiling, so that no start has to"):
        # Not from a cache of this user's: the service may be another one, and must find them in the release.
        apart = {name: value for name, value in layout.variables().items() if name != "CACHE_DIRECTORY"}
        call([own, "-I", "-m", "compileall", "-q", *(folder / "venv").glob("lib/python3*/site-packages")])
        must([own, "-I", "-c", COMPILE], "compiling the kernels", {**apart, "XDG_CACHE_HOME": str(folder / "none")})
    if DEMO in (folder / "ward.yaml").read_text():
        with wire.step("making a long demonstration recording"):
            must([own, "-I", "-c", REPEAT, folder / DEMO], "writing the demonstration", layout.variables())
