"""How long the artefacts take on this machine, and which of them the edge would choose here: measured, not assumed.

One thread, as the edge runs them. They take turns, so that all meet the same disturbances; the best is what the machine
can do, the median what it did. What a device decides for itself is `laennec optimize`, by the same rule
(`edge.model.choice`).
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from edge.model.backends import Backend
from edge.model.choice import MAX_TIME_SHARE, Measurement, choose
from export.streams import Inputs

BATCHES = (1, 8, 32)  # streams side by side; the edge has one at a time
ROUNDS = (100, 40, 15)  # for each of BATCHES
RUNTIME = "onnxruntime"


@dataclass(frozen=True, slots=True)
class Latency:
    """Time of one step of each of `BATCHES` streams, milliseconds."""

    best_ms: tuple[float, ...]
    median_ms: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Candidate:
    """One artefact among those to choose from."""

    runtime: str
    passes: bool
    latency: Latency


def latencies(backends: Mapping[str, Backend], inputs: Inputs) -> dict[str, Latency]:
    """Time of a step of each size, milliseconds; `inputs` are repeated."""
    times: dict[str, list[list[float]]] = {name: [] for name in backends}
    for batch, rounds in zip(BATCHES, ROUNDS, strict=True):
        given = [np.resize(part, (batch, *part.shape[1:])) for part in inputs]
        for name in backends:
            times[name].append([])
        for turn in range(-1, rounds):  # the first warms up
            for name, backend in backends.items():
                begin_s = time.perf_counter()
                backend.run(*given)
                if turn >= 0:
                    times[name][-1].append(1000 * (time.perf_counter() - begin_s))
    return {
        name: Latency(*(tuple(round(pick(each), 3) for each in sizes) for pick in (min, statistics.median)))
        for name, sizes in times.items()
    }


def chosen(candidates: Mapping[str, Candidate]) -> tuple[str, str]:
    """Name of the artefact that the edge would use on this machine without a GPU, and why."""
    measured = [
        Measurement(name, one.runtime, 0.0, one.latency.best_ms[0], 1.0, 1.0, one.passes)
        for name, one in candidates.items()
    ]
    best = choose(measured, {RUNTIME})
    if best is None:
        return "none", "no artefact for onnxruntime passes"
    exact = next(r for r in measured if r.variant == "fp32").latency_ms
    others = [r for r in measured if r.runtime == RUNTIME and r.passes and r.variant != "fp32"]
    times = ", ".join(f"{r.variant} {r.latency_ms:.2f} ms" for r in others) or "no other passes"
    rule = f"another is used when it takes at most {MAX_TIME_SHARE:.0%} of the time of fp32, which is exact"
    return best.variant, f"at batch 1, as streams are scored: fp32 {exact:.2f} ms, {times}; {rule}"
