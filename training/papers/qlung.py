"""Kim et al. 2026, QLung (arXiv 2606.11915): angular margins that grow with a class's rarity and a clip's quality.

    x^ = x / |x|,  w^_k = w_k / |w_k|,  cos(theta_k) = x^ . w^_k
    z_k = s_a cos(theta_k)                                                        angular classifier, s_a = 37
    m_q = kappa AQS,  m_c(y) = s_c (-log pi_y),  s_c = m_target / log C           quality and class margin
    m_d = gamma m_q + (1 - gamma) m_c                                             mixed margin, radians
    L_DFAM = -log( e^{s_d cos(theta_y + m_d)} / (e^{s_d cos(theta_y + m_d)} + sum_{j != y} e^{s_d cos(theta_j)}) )
    L = CE(z, y) + lambda L_DFAM,  s_d = 15,  lambda = .4

    H = -sum_k p_k log p_k / log K,  p the mean power spectrum, scaled to sum 1       1 for white noise, 0 for a tone
    R = (rms - low) / (high - low), clipped to 0..1                                   RMS between train percentiles
    AQS = clip(1 - alpha H + beta R, 0, 1),  alpha = .7, beta = .3

A flat spectrum and a faint sound are worth less. The margin is for training alone: the answer is the largest z. A
number is the paper's where `ours` does not stand beside it; clips, masks and loop are those of Patch-Mix. How H and R
are normalised is not in the text at hand: the mean power spectrum, the 5th and 95th percentile of the training clips,
and linear rather than decibel RMS are ours. The network of size `paper` is Patch-Mix's transformer, that of size
`small` (ours) Ngo's of 2023.
Source: Deng et al. 2019, ArcFace (1801.07698), for the additive angle.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import signal, special
from torch import Tensor, nn
from torch.nn import functional as F

from edge.errors import ConfigError
from training.options import Published
from training.papers.patchmix import CLIPS, CROSS_ENTROPY, FBANK, LOOP, MASKS, SMALL_CLIPS

MARGINS: dict[str, Any] = {
    "kind": "dfam",
    "weight": 0.4,  # lambda
    "scale": 15.0,  # s_d
    "kappa": 0.5,
    "gamma": 0.5,
    "target": 0.2,  # m_target, radians
}

RECIPE = Published(
    name="qlung",
    source="Kim et al. 2026, QLung (arXiv 2606.11915, Interspeech 2026)",
    follows=(
        "angular classifier with scale 37 and cross-entropy",
        "dual-factor angular margin of audio quality (spectral entropy 0.7, RMS 0.3, kappa 0.5) and log-scaled class "
        "rarity (target 0.2), mixed half and half, scale 15, weight 0.4",
        "Audio Spectrogram Transformer, Adam 5e-5, batch 8, 50 epochs, SpecAugment (size paper); clips as Patch-Mix "
        "makes them",
    ),
    chosen=(
        "entropy of the mean power spectrum over its greatest; RMS between the 5th and 95th percentile of the training "
        "clips (the paper's text at hand does not say)",
        "best epoch on validation patients of the training part",
        "size small: Inception-residual network on a mel spectrogram of 8 kHz, one frame every 16 ms, AdamW with one "
        "cycle, batch 32; angular scale 24",
        "on SPRSound, events of 3 s in size small; records of 10 s",
    ),
    keys={
        "task": "icbhi-4",
        "seed": 0,
        "features": {"fbank": FBANK},
        "clip": CLIPS,
        "network": {"kind": "ast"},
        "head": {"kind": "angular", "scale": 37.0},
        "losses": [CROSS_ENTROPY, MARGINS],
        "augment": {"masks": MASKS},
        "loop": LOOP,
    },
    sizes={
        "small": {  # ours
            "features": {
                "fbank": {
                    "rate_hz": 8000,
                    "hop_samples": 128,
                    "bands": 64,
                    "high_hz": 2500.0,
                    "analysis": FBANK["analysis"],
                    "compression": {"kind": "log", "unit": "ln", "floor": -20.0},
                    "offset": [-14.0],
                    "scale": [5.0],
                }
            },
            "clip": SMALL_CLIPS,
            "network": {"kind": "inception-2023", "sizes": {"channels": [16, 32, 64], "embedding_size": 64}},
            "head": {"scale": 24.0},
            "augment": {"masks": {"bands": 12, "frames": 36}},
            "loop": {
                "epochs": 12,
                "batch": 32,
                "optimizer": "adamw",
                "learning_rate": 2e-3,
                "weight_decay": 0.02,
                "schedule": "one-cycle",
                "average": 0.99,
                "keep_old": 0.0,
                "clip": 2.0,
                "patience": 10,
            },
        },
        "paper": {},
    },
    parts={
        "margins of rarity and mean quality": {"losses": [CROSS_ENTROPY, MARGINS | {"quality": "mean"}]},
        "without margins": {"losses": [CROSS_ENTROPY]},
        "linear classifier": {"head": {"kind": "linear"}, "losses": [CROSS_ENTROPY]},
    },
)

SMALLEST_SINE_SQUARED = 1e-12  # ours: keeps the root's gradient finite; moves cos(theta + m) by less than 1e-6


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


def dfam_loss(cosines: Tensor, labels: Tensor, margins: Tensor, scale: float = 15.0) -> Tensor:
    """Cross-entropy of scaled cosines after the angle to the right class was widened by the margin.

    cos(theta + m) = cos(theta) cos(m) - sin(theta) sin(m), which is exact for every angle. Beyond theta + m = pi the
    cosine rises again, so there an embedding that points away from its class is pushed further away. With m under .6
    that needs theta over 2.5 (146 degrees), which training leaves early; the formula is kept as published.

    Args:
        cosines: (B, C), from `AngularClassifier.cosines`.
        labels: (B,) int64.
        margins: (B,) m_d, radians.
        scale: s_d.

    Returns:
        Mean over the batch.
    """
    cosines = cosines.float() if cosines.dtype in (torch.float16, torch.bfloat16) else cosines
    margins = margins.to(cosines.dtype)
    right = cosines.gather(1, labels[:, None]).squeeze(1)
    sine = ((1 - right) * (1 + right)).clamp_min(SMALLEST_SINE_SQUARED).sqrt()
    widened = right * margins.cos() - sine * margins.sin()
    return F.cross_entropy(scale * cosines.scatter(1, labels[:, None], widened[:, None]), labels)


SEGMENT_SAMPLES = 512  # of the Hann windows whose power is averaged, half overlapping; ours


def mean_power(samples: NDArray[np.floating]) -> NDArray[np.float64]:
    """(N,) samples to their mean power spectrum, (K,), linear; K = 257, or less for a shorter clip."""
    segment = min(SEGMENT_SAMPLES, len(samples))
    return signal.welch(np.asarray(samples, np.float64), nperseg=segment, detrend=False, scaling="spectrum")[1]


def spectral_entropy(power: NDArray[np.floating]) -> float:
    """Entropy of a power spectrum over its greatest possible one, log K.

    Args:
        power: (K,), K >= 2, linear, at least 0.

    Returns:
        0 (one line) to 1 (flat). Digital silence has no shape and counts as flat.
    """
    power = np.asarray(power, np.float64)
    total = power.sum()
    if total <= 0:
        return 1.0
    return float(special.entr(power / total).sum() / np.log(len(power)))  # entr(p) = -p log p, 0 at 0


def rms(samples: NDArray[np.floating]) -> float:
    """Root mean square of (N,) samples, full scale = 1; 0 for none."""
    return float(np.sqrt(np.mean(np.square(samples, dtype=np.float64)))) if len(samples) else 0.0


@dataclass(frozen=True, slots=True)
class AudioQuality:
    """The score, with the loudness of the training clips that it is relative to."""

    low_rms: float
    """5th percentile of the training clips, full scale = 1."""
    high_rms: float
    """95th percentile, full scale = 1."""
    alpha: float = 0.7
    """Weight of the entropy."""
    beta: float = 0.3
    """Weight of the loudness."""

    @classmethod
    def fit(cls, levels: Iterable[float]) -> AudioQuality:
        """From the RMS of every training clip.

        Raises:
            ConfigError: if there is none.
        """
        numbers = np.fromiter(levels, np.float64)
        if not len(numbers):
            raise ConfigError("audio quality: expected the RMS of training clips, found none; check the data set")
        low, high = np.percentile(numbers, (5, 95))
        return cls(float(low), float(high))

    def combine(self, entropy: float, level: float) -> float:
        """AQS, 0 to 1, of a clip with normalised entropy `entropy` and RMS `level`."""
        span = self.high_rms - self.low_rms
        loudness = np.clip((level - self.low_rms) / span, 0, 1) if span > 0 else float(level >= self.high_rms)
        return float(np.clip(1 - self.alpha * entropy + self.beta * loudness, 0, 1))
