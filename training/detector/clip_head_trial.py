"""`python -m training.detector.clip_head_trial --run RUN --data DATA --out OUT`: other clip heads on the same detector.

The networks of a finished training stay as they are; beside the regression that ships (`training.detector.clip_head`)
stand QLung's angular classifier with its margins and without, and, with `--teacher`, a regression that also learns
what a paper's network says of the clips. Every head is fitted on the clips its network was trained on, and judged on
the patients of the network's fold, whom a teacher must not have met either: it teaches that fold alone. Scores are at
each head's best offset for these very clips: for comparing, too good as estimates. Not for training networks.

Source: Kim et al. 2026, QLung (2606.11915); Hinton et al. 2015 (1503.02531), soft labels.
"""

from __future__ import annotations

import training.python_version  # noqa: F401  # isort: skip

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from torch.nn import functional as F

from edge.errors import ConfigError, LaennecError
from training.clips.restore import load_run
from training.clips.validation_scores import SHOWN, metrics_of, row_of
from training.detector.answers import answer, best_offsets, decide
from training.detector.clip_head import ABSENT, STRENGTH
from training.detector.hyperparameters import Recipe
from training.detector.inference import clip_embeddings
from training.detector.networks import load_network
from training.detector.training_data import TrainingData, read_recordings
from training.losses.margin import AngularClassifier, class_margins, dfam_loss
from training.metrics.comparison import written
from training.metrics.estimates import Metric
from training.metrics.predictions import Sourced
from training.tasks import CLIP_LABELS, TASKS, Clip

Array = NDArray[np.float64]
Answer = Callable[[Array], Array]
"""(n, 2 h) embeddings to (n, L) log-probabilities of `CLIP_LABELS`."""
TASK = TASKS["1-2"]
MARGIN_WEIGHT, SCALE, STEPS, RATE, DECAY = 0.4, 24.0, 400, 0.01, 0.05  # QLung's weight; s_a of its size `small`
SOFT = 0.5  # share of the teacher in the targets


@dataclass(frozen=True, slots=True)
class Material:
    """Clips of one fold: those of its network's training, and those of the patients it never met."""

    learnt: tuple[Clip, ...]
    apart: tuple[Clip, ...]
    of_learnt: Array
    """(n, 2 h) standardised embeddings."""
    of_apart: Array
    """(m, 2 h) the same, by the mean and scale of `of_learnt`."""

    @property
    def labels(self) -> NDArray[np.int64]:
        """(n,) index in `CLIP_LABELS` of each clip that was learnt from."""
        return np.array([CLIP_LABELS.index(clip.label) for clip in self.learnt], np.int64)


def regression(material: Material, soft: Array | None = None) -> Answer:
    """The head that ships; with (n, L) probabilities of a teacher, half of each clip's label is the teacher's."""
    labels = material.labels
    if soft is None:
        fitted = LogisticRegression(C=STRENGTH, max_iter=1000).fit(material.of_learnt, labels)
    else:
        shares = SOFT * soft + (1 - SOFT) * np.eye(len(CLIP_LABELS))[labels]
        rows, every = np.nonzero(shares > 1e-3)
        fitted = LogisticRegression(C=STRENGTH, max_iter=1000).fit(
            material.of_learnt[rows], every, sample_weight=shares[rows, every]
        )

    def answers(embeddings: Array) -> Array:
        said = np.full((len(embeddings), len(CLIP_LABELS)), ABSENT)
        said[:, fitted.classes_] = fitted.predict_log_proba(embeddings)
        return said

    return answers


def angular(material: Material, margin_weight: float) -> Answer:
    """QLung's classifier on the standardised embeddings, with class margins of this weight beside the cross-entropy."""
    torch.manual_seed(0)
    labels = torch.from_numpy(material.labels)
    head = AngularClassifier(material.of_learnt.shape[1], len(CLIP_LABELS), SCALE)
    counts = [max(1, int(count)) for count in np.bincount(labels, minlength=len(CLIP_LABELS))]  # a fold may lack one
    margins = class_margins(counts)[labels]
    embeddings = torch.from_numpy(material.of_learnt.astype(np.float32))
    optimizer = torch.optim.AdamW(head.parameters(), RATE, weight_decay=DECAY)
    for _ in range(STEPS):
        cosines = head.cosines(embeddings)
        loss = F.cross_entropy(head.scale * cosines, labels) + margin_weight * dfam_loss(cosines, labels, margins)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    @torch.no_grad()
    def answers(embeddings: Array) -> Array:
        said: Array = torch.log_softmax(head(torch.from_numpy(embeddings.astype(np.float32))), 1).double().numpy()
        return said

    return answers


def materials(run: Path, data: Path, cache: Path) -> Iterator[Material]:
    """Of each fold of a finished training.

    Raises:
        ConfigError: if the run is not finished, or not of these recordings.
    """
    try:
        recipe = Recipe.from_json((run / "recipe.json").read_text())
    except OSError as error:
        raise ConfigError(f"--run {run}: expected a finished training ({error.strerror}); run `make train`") from None
    held = TrainingData(read_recordings(data, recipe), cache)
    frames = held.clips(recipe)
    for fold in range(recipe.folds):
        apart, detector = held.held_out(recipe, fold), load_network(recipe, run / f"fold-{fold}")
        clips: tuple[list[Clip], list[Clip]] = ([], [])
        sounds: tuple[list[NDArray[np.float16]], list[NDArray[np.float16]]] = ([], [])
        for recording, of_events in zip(held.judged(), frames, strict=True):
            side = int(recording.patient in apart)
            for event, sound in zip(recording.events, of_events, strict=True):
                if event.name in TASK.map:
                    label = TASK.map[event.name]
                    clips[side].append(Clip(recording, event.start_s, event.end_s, label, event.number))
                    sounds[side].append(sound)
        learnt, others = (clip_embeddings(detector, several).astype(np.float64) for several in sounds)
        mean, scale = learnt.mean(0), learnt.std(0) + 1e-4
        yield Material(tuple(clips[0]), tuple(clips[1]), (learnt - mean) / scale, (others - mean) / scale)


def judged(said: dict[str, list[Array]], clips: Sequence[Clip]) -> dict[str, dict[str, Metric]]:
    """SE, SP and Score of every head in tasks 1-1 and 1-2, by head and name; the first head is the base."""
    found: dict[str, dict[str, Metric]] = {head: {} for head in said}
    for task in (TASKS["1-1"], TASK):
        truth = np.array([task.labels.index(task.map[clip.label]) for clip in clips], np.int64)
        for head, several in said.items():
            answers = answer(task, np.concatenate(several))
            decided = decide(answers, best_offsets(task, answers, truth))
            metrics = metrics_of(task, row_of(task, clips, truth, decided)["by_patient"])
            found[head] |= {f"{task.name} {part}": metrics[part] for part in SHOWN}
    return found


def compare(run: Path, data: Path, out: Path, teacher: Path | None) -> dict[str, dict[str, dict[str, Metric]]]:
    """All heads on all folds; and those that a teacher changes on the folds whose patients it never met.

    Raises:
        LaennecError: for a run, recordings or a teacher that cannot be used.
    """
    master = None if teacher is None else load_run(teacher)
    met = master.provenance.patients if isinstance(master, Sourced) else None
    if master is not None and met is None:
        raise ConfigError(f"--teacher {teacher}: does not say which patients it was trained on; train it again")
    said: dict[str, dict[str, list[Array]]] = {}
    clips: dict[str, list[Clip]] = {}
    for material in materials(run, data, out / "cache"):
        heads = {
            "regression": regression(material),
            "angular": angular(material, 0.0),
            "angular with margins": angular(material, MARGIN_WEIGHT),
        }
        _answered(heads, material, said.setdefault("all folds", {}), clips.setdefault("all folds", []))
        if master is not None and met is not None and not met & {c.recording.patient for c in material.apart}:
            soft = master.predict(TASK, material.learnt).astype(np.float64)
            taught = {"regression": heads["regression"], f"taught by {master.name}": regression(material, soft)}
            _answered(taught, material, said.setdefault("taught", {}), clips.setdefault("taught", []))
    if master is not None and "taught" not in said:
        raise ConfigError(f"--teacher {teacher}: was trained on patients of every fold of {run}; give another")
    return {which: judged(heads, clips[which]) for which, heads in said.items()}


def _answered(heads: dict[str, Answer], material: Material, said: dict[str, list[Array]], clips: list[Clip]) -> None:
    clips.extend(material.apart)
    for name, head in heads.items():
        said.setdefault(name, []).append(head(material.of_apart))


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the tables; exit code 2 for the operator's mistakes."""
    parser = argparse.ArgumentParser(prog="python -m training.detector.clip_head_trial", description=__doc__)
    parser.add_argument("--run", type=Path, required=True, help="folder of a finished training of the edge recipe")
    parser.add_argument("--data", type=Path, required=True, help="folder of the recordings, see training/DATA.md")
    parser.add_argument("--out", type=Path, required=True, help="folder of the tables and of the frames")
    parser.add_argument("--teacher", type=Path, help="a finished run of a paper's recipe for task 1-2")
    given = parser.parse_args(arguments)
    try:
        given.out.mkdir(parents=True, exist_ok=True)
        shown = [f"{task} {part}" for task in ("1-1", TASK.name) for part in SHOWN]
        print(written(compare(given.run, given.data, given.out, given.teacher), given.out, shown))
    except LaennecError as error:
        print(f"training: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
