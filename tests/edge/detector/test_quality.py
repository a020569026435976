"""What is wrong with computed chest sound is named, what is not stays unnamed, the same for any cut."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.detector.pipeline import Pipeline
from edge.detector.quality import LEAST, SEGMENTS, TOO_SHORT, Quality, QualityAssessment, is_for_chests
from edge.model.model import load_model
from edge.settings.names import Outside
from edge.types import Block, Fault, Scores
from tests.edge.chests import (
    RATE_HZ,
    TIME_S,
    ChestModel,
    Sound,
    chest,
    heart,
    known_chests,
    rubbing,
    shelf,
    tone,
    voice,
)
from tests.edge.knowing import block, known_noise, noise

CHEST = chest()
SEGMENT = 2 * RATE_HZ


def _findings(samples: Sound, start: int = 0, cuts: list[int] | None = None) -> list[QualityAssessment]:
    """Every two seconds, and as of then."""
    quality = Quality(RATE_HZ)
    edges = [0, *sorted(cuts or []), len(samples)]
    for a, b in pairwise(edges):
        quality.push(block(samples[a:b], start + a))
    return [quality.at(start + at) for at in range(0, len(samples) + 1, SEGMENT)]


def _fault(samples: Sound) -> Fault | None:
    return _findings(samples)[-1].fault


def _hum(above_db: float) -> Sound:
    return sum((tone(hz, CHEST, above_db) for hz in (50, 100, 150)), np.zeros(len(CHEST), np.float32))


@pytest.mark.parametrize(
    ("samples", "fault"),
    [
        (CHEST, None),
        (CHEST * np.float32(0.1), None),  # gains change nothing
        (np.zeros(len(CHEST), np.float32), "dead microphone"),
        (noise(-40.0, 24.0), "no contact"),
        (noise(-80.0, 24.0), "no contact"),
        (CHEST + voice(), "speech"),
        (CHEST + _hum(3.0), "mains hum"),
        (CHEST + _hum(-20.0), None),
        (CHEST + tone(60, CHEST, 3.0), "mains hum"),
        (CHEST + tone(437, CHEST, 3.0), "steady tone"),
        (CHEST + tone(437, CHEST, -20.0), None),
        (CHEST + tone(437, CHEST, 3.0) * (TIME_S % 3 < 1.5), None),  # a wheeze that ends with its breath
        (CHEST + rubbing(), "rubbing"),
        (CHEST + rubbing(highest_hz=60), None),  # what is below 100 Hz alone hides no breath
        (CHEST + 10 * heart(), None),
        (noise(-40.0, 24.0) + 10 * heart(), None),  # it touches: the breath pauses
        (np.clip(CHEST * np.float32(100), -1, 1), "clipping"),
    ],
)
@pytest.mark.parametrize("low_db", [0.0, 30.0])
def test_what_is_wrong_is_named_whatever_a_device_does_to_low_frequencies(
    samples: Sound, fault: Fault | None, low_db: float
) -> None:
    recorded = shelf(samples.astype(np.float32), 90, low_db)
    loudest = max(float(np.abs(recorded).max()), 1e-9)
    found = _findings(
        samples.astype(np.float32) if fault == "clipping" else recorded * np.float32(min(1, 0.9 / loudest))
    )
    assert found[-1].fault == fault
    assert bool(found[-1].reason) is (fault is not None)


def test_a_fault_is_called_after_some_seconds_and_over_after_some_more() -> None:
    spoken = np.concatenate([CHEST, CHEST + voice(), CHEST])
    called = [finding.fault == "speech" for finding in _findings(spoken)]
    begin, end = called.index(True), len(called) - called[::-1].index(True)
    assert 12 < begin <= 12 + SEGMENTS
    assert 24 < end <= 24 + SEGMENTS + 2
    assert all(called[begin:end])


def test_nothing_is_said_before_four_stretches_were_whole() -> None:
    found = [finding.fault for finding in _findings(noise(-40.0, 24.0))]
    assert found[:LEAST] == [None] * LEAST
    assert found[LEAST:] == ["no contact"] * (len(found) - LEAST)


@settings(max_examples=15)
@given(cuts=st.lists(st.integers(0, len(CHEST)), max_size=8), start=st.sampled_from([0, 2**31 - 70_000, 2**32 - 1]))
def test_any_cut_gives_the_same(cuts: list[int], start: int) -> None:
    samples = (CHEST + voice() * (TIME_S > 8)).astype(np.float32)
    assert _findings(samples, start, cuts) == _findings(samples, start)


def test_an_index_of_years_is_judged_as_the_first() -> None:
    samples = (CHEST + voice()).astype(np.float32)
    assert _findings(samples, 2**32 // (2 * SEGMENT) * 2 * SEGMENT) == _findings(samples)


@pytest.mark.parametrize(
    ("lost", "fault"), [("nothing", "speech"), ("valid", None), ("samples", None), ("numbers", None)]
)
def test_a_stretch_of_which_anything_was_lost_is_left_out(lost: str, fault: Fault | None) -> None:
    spoken, quality = (CHEST + 2 * voice()).astype(np.float32), Quality(RATE_HZ)
    for number in range(12):
        part = slice(number * SEGMENT, (number + 1) * SEGMENT)
        samples, valid = (spoken if number % 2 else CHEST)[part].copy(), np.ones(SEGMENT, np.bool_)
        if number % 2 and lost == "numbers":
            samples[100] = np.nan
        if number % 2 and lost == "valid":
            valid[-1] = False
        first = 7 if number % 2 and lost == "samples" else 0
        quality.push(Block(part.start + first, samples[first:], valid[first:]))
    assert quality.at(12 * SEGMENT).fault == fault


def test_what_was_found_expires_when_nothing_more_is_judged() -> None:
    quality = Quality(RATE_HZ)
    quality.push(block(noise(-40.0, 8.0)))
    assert quality.at(8 * RATE_HZ + 15 * RATE_HZ).fault == "no contact"
    assert quality.at(8 * RATE_HZ + 17 * RATE_HZ).fault is None


def test_sound_of_less_than_8_s_is_not_judged_and_that_is_said() -> None:
    for seconds, reason in ((5, TOO_SHORT), (9, "")):
        pipeline = Pipeline(ChestModel())  # type: ignore[arg-type]
        pipeline.push(block(CHEST[: seconds * RATE_HZ]))
        pipeline.flush()
        whole = pipeline.whole()
        assert (whole.reason, whole.too_short, whole.measurable) == (reason, bool(reason), True)


def test_a_file_has_the_fault_of_most_of_it() -> None:
    quality = Quality(RATE_HZ)
    quality.push(block(CHEST))
    assert quality.whole() == QualityAssessment()
    quality.push(block(noise(-40.0, 60.0), len(CHEST)))
    assert quality.whole() == QualityAssessment("no contact")


def test_reset_forgets_everything() -> None:
    quality = Quality(RATE_HZ)
    quality.push(block(noise(-40.0, 12.0)))
    quality.reset()
    assert (quality.at(2**40), quality.whole()) == (QualityAssessment(), QualityAssessment())
    quality.push(block(CHEST))
    assert quality.at(len(CHEST)) == QualityAssessment(None, touches=True)


def test_only_a_model_of_chests_is_told_what_is_none() -> None:
    assert is_for_chests(load_model().known)
    assert is_for_chests(known_chests())
    assert not is_for_chests(known_noise(-42.0))
    assert not is_for_chests(None)


def _scores(samples: Sound, outside: Outside) -> tuple[list[Scores], list[str]]:
    """Of a pipeline, and the kinds and reasons of its events."""
    scores: list[Scores] = []
    pipeline = Pipeline(ChestModel(), observe=scores.append, outside=outside)  # type: ignore[arg-type]
    events = pipeline.push(block(samples)) + pipeline.flush()
    return scores, [f"{event.kind} {event.end_reason}".strip() for event in events]


def test_sound_that_cannot_be_judged_has_no_scores_and_ends_what_lasts_as_a_gap() -> None:
    scores, events = _scores(noise(-26.0, 24.0), "unverified")
    valid = np.concatenate([each.valid for each in scores])
    assert valid.mean() == pytest.approx(8 / 24, abs=0.05)
    assert events == ["onset", "end gap"]


def test_where_sound_is_not_judged_the_events_are_what_they_were() -> None:
    scores, events = _scores(noise(-26.0, 24.0), "ignore")
    assert np.concatenate([each.valid for each in scores]).all()
    assert events == ["onset", "end stream_end"]


@pytest.mark.parametrize("phase", [5, 10, 15, 20])
def test_chunks_that_are_shifted_lose_the_same_frames(phase: int) -> None:
    samples, found = np.concatenate([CHEST, noise(-26.0, 24.0), CHEST]), []
    for shift in (0, phase):
        scores: list[Scores] = []
        pipeline = Pipeline(ChestModel(), observe=scores.append, phase=shift)  # type: ignore[arg-type]
        pipeline.push(block(samples))
        pipeline.flush()
        found.append({each.start + k for each in scores for k in np.flatnonzero(each.valid)})
    assert found[0] == found[1]
    assert len(found[0]) < 0.9 * len(samples) / ChestModel.score_hop_samples


def test_what_is_known_lasts_until_the_next_finding_and_no_longer_than_it_is_judged_by() -> None:
    quality, whole = Quality(RATE_HZ), SEGMENT * LEAST
    quality.push(block(CHEST[:whole]))
    quality.at(whole - 1)
    assert (quality.lasts(whole - 1), quality.lasts(whole)) == (True, False)
    quality.at(whole)
    over = whole + SEGMENTS * SEGMENT
    assert (quality.lasts(over - 1), quality.lasts(over)) == (True, False)
    quality.at(over)
    assert quality.lasts(over + SEGMENT)
