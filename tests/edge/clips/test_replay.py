"""A clip gives the scores and events again that its node had, and says where it cannot."""

from __future__ import annotations

import threading
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import soundfile

import edge.node.stream
from edge.clips.clip import ClipFile, Recorded, describe
from edge.clips.replay import SAME_SCORE, compare, exact_from, exact_until, replay
from edge.delivery.messages import model_name
from edge.detector.pipeline import Pipeline
from edge.errors import ModelError
from edge.model.model import Model, load_model
from edge.node.stream_clips import ClipSource, StreamClips
from edge.settings.sections import ClipSettings
from edge.sources.file_search import DEMO_AUDIO
from edge.types import Block, Scores
from tests.edge.clips.clips import HEARING
from tests.edge.streaming import Driven, Published, Script, Stream

RATE_HZ = 8000
PHASE = 20


@pytest.fixture(scope="module")
def model() -> Model:
    return load_model()


@pytest.fixture(autouse=True)
def _a_slow_machine_is_no_silent_source(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(edge.node.stream, "STALL_S", 1e9)


def blocks(gain_db: float, start: int = 0) -> list[Block]:
    """The demo twice, at a level, in pieces of any length, with a hole of 30 ms and one of 2 s."""
    sound = np.tile(soundfile.read(DEMO_AUDIO, dtype="float32")[0], 2)
    pcm = np.round(sound * np.float32(10 ** (gain_db / 20)) * 32768)  # as of a 16-bit microphone
    sound = np.clip(pcm, -32767, 32767) / np.float32(32768)
    valid = np.ones(len(sound), np.bool_)
    valid[13 * RATE_HZ : 13 * RATE_HZ + 240] = False
    valid[20 * RATE_HZ : 22 * RATE_HZ] = False
    edges = [0, *np.sort(np.random.default_rng(0).integers(0, len(sound), 200)).tolist(), len(sound)]
    return [Block(start + a, sound[a:b], valid[a:b]) for a, b in pairwise(edges) if b > a]


def stored(model: Model, sound: list[Block]) -> tuple[list[Recorded], dict[int, np.ndarray]]:
    """The clips of a node that hears this, and its scores by score frame."""
    clips, scores = list[Recorded](), dict[int, np.ndarray]()

    def note(some: Scores) -> None:
        scores.update({some.start + k: some.values[k] for k in np.flatnonzero(some.valid).tolist()})

    stream = Driven(Stream(id="bed1", source="script", pace=False), Script(*sound), Published(), model)  # type: ignore[arg-type]
    stream._pipeline = Pipeline(model, observe=note, phase=PHASE)  # the one of a bed that is not the first
    hearing = replace(HEARING, model=model_name(model).body(), phase=PHASE)
    place = ClipSource(
        hearing, model.spec.hop_samples, stream.timeline.wall_s, clips.append, model.spec.history_samples
    )
    stream.keep_clips(StreamClips(ClipSettings(speech="keep"), place))
    stream.run(threading.Event())
    assert stream.failure == ""
    return clips, scores


def described(recorded: Recorded) -> ClipFile:
    return describe(recorded.clip, recorded.hearing, "2026-11-21T03:14:07.512Z", False, "c" * 64)


@pytest.mark.parametrize(("gain_db", "start"), [(0.0, 0), (-25.0, 2**31 - 200_000), (14.0, 2**32 - 200_000)])
def test_scores_and_events_are_those_of_the_node_where_the_clip_says_so(
    gain_db: float, start: int, model: Model
) -> None:
    clips, scores = stored(model, blocks(gain_db, start))
    compared = same = 0
    for recorded in clips:
        about, again = described(recorded), dict[int, np.ndarray]()

        def note(some: Scores, again: dict[int, np.ndarray] = again) -> None:
            again.update({some.start + k: some.values[k] for k in np.flatnonzero(some.valid).tolist()})

        events = replay(about, recorded.clip.pcm, model, note)
        begin = exact_from(about, model)
        assert begin is not None
        hop = model.score_hop_samples
        frames = [t for t in again if begin <= t * hop and (t + 1) * hop <= exact_until(about, model)]
        for frame in frames:
            np.testing.assert_allclose(again[frame], scores[frame], atol=SAME_SCORE)
        compared += len(frames)
        rows = compare(about, events, model)
        assert all(row.excuse for row in rows if row.differs), [row.remark for row in rows]
        same += sum(not row.differs for row in rows)
    assert compared * hop > 60 * RATE_HZ
    assert same >= 8
    if gain_db < 0:
        assert {gain for recorded in clips for _, gain in recorded.clip.gains} - {0.0}, "it was heard louder"


def test_without_the_gain_or_the_state_of_the_node_scores_would_be_others(model: Model) -> None:
    clips, scores = stored(model, blocks(-25.0))
    recorded = clips[-1]
    about = described(recorded)
    assert about.resume is not None
    for changed in (replace(about, gains=((0, 0.0),)), replace(about, resume=replace(about.resume, state=""))):
        again = dict[int, np.ndarray]()
        replay(
            changed,
            recorded.clip.pcm,
            model,
            lambda some, again=again: again.update(enumerate(some.values, some.start)),
        )  # type: ignore[misc]
        assert max(np.abs(again[t] - scores[t]).max() for t in again if t in scores) > 0.01


def test_another_model_is_refused_with_both_names(model: Model) -> None:
    about = replace(described(stored(model, blocks(0.0)[:150])[0][0]), hearing=HEARING)
    with pytest.raises(ModelError, match=r"scored by model m \(aaaaaaaaaaaa\), found .*; give that one with --model"):
        replay(about, np.zeros(0, np.int16), model)


def test_a_state_that_is_not_of_this_model_is_refused(model: Model) -> None:
    recorded = stored(model, blocks(0.0)[:150])[0][0]
    about = described(recorded)
    assert about.resume is not None
    for state in ("AAAA", "?"):
        with pytest.raises(ModelError, match="expected a state of 36087 numbers"):
            replay(replace(about, resume=replace(about.resume, state=state)), recorded.clip.pcm, model)


def test_what_the_clip_cannot_show_is_said(model: Model) -> None:
    clips, _ = stored(model, blocks(0.0))
    about = described(clips[0])
    first = about.events[0]
    louder = replace(first, peak=first.peak / 2)
    short = replace(about, resume=None, events=(louder, *about.events[1:]))
    rows = compare(short, replay(about, clips[0].clip.pcm, model), model)
    assert rows[0].remark == "other score: too little of the clip lies before it"
    gone = compare(replace(about, events=(replace(first, label="stridor"),)), [], model)
    assert gone[0].remark.startswith("not found")
