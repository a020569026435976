"""`train_method`: one training of a published method, from recordings to scores on validation patients.

run.json  heard.json  metrics.jsonl  tensorboard/  last.pt  best.pt  result.json

Of `hear`, best.pt is the auto-encoder; probes.pt has its encoder and one linear probe for each task, which is all that
answers; detector/ is a run of its own, of the detector of health sounds. Not for the edge's own recipe.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from training.clips.batches import ClipLearner, ClipSet, clip_probabilities
from training.clips.cut import all_pieces, whole
from training.clips.front_end import cached_clip_frames
from training.clips.hear_learners import DetectorLearner, MaskedLearner, loop_of, masked_network, teaching_pieces
from training.clips.probe import PROBES, LinearProbe, embedder, fit_probe, pooled, save_probes
from training.clips.schema import ClassifierRecipe, HearRecipe
from training.clips.sides import Sides, clip_sets, side_clips, sides_of, some, tasks_of
from training.datasets import Recording
from training.loop import Identity, Outcome, RunFolder, best_device, train
from training.loop.journal import Report, seconds_of
from training.loop.run_folder import code_hash
from training.metrics.official import TASKS_WITH_CUE, fit_duration
from training.metrics.patient_scores import RULE, row_of, score_lines
from training.papers.hear import MaskedEncoder
from training.tasks import TASKS, coarser_tasks


def train_method(recipe: ClassifierRecipe | HearRecipe, data: Path, out: Path, report: Report) -> None:
    """Train, or go on training, to the end; print and write the official scores of the validation patients.

    Args:
        recipe: with everything that the command line changed.
        data: folder of data sets.
        out: run folder.
        report: called with each line for a person.

    Raises:
        ConfigError: for an operator's mistakes.
    """
    sides = sides_of(recipe, data)
    for task in tasks_of(recipe, sides):
        task.check_examples(side_clips(recipe, task, sides)[0])  # before a run is begun or a frame computed
    folder = RunFolder(out)
    folder.claim(identity_of(recipe, sides.records))
    sides.write(out)
    learner = learner_of(recipe, sides, out.parent / "cache", report)
    outcome = train(learner, recipe.loop, recipe.seed, folder, report)
    if isinstance(learner, ClipLearner):
        said, result = f"kept epoch {outcome.epoch} of {outcome.epochs}", _classified(learner, outcome, out)
    else:
        assert isinstance(recipe, HearRecipe)
        if recipe.detector is not None:
            _train_detector(recipe, sides, out / "detector", report)
        said, result = "linear probes", _probed(recipe, sides, learner.network.encoder, out)
    folder.finish(result)
    report(f"{said}; validation patients of the training part, no test set:")
    for line in score_lines(result["validation"]):
        report(line)


def identity_of(recipe: ClassifierRecipe | HearRecipe, records: str) -> Identity:
    """What decides the outcome of this training."""
    specs = {name: spec.sha256 for name, spec in recipe.features.items()}
    return Identity(recipe.model_dump(mode="json"), specs, records, code_hash())


def learner_of(
    recipe: ClassifierRecipe | HearRecipe, sides: Sides, cache: Path, report: Report
) -> ClipLearner | MaskedLearner:
    """The recipe's network, untrained, with what it learns from.

    Raises:
        ConfigError: for sizes that do not fit, a checkpoint that does not, or recordings that do not decode.
    """
    if isinstance(recipe, HearRecipe):
        return _masked_learner(recipe, sides, cache, report)
    learner = ClipLearner(recipe, *clip_sets(recipe, sides, cache))
    both = learner.training, learner.validation
    patients = [len({c.recording.patient for c in side.clips}) for side in both]
    report(
        f"{recipe.name}, task {recipe.task}: {len(both[0].clips)} clips of {patients[0]} patients to train, "
        f"{len(both[1].clips)} of {patients[1]} to validate; "
        f"{_weights(learner.network.backbone) + _weights(learner.network.head):,} weights, on {best_device().type}"
    )
    return learner


def _masked_learner(recipe: HearRecipe, sides: Sides, cache: Path, report: Report) -> MaskedLearner:
    both = [
        some(recipe, all_pieces([whole(r) for r in side], recipe.clip.seconds, recipe.overlap)[0])
        for side in (sides.training, sides.validation)
    ]
    frames = cached_clip_frames([*both[0], *both[1]], recipe.features, recipe.clip, cache)
    usable = [side[frames.lengths[side] > 0] for side in np.split(np.arange(len(frames)), [len(both[0])])]
    torch.manual_seed(recipe.seed)
    network = masked_network(recipe)
    report(
        f"{recipe.name}: {len(usable[0])} pieces to learn from, {len(usable[1])} to validate; "
        f"{_weights(network.encoder):,} weights in the encoder"
    )
    return MaskedLearner(network, frames, (usable[0], usable[1]), recipe)


def _train_detector(recipe: HearRecipe, sides: Sides, out: Path, report: Report) -> None:
    assert recipe.detector is not None
    recordings = [*_few(recipe, sides.training), *_few(recipe, sides.validation)]
    apart = {r.path for r in sides.validation}
    pieces = teaching_pieces(recipe, recordings, out.parent.parent / "cache")
    owners = np.array(all_pieces([whole(r) for r in recordings], recipe.clip.seconds)[1])
    is_apart = np.array([recordings[owner].path in apart for owner in owners])
    has_frames = pieces.frames.lengths > 0
    torch.manual_seed(recipe.seed)
    rows = np.flatnonzero(~is_apart & has_frames), np.flatnonzero(is_apart & has_frames)
    folder = RunFolder(out)
    folder.claim(identity_of(recipe, sides.records))
    report("detector of health sounds:")
    learner = DetectorLearner(pieces, rows, recipe.detector, recipe.seed)
    train(learner, loop_of(recipe, recipe.detector), recipe.seed, folder, report)


def _few(recipe: HearRecipe, recordings: Sequence[Recording]) -> list[Recording]:
    """All recordings, or those of a trial."""
    return [clip.recording for clip in some(recipe, [whole(r) for r in recordings])]


def _classified(learner: ClipLearner, outcome: Outcome, out: Path) -> dict[str, Any]:
    """What `result.json` says of a classifier."""
    network, training, validation = learner.network, learner.training, learner.validation
    probabilities = clip_probabilities(network, validation, next(network.parameters()).device)
    return {
        "task": validation.task.name,
        "epoch": outcome.epoch,
        "epochs": outcome.epochs,
        "seconds": seconds_of(out),
        "parameters": _weights(network),
        "training_clips": len(training.clips),
        "validation_clips": len(validation.clips),
        "validation_patients": len({c.recording.patient for c in validation.clips}),
        "validation": scores_of(validation, probabilities, training),
        "coarser": coarser_rows(validation, probabilities),
    }


def scores_of(validation: ClipSet, probabilities: NDArray[np.float32], training: ClipSet) -> dict[str, Any]:
    """Row by name: the model, and the duration-only rule beside it where a clip's length is a cue."""
    task, clips = validation.task, validation.clips
    rows = {"model": row_of(task, clips, validation.labels, probabilities.argmax(1))}
    rule = fit_duration(task, training.clips) if task.name in TASKS_WITH_CUE else None
    if rule is not None:
        rows[RULE] = row_of(task, clips, validation.labels, rule.predict(task, clips).argmax(1))
    return rows


def coarser_rows(validation: ClipSet, probabilities: NDArray[np.float32]) -> dict[str, Any]:
    """Row by task of those that the answers answer too: the probabilities of what is one label there are added up."""
    return {
        name: row_of(
            TASKS[name], validation.clips, matrix.argmax(1)[validation.labels], (probabilities @ matrix).argmax(1)
        )
        for name, matrix in coarser_tasks(validation.task).items()
    }


def _probed(recipe: HearRecipe, sides: Sides, encoder: MaskedEncoder, out: Path) -> dict[str, Any]:
    """Fit a probe for each task, write all that answers, and what `result.json` says of it."""
    embed, probes, rows = embedder(recipe, encoder), dict[str, LinearProbe](), dict[str, Any]()
    for task in tasks_of(recipe, sides):
        both = side_clips(recipe, task, sides)
        labels = [np.array([task.labels.index(clip.label) for clip in clips], np.int64) for clips in both]
        embedded = [pooled(clips, recipe.clip.seconds, embed) for clips in both]
        probe, strength = fit_probe(task, (embedded[0], labels[0]), (embedded[1], labels[1]), recipe.probe)
        decided = probe.probabilities(embedded[1]).argmax(1)
        probes[task.name] = probe
        rows[task.name] = row_of(task, both[1], labels[1], decided) | {"strength": strength}
    save_probes(out / PROBES, encoder, probes)
    return {"seconds": seconds_of(out), "validation": rows}


def _weights(network: nn.Module) -> int:
    return sum(p.numel() for p in network.parameters())
