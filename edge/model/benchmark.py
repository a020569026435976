"""Measure every variant of a model on this machine: are its outputs right, and how long does it take?

Measured, not assumed: int8 does not pay on every processor, nor on every GPU. Engines are built on the way, so the
first start after this finds them. Right means within the bounds of `edge.model.parity` of the fp32 artefact on
onnxruntime, on the chunks that the caller gives. Not a benchmark of the whole path (`tests/benchmarks`) and not the
choice itself (`edge.model.choice`).
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge.errors import ConfigError, LaennecError
from edge.model.backends import Backend, zero_state
from edge.model.backends.cuda import NoDriverError
from edge.model.backends.tensorrt import Device, find_device
from edge.model.choice import Measurement, forget_measurements, save_measurements
from edge.model.model import DEFAULT_PATH, Model
from edge.model.onnx_file import read_artefact
from edge.model.parity import compare_outputs, score_all
from edge.model.runtime import Artefact, check_name, find_variants, machine_key, open_backend
from edge.types import Chunk

ROUNDS = 100  # chunks that are timed; the variants take turns
Outputs = dict[str, NDArray[np.float32]]
"""Every output of a graph but the state by name, (chunks, ...)."""


@dataclass(frozen=True)
class Benchmark:
    """What was measured of the variants of one model."""

    measured: list[Measurement]
    is_saved: bool
    """Whether the next start finds it; else it chooses as it did before."""


def benchmark(
    path: Path | None, runtime: str, progress: Callable[[str], None], chunks_of: Callable[[Model], Sequence[Chunk]]
) -> Benchmark:
    """Measure the variants of a model, and save the result for the next start.

    Args:
        path: the fp32 artefact; None for the bundled one.
        runtime: `auto` for all that run here, or one alone.
        progress: called with a line for each variant before it is opened, which may take minutes, and when something
            keeps TensorRT from being used.
        chunks_of: gives the chunks of a stream on which variants are compared and timed.

    Returns:
        One measurement for each variant, fp32 on onnxruntime first, and whether the next start finds them.

    Raises:
        ConfigError: the artefact is not the fp32 one, or TensorRT was asked for and cannot be had.
        ModelError: the fp32 artefact cannot be loaded.
    """
    (fp32, *others), device = usable_variants(path, runtime, progress)
    reference = open_backend(fp32, None)
    chunks = chunks_of(Model(read_artefact(fp32.path), reference))
    expected = score_all(reference, chunks)
    opened: list[tuple[Backend, Measurement]] = []
    failed: list[Measurement] = []
    for artefact in (fp32, *others):
        name = artefact.variant.name
        is_engine = artefact.variant.runtime == "tensorrt"
        progress(f"{name}: opening" + ", building the engine if there is none" * is_engine)
        try:
            opened.append(_compared(artefact, device, chunks, expected))
        except LaennecError as error:
            failed.append(Measurement(name, artefact.variant.runtime, 0.0, 0.0, 0.0, 0.0, False, str(error)))
    times = _latencies([backend for backend, _ in opened], chunks)
    measured = [replace(one, latency_ms=each) for (_, one), each in zip(opened, times, strict=True)] + failed
    return Benchmark(measured, _save(fp32, device, measured))


def forget(path: Path | None) -> int:
    """Remove what was measured of a model on this machine; the next start is as before `laennec optimize`.

    Args:
        path: the fp32 artefact; None for the bundled one.

    Returns:
        How many sets of measurements were removed: one for starts with TensorRT, one for those without.

    Raises:
        ConfigError: they cannot be removed.
        ModelError: the artefact is missing or damaged.
    """
    artefact, *_ = find_variants(path or DEFAULT_PATH)
    device = _device("auto", lambda _: None)
    devices = [None] if device is None else [device, None]
    return sum(forget_measurements(machine_key(artefact, each)) for each in devices)


def usable_variants(
    path: Path | None, runtime: str, progress: Callable[[str], None]
) -> tuple[list[Artefact], Device | None]:
    """The fp32 artefact, what runs here of its variants, and what TensorRT runs on.

    Args:
        path: the fp32 artefact; None for the bundled one.
        runtime: `auto` for all that run here, or one alone.
        progress: called with a line when something keeps TensorRT from being used.

    Raises:
        ConfigError: the artefact is not the fp32 one, or TensorRT was asked for and cannot be had.
        ModelError: the fp32 artefact cannot be read.
    """
    check_name(runtime)
    fp32, *others = find_variants(path or DEFAULT_PATH)
    if fp32.variant.runtime != "onnxruntime" or fp32.variant.parent:
        raise ConfigError(f"{fp32.path}: expected the fp32 artefact, found {fp32.variant.name}")
    device = _device(runtime, progress)
    usable = {"onnxruntime", "tensorrt"} if device is not None else {"onnxruntime"}
    usable &= {runtime} if runtime != "auto" else usable
    return [fp32, *(other for other in others if other.variant.runtime in usable)], device


def _device(runtime: str, progress: Callable[[str], None]) -> Device | None:
    """What TensorRT runs on; None where it is not to be used or not there."""
    if runtime == "onnxruntime":
        return None
    try:
        return find_device()
    except ConfigError as error:
        if runtime == "tensorrt":
            raise
        if not isinstance(error, NoDriverError):  # a GPU that is there and does nothing
            progress(f"onnxruntime alone: {error}")
        return None


def _compared(
    artefact: Artefact, device: Device | None, chunks: Sequence[Chunk], expected: Outputs
) -> tuple[Backend, Measurement]:
    """An opened variant, and how far its outputs are from those of fp32; its latency is not measured yet."""
    variant, begin_s = artefact.variant, time.perf_counter()
    backend = open_backend(artefact, device if variant.runtime == "tensorrt" else None)
    build_s = round(time.perf_counter() - begin_s, 2)
    found = compare_outputs(expected, score_all(backend, chunks))
    note = backend.name if found.passes else f"too far from fp32 (largest difference {found.largest:.3f})"
    return backend, Measurement(
        variant.name, variant.runtime, build_s, 0.0, found.cosine, found.top1, found.passes, note
    )


def _latencies(backends: list[Backend], chunks: Sequence[Chunk]) -> list[float]:
    """Median time of one chunk in milliseconds; taking turns, so that all meet the same disturbances."""
    times: list[list[float]] = [[] for _ in backends]
    states = [zero_state(backend) for backend in backends]
    for turn in range(-3, ROUNDS):  # the first three warm up
        chunk = chunks[turn % len(chunks)]
        values, valid = chunk.values[None], chunk.valid[None].astype(np.float32)
        for index, backend in enumerate(backends):
            begin_s = time.perf_counter()
            states[index] = backend.run(values, valid, states[index])["next_state"]
            if turn >= 0:
                times[index].append(1000 * (time.perf_counter() - begin_s))
    return [round(statistics.median(each), 3) for each in times]


def _save(fp32: Artefact, device: Device | None, measured: list[Measurement]) -> bool:
    """For starts with and without TensorRT: each looks under the runtimes that it has; false if nothing can be kept."""
    saved = [] if device is None else [save_measurements(machine_key(fp32, device), measured)]
    saved.append(save_measurements(machine_key(fp32, None), [one for one in measured if one.runtime == "onnxruntime"]))
    return all(saved)
