"""The first steps of a training, to see whether it fits this machine before it is begun.

They are made by the loop that trains, on a few clips of the recipe's own, in a folder that is thrown away; the network
learns nothing that is kept, and nothing is validated. Not for what a whole training takes (`training.clips.cost`).
"""

from __future__ import annotations

import json
import resource
import time
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from training.clips.experiment import clip_sets, part, task_recordings
from training.clips.pretraining import hear_sides, masked_learner
from training.clips.reconstruction import MaskedLearner
from training.clips.schema import ClassifierRecipe, HearRecipe
from training.clips.supervised import clip_learner
from training.clips.views import ClipLearner
from training.loop import RunFolder, World, joined, train
from training.tasks import TASKS


@dataclass(frozen=True, slots=True)
class FirstSteps:
    """What was seen."""

    losses: tuple[float, ...]
    """Of each step."""
    batch: int
    """Clips to a step."""
    seconds: float
    """Of all steps and of writing both checkpoints."""
    memory_bytes: int
    """The most that this process held until then."""
    gpu_bytes: int
    """The same of the GPU; 0 without one."""

    def lines(self) -> list[str]:
        """What is printed."""
        gpu = f", {self.gpu_bytes / 1e9:.1f} GB on the GPU" if self.gpu_bytes else ""
        losses = ", ".join(f"{loss:.4g}" for loss in self.losses)
        return [
            f"{len(self.losses)} steps of {self.batch} clips         losses {losses}; {self.seconds:.0f} s with the "
            "checkpoints",
            f"most memory                   {self.memory_bytes / 1e9:.1f} GB{gpu}",
        ]


def first_steps(recipe: ClassifierRecipe | HearRecipe, data: Path, count: int) -> FirstSteps:
    """Make the first `count` steps of a training and forget them.

    Raises:
        ConfigError: if the recordings are not there, something does not fit, or the disk is full.
    """
    few = recipe.model_copy(update={"limit": 2 * count * recipe.loop.batch})  # of these a fifth validates
    loop = recipe.loop.model_copy(update={"epochs": 1, "monitor": "", "save_minutes": 1e6})
    with TemporaryDirectory(prefix="laennec-steps-") as scratch, joined() as world:
        learner = _learner(few, data, Path(scratch), world)
        learner.steps = count
        begun = time.monotonic()
        train(learner, loop, recipe.seed, RunFolder(Path(scratch)), world, lambda line: None)
        seconds = time.monotonic() - begun
        written = [json.loads(line) for line in (Path(scratch) / "metrics.jsonl").read_text().splitlines()]
        on_gpu = torch.cuda.max_memory_allocated() if world.device.type == "cuda" else 0
    losses = tuple(float(line["total"]) for line in written if "step" in line)
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024  # Linux counts KiB
    return FirstSteps(losses, recipe.loop.batch, seconds, most, on_gpu)


def _learner(
    recipe: ClassifierRecipe | HearRecipe, data: Path, scratch: Path, world: World
) -> ClipLearner | MaskedLearner:
    if isinstance(recipe, HearRecipe):
        return masked_learner(recipe, hear_sides(recipe, data), scratch, world, lambda line: None)
    sides = part(task_recordings(data, TASKS[recipe.task]), recipe.validation)
    return clip_learner(recipe, *clip_sets(recipe, sides, scratch), world)
