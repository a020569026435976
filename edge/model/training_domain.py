"""What a model knows of sound: the level, contrast and long-term spectrum of the recordings it was trained on.

Carried by an artefact as JSON under `laennec.known`; a model without it judges no stream. What the numbers mean and how
they are measured is `edge.detector.statistics`, how a stream is judged `edge.detector.training_domain`, where they
come from `training.detector.known_sound`.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

from edge.model.specs import numbers, read_entry

LONGEST_TEXT = 4096  # characters of JSON
LARGEST_DB = 1000.0
GROUPS = 8  # of neighbouring bands
# How far `edge.detector.level` moves a stream. Of 60 adventitious SPRSound recordings in 16 bit, 45 are found as they
# are, 42 at -30 dB, and 27 at -40 dB, where the steps of the converter are as loud as the breath.
MOST_RAISED_DB, MOST_LOWERED_DB = 30.0, 40.0
Range = tuple[float, float, float]
"""Quantiles of 1, 50 and 99 % over recordings, dB."""


@dataclass(frozen=True, slots=True)
class TrainingDomain:
    """Reference of one model; a recording counts as one, whatever its length."""

    recordings: int
    """Recordings that were measured."""
    patients: int
    """Patients that they are of."""
    gain_db: tuple[float, float]
    """Lowest and highest gain that training added to them, dB."""
    level_db: Range
    """Level, dBFS."""
    contrast_db: Range
    """Level above the noise floor, dB."""
    spectrum_db: tuple[Range, ...]
    """Level of each of `GROUPS` groups of bands relative to the level, dB; very low where that was at the floor."""
    margin_db: Range
    """How far a stream may lie outside level, contrast and spectrum (the mean over its groups) and still be inside."""

    def to_json(self) -> str:
        """The entry of the metadata, a tenth of a dB exact."""
        return json.dumps(_rounded(asdict(self)), separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> TrainingDomain:
        """Read the entry of the metadata.

        Raises:
            ModelError: if it lacks a field, or has one that cannot be.
        """
        return read_entry("laennec.known", text, LONGEST_TEXT, _known)

    @property
    def reach_db(self) -> tuple[float, float]:
        """The lowest and highest level that can be brought to one of the recordings, dBFS."""
        return self.level_db[0] - MOST_RAISED_DB, self.level_db[2] + MOST_LOWERED_DB

    def __str__(self) -> str:
        """One line for a person."""
        (low, _, high), (least, _, most) = self.level_db, self.contrast_db
        return (
            f"level {low:.0f} to {high:.0f} dBFS (from {self.reach_db[0]:.0f} dBFS on brought to it), "
            f"{least:.0f} to {most:.0f} dB above its noise floor, as {self.recordings} recordings of {self.patients} "
            "patients"
        )


def _known(fields: dict[str, Any]) -> TrainingDomain:
    groups = tuple(_range(each) for each in fields["spectrum_db"])
    if len(groups) != GROUPS:
        raise ValueError(f"{len(groups)} groups of bands, expected {GROUPS}")
    return TrainingDomain(
        recordings=int(fields["recordings"]),
        patients=int(fields["patients"]),
        gain_db=_pair(fields["gain_db"]),
        level_db=_range(fields["level_db"]),
        contrast_db=_range(fields["contrast_db"]),
        spectrum_db=groups,
        margin_db=_triple(fields["margin_db"]),
    )


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return round(value, 1)
    if isinstance(value, dict):
        return {key: _rounded(each) for key, each in value.items()}
    return [_rounded(each) for each in value] if isinstance(value, (tuple, list)) else value


def _pair(values: Any) -> tuple[float, float]:
    low, high = numbers(values, 2, LARGEST_DB)
    if low > high:
        raise ValueError(f"expected numbers that rise, found {low}, {high}")
    return low, high


def _triple(values: Any) -> Range:
    first, second, third = numbers(values, 3, LARGEST_DB)
    return first, second, third


def _range(values: Any) -> Range:
    low, middle, high = _triple(values)
    if not low <= middle <= high:
        raise ValueError(f"expected quantiles that rise, found {low}, {middle}, {high}")
    return low, middle, high
