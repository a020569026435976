"""The order of chunks, on a clock that tests move."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.model.model import MAX_BATCH
from edge.model.specs import ChunkSpec
from edge.node.engine import phase_of
from edge.node.scheduling import COMPANIONS_S, Scheduler

HOP_S = 0.48


def test_the_earliest_deadlines_go_first_and_at_most_16_at_once() -> None:
    scheduler = Scheduler(400)
    for stream in range(20):
        scheduler.add(stream, deadline_s=100.0 - stream, now_s=0.0)
    assert scheduler.batch(0.0) == list(range(19, 3, -1))
    assert (len(scheduler), scheduler.batch(0.0)) == (4, [])
    assert scheduler.batch(COMPANIONS_S) == [3, 2, 1, 0]


def test_a_chunk_waits_10_ms_for_others_and_not_for_streams_that_there_are_not() -> None:
    scheduler, alone = Scheduler(3), Scheduler(1)
    assert scheduler.wait_s(7.0) is None
    scheduler.add(0, 1.0, now_s=7.0)
    scheduler.add(1, 0.5, now_s=7.004)
    assert scheduler.wait_s(7.004) == pytest.approx(0.006)
    assert scheduler.batch(7.009) == []
    scheduler.add(2, 2.0, now_s=7.009)
    assert scheduler.batch(7.009) == [1, 0, 2]
    alone.add(0, 1.0, now_s=7.0)
    assert alone.batch(7.0) == [0]


def test_a_stream_has_one_chunk_at_a_time() -> None:
    scheduler = Scheduler(2)
    scheduler.add(0, 1.0, now_s=0.0)
    with pytest.raises(ValueError, match="stream 0"):
        scheduler.add(0, 2.0, now_s=0.0)
    assert 0 in scheduler
    assert scheduler.batch(1.0) == [0]
    assert 0 not in scheduler


@settings(max_examples=20, deadline=None)
@given(streams=st.integers(1, 60), batch_s=st.floats(0.0, 0.2), seed=st.integers(0, 2**32 - 1))
def test_every_chunk_is_scored_once_in_its_order_and_none_is_overtaken_by_later_deadlines(
    streams: int, batch_s: float, seed: int
) -> None:
    """A model that takes `batch_s` for a batch, and 10 chunks of each stream, the first of which ends at its phase."""
    scheduler, now_s, scored, worst_s = Scheduler(streams), 0.0, [0] * streams, 0.0
    due_s = dict(enumerate(np.random.default_rng(seed).uniform(0.0, HOP_S, streams).tolist()))  # of the next chunk
    while due_s:
        for stream in due_s:
            if due_s[stream] <= now_s and stream not in scheduler:
                scheduler.add(stream, due_s[stream] + HOP_S, now_s)
        chosen = scheduler.batch(now_s)
        assert len(chosen) == len(set(chosen)) <= MAX_BATCH
        assert [due_s[stream] for stream in chosen] == sorted(due_s[stream] for stream in chosen)
        left_s = [due_s[stream] for stream in due_s if stream in scheduler]
        assert not chosen or not left_s or due_s[chosen[-1]] <= min(left_s)
        for stream in chosen:
            worst_s, scored[stream] = max(worst_s, now_s - due_s[stream]), scored[stream] + 1
            due_s[stream] += HOP_S
            if scored[stream] == 10:
                del due_s[stream]
        now_s += batch_s if chosen else 0.005
    assert scored == [10] * streams
    if (streams // MAX_BATCH + 2) * (batch_s + COMPANIONS_S) <= HOP_S / 2:  # the model is fast enough: none starves
        assert worst_s <= HOP_S


def test_the_chunks_of_400_streams_end_at_different_moments_and_one_alone_as_in_detect() -> None:
    spec = ChunkSpec(chunk_frames=60, lookahead_frames=100, score_frames=4)
    phases = [phase_of(number, spec) for number in range(400)]
    counts = [phases.count(phase) for phase in range(0, 60, 4)]
    assert phases[0] == 0
    assert sum(counts) == 400
    assert max(counts) - min(counts) <= 3
    assert len(set(phases[:8])) == 8
