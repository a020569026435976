"""Several detectors that hear the same streams side by side and answer as one: the mean of their logits.

Networks that differ in nothing but their seed err in different places, and their mean errs less than the best of them.
They have one graph and one state, that of the first, then that of the next. Not for training, and not for which
networks of a run are shipped so (`training.detector.shipped`).
Source: Hansen and Salamon 1990, ensembles of networks; Lakshminarayanan et al. 2017, deep ensembles (1612.01474).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from training.detector.model import Answer, Detector, StreamNetwork


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
        self.state_size = sum(member.state_size for member in members)
        self.hidden_size = sum(member.hidden_size for member in members)

    def step(self, frames: Tensor, valid: Tensor, state: Tensor) -> Answer:
        """As `StreamNetwork.step`."""
        parts = state.split([member.state_size for member in self.members], 1)
        answers = [member.step(frames, valid, part) for member, part in zip(self.members, parts, strict=True)]
        return Answer(
            _mean([answer.logits for answer in answers]),
            torch.cat([answer.hidden for answer in answers], 1),
            answers[0].heard,  # the same for all: it follows from the frames
            torch.cat([answer.state for answer in answers], 1),
        )

    def clip_head(self, pooled: Tensor) -> Tensor:
        """Of the means of all members, then the maxima of all members, each gets its own: (B, 2 h) to (B, L)."""
        sizes = [member.hidden_size for member in self.members]
        means, highest = (half.split(sizes, 1) for half in pooled.split(self.hidden_size, 1))
        own = [torch.cat(pair, 1) for pair in zip(means, highest, strict=True)]
        return _mean([member.clip_head(part) for member, part in zip(self.members, own, strict=True)])


def _mean(logits: Sequence[Tensor]) -> Tensor:
    return sum(logits[1:], logits[0]) / len(logits)
