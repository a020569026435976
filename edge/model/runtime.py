"""Which runtime and which variant of a model this machine uses, and the model opened so.

Not for the runtimes themselves (`edge.model.backends`), nor for how many beds each sustains (`laennec bench`). A model
is run by onnxruntime, which is always there and exact; by TensorRT where the settings ask for it, or name a variant
that is made for it: then it is used, or the error says what is missing.

The artefacts of one checkpoint lie in one folder, NAME.onnx (fp32) and NAME.VARIANT.onnx. A file counts as a variant
only if it is whole and says so itself: its seal holds and its parent is the SHA-256 of the fp32 file. What a copy left
half, or what belongs to an older model of the same name, is ignored with one line in the log.
"""

from __future__ import annotations

import hashlib
import logging
import platform
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
from edge.model.backends.tensorrt import Device, TensorRtBackend, find_device
from edge.model.model import DEFAULT_PATH, Model, check_schema
from edge.model.onnx_file import read_artefact, read_metadata
from edge.model.specs import Variant
from edge.settings.names import VARIANTS, RuntimeName

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
    declared = read_variant(path)
    found = [declared]
    for beside in sorted(path.parent.glob(f"{escape(path.stem)}.*.onnx")):
        try:
            artefact = read_variant(beside)
        except ModelError as error:
            warn_once(f"variant=ignored cause={str(error)!r}")
            continue
        if artefact.variant.parent == declared.sha256:
            found.append(artefact)
        else:
            warn_once(f"variant=ignored file={beside} cause=made_for_another_{path.name} repair=export_it_again")
    return found


logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Decision:
    """Which artefact is used in which runtime."""

    artefact: Artefact
    device: Device | None
    """Where TensorRT runs; None for onnxruntime."""


@dataclass(frozen=True, slots=True)
class RuntimeFacts:
    """The runtimes of this machine, for a report."""

    onnxruntime: str
    """Version."""
    gpu: Gpu | None
    tensorrt: str
    """Version, empty without."""
    missing: str
    """What keeps TensorRT from being used, and what to do; empty when nothing does."""
    variant: str
    """What `open_model` would use."""
    runtime: str
    """The runtime that it would use, onnxruntime or tensorrt."""


def open_model(path: Path | None = None, runtime: str = "auto", announce: Callable[[str], None] = logger.info) -> Model:
    """Open a model in the runtime that suits this machine.

    Args:
        path: the fp32 artefact, beside which its variants lie, or one variant; None for the bundled one.
        runtime: `auto`, or the one to be used and no other.
        announce: called with what is used.

    Raises:
        ConfigError: the runtime asked for cannot be had here; the message says what is missing and what to do.
        ModelError: as `edge.model.model.load_model`; or the GPU has no memory left, or TensorRT refuses the graph.
    """
    decision = decide(path or DEFAULT_PATH, runtime)
    artefact, content = decision.artefact, read_artefact(decision.artefact.path)
    try:
        model = Model(content, open_backend(artefact, decision.device))
    except ModelError as error:
        hint = "" if decision.device else "; export it again with this version of Laennec"  # a GPU's reason is its own
        raise ModelError(f"model {artefact.path}: {error}{hint}") from error
    announce(f"runtime={model.runtime!r} variant={artefact.variant.name} model={model.id}")
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
    """Which artefact would be used, and in what; nothing is opened.

    Args:
        path: the fp32 artefact, or one variant.
        runtime: `auto` for the one that the artefact at `path` is made for.

    Raises:
        ConfigError: as `open_model`.
        ModelError: the artefact at `path` is missing or damaged.
    """
    check_name(runtime)
    artefacts = find_variants(path)
    declared = artefacts[0].variant
    used = declared.runtime if runtime == "auto" else runtime
    usable = {item.variant.name: item for item in artefacts if item.variant.runtime == used}
    try:
        device = _device_for(artefacts) if used == "tensorrt" else None
    except ConfigError as error:
        what = "runtime: tensorrt" if runtime == used else f"model {path}: {declared.name}"
        raise ConfigError(f"{what} is not available here: {error}") from None
    if not usable:
        raise ConfigError(f"model {path}: {declared.name} is made for {declared.runtime}; set  runtime: auto")
    return Decision(next(usable[name] for name in (*VARIANTS, *usable) if name in usable), device)


def variants_here(path: Path, runtime: str, announce: Callable[[str], None]) -> tuple[list[Artefact], Device | None]:
    """The artefact at `path` and its variants, as far as they can be opened here, and what TensorRT runs on.

    Args:
        path: the fp32 artefact.
        runtime: `auto` for all that run here, or one alone.
        announce: called with a line when something keeps TensorRT from being used.

    Raises:
        ConfigError: TensorRT was asked for and cannot be had.
        ModelError: the artefact at `path` is missing or damaged.
    """
    check_name(runtime)
    device = None
    if runtime != "onnxruntime":
        try:
            device = find_device()
        except ConfigError as error:
            if runtime == "tensorrt":
                raise
            if not isinstance(error, NoDriverError):  # a GPU that is there and does nothing
                announce(f"onnxruntime alone: {error}")
    runtimes = ("onnxruntime", "tensorrt") if device else ("onnxruntime",)
    runs = runtimes if runtime == "auto" else (runtime,)
    return [item for item in find_variants(path) if item.variant.runtime in runs], device


def check_name(runtime: str) -> None:
    """Refuse an unknown runtime.

    Raises:
        ConfigError: naming the known ones.
    """
    if runtime not in get_args(RuntimeName):
        raise ConfigError(f"runtime: {runtime!r} is not allowed: expected one of {', '.join(get_args(RuntimeName))}")


def runtime_facts(path: Path | None = None, runtime: str = "auto") -> RuntimeFacts:
    """What this machine has, what is built, and what would be used; nothing is opened or built.

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
    return RuntimeFacts(
        onnxruntime=_version("onnxruntime"),
        gpu=gpu,
        tensorrt=device.trt.__version__ if device else "",
        missing=missing,
        variant=decision.artefact.variant.name,
        runtime=decision.artefact.variant.runtime,
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


def cpu_name() -> str:
    """This machine's processor, as /proc/cpuinfo names it; elsewhere its architecture alone."""
    try:
        lines = Path("/proc/cpuinfo").read_text(errors="replace").splitlines()
    except OSError:
        return platform.machine()
    named = {line for line in lines if line.startswith(("model name", "CPU implementer", "CPU part"))}
    return " ".join([platform.machine(), *(line.partition(":")[2].strip() for line in sorted(named))])
