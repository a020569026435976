"""The box: clock, memory, heat, power. Read from the kernel; what it does not report is left out, not guessed.

Not for what depends on the program or the model. On boards that are no Jetson, `nvpmodel` is not there.
Source: the kernel's Documentation/ABI/testing/sysfs-class-thermal and Documentation/filesystems/proc.rst.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from contextlib import suppress
from pathlib import Path

from edge.doctor import Check, ok, warn
from edge.node.clock import FIRST_PLAUSIBLE_S, is_synchronised

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
