"""What labels of a device are worth: a choice that is made on some patients, judged on those that it left out.

Used by whatever learns from labelled recordings of one kind of device (`training.adapt`, `training.fine_tune`), so that
all are judged alike: by event and segment F1 as the tracker finds them, and how many draws of the patients gain. Not
for hearing the recordings.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from edge.detector.recalibration import LEAST, Recalibration
from edge.errors import ConfigError
from edge.model.adaptation import LARGEST_BIAS, LARGEST_SCALE
from edge.model.model import Model
from training.datasets import CLASSES, Recording
from training.datasets.records import patient_folds
from training.datasets.targets import COLUMNS, annotated
from training.detector.truth import SURE
from training.metrics.intervals import patient_weights
from training.metrics.spans import GroupScores, annotated_stretches, group_counts, stretches
from training.metrics.streaming import MEMBERS, group_score

FEWEST_RECORDINGS, FEWEST_PATIENTS, FEWEST_POSITIVES = 20, 5, 5
FOLDS, SEED = 5, 0
THRESHOLDS = tuple(round(0.10 + 0.04 * i, 2) for i in range(22))
SPARED = 0.06  # share of the best F1 that is given up for fewer false alarms, as in training
CERTAIN = 0.9  # share of the draws of patients that must gain
Chosen = dict[str, tuple[tuple[float, float], float]]
"""By group, its calibration and its threshold."""


@dataclass(frozen=True, slots=True)
class Scored:
    """One labelled recording as the adapted model hears it."""

    recording: Recording
    scores: NDArray[np.float32]
    """(T, C) in the order of `CLASSES`, before any recalibration."""
    targets: NDArray[np.float32]
    """(T, K)."""


@dataclass(frozen=True, slots=True)
class Learnt:
    """What some patients taught."""

    chosen: Chosen
    score: Callable[[Scored], Scored] = lambda one: one
    """A recording with its scores as they are then, before the calibration."""


Learn = Callable[[Sequence[Scored]], Learnt]
"""From recordings of some patients to what they teach."""


def choose(scored: Sequence[Scored], model: Model) -> Chosen:
    """Calibration and threshold of each group that these recordings have enough of."""
    chosen: Chosen = {}
    for group in MEMBERS:
        if sum(bool(len(annotated_stretches(h.recording, group))) for h in scored) < FEWEST_POSITIVES:
            continue
        odds, truth = group_answers(scored, group)
        fit = LogisticRegression(C=1e6).fit(odds[:, None], truth)
        calibration = (round(float(fit.coef_[0, 0]), 4), round(float(fit.intercept_[0]), 4))
        if not (0 < calibration[0] <= LARGEST_SCALE and abs(calibration[1]) <= LARGEST_BIAS):
            continue  # the scores say nothing of these labels
        f1 = [_quality(_counts(scored, model, group, calibration, threshold).sum(axis=0)) for threshold in THRESHOLDS]
        best = max(i for i, value in enumerate(f1) if value >= (1 - SPARED) * max(f1))
        chosen[group] = calibration, THRESHOLDS[best]
    return chosen


def left_out(scored: Sequence[Scored], model: Model, after: Learn, before: Learn | None = None) -> dict[str, float]:
    """What a choice is worth: mean F1 of patients that were left out, before and after, and how sure the gain is.

    Args:
        scored: labelled recordings.
        model: that heard them.
        after: what is judged; it learns of the other patients alone.
        before: what it is compared with; None: the model as it is.

    Raises:
        ConfigError: too few recordings or patients.
    """
    check_enough(scored)
    patients = sorted({h.recording.patient for h in scored})
    fold_of = patient_folds([h.recording for h in scored], FOLDS, SEED)
    counts = np.zeros((2, len(patients), len(MEMBERS), 6))
    for fold in sorted(set(fold_of.values())):
        others = [h for h in scored if fold_of[h.recording.patient] != fold]
        for way, learn in enumerate((before, after)):
            learnt = Learnt({}) if learn is None else learn(others)
            for one in [h for h in scored if fold_of[h.recording.patient] == fold]:
                counts[way, patients.index(one.recording.patient)] += _counts_with(learnt, one, model)
    draws = patient_weights(len(patients)).reshape(-1, len(patients))
    was, becomes = (_flat(of) for of in counts)
    gains = [_mean_quality(w @ becomes) - _mean_quality(w @ was) for w in draws]
    return {
        "event and segment F1 before": round(_mean_quality(was.sum(axis=0)), 4),
        "event and segment F1 after": round(_mean_quality(becomes.sum(axis=0)), 4),
        "share of draws that gain": round(float(np.mean(np.array(gains) > 0)), 4),
    }


def check_enough(scored: Sequence[Scored]) -> None:
    """Refuse what no choice can be made and judged on.

    Raises:
        ConfigError: too few recordings or patients.
    """
    patients = {h.recording.patient for h in scored}
    if len(scored) < FEWEST_RECORDINGS or len(patients) < FEWEST_PATIENTS:
        raise ConfigError(
            f"{len(scored)} labelled recordings of {len(patients)} patients, expected {FEWEST_RECORDINGS} of "
            f"{FEWEST_PATIENTS} or more; label more, or use the adaptation without labels"
        )


def check_gain(gain: Mapping[str, float], over: str = "") -> None:
    """Refuse what `left_out` did not find better.

    Args:
        gain: what it found.
        over: what it was compared with, as a message says it.

    Raises:
        ConfigError: with its numbers.
    """
    before, after, share = gain.values()
    if not (after > before and share >= CERTAIN):
        raise ConfigError(
            f"no gain{over} on patients that were left out: event and segment F1 {before:.3f} before, {after:.3f} "
            f"after, better in {100 * share:.0f} % of the draws of patients, expected {100 * CERTAIN:.0f} %; nothing "
            "was kept"
        )


def known_frames(scored: Scored) -> NDArray[np.bool_]:
    """(T,) score frames of which the labels say what sounds in them and what does not."""
    return annotated(scored.targets) | (scored.recording.record_label in SURE)


def log_odds(scores: NDArray[np.float32], group: str) -> NDArray[np.float64]:
    """(T, C) scores to (T,) log-odds that a group sounds."""
    probability = np.clip(group_score(scores, group).astype(np.float64), LEAST, 1 - LEAST)
    return np.asarray(np.log(probability) - np.log1p(-probability))


def group_answers(scored: Sequence[Scored], group: str) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """(n,) log-odds of a group and (n,) whether it sounds, on the score frames that know it."""
    known = [known_frames(h) for h in scored]
    odds = [log_odds(h.scores[of], group) for h, of in zip(scored, known, strict=True)]
    truth = [h.targets[of, getattr(COLUMNS, group)] > 0.5 for h, of in zip(scored, known, strict=True)]
    return np.concatenate(odds), np.concatenate(truth)


def _counts_with(learnt: Learnt, scored: Scored, model: Model) -> NDArray[np.float64]:
    """(groups, 6) counts of one recording with what was learnt."""
    nothing, one = (None, None), learnt.score(scored)
    return np.concatenate([_counts([one], model, group, *learnt.chosen.get(group, nothing)) for group in MEMBERS])


def _counts(
    scored: Sequence[Scored],
    model: Model,
    group: str,
    calibration: tuple[float, float] | None,
    threshold: float | None,
) -> NDArray[np.float64]:
    """(recordings, 6) hits, found and true, of events and of segments; as the model is where None is given."""
    spec = next(each for each in model.groups if each.name == group)
    thresholds = model.thresholds if threshold is None else dict.fromkeys(spec.classes, threshold)
    again = Recalibration([spec], CLASSES, {} if calibration is None else {group: calibration})
    rows = []
    for h in scored:
        spans = GroupScores(again.values(h.scores), spec.classes).spans(spec, thresholds)
        found = stretches(spans, model.score_hop_samples, model.rate_hz)
        counts = group_counts(group, annotated_stretches(h.recording, group), found)
        rows.append([*counts[f"event F1 {group}"], *counts[f"segment F1 {group}"]])
    return np.array(rows)


def _quality(counts: NDArray[np.float64]) -> float:
    """Mean of event and segment F1 of (6,) counts."""
    pairs = counts.reshape(2, 3)
    return float(np.mean([2 * hits / (found + true) if found + true else 0.0 for hits, found, true in pairs]))


def _mean_quality(counts: NDArray[np.float64]) -> float:
    """The same over the groups that are annotated, of (groups x 6,) counts."""
    present = [_quality(of) for of in counts.reshape(-1, 6) if of[2] or of[5]]
    return float(np.mean(present)) if present else 0.0


def _flat(counts: NDArray[np.float64]) -> NDArray[np.float64]:
    return counts.reshape(len(counts), -1)
