"""What `laennec optimize` measured on this machine, stored on its disk, and which variant of a model it speaks for.

Pure but for the one file. Not for measuring (`edge.artefact.tune`) and not for opening models
(`edge.artefact.runtime`). A record is good for one artefact on one machine with one set of runtimes; after any upgrade
there is none until it is measured again.
"""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from edge.artefact.disk_cache import CACHE

ENDING = ".tuning"
MAX_RECORDS = 8  # a few models on a few versions of their runtimes
BATCHES = (1, 8, 32)
WORTH = 0.9  # of the time of fp32 at batch 1: measurements of one machine differ by a tenth, and fp32 is exact


@dataclass(frozen=True, slots=True)
class Place:
    """What a measurement is good for."""

    model_sha256: str
    """Of the fp32 artefact."""
    onnxruntime: str
    tensorrt: str
    """Version, empty without."""
    gpu: str
    """Name and compute capability, empty without."""
    cpu: str

    def file_name(self) -> str:
        """Name of the file with its record."""
        return hashlib.sha256(repr(asdict(self)).encode()).hexdigest()[:32] + ENDING


@dataclass(frozen=True, slots=True)
class Row:
    """One variant on this machine."""

    variant: str
    runtime: str
    """onnxruntime or tensorrt."""
    build_s: float
    """Until it was ready; an engine that was stored is loaded, not built."""
    latency_ms: tuple[float, ...]
    """Median time of one batch of each of `BATCHES`, milliseconds; empty where it failed."""
    cosine: float
    """Of all outputs with those of fp32 on onnxruntime."""
    top1: float
    """Share of windows and score frames whose highest output is the same as of fp32."""
    passes: bool
    """Whether it may be used."""
    note: str = ""
    """Why not, or how it ran."""


def choose(rows: Sequence[Row], runtimes: Collection[str]) -> Row | None:
    """The variant to use: the fastest at batch 1 that passes, and fp32 unless another is clearly faster.

    Args:
        rows: what was measured.
        runtimes: those that may be used.
    """
    able = [row for row in rows if row.passes and row.runtime in runtimes]
    best = min(able, key=lambda row: row.latency_ms[0], default=None)
    exact = next((row for row in able if row.variant == "fp32"), None)
    if best is None or exact is None:
        return best
    return best if best.latency_ms[0] <= WORTH * exact.latency_ms[0] else exact


def write_rows(place: Place, rows: Sequence[Row]) -> Path | None:
    """Store a measurement; the file, or None where nothing can be written."""
    return CACHE.write(place.file_name(), json.dumps([asdict(row) for row in rows]).encode(), MAX_RECORDS)


def read_rows(place: Place) -> list[Row] | None:
    """The measurement of this place, if there is one."""
    content = CACHE.read(place.file_name())
    try:
        told = [] if content is None else json.loads(content)
        rows = [Row(**{**row, "latency_ms": tuple(row["latency_ms"])}) for row in told]
    except (ValueError, TypeError, KeyError):  # of another version of this module
        return None
    return rows or None


def cpu_name() -> str:
    """This machine's processor, as well as the system tells."""
    try:
        lines = Path("/proc/cpuinfo").read_text(errors="replace").splitlines()
    except OSError:
        return platform.machine()
    named = {line for line in lines if line.startswith(("model name", "CPU implementer", "CPU part"))}
    return " ".join([platform.machine(), *(line.partition(":")[2].strip() for line in sorted(named))])
