"""`python -m training.clips.cost --recipe qlung --size paper --data DATA`: what a training of a paper's recipe takes.

Multiply-adds of one clip are counted by PyTorch in a forward and a backward pass of the real network; a training has
as many as its recipe's epochs over the training clips under DATA. The hours are those of one NVIDIA A100 that reaches
a stated share of its peak in bf16: an estimate that leaves out reading, augmentation and validation.
Source: NVIDIA A100 data sheet (312 TFLOP/s, dense bf16); Chowdhery et al. 2022 (2204.02311), utilisation of 40 %.
"""

from __future__ import annotations

import training.python_version  # noqa: F401  # isort: skip

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from edge.errors import LaennecError
from training.clips.classifier import ClipClassifier
from training.clips.cut import all_pieces, whole
from training.clips.hear_learners import masked_network
from training.clips.schema import ClassifierRecipe, HearRecipe, load_recipe
from training.clips.sides import side_clips, sides_of
from training.papers.hear import masked_error, patchify, random_masking
from training.tasks import TASKS

A100_PEAK = 312e12  # operations in a second, dense bf16; a multiply-add is two
A100_SHARE = 0.4  # of the peak that a training reaches


@dataclass(frozen=True, slots=True)
class Cost:
    """One training."""

    weights: int
    multiply_adds: float
    """Of one clip, forward and backward, and as many passes as the losses need."""
    clips: int
    """To learn from."""
    epochs: int

    @property
    def total(self) -> float:
        """Multiply-adds of the training."""
        return self.multiply_adds * self.clips * self.epochs

    @property
    def a100_hours(self) -> float:
        """Hours on one A100."""
        return 2 * self.total / (A100_PEAK * A100_SHARE) / 3600

    def lines(self) -> list[str]:
        """What is printed."""
        return [
            f"weights                       {self.weights:,}",
            f"multiply-adds of one clip     {self.multiply_adds:.3g}, forward and backward",
            f"clips and epochs              {self.clips:,} x {self.epochs}",
            f"multiply-adds of the training {self.total:.3g}",
            f"on one A100                   {self.a100_hours:.2g} h at {A100_SHARE:.0%} of {A100_PEAK / 1e12:.0f} "
            "TFLOP/s (bf16), without reading and validation",
        ]


def cost_of(recipe: ClassifierRecipe | HearRecipe, data: Path) -> Cost:
    """What one training takes.

    Raises:
        ConfigError: if the recipe's recordings are not under `data`, or its sizes do not fit.
    """
    sides = sides_of(recipe, data)
    if isinstance(recipe, HearRecipe):
        recordings = [whole(r) for r in sides.training]
        return _of_hear(recipe, len(all_pieces(recordings, recipe.clip.seconds, recipe.overlap)[0]))
    return _of_classifier(recipe, len(side_clips(recipe, TASKS[recipe.task], sides)[0]))


@dataclass(frozen=True, slots=True)
class Answer:
    """What a trained network takes to answer."""

    weights: int
    multiply_adds: float
    """Of one clip as long as the recipe's; of `hear`, of one of its pieces."""


def answer_of(recipe: ClassifierRecipe | HearRecipe) -> Answer:
    """Of the network of a recipe, without what only its training needs.

    Raises:
        ConfigError: if its sizes do not fit.
    """
    if isinstance(recipe, HearRecipe):
        encoder = masked_network(recipe).encoder.eval()
        image = torch.zeros(1, 1, encoder.spec.frames, encoder.spec.bands)
        return Answer(_weights(encoder), _forward(lambda: encoder(image, torch.ones(1, encoder.spec.frames))))
    network = ClipClassifier(recipe, [1] * len(TASKS[recipe.task].labels), recipe.frames).eval()
    frames = torch.zeros(1, len(recipe.features), recipe.frames, recipe.spec.width)
    counted = _forward(lambda: network(frames, torch.ones(1, recipe.frames)))
    return Answer(_weights(network.backbone) + _weights(network.head), counted)


def _of_classifier(recipe: ClassifierRecipe, clips: int) -> Cost:
    network = ClipClassifier(recipe, [1] * len(TASKS[recipe.task].labels), recipe.frames)
    frames = torch.zeros(1, len(recipe.features), recipe.frames, recipe.spec.width)
    passes = 2 if network.objectives.patch_mix else 1
    counted = multiply_adds(network.eval(), lambda: network(frames, torch.ones(1, recipe.frames)))
    return Cost(_weights(network), passes * counted, clips, recipe.loop.epochs)


def _of_hear(recipe: HearRecipe, clips: int) -> Cost:
    network = masked_network(recipe).eval()
    image = torch.zeros(1, 1, network.spec.frames, network.spec.bands)
    kept, masked = random_masking(1, network.spec.patches, network.spec.kept, torch.Generator().manual_seed(0))

    def error() -> Tensor:
        return masked_error(network.reconstruct(image, kept), patchify(image, network.spec.patch), masked)

    return Cost(_weights(network), multiply_adds(network, error), clips, recipe.loop.epochs)


def multiply_adds(network: nn.Module, answer: Callable[[], Tensor]) -> float:
    """Multiply-adds of an answer and of its gradients; those of additions and activations are not counted."""
    with FlopCounterMode(display=False) as counter:
        answer().sum().backward()
    network.zero_grad(set_to_none=True)
    return float(counter.get_total_flops()) / 2


def _forward(answer: Callable[[], Tensor]) -> float:
    with FlopCounterMode(display=False) as counter:
        answer()  # with gradients: PyTorch's kernels for answers alone are not counted
    return float(counter.get_total_flops()) / 2


def _weights(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def main(arguments: Sequence[str] | None = None) -> int:
    """Print it; exit code 2 for the operator's mistakes."""
    parser = argparse.ArgumentParser(prog="python -m training.clips.cost", description=__doc__)
    parser.add_argument("--recipe", required=True, help="ngo2022, ngo2023, patchmix, qlung, hear, or a .yaml file")
    parser.add_argument("--size", default="paper", help="small, or paper as published")
    parser.add_argument("--data", type=Path, required=True, help="folder of data sets, see training/DATA.md")
    parser.add_argument("--task", help="of a classifier; the recipe has a default")
    parser.add_argument("--checkpoint", help="public weights that you have fetched (patchmix, qlung)")
    asked = parser.parse_args(arguments)
    named = {"task": asked.task, "network.checkpoint": asked.checkpoint}
    try:
        recipe = load_recipe(asked.recipe, asked.size, {key: value for key, value in named.items() if value})
        print(*cost_of(recipe, asked.data).lines(), sep="\n", flush=True)
    except LaennecError as error:
        print(f"training: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
