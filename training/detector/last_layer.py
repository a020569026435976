"""The row of the last layer that says whether a group sounds, taught again on labelled frames of one kind of device.

A logistic regression that begins where the row is, so that without labels nothing changes. With z the calibrated logit
of a frame, x its hidden values less their mean and over their deviation, it minimises over d and o

    mean cross-entropy of (z + d . x + o)  +  penalty / 2 |d|^2

The body of the network stays as it is. Not for judging what that is worth (`training.left_out`).
Source: Chelba and Acero 2006 (Computer Speech and Language 20), adaptation by a Gaussian prior at the trained weights.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

LEAST_DEVIATION = 1e-3  # of a hidden value that hardly moves; its weight would be huge


@dataclass(frozen=True, slots=True)
class Row:
    """What is added to the calibrated logit of a frame."""

    weight: NDArray[np.float64]
    """(h,) to be multiplied with the hidden values."""
    bias: float

    def added(self, hidden: NDArray[np.float32]) -> NDArray[np.float64]:
        """(T, h) to (T,)."""
        return np.asarray(hidden @ self.weight + self.bias)


def fit_row(hidden: NDArray[np.float32], logits: NDArray[np.float64], yes: NDArray[np.bool_], penalty: float) -> Row:
    """The row that fits labelled frames.

    Args:
        hidden: (n, h) of frames whose answer is known.
        logits: (n,) calibrated, by the row as it is.
        yes: (n,) the answers.
        penalty: on moving away from it, for each frame.
    """
    mean, deviation = hidden.mean(axis=0), np.maximum(hidden.std(axis=0), LEAST_DEVIATION)
    x = (hidden - mean) / deviation

    def loss(moved: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        z = logits + x @ moved[:-1] + moved[-1]
        error = (1 / (1 + np.exp(-np.clip(z, -60, 60))) - yes) / len(yes)
        slope = np.append(x.T @ error + penalty * moved[:-1], error.sum())
        return cross_entropy(z, yes) + penalty / 2 * float(moved[:-1] @ moved[:-1]), slope

    found = minimize(loss, np.zeros(x.shape[1] + 1), jac=True, method="L-BFGS-B", options={"maxiter": 200})
    weight = np.asarray(found.x[:-1] / deviation, np.float64)
    return Row(weight, float(found.x[-1] - weight @ mean))


def cross_entropy(logits: NDArray[np.float64], yes: NDArray[np.bool_]) -> float:
    """Mean over (n,) frames, nats."""
    return float(np.mean(np.logaddexp(0, logits) - yes * logits))
