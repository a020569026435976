"""Clips and answers whose right scores are known, for the tests of the evaluation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge.model.specs import GroupSpec
from edge.types import Event
from training.datasets import CLASSES, CONTINUOUS, DISCONTINUOUS, Annotation, Recording
from training.datasets.targets import frame_targets
from training.evaluation.delays import StreamedRecording
from training.metrics.streaming import Detection, ScoredRecording
from training.tasks import TASKS, Clip, Task


def clip(label: str, patient: str = "a", length_s: float = 1.0, split: str = "inter") -> Clip:
    """One annotated piece of a recording that has no sound."""
    recording = Recording(Path(f"{patient}_{label}_{length_s}.wav"), patient, "Normal", (), split=split)
    return Clip(recording, 0.5, 0.5 + length_s, label, 0)


def recording(patient: str, label: str, *events: Annotation, split: str = "inter") -> Recording:
    """A recording of SPRSound that has no sound."""
    return Recording(Path(f"{patient}_{label}.wav"), patient, label, events, dataset="sprsound", split=split)


@dataclass(frozen=True)
class Told:
    """Answers by a function from clip to label, all probability on it but a hundredth."""

    answer: dict[str, str]
    """Decided label by annotated label; the annotated one where it is missing."""
    name: str = "told"

    def predict(self, task: Task, clips: Sequence[Clip]) -> NDArray[np.float32]:
        """(n, L)."""
        expected = [task.labels.index(self.answer.get(c.label, c.label)) for c in clips]
        others = 0.01 / (len(task.labels) - 1)
        probabilities = np.full((len(clips), len(task.labels)), others, np.float32)
        probabilities[np.arange(len(clips)), expected] = 0.99
        return probabilities


PERFECT = Told({}, "perfect")
ALWAYS_NORMAL = Told({label: "Normal" for task in TASKS.values() for label in task.labels}, "always Normal")


RATE_HZ = 8000
DETECTION = Detection(
    (
        GroupSpec("continuous", CONTINUOUS, 1, 0.5, 2, 2),
        GroupSpec("discontinuous", DISCONTINUOUS, 1, 0.5, 2, 2),
    ),
    dict.fromkeys((*CONTINUOUS, *DISCONTINUOUS), 0.5),
    800,
    RATE_HZ,
)  # frames of 0.1 s


def scores_of(
    of: Recording, found: Sequence[tuple[str, float, float]], late_s: float = 1.0, length_s: float = 10.0
) -> StreamedRecording:
    """A recording in which exactly these sounds (label, start, end) were scored and reported, each `late_s` late."""
    frames = round(length_s * 10)
    scores = np.zeros((frames, len(CLASSES)), np.float32)
    for label, start, end in found:
        scores[round(start * 10) : round(end * 10), CLASSES.index(label)] = 0.9
    events = tuple(
        Event("end", label, round(start * RATE_HZ), round(end * RATE_HZ), 0.9, 0.9, 0.5, "quiet")
        for label, start, end in found
    )
    scored = ScoredRecording(of, scores, frame_targets(of, frames, DETECTION.frame_s))
    return StreamedRecording(scored, events, tuple(start + late_s for _, start, _ in found))
