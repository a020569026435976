"""The law of gaps: lost sound never raises an event, on real recordings and on synthetic breath."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from edge.artefact.model import Model, load_model
from edge.detector.pipeline import Pipeline
from edge.types import Block
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
