"""One task, judged: every split's row with intervals, the duration rule beside it, and what must be said of it.

Reads probabilities and annotations, hears nothing, writes nothing (`training.evaluation.report`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from training.datasets import Recording
from training.evaluation.partitions import Split, row_of, splits_of
from training.metrics.bootstrap import Interval, interval, of_sums, pair_wins
from training.metrics.calibration import confidence_reliability
from training.metrics.duration import TASKS_WITH_CUE, DurationRule, fit_duration
from training.metrics.official import (
    CHALLENGE_WEIGHTS,
    OfficialScore,
    any_abnormal,
    challenge_total,
    official_score,
    score_parts,
)
from training.metrics.predictions import Predictions, Predictor, Provenance, Translating, ask
from training.tasks import TASKS, Task


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a task's table."""

    who: str
    """The model, or the duration rule."""
    split: Split
    predictions: Predictions
    score: OfficialScore
    bounds: tuple[Interval | None, ...]
    """Of each of `official.PARTS`."""
    auc: float | None
    """Area under the ROC curve of adventitious against normal, ignored labels left out."""
    auc_bounds: Interval | None
    calibration_error: float
    """ECE of the confidence in the decided label, 0 to 1."""

    @property
    def patients(self) -> int:
        """How many patients have a clip of the task."""
        return len(set(self.predictions.patients))


@dataclass(frozen=True, slots=True)
class Judged:
    """Scores of one task, a row for each split."""

    task: Task
    rows: tuple[Row, ...]
    """The model's, the split that counts most first."""
    beside: tuple[Row, ...]
    """The duration rule's, published and fitted, for the same splits; empty where it cannot answer."""
    note: str = ""
    """How the answers came about when the model was asked something else."""


def judge(predictor: Predictor, task: Task, recordings: Sequence[Recording], provenance: Provenance) -> Judged:
    """Ask the model and score its answers.

    Args:
        predictor: any model.
        task: what to ask.
        recordings: everything in DATA; those of the task's set are used.
        provenance: what the model was trained on.

    Raises:
        ConfigError: if the model does not answer the task.
    """
    clips = task.clips(list(recordings))
    answered = ask(predictor, task, clips)
    mine = [r for r in recordings if r.dataset == task.dataset and r.is_real_chest]
    splits = splits_of(mine, provenance)
    rules: list[DurationRule] = []
    if task.name in TASKS_WITH_CUE:
        rules.append(DurationRule())
        fitted = fit_duration(task, [c for c in clips if row_of(c.recording, provenance) == "train"])
        rules += [fitted] if fitted else []
    rows = tuple(_row(predictor.name, split, answered) for split in splits)
    beside = [_row(_named(rule), split, ask(rule, task, clips)) for split in splits for rule in rules]
    note = predictor.note(task) if isinstance(predictor, Translating) else ""
    heard = [tuple(row for row in of if row.predictions.clips) for of in (rows, beside)]
    return Judged(task, heard[0], heard[1], note)


def two_classes(judged: Judged) -> Judged:
    """The 2-class table of ICBHI from a model that was asked for four: any abnormal answer counts."""
    task = TASKS["icbhi-2"]
    rows = tuple(_row(row.who, row.split, _collapsed(row.predictions, task)) for row in judged.rows)
    note = "from the answers to icbhi-4: any abnormal answer counts for any abnormal cycle"
    return Judged(task, rows, (), f"{judged.note}; {note}" if judged.note else note)


def totals(judged: Sequence[Judged]) -> dict[str, float | None]:
    """Challenge total by split, where all four tasks were judged."""
    scores: dict[str, dict[str, float | None]] = {}
    for one in judged:
        for row in one.rows:
            scores.setdefault(row.split.name, {})[one.task.name] = row.score.score
    return {split: challenge_total(s) for split, s in scores.items() if CHALLENGE_WEIGHTS.keys() <= s.keys()}


def counted(predictions: Predictions) -> NDArray[np.bool_]:
    """(n,) clips whose label is not ignored by the task."""
    return np.array([clip.label not in predictions.task.ignored for clip in predictions.clips], np.bool_)


def _row(who: str, split: Split, answered: Predictions) -> Row:
    mine = answered.take([clip.recording.path in split.paths for clip in answered.clips])
    bounds = tuple(of_sums(mine.patient_confusions, lambda sums: score_parts(answered.task, sums)))
    part = mine.take(counted(mine))
    wins = pair_wins(part.truth > 0, 1 - part.probabilities[:, 0], part.patients)
    return Row(
        who,
        split,
        mine,
        official_score(answered.task, mine.confusion),
        bounds,
        wins.auc(),
        interval(len(wins.positives), wins.auc),
        confidence_reliability(mine).error,
    )


def _collapsed(four: Predictions, task: Task) -> Predictions:
    normal = four.probabilities[:, :1]
    clips = tuple(replace(clip, label=task.labels[int(i > 0)]) for clip, i in zip(four.clips, four.truth, strict=True))
    decided = (four.decided > 0).astype(np.int64)
    two = Predictions(task, clips, np.concatenate([normal, 1 - normal], axis=1), decided, f"{four.rule}, of four")
    assert (two.confusion == any_abnormal(four.confusion)).all()
    return two


def _named(rule: DurationRule) -> str:
    return f"{rule.name} < {rule.threshold_s:g} s{', fitted' if rule.is_fitted else ''}"
