"""The law of gaps from the wire to the event: lost packets are bridged, outages are not; neither raises an event."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from edge.detector.concealment import Concealment
from edge.detector.pipeline import Pipeline
from edge.model.model import Model, load_model
from edge.types import Block, Event, Scores
from firmware_bridge.assemble import Assembler
from firmware_bridge.messages import Samples
from firmware_bridge.wire import Packet
from training.evaluation.changed_sound import changes
from training.synthetic.scene import scene

RATE_HZ, PACKET = 8000, 160
LOSSES = 4  # of the changes, the last


@pytest.fixture(scope="module")
def model() -> Model:
    return load_model()


def over_the_wire(samples: NDArray[np.float32], arrives: NDArray[np.bool_]) -> list[Block]:
    """What the assembler makes of 20-ms packets of which those without all their samples do not arrive."""
    assembler = Assembler(float(RATE_HZ))
    pcm = np.round(samples * 32767).astype(np.int16)
    items = []
    for k in range(len(pcm) // PACKET):
        span = slice(k * PACKET, (k + 1) * PACKET)
        if arrives[span].all():
            packet = Packet(7, Samples(pcm[None, span]), seq=k, sample_index=span.start, boot=1)
            items += assembler.push(packet, k * 20_000_000)
    return [item for item in items if isinstance(item, Block)]


def run(model: Model, blocks: list[Block]) -> tuple[list[Event], float]:
    """Ended events, and seconds of sound that could be judged."""
    scores: list[Scores] = []
    pipeline = Pipeline(model, observe=scores.append)
    events = [event for block in blocks for event in pipeline.push(block)] + pipeline.flush()
    judged = sum(int(each.valid.sum()) for each in scores) * model.score_hop_samples / model.rate_hz
    return [event for event in events if event.kind == "end"], judged


def whole(samples: NDArray[np.float32]) -> list[Block]:
    return [Block(0, samples, np.ones(len(samples), np.bool_))]


def test_up_to_three_packets_in_a_row_are_bridged_and_four_are_not() -> None:
    samples = np.random.default_rng(0).normal(0, 0.1, 50 * PACKET).astype(np.float32)
    arrives = np.ones(len(samples), np.bool_)
    for first, count in ((5, 1), (10, 2), (20, 3), (30, 4)):
        arrives[first * PACKET : (first + count) * PACKET] = False
    concealment, known = Concealment(RATE_HZ), np.zeros(len(samples), np.bool_)
    for block in over_the_wire(samples, arrives):
        for passed in concealment.push(block):
            known[passed.start : passed.stop] = passed.valid
    assert np.flatnonzero(~known).tolist() == list(range(30 * PACKET, 34 * PACKET))
    assert concealment.concealed == 6 * PACKET


@pytest.mark.parametrize("seed", range(4))
def test_no_event_touches_a_sample_that_stayed_lost(seed: int, model: Model) -> None:
    samples = np.asarray(scene(seed, 20.0, labels=["fine_crackle"])[0], np.float32)
    for changed in changes(samples, RATE_HZ, np.random.default_rng(seed))[-LOSSES:]:
        known = np.zeros(len(samples), np.bool_)
        for block in Concealment(RATE_HZ).push(Block(0, samples, changed.valid)):
            known[block.start : block.stop] = block.valid
        events, _ = run(model, [Block(0, samples, changed.valid)])
        assert all(known[event.onset : event.end].all() for event in events)


@pytest.mark.parametrize("seed", range(4))
def test_no_loss_in_synthetic_normal_breath_raises_an_event(seed: int, model: Model) -> None:
    samples = np.asarray(scene(seed, 20.0, labels=[], distractors=False)[0], np.float32)
    first, _ = run(model, whole(samples))
    for changed in changes(samples, RATE_HZ, np.random.default_rng(seed))[-LOSSES:]:
        again, _ = run(model, over_the_wire(samples, changed.valid))
        new = [event for event in again if not any(one.onset < event.end and event.onset < one.end for one in first)]
        assert not new, changed.change


def test_nearly_all_sound_is_judged_when_one_packet_in_a_hundred_is_lost(model: Model) -> None:
    samples = np.asarray(scene(1, 20.0, labels=["wheeze"])[0], np.float32)
    arrives = np.repeat(np.random.default_rng(0).random(len(samples) // PACKET) >= 0.01, PACKET)
    _, judged_s = run(model, over_the_wire(samples[: len(arrives)], arrives))
    assert judged_s > 0.98 * len(arrives) / RATE_HZ
