"""The recipe `hear`, from recordings to probes: masked pre-training, linear probes, detector of health sounds.

best.pt        the auto-encoder          probes.pt     its encoder, and one linear probe for each task: all that answers
detector/      a run of its own          result.json   official scores on validation patients
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from edge.errors import ConfigError
from training.clips.cut import all_pieces, whole
from training.clips.experiment import Sides, check_labels, limited, part, row_of, score_lines
from training.clips.front_end import cached_clip_frames
from training.clips.health_sounds import DetectorLearner, loop_of, teaching_pieces
from training.clips.probe import (
    PROBES,
    Embed,
    LinearProbe,
    MaskedLearner,
    embedder,
    fit_probe,
    masked_network,
    pooled,
    save_probes,
)
from training.clips.schema import HearRecipe
from training.clips.supervised import RESULT, identity_of
from training.datasets import Recording, read_datasets
from training.loop import RunFolder, train
from training.loop.checkpoint import whole_file
from training.loop.journal import Report, seconds_of
from training.papers.hear import MaskedAutoencoder, MaskedEncoder
from training.tasks import TASKS, Clip, Task


def train_hear(recipe: HearRecipe, data: Path, out: Path, report: Report) -> None:
    """Everything; goes on where it was.

    Args:
        recipe: with everything that the command line changed.
        data: folder of data sets; all training parts and negatives are used.
        out: run folder.
        report: called with each line for a person.

    Raises:
        ConfigError: for an operator's mistakes.
    """
    sides = hear_sides(recipe, data)
    for task in _probed(recipe, sides):
        check_labels(task, _some(recipe, task.clips(list(sides.training))))
    folder = RunFolder(out)
    folder.claim(identity_of(recipe, sides.records))
    sides.write(out)
    cache = out.parent / "cache"
    network = _pretrain(recipe, sides, folder, cache, report)
    if recipe.detector is not None:
        _detector(recipe, sides, out / "detector", report)
    _probe(recipe, sides, network.encoder, out, report)


def hear_sides(recipe: HearRecipe, data: Path) -> Sides:
    """Chest recordings of the training parts and negatives; who validates is who does for a classifier of that set."""
    training = [r for r in read_datasets(data) if r.split == "train"]
    heard = [r for r in training if r.is_real_chest or r.is_negative]
    if not heard:
        raise ConfigError(f"DATA={data}: no recordings of a training part; expected sprsound, icbhi or negatives")
    return part(heard, recipe.validation)


def _pretrain(recipe: HearRecipe, sides: Sides, folder: RunFolder, cache: Path, report: Report) -> MaskedAutoencoder:
    learner = masked_learner(recipe, sides, cache, report)
    train(learner, recipe.loop, recipe.seed, folder, report)
    return learner.network.eval()


def masked_learner(recipe: HearRecipe, sides: Sides, cache: Path, report: Report) -> MaskedLearner:
    """The recipe's auto-encoder, untrained, with the pieces that it learns from.

    Raises:
        ConfigError: for sizes that do not fit, or recordings that do not decode.
    """
    both = [
        _some(recipe, all_pieces([whole(r) for r in side], recipe.clip.seconds, recipe.overlap)[0])
        for side in (sides.training, sides.validation)
    ]
    frames = cached_clip_frames([*both[0], *both[1]], recipe.features, recipe.clip, cache)
    rows = np.arange(len(frames))
    usable = [side[frames.lengths[side] > 0] for side in np.split(rows, [len(both[0])])]
    torch.manual_seed(recipe.seed)
    network = masked_network(recipe)
    size = sum(p.numel() for p in network.encoder.parameters())
    counts = f"{len(usable[0])} pieces to learn from, {len(usable[1])} to validate"
    report(f"{recipe.name}: {counts}; {size:,} weights in the encoder")
    return MaskedLearner(network, frames, (usable[0], usable[1]), recipe)


def _detector(recipe: HearRecipe, sides: Sides, out: Path, report: Report) -> None:
    assert recipe.detector is not None
    recordings = [*_few(recipe, sides.training), *_few(recipe, sides.validation)]
    apart = {r.path for r in sides.validation}
    pieces = teaching_pieces(recipe, recordings, out.parent.parent / "cache")
    owners = np.array(all_pieces([whole(r) for r in recordings], recipe.clip.seconds)[1])
    is_apart = np.array([recordings[owner].path in apart for owner in owners])
    has_frames = pieces.frames.lengths > 0
    torch.manual_seed(recipe.seed)
    rows: tuple[NDArray[np.int64], NDArray[np.int64]] = (
        np.flatnonzero(~is_apart & has_frames),
        np.flatnonzero(is_apart & has_frames),
    )
    folder = RunFolder(out)
    folder.claim(identity_of(recipe, sides.records))
    report("detector of health sounds:")
    learner = DetectorLearner(pieces, rows, recipe.detector, recipe.seed)
    train(learner, loop_of(recipe, recipe.detector), recipe.seed, folder, report)


def _probe(recipe: HearRecipe, sides: Sides, encoder: MaskedEncoder, out: Path, report: Report) -> None:
    embed = embedder(recipe, encoder)
    probes: dict[str, LinearProbe] = {}
    results: dict[str, Any] = {}
    for task in _probed(recipe, sides):
        probes[task.name], results[task.name] = _probe_of(recipe, task, sides, embed)
    save_probes(out / PROBES, encoder, probes)
    with whole_file(out / RESULT) as draft:
        draft.write_text(json.dumps({"seconds": seconds_of(out), "validation": results}, indent=1))
    report("linear probes; validation patients of the training part, no test set:")
    for line in score_lines(results):
        report(line)


def _probed(recipe: HearRecipe, sides: Sides) -> list[Task]:
    """The tasks whose data set is there."""
    there = {r.dataset for r in sides.training}
    return [TASKS[name] for name in recipe.probe.tasks if TASKS[name].dataset in there]


def _probe_of(recipe: HearRecipe, task: Task, sides: Sides, embed: Embed) -> tuple[LinearProbe, dict[str, Any]]:
    """The probe of one task, and its row of official scores on the validation patients."""
    both = [_some(recipe, task.clips(list(side))) for side in (sides.training, sides.validation)]
    labels = [np.array([task.labels.index(clip.label) for clip in clips], np.int64) for clips in both]
    embedded = [pooled(clips, recipe.clip.seconds, embed) for clips in both]
    probe, strength = fit_probe(task, (embedded[0], labels[0]), (embedded[1], labels[1]), recipe.probe)
    decided = probe.probabilities(embedded[1]).argmax(1)
    return probe, row_of(task, both[1], labels[1], decided) | {"strength": strength}


def _some(recipe: HearRecipe, clips: Sequence[Clip]) -> list[Clip]:
    """All clips, or those of a trial."""
    return limited(clips, recipe.limit, recipe.seed) if recipe.limit else list(clips)


def _few(recipe: HearRecipe, recordings: Sequence[Recording]) -> list[Recording]:
    """All recordings, or those of a trial."""
    return [clip.recording for clip in _some(recipe, [whole(r) for r in recordings])]
