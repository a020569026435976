"""The few calls of CUDA that a backend needs, through ctypes: no torch, no pycuda, nothing to compile.

The driver (libcuda) is asked first, for TensorRT objects made without one end the process. Then the runtime
(libcudart.so.13 or .12: JetPack 7 has the first, JetPack 6 the second) gives memory and a stream. Not for
TensorRT itself (`edge.model.backends.tensorrt`). Nothing is loaded when this module is imported.

Source: CUDA Runtime API and CUDA Driver API, 12 and 13, whose signatures used here are the same.
"""

from __future__ import annotations

import ctypes
import importlib.util
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge.errors import ConfigError, ModelError

DRIVER = "libcuda.so.1"
RUNTIMES = ("libcudart.so.13", "libcudart.so.12")
TOOLKIT = Path("/usr/local/cuda/lib64")  # where NVIDIA's installers put it, known to the linker or not

MAJOR, MINOR = 75, 76  # CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_*
NON_BLOCKING = 1  # cudaStreamNonBlocking
TO_DEVICE, TO_HOST = 1, 2  # cudaMemcpyKind

Pointer = ctypes.c_void_p


@dataclass(frozen=True, slots=True)
class Gpu:
    """The first GPU of this machine, as its driver names it."""

    name: str
    compute_capability: str
    """Such as `8.7`."""
    memory_bytes: int
    driver: str
    """Newest CUDA that the driver supports, such as `12.6`."""


class NoDriverError(ConfigError):
    """This machine has no NVIDIA driver; unless a GPU was asked for, that is how most machines are."""


def find_gpu() -> Gpu:
    """Ask the driver for its first GPU, without touching TensorRT.

    Raises:
        NoDriverError: there is none; the message says how to get one.
        ConfigError: a driver without a usable GPU; the message says what to do.
    """
    try:
        driver = ctypes.CDLL(DRIVER)
    except OSError as error:
        raise NoDriverError(
            f"no NVIDIA driver ({error}); install it (JetPack brings it; a container needs "
            "--gpus all or the NVIDIA runtime), or set  runtime: onnxruntime"
        ) from None

    def call(function: str, *arguments: object) -> None:
        code = getattr(driver, function)(*arguments)
        if code:
            raise ConfigError(
                f"no usable GPU: {function} of {DRIVER} answered error {code} (100: no device, 803: driver and kernel "
                "module differ, restart the machine); see nvidia-smi or tegrastats, or set  runtime: onnxruntime"
            )

    version, device, major, minor = ctypes.c_int(), ctypes.c_int(), ctypes.c_int(), ctypes.c_int()
    name, memory = ctypes.create_string_buffer(256), ctypes.c_size_t()
    call("cuInit", 0)
    call("cuDriverGetVersion", ctypes.byref(version))
    call("cuDeviceGet", ctypes.byref(device), 0)
    call("cuDeviceGetName", name, len(name), device)
    call("cuDeviceGetAttribute", ctypes.byref(major), MAJOR, device)
    call("cuDeviceGetAttribute", ctypes.byref(minor), MINOR, device)
    call("cuDeviceTotalMem_v2", ctypes.byref(memory), device)
    newest = f"{version.value // 1000}.{version.value % 1000 // 10}"
    return Gpu(name.value.decode("utf-8", "replace"), f"{major.value}.{minor.value}", memory.value, newest)


class Cudart:
    """CUDA's runtime; every method raises ModelError with CUDA's own error text when a call fails.

    Args:
        gpu: see `find_gpu`; a runtime newer than its driver is not tried.

    Raises:
        ConfigError: no runtime library can be loaded.
    """

    def __init__(self, gpu: Gpu) -> None:
        self._library = _load(int(gpu.driver.split(".")[0]))
        self._library.cudaGetErrorString.restype = ctypes.c_char_p

    def allocate(self, size: int) -> int:
        """Address of `size` bytes on the GPU."""
        return self._new("cudaMalloc", ctypes.c_size_t(size), what=f"{size / 1e6:.1f} MB of GPU memory")

    def allocate_pinned(self, size: int) -> int:
        """Address of `size` bytes of host memory that the GPU can read by itself."""
        return self._new("cudaMallocHost", ctypes.c_size_t(size), what=f"{size / 1e6:.1f} MB of pinned memory")

    def free(self, address: int) -> None:
        """Free what `allocate` returned."""
        self._library.cudaFree(Pointer(address))

    def free_pinned(self, address: int) -> None:
        """Free what `allocate_pinned` returned."""
        self._library.cudaFreeHost(Pointer(address))

    def upload(self, gpu: int, pinned: int, size: int, stream: int) -> None:
        """Put a copy of `size` bytes to the GPU on the stream."""
        self._copy(gpu, pinned, size, TO_DEVICE, stream)

    def download(self, pinned: int, gpu: int, size: int, stream: int) -> None:
        """Put a copy of `size` bytes from the GPU on the stream."""
        self._copy(pinned, gpu, size, TO_HOST, stream)

    def new_stream(self) -> int:
        """A stream: work put on it is done in order."""
        return self._new("cudaStreamCreateWithFlags", NON_BLOCKING, what="a stream")

    def synchronize(self, stream: int) -> None:
        """Wait until all work of the stream is done; errors of that work are raised here."""
        self._call("cudaStreamSynchronize", Pointer(stream))

    def end_stream(self, stream: int) -> None:
        """Destroy what `new_stream` returned."""
        self._library.cudaStreamDestroy(Pointer(stream))

    def forget_error(self) -> None:
        """Clear the last error, so that a later call does not answer with it."""
        self._library.cudaGetLastError()

    def _copy(self, to: int, source: int, size: int, kind: int, stream: int) -> None:
        self._call("cudaMemcpyAsync", Pointer(to), Pointer(source), ctypes.c_size_t(size), kind, Pointer(stream))

    def _new(self, function: str, *arguments: object, what: str) -> int:
        handle = Pointer()
        self._check(function, getattr(self._library, function)(ctypes.byref(handle), *arguments), what)
        return int(handle.value or 0)

    def _call(self, function: str, *arguments: object) -> None:
        self._check(function, getattr(self._library, function)(*arguments), "this call")

    def _check(self, function: str, code: int, what: str) -> None:
        if code:
            cause = self._library.cudaGetErrorString(code) or b"no description"
            self.forget_error()
            raise ModelError(f"CUDA did not provide {what}: {function}: error {code}, {cause.decode(errors='replace')}")


def _load(driver_major: int) -> Any:
    names = [name for name in RUNTIMES if int(name.rsplit(".", 1)[1]) <= driver_major]
    causes = [f"the driver supports CUDA {driver_major}"]
    for name in _candidates(names):
        try:
            return ctypes.CDLL(name)
        except OSError as error:
            causes.append(str(error))
    raise ConfigError(
        f"no CUDA runtime: expected one of {', '.join(RUNTIMES)}, found none ({'; '.join(causes[:2])}); install "
        "cuda-cudart (JetPack: sudo apt install nvidia-jetpack), or set  runtime: onnxruntime"
    )


def _candidates(names: list[str]) -> Iterator[str]:
    """The linker's own, then the toolkit's, then those that pip installed with TensorRT on a PC."""
    yield from names
    yield from (str(TOOLKIT / name) for name in names)
    installed = importlib.util.find_spec("nvidia")
    for folder in (installed.submodule_search_locations or ()) if installed else ():
        for name in names:
            yield from (str(path) for path in sorted(Path(folder).glob(f"*/lib/{name}")))
