"""TensorRT as a backend, on a GPU that is none: the same scores, the right order, nothing left behind, clear errors."""

from __future__ import annotations

import gc
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from edge.errors import ConfigError, ModelError
from edge.model.backends.engine import BatchSizes
from edge.model.backends.onnx import OnnxBackend
from edge.model.backends.tensorrt import TensorRtBackend, find_device
from edge.model.model import Model
from tests.edge.model.backends.machine import Machine
from tests.edge.small_graph import chunk_batch, small_artefact

ARTEFACT = small_artefact()
SMALL = BatchSizes(1, 2, 3)


@pytest.fixture(scope="module")
def reference() -> OnnxBackend:
    return OnnxBackend(ARTEFACT)


def backend_of(machine: Machine) -> TensorRtBackend:
    return TensorRtBackend(ARTEFACT, "fp16", machine.device, SMALL)


def agree(backend: TensorRtBackend, reference: OnnxBackend, count: int, seed: int = 0) -> bool:
    """Whether both say the same of some chunks: scores, labels and the states that follow."""
    found, expected = backend.run(*chunk_batch(count, seed)), reference.run(*chunk_batch(count, seed))
    return found.keys() == expected.keys() and all(
        found[name].shape == expected[name].shape and np.allclose(found[name], expected[name], atol=1e-5)
        for name in expected
    )


@pytest.mark.parametrize("count", [1, 2, 3, 7])
def test_any_number_of_streams_gives_the_answers_of_the_graph(
    machine: Machine, reference: OnnxBackend, count: int
) -> None:
    assert agree(backend_of(machine), reference, count)


def test_no_stream_gives_no_answer(machine: Machine) -> None:
    found = backend_of(machine).run(*chunk_batch(0))
    assert {name: values.shape for name, values in found.items()} == {
        "scores": (0, 2, 2),
        "clip": (0, 1),
        "next_state": (0, 5),
    }


def test_a_stream_goes_on_with_the_state_that_the_chunk_before_left(machine: Machine, reference: OnnxBackend) -> None:
    backend, state = backend_of(machine), chunk_batch(2)[2]
    expected = state
    for seed in range(6):
        frames, valid, _ = chunk_batch(2, seed)
        state = backend.run(frames, valid, state)["next_state"]
        expected = reference.run(frames, valid, expected)["next_state"]
    np.testing.assert_allclose(state, expected, atol=1e-5)


def test_a_batch_of_the_same_size_sets_no_shape_again(machine: Machine, reference: OnnxBackend) -> None:
    backend = backend_of(machine)
    assert all(agree(backend, reference, count, seed) for seed, count in enumerate((1, 1, 2, 2, 1, 1)))
    assert machine.calls.count("shape frames") == 3
    assert machine.calls.count("execute") == 6


def test_shapes_come_before_addresses_uploads_before_the_run_and_the_wait_before_the_reading(machine: Machine) -> None:
    backend = backend_of(machine)
    machine.forget()
    backend.run(*chunk_batch(1))
    addresses = [f"address {name}" for name in ("frames", "valid", "state", "scores", "clip", "next_state")]
    once = [*["upload"] * 3, "execute", *["download"] * 3, "cudaStreamSynchronize"]
    assert machine.calls == ["shape frames", "shape valid", "shape state", *addresses, *once]
    machine.forget()
    backend.run(*chunk_batch(1))
    assert machine.calls == once


def test_everything_is_given_back_when_the_backend_is_closed(machine: Machine) -> None:
    backend = backend_of(machine)
    for _ in range(4):
        backend.run(*chunk_batch(1))
    assert machine.live == 13  # two kinds of memory for six tensors, and a stream
    backend.close()
    backend.close()
    assert machine.live == 0


def test_everything_is_given_back_when_the_backend_is_dropped(machine: Machine) -> None:
    backend = backend_of(machine)
    backend.run(*chunk_batch(1))
    del backend
    gc.collect()
    assert machine.live == 0


def test_a_backend_that_was_closed_answers_with_an_error(machine: Machine) -> None:
    backend = backend_of(machine)
    backend.close()
    with pytest.raises(ModelError, match="was closed"):
        backend.run(*chunk_batch(1))


def test_the_end_of_the_process_takes_no_memory_from_under_a_thread_that_still_works(machine: Machine) -> None:
    assert not backend_of(machine).close.atexit


@pytest.mark.parametrize("call", ["cudaMalloc", "cudaMallocHost", "cudaStreamCreateWithFlags"])
def test_a_full_gpu_is_named_and_what_was_taken_is_given_back(machine: Machine, call: str) -> None:
    device = machine.device
    machine.fail(call, 2, after=0 if call == "cudaStreamCreateWithFlags" else 2)
    with pytest.raises(ModelError, match=rf"{call}: error 2, out of memory.*runtime: onnxruntime") as caught:
        TensorRtBackend(ARTEFACT, "fp16", device, SMALL)
    assert machine.live == 0
    assert caught.tb is not None  # which holds the backend that was half made


def test_a_tensorrt_that_does_not_start_is_told_with_what_the_driver_speaks(machine: Machine) -> None:
    machine.trt.no_start.add("Runtime")
    with pytest.raises(ModelError, match=r"TensorRT 10\.3\.0 does not start: it gave no reason; .*CUDA 13\.2"):
        backend_of(machine)


def test_an_engine_with_an_output_of_unknown_size_is_refused(machine: Machine) -> None:
    machine.trt.free_dimension = True
    with pytest.raises(ModelError, match="does not load the engine that it just built"):
        backend_of(machine)


def test_an_engine_that_gets_no_context_is_an_error(machine: Machine) -> None:
    machine.trt.no_context = True
    with pytest.raises(ModelError, match=r"cannot run the engine.*memory full"):
        backend_of(machine)


@pytest.mark.parametrize("call", ["upload", "download", "cudaStreamSynchronize"])
def test_a_gpu_that_fails_is_an_error_and_not_an_answer(machine: Machine, call: str) -> None:
    backend = backend_of(machine)
    machine.fail(call, 719)
    with pytest.raises(ModelError, match="error 719, unspecified failure"):
        backend.run(*chunk_batch(1))


def test_a_context_that_refuses_to_run_is_an_error(machine: Machine) -> None:
    backend = backend_of(machine)
    machine.trt.no_execution = True
    with pytest.raises(ModelError, match="cannot run a batch of 1"):
        backend.run(*chunk_batch(1))


def test_after_a_batch_that_was_refused_the_one_before_is_set_up_again(
    machine: Machine, reference: OnnxBackend
) -> None:
    backend = backend_of(machine)
    backend.run(*chunk_batch(1))
    machine.trt.refuses_addresses = True
    with pytest.raises(ModelError, match="refused a batch of 2"):
        backend.run(*chunk_batch(2))
    machine.trt.refuses_addresses = False
    assert agree(backend, reference, 1)


def test_chunks_of_another_shape_are_refused_before_the_gpu_sees_them(machine: Machine) -> None:
    backend = backend_of(machine)
    with pytest.raises(ValueError, match="could not broadcast"):
        backend.run(np.zeros((1, 4, 7), np.float32), *chunk_batch(1)[1:])


def test_threads_take_turns(machine: Machine, reference: OnnxBackend) -> None:
    backend, start = backend_of(machine), threading.Barrier(4)

    def request(seed: int) -> bool:
        start.wait()
        return all(agree(backend, reference, 1 + seed % 3, seed) for _ in range(3))

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(request, range(4)))


def test_the_backend_fits_the_model_and_says_what_it_is(machine: Machine) -> None:
    model = Model(ARTEFACT, backend_of(machine))
    assert model.runtime == "TensorRT 10.3.0 fp16 on Fake Orin"
    assert model.classes[-1] == "breath"


def test_a_machine_without_a_driver_is_told_so_before_tensorrt_is_touched(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edge.model.backends.cuda.DRIVER", "libcuda-that-is-not-there.so.1")
    monkeypatch.setitem(sys.modules, "tensorrt", None)
    with pytest.raises(ConfigError, match=r"no NVIDIA driver .*libcuda-that-is-not-there.*runtime: onnxruntime"):
        find_device()


@pytest.mark.parametrize("call", ["cuInit", "cuDeviceGet"])
def test_a_driver_without_a_gpu_is_told_with_its_code(machine: Machine, call: str) -> None:
    machine.fail(call, 100)
    with pytest.raises(ConfigError, match=rf"no usable GPU: {call} .* error 100 \(100: no device"):
        find_device()


def test_a_machine_without_the_package_is_told_how_to_get_it(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tensorrt", None)
    with pytest.raises(ConfigError, match=r"no TensorRT for Python.*python3-libnvinfer.*--system-site-packages"):
        find_device()


def test_a_tensorrt_that_is_too_old_is_refused_with_both_versions(machine: Machine) -> None:
    machine.trt.__version__ = "8.5.2.2"  # JetPack 5
    with pytest.raises(ConfigError, match=r"expected TensorRT 10\.3 or newer, found 8\.5\.2\.2"):
        find_device()


def test_a_machine_without_the_runtime_of_cuda_is_told_what_to_install(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edge.model.backends.cuda.RUNTIMES", ("libcudart-that-is-not-there.so.13",))
    with pytest.raises(ConfigError, match=r"no CUDA runtime: .*libcudart-that-is-not-there.*cuda-cudart"):
        find_device()


def test_a_runtime_newer_than_the_driver_is_not_tried(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edge.model.backends.cuda.RUNTIMES", (str(machine.shared.with_suffix(".14")),))
    with pytest.raises(ConfigError, match="the driver supports CUDA 13"):
        find_device()
