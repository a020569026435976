"""Limits of the burden: which keep a budget of alarms on a ward, and what they find. For result.json.

For each budget of false alarms per bed and day the limits over five minutes, one for each group of classes with an
equal share of the budget, and what they cost and find at simulated beds (`training.detector.ward_beds`). The limits for
the beds of a fold come from those of the other folds when they are judged, and from all when they are shipped. Not
for raising alarms.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.model.alarm_limits import PREVALENCES, BurdenLimits, LimitRow
from edge.ward.alarm_budget import LIMITS, count_alarms, lowest_within, rate_interval
from edge.ward.burden import STEP_S
from training.detector.ward_beds import SimulatedBed, beds_of, day, onsets
from training.metrics.streaming import GROUPS, ScoredRecording

BUDGETS = (0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 1.75, 2.0, 2.5, 3.0, 4.0, 5.0)  # per bed and day; above, beds alarm all day
FEWEST_BEDS = 10  # of each kind; fewer say nothing


def ward_limits(scored: Sequence[ScoredRecording], folds: Sequence[int], frame_s: float) -> dict[str, Any] | None:
    """What result.json holds of it: the fields of `BurdenLimits`; None where there are too few patients.

    Args:
        scored: recordings of the main set and other sounds, each calibrated on the other folds.
        folds: fold of each.
        frame_s: seconds to one score frame.
    """
    quiet, loud = beds_of(scored, folds)
    if min(len(quiet), len(loud)) < FEWEST_BEDS or len({bed.fold for bed in quiet}) < 2:
        return None
    measured = _Measured(quiet, loud, max(round(STEP_S / frame_s), 1))
    rows = [row for budget in BUDGETS if (row := measured.row(budget)) is not None]
    return asdict(BurdenLimits(len(quiet), len(loud), tuple(rows))) if rows else None


class _Measured:
    """The alarms and the onsets of all beds, for any limits."""

    def __init__(self, quiet: Sequence[SimulatedBed], loud: Sequence[SimulatedBed], step_frames: int) -> None:
        self._step_frames, self._loud = step_frames, loud
        self._folds = np.array([bed.fold for bed in quiet])
        days = [day(bed, number, step_frames) for number, bed in enumerate(quiet)]
        # (beds, groups, limits) alarms in the day
        self._alarms = np.stack([[count_alarms(of[group]) for group in GROUPS] for of in days])
        self._onsets = [onsets(bed, number, step_frames).astype(np.float32) for number, bed in enumerate(loud)]

    def row(self, budget: float) -> LimitRow | None:
        """One row of the table; None for a budget that some folds cannot keep."""
        shipped = self._chosen(np.ones(len(self._folds), np.bool_), budget)
        inner = {int(fold): self._chosen(self._folds != fold, budget) for fold in {*self._folds, *self._loud_folds}}
        if shipped is None or any(of_fold is None for of_fold in inner.values()):
            return None
        indices = {fold: of_fold for fold, of_fold in inner.items() if of_fold is not None}
        groups = np.arange(len(GROUPS))
        alarms = np.array(
            [of[groups, indices[int(f)]].sum() for of, f in zip(self._alarms, self._folds, strict=True)], float
        )
        low, high = rate_interval(alarms, np.ones(len(alarms)))
        delays = [self._delays(number, indices[bed.fold]) for number, bed in enumerate(self._loud)]
        found = [float(np.mean([np.isfinite(of[p]).mean() for of in delays])) for p in range(len(PREVALENCES))]
        at_full = np.concatenate([of[0][np.isfinite(of[0])] for of in delays])
        return LimitRow(
            budget=budget,
            limits={group: LIMITS[index] for group, index in zip(GROUPS, shipped, strict=True)},
            alarms=round(float(alarms.mean()), 3),
            alarms_low=round(low, 3),
            alarms_high=round(high, 3),
            alarming_beds=int((alarms > 0).sum()),
            found=tuple(round(share, 3) for share in found),
            delay_s=float(np.median(at_full)) if len(at_full) else None,
        )

    @property
    def _loud_folds(self) -> set[int]:
        return {bed.fold for bed in self._loud}

    def _chosen(self, beds: NDArray[np.bool_], budget: float) -> list[int] | None:
        """For each group the index of its limit, chosen on some beds."""
        rates = self._alarms[beds].mean(axis=0)
        chosen = [lowest_within(rates[group], budget / len(GROUPS)) for group in range(len(GROUPS))]
        return None if None in chosen else [index for index in chosen if index is not None]

    def _delays(self, number: int, indices: Sequence[int]) -> NDArray[np.float64]:
        """(prevalences, trials) seconds from the onset to an alarm of either group; infinite where none came."""
        limits = np.array([LIMITS[index] for index in indices])
        on = (self._onsets[number] >= limits).any(axis=-1)
        return np.where(on.any(axis=-1), (on.argmax(axis=-1) + 1) * float(STEP_S), np.inf)


def table_lines(table: BurdenLimits | None) -> list[str]:
    """The table to read."""
    if table is None:
        return ["too few patients: no limits"]
    shares = " ".join(f"{100 * share:4.0f}%" for share in PREVALENCES)
    lines = [f"budget  alarms a bed and day  beds of {table.normal_beds}  found at {shares}  delay s  limits, s/min"]
    for row in table.rows:
        alarms = f"{row.alarms:6.2f} ({row.alarms_low:.2f} to {row.alarms_high:.2f})"
        found = " ".join(f"{share:5.2f}" for share in row.found)
        limits = ", ".join(f"{group} {limit:g}" for group, limit in row.limits.items())
        lines.append(f"{row.budget:6g}  {alarms:20s}  {row.alarming_beds:11d}  {found:>30s}  {row.delay_s}  {limits}")
    return lines
