"""Which box a DEVICE is, and why this one is not it. Pure: facts in, a refusal or an interpreter out.

Not for asking the box (`deploy.box.examine`).
Source: JetPack and L4T releases as in NVIDIA's release notes; PEP 600 for what glibc means to a wheel.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

from deploy.box.examine import Facts, Python
from edge.errors import LaennecError

OLDEST_GLIBC = (2, 28)  # what the wheels of numba, onnxruntime and cryptography ask for
CLOCK_APART_S = 86_400.0  # certificates and the times of events; a box without a battery wakes in 1970
JETPACK_PYTHON = {36: "3.10", 38: "3.12", 39: "3.12"}  # L4T major release -> the Python that TensorRT is built for


class DeployError(LaennecError):
    """What was expected, what was found, and what to do; `state` says what the box runs now, as far as is known."""

    def __init__(self, message: str, state: str = "") -> None:
        super().__init__(message)
        self.state = state


@dataclass(frozen=True)
class Profile:
    """The hardware that a DEVICE of `make deploy` names."""

    name: str
    machines: tuple[str, ...]
    board: str = ""
    """Must stand in the model of the device tree."""
    is_jetson: bool = False


PROFILES = {
    "jetson": Profile("jetson", ("aarch64",), is_jetson=True),
    "rpi": Profile("rpi", ("aarch64",), board="Raspberry Pi"),
    "x86": Profile("x86", ("x86_64",)),
    "local": Profile("local", ("x86_64", "aarch64")),
}


def describe(facts: Facts) -> str:
    """Board or processor, system, Python, C library and free room of a box, in one line."""
    parts = [facts.board or facts.machine, facts.system, f"L4T {facts.l4t}" if facts.l4t else ""]
    parts += [f"Python {python.version}" for python in facts.pythons[:1]]
    parts += [f"TensorRT {python.tensorrt}" for python in facts.pythons[:1] if python.tensorrt]
    parts += [f"glibc {facts.glibc}" if facts.glibc else "no glibc", f"{facts.free_mb} MB free"]
    return ", ".join(part for part in parts if part)


def choose_python(device: str, facts: Facts, now_s: float, needs_systemd: bool) -> Python:
    """The interpreter for a release on this box.

    Args:
        device: key of `PROFILES`.
        facts: what the box said.
        now_s: wall clock of the workstation, seconds since 1970.
        needs_systemd: whether the service is to be a unit of systemd.

    Raises:
        DeployError: this is not the device that was named, or not fit to carry a release.
    """
    profile = PROFILES[device]
    _check_kind(profile, facts)
    if not facts.glibc or _numbers(facts.glibc) < OLDEST_GLIBC:
        found = f"glibc {facts.glibc}" if facts.glibc else "a C library that is not glibc"
        raise DeployError(f"expected glibc 2.28 or newer, found {found} ({facts.system}); use a newer system")
    if abs(facts.clock_s - now_s) > CLOCK_APART_S:
        raise DeployError(
            f"expected the clock of the box within a day of this one, found {date_of(facts.clock_s)} there and "
            f"{date_of(now_s)} here; set it on the box:  sudo date -u -s @{now_s:.0f}  and switch NTP on:  "
            "sudo timedatectl set-ntp true"
        )
    if needs_systemd and not facts.has_systemd:
        raise DeployError("expected systemd, found none; give ROOT=DIR to install without it, below that folder")
    if needs_systemd and not facts.may_administrate:
        raise DeployError(
            "expected root or sudo without a password, found neither; allow it for the time of the deployment, or "
            "give ROOT=DIR to install below a folder of your own, without systemd"
        )
    return _python(profile, facts)


def _check_kind(profile: Profile, facts: Facts) -> None:
    found = describe(facts)
    if facts.machine not in profile.machines:
        hint = " (a 64-bit system is needed)" if facts.machine.startswith("armv") else ""
        raise DeployError(
            f"DEVICE={profile.name}: expected {' or '.join(profile.machines)}, found {found}{hint}; "
            f"{_suggestion(facts)}"
        )
    if profile.is_jetson and not facts.l4t:
        raise DeployError(
            f"DEVICE=jetson: expected Jetson Linux (/etc/nv_tegra_release), found {found}; {_suggestion(facts)}"
        )
    if profile.board not in facts.board:
        raise DeployError(f"DEVICE={profile.name}: expected a {profile.board}, found {found}; {_suggestion(facts)}")
    major = int(facts.l4t.split(".")[0]) if facts.l4t else 0
    if profile.is_jetson and major not in JETPACK_PYTHON:
        raise DeployError(
            f"DEVICE=jetson: expected JetPack 6 or 7 (L4T {', '.join(map(str, JETPACK_PYTHON))}), found L4T {facts.l4t}"
            "; flash a newer JetPack"
        )


def _suggestion(facts: Facts) -> str:
    for name, profile in PROFILES.items():
        if facts.machine in profile.machines and profile.board in facts.board and profile.is_jetson == bool(facts.l4t):
            return f"this looks like DEVICE={name}"
    return "no DEVICE fits this box"


def _python(profile: Profile, facts: Facts) -> Python:
    wanted = JETPACK_PYTHON.get(int(facts.l4t.split(".")[0])) if profile.is_jetson else None
    fit = [each for each in facts.pythons if each.has_venv and (wanted is None or each.minor == wanted)]
    if not fit:
        seen = ", ".join(f"{each.version} ({each.path})" for each in facts.pythons) or "none"
        raise DeployError(
            f"expected Python {wanted or '3.10 or newer'} with its module venv, found {seen}; install it on the box:  "
            "sudo apt-get install python3 python3-venv"
        )
    return fit[0]


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".") if part.isdecimal())


def date_of(seconds: float) -> str:
    """A moment for people: seconds since 1970, UTC."""
    return time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(seconds))
