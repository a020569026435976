"""The real TensorRT on a real GPU: engines are built, answer as onnxruntime does, and are timed. `make test-gpu`.

Each variant's latencies go to `runs/gpu-batches-VARIANT.json` (or the folder LAENNEC_GPU_REPORT), with the device, its
power mode and its clocks.
"""

from __future__ import annotations

import ctypes
import gc
import json
import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import cycle, islice
from pathlib import Path

import numpy as np
import pytest

from edge.log import warn_once
from edge.model.backends.tensorrt import Device, TensorRtBackend
from edge.model.model import DEFAULT_PATH
from edge.model.runtime import Artefact, find_variants, open_model
from edge.sources.file_search import DEMO_AUDIO
from export.comparison import compare_outputs, score_all
from tests.edge.detected import detected
from tests.gpu.facts import CLOCKS, device_facts
from tests.gpu.reference import Batch, Reference, as_batch

pytestmark = [pytest.mark.gpu, pytest.mark.rest]

VARIANTS = [item for item in find_variants(DEFAULT_PATH) if item.variant.runtime == "tensorrt"]
FP16 = 5e-2  # largest difference of a score in half precision
LEAKED_BYTES = 256 << 20  # of thirty backends that take over 30 MB each; others use the GPU of a Jetson meanwhile
BEDS, TIMES = (1, 2, 4, 8, 16, 32, 64), 50  # in a call of the model; calls that are timed together
SAME = 2e-2  # between batches of one engine: other sizes may take other kernels


def backend_of(artefact: Artefact, device: Device) -> TensorRtBackend:
    return TensorRtBackend(artefact.path.read_bytes(), artefact.variant.precision, device)


def free_bytes(device: Device) -> int:
    """What is free of the memory of the GPU."""
    free, whole = ctypes.c_size_t(), ctypes.c_size_t()
    assert device.cuda._library.cudaMemGetInfo(ctypes.byref(free), ctypes.byref(whole)) == 0
    return free.value


def report_path(variant: str) -> Path:
    """Where the report of a variant goes; its folder is made."""
    folder = Path(os.environ.get("LAENNEC_GPU_REPORT", "runs"))
    folder.mkdir(parents=True, exist_ok=True)
    return folder / f"gpu-batches-{variant}.json"


def part(batch: Batch, first: int, stop: int) -> Batch:
    """Some of the streams of a batch."""
    frames, valid, state = batch
    return frames[first:stop], valid[first:stop], state[first:stop]


@pytest.fixture(params=VARIANTS, ids=lambda artefact: artefact.variant.name)
def artefact(request: pytest.FixtureRequest) -> Artefact:
    made: Artefact = request.param
    return made


def test_answers_are_those_of_onnxruntime(artefact: Artefact, device: Device, reference: Reference) -> None:
    found = score_all(backend_of(artefact, device), reference.chunks)
    distance = compare_outputs(reference.outputs, found)
    assert distance.passes, distance
    if artefact.variant.precision == "fp16":
        np.testing.assert_allclose(found["scores"], reference.outputs["scores"], atol=FP16)


def test_every_size_of_batch_gives_the_same_answers(artefact: Artefact, device: Device, reference: Reference) -> None:
    backend = backend_of(artefact, device)
    batch = as_batch(backend, reference.chunks[:35])
    alone = np.concatenate([backend.run(*part(batch, i, i + 1))["scores"] for i in range(35)])
    for size in (2, 7, 8, 31, 32, 35):
        np.testing.assert_allclose(backend.run(*part(batch, 0, size))["scores"], alone[:size], atol=SAME)


def test_batches_of_1_to_64_beds_are_timed_and_what_a_bed_takes_of_the_memory_is_told(
    artefact: Artefact, device: Device, reference: Reference
) -> None:
    before, facts, backend = free_bytes(device), device_facts(device), backend_of(artefact, device)
    batch = as_batch(backend, list(islice(cycle(reference.chunks), BEDS[-1])))
    alone = np.concatenate([backend.run(*part(batch, i, i + 1))["scores"] for i in range(BEDS[-1])])
    milliseconds = {}
    for beds in BEDS:
        given = part(batch, 0, beds)
        np.testing.assert_allclose(backend.run(*given)["scores"], alone[:beds], atol=SAME)
        begin_s = time.perf_counter()
        for _ in range(TIMES):
            backend.run(*given)
        milliseconds[beds] = 1000 * (time.perf_counter() - begin_s) / TIMES
    after = device_facts(device)  # at once: the clocks have not gone down yet
    path = report_path(artefact.variant.name)
    state_bytes = batch[2][0].nbytes
    reported = {
        "ms": milliseconds,
        "taken_mb": (before - free_bytes(device)) / 1e6,
        "state_of_a_bed_mb": state_bytes / 1e6,
    }
    reported |= {"device": facts, "after": {name: after[name] for name in CLOCKS if name in after}}
    path.write_text(json.dumps({"variant": artefact.variant.name, **reported}, indent=1))
    print(f"wrote {path}")


def test_threads_may_share_a_backend(artefact: Artefact, device: Device, reference: Reference) -> None:
    backend, start = backend_of(artefact, device), threading.Barrier(4)
    batch = as_batch(backend, reference.chunks[:4])
    expected = backend.run(*batch)["scores"]

    def send_request(index: int) -> bool:
        start.wait()
        given = part(batch, index, index + 1)
        return all(np.allclose(backend.run(*given)["scores"][0], expected[index], atol=SAME) for _ in range(50))

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(send_request, range(4)))


def test_memory_is_given_back(device: Device, reference: Reference) -> None:
    def free_bytes_after(backends: int) -> int:
        for _ in range(backends):
            score_all(backend_of(VARIANTS[0], device), reference.chunks[:1])
        gc.collect()
        return free_bytes(device)

    before = free_bytes_after(3)
    assert free_bytes_after(30) > before - LEAKED_BYTES


def test_a_damaged_engine_is_built_again(device: Device, caplog: pytest.LogCaptureFixture, cache: Path) -> None:
    backend_of(VARIANTS[0], device)
    file = next((cache / "engines").glob(f"{VARIANTS[0].variant.precision.replace('+', '-')}-*.engine"))
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 0xFF
    file.write_bytes(content)
    warn_once.cache_clear()
    backend_of(VARIANTS[0], device)
    assert f"disk_cache=damaged file={file}" in caplog.text
    assert file.read_bytes() != bytes(content), "built again"


def test_a_plan_that_is_none_is_refused_without_a_crash(device: Device, cache: Path) -> None:
    backend = backend_of(VARIANTS[0], device)
    for plan in (b"", b"no plan at all" * 1000):
        assert backend._load(device.trt, plan) is None


def test_the_whole_path_hears_the_same_events(reference: Reference) -> None:
    received = {runtime: detected(DEMO_AUDIO, open_model(None, runtime)) for runtime in ("onnxruntime", "tensorrt")}
    expected, found = received["onnxruntime"], received["tensorrt"]
    assert [event.label for event in found] == [event.label for event in expected]
    np.testing.assert_allclose([event.onset_s for event in found], [event.onset_s for event in expected], atol=0.1)
