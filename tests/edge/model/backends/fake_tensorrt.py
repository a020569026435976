"""A TensorRT that is none: plans hold the ONNX file, kernels are onnxruntime, memory is that of fake_cuda.c.

It does what NVIDIA's documentation promises about order: nothing runs before all shapes and addresses are set, what
runs is queued on the stream, and it writes its outputs when the stream gets to it.
"""

from __future__ import annotations

import ctypes
import json
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnx

from edge.model.backends.onnx import OnnxBackend

MAGIC = b"fake plan\n"
KERNEL = ctypes.CFUNCTYPE(None)


class FakeTensorRt:
    """The module `tensorrt`; its public attributes tell it how to misbehave."""

    __version__ = "10.3.0"
    DataType = SimpleNamespace(FLOAT="float", HALF="half")
    TensorIOMode = SimpleNamespace(INPUT="in", OUTPUT="out")
    NetworkDefinitionCreationFlag = SimpleNamespace(STRONGLY_TYPED=1)
    MemoryPoolType = SimpleNamespace(WORKSPACE="workspace")

    class ILogger:
        """What NVIDIA's loggers derive from."""

        INTERNAL_ERROR, ERROR, WARNING = 0, 1, 2

        def __init__(self) -> None:
            pass

        def log(self, severity: int, line: str) -> None:
            raise NotImplementedError

    def __init__(self, cuda: ctypes.CDLL) -> None:
        self.cuda = cuda
        self.builds = 0
        self.build_error: str | None = None
        self.parse_error: str | None = None
        self.no_start: set[str] = set()  # `Builder` or `Runtime`
        self.refuses_plans = False
        self.free_dimension = False
        self.no_context = False
        self.no_execution = False
        self.refuses_addresses = False
        self.tensor_type = self.DataType.FLOAT
        self.timings_seen: list[bytes] = []
        self.kept_alive: list[Any] = []  # what C still points at

    def Builder(self, logger: Any) -> _Builder:  # noqa: N802 - NVIDIA's names
        self._start("Builder")
        return _Builder(self, logger)

    def OnnxParser(self, network: Any, logger: Any) -> _Parser:  # noqa: N802
        return _Parser(self, network)

    def Runtime(self, logger: Any) -> _Runtime:  # noqa: N802
        self._start("Runtime")
        return _Runtime(self)

    def _start(self, what: str) -> None:
        if what in self.no_start:
            raise TypeError("pybind11::init(): factory function returned nullptr")


class _Builder:
    def __init__(self, trt: FakeTensorRt, logger: Any) -> None:
        self._trt, self._logger = trt, logger

    def create_network(self, flags: int) -> SimpleNamespace:
        assert flags == 1 << self._trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED
        return SimpleNamespace(graph=b"", inputs=[])

    def create_builder_config(self) -> _Config:
        return _Config(self._trt)

    def create_optimization_profile(self) -> SimpleNamespace:
        shapes: dict[str, Any] = {}
        return SimpleNamespace(shapes=shapes, set_shape=lambda name, *three: shapes.__setitem__(name, three))

    def build_serialized_network(self, network: Any, config: _Config) -> bytes | None:
        self._trt.builds += 1
        if self._trt.build_error:
            self._logger.log(self._trt.ILogger.ERROR, self._trt.build_error)
            return None
        head = {"version": self._trt.__version__, "profile": config.profile.shapes}
        return MAGIC + json.dumps(head).encode() + b"\n" + network.graph


class _Config:
    def __init__(self, trt: FakeTensorRt) -> None:
        self._trt = trt
        self.profile: Any = None
        self._timings = b""

    def add_optimization_profile(self, profile: Any) -> int:
        self.profile = profile
        return 0

    def set_memory_pool_limit(self, pool: str, size: int) -> None:
        assert (pool, size > 0) == ("workspace", True)

    def create_timing_cache(self, stored: bytes) -> bytes:
        self._trt.timings_seen.append(stored)
        return stored

    def set_timing_cache(self, cache: bytes, ignore_mismatch: bool) -> bool:
        assert not ignore_mismatch
        self._timings = cache
        return cache in (b"", b"timings of 10.3.0")

    def get_timing_cache(self) -> SimpleNamespace:
        return SimpleNamespace(serialize=lambda: f"timings of {self._trt.__version__}".encode())


class _Parser:
    num_errors = 1

    def __init__(self, trt: FakeTensorRt, network: Any) -> None:
        self._trt, self._network = trt, network

    def parse(self, graph: bytes) -> bool:
        if self._trt.parse_error:
            return False
        inputs = onnx.load_from_string(graph).graph.input
        shapes = [[d.dim_value or -1 for d in value.type.tensor_type.shape.dim] for value in inputs]
        tensors = [SimpleNamespace(name=v.name, shape=shape) for v, shape in zip(inputs, shapes, strict=True)]
        self._network.graph, self._network.num_inputs = graph, len(tensors)
        self._network.get_input = tensors.__getitem__
        return True

    def get_error(self, index: int) -> SimpleNamespace:
        words = {"desc": self._trt.parse_error, "node_name": "node_7", "node_operator": "STFT"}
        return SimpleNamespace(**{name: lambda text=text: text for name, text in words.items()})


class _Runtime:
    def __init__(self, trt: FakeTensorRt) -> None:
        self._trt = trt

    def deserialize_cuda_engine(self, plan: bytes) -> _Engine | None:
        if self._trt.refuses_plans or not plan.startswith(MAGIC):
            return None
        head, _, graph = plan.removeprefix(MAGIC).partition(b"\n")
        reported = json.loads(head)
        return _Engine(self._trt, reported["profile"], graph) if reported["version"] == self._trt.__version__ else None


class _Engine:
    def __init__(self, trt: FakeTensorRt, profile: dict[str, Any], graph: bytes) -> None:
        self.trt, self.profile, self.backend = trt, profile, OnnxBackend(graph)
        self.tensors = {**self.backend.inputs, **self.backend.outputs}
        self.num_io_tensors = len(self.tensors)

    def get_tensor_name(self, index: int) -> str:
        return [*self.tensors][index]

    def get_tensor_mode(self, name: str) -> str:
        return self.trt.TensorIOMode.INPUT if name in self.backend.inputs else self.trt.TensorIOMode.OUTPUT

    def get_tensor_dtype(self, name: str) -> str:
        return self.trt.tensor_type

    def get_tensor_shape(self, name: str) -> list[int]:
        sizes = [-1, *(int(size or 0) for size in self.tensors[name][1:])]
        return [*sizes[:-1], -1] if self.trt.free_dimension and name == "clip" else sizes

    def create_execution_context(self) -> _Context | None:
        return None if self.trt.no_context else _Context(self)


class _Context:
    def __init__(self, engine: _Engine) -> None:
        self._engine, self._trt = engine, engine.trt
        self._batch: dict[str, int] = {}
        self._addresses: dict[str, int] = {}

    def set_input_shape(self, name: str, shape: tuple[int, ...]) -> bool:
        self._trt.cuda.fake_note(b"shape " + name.encode())
        smallest, _, largest = (each[0] for each in self._engine.profile[name])
        if not smallest <= shape[0] <= largest or list(shape[1:]) != self._engine.get_tensor_shape(name)[1:]:
            return False
        self._batch[name] = shape[0]
        self._addresses = {}  # as strict as it may be: an address is for a shape
        return True

    def set_tensor_address(self, name: str, address: int) -> bool:
        self._trt.cuda.fake_note(b"address " + name.encode())
        if self._trt.refuses_addresses or name not in self._engine.tensors:
            return False
        self._addresses[name] = address
        return True

    def execute_async_v3(self, stream: int) -> bool:
        self._trt.cuda.fake_note(b"execute")
        sizes = set(self._batch.values())
        if self._trt.no_execution or self._addresses.keys() != self._engine.tensors.keys() or len(sizes) != 1:
            return False
        kernel = KERNEL(_Kernel(self._engine, sizes.pop(), dict(self._addresses)))
        self._trt.kept_alive.append(kernel)
        return self._trt.cuda.fake_enqueue(ctypes.c_void_p(stream), kernel) == 0


class _Kernel:
    """Runs when the stream gets to it: from the memory of the GPU to the memory of the GPU."""

    def __init__(self, engine: _Engine, batch: int, addresses: dict[str, int]) -> None:
        self._engine, self._batch, self._addresses = engine, batch, addresses

    def __call__(self) -> None:
        given = (self._memory(name) for name in ("frames", "valid", "state"))
        for name, values in self._engine.backend.run(*given).items():
            self._memory(name)[:] = values

    def _memory(self, name: str) -> np.ndarray[Any, np.dtype[np.float32]]:
        shape = (self._batch, *self._engine.get_tensor_shape(name)[1:])
        memory = (ctypes.c_float * int(np.prod(shape))).from_address(self._addresses[name])
        return np.ctypeslib.as_array(memory).reshape(shape)
