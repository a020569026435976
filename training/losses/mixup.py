"""In which shares two examples are mixed: the draw of mixup and of Patch-Mix. Mixes nothing itself.

Source: Zhang et al. 2018, mixup (1710.09412).
"""

from __future__ import annotations

import numpy as np
import torch


def draw_lambda(alpha: float, generator: torch.Generator | None = None) -> float:
    """One lambda from Beta(alpha, alpha); 1 (nothing is mixed) if alpha is 0.

    Args:
        alpha: 1 for the uniform distribution, small for lambdas near 0 or 1.
        generator: on the CPU; the draw depends on its state alone.
    """
    seed = int(torch.randint(2**62, (), generator=generator))
    return float(np.random.default_rng(seed).beta(alpha, alpha)) if alpha > 0 else 1.0
