"""Angular margins that grow with the rarity of a class and the quality of a recording (QLung).

    x^ = x / |x|,  w^_k = w_k / |w_k|,  cos(theta_k) = x^ . w^_k
    z_k = s_a cos(theta_k)                                                        angular classifier, s_a = 37
    m_q = kappa AQS,  m_c(y) = s_c (-log pi_y),  s_c = m_target / log C           quality and class margin
    m_d = gamma m_q + (1 - gamma) m_c                                             mixed margin, radians
    L_DFAM = -log( e^{s_d cos(theta_y + m_d)} / (e^{s_d cos(theta_y + m_d)} + sum_{j != y} e^{s_d cos(theta_j)}) )
    L = CE(z, y) + lambda L_DFAM,  s_d = 15,  lambda = .4

The margin is for training alone: at the bedside the class is the largest z. The quality itself is `losses.quality`.
Source: Kim et al. 2026, QLung (2606.11915); Deng et al. 2019, ArcFace (1801.07698), for the additive angle.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from edge.errors import ConfigError

SMALLEST_SINE_SQUARED = 1e-12  # keeps the gradient of the square root finite; moves cos(theta + m) by less than 1e-6


class AngularClassifier(nn.Module):
    """Cosine classifier without a bias: only directions count.

    Args:
        embedding_size: D.
        classes: C.
        scale: s_a.
    """

    def __init__(self, embedding_size: int, classes: int, scale: float = 37.0) -> None:
        super().__init__()
        self.scale = scale
        self.weight = nn.Parameter(torch.empty(classes, embedding_size))
        nn.init.xavier_uniform_(self.weight)

    def cosines(self, embeddings: Tensor) -> Tensor:
        """(B, D) embeddings to the cosines of their angles with each class, (B, C)."""
        return F.linear(F.normalize(embeddings, dim=-1), F.normalize(self.weight, dim=-1))

    def forward(self, embeddings: Tensor) -> Tensor:
        """(B, D) embeddings to logits z, (B, C)."""
        return self.scale * self.cosines(embeddings)


def class_margins(counts: Sequence[int] | Tensor, target: float = 0.2) -> Tensor:
    """Margin of each class, from how often it is seen: s_c (-log pi_y).

    A class of the share 1 / C, whatever C is, has the margin `target`; rarer ones have more.

    Args:
        counts: (C,) training examples of each class.
        target: m_target, radians.

    Returns:
        (C,) float32, radians.

    Raises:
        ConfigError: with fewer than two classes, or one without examples.
    """
    numbers = torch.as_tensor(counts, dtype=torch.float64)
    if numbers.ndim != 1 or len(numbers) < 2:
        raise ConfigError(f"class margins: expected counts of two classes or more, found {numbers.tolist()}")
    if not bool((numbers > 0).all()):
        raise ConfigError(
            f"class margins: class {int(numbers.argmin())} has {int(numbers.min())} training examples and its margin "
            "would be infinite; drop the class or add recordings of it"
        )
    scale = target / math.log(len(numbers))
    return (-scale * torch.log(numbers / numbers.sum())).float()


def mixed_margin(quality: Tensor, class_margin: Tensor, kappa: float = 0.5, gamma: float = 0.5) -> Tensor:
    """Margin of each clip: gamma kappa AQS + (1 - gamma) m_c.

    Args:
        quality: (B,) AQS, 0 to 1.
        class_margin: (B,) margin of each clip's class: `class_margins(counts)[labels]`, radians.
        kappa: margin of a perfect recording, radians.
        gamma: share of the quality; 0 leaves the class margin alone, 1 the quality margin.

    Returns:
        (B,) radians.
    """
    return gamma * kappa * quality + (1 - gamma) * class_margin


def dfam_loss(cosines: Tensor, labels: Tensor, margins: Tensor, scale: float = 15.0, monotone: bool = False) -> Tensor:
    """Cross-entropy of scaled cosines after the angle to the right class was widened by the margin.

    cos(theta + m) = cos(theta) cos(m) - sin(theta) sin(m), which is exact for every angle. Beyond theta + m = pi the
    cosine rises again, so there an embedding that points away from its class is pushed further away. With m under .6
    that needs theta over 2.5 (146 degrees), which training leaves early; the formula is kept as published.

    Args:
        cosines: (B, C), from `AngularClassifier.cosines`.
        labels: (B,) int64.
        margins: (B,) m_d, radians.
        scale: s_d.
        monotone: beyond pi, go on falling with cos(theta) - m sin(m) instead, as ArcFace's implementation does.

    Returns:
        Mean over the batch.
    """
    cosines = cosines.float() if cosines.dtype in (torch.float16, torch.bfloat16) else cosines
    margins = margins.to(cosines.dtype)
    right = cosines.gather(1, labels[:, None]).squeeze(1)
    sine = ((1 - right) * (1 + right)).clamp_min(SMALLEST_SINE_SQUARED).sqrt()
    widened = right * margins.cos() - sine * margins.sin()
    if monotone:
        widened = torch.where(right > -margins.cos(), widened, right - margins * margins.sin())
    return F.cross_entropy(scale * cosines.scatter(1, labels[:, None], widened[:, None]), labels)
