"""Parity: each bound can be broken, and what breaks it is named."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from onnx import ModelProto

from edge.features import FrontEnd
from edge.model.backends.onnx import OnnxBackend
from edge.model.model import Model
from edge.model.specs import Variant
from edge.types import Event
from export.artefacts import to_artefact, to_graph
from export.parity import (
    GAPS,
    ComparisonSet,
    as_at_a_bed,
    decisions,
    differences,
    distance,
    from_torch,
    golden_sounds,
    streamed,
    with_gaps,
)
from export.streams import Answers, ChunkNetwork, Sound, of_backend
from tests.export.networks import small_metadata, small_scorer, small_sounds
from training.detector.model import Scorer
from training.synthetic.scene import scene

Change = Callable[[Answers], Answers]


def changed(network: ChunkNetwork, change: Change) -> ChunkNetwork:
    """The network, its answers changed by a function."""
    return replace(network, step=lambda given: change(network.step(given)))


@pytest.fixture(scope="module")
def scorer() -> Scorer:
    return small_scorer()


@pytest.fixture(scope="module")
def graph(scorer: Scorer) -> ModelProto:
    return to_graph(scorer, scorer.state_size, small_metadata())


@pytest.fixture(scope="module")
def model(graph: ModelProto) -> Model:
    """An artefact whose thresholds lie among the scores of a network that never learnt."""
    metadata = small_metadata()
    metadata = replace(metadata, thresholds=dict.fromkeys(metadata.thresholds, 0.17))
    content = to_artefact(graph, metadata, Variant())
    return Model(content, OnnxBackend(content))


@pytest.fixture(scope="module")
def network(graph: ModelProto, model: Model) -> ChunkNetwork:
    return of_backend(OnnxBackend(graph.SerializeToString()), model.chunk)


@pytest.fixture(scope="module")
def compared() -> ComparisonSet:
    return ComparisonSet(small_sounds(6), small_sounds(12, seed=1), "noise")


def test_an_artefact_is_at_no_distance_from_itself(
    network: ChunkNetwork, model: Model, compared: ComparisonSet
) -> None:
    found = distance(network, network, compared, model)
    assert (found.largest, found.mean, found.top1, found.decisions, found.clip_top1) == (0, 0, 1, 1, 1)
    assert found.failed() == []


@pytest.mark.parametrize(
    ("change", "broken"),
    [
        (lambda a: a._replace(scores=a.scores[..., ::-1].copy()), {"cosine", "top1", "decisions"}),
        (lambda a: a._replace(clip=a.clip[..., ::-1].copy()), {"clip_cosine", "clip_top1"}),
        (lambda a: a._replace(scores=np.full_like(a.scores, np.nan)), {"cosine", "top1"}),
        (lambda a: a._replace(scores=a.scores * 0.1), {"decisions"}),
        (lambda a: a._replace(state=np.zeros_like(a.state)), {"clip_cosine", "clip_top1"}),
        (lambda a: a._replace(clip=a.clip * 2.0), set()),
    ],
)
def test_what_differs_too_much_is_named(
    network: ChunkNetwork, model: Model, compared: ComparisonSet, change: Change, broken: set[str]
) -> None:
    failed = distance(network, changed(network, change), compared, model).failed()
    assert broken <= {expected_text.split()[0] for expected_text in failed}
    assert bool(failed) == bool(broken)


def test_what_would_open_is_the_highest_class_that_reaches_its_threshold(model: Model) -> None:
    named, bar = {name: i for i, name in enumerate(model.classes)}, 0.17
    scores = np.zeros((4, len(named)), np.float32)
    scores[1, named["wheeze"]], scores[1, named["stridor"]] = bar + 0.1, bar + 0.3
    scores[2, named["fine_crackle"]] = bar - 0.01
    scores[3, named["coarse_crackle"]] = 0.9
    assert decisions(scores, model).tolist() == [
        [-1, -1],
        [named["stridor"], -1],
        [-1, -1],
        [-1, named["coarse_crackle"]],
    ]


@pytest.mark.parity
def test_at_once_in_steps_and_exported_the_answers_are_the_same_with_every_pattern_of_loss(
    scorer: Scorer, model: Model, network: ChunkNetwork
) -> None:
    sounds = with_gaps(golden_sounds(model.rate_hz)[1:3], model.spec)
    assert len(sounds) == 2 * len(GAPS)
    assert {bool(sound.valid.any()) for sound in sounds} == {True, False}
    assert from_torch(scorer, network, sounds) < 1e-5


@pytest.mark.parametrize(
    "change",
    [
        lambda a: a._replace(scores=a.scores + np.float32(1e-4)),
        lambda a: a._replace(clip=a.clip + np.float32(1e-3)),
        lambda a: a._replace(state=a.state * np.float32(0.9)),
        lambda a: a._replace(scores=np.where(a.scores > 0.2, np.nan, a.scores)),
    ],
)
def test_an_artefact_that_says_something_else_than_torch_is_noticed(
    scorer: Scorer, network: ChunkNetwork, change: Change
) -> None:
    assert not from_torch(scorer, changed(network, change), small_sounds(2)) <= 1e-5


def _scene(model: Model) -> tuple[NDArray[np.float32], Sound]:
    samples = np.asarray(scene(7, 6.0)[0], np.float32)
    return samples, as_at_a_bed(samples, np.ones(len(samples), np.bool_), FrontEnd(model.spec))


def test_the_edge_gives_the_scores_of_the_comparison(network: ChunkNetwork, model: Model) -> None:
    assert streamed(model, network, *_scene(model)) < 1e-6


def test_scores_that_are_not_those_of_the_edge_are_noticed(network: ChunkNetwork, model: Model) -> None:
    wrong = changed(network, lambda a: a._replace(scores=a.scores + np.float32(0.01)))
    assert streamed(model, wrong, *_scene(model)) == pytest.approx(0.01, rel=0.01)


def test_what_a_link_lost_is_not_valid_and_what_came_is_as_without_loss(model: Model) -> None:
    samples, whole = _scene(model)
    lost_ones = GAPS["20 ms each second"](len(samples), model.rate_hz)
    received = as_at_a_bed(samples, lost_ones, FrontEnd(model.spec))
    assert len(received.valid) == len(whole.valid)
    assert 0.8 < received.valid.mean() < 0.98
    assert not received.frames[~received.valid].any()
    # the high-pass begins anew behind each hole: what it remembers of before is below 1e-4 once it has settled
    np.testing.assert_allclose(received.frames[received.valid], whole.frames[received.valid], atol=1e-4)


def _event(label: str, onset_s: float, end_s: float) -> Event:
    return Event("end", label, round(8000 * onset_s), round(8000 * end_s), 0.5, 0.5, 0.3, "quiet")


def test_events_are_alike_when_they_begin_and_end_within_the_collar() -> None:
    expected = [_event("wheeze", 1.0, 2.0)]
    assert differences(expected, [_event("wheeze", 1.19, 1.81)], 8000) == []
    assert "wheeze at 1.00 s" in differences(expected, [_event("wheeze", 1.21, 2.0)], 8000)[0]
    assert "found at 1.00 s to 2.21 s" in differences(expected, [_event("wheeze", 1.0, 2.21)], 8000)[0]


def test_another_sound_and_a_missing_one_are_differences() -> None:
    expected = [_event("wheeze", 1.0, 2.0)]
    assert differences(expected, [_event("stridor", 1.0, 2.0)], 8000) == ["expected wheeze; found stridor"]
    assert differences(expected, [], 8000) == ["expected wheeze; found nothing"]


def test_golden_sounds_are_several_and_hold_other_sounds(model: Model) -> None:
    sounds = golden_sounds(model.rate_hz)
    assert len({sound.name for sound in sounds}) == len(sounds) >= 8
    assert len({sound.samples.tobytes() for sound in sounds}) == len(sounds)
