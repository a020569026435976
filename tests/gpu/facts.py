"""What a latency was measured on: without the power mode and the clocks, a figure of a Jetson says nothing."""

from __future__ import annotations

import platform
import subprocess
from contextlib import suppress
from dataclasses import asdict
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from edge import __version__
from edge.model.backends.tensorrt import Device
from edge.model.runtime import cpu_name

QUESTIONS = {
    "power_mode": ["nvpmodel", "-q"],
    "clocks_smi": ["nvidia-smi", "--query-gpu=clocks.sm,clocks.mem,power.draw,power.limit", "--format=csv"],
}
FILES = {
    "l4t": "/etc/nv_tegra_release",
    "board": "/proc/device-tree/model",
    "governor": "/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor",
    "cpu_khz": "/sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq",
}
CLOCKS = ("clocks_smi", "cpu_khz", "devfreq_hz")  # what changes under load
GPU_CLOCKS = "/sys/class/devfreq"  # each GPU of a Jetson has a folder with cur_freq and max_freq, Hz


def device_facts(device: Device) -> dict[str, Any]:
    """Everything about the machine that a reader of a latency asks for; what cannot be had is left out."""
    facts: dict[str, Any] = {
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "laennec": __version__,
        "gpu": asdict(device.gpu),
        "tensorrt": device.trt.__version__,
        "python": platform.python_version(),
        "kernel": platform.release(),
        "cpu": cpu_name(),
    }
    for name, command in QUESTIONS.items():
        with suppress(OSError, subprocess.TimeoutExpired):
            done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
            facts[name] = (done.stdout + done.stderr).split("\n")[:12]
    for name, path in FILES.items():
        with suppress(OSError):
            facts[name] = Path(path).read_text(errors="replace").strip("\0\n")
    facts["devfreq_hz"] = {}
    for folder in sorted(Path(GPU_CLOCKS).glob("*")):
        with suppress(OSError):
            read = [(folder / name).read_text().strip() for name in ("cur_freq", "max_freq")]
            facts["devfreq_hz"][folder.name] = read
    return facts
