"""Which runtime and which variant of a model this machine uses, and the model opened so.

TensorRT is used where a driver, its Python package and a variant for it are, and where `laennec optimize` found it the
faster; everywhere else onnxruntime, which is always there. Asked for by name, a runtime is used or the error says what
is missing. Not for measuring (`edge.artefact.tune`), and not for the runtimes themselves (`edge.artefact.backends`).
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import get_args

from edge.artefact.backends import Backend
from edge.artefact.backends._cudart import Gpu, find_gpu
from edge.artefact.backends.engines import StoredEngine, stored_engines
from edge.artefact.backends.tensorrt import Device, TensorRtBackend, find_device
from edge.artefact.model import DEFAULT_PATH, Model
from edge.artefact.seal import read_artefact
from edge.artefact.tuned import Place, Row, choose, cpu_name, read_rows
from edge.artefact.variants import Artefact, family
from edge.errors import ConfigError, ModelError
from edge.settings.kinds import RuntimeName

UNTUNED = ("trt-fp16", "trt-int8-fp16", "trt-int8")  # int8 is often the slower of them, so it waits to be measured

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Decision:
    """What is used, and why."""

    artefact: Artefact
    device: Device | None
    """Where TensorRT runs; None for onnxruntime."""
    cause: str


@dataclass(frozen=True, slots=True)
class RuntimeFacts:
    """What a report says of the runtimes of this machine."""

    onnxruntime: str
    """Version."""
    gpu: Gpu | None
    tensorrt: str
    """Version, empty without."""
    cudart: str
    """File of the CUDA runtime, empty without."""
    missing: str
    """What keeps TensorRT from being used, and what to do; empty when nothing does."""
    engines: tuple[StoredEngine, ...]
    """All on disk; those whose graph, TensorRT and GPU are of today are used, the others go in time."""
    tuned: tuple[Row, ...]
    """What `laennec optimize` measured for this model and these versions; empty before it was run."""
    variant: str
    """What `open_model` would use."""
    runtime: str
    cause: str


def open_model(path: Path | None = None, runtime: str = "auto") -> Model:
    """Open a model in the runtime that suits this machine.

    Args:
        path: the fp32 artefact, beside which its variants lie, or one variant; None for the one that comes along.
        runtime: `auto`, or the one to be used and no other.

    Raises:
        ConfigError: the runtime asked for cannot be had here; the message says what is missing and what to do.
        ModelError: as `edge.artefact.model.load_model`; or the GPU has no room, or TensorRT refuses the graph, when
        TensorRT
            was asked for by name.
    """
    decision = decide(path or DEFAULT_PATH, runtime)
    try:
        model = _open(decision)
    except ModelError as error:
        if decision.device is None or runtime == "tensorrt":
            raise
        logger.warning("runtime=onnxruntime cause=%r repair=see_laennec_doctor", str(error))
        decision = decide(path or DEFAULT_PATH, "onnxruntime")
        model = _open(decision)
    name, used = decision.artefact.variant.name, model.runtime
    cause = decision.cause.partition(" (")[0]  # that there is no GPU is no mistake; laennec doctor says the rest
    logger.info("runtime=%r variant=%s model=%s cause=%r", used, name, model.id, cause)
    return model


def open_backend(artefact: Artefact, device: Device | None) -> Backend:
    """An artefact in onnxruntime, or in TensorRT where a device is given.

    Raises:
        ModelError: the runtime refuses it.
    """
    content = read_artefact(artefact.path)
    if device is not None:
        return TensorRtBackend(content, artefact.variant.precision, device)
    from edge.artefact.backends.onnx import (
        OnnxBackend,  # here, so that a refusal does not wait for the runtime to be imported
    )

    return OnnxBackend(content)


def decide(path: Path, runtime: str = "auto") -> Decision:
    """Which artefact would be used, in what, and why; nothing is opened.

    Raises:
        ConfigError: as `open_model`.
        ModelError: the artefact at `path` is missing or damaged.
    """
    check_name(runtime)
    artefacts = family(path)
    missing, device = "", None
    if runtime != "onnxruntime":
        try:
            device = _device_for(artefacts)
        except ConfigError as error:
            if runtime == "tensorrt":
                raise ConfigError(f"runtime: tensorrt is not available here: {error}") from None
            missing = str(error)
    runtimes = {"onnxruntime", "tensorrt"} if device else {"onnxruntime"}
    runtimes &= {runtime} if runtime != "auto" else runtimes
    able = {item.variant.name: item for item in artefacts if item.variant.runtime in runtimes}
    if not able:
        raise ConfigError(
            f"model {path}: {artefacts[0].variant.name} is made for {artefacts[0].variant.runtime}; "
            f"{missing or 'give the fp32 artefact, or set  runtime: auto'}"
        )
    name, cause = _pick(able, read_rows(place_of(artefacts[0], device)), runtimes)
    artefact = able[name]
    return Decision(artefact, device if artefact.variant.runtime == "tensorrt" else None, missing or cause)


def check_name(runtime: str) -> None:
    """Refuse a runtime that nobody knows.

    Raises:
        ConfigError: naming those that there are.
    """
    if runtime not in get_args(RuntimeName):
        raise ConfigError(f"runtime: {runtime!r} is not allowed: expected one of {', '.join(get_args(RuntimeName))}")


def place_of(artefact: Artefact, device: Device | None) -> Place:
    """What a measurement of this model on this machine is good for."""
    gpu = f"{device.gpu.name} {device.gpu.compute_capability}" if device else ""
    version = device.trt.__version__ if device else ""
    return Place(artefact.sha256, _version("onnxruntime"), version, gpu, cpu_name())


def runtime_facts(path: Path | None = None, runtime: str = "auto") -> RuntimeFacts:
    """What this machine has, what is built and measured, and what would be used; nothing is opened or built.

    Raises:
        ConfigError, ModelError: as `decide`.
    """
    device, gpu, missing = None, None, ""
    try:
        gpu = find_gpu()
        device = find_device()
        _device_for(family(path or DEFAULT_PATH))
    except ConfigError as error:
        missing = str(error)
    decision = decide(path or DEFAULT_PATH, runtime)
    rows = read_rows(place_of(family(path or DEFAULT_PATH)[0], device)) or []
    return RuntimeFacts(
        onnxruntime=_version("onnxruntime"),
        gpu=gpu,
        tensorrt=device.trt.__version__ if device else "",
        cudart=device.cuda.name if device else "",
        missing=missing,
        engines=tuple(stored_engines()),
        tuned=tuple(rows),
        variant=decision.artefact.variant.name,
        runtime=decision.artefact.variant.runtime,
        cause=decision.cause,
    )


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:  # the same module from a package of another name
        return "unknown"


def _device_for(artefacts: Sequence[Artefact]) -> Device:
    device = find_device()
    if not any(item.variant.runtime == "tensorrt" for item in artefacts):
        raise ConfigError(
            f"no variant for TensorRT beside {artefacts[0].path} (such as {artefacts[0].path.stem}.trt-fp16.onnx); "
            "export it again, or copy them along"
        )
    return device


def _pick(able: dict[str, Artefact], rows: list[Row] | None, runtimes: set[str]) -> tuple[str, str]:
    """The name of the variant to use, and why."""
    if len(able) == 1:
        return next(iter(able)), "the only one"
    if rows is not None:
        row = choose([row for row in rows if row.variant in able], runtimes)
        if row is None:
            raise ConfigError(
                "no variant for TensorRT passed its check on this machine (see  laennec optimize); set  runtime: auto"
            )
        return row.variant, "measured by laennec optimize"
    cause = "not measured yet: run laennec optimize"
    return next((name for name in ("fp32", *UNTUNED) if name in able), next(iter(able))), cause


def _open(decision: Decision) -> Model:
    path = decision.artefact.path
    content = read_artefact(path)
    try:
        return Model(content, open_backend(decision.artefact, decision.device))
    except ModelError as error:
        hint = "" if decision.device else "; export it again with this version of Laennec"  # a GPU's reason is its own
        raise ModelError(f"model {path}: {error}{hint}") from error
