"""The law of gaps: lost sound never raises an event, on real recordings and on synthetic breath."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from edge.artefact.model import Model, load_model
from edge.detector.pipeline import GAP_PENALTY, NEAR_GAP_PENALTY, NEAR_GAP_S, Pipeline, gap_penalty
from edge.detector.tracker import raised
from edge.types import Block, Scores, Window
from firmware_bridge.assemble import Assembler
from firmware_bridge.messages import Samples
from firmware_bridge.wire import Packet
from tests.benchmarks.gaps import PACKET, detect, heard, overlaps, recordings
from training.synthetic.scene import scene

RECORDINGS = 12  # Normal ones; `python -m tests.benchmarks.gaps` takes more


@pytest.fixture(scope="module")
def model() -> Model:
    return load_model()


def over_the_wire(samples: NDArray[np.float32], arrives: NDArray[np.bool_]) -> list[Block]:
    """What the assembler makes of 20-ms packets of which those without all their samples do not arrive."""
    assembler = Assembler(8000.0)
    pcm = np.round(samples * 32767).astype(np.int16)
    items = []
    for k in range(len(pcm) // PACKET):
        span = slice(k * PACKET, (k + 1) * PACKET)
        if arrives[span].all():
            packet = Packet(7, Samples(pcm[None, span]), seq=k, sample_index=span.start, boot=1)
            items += assembler.push(packet, k * 20_000_000)
    return [item for item in items if isinstance(item, Block)]


@pytest.mark.parametrize("kind", ["5 %", "flapping"])
def test_no_gap_in_a_clean_recording_raises_an_event(kind: str, real_data: Path, model: Model) -> None:
    rng, judged = np.random.default_rng(2), 0
    for samples, _ in recordings(real_data, normal=True, count=RECORDINGS):
        arrives = heard(kind, len(samples), rng)
        blocks = over_the_wire(samples, arrives)
        whole = detect(model, samples, np.ones(len(samples), np.bool_))
        pipeline = Pipeline(model)
        events = [event for block in blocks for event in pipeline.push(block)] + pipeline.flush()
        ended = [event for event in events if event.kind == "end"]
        assert all(overlaps(event, whole.events) for event in ended)
        judged += len(samples)
    assert judged > RECORDINGS * 8000


@pytest.mark.parametrize("seed", range(4))
def test_no_event_touches_a_sample_that_was_lost(seed: int, model: Model) -> None:
    samples, _ = scene(seed, 20.0, labels=["fine_crackle"])
    arrives = heard("5 %", len(samples), np.random.default_rng(seed))
    run = detect(model, np.asarray(samples, np.float32), arrives)
    assert 0.5 * 20 < run.measurable_s < 0.9 * 20
    for event in run.events:
        assert arrives[event.onset : event.end].all()


@pytest.mark.parametrize("seed", range(4))
def test_no_gap_in_synthetic_normal_breath_raises_an_event(seed: int, model: Model) -> None:
    samples = np.asarray(scene(seed, 20.0, labels=[], distractors=False)[0], np.float32)
    whole = detect(model, samples, np.ones(len(samples), np.bool_))
    for kind in ("5 %", "flapping"):
        run = detect(model, samples, heard(kind, len(samples), np.random.default_rng(seed)))
        assert all(overlaps(event, whole.events) for event in run.events)


class Marginal:
    """The bundled model's shape, with scores that are all a little above every threshold."""

    def __init__(self, model: Model, level: float) -> None:
        self._model, self._level = model, level
        self.from_s = 0.0

    def __getattr__(self, name: str) -> object:
        return getattr(self._model, name)

    def score(self, window: object) -> object:
        scores = self._model.score(window)  # type: ignore[arg-type]
        scores.values[:] = 0.0
        late = max(round(self.from_s * 8000 / self._model.score_hop_samples) - scores.start, 0)
        scores.values[late:, self._model.classes.index("fine_crackle")] = self._level
        return scores


def test_the_closer_to_a_gap_the_more_an_event_needs_to_begin(model: Model) -> None:
    threshold = model.thresholds["fine_crackle"]
    arrives = np.ones(14 * 8000, np.bool_)
    arrives[6 * 8000 : 6 * 8000 + PACKET] = False
    quiet = np.zeros(len(arrives), np.float32)

    def onsets_s(above: float) -> list[float]:
        level = raised(threshold, above)
        run = detect(Marginal(model, level), quiet, arrives)  # type: ignore[arg-type]
        return [event.onset / 8000 for event in run.events]

    one_gap = 0.05  # what its share of the window asks, and room for it
    window, frame_s = model.window, model.spec.hop_samples / 8000
    memory_s = (window.window_frames - window.lookahead_frames - window.hop_frames) * frame_s
    assert onsets_s(NEAR_GAP_PENALTY + one_gap) == [0.0, pytest.approx(6.02, abs=0.25)]
    assert onsets_s(GAP_PENALTY + one_gap) == [0.0, pytest.approx(6.02 + NEAR_GAP_S, abs=0.3)]
    assert onsets_s(one_gap) == [0.0, pytest.approx(6.02 + memory_s, abs=window.hop_frames * frame_s)]


def test_the_more_of_a_window_is_lost_the_more_an_event_needs_to_begin(model: Model) -> None:
    threshold, rng = model.thresholds["fine_crackle"], np.random.default_rng(3)
    quiet = np.zeros(30 * 8000, np.float32)
    marginal = Marginal(model, raised(threshold, NEAR_GAP_PENALTY + 0.15))
    begun = {
        kind: len(detect(marginal, quiet, heard(kind, len(quiet), rng)).events)  # type: ignore[arg-type]
        for kind in ("1 %", "5 %")
    }
    assert begun["1 %"] > 3
    assert begun["5 %"] <= 1


@pytest.mark.parametrize("at_begin", [True, False])
def test_what_lies_outside_of_the_stream_was_not_lost(model: Model, at_begin: bool) -> None:
    spec, frames = model.window, model.window.window_frames
    valid = np.ones(frames, np.bool_)
    valid[slice(0, 100) if at_begin else slice(frames - 100, frames)] = False
    values = np.zeros((frames, model.spec.width), np.float32)
    window = Window(0, values, valid, *((100, 0) if at_begin else (0, 100)))
    count = spec.hop_frames // spec.score_frames
    scores = Scores(
        spec.decided.start // spec.score_frames,
        np.zeros((count, len(model.classes)), np.float32),
        np.ones(count, np.bool_),
    )
    assert not gap_penalty(model, window, scores).any()
    assert (gap_penalty(model, replace(window, before=0, after=0), scores) >= GAP_PENALTY).all()


def test_a_stream_after_a_reset_begins_as_a_new_one(model: Model) -> None:
    level = raised(model.thresholds["fine_crackle"], 0.05)
    sound = np.zeros(8 * 8000, np.float32)
    pipeline = Pipeline(Marginal(model, level))  # type: ignore[arg-type]
    onsets = []
    grid = model.window.hop_frames * model.spec.hop_samples
    for start in (0, 30 * grid):
        events = pipeline.push(Block(start, sound, np.ones(len(sound), np.bool_))) + pipeline.flush()
        onsets.append([event.onset - start for event in events if event.kind == "onset"])
        pipeline.reset()
    assert onsets[0] == onsets[1] != []


def test_sound_that_was_lost_at_the_end_is_lacking_in_every_window(model: Model) -> None:
    arrives = np.ones(11 * 8000, np.bool_)
    arrives[10 * 8000 :] = False
    level = raised(model.thresholds["fine_crackle"], NEAR_GAP_PENALTY - 0.05)
    quiet = np.zeros(len(arrives), np.float32)
    quiet_then = Marginal(model, level)
    quiet_then.from_s = 9.2
    assert detect(quiet_then, quiet, arrives).events == []  # type: ignore[arg-type]
    assert detect(quiet_then, quiet[: 10 * 8000], arrives[: 10 * 8000]).events  # type: ignore[arg-type]
