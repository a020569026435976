"""What the whole window adds to a frame is of what was heard alone."""

from __future__ import annotations

import torch

from training.detector.model import Context, Detector, NetworkSpec, _pooled

HEARD = torch.tensor([[[1.0, 1.0, 0.0, 1.0, 0.0]]])


def _context() -> tuple[Context, list[torch.Tensor]]:
    """The pooling alone; and what the layers behind it were given."""
    context, given = Context(2), []
    context.mix = torch.nn.Sequential(torch.nn.Conv1d(4, 2, 1))
    context.mix.register_forward_pre_hook(lambda _, inputs: given.append(inputs[0]))
    return context, given


def test_the_context_is_mean_and_maximum_of_the_frames_that_were_heard() -> None:
    context, given = _context()
    x = torch.tensor([[[1.0, 2.0, 90.0, 6.0, 90.0], [0.0, 3.0, 90.0, 0.0, 90.0]]])
    context(x, HEARD)
    (pooled,) = given
    # 9 / 3 and 3 / 3 on the average, 6 and 3 at most; 90 was not heard
    torch.testing.assert_close(pooled.flatten(), torch.tensor([3.0, 1.0, 6.0, 3.0]), rtol=1e-3, atol=0)


def test_the_context_of_a_window_without_a_heard_frame_is_nothing() -> None:
    context, given = _context()
    context(torch.full((1, 2, 5), 90.0), torch.zeros(1, 1, 5))
    assert not given[0].any()


def test_frames_that_were_not_heard_cannot_reach_those_that_were_through_the_context() -> None:
    torch.manual_seed(0)
    context = Context(8)
    x = torch.rand(3, 8, 5)
    loud = torch.where(HEARD.bool(), x, 1000 * x)
    heard = HEARD.expand(3, 1, 5)
    torch.testing.assert_close(context(loud, heard) * heard, context(x, heard) * heard)


def test_a_clip_is_mean_and_maximum_of_what_was_heard() -> None:
    x = torch.tensor([[[1.0, 2.0, 90.0, 6.0, 90.0], [0.0, 3.0, 90.0, 0.0, 90.0]]])
    assert _pooled(x, HEARD).tolist() == [[3.0, 1.0, 6.0, 3.0]]
    assert _pooled(x, torch.zeros(1, 1, 5)).tolist() == [[0.0] * 4]


SMALL = NetworkSpec(images=1, bands=8, stem=(8, 8, 8), hidden=16, dilations=(1, 1))


def test_a_score_frame_was_heard_when_all_its_frames_were() -> None:
    valid = torch.tensor([[1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0]])
    _, heard = Detector(SMALL).eval().encode(torch.zeros(1, 12, 8), valid)
    assert heard.tolist() == [[[1.0, 0.0, 0.0]]]


def test_what_lies_in_frames_that_were_not_heard_changes_nothing_and_what_was_heard_does() -> None:
    torch.manual_seed(1)
    network, valid = Detector(SMALL).eval(), torch.ones(1, 12)
    valid[0, 6] = 0.0
    silent = torch.zeros(3, 12, 8)  # three windows
    silent[1, 6], silent[2, 5] = 9.0, 9.0
    with torch.no_grad():
        alone, unheard, heard = network(silent, valid.expand(3, 12))
    assert torch.equal(alone, unheard)
    assert not torch.equal(alone, heard)
