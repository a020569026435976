"""The loss, by hand, and what must not cost anything."""

from __future__ import annotations

import math

import pytest
import torch

from training.datasets.targets import COLUMNS, WIDTH
from training.detector.loss import (
    BREATH_WEIGHT,
    KIND_WEIGHT,
    detector_loss,
    soften,
    somewhere_loss,
)


def test_a_silent_frame_and_an_undecided_network_cost_ln2_for_each_question() -> None:
    loss = detector_loss(torch.zeros(1, 1, WIDTH), torch.zeros(1, 1, WIDTH), torch.ones(1, 1), torch.ones(1, 1, 3))
    assert loss.item() == pytest.approx((2 + BREATH_WEIGHT) * math.log(2))


def test_a_wheeze_costs_its_kind_too() -> None:
    targets = torch.zeros(1, 1, WIDTH)
    targets[0, 0, [COLUMNS.continuous, COLUMNS.which_continuous.start]] = 1
    loss = detector_loss(torch.zeros(1, 1, WIDTH), targets, torch.ones(1, 1), torch.tensor([[[0.0, 1.0, 1.0]]]))
    assert loss.item() == pytest.approx(2 * math.log(2) + KIND_WEIGHT * math.log(3))


def test_frames_that_were_not_heard_and_unknown_breath_have_no_gradient() -> None:
    logits = torch.randn(2, 5, WIDTH, requires_grad=True)
    scored = torch.ones(2, 5)
    scored[0, 2] = 0
    weights = torch.ones(2, 5, 3)
    weights[1, :, COLUMNS.breath] = 0
    detector_loss(logits, torch.rand(2, 5, WIDTH), scored, weights).backward()
    assert logits.grad is not None
    assert not logits.grad[0, 2].any()
    assert not logits.grad[1, :, COLUMNS.breath].any()
    assert logits.grad[0, 0].all()


def _teachers(*frames: dict[int, float]) -> torch.Tensor:
    """(N, 1, 1, K) logits of N teachers, 0 where not given."""
    answers = torch.zeros(len(frames), 1, 1, WIDTH)
    for teacher, logits in enumerate(frames):
        for column, logit in logits.items():
            answers[teacher, 0, 0, column] = logit
    return answers


WHEEZE = COLUMNS.which_continuous.start
TWO = _teachers({}, {COLUMNS.continuous: math.log(3), WHEEZE: math.log(2)})


def test_where_no_sound_is_annotated_teachers_say_whether_there_is_one_but_not_which() -> None:
    soft = soften(torch.zeros(1, 1, WIDTH), TWO, 0.4)[0, 0]
    # The teachers say 0.5 and 0.75 of the continuous sound: 0.4 x 0.625
    torch.testing.assert_close(soft[:3], torch.tensor([0.2, 0.25, 0.2]))
    assert not soft[3:].any()


def test_where_a_sound_is_annotated_teachers_share_in_its_kind() -> None:
    targets = torch.zeros(1, 1, WIDTH)
    targets[0, 0, [COLUMNS.continuous, WHEEZE]] = 1.0
    # One teacher says a third of each kind, the other 1/2, 1/4, 1/4: 5/12, 7/24, 7/24; 0.6 x (1, 0, 0) + 0.4 x that
    kinds = torch.tensor([0.6 + 0.4 * 5 / 12, 0.4 * 7 / 24, 0.4 * 7 / 24])
    soft = soften(targets, TWO, 0.4)[0, 0]
    torch.testing.assert_close(soft[COLUMNS.which_continuous], kinds)
    torch.testing.assert_close(soft[COLUMNS.continuous], torch.tensor(0.6 + 0.4 * 0.625))
    half = soften(targets / 2, TWO, 0.4)[0, 0]
    torch.testing.assert_close(half[COLUMNS.which_continuous], kinds / 2)
    assert not soft[COLUMNS.which_discontinuous].any()


def test_no_share_of_the_teachers_leaves_the_targets_and_a_whole_share_replaces_them() -> None:
    targets = torch.rand(2, 3, WIDTH)
    answers = torch.randn(2, 2, 3, WIDTH)
    assert torch.equal(soften(targets, answers, 0.0), targets)
    torch.testing.assert_close(soften(targets, answers, 1.0)[..., :3], torch.sigmoid(answers[..., :3]).mean(0))


def _cycle(*continuous: float) -> torch.Tensor:
    """(1, 4, K) logits with these probabilities of continuous sound."""
    logits = torch.zeros(1, 4, WIDTH)
    logits[0, :, COLUMNS.continuous] = torch.logit(torch.tensor(continuous))
    return logits


CYCLE = torch.tensor([[[1.0], [1.0], [1.0], [0.0]]])  # (1, 4, 1): three frames of a cycle, one of none
SHARE = CYCLE / 3
THERE = torch.stack([CYCLE, torch.zeros_like(CYCLE)], -1)  # a wheeze is somewhere in it


def test_a_cycle_is_asked_for_its_sound_somewhere_and_weighs_as_its_frames() -> None:
    loss = somewhere_loss(_cycle(0.9, 0.1, 0.1, 0.5), torch.ones(1, 4), CYCLE, SHARE, THERE)
    pooled = (0.81 + 0.01 + 0.01) / 1.1  # linear softmax
    assert loss.item() == pytest.approx(3 / 4 * -math.log(pooled), rel=1e-5)


def test_a_cycle_of_which_a_part_was_not_heard_asks_less() -> None:
    scored = torch.tensor([[1.0, 0.0, 1.0, 1.0]])
    loss = somewhere_loss(_cycle(0.5, 0.9, 0.5, 0.5), scored, CYCLE, SHARE, THERE)
    assert loss.item() == pytest.approx(2 / 3 * 2 / 3 * math.log(2), rel=1e-5)


def test_the_loudest_frames_of_a_cycle_are_raised_the_others_lowered_and_no_other_is_touched() -> None:
    logits = _cycle(0.9, 0.1, 0.1, 0.5).requires_grad_()
    somewhere_loss(logits, torch.ones(1, 4), CYCLE, SHARE, THERE).backward()
    assert logits.grad is not None
    assert torch.sign(logits.grad[0, :, COLUMNS.continuous]).tolist() == [-1, 1, 1, 0]
    assert not logits.grad[..., COLUMNS.discontinuous].any()


def test_without_cycles_nothing_is_asked() -> None:
    nothing = somewhere_loss(_cycle(0.5, 0.5, 0.5, 0.5), torch.ones(1, 4), CYCLE, SHARE, torch.zeros_like(THERE))
    assert nothing.item() == 0
