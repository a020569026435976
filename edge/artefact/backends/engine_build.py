"""From an ONNX graph to a TensorRT engine: parser, shapes, builder.

Strongly typed: the precision is what the file says (fp16 tensors, explicit Q/DQ), never a flag or a calibrator, as
TensorRT 11 knows nothing else and 10 has it. Not for caching engines (`edge.artefact.backends.engines`) or running them
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
KEPT_ERRORS = 8  # of what TensorRT logged; the last ones name the cause

logger = logging.getLogger(__name__)

_LOGGERS: list[Any] = []  # TensorRT may go on logging to the first one that it was given, so none is ever dropped


@dataclass(frozen=True, slots=True)
class BatchSizes:
    """The batch sizes that an engine takes, in chunks: TensorRT's minimum, optimum and maximum."""

    smallest: int = 1
    optimum: int = 8
    """The size that its kernels are chosen for."""
    largest: int = 32

    def __str__(self) -> str:
        """For a key or a log line."""
        return f"{self.smallest}-{self.optimum}-{self.largest}"


@dataclass(frozen=True, slots=True)
class BuildOptions:
    """How to build an engine."""

    batches: BatchSizes = BatchSizes()
    timing_cache: bytes | None = b""
    """What earlier builds measured on this GPU; empty for none yet, None for a builder without a timing cache."""
    configure: Callable[[Any], None] | None = None
    """Called with the builder's configuration before the build; the checks choose other GPUs than this machine's."""
    on_log: Callable[[str], None] | None = None
    """Called with every line that TensorRT logs, of any severity."""


@dataclass(frozen=True, slots=True)
class BuiltEngine:
    """A built engine: its bytes, ready to be stored or loaded."""

    plan: bytes
    timing_cache: bytes | None
    """What this and earlier builds measured; None for a builder without a timing cache."""


class TensorRtLog:
    """What TensorRT logged: errors and warnings to the log of this package, the last errors for a message."""

    def __init__(self, trt: TensorRt, on_log: Callable[[str], None] | None = None) -> None:
        """Make a logger of NVIDIA's kind, `ilogger`; `on_log` is called with every line of any severity."""
        self.errors: list[str] = []
        self.on_log = on_log
        self.ilogger = _ilogger(trt, self)

    def record(self, is_error: bool, line: str) -> None:
        """Log one line, and keep it if it is an error."""
        if is_error:
            self.errors = [*self.errors, " ".join(line.split())][-KEPT_ERRORS:]
        logger.debug("tensorrt=log line=%r", line)

    def last(self) -> str:
        """The last error, or that there was none."""
        return self.errors[-1] if self.errors else "it gave no reason"


def _ilogger(trt: TensorRt, log: TensorRtLog) -> Any:
    errors = (trt.ILogger.INTERNAL_ERROR, trt.ILogger.ERROR)

    class Logger(trt.ILogger):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            trt.ILogger.__init__(self)  # without it the process ends at the first line, silently

        def log(self, severity: Any, line: str) -> None:
            if log.on_log is not None:
                log.on_log(line)
            if severity in errors or severity == trt.ILogger.WARNING:
                log.record(severity in errors, line)

    ilogger = Logger()
    _LOGGERS.append(ilogger)
    return ilogger


def create(make: Callable[[Any], Any], log: TensorRtLog) -> Any | None:
    """A builder or runtime of TensorRT; None where it makes none, as with a driver that is too old or a full GPU."""
    try:
        return make(log.ilogger)
    except TypeError:  # what its bindings raise for a null pointer
        return None


def build(trt: TensorRt, graph: bytes, options: BuildOptions) -> BuiltEngine:
    """Build an engine for this machine's GPU. Takes from seconds to minutes.

    Args:
        trt: the module `tensorrt`, or one with its interface.
        graph: a serialised ModelProto; inputs with a free first dimension.
        options: batch sizes, timing cache of earlier builds.

    Raises:
        ModelError: with TensorRT's reason, if it cannot parse or build the graph.
    """
    log = TensorRtLog(trt, options.on_log)
    builder: Builder | None = create(trt.Builder, log)
    if builder is None:
        raise ModelError(f"TensorRT {trt.__version__} cannot start a build: {log.last()}")
    network = builder.create_network(1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED))
    parser = trt.OnnxParser(network, log.ilogger)  # the network must outlive it
    if not parser.parse(graph):
        raise ModelError(f"TensorRT {trt.__version__} cannot parse the graph: {_parser_errors(parser) or log.last()}")
    config = builder.create_builder_config()
    config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, WORKSPACE_BYTES)
    profile = builder.create_optimization_profile()
    for name, shape in _inputs(network):
        sizes = (options.batches.smallest, options.batches.optimum, options.batches.largest)
        profile.set_shape(name, *((size, *shape[1:]) for size in sizes))
    if config.add_optimization_profile(profile) < 0:
        raise ModelError(f"TensorRT refused batches {options.batches}: {log.last()}")
    if options.timing_cache is not None:
        _set_timing_cache(config, options.timing_cache)
    if options.configure is not None:
        options.configure(config)
    plan = builder.build_serialized_network(network, config)
    if plan is None:
        raise ModelError(f"TensorRT {trt.__version__} cannot build the graph: {log.last()}")
    return BuiltEngine(bytes(plan), _timing_cache(config) if options.timing_cache is not None else None)


def _inputs(network: INetworkDefinition) -> list[tuple[str, tuple[int, ...]]]:
    found = [network.get_input(index) for index in range(network.num_inputs)]
    return [(tensor.name, tuple(tensor.shape)) for tensor in found]


def _parser_errors(parser: OnnxParser) -> str:
    errors = [parser.get_error(index) for index in range(parser.num_errors)]
    return "; ".join(f"{e.node_operator()} {e.node_name()}: {' '.join(e.desc().split())}" for e in errors[:3])


def _set_timing_cache(config: IBuilderConfig, content: bytes) -> None:
    cache = config.create_timing_cache(content)
    if cache is None or not config.set_timing_cache(cache, False):  # of another TensorRT or GPU, or damaged
        config.set_timing_cache(config.create_timing_cache(b""), False)


def _timing_cache(config: IBuilderConfig) -> bytes:
    cache = config.get_timing_cache()
    return b"" if cache is None else bytes(cast(Any, cache).serialize())
