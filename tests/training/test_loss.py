"""The loss, by hand, and what must not cost anything."""

from __future__ import annotations

import math

import pytest
import torch

from training.loss import BREATH_WEIGHT, KIND_WEIGHT, detector_loss
from training.targets import COLUMNS, WIDTH


def test_a_silent_frame_and_an_undecided_network_cost_ln2_for_each_question() -> None:
    loss = detector_loss(torch.zeros(1, 1, WIDTH), torch.zeros(1, 1, WIDTH), torch.ones(1, 1), torch.ones(1))
    assert loss.item() == pytest.approx((2 + BREATH_WEIGHT) * math.log(2))


def test_a_wheeze_costs_its_kind_too() -> None:
    targets = torch.zeros(1, 1, WIDTH)
    targets[0, 0, [COLUMNS.continuous, COLUMNS.which_continuous.start]] = 1
    loss = detector_loss(torch.zeros(1, 1, WIDTH), targets, torch.ones(1, 1), torch.zeros(1))
    assert loss.item() == pytest.approx(2 * math.log(2) + KIND_WEIGHT * math.log(3))


def test_frames_that_were_not_heard_and_unknown_breath_have_no_gradient() -> None:
    logits = torch.randn(2, 5, WIDTH, requires_grad=True)
    heard = torch.ones(2, 5)
    heard[0, 2] = 0
    detector_loss(logits, torch.rand(2, 5, WIDTH), heard, torch.tensor([1.0, 0.0])).backward()
    assert logits.grad is not None
    assert not logits.grad[0, 2].any()
    assert not logits.grad[1, :, COLUMNS.breath].any()
    assert logits.grad[0, 0].all()
