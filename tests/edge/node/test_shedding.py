"""Who rests where the box is too slow, on a clock that tests move."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.node.scheduling import COST_S, MOST_WORK_S, SCORED_S, SHED_S, ChunkCost, Shedding


def work(*shares: float) -> list[float]:
    """Of what may wait in all, how much waits for each stream, seconds."""
    return [share * MOST_WORK_S for share in shares]


def test_nobody_rests_while_the_work_can_be_done() -> None:
    shedding = Shedding(["low", "high"])
    assert shedding.shed(0.0, [MOST_WORK_S, 0.0], load=1.0) == []
    assert shedding.shed(0.0, [MOST_WORK_S, 0.1], load=1.0) == [0]


def test_nothing_is_left_out_after_a_pause_of_a_box_that_is_fast_enough() -> None:
    shedding = Shedding(["normal"] * 4)
    assert shedding.shed(0.0, work(*[0.49] * 4), load=0.2) == []
    assert shedding.shed(0.0, work(*[0.49] * 4), load=0.3) == [0, 1]  # the others can be heard in time
    assert Shedding(["normal"] * 4).shed(0.0, work(*[0.99] * 4), load=0.2) == [0, 1]  # nor can a long one be made up


def test_low_goes_before_normal_before_high_and_no_more_than_needed() -> None:
    shedding = Shedding(["high", "normal", "low", "normal", "low"])
    assert shedding.shed(0.0, work(*[0.32] * 5), load=1.0) == [2, 4]
    assert Shedding(["high", "normal", "low"]).shed(0.0, work(*[0.67] * 3), load=1.0) == [2, 1]


def test_of_one_priority_those_rest_that_were_heard_for_longest() -> None:
    shedding, work_s = Shedding(["normal"] * 4), work(*[0.42] * 4)
    assert shedding.shed(0.0, work_s, load=1.0) == [0, 1]
    assert shedding.shed(SHED_S / 2, work(0, 0, 0, 1.2), load=1.0) == [3]
    assert shedding.shed(SHED_S, work_s, load=1.0) == [2, 0]  # one is just back, and one still rests
    assert shedding.shed(3 * SHED_S, work_s, load=1.0) == [1, 3]


def test_a_stream_that_is_just_back_rests_after_one_of_higher_priority() -> None:
    shedding = Shedding(["low", "normal"])
    assert shedding.shed(0.0, work(0.8, 0.7), load=1.0) == [0]
    assert shedding.shed(SHED_S + SCORED_S / 2, work(0.8, 0.7), load=1.0) == [1]
    assert shedding.shed(2 * SHED_S + SCORED_S, work(0.8, 0.7), load=1.0) == [0]


def test_of_streams_that_are_all_just_back_those_rest_that_rested_longest_ago_whatever_their_priority() -> None:
    shedding = Shedding(["low", "normal"])
    assert shedding.shed(0.0, work(0, 1.2), load=1.0) == [1]
    assert shedding.shed(2.0, work(1.2, 0), load=1.0) == [0]
    assert shedding.shed(2.0 + SHED_S + 1.0, work(0.7, 0.7), load=1.0) == [1]


@settings(max_examples=15, deadline=None)
@given(
    priorities=st.lists(st.sampled_from(["low", "normal", "high"]), min_size=4, max_size=12),
    load=st.floats(0.1, 2.5),
)
def test_whatever_the_load_every_stream_is_heard_and_a_fast_box_loses_nothing(
    priorities: list[str], load: float
) -> None:
    """Streams that each bring `load / n` seconds of work in a second, on a box that does one second of it."""
    shedding, n, step_s = Shedding(priorities), len(priorities), 0.1
    work_s, heard_s, until_s = [0.0] * n, [0.0] * n, [0.0] * n
    for step in range(600):
        now_s, done_s = step * step_s, step_s
        for stream in range(n):
            if now_s >= until_s[stream]:
                work_s[stream] += load / n * step_s
        for stream in sorted(range(n), key=lambda stream: -work_s[stream]):
            part_s = min(work_s[stream], done_s)
            work_s[stream], done_s, heard_s[stream] = work_s[stream] - part_s, done_s - part_s, heard_s[stream] + part_s
        for stream in shedding.shed(now_s, work_s, load / n):
            work_s[stream], until_s[stream] = 0.0, now_s + SHED_S
        assert sum(work_s) <= 2 * MOST_WORK_S + load * step_s
    wanted_s = load / n * 60
    assert min(heard_s) > 0.1 * wanted_s
    assert sum(heard_s) > 0.6 * min(60, load * 60)
    assert load > 1.0 or min(heard_s) > 0.97 * wanted_s


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(1, 16), min_size=40, max_size=60))
def test_a_chunk_costs_the_same_in_whatever_batches_it_came(sizes: list[int]) -> None:
    """A batch takes 8 ms and 1 ms for each chunk: that of one chunk says 9 ms, but most chunks lie in the larger."""
    cost, now_s = ChunkCost(), 0.0
    for _ in range(20):  # the same again and again, longer than it remembers
        for size in sizes:
            now_s += 0.02
            cost.add(now_s, 0.008 + 0.001 * size, size)
    spent_s, chunks = 0.008 * len(sizes) + 0.001 * sum(sizes), sum(sizes)
    assert cost.seconds == pytest.approx(spent_s / chunks, rel=0.2)


def test_what_a_chunk_costs_is_known_after_some_seconds_and_follows_the_box() -> None:
    cost = ChunkCost()
    cost.add(0.0, 3.0, 1)  # the first batch of a node
    assert cost.seconds == 0
    for step in range(1, 200):
        cost.add(step * COST_S / 50, 0.004, 2)
        assert (cost.seconds > 0) == (step >= 50)
    assert cost.seconds == pytest.approx(0.002, rel=1)
    for step in range(200, 800):
        cost.add(step * COST_S / 50, 0.04, 2)  # the box got slower
    assert cost.seconds == pytest.approx(0.02, rel=0.01)
