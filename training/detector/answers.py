"""From what the detector says to the labels of the official tasks; everything here fits into an artefact's metadata.

Events (tasks 1-1 and 1-2, and by a map those of ICBHI) are answered by the detector itself, which hears the clip alone
and gives log-probabilities of `CLIP_LABELS`. Recordings (2-1 and 2-2) are answered from the streaming scores: a few
statistics of each group of sounds over the recording, one logistic regression that tells Poor Quality from the rest,
and one among the rest. Where the decision lies is chosen on validation: a number for Normal, by the official Score; and
one for Poor Quality, which that score does not reward, by how many others may be called so. Not for training (`fit`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from edge.detector.recording import log_probabilities, statistics_of
from edge.errors import ConfigError
from training.datasets import CLASSES, CONTINUOUS, DISCONTINUOUS
from training.metrics.intervals import patient_weights
from training.metrics.official import confusion, confusions, official_score, score_parts
from training.tasks import CLIP_LABELS, TASKS, Task, members

RECORD_LABELS = TASKS["2-2"].labels
GROUPS = (("breath",), CONTINUOUS, DISCONTINUOUS)
OFFSETS = np.round(np.arange(-4.0, 4.01, 0.1), 1)
STRENGTH = 0.03  # inverse of the penalty of the regressions; .003 to .1 differ by .01
POOR = "Poor Quality"
DRAWS = 200  # of patients, for a standard error
CALLED_POOR = 0.005  # share of the other recordings that may be called Poor Quality


def record_statistics(scores: NDArray[np.float32]) -> NDArray[np.float64]:
    """What a recording's streaming scores look like as a whole.

    Args:
        scores: (T, C), columns as `CLASSES`; a frame that was never scored has 0 everywhere and is left out.

    Returns:
        (S,): for breath, continuous and discontinuous sound the means of the highest frames, the mean, the
        same of the logits of the highest twentieth and fifth, mean and deviation of the logits; log seconds last.
    """
    return statistics_of(scores, [[CLASSES.index(name) for name in group] for group in GROUPS])


@dataclass(frozen=True, slots=True)
class RecordAnswer:
    """Logistic regressions on `record_statistics`: is it of poor quality, and if not, what is it?"""

    mean: tuple[float, ...]
    """(S,)."""
    scale: tuple[float, ...]
    """(S,)."""
    weights: tuple[tuple[float, ...], ...]
    """(L, S), rows as `RECORD_LABELS`; the last, Poor Quality, against all others."""
    bias: tuple[float, ...]
    """(L,)."""

    @classmethod
    def fit(cls, statistics: NDArray[np.float64], labels: NDArray[np.int64]) -> RecordAnswer:
        """Fit on (n, S) statistics from networks that did not hear the patients in training.

        Raises:
            ConfigError: if a label of recordings has no example.
        """
        missing = [name for i, name in enumerate(RECORD_LABELS) if not (labels == i).any()]
        if missing:
            raise ConfigError(f"training: no recording labelled {', '.join(missing)}; tasks 2-1 and 2-2 need one each")
        poor = labels == RECORD_LABELS.index(POOR)
        mean, scale = statistics.mean(0), statistics.std(0) + 1e-6
        scaled = (statistics - mean) / scale
        kind = LogisticRegression(C=STRENGTH, max_iter=1000).fit(scaled[~poor], labels[~poor])
        quality = LogisticRegression(C=STRENGTH, max_iter=1000).fit(scaled, poor)
        weights = np.concatenate([kind.coef_, quality.coef_])
        bias = np.concatenate([kind.intercept_, quality.intercept_])
        return cls(*(_rounded(part) for part in (mean, scale, weights, bias)))

    def log_probabilities(self, statistics: NDArray[np.float64]) -> NDArray[np.float64]:
        """(n, S) to (n, L)."""
        return log_probabilities(statistics, asdict(self))


def answer(task: Task, log_probabilities: NDArray[np.floating]) -> NDArray[np.float64]:
    """Log-probabilities of a task's labels from those of `CLIP_LABELS` or, for whole recordings, `RECORD_LABELS`.

    Args:
        task: one of `TASKS`.
        log_probabilities: (n, L).

    Returns:
        (n, len(task.labels)).
    """
    names, of = CLIP_LABELS if task.unit == "event" else RECORD_LABELS, members(task)
    columns = [[names.index(name) for name in of[label]] for label in task.labels]
    return np.stack([np.logaddexp.reduce(log_probabilities[:, c], 1) for c in columns], 1)


def best_offsets(
    task: Task, log_probabilities: NDArray[np.float64], truth: NDArray[np.int64], patients: Sequence[str] = ()
) -> NDArray[np.float64]:
    """What is added to each label before the decision, (L,).

    The official Score is flat around its best offset of Normal, and its maximum is where these very patients happen to
    have it. So all offsets count as best whose Score lies within one standard error, over patients, of the highest;
    of those beside the highest it is the one that changes least, nearest to 0 (the rule of one standard error: Breiman
    et al., Classification and Regression Trees, 1984). Measured outside on the model before, half of the best offsets
    gave .01 to .03 more. Without patients it is the middle of the highest, of the longest stretch where they lie
    apart. Poor Quality is said as often as no more than `CALLED_POOR` of the others are called so.

    Args:
        task: whose labels.
        log_probabilities: (n, L) of the task's labels.
        truth: (n,) index of the annotated label.
        patients: of each; without them, or with one, only the highest Score itself counts as best.
    """
    offered = [_offsets(task, log_probabilities, truth, value) for value in OFFSETS]
    decided = [decide(log_probabilities, offsets) for offsets in offered]
    scores = np.array([official_score(task, confusion(task, truth, one)).score or 0.0 for one in decided])
    if len(set(patients)) > 1:
        error = _errors(task, truth, decided, patients, int(scores.argmax()))
        stretch = _stretches(scores >= scores.max() - error - 1e-9, int(scores.argmax()))
        chosen = float(OFFSETS[stretch][np.abs(OFFSETS[stretch]).argmin()])
    else:
        chosen = float(OFFSETS[_stretches(scores >= scores.max() - 1e-9)].mean())
    return np.round(_offsets(task, log_probabilities, truth, chosen), 2)


def _stretches(best: NDArray[np.bool_], around: int | None = None) -> NDArray[np.int64]:
    """Indices of the stretch of best offsets around one of them, or of the longest."""
    found = np.flatnonzero(best)
    several = np.split(found, np.flatnonzero(np.diff(found) > 1) + 1)
    return max(several, key=len) if around is None else next(one for one in several if around in one)


def _errors(
    task: Task, truth: NDArray[np.int64], decided: Sequence[NDArray[np.int64]], patients: Sequence[str], best: int
) -> NDArray[np.float64]:
    """(O,) standard error, over patients, of how far the Score of each offset lies below that of the best."""
    weights = patient_weights(len(set(patients)), DRAWS).astype(np.float64)
    drawn = []
    for one in decided:
        each = np.array([*confusions(task, truth, one, patients).values()], np.float64)
        drawn.append(np.nan_to_num(score_parts(task, np.tensordot(weights, each, 1))[-1]))
    return np.asarray(np.std(np.stack(drawn) - drawn[best], axis=1))


def decide(log_probabilities: NDArray[np.float64], offsets: NDArray[np.float64]) -> NDArray[np.int64]:
    """(n,) labels with the highest sum of log-probability and offset."""
    return (log_probabilities + offsets).argmax(1)


def _offsets(
    task: Task, log_probabilities: NDArray[np.float64], truth: NDArray[np.int64], normal: float
) -> NDArray[np.float64]:
    """Offsets with that of Normal given: what Poor Quality may have depends on it, for Normal may lose to it."""
    offsets = np.zeros(len(task.labels))
    offsets[0] = normal
    for label in task.ignored:
        column = task.labels.index(label)
        rest = np.delete(log_probabilities + offsets, column, 1).max(1) - log_probabilities[:, column]
        highest = np.quantile(rest[truth != column], CALLED_POOR, method="lower")
        offsets[column] = np.floor(100 * highest) / 100  # never upwards: the limit holds for what is shipped
    return offsets


def _rounded(values: NDArray[np.floating]) -> Any:
    """Plain numbers for JSON, as nested tuples."""
    if values.ndim == 1:
        return tuple(round(float(v), 6) for v in values)
    return tuple(_rounded(row) for row in values)


@dataclass(frozen=True, slots=True)
class TaskAnswers:
    """All that an artefact carries to answer the official tasks, `laennec.tasks`."""

    offsets: Mapping[str, tuple[float, ...]]
    """Added to the log-probabilities of a task's labels before the decision; a task that is not named has none."""
    record: RecordAnswer

    def to_fields(self) -> dict[str, Any]:
        """Keys and values as `laennec.tasks` holds them: labels, offset of each label by task, regressions."""
        record = {name: getattr(self.record, name) for name in ("mean", "scale", "weights", "bias")}
        return {"labels": list(CLIP_LABELS), "offsets": dict(self.offsets), "record": record}

    @classmethod
    def from_fields(cls, fields: Mapping[str, Any]) -> TaskAnswers:
        """What `to_fields` made.

        Raises:
            ConfigError: if it is not that.
        """
        try:
            if tuple(fields["labels"]) != CLIP_LABELS:
                raise ConfigError(f"laennec.tasks: expected labels {', '.join(CLIP_LABELS)}, found {fields['labels']}")
            record = fields["record"]
            weights = tuple(tuple(float(w) for w in row) for row in record["weights"])
            mean, scale, bias = (tuple(float(v) for v in record[name]) for name in ("mean", "scale", "bias"))
            return cls(
                {str(task): tuple(float(o) for o in offsets) for task, offsets in fields["offsets"].items()},
                RecordAnswer(mean, scale, weights, bias),
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise ConfigError(f"laennec.tasks: not understood ({error!r}); export the model again") from error
