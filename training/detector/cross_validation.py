"""One training of the edge recipe: folds, final networks that they teach, calibration, answers to tasks, thresholds.

    runs/<name>/recipe.json          what was asked for
    runs/<name>/fold-<k>/            network trained without the patients of fold k
    runs/<name>/final/, final-<i>/   networks trained on all patients, taught by those of the folds
    runs/<name>/precision.json       what loop.precision = auto became, for all networks
    runs/<name>/result.json          calibration, detection parameters, answers, validation metrics, data fingerprint

Each network has a run folder of `training.loop`: killed at any instant, it goes on to the same weights. On CPUs the
networks are trained side by side (`training.loop.processes`); on a GPU one after the other.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from edge.errors import ConfigError
from training.datasets.targets import frame_targets
from training.detector.acceptance import AnsweredClip, assess
from training.detector.earlier import Earlier, read_earlier
from training.detector.hyperparameters import SHIFTS, Recipe
from training.detector.inference import clip_answers, fit_clip_head, stream_logits
from training.detector.known_sound import known_of
from training.detector.model import Detector
from training.detector.networks import PROBE, best_detector, load_network
from training.detector.student import EdgeLearner
from training.detector.thresholds import RecordingLogits
from training.detector.training_data import FINAL, FIRST_SHIFT, TrainingData
from training.loop import checkpoint
from training.loop.fit import best_device
from training.loop.fit import train as train_loop
from training.loop.precision import is_settled, settled, share
from training.loop.processes import side_by_side, take_share, train_all
from training.loop.run_folder import Identity, RunFolder, code_hash, recipe_differences

FINAL_NAME = "final"

_MODULES = (
    "augment",
    "disturbances",
    "earlier",
    "examples",
    "hyperparameters",
    "inference",
    "layers",
    "loss",
    "model",
    "networks",
    "packet_loss",
    "sets",
    "student",
    "training_data",
    "truth",
    "warp",
)
DECIDING = (
    "training/loop",
    "training/frames.py",
    "training/datasets/files.py",
    "training/datasets/targets.py",
    *(f"training/detector/{name}.py" for name in _MODULES),
)


def final_name(number: int) -> str:
    """Folder of one of the final networks, from 0."""
    return f"{FINAL_NAME}-{number}" if number else FINAL_NAME


@dataclass(frozen=True, slots=True)
class Job:
    """All that a training needs to know; small, it is sent to the processes."""

    recipe: Recipe
    training_data: TrainingData
    folder: Path
    """The run's folder."""
    records: str = ""
    """Fingerprint of the recordings."""
    answers_tasks: bool = True
    """False for a trial of streams alone: no probe is fitted on clips."""

    @property
    def side_by_side(self) -> int:
        """Networks trained at once: one for each core, or fewer."""
        return min(os.cpu_count() or 1, self.recipe.folds + 1)

    def name(self, fold: int, number: int = 0) -> str:
        """Folder of one network; several final ones are numbered."""
        if fold >= FIRST_SHIFT:
            return f"shift-{SHIFTS[fold - FIRST_SHIFT]}"
        return final_name(number) if fold == FINAL else f"fold-{fold}"

    def claim(self) -> None:
        """Begin this run in its folder, or see that the one begun there is of the same recipe.

        Raises:
            ConfigError: naming what differs.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / "recipe.json"
        if not path.exists():
            with checkpoint.whole_file(path) as draft:
                draft.write_text(self.recipe.to_json())
            return
        try:
            differences = recipe_differences(json.loads(path.read_text()), json.loads(self.recipe.to_json()))
        except ValueError as error:
            raise ConfigError(f"{path}: not readable ({error}); give another --out") from None
        if differences:
            raise ConfigError(
                f"{self.folder}: begun with {differences}. Give another --out (RUN=), or what it was begun with"
            )

    def identity(self) -> Identity:
        """Everything that decides the weights: recipe, features, recordings and code, for `run.json`."""
        recipe = self.recipe
        return Identity(
            json.loads(recipe.to_json()), {"features": recipe.features.sha256}, self.records, code_hash(DECIDING)
        )


def train(job: Job) -> dict[str, Any]:
    """Everything; returns what is written to result.json."""
    job.training_data.check_labels(job.recipe)
    job.claim()
    job.training_data.frames(job.recipe)  # once, before the processes ask for it
    job.training_data.clips(job.recipe)
    _train_all(job, [(fold, 0) for fold in range(job.recipe.folds)])
    finals = [(FINAL, number) for number in range(job.recipe.finals)]
    _train_all(job, [*finals, *((shift, 0) for shift in job.training_data.shifts(job.recipe))])
    print("scoring every recording by the network that never heard its patient", flush=True)
    heard, clips, shifted = _score_all(job)
    result = assess(job.recipe, job.training_data, heard, clips, shifted)
    result["training_data"] = job.records
    result["beside"] = len(read_earlier(job.recipe, job.training_data).beside(job.recipe))
    result["known"] = known_of(job.training_data, job.recipe)
    RunFolder(job.folder).finish(result)
    return result


def train_networks(jobs: list[Job], fold: int, processes: int | None = None) -> None:
    """The networks of one fold or shift of several jobs that are missing, side by side.

    At most `processes` at a time; None: one for each core.
    """
    jobs = [job for job in jobs if not _is_trained(job, job.name(fold))]
    if not jobs:
        return
    first = jobs[0]
    for job in jobs:
        job.folder.mkdir(parents=True, exist_ok=True)
    first.training_data.frames(first.recipe)
    first.training_data.clips(first.recipe)
    count = min(first.side_by_side, processes or first.side_by_side)
    train_all(count, [(_train_one, job, fold) for job in jobs], (settle, jobs, fold, 0))


def _train_one(job: Job, fold: int) -> str:
    return f"{job.folder.name} {train_beside(job, fold)}"


def train_beside(job: Job, fold: int, number: int = 0) -> str:
    """`train_network` in a process of its own, beside others."""
    take_share(job.side_by_side)
    return train_network(job, fold, number)


def train_network(job: Job, fold: int, number: int = 0) -> str:
    """Train one network, or go on; returns its name."""
    recipe, name = job.recipe, job.name(fold, number)
    run_folder = RunFolder(job.folder / name)
    run_folder.claim(job.identity())
    learner, seed = _learner(job, fold, number)
    started = time.monotonic()

    def report(line: str) -> None:
        print(f"[{(time.monotonic() - started) / 60:5.1f} min] {name:17s} {line}", flush=True)

    loop = settled(learner, recipe.loop, job.folder, best_device(), report)  # one choice for all networks of the run
    train_loop(learner, loop, seed, run_folder, report)
    if job.answers_tasks:
        detector = best_detector(run_folder, recipe)
        fit_clip_head(detector, *job.training_data.labelled_clips(recipe, fold))
        checkpoint.save(run_folder.path / PROBE, detector.clip_head.state_dict())
    return name


def settle(jobs: list[Job], fold: int, number: int) -> None:
    """Choose the precision of several runs where it is to be measured, with the threads that one network will have.

    Measured is the first of them, before any other network keeps the cores busy.
    """
    first = jobs[0]
    if not is_settled(first.recipe.loop, first.folder):
        take_share(first.side_by_side)
        learner, _ = _learner(first, fold, number)
        settled(learner, first.recipe.loop, first.folder, best_device(), lambda line: print(line, flush=True))
    for job in jobs[1:]:
        share(first.folder, job.folder)


def _learner(job: Job, fold: int, number: int) -> tuple[EdgeLearner, int]:
    """What learns a network, and its seed."""
    recipe = job.recipe
    earlier = read_earlier(recipe, job.training_data)
    stretches = job.training_data.stretches(recipe, fold, earlier.believed)
    seed = (recipe.seed * 100 + fold + 1) * 10 + number
    teachers: list[Detector] = []
    if recipe.teachers and fold == FINAL:
        folds = [load_network(recipe, job.folder / job.name(fold)) for fold in range(recipe.folds)]
        teachers = [*folds, *earlier.networks()]
    elif recipe.teachers and fold < FIRST_SHIFT:
        teachers = earlier.of_fold(fold)
    return EdgeLearner(recipe, stretches, seed, teachers), seed


def _is_trained(job: Job, name: str) -> bool:
    """Whether a network is there, finished, of these recordings.

    It is not trained again by newer code: its run.json says which it was. So a run can be judged again.
    """
    try:
        load_network(job.recipe, job.folder / name)
        is_of_these = RunFolder(job.folder / name).identity().records == job.records
    except ConfigError:
        return False
    return is_of_these and (not job.answers_tasks or (job.folder / name / PROBE).exists())


def _train_all(job: Job, networks: Sequence[tuple[int, int]]) -> None:
    networks = [one for one in networks if not _is_trained(job, job.name(*one))]
    if not networks:
        return
    if best_device().type == "cuda":
        for fold, number in networks:
            train_network(job, fold, number)
        return
    train_all(job.side_by_side, [(train_beside, job, *one) for one in networks], (settle, [job], *networks[0]))


def _score_all(job: Job) -> tuple[list[RecordingLogits], list[AnsweredClip], dict[str, list[RecordingLogits]]]:
    """Recordings and clips of all folds, and recordings of each shift."""
    folds, shifts = range(job.recipe.folds), job.training_data.shifts(job.recipe)
    with side_by_side(job.side_by_side) as processes:
        pairs = list(processes.map(score_fold, [job] * len(folds), folds))
        streams = replace(job, answers_tasks=False)
        shifted = [heard for heard, _ in processes.map(score_fold, [streams] * len(shifts), shifts)]
    names = [SHIFTS[fold - FIRST_SHIFT] for fold in shifts]
    heard = [one for heard, _ in pairs for one in heard]
    return heard, [one for _, clips in pairs for one in clips], dict(zip(names, shifted, strict=True))


def score_fold(job: Job, fold: int, is_alone: bool = False) -> tuple[list[RecordingLogits], list[AnsweredClip]]:
    """The real recordings and clips of one fold, scored by the network that was trained without them.

    What ships is taught by several networks and is the mean of several: that is less sure of itself than one alone.
    Where there are earlier runs, streams are the mean of this network and of the last runs' of this fold, as many as
    ship and all without these patients; so calibration and thresholds are of the kind of answers that they will meet
    (`Earlier.beside`).

    Args:
        job: whose networks.
        fold: whose patients are scored.
        is_alone: by the run's own network, whatever earlier runs there are.
    """
    take_share(job.side_by_side)
    recipe, training_data = job.recipe, job.training_data
    apart, network = training_data.held_out(recipe, fold), load_network(recipe, job.folder / job.name(fold))
    earlier = Earlier([], {}) if is_alone or fold >= FIRST_SHIFT else read_earlier(recipe, training_data)
    before = [(run.networks[fold], training_data.frames(run.recipe)) for run in earlier.beside(recipe)]
    scored = []
    for number, (recording, frames) in enumerate(
        zip(training_data.recordings, training_data.frames(recipe), strict=True)
    ):
        if recording.patient in apart:
            others = [stream_logits(other, frames_of_it[number]) for other, frames_of_it in before]
            logits = np.mean([stream_logits(network, frames), *others], axis=0)
            scored.append(
                RecordingLogits(recording, logits, frame_targets(recording, len(logits), recipe.frame_s), fold)
            )
    asked = zip(training_data.judged(), training_data.clips(recipe), strict=True) if job.answers_tasks else ()
    events = [
        (recording, index, clip)
        for recording, clips in asked
        if recording.patient in apart
        for index, clip in enumerate(clips)
    ]
    answers = clip_answers(network, [clip for _, _, clip in events])
    return scored, [AnsweredClip(r, i, answer, fold) for (r, i, _), answer in zip(events, answers, strict=True)]
