"""Several detectors that hear the same streams side by side and answer as one: the mean of their logits.

Networks that differ in nothing but their seed err in different places, and their mean errs less than the best of them.
They have one graph and one state, that of the first, then that of the next. Not for training, and not for which
networks of a run are shipped so (`training.detector.shipped`).
Source: Hansen and Salamon 1990, ensembles of networks; Lakshminarayanan et al. 2017, deep ensembles (1612.01474).

Trained networks in their run folders. Trains nothing (`training.detector.cross_validation`).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from edge.errors import ConfigError
from training.detector.hyperparameters import Recipe
from training.detector.model import Detector, StreamNetwork
from training.detector.student import Student
from training.loop import checkpoint
from training.loop.run_folder import RunFolder


def joined(members: Sequence[Detector]) -> StreamNetwork:
    """The members as one network; one alone is itself."""
    return members[0] if len(members) == 1 else Ensemble(members)


class Ensemble(StreamNetwork):
    """The mean of the logits of some detectors; its hidden channels are those of all of them.

    Args:
        members: trained, of one size.

    Raises:
        ValueError: there is none, or their sizes differ.
    """

    def __init__(self, members: Sequence[Detector]) -> None:
        super().__init__()
        if not members or any(member.spec != members[0].spec for member in members):
            raise ValueError(f"expected detectors of one size, found {[member.spec for member in members]}")
        self.spec = members[0].spec
        self.members = nn.ModuleList(members)
        self.state_sizes = tuple(size for member in members for size in member.state_sizes)
        self.hidden_size = sum(member.hidden_size for member in members)

    def advance(
        self, frames: Tensor, valid: Tensor, parts: Sequence[Tensor]
    ) -> tuple[Tensor, Tensor, Tensor, list[Tensor]]:
        """As `StreamNetwork.advance`."""
        each = len(parts) // len(self.members)
        answers = [one.advance(frames, valid, parts[n * each : (n + 1) * each]) for n, one in enumerate(self.members)]
        logits, hidden, heard, after = zip(*answers, strict=True)
        # What was heard follows from the frames, so it is the same for all.
        return _mean(logits), torch.cat(hidden, 1), heard[0], [part for own in after for part in own]

    def clip_head(self, pooled: Tensor) -> Tensor:
        """Of the means of all members, then the maxima of all members, each gets its own: (B, 2 h) to (B, L)."""
        sizes = [member.hidden_size for member in self.members]
        means, highest = (half.split(sizes, 1) for half in pooled.split(self.hidden_size, 1))
        own = [torch.cat(pair, 1) for pair in zip(means, highest, strict=True)]
        return _mean([member.clip_head(part) for member, part in zip(self.members, own, strict=True)])


def _mean(logits: Sequence[Tensor]) -> Tensor:
    return sum(logits[1:], logits[0]) / len(logits)


PROBE = "probe.pt"  # clip head that was fitted after the training


def load_network(recipe: Recipe, folder: Path) -> Detector:
    """A trained network in evaluation mode.

    Args:
        recipe: that it must have been trained with.
        folder: run folder of the network.

    Raises:
        ConfigError: if it is not there, was trained with another recipe, or not to its end.
    """
    run_folder = RunFolder(folder)
    found = run_folder.identity()
    if found.recipe != json.loads(recipe.to_json()):
        raise ConfigError(f"{run_folder.path}: trained with another recipe; give another --out, or train again")
    parts = checkpoint.load(run_folder.best)
    if parts["epoch"] != recipe.loop.epochs:
        raise ConfigError(
            f"{run_folder.path}: trained {parts['epoch']} of {recipe.loop.epochs} epochs; let `make train` go on"
        )
    detector = best_detector(run_folder, recipe)
    if (run_folder.path / PROBE).exists():
        detector.clip_head.load_state_dict(checkpoint.load(run_folder.path / PROBE))
    return detector


def best_detector(run_folder: RunFolder, recipe: Recipe) -> Detector:
    """The weights that the loop kept, in evaluation mode."""
    student = Student(recipe)
    student.load_state_dict(checkpoint.load(run_folder.best)["network"])
    return student.detector.eval()
