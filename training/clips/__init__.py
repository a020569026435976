"""Clips of the official tasks as frames, the classifiers of the published recipes, and their predictions."""

import training.python_version  # noqa: F401  # isort: skip

from training.clips.trained import load_run

__all__ = ["load_run"]
