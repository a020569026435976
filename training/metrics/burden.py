"""Burden: how many seconds of sound a detector expects in a recording, and whether the annotation has as many.

The expected seconds are the sum of the calibrated probabilities of a group times the length of a frame; no threshold
is in it. Recordings are sorted by the expected seconds per minute into bins of equally many: in each, both means should
agree. Over all time the annotation is a lower bound, for it leaves breaths out; in annotated time it is complete. Not
for events.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.datasets.targets import COLUMNS, annotated
from training.metrics.estimates import ANNOTATED, Metric, Patients, of_counts
from training.metrics.streaming import GROUPS, group_score

BINS = 10
WHERE = ("all time", ANNOTATED)


@dataclass(frozen=True, slots=True)
class Burden:
    """Sums of the recordings of each patient in each bin."""

    sums: NDArray[np.float64]
    """(P, bins, 3) minutes, expected seconds, annotated seconds."""
    recordings: int

    def curve(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """(n,) expected and (n,) annotated seconds per minute of the bins that hold any."""
        minutes, expected, found = self.sums.sum(0).T
        some = minutes > 0
        return expected[some] / minutes[some], found[some] / minutes[some]


def burden(chest: Patients, group: str, where: str, frame_s: float) -> Burden:
    """Expected and annotated seconds of a group in the recordings of some patients.

    Args:
        chest: annotated chest recordings by patient, at least one.
        group: one of `GROUPS`.
        where: one of `WHERE`.
        frame_s: seconds to one score frame.
    """
    rows, owners = [], []
    for patient, several in enumerate(chest):
        for scored, _ in several:
            kept = annotated(scored.targets) if where == ANNOTATED else np.ones(len(scored.targets), np.bool_)
            if kept.any():
                seconds = (group_score(scored.scores, group)[kept], scored.targets[kept, getattr(COLUMNS, group)])
                rows.append([kept.sum() * frame_s / 60, *(float(s.sum()) * frame_s for s in seconds)])
                owners.append(patient)
    table = np.array(rows, np.float64).reshape(-1, 3)
    sums = np.zeros((len(chest), BINS, 3))
    if len(table):
        place = np.argsort(np.argsort(table[:, 1] / table[:, 0], kind="stable"), kind="stable") * BINS // len(table)
        np.add.at(sums, (np.array(owners), place), table)
    return Burden(sums, len(table))


def burden_metrics(chest: Patients, frame_s: float) -> list[Metric]:
    """Calibration error and ratio of the burden, each group, over all time and in annotated time."""
    found = []
    for group in GROUPS:
        for where in WHERE:
            one = burden(chest, group, where, frame_s)
            suffix = f", {where}" if where == ANNOTATED else ""
            examples = f"{one.recordings} recordings, {one.sums[..., 2].sum():.0f} s annotated"
            found.append(of_counts(f"burden error {group}, s per min{suffix}", one.sums, _error, examples))
            found.append(of_counts(f"burden expected / annotated {group}{suffix}", one.sums, _ratio, examples))
    return found


def _error(total: NDArray[np.float64]) -> float | None:
    """Mean over time of the distance of both in the bins, seconds per minute."""
    minutes = total[:, 0].sum()
    return float(np.abs(total[:, 1] - total[:, 2]).sum() / minutes) if minutes else None


def _ratio(total: NDArray[np.float64]) -> float | None:
    _, expected, found = total.sum(0)
    return float(expected / found) if found else None
