"""TensorRT engines of this machine: built from an ONNX graph, stored, and built again when they do not fit.

Not for running them (`edge.model.backends.tensorrt`), not for compiled kernels, and never for shipping: an engine of
another machine may load and score wrongly. An engine belongs to one graph, one TensorRT, one GPU, one precision and one
range of batches; all of that is in its key, so an upgrade never meets an old engine. A stored one that is damaged, or
that TensorRT refuses, is built again with one line in the log.

Strongly typed: the precision is what the file says (fp16 tensors, explicit Q/DQ), never a flag or a calibrator, as
TensorRT 11 knows nothing else and 10 has it. The module comes as an argument, so that the same lines build with
`tensorrt` on the device and with `tensorrt_rtx`, which needs no GPU, in the tests and in the export's check.
"""

from __future__ import annotations

import hashlib
import json
import logging
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast

from edge.errors import ModelError
from edge.files import DiskCache, user_folders
from edge.model.backends.cuda import Gpu


def folders() -> list[Path]:
    """One folder: of the systemd unit, or else of the user."""
    return [folder / "engines" for folder in user_folders()[:1]]


CACHE = DiskCache("disk_cache", folders, "CACHE_DIRECTORY")

ENGINE, TIMINGS = ".engine", ".timings"
MAX_ENGINES = 12  # three releases of four variants; some 3 MB each
MAX_TIMINGS = 4  # one for each GPU and TensorRT that this machine had lately

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Key:
    """What an engine was built from and for; it is used for nothing else."""

    graph_sha256: str
    """Of the whole artefact file."""
    tensorrt: str
    """Version."""
    gpu: str
    compute_capability: str
    precision: str
    batches: str

    def file_name(self) -> str:
        """Name of the stored file: the precision to be read, the rest as a digest."""
        return f"{self.precision.replace('+', '-')}-{_digest(asdict(self))}{ENGINE}"


def key_of(artefact: bytes, precision: str, gpu: Gpu, trt: Any, batches: BatchSizes) -> Key:
    """The key of an artefact on this machine."""
    sha256 = hashlib.sha256(artefact).hexdigest()
    return Key(sha256, trt.__version__, gpu.name, gpu.compute_capability, precision, str(batches))


def load_or_build(trt: Any, artefact: bytes, key: Key, batches: BatchSizes, load: Callable[[bytes], Any]) -> Any:
    """The stored engine of a key, or a new one, which is stored. A build takes from seconds to minutes.

    Args:
        trt: the module.
        artefact: the whole file, from which it is built.
        key: see `key_of`.
        batches: sizes of a batch that it must take.
        load: deserialises a plan; None if it does not load or does not fit.

    Raises:
        ModelError: if it cannot be built, or TensorRT refuses what it just built.
    """
    plan = _plan(CACHE.read(key.file_name()), key)
    engine = load(plan) if plan is not None else None
    if engine is not None:
        return engine
    cause = "none_stored" if plan is None else "refused_by_tensorrt"
    logger.info("engine=build precision=%s cause=%s tensorrt=%s gpu=%r", key.precision, cause, key.tensorrt, key.gpu)
    begin_s = time.monotonic()
    timing_name = f"{_digest((key.tensorrt, key.gpu, key.compute_capability))}{TIMINGS}"
    built = build(trt, artefact, BuildOptions(batches, CACHE.read(timing_name) or b""))
    engine = load(built.plan)
    if engine is None:
        raise ModelError(f"TensorRT {key.tensorrt} does not load the engine that it just built for {key.gpu}")
    CACHE.write(key.file_name(), _head(key) + b"\n" + built.plan, MAX_ENGINES)
    if built.timing_cache:
        CACHE.write(timing_name, built.timing_cache, MAX_TIMINGS)
    took_s = time.monotonic() - begin_s
    logger.info("engine=built precision=%s seconds=%.1f bytes=%d", key.precision, took_s, len(built.plan))
    return engine


def _plan(content: bytes | None, key: Key) -> bytes | None:
    """The plan in a stored file; None where that is of another key."""
    head, _, plan = (content or b"").partition(b"\n")
    return plan if head == _head(key) else None


def _head(key: Key) -> bytes:
    return json.dumps(asdict(key)).encode()


def _digest(of: object) -> str:
    return hashlib.sha256(repr(of).encode()).hexdigest()[:32]


WORKSPACE_BYTES = 512 << 20  # scratch memory a layer may use; the default model asks for 57 MB at batch 32
LAST_ERRORS = 8  # of what TensorRT logged; the last ones name the cause

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

    def __init__(self, trt: Any, on_log: Callable[[str], None] | None = None) -> None:
        """Make a logger of NVIDIA's kind, `ilogger`; `on_log` is called with every line of any severity."""
        self.errors: list[str] = []
        self.on_log = on_log
        self.ilogger = _ilogger(trt, self)

    def record(self, is_error: bool, line: str) -> None:
        """Log one line, and keep it if it is an error."""
        if is_error:
            self.errors = [*self.errors, " ".join(line.split())][-LAST_ERRORS:]
        logger.debug("tensorrt=log line=%r", line)

    def last(self) -> str:
        """The last error, or that there was none."""
        return self.errors[-1] if self.errors else "it gave no reason"


def _ilogger(trt: Any, log: TensorRtLog) -> Any:
    errors = (trt.ILogger.INTERNAL_ERROR, trt.ILogger.ERROR)

    class Logger(trt.ILogger):  # type: ignore[misc]
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


def build(trt: Any, graph: bytes, options: BuildOptions) -> BuiltEngine:
    """Build an engine for this machine's GPU. Takes from seconds to minutes.

    Args:
        trt: the module `tensorrt`, or one with its interface.
        graph: a serialised ModelProto; inputs with a free first dimension.
        options: batch sizes, timing cache of earlier builds.

    Raises:
        ModelError: with TensorRT's reason, if it cannot parse or build the graph.
    """
    log = TensorRtLog(trt, options.on_log)
    builder = create(trt.Builder, log)
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


def _inputs(network: Any) -> list[tuple[str, tuple[int, ...]]]:
    found = [network.get_input(index) for index in range(network.num_inputs)]
    return [(tensor.name, tuple(tensor.shape)) for tensor in found]


def _parser_errors(parser: Any) -> str:
    errors = [parser.get_error(index) for index in range(parser.num_errors)]
    return "; ".join(f"{e.node_operator()} {e.node_name()}: {' '.join(e.desc().split())}" for e in errors[:3])


def _set_timing_cache(config: Any, content: bytes) -> None:
    cache = config.create_timing_cache(content)
    if cache is None or not config.set_timing_cache(cache, False):  # of another TensorRT or GPU, or damaged
        config.set_timing_cache(config.create_timing_cache(b""), False)


def _timing_cache(config: Any) -> bytes:
    cache = config.get_timing_cache()
    return b"" if cache is None else bytes(cast(Any, cache).serialize())
