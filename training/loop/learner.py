"""What the loop needs to know of a method: its network, its batches, its losses, its validation. Holds no state.

One promise of a learner makes a training exact: a batch is decided by (seed, epoch, step) alone, so that a killed
training goes on to the same weights.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Literal, Protocol

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn

Batch = Mapping[str, Tensor]
"""Named tensors of a batch, first axis the example."""
Losses = Mapping[str, Tensor]
"""Named scalars; `total` is what is minimised, the others are written down."""


class LoopSpec(BaseModel):
    """How a network is trained, whatever it learns."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    epochs: int = Field(20, ge=1, le=100_000)
    batch: int = Field(32, ge=2, le=65_536)
    """Examples to a step."""
    optimizer: Literal["adam", "adamw", "muon"] = "adamw"
    learning_rate: float = Field(1e-3, gt=0, le=10)
    """The highest of the schedule."""
    weight_decay: float = Field(0.01, ge=0, le=10)
    schedule: Literal["cosine", "one-cycle", "constant"] = "cosine"
    warm_up: float = Field(0.1, gt=0, lt=1)
    """Share of the steps in which `one-cycle` rises."""
    final_rate: float = Field(1e-3, ge=0, le=1)
    """Where `cosine` ends, as a share of `learning_rate`."""
    clip: float = Field(2.0, ge=0)
    """Largest norm of the gradient; 0: not clipped."""
    average: float = Field(0.99, ge=0, lt=1)
    """Decay of the running average of the weights, which is validated and kept; 0: the weights themselves."""
    keep_old: float = Field(0.0, ge=0, lt=1)
    """Share of the old weights that each step keeps (Patch-Mix: 0.5)."""
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"
    """`auto`: bf16 (fp16 on older ones) on a GPU; on a CPU the quicker of fp32 and bf16, measured at the start."""
    compile: bool = False
    """Compile the network on a GPU: pays after some minutes."""
    patience: int = Field(0, ge=0)
    """Epochs without a better validation after which the training ends; 0: never."""
    monitor: str = "score"
    """Validation number that decides which epoch is kept; empty: none is asked for, the last epoch is kept."""
    lower_is_better: bool = False
    save_minutes: float = Field(10.0, gt=0)
    """A long epoch is saved in between; each epoch's end always is."""


class Learner(Protocol):
    """One method on its data."""

    network: nn.Module
    """Everything that is trained."""
    steps: int
    """Batches to an epoch, at least 1."""
    micro_batches: int
    """Parts of a batch that go through the network one after the other, to save memory; the step has the mean of their
    gradients. More than 1 is exact where the loss of a batch is the mean of those of its parts, so not with a contrast
    or a batch norm over the whole batch."""

    def batch(self, epoch: int, step: int) -> Batch:
        """A batch, on the CPU; decided by seed, epoch and step alone."""

    def loss(self, network: nn.Module, batch: Batch, rng: torch.Generator) -> Losses:
        """Losses of a batch.

        Args:
            network: `self.network`, on its device.
            batch: of `batch`, on the same device.
            rng: of this step, on the CPU.
        """

    def validate(self, network: nn.Module) -> Mapping[str, float]:
        """Judge a network in evaluation mode on patients that are not trained on."""


def micro_batches(batch: Batch, count: int) -> Iterator[Batch]:
    """The parts of a batch, in order; `count` divides it."""
    pieces = {name: x.chunk(count) for name, x in batch.items()}
    return ({name: of[i] for name, of in pieces.items()} for i in range(count))
