"""`python -m training.adapt`: calibration and thresholds from labelled recordings of a device, for its adaptation.

The recordings are heard through the edge's own path with the equaliser of `laennec adapt`. Two numbers for each group
make its scores probabilities of this device, and a threshold for each is chosen by event and segment F1. What that is
worth is said on patients that were left out, in folds; it is kept only where it gains there in nine of ten draws of the
patients. The network stays as it is. Not for the equaliser, which needs no labels (`laennec adapt`), nor for a new
last layer (`training.fine_tune`).
"""

from __future__ import annotations

import training.python_version  # noqa: F401  # isort: skip

import argparse
import sys
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from edge.detector.pipeline import Pipeline
from edge.errors import LaennecError
from edge.model.adaptation import Adaptation, load_adaptation
from edge.model.model import Model, load_model
from edge.types import Block, Scores
from training.datasets import CLASSES, Recording, read_datasets
from training.datasets.files import read_sound
from training.datasets.targets import frame_targets
from training.left_out import Learnt, Scored, check_gain, choose, left_out
from training.metrics.streaming import MEMBERS, is_annotated_chest
from training.terminal import print_any_name


def score_recordings(recordings: Iterable[Recording], model: Model, adaptation: Adaptation | None) -> list[Scored]:
    """Every recording as a stream of its own, with the equaliser alone."""
    plain = None if adaptation is None else equaliser_alone(adaptation)
    columns, hop = [model.classes.index(name) for name in CLASSES], model.score_hop_samples
    scored = []
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
        scored.append(Scored(recording, scores, frame_targets(recording, len(scores), hop / model.rate_hz)))
    return scored


def equaliser_alone(adaptation: Adaptation) -> Adaptation:
    """The same without what labels chose."""
    return replace(adaptation, calibration={}, thresholds={}, labelled=0)


def adapted(scored: Sequence[Scored], model: Model, adaptation: Adaptation) -> Adaptation:
    """The adaptation with calibration and thresholds.

    Raises:
        ConfigError: too few recordings, or no gain on patients that were left out.
    """
    gain = left_out(scored, model, lambda some: Learnt(choose(some, model)))
    check_gain(gain)
    chosen = choose(scored, model)
    return replace(
        adaptation,
        labelled=len(scored),
        calibration={group: calibration for group, (calibration, _) in chosen.items()},
        thresholds={name: threshold for group, (_, threshold) in chosen.items() for name in MEMBERS[group]},
        gain=gain,
    )


def main(arguments: list[str] | None = None) -> int:
    """Add calibration and thresholds to an adaptation; exit code 2 for the operator's mistakes."""
    parser = argparse.ArgumentParser(prog="python -m training.adapt", description=__doc__)
    parser.add_argument("--adaptation", type=Path, required=True, help="what `laennec adapt` made; it is changed")
    parser.add_argument("--data", type=Path, required=True, help="labelled recordings, see training/DATA.md")
    parser.add_argument("--model", type=Path, default=None, help="artefact (.onnx); default: the bundled one")
    given = parser.parse_args(arguments)
    print_any_name()
    try:
        model = load_model(given.model)
        adaptation = load_adaptation(given.adaptation, model)
        recordings = [r for r in read_datasets(given.data) if is_annotated_chest(r)]
        result = adapted(score_recordings(recordings, model, adaptation), model, adaptation)
        given.adaptation.write_text(result.to_text(), encoding="utf-8")
    except (LaennecError, OSError) as error:
        print(f"adapt: {error}", file=sys.stderr)
        return 2
    print("\n".join(result.lines()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
