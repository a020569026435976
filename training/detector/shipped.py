"""Which models a finished training ships, of which of its networks, and with which numbers.

`default` is the mean of the logits of all final networks, scored in short chunks, for a small delay; `light` the first
of them alone, in the chunks of the recipe, for many beds. A score is the same in chunks of any length (1e-5). A
training with one final network ships `default` alone, and so does one whose last layer was taught again. Not for the
networks themselves (`training.detector.networks`) nor for exporting them (`export`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from edge.model.specs import ChunkSpec
from training.detector.cross_validation import final_name
from training.detector.hyperparameters import Recipe

DEFAULT, LIGHT = "default", "light"
SHORT_FRAMES = 16  # of a chunk, 0.128 s


def shipped_networks(recipe: Recipe, result: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    """The folders of the networks of each model, by its name.

    Args:
        recipe: of the run.
        result: what its `result.json` holds.
    """
    count = 1 if "fine_tuned" in result else recipe.finals
    finals = tuple(final_name(number) for number in range(count))
    return {DEFAULT: finals, LIGHT: finals[:1]} if count > 1 else {DEFAULT: finals}


def chunk_of(recipe: Recipe, name: str) -> ChunkSpec:
    """In which chunks a model scores, by its name."""
    return recipe.chunk if name == LIGHT else replace(recipe.chunk, chunk_frames=SHORT_FRAMES)


def result_of(result: Mapping[str, Any], name: str) -> dict[str, Any]:
    """The result with what is different for one model, by its name, under `models`: calibration and thresholds.

    What a mean of logits is calibrated with is not what one of its networks is; without such an entry all share it.
    """
    return {**result, **result.get("models", {}).get(name, {})}
