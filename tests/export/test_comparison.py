"""Distances between answers: nought for the same, and every kind of wrong is noticed."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from edge.model.backends.onnx import OnnxBackend
from edge.types import Chunk
from export.comparison import MIN_COSINE, MIN_TOP1, Difference, compare_outputs, score_all
from tests.edge.small_graph import SPEC, small_artefact

RNG = np.random.default_rng(0)
SCORES: NDArray[np.float32] = RNG.random((50, 20, 6)).astype(np.float32)
CLIP: NDArray[np.float32] = np.log(RNG.dirichlet(np.ones(7), 50)).astype(np.float32)


def test_the_same_answers_have_no_distance() -> None:
    found = compare_outputs({"scores": SCORES, "clip": CLIP}, {"scores": SCORES.copy(), "clip": CLIP.copy()})
    assert found.cosine == pytest.approx(1, abs=1e-12)
    assert (found.top1, found.largest, found.passes) == (1.0, 0.0, True)


def test_one_clip_in_twenty_with_another_label_fails_beside_a_thousand_frames_that_agree() -> None:
    other = CLIP.copy()
    other[::20] = -other[::20]  # the highest becomes the lowest
    found = compare_outputs({"scores": SCORES, "clip": CLIP}, {"scores": SCORES, "clip": other})
    assert found.top1 == pytest.approx(47 / 50)
    assert not found.passes


@pytest.mark.parametrize("broken", [np.nan, np.inf])
def test_what_is_no_number_fails(broken: float) -> None:
    other = SCORES.copy()
    other[3, 4, 5] = broken
    assert not compare_outputs({"scores": SCORES}, {"scores": other}).passes


def test_a_class_that_is_never_said_any_more_turns_the_vector() -> None:
    other = SCORES.copy()
    other[..., 2] = 0
    assert compare_outputs({"scores": SCORES}, {"scores": other}).cosine < 0.95


def test_the_bounds_themselves_pass() -> None:
    assert Difference(MIN_COSINE, MIN_TOP1, 1.0).passes
    assert not Difference(MIN_COSINE - 1e-6, 1.0, 0.0).passes
    assert not Difference(1.0, MIN_TOP1 - 1e-6, 0.0).passes


def test_answers_that_are_all_nought_agree_only_with_each_other() -> None:
    nothing = np.zeros_like(SCORES)
    assert compare_outputs({"scores": nothing}, {"scores": nothing}).passes
    assert compare_outputs({"scores": nothing}, {"scores": SCORES}).cosine == 0.0


def test_a_graph_hears_the_chunks_of_a_stream_in_order_and_begins_anew_where_they_say() -> None:
    valid, zeros = np.ones(4, np.bool_), np.zeros((4, SPEC.width), np.float32)
    chunks = [Chunk(4 * k, zeros, valid, valid, restart=k in (0, 2)) for k in range(4)]
    found = score_all(OnnxBackend(small_artefact()), chunks)
    # Silence is remembered as 1, half of it at the next chunk; a score is sigmoid of what was remembered before
    assert found["clip"].tolist() == [[1.5], [1.5]]  # of the two segments, when they have been heard
    np.testing.assert_allclose(found["scores"][:, 0, 0], [0.5, 0.73105858, 0.5, 0.73105858], rtol=1e-6)
    assert found.keys() == {"scores", "clip"}
