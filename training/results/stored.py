"""The JSON files that trainings and evaluations leave, as records: a field that is missing or odd is named.

Only what the page needs is read, so a later version may write more. Knows no folder and shows nothing.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, ValidationError

from training.results.published import first_fault


class File(BaseModel):
    """JSON of which only what is named here is read."""

    model_config = ConfigDict(extra="ignore", frozen=True)


class Budget(File):
    """A line of `budgets`."""

    budget_per_hour: FiniteFloat
    thresholds: dict[str, FiniteFloat]
    false_alarms: dict[str, FiniteFloat]
    sensitivity: FiniteFloat
    event_f1: FiniteFloat
    segment_f1: FiniteFloat


class EdgeResult(File):
    """result.json of the edge recipe (`training.detector.acceptance`)."""

    validation: dict[str, FiniteFloat]
    budgets: list[Budget] = Field(default_factory=list)
    parameters: int
    date: str
    patients: int
    recordings: int


class Scores(File):
    """A row of official scores (`training.clips.validation_scores`)."""

    sensitivity: FiniteFloat | None
    specificity: FiniteFloat | None
    score: FiniteFloat | None
    recall: list[FiniteFloat | None] = Field(default_factory=list)
    """Of each label of the task, in its order."""


class ClipResult(File):
    """result.json of a classifier (`training.clips.supervised`)."""

    task: str
    epoch: int
    epochs: int
    parameters: int
    validation_clips: int
    validation_patients: int
    validation: dict[str, Scores]


class HearResult(File):
    """result.json of the recipe hear: rows by task."""

    validation: dict[str, Scores]


class Loop(File):
    """The part of a recipe that says how long, and by what the kept epoch is chosen."""

    epochs: int
    monitor: str = ""


class EdgeRecipe(File):
    """recipe.json of the edge recipe."""

    seed: int
    folds: int
    teachers: int = 0
    loop: Loop


class ClipRecipe(File):
    """The recipe in a run.json."""

    name: str
    seed: int
    task: str = ""
    loop: Loop


class RunFile(File):
    """run.json (`training.loop.run_folder`)."""

    recipe: dict[str, Any]
    command: list[str] = Field(default_factory=list)
    git: str = "unknown"
    git_dirty: bool = False
    begun: str = ""


Stored = TypeVar("Stored", bound=File)


class UnreadableError(Exception):
    """A file that cannot be read; the message says which and why. Never leaves this package."""


def read(path: Path, kind: type[Stored]) -> Stored:
    """One JSON file as a record.

    Raises:
        UnreadableError: if it is not there, no JSON, or not of this kind.
    """
    try:
        return kind.model_validate(json.loads(path.read_bytes()))
    except OSError as error:
        raise UnreadableError(f"{path.name} cannot be read ({error.strerror})") from None
    except ValidationError as error:
        raise UnreadableError(f"{path.name}: {first_fault(error)}") from None
    except (ValueError, RecursionError) as error:
        raise UnreadableError(f"{path.name} is not JSON ({str(error)[:80]})") from None
