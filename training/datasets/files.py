"""What a reader found wrong, file by file, and when that is too much. Reads no file; a finding never changes a split.

One bad file of thousands is skipped, counted and listed; a set of which more than `MAX_BAD_SHARE` is bad is refused:
then it is not a bad file but the wrong folder, a half-finished download or a reader that does not know the layout.

Sound files: which there are, how long one is by its header alone, and its samples. Knows no label.

libsndfile reads what SPRSound publishes: WAV headers whose block alignment contradicts their bit depth.
"""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from edge.errors import ConfigError
from training.datasets.records import Annotation, Recording

MAX_BAD_SHARE = 0.01
"""Of the recordings of a set: more damaged ones than this are an error, fewer are skipped."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is not as published."""

    kind: Literal["damaged", "missing", "duplicate", "note"]
    """`damaged`: there and not usable; `missing`: its other half is not there; the others harm nothing."""
    path: Path
    """The file to look at."""
    message: str
    """Field, value found, what was expected."""

    def __str__(self) -> str:
        return f"{self.path}: {self.message}"


@dataclass(frozen=True, slots=True)
class Found:
    """What lies in the folder of one set."""

    dataset: str
    """`sprsound`, `icbhi`, `negatives`, or the name of a folder of the user's own."""
    folder: Path
    """Where it lies."""
    recordings: tuple[Recording, ...]
    """Those with sound and a readable annotation, sorted by name."""
    findings: tuple[Finding, ...] = ()
    """What is wrong with the others, in the order of their files."""

    def of_kind(self, kind: str) -> tuple[Finding, ...]:
        """The findings of one kind."""
        return tuple(finding for finding in self.findings if finding.kind == kind)

    def with_findings(self, more: tuple[Finding, ...]) -> Found:
        """The same set with more findings."""
        return replace(self, findings=(*self.findings, *more))


def accept(found: Found) -> list[Recording]:
    """The recordings of a set, after its bad files were counted.

    Raises:
        ConfigError: if there is no recording, or more than `MAX_BAD_SHARE` of them are damaged; names the first file
            and field.
    """
    damaged, missing = found.of_kind("damaged"), found.of_kind("missing")
    total = len(found.recordings) + len(damaged)
    if damaged and len(damaged) > MAX_BAD_SHARE * total:
        more = f" (and {len(damaged) - 1} more of {total}; `make data-check` lists them)" if len(damaged) > 1 else ""
        raise ConfigError(f"{damaged[0]}{more}")
    if not found.recordings:
        first = f"; {missing[0]}" if missing else ""
        raise ConfigError(f"{found.folder}: expected recordings with annotations, found none{first}")
    if damaged or missing:
        _log.warning(
            "dataset=%s recordings=%d damaged=%d missing=%d; skipped, `make data-check` lists them",
            *(found.dataset, len(found.recordings), len(damaged), len(missing)),
        )
    return list(found.recordings)


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
