"""Eight independent answers, and a loss that leaves out what nobody knows."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from training.detector.model import parameter_count
from training.papers.hear import LABELS, EventDetector, Separable, SeparableBody, event_loss


def _settled(module: torch.nn.Module) -> torch.nn.Module:
    """In evaluation, with batch norms that do something to silence."""
    for part in module.modules():
        if isinstance(part, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(part.bias, 0, 1)
    return module.eval()


def test_block_is_a_depthwise_and_a_pointwise_convolution() -> None:
    torch.manual_seed(0)
    block, x = Separable(3, 4, 2).eval(), torch.randn(1, 3, 8, 6) * 4
    each = [F.conv2d(x[:, i : i + 1], block.depthwise.weight[i : i + 1], stride=2, padding=1) for i in range(3)]
    inner = (torch.cat(each, 1) / (1 + 1e-5) ** 0.5).clamp(0, 6)
    outer = torch.einsum("oi,bitm->botm", block.pointwise.weight[..., 0, 0], inner) / (1 + 1e-5) ** 0.5
    assert torch.allclose(block(x), outer.clamp(0, 6), atol=1e-5)


@settings(deadline=None, max_examples=10)
@given(st.integers(1, 3), st.integers(1, 210))
def test_eight_logits_for_clips_of_any_length(batch: int, frames: int) -> None:
    logits = EventDetector().eval()(torch.randn(batch, 1, frames, 48), torch.ones(batch, frames))
    assert logits.shape == (batch, len(LABELS)) == (batch, 8)


def test_what_was_not_heard_and_how_far_a_clip_is_padded_change_nothing() -> None:
    torch.manual_seed(0)
    body = _settled(SeparableBody())
    frames, valid = torch.randn(2, 1, 190, 48), torch.ones(2, 190)
    valid[1, 101:] = 0
    embeddings = body(frames, valid)
    assert embeddings.std() > 0.1
    longer = torch.cat([frames, torch.randn(2, 1, 37, 48)], 2)
    longer[1, :, 101:] = 77.0
    assert torch.allclose(body(longer, F.pad(valid, (0, 37))), embeddings, atol=1e-5)
    assert torch.allclose(body(frames[1:, :, :101], torch.ones(1, 101)), embeddings[1:], atol=1e-5)
    assert body(frames, 0 * valid).isfinite().all()


def test_loss_by_hand_over_what_is_known() -> None:
    logits, targets = torch.tensor([[0.0, math.log(3), 5.0], [0.0, 0.0, 5.0]]), torch.tensor([[1.0, 1, 0], [0, 0, 1]])
    per_label = event_loss(logits, targets, torch.tensor([False, True, False]))
    assert per_label.item() == pytest.approx((-math.log(0.75) - math.log(0.5)) / 2, rel=1e-6)
    per_clip = event_loss(logits, targets, torch.tensor([[True, True, False], [False, False, False]]))
    assert per_clip.item() == pytest.approx((-math.log(0.5) - math.log(0.75)) / 2, rel=1e-6)


def test_unknown_answers_have_no_gradient() -> None:
    logits, known = torch.randn(4, 8, requires_grad=True), torch.arange(8) % 7 == 0
    event_loss(logits, torch.rand(4, 8), known).backward()
    assert logits.grad is not None
    assert torch.equal((logits.grad != 0).all(0), known)
    assert torch.equal((logits.grad != 0).any(0), known)
    logits.grad = None
    nothing = event_loss(logits, torch.rand(4, 8), torch.zeros(8, dtype=torch.bool))
    nothing.backward()
    assert nothing.item() == 0
    assert not logits.grad.any()


def test_labels_are_those_of_the_released_detector() -> None:
    assert LABELS == ("Cough", "Snore", "Baby Cough", "Breathe", "Sneeze", "Throat Clear", "Laugh", "Speech")


def test_stated_size_and_every_weight_learns() -> None:
    torch.manual_seed(0)
    body = SeparableBody()
    assert parameter_count(body) == 35_584
    detector = EventDetector().train()
    detector(torch.randn(4, 1, 200, 48), torch.ones(4, 200)).square().sum().backward()
    assert all(p.grad is not None and p.grad.any() for p in detector.parameters())
