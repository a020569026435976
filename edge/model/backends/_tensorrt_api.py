"""The part of the TensorRT Python API that is used here, as Protocols under NVIDIA's own names.

Not for work, and imports nothing. Every name exists in TensorRT 10.3, 10.13, 10.16, 11.4 and TensorRT-RTX 1.7 (their
bindings were imported and asked); what 11 removed (calibrators, precision flags, `EXPLICIT_BATCH`, dynamic ranges) and
what 10.3 lacks is not used. A test asks the real classes of `tensorrt_rtx` for each name again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

Shape = Sequence[int]


class ILogger(Protocol):
    """Severities, and the base class of what TensorRT logs to."""

    INTERNAL_ERROR: Any
    ERROR: Any
    WARNING: Any


class NetworkDefinitionCreationFlag(Protocol):
    """Flags of a network."""

    STRONGLY_TYPED: Any


class MemoryPoolType(Protocol):
    """Memory whose size a build may be told."""

    WORKSPACE: Any


class DataType(Protocol):
    """Types of numbers."""

    FLOAT: Any


class TensorIOMode(Protocol):
    """Directions of a tensor."""

    INPUT: Any


class ITensor(Protocol):
    """An input or output of a network."""

    @property
    def name(self) -> str: ...
    @property
    def shape(self) -> Shape: ...


class INetworkDefinition(Protocol):
    """A graph before it is built."""

    @property
    def num_inputs(self) -> int: ...
    def get_input(self, index: int) -> ITensor: ...


class ParserError(Protocol):
    """Why a node was refused."""

    def desc(self) -> str: ...
    def node_name(self) -> str: ...
    def node_operator(self) -> str: ...


class OnnxParser(Protocol):
    """Fills a network from an ONNX file."""

    @property
    def num_errors(self) -> int: ...
    def parse(self, model: bytes) -> bool: ...
    def get_error(self, index: int) -> ParserError: ...


class IOptimizationProfile(Protocol):
    """The range of shapes that an engine takes."""

    def set_shape(self, input: str, min: Shape, opt: Shape, max: Shape) -> None: ...  # noqa: A002


class ITimingCache(Protocol):
    """What earlier builds measured."""

    def serialize(self) -> Any: ...


class IBuilderConfig(Protocol):
    """How to build."""

    def add_optimization_profile(self, profile: IOptimizationProfile) -> int: ...
    def set_memory_pool_limit(self, pool: Any, pool_size: int) -> None: ...
    def create_timing_cache(self, serialized_timing_cache: bytes) -> ITimingCache: ...
    def set_timing_cache(self, cache: ITimingCache, ignore_mismatch: bool) -> bool: ...
    def get_timing_cache(self) -> ITimingCache | None: ...


class Builder(Protocol):
    """Makes engines out of networks."""

    def create_network(self, flags: int) -> INetworkDefinition: ...
    def create_builder_config(self) -> IBuilderConfig: ...
    def create_optimization_profile(self) -> IOptimizationProfile: ...
    def build_serialized_network(self, network: INetworkDefinition, config: IBuilderConfig) -> Any: ...


class IExecutionContext(Protocol):
    """One user of an engine; not for two threads at once."""

    def set_input_shape(self, name: str, shape: Shape) -> bool: ...
    def set_tensor_address(self, name: str, memory: int) -> bool: ...
    def execute_async_v3(self, stream_handle: int) -> bool: ...


class ICudaEngine(Protocol):
    """A built graph in the memory of the GPU."""

    @property
    def num_io_tensors(self) -> int: ...
    def get_tensor_name(self, index: int) -> str: ...
    def get_tensor_mode(self, name: str) -> Any: ...
    def get_tensor_dtype(self, name: str) -> Any: ...
    def get_tensor_shape(self, name: str) -> Shape: ...
    def create_execution_context(self) -> IExecutionContext | None: ...


class Runtime(Protocol):
    """Deserialises engines."""

    def deserialize_cuda_engine(self, serialized_engine: bytes) -> ICudaEngine | None: ...


class TensorRt(Protocol):
    """The module."""

    __version__: str
    ILogger: Any
    NetworkDefinitionCreationFlag: type[NetworkDefinitionCreationFlag]
    MemoryPoolType: type[MemoryPoolType]
    DataType: type[DataType]
    TensorIOMode: type[TensorIOMode]
    Builder: Callable[[Any], Builder]
    OnnxParser: Callable[[INetworkDefinition, Any], OnnxParser]
    Runtime: Callable[[Any], Runtime]
