"""Did the model train on what it is judged by? Says so loudly, or says that nobody knows. Judges no score.

A model may name its recordings and patients. An artefact of the edge carries the hash of each name, that recognises a
name and does not tell it; an older one has only the fingerprint of its training data, which is compared with that of
the sets that lie in DATA.

Which recordings make one row of a table.

The published test sets are rows of their own: `inter` and `intra` of SPRSound's 2022 set, and `total`, both together.
Training recordings are a row too, parted into `validation` and `train` when the model names its patients. Not for
dealing patients out (`training.datasets.records`).

One task, judged: every split's row with intervals, the duration rule beside it, and what must be said of it.

Reads probabilities and annotations, hears nothing, writes nothing (`training.evaluation.report`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from training.datasets import Recording, fingerprint, hashed_name
from training.metrics.intervals import Interval, confidence_reliability, interval, of_sums, pair_wins
from training.metrics.official import (
    CHALLENGE_WEIGHTS,
    TASKS_WITH_CUE,
    DurationRule,
    OfficialScore,
    any_abnormal,
    challenge_total,
    fit_duration,
    official_score,
    score_parts,
)
from training.metrics.predictions import Predictions, Predictor, Provenance, Sourced, Translating, ask
from training.tasks import TASKS, Task

NOBODY_KNOWS = "NOT KNOWN WHETHER THE MODEL WAS TRAINED ON THESE RECORDINGS (it names none that are in DATA)"


def provenance_of(model: object, recordings: Sequence[Recording]) -> Provenance:
    """What the model was trained on, with the names behind its fingerprint where DATA holds the same recordings.

    Args:
        model: any predictor or listener.
        recordings: everything in DATA.
    """
    said = model.provenance if isinstance(model, Sourced) else Provenance()
    if said.hashed_names is not None:
        stems = frozenset(r.path.stem for r in recordings if hashed_name("recording", r.path.stem) in said.hashed_names)
        patients = frozenset(r.patient for r in recordings if hashed_name("patient", r.patient) in said.hashed_names)
        return replace(said, recordings=stems, patients=patients)
    if said.recordings is not None or not said.fingerprint:
        return said
    for chosen in _candidates(recordings):
        if fingerprint(chosen) == said.fingerprint:
            return replace(trained_on(chosen, said.fingerprint), stated=said.stated)
    return said


def trained_on(recordings: Iterable[Recording], sha256: str = "") -> Provenance:
    """The provenance of a model that was trained on exactly these."""
    real = [r for r in recordings if not r.is_synthetic]
    return Provenance(frozenset(r.path.stem for r in real), frozenset(r.patient for r in real), sha256)


def notice(provenance: Provenance, recordings: Sequence[Recording]) -> str:
    """What must stand beside numbers on these recordings; empty when none of their patients was trained on."""
    if provenance.recordings is None and provenance.patients is None:
        return NOBODY_KNOWS
    leaked = sum(r.path.stem in (provenance.recordings or ()) for r in recordings)
    if leaked:
        return f"THESE RECORDINGS WERE IN THE TRAINING DATA ({leaked} of {len(recordings)})"
    patients = {r.patient for r in recordings}
    known = len(patients & (provenance.patients or frozenset()))
    return f"other recordings of {known} of these {len(patients)} patients were in the training data" if known else ""


def _candidates(recordings: Sequence[Recording]) -> list[list[Recording]]:
    """Sets of recordings that a training may have had, in the order in which it read them."""
    train = [r for r in recordings if r.split == "train" and r.is_real_chest]
    negatives = [r for r in recordings if r.is_negative]
    names = sorted({r.dataset for r in train})
    chosen = [[r for r in train if r.dataset == name] for name in names]
    chosen = [*chosen, train] if len(names) > 1 else chosen
    return [some for one in chosen for some in ([*one, *negatives], [*negatives, *one], one)] if negatives else chosen


TOTAL_OF = ("inter", "intra")
_ORDER = ("total", "inter", "intra", "test", "validation", "train")


@dataclass(frozen=True, slots=True)
class Split:
    """The recordings that one row of a table is about."""

    name: str
    """`total`, `inter`, `intra`, `test`, a later test set's name, `validation` or `train`."""
    paths: frozenset[Path]
    """Which recordings."""
    patients: int
    """Number of patients of these recordings."""
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


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a task's table."""

    who: str
    """The model, or the duration rule."""
    split: Split
    predictions: Predictions
    score: OfficialScore
    bounds: tuple[Interval | None, ...]
    """Of each of `official.PARTS`."""
    auc: float | None
    """Area under the ROC curve of adventitious against normal, ignored labels left out."""
    auc_bounds: Interval | None
    calibration_error: float
    """ECE of the confidence in the decided label, 0 to 1."""

    @property
    def patients(self) -> int:
        """How many patients have a clip of the task."""
        return len(set(self.predictions.patients))


@dataclass(frozen=True, slots=True)
class Judged:
    """Scores of one task, a row for each split."""

    task: Task
    rows: tuple[Row, ...]
    """The model's, the split that counts most first."""
    beside: tuple[Row, ...]
    """The duration rule's, published and fitted, for the same splits; empty where it cannot answer."""
    note: str = ""
    """How the answers came about when the model was asked something else."""


def judge(predictor: Predictor, task: Task, recordings: Sequence[Recording], provenance: Provenance) -> Judged:
    """Ask the model and score its answers.

    Args:
        predictor: any model.
        task: what to ask.
        recordings: everything in DATA; those of the task's set are used.
        provenance: what the model was trained on.

    Raises:
        ConfigError: if the model does not answer the task.
    """
    clips = task.clips(list(recordings))
    answered = ask(predictor, task, clips)
    mine = [r for r in recordings if r.dataset == task.dataset and r.is_real_chest]
    splits = splits_of(mine, provenance)
    rules: list[DurationRule] = []
    if task.name in TASKS_WITH_CUE:
        rules.append(DurationRule())
        fitted = fit_duration(task, [c for c in clips if row_of(c.recording, provenance) == "train"])
        rules += [fitted] if fitted else []
    rows = tuple(_row(predictor.name, split, answered) for split in splits)
    beside = [_row(_named(rule), split, ask(rule, task, clips)) for split in splits for rule in rules]
    note = predictor.note(task) if isinstance(predictor, Translating) else ""
    heard = [tuple(row for row in of if row.predictions.clips) for of in (rows, beside)]
    return Judged(task, heard[0], heard[1], note)


def two_classes(judged: Judged) -> Judged:
    """The 2-class table of ICBHI from a model that was asked for four: any abnormal answer counts."""
    task = TASKS["icbhi-2"]
    rows = tuple(_row(row.who, row.split, _collapsed(row.predictions, task)) for row in judged.rows)
    note = "from the answers to icbhi-4: any abnormal answer counts for any abnormal cycle"
    return Judged(task, rows, (), f"{judged.note}; {note}" if judged.note else note)


def totals(judged: Sequence[Judged]) -> dict[str, float | None]:
    """Challenge total by split, where all four tasks were judged."""
    scores: dict[str, dict[str, float | None]] = {}
    for one in judged:
        for row in one.rows:
            scores.setdefault(row.split.name, {})[one.task.name] = row.score.score
    return {split: challenge_total(s) for split, s in scores.items() if CHALLENGE_WEIGHTS.keys() <= s.keys()}


def counted(predictions: Predictions) -> NDArray[np.bool_]:
    """(n,) clips whose label is not ignored by the task."""
    return np.array([clip.label not in predictions.task.ignored for clip in predictions.clips], np.bool_)


def _row(who: str, split: Split, answered: Predictions) -> Row:
    mine = answered.take([clip.recording.path in split.paths for clip in answered.clips])
    bounds = tuple(of_sums(mine.patient_confusions, lambda sums: score_parts(answered.task, sums)))
    part = mine.take(counted(mine))
    wins = pair_wins(part.truth > 0, 1 - part.probabilities[:, 0], part.patients)
    return Row(
        who,
        split,
        mine,
        official_score(answered.task, mine.confusion),
        bounds,
        wins.auc(),
        interval(len(wins.positives), wins.auc),
        confidence_reliability(mine).error,
    )


def _collapsed(four: Predictions, task: Task) -> Predictions:
    normal = four.probabilities[:, :1]
    clips = tuple(replace(clip, label=task.labels[int(i > 0)]) for clip, i in zip(four.clips, four.truth, strict=True))
    decided = (four.decided > 0).astype(np.int64)
    two = Predictions(task, clips, np.concatenate([normal, 1 - normal], axis=1), decided, f"{four.rule}, of four")
    assert (two.confusion == any_abnormal(four.confusion)).all()
    return two


def _named(rule: DurationRule) -> str:
    return f"{rule.name} < {rule.threshold_s:g} s{', fitted' if rule.is_fitted else ''}"
