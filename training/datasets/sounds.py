"""Sound files: which there are, how long one is by its header alone, and its samples. Knows no label.

libsndfile reads what SPRSound publishes: WAV headers whose block alignment contradicts their bit depth.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from edge.errors import ConfigError
from training.datasets.records import Annotation

KINDS = (".flac", ".wav", ".mp3", ".ogg")
"""Suffixes of sounds, in order of preference."""
_UNKNOWN_SIZE = 0xFFFF0000  # what is written as a size by programs that do not know it yet
BEYOND_S = 0.05
"""An event may end this much after its recording: annotations are rounded and lengths change a little with a
conversion. Measured: 0 of 6656 events of SPRSound's training set and 0 of 44 cycles of five ICBHI recordings do."""


def files_below(folder: Path, *suffixes: str) -> list[Path]:
    """Every file below a folder with one of these suffixes in any case, sorted by name.

    Links are followed, each folder once: large sets lie on other disks. Hidden files are none (macOS: `._name.wav`).
    """
    found, seen = [], set()
    for where, folders, names in os.walk(folder, followlinks=True):
        real = os.path.realpath(where)
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        found += [Path(where, name) for name in names if not name.startswith(".")]
    chosen = (path for path in found if path.suffix.lower() in suffixes)
    return sorted(chosen, key=lambda path: (path.stem, path.suffix.lower(), str(path)))


def sound_paths(folder: Path) -> list[Path]:
    """Every sound below a folder, sorted by name."""
    return files_below(folder, *KINDS)


def read_header(path: Path) -> tuple[float, int]:
    """Duration in seconds and rate in hertz.

    Raises:
        ValueError: if libsndfile does not know the file, a WAV file breaks off, it holds no sample, or is no file.
    """
    try:
        _check_whole(path)
        header = soundfile.info(path)
    except UnicodeEncodeError as error:
        raise ValueError("its path is not UTF-8; rename it") from error
    except (OSError, soundfile.LibsndfileError) as error:
        reason = str(error).rpartition(": ")[2]
        raise ValueError(f"does not decode ({reason}); fetch it again") from error
    if header.frames == 0:
        raise ValueError("holds no sample; fetch it again")
    return header.frames / header.samplerate, header.samplerate


def read_sound(path: Path, rate_hz: int) -> NDArray[np.float32]:
    """(N,) samples of the first channel at `rate_hz`, full scale 1.

    Raises:
        ConfigError: if it does not decode; the message names the file.
    """
    try:
        samples, found_hz = soundfile.read(path, dtype="float32", always_2d=True)
    except (OSError, soundfile.LibsndfileError) as error:
        raise ConfigError(f"{path}: does not decode ({error}); remove it or fetch it again") from error
    first: NDArray[np.float32] = samples[:, 0]
    return first if found_hz == rate_hz else soxr.resample(first, found_hz, rate_hz)


def _check_whole(path: Path) -> None:
    """Refuse a WAV file that is shorter than its header says: libsndfile takes the break for the end."""
    if not path.is_file():  # a named pipe would be waited for
        raise ValueError("is no file, or a link to nothing; fetch it again")
    with path.open("rb") as file:
        head = file.read(8)
    promised, there = int.from_bytes(head[4:], "little") + 8, path.stat().st_size
    if head[:4] == b"RIFF" and there < promised < _UNKNOWN_SIZE:
        raise ValueError(f"breaks off: {there} bytes of {promised}; fetch it again")


def check_events(events: tuple[Annotation, ...], duration_s: float) -> None:
    """Refuse events that cannot be in a recording of this duration.

    Raises:
        ValueError: names the number of the event and its times in seconds.
    """
    for event in events:
        times = f"event {event.number} = {event.start_s:.3f} to {event.end_s:.3f} s"
        if not 0 <= event.start_s < event.end_s:
            raise ValueError(f"{times}, expected 0 <= start < end")
        if event.end_s > duration_s + BEYOND_S:
            raise ValueError(f"{times} is beyond the end of its recording ({duration_s:.3f} s)")
