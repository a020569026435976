"""`make bench`: what a frame and a second of sound cost, beside others in the same run, medians.

The Makefile keeps the peers to one thread each.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray

from edge.detector.pipeline import Pipeline
from edge.model.model import MAX_BATCH, Model, load_model
from edge.sources.file_search import DEMO_AUDIO
from edge.types import Chunk
from tests.benchmarks import link, packets
from tests.benchmarks.frontends import ROUNDS, medians, pieces, report
from training.synthetic.scene import scene

STARTS = 3  # of the process, each once with kernels to compile and once with their code cached
SECONDS = 60


def detection(samples: NDArray[np.float32]) -> None:
    """Cost of one chunk in the model, and of one second of sound in the whole detector."""
    model = load_model()
    rng = np.random.default_rng(0)
    values = rng.normal(0, 1, (model.chunk.chunk_frames, model.spec.width)).astype(np.float32)
    chunk = Chunk(0, values, np.ones(len(values), np.bool_), np.ones(len(values), np.bool_))
    _, state = model.score(chunk, model.new_state())
    blocks = pieces(samples, model.rate_hz // 10)

    def run() -> None:
        pipeline = Pipeline(model)
        for block in blocks:
            pipeline.push(block)
        pipeline.flush()

    work = {"chunk": lambda: model.score(chunk, state), "stream": run, "streams": partial(together, model, samples)}
    cost = medians(work)
    print(f"model: {1000 * cost['chunk']:.2f} ms/chunk ({model.runtime}, 1 thread)")
    shares = {"one stream": cost["stream"] / SECONDS, "each of a batch": cost["streams"] / SECONDS / MAX_BATCH}
    for what, share in shares.items():
        print(f"detector: {100 * share:.2f} % of one core for {what} ({1 / share:.0f} streams to a core)")


def together(model: Model, samples: NDArray[np.float32]) -> None:
    """Detect in a batch of streams, as a node does: sound is taken when it completes a chunk."""
    pipelines = [Pipeline(model) for _ in range(MAX_BATCH)]
    for block in pieces(samples, model.chunk.chunk_frames * model.spec.hop_samples):
        for pipeline in pipelines:
            pipeline.offer(block)
        while ready := [(each, pair) for each in pipelines if (pair := each.ready()) is not None]:
            answers = model.score_many([chunk for _, (chunk, _) in ready], [state for _, (_, state) in ready])
            for (pipeline, _), answer in zip(ready, answers, strict=True):
                pipeline.decide(*answer)


def process() -> None:
    """Peak memory of a run, and time from the start of the process to the first score."""
    with TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "edge", "run", "--source", str(DEMO_AUDIO), "--fast", "--port", "1"]
        command += ["--outbox", str(Path(folder) / "outbox.db")]
        peak_kb = 0
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as child:
            while child.poll() is None:
                peak_kb = max(peak_kb, _high_water_kb(child.pid))
                time.sleep(0.01)
    print(f"laennec run, one stream: peak {peak_kb / 1024:.0f} MB")
    starts = []
    for _ in range(STARTS):
        with TemporaryDirectory() as cache:
            starts.append((_first_score_s(cache), _first_score_s(cache)))
    cold_s, warm_s = (statistics.median(times) for times in zip(*starts, strict=True))
    print(f"start to first score: {cold_s:.2f} s with kernels to compile, {warm_s:.2f} s with their code cached")


def _first_score_s(cache: str) -> float:
    """Seconds from the start of `laennec detect` to its first line, with compiled code cached in `cache`."""
    command = [sys.executable, "-m", "edge", "detect", str(DEMO_AUDIO), "--jsonl", "--scores"]
    started = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.PIPE, env={**os.environ, "NUMBA_CACHE_DIR": cache}) as child:
        assert child.stdout is not None
        child.stdout.readline()
        first_s = time.perf_counter() - started
        child.stdout.read()
    return first_s


def _high_water_kb(pid: int) -> int:
    """Peak resident memory so far (`VmHWM`, proc(5)); 0 when the process is gone."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM")), 0)


if __name__ == "__main__":
    print(
        f"Python {sys.version.split()[0]}, NumPy {np.__version__}, {os.cpu_count()} cores, medians of {ROUNDS} rounds"
    )
    sound = np.asarray(scene(1, SECONDS)[0], np.float32)
    report(sound)
    detection(sound)
    process()
    packets.report()
    link.report()
