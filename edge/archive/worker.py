"""What a process of a pool, or of a cluster, does: score one recording. It keeps the model, and nothing else.

Not for deciding what is scored (`edge.archive.run`). What it takes and gives can be pickled, and is small.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import stat
import sys
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from edge.archive.item import text_of
from edge.archive.recording import score, sha256_of
from edge.artefact.model import Model, load_model
from edge.errors import ConfigError
from edge.features import warm_up


@dataclass(frozen=True, slots=True)
class Settings:
    """What all recordings of an archive are scored with."""

    model: str | None
    """Path of the artefact, the same on every machine; None: the bundled one."""
    model_sha256: str
    """What it must be."""
    channel: int | None = None
    """Which of several, counted from 1."""


@dataclass(frozen=True, slots=True)
class Job:
    """One recording."""

    name: str
    path: bytes


@dataclass(frozen=True, slots=True)
class Result:
    """What became of it."""

    name: str
    sound_sha256: str
    """Empty where not even its bytes could be read."""
    body: str
    """JSON, of `edge.archive.recording.score`."""


def prepare(parent: int) -> None:
    """Leave Ctrl-C to the parent, whose process id is given, and die with it: Linux sees to that, prctl(2)."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if sys.platform == "linux":
        pr_set_pdeathsig = 1
        ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGKILL)
        if os.getppid() != parent:  # it died while this process started
            os._exit(1)


def work(job: Job, settings: Settings) -> Result:
    """Score one recording.

    Raises:
        ConfigError: this machine has another model.
        ModelError: it has none under this path.
    """
    model = _model(settings.model)
    if model.sha256 != settings.model_sha256:
        found, expected = model.sha256[:12], settings.model_sha256[:12]
        raise ConfigError(f"a worker has model {found}, expected {expected}; give all machines the same version")
    return _of_file(job, model, settings.channel)


def failed(name: str, reason: str) -> Result:
    """A recording that could not be read; of a reason with a name that is no text every table takes what is left."""
    return Result(name, "", _json({"status": "damaged", "reason": text_of(reason)}))


def _of_file(job: Job, model: Model, channel: int | None) -> Result:
    path = Path(os.fsdecode(job.path)).absolute()  # as `-` alone it would be standard input
    try:
        before = path.stat()
        if not stat.S_ISREG(before.st_mode):  # to open a pipe would wait for whoever writes it
            return failed(job.name, "is a folder, a pipe or a device; give a sound file")
        sound = sha256_of(path)
        body = score(path, model, channel)
        after = path.stat()
    except OSError as error:
        return failed(job.name, f"cannot be opened ({error.strerror or error}); check the path")
    if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
        return failed(job.name, "changed while it was read; run again with --resume once it is written")
    return Result(job.name, sound, _json(body))


@lru_cache(maxsize=1)
def _model(path: str | None) -> Model:
    warm_up()
    return load_model(None if path is None else Path(path))  # never a faster variant: the same numbers on all machines


def _json(body: object) -> str:
    return json.dumps(body, allow_nan=False, sort_keys=True)
