"""`train_method`: one training of any published method, as its recipe says. Not for the edge's own recipe."""

from __future__ import annotations

from pathlib import Path

from training.clips.pretraining import train_hear
from training.clips.schema import ClassifierRecipe, HearRecipe
from training.clips.supervised import train_classifier
from training.loop.journal import Report


def train_method(recipe: ClassifierRecipe | HearRecipe, data: Path, out: Path, report: Report) -> None:
    """Train, or go on training, to the end; arguments and errors are those of both methods.

    Raises:
        ConfigError: for an operator's mistakes.
    """
    if isinstance(recipe, HearRecipe):
        train_hear(recipe, data, out, report)
    else:
        train_classifier(recipe, data, out, report)
