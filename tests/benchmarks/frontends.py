"""What a frame costs, beside what others need for theirs: one thread, interleaved rounds, medians of CPU time.

The log-mel is the same for all: 8 kHz, 50 ms windows every 12.5 ms, 512 points, 64 bands from 50 to 2500 Hz.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import kaldi_native_fbank
import librosa
import numpy as np
import torch
from numba import njit
from numpy.typing import NDArray

from edge.features import Cwt, FeatureSpec, FrontEnd, Gammatone, Mel, Pcen
from edge.features.logmel import make_mel_plan, mel_filters, taper
from edge.features.ring import make_ring
from edge.features.wavelet import make_cwt_plan
from edge.types import Block

ROUNDS = 15
SPEC = FeatureSpec()
TENTH = SPEC.rate_hz // 10  # samples
HOPS = 2000  # hops of the hop-by-hop rows
Sound = NDArray[np.float32]
Task = Callable[[], object]


def medians(tasks: dict[str, Task], rounds: int = ROUNDS) -> dict[str, float]:
    """Median seconds of CPU of each task, in interleaved rounds so that a busy machine is unfair to all alike."""
    times: dict[str, list[float]] = {name: [] for name in tasks}
    for task in tasks.values():
        task()
    for _ in range(rounds):
        for name, task in tasks.items():
            started = time.process_time()
            task()
            times[name].append(time.process_time() - started)
    return {name: statistics.median(values) for name, values in times.items()}


def pieces(samples: Sound, size: int) -> list[Block]:
    """The sound in blocks."""
    return [
        Block(first, samples[first : first + size], np.ones(len(samples[first : first + size]), np.bool_))
        for first in range(0, len(samples), size)
    ]


def _ours(spec: FeatureSpec, blocks: list[Block]) -> Task:
    front_end = FrontEnd(spec)

    def run() -> None:
        front_end.reset()
        for block in blocks:
            front_end.push(block)

    return run


def _kaldi(samples: Sound, size: int) -> Task:
    options = kaldi_native_fbank.FbankOptions()
    frame, mel = options.frame_opts, options.mel_opts
    frame.samp_freq, frame.frame_length_ms, frame.frame_shift_ms = SPEC.rate_hz, 50, 12.5
    frame.dither, frame.snip_edges, frame.remove_dc_offset, frame.preemph_coeff = 0, True, False, 0
    frame.window_type = "hanning"
    mel.num_bins, mel.low_freq, mel.high_freq = SPEC.bands, SPEC.low_hz, SPEC.high_hz
    blocks = [samples[first : first + size].tolist() for first in range(0, len(samples), size)]  # its faster way in

    def run() -> None:
        fbank, done = kaldi_native_fbank.OnlineFbank(options), 0
        for block in blocks:
            fbank.accept_waveform(SPEC.rate_hz, block)
            while done < fbank.num_frames_ready:
                fbank.get_frame(done)
                done += 1

    return run


def _numpy(samples: Sound, size: int) -> Task:
    """The plain way: keep the tail, and transform what is complete at once."""
    window, hop = SPEC.ahead_samples, SPEC.hop_samples
    hann, weights = taper("hann", window, True).astype(np.float32), mel_filters(SPEC).astype(np.float32).T.copy()

    def run() -> None:
        tail = np.zeros(0, np.float32)
        for first in range(0, len(samples), size):
            tail = np.concatenate([tail, samples[first : first + size]])
            if len(tail) >= window:
                frames = np.lib.stride_tricks.sliding_window_view(tail, window)[::hop]
                spectrum = np.fft.rfft(frames * hann, 512)
                power = spectrum.real**2 + spectrum.imag**2
                10 * np.log10(np.maximum(power @ weights, 1e-10))
                tail = tail[len(frames) * hop :]

    return run


def _librosa(samples: Sound) -> object:
    return librosa.power_to_db(
        librosa.feature.melspectrogram(
            y=samples,
            sr=SPEC.rate_hz,
            n_fft=512,
            win_length=400,
            hop_length=SPEC.hop_samples,
            n_mels=SPEC.bands,
            fmin=SPEC.low_hz,
            fmax=SPEC.high_hz,
            htk=True,
            norm=None,
            center=False,
        )
    )


def _torch(samples: Sound) -> Task:
    window, sound = torch.hann_window(400), torch.from_numpy(samples)
    filters = mel_filters(SPEC).astype(np.float32)
    first, stop = (int(k) for k in np.flatnonzero(filters.any(axis=0))[[0, -1]] + [0, 1])  # the bins that matter
    weights = torch.from_numpy(filters[:, first:stop].copy())

    def run() -> None:
        spectrum = torch.stft(sound, 512, SPEC.hop_samples, 400, window, center=False, return_complex=True)
        power = torch.view_as_real(spectrum[first:stop]).square().sum(-1)
        10 * torch.log10(torch.clamp(weights @ power, min=1e-10))

    return run


def log_mel(samples: Sound) -> dict[str, float]:
    """Cost of a frame in us, ours and theirs."""
    torch.set_num_threads(1)
    some = samples[: HOPS * SPEC.hop_samples]
    frames = {"offline": len(samples) / SPEC.hop_samples, "100 ms": len(samples) / SPEC.hop_samples, "hop": HOPS}
    tasks: dict[str, Task] = {
        "ours, offline": _ours(SPEC, pieces(samples, len(samples))),
        "ours, 100 ms": _ours(SPEC, pieces(samples, TENTH)),
        "ours, hop": _ours(SPEC, pieces(some, SPEC.hop_samples)),
        "kaldi-native-fbank, 100 ms": _kaldi(samples, TENTH),
        "kaldi-native-fbank, hop": _kaldi(some, SPEC.hop_samples),
        "NumPy, offline": _numpy(samples, len(samples)),
        "NumPy, 100 ms": _numpy(samples, TENTH),
        "NumPy, hop": _numpy(some, SPEC.hop_samples),
        "librosa, offline": lambda: _librosa(samples),
        "torch, offline": _torch(samples),
    }
    return {name: 1e6 * seconds / frames[name.split(", ")[1]] for name, seconds in medians(tasks).items()}


def others(samples: Sound) -> dict[str, list[float]]:
    """Cost of a frame of every front-end in us: offline, in blocks of 100 ms, of silence, and of sound 160 dB lower."""
    specs = {
        "log-mel": SPEC,
        "PCEN": FeatureSpec(compression=Pcen()),
        "gammatone": FeatureSpec(analysis=Gammatone()),
        "CWT, Morlet": FeatureSpec(analysis=Cwt()),
        "CWT, Morse": FeatureSpec(analysis=Cwt(wavelet="morse")),
        "two windows": FeatureSpec(hop_samples=64, bands=48, analysis=Mel(windows_samples=(512, 128))),
    }
    sound = {"offline": samples, "silence": np.zeros_like(samples), "faint": samples * np.float32(1e-8)}
    tasks: dict[str, Task] = {}
    for name, spec in specs.items():
        tasks[f"{name}/100 ms"] = _ours(spec, pieces(samples, TENTH))
        tasks |= {f"{name}/{kind}": _ours(spec, pieces(s, len(s))) for kind, s in sound.items()}
    cost = medians(tasks, rounds=5)
    kinds = ("offline", "100 ms", "silence", "faint")
    return {
        name: [1e6 * cost[f"{name}/{kind}"] * spec.hop_samples / len(samples) for kind in kinds]
        for name, spec in specs.items()
    }


@njit
def _polynomials(x, out, rounds):  # type: ignore[no-untyped-def]
    """Four polynomials of degree 8 of every number: 70 operations for a number read and one written."""
    c = np.float32(0.5)
    for _ in range(rounds):
        for i in range(x.shape[0]):
            a = x[i]
            b, d, e = a + c, a - c, a * c
            p = (((((((a * a + c) * a + c) * a + c) * a + c) * a + c) * a + c) * a + c) * a + c
            q = (((((((b * b + c) * b + c) * b + c) * b + c) * b + c) * b + c) * b + c) * b + c
            r = (((((((d * d + c) * d + c) * d + c) * d + c) * d + c) * d + c) * d + c) * d + c
            s = (((((((e * e + c) * e + c) * e + c) * e + c) * e + c) * e + c) * e + c) * e + c
            out[i] = p * q + r * s


def peak_operations() -> float:
    """Float32 operations in a second that compiled code reaches on this machine without a fused multiply-add."""
    x, out = np.full(1024, 0.1, np.float32), np.empty(1024, np.float32)
    return 70 * len(x) * 500 / medians({"peak": lambda: _polynomials(x, out, 500)}, rounds=7)["peak"]


def operations() -> dict[str, int]:
    """Float32 operations of one frame, counted from the tables of the kernels."""
    assert isinstance(SPEC.analysis, Mel)
    mel = make_mel_plan(SPEC, SPEC.analysis, make_ring(0))
    log = 27 * SPEC.bands
    butterflies = 34 * 64 * 4  # radix 4: 16 sums, 3 complex products of 6; 64 in each of 4 stages of 256 points
    spectrum = 400 + butterflies + 19 * len(mel.fft.turn[0])
    spec = FeatureSpec(analysis=Cwt())
    assert isinstance(spec.analysis, Cwt)
    cwt = make_cwt_plan(spec, spec.analysis, make_ring(0))
    points = [len(cwt.flat) // spec.hop_samples * int(pace) for pace in cwt.bands[:, 2]]
    made = len(cwt.energies)
    transforms = sum(34 / 4 * p * np.log2(p) / 2 for p in points) + 34 / 4 * 1600 * np.log2(1600) / 2
    rest = 19 * len(cwt.fft.turn[0]) + 2 * cwt.bands[:, 1].sum() + 4 * made * cwt.bands[:, 2].sum()
    return {
        "log-mel": spectrum + 2 * len(mel.weights) + log,
        "gammatone": 23 * SPEC.hop_samples * SPEC.bands + log,
        "CWT, Morlet": int((transforms + rest) / made) + log,
    }


def report(samples: Sound) -> None:
    """Print everything."""
    cost = log_mel(samples)
    print("log-mel, 8 kHz, 50 ms window, 12.5 ms hop, 512 points, 64 bands: us/frame")
    for name, us in cost.items():
        kaldi = us / cost["kaldi-native-fbank, hop" if name.endswith("hop") else "kaldi-native-fbank, 100 ms"]
        print(f"  {name:28s} {us:7.2f}   {kaldi:5.2f} x kaldi   {us / cost['torch, offline']:5.2f} x torch offline")
    table, counted, peak = others(samples), operations(), peak_operations()
    print("front-ends, 64 bands, 12.5 ms hop (two windows: the default model's, 48 + 48 bands, 8 ms hop): us/frame")
    for name, (offline, tenth, silence, faint) in table.items():
        ratio = offline / table["log-mel"][0]
        print(f"  {name:12s} {offline:6.2f} offline, {ratio:4.1f} x log-mel {tenth:6.2f} in 100 ms", end="   ")
        print(f"{silence / offline:4.2f} x for silence, {faint / offline:4.2f} x 160 dB lower")
    print(f"floor: {peak / 1e9:.0f} G operations/s measured (float32, one core, no fused multiply-add)")
    for name, count in counted.items():
        least, ratio = 1e6 * count / peak, count / counted["log-mel"]
        print(f"  {name:12s} {count / 1000:6.1f} k operations, {ratio:4.1f} x log-mel's", end="   ")
        print(f"{least:5.2f} us at that peak, {least / table[name][0]:4.0%} of it reached")
