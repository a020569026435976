"""What a model said of every clip of a task, and by which rule that became one label.

`Predictor` is the contract between models and the evaluation; `Predictions` is the frozen record that every score, plot
and table is computed from, so that a score can be recomputed from the file that lists it. Not for scores
(`training.metrics.official`) and not for streaming detectors (`training.metrics.streaming`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from edge.errors import ModelError
from training.metrics.official import confusion, confusions
from training.tasks import Clip, Task

ARGMAX = "the label with the highest probability; of equal ones the first"
OFFSETS = (
    "the label with the highest log-probability plus the model's own offset of that label; of equal ones the first"
)
SUM_TOLERANCE = 1e-3  # probabilities of one clip add to 1 within this; float32 soft-max is far inside


class Predictor(Protocol):
    """A model that answers official tasks."""

    @property
    def name(self) -> str:
        """What tables call it."""
        ...

    def predict(self, task: Task, clips: Sequence[Clip]) -> NDArray[np.float32]:
        """(n, L) probability of each of `task.labels` for each clip, in their order.

        Raises:
            ConfigError: if it does not answer that task.
        """
        ...


@runtime_checkable
class Offsetting(Protocol):
    """A predictor that moves its decisions, as chosen on its own validation."""

    def offsets(self, task: Task) -> NDArray[np.float32] | None:
        """(L,) added to the log-probabilities before the decision; None for none."""
        ...


@runtime_checkable
class Translating(Protocol):
    """A predictor that may have learnt other labels than it is asked for."""

    def note(self, task: Task) -> str:
        """How its answers became those of the task, for the table; empty where nothing was translated."""
        ...


@dataclass(frozen=True, slots=True)
class Provenance:
    """What a model was trained on, as far as it says so."""

    recordings: frozenset[str] | None = None
    """Stems of the recordings; None when it does not say."""
    patients: frozenset[str] | None = None
    """Patients of those recordings; None when it does not say."""
    fingerprint: str = ""
    """`training.datasets.fingerprint` of all of them; empty when it does not say."""
    hashed_names: frozenset[str] | None = None
    """`training.datasets.hashed_name` of each recording and each patient, where a model carries no names."""
    stated: str = ""
    """What the model says of its training in words; empty when nothing."""


@runtime_checkable
class Sourced(Protocol):
    """A predictor that knows what it was trained on."""

    provenance: Provenance


@dataclass(frozen=True, slots=True)
class Predictions:
    """Answers of one model to one task."""

    task: Task
    clips: tuple[Clip, ...]
    probabilities: NDArray[np.float32]
    """(n, L), columns as `task.labels`."""
    decided: NDArray[np.int64]
    """(n,) index of the decided label."""
    rule: str
    """How probabilities became decisions, in words."""

    @property
    def truth(self) -> NDArray[np.int64]:
        """(n,) index of the annotated label."""
        return np.array([self.task.labels.index(clip.label) for clip in self.clips], np.int64)

    @property
    def patients(self) -> NDArray[np.str_]:
        """(n,) patient of each clip."""
        return np.array([clip.recording.patient for clip in self.clips], np.str_)

    @property
    def confusion(self) -> NDArray[np.int64]:
        """(L, L) clips by annotated label (rows) and decided label (columns)."""
        return confusion(self.task, self.truth, self.decided)

    @property
    def patient_confusions(self) -> NDArray[np.int64]:
        """(P, L, L) the same for each patient, patients in order of their names."""
        each = confusions(self.task, self.truth, self.decided, self.patients.tolist())
        return np.array([*each.values()], np.int64).reshape(-1, *(len(self.task.labels),) * 2)

    def take(self, kept: Sequence[bool] | NDArray[np.bool_]) -> Predictions:
        """The clips where `kept`, (n,), is true."""
        index = np.flatnonzero(np.asarray(kept, np.bool_))
        clips = tuple(self.clips[i] for i in index)
        return Predictions(self.task, clips, self.probabilities[index], self.decided[index], self.rule)


def ask(predictor: Predictor, task: Task, clips: Sequence[Clip]) -> Predictions:
    """Let a model answer, check the answer and decide.

    Args:
        predictor: any model.
        task: one of `training.tasks.TASKS`.
        clips: what to judge.

    Raises:
        ConfigError: if the model does not answer that task.
        ModelError: if an answer is not a distribution over the labels; the message names the clip.
    """
    probabilities = np.asarray(predictor.predict(task, clips), np.float32)
    _check(predictor.name, task, clips, probabilities)
    moved = predictor.offsets(task) if isinstance(predictor, Offsetting) else None
    if moved is None:
        return Predictions(task, tuple(clips), probabilities, probabilities.argmax(axis=1).astype(np.int64), ARGMAX)
    tiny = np.finfo(np.float32).tiny  # a probability of 0 stays the last choice, whatever the offset
    decided = (np.log(np.maximum(probabilities, tiny)) + np.asarray(moved)).argmax(axis=1).astype(np.int64)
    return Predictions(task, tuple(clips), probabilities, decided, OFFSETS)


def _check(name: str, task: Task, clips: Sequence[Clip], probabilities: NDArray[np.float32]) -> None:
    expected = (len(clips), len(task.labels))
    if probabilities.shape != expected:
        raise ModelError(f"{name}: task {task.name}: expected probabilities {expected}, found {probabilities.shape}")
    good = np.isfinite(probabilities).all(axis=1) & (probabilities >= 0).all(axis=1)
    good &= np.abs(probabilities.sum(axis=1) - 1) <= SUM_TOLERANCE
    if not good.all():
        first = int(np.flatnonzero(~good)[0])
        raise ModelError(
            f"{name}: task {task.name}: expected probabilities of 0 to 1 that add to 1 for each clip; those of "
            f"{int((~good).sum())} of {len(clips)} do not. The first is {clips[first].name}: they add to "
            f"{probabilities[first].sum():.6g} ({probabilities[first].tolist()}). The model is at fault: export or "
            "train it again"
        )
