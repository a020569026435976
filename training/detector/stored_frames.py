"""Frames of whole recordings and of their annotated events, of synthetic patients too, from the cache on disk."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from edge.features import FeatureSpec, FrontEnd
from training.datasets import Annotation, Recording
from training.datasets.sounds import read_sound
from training.detector.virtual_patients import generator_hash, synthetic_sound
from training.frames import cache_key, cached_frames, extract


def recording_frames(recordings: Sequence[Recording], spec: FeatureSpec, folder: Path) -> list[NDArray[np.float16]]:
    """Frames of every recording, (T, M) each, computed once.

    Args:
        recordings: what to hear.
        spec: what a frame is.
        folder: where the cache lies; created when missing.
    """

    def rows() -> Iterator[NDArray[np.float16]]:
        front_end = FrontEnd(spec)
        for recording in tqdm(recordings, desc="features", unit="recording", mininterval=2):
            yield extract(_sound(recording, spec.rate_hz), front_end).astype(np.float16)

    key = cache_key((spec.sha256, generator_hash()), ((_file(r), str(r.path)) for r in recordings))
    return _parted(*cached_frames(folder, f"recordings-{key}", spec.width, rows))


def event_frames(recordings: Sequence[Recording], spec: FeatureSpec, folder: Path) -> list[list[NDArray[np.float16]]]:
    """Frames of every annotated event as a sound of its own, cut before anything is computed: no context leaks in.

    Args:
        recordings: what to hear; its events say where to cut.
        spec: what a frame is.
        folder: where the cache lies; created when missing.

    Returns:
        For each recording one (T, M) for each of its events.
    """

    def rows() -> Iterator[NDArray[np.float16]]:
        front_end = FrontEnd(spec)
        for recording in tqdm(recordings, desc="events", unit="recording", mininterval=2):
            sound = _sound(recording, spec.rate_hz) if recording.events else np.zeros(0, np.float32)
            for event in recording.events:
                yield extract(_cut(sound, event, spec.rate_hz), front_end).astype(np.float16)

    sounds = ((_file(r), f"{r.path} {e.start_s} {e.end_s}") for r in recordings for e in r.events)
    key = cache_key((spec.sha256, generator_hash()), sounds)
    events = iter(_parted(*cached_frames(folder, f"events-{key}", spec.width, rows)))
    return [[next(events) for _ in recording.events] for recording in recordings]


def _file(recording: Recording) -> Path | None:
    return None if recording.is_synthetic else recording.path


def _sound(recording: Recording, rate_hz: int) -> NDArray[np.float32]:
    return synthetic_sound(recording, rate_hz) if recording.is_synthetic else read_sound(recording.path, rate_hz)


def _cut(sound: NDArray[np.float32], event: Annotation, rate_hz: int) -> NDArray[np.float32]:
    return sound[round(event.start_s * rate_hz) : round(event.end_s * rate_hz)]


def _parted(values: NDArray[np.float16], lengths: NDArray[np.int64]) -> list[NDArray[np.float16]]:
    return np.split(values, np.cumsum(lengths)[:-1])
