"""The distribution of lambda, and that it follows its generator."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from training.papers.patchmix import draw_lambda


def test_lambda_is_beta_distributed_and_follows_the_generator() -> None:
    generator = torch.Generator().manual_seed(0)
    uniform = [draw_lambda(1.0, generator) for _ in range(500)]
    assert np.mean(uniform) == pytest.approx(0.5, abs=0.05)
    assert np.var(uniform) == pytest.approx(1 / 12, abs=0.015)
    extreme = [draw_lambda(0.2, generator) for _ in range(500)]
    assert np.var(extreme) == pytest.approx(1 / (4 * 1.4), abs=0.03)
    assert draw_lambda(1.0, torch.Generator().manual_seed(0)) == uniform[0]


def test_alpha_of_zero_mixes_nothing() -> None:
    assert draw_lambda(0.0) == 1.0
