"""The duration-only rule: call an event adventitious when it is short. It hears nothing.

Annotated adventitious events of SPRSound are shorter than normal breath phases, so the length of a clip alone scores
about .79 on task 1-1, above the baseline of 2022. Any method that pads clips to a fixed length can read this cue; a
streaming detector never gets it. The rule stands beside every row of tasks 1-1 and 1-2 so that nobody is fooled. For
task 1-2 it names every short event after the adventitious label that is commonest in training. Not a model.

Source: design notes of this project, computed from the training set: 1.06 s.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge.errors import ConfigError
from training.metrics.official import official_score
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
        matrix = np.zeros((len(task.labels),) * 2)
        np.add.at(matrix, (truth, np.where(lengths < threshold_s, column, 0)), 1)
        return official_score(task, matrix).score or 0.0

    best = max(candidates, key=score)
    return DurationRule(round(float(best), 3), named, is_fitted=True)
