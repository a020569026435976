"""What a box is, and what a release thinks of it and of its settings before anything is switched.

Not for judging the box (`deploy.devices`) or the service once it runs (`switch`), nor for making the release (`build`).
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from deploy.box.layout import (
    BOARD,
    BoxLayout,
    Refusal,
    Release,
    call,
    must,
    sync_disk,
    sync_folder,
    write_record,
    write_whole,
)
from deploy.box.session import Session, at_work
from deploy.box.signed import known_keys

PYTHONS = ("python3", "python3.14", "python3.13", "python3.12", "python3.11", "python3.10")
SYSTEMS = (
    "/usr/bin:/usr/local/bin:"  # before a user's own: the service may not enter a home, and JetPack is built for it
)
OLDEST_PYTHON = (3, 10)
QUERY_PYTHON = """
import importlib.metadata as m, importlib.util as u, json, sys
def version(name):
    try: return m.version(name)
    except m.PackageNotFoundError: return ""
print(json.dumps({"path": sys.executable, "version": "%d.%d.%d" % sys.version_info[:3], "tensorrt": version("tensorrt"),
                  "has_pyaudio": u.find_spec("pyaudio") is not None, "has_venv": u.find_spec("venv") is not None}))
"""
EXAMINED = "examined.yaml"  # in the release: the settings as they will be, once it is current
# Before the minutes that compiling and measuring take: a mistake in the settings is reported at once.
READ_SETTINGS = """
import pathlib, sys
from edge.settings.node import load_config
from edge.errors import LaennecError
try: load_config(pathlib.Path(sys.argv[1]))
except LaennecError as error: sys.exit(f"laennec: {error}")
"""
READ_BOARD = READ_SETTINGS.replace("edge.settings.node", "edge.settings.board").replace("load_config", "load_board")
DOCTOR = ("asking the release how it finds this box (doctor)", "doctor --config")
EXAMINATION = (
    DOCTOR,
    ("letting it hear the bundled recording (self-test)", "doctor --self-test"),
)


@dataclass(frozen=True)
class Python:
    """One Python interpreter of the box, and what it has."""

    path: str
    version: str
    tensorrt: str
    """Version of its TensorRT module; empty: none."""
    has_pyaudio: bool
    has_venv: bool

    @property
    def minor(self) -> str:
        """Such as 3.10: what a wheel is made for."""
        return ".".join(self.version.split(".")[:2])


@dataclass(frozen=True)
class Facts:
    """What `make deploy` must know of a box before it builds for it."""

    machine: str
    """As uname prints it: x86_64, aarch64, armv7l."""
    system: str
    """Name of the distribution."""
    board: str
    """Model of the device tree; empty on a PC."""
    l4t: str
    """NVIDIA's Jetson Linux release, such as 36.4.3; empty elsewhere."""
    glibc: str
    """Such as 2.35; empty where the C library is another."""
    pythons: tuple[Python, ...]
    """3.10 or newer, the system's first."""
    has_systemd: bool
    may_administrate: bool
    """Root, or sudo without a password."""
    free_mb: int
    clock_s: float
    """Wall clock, seconds since 1970."""
    running: str
    """Name of the release that is current; empty: none."""
    has_config: bool
    """Whether settings are there from before."""
    busy: str = ""
    """Who deploys to this box just now, in words; empty: nobody."""
    has_trial: bool = False
    """Whether a switch has no verdict yet."""
    keys: tuple[str, ...] = ()
    """Names of the public keys that releases must be signed by; none: it takes every release."""
    has_board: bool = False
    """Whether the release that runs has a board."""


def facts(layout: BoxLayout, system: Path = Path("/")) -> Facts:
    """What this box is.

    Args:
        layout: where Laennec lies or would lie.
        system: root of the files that are read; another one for tests.
    """
    named = dict(line.partition("=")[::2] for line in _text(system / "etc/os-release").splitlines())
    libc, version = platform.libc_ver()
    return Facts(
        machine=platform.machine(),
        system=named.get("PRETTY_NAME", platform.system()).strip('"'),
        board=_text(system / "proc/device-tree/model").strip("\0\n "),
        l4t=l4t_of(_text(system / "etc/nv_tegra_release")),
        glibc=version if libc == "glibc" else "",
        pythons=_pythons(),
        has_systemd=(system / "run/systemd/system").is_dir(),
        may_administrate=os.geteuid() == 0 or call(["sudo", "-n", "true"])[0] == 0,
        free_mb=free_mb(layout),
        clock_s=time.time(),
        running=layout.running(),
        has_config=layout.config.exists() or layout.linked_config.exists(),  # its link may have been removed by hand
        busy=at_work(layout),
        has_trial=layout.trial.exists() or layout.model_trial.exists(),
        keys=_keys(layout),
        has_board=layout.board.exists(),
    )


def _keys(layout: BoxLayout) -> tuple[str, ...]:
    """Names of the keys that a release must be signed by, as far as this user can see; `install` looks again."""
    with suppress(OSError, Refusal):
        return tuple(key.path.name for key in known_keys(layout))
    return ()


def _text(path: Path) -> str:
    with suppress(OSError):
        return path.read_text(errors="replace")
    return ""


def l4t_of(text: str) -> str:
    """From `# R36 (release), REVISION: 4.3, GCID: ...` to 36.4.3; empty if it says something else."""
    words = text.replace(",", " ").split()
    if "REVISION:" not in words[:-1] or not words[1].startswith("R"):
        return ""
    return f"{words[1][1:]}.{words[words.index('REVISION:') + 1]}"


def free_mb(layout: BoxLayout) -> int:
    """Room on the disk that would hold `layout`, MB."""
    return shutil.disk_usage(layout.nearest()).free // 1_000_000


def _pythons() -> tuple[Python, ...]:
    """The interpreters that could carry a release."""
    found: dict[str, Python] = {}
    for name in PYTHONS:
        path = shutil.which(name, path=SYSTEMS + os.environ.get("PATH", ""))
        if path is None:
            continue
        with suppress(OSError, ValueError, subprocess.SubprocessError):
            answer = subprocess.run(
                [path, "-I", "-c", QUERY_PYTHON], capture_output=True, text=True, timeout=20, check=True
            )
            each = Python(**json.loads(answer.stdout))
            if tuple(int(part) for part in each.version.split(".")) >= OLDEST_PYTHON:
                found.setdefault(os.path.realpath(each.path), each)
    return tuple(found.values())


def write_settings(layout: BoxLayout, folder: Path, text: str | None) -> None:
    """Put settings into a release; None: those that are active. Who may read them stays as the operator chose."""
    like = layout.config if layout.config.exists() else None
    write_whole(folder / "ward.yaml", layout.config.read_bytes() if text is None else text.encode(), like=like)


def read_settings(session: Session, folder: Path) -> None:
    """See that the release can read them; `examine` sees what they lead to."""
    layout, config, own = session.layout, folder / EXAMINED, folder / "venv/bin/python"
    text = (folder / "ward.yaml").read_text()
    text = text.replace(f"{layout.current}/", f"{folder}/")  # as if it were current already
    write_whole(config, text.encode(), like=folder / "ward.yaml")
    with session.wire.step("reading the settings"):
        must([own, "-I", "-c", READ_SETTINGS, config], "reading the settings", layout.variables())
        if (folder / BOARD).exists():
            must([own, "-I", "-c", READ_BOARD, folder / BOARD], "reading those of the board", layout.variables())


@contextmanager
def named_as_given(session: Session, files: Mapping[str, str], name: str) -> Iterator[None]:
    """In what is refused, name the settings as the operator knows them: the examined copy goes with the release.

    Args:
        session: whose.
        files: what the workstation sent for the release.
        name: of the release.
    """
    layout = session.layout
    try:
        yield
    except Refusal as error:
        known = "CONFIG" if "ward.yaml" in files else str(layout.config)
        reason = str(error).replace(str(layout.releases / name / EXAMINED), known)
        raise Refusal(reason.replace(str(layout.releases / name / BOARD), "BOARD")) from None


def examine(session: Session, folder: Path, steps: Sequence[tuple[str, str]] = EXAMINATION) -> None:
    """Let the release say what it thinks of this box and these settings.

    Args:
        session: whose.
        folder: of the release, with its settings.
        steps: what to print, and the words of `laennec` that are run with the rights of the service.

    Raises:
        Refusal: with what it found.
    """
    layout, config, laennec = session.layout, folder / EXAMINED, folder / "venv/bin/laennec"
    for what, words in steps:
        argv = [laennec, *words.split(), *([config] if words.endswith("--config") else [])]
        with session.wire.step(what) as remarks:
            argv = session.service.command_as_service(folder, argv)
            output = must(argv, f"laennec {words}", layout.variables())
            remarks += [line.strip() for line in output.splitlines() if line.startswith("warn")]


def complete(session: Session, files: Mapping[str, str], made: Release) -> None:
    """Bring a release to disk, and say that it is whole.

    Args:
        session: whose.
        files: what the workstation sent for it.
        made: what is known of it.

    Raises:
        Refusal: the settings that it copied were changed meanwhile.
    """
    layout, folder = session.layout, session.layout.releases / made.name
    if "ward.yaml" not in files and (folder / "ward.yaml").read_bytes() != layout.config.read_bytes():
        raise Refusal(f"{layout.config} was changed while the release was being made; deploy again")
    with session.wire.step("writing it to disk"):
        sync_disk(folder)
        write_record(folder / "release.json", made)
        sync_folder(folder.parent)
