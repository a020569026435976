"""Checks of the box and its software: clock, memory, heat, power; Python, packages, kernels, rights.

Not for the model and its runtime (`edge.commands.doctor.model`), nor for whether a device works. Nothing is made to
find out whether a folder could be written; what the kernel does not report is left out, not guessed: on boards that are
no Jetson, `nvpmodel` is not there.
Source: the kernel's Documentation/ABI/testing/sysfs-class-thermal and Documentation/filesystems/proc.rst.
"""

from __future__ import annotations

import getpass
import grp
import os
import platform
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement

from edge import __version__
from edge.commands.doctor import Check, fail, ok, warn
from edge.node.clock import FIRST_PLAUSIBLE_S, is_synchronised


def denied(group: str, devices: Sequence[Path]) -> tuple[str, str] | None:
    """What is wrong and what to do, if devices are there but this user may open none of them; else None.

    Args:
        group: whose members may open them.
        devices: paths of those that are there.
    """
    closed = [device for device in devices if not os.access(device, os.R_OK | os.W_OK)]
    if not closed or len(closed) < len(devices):
        return None
    user = str(os.getuid())
    with suppress(KeyError, OSError):  # a container may have a user without a name
        user = getpass.getuser()
    members: list[str] = []
    with suppress(KeyError):
        members = grp.getgrnam(group).gr_mem
    again = "log in again" if user in members else f"sudo usermod -aG {group} {user}, and log in again"
    return f"{closed[0]} may not be opened by {user}", f"{again}; the service has the group {group} by its unit"


LEAST_DISK_MB = 50.0
UNWRITABLE = "run the doctor as the user of the service, or give another {}"


def existing(path: Path) -> Path:
    """The folder, or the nearest above it that is there."""
    return next(folder for folder in (path, *path.parents) if os.path.isdir(folder))


def unwritable(path: Path) -> str | None:
    """Why this user could not open or create a file or folder there; None: it could."""
    above = next(parent for parent in path.parents if os.path.exists(parent))  # Path.exists() fails without the right
    if not above.is_dir():
        return f"{path}: {above} is not a folder"
    for item in (path, above):
        if os.path.exists(item) and not os.access(item, os.W_OK):
            return f"{item}: may not be written by this user"
    return None


LEAST_PYTHON = (3, 10)
TRIED_MACHINES = ("x86_64", "aarch64")


def python() -> Check:
    """Which Python runs this, and on what."""
    machine, version = platform.machine(), platform.python_version()
    found = f"Laennec {__version__}, Python {version}, {machine}, {sys.prefix}"
    if sys.version_info < LEAST_PYTHON:
        return fail("python", found, f"install Python {'.'.join(map(str, LEAST_PYTHON))} or newer, and Laennec into it")
    if machine not in TRIED_MACHINES:
        return warn("python", found, f"only {' and '.join(TRIED_MACHINES)} were ever tried")
    return ok("python", found)


def packages() -> Check:
    """Whether every package that Laennec requires is there, in a version that it takes."""
    try:
        lines = metadata.requires("laennec") or []
    except metadata.PackageNotFoundError:
        return warn("packages", "Laennec runs from a folder that was not installed", "pip install it, or make deploy")
    wrong, right = [], []
    for needed in map(Requirement, lines):
        if needed.marker is not None and not needed.marker.evaluate({"extra": ""}):
            continue
        try:
            version = metadata.version(needed.name)
        except metadata.PackageNotFoundError:
            wrong.append(f"{needed.name} is missing")
            continue
        if needed.specifier.contains(version, prereleases=True):
            right.append(f"{needed.name} {version}")
        else:
            wrong.append(f"{needed.name} is {version}, needs {needed.specifier}")
    if wrong:
        return fail("packages", "; ".join(wrong), "deploy again, or: pip install -c constraints.txt laennec")
    return ok("packages", ", ".join(right))


def kernels() -> Check:
    """Have the kernels compiled or loaded; say where their code is cached."""
    from edge.detector.warm import warm_up
    from edge.kernels import prepared

    warm_up()
    folders = sorted({str(each.folder) for each in prepared if each.folder is not None})
    if any(each.folder is None for each in prepared):
        advice = "make NUMBA_CACHE_DIR or CACHE_DIRECTORY a folder that only this user and root may write"
        return warn("kernels", "compiled code cannot be cached: every start compiles again", advice)
    if any(each.is_new for each in prepared):
        return ok("kernels", f"compiled now, cached in {', '.join(folders)}: the next start loads the code")
    return ok("kernels", f"compiled code cached in {', '.join(folders)}")


LEAST_MEMORY_MB = 300.0  # a node of one stream has its peak at 163 MB; TensorRT needs more
HOT_C = 80.0  # below where boards begin to throttle
THERMAL = Path("/sys/class/thermal")
PI_THROTTLED = Path("/sys/devices/platform/soc/soc:firmware/get_throttled")
TIMEOUT_S = 5.0


def clock() -> Check:
    """Whether the wall clock is right: events carry it."""
    now = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime())
    if time.time() < FIRST_PLAUSIBLE_S:
        return warn("clock", f"{now}, which cannot be", "set it: timedatectl set-ntp true; the box may lack a battery")
    synchronised = is_synchronised()
    if synchronised is None:
        return ok("clock", f"{now}; whether it follows a reference cannot be asked here")
    if not synchronised:
        return warn(
            "clock", f"{now}, not synchronised", "timedatectl set-ntp true; until then events say `synced`: false"
        )
    return ok("clock", f"{now}, follows a reference")


def memory() -> list[Check]:
    """How much memory is free for a node, MB."""
    lines = Path("/proc/meminfo").read_text().splitlines() if Path("/proc/meminfo").exists() else []
    kb = {line.split(":")[0]: int(line.split()[1]) for line in lines if len(line.split()) > 1}
    if "MemAvailable" not in kb:
        return []
    free_mb, all_mb = kb["MemAvailable"] / 1024, kb["MemTotal"] / 1024
    found = f"{free_mb:.0f} of {all_mb:.0f} MB free"
    if free_mb < LEAST_MEMORY_MB:
        return [warn("memory", found, f"a node needs some {LEAST_MEMORY_MB:.0f} MB; stop other programs")]
    return [ok("memory", found)]


def temperature(zones: Path = THERMAL, throttled: Path = PI_THROTTLED) -> list[Check]:
    """How hot the box is, °C, and whether a Raspberry Pi has slowed down for heat or lack of power."""
    degrees = []
    for zone in sorted(zones.glob("thermal_zone*")):
        with suppress(OSError, ValueError):
            degrees.append((int((zone / "temp").read_text()) / 1000, (zone / "type").read_text().strip()))
    checks = []
    if degrees:
        hottest, where = max(degrees)
        found = f"{hottest:.0f} °C at the hottest sensor ({where})"
        advice = "check the fan and the air around it; a hot box computes slowly"
        checks.append(warn("temperature", found, advice) if hottest >= HOT_C else ok("temperature", found))
    with suppress(OSError, ValueError):
        bits = int(throttled.read_text().strip(), 16)
        found, advice = f"get_throttled {bits:#x}", "use the power supply made for this board, and cool it"
        checks.append(warn("throttling", found, advice) if bits else ok("throttling", "never since it was started"))
    return checks


def power() -> list[Check]:
    """The power mode of a Jetson, as nvpmodel reports it; nothing elsewhere."""
    program = shutil.which("nvpmodel", path=os.environ.get("PATH", "") + ":/usr/sbin")
    if program is None:
        return []
    try:
        output = subprocess.run([program, "-q"], capture_output=True, text=True, timeout=TIMEOUT_S, check=True).stdout
    except (OSError, subprocess.SubprocessError) as error:
        return [warn("power", f"nvpmodel -q fails: {error}", "run it by hand: sudo nvpmodel -q")]
    return [ok("power", " ".join(output.split()))]
