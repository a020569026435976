"""NVIDIA's TensorRT, where the machine has it: the same scores as onnxruntime, on the GPU.

One engine, one execution context, one stream; threads take turns. Inputs and outputs lie in pinned memory, sized once
for the largest batch. Not for building or caching engines (`edge.model.backends.engine`) and not for deciding whether
to use it (`edge.model.runtime`). Nothing of NVIDIA is imported or loaded with this module; `find_device` asks the
driver before it touches TensorRT.

Source: TensorRT Python API, the names that 10.3 to 11.4 share; a test asks the classes of `tensorrt_rtx` for each.
"""

from __future__ import annotations

import ctypes
import importlib
import sys
import threading
import weakref
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.errors import ConfigError, ModelError
from edge.model.backends.cuda import Cudart, Gpu, find_gpu
from edge.model.backends.engine import BatchSizes, TensorRtLog, create, key_of, load_or_build
from edge.model.onnx_file import read_metadata

OLDEST = (10, 3)  # of JetPack 6
FLOAT_BYTES = 4

Shape = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Device:
    """GPU, TensorRT and CUDA of this machine: what this backend needs."""

    gpu: Gpu
    trt: Any
    """The module `tensorrt`, whose names are NVIDIA's."""
    cuda: Cudart


def find_device() -> Device:
    """The GPU, TensorRT and CUDA of this machine.

    Raises:
        ConfigError: naming what is missing (driver, GPU, TensorRT or a newer one, CUDA's runtime) and what to do.
    """
    gpu = find_gpu()  # first: TensorRT objects made without a driver end the process
    try:
        trt = importlib.import_module("tensorrt")
    except (ImportError, OSError) as error:
        raise ConfigError(
            f"no TensorRT for Python: {error}; on JetPack: sudo apt install python3-libnvinfer, and a virtual "
            f"environment made with --system-site-packages; on a PC: {sys.executable} -m pip install tensorrt; or set  "
            "runtime: onnxruntime"
        ) from None
    if tuple(int(part) for part in trt.__version__.split(".")[:2]) < OLDEST:
        raise ConfigError(
            f"expected TensorRT {'.'.join(map(str, OLDEST))} or newer, found {trt.__version__}; upgrade JetPack, or "
            "set  runtime: onnxruntime"
        )
    return Device(gpu, trt, Cudart(gpu))  # after the import, which may load CUDA's libraries


@dataclass(frozen=True, slots=True)
class _Tensor:
    """One input or output: its memory on the GPU and on the host."""

    name: str
    shape: Shape
    """Without the batch."""
    gpu: int
    """Address on the GPU."""
    pinned: int
    """Address on the host, pinned."""
    view: NDArray[np.float32]
    """The pinned memory, (largest batch, *shape)."""

    def bytes_of(self, batch: int) -> int:
        return self.view[:batch].nbytes


class TensorRtBackend:
    """An artefact as a TensorRT engine; a new one is built when none is cached.

    Args:
        artefact: the whole file.
        precision: as its variant says, for the name and the key of the engine.
        device: see `find_device`.
        batches: sizes of a batch that the engine takes; a larger batch is run in parts.

    Raises:
        ModelError: TensorRT cannot build or load it, or the GPU has no memory left.
    """

    def __init__(self, artefact: bytes, precision: str, device: Device, batches: BatchSizes | None = None) -> None:
        batches, trt = batches or BatchSizes(), device.trt
        self.name = f"TensorRT {trt.__version__} {precision} on {device.gpu.name}"
        self.metadata = read_metadata(artefact)
        self._log, self._largest = TensorRtLog(trt), batches.largest
        runtime = create(trt.Runtime, self._log)
        if runtime is None:
            raise ModelError(
                f"TensorRT {trt.__version__} does not start: {self._log.last()}; does the driver, which supports CUDA "
                f"{device.gpu.driver}, suffice, and is the GPU's memory full?"
            )
        self._runtime = runtime
        self._cuda = device.cuda
        key = key_of(artefact, precision, device.gpu, trt, batches)
        self._engine = load_or_build(trt, artefact, key, batches, lambda plan: self._load(trt, plan))
        context = self._engine.create_execution_context()
        if context is None:
            raise ModelError(f"TensorRT cannot run the engine: {self._log.last()}; is the GPU's memory full?")
        self._context = context
        self._lock = threading.Lock()
        self._batch = 0
        self._resources = ExitStack()
        self.close = weakref.finalize(self, self._resources.close)
        """Frees the memory of the GPU; called by itself when the backend is garbage-collected."""
        self.close.atexit = False  # a thread may still be at work; the end of the process frees all
        try:
            self._take_memory(trt)
        except ModelError as error:
            self.close()
            raise ModelError(f"{error}; stop what else uses the GPU, or set  runtime: onnxruntime") from None

    def run(
        self, frames: NDArray[np.float32], valid: NDArray[np.float32], state: NDArray[np.float32]
    ) -> dict[str, NDArray[np.float32]]:
        """As `Backend.run`.

        Raises:
            ModelError: if the GPU fails, which goes on until the process is started again; or after `close`.
        """
        inputs = {"frames": frames, "valid": valid, "state": state}
        found = {name: np.empty((len(frames), *t.shape), np.float32) for name, t in self._outputs.items()}
        with self._lock:
            if not self.close.alive:
                raise ModelError(f"{self.name}: it was closed and its memory freed")
            for start in range(0, len(frames), self._largest):
                part = slice(start, min(start + self._largest, len(frames)))
                batch = part.stop - part.start
                for name, tensor in self._inputs.items():
                    tensor.view[:batch] = inputs[name][part]
                self._run(batch)
                for name, tensor in self._outputs.items():
                    found[name][part] = tensor.view[:batch]
        return found

    def _run(self, batch: int) -> None:
        """Run what is in the pinned inputs; the answers are then in the pinned outputs."""
        if batch != self._batch:
            self._set_shapes(batch)
        for tensor in self._inputs.values():
            self._cuda.upload(tensor.gpu, tensor.pinned, tensor.bytes_of(batch), self._stream)
        if not self._context.execute_async_v3(self._stream):
            raise ModelError(f"TensorRT cannot run a batch of {batch}: {self._log.last()}")
        for tensor in self._outputs.values():
            self._cuda.download(tensor.pinned, tensor.gpu, tensor.bytes_of(batch), self._stream)
        self._cuda.synchronize(self._stream)

    def _set_shapes(self, batch: int) -> None:
        self._batch = 0  # until all is set
        accepted = [self._context.set_input_shape(s.name, (batch, *s.shape)) for s in self._inputs.values()]
        for tensor in (*self._inputs.values(), *self._outputs.values()):
            accepted.append(self._context.set_tensor_address(tensor.name, tensor.gpu))
        if not all(accepted):
            raise ModelError(f"TensorRT refused a batch of {batch}: {self._log.last()}")
        self._batch = batch

    def _load(self, trt: Any, plan: bytes) -> Any:
        engine = self._runtime.deserialize_cuda_engine(plan)
        return engine if engine is not None and _fits(trt, engine) else None

    def _take_memory(self, trt: Any) -> None:
        self._stream = self._cuda.new_stream()
        self._resources.callback(self._cuda.end_stream, self._stream)
        self._inputs: dict[str, _Tensor] = {}
        self._outputs: dict[str, _Tensor] = {}
        self.inputs: dict[str, list[int | str | None]] = {}
        self.outputs: dict[str, list[int | str | None]] = {}
        for index in range(self._engine.num_io_tensors):
            name = self._engine.get_tensor_name(index)
            is_input = self._engine.get_tensor_mode(name) == trt.TensorIOMode.INPUT
            tensor = self._new_tensor(name)
            (self._inputs if is_input else self._outputs)[name] = tensor
            (self.inputs if is_input else self.outputs)[name] = [None, *tensor.shape]

    def _new_tensor(self, name: str) -> _Tensor:
        shape = tuple(self._engine.get_tensor_shape(name))[1:]
        size = FLOAT_BYTES * self._largest * int(np.prod(shape))
        gpu, pinned = self._cuda.allocate(size), 0
        self._resources.callback(self._cuda.free, gpu)
        pinned = self._cuda.allocate_pinned(size)
        self._resources.callback(self._cuda.free_pinned, pinned)
        memory = (ctypes.c_float * (size // FLOAT_BYTES)).from_address(pinned)
        return _Tensor(name, shape, gpu, pinned, np.ctypeslib.as_array(memory).reshape(self._largest, *shape))


def _fits(trt: Any, engine: Any) -> bool:
    """Whether an engine has our inputs and outputs, in float32, with a free batch and nothing else free."""
    names = [engine.get_tensor_name(index) for index in range(engine.num_io_tensors)]
    inputs = {name for name in names if engine.get_tensor_mode(name) == trt.TensorIOMode.INPUT}
    if inputs != {"frames", "valid", "state"} or not {"scores", "next_state"} <= {*names} - inputs:
        return False
    floats = all(engine.get_tensor_dtype(name) == trt.DataType.FLOAT for name in names)
    shapes = [tuple(engine.get_tensor_shape(name)) for name in names]
    return floats and all(shape[0] == -1 and min(shape[1:]) > 0 for shape in shapes)
