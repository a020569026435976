"""The detector at once, in steps and by its definition is one; what is late is late by what is said, and no more."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional as F

from edge.errors import ConfigError
from edge.model.specs import ChunkSpec
from tests.training.detector.networks import LOOKAHEAD, by_definition, in_steps, noise, runs, trained
from training.detector.hyperparameters import Recipe
from training.detector.model import STRIDE, Detector, NetworkSpec, Scorer, class_scores

pytestmark = pytest.mark.usefixtures("one_thread")
LENGTH = 160  # frames
HOLES = {
    "all valid": runs(length=LENGTH),
    "single frames": runs(1, 6, 1, 9, 2, 1, 30, 1, 1, 1, 1, 13, 1, 40, length=LENGTH),
    "long gaps": runs(30, 70, 22, 10, length=LENGTH),
    "nothing heard at the begin": runs(50, length=LENGTH, begins_valid=False),
    "nothing heard at the end": runs(50, LENGTH, length=LENGTH),
    "nothing heard": torch.zeros(1, LENGTH),
}
of_holes = pytest.mark.parametrize("valid", HOLES.values(), ids=HOLES)


def _close(one: Tensor, other: Tensor) -> None:
    """Within 1e-5, or that share of the largest value."""
    torch.testing.assert_close(one, other, rtol=0, atol=1e-5 * max(1.0, float(other.abs().amax())))


def _spread(detector: Detector, frames: Tensor, valid: Tensor) -> float:
    """Of the logits from one score frame to the next: a network that says the same of all frames is not tested."""
    return float(detector(frames, valid).std(1).amax())


def test_the_network_of_the_recipe_is_of_this_size() -> None:
    spec, recipe = NetworkSpec(), Recipe()
    assert spec.lookahead == 1 + 2 * 1 + 2 * 2 + 2 * 4 + 0 * 8 + 0 * 16 + 1 * 1 == 16
    assert recipe.chunk == ChunkSpec(60, 64, 4)
    # frames with their validity, marks, two leaky sums, and what four of the five taps need of the past
    state = 9 * (2 * 48 + 1) + 16 + 2 * (2 * 128 + 1) + 128 * 4 * (1 + 2 + 4 + 8 + 16 + 1)
    assert Detector(spec).state_size == state == 17787
    scorer = Scorer(Detector(spec), torch.ones(3), torch.zeros(3))
    assert scorer.state_size == state + 2 * 128 + 1 == 18044


@pytest.mark.parametrize("ahead", [(2,), (2, 1, 0), (2, 5), (-1, 0)])
def test_blocks_whose_taps_are_not_said_or_do_not_exist_are_refused(ahead: tuple[int, ...]) -> None:
    with pytest.raises(ConfigError, match=r"network\.ahead = .*, expected one of 0 to 4 for each of network\.dila"):
        NetworkSpec(dilations=(1, 2), ahead=ahead)


@of_holes
@torch.no_grad()
def test_a_whole_stream_is_answered_by_definition(valid: Tensor) -> None:
    detector, frames = trained(), noise(valid)
    answer, (logits, hidden) = detector.whole(frames, valid), by_definition(detector, frames, valid)
    _close(answer.logits, logits)
    _close(answer.hidden, hidden)
    assert torch.equal(answer.heard, valid.reshape(1, -1, STRIDE).amax(2))
    assert (_spread(detector, frames, valid) > 0.1) == bool(valid.any())


@given(
    st.lists(st.integers(1, 12), min_size=1, max_size=8),
    st.lists(st.integers(1, 60), max_size=12),
    st.booleans(),
    st.integers(0, 9),
)
@settings(max_examples=30)
@torch.no_grad()
def test_any_cut_of_a_stream_gives_the_answer_of_the_whole(
    steps: list[int], gaps: list[int], begins_valid: bool, seed: int
) -> None:
    valid = runs(*gaps, length=LENGTH, begins_valid=begins_valid)
    detector, frames = trained(seed=seed), noise(valid, seed=seed)
    whole, pieces = detector.whole(frames, valid), in_steps(detector, frames, valid, [STRIDE * n for n in steps])
    _close(pieces.logits, whole.logits)
    _close(pieces.hidden, whole.hidden)
    _close(pieces.state, whole.state)
    assert torch.equal(pieces.heard, whole.heard)


@pytest.mark.parametrize("lengths", [[4], [20], [60], [4, 60, 8, 20, 100]], ids=str)
@torch.no_grad()
def test_the_network_of_the_recipe_answers_in_steps_as_at_once(lengths: list[int]) -> None:
    spec, length = NetworkSpec(), 320
    valid = torch.cat([runs(100, 50, 1, 5, 31, 3, length=length), runs(60, 30, 90, length=length)])
    valid[1] = 1 - valid[1]  # nothing is heard at its begin, and at its end
    detector, frames = trained(spec), noise(valid, spec)
    whole, pieces = detector.whole(frames, valid), in_steps(detector, frames, valid, lengths)
    _close(pieces.logits, whole.logits)
    _close(pieces.hidden, whole.hidden)
    _close(pieces.state, whole.state)
    assert _spread(detector, frames, valid) > 0.1


@of_holes
@torch.no_grad()
def test_what_was_not_valid_adds_nothing_and_a_score_frame_of_which_nothing_was_is_zero(valid: Tensor) -> None:
    detector, frames = trained(), noise(valid)
    other = torch.where(valid[..., None] > 0, frames, 99.0)
    one, same = detector.whole(frames, valid), detector.whole(other, valid)
    assert torch.equal(one.logits, same.logits)
    assert torch.equal(one.state, same.state)
    unheard = valid.reshape(1, -1, STRIDE).amax(2) == 0
    assert not one.hidden.transpose(1, 2)[unheard].any()
    assert (one.logits[unheard] == detector.head.bias).all()
    assert one.hidden.transpose(1, 2)[~unheard].any(1).all()


@torch.no_grad()
def test_a_stream_that_is_heard_later_is_answered_as_if_it_had_begun_there() -> None:
    detector, valid = trained(), HOLES["long gaps"]
    frames, silence = noise(valid), 52
    later = detector.whole(F.pad(frames, (0, 0, silence, 0), value=9.0), F.pad(valid, (silence, 0)))
    _close(later.logits[:, silence // STRIDE :], detector(frames, valid))
    assert torch.equal(later.logits[:, : silence // STRIDE].unique(dim=1)[:, 0], detector.head.bias[None])


@pytest.mark.parametrize("decided", [0, 9, 20])
@torch.no_grad()
def test_an_answer_depends_on_no_frame_beyond_the_lookahead_and_on_the_last_one_within(decided: int) -> None:
    detector, valid = trained(), runs(length=LENGTH)
    assert detector.spec.lookahead == LOOKAHEAD
    frames, beyond = noise(valid), STRIDE * (decided + LOOKAHEAD + 1)
    logits = detector(frames, valid)
    for changed, is_equal in ((beyond, True), (beyond - 1, False)):
        other, other_valid = frames.clone(), valid.clone()
        other[:, changed:] = 9.0
        assert torch.equal(detector(other, valid)[:, : decided + 1], logits[:, : decided + 1]) == is_equal
        other_valid[:, changed:] = 0.0
        assert torch.equal(detector(frames, other_valid)[:, : decided + 1], logits[:, : decided + 1]) == is_equal


def test_the_stem_sees_13_frames_and_the_one_in_their_middle_lies_in_its_score_frame() -> None:
    spec = NetworkSpec(images=1, bands=8, stem=(2, 2, 2), hidden=2, kernel=1, dilations=(1, 1), ahead=(0, 0))
    detector = Detector(spec).eval()  # its blocks see one score frame, and its context is switched off
    for weights in detector.parameters():
        weights.data.abs_()
    nn.init.zeros_(detector.context.mix[2].weight)
    valid, decided = torch.ones(1, 80), 7
    frames = torch.ones(1, 80, 8, requires_grad=True)
    detector.whole(frames, valid).hidden[0, :, decided].sum().backward()
    assert frames.grad is not None
    weight = frames.grad.abs().sum(2)[0]
    seen = weight.nonzero().flatten().tolist()
    assert seen == list(range(4 * decided - 5, 4 * decided + 8))
    assert STRIDE * decided <= seen[len(seen) // 2] < STRIDE * (decided + 1)


@torch.no_grad()
def test_when_nothing_was_heard_for_long_the_state_is_zero_again_but_for_the_leaky_sums() -> None:
    """Of SMALL, the block of dilation 4 remembers longest: 4 x 4 score frames, that come to it 1 + 2 + 2 late."""
    detector, reach, begin = trained(), 16 + 5, 9 * (2 * 8 + 1) + LOOKAHEAD
    sums = slice(begin, begin + 2 * (2 * 16 + 1))
    valid = runs(length=LENGTH)
    before = detector.step(noise(valid), valid, torch.zeros(1, detector.state_size)).state
    for count, is_zero in ((reach - 1, False), (reach, True)):
        silent = torch.zeros(1, STRIDE * count)
        after = detector.step(noise(silent), silent, before).state
        assert after[:, sums].any()
        after[:, sums] = 0.0
        assert bool((after == 0).all()) == is_zero


@torch.no_grad()
def test_streams_in_one_batch_are_answered_as_alone() -> None:
    detector, valid = trained(), torch.cat(list(HOLES.values()))
    frames = noise(valid)
    together = in_steps(detector, frames, valid, [20])
    for row in range(len(valid)):
        alone = in_steps(detector, frames[row : row + 1], valid[row : row + 1], [20])
        assert torch.allclose(together.logits[row], alone.logits[0], rtol=0, atol=1e-5)
        assert torch.allclose(together.state[row], alone.state[0], rtol=0, atol=1e-4)  # sums over many frames


def _scorer() -> Scorer:
    return Scorer(trained(), torch.tensor([1.0, 2.0, 0.5]), torch.tensor([0.0, -1.0, 0.5])).eval()


@given(st.lists(st.integers(1, 12), min_size=1, max_size=8), st.sampled_from(list(HOLES)))
@settings(max_examples=20)
@torch.no_grad()
def test_what_is_exported_says_in_any_steps_what_the_detector_says_at_once(steps: list[int], gaps: str) -> None:
    scorer, valid = _scorer(), HOLES[gaps]
    frames, end = noise(valid), LENGTH + STRIDE * LOOKAHEAD
    logits, labels = scorer.detector.answer(frames, valid)
    frames, valid = F.pad(frames, (0, 0, 0, end - LENGTH)), F.pad(valid, (0, end - LENGTH))
    state, begin, scores = torch.zeros(1, scorer.state_size), 0, []
    while begin < end:
        count = STRIDE * steps[len(scores) % len(steps)]
        some, clip, state = scorer(frames[:, begin : begin + count], valid[:, begin : begin + count], state)
        scores.append(some)
        begin += count
    _close(torch.cat(scores, 1)[:, LOOKAHEAD:], class_scores(logits, scorer.scale, scorer.bias))
    _close(clip, torch.log_softmax(labels, -1))
    assert state.shape == (1, scorer.state_size)


def test_what_is_exported_is_a_graph_of_any_batch() -> None:
    scorer, length = _scorer(), 20
    batch = torch.export.Dim("batch", min=1, max=64)
    shapes = ({0: batch},) * 3
    valid = torch.cat([runs(length=length), runs(3, 9, length=length)])
    arguments = (noise(valid), valid, torch.zeros(2, scorer.state_size))
    graph = torch.export.export(scorer, arguments, dynamic_shapes=shapes).module()
    valid = torch.cat([valid, 1 - valid, runs(5, 5, length=length)])
    state = torch.zeros(len(valid), scorer.state_size)
    with torch.no_grad():
        for seed in range(3):
            answered = graph(noise(valid, seed=seed), valid, state)
            for found, expected in zip(answered, scorer(noise(valid, seed=seed), valid, state), strict=True):
                _close(found, expected)
            state = answered[2]
    assert state.any()
