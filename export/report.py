"""The report of an export: a record in the folder of the artefacts that CI reads, and a table for the terminal.

`NAME.report.json` holds the hash of each artefact, so a file and its report cannot be mixed up unnoticed. It names no
path and no person. Of all that it says, the times alone are measured here, on the machine that it names by its
processor: one thread, as the edge runs them. The artefacts take turns, so that all meet the same disturbances; the best
is what the machine can do, the median what it did. How many beds each sustains on a box, `laennec bench` says there.
"""

from __future__ import annotations

import json
import statistics
import textwrap
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from edge.model.backends import Backend
from export.acceptance import BOUNDS, ArtefactResult
from export.streams import Inputs

BATCHES = (1, 8, 32)  # streams side by side; the edge has one at a time
ROUNDS = (100, 40, 15)  # for each of BATCHES
SCHEMA = "laennec.export/1"
CLASSES_OF_NODES = {
    "weighted": ("Conv", "Gemm"),
    "Q/DQ": ("QuantizeLinear", "DequantizeLinear"),
    "cast": ("Cast",),
    "non-linear": ("Relu", "Sigmoid", "Softmax", "LogSoftmax", "Clip"),
    "arithmetic": ("Add", "Sub", "Mul", "Div", "Sqrt", "Max", "MatMul"),
    "reduce": ("ReduceSum", "ReduceMean", "ReduceMax", "ReduceMin"),
}
EXPLAINED = (
    "top-1: frames whose highest score is of the same class; decisions: frames and groups of sounds where the same "
    "event, or none, would open; opened: the same where either would open one."
)
MOVED = "moved"  # every other node: reshapes, slices, concatenations


@dataclass(frozen=True, slots=True)
class Latency:
    """Time of one step of each of `BATCHES` streams, milliseconds."""

    best_ms: tuple[float, ...]
    median_ms: tuple[float, ...]


def latencies(backends: Mapping[str, Backend], inputs: Inputs) -> dict[str, Latency]:
    """Time of a step of each size, milliseconds; `inputs` are repeated."""
    times: dict[str, list[list[float]]] = {name: [] for name in backends}
    for batch, rounds in zip(BATCHES, ROUNDS, strict=True):
        repeated = [np.resize(part, (batch, *part.shape[1:])) for part in inputs]
        for name in backends:
            times[name].append([])
        for turn in range(-1, rounds):  # the first warms up
            for name, backend in backends.items():
                begin_s = time.perf_counter()
                backend.run(*repeated)
                if turn >= 0:
                    times[name][-1].append(1000 * (time.perf_counter() - begin_s))
    return {
        name: Latency(*(tuple(round(pick(each), 3) for each in sizes) for pick in (min, statistics.median)))
        for name, sizes in times.items()
    }


@dataclass(frozen=True, slots=True)
class Report:
    """What one export made and measured."""

    card: str
    """Id of the model."""
    checkpoint: str
    """SHA-256 of the weights."""
    recipe: str
    """SHA-256 of the recipe."""
    int8: dict[str, str]
    """How each int8 artefact was made: `ptq`, or `qat` where that did not keep the bounds."""
    calibration: dict[str, object] | None
    """Chunks, seed and hash of the sample that ranges were measured on."""
    compared_on: str
    """Kind of sounds that artefacts are compared on."""
    validation: str
    """On which patients which network was validated; or why none was."""
    versions: dict[str, str]
    processor: str
    results: tuple[ArtefactResult, ...]
    latency: dict[str, Latency]

    @property
    def failed(self) -> list[str]:
        """Every broken bound, with the variant that breaks it."""
        return [f"{one.name}: {bound}" for one in self.results for bound in one.failed]

    def to_json(self, files: Mapping[str, str]) -> str:
        """The record `NAME.report.json`.

        Args:
            files: name of the file of each variant.
        """
        artefacts = [
            {
                "file": files[one.name],
                "passes": not one.failed,
                **asdict(one),
                "latency": asdict(self.latency[one.name]),
            }
            for one in self.results
        ]
        fields: dict[str, Any] = {
            key: value for key, value in asdict(self).items() if key not in ("results", "latency")
        }
        whole = {"schema": SCHEMA, "passes": not self.failed, "bounds": BOUNDS, **fields, "artefacts": artefacts}
        return json.dumps(whole, indent=1) + "\n"

    def table(self) -> str:
        """Tables for a terminal, at most 110 columns where they are prose."""
        parts = [
            _grid(["artefact", "kB", *CLASSES_OF_NODES, MOVED], [_made(one) for one in self.results]),
            f"Distance from fp32 on {self.compared_on}; fp32 from torch. {EXPLAINED}",
            _grid(
                ["artefact", "max", "mean", "cosine", "top-1", "decisions", "opened", "clip cos", "clip top-1"],
                [_apart(one) for one in self.results],
            ),
            self.validation,
            *self._metrics(),
            f"One thread, milliseconds a chunk of so many streams, best / median; {self.processor}",
            _grid(["artefact", *(str(n) for n in BATCHES)], [self._times(one.name) for one in self.results]),
            *(f"FAILED {bound}" for bound in self.failed),
        ]
        return "\n\n".join(textwrap.fill(part, 110) if "\n" not in part else part for part in parts)

    def _metrics(self) -> Iterator[str]:
        validated = [one for one in self.results if one.metrics]
        if validated:
            rows = [
                [name, *(f"{one.metrics.get(name, 0.0):.4f}" for one in validated)] for name in validated[0].metrics
            ]
            yield _grid(["metric", *(one.name for one in validated)], rows)

    def _times(self, name: str) -> list[str]:
        latency = self.latency[name]
        pairs = zip(latency.best_ms, latency.median_ms, strict=True)
        return [name, *(f"{best:.2f} / {median:.2f}" for best, median in pairs)]


def _made(one: ArtefactResult) -> list[str]:
    counts = {name: sum(one.operations.get(kind, 0) for kind in kinds) for name, kinds in CLASSES_OF_NODES.items()}
    rest = sum(one.operations.values()) - sum(counts.values())
    return [one.name, f"{one.size / 1000:.0f}", *(str(count) for count in (*counts.values(), rest))]


def _apart(one: ArtefactResult) -> list[str]:
    if one.distance is None:
        return [one.name, f"{one.torch or 0.0:.1e}", *["-"] * 7]
    d = one.distance
    shares = (d.top1, d.decisions, d.decisions_on_sound, d.clip_cosine, d.clip_top1)
    return [one.name, f"{d.largest:.4f}", f"{d.mean:.5f}", f"{d.cosine:.5f}", *(f"{share:.5f}" for share in shares)]


def _grid(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Columns as wide as they must be; the first to the left, numbers to the right."""
    lines = [heads, *rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(heads))]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if i == 0 else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(line, widths, strict=True))
        )
        for line in lines
    )
