"""From an ONNX graph to a TensorRT engine: parser, shapes, builder.

Strongly typed: the precision is what the file says (fp16 tensors, explicit Q/DQ), never a flag or a calibrator, as
TensorRT 11 knows nothing else and 10 has it. Not for keeping engines (`edge.artefact.backends.engines`) or running them
(`edge.artefact.backends.tensorrt`). The module comes as an argument, so that the same lines build with `tensorrt` on
the device and with `tensorrt_rtx`, which needs no GPU, in the tests and in the export's check.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

from edge.artefact.backends._trt_api import Builder, IBuilderConfig, INetworkDefinition, OnnxParser, TensorRt
from edge.errors import ModelError

WORKSPACE_BYTES = 512 << 20  # scratch memory a layer may use; the default model asks for 57 MB at batch 32
KEPT_LINES = 8  # of what TensorRT said; the last ones name the cause

logger = logging.getLogger(__name__)

_LOGGERS: list[Any] = []  # TensorRT may go on logging to the first one that it was given, so none is ever dropped


@dataclass(frozen=True, slots=True)
class Batches:
    """The sizes of a batch that an engine takes."""

    smallest: int = 1
    tuned: int = 8
    """The size that its kernels are chosen for."""
    largest: int = 32

    def __str__(self) -> str:
        """For a key or a log line."""
        return f"{self.smallest}-{self.tuned}-{self.largest}"


@dataclass(frozen=True, slots=True)
class Wish:
    """What to build beside the graph."""

    batches: Batches = Batches()
    timings: bytes | None = b""
    """What earlier builds measured on this GPU; empty for none yet, None for a builder that keeps none."""
    adjust: Callable[[Any], None] | None = None
    """Told the builder's configuration before the build; the checks choose another GPU than this machine's there."""
    listen: Callable[[str], None] | None = None
    """Told every line that TensorRT logs, of any severity."""


@dataclass(frozen=True, slots=True)
class Built:
    """An engine, serialised."""

    plan: bytes
    timings: bytes | None
    """What this and earlier builds measured; None where the builder keeps none."""


class Said:
    """What TensorRT logged: errors and warnings to the log of this package, the last errors for a message."""

    def __init__(self, trt: TensorRt, listen: Callable[[str], None] | None = None) -> None:
        """A logger of NVIDIA's kind, as `ilogger`; `listen` is told every line of any severity."""
        self.errors: list[str] = []
        self.listen = listen
        self.ilogger = _ilogger(trt, self)

    def take(self, is_error: bool, line: str) -> None:
        """Keep one line."""
        if is_error:
            self.errors = [*self.errors, " ".join(line.split())][-KEPT_LINES:]
        logger.debug("tensorrt=said line=%r", line)

    def last(self) -> str:
        """The last error, or that there was none."""
        return self.errors[-1] if self.errors else "it gave no reason"


def _ilogger(trt: TensorRt, said: Said) -> Any:
    loud = (trt.ILogger.INTERNAL_ERROR, trt.ILogger.ERROR)

    class Log(trt.ILogger):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            trt.ILogger.__init__(self)  # without it the process ends at the first line, silently

        def log(self, severity: Any, line: str) -> None:
            if said.listen is not None:
                said.listen(line)
            if severity in loud or severity == trt.ILogger.WARNING:
                said.take(severity in loud, line)

    made = Log()
    _LOGGERS.append(made)
    return made


def started(make: Callable[[Any], Any], said: Said) -> Any | None:
    """A builder or runtime of TensorRT; None where it makes none, as with a driver that is too old or a full GPU."""
    try:
        return make(said.ilogger)
    except TypeError:  # what its bindings make of a null pointer
        return None


def build(trt: TensorRt, graph: bytes, wish: Wish) -> Built:
    """Build an engine for this machine's GPU. Takes from seconds to minutes.

    Args:
        trt: the module `tensorrt`, or one with its interface.
        graph: a serialised ModelProto; inputs with a free first dimension.
        wish: batch sizes and what is known of earlier builds.

    Raises:
        ModelError: with TensorRT's reason, if it cannot parse or build the graph.
    """
    said = Said(trt, wish.listen)
    builder: Builder | None = started(trt.Builder, said)
    if builder is None:
        raise ModelError(f"TensorRT {trt.__version__} cannot start a build: {said.last()}")
    network = builder.create_network(1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED))
    parser = trt.OnnxParser(network, said.ilogger)  # the network must outlive it
    if not parser.parse(graph):
        raise ModelError(f"TensorRT {trt.__version__} cannot parse the graph: {_refusals(parser) or said.last()}")
    config = builder.create_builder_config()
    config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, WORKSPACE_BYTES)
    profile = builder.create_optimization_profile()
    for name, shape in _inputs(network):
        sizes = (wish.batches.smallest, wish.batches.tuned, wish.batches.largest)
        profile.set_shape(name, *((size, *shape[1:]) for size in sizes))
    if config.add_optimization_profile(profile) < 0:
        raise ModelError(f"TensorRT refused batches {wish.batches}: {said.last()}")
    if wish.timings is not None:
        _start_timings(config, wish.timings)
    if wish.adjust is not None:
        wish.adjust(config)
    plan = builder.build_serialized_network(network, config)
    if plan is None:
        raise ModelError(f"TensorRT {trt.__version__} cannot build the graph: {said.last()}")
    return Built(bytes(plan), _measured(config) if wish.timings is not None else None)


def _inputs(network: INetworkDefinition) -> list[tuple[str, tuple[int, ...]]]:
    found = [network.get_input(index) for index in range(network.num_inputs)]
    return [(tensor.name, tuple(tensor.shape)) for tensor in found]


def _refusals(parser: OnnxParser) -> str:
    errors = [parser.get_error(index) for index in range(parser.num_errors)]
    return "; ".join(f"{e.node_operator()} {e.node_name()}: {' '.join(e.desc().split())}" for e in errors[:3])


def _start_timings(config: IBuilderConfig, kept: bytes) -> None:
    cache = config.create_timing_cache(kept)
    if cache is None or not config.set_timing_cache(cache, False):  # of another TensorRT or GPU, or damaged
        config.set_timing_cache(config.create_timing_cache(b""), False)


def _measured(config: IBuilderConfig) -> bytes:
    cache = config.get_timing_cache()
    return b"" if cache is None else bytes(cast(Any, cache).serialize())
