"""Several detectors as one: the mean of their logits, in steps as at once, with the states of all of them."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.training.detector.networks import SMALL, in_steps, noise, runs, trained
from training.detector.model import STRIDE, NetworkSpec, Scorer, class_scores, pooled
from training.detector.networks import Ensemble, joined

pytestmark = pytest.mark.usefixtures("one_thread")
LENGTH = 160  # frames
VALID = torch.cat([runs(30, 70, 22, 10, length=LENGTH), runs(length=LENGTH), torch.zeros(1, LENGTH)])


def _members() -> list:
    return [trained(seed=seed) for seed in range(3)]


@torch.no_grad()
def test_its_logits_are_the_mean_of_those_of_its_members_and_its_hidden_channels_are_those_of_all() -> None:
    members = _members()
    frames = noise(VALID)
    answer, own = joined(members).whole(frames, VALID), [member.whole(frames, VALID) for member in members]
    torch.testing.assert_close(answer.logits, torch.stack([one.logits for one in own]).mean(0))
    assert torch.equal(answer.hidden, torch.cat([one.hidden for one in own], 1))
    assert all(torch.equal(answer.heard, one.heard) for one in own)
    assert torch.equal(answer.state, torch.cat([one.state for one in own], 1))
    assert not torch.allclose(own[0].logits, own[1].logits, atol=0.1), "members that say the same prove nothing"


@torch.no_grad()
def test_a_clip_is_labelled_by_the_mean_of_what_each_member_says_of_its_own_channels() -> None:
    members = _members()
    frames = noise(VALID)
    _, labels = joined(members).answer(frames, VALID)
    torch.testing.assert_close(labels, torch.stack([member.answer(frames, VALID)[1] for member in members]).mean(0))


@given(st.lists(st.integers(1, 12), min_size=1, max_size=6), st.lists(st.integers(1, 60), max_size=8))
@settings(max_examples=15)
@torch.no_grad()
def test_any_cut_of_a_stream_gives_the_answer_of_the_whole(steps: list[int], gaps: list[int]) -> None:
    ensemble, valid = joined(_members()), runs(*gaps, length=LENGTH)
    frames = noise(valid)
    whole, pieces = ensemble.whole(frames, valid), in_steps(ensemble, frames, valid, [STRIDE * n for n in steps])
    for name in ("logits", "hidden", "state"):
        expected = getattr(whole, name)
        limit = 1e-5 * max(1.0, float(expected.abs().amax()))
        torch.testing.assert_close(getattr(pieces, name), expected, rtol=0, atol=limit)


@torch.no_grad()
def test_what_is_exported_remembers_what_all_members_heard() -> None:
    ensemble = joined(_members())
    scorer = Scorer(ensemble, torch.tensor([1.0, 2.0, 0.5]), torch.tensor([0.0, -1.0, 0.5])).eval()
    assert scorer.state_size == 3 * trained().state_size + 2 * 3 * SMALL.hidden + 1
    frames, state, scores = noise(VALID), torch.zeros(3, scorer.state_size), []
    for begin in range(0, LENGTH, 20):
        some, clip, state = scorer(frames[:, begin : begin + 20], VALID[:, begin : begin + 20], state)
        scores.append(some)
    late, whole = SMALL.lookahead, ensemble.whole(frames, VALID)
    expected = class_scores(whole.logits, scorer.scale, scorer.bias)[:, : LENGTH // STRIDE - late]
    torch.testing.assert_close(torch.cat(scores, 1)[:, late:], expected, rtol=0, atol=1e-5)
    answer = ensemble.step(frames, VALID, torch.zeros(3, ensemble.state_size))  # what has left the lookahead
    torch.testing.assert_close(clip, torch.log_softmax(ensemble.clip_head(pooled(answer)), -1), rtol=0, atol=1e-5)


def test_one_member_is_itself_and_none_or_two_sizes_are_refused() -> None:
    member = trained()
    assert joined([member]) is member
    with pytest.raises(ValueError, match="expected detectors of one size"):
        Ensemble([])
    with pytest.raises(ValueError, match="expected detectors of one size"):
        joined([member, trained(NetworkSpec(bands=8, stem=(2, 2, 4), hidden=8))])
