"""Muon: the momentum of a weight matrix is made orthogonal before it is a step, so that every direction moves alike.

Weights of two axes or more are matrices, one row to an output channel; every other parameter (biases, batch norms) is
stepped by AdamW. One learning rate serves both: the step of a matrix is scaled to the size that AdamW's usually has.
Not for parameters whose axes mean something else (embeddings, tokens): PyTorch's own Muon takes lists of matrices.

Source: Jordan et al. 2024, Muon; Liu et al. 2025, Muon is scalable (2502.16982), weight decay and the scale of .2.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn

TURNS = 5  # of Newton and Schulz
QUINTIC = (3.4445, -4.7750, 2.0315)  # Jordan's: singular values of 0 to 1 end near 1
ADAMW_SIZE = 0.2  # effective value of AdamW's usual step


class Muon(torch.optim.Optimizer):
    """Muon for matrices and AdamW for the rest.

    Args:
        parameters: to be trained.
        learning_rate: of both.
        weight_decay: of both, decoupled; times the learning rate.
        momentum: of the matrices, Nesterov's.
        betas: of AdamW.
        epsilon: of AdamW.
    """

    def __init__(
        self,
        parameters: Iterable[nn.Parameter],
        learning_rate: float,
        weight_decay: float = 0.01,
        momentum: float = 0.95,
        betas: tuple[float, float] = (0.9, 0.999),
        epsilon: float = 1e-8,
    ) -> None:
        every = list(parameters)
        kinds = {True: [p for p in every if p.ndim > 1], False: [p for p in every if p.ndim < 2]}
        defaults = dict(lr=learning_rate, weight_decay=weight_decay, momentum=momentum, betas=betas, epsilon=epsilon)
        super().__init__([{"params": some, "is_matrix": kind} for kind, some in kinds.items() if some], defaults)

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:
        """One step along the gradients. `closure` must be None."""
        if closure is not None:
            raise ValueError("Muon: expected no closure")
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is None:
                    continue
                step = self._matrix_step if group["is_matrix"] else self._adam_step
                change = step(parameter, parameter.grad, group)
                parameter.mul_(1 - group["lr"] * group["weight_decay"]).add_(change, alpha=-group["lr"])

    def _matrix_step(self, parameter: Tensor, gradient: Tensor, group: dict[str, Any]) -> Tensor:
        state = self.state[parameter]
        if not state:
            state["momentum"] = torch.zeros_like(parameter)
        average = state["momentum"].lerp_(gradient, 1 - group["momentum"])
        ahead = gradient.lerp(average, group["momentum"]).flatten(1)
        size = ADAMW_SIZE * max(ahead.shape) ** 0.5
        return size * orthogonal(ahead).reshape(parameter.shape)

    def _adam_step(self, parameter: Tensor, gradient: Tensor, group: dict[str, Any]) -> Tensor:
        state, (first, second) = self.state[parameter], group["betas"]
        if not state:
            state["step"] = torch.zeros((), dtype=torch.float32)
            state["mean"], state["square"] = torch.zeros_like(parameter), torch.zeros_like(parameter)
        state["step"] += 1
        count = float(state["step"])
        mean = state["mean"].lerp_(gradient, 1 - first) / (1 - first**count)
        square = state["square"].lerp_(gradient.square(), 1 - second) / (1 - second**count)
        return mean / (square.sqrt() + group["epsilon"])


def orthogonal(matrix: Tensor) -> Tensor:
    """(R, C) to about U V' of its singular value decomposition; singular values end within .7 and 1.2, unless tiny."""
    a, b, c = QUINTIC
    is_tall = matrix.shape[0] > matrix.shape[1]
    x = matrix.mT if is_tall else matrix
    x = x / x.norm().clamp(min=1e-7)
    for _ in range(TURNS):
        square = x @ x.mT
        x = a * x + (b * square + c * square @ square) @ x
    return x.mT if is_tall else x
