"""How large an artefact is, and how long one chunk takes: onnxruntime, one thread, this machine, now.

The network alone: front-end and tracker are measured by `make bench`. On a busy machine the fastest of the runs says
more than their median; both are given.
"""

from __future__ import annotations

import json
import os
import platform
import re
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edge.errors import ConfigError

os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # before the import: it reports to nobody
import onnxruntime as ort

WARM_UP = 5
RUNS = 60
_FAMILIES = ("EPYC", "Xeon", "Ryzen", "Threadripper", "Graviton", "Neoverse", "Cortex", "Core")


@dataclass(frozen=True, slots=True)
class Timed:
    """What one artefact took on this machine."""

    name: str
    size_bytes: int
    weights: int | None
    """As its card says."""
    chunk_s: float
    """Seconds of sound in one chunk."""
    lookahead_s: float
    """Seconds of sound after what is decided."""
    median_ms: float
    fastest_ms: float
    where: str
    """Kind of processor and runtime."""


def time_artefact(path: Path) -> Timed:
    """Run random chunks through the graph.

    Raises:
        ConfigError: if it is no artefact of this project.
    """
    try:
        content = path.read_bytes()
        options = ort.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 4  # what is wrong with it is said below
        session = ort.InferenceSession(content, options, providers=["CPUExecutionProvider"])
        known = session.get_modelmeta().custom_metadata_map
        features, chunk, card = (json.loads(known[f"laennec.{key}"]) for key in ("features", "chunk", "card"))
        given = {i.name: np.zeros((1, *i.shape[1:]), np.float32) for i in session.get_inputs()}
        frame_s = features["hop_samples"] / features["rate_hz"]
        seconds = (chunk["chunk_frames"] * frame_s, chunk["lookahead_frames"] * frame_s)
    except OSError as error:
        raise ConfigError(f"{path}: expected an artefact (.onnx) ({error.strerror})") from None
    except Exception as error:  # onnxruntime raises a dozen private types
        raise ConfigError(f"{path}: not an artefact of this project ({' '.join(str(error).split())[:120]})") from None
    given["frames"] = np.asarray(np.random.default_rng(0).normal(size=given["frames"].shape), np.float32)
    given["valid"] += 1
    taken_ms = []
    for _ in range(WARM_UP + RUNS):
        begun = time.perf_counter()
        given["state"] = session.run(["next_state"], given)[0]
        taken_ms.append(1000 * (time.perf_counter() - begun))
    median_ms, fastest_ms = float(np.median(taken_ms[WARM_UP:])), min(taken_ms[WARM_UP:])
    where = f"one core of {processor()}, onnxruntime {ort.__version__}"
    name, weights = str(card.get("id", path.stem)), card.get("parameters")
    return Timed(name, len(content), weights, *seconds, median_ms, fastest_ms, where)


def processor(cpuinfo: str | None = None) -> str:
    """Family of the processor; never its serial, nor the machine's name.

    Args:
        cpuinfo: text to read instead of the machine's own.
    """
    if cpuinfo is None:
        path = Path("/proc/cpuinfo")
        cpuinfo = path.read_text() if path.exists() else platform.processor()
    found = next((name for name in _FAMILIES if re.search(rf"\b{name}\b", cpuinfo)), None)
    if found is None:
        return f"a processor of the kind {platform.machine()}"
    return f"{'an' if found[0] in 'AEIOU' else 'a'} {found}"
