"""One recording, scored in a process of a pool or of a cluster: its events, burden, what was measured.

Not for beds (a recording has a begin and an end, and all of it is reported at once), nor for deciding what is scored
(`edge.server.archive.run`). A file that is cut off is scored as far as it goes, and says so; one that cannot be read at
all has its reason and nothing else. The same sound and the same model give the same numbers, wherever they are
computed. The process keeps the model and nothing else; what it takes and gives can be pickled, and is small.
"""

from __future__ import annotations

import ctypes
import hashlib
import json
import os
import signal
import stat
import sys
import threading
from collections import Counter
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.api.recording import Event
from edge.detector.pipeline import Pipeline
from edge.detector.recording import LABELS, TASK, log_probabilities, nothing_judged, statistics_of
from edge.detector.sound_check import SoundAssessment
from edge.detector.warm import warm_up
from edge.errors import ConfigError, LaennecError, ModelError
from edge.model.model import Model, load_model
from edge.server.archive.listing import text_of
from edge.sources.file import FileSource
from edge.types import Block, Scores
from edge.types import Event as SampleEvent

DIGITS = 6
MOST_SCORES = 60 * 60 * 1000 // 32  # score frames of an hour; a longer recording is not called anything

Body = dict[str, Any]
"""Plain JSON."""


@dataclass
class _Sums:
    """What adds up over a recording."""

    expected: NDArray[np.float64]
    """(groups,) sum of the probabilities of each."""
    measured: int = 0
    """Score frames."""
    unverified: int = 0


class ScoreSums:
    """Takes the scores of one recording as they come."""

    def __init__(self, model: Model) -> None:
        self.pipeline = Pipeline(model, observe=self._push)
        self._columns = [[model.classes.index(name) for name in group.classes] for group in model.groups]
        self.missing: Counter[str] = Counter()
        """Score frames that were not measured, by cause."""
        self.sums = _Sums(np.zeros(len(self._columns)))
        self._stored: list[NDArray[np.float32]] = []
        self._scored_frames = 0

    def _push(self, scores: Scores) -> None:
        verdict, valid = self.pipeline.verdict, scores.valid
        count, rest = int(valid.sum()), int((~valid).sum())
        self.missing[verdict.fault or "masked"] += rest
        if verdict.verified is False:
            self.sums.unverified += count
        else:
            self.sums.measured += count
            values = scores.values[valid].astype(np.float64)
            self.sums.expected += [values[:, columns].sum() for columns in self._columns]
        self._scored_frames += count
        if self._scored_frames <= MOST_SCORES:
            self._stored.append(scores.values[valid])

    def end(self) -> SoundAssessment:
        """What is known of the whole recording; of one of silence alone nothing was measured, however short it is."""
        if self.pipeline.is_silent:
            self.missing["dead microphone"] += self.sums.measured + self.sums.unverified
            self.sums, self._stored = _Sums(np.zeros(len(self._columns))), []
        return self.pipeline.whole()

    @property
    def is_unjudged(self) -> bool:
        """Whether no score frame of it could be judged."""
        return not self._scored_frames

    def scores(self) -> NDArray[np.float32] | None:
        """(T, C) of all frames that are valid; None of a recording that is too long."""
        if self._scored_frames > MOST_SCORES or not self._stored:
            return None
        return np.concatenate(self._stored)


def sha256_of(path: Path) -> str:
    """SHA-256 of a file, hex.

    Raises:
        OSError: it cannot be read.
    """
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(1 << 20):
            digest.update(piece)
    return digest.hexdigest()


def score(path: Path, model: Model, channel: int | None = None) -> Body:
    """Hear one file to its end.

    Args:
        path: the file.
        model: loaded artefact.
        channel: which of several, counted from 1.

    Returns:
        `status` ok, cut_off or damaged, `reason`, and what was found (`events`, `burden`, `answers`, seconds).

    Raises:
        ModelError: what the model gives is not a number.
    """
    try:
        source = FileSource(path, model.rate_hz, channel)
    except LaennecError as error:
        return {"status": "damaged", "reason": _reason(error, path)}
    scored, events, stop, reason = ScoreSums(model), list[SampleEvent](), 0, ""
    try:
        for item in source.blocks(threading.Event()):
            if isinstance(item, Block):
                events += scored.pipeline.push(item)
                stop = item.stop
    except LaennecError as error:  # cut short: what was read counts
        reason = _reason(error, path)
    finally:
        source.close()
    events += scored.pipeline.flush()
    whole = scored.end()
    if scored.is_unjudged and not reason:
        why = nothing_judged(path, source, scored.pipeline, model, stop / model.rate_hz)
        if isinstance(why, ModelError):
            raise why
        whole = replace(whole, reason=_reason(why, path))
    return {
        "status": "cut_off" if reason else "ok",
        "reason": reason,
        **_quality(scored, whole, stop, model),
        "burden": _burden(scored, model),
        "answers": _answers(scored, model),
        "events": [Event.of(event, model.rate_hz).record() for event in events if event.kind == "end"],
    }


def _quality(scored: ScoreSums, whole: SoundAssessment, stop: int, model: Model) -> Body:
    hop_s = model.score_hop_samples / model.rate_hz
    missing = {cause.replace(" ", "_"): _rounded(n * hop_s) for cause, n in sorted(scored.missing.items()) if n}
    return {
        "length_s": _rounded(stop / model.rate_hz),
        "measured_s": _rounded(scored.sums.measured * hop_s),
        "unverified_s": _rounded(scored.sums.unverified * hop_s),
        "missing_s": missing,
        "gain_db": _rounded(scored.pipeline.gain_db),
        "verified": whole.verified,
        "outside": whole.reason,
    }


def _burden(scored: ScoreSums, model: Model) -> list[Body]:
    """Of each group; a recording of which nothing was measured has none."""
    sums, hop_s = scored.sums, model.score_hop_samples / model.rate_hz
    return [
        {
            "group": group.name,
            "expected_s": _rounded(expected * hop_s),
            "burden_s_per_min": _rounded(60 * expected / sums.measured) if sums.measured else None,
        }
        for group, expected in zip(model.groups, sums.expected.tolist(), strict=True)
    ]


def _answers(scored: ScoreSums, model: Model) -> list[Body]:
    """What the recording is called, where the model says how; the probability of each label."""
    scores = scored.scores()
    if model.tasks is None or scores is None or "breath" not in model.classes:
        return []
    groups = [("breath",), *(group.classes for group in model.groups)]
    columns = [[model.classes.index(name) for name in group] for group in groups]
    log_probability = log_probabilities(statistics_of(scores, columns)[None], model.tasks["record"])[0]
    offsets = np.array(model.tasks["offsets"].get(TASK) or np.zeros(len(LABELS)))
    decided = int((log_probability + offsets).argmax())
    return [
        {"task": TASK, "label": label, "probability": _rounded(float(np.exp(one))), "is_answer": number == decided}
        for number, (label, one) in enumerate(zip(LABELS, log_probability, strict=True))
    ]


def _reason(error: LaennecError, path: Path) -> str:
    """An error without the path, which stands in the row already."""
    return str(error).removeprefix(f"{path}: ")


def _rounded(value: float) -> float:
    return round(float(value), DIGITS)


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
    """JSON, of `edge.server.archive.recording.score`."""


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
