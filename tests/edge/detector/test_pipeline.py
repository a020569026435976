"""The whole detector: any cut of a recording gives the same scores and events, and no gap makes an event."""

from __future__ import annotations

import json
from itertools import pairwise

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from edge.detector.class_rules import CAREFUL_FRAMES, EventOptions
from edge.detector.pipeline import Pipeline
from edge.errors import ConfigError
from edge.features import Cwt, FeatureSpec
from edge.model.model import Model, load_model
from edge.sources.file_search import DEMO_AUDIO, DEMO_TRUTH
from edge.types import Block, Event, Scores
from tests.edge.fakes import LoudnessModel
from tests.edge.streaming import RATE_HZ, sound


@pytest.fixture(scope="module")
def model() -> Model:
    return load_model()


@pytest.fixture(scope="module")
def demo() -> NDArray[np.float32]:
    samples, _ = soundfile.read(DEMO_AUDIO, dtype="float32")
    return np.asarray(samples[: 8000 * 16], np.float32)


def _run(model: Model, blocks: list[Block]) -> tuple[list[Event], list[Scores]]:
    scores: list[Scores] = []
    pipeline = Pipeline(model, observe=scores.append)
    events = [event for block in blocks for event in pipeline.push(block)]
    return events + pipeline.flush(), scores


def _same(a: list[Scores], b: list[Scores]) -> bool:
    return len(a) == len(b) and all(
        x.start == y.start and np.array_equal(x.values, y.values) and np.array_equal(x.valid, y.valid)
        for x, y in zip(a, b, strict=True)
    )


@settings(deadline=None, max_examples=6)
@given(
    start=st.sampled_from([0, 2**31 - 40_000, 2**32 - 40_001]),
    cuts=st.lists(st.integers(0, 128_000), max_size=30),
    lost=st.lists(st.tuples(st.integers(0, 127_000), st.integers(1, 900) | st.integers(1, 96_000)), max_size=3),
)
def test_events_and_scores_any_cut_equals_one_piece(
    model: Model, demo: NDArray[np.float32], start: int, cuts: list[int], lost: list[tuple[int, int]]
) -> None:
    valid = np.ones(len(demo), np.bool_)
    for first, count in lost:
        valid[first : first + count] = False
    edges = [0, *sorted(cuts), len(demo)]
    pieces = [Block(start + a, demo[a:b], valid[a:b]) for a, b in pairwise(edges)]
    events, scores = _run(model, pieces)
    whole_events, whole_scores = _run(model, [Block(start, demo, valid)])
    assert events == whole_events
    assert _same(scores, whole_scores)


def test_a_gap_announced_by_a_jump_is_the_same_as_one_announced_by_a_mask(
    model: Model, demo: NDArray[np.float32]
) -> None:
    is_valid = np.ones(len(demo), np.bool_)
    is_valid[40_000:60_000] = False
    masked_events, _ = _run(model, [Block(0, demo, is_valid)])
    jump = [Block(0, demo[:40_000], is_valid[:40_000]), Block(60_000, demo[60_000:], is_valid[60_000:])]
    jump_events, _ = _run(model, jump)
    assert masked_events == jump_events != []


def test_what_lies_in_masked_samples_is_never_heard(model: Model, demo: NDArray[np.float32]) -> None:
    is_valid = np.ones(len(demo), np.bool_)
    is_valid[50_000:58_000] = False
    loud = demo.copy()
    loud[50_000:58_000] = np.random.default_rng(0).normal(0, 1, 8000)
    quiet_run, loud_run = _run(model, [Block(0, demo, is_valid)]), _run(model, [Block(0, loud, is_valid)])
    assert quiet_run[0] == loud_run[0] != []
    assert _same(quiet_run[1], loud_run[1])


def test_scores_lie_one_after_the_other_and_cover_the_sound(model: Model, demo: NDArray[np.float32]) -> None:
    _, scores = _run(model, [Block(0, demo, np.ones(len(demo), np.bool_))])
    for before, after in pairwise(scores):
        assert after.start == before.start + len(before.valid)
    begin = -(-model.spec.history_samples // model.score_hop_samples)  # score frames before the high-pass has settled
    assert scores[0].start == begin
    assert all(s.valid.all() for s in scores)
    is_valid = (begin + sum(len(s.valid) for s in scores)) * model.score_hop_samples
    assert 0 <= len(demo) - is_valid < model.spec.ahead_samples + model.score_hop_samples


def test_an_event_that_is_open_at_the_end_of_the_stream_says_so(model: Model, demo: NDArray[np.float32]) -> None:
    pipeline = Pipeline(model, EventOptions(dict.fromkeys(model.event_classes, 1e-6)))
    events = pipeline.push(Block(0, demo, np.ones(len(demo), np.bool_))) + pipeline.flush()
    assert [e.end_reason for e in events if e.kind == "end"][-1] == "stream_end"


def test_sound_that_is_no_number_gives_no_event_and_no_valid_score(model: Model) -> None:
    nothing = np.full(40_000, np.nan, np.float32)
    events, scores = _run(model, [Block(0, nothing, np.ones(40_000, np.bool_))])
    assert events == []
    assert not any(s.valid.any() for s in scores)


@pytest.mark.parametrize("kind", ["silence", "clipped square", "offset"])
def test_sound_that_is_no_breath_raises_nothing(model: Model, kind: str) -> None:
    time_s = np.arange(80_000) / 8000
    sound = {
        "silence": np.zeros(80_000),
        "clipped square": np.sign(np.sin(2 * np.pi * 1.3 * time_s)),
        "offset": np.full(80_000, 0.5),
    }[kind]
    events, _ = _run(model, [Block(0, sound.astype(np.float32), np.ones(80_000, np.bool_))])
    assert events == []


def test_the_sounds_of_the_demo_are_found_where_they_are_and_nothing_else(model: Model) -> None:
    truth = json.loads(DEMO_TRUTH.read_text())["sounds"]
    samples, rate_hz = soundfile.read(DEMO_AUDIO, dtype="float32")
    events, _ = _run(model, [Block(0, samples, np.ones(len(samples), np.bool_))])
    missed = list(truth)
    for event in (each for each in events if each.kind == "end"):
        onset_s, end_s = event.onset / rate_hz, (event.end or 0) / rate_hz
        (sound,) = [s for s in missed if s["label"] == event.label and onset_s < s["end_s"] and end_s > s["onset_s"]]
        overlap_s = min(end_s, sound["end_s"]) - max(onset_s, sound["onset_s"])
        assert overlap_s > 0.25 * (sound["end_s"] - sound["onset_s"])  # only the loudest of some crackles is sure
        assert abs(onset_s - sound["onset_s"]) < 0.6
        missed.remove(sound)
    assert missed == []


def test_a_class_or_threshold_that_the_model_lacks_is_refused(model: Model) -> None:
    with pytest.raises(ConfigError, match="class snore: not in the model, which has wheeze"):
        Pipeline(model, EventOptions({"snore": 0.5}))
    with pytest.raises(ConfigError, match="class whistle"):
        Pipeline(model, EventOptions(classes=("whistle",)))


# The model that hears loudness: chunks of 0.2 s with 0.08 s of lookahead; a score frame has 40 ms.
SCORE_HOP = LoudnessModel.score_hop_samples
HIGH = {"wheeze": 0.895}  # its score of 0.9 is 0.05 log-odds above it, and behind a gap 0.8 are asked


def _loudness(thresholds: dict[str, float] | None = None, classes: tuple[str, ...] | None = None) -> Pipeline:
    return Pipeline(LoudnessModel(), EventOptions(thresholds or {}, classes))  # type: ignore[arg-type]


def _spans_s(events: list[Event]) -> list[tuple[float, float]]:
    return [(round(e.onset / RATE_HZ, 2), round((e.end or 0) / RATE_HZ, 2)) for e in events if e.kind == "end"]


def test_at_the_begin_and_the_end_of_a_stream_nothing_is_lacking() -> None:
    pipeline = _loudness(HIGH)
    events = pipeline.push(sound(2.0, (0.0, 0.4), (1.6, 2.0))) + pipeline.flush()
    (first, second) = _spans_s(events)
    assert first == (0.0, 0.4)
    assert second[0] == 1.6
    assert second[1] > 1.9


def test_a_stream_begins_with_the_first_sample_that_can_be_used() -> None:
    is_valid = sound(2.0, (0.0, 1.0))
    is_valid.valid[: round(0.4 * RATE_HZ)] = False
    pipeline = _loudness(HIGH)
    (span,) = _spans_s(pipeline.push(is_valid) + pipeline.flush())
    assert span[0] == 0.4


def test_every_class_that_the_model_lacks_is_named() -> None:
    message = "^class snore, whistle: not in the model, which has wheeze, fine_crackle$"
    with pytest.raises(ConfigError, match=message):
        _loudness({"whistle": 0.5}, ("snore", "wheeze"))


def test_behind_a_gap_an_event_needs_more_for_so_many_score_frames() -> None:
    is_valid = sound(4.0, (2.0, 4.0))
    is_valid.valid[round(1.8 * RATE_HZ) : 2 * RATE_HZ] = False
    (usual,) = _spans_s((pipeline := _loudness()).push(is_valid) + pipeline.flush())
    (requested,) = _spans_s((pipeline := _loudness(HIGH)).push(is_valid) + pipeline.flush())
    assert usual[0] < 2.1
    assert requested[0] == 2.0 + CAREFUL_FRAMES * SCORE_HOP / RATE_HZ


@pytest.mark.parametrize("end_s", [2.0, 1.75])
def test_concealed_sound_is_known_to_the_last_frame_of_a_stream(end_s: float) -> None:
    whole, bridged = sound(end_s, (1.6, end_s)), sound(end_s, (1.6, end_s))
    bridged.valid[round(1.54 * RATE_HZ) : round(1.56 * RATE_HZ)] = False
    (event,) = _spans_s((pipeline := _loudness(HIGH)).push(whole) + pipeline.flush())
    assert event[0] == 1.6
    requested, usual = _loudness(HIGH), _loudness()
    assert requested.push(bridged) + requested.flush() == []
    assert _spans_s(usual.push(bridged) + usual.flush()) == [event]


def test_an_event_lasts_through_holes_of_60_ms_and_ends_at_longer_ones() -> None:
    is_valid = sound(4.0, (1.0, 3.0))
    for first_s, lost_s in ((1.5, 0.06), (1.8, 0.02), (2.2, 0.061)):
        is_valid.valid[round(first_s * RATE_HZ) : round((first_s + lost_s) * RATE_HZ)] = False
    pipeline = _loudness()
    bridged, after = _spans_s(pipeline.push(is_valid) + pipeline.flush())
    assert bridged[0] == 1.0
    assert 2.1 < bridged[1] <= 2.2
    assert 2.261 <= after[0] < 2.4


def test_a_pipeline_that_was_reset_is_as_new_wherever_the_sound_goes_on() -> None:
    for start in (0, 100 * RATE_HZ + 3 * SCORE_HOP):
        fresh, used = _loudness(HIGH), _loudness(HIGH)
        used.push(sound(3.0, (0.0, 3.0), start=40 * RATE_HZ))  # its event is open
        used.reset()
        again = sound(2.0, (0.0, 0.5), (1.0, 1.5), start=start)
        expected = fresh.push(again) + fresh.flush()
        assert used.push(again) + used.flush() == expected
        assert [e.kind for e in expected] == ["onset", "end", "onset", "end"]
        assert expected[0].onset == start


def test_thresholds_of_the_caller_take_the_place_of_the_models_and_the_others_stay() -> None:
    pipeline = _loudness({"wheeze": 0.95})
    assert pipeline.push(sound(1.0, (0.2, 0.8))) + pipeline.flush() == []
    pipeline = _loudness({"fine_crackle": 0.95})
    (event,) = [e for e in pipeline.push(sound(1.0, (0.2, 0.8))) + pipeline.flush() if e.kind == "end"]
    assert (event.label, event.threshold) == ("wheeze", 0.5)


def test_frames_that_wait_for_others_are_scored_at_the_end_of_the_stream() -> None:
    class Wavelets(LoudnessModel):
        """Hears wavelets, whose frames are made 15 at a time or so."""

        spec = FeatureSpec(hop_samples=64, analysis=Cwt(), bands=10, low_hz=300)

    for samples in (8000, 8320, 8640):
        scores: list[Scores] = []
        pipeline = Pipeline(Wavelets(), observe=scores.append)  # type: ignore[arg-type]
        pipeline.push(sound(samples / RATE_HZ))
        pipeline.flush()
        stop = (scores[-1].start + len(scores[-1].valid)) * SCORE_HOP
        assert 0 <= samples - stop < Wavelets.spec.ahead_samples + SCORE_HOP


def test_classes_that_were_not_asked_for_are_not_reported() -> None:
    for stop_s in (0.9, 1.0):  # it ends before the stream does, or with it
        is_valid = sound(1.0, (0.2, stop_s))
        for classes, kinds in ((("fine_crackle",), []), (("wheeze",), ["onset", "end"]), (None, ["onset", "end"])):
            pipeline = _loudness(classes=classes)
            assert [e.kind for e in pipeline.push(is_valid) + pipeline.flush()] == kinds


def test_to_finish_closes_what_is_open_and_decides_nothing_more() -> None:
    pipeline = _loudness()
    (onset,) = pipeline.push(sound(1.0, (0.2, 1.0)))
    (end,) = pipeline.finish()
    assert (onset.kind, end.kind, end.onset, end.end_reason) == ("onset", "end", onset.onset, "stream_end")
    # Frame 124 would end with sample 124 x 64 + 128 = 8064, so the last chunk ends at frame 100; it decides up to 90
    assert end.end == 90 * 64
    assert _spans_s((other := _loudness()).push(sound(1.0, (0.2, 1.0))) + other.flush())[0][1] > 0.9


def test_the_end_comes_chunk_by_chunk() -> None:
    pipeline, other = _loudness(), _loudness()
    is_valid = sound(1.0, (0.2, 0.7))
    pipeline.push(is_valid)
    other.push(is_valid)
    steps = list(pipeline.flush_stepwise())
    assert len(steps) >= 3  # the last frames, a chunk, the tracker
    assert [event for step in steps for event in step] == other.flush() != []
