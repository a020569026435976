"""Bae et al. 2023 (arXiv 2305.14032): Patch-Mix, a contrast that knows in which shares two sounds were mixed.

    m = int(N (1 - lambda)) positions, the same for the whole batch, come from x_perm(i);  lambda <- 1 - m / N
    z_i = norm(P(f(mix_i))),  h_j = norm(stopgrad f(x_j)),  s_ij = z_i . h_j / tau,  tau = .06
    L_PM = -mean_i [ lambda log softmax_j(s_i)[i] + (1 - lambda) log softmax_j(s_i)[perm(i)] ]
    L = CE(g(f(x)), y) + alpha L_PM,  alpha = 1

f is the Audio Spectrogram Transformer (`training.papers.transformer`). Tokens are mixed after the patch embedding and
before positions are added. Of the numbers, those of size `paper` are the paper's or its code's, where `ours` does not
stand beside them; those of size `small` are ours.
Source: the paper, and the authors' implementation (github.com/raymin0223/patch-mix_contrastive_learning, MIT), where
'all' negatives and a blocked gradient without projector on the target ('grad_block') are the defaults; Zhang et al.
2018, mixup (1710.09412), for the draw of lambda; Park et al. 2019, SpecAugment (1904.08779).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from training.options import Published

FBANK: dict[str, Any] = {  # kaldi's filter banks, normalised as AST
    "rate_hz": 16000,
    "hop_samples": 160,
    "bands": 128,
    "low_hz": 20.0,
    "high_hz": 8000.0,
    "analysis": {
        "kind": "mel",
        "windows_samples": [400],
        "fft_size": 512,
        "periodic": False,
        "unit": "none",
        "scale": "kaldi",
    },
    "compression": {"kind": "log", "unit": "ln", "floor": -15.942385},
    "offset": [-4.2677393],
    "scale": [9.1379948],
}
_CLIP = {
    "pad": "repeat",
    "fade_s": 0.0625,
    "remove_mean": True,
    "preemphasis": 0.97,
}  # of the clip, not the frame: ours
CLIPS: dict[str, Any] = {
    "event": {"seconds": 8.0} | _CLIP,
    "record": {"seconds": 10.0} | _CLIP,
    "cycle": {"seconds": 8.0} | _CLIP,
}
MASKS: dict[str, Any] = {
    "probability": 0.84,
    "bands": 48,
    "frames": 160,
    "count": 2,
}  # its code masks where N(0, 1) <= 1
LOOP: dict[str, Any] = {
    "epochs": 50,
    "batch": 8,
    "optimizer": "adam",
    "learning_rate": 5e-5,
    "weight_decay": 1e-6,
    "schedule": "cosine",
    "final_rate": 1e-3,
    "average": 0.0,
    "keep_old": 0.5,  # half of the old weights are kept at each step
    "clip": 0.0,
}
SMALL_CLIPS: dict[str, Any] = {
    "event": {"seconds": 3.0, "preemphasis": 0.0},
    "record": {"preemphasis": 0.0},
    "cycle": {"preemphasis": 0.0},
}
CROSS_ENTROPY: dict[str, Any] = {"kind": "cross-entropy", "weight": 1.0}

RECIPE = Published(
    name="patchmix",
    source="Bae et al. 2023, Patch-Mix Contrastive Learning with Audio Spectrogram Transformer on Respiratory Sound "
    "Classification (arXiv 2305.14032); code github.com/raymin0223/patch-mix_contrastive_learning (MIT)",
    follows=(
        "Audio Spectrogram Transformer, patches of 16 x 16 every 10, mean of both class tokens, layer norm before the "
        "classifier",
        "Patch-Mix on patch embeddings before positions, share from Beta(1, 1), the same places for the whole batch",
        "contrastive loss with temperature 0.06, projector on the mixed side alone, no gradient through the clean "
        "side, weight 1",
        "16 kHz, 8 s by repetition, fades of 1/16 s, kaldi filter banks of 128 bands with 25 ms Hann windows every 10 "
        "ms, normalised as AST (size paper)",
        "SpecAugment with two masks of under 48 bands and two of under 160 frames on 84 % of the clips",
        "Adam, 5e-5, weight decay 1e-6, batch 8, 50 epochs, cosine to 1/1000, half of the old weights kept at each "
        "step (size paper)",
    ),
    chosen=(
        "pre-emphasis of the clip instead of each kaldi frame; dither none; frames overhang the end instead of ending "
        "before it",
        "best epoch on validation patients of the training part, where the published code takes the best epoch on the "
        "test set",
        "size small: 8 kHz, 64 bands, a transformer of 4 blocks, masks in proportion, Muon 5e-3 (AdamW at 5e-4 learns "
        "next to nothing in 12 epochs), batch 32, running average of weights",
        "on SPRSound, events of 3 s in size small; records of 10 s",
    ),
    keys={
        "task": "icbhi-4",
        "seed": 0,
        "features": {"fbank": FBANK},
        "clip": CLIPS,
        "network": {"kind": "ast"},
        "head": {"kind": "linear", "normalise": "layer"},
        "losses": [CROSS_ENTROPY, {"kind": "patch-mix", "weight": 1.0, "temperature": 0.06, "alpha": 1.0}],
        "augment": {"masks": MASKS},
        "loop": LOOP,
    },
    sizes={
        "small": {
            "features": {
                "fbank": {
                    "rate_hz": 8000,
                    "hop_samples": 80,
                    "bands": 64,
                    "high_hz": 4000.0,
                    "analysis": FBANK["analysis"] | {"windows_samples": [200], "fft_size": 256},
                    "compression": {"kind": "log", "unit": "ln", "floor": -20.0},
                    "offset": [-14.0],
                    "scale": [5.0],
                }
            },
            "clip": SMALL_CLIPS,
            "network": {"sizes": {"size": 96, "depth": 4, "heads": 3, "dropout": 0.1}},
            "augment": {"masks": {"bands": 24, "frames": 60}},
            "sampler": {"balance": 0.5},
            "loop": {
                "epochs": 12,
                "batch": 32,
                "optimizer": "muon",
                "learning_rate": 5e-3,
                "weight_decay": 0.02,
                "schedule": "one-cycle",
                "average": 0.99,
                "keep_old": 0.0,
                "clip": 1.0,
                "patience": 12,
            },
        },
        "paper": {},
    },
    parts={
        "cross-entropy alone": {"losses": [CROSS_ENTROPY]},
        "cross-entropy of mixed labels": {
            "losses": [CROSS_ENTROPY, {"kind": "patch-mix", "weight": 1.0, "contrastive": False}]
        },
    },
)


def draw_lambda(alpha: float, generator: torch.Generator | None = None) -> float:
    """One lambda from Beta(alpha, alpha); 1 (nothing is mixed) if alpha is 0.

    Args:
        alpha: 1 for the uniform distribution, small for lambdas near 0 or 1.
        generator: on the CPU; the draw depends on its state alone.
    """
    seed = int(torch.randint(2**62, (), generator=generator))
    return float(np.random.default_rng(seed).beta(alpha, alpha)) if alpha > 0 else 1.0


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
    count = tokens.shape[1]
    number = int(count * (1.0 - lam))
    taken = torch.zeros(count, dtype=torch.bool)
    taken[torch.randperm(count, generator=generator)[:number]] = True
    return torch.where(taken.to(tokens.device)[:, None], tokens[permutation], tokens), 1 - number / count


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
