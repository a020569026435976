"""One training of a classifier, from recordings to scores on validation patients, in a run folder.

run.json  heard.json  metrics.jsonl  tensorboard/  last.pt  best.pt  result.json
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from training.clips.batches import Batches, ClipLearner, ClipSet, clip_probabilities
from training.clips.classifier import ClipClassifier
from training.clips.experiment import (
    check_labels,
    clip_sets,
    full_frames,
    part,
    row_of,
    score_lines,
    scores_of,
    side_clips,
    task_recordings,
)
from training.clips.schema import ClassifierRecipe, Recipe
from training.clips.trained import coarser_tasks
from training.loop import Identity, Outcome, RunFolder, best_device, train
from training.loop.checkpoint import whole_file
from training.loop.journal import Report, seconds_of
from training.loop.run_folder import code_hash
from training.tasks import TASKS

RESULT = "result.json"


def train_classifier(recipe: ClassifierRecipe, data: Path, out: Path, report: Report) -> None:
    """Train, or go on training; print and write the official scores of the validation patients.

    Args:
        recipe: with everything that the command line changed.
        data: folder of data sets.
        out: run folder.
        report: called with each line for a person.

    Raises:
        ConfigError: for an operator's mistakes.
    """
    task = TASKS[recipe.task]
    sides = part(task_recordings(data, task), recipe.validation)
    check_labels(task, side_clips(recipe, sides)[0])
    folder = RunFolder(out)
    folder.claim(identity_of(recipe, sides.records))
    sides.write(out)
    training, validation = clip_sets(recipe, sides, out.parent / "cache")
    learner = clip_learner(recipe, training, validation)
    report(_summary(recipe, training, validation, learner.network))
    outcome = train(learner, recipe.loop, recipe.seed, folder, report)
    _conclude(learner.network, validation, training, outcome, out, report)


def clip_learner(recipe: ClassifierRecipe, training: ClipSet, validation: ClipSet) -> ClipLearner:
    """The recipe's network, untrained, with its batches.

    Raises:
        ConfigError: for sizes, or a checkpoint that does not fit.
    """
    torch.manual_seed(recipe.seed)
    spec = next(iter(recipe.features.values()))
    network = ClipClassifier(recipe, training.counts, full_frames(recipe.clip.of(training.task), spec))
    batches = Batches(training, recipe.loop.batch, recipe.augment, recipe.sampler, recipe.seed)
    return ClipLearner(network, batches, validation)


def identity_of(recipe: Recipe, records: str) -> Identity:
    """What decides the outcome of this training."""
    specs = {name: spec.sha256 for name, spec in recipe.features.items()}
    return Identity(recipe.model_dump(mode="json"), specs, records, code_hash())


def _conclude(
    network: ClipClassifier, validation: ClipSet, training: ClipSet, outcome: Outcome, out: Path, report: Report
) -> None:
    probabilities = clip_probabilities(network, validation, next(network.parameters()).device)
    rows = scores_of(validation, probabilities, training)
    result: dict[str, Any] = {
        "task": validation.task.name,
        "epoch": outcome.epoch,
        "epochs": outcome.epochs,
        "seconds": seconds_of(out),
        "parameters": sum(p.numel() for p in network.parameters()),
        "training_clips": len(training.clips),
        "validation_clips": len(validation.clips),
        "validation_patients": len({c.recording.patient for c in validation.clips}),
        "validation": rows,
        "coarser": coarser_rows(validation, probabilities),
    }
    with whole_file(out / RESULT) as draft:
        draft.write_text(json.dumps(result, indent=1))
    report(f"kept epoch {outcome.epoch} of {outcome.epochs}; validation patients of the training part, no test set:")
    for line in score_lines(rows):
        report(line)


def coarser_rows(validation: ClipSet, probabilities: NDArray[np.float32]) -> dict[str, Any]:
    """Row by task of those that the answers answer too: the probabilities of what is one label there are added up."""
    return {
        name: row_of(
            TASKS[name], validation.clips, matrix.argmax(1)[validation.labels], (probabilities @ matrix).argmax(1)
        )
        for name, matrix in coarser_tasks(validation.task).items()
    }


def _summary(recipe: ClassifierRecipe, training: ClipSet, validation: ClipSet, network: ClipClassifier) -> str:
    patients = [len({c.recording.patient for c in side.clips}) for side in (training, validation)]
    size = sum(p.numel() for p in network.backbone.parameters()) + sum(p.numel() for p in network.head.parameters())
    return (
        f"{recipe.name}, task {recipe.task}: {len(training.clips)} clips of {patients[0]} patients to train, "
        f"{len(validation.clips)} of {patients[1]} to validate; {size:,} weights, "
        f"on {best_device().type}"
    )
