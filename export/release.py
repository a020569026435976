"""`python -m export.release runs/default training/released/default`: what a clean clone needs of a finished training.

The recipe, the result, and the networks: those that are shipped, and the cross-validation networks. Such a folder is a
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
from training.detector.networks import PROBE
from training.detector.shipped import DEFAULT

KEPT = ("schema", "recipe", "specs", "records", "code", "git", "versions", "begun")  # of run.json; not the command


def release(run: Path, target: Path) -> None:
    """Copy what is released of a run.

    Args:
        run: folder of a finished training.
        target: folder to write, new or to be replaced.

    Raises:
        ConfigError: if the run is not finished.
    """
    checkpoint = Checkpoint.open(run)
    names = [*checkpoint.models[DEFAULT], *(f"fold-{fold}" for fold in checkpoint.folds)]
    for name in names:
        checkpoint.scorer(name)  # whole, and of this recipe
    draft = target.with_name(f"{target.name}.part")
    shutil.rmtree(draft, ignore_errors=True)
    for name in names:
        (draft / name).mkdir(parents=True)
        record = json.loads((checkpoint.folder / name / "run.json").read_text())
        (draft / name / "run.json").write_text(
            json.dumps({key: record[key] for key in KEPT if key in record}, indent=1)
        )
        for file in ("best.pt", PROBE):
            if (checkpoint.folder / name / file).exists():
                shutil.copyfile(checkpoint.folder / name / file, draft / name / file)
    for file in ("recipe.json", "result.json"):
        shutil.copyfile(checkpoint.folder / file, draft / file)
    if target.exists():
        if not (target / "recipe.json").exists():
            raise ConfigError(f"{target}: exists and is no released training; give another folder")
        shutil.rmtree(target)
    draft.rename(target)


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
