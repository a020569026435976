"""Feature frames by `edge.features`, computed once and kept on disk. Knows no second mel, and not what sounds.

`FrameStore[i]` is the (T, M) of sound i, whatever a sound is: a whole recording for the detector, a clip of a task for
the papers, a piece of two seconds for HeAR.

A cache entry is a folder with `values.npy`, all frames one after the other, and `lengths.npy`; its name is a hash of
what decides them, with size and time of change of every sound, so a changed spec, list or sound never meets old
frames. It is written beside its place and renamed, under a lock: several processes may ask at once, one computes.
Frames are float16: the error, 2^-11 of a unit of the spec's scale, is under 0.05 dB.
"""

from __future__ import annotations

import fcntl
import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.features import FrontEnd
from edge.types import Block
from training.loop.checkpoint import disk_may_be_full

Rows = Iterable[NDArray[np.float16]]
"""(T, M) frames of one sound after the other."""
_VERSION = "2"  # of what is computed from the same sound and spec


class FrameStore(Sequence[NDArray[np.float16]]):
    """Frames of n sounds.

    Args:
        values: (sum of T, M), those of one sound after the other, in memory or mapped from the disk.
        lengths: (n,) T of each sound; 0 for one that does not decode.
    """

    def __init__(self, values: NDArray[np.float16], lengths: NDArray[np.int64]) -> None:
        self.values, self.lengths = values, lengths
        self._stops = np.cumsum(lengths)

    @classmethod
    def of(cls, sounds: Sequence[NDArray[np.float16]], width: int) -> FrameStore:
        """In memory, from the (T, M) of each sound; `width` is M, for none at all."""
        values = np.concatenate([np.zeros((0, width), np.float16), *sounds])
        return cls(values, np.array([len(sound) for sound in sounds], np.int64))

    def __len__(self) -> int:
        return len(self.lengths)

    def __getitem__(self, index: Any) -> Any:
        """(T, M) of one sound; of a slice, a list of them."""
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        if not -len(self) <= index < len(self):
            raise IndexError(f"sound {index} of {len(self)}")
        stop = int(self._stops[index])
        return self.values[stop - int(self.lengths[index]) : stop]


def extract(samples: NDArray[np.float32], front_end: FrontEnd) -> NDArray[np.float32]:
    """Frames of one whole sound from the front-end that runs at the bedside, from its first sample on.

    Frames that the front-end does not make because its filters have not settled (32 ms of a high-pass) are as the
    first that it makes.

    Args:
        samples: (N,) at the spec's rate.
        front_end: it is reset.

    Returns:
        (T, M).
    """
    front_end.reset()
    frames = front_end.push(Block(0, samples, np.ones(len(samples), np.bool_))) + front_end.flush()
    if not frames:
        return np.zeros((0, front_end.spec.width), np.float32)
    values = np.concatenate([f.values for f in frames])
    return np.concatenate([np.repeat(values[:1], frames[0].start, axis=0), values])


def cache_key(decides: Iterable[str], sounds: Iterable[tuple[Path | None, str]]) -> str:
    """Name of what is computed from some sounds.

    Args:
        decides: hashes and names of all but the sounds.
        sounds: files, and what is taken of each; None for a sound that a program makes. Those of one file that follow
            each other are quick.
    """
    digest = hashlib.sha256(" ".join((_VERSION, *decides)).encode())
    known, state = None, ""
    for path, part in sounds:
        if path != known:
            known, state = path, "" if path is None else _file_state(path)
        digest.update(f"{path} {state} {part}\n".encode())
    return digest.hexdigest()[:20]


def cached_frames(folder: Path, name: str, width: int, compute: Callable[[], Rows]) -> FrameStore:
    """Frames from the disk, computed when they are not there.

    Args:
        folder: of the cache; created when missing.
        name: of the entry, with a `cache_key` in it.
        width: M.
        compute: gives the frames of one sound after the other.

    Raises:
        ConfigError: if the disk is full, and whatever `compute` raises.
    """
    path = folder / name
    with disk_may_be_full(folder), _alone(folder, name):
        if not path.is_dir():
            _write(path, width, compute())
    return FrameStore(np.load(path / "values.npy", mmap_mode="r"), np.load(path / "lengths.npy"))


def _write(path: Path, width: int, rows: Rows) -> None:
    """Row by row: all clips of SPRSound are 1 GB in some recipes."""
    draft = path.with_suffix(".part")
    draft.mkdir(exist_ok=True)  # one that was killed is overwritten
    lengths = []
    raw = draft / "values.raw"
    with raw.open("wb") as file:
        for row in rows:
            file.write(row.tobytes())
            lengths.append(len(row))
    total = sum(lengths)
    shaped = np.lib.format.open_memmap(draft / "values.npy", mode="w+", dtype=np.float16, shape=(total, width))
    if total:
        shaped[:] = np.memmap(raw, np.float16, "r", shape=(total, width))
    shaped.flush()
    del shaped
    raw.unlink()
    np.save(draft / "lengths.npy", np.array(lengths, np.int64))
    draft.rename(path)


def _file_state(path: Path) -> str:
    """Changes whenever a file is written: its size and time of change. Reading every sound again would take minutes."""
    found = path.stat()
    return f"{found.st_size} {found.st_mtime_ns}"


@contextmanager
def _alone(folder: Path, name: str) -> Iterator[None]:
    """One process at a time; the others wait for what it makes."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
