"""Gap messages: each for itself until there are too many, then one that counts the rest."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from edge.delivery.message_inbox import MOST, PERIOD_S, GapLimit
from edge.delivery.messages import Message, Node, gap_message
from edge.types import Gap
from tests.edge.outboxes import event

NODE = Node("laennec/v1", "ward-b", "edge-7", "Test", "b3f1b3f1")


def gap(start_ms: int, ms: int = 10, stream: str = "bed1") -> Message:
    return gap_message(NODE, stream, Gap(start_ms * 8, (start_ms + ms) * 8, "device restarted"), 8000)


def test_a_device_that_reboots_in_a_loop_makes_no_more_messages_than_the_limit_and_one_that_counts_the_rest() -> None:
    limit = GapLimit()
    reported = [message for number in range(500) for message in limit.push([gap(100 * number)], 0.1 * number)]
    assert len(reported) == MOST
    (rest,) = limit.push([], PERIOD_S)
    assert rest.body["count"] == 500 - MOST
    assert rest.body["ms"] == 10 * (500 - MOST)
    assert (rest.body["from_sample"], rest.body["to_sample"]) == (100 * MOST * 8, (499 * 100 + 10) * 8)
    assert "count" not in reported[-1].body
    assert limit.push([gap(60_000)], PERIOD_S + 1) == [gap(60_000)]


def test_events_and_other_beds_are_not_held_back() -> None:
    limit = GapLimit()
    limit.push([gap(100 * number) for number in range(2 * MOST)], 0.0)
    others = [event(1), gap(7, stream="bed2")]
    assert limit.push(others, 1.0) == others


def test_what_is_held_back_is_told_at_the_end() -> None:
    limit = GapLimit()
    limit.push([gap(100 * number) for number in range(MOST + 2)], 0.0)
    assert [message.body["count"] for message in limit.flush()] == [2]
    assert limit.flush() == []


@given(st.lists(st.tuples(st.integers(1, 40), st.floats(0, 5), st.sampled_from(["bed1", "bed2"])), max_size=200))
def test_every_millisecond_and_every_gap_is_told_once(gaps: list[tuple[int, float, str]]) -> None:
    limit, reported, now_s = GapLimit(), list[Message](), 0.0
    for index, (ms, wait_s, stream) in enumerate(gaps):
        now_s += wait_s
        reported += limit.push([gap(100 * index, ms, stream)], now_s)
    reported += limit.flush()
    assert sum(message.body["ms"] for message in reported) == sum(ms for ms, _, _ in gaps)
    assert sum(message.body.get("count", 1) for message in reported) == len(gaps)
