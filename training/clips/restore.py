"""`load_run`: the predictor of a run folder of any clip recipe. Not for artefacts of the edge."""

from __future__ import annotations

from pathlib import Path

from training.clips.schema import HearRecipe
from training.clips.trained import load_classifier, read_run
from training.metrics.predictions import Predictor


def load_run(path: Path) -> Predictor:
    """The model of a run.

    Raises:
        ConfigError: if there is no finished run of this version's features.
    """
    recipe = read_run(path)
    if isinstance(recipe, HearRecipe):
        from training.clips.probe import load_probe

        return load_probe(path, recipe)
    return load_classifier(path, recipe)
