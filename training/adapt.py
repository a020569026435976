"""`python -m training.adapt`: calibration and thresholds from labelled recordings of a device, for its adaptation.

The recordings are heard through the edge's own path with the equaliser of `laennec adapt`. Two numbers for each group
make its scores probabilities of this device, and a threshold for each is chosen by event and segment F1. What that is
worth is said on patients that were left out, in folds; it is kept only where it gains there in nine of ten draws of the
patients. The network stays as it is. Not for the equaliser, which needs no labels (`laennec adapt`).
"""

from __future__ import annotations

import training.python_version  # noqa: F401  # isort: skip

import argparse
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from edge.artefact.adaptation import LARGEST_BIAS, LARGEST_SCALE, Adaptation, load_adaptation
from edge.artefact.model import Model, load_model
from edge.detector.pipeline import Pipeline
from edge.detector.recalibration import LEAST, Recalibration
from edge.errors import ConfigError, LaennecError
from edge.types import Block, Scores
from training.datasets import CLASSES, Recording, read_datasets
from training.datasets.folds import patient_folds
from training.datasets.sounds import read_sound
from training.datasets.targets import COLUMNS, annotated, frame_targets
from training.detector.truth import SURE
from training.metrics.bootstrap import patient_weights
from training.metrics.spans import GroupScores, annotated_stretches, group_counts, stretches
from training.metrics.streaming import MEMBERS, group_score, is_annotated_chest
from training.terminal import print_any_name

FEWEST_RECORDINGS, FEWEST_PATIENTS, FEWEST_POSITIVES = 20, 5, 5
FOLDS, SEED = 5, 0
THRESHOLDS = tuple(round(0.10 + 0.04 * i, 2) for i in range(22))
SPARED = 0.04  # share of the best F1 that is given up for fewer false alarms, as in training
CERTAIN = 0.9  # share of the draws of patients that must gain
Chosen = dict[str, tuple[tuple[float, float], float]]
"""By group, its calibration and its threshold."""


@dataclass(frozen=True, slots=True)
class Heard:
    """One labelled recording as the adapted model hears it."""

    recording: Recording
    scores: NDArray[np.float32]
    """(T, C) in the order of `CLASSES`, before any recalibration."""
    targets: NDArray[np.float32]
    """(T, K)."""


def hear(recordings: Iterable[Recording], model: Model, adaptation: Adaptation) -> list[Heard]:
    """Every recording as a stream of its own, with the equaliser alone."""
    plain = replace(adaptation, calibration={}, thresholds={}, labelled=0)
    columns, hop = [model.classes.index(name) for name in CLASSES], model.score_hop_samples
    heard = []
    for recording in recordings:
        pieces: list[Scores] = []
        samples = read_sound(recording.path, model.rate_hz)
        pipeline = Pipeline(model, observe=pieces.append, adaptation=plain)
        pipeline.push(Block(0, samples, np.ones(len(samples), np.bool_)))
        pipeline.flush()
        scores = np.zeros((len(samples) // hop, len(CLASSES)), np.float32)
        for piece in pieces:
            part = piece.values[: max(len(scores) - piece.start, 0), columns]
            scores[piece.start : piece.start + len(part)] = part
        heard.append(Heard(recording, scores, frame_targets(recording, len(scores), hop / model.rate_hz)))
    return heard


def choose(heard: Sequence[Heard], model: Model) -> Chosen:
    """Calibration and threshold of each group that these recordings have enough of."""
    chosen: Chosen = {}
    for group in MEMBERS:
        if sum(bool(len(annotated_stretches(h.recording, group))) for h in heard) < FEWEST_POSITIVES:
            continue
        fit = LogisticRegression(C=1e6).fit(*_answers(heard, group))
        calibration = (round(float(fit.coef_[0, 0]), 4), round(float(fit.intercept_[0]), 4))
        if not (0 < calibration[0] <= LARGEST_SCALE and abs(calibration[1]) <= LARGEST_BIAS):
            continue  # the scores say nothing of these labels
        f1 = [_quality(_counts(heard, model, group, calibration, threshold).sum(axis=0)) for threshold in THRESHOLDS]
        best = max(i for i, value in enumerate(f1) if value >= (1 - SPARED) * max(f1))
        chosen[group] = calibration, THRESHOLDS[best]
    return chosen


def left_out(heard: Sequence[Heard], model: Model) -> dict[str, float]:
    """What the choice is worth: mean F1 of patients that were left out, before and after, and how sure the gain is.

    Raises:
        ConfigError: too few recordings or patients.
    """
    patients = sorted({h.recording.patient for h in heard})
    if len(heard) < FEWEST_RECORDINGS or len(patients) < FEWEST_PATIENTS:
        raise ConfigError(
            f"{len(heard)} labelled recordings of {len(patients)} patients, expected {FEWEST_RECORDINGS} of "
            f"{FEWEST_PATIENTS} or more; label more, or use the adaptation without labels"
        )
    fold_of = patient_folds([h.recording for h in heard], FOLDS, SEED)
    before, after = (np.zeros((len(patients), len(MEMBERS), 6)) for _ in range(2))
    for fold in sorted(set(fold_of.values())):
        chosen = choose([h for h in heard if fold_of[h.recording.patient] != fold], model)
        for one in [h for h in heard if fold_of[h.recording.patient] == fold]:
            row = patients.index(one.recording.patient)
            for column, group in enumerate(MEMBERS):
                before[row, column] += _counts([one], model, group, None, None)[0]
                calibration, threshold = chosen.get(group, (None, None))
                after[row, column] += _counts([one], model, group, calibration, threshold)[0]
    draws = patient_weights(len(patients)).reshape(-1, len(patients))
    gains = [_mean_quality(w @ _flat(after)) - _mean_quality(w @ _flat(before)) for w in draws]
    return {
        "event and segment F1 before": round(_mean_quality(_flat(before).sum(axis=0)), 4),
        "event and segment F1 after": round(_mean_quality(_flat(after).sum(axis=0)), 4),
        "share of draws that gain": round(float(np.mean(np.array(gains) > 0)), 4),
    }


def adapted(heard: Sequence[Heard], model: Model, adaptation: Adaptation) -> Adaptation:
    """The adaptation with calibration and thresholds.

    Raises:
        ConfigError: too few recordings, or no gain on patients that were left out.
    """
    gain = left_out(heard, model)
    before, after, share = gain.values()
    if not (after > before and share >= CERTAIN):
        raise ConfigError(
            f"no gain on patients that were left out: event and segment F1 {before:.3f} before, {after:.3f} after, "
            f"better in {100 * share:.0f} % of the draws of patients, expected {100 * CERTAIN:.0f} %; nothing was kept"
        )
    chosen = choose(heard, model)
    return replace(
        adaptation,
        labelled=len(heard),
        calibration={group: calibration for group, (calibration, _) in chosen.items()},
        thresholds={name: threshold for group, (_, threshold) in chosen.items() for name in MEMBERS[group]},
        gain=gain,
    )


def _answers(heard: Sequence[Heard], group: str) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """(n, 1) log-odds of a group and (n,) whether it sounds, on the score frames that know it."""
    odds, truth = [], []
    for h in heard:
        known = annotated(h.targets) | (h.recording.record_label in SURE)
        probability = np.clip(group_score(h.scores, group)[known].astype(np.float64), LEAST, 1 - LEAST)
        odds.append(np.log(probability) - np.log1p(-probability))
        truth.append(h.targets[known, getattr(COLUMNS, group)] > 0.5)
    return np.concatenate(odds)[:, None], np.concatenate(truth)


def _counts(
    heard: Sequence[Heard],
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
    for h in heard:
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


def main(arguments: list[str] | None = None) -> int:
    """Add calibration and thresholds to an adaptation; exit code 2 for the operator's mistakes."""
    parser = argparse.ArgumentParser(prog="python -m training.adapt", description=__doc__)
    parser.add_argument("--adaptation", type=Path, required=True, help="what `laennec adapt` made; it is changed")
    parser.add_argument("--data", type=Path, required=True, help="labelled recordings, see training/README.md")
    parser.add_argument("--model", type=Path, default=None, help="artefact (.onnx); default: the bundled one")
    given = parser.parse_args(arguments)
    print_any_name()
    try:
        model = load_model(given.model)
        adaptation = load_adaptation(given.adaptation, model)
        recordings = [r for r in read_datasets(given.data) if is_annotated_chest(r)]
        result = adapted(hear(recordings, model, adaptation), model, adaptation)
        given.adaptation.write_text(result.to_text(), encoding="utf-8")
    except (LaennecError, OSError) as error:
        print(f"adapt: {error}", file=sys.stderr)
        return 2
    print("\n".join(result.lines()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
