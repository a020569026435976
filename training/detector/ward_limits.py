"""Simulated beds: days of the burden, put together from scores of recordings that the network was not trained on.

A bed is one patient: recordings of the patient one after the other, drawn anew each time, and for a share of the time
other sounds of a ward (cough, speech, cry, heart). A bed where nothing is to be found plays Normal recordings of a
patient who has no others; a bed with a sound begins with five minutes without it and plays adventitious recordings in a
share of the rest. Real beds change more slowly and have worse sound: not evidence of a ward, but of the rule.

Limits of the burden: which keep a budget of alarms on a ward, and what they find. For result.json.

For each budget of false alarms per bed and day the limits over five minutes, one for each group of classes with an
equal share of the budget, and what they cost and find at simulated beds. The limits
for the beds of a fold come from those of the other folds when they are judged, and from all when they are shipped. Not
for raising alarms.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.model.alarm_limits import FOUND_WITHIN_S, PREVALENCES, WINDOW_S, BurdenLimits, LimitRow
from edge.ward.alarm_budget import LIMITS, count_alarms, lowest_within, rate_interval
from edge.ward.burden import STEP_S
from training.metrics.streaming import GROUPS, ScoredRecording, group_score

DISTURBED = 0.05  # share of the recordings that are other sounds
NORMAL_RECORDINGS = 2  # of a patient, or more, to be a bed where nothing is to be found
ADVENTITIOUS_RECORDINGS = 3  # of a patient, or more, to be a bed with a sound
TRIALS = 40  # onsets of the sound at each bed and prevalence
DAY_STEPS = 86_400 // STEP_S
WINDOW_STEPS = WINDOW_S // STEP_S
TRIAL_STEPS = FOUND_WITHIN_S // STEP_S
SEED = 17

Played = NDArray[np.float32]
"""(T, groups) scores of one recording."""


@dataclass(frozen=True, slots=True)
class SimulatedBed:
    """What one patient's bed can play."""

    patient: str
    fold: int
    sounding: tuple[Played, ...]
    """Adventitious recordings; none at a bed where nothing is to be found."""
    silent: tuple[Played, ...]
    """Normal recordings: the patient's own, or where there are none those of the fold."""
    disturbing: tuple[Played, ...]
    """Other sounds, of the same fold."""


def beds_of(scored: Sequence[ScoredRecording], folds: Sequence[int]) -> tuple[list[SimulatedBed], list[SimulatedBed]]:
    """Beds where nothing is to be found, and beds with a sound.

    Args:
        scored: recordings of the main set and other sounds, calibrated on the other folds.
        folds: fold of each.
    """
    normal: dict[str, list[Played]] = {}
    sounding: dict[str, list[Played]] = {}
    disturbing: dict[int, list[Played]] = {}
    fold_of: dict[str, int] = {}
    for one, fold in zip(scored, folds, strict=True):
        recording = one.recording
        played = np.stack([group_score(one.scores, group) for group in GROUPS], axis=1).astype(np.float32)
        if recording.is_negative:
            disturbing.setdefault(fold, []).append(played)
        elif recording.record_label not in ("", "Poor Quality"):
            fold_of[recording.patient] = fold
            (normal if recording.record_label == "Normal" else sounding).setdefault(recording.patient, []).append(
                played
            )
    in_fold = {f: tuple(p for name, of in normal.items() if fold_of[name] == f for p in of) for f in set(folds)}

    def bed(patient: str) -> SimulatedBed:
        fold = fold_of[patient]
        silent = tuple(normal.get(patient, ())) or in_fold[fold]
        return SimulatedBed(patient, fold, tuple(sounding.get(patient, ())), silent, tuple(disturbing.get(fold, ())))

    quiet = [bed(p) for p, of in sorted(normal.items()) if p not in sounding and len(of) >= NORMAL_RECORDINGS]
    loud = [bed(p) for p, of in sorted(sounding.items()) if len(of) >= ADVENTITIOUS_RECORDINGS]
    return quiet, [one for one in loud if one.silent]


def day(bed: SimulatedBed, number: int, step_frames: int) -> Mapping[str, NDArray[np.float64]]:
    """By group: (T,) burden over `WINDOW_S`, each step of a day after the first five minutes, without the sound.

    Args:
        bed: which.
        number: of the bed, for the draws.
        step_frames: score frames of a step.
    """
    rng = np.random.default_rng((SEED, number))
    burden = _rolling(_play(bed, 0.0, DAY_STEPS * step_frames, rng), step_frames)
    return {group: burden[:, column] for column, group in enumerate(GROUPS)}


def onsets(bed: SimulatedBed, number: int, step_frames: int) -> NDArray[np.float64]:
    """(prevalences, trials, T, groups) burden over `WINDOW_S` at each step after the sound began, for half an hour.

    Args:
        bed: with a sound.
        number: of the bed, for the draws.
        step_frames: score frames of a step.
    """
    rng = np.random.default_rng((SEED, 1_000_000 + number))

    def trial(prevalence: float) -> NDArray[np.float64]:
        before = _play(bed, 0.0, WINDOW_STEPS * step_frames, rng)
        after = _play(bed, prevalence, TRIAL_STEPS * step_frames, rng)
        return _rolling(np.concatenate([before, after]), step_frames)[1:]

    return np.stack([[trial(prevalence) for _ in range(TRIALS)] for prevalence in PREVALENCES])


def _play(bed: SimulatedBed, prevalence: float, frames: int, rng: np.random.Generator) -> Played:
    """(frames, groups) one recording after the other."""
    parts, length = list[Played](), 0
    while length < frames:
        is_disturbed, sounds = rng.random() < DISTURBED and bed.disturbing, rng.random() < prevalence
        choice = bed.disturbing if is_disturbed else bed.sounding if sounds else bed.silent
        parts.append(choice[int(rng.integers(len(choice)))])
        length += len(parts[-1])
    return np.concatenate(parts)[:frames]


def _rolling(played: Played, step_frames: int) -> NDArray[np.float64]:
    """(T, groups) mean of the last `WINDOW_STEPS` whole steps, seconds per minute; from the first full window on."""
    steps = played.reshape(-1, step_frames, played.shape[1]).mean(axis=1, dtype=np.float64)
    sums = np.concatenate([np.zeros((1, steps.shape[1])), np.cumsum(steps, axis=0)])
    return 60 * (sums[WINDOW_STEPS:] - sums[:-WINDOW_STEPS]) / WINDOW_STEPS


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
