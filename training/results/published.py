"""Published scores, and those that others measured of our weights: `published.yaml`. Not for those that come from runs.

That every entry has a source, follows from its own SE and SP and says why it is not comparable, the tests see to.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field

PATH = Path(__file__).with_name("published.yaml")
CHALLENGE = ("1-1", "1-2", "2-1", "2-2")
OUTSIDE = "outside"
Share = float | None


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Numbers(_Part):
    """What one work says of one task; all but the error rate are between 0 and 1."""

    se: Share = Field(None, ge=0, le=1)
    sp: Share = Field(None, ge=0, le=1)
    hs: Share = Field(None, ge=0, le=1)
    """Harmonic score, where it is given instead of Score."""
    score: Share = Field(None, ge=0, le=1)
    sd: Share = Field(None, ge=0, le=1)
    """Standard deviation of the score over seeds."""
    event_f1: Share = Field(None, ge=0, le=1)
    error_rate: float | None = Field(None, ge=0)


class Entry(_Part):
    """One work on one test set."""

    work: str = Field(min_length=2)
    source: str = Field(min_length=8)
    """arXiv number, address, or where else it was found."""
    seen: Literal["abstract", "code", "figure", "table", "readme", "derived", "memory", "outside"]
    """`outside`: not published; weights of ours, judged by others on recordings that nobody here has."""
    size: str = ""
    """What is known of the network, in words."""
    parameters: float | None = Field(None, gt=0)
    """Weights."""
    benchmark: Literal["sprsound-2022", "sprsound-2023", "sprsound-2024", "icbhi", "ood"]
    test_set: Literal["inter", "intra", "total", "unknown", "train", "test"]
    """`train`: the training set of SPRSound 2022, for rules that are fitted on it."""
    scores: dict[str, Numbers] = Field(default_factory=dict)
    note: str = ""
    as_printed: bool = False
    """True when a score does not follow from its own SE and SP in the source."""
    comparable: Literal["yes", "partly", "no"]
    against: tuple[str, ...] = ()
    """Keys of `Published.reasons`."""


class Published(_Part):
    """All published numbers, by benchmark."""

    reasons: dict[str, str]
    entries: tuple[Entry, ...] = Field(min_length=1)

    def of(self, benchmark: str) -> list[Entry]:
        """Entries of one benchmark, in their order."""
        return [entry for entry in self.entries if entry.benchmark == benchmark]


def load_published() -> Published:
    """Read the project's own file."""
    return Published.model_validate(yaml.safe_load(PATH.read_text()))
