"""One recording, scored: its events, the burden of each group, what of it was measured, and what it is called.

Not for beds: a recording has a begin and an end, and all of it is told at once. A file that is cut off is scored as far
as it goes, and says so; one that cannot be read at all has its reason and nothing else. The same sound and the same
model give the same numbers, wherever they are computed.
"""

from __future__ import annotations

import hashlib
import threading
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.api.recording import Event
from edge.artefact.model import Model
from edge.detector.pipeline import Pipeline
from edge.detector.recording_answer import LABELS, TASK, log_probabilities, statistics_of
from edge.detector.sound_check import Verdict
from edge.detector.why_not import nothing_judged
from edge.errors import LaennecError, ModelError
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


class Heard:
    """Takes the scores of one recording as they come."""

    def __init__(self, model: Model) -> None:
        self.pipeline = Pipeline(model, observe=self._push)
        self._columns = [[model.classes.index(name) for name in group.classes] for group in model.groups]
        self.missing: Counter[str] = Counter()
        """Score frames that were not measured, by cause."""
        self.sums = _Sums(np.zeros(len(self._columns)))
        self._kept: list[NDArray[np.float32]] = []
        self._kept_frames = 0

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
        self._kept_frames += count
        if self._kept_frames <= MOST_SCORES:
            self._kept.append(scores.values[valid])

    def end(self) -> Verdict:
        """What is known of the whole recording; of one of silence alone nothing was measured, however short it is."""
        if self.pipeline.is_silent:
            self.missing["dead microphone"] += self.sums.measured + self.sums.unverified
            self.sums, self._kept = _Sums(np.zeros(len(self._columns))), []
        return self.pipeline.whole()

    @property
    def is_unjudged(self) -> bool:
        """Whether no score frame of it could be judged."""
        return not self._kept_frames

    def scores(self) -> NDArray[np.float32] | None:
        """(T, C) of all frames that are valid; None of a recording that is too long."""
        if self._kept_frames > MOST_SCORES or not self._kept:
            return None
        return np.concatenate(self._kept)


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
    heard, events, stop, reason = Heard(model), list[SampleEvent](), 0, ""
    try:
        for item in source.blocks(threading.Event()):
            if isinstance(item, Block):
                events += heard.pipeline.push(item)
                stop = item.stop
    except LaennecError as error:  # cut short: what was read counts
        reason = _reason(error, path)
    finally:
        source.close()
    events += heard.pipeline.flush()
    whole = heard.end()
    if heard.is_unjudged and not reason:
        why = nothing_judged(path, source, heard.pipeline, model, stop / model.rate_hz)
        if isinstance(why, ModelError):
            raise why
        whole = replace(whole, reason=_reason(why, path))
    return {
        "status": "cut_off" if reason else "ok",
        "reason": reason,
        **_quality(heard, whole, stop, model),
        "burden": _burden(heard, model),
        "answers": _answers(heard, model),
        "events": [Event.of(event, model.rate_hz).record() for event in events if event.kind == "end"],
    }


def _quality(heard: Heard, whole: Verdict, stop: int, model: Model) -> Body:
    hop_s = model.score_hop_samples / model.rate_hz
    missing = {cause.replace(" ", "_"): _rounded(n * hop_s) for cause, n in sorted(heard.missing.items()) if n}
    return {
        "length_s": _rounded(stop / model.rate_hz),
        "measured_s": _rounded(heard.sums.measured * hop_s),
        "unverified_s": _rounded(heard.sums.unverified * hop_s),
        "missing_s": missing,
        "gain_db": _rounded(heard.pipeline.gain_db),
        "verified": whole.verified,
        "outside": whole.reason,
    }


def _burden(heard: Heard, model: Model) -> list[Body]:
    """Of each group; a recording of which nothing was measured has none."""
    sums, hop_s = heard.sums, model.score_hop_samples / model.rate_hz
    return [
        {
            "group": group.name,
            "expected_s": _rounded(expected * hop_s),
            "burden_s_per_min": _rounded(60 * expected / sums.measured) if sums.measured else None,
        }
        for group, expected in zip(model.groups, sums.expected.tolist(), strict=True)
    ]


def _answers(heard: Heard, model: Model) -> list[Body]:
    """What the recording is called, where the model says how; the probability of each label."""
    scores = heard.scores()
    if model.tasks is None or scores is None or "breath" not in model.classes:
        return []
    groups = [("breath",), *(group.classes for group in model.groups)]
    columns = [[model.classes.index(name) for name in group] for group in groups]
    said = log_probabilities(statistics_of(scores, columns)[None], model.tasks["record"])[0]
    offsets = np.array(model.tasks["offsets"].get(TASK) or np.zeros(len(LABELS)))
    decided = int((said + offsets).argmax())
    return [
        {"task": TASK, "label": label, "probability": _rounded(float(np.exp(one))), "is_answer": number == decided}
        for number, (label, one) in enumerate(zip(LABELS, said, strict=True))
    ]


def _reason(error: LaennecError, path: Path) -> str:
    """An error without the path, which stands in the row already."""
    return str(error).removeprefix(f"{path}: ")


def _rounded(value: float) -> float:
    return round(float(value), DIGITS)
