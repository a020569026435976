"""What a whole recording is called by its scores: Normal, CAS, DAS, both, or Poor Quality; or why it cannot be judged.

Not for detecting (`.detect`), nor for finding what is wrong (`edge.detector.quality`, `edge.detector.sound_check`). The
answer is fitted in `training.detector.answers`, which uses these formulas: a few
statistics of each group of sounds, one logistic regression that separates Poor Quality from the rest, one among the
rest. The official tasks 2-1 and 2-2 of SPRSound ask this.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.detector.pipeline import Pipeline
from edge.detector.quality import LEAST_S
from edge.detector.statistics import MOST_NOT_NUMBERS
from edge.errors import LaennecError, ModelError, SourceError
from edge.model.model import Model
from edge.sources.file import FileSource
from edge.types import Block, Fault

LABELS = ("Normal", "CAS", "DAS", "CAS & DAS", "Poor Quality")
TASK = "2-2"
SHARES = (0.02, 0.05, 0.1, 0.2)  # of a recording's frames, the highest
SMALLEST = 1e-4  # probability below which a logit says no more


def statistics_of(scores: NDArray[np.float32], groups: Sequence[Sequence[int]]) -> NDArray[np.float64]:
    """What a recording's streaming scores look like as a whole.

    Args:
        scores: (T, C); a frame that was never scored has 0 everywhere and is left out.
        groups: columns of breath, continuous and discontinuous sound.

    Returns:
        (S,): for each group the means of the highest frames (`SHARES`), the mean, the same of the logits of the highest
        twentieth and fifth, mean and deviation of the logits; log seconds last.
    """
    scores = scores[scores.any(axis=1)]
    parts = [scores[:, list(columns)].sum(1) for columns in groups]
    presence = np.stack(parts, 1).astype(np.float64) if len(scores) else np.zeros((1, len(groups)))
    bounded = np.clip(presence, SMALLEST, 1 - SMALLEST)
    logits = np.log(bounded / (1 - bounded))
    ordered, ordered_logits = np.sort(presence, 0)[::-1], np.sort(logits, 0)[::-1]
    tops = [ordered[: max(1, round(share * len(ordered)))].mean(0) for share in SHARES]
    top_logits = [ordered_logits[: max(1, round(share * len(ordered)))].mean(0) for share in (0.05, 0.2)]
    found = [*tops, presence.mean(0), *top_logits, logits.mean(0), logits.std(0), [np.log(len(ordered))]]
    return np.concatenate(found)


def log_probabilities(statistics: NDArray[np.float64], fitted: Mapping[str, Any]) -> NDArray[np.float64]:
    """Log-probabilities of `LABELS`.

    Args:
        statistics: (n, S).
        fitted: `mean` (S,), `scale` (S,), `weights` (L, S) and `bias` (L,), as `laennec.tasks` has them in `record`.

    Returns:
        (n, L).
    """
    mean, scale, weights, bias = (np.array(fitted[name]) for name in ("mean", "scale", "weights", "bias"))
    logits = (statistics - mean) / scale @ weights.T + bias
    kind, poor = logits[:, :-1], logits[:, -1:]
    kind = kind - np.logaddexp.reduce(kind, 1, keepdims=True) - np.logaddexp(0, poor)
    return np.concatenate([kind, -np.logaddexp(0, -poor)], 1)


SHORT_S = 1.0  # of which nothing can be judged where the model, with what it looks ahead, scores nearly nothing
TOO_SHORT = f"length: record {LEAST_S} s or more"
CAUSES: dict[Fault | None, tuple[str, str]] = {
    "dead microphone": ("loudness", "check the plug, the mute switch and the gain"),
    "faint": ("loudness", "raise the gain"),
    "clipping": ("loudness", "lower the gain"),
    "no contact": ("contact", "press the sensor onto the skin, over the lung"),
    "rubbing": ("contact", "fix sensor and cable, and hold still"),
    "mains hum": ("device", "move it and its cable away from power supplies"),
    "steady tone": ("device", "switch off what sounds near it"),
    "speech": ("other sound", "record while nobody speaks or cries"),
    None: ("device", "adapt to it:  laennec adapt"),
}
"""Of each fault which of the four it is, and the repair; None: the sound is not like what the model knows."""


def advice(fault: Fault | None) -> str:
    """Cause and repair in some words."""
    return ": ".join(CAUSES[fault])


def nothing_judged(path: Path, source: FileSource, pipeline: Pipeline, model: Model, read_s: float) -> LaennecError:
    """The error of a recording of which no score frame could be judged.

    Args:
        path: of the recording.
        source: read to its end.
        pipeline: that took all of it.
        model: that the pipeline asked.
        read_s: length of what was read, seconds.
    """
    if pipeline.failed_chunks:
        return ModelError(
            f"model {model.id}: what it gives is not a number, so nothing in {path} was judged; the recording is not to"
            " blame: export the model again, or use another one"
        )
    verdict, broken = pipeline.whole(), source.not_sound / max(source.read, 1)
    if broken > MOST_NOT_NUMBERS:
        why = f"{broken:.0%} of its samples are no sound: not a number, or beyond all bounds (device: convert it again)"
    elif read_s < SHORT_S:
        why = f"too short ({TOO_SHORT})"
    elif verdict.reason and not verdict.too_short:
        why = f"{verdict.reason} ({advice(verdict.fault)})"
    else:
        why = "no second of it is whole (device: record it again without losses)"
    return SourceError(f"{path}: nothing in {read_s:.2f} s can be judged: {why}")


def samples_of(path: Path, rate_hz: int) -> NDArray[np.float32]:
    """(N,) the samples of a file with one channel, at some rate.

    Raises:
        SourceError: the file cannot be read.
    """
    source = FileSource(path, rate_hz)
    try:
        return np.concatenate([item.samples for item in source.blocks(threading.Event()) if isinstance(item, Block)])
    finally:
        source.close()
