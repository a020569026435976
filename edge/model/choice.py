"""What `laennec optimize` measured on this machine, saved on its disk, and which variant of a model follows from it.

Pure but for the one file. Not for measuring (`edge.model.benchmark`) and not for opening models
(`edge.model.runtime`). Measurements hold for one artefact on one machine with one set of runtimes; after any upgrade
there are none until they are made again.
"""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from edge.model.backends.engine import CACHE

SUFFIX = ".tuning"
MAX_FILES = 8  # a few models on a few versions of their runtimes
MAX_TIME_SHARE = 0.9  # of the time of fp32: measurements of one machine differ by a tenth, and fp32 is exact


@dataclass(frozen=True, slots=True)
class MachineKey:
    """The model, runtimes and hardware that measurements hold for."""

    model_sha256: str
    """Of the fp32 artefact."""
    onnxruntime: str
    """Version."""
    tensorrt: str
    """Version, empty without."""
    gpu: str
    """Name and compute capability, empty without."""
    cpu: str
    """See `cpu_name`."""

    def file_name(self) -> str:
        """Name of the file with its measurements."""
        return hashlib.sha256(repr(asdict(self)).encode()).hexdigest()[:32] + SUFFIX


@dataclass(frozen=True, slots=True)
class Measurement:
    """What `laennec optimize` measured of one variant on one machine."""

    variant: str
    runtime: str
    """onnxruntime or tensorrt."""
    build_s: float
    """Until it was ready, seconds; an engine that is in the cache is loaded, not built."""
    latency_ms: float
    """Median time of one chunk of one stream, milliseconds; 0 where it failed."""
    cosine: float
    """Cosine of the angle between its outputs and those of fp32 on onnxruntime, of the output where it is smallest."""
    top1: float
    """Share of chunks and score frames whose highest output is the same as of fp32."""
    passes: bool
    """Whether it is close enough to fp32 to be used."""
    note: str = ""
    """Why not, or how it ran."""


def choose(measured: Sequence[Measurement], runtimes: Collection[str]) -> Measurement | None:
    """The variant to use: the fastest that passes, and fp32 unless another is clearly faster.

    Args:
        measured: all variants of one model.
        runtimes: those that may be used.
    """
    usable = [one for one in measured if one.passes and one.runtime in runtimes]
    best = min(usable, key=lambda one: one.latency_ms, default=None)
    exact = next((one for one in usable if one.variant == "fp32"), None)
    if best is None or exact is None:
        return best
    return best if best.latency_ms <= MAX_TIME_SHARE * exact.latency_ms else exact


def save_measurements(key: MachineKey, measured: Sequence[Measurement]) -> Path | None:
    """Save measurements for the next start; None where nothing can be written."""
    return CACHE.write(key.file_name(), json.dumps([asdict(one) for one in measured]).encode(), MAX_FILES)


def read_measurements(key: MachineKey) -> list[Measurement] | None:
    """The measurements that were saved for this model, runtimes and hardware; None if there are none."""
    content = CACHE.read(key.file_name())
    try:
        records = [] if content is None else json.loads(content)
        measured = [Measurement(**{**record, "latency_ms": float(record["latency_ms"])}) for record in records]
    except (ValueError, TypeError, KeyError):  # of another version of this module
        return None
    return measured or None


def forget_measurements(key: MachineKey) -> bool:
    """Remove what was saved; false if there was nothing.

    Raises:
        ConfigError: the file cannot be removed.
    """
    return CACHE.remove(key.file_name())


def cpu_name() -> str:
    """This machine's processor, as /proc/cpuinfo names it; elsewhere its architecture alone."""
    try:
        lines = Path("/proc/cpuinfo").read_text(errors="replace").splitlines()
    except OSError:
        return platform.machine()
    named = {line for line in lines if line.startswith(("model name", "CPU implementer", "CPU part"))}
    return " ".join([platform.machine(), *(line.partition(":")[2].strip() for line in sorted(named))])
