"""Networks that are trained side by side, one process for each core. Knows no network.

With one thread each, on two cores that is twice as fast as one after the other with two threads. The processes leave
Ctrl-C to their parent and die with it, however it dies.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from typing import Any

import torch

from training.detector.hyperparameters import Recipe
from training.loop.distributed import World

Call = tuple[Any, ...]
"""A function that can be sent to another process, and its arguments."""


def workers(recipe: Recipe) -> int:
    """Networks trained side by side."""
    return min(os.cpu_count() or 1, recipe.folds + 1)


def alone(recipe: Recipe) -> World:
    """The world of a network that is trained beside others; takes its share of the cores."""
    torch.set_num_threads(max(1, (os.cpu_count() or 1) // workers(recipe)))
    return World()


def train_in_pool(recipe: Recipe, calls: list[Call], before: Call, most: int | None = None) -> None:
    """Calls that return the name of what they trained; `before` is done when they begin; at most so many at a time."""
    with pool(recipe, most) as processes:
        try:
            processes.submit(*before).result()
            running = [processes.submit(*call) for call in calls]
            for done in as_completed(running):
                print(f"trained {done.result()}", flush=True)
        except BaseException:  # Ctrl-C, or one network failed: the others do not go on for half an hour
            for process in list(processes._processes.values()):
                process.kill()
            raise


def pool(recipe: Recipe, most: int | None = None) -> ProcessPoolExecutor:
    """Processes for the networks of a recipe, one for each core, or fewer."""
    return ProcessPoolExecutor(min(workers(recipe), most or workers(recipe)), get_context("spawn"), _die_with_parent)


def _die_with_parent() -> None:
    """Leave Ctrl-C to the parent, and die with it: Linux kills this process then, see prctl(2)."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if sys.platform == "linux":
        pr_set_pdeathsig = 1
        ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGKILL)
