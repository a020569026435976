"""A stream is judged within 15 s of its begin and by its last half minute, the same for any cut of its sound."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from edge.detector.level import LevelledChunks
from edge.detector.pipeline import Pipeline
from edge.detector.sound_check import SoundAssessment, SoundCheck
from edge.detector.statistics import SILENT
from edge.features import FrontEnd
from edge.model.training_domain import TrainingDomain
from edge.settings.names import Outside
from edge.types import Event
from tests.edge.adapting import adaptation
from tests.edge.fakes import LoudnessModel
from tests.edge.knowing import RATE_HZ, block, known_noise, noise

KNOWN_DB = -42.0
LOUD_DB = -20.0
FAINT_DB = -80.0  # lower than any stream that is raised to a level that the model knows


def _model(known: TrainingDomain | None) -> LoudnessModel:
    model = LoudnessModel()
    model.known = known
    return model


KNOWS = _model(known_noise(KNOWN_DB))


def _verdicts(
    samples: NDArray[np.float32], cuts: list[int], model: LoudnessModel = KNOWS
) -> list[tuple[int, SoundAssessment]]:
    """The verdict at each chunk, by the chunk's first frame."""
    check, chunks = SoundCheck(model), LevelledChunks(model)
    front_end, out, start = FrontEnd(chunks.spec), [], 0
    for length in [*cuts, len(samples)]:
        part = block(samples[start : start + length], start)
        check.push_block(part)
        for frames in front_end.push(part):
            for chunk in chunks.push(frames):
                check.push_chunk(chunk)
                out.append((chunk.start, check.verdict))
        start = min(start + length, len(samples))
    return out


def test_a_known_sound_is_verified_within_15_s_and_an_unknown_one_is_told_why() -> None:
    for level_db, verified, reason in ((KNOWN_DB + 2, True, ""), (FAINT_DB, False, "level -81 dBFS: too low")):
        verdicts = _verdicts(noise(level_db, 16.0), [])
        assert verdicts[0][1] == SoundAssessment(None, "")
        assert verdicts[-1][1].verified is verified
        assert verdicts[-1][1].reason.startswith(reason)


@settings(max_examples=10, deadline=None)
@given(st.lists(st.integers(1, 90_000), max_size=8))
def test_any_cut_of_the_sound_gives_the_same_verdicts_at_the_same_chunks(cuts: list[int]) -> None:
    sound = np.concatenate([noise(KNOWN_DB + 2, 12.0), noise(FAINT_DB, 12.0, seed=1)])
    assert _verdicts(sound, cuts) == _verdicts(sound, [])


def test_what_was_longer_ago_than_half_a_minute_is_forgotten_but_not_for_the_whole() -> None:
    sound = np.concatenate([np.zeros(11 * RATE_HZ, np.float32), noise(KNOWN_DB + 2, 50.0)])
    verdicts = _verdicts(sound, [])
    assert any(verdict.reason.startswith("silence") for _, verdict in verdicts)
    assert verdicts[-1][1] == SoundAssessment(True)


@pytest.mark.parametrize(("seconds", "verified"), [(4.0, None), (6.0, True)])
def test_a_short_sound_is_not_judged(seconds: float, verified: bool | None) -> None:
    assert SoundCheck.of(KNOWS, noise(KNOWN_DB + 2, seconds)) == SoundAssessment(verified)


def test_a_model_that_does_not_say_what_it_knows_judges_samples_alone() -> None:
    mute = _model(None)
    assert SoundCheck.of(mute, noise(LOUD_DB, 10.0)) == SoundAssessment(None)
    assert SoundCheck.of(mute, noise(LOUD_DB, 10.0) * 0) == SoundAssessment(
        False, SILENT, "dead microphone", measurable=False
    )


@pytest.mark.parametrize("seconds", [0.01, 1.0, 3.0, 6.0])
@pytest.mark.parametrize("level", [0.0, 0.05, 1e-5])
def test_silence_as_a_whole_is_not_measurable_however_short(seconds: float, level: float) -> None:
    sound = np.full(round(seconds * RATE_HZ), level, np.float32)
    for adapted in (None, adaptation(labelled=20)):
        silent = SoundAssessment(False, SILENT, "dead microphone", measurable=False)
        assert SoundCheck.of(KNOWS, sound, adapted) == silent


def test_a_short_sound_after_silence_is_not_silent() -> None:
    sound = np.concatenate([np.zeros(3 * RATE_HZ, np.float32), noise(KNOWN_DB + 2, 1.0)])
    assert SoundCheck.of(KNOWS, sound) == SoundAssessment(None)


def test_a_second_that_is_no_number_is_told() -> None:
    samples = noise(KNOWN_DB + 2, 10.0)
    samples[RATE_HZ : 2 * RATE_HZ] = np.nan
    assert SoundCheck.of(KNOWS, samples) == SoundAssessment(False, "10 % of the samples are not numbers")


def _events(outside: Outside, model: LoudnessModel = KNOWS) -> list[Event]:
    """Of a burst each second in silence: further above its noise floor than the model knows."""
    pipeline = Pipeline(model, outside=outside)  # type: ignore[arg-type]
    sound = noise(LOUD_DB, 30.0) * (np.arange(30 * RATE_HZ) % RATE_HZ < RATE_HZ // 2)
    return pipeline.push(block(sound.astype(np.float32))) + pipeline.flush()


def test_events_carry_whether_the_sound_is_known_from_the_first_verdict_on() -> None:
    verified = [event.verified for event in _events("unverified")]
    assert verified[0] is None
    assert verified[-1] is False
    assert verified == sorted(verified, key=lambda each: each is False)


def test_outside_there_are_no_events_where_that_is_not_measurable_and_all_where_it_is_ignored() -> None:
    marked, measurable, ignored = (_events(how) for how in ("unverified", "not_measurable", "ignore"))
    assert {event.verified for event in ignored} == {None}
    assert [(e.kind, e.onset, e.end) for e in ignored] == [(e.kind, e.onset, e.end) for e in marked]
    assert 0 < len(measurable) < len(marked) // 2
    assert max(e.onset for e in measurable) < 16 * RATE_HZ
    assert measurable[-1].kind == "end"


def test_a_stream_at_the_edge_does_not_flap() -> None:
    low = KNOWS.known.reach_db[0] if KNOWS.known else 0.0
    levels_db = [low + 2 + (0.4 if k % 2 else -0.4) for k in range(12)]  # 2 dB of noise lie outside of the bands
    sound = np.concatenate([noise(each, 10.0, seed=k) for k, each in enumerate(levels_db)])
    verified = [verdict.verified for _, verdict in _verdicts(sound, []) if verdict.verified is not None]
    assert len(verified) > 400
    assert sum(a != b for a, b in pairwise(verified)) <= 1


@pytest.mark.parametrize(("labelled", "verified"), [(0, None), (20, True)])
def test_an_adaptation_without_labels_verifies_nothing(labelled: int, verified: bool | None) -> None:
    known, strange = noise(KNOWN_DB + 2, 10.0), noise(FAINT_DB, 10.0)
    assert SoundCheck.of(KNOWS, known, adaptation(labelled=labelled)) == SoundAssessment(verified)
    assert SoundCheck.of(KNOWS, strange, adaptation(labelled=labelled)).verified is False


def test_reset_forgets_everything() -> None:
    pipeline = Pipeline(KNOWS)  # type: ignore[arg-type]
    pipeline.push(block(noise(FAINT_DB, 20.0)))
    assert pipeline.verdict.verified is False
    pipeline.reset()
    assert (pipeline.verdict, pipeline.whole()) == (SoundAssessment(), SoundAssessment())
