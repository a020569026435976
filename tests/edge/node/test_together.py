"""Streams that share calls of the model find what `laennec detect` finds in each of them, whoever is beside them.

Scores of a batch differ from those of a chunk alone in their last bits (1.5e-7 here), so an event would differ where a
smoothed score lies so near to what decides it. In 2175 s of 200 real recordings, one of 67568 frames lay within 1e-5 of
it and none within 1e-6: at this rate, about one frame in 100 hours of a bed. It would move the begin or end of an event
by 32 ms, or make or miss one that is on the edge of its threshold.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edge.api.recording import Event as Found
from edge.model.model import DEFAULT_PATH, Model, load_model
from edge.sources.file_search import DEMO_AUDIO
from edge.sources.opening import open_source
from edge.types import Block, Event
from tests.edge.detected import detected
from tests.edge.node.together import heard_alone, heard_together

PATTERNS, BEDS = 500, 25  # of losses and cuts; beds that are heard together
SOON = 200  # of these patterns, so many in `make test`
LATER = range(SOON, PATTERNS, BEDS)
RECORDINGS = 100
SAME = 1e-5  # of a score
RECEIVED, MASKED, LOST = 0, 1, 2


@pytest.fixture(scope="module")
def model() -> Model:
    """The released fp32 artefact."""
    return load_model()


@pytest.fixture(scope="module")
def int8() -> Model:
    """The released int8 artefact for the CPU."""
    return load_model(DEFAULT_PATH.with_name("default.cpu-int8.onnx"))


def _blocks(model: Model, path: Path) -> list[Block]:
    source = open_source(str(path), model.rate_hz, pace=False)
    return [item for item in source.blocks(threading.Event()) if isinstance(item, Block)]


def _named(events: Sequence[Event]) -> list[tuple[object, ...]]:
    """Events without their scores."""
    return [(e.kind, e.label, e.onset, e.end, e.threshold, e.end_reason, e.verified) for e in events]


def _differ(events: Sequence[Event], expected: Sequence[Event]) -> float:
    """The largest difference of a score of two lists of the same events."""
    pairs = zip(events, expected, strict=True)
    return max((max(abs(a.peak - b.peak), abs(a.mean - b.mean)) for a, b in pairs), default=0.0)


def _records(events: Iterable[Found]) -> list[dict[str, Any]]:
    """As `laennec detect` prints them."""
    return [event.record() for event in events]


def _pieces(sound: NDArray[np.float32], kinds: NDArray[np.int64], edges: Sequence[int]) -> list[Block]:
    """The sound as blocks that end at some edges at the latest; what is lost is in none."""
    turns = (np.flatnonzero((kinds[1:] == LOST) != (kinds[:-1] == LOST)) + 1).tolist()
    borders = sorted({0, *edges, *turns, len(sound)})
    return [Block(a, sound[a:b], kinds[a:b] == RECEIVED) for a, b in pairwise(borders) if kinds[a] != LOST]


def _pattern(sound: NDArray[np.float32], seed: int) -> tuple[list[Block], list[Block]]:
    """Some seconds of sound with losses of a millisecond to a second: in as few blocks as can be, and cut anyhow."""
    rng = np.random.default_rng(seed)
    first, length = int(rng.integers(len(sound) - 40000)), int(rng.integers(16000, 40000))
    part, kinds = sound[first : first + length].copy(), np.zeros(length, np.int64)
    for at in rng.integers(0, length, rng.integers(0, 6)).tolist():
        kinds[at : at + round(8 * 10 ** rng.uniform(0, 3))] = rng.choice([MASKED, LOST])
    cuts = np.cumsum(rng.integers(1, round(8 * 10 ** rng.uniform(1, 3)), 4000))
    return _pieces(part, kinds, []), _pieces(part, kinds, cuts[cuts < length].tolist())


def _poisoned(seed: int) -> list[Block]:
    """Sound of a bed that nobody wants beside them: loud, constant, and no numbers."""
    rng = np.random.default_rng(seed)
    samples = rng.normal(0, 10 ** rng.uniform(-3, 5), 24000).astype(np.float32)
    samples[rng.random(24000) < 0.001] = rng.choice([np.nan, np.inf, 3e38])
    return [Block(0, samples, np.ones(24000, np.bool_))]


@pytest.mark.parametrize("variant", ["model", "int8"])
def test_the_demo_beside_others_has_the_events_that_detect_prints(variant: str, request: pytest.FixtureRequest) -> None:
    model: Model = request.getfixturevalue(variant)
    expected, blocks = _records(detected(DEMO_AUDIO, model)), _blocks(model, DEMO_AUDIO)
    beds = heard_together(model, [blocks, _poisoned(1), blocks[100:], blocks, blocks[:300], blocks], seed=1)
    for number in (0, 3, 5):
        records = _records(Found.of(event, model.rate_hz) for event in beds[number] if event.kind == "end")
        assert [{**one, "mean": round(one["mean"], 3)} for one in records] == [
            {**one, "mean": round(one["mean"], 3)} for one in expected
        ]


@pytest.mark.parametrize("first", [*range(0, SOON, BEDS), *(pytest.param(n, marks=pytest.mark.rest) for n in LATER)])
def test_events_are_those_of_each_stream_alone_with_any_losses_and_cuts(model: Model, first: int) -> None:
    sound = np.concatenate([block.samples for block in _blocks(model, DEMO_AUDIO)])
    patterns = [_pattern(sound, seed) for seed in range(first, first + BEDS)]
    beds = heard_together(model, [*(cut for _, cut in patterns), _poisoned(first)], seed=first)
    found = 0
    for (whole, _), events in zip(patterns, beds, strict=False):
        expected = heard_alone(model, whole)
        found += len(expected)
        assert _named(events) == _named(expected)
        assert _differ(events, expected) < SAME
    assert found


@pytest.mark.parametrize("seed", range(5))
def test_a_bed_alone_has_the_same_bits_with_any_cut(model: Model, seed: int) -> None:
    sound = np.concatenate([block.samples for block in _blocks(model, DEMO_AUDIO)])
    whole, cut = _pattern(sound, seed)
    assert heard_together(model, [cut], seed)[0] == heard_alone(model, whole)


@pytest.mark.rest
def test_real_recordings_beside_others_have_the_events_that_detect_prints(model: Model, real_data: Path) -> None:
    paths = sorted((real_data / "sprsound" / "train").rglob("*.flac"))
    chosen = [paths[i] for i in np.random.default_rng(0).permutation(len(paths))[:RECORDINGS]]
    beds = heard_together(model, [_blocks(model, path) for path in chosen], seed=0)
    assert len(chosen) == RECORDINGS
    for path, events in zip(chosen, beds, strict=True):
        expected = _records(detected(path, model))
        records = _records(Found.of(event, model.rate_hz) for event in events if event.kind == "end")
        scores = [[record.pop(key) for key in ("score", "mean")] for record in (*records, *expected)]
        for record in (*records, *expected):
            record.pop("verified")  # of the moment at which it was decided, which is up to a chunk earlier here
        assert records == expected
        np.testing.assert_allclose(scores[: len(records)], scores[len(records) :], rtol=0, atol=1e-4)
