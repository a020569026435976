"""Make a release on the box out of wheels, and let it judge the box before anything is switched.

Not for switching to it (`switch`). Nothing outside its own folder and the store of wheels changes here, so a release
that fails is simply removed.
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

from deploy.box.child import must
from deploy.box.durable import CHUNK, digest_of, read_record, sync_disk, sync_folder, write_record, write_whole
from deploy.box.layout import BoxLayout, Refusal, Release
from deploy.box.switch import discard, outcome, repair, switch
from deploy.box.wire import Session, watch_workstation

EXAMINED = "examined.yaml"  # in the release: the settings as they will be, once it is current
UNPACKED = 4  # an installed release takes this many times its wheels (measured: 3.5, x86-64, kernels included)
COMPILE = "from edge.features import warm_up; warm_up()"
DEMO = "demo.flac"
# Before the minutes that compiling and measuring take: a mistake in the settings is told at once.
READ_SETTINGS = """
import pathlib, sys
from edge.settings.config import load_config
from edge.errors import LaennecError
try: load_config(pathlib.Path(sys.argv[1]))
except LaennecError as error: sys.exit(f"laennec: {error}")
"""
# The bundled minute again and again for an hour: a service that comes to the end of its files ends.
REPEAT = """
import sys, pathlib, edge, soundfile
sound, rate = soundfile.read(pathlib.Path(edge.__file__).parent / "sources/demo.flac", dtype="int16")
with soundfile.SoundFile(sys.argv[1], "w", rate, 1) as longer:
    for _ in range(3600 * rate // len(sound)):
        longer.write(sound)
"""
EXAMINATION = (
    ("choosing the fastest runtime by measuring (optimize)", "optimize"),
    ("asking the new release how it finds this box (doctor)", "doctor --config"),
    ("letting it hear the bundled recording (self-test)", "doctor --self-test"),
)

Manifest = Sequence[dict[str, Any]]  # of each wheel: name, size in bytes, sha256


def install(session: Session, request: dict[str, Any], given: BinaryIO) -> dict[str, Any]:
    """Everything from wheels to a release that runs and is healthy, or the state before.

    Args:
        session: whose.
        request: `wheels`, `version`, `python`, `files`, `system_site`, `hold_s`, `is_forced`, as `deploy.__main__`
            sends them.
        given: where the bytes of wheels come from.

    Returns:
        What `switch` remarks; `is_new`: whether anything was done.

    Raises:
        Refusal: with what the box runs as before.
    """
    layout, wire, wheels = session.layout, session.wire, request["wheels"]
    with wire.step("clearing up what an earlier deployment left") as remarks:
        remarks += repair(session)
    if not request.get("is_forced") and _runs_already(session, request):
        return {**outcome(session, session.service.health()), "is_new": False}
    check_room(layout, wheels)
    with wire.step("copying") as remarks:
        new = receive(session, wheels, given)
        remarks.append(f"{len(new)} of {len(wheels)} files were new, {_size(new) / 1e6:.1f} MB")
    watch_workstation(session, given)
    numbers = [int(path.name[:4]) for path in layout.releases.glob("[0-9][0-9][0-9][0-9]-*")]
    name = f"{max(numbers, default=0) + 1:04d}-{request['version']}"
    try:
        _build(session, request, layout.releases / name)
        with _named_as_given(session, request, name):
            _read_settings(session, layout.releases / name)
            _compile(session, layout.releases / name)
            _examine(session, layout.releases / name)
        _complete(session, request, layout.releases / name)
    except (Refusal, OSError):
        discard(layout, name)
        raise
    return {**switch(session, name, request["hold_s"], is_untried=True), "is_new": True}


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
    is_well = health.is_asked and health.is_well
    return is_well and has_files and sees_system == request["system_site"]


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
    settings = request["files"].get("ward.yaml")
    for name, text in request["files"].items():
        if name != "ward.yaml":
            (folder / name).write_text(text)
    like = layout.config if layout.config.exists() else None  # who may read them stays as the operator chose
    write_whole(folder / "ward.yaml", layout.config.read_bytes() if settings is None else settings.encode(), like=like)
    with wire.step(f"making a virtual environment of {python}"):
        extra = ["--system-site-packages"] if request["system_site"] else []
        argv = [python, "-I", "-m", "venv", "--without-pip", *extra, folder / "venv"]
        must(argv, "making a virtual environment", layout.variables())
    with wire.step("installing, offline and against hashes"):
        pip = next(layout.wheels / each["name"] for each in request["wheels"] if each["name"].startswith("pip-"))
        argv = [
            own, "-I", pip / "pip", "--isolated", "--disable-pip-version-check", "--no-cache-dir", "install", "--quiet",
            "--no-index", "--find-links", layout.wheels, "--require-hashes", "--no-deps", "--only-binary=:all:",
            "--ignore-installed", "--root-user-action=ignore", "-r", folder / "requirements.lock",
        ]  # fmt: skip
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


def _read_settings(session: Session, folder: Path) -> None:
    """See that the new release can read them; `_examine` sees what they lead to."""
    layout, config = session.layout, folder / EXAMINED
    text = (folder / "ward.yaml").read_text()
    text = text.replace(f"{layout.current}/", f"{folder}/")  # as if it were current already
    write_whole(config, text.encode(), like=folder / "ward.yaml")
    argv = [folder / "venv/bin/python", "-I", "-c", READ_SETTINGS, config]
    with session.wire.step("reading the settings"):
        must(argv, "reading the settings", layout.variables())


@contextmanager
def _named_as_given(session: Session, request: dict[str, Any], name: str) -> Iterator[None]:
    """In what is refused, name the settings as the operator knows them: the examined copy goes with the release."""
    layout = session.layout
    try:
        yield
    except Refusal as error:
        known = "CONFIG" if "ward.yaml" in request["files"] else str(layout.config)
        raise Refusal(str(error).replace(str(layout.releases / name / EXAMINED), known)) from None


def _examine(session: Session, folder: Path) -> None:
    """Let the new release say what it thinks of this box and these settings."""
    layout, config, laennec = session.layout, folder / EXAMINED, folder / "venv/bin/laennec"
    for what, words in EXAMINATION:
        argv = [laennec, *words.split(), *([config] if words.endswith("--config") else [])]
        with session.wire.step(what) as remarks:
            argv = session.service.command_as_service(folder, argv)
            said = must(argv, f"laennec {words}", layout.variables())
            remarks += [line.strip() for line in said.splitlines() if line.startswith("warn")]


def _complete(session: Session, request: dict[str, Any], folder: Path) -> None:
    layout, own = session.layout, (folder / "ward.yaml").read_bytes()
    if "ward.yaml" not in request["files"] and own != layout.config.read_bytes():
        raise Refusal(f"{layout.config} was changed while the release was being made; deploy again")
    with session.wire.step("writing it to disk"):
        sync_disk(folder)
        wheels = tuple(each["name"] for each in request["wheels"])
        made = Release(folder.name, time.time(), request["python"], wheels, layout.running())
        write_record(folder / "release.json", made)
        sync_folder(folder.parent)
