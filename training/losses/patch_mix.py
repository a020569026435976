"""In which shares two examples are mixed: the draw of mixup and of Patch-Mix. Mixes nothing itself.

Source: Zhang et al. 2018, mixup (1710.09412).

Patch-Mix: parts of a spectrogram replaced by those of another, and a contrast that knows in which shares.

    m = int(N (1 - lambda)) positions, the same for the whole batch, come from x_perm(i);  lambda <- 1 - m / N
    z_i = norm(P(f(mix_i))),  h_j = norm(stopgrad f(x_j)),  s_ij = z_i . h_j / tau,  tau = .06
    L_PM = -mean_i [ lambda log softmax_j(s_i)[i] + (1 - lambda) log softmax_j(s_i)[perm(i)] ]
    L = CE(g(f(x)), y) + alpha L_PM,  alpha = 1

Tokens are mixed after the patch embedding and before positions are added. For networks without tokens, rectangles of
an image or of a feature map are mixed instead (our choice), over both axes or along one (dual-axis, Lung-SRAD).
Whoever calls it draws lambda (`mixup.draw_lambda`) and the permutation; nothing here keeps state.
Source: Bae et al. 2023 (2305.14032), and the authors' implementation, where 'all' negatives and a blocked gradient
without projector on the target ('grad_block') are the defaults.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F


def draw_lambda(alpha: float, generator: torch.Generator | None = None) -> float:
    """One lambda from Beta(alpha, alpha); 1 (nothing is mixed) if alpha is 0.

    Args:
        alpha: 1 for the uniform distribution, small for lambdas near 0 or 1.
        generator: on the CPU; the draw depends on its state alone.
    """
    seed = int(torch.randint(2**62, (), generator=generator))
    return float(np.random.default_rng(seed).beta(alpha, alpha)) if alpha > 0 else 1.0


Axis = Literal["both", "time", "frequency"]


def patch_mix(
    tokens: Tensor, lam: float, permutation: Tensor, generator: torch.Generator | None = None
) -> tuple[Tensor, float]:
    """Replace random tokens by those at the same positions of another example.

    Args:
        tokens: (B, N, D) embedded patches, without positions and class tokens.
        lam: share that stays, 0 to 1.
        permutation: (B,) int64; example i receives from example permutation[i].
        generator: on the CPU; draws the positions.

    Returns:
        (B, N, D) mixed, differentiable in both sources, and the share that did stay.
    """
    taken, kept = _drawn(tokens.shape[1], lam, generator)
    return torch.where(taken.to(tokens.device)[:, None], tokens[permutation], tokens), kept


def grid_mix(
    tokens: Tensor,
    grid: tuple[int, int],
    axis: Axis,
    lam: float,
    permutation: Tensor,
    generator: torch.Generator | None = None,
) -> tuple[Tensor, float]:
    """`patch_mix` of whole columns (one moment in time) or whole rows (one band) of the grid of patches.

    Args:
        tokens: (B, N, D), row by row: patch (f, t) is token f * columns + t.
        grid: rows (frequency) and columns (time), N of them together.
        axis: `time` takes whole columns, `frequency` whole rows, `both` single patches.
        lam: share that stays, 0 to 1.
        permutation: (B,) int64.
        generator: on the CPU; draws the positions.

    Returns:
        (B, N, D) mixed, and the share that did stay.
    """
    mask, kept = _grid_mask(grid, axis, lam, generator)
    return torch.where(mask.flatten().to(tokens.device)[:, None], tokens[permutation], tokens), kept


def cell_mix(
    image: Tensor,
    cell: tuple[int, int],
    axis: Axis,
    lam: float,
    permutation: Tensor,
    generator: torch.Generator | None = None,
) -> tuple[Tensor, float]:
    """Patch-Mix for convolutional networks: cells of an image or of the stem's map instead of tokens.

    Args:
        image: (B, C, T, M), time before frequency; the frames (B, S, T, M) of the contract are such an image.
        cell: frames and bands of one cell; the last ones may be cut by the edge.
        axis: `time` replaces cells over all bands, `frequency` over all frames, `both` single cells.
        lam: share of the cells that stays, 0 to 1.
        permutation: (B,) int64.
        generator: on the CPU; draws the cells.

    Returns:
        (B, C, T, M) mixed, and the share of the area that did stay (that of the cells where the edge cuts none).
    """
    frames, bands = image.shape[2:]
    columns, rows = -(-frames // cell[0]), -(-bands // cell[1])
    mask, _ = _grid_mask((rows, columns), axis, lam, generator)
    area = mask.T.repeat_interleave(cell[0], 0)[:frames].repeat_interleave(cell[1], 1)[:, :bands]
    mixed = torch.where(area.to(image.device), image[permutation], image)
    return mixed, 1 - int(area.sum()) / area.numel()


def patch_mix_contrastive(
    mixed: Tensor, clean: Tensor, lam: float, permutation: Tensor, temperature: float = 0.06
) -> Tensor:
    """Contrast of mixed examples with the clean ones they are made of, lambda-weighted.

    Args:
        mixed: (B, D) projected embeddings of the mixed examples, P(f(mix)).
        clean: (B, D) embeddings of the clean examples, f(x), without projector; no gradient flows to them.
        lam: share of example i in mixture i.
        permutation: (B,) int64, whose share is 1 - lam.
        temperature: tau.

    Returns:
        Mean over the batch, denominators over the whole batch.
    """
    target = F.normalize(clean.detach(), dim=-1)
    similarity = F.normalize(mixed, dim=-1) @ target.T / temperature
    log_share = F.log_softmax(similarity, -1)
    own, other = log_share.diagonal(), log_share.gather(1, permutation[:, None]).squeeze(1)
    return -(lam * own + (1 - lam) * other).mean()


def patch_mix_cross_entropy(logits: Tensor, labels: Tensor, lam: float, permutation: Tensor) -> Tensor:
    """Patch-Mix without contrast: lambda CE(y) + (1 - lambda) CE(y_perm) of the mixed examples.

    Args:
        logits: (B, C) of the mixed examples.
        labels: (B,) int64 of the clean ones.
        lam: share of the own label.
        permutation: (B,) int64.
    """
    return lam * F.cross_entropy(logits, labels) + (1 - lam) * F.cross_entropy(logits, labels[permutation])


class Projector(nn.Module):
    """Linear, batch norm, ReLU, linear: between the embedding of a mixture and the contrast; dropped after training.

    Args:
        embedding_size: D.
        output_size: D again, since the target side has no projector; 768 in the paper.
    """

    def __init__(self, embedding_size: int = 768, output_size: int | None = None) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(embedding_size, embedding_size),
            nn.BatchNorm1d(embedding_size),
            nn.ReLU(),
            nn.Linear(embedding_size, output_size or embedding_size),
        )

    def forward(self, embeddings: Tensor) -> Tensor:
        """(B, D) to (B, D)."""
        return self.layers(embeddings)


def _drawn(count: int, lam: float, generator: torch.Generator | None) -> tuple[Tensor, float]:
    """(count,) bool, True at int(count (1 - lam)) random places, and the share of the others."""
    number = int(count * (1.0 - lam))
    taken = torch.zeros(count, dtype=torch.bool)
    taken[torch.randperm(count, generator=generator)[:number]] = True
    return taken, 1 - number / count


def _grid_mask(
    grid: tuple[int, int], axis: Axis, lam: float, generator: torch.Generator | None
) -> tuple[Tensor, float]:
    """(rows, columns) bool, True where the other example is taken, and the share of the rest."""
    rows, columns = grid
    if axis == "both":
        taken, kept = _drawn(rows * columns, lam, generator)
        return taken.reshape(grid), kept
    taken, kept = _drawn(columns if axis == "time" else rows, lam, generator)
    return (taken if axis == "time" else taken[:, None]).expand(grid), kept
