"""`python -m training.detector.add_ward_limits --checkpoint training/released/default --data DATA`.

Measures the limits of the burden (`training.detector.ward_limits`) for a training that was finished without them, and
writes them into its result.json, from where `make export` takes them. A newer training has them by itself.
"""

from __future__ import annotations

import training.python_version  # noqa: F401  # isort: skip

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from edge.errors import ConfigError, LaennecError
from edge.model.alarm_limits import BurdenLimits
from training.datasets import fingerprint, hashed_names
from training.detector.cross_validation import Job, score_fold
from training.detector.hyperparameters import Recipe
from training.detector.nested import cross_calibrated
from training.detector.process_pool import pool
from training.detector.sets import main_sets
from training.detector.training_data import TrainingData, read_recordings
from training.detector.ward_limits import table_lines, ward_limits
from training.loop import checkpoint


def add_to(folder: Path, data: Path, cache: Path) -> BurdenLimits | None:
    """Score the folds of a finished training, and write the table into its result.json.

    Raises:
        ConfigError: no finished training, or other recordings than it was trained on.
    """
    path = folder / "result.json"
    try:
        result: dict[str, Any] = json.loads(path.read_text())
        recipe = Recipe.from_json((folder / "recipe.json").read_text())
    except (OSError, ValueError) as error:
        raise ConfigError(f"{folder}: expected a finished training ({error}); run `make train`") from error
    recordings = read_recordings(data, recipe)
    if hashed_names([r for r in recordings if r.is_real_chest]) != result.get("trained_on"):
        raise ConfigError(f"--data {data}: other recordings than {folder} was trained on; give its DATA")
    job = Job(recipe, TrainingData(recordings, cache), folder, fingerprint(list(recordings)), answers_tasks=False)
    folds = range(recipe.folds)
    job.training_data.frames(recipe)  # once, before the processes ask for it
    with pool(recipe) as processes:
        pairs = list(processes.map(score_fold, [job] * len(folds), folds))
    heard = [one for of_fold, _ in pairs for one in of_fold]
    main_set = main_sets(h.recording for h in heard)
    heard = [h for h in heard if h.recording.is_negative or h.recording.dataset in main_set]
    result["burden_limits"] = ward_limits(cross_calibrated(heard), [h.fold for h in heard], recipe.frame_s)
    with checkpoint.whole_file(path) as draft:
        draft.write_text(json.dumps(result, indent=1))
    table = result["burden_limits"]
    return None if table is None else BurdenLimits.from_json(json.dumps(table))


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure; exit code 2 for the operator's mistakes."""
    parser = argparse.ArgumentParser(prog="python -m training.detector.add_ward_limits", description=__doc__)
    parser.add_argument("--checkpoint", type=Path, default=Path("runs/default"), help="folder of a finished training")
    parser.add_argument("--data", type=Path, required=True, help="folder of data sets")
    parser.add_argument("--cache", type=Path, default=Path("runs/cache"), help="folder of computed frames")
    asked = parser.parse_args(arguments)
    try:
        print(*table_lines(add_to(asked.checkpoint, asked.data, asked.cache)), sep="\n")
    except LaennecError as error:
        print(f"training: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
