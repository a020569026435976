"""Networks that are trained side by side, one process for each core. Knows no network.

With one thread each, on two cores that is twice as fast as one after the other with two threads.
"""

from __future__ import annotations

import os
from concurrent.futures import ProcessPoolExecutor

import torch

from training.detector.hyperparameters import Recipe
from training.loop.processes import Call, answers, side_by_side


def workers(recipe: Recipe) -> int:
    """Networks trained side by side."""
    return min(os.cpu_count() or 1, recipe.folds + 1)


def take_share(recipe: Recipe) -> None:
    """Of the cores, for a network that is trained beside others."""
    torch.set_num_threads(max(1, (os.cpu_count() or 1) // workers(recipe)))


def train_in_pool(recipe: Recipe, calls: list[Call], before: Call, most: int | None = None) -> None:
    """Calls that return the name of what they trained; `before` is done when they begin; at most so many at a time."""
    with pool(recipe, most) as processes:
        for _ in answers(processes, [before]):
            pass
        for name in answers(processes, calls):
            print(f"trained {name}", flush=True)


def pool(recipe: Recipe, most: int | None = None) -> ProcessPoolExecutor:
    """Processes for the networks of a recipe, one for each core, or fewer."""
    return side_by_side(min(workers(recipe), most or workers(recipe)))
