"""The duration-only rule: call an event adventitious when it is short. It hears nothing.

Annotated adventitious events of SPRSound are shorter than normal breath phases, so the length of a clip alone scores
about .79 on task 1-1, above the baseline of 2022. Any method that pads clips to a fixed length can read this cue; a
streaming detector never gets it. The rule stands beside every row of tasks 1-1 and 1-2 so that nobody is fooled. For
task 1-2 it names every short event after the adventitious label that is commonest in training. Not a model.

Source: design notes of this project, computed from the training set: 1.06 s.

Official scores from a confusion matrix: SE, SP, AS, HS and Score of SPRSound, Sp, Se and Score of ICBHI.

The negative class is the first label of a task. A correct answer is the exact class; sensitivity is counted over all
adventitious clips together (micro). Labels that a task ignores (Poor Quality) are dropped as rows, as the challenge
teams' programs do: such a clip counts nowhere, but calling another clip Poor Quality is a mistake. What has no examples
is undefined: None, never 0 and never nan. Not for probabilities and not for intervals.

Source: BioCAS 2022/2023 grand challenge on SPRSound (SE, SP, AS = (SE + SP) / 2, HS = 2 SE SP / (SE + SP),
Score = (AS + HS) / 2; total = 0.2, 0.3, 0.2, 0.3 of the four scores; its bonus for speed is left out); ICBHI 2017,
Rocha et al. 2019 (Score = (Sp + Se) / 2, which is also what out-of-distribution tables print).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from edge.errors import ConfigError
from training.tasks import NORMAL, Clip, Task

PUBLISHED_S = 1.06
COMMONEST = "Fine Crackle"  # of the adventitious events of SPRSound's training set, 912 of 1497
TASKS_WITH_CUE = ("1-1", "1-2")
SOFTNESS_S = 0.1  # how fast the probability turns around the threshold; decisions do not depend on it


@dataclass(frozen=True, slots=True)
class DurationRule:
    """Shorter than `threshold_s` is adventitious."""

    threshold_s: float = PUBLISHED_S
    named: str = COMMONEST
    """What a short event is called where kinds are asked for."""
    is_fitted: bool = False
    """True when the threshold is of the training recordings in DATA, false for the published one."""
    name: str = "duration"

    def predict(self, task: Task, clips: Sequence[Clip]) -> NDArray[np.float32]:
        """(n, L) a logistic of the duration for Normal against one adventitious label, 0 for the others.

        Raises:
            ConfigError: if the task is not one of isolated events of SPRSound.
        """
        if task.name not in TASKS_WITH_CUE:
            raise ConfigError(f"task {task.name}: the duration rule answers {', '.join(TASKS_WITH_CUE)}")
        column = task.labels.index(self.named) if self.named in task.labels else 1
        above = np.clip((durations_s(clips) - self.threshold_s) / SOFTNESS_S, -50, 50)
        probabilities = np.zeros((len(clips), len(task.labels)), np.float32)
        probabilities[:, 0] = 1 / (1 + np.exp(-above))
        probabilities[:, column] = 1 - probabilities[:, 0]
        return probabilities


def durations_s(clips: Sequence[Clip]) -> NDArray[np.float64]:
    """(n,) lengths of annotated pieces, s."""
    return np.array([(clip.end_s or 0.0) - clip.start_s for clip in clips], np.float64)


def fit_duration(task: Task, clips: Sequence[Clip]) -> DurationRule | None:
    """The rule with the best Score on these clips, to the hundredth of a second, the lowest of equals.

    Args:
        task: one of `TASKS_WITH_CUE`.
        clips: of the training set.

    Returns:
        The rule; None when the clips have no normal or no adventitious examples.
    """
    kinds = Counter(clip.label for clip in clips if clip.label != NORMAL)
    if not kinds or kinds.total() == len(clips):
        return None
    named = kinds.most_common(1)[0][0]
    lengths = np.round(durations_s(clips), 3)  # annotated in ms; one on the threshold is Normal, as predicted
    candidates = np.round(np.unique(np.round(lengths, 2)) + 0.005, 3)
    truth = np.array([task.labels.index(clip.label) for clip in clips])
    column = task.labels.index(named)

    def score(threshold_s: float) -> float:
        matrix = confusion(task, truth, np.where(lengths < threshold_s, column, 0))
        return official_score(task, matrix).score or 0.0

    best = max(candidates, key=score)
    return DurationRule(round(float(best), 3), named, is_fitted=True)


def confusion(task: Task, truth: NDArray[np.int64], decided: NDArray[np.int64]) -> NDArray[np.int64]:
    """(L, L) clips by annotated label (rows) and decided label (columns), in the order of `task.labels`."""
    matrix = np.zeros((len(task.labels),) * 2, np.int64)
    np.add.at(matrix, (truth, decided), 1)
    return matrix


def confusions(
    task: Task, truth: NDArray[np.int64], decided: NDArray[np.int64], patients: Sequence[str]
) -> dict[str, NDArray[np.int64]]:
    """The same of each patient, in order of their names.

    Args:
        task: whose labels.
        truth: (n,) annotated label.
        decided: (n,) decided label.
        patients: (n,) names.
    """
    owner = np.asarray(patients, np.str_)
    return {str(name): confusion(task, truth[owner == name], decided[owner == name]) for name in np.unique(owner)}


PARTS = ("sensitivity", "specificity", "average", "harmonic", "score")
CHALLENGE_WEIGHTS = {"1-1": 0.2, "1-2": 0.3, "2-1": 0.2, "2-2": 0.3}


@dataclass(frozen=True, slots=True)
class OfficialScore:
    """The numbers of one table row; None where the examples to compute one are missing."""

    sensitivity: float | None
    """SE: share of adventitious clips with exactly the right label, 0 to 1."""
    specificity: float | None
    """SP: share of normal clips called Normal, 0 to 1."""
    average: float | None
    """AS."""
    harmonic: float | None
    """HS; 0 when SE and SP are both 0."""
    score: float | None
    """The one number that ranks: (AS + HS) / 2 for the challenge's tasks, AS for ICBHI and out of distribution."""
    adventitious: int
    """Clips that SE is counted over."""
    normal: int
    """Clips that SP is counted over."""
    recall: tuple[float | None, ...]
    """Share of each label that was named exactly, in the task's order; ignored labels too."""

    @property
    def missing(self) -> str:
        """Why there is no score, in words; empty when there is one."""
        without = [n for n, count in (("adventitious", self.adventitious), ("normal", self.normal)) if not count]
        return f"no {' and no '.join(without)} clips" if without else ""


def official_score(task: Task, confusion: ArrayLike) -> OfficialScore:
    """Score one confusion matrix.

    Args:
        task: decides which rows count and what Score means.
        confusion: (L, L) clips by annotated label (rows) and decided label (columns), in the order of `task.labels`.

    Raises:
        ValueError: if the matrix has another shape.
    """
    matrix = np.asarray(confusion, np.float64)
    if matrix.shape != (len(task.labels),) * 2:
        raise ValueError(f"task {task.name}: expected a confusion matrix {(len(task.labels),) * 2}, not {matrix.shape}")
    rows, hits = matrix.sum(axis=1), matrix.diagonal()
    se, sp, average, harmonic, score = (None if np.isnan(x) else float(x) for x in score_parts(task, matrix))
    recall = tuple(float(hit / row) if row else None for hit, row in zip(hits, rows, strict=True))
    counts = int(rows[_counted(task)].sum()), int(rows[0])
    return OfficialScore(se, sp, average, harmonic, score, *counts, recall)


def score_parts(task: Task, confusions: NDArray[np.float64]) -> NDArray[np.float64]:
    """SE, SP, AS, HS and Score of any number of matrices.

    Args:
        task: as in `official_score`.
        confusions: (..., L, L).

    Returns:
        (5, ...) in the order of `PARTS`; nan where undefined.
    """
    rows, hits = confusions.sum(axis=-1), np.diagonal(confusions, axis1=-2, axis2=-1)
    counted = _counted(task)
    with np.errstate(invalid="ignore", divide="ignore"):
        sensitivity = hits[..., counted].sum(axis=-1) / rows[..., counted].sum(axis=-1)
        specificity = hits[..., 0] / rows[..., 0]
        average = (sensitivity + specificity) / 2
        harmonic = np.where(average == 0, 0.0, sensitivity * specificity / average)
    score = (average + harmonic) / 2 if in_challenge(task) else average
    return np.stack([sensitivity, specificity, average, harmonic, score])


def _counted(task: Task) -> list[int]:
    """Columns that sensitivity is counted over."""
    return [i for i, label in enumerate(task.labels) if i and label not in task.ignored]


def in_challenge(task: Task) -> bool:
    """True for the four tasks whose Score mixes the arithmetic and the harmonic mean."""
    return task.name in CHALLENGE_WEIGHTS


def challenge_total(scores: Mapping[str, float | None]) -> float | None:
    """Weighted total of the four tasks, without the bonus for speed (at most 0.9 of the published 1.0 plus bonus).

    Args:
        scores: Score by task name; others are ignored.

    Returns:
        The total, None when one of the four is missing.
    """
    parts = [(weight, scores.get(name)) for name, weight in CHALLENGE_WEIGHTS.items()]
    if any(score is None for _, score in parts):
        return None
    return float(sum(weight * score for weight, score in parts if score is not None))


def any_abnormal(confusion: ArrayLike) -> np.ndarray:
    """The 2-class matrix of a model that knows the kinds: whatever abnormal answer counts for whatever abnormal clip.

    Args:
        confusion: (L, L), the negative class first.

    Returns:
        (2, 2) normal and abnormal.
    """
    matrix = np.asarray(confusion)
    return np.array([[matrix[0, 0], matrix[0, 1:].sum()], [matrix[1:, 0].sum(), matrix[1:, 1:].sum()]])
