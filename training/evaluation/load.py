"""A model by its path, whatever it is. Knows where each kind is loaded, and loads none itself."""

from __future__ import annotations

from pathlib import Path

from edge.errors import ConfigError
from training.metrics.predictions import Predictor

ARTEFACT = "model.onnx"  # of a run of the edge's recipe
RUN = "run.json"  # of a run of a clip recipe
REQUEST = "recipe.json"  # of a run of the edge's recipe, from its begin


def load_predictor(path: Path) -> Predictor:
    """The model that lies at a path.

    Args:
        path: an artefact (`.onnx`) or the folder of a run.

    Raises:
        ConfigError: if nothing is there that can be loaded; the message says what was expected.
        ModelError: if an artefact is damaged.
    """
    if path.suffix == ".onnx" and not path.is_dir():
        from training.evaluation.artefact import Artefact

        return Artefact(path)
    if (path / RUN).is_file():
        from training.clips import load_run

        return load_run(path)
    if (path / ARTEFACT).is_file():
        return load_predictor(path / ARTEFACT)
    if (path / REQUEST).is_file():
        raise ConfigError(
            f"MODEL={path}: this training was not exported, {ARTEFACT} is missing; "
            f"`python -m export --checkpoint {path} --out {path / ARTEFACT}` makes it once the training is finished"
        )
    found = "nothing" if not path.exists() else "a file" if path.is_file() else "a folder without them"
    raise ConfigError(
        f"MODEL={path}: expected an artefact (.onnx) or the folder of a run with {RUN} or {ARTEFACT}, found {found}; "
        "`make train` makes one"
    )
