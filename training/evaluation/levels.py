"""`python -m training.evaluation.levels`: is a sound found that is fainter or louder than those of the training?

Recordings of the folds' patients, each heard by the network that never met them, with a gain and a converter of 16 bit
before it: as the network hears them without a correction of the level, and as the edge brings them to a level that it
knows. Calibration, thresholds and durations are those that ship. Not for other changes of a sound
(`training.evaluation.repeatability`).
"""

from __future__ import annotations

import training.python_version  # noqa: F401  # isort: skip

import argparse
import sys
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from sklearn.metrics import roc_auc_score

from edge.detector.chunks import Chunks
from edge.detector.level import LevelledChunks
from edge.detector.sound_check import SoundCheck
from edge.errors import LaennecError
from edge.features import FeatureSpec
from edge.model.model import Model, load_model
from training.datasets import Recording
from training.datasets.files import read_sound
from training.datasets.records import draw
from training.detector.hyperparameters import load_edge_recipe
from training.detector.model import Scorer
from training.detector.training_data import read_recordings
from training.evaluation.microphones import of_fold, quantised
from training.fine_tune import score_samples
from training.fine_tuned_run import RELEASED, open_run
from training.metrics.streaming import Detection, record_score
from training.terminal import count, print_any_name

GAINS_DB = (-40, -30, -20, -10, 0, 10, 20)
WAYS = ("as it is", "at a level that the model knows")
RECORDINGS = 60  # Normal ones, and as many adventitious ones
SEED = 0  # of the draw of recordings


@dataclass(frozen=True, slots=True)
class Answer:
    """What was made of one recording with one gain."""

    is_normal: bool
    events: int
    score: float
    """How suspect the whole recording is."""
    is_outside: bool
    """Whether it is called outside what the model knows."""


def hear_again(recording: Recording, scorer: Scorer, model: Model) -> Iterator[tuple[int, str, Answer]]:
    """A recording with every gain, dB, in both ways."""
    detection = Detection(model.groups, model.thresholds, model.score_hop_samples, model.rate_hz)
    samples = read_sound(recording.path, model.rate_hz)
    for gain_db in GAINS_DB:
        gained = quantised(samples * 10 ** (gain_db / 20))
        is_outside = SoundCheck.of(model, gained).verified is False
        plain, levelled = Chunks(model.chunk, model.spec.width), LevelledChunks(model)
        ways: tuple[tuple[Chunks | LevelledChunks, FeatureSpec], ...] = (plain, model.spec), (levelled, levelled.spec)
        for way, (chunks, spec) in zip(WAYS, ways, strict=True):
            scores, _ = score_samples(gained, scorer, chunks, spec)
            is_normal = recording.record_label == "Normal"
            yield gain_db, way, Answer(is_normal, len(detection.events(scores)), record_score(scores), is_outside)


def table(folder: Path, data: Path, limit: int) -> list[str]:
    """The table as Markdown.

    Args:
        folder: of the finished training that the bundled model was exported from.
        data: folder of its recordings.
        limit: how many Normal recordings, and how many adventitious ones.

    Raises:
        LaennecError: for a training or recordings that cannot be read.
    """
    model, recipe = load_model(), load_edge_recipe()
    answers: dict[tuple[int, str], list[Answer]] = defaultdict(list)
    recordings = list(read_recordings(data, recipe))
    folds = [of_fold(recordings, recipe, fold) for fold in range(recipe.folds)]
    some = {r.path for r in _some([r for of in folds for r in of], limit)}
    for fold, of in enumerate(folds):
        scorer = open_run(folder, f"fold-{fold}").scorer
        for recording in [r for r in of if r.path in some]:
            for gain_db, way, answer in hear_again(recording, scorer, model):
                answers[gain_db, way].append(answer)
    head = ["gain of the recording, dB", *(f"{gain:+d}" for gain in GAINS_DB)]
    rows = [head, ["---"] * len(head)]
    for what in ("adventitious with an event", "false alarms on Normal", "record AUC", "called outside"):
        for way in WAYS if what != "called outside" else WAYS[1:]:
            rows.append([f"{what}, {way}", *(_cell(what, answers[gain, way]) for gain in GAINS_DB)])
    return [f"| {' | '.join(row)} |" for row in rows]


def _some(recordings: list[Recording], limit: int) -> list[Recording]:
    rng = np.random.default_rng(SEED)
    kinds = [[r for r in recordings if (r.record_label == "Normal") is is_normal] for is_normal in (True, False)]
    return [r for kind in kinds for r in draw(kind, limit, 1, rng)]


def _cell(what: str, answers: list[Answer]) -> str:
    if what == "called outside":
        return str(sum(a.is_outside for a in answers))
    if what == "record AUC":
        return f"{roc_auc_score([not a.is_normal for a in answers], [a.score for a in answers]):.2f}"
    if what == "false alarms on Normal":
        return str(sum(a.events for a in answers if a.is_normal))
    return str(sum(a.events > 0 for a in answers if not a.is_normal))


def main(arguments: list[str] | None = None) -> int:
    """Print the table; exit code 2 for the operator's mistakes."""
    parser = argparse.ArgumentParser(prog="python -m training.evaluation.levels", description=__doc__)
    parser.add_argument("--model", type=Path, default=RELEASED, help="run folder that the bundled model is of")
    parser.add_argument("--data", type=Path, required=True, help="folder of the recordings, see training/DATA.md")
    parser.add_argument("--recordings", type=count, default=RECORDINGS, help="Normal ones, and as many others")
    given = parser.parse_args(arguments)
    print_any_name()
    torch.set_num_threads(1)
    try:
        print(*table(given.model, given.data, given.recordings), sep="\n")
    except LaennecError as error:
        print(f"levels: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
