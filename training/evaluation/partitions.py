"""Which recordings make one row of a table.

The published test sets are rows of their own: `inter` and `intra` of SPRSound's 2022 set, and `total`, both together.
Training recordings are a row too, parted into `validation` and `train` when the model names its patients. Not for
dealing patients out (`training.datasets.folds`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from training.datasets import Recording
from training.evaluation.leakage import notice
from training.metrics.predictions import Provenance

TOTAL_OF = ("inter", "intra")
_ORDER = ("total", "inter", "intra", "test", "validation", "train")


@dataclass(frozen=True, slots=True)
class Split:
    """One row."""

    name: str
    """`total`, `inter`, `intra`, `test`, a later test set's name, `validation` or `train`."""
    paths: frozenset[Path]
    """Which recordings."""
    patients: int
    """Number of recordings that are scored."""
    notice: str
    """What must be said of the training data; empty when the model was trained on neither them nor their patients."""


def splits_of(recordings: Sequence[Recording], provenance: Provenance) -> list[Split]:
    """Rows for these recordings, the one that counts most first.

    Args:
        recordings: of one data set.
        provenance: what the model was trained on.
    """
    rows: dict[str, list[Recording]] = {}
    for recording in recordings:
        rows.setdefault(row_of(recording, provenance), []).append(recording)
    if all(rows.get(name) for name in TOTAL_OF):
        rows["total"] = [r for name in TOTAL_OF for r in rows[name]]
    order = {name: place for place, name in enumerate(_ORDER)}
    names = sorted(rows, key=lambda name: (order.get(name, order["test"]), name))
    return [
        Split(name, frozenset(r.path for r in some), len({r.patient for r in some}), notice(provenance, some))
        for name, some in ((name, rows[name]) for name in names)
    ]


def row_of(recording: Recording, provenance: Provenance) -> str:
    """Name of the row that a recording belongs to, `total` apart."""
    if recording.split != "train" or provenance.patients is None:
        return recording.split
    return "train" if recording.patient in provenance.patients else "validation"
