"""`python -m tests.benchmarks.stages`: what each stage of a node adds to the cost of the model, in turns.

Computing time of this process for a second of a bed, so other programs on the machine matter little, and the ratios
less: the model with its features alone; the pipelines around them; the streams of a node around those; and the node
that plays the same beds in real time (`edge.node.capacity`), without disk and broker. Not for those two, nor for delays
(`tests.benchmarks.beds`), and no test: it prints, whatever it finds.
"""

from __future__ import annotations

import argparse
import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from edge.delivery.messages import Message
from edge.detector.chunks import Chunks
from edge.detector.level import LevelledChunks
from edge.detector.pipeline import Pipeline
from edge.detector.warm import warm_up
from edge.features import FrontEnd
from edge.model.model import LIGHT_PATH, Model, load_model
from edge.node.capacity import NODE, play
from edge.node.engine import phase_of
from edge.node.stream import ModelAnswer, NodeStream
from edge.settings.node import Stream
from edge.sources.file_search import DEMO_AUDIO
from edge.sources.source import Wait
from edge.types import Block, Gap

BATCH = 4  # chunks in a call of the model; a node with 48 beds has 2 to 4
Sounds = Sequence[Sequence[Block]]
"""The blocks of each bed."""


def cut(model: Model, sound: NDArray[np.float32], beds: int, seconds: float) -> Sounds:
    """Blocks as long as a chunk, for each bed from another place of the sound on."""
    length = model.chunk.chunk_frames * model.spec.hop_samples
    valid, count = np.ones(length, np.bool_), int(seconds * model.rate_hz / length)
    turned = [np.resize(np.roll(sound, -bed * len(sound) // beds), length * count) for bed in range(beds)]
    return [[Block(k * length, s[k * length : (k + 1) * length], valid) for k in range(count)] for s in turned]


def model_alone(model: Model, sounds: Sounds) -> None:
    """Features, chunks and the model."""
    cutters = [(FrontEnd(LevelledChunks(model).spec), Chunks(model.chunk, model.spec.width)) for _ in sounds]
    states = [model.new_state() for _ in sounds]
    for blocks in zip(*sounds, strict=True):
        ready = [
            (bed, chunk)
            for bed, (block, (front_end, chunks)) in enumerate(zip(blocks, cutters, strict=True))
            for frames in front_end.push(block)
            for chunk in chunks.push(frames)
        ]
        for part in _parts(ready):
            answers = model.score_many([chunk for _, chunk in part], [states[bed] for bed, _ in part])
            for (bed, _), (_, state) in zip(part, answers, strict=True):
                states[bed] = state


def pipelines(model: Model, sounds: Sounds) -> None:
    """The detectors."""
    beds = [Pipeline(model, phase=phase_of(bed, model.chunk)) for bed in range(len(sounds))]
    for blocks in zip(*sounds, strict=True):
        for bed, block in zip(beds, blocks, strict=True):
            bed.offer(block)
        for part in _parts([(bed, pending) for bed in beds if (pending := bed.ready()) is not None]):
            answers = model.score_many([chunk for _, (chunk, _) in part], [state for _, (_, state) in part])
            for (bed, _), answer in zip(part, answers, strict=True):
                bed.decide(*answer)


def streams(model: Model, sounds: Sounds) -> None:
    """What a node has around each detector; its messages go nowhere."""
    settings = [Stream(id=f"bed{bed}", source="bed", pace=True) for bed in range(len(sounds))]
    phases = [phase_of(bed, model.chunk) for bed in range(len(sounds))]
    beds = [NodeStream(each, _Bed(), model, NODE, _Bed(), phase) for each, phase in zip(settings, phases, strict=True)]
    for blocks in zip(*sounds, strict=True):
        for bed, block in zip(beds, blocks, strict=True):
            bed.arrive(block)
            bed.advance()
        for part in _parts([(bed, bed.pending) for bed in beds if bed.pending is not None]):
            answers = model.score_many([chunk for _, (chunk, _) in part], [state for _, (_, state) in part])
            for (bed, _), answer in zip(part, answers, strict=True):
                bed.advance(ModelAnswer(*answer, 0.0))
                bed.assess()


class _Bed:
    """A source that nobody reads, and where messages go."""

    name = "bed"

    def blocks(self, stop: threading.Event) -> Iterator[Block | Gap | Wait]:
        return iter(())

    def close(self) -> None:
        """Nothing to release."""

    def send(self, message: Message) -> None:
        """Take what a stream found."""


def _parts(ready: list) -> Iterator[list]:  # type: ignore[type-arg]
    return (ready[first : first + BATCH] for first in range(0, len(ready), BATCH))


def main() -> None:
    """Measure, and print a line for each stage."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--beds", type=int, default=16)
    parser.add_argument("--seconds", type=float, default=20.0, help="of sound, in each turn")
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--model", type=Path, default=LIGHT_PATH)
    given = parser.parse_args()
    logging.disable(logging.WARNING)
    warm_up()
    model, sound = load_model(given.model), soundfile.read(DEMO_AUDIO, dtype="float32")[0]
    sounds = cut(model, sound, given.beds, given.seconds)
    stages: dict[str, Callable[[], float]] = {
        "model and features": lambda: _cost_ms(lambda: model_alone(model, sounds), given.beds, given.seconds),
        "pipelines": lambda: _cost_ms(lambda: pipelines(model, sounds), given.beds, given.seconds),
        "streams": lambda: _cost_ms(lambda: streams(model, sounds), given.beds, given.seconds),
        "node in real time": lambda: _played_ms(model, given.beds, given.seconds, sound),
    }
    found = {name: np.array([]) for name in stages}
    for _ in range(given.turns):
        found = {name: np.append(found[name], measure()) for name, measure in stages.items()}
    before = next(iter(found.values()))
    for name, costs_ms in found.items():
        of_model, of_before = np.median(costs_ms / found["model and features"]), np.median(costs_ms / before)
        print(f"{name:<18} {np.median(costs_ms):5.2f} ms, {of_model:.2f} x the model, {of_before:.2f} x the line above")
        before = costs_ms


def _cost_ms(work: Callable[[], None], beds: int, seconds: float) -> float:
    begin_s = time.process_time()
    work()
    return 1000 * (time.process_time() - begin_s) / beds / seconds


def _played_ms(model: Model, beds: int, seconds: float, sound: NDArray[np.float32]) -> float:
    played = play(model, beds, seconds, sound)
    if played.left_out_s:
        print(f"the machine was too slow, {played.left_out_s:.0f} s of sound were left out: play fewer beds")
    return 1000 * played.share * seconds / (beds * seconds - played.left_out_s)


if __name__ == "__main__":
    main()
