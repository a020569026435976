"""Means and pooling over what was heard, by hand."""

from __future__ import annotations

import torch

from training.papers.pooling import halved, masked_mean, padded


def test_frames_are_appended_up_to_a_multiple_and_what_was_not_heard_is_silent() -> None:
    frames, valid = torch.ones(1, 2, 5, 3), torch.tensor([[1.0, 1, 0, 1, 1]])
    longer, scored = padded(frames, valid, 4)
    assert longer.shape == (1, 2, 8, 3)
    assert scored.tolist() == [[1, 1, 0, 1, 1, 0, 0, 0]]
    assert longer[0, 1, :, 2].tolist() == scored[0].tolist()
    assert padded(frames, valid, 5)[0].shape == (1, 2, 5, 3)


def test_mean_counts_heard_frames_alone() -> None:
    x = torch.tensor([[[1.0, 2.0], [3.0, 6.0], [100.0, 100.0]], [[1.0, 1.0]] * 3])
    scored = torch.tensor([[1.0, 1.0, 0.0], [0.0, 0.0, 0.0]])
    assert masked_mean(x, scored).tolist() == [[2.0, 4.0], [0.0, 0.0]]


def test_pooling_averages_heard_frames_alone() -> None:
    x = torch.tensor([[1.0, 3.0], [5.0, 7.0], [2.0, 4.0], [0.0, 0.0], [0.0, 0.0], [0.0, 0.0]])[None, None]
    pooled, scored = halved(x, torch.tensor([[1.0, 1, 1, 0, 0, 0]]))
    assert pooled[0, 0].tolist() == [[4.0], [3.0], [0.0]]
    assert scored.tolist() == [[1.0, 1.0, 0.0]]
