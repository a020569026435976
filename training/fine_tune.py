"""`python -m training.fine_tune`: the last layer of the detector taught on labelled recordings of one kind of device.

Where `training.adapt` moves scores and thresholds, this moves what the scores are made of: the row that says whether a
group sounds (`training.detector.last_layer`). Calibration and thresholds are then chosen on patients that the row never
heard, in inner folds. All of it is judged on patients that were left out, against the model as it is and against
calibration and thresholds alone, and refused unless it gains over both. What comes out is a run folder, which
`python -m export` makes an artefact of. Not for training a body: that needs more sound than a device's makers label.
"""

from __future__ import annotations

import training.python_version  # noqa: F401  # isort: skip

import argparse
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from edge.detector.level import LevelledChunks
from edge.detector.recalibration import LEAST
from edge.errors import ConfigError, LaennecError
from edge.features import FeatureSpec, FrontEnd
from edge.model.adaptation import Adaptation, load_adaptation
from edge.model.model import LIGHT_PATH, Model, load_model
from edge.types import Block
from training.adapt import equaliser_alone, score_recordings
from training.datasets import CLASSES, Recording, read_datasets
from training.datasets.files import read_sound
from training.datasets.records import patient_folds
from training.datasets.targets import frame_targets
from training.detector.last_layer import Row, cross_entropy, fit_row
from training.detector.model import STRIDE, Scorer, class_scores
from training.fine_tuned_run import RELEASED, FineTuned, open_run, write_run
from training.left_out import (
    FEWEST_POSITIVES,
    SEED,
    Learnt,
    Scored,
    check_enough,
    check_gain,
    choose,
    group_answers,
    known_frames,
    left_out,
    log_odds,
)
from training.metrics.spans import annotated_stretches
from training.metrics.streaming import MEMBERS, group_score, is_annotated_chest
from training.terminal import print_any_name

INNER_FOLDS = 3
PENALTIES = (0.001, 0.01, 0.1)  # the one that fits patients best that the row never heard is taken
SAME = 0.01  # scores of an artefact and of its network agree within 1e-5; those of two networks nowhere

Hidden = Mapping[Path, NDArray[np.float32]]
"""(T, h) of each recording."""
Rows = dict[str, Row]
"""By group."""


@dataclass(frozen=True, slots=True)
class LastLayer:
    """A last layer, and what was chosen for it."""

    rows: Rows
    learnt: Learnt


def score_hidden(
    recordings: Iterable[Recording], scorer: Scorer, model: Model, adaptation: Adaptation | None
) -> tuple[list[Scored], dict[Path, NDArray[np.float32]]]:
    """Every recording as the edge hears it, with the equaliser alone, and its hidden values.

    Args:
        recordings: with their labels.
        scorer: the network.
        model: an artefact with the same feature spec, level and chunks.
        adaptation: of the device; None where it needs none.
    """
    plain = None if adaptation is None else equaliser_alone(adaptation)
    scored, hidden = [], {}
    for recording in recordings:
        samples, chunks = read_sound(recording.path, model.rate_hz), LevelledChunks(model, plain)
        scores, values = score_samples(samples, scorer, chunks, chunks.spec)
        targets = frame_targets(recording, len(scores), model.score_hop_samples / model.rate_hz)
        scored.append(Scored(recording, scores, targets))
        hidden[recording.path] = values
    return scored, hidden


def score_samples(
    samples: NDArray[np.float32], scorer: Scorer, chunks: LevelledChunks, spec: FeatureSpec
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """What a network says of a whole sound, and its hidden values.

    Args:
        samples: (N,).
        scorer: the network.
        chunks: new, through which the edge gives it frames.
        spec: of the frames that they take.

    Returns:
        (T, C) scores and (T, h); a score frame of which some is missing has the score 0, as at the edge.
    """
    front_end = FrontEnd(spec)
    frames = front_end.push(Block(0, samples, np.ones(len(samples), np.bool_))) + front_end.flush()
    cut = [chunk for some in frames for chunk in chunks.push(some)] + chunks.flush()
    values, valid = (np.concatenate([getattr(chunk, name) for chunk in cut]) for name in ("values", "valid"))
    with torch.no_grad():
        answer = scorer.detector.whole(torch.from_numpy(values)[None], torch.from_numpy(valid).float()[None])
        scores: NDArray[np.float32] = class_scores(answer.logits, scorer.scale, scorer.bias)[0].numpy()
    scores[~valid.reshape(len(scores), STRIDE).all(axis=1)] = 0
    count = len(samples) // (spec.hop_samples * STRIDE)
    return scores[:count], np.ascontiguousarray(answer.hidden[0].T.numpy()[:count])


def teach(scored: Sequence[Scored], hidden: Hidden, model: Model) -> LastLayer:
    """The last layer that recordings teach, with calibration and thresholds of patients that it did not hear."""
    fold_of = patient_folds([h.recording for h in scored], INNER_FOLDS, SEED)
    tried = []
    for penalty in PENALTIES:
        apart: list[Scored] = []
        for fold in range(INNER_FOLDS):
            rows = fit_rows([h for h in scored if fold_of[h.recording.patient] != fold], hidden, penalty)
            apart += [rescored(h, hidden, rows) for h in scored if fold_of[h.recording.patient] == fold]
        tried.append((sum(_misfit(apart, group) for group in MEMBERS), penalty, apart))
    _, penalty, apart = min(tried, key=lambda one: one[0])
    rows = fit_rows(scored, hidden, penalty)
    return LastLayer(rows, Learnt(choose(apart, model), lambda one: rescored(one, hidden, rows)))


def fit_rows(scored: Sequence[Scored], hidden: Hidden, penalty: float) -> Rows:
    """A row for each group that these recordings have enough of."""
    rows: Rows = {}
    for group in MEMBERS:
        if sum(bool(len(annotated_stretches(h.recording, group))) for h in scored) >= FEWEST_POSITIVES:
            x = np.concatenate([hidden[h.recording.path][known_frames(h)] for h in scored])
            rows[group] = fit_row(x, *group_answers(scored, group), penalty)
    return rows


def rescored(scored: Scored, hidden: Hidden, rows: Rows) -> Scored:
    """The scores with other rows: each class keeps its share of its group."""
    scores = scored.scores.copy()
    for group, row in rows.items():
        columns = [CLASSES.index(name) for name in MEMBERS[group]]
        before = np.maximum(group_score(scored.scores, group), np.float32(LEAST))
        after = 1 / (1 + np.exp(-log_odds(scored.scores, group) - row.added(hidden[scored.recording.path])))
        scores[:, columns] *= (after / before)[:, None].astype(np.float32)
    return replace(scored, scores=scores)


def fine_tuned(scored: Sequence[Scored], hidden: Hidden, model: Model) -> tuple[LastLayer, dict[str, dict[str, float]]]:
    """The last layer, and what it is worth on patients that were left out.

    Raises:
        ConfigError: too few recordings, or no gain over the model as it is or over calibration and thresholds alone.
    """
    check_enough(scored)
    taught: dict[frozenset[Path], LastLayer] = {}

    def learn(some: Sequence[Scored]) -> Learnt:
        key = frozenset(h.recording.path for h in some)
        if key not in taught:  # both comparisons ask for the same folds
            taught[key] = teach(some, hidden, model)
        return taught[key].learnt

    gains = {
        "the model as it is": left_out(scored, model, learn),
        "calibration and thresholds alone": left_out(scored, model, learn, lambda some: Learnt(choose(some, model))),
    }
    for name, gain in gains.items():
        check_gain(gain, f" over {name}")
    return teach(scored, hidden, model), gains


def _misfit(scored: Sequence[Scored], group: str) -> float:
    return cross_entropy(*group_answers(scored, group))


def check_same(scored: Scored, model: Model, adaptation: Adaptation | None, where: Path) -> None:
    """Refuse a network that is not that of the artefact, by what both say of one recording.

    Raises:
        ConfigError: if it is another.
    """
    (other,) = score_recordings([scored.recording], model, adaptation)
    if np.abs(other.scores - scored.scores).max(initial=0) > SAME:
        raise ConfigError(
            f"--checkpoint {where}: is not the training that model {model.id} was exported from; give its run folder"
        )


def main(arguments: list[str] | None = None) -> int:
    """Teach, judge and write a run folder; exit code 2 for the operator's mistakes."""
    parser = argparse.ArgumentParser(prog="python -m training.fine_tune", description=__doc__)
    parser.add_argument("--adaptation", type=Path, help="what `laennec adapt` made for the device, if it needs one")
    parser.add_argument("--data", type=Path, required=True, help="labelled recordings, see training/DATA.md")
    parser.add_argument("--checkpoint", type=Path, default=RELEASED, help="run folder that the model was exported from")
    parser.add_argument("--model", type=Path, help="artefact (.onnx) of that network; default: the bundled light one")
    parser.add_argument("--out", type=Path, required=True, help="run folder to write")
    given = parser.parse_args(arguments)
    print_any_name()
    try:
        gains = _run(given)
    except (LaennecError, OSError) as error:
        print(f"fine_tune: {error}", file=sys.stderr)
        return 2
    for name, gain in gains.items():
        print(f"patients that were left out, beside {name}:")
        print(*(f"  {what}: {value:.3f}" for what, value in gain.items()), sep="\n")
    print(
        f"kept in {given.out}; next:  python -m export --checkpoint {given.out} --out mine.onnx,  then  laennec adapt"
    )
    return 0


def _run(given: argparse.Namespace) -> dict[str, dict[str, float]]:
    torch.set_num_threads(1)
    bundled = LIGHT_PATH if LIGHT_PATH.exists() else None  # one network alone; the default one may be of several
    run, model = open_run(given.checkpoint), load_model(given.model or bundled)
    if given.out.exists():
        raise ConfigError(f"--out {given.out}: is there already; give another folder")
    adaptation = None if given.adaptation is None else load_adaptation(given.adaptation, model)
    recordings = [r for r in read_datasets(given.data) if is_annotated_chest(r)]
    scored, hidden = score_hidden(recordings, run.scorer, model, adaptation)
    if scored:
        check_same(scored[0], model, adaptation, given.checkpoint)
    layer, gains = fine_tuned(scored, hidden, model)
    device = given.data.resolve().name if adaptation is None else adaptation.device
    write_run(given.out, run, FineTuned(device, tuple(recordings), layer.rows, layer.learnt.chosen, gains))
    return gains


if __name__ == "__main__":
    sys.exit(main())
