"""Measure every variant of a model on this machine: is it right, and how long does it take?

Measured, not assumed: int8 does not pay on every processor, nor on every GPU. Engines are built on the way, so the
first start after this finds them. Right means within the bounds of `edge.artefact.parity` of the fp32 artefact on
onnxruntime, on the windows of the synthetic recording that comes along. Not a benchmark of the whole path
(`tests/benchmarks`) and not the choice itself (`edge.artefact.tuned`).
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge.artefact.backends import Backend
from edge.artefact.backends.tensorrt import Device, find_device
from edge.artefact.model import DEFAULT_PATH, Model
from edge.artefact.parity import drift
from edge.artefact.runtime import check_name, open_backend, place_of
from edge.artefact.seal import read_artefact
from edge.artefact.tuned import BATCHES, Row, write_rows
from edge.artefact.variants import Artefact, family
from edge.errors import ConfigError, LaennecError

ROUNDS = (40, 8, 4)  # batches of each of BATCHES that are timed; the variants take turns
Probe = tuple[NDArray[np.float32], NDArray[np.float32]]
Answers = dict[str, NDArray[np.float32]]


def tune(
    path: Path | None, runtime: str, tell: Callable[[str], None], windows_of: Callable[[Model], Probe]
) -> list[Row]:
    """Measure the variants of a model, and keep the result for the next start.

    Args:
        path: the fp32 artefact; None for the one that comes along.
        runtime: `auto` for all that run here, or one alone.
        tell: called with a line for each variant before it is opened, which may take minutes, and when something
            keeps TensorRT from being used.
        windows_of: gives the windows on which variants are compared and timed: frames (B, W, M) and valid (B, W).

    Returns:
        One row for each variant, fp32 on onnxruntime first.

    Raises:
        ConfigError: the artefact is not the fp32 one, or TensorRT was asked for and cannot be had.
        ModelError: the fp32 artefact cannot be loaded.
    """
    check_name(runtime)
    artefacts = family(path or DEFAULT_PATH)
    if artefacts[0].variant.runtime != "onnxruntime" or artefacts[0].variant.parent:
        raise ConfigError(f"{artefacts[0].path}: expected the fp32 artefact, found {artefacts[0].variant.name}")
    device = _device(runtime, tell)
    reference = open_backend(artefacts[0], None)
    probe = windows_of(Model(read_artefact(artefacts[0].path), reference))
    expected = answers(reference, probe)
    opened: list[tuple[Backend, Row]] = []
    failed: list[Row] = []
    for artefact in artefacts:
        wanted = runtime in ("auto", artefact.variant.runtime) or artefact is artefacts[0]
        if wanted and (artefact.variant.runtime == "onnxruntime" or device is not None):
            tell(f"{artefact.variant.name}: opening, building the engine if there is none")
            try:
                opened.append(_judge(artefact, device, probe, expected))
            except LaennecError as error:
                failed.append(
                    Row(artefact.variant.name, artefact.variant.runtime, 0.0, (), 0.0, 0.0, False, str(error))
                )
    times = _latencies([backend for backend, _ in opened], probe)
    rows = [_timed(row, each) for (_, row), each in zip(opened, times, strict=True)] + failed
    _keep(artefacts[0], device, rows)
    return rows


def answers(backend: Backend, probe: Probe) -> Answers:
    """Every output of a graph for all windows, in batches of the largest size."""
    frames, valid = probe
    starts = range(0, len(frames), BATCHES[-1])
    parts = [slice(start, start + BATCHES[-1]) for start in starts]
    return {
        name: np.concatenate([backend.run(frames[part], valid[part], name) for part in parts])
        for name in backend.outputs
    }


def _device(runtime: str, tell: Callable[[str], None]) -> Device | None:
    if runtime == "onnxruntime":
        return None
    try:
        return find_device()
    except ConfigError as error:
        if runtime == "tensorrt":
            raise
        tell(f"onnxruntime alone: {error}")
        return None


def _judge(artefact: Artefact, device: Device | None, probe: Probe, expected: Answers) -> tuple[Backend, Row]:
    variant, begin_s = artefact.variant, time.perf_counter()
    backend = open_backend(artefact, device if variant.runtime == "tensorrt" else None)
    build_s = time.perf_counter() - begin_s
    found = drift(expected, answers(backend, probe))
    note = backend.name if found.passes else f"too far from fp32 (largest difference {found.largest:.3f})"
    row = Row(variant.name, variant.runtime, round(build_s, 2), (), found.cosine, found.top1, found.passes, note)
    return backend, row


def _latencies(backends: list[Backend], probe: Probe) -> list[tuple[float, ...]]:
    """Median time of a batch of each size, in milliseconds; taking turns, so that all meet the same disturbances."""
    times: list[list[list[float]]] = [[[] for _ in BATCHES] for _ in backends]
    frames, valid = (np.resize(part, (BATCHES[-1], *part.shape[1:])) for part in probe)
    for size, (batch, rounds) in enumerate(zip(BATCHES, ROUNDS, strict=True)):
        for turn in range(-3, rounds):  # the first three warm up, and let a graph be captured
            for index, backend in enumerate(backends):
                begin_s = time.perf_counter()
                backend.run(frames[:batch], valid[:batch])
                if turn >= 0:
                    times[index][size].append(1000 * (time.perf_counter() - begin_s))
    return [tuple(round(statistics.median(size), 3) for size in each) for each in times]


def _timed(row: Row, latency_ms: tuple[float, ...]) -> Row:
    return Row(row.variant, row.runtime, row.build_s, latency_ms, row.cosine, row.top1, row.passes, row.note)


def _keep(fp32: Artefact, device: Device | None, rows: list[Row]) -> None:
    """For starts with and without TensorRT: each looks under what it has."""
    if device is not None:
        write_rows(place_of(fp32, device), rows)
    write_rows(place_of(fp32, None), [row for row in rows if row.runtime == "onnxruntime"])
