"""`python -m export.release runs/default training/released/default`: what a clean clone needs of a finished training.

The recipe, the result, and the networks: the one that is shipped, and its twins that validate it. Such a folder is a
run folder without what only a training needs (optimizer, curves, teachers) and without what names the
machine that trained it. Not for devices: they get artefacts.
"""

from __future__ import annotations

import training.python_version  # noqa: F401  # isort: skip

import argparse
import json
import shutil
import sys
from pathlib import Path

from edge.errors import ConfigError, LaennecError
from export.checkpoint import Checkpoint
from training.detector.cross_validation import FINAL_NAME, PROBE

KEPT = ("schema", "recipe", "specs", "records", "code", "git", "versions", "begun")  # of run.json; not the command


def release(run: Path, place: Path) -> None:
    """Copy what is released of a run.

    Args:
        run: folder of a finished training.
        place: folder to write, new or to be replaced.

    Raises:
        ConfigError: if the run is not finished.
    """
    checkpoint = Checkpoint.open(run)
    names = [FINAL_NAME, *(f"fold-{fold}" for fold in checkpoint.folds)]
    for name in names:
        checkpoint.scorer(name)  # whole, and of this recipe
    draft = place.with_name(f"{place.name}.part")
    shutil.rmtree(draft, ignore_errors=True)
    for name in names:
        (draft / name).mkdir(parents=True)
        told = json.loads((checkpoint.folder / name / "run.json").read_text())
        (draft / name / "run.json").write_text(json.dumps({key: told[key] for key in KEPT if key in told}, indent=1))
        for file in ("best.pt", PROBE):
            if (checkpoint.folder / name / file).exists():
                shutil.copyfile(checkpoint.folder / name / file, draft / name / file)
    for file in ("recipe.json", "result.json"):
        shutil.copyfile(checkpoint.folder / file, draft / file)
    if place.exists():
        if not (place / "recipe.json").exists():
            raise ConfigError(f"{place}: exists and is no released training; give another folder")
        shutil.rmtree(place)
    draft.rename(place)


def main() -> int:
    """Release; exit code 2 for the operator's mistakes."""
    parser = argparse.ArgumentParser(prog="python -m export.release", description=__doc__)
    parser.add_argument("run", type=Path)
    parser.add_argument("place", type=Path)
    asked = parser.parse_args()
    try:
        release(asked.run, asked.place)
    except LaennecError as error:
        print(f"release: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
