"""Streams that are heard together, as the node does it, on a clock that only counts: who is beside whom is chance."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edge.detector.pipeline import Pipeline
from edge.model.model import Model
from edge.node.engine import phase_of
from edge.node.scheduling import Scheduler
from edge.types import Block, Event


def heard_alone(model: Model, blocks: Sequence[Block]) -> list[Event]:
    """Events of one stream, as `laennec detect` finds them."""
    pipeline = Pipeline(model)
    return [event for block in blocks for event in pipeline.push(block)] + pipeline.flush()


def heard_together(model: Model, streams: Sequence[Sequence[Block]], seed: int) -> list[list[Event]]:
    """Events of each of some streams, whose blocks come in any order and whose chunks share calls of the model."""
    rng = np.random.default_rng(seed)
    pipelines = [Pipeline(model, phase=phase_of(number, model.chunk)) for number in range(len(streams))]
    events: list[list[Event]] = [[] for _ in streams]
    scheduler, waiting = Scheduler(len(streams)), [list(blocks) for blocks in streams]

    def collect(number: int, now_s: float) -> None:
        """Let a stream go on until a chunk of it is ready."""
        while not pipelines[number].has_ready and waiting[number] and rng.random() < 0.8:
            pipelines[number].offer(waiting[number].pop(0))
            if not waiting[number]:
                pipelines[number].end()
        if pipelines[number].has_ready and number not in scheduler:
            scheduler.add(number, now_s + rng.random(), now_s)

    now_s = 0.0
    while any(waiting) or any(pipeline.has_ready for pipeline in pipelines):
        now_s += float(rng.choice([0.001, 0.03]))  # more than a chunk waits for others, or less
        for number in rng.permutation(len(streams)).tolist():
            collect(number, now_s)
        batch = scheduler.batch(now_s)
        ready = [pipelines[number].ready() for number in batch]
        pairs = [pair for pair in ready if pair is not None]
        answers = model.score_many([chunk for chunk, _ in pairs], [state for _, state in pairs])
        for number, answer in zip(batch, answers, strict=True):
            events[number] += pipelines[number].decide(*answer)
    return [found + pipeline.finish() for found, pipeline in zip(events, pipelines, strict=True)]
