"""Which runtime and which variant of a model this machine uses, and the model opened so.

Not for measuring (`edge.model.benchmark`) nor for the runtimes themselves (`edge.model.backends`). TensorRT is used
where a driver, its Python package and a variant for it are, and where `laennec optimize` measured it as the fastest;
everywhere else onnxruntime, which is always there. Asked for by name, a runtime is used or the error says what is
missing.

The artefacts of one checkpoint lie in one folder, NAME.onnx (fp32) and NAME.VARIANT.onnx. A file counts as a variant
only if it is whole and says so itself: its seal holds and its parent is the SHA-256 of the fp32 file. What a copy left
half, or what belongs to an older model of the same name, is ignored with one line in the log.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from glob import escape
from importlib import metadata
from pathlib import Path
from typing import get_args

from edge.errors import ConfigError, ModelError
from edge.log import warn_once
from edge.model.backends import Backend
from edge.model.backends.cuda import Gpu, NoDriverError, find_gpu
from edge.model.backends.engine import StoredEngine, stored_engines
from edge.model.backends.tensorrt import Device, TensorRtBackend, find_device
from edge.model.choice import MachineKey, Measurement, choose, cpu_name, read_measurements
from edge.model.model import DEFAULT_PATH, Model, check_schema
from edge.model.onnx_file import read_artefact, read_metadata
from edge.model.specs import Variant
from edge.settings.names import RuntimeName

VARIANT_KEY = "laennec.variant"


@dataclass(frozen=True, slots=True)
class Artefact:
    """A whole file and which variant it says it is."""

    path: Path
    sha256: str
    variant: Variant


def read_variant(path: Path) -> Artefact:
    """Which artefact a file is.

    Raises:
        ModelError: missing, damaged, or not understood.
    """
    content = read_artefact(path)
    try:
        text = read_metadata(content).get(VARIANT_KEY)
        variant = Variant() if text is None else Variant.from_json(text)
    except ModelError as error:
        raise ModelError(f"model {path}: {error}; export it again with this version of Laennec") from None
    return Artefact(path, hashlib.sha256(content).hexdigest(), variant)


def find_variants(path: Path) -> list[Artefact]:
    """The artefact at `path`, and after it, if it is the fp32 one, its variants in the same folder, sorted by name.

    Raises:
        ModelError: if the file at `path` itself is missing, damaged or not understood.
    """
    given = read_variant(path)
    found = [given]
    for beside in sorted(path.parent.glob(f"{escape(path.stem)}.*.onnx")):
        try:
            artefact = read_variant(beside)
        except ModelError as error:
            warn_once(f"variant=ignored cause={str(error)!r}")
            continue
        if artefact.variant.parent == given.sha256:
            found.append(artefact)
        else:
            warn_once(f"variant=ignored file={beside} cause=made_for_another_{path.name} repair=export_it_again")
    return found


UNMEASURED = ("fp32", "trt-fp16", "trt-int8-fp16", "trt-int8")  # order before a measurement: int8 is often the slower

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Decision:
    """Which artefact is used in which runtime, and why."""

    artefact: Artefact
    device: Device | None
    """Where TensorRT runs; None for onnxruntime."""
    cause: str
    """Why, in words."""


@dataclass(frozen=True, slots=True)
class RuntimeFacts:
    """The runtimes of this machine, for a report."""

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
    """All on disk; only those of the present graph, TensorRT and GPU are used, the others are removed in time."""
    measured: tuple[Measurement, ...]
    """What `laennec optimize` measured for this model and these versions; empty before it was run."""
    variant: str
    """What `open_model` would use."""
    runtime: str
    """The runtime that it would use, onnxruntime or tensorrt."""
    cause: str
    """Why, in words."""


def open_model(path: Path | None = None, runtime: str = "auto", announce: Callable[[str], None] = logger.info) -> Model:
    """Open a model in the runtime that suits this machine.

    Args:
        path: the fp32 artefact, beside which its variants lie, or one variant; None for the bundled one.
        runtime: `auto`, or the one to be used and no other.
        announce: told what is used, and why.

    Raises:
        ConfigError: the runtime asked for cannot be had here; the message says what is missing and what to do.
        ModelError: as `edge.model.model.load_model`; or the GPU has no memory left, or TensorRT refuses the graph,
            when TensorRT was asked for by name.
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
    cause = decision.cause.partition(" (")[0]  # laennec doctor says the rest
    announce(f"runtime={used!r} variant={name} model={model.id} cause={cause!r}")
    return model


def open_backend(artefact: Artefact, device: Device | None) -> Backend:
    """An artefact in onnxruntime, or in TensorRT where a device is given.

    Raises:
        ModelError: it is no model of this form, or the runtime refuses it.
    """
    content = read_artefact(artefact.path)
    check_schema(read_metadata(content))  # before minutes of building an engine
    if device is not None:
        return TensorRtBackend(content, artefact.variant.precision, device)
    from edge.model.backends.onnx import OnnxBackend  # here: a refusal does not wait for onnxruntime's import

    return OnnxBackend(content)


def decide(path: Path, runtime: str = "auto") -> Decision:
    """Which artefact would be used, in what, and why; nothing is opened.

    Raises:
        ConfigError: as `open_model`.
        ModelError: the artefact at `path` is missing or damaged.
    """
    check_name(runtime)
    artefacts = find_variants(path)
    missing, device, unused = "", None, ""
    if runtime != "onnxruntime":
        try:
            device = _device_for(artefacts)
        except ConfigError as error:
            if runtime == "tensorrt":
                raise ConfigError(f"runtime: tensorrt is not available here: {error}") from None
            missing = str(error)
            unused = "" if isinstance(error, NoDriverError) else missing  # a GPU that is there and does nothing
    runtimes = {"onnxruntime", "tensorrt"} if device else {"onnxruntime"}
    runtimes &= {runtime} if runtime != "auto" else runtimes
    usable = {item.variant.name: item for item in artefacts if item.variant.runtime in runtimes}
    if not usable:
        raise ConfigError(
            f"model {path}: {artefacts[0].variant.name} is made for {artefacts[0].variant.runtime}; "
            f"{missing or 'give the fp32 artefact, or set  runtime: auto'}"
        )
    name, cause = _pick(usable, read_measurements(machine_key(artefacts[0], device)), runtimes)
    artefact = usable[name]
    return Decision(artefact, device if artefact.variant.runtime == "tensorrt" else None, unused or cause)


def check_name(runtime: str) -> None:
    """Refuse an unknown runtime.

    Raises:
        ConfigError: naming the known ones.
    """
    if runtime not in get_args(RuntimeName):
        raise ConfigError(f"runtime: {runtime!r} is not allowed: expected one of {', '.join(get_args(RuntimeName))}")


def machine_key(artefact: Artefact, device: Device | None) -> MachineKey:
    """Under what the measurements of this model on this machine are saved."""
    gpu = f"{device.gpu.name} {device.gpu.compute_capability}" if device else ""
    version = device.trt.__version__ if device else ""
    return MachineKey(artefact.sha256, _version("onnxruntime"), version, gpu, cpu_name())


def runtime_facts(path: Path | None = None, runtime: str = "auto") -> RuntimeFacts:
    """What this machine has, what is built and measured, and what would be used; nothing is opened or built.

    Raises:
        ConfigError, ModelError: as `decide`.
    """
    device, gpu, missing = None, None, ""
    try:
        gpu = find_gpu()
        device = find_device()
        _device_for(find_variants(path or DEFAULT_PATH))
    except ConfigError as error:
        missing = str(error)
    decision = decide(path or DEFAULT_PATH, runtime)
    measured = read_measurements(machine_key(find_variants(path or DEFAULT_PATH)[0], device)) or []
    return RuntimeFacts(
        onnxruntime=_version("onnxruntime"),
        gpu=gpu,
        tensorrt=device.trt.__version__ if device else "",
        cudart=device.cuda.name if device else "",
        missing=missing,
        engines=tuple(stored_engines()),
        measured=tuple(measured),
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


def _pick(usable: dict[str, Artefact], measured: list[Measurement] | None, runtimes: set[str]) -> tuple[str, str]:
    """The name of the variant to use, and why."""
    if len(usable) == 1:
        return next(iter(usable)), "the only one"
    if measured is not None:
        best = choose([one for one in measured if one.variant in usable], runtimes)
        if best is None:
            raise ConfigError(
                "no variant for TensorRT passed its check on this machine (see  laennec optimize); set  runtime: auto"
            )
        return best.variant, "measured by laennec optimize; --forget undoes it"
    cause = "not measured yet: run laennec optimize"
    return next((name for name in UNMEASURED if name in usable), next(iter(usable))), cause


def _open(decision: Decision) -> Model:
    path = decision.artefact.path
    content = read_artefact(path)
    try:
        return Model(content, open_backend(decision.artefact, decision.device))
    except ModelError as error:
        hint = "" if decision.device else "; export it again with this version of Laennec"  # a GPU's reason is its own
        raise ModelError(f"model {path}: {error}{hint}") from error
