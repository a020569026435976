"""Clips of beds that share calls of the model: heard again alone, they have the scores of the node within 1e-5."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

import edge.node.stream
from edge.clips.clip import Recorded, describe
from edge.clips.replay import compare, exact_from, exact_until, replay
from edge.delivery.messages import model_name
from edge.detector.sound_check import SoundAssessment
from edge.model.model import DEFAULT_PATH, Model, load_model
from edge.node.engine import Engine, phase_of
from edge.node.observer import StreamObserver
from edge.node.stream import NodeStream
from edge.node.stream_clips import ClipSource, StreamClips
from edge.settings.node import Stream
from edge.settings.sections import ClipSettings
from edge.sources.file_search import DEMO_AUDIO
from edge.types import Block, Scores
from tests.edge.clips.clips import HEARING
from tests.edge.streaming import NODE, Published, Script

BEDS = 4
BLOCK = 8000  # samples; of each bed, so that chunks of all of them are ready together
SAME = 0.01  # of a score, behind a high-pass: what `edge.clips.replay` promises


@dataclass
class Latest(StreamObserver):
    """The clips of a bed, and its scores by score frame."""

    clips: list[Recorded] = field(default_factory=list)
    scores: dict[int, NDArray[np.float32]] = field(default_factory=dict)

    def on_scores(self, scores: Scores, verdict: SoundAssessment) -> None:
        note(self.scores, scores)


def note(into: dict[int, NDArray[np.float32]], scores: Scores) -> None:
    into.update({scores.start + k: scores.values[k] for k in np.flatnonzero(scores.valid).tolist()})


def sound_of(bed: int) -> NDArray[np.float32]:
    """40 s of the demo from another place on and at another level, as of a 16-bit microphone."""
    whole = soundfile.read(DEMO_AUDIO, dtype="float32")[0]
    turned = np.roll(whole, -bed * 37_000)[: 40 * 8000] * np.float32(10 ** (-4 * bed / 20))
    return np.asarray(np.clip(np.round(turned * 32768), -32767, 32767) / np.float32(32768), np.float32)


def make(model: Model, bed: int) -> tuple[NodeStream, Latest]:
    """A bed of a node, as the service makes it."""
    settings, stored, phase = Stream(id=f"bed{bed}", source="script", pace=False), Latest(), phase_of(bed, model.chunk)
    stream = NodeStream(settings, Script(), model, NODE, Published(), phase)  # type: ignore[arg-type]
    hearing = replace(HEARING, stream=stream.id, model=model_name(model).body(), phase=phase)
    place = ClipSource(
        hearing, model.spec.hop_samples, stream.timeline.wall_s, stored.clips.append, model.spec.history_samples
    )
    stream.keep_clips(StreamClips(ClipSettings(speech="keep"), place))
    stream.observers.append(stored)
    return stream, stored


def heard_in_one_engine(model: Model, sounds: Sequence[NDArray[np.float32]]) -> list[Latest]:
    beds = [make(model, bed) for bed in range(len(sounds))]
    streams = [stream for stream, _ in beds]
    engine = Engine(model, streams, ["normal"] * len(streams))
    for start in range(0, max(map(len, sounds)), BLOCK):
        for number, sound in enumerate(sounds):
            part = sound[start : start + BLOCK]
            streams[number].arrive(Block(start, part, np.ones(len(part), np.bool_)))
            engine.wake(number)
        engine.turn()
        while any(stream.pending is not None for stream in streams):
            engine.turn()
    for number, stream in enumerate(streams):
        stream.stop()
        engine.wake(number)
    while not all(stream.is_closed for stream in streams):
        engine.turn()
    assert [stream.failure for stream in streams] == [""] * len(streams)
    return [stored for _, stored in beds]


@pytest.fixture(autouse=True)
def _a_slow_machine_is_no_silent_source(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(edge.node.stream, "STALL_S", 1e9)


@pytest.mark.parametrize("variant", ["default.onnx", "default.cpu-int8.onnx"])
def test_a_clip_of_a_bed_among_others_is_heard_again_within_the_bound(
    variant: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, calls = load_model(DEFAULT_PATH.with_name(variant)), list[int]()
    score_many = model.score_many
    monkeypatch.setattr(model, "score_many", lambda c, s: calls.append(len(c)) or score_many(c, s))
    beds = heard_in_one_engine(model, [sound_of(bed) for bed in range(BEDS)])
    assert max(calls) == BEDS
    compared, largest, same = 0, 0.0, 0
    for recorded, scores in ((recorded, stored.scores) for stored in beds for recorded in stored.clips):
        about, again = describe(recorded.clip, recorded.hearing, "2026-11-21T03:14:07.512Z", False, "c" * 64), {}
        events = replay(about, recorded.clip.pcm, model, lambda some, again=again: note(again, some))
        hop, begin, until = model.score_hop_samples, exact_from(about, model), exact_until(about, model)
        assert begin is not None
        frames = [t for t in again if begin <= t * hop and (t + 1) * hop <= until]
        largest = max([largest, *(float(np.abs(again[t] - scores[t]).max()) for t in frames)])
        compared += len(frames)
        rows = compare(about, events, model)
        assert all(row.excuse for row in rows if row.differs), [row.remark for row in rows]
        same += sum(not row.differs for row in rows)
    assert compared * hop > BEDS * 20 * model.rate_hz
    assert same >= BEDS
    assert largest <= SAME
