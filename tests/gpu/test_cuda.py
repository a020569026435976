"""Our calls of CUDA on a real GPU, without TensorRT: memory, copies, streams, graphs, errors, threads."""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass

import numpy as np
import pytest
from numpy.typing import NDArray

from edge.errors import ModelError
from edge.model.backends.cuda import Cudart, find_gpu

pytestmark = [pytest.mark.gpu, pytest.mark.rest]

COUNT = 4096
BYTES = 4 * COUNT


@dataclass(frozen=True)
class Loop:
    """From pinned memory to the GPU and back to other pinned memory."""

    cuda: Cudart
    stream: int
    there: NDArray[np.float32]
    back: NDArray[np.float32]
    addresses: tuple[int, int, int]

    def enqueue(self) -> None:
        there, gpu, back = self.addresses
        self.cuda.upload(gpu, there, BYTES, self.stream)
        self.cuda.download(back, gpu, BYTES, self.stream)


def _floats(address: int) -> NDArray[np.float32]:
    return np.ctypeslib.as_array((ctypes.c_float * COUNT).from_address(address))


def _loop(cuda: Cudart, given: ExitStack) -> Loop:
    stream, gpu = cuda.new_stream(), cuda.allocate(BYTES)
    there, back = cuda.allocate_pinned(BYTES), cuda.allocate_pinned(BYTES)
    given.callback(cuda.end_stream, stream)
    given.callback(cuda.free, gpu)
    given.callback(cuda.free_pinned, there)
    given.callback(cuda.free_pinned, back)
    return Loop(cuda, stream, _floats(there), _floats(back), (there, gpu, back))


@pytest.fixture
def loop(cuda: Cudart) -> Iterator[Loop]:
    with ExitStack() as given:
        yield _loop(cuda, given)


def test_the_driver_names_its_gpu(cuda: Cudart) -> None:
    gpu = find_gpu()
    assert gpu.name
    assert gpu.memory_bytes > 1 << 30
    assert float(gpu.compute_capability) >= 5
    assert int(gpu.driver.split(".")[0]) >= 12


def test_what_goes_to_the_gpu_comes_back(loop: Loop) -> None:
    loop.there[:], loop.back[:] = np.arange(COUNT), -1
    loop.enqueue()
    loop.cuda.synchronize(loop.stream)
    np.testing.assert_array_equal(loop.back, np.arange(COUNT))


def test_more_memory_than_there_is_is_named_in_the_words_of_cuda(cuda: Cudart) -> None:
    with pytest.raises(ModelError, match=r"cudaMalloc: error 2, out of memory"):
        cuda.allocate(1 << 50)
    cuda.free(cuda.allocate(BYTES))


def test_threads_have_the_same_gpu(cuda: Cudart) -> None:
    start = threading.Barrier(4)

    def request(value: int) -> bool:
        with ExitStack() as given:
            mine = _loop(cuda, given)
            start.wait()
            for _ in range(100):
                mine.there[:], mine.back[:] = value, -1
                mine.enqueue()
                cuda.synchronize(mine.stream)
                if not (mine.back == value).all():
                    return False
        return True

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(request, range(4)))
