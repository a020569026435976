"""Layers by hand: which frames a tap lies on, what is kept of the past, what a leaky mean is."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from training.detector.layers import BLOCK, Context, Residual, _leaky_sums, normed_convolution

COUNT = 12  # score frames
IMPULSE = 6


def _row(*values: float) -> Tensor:
    """(1, 1, 1, T)."""
    return torch.tensor(values)[None, None, None]


def _residual(ahead: int) -> Residual:
    """One channel, three taps two frames apart that are 1, 10 and 100; nothing else but the way past them."""
    residual = Residual(1, 3, 2, ahead, 0.5).eval()
    for layer in residual.block:
        if isinstance(layer, nn.Conv2d):
            nn.init.ones_(layer.weight)
        elif isinstance(layer, nn.BatchNorm2d):
            layer.eps = 0.0
    residual.block[0].weight.data = _row(1.0, 10.0, 100.0)
    return residual.requires_grad_(False)


@pytest.mark.parametrize(
    ("ahead", "expected"),
    [
        (0, {6: 1 + 100.0, 8: 10.0, 10: 1.0}),  # the last tap lies on the frame itself
        (1, {4: 100.0, 6: 1 + 10.0, 8: 1.0}),
        (2, {2: 100.0, 4: 10.0, 6: 1 + 1.0}),
    ],
)
def test_taps_lie_around_the_frame_that_they_decide_and_the_way_past_them_on_it(
    ahead: int, expected: dict[int, float]
) -> None:
    residual = _residual(ahead)
    x = torch.zeros(1, 1, 1, COUNT + 4)
    x[..., IMPULSE] = 1.0
    y, _ = residual(x, torch.zeros(1, 1, 1, 4), torch.ones(1, 1, 1, COUNT + 4))
    assert (residual.past, residual.ahead) == (4, 2 * ahead)
    late = y[0, 0, 0, 2 * ahead :]  # so the answer to frame t stands at t
    assert {t: value for t, value in enumerate(late.tolist()) if value} == expected


def test_a_residual_block_keeps_what_its_taps_still_need_however_short_the_step() -> None:
    residual, x, scored = _residual(1), torch.rand(1, 1, 1, COUNT), torch.ones(1, 1, 1, COUNT)
    whole, last = residual(x, torch.zeros(1, 1, 1, 4), scored)
    past, pieces = torch.zeros(1, 1, 1, 4), []
    for piece, mark in zip(x.split([1, 2, 5, 4], 3), scored.split([1, 2, 5, 4], 3), strict=True):
        y, past = residual(piece, past, mark)
        pieces.append(y)
    torch.testing.assert_close(torch.cat(pieces, 3), whole)
    assert torch.equal(last, x[..., -4:])
    assert torch.equal(past, last)


def test_a_frame_that_was_not_heard_is_zero_behind_a_residual_block() -> None:
    scored = torch.ones(1, 1, 1, COUNT)
    scored[..., 3] = 0.0
    y, _ = _residual(1)(torch.ones(1, 1, 1, COUNT), torch.ones(1, 1, 1, 4), scored)
    assert y[0, 0, 0].tolist() == [112.0] * 3 + [0.0] + [112.0] * (COUNT - 4)


@given(
    st.sampled_from([1, 2, BLOCK - 1, BLOCK, BLOCK + 1, 2 * BLOCK, 2 * BLOCK + 1, 4 * BLOCK + 7]),
    st.sampled_from([2.0, 47.0, 250.0]),
    st.integers(0, 99),
)
def test_leaky_sums_are_those_of_the_plain_recurrence(length: int, constant: float, seed: int) -> None:
    generator, keep = torch.Generator().manual_seed(seed), math.exp(-1 / constant)
    x, total = torch.randn(2, 3, length, generator=generator), torch.randn(2, 3, generator=generator)
    sums, last = _leaky_sums(x, total, keep)
    for t in range(length):
        total = keep * total + x[..., t]
        torch.testing.assert_close(sums[..., t], total, rtol=1e-5, atol=1e-5)
    assert torch.equal(last, sums[..., -1])


def _context() -> tuple[Context, list[Tensor]]:
    """A memory that halves with each score frame, over two channels; and what is made of its statistics."""
    context, given_to_mix = Context(2, (1 / math.log(2),)), []
    nn.init.zeros_(context.mix[2].weight)
    nn.init.constant_(context.mix[2].bias, -1.0)
    context.mix.register_forward_pre_hook(lambda _, inputs: given_to_mix.append(inputs[0][0, :, 0]))
    return context.requires_grad_(False), given_to_mix


SCORED = _row(1.0, 1.0, 0.0, 1.0)
X = torch.tensor([[4.0, 8.0, 0.0, 2.0], [0.0, 1.0, 0.0, 0.0]])[None, :, None]
# each is half of the one before and the new one
COUNTS = [1.0, 1.5, 0.75, 1.375]
SUMS = [[4.0, 10.0, 5.0, 4.5], [0.0, 1.0, 0.5, 0.25]]
POWERS = [[16.0, 72.0, 36.0, 22.0], [0.0, 1.0, 0.5, 0.25]]


def test_the_context_is_mean_and_effective_value_of_what_was_heard_and_less_of_what_was_heard_for_a_moment() -> None:
    context, statistics = _context()
    _, after = context(X, torch.zeros(1, 1, 5), SCORED)
    means = [[total / (count + 1) for total, count in zip(row, COUNTS, strict=True)] for row in (*SUMS, *POWERS)]
    torch.testing.assert_close(statistics[0][:2], torch.tensor(means[:2]))
    torch.testing.assert_close(statistics[0][2:], torch.sqrt(torch.tensor(means[2:]) + 1e-4))
    torch.testing.assert_close(after[0, 0], torch.tensor([row[-1] for row in (*SUMS, *POWERS, COUNTS)]))


def test_the_context_goes_on_from_the_sums_that_it_left() -> None:
    context, statistics = _context()
    context(X, torch.zeros(1, 1, 5), SCORED)
    _, between = context(X[..., :1], torch.zeros(1, 1, 5), SCORED[..., :1])
    context(X[..., 1:], between, SCORED[..., 1:])
    whole, first, rest = statistics
    torch.testing.assert_close(torch.cat([first, rest], 1), whole)


def test_the_context_is_added_to_what_was_heard_alone() -> None:
    context, _ = _context()
    y, _ = context(X, torch.zeros(1, 1, 5), SCORED)
    assert y[0, :, 0].tolist() == [[3.0, 7.0, 0.0, 1.0], [0.0, 0.0, 0.0, 0.0]]  # its bias of -1 and no less than 0
    nn.init.constant_(context.mix[2].bias, 1.0)
    y, _ = context(X, torch.zeros(1, 1, 5), SCORED)
    assert y[0, :, 0].tolist() == [[5.0, 9.0, 0.0, 3.0], [1.0, 2.0, 0.0, 1.0]]


def test_each_time_constant_has_a_mean_and_an_effective_value_of_each_channel() -> None:
    context, statistics = Context(2, (4.0, 40.0)), []
    context.mix.register_forward_pre_hook(lambda _, inputs: statistics.append(inputs[0][0, :, 0]))
    with torch.no_grad():
        context(torch.full((1, 2, 1, 2000), 3.0), torch.zeros(1, 2, 5), torch.ones(1, 1, 1, 2000))
    expected = []
    for constant in (4.0, 40.0):
        count = 1 / (1 - math.exp(-1 / constant))  # of the leaky count, after long
        expected += 2 * [3 * count / (count + 1)] + 2 * [3 * math.sqrt(count / (count + 1))]
    torch.testing.assert_close(statistics[0][:, -1], torch.tensor(expected), rtol=1e-4, atol=1e-4)


def test_a_convolution_is_padded_in_frequency_alone() -> None:
    convolution = normed_convolution(1, 1, 5, (2, 2)).eval()
    assert convolution(torch.zeros(1, 1, 8, 13)).shape == (1, 1, 4, 5)  # (13 - 5) / 2 + 1 in time
