"""Engines of this machine: built here, stored, and built again when they do not fit.

An engine belongs to one graph, one TensorRT, one GPU, one precision and one range of batches; all of that is in its
key, so an upgrade never meets an old engine. A stored one that is damaged, or that TensorRT refuses, is built again
with one line in the log. Not for building itself (`edge.artefact.backends.engine_build`) and never for shipping: an
engine of another machine may load and score wrongly.
"""

from __future__ import annotations

import hashlib
import json
import logging
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass

from edge.artefact.backends._cudart import Gpu
from edge.artefact.backends._trt_api import ICudaEngine, TensorRt
from edge.artefact.backends.engine_build import BatchSizes, BuildOptions, build
from edge.artefact.engine_cache import CACHE
from edge.errors import ModelError

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


@dataclass(frozen=True, slots=True)
class StoredEngine:
    """One engine on disk."""

    file: str
    key: Key | None
    """None for a file that is damaged or that others may write."""


def key_of(artefact: bytes, precision: str, gpu: Gpu, trt: TensorRt, batches: BatchSizes) -> Key:
    """The key of an artefact on this machine."""
    sha256 = hashlib.sha256(artefact).hexdigest()
    return Key(sha256, trt.__version__, gpu.name, gpu.compute_capability, precision, str(batches))


def load_or_build(
    trt: TensorRt, artefact: bytes, key: Key, batches: BatchSizes, load: Callable[[bytes], ICudaEngine | None]
) -> ICudaEngine:
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
    CACHE.write(key.file_name(), json.dumps(asdict(key)).encode() + b"\n" + built.plan, MAX_ENGINES)
    if built.timing_cache:
        CACHE.write(timing_name, built.timing_cache, MAX_TIMINGS)
    took_s = time.monotonic() - begin_s
    logger.info("engine=built precision=%s seconds=%.1f bytes=%d", key.precision, took_s, len(built.plan))
    return engine


def stored_engines() -> list[StoredEngine]:
    """Every engine on disk, of any key."""
    return [StoredEngine(str(path), _key(content)) for path, content in CACHE.entries(ENGINE)]


def _plan(content: bytes | None, key: Key) -> bytes | None:
    return None if content is None or _key(content) != key else content.partition(b"\n")[2]


def _key(content: bytes | None) -> Key | None:
    try:
        return None if content is None else Key(**json.loads(content.partition(b"\n")[0]))
    except (ValueError, TypeError):
        return None


def _digest(of: object) -> str:
    return hashlib.sha256(repr(of).encode()).hexdigest()[:32]
