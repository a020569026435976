"""Feature frames of whole recordings, made by `edge.features` and kept on disk. Knows no second mel.

One `.npz` for each feature spec and set of recordings, named by their hashes, so a changed spec or data set never
meets old frames. Frames are kept in float16: the error, 2^-11 of a unit of `scale`, is under 0.05 dB.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray
from tqdm import tqdm

from edge.errors import ConfigError
from edge.features import FeatureSpec, FrontEnd
from edge.types import Block
from training import synthetic
from training.datasets import Annotation, Recording
from training.virtual_patients import synthetic_sound


def read_sound(path: Path, rate_hz: int) -> NDArray[np.float32]:
    """(N,) samples of a mono recording at `rate_hz`.

    Raises:
        ConfigError: if it does not decode; the message names the file.
    """
    try:
        samples, found_hz = soundfile.read(path, dtype="float32", always_2d=True)
    except (OSError, soundfile.LibsndfileError) as error:
        raise ConfigError(f"{path}: does not decode ({error}); remove it or fetch it again") from error
    mono: NDArray[np.float32] = samples[:, 0]
    return mono if found_hz == rate_hz else soxr.resample(mono, found_hz, rate_hz)


def _sound(recording: Recording, rate_hz: int) -> NDArray[np.float32]:
    return synthetic_sound(recording, rate_hz) if recording.is_synthetic else read_sound(recording.path, rate_hz)


def extract(samples: NDArray[np.float32], extractor: FrontEnd) -> NDArray[np.float32]:
    """(T, M) frames of one whole sound, from the extractor that runs at the bedside."""
    extractor.reset()
    frames = extractor.push(Block(0, samples, np.ones(len(samples), np.bool_))) + extractor.flush()
    return np.concatenate([f.values for f in frames]) if frames else np.zeros((0, extractor.spec.width), np.float32)


def cached_frames(recordings: list[Recording], spec: FeatureSpec, folder: Path) -> list[NDArray[np.float16]]:
    """Frames of every recording, (T, M) each, computed once.

    Args:
        recordings: what to hear.
        spec: what a frame is.
        folder: where the cache lies; created when missing.
    """
    path = folder / f"frames-{_fingerprint(recordings, spec)}.npz"
    if not path.exists():
        extractor = FrontEnd(spec)
        sounds = tqdm(recordings, desc="features", unit="recording", mininterval=2)
        _write(path, [extract(_sound(r, spec.rate_hz), extractor).astype(np.float16) for r in sounds])
    return _read(path)


def cached_clips(recordings: list[Recording], spec: FeatureSpec, folder: Path) -> list[list[NDArray[np.float16]]]:
    """Frames of every annotated event as a sound of its own, cut before anything is computed: no context leaks in.

    Args:
        recordings: what to hear; its events say where to cut.
        spec: what a frame is.
        folder: where the cache lies; created when missing.

    Returns:
        For each recording one (T, M) for each of its events.
    """
    path = folder / f"clips-{_fingerprint(recordings, spec)}.npz"
    if not path.exists():
        extractor, rows = FrontEnd(spec), []
        for recording in tqdm(recordings, desc="clips", unit="recording", mininterval=2):
            if recording.events:
                sound = _sound(recording, spec.rate_hz)
                rows += [extract(cut(sound, event, spec.rate_hz), extractor) for event in recording.events]
        _write(path, [row.astype(np.float16) for row in rows])
    clips = iter(_read(path))
    return [[next(clips) for _ in recording.events] for recording in recordings]


def cut(sound: NDArray[np.float32], event: Annotation, rate_hz: int) -> NDArray[np.float32]:
    """(N,) samples of one annotated event."""
    return sound[round(event.start_s * rate_hz) : round(event.end_s * rate_hz)]


def _fingerprint(recordings: list[Recording], spec: FeatureSpec) -> str:
    names = hashlib.sha256(spec.sha256.encode())
    for source in sorted(Path(synthetic.__file__).parent.glob("*.py")):
        names.update(source.read_bytes())  # the makers of synthetic sound
    for recording in recordings:
        size = 0 if recording.is_synthetic else recording.path.stat().st_size
        names.update(f"{recording.path} {size} {recording.events}".encode())
    return names.hexdigest()[:16]


def _write(path: Path, rows: list[NDArray[np.float16]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(f".{os.getpid()}.part.npz")  # two processes may make it at once
    np.savez(draft, values=np.concatenate(rows), lengths=np.array([len(row) for row in rows]))
    draft.rename(path)


def _read(path: Path) -> list[NDArray[np.float16]]:
    with np.load(path) as stored:
        return np.split(stored["values"], np.cumsum(stored["lengths"])[:-1])
