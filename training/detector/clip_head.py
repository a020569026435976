"""The clip head as a linear probe: multinomial logistic regression on what a trained detector makes of whole clips.

The detector is trained on streams alone and left as it is; a regression on the mean and the maximum of its hidden
frames then names clips. It costs seconds, has one solution, and cannot harm the streaming scores. Fitted on the clips
of the patients that the detector was trained on. Not for clips that train the detector itself
(`training.detector.student`).

Source: Alain and Bengio 2016 (1610.01644), linear probes.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from torch import nn

from edge.errors import ConfigError
from training.detector.hyperparameters import Recipe
from training.detector.inference import clip_embeddings
from training.detector.model import Detector
from training.tasks import CLIP_LABELS

STRENGTH = 0.01  # inverse of the penalty, on standardised embeddings; .003 and .03 gave the same within .003
ABSENT = -20.0  # logit of a label without examples


def fit_clip_head(
    detector: Detector, clips: list[NDArray[np.float16]], labels: NDArray[np.int64], recipe: Recipe
) -> None:
    """Replace the last layer of the clip head by the regression.

    Args:
        detector: in evaluation mode; changed in place.
        clips: (T, M) frames of each clip.
        labels: (n,) index in `CLIP_LABELS`.
        recipe: with the features.

    Raises:
        ConfigError: if all clips have one label.
    """
    present = np.unique(labels)
    if len(present) < 2:
        raise ConfigError(f"training: clips of one label alone ({len(labels)} of them); a probe needs two or more")
    embeddings = clip_embeddings(detector, clips)
    mean, scale = embeddings.mean(0), embeddings.std(0) + 1e-4
    fitted = LogisticRegression(C=STRENGTH, max_iter=1000).fit((embeddings - mean) / scale, labels)
    rows, starts = fitted.coef_, fitted.intercept_
    if len(present) == 2:  # scikit-learn has one row then, the logit of the second against the first
        rows, starts = np.stack([-rows[0] / 2, rows[0] / 2]), np.array([-starts[0] / 2, starts[0] / 2])
    weights = np.zeros((len(CLIP_LABELS), embeddings.shape[1]))
    bias = np.full(len(CLIP_LABELS), ABSENT)
    weights[present] = rows / scale
    bias[present] = starts - (rows / scale) @ mean
    last = nn.Linear(embeddings.shape[1], len(CLIP_LABELS))
    with torch.no_grad():
        last.weight.copy_(torch.from_numpy(weights))
        last.bias.copy_(torch.from_numpy(bias))
    detector.clip_head[-1] = last
