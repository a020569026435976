"""`make bench`: what a second of sound costs, beside NumPy and librosa in the same run, medians.

The Makefile keeps the peers to one thread each.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray

from edge.features import FeatureSpec, LogMel
from edge.features.logmel import mel_filters
from edge.model import load_model
from edge.pipeline import Pipeline
from edge.sources.synthetic import DEMO_AUDIO, scene
from edge.types import Block, Window

ROUNDS = 15
STARTS = 3  # of the process, each once without kept kernels and once with them
SECONDS = 60


def _medians(tasks: dict[str, Callable[[], object]]) -> dict[str, float]:
    """Median seconds of each task, in interleaved rounds so that a busy machine is unfair to all alike."""
    times: dict[str, list[float]] = {name: [] for name in tasks}
    for task in tasks.values():
        task()
    for _ in range(ROUNDS):
        for name, task in tasks.items():
            started = time.perf_counter()
            task()
            times[name].append(time.perf_counter() - started)
    return {name: statistics.median(values) for name, values in times.items()}


def _numpy_log_mel(samples: NDArray[np.float32], spec: FeatureSpec, weights: NDArray[np.float32]) -> object:
    out = []
    for length in spec.windows_samples:
        frames = np.lib.stride_tricks.sliding_window_view(samples, length)[:: spec.hop_samples]
        taper = np.hanning(length + 1)[:-1].astype(np.float32)
        power = np.abs(np.fft.rfft(frames * taper, spec.fft_size)) ** 2
        out.append(10 * np.log10(np.maximum(power @ weights.T, 1e-10)))
    return out


def _librosa_log_mel(samples: NDArray[np.float32], spec: FeatureSpec) -> object:
    import librosa

    return [
        librosa.power_to_db(
            librosa.feature.melspectrogram(
                y=samples, sr=spec.rate_hz, n_fft=spec.fft_size, win_length=length, hop_length=spec.hop_samples,
                n_mels=spec.bands, fmin=spec.low_hz, fmax=spec.high_hz, htk=True, norm=None, center=False,
            )
        )
        for length in spec.windows_samples
    ]  # fmt: skip


def _pieces(samples: NDArray[np.float32], size: int) -> list[Block]:
    return [
        Block(first, samples[first : first + size], np.ones(len(samples[first : first + size]), np.bool_))
        for first in range(0, len(samples), size)
    ]


def features(spec: FeatureSpec, samples: NDArray[np.float32]) -> None:
    """Cost of one frame of two windows, streaming and offline, beside the peers."""
    weights = mel_filters(spec).astype(np.float32)
    extractor = LogMel(spec)

    def run(blocks: list[Block]) -> None:
        extractor.reset()
        for block in blocks:
            extractor.push(block)

    whole, tenths = _pieces(samples, len(samples)), _pieces(samples, spec.rate_hz // 10)
    hops = _pieces(samples[: spec.rate_hz * 6], spec.hop_samples)
    frames = len(samples) / spec.hop_samples
    tasks: dict[str, Callable[[], object]] = {
        "ours, offline": lambda: run(whole),
        "ours, blocks of 100 ms": lambda: run(tenths),
        "ours, hop by hop": lambda: run(hops),
        "NumPy, offline": lambda: _numpy_log_mel(samples, spec, weights),
        "librosa, offline": lambda: _librosa_log_mel(samples, spec),
    }
    print(
        f"log-mel at {spec.rate_hz} Hz, windows {spec.windows_samples}, hop {spec.hop_samples}, {spec.bands} bands each"
    )
    cost_us = {
        name: seconds / (len(hops) if name.endswith("hop by hop") else frames) * 1e6
        for name, seconds in _medians(tasks).items()
    }
    for name, cost in cost_us.items():
        print(f"  {name:24s} {cost:7.2f} us/frame   {cost / cost_us['NumPy, offline']:5.2f} x NumPy")


def detection(samples: NDArray[np.float32]) -> None:
    """Cost of one window in the model, and of one second of sound in the whole detector."""
    model = load_model()
    rng = np.random.default_rng(0)
    values = rng.normal(0, 1, (model.window.window_frames, model.spec.width)).astype(np.float32)
    window = Window(0, values, np.ones(len(values), np.bool_))
    blocks = _pieces(samples, model.rate_hz // 10)

    def run() -> None:
        pipeline = Pipeline(model)
        for block in blocks:
            pipeline.push(block)
        pipeline.flush()

    cost = _medians({"window": lambda: model.score(window), "stream": run})
    print(f"model: {1000 * cost['window']:.2f} ms/window ({model.runtime}, 1 thread)")
    share = cost["stream"] / SECONDS
    print(f"detector: {100 * share:.2f} % of one core for one stream ({1 / share:.0f} streams to a core)")


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
    print(f"start to first score: {cold_s:.2f} s with kernels to compile, {warm_s:.2f} s with kernels kept")


def _first_score_s(cache: str) -> float:
    """Seconds from the start of `laennec detect` to its first line, with compiled kernels kept in `cache`."""
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
    features(load_model().spec, sound)
    detection(sound)
    process()
