"""What the page is made of: numbers, and where they come from. Reads nothing, writes nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple


class Value(NamedTuple):
    """A number with the bounds of its interval, where there is one; None where it is undefined."""

    value: float | None = None
    low: float | None = None
    high: float | None = None

    def text(self) -> str:
        """The number as a table shows it."""
        if self.value is None:
            return "-"
        bounds = "" if self.low is None or self.high is None else f" [{self.low:.3f}, {self.high:.3f}]"
        return f"{self.value:.3f}{bounds}"


@dataclass(frozen=True, slots=True)
class TaskRow:
    """Scores of one model, or of the duration rule, on one task and one set of recordings."""

    who: str
    task: str
    measured_on: str
    """In words, with how many patients where it is known."""
    origin: str
    """Key of the run or evaluation that it comes from."""
    se: Value
    sp: Value
    score: Value
    poor_found: Value
    """Share of the recordings of Poor Quality that are called so, which no score contains."""
    is_test: bool = False
    """Of an official test set; else of patients of the training set that were held out."""
    clips: int | None = None
    """Counted for SE and SP, where it is known."""
    weights: int | None = None
    notice: str = ""
    """What must be said of the training data; empty when nothing."""


class StreamRows(NamedTuple):
    """Streaming metrics of one model on one set of recordings, by the name that `training.evaluation` gives them."""

    who: str
    measured_on: str
    metrics: Mapping[str, Value]
    origin: str
    notice: str = ""


class Budget(NamedTuple):
    """What is still found within a budget of false alarms per hour (`training.detector.budget`)."""

    budget_per_hour: float
    sensitivity: float
    event_f1: float
    segment_f1: float
    false_alarms: Mapping[str, float]
    """Per hour, by kind of recording."""


@dataclass(frozen=True, slots=True)
class Source:
    """One finished run or one evaluation."""

    key: str
    """R1, R2, ... for runs; E1, E2, ... for evaluations."""
    name: str
    folder: Path
    command: str
    told: Mapping[str, str]
    """Recipe, seed, epochs, weights, commit and date of a run; model and intervals of an evaluation."""
    rows: Sequence[TaskRow]
    streaming: Sequence[StreamRows] = ()
    weights: int | None = None
    budgets: Sequence[Budget] = ()
    compared: str = ""
    """The comparison that the run is one of; empty for a run by itself."""


class ComparedRow(NamedTuple):
    """One recipe of a paper, or a variant of it, on patients that chose nothing; or the duration rule on them."""

    recipe: str
    variant: str
    task: str
    epochs: int
    seeds: int
    """Trainings that the numbers are the mean of; 0 for the rule."""
    se: Value
    sp: Value
    score: Value
    weights: float | None
    multiply_adds: float | None
    """Of one answer."""
    seconds: float | None
    """Of one training."""


class Ablation(NamedTuple):
    """The table of one comparison."""

    name: str
    text: str
    is_of_a_paper: bool
    """Made by `training.clips.comparison`, not by `training.detector.ablation`."""


class LeftOut(NamedTuple):
    """What lay there and is not in the tables."""

    name: str
    why: str


@dataclass(slots=True)
class Found:
    """What lies under the folders that were named."""

    sources: list[Source] = field(default_factory=list)
    left_out: list[LeftOut] = field(default_factory=list)
    ablations: list[Ablation] = field(default_factory=list)
    compared: list[ComparedRow] = field(default_factory=list)
    """Of every comparison of a paper's recipe."""
