"""What a box is: processor, system, Jetson release, interpreters, room, clock.

Not for judging it (`deploy.devices`). Reads files and asks interpreters; changes nothing.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from deploy.box.child import call
from deploy.box.layout import BoxLayout, Refusal
from deploy.box.signed import known_keys
from deploy.box.wire import at_work

PYTHONS = ("python3", "python3.14", "python3.13", "python3.12", "python3.11", "python3.10")
SYSTEMS = (
    "/usr/bin:/usr/local/bin:"  # before a user's own: the service may not enter a home, and JetPack is built for it
)
OLDEST_PYTHON = (3, 10)
ASK_PYTHON = """
import importlib.metadata as m, importlib.util as u, json, sys
def version(name):
    try: return m.version(name)
    except m.PackageNotFoundError: return ""
print(json.dumps({"path": sys.executable, "version": "%d.%d.%d" % sys.version_info[:3], "tensorrt": version("tensorrt"),
                  "has_pyaudio": u.find_spec("pyaudio") is not None, "has_venv": u.find_spec("venv") is not None}))
"""


@dataclass(frozen=True)
class Python:
    """One Python interpreter of the box, and what it has."""

    path: str
    version: str
    tensorrt: str
    """Version of its TensorRT module; empty: none."""
    has_pyaudio: bool
    has_venv: bool


@dataclass(frozen=True)
class Facts:
    """What `make deploy` must know of a box before it builds for it."""

    machine: str
    """As uname tells it: x86_64, aarch64, armv7l."""
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
        system: root of the files that tell; another one for tests.
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
    there = next(each for each in [layout.base, *layout.base.parents] if each.exists())
    return shutil.disk_usage(there).free // 1_000_000


def _pythons() -> tuple[Python, ...]:
    """The interpreters that could carry a release."""
    found: dict[str, Python] = {}
    for name in PYTHONS:
        path = shutil.which(name, path=SYSTEMS + os.environ.get("PATH", ""))
        if path is None:
            continue
        with suppress(OSError, ValueError, subprocess.SubprocessError):
            asked = subprocess.run(
                [path, "-I", "-c", ASK_PYTHON], capture_output=True, text=True, timeout=20, check=True
            )
            each = Python(**json.loads(asked.stdout))
            if tuple(int(part) for part in each.version.split(".")) >= OLDEST_PYTHON:
                found.setdefault(os.path.realpath(each.path), each)
    return tuple(found.values())
